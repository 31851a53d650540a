//! The look shared by all figures.

use plotly::color::{Rgb, Rgba};
use plotly::common::{Anchor, DashType, ExponentFormat, Font, Line, Orientation, Title};
use plotly::layout::{Axis, AxisConstrain, Legend, Margin, TicksDirection};
use plotly::{Configuration, Layout, Plot};

/// Colours that people with any kind of colour vision tell apart (Okabe and Ito), in the order
/// they are used, as red, green and blue. Their yellow is left out: too light for lines on white.
pub const PALETTE: [(u8, u8, u8); 7] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (0, 0, 0),
];

// Six dashes against seven colours: 42 lines before a pair repeats.
const DASHES: [DashType; 6] = [
    DashType::Solid,
    DashType::Dash,
    DashType::DashDot,
    DashType::Dot,
    DashType::LongDash,
    DashType::LongDashDot,
];

// The image has the first font, most other machines one with the same widths.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";

/// Line number `index` of a figure: its own colour and its own dash.
pub fn line(index: usize) -> Line {
    Line::new().color(colour(index)).dash(DASHES[index % DASHES.len()].clone()).width(2.5)
}

/// A layout with titled axes on white; give the unit in the title, as in `time per step (ms)`.
pub fn layout(x_title: &str, y_title: &str) -> Layout {
    let legend = Legend::new()
        .orientation(Orientation::Horizontal)
        .font(font(15))
        .item_width(45)
        .x(0.0)
        .x_anchor(Anchor::Left)
        .y(1.02)
        .y_anchor(Anchor::Bottom);
    blank().legend(legend).x_axis(axis(x_title)).y_axis(axis(y_title))
}

pub(super) fn blank() -> Layout {
    Layout::new()
        .font(font(15))
        .paper_background_color("white")
        .plot_background_color("white")
        .margin(Margin::new().left(75).right(20).top(30).bottom(80))
}

pub(super) fn axis(title: &str) -> Axis {
    Axis::new()
        .title(Title::with_text(title).font(font(16)))
        .tick_font(font(14))
        .auto_margin(true)
        .show_line(true)
        .line_color("black")
        .line_width(1)
        .ticks(TicksDirection::Outside)
        .tick_length(5)
        .grid_color("#e5e5e5")
        .zero_line(false)
        .exponent_format(ExponentFormat::Power)
}

/// An axis of pictures: no line, no grid, no numbers.
pub(super) fn bare() -> Axis {
    Axis::new()
        .show_grid(false)
        .zero_line(false)
        .show_line(false)
        .show_tick_labels(false)
        .tick_length(0)
        .constrain(AxisConstrain::Domain)
}

pub(super) fn plot(layout: Layout) -> Plot {
    let mut plot = Plot::new();
    plot.set_layout(layout);
    plot.set_configuration(Configuration::new().display_logo(false));
    plot
}

pub(super) fn font(size: usize) -> Font {
    Font::new().family(FONT).size(size).color("black")
}

pub(super) fn colour(index: usize) -> Rgb {
    let (red, green, blue) = PALETTE[index % PALETTE.len()];
    Rgb::new(red, green, blue)
}

pub(super) fn shade(index: usize) -> Rgba {
    let (red, green, blue) = PALETTE[index % PALETTE.len()];
    Rgba::new(red, green, blue, 0.15)
}

/// `value` with at most `digits` significant digits, trailing zeros removed.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { value.to_string() };
    }
    let scientific = format!("{value:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    // Rounding first: 9.9999999 has the exponent of 10.
    let power: i32 = exponent.parse().unwrap_or(0);
    if (-5..=digits as i32).contains(&power) {
        let decimals = (digits as i32 - 1 - power).max(0) as usize;
        return trimmed(&format!("{value:.decimals$}")).to_owned();
    }
    format!("{}e{power}", trimmed(mantissa))
}

fn trimmed(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (0.1 + 0.2, "0.3"),
            (-1.0 / 3.0, "-0.333333"),
            (9.999_999_9, "10"),
            (123_456.0, "123456"),
            (1e-5, "0.00001"),
            (1.5e-7, "1.5e-7"),
            (1.25e12, "1.25e12"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
            (100.0, "100"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value, 6), text);
        }
    }

    #[test]
    fn lines_differ_in_colour_and_dash() {
        let lines: std::collections::HashSet<String> =
            (0..42).filter_map(|i| serde_json::to_string(&line(i)).ok()).collect();
        assert_eq!(lines.len(), 42);
    }
}
