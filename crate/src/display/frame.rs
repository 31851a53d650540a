//! Data frames and records as tables.

use polars::prelude::{AnyValue, Column, DataFrame, Series};
use serde_json::json;

use super::{Forms, Rich};
use crate::figure::style;
use crate::record::Row;

const MOST_ROWS: usize = 30;
const MOST_COLUMNS: usize = 20;
const MOST_CHARACTERS: usize = 80;

impl Rich for DataFrame {
    fn forms(&self) -> Forms {
        vec![("text/html", json!(html_table(self))), ("text/plain", json!(format!("{self:?}")))]
    }
}

impl Rich for Series {
    fn forms(&self) -> Forms {
        self.clone().into_frame().forms()
    }
}

impl Rich for Column {
    fn forms(&self) -> Forms {
        self.clone().into_frame().forms()
    }
}

impl Rich for [Row] {
    fn forms(&self) -> Forms {
        match crate::record::to_frame(self) {
            Ok(frame) => frame.forms(),
            Err(error) => vec![("text/plain", json!(error.to_string()))],
        }
    }
}

impl Rich for Vec<Row> {
    fn forms(&self) -> Forms {
        self.as_slice().forms()
    }
}

/// A frame as an HTML table: its shape, names and types, at most 30 rows and 20 columns (the first
/// and the last ones), numbers with at most 6 significant digits.
pub fn html_table(frame: &DataFrame) -> String {
    table_of(frame, MOST_ROWS)
}

/// The same with another number of rows.
pub(super) fn table_of(frame: &DataFrame, most_rows: usize) -> String {
    let columns = shown(frame.width(), MOST_COLUMNS);
    let rows = shown(frame.height(), most_rows);
    let line = |tag: &str, cell: &dyn Fn(&Column) -> String| {
        let cells = columns.iter().map(|place| match place {
            Some(index) => {
                let column = &frame.columns()[*index];
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
    let (height, width) = frame.shape();
    format!(
        "<div><small>{height} rows × {width} columns</small><table class=\"dataframe\">\
         <thead>{names}{types}</thead><tbody>{body}</tbody></table></div>"
    )
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

/// Text as it stands in HTML, on one line.
pub(crate) fn escape(text: &str) -> String {
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
        let html = html_table(&frame);
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
        let html = html_table(&df!("x" => (0..1000_i64).collect::<Vec<_>>())?);
        assert_eq!(html.matches("<tr>").count(), 2 + MOST_ROWS + 1);
        assert!(html.contains(">14</td>") && !html.contains(">15</td>"));
        assert!(html.contains(">985</td>") && html.contains("1000 rows"));

        let columns = (0..50).map(|i| Column::new(format!("c{i}").into(), [1_i64])).collect();
        let html = html_table(&DataFrame::new(1, columns)?);
        assert_eq!(html.matches("<th").count(), 1 + MOST_COLUMNS + 1);
        Ok(())
    }

    #[test]
    fn an_empty_frame_is_a_table_too() {
        assert!(html_table(&DataFrame::empty()).contains("0 rows × 0 columns"));
    }
}
