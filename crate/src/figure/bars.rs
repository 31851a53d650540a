//! Bars that compare one number of several methods.

use plotly::Bar;
use plotly::common::{ConstrainText, Marker, Orientation, TextPosition};
use plotly::layout::Margin;

use super::{Figure, style};
use crate::error::{Error, Result};

/// Horizontal bars, the first on top, each with its value (4 significant digits). `y_title` names
/// the values with their unit.
///
/// # Errors
/// [`Error::Shape`] when there are no values or not one label for each.
pub fn bars(labels: &[String], values: &[f64], y_title: &str) -> Result<Figure> {
    if labels.len() != values.len() || values.is_empty() {
        return Err(Error::Shape {
            what: "the values of the bars",
            got: format!("[{}]", values.len()),
            expected: format!("[{}], one for each label, at least 1", labels.len()),
        });
    }
    // Positions instead of names: two bars may have the same label.
    let places: Vec<f64> = (0..values.len()).map(|place| place as f64).collect();
    // A bar of length 0 still shows its text, here `NaN` or `inf`.
    let drawn: Vec<f64> = values.iter().map(|v| if v.is_finite() { *v } else { 0.0 }).collect();
    let texts: Vec<String> = values.iter().map(|&value| style::significant(value, 4)).collect();
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((0.0_f64, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
    // Room for the numbers beside the bars.
    let room = if high > low { 0.18 * (high - low) } else { 1.0 };
    let range = vec![if low < 0.0 { low - room } else { 0.0 }, high + room];

    let trace = Bar::new(drawn, places.clone())
        .orientation(Orientation::Horizontal)
        .marker(Marker::new().color(style::colour(0)))
        .width(0.7)
        .text_array(texts)
        .text_position(TextPosition::Outside)
        .text_font(style::font(14))
        .constrain_text(ConstrainText::None)
        .clip_on_axis(false);
    let value_axis = style::axis(y_title).range(range);
    let label_axis = style::axis("")
        .tick_values(places)
        .tick_text(labels.to_vec())
        .range(vec![values.len() as f64 - 0.5, -0.5])
        .show_grid(false)
        .show_line(low >= 0.0)
        .tick_length(if low < 0.0 { 0 } else { 5 });
    let layout = style::blank()
        .show_legend(false)
        .margin(Margin::new().left(20).right(20).top(20).bottom(60))
        .x_axis(value_axis)
        .y_axis(label_axis);
    let mut plot = style::plot(layout);
    plot.add_trace(trace);
    Ok(Figure::new(plot).size(720, 90 + 34 * values.len()))
}
