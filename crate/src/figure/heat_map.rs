//! One number over two parameters.

use plotly::HeatMap;
use plotly::common::{ColorScale, ColorScalePalette};
use plotly::layout::{Annotation, Margin};

use super::{Figure, style};
use crate::error::{Error, Result};

/// A field for each pair of values, with its number in it (4 significant digits): `values[row][column]`
/// belongs to `y[row]` and `x[column]`; a NaN is an empty field. The first row is at the bottom, as on
/// an axis. Darker is less.
///
/// # Errors
/// [`Error::Shape`] when there are no values, or not one for each pair.
pub fn heat_map(
    x: &[String],
    y: &[String],
    values: &[Vec<f64>],
    [x_title, y_title]: [&str; 2],
) -> Result<Figure> {
    if x.is_empty() || values.len() != y.len() || values.iter().any(|row| row.len() != x.len()) {
        let widths: Vec<usize> = values.iter().map(Vec::len).collect();
        return Err(Error::Shape {
            what: "the values of the heat map",
            got: format!("[{}] with rows of {widths:?}", values.len()),
            expected: format!("[{}, {}], one for each pair of labels", y.len(), x.len()),
        });
    }
    let finite = || values.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::MAX, f64::min), finite().fold(f64::MIN, f64::max));
    let mut layout = style::blank()
        .show_legend(false)
        .margin(Margin::new().left(90).right(20).top(20).bottom(70))
        .x_axis(categories(x, x_title))
        .y_axis(categories(y, y_title));
    for (row, numbers) in values.iter().enumerate() {
        for (column, value) in numbers.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            // White on the darker half of the colours.
            let colour = if (value - low) < 0.55 * (high - low) { "white" } else { "black" };
            layout.add_annotation(
                Annotation::new()
                    .text(style::significant(*value, 4))
                    .font(style::font(14).color(colour))
                    .show_arrow(false)
                    .x(column as f64)
                    .y(row as f64),
            );
        }
    }
    let field = |value: &f64| value.is_finite().then_some(*value);
    let fields: Vec<Vec<Option<f64>>> =
        values.iter().map(|row| row.iter().map(field).collect()).collect();
    let places = |count: usize| (0..count).map(|place| place as f64).collect::<Vec<_>>();
    let trace = HeatMap::new(places(x.len()), places(y.len()), fields)
        .color_scale(ColorScale::Palette(ColorScalePalette::Viridis))
        .show_scale(false)
        .x_gap(2)
        .y_gap(2);
    let mut plot = style::plot(layout);
    plot.add_trace(trace);
    Ok(Figure::new(plot).size(140 + 110 * x.len(), 120 + 60 * y.len()))
}

// Equal fields, whatever the distance of the values.
fn categories(labels: &[String], title: &str) -> plotly::layout::Axis {
    style::axis(title)
        .tick_values((0..labels.len()).map(|place| place as f64).collect())
        .tick_text(labels.to_vec())
        .show_grid(false)
        .show_line(false)
        .tick_length(0)
}
