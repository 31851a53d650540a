//! Tables for papers: LaTeX with booktabs, mean ± standard deviation, the best in bold.

use polars::prelude::{DataFrame, DataType};

use crate::error::{Error, Result};

/// Which value of a column is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Best {
    /// The greatest, as for an accuracy.
    Highest,
    /// The least, as for a loss.
    Lowest,
}

/// A table of a frame: one row for each value of one column, one column for each value of another,
/// and in each cell mean ± standard deviation of all numbers that belong there (of seeds, say).
///
/// The standard deviation is that of a sample (divisor n − 1), left out where there is one number
/// only. The best mean of each column is set in bold, with those that round to the same.
/// The table needs the LaTeX package booktabs.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let frame = df!(
///     "rule" => ["a", "a", "b", "b"], "k" => ["5", "5", "5", "5"], "loss" => [1.0, 2.0, 4.0, 4.0],
/// )?;
/// let table = LatexTable::new("rule", "k", "loss").best(Best::Lowest).digits(1).render(&frame)?;
/// assert!(table.contains(r"a & $\mathbf{1.5 \pm 0.7}$ \\"));
/// assert!(table.contains(r"b & $4.0 \pm 0.0$ \\"));
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LatexTable {
    rows: String,
    columns: String,
    value: String,
    best: Option<Best>,
    digits: usize,
    caption: Option<String>,
}

impl LatexTable {
    /// A table of the numbers in column `value`, by the values of columns `rows` and `columns`.
    pub fn new(rows: &str, columns: &str, value: &str) -> Self {
        let (rows, columns, value) = (rows.to_owned(), columns.to_owned(), value.to_owned());
        Self { rows, columns, value, best: None, digits: 2, caption: None }
    }

    /// Sets the best of each column in bold.
    pub fn best(mut self, best: Best) -> Self {
        self.best = Some(best);
        self
    }

    /// Digits after the point, 2 unless set.
    pub fn digits(mut self, digits: usize) -> Self {
        self.digits = digits;
        self
    }

    /// Makes it a floating table with this caption, in LaTeX's own language.
    pub fn caption(mut self, caption: &str) -> Self {
        self.caption = Some(caption.to_owned());
        self
    }

    /// The LaTeX source. Rows and columns stand in the order of their first appearance.
    ///
    /// # Errors
    /// [`Error::Polars`] when a column is absent or `value` holds no numbers,
    /// [`Error::Parameter`] when there is nothing to show.
    pub fn render(&self, frame: &DataFrame) -> Result<String> {
        let keys = |name: &str| -> Result<Vec<String>> {
            let column = frame.column(name)?.cast(&DataType::String)?;
            Ok(column.str()?.iter().map(|text| text.unwrap_or("null").to_owned()).collect())
        };
        let (rows, columns) = (keys(&self.rows)?, keys(&self.columns)?);
        let values = frame.column(&self.value)?.strict_cast(&DataType::Float64)?;
        let values: Vec<Option<f64>> = values.f64()?.iter().collect();
        let (row_names, column_names) = (unique(&rows), unique(&columns));
        if row_names.is_empty() {
            return Err(Error::parameter("the frame of a table", "empty", "of at least one row"));
        }
        let cell = |row: &str, column: &str| -> Vec<f64> {
            let places = rows.iter().zip(&columns).zip(&values);
            let wanted = places.filter(|((r, c), _)| *r == row && *c == column);
            wanted.filter_map(|(_, value)| *value).collect()
        };
        let mut lines = vec![String::new(); row_names.len()];
        for column in &column_names {
            let cells: Vec<Vec<f64>> = row_names.iter().map(|row| cell(row, column)).collect();
            let means = cells.iter().filter(|cell| !cell.is_empty()).map(|cell| mean(cell));
            let best = match self.best {
                Some(Best::Highest) => means.reduce(f64::max),
                Some(Best::Lowest) => means.reduce(f64::min),
                None => None,
            };
            let best = best.map(|best| self.number(best));
            for (line, cell) in lines.iter_mut().zip(&cells) {
                line.push_str(&format!(" & {}", self.entry(cell, best.as_deref())));
            }
        }
        let heads: String =
            column_names.iter().map(|name| format!(" & {}", escape(name))).collect();
        let body: String = row_names
            .iter()
            .zip(lines)
            .map(|(name, line)| format!("{}{line} \\\\\n", escape(name)))
            .collect();
        let table = format!(
            "\\begin{{tabular}}{{l{}}}\n\\toprule\n{}{heads} \\\\\n\\midrule\n{body}\\bottomrule\n\
             \\end{{tabular}}\n",
            "c".repeat(column_names.len()),
            escape(&self.rows),
        );
        Ok(match &self.caption {
            Some(caption) => format!(
                "\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n{table}\\end{{table}}\n"
            ),
            None => table,
        })
    }

    fn entry(&self, cell: &[f64], best: Option<&str>) -> String {
        if cell.is_empty() {
            return "--".to_owned();
        }
        let mean_text = self.number(mean(cell));
        let mut text = mean_text.clone();
        if cell.len() > 1 {
            let mean = mean(cell);
            let squares: f64 = cell.iter().map(|value| (value - mean).powi(2)).sum();
            let deviation = (squares / (cell.len() - 1) as f64).sqrt();
            text = format!("{text} \\pm {}", self.number(deviation));
        }
        match best == Some(&*mean_text) {
            true => format!("$\\mathbf{{{text}}}$"),
            false => format!("${text}$"),
        }
    }

    fn number(&self, value: f64) -> String {
        if value.is_finite() { format!("{value:.*}", self.digits) } else { "\\mathrm{nan}".into() }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn unique(values: &[String]) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for value in values {
        if !found.contains(&value.as_str()) {
            found.push(value);
        }
    }
    found
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', character]),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '\\' => escaped.push_str("\\textbackslash{}"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    #[test]
    fn ties_gaps_and_special_characters() -> Result<()> {
        let frame = df!(
            "rule" => ["x_1", "y&", "x_1", "z"],
            "set" => ["50%", "50%", "b", "50%"],
            "accuracy" => [0.501, 0.499, 0.25, 0.1],
        )?;
        let table = LatexTable::new("rule", "set", "accuracy")
            .best(Best::Highest)
            .caption("A \\emph{test}");
        let text = table.render(&frame)?;
        assert!(text.contains("rule & 50\\% & b \\\\"), "{text}");
        assert!(text.contains("x\\_1 & $\\mathbf{0.50}$ & $\\mathbf{0.25}$ \\\\"), "{text}");
        assert!(text.contains("y\\& & $\\mathbf{0.50}$ & -- \\\\"), "{text}");
        assert!(
            text.contains("z & $0.10$ & -- \\\\") && text.contains("\\caption{A \\emph{test}}")
        );
        assert!(LatexTable::new("rule", "set", "rule").render(&frame).is_err());
        assert!(LatexTable::new("rule", "set", "accuracy").render(&frame.head(Some(0))).is_err());
        Ok(())
    }
}
