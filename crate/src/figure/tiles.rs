//! Images and latent codes, side by side.

use plotly::HeatMap;
use plotly::common::{ColorScale, ColorScaleElement, HoverInfo};
use plotly::layout::Margin;
use tch::{Device, Kind, Tensor};

use super::{Figure, style};
use crate::error::{Error, Result};

// Tiles of a list without row labels that stand beside each other.
const COLUMNS: usize = 10;

/// Greyscale images in a grid, 0 black and 1 white, values outside cut off, NaN empty. `images` is `[rows,
/// columns, height, width]`, or `[n, height, width]`, which fills as many rows as there are labels
/// (without labels, rows of 10).
///
/// # Errors
/// [`Error::Shape`] for other shapes or when the labels do not fit the rows.
pub fn image_grid(images: &Tensor, row_labels: &[&str]) -> Result<Figure> {
    let size = sizes(images);
    let labels = row_labels.len();
    let (rows, columns) = match *size {
        [rows, columns, _, _] if labels == 0 || labels == rows => (rows, columns),
        [n, _, _] if labels == 0 => (n.div_ceil(COLUMNS), n.min(COLUMNS)),
        [n, _, _] if n % labels == 0 => (labels, n / labels),
        _ => {
            let expected = match labels {
                0 => "[rows, columns, height, width] or [n, height, width]".to_owned(),
                _ => format!("{labels} rows of tiles, one for each row label"),
            };
            return Err(shape("the grid of images", &size, expected));
        }
    };
    let tiles = Tiles::new("the grid of images", images, rows, columns)?;
    let grey = |value: f64| {
        let level = (255.0 * value.clamp(0.0, 1.0)).round();
        (!value.is_nan()).then_some(level as u8)
    };
    let scale = [(0.0, "rgb(0,0,0)"), (1.0, "rgb(255,255,255)")];
    Ok(tiles.draw(&grey, 255.0, &scale, row_labels))
}

/// Latent codes `[n, rows, columns]` of zeros (light) and ones (dark) beside each other, in rows
/// of 10.
///
/// # Errors
/// [`Error::Shape`] for another shape, [`Error::Parameter`] for another value.
pub fn codes(codes: &Tensor) -> Result<Figure> {
    let size = sizes(codes);
    let [n, _, _] = *size else {
        return Err(shape("the codes", &size, "[n, rows, columns]".to_owned()));
    };
    let tiles = Tiles::new("the codes", codes, n.div_ceil(COLUMNS), n.min(COLUMNS))?;
    if let Some(value) = tiles.values.iter().find(|&&value| value != 0.0 && value != 1.0) {
        return Err(Error::parameter("an entry of the codes", value, "0 or 1"));
    }
    let (red, green, blue) = style::PALETTE[0];
    let dark = format!("rgb({red},{green},{blue})");
    let scale = [(0.0, "rgb(232,232,232)"), (1.0, dark.as_str())];
    Ok(tiles.draw(&|value| Some(value as u8), 1.0, &scale, &[]))
}

struct Tiles {
    values: Vec<f64>,
    rows: usize,
    columns: usize,
    height: usize,
    width: usize,
}

impl Tiles {
    fn new(what: &'static str, tensor: &Tensor, rows: usize, columns: usize) -> Result<Self> {
        let size = sizes(tensor);
        let (height, width) = match *size {
            [.., height, width] if !size.contains(&0) => (height, width),
            _ => return Err(shape(what, &size, "no dimension of length 0".to_owned())),
        };
        let flat = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        let values = Vec::try_from(&flat.f_contiguous()?.f_flatten(0, -1)?)?;
        Ok(Self { values, rows, columns, height, width })
    }

    // One heat map over all tiles; empty cells between them show the white ground.
    fn draw(
        &self,
        level: &dyn Fn(f64) -> Option<u8>,
        highest: f64,
        scale: &[(f64, &str)],
        row_labels: &[&str],
    ) -> Figure {
        let gap = (self.width.max(self.height) / 14).max(1);
        let (step_y, step_x) = (self.height + gap, self.width + gap);
        let (total_y, total_x) = (self.rows * step_y - gap, self.columns * step_x - gap);
        let mut cells = vec![vec![None; total_x]; total_y];
        let images = self.values.chunks_exact(self.height * self.width);
        for (tile, image) in images.enumerate() {
            let (top, left) = (tile / self.columns * step_y, tile % self.columns * step_x);
            for (y, line) in image.chunks_exact(self.width).enumerate() {
                for (cell, &value) in cells[top + y][left..].iter_mut().zip(line) {
                    *cell = level(value);
                }
            }
        }
        let scale = scale.iter().map(|&(at, colour)| ColorScaleElement(at, colour.to_owned()));
        let trace = HeatMap::new_z(cells)
            .zmin(0.0)
            .zmax(highest)
            .color_scale(ColorScale::Vector(scale.collect()))
            .show_scale(false)
            .hover_info(HoverInfo::Skip)
            // Without any gap plotly embeds one pixel per cell, which converters to PNG and PDF
            // blur; with one it draws the cells as squares.
            .x_gap(1e-3)
            .y_gap(1e-3);

        // Whole screen pixels per cell keep all cells the same size.
        let zoom = (860 / total_x).min(860 / total_y).clamp(1, 12);
        let middle = (self.height - 1) as f64 / 2.0;
        let places = (0..row_labels.len()).map(|row| (row * step_y) as f64 + middle);
        let x_axis = style::bare().range(vec![-0.5, total_x as f64 - 0.5]);
        let y_axis = style::bare()
            .range(vec![total_y as f64 - 0.5, -0.5])
            .scale_anchor("x")
            .tick_values(places.collect())
            .tick_text(row_labels.iter().map(|&label| label.to_owned()).collect())
            .tick_font(style::font(15))
            .show_tick_labels(!row_labels.is_empty());
        let longest = row_labels.iter().map(|label| label.chars().count()).max();
        let left = longest.map_or(10, |characters| 20 + 10 * characters);
        let margin = Margin::new().left(left).right(10).top(10).bottom(10);
        let layout = style::blank().margin(margin).x_axis(x_axis).y_axis(y_axis);
        let mut plot = style::plot(layout.show_legend(false));
        plot.add_trace(trace);
        Figure::new(plot).size(left + 10 + zoom * total_x, 20 + zoom * total_y)
    }
}

fn sizes(tensor: &Tensor) -> Vec<usize> {
    tensor.size().iter().map(|&length| usize::try_from(length).unwrap_or(0)).collect()
}

fn shape(what: &'static str, got: &[usize], expected: String) -> Error {
    Error::Shape { what, got: format!("{got:?}"), expected }
}
