//! Data frames as tables in notebooks.

use polars::prelude::{AnyValue, Column, DataFrame};

use super::{notebook, style};

const MOST_ROWS: usize = 30;
const MOST_COLUMNS: usize = 20;
const MOST_CHARACTERS: usize = 80;

/// Shows a data frame as a table when it is the last expression of a notebook cell.
pub trait DisplayFrame {
    /// Shows the frame in a notebook cell; elsewhere prints it as text.
    fn evcxr_display(&self);

    /// The frame as an HTML table: its shape, names and types, at most 30 rows and 20 columns (the
    /// first and the last ones), numbers with at most 6 significant digits.
    fn to_html(&self) -> String;
}

impl DisplayFrame for DataFrame {
    fn evcxr_display(&self) {
        if notebook::is_running() {
            notebook::show(&[("text/html", self.to_html()), ("text/plain", format!("{self:?}"))]);
        } else {
            println!("{self:?}");
        }
    }

    fn to_html(&self) -> String {
        let columns = shown(self.width(), MOST_COLUMNS);
        let rows = shown(self.height(), MOST_ROWS);
        let line = |tag: &str, cell: &dyn Fn(&Column) -> String| {
            let cells = columns.iter().map(|place| match place {
                Some(index) => {
                    let column = &self.columns()[*index];
                    let side = if column.dtype().is_primitive_numeric() { "right" } else { "left" };
                    format!("<{tag} style=\"text-align: {side}\">{}</{tag}>", cell(column))
                }
                None => format!("<{tag}>…</{tag}>"),
            });
            format!("<tr>{}</tr>", cells.collect::<String>())
        };
        let names = line("th", &|column| escape(column.name()));
        let types = line("td", &|column| {
            let kind = escape(&column.dtype().to_string());
            format!("<span style=\"opacity: 0.6\">{kind}</span>")
        });
        let body = rows.iter().map(|row| match row {
            Some(row) => line("td", &|column| cell(column, *row)),
            None => line("td", &|_| "…".to_owned()),
        });
        let body: String = body.collect();
        let (height, width) = self.shape();
        format!(
            "<div><small>{height} rows × {width} columns</small><table class=\"dataframe\">\
             <thead>{names}{types}</thead><tbody>{body}</tbody></table></div>"
        )
    }
}

// Indices to show of `count`; None stands for those left out.
fn shown(count: usize, most: usize) -> Vec<Option<usize>> {
    if count <= most {
        return (0..count).map(Some).collect();
    }
    let head = (0..most / 2).map(Some);
    head.chain([None]).chain((count - most / 2..count).map(Some)).collect()
}

fn cell(column: &Column, row: usize) -> String {
    let text = match column.get(row) {
        Ok(AnyValue::Null) => return "<em>null</em>".to_owned(),
        Ok(AnyValue::Float64(value)) => style::significant(value, 6),
        Ok(AnyValue::Float32(value)) => style::significant(f64::from(value), 6),
        Ok(value) => value.str_value().into_owned(),
        Err(error) => error.to_string(),
    };
    if text.chars().count() <= MOST_CHARACTERS {
        return escape(&text);
    }
    let start: String = text.chars().take(MOST_CHARACTERS).collect();
    format!("{}…", escape(&start))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // One line: notebooks and the block format read line by line.
            '\n' | '\r' => escaped.push(' '),
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
    fn escapes_and_aligns() -> crate::Result<()> {
        let frame = df!(
            "a<b" => ["<script>alert(\"1\")</script> & '"],
            "x" => [1.0_f64 / 3.0],
            "n" => [Some(1_234_567_890_i64)],
            "none" => [None::<i64>],
        )?;
        let html = frame.to_html();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;"));
        assert!(html.contains("a&lt;b"));
        assert!(html.contains("<td style=\"text-align: right\">0.333333</td>"));
        assert!(html.contains(">1234567890</td>"));
        assert!(html.contains("<em>null</em>"));
        assert!(html.contains("1 rows × 4 columns") && html.contains(">f64<"));
        Ok(())
    }

    #[test]
    fn caps_rows_and_columns() -> crate::Result<()> {
        let html = df!("x" => (0..1000_i64).collect::<Vec<_>>())?.to_html();
        assert_eq!(html.matches("<tr>").count(), 2 + MOST_ROWS + 1);
        assert!(html.contains(">14</td>") && !html.contains(">15</td>"));
        assert!(html.contains(">985</td>") && html.contains("1000 rows"));

        let columns = (0..50).map(|i| Column::new(format!("c{i}").into(), [1_i64])).collect();
        let html = DataFrame::new(1, columns)?.to_html();
        assert_eq!(html.matches("<th").count(), 1 + MOST_COLUMNS + 1);
        Ok(())
    }

    #[test]
    fn an_empty_frame_is_a_table_too() {
        assert!(DataFrame::empty().to_html().contains("0 rows × 0 columns"));
    }
}
