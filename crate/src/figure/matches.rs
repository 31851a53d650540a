//! Keypoints of two pictures, and which of them were matched.

use plotly::Scatter;
use plotly::common::{Anchor, DashType, HoverInfo, Line, Marker, Mode, Orientation};
use plotly::layout::{Annotation, Legend, Margin};
use tch::{Device, Kind, Tensor};

use super::pictures::Picture;
use super::{Figure, style};
use crate::error::{Error, Result};

/// Two pictures with keypoints, and a matching of these.
#[derive(Debug)]
pub struct MatchedPair {
    /// What the pictures show.
    pub category: String,
    /// Bytes `[side, side, 3]`, red, green and blue.
    pub pictures: [Tensor; 2],
    /// n₁ and n₂ positions, (x, y) in pixels from the upper left corner.
    pub keypoints: [Vec<[f32; 2]>; 2],
    /// Edges of the two graphs, or none to leave them out.
    pub edges: [Vec<(usize, usize)>; 2],
    /// 0/1 (or bool) `[n₁, n₂]`: the matching that a solver found.
    pub found: Tensor,
    /// The same for the true one.
    pub truth: Tensor,
}

/// Pairs of pictures, `columns` in a row, and lines between matched keypoints: right ones green, wrong
/// ones red and dashed, and dotted grey where a true match was missed. Titles are the category and the
/// share of true matches that were found. Graphs are thin white lines.
///
/// # Errors
/// [`Error::Shape`] for no pairs, pictures of several shapes, or matchings of other numbers of keypoints;
/// [`Error::Parameter`] for no columns, and for an edge that leads out of its graph.
pub fn matches(pairs: &[MatchedPair], columns: usize) -> Result<Figure> {
    let side = check(pairs, columns)?;
    let columns = columns.min(pairs.len());
    let rows = pairs.len().div_ceil(columns);
    // Whole screen pixels for each of the pictures, about 230 of them.
    let zoom = (230 / side).clamp(1, 12);
    let length = |pixels: i64| (pixels / zoom).max(1);
    let (title, within, between) = (length(30), length(14), length(34));
    let (step_x, step_y) = (2 * side + within + between, side + title + length(8));
    let (width, height) = (columns as i64 * step_x - between, rows as i64 * step_y);
    let canvas = Tensor::f_full([height, width, 3], 255, (Kind::Uint8, Device::Cpu))?;
    let (mut titles, mut lines) = (Vec::new(), Lines::default());
    for (index, pair) in pairs.iter().enumerate() {
        let left = (index % columns) as i64 * step_x;
        let top = (index / columns) as i64 * step_y + title;
        for (picture, place) in pair.pictures.iter().zip([left, left + side + within]) {
            let picture = picture.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Uint8)?;
            canvas.f_narrow(0, top, side)?.f_narrow(1, place, side)?.f_copy_(&picture)?;
        }
        // A pixel's middle is a whole number on the axes.
        let place = |second: usize, keypoint: usize| {
            let [x, y] = pair.keypoints[second][keypoint].map(f64::from);
            let left = if second == 1 { left + side + within } else { left };
            [x + left as f64 - 0.5, y + top as f64 - 0.5]
        };
        let [right, all] = lines.add(pair, place)?;
        let share = if all > 0 { 100.0 * right as f64 / all as f64 } else { 100.0 };
        let text = format!("{}: {right} of {all} right ({share:.0} %)", pair.category);
        titles.push(
            Annotation::new()
                .text(text)
                .show_arrow(false)
                .font(style::font(14))
                .x((left + side) as f64 + within as f64 / 2.0 - 0.5)
                .y(top as f64 - 0.5)
                .y_anchor(Anchor::Bottom),
        );
    }
    let x_axis = style::bare().range(vec![-0.5, width as f64 - 0.5]);
    let y_axis = style::bare().range(vec![height as f64 - 0.5, -0.5]).scale_anchor("x");
    let legend = Legend::new()
        .orientation(Orientation::Horizontal)
        .font(style::font(14))
        .item_width(45)
        .x(0.5)
        .x_anchor(Anchor::Center)
        .y(1.0)
        .y_anchor(Anchor::Bottom);
    let layout = style::blank()
        .margin(Margin::new().left(10).right(10).top(36).bottom(6))
        .x_axis(x_axis)
        .y_axis(y_axis)
        .legend(legend)
        .annotations(titles);
    let mut plot = style::plot(layout.show_legend(true));
    plot.add_trace(Box::new(Picture::of(&canvas)?));
    for trace in lines.traces() {
        plot.add_trace(trace);
    }
    let pixels = |length: i64, more: usize| usize::try_from(zoom * length).unwrap_or(0) + more;
    Ok(Figure::new(plot).size(pixels(width, 20), pixels(height, 42)))
}

// Points of broken lines: a gap after each two of them.
#[derive(Default)]
struct Path {
    x: Vec<Option<f64>>,
    y: Vec<Option<f64>>,
}

impl Path {
    fn push(&mut self, ends: [[f64; 2]; 2]) {
        for [x, y] in ends {
            self.x.push(Some(x));
            self.y.push(Some(y));
        }
        self.x.push(None);
        self.y.push(None);
    }

    fn draw(&self, line: Line) -> Box<Scatter<Option<f64>, Option<f64>>> {
        Scatter::new(self.x.clone(), self.y.clone())
            .mode(Mode::Lines)
            .line(line)
            .hover_info(HoverInfo::Skip)
            .show_legend(false)
    }
}

// What is drawn on all pictures.
#[derive(Default)]
struct Lines {
    graphs: Path,
    borders: Path,
    right: Path,
    wrong: Path,
    missed: Path,
    keypoints: [Vec<f64>; 2],
}

impl Lines {
    /// Adds a pair, with the place of a keypoint of the first or the second graph, and counts what is right
    /// and all that could be.
    fn add(
        &mut self,
        pair: &MatchedPair,
        place: impl Fn(usize, usize) -> [f64; 2],
    ) -> Result<[usize; 2]> {
        for (second, edges) in pair.edges.iter().enumerate() {
            for &(from, to) in edges {
                self.graphs.push([place(second, from), place(second, to)]);
            }
        }
        for (second, keypoints) in pair.keypoints.iter().enumerate() {
            for keypoint in 0..keypoints.len() {
                let [x, y] = place(second, keypoint);
                self.keypoints[0].push(x);
                self.keypoints[1].push(y);
            }
        }
        let ones = |matching: &Tensor| -> Result<Vec<bool>> {
            let ones = matching.f_detach()?.f_to_device(Device::Cpu)?.f_gt(0.5)?;
            Ok(Vec::try_from(&ones.f_reshape([-1])?)?)
        };
        let (mut right, mut all) = (0, 0);
        let columns = pair.keypoints[1].len();
        let both = ones(&pair.found)?.into_iter().zip(ones(&pair.truth)?);
        for (entry, (found, truth)) in both.enumerate() {
            let ends = [place(0, entry / columns), place(1, entry % columns)];
            match (found, truth) {
                (true, true) => self.right.push(ends),
                (true, false) => self.wrong.push(ends),
                (false, true) => self.missed.push(ends),
                (false, false) => continue,
            }
            self.borders.push(ends);
            all += usize::from(truth);
            right += usize::from(found && truth);
        }
        Ok([right, all])
    }

    fn traces(&self) -> Vec<Box<dyn plotly::Trace>> {
        let named =
            |path: &Path, name: &str, line: Line| path.draw(line).name(name).show_legend(true);
        let [x, y] = self.keypoints.clone();
        let border = Line::new().width(1.0).color("black");
        let marker = Marker::new().size(7).color("white").line(border);
        let points = Scatter::new(x, y).mode(Mode::Markers).marker(marker);
        let missed = Line::new().color("#8c8c8c").dash(DashType::Dot).width(2.0);
        let wrong = Line::new().color(style::colour(1)).dash(DashType::Dash).width(2.5);
        vec![
            self.graphs.draw(Line::new().color("rgba(255,255,255,0.7)").width(1.0)),
            // White, which shows on every ground.
            self.borders.draw(Line::new().color("rgba(255,255,255,0.8)").width(4.5)),
            named(&self.missed, "missed", missed),
            named(&self.right, "right", Line::new().color(style::colour(2)).width(2.5)),
            named(&self.wrong, "wrong", wrong),
            points.hover_info(HoverInfo::Skip).show_legend(false),
        ]
    }
}

// The side of the pictures.
fn check(pairs: &[MatchedPair], columns: usize) -> Result<i64> {
    if columns == 0 {
        return Err(Error::parameter("the number of columns", columns, "at least 1"));
    }
    let shape = |what, got: &[i64], expected: String| {
        Err(Error::Shape { what, got: format!("{got:?}"), expected })
    };
    let Some(first) = pairs.first() else {
        return shape("the matched pairs", &[0], "at least one".into());
    };
    let side = first.pictures[0].size().first().copied().unwrap_or(0);
    for pair in pairs {
        for picture in &pair.pictures {
            if picture.size() != [side, side, 3] || side == 0 {
                let expected = "[side, side, 3], as all others".into();
                return shape("a picture of a matched pair", &picture.size(), expected);
            }
        }
        let counts = [0, 1].map(|second| pair.keypoints[second].len() as i64);
        for (what, matching) in
            [("a found matching", &pair.found), ("a true matching", &pair.truth)]
        {
            if matching.size() != counts {
                return shape(what, &matching.size(), format!("{counts:?}, for the keypoints"));
            }
        }
        for (edges, count) in pair.edges.iter().zip(counts) {
            if let Some(edge) = edges.iter().find(|edge| edge.0.max(edge.1) as i64 >= count) {
                let expected = format!("between two of {count} keypoints");
                return Err(Error::parameter("an edge", format!("{edge:?}"), expected));
            }
        }
    }
    Ok(side)
}
