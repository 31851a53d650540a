//! Data frames as tables that a click on a column sorts.

use polars::prelude::DataFrame;

use super::Html;
use super::frame::table_of;

/// The frame as an [`html_table`](super::html_table) of up to 1000 rows whose columns sort by a click,
/// the other way by the next one; numbers as numbers. Where scripts do not run, a table like any other.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let frame = df!("method" => ["b", "a"], "loss" => [0.5, 1.5])?;
/// let table: Html = sortable_table(&frame);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sortable_table(frame: &DataFrame) -> Html {
    // The handler stands in the table itself: a page may show several, and keeps no state.
    let table = table_of(frame, MOST_ROWS).replacen(
        "<table",
        &format!("<table style=\"cursor: pointer\" onclick=\"{SCRIPT}\""),
        1,
    );
    Html::new(table, format!("{frame:?}"))
}

const MOST_ROWS: usize = 1000;

const SCRIPT: &str = "const h = event.target.closest('th'); if (h) { \
    const b = this.tBodies[0], i = h.cellIndex, d = h.dataset.down = h.dataset.down === '1' ? '0' : '1'; \
    const key = r => r.cells[i].innerText, n = t => t.trim() !== '' && !isNaN(t); \
    [...b.rows].sort((p, q) => { const x = key(p), y = key(q); \
    const c = n(x) && n(y) ? x - y : x.localeCompare(y); return d === '1' ? c : -c; }) \
    .forEach(r => b.append(r)); }";
