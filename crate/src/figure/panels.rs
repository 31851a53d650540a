//! Several plots beside each other: small multiples.

use plotly::common::{Anchor, Fill, HoverInfo, Line, Marker, Mode};
use plotly::layout::{Annotation, Axis, AxisConstrain, Legend, Margin};
use plotly::{Plot, Scatter};

use super::{Figure, style};
use crate::error::{Error, Result};

/// Up to eight plots in a grid, each with its title; what is drawn takes colour (and dash) number
/// `index` of [`PALETTE`](super::PALETTE), and the same name stands in the legend once.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let mut panels = figure::Panels::new(&["square", "cube"], 2, "x", "f(x)")?;
/// let x: Vec<f64> = (0..=10).map(|i| f64::from(i) / 10.0).collect();
/// for (panel, power) in [(0, 2), (1, 3)] {
///     let y: Vec<f64> = x.iter().map(|x| x.powi(power)).collect();
///     panels.line(panel, &x, &y, 0, "power");
/// }
/// let figure: Figure = panels.figure();
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone)]
pub struct Panels {
    plot: Plot,
    axes: Vec<(Axis, Axis)>,
    columns: usize,
    annotations: Vec<Annotation>,
    named: Vec<String>,
    logarithmic: bool,
}

// plotly has no more axes.
const MOST: usize = 8;
// Of the space of a panel; the rest holds ticks on the left and names of lines on the right.
const WIDTH: f64 = 0.66;

impl std::fmt::Debug for Panels {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} panels", self.axes.len())
    }
}

impl Panels {
    /// One panel per title, `columns` in a row.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless there are 1 to 8 titles and at least one column.
    pub fn new(titles: &[&str], columns: usize, x_title: &str, y_title: &str) -> Result<Self> {
        if titles.is_empty() || titles.len() > MOST {
            return Err(Error::parameter("the number of panels", titles.len(), "between 1 and 8"));
        }
        if columns == 0 {
            return Err(Error::parameter("the number of columns", columns, "at least 1"));
        }
        let columns = columns.min(titles.len());
        let rows = titles.len().div_ceil(columns);
        let mut panels = Self {
            plot: style::plot(style::blank()),
            axes: Vec::new(),
            columns,
            annotations: Vec::new(),
            named: Vec::new(),
            logarithmic: false,
        };
        for (panel, title) in titles.iter().enumerate() {
            let (row, column) = (panel / columns, panel % columns);
            let (wide, high) = (1.0 / columns as f64, 1.0 / rows as f64);
            let left = (column as f64 + 0.1) * wide;
            let bottom = (rows - 1 - row) as f64 * high + 0.12 * high;
            let (right, top) = (left + WIDTH * wide, bottom + 0.74 * high);
            let lowest = panel + columns >= titles.len();
            let x = style::axis(if lowest { x_title } else { "" })
                .domain(&[left, right])
                .anchor(name("y", panel));
            let y = style::axis(if column == 0 { y_title } else { "" })
                .domain(&[bottom, top])
                .anchor(name("x", panel));
            panels.axes.push((x, y));
            panels.annotations.push(
                Annotation::new()
                    .text(*title)
                    .font(style::font(16))
                    .show_arrow(false)
                    .x_ref("paper")
                    .y_ref("paper")
                    .x((left + right) / 2.0)
                    .y(top)
                    .x_anchor(Anchor::Center)
                    .y_anchor(Anchor::Bottom),
            );
        }
        Ok(panels)
    }

    /// The same range of both axes in every panel, and one unit as long on both.
    pub fn square(&mut self, low: f64, high: f64) {
        for (panel, (x, y)) in self.axes.iter_mut().enumerate() {
            *x = x.clone().range(vec![low, high]).constrain(AxisConstrain::Domain);
            *y = y.clone().range(vec![low, high]).scale_anchor(name("x", panel));
            *y = y.clone().constrain(AxisConstrain::Domain);
        }
    }

    /// Logarithmic axes upwards; before anything is drawn.
    pub fn logarithmic(&mut self) {
        self.logarithmic = true;
        for (_, y) in &mut self.axes {
            *y = y.clone().type_(plotly::layout::AxisType::Log);
        }
    }

    /// A line, with its name in the legend unless that is empty.
    pub fn line(&mut self, panel: usize, x: &[f64], y: &[f64], index: usize, label: &str) {
        let trace = Scatter::new(x.to_vec(), y.to_vec()).mode(Mode::Lines).line(style::line(index));
        self.add(panel, trace, label);
    }

    /// One line per name, each with its name at its right end, in the line's colour: for more lines
    /// than a legend can tell apart. The names are moved apart where lines end close to each other.
    pub fn named_lines(&mut self, panel: usize, x: &[f64], lines: &[(String, Vec<f64>)]) {
        let Some((x_axis, y_axis)) = self.axes.get_mut(panel) else { return };
        // plotly's ranges and annotations on a logarithmic axis are powers of ten.
        let logarithmic = self.logarithmic;
        let power = move |y: f64| if logarithmic { y.log10() } else { y };
        let all = lines.iter().flat_map(|(_, y)| y).map(|&y| power(y)).filter(|y| y.is_finite());
        let (low, high) = all.fold((f64::MAX, f64::MIN), |(a, b), y| (a.min(y), b.max(y)));
        let Some(&end) = x.last().filter(|_| low <= high) else { return };
        let span = if high > low { high - low } else { high.abs().max(1.0) };
        let (low, high) = (low - 0.05 * span, high + 0.05 * span);
        *y_axis = y_axis.clone().range(vec![low, high]);
        // The names stand outside: without a range they would widen the axis.
        let start = x.first().copied().unwrap_or(end);
        *x_axis = x_axis.clone().range(vec![start, end + 0.02 * (end - start)]);
        let mut ends: Vec<(f64, usize)> = (0..lines.len())
            .filter_map(|index| {
                let end = power(*lines[index].1.last()?);
                end.is_finite().then_some((end, index))
            })
            .collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Upwards from the lowest, then back down from the top where they ran out of it.
        let gap = 0.058 * (high - low);
        let mut places: Vec<f64> = Vec::new();
        for (end, _) in &ends {
            places.push(places.last().map_or(*end, |below| end.max(below + gap)));
        }
        for (index, (_, y)) in lines.iter().enumerate() {
            self.line(panel, x, y, index, "");
        }
        let mut ceiling = high;
        for place in places.iter_mut().rev() {
            *place = place.min(ceiling);
            ceiling = *place - gap;
        }
        for ((_, index), place) in ends.iter().zip(places) {
            let name = &lines[*index].0;
            let label = self.beside(panel, end, place).text(name).show_arrow(false);
            let label = label.x_anchor(Anchor::Left).x_shift(6.0);
            self.annotations.push(label.font(style::font(12).color(style::colour(*index))));
        }
    }

    /// Points, each with its text beside it where there are texts.
    pub fn points(
        &mut self,
        panel: usize,
        x: &[f64],
        y: &[f64],
        texts: &[String],
        index: usize,
        label: &str,
    ) {
        let marker = Marker::new().color(style::colour(index)).size(9);
        let trace = Scatter::new(x.to_vec(), y.to_vec()).mode(Mode::Markers).marker(marker);
        self.add(panel, trace, label);
        for ((&x, &y), text) in x.iter().zip(y).zip(texts) {
            let y = if self.logarithmic { y.log10() } else { y };
            let place = self.beside(panel, x, y).text(text).show_arrow(false);
            self.annotations.push(place.x_shift(8.0).y_shift(10.0).font(style::font(13)));
        }
    }

    /// The polygon with these corners, filled lightly.
    pub fn area(&mut self, panel: usize, x: &[f64], y: &[f64], index: usize, label: &str) {
        let trace = Scatter::new(x.to_vec(), y.to_vec())
            .mode(Mode::Lines)
            .line(Line::new().width(0.0).color(style::shade(index)))
            .fill(Fill::ToSelf)
            .fill_color(style::shade(index))
            .hover_info(HoverInfo::Skip);
        self.add(panel, trace, label);
    }

    /// An arrow with a text at its head.
    pub fn arrow(
        &mut self,
        panel: usize,
        from: (f64, f64),
        to: (f64, f64),
        index: usize,
        text: &str,
    ) {
        let arrow = self
            .beside(panel, to.0, to.1)
            .ax_ref(name("x", panel))
            .ay_ref(name("y", panel))
            .ax(from.0)
            .ay(from.1)
            .show_arrow(true)
            .arrow_head(2)
            .arrow_width(2.5)
            .arrow_color(style::colour(index))
            .text("");
        self.annotations.push(arrow);
        if !text.is_empty() {
            // Beyond the head, in the direction of the arrow.
            let length = (to.0 - from.0).hypot(to.1 - from.1).max(f64::MIN_POSITIVE);
            let (x, y) = ((to.0 - from.0) / length, (to.1 - from.1) / length);
            let label = self.beside(panel, to.0, to.1).text(text).show_arrow(false);
            let label = label.x_shift(14.0 * x).y_shift(14.0 * y).font(style::font(14));
            self.annotations.push(label);
        }
    }

    /// The figure: 330 × 330 pixels a panel.
    pub fn figure(mut self) -> Figure {
        let mut layout = style::blank()
            .margin(Margin::new().left(60).right(20).top(20).bottom(70))
            .annotations(self.annotations)
            .show_legend(!self.named.is_empty())
            .legend(
                Legend::new()
                    .orientation(plotly::common::Orientation::Horizontal)
                    .font(style::font(14))
                    .x(0.5)
                    .x_anchor(Anchor::Center)
                    .y(1.02)
                    .y_anchor(Anchor::Bottom),
            );
        let rows = self.axes.len().div_ceil(self.columns);
        for (panel, (x, y)) in self.axes.into_iter().enumerate() {
            layout = match panel {
                0 => layout.x_axis(x).y_axis(y),
                1 => layout.x_axis2(x).y_axis2(y),
                2 => layout.x_axis3(x).y_axis3(y),
                3 => layout.x_axis4(x).y_axis4(y),
                4 => layout.x_axis5(x).y_axis5(y),
                5 => layout.x_axis6(x).y_axis6(y),
                6 => layout.x_axis7(x).y_axis7(y),
                _ => layout.x_axis8(x).y_axis8(y),
            };
        }
        self.plot.set_layout(layout);
        Figure::new(self.plot).size(80 + 330 * self.columns, 120 + 330 * rows)
    }

    fn beside(&self, panel: usize, x: f64, y: f64) -> Annotation {
        Annotation::new().x_ref(name("x", panel)).y_ref(name("y", panel)).x(x).y(y)
    }

    fn add(&mut self, panel: usize, trace: Box<Scatter<f64, f64>>, label: &str) {
        if panel >= self.axes.len() {
            return;
        }
        let first = !label.is_empty() && !self.named.iter().any(|known| known == label);
        if first {
            self.named.push(label.to_owned());
        }
        let trace = trace
            .name(label)
            .legend_group(label)
            .show_legend(first)
            .x_axis(name("x", panel))
            .y_axis(name("y", panel));
        self.plot.add_trace(trace);
    }
}

fn name(axis: &str, panel: usize) -> String {
    if panel == 0 { axis.to_owned() } else { format!("{axis}{}", panel + 1) }
}
