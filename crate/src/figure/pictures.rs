//! Pictures in colour side by side, with marks on their cells.

use plotly::common::{HoverInfo, Line, Marker, MarkerSymbol, Mode};
use plotly::layout::Margin;
use plotly::{Scatter, Trace};
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::{Figure, style};
use crate::display::{base64, colour_png};
use crate::error::{Error, Result};

/// Pictures in a grid, and marks on cells of them, such as the tiles of a path.
///
/// `pictures` are bytes `[rows, columns, height, width, 3]`, red, green and blue. Each of the `marks`
/// is a name for the legend and a mask `[rows, columns, k, l]` of ones where the mark stands; it cuts a
/// picture into k x l cells. The first marks are rings, the second dots, the third crosses.
///
/// # Errors
/// [`Error::Shape`] for other shapes, or when the labels do not fit the rows.
pub fn pictures(
    pictures: &Tensor,
    row_labels: &[&str],
    marks: &[(&str, &Tensor)],
) -> Result<Figure> {
    let size = pictures.size();
    let [rows, columns, height, width, 3] = size[..] else {
        return Err(shape("the pictures", pictures, "[rows, columns, height, width, 3]".into()));
    };
    if pictures.numel() == 0 || !(row_labels.is_empty() || row_labels.len() as i64 == rows) {
        let expected = format!("a row for each of the {} labels, not empty", row_labels.len());
        return Err(shape("the pictures", pictures, expected));
    }
    let (cells_down, cells_across) = match marks.first() {
        None => (1, 1),
        Some((_, mask)) => match mask.size()[..] {
            [_, _, k, l] => (k, l),
            _ => return Err(shape("the marks", mask, "[rows, columns, k, l]".into())),
        },
    };
    let expected = [rows, columns, cells_down, cells_across];
    if let Some((_, mask)) = marks.iter().find(|(_, mask)| mask.size() != expected) {
        return Err(shape("the marks", mask, format!("{expected:?}, as the pictures")));
    }

    // One picture over all, with white between: in pixels.
    let gap = (height.max(width) / 14).max(1);
    let (step_y, step_x) = (height + gap, width + gap);
    let (total_y, total_x) = (rows * step_y - gap, columns * step_x - gap);
    let canvas = Tensor::f_full([total_y, total_x, 3], 255, (Kind::Uint8, Device::Cpu))?;
    let pictures = pictures.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Uint8)?;
    for row in 0..rows {
        for column in 0..columns {
            let place = canvas.f_narrow(0, row * step_y, height)?;
            let mut place = place.f_narrow(1, column * step_x, width)?;
            place.f_copy_(&pictures.f_get(row)?.f_get(column)?)?;
        }
    }
    let zoom = (560 / total_x.max(1)).min(560 / total_y.max(1)).clamp(1, 12);
    let cell = (height as f64 / cells_down as f64, width as f64 / cells_across as f64);
    let across = (zoom as f64 * cell.0.min(cell.1)).max(3.0);
    let middle = (height - 1) as f64 / 2.0;
    let places = (0..rows).map(|row| (row * step_y) as f64 + middle).collect();
    let labels = row_labels.iter().map(|&label| label.to_owned()).collect();
    let x_axis = style::bare().range(vec![-0.5, total_x as f64 - 0.5]);
    let y_axis = style::bare()
        .range(vec![total_y as f64 - 0.5, -0.5])
        .scale_anchor("x")
        .tick_values(places)
        .tick_text(labels)
        .tick_font(style::font(15))
        .show_tick_labels(!row_labels.is_empty());
    let longest = row_labels.iter().map(|label| label.chars().count()).max();
    let left = longest.map_or(10, |characters| 20 + 10 * characters);
    let top = if marks.is_empty() { 10 } else { 40 };
    let margin = Margin::new().left(left).right(10).top(top).bottom(10);
    let layout = style::layout("", "").margin(margin).x_axis(x_axis).y_axis(y_axis);
    let mut plot = style::plot(layout.show_legend(!marks.is_empty()));
    plot.add_trace(Box::new(Picture::of(&canvas)?));
    for (index, (name, mask)) in marks.iter().enumerate() {
        let mask = mask.f_detach()?.f_to_device(Device::Cpu)?;
        let marked = Vec::<i64>::try_from(&mask.f_gt(0.5)?.f_nonzero()?.f_reshape([-1])?)?;
        let (x, y) = marked
            .chunks_exact(4)
            .map(|place| {
                let inside = |cell: i64, length: f64| (cell as f64 + 0.5) * length - 0.5;
                (
                    (place[1] * step_x) as f64 + inside(place[3], cell.1),
                    (place[0] * step_y) as f64 + inside(place[2], cell.0),
                )
            })
            .unzip();
        plot.add_trace(mark(index, name, across, x, y));
    }
    let size = |length: i64, more: usize| usize::try_from(zoom * length).unwrap_or(0) + more;
    Ok(Figure::new(plot).size(size(total_x, left + 10), size(total_y, top + 10)))
}

fn mark(index: usize, name: &str, across: f64, x: Vec<f64>, y: Vec<f64>) -> Box<dyn Trace> {
    let (symbol, share, colour) = match index {
        0 => (MarkerSymbol::CircleOpen, 0.75, style::colour(6)),
        1 => (MarkerSymbol::Circle, 0.4, style::colour(1)),
        _ => (MarkerSymbol::X, 0.4, style::colour(index)),
    };
    let marker = Marker::new()
        .symbol(symbol)
        .size((share * across).round().max(2.0) as usize)
        .color(colour)
        .line(Line::new().width(1.5).color(colour));
    Scatter::new(x, y).name(name).mode(Mode::Markers).marker(marker).hover_info(HoverInfo::Skip)
}

/// The colours of numbers `[..., height, width]`, from light for the least of each matrix to dark for
/// its largest: bytes `[..., height · pixels, width · pixels, 3]`, with pixels x pixels for each.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions, [`Error::Torch`](crate::Error::Torch) for 0 pixels.
pub fn heat(values: &Tensor, pixels: i64) -> Result<Tensor> {
    if values.dim() < 2 || values.numel() == 0 {
        return Err(shape("the numbers to colour", values, "[..., height, width]".into()));
    }
    let values = values.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
    let (least, most) = (
        values.f_amin([-2i64, -1].as_slice(), true)?,
        values.f_amax([-2i64, -1].as_slice(), true)?,
    );
    // Where all are equal, all are least.
    let share = (values - &least) / (most - least).f_clamp_min(1e-30)?;
    let channels: Vec<Tensor> = (0..3)
        .map(|channel| {
            let [light, middle, dark] = HEAT.map(|colour| colour[channel]);
            let (low, high) = (share.clamp(0.0, 0.5) * 2.0, share.clamp(0.5, 1.0) * 2.0 - 1.0);
            low * (middle - light) + high * (dark - middle) + light
        })
        .collect();
    let colours = Tensor::f_stack(&channels, -1)?.f_round()?.f_to_kind(Kind::Uint8)?;
    let taller = colours.f_repeat_interleave_self_int(pixels, -3, None::<i64>)?;
    Ok(taller.f_repeat_interleave_self_int(pixels, -2, None::<i64>)?)
}

// Lightness falls all along, which also shows without colours.
const HEAT: [[f64; 3]; 3] = [[252.0, 246.0, 214.0], [224.0, 122.0, 80.0], [72.0, 20.0, 76.0]];

// plotly's trace of a picture that comes as a file; the crate knows only that of numbers, which
// takes four times the room.
#[derive(Clone, Serialize)]
pub(super) struct Picture {
    #[serde(rename = "type")]
    kind: &'static str,
    source: String,
    hoverinfo: &'static str,
}

impl Picture {
    /// Of bytes `[height, width, 3]`.
    pub fn of(canvas: &Tensor) -> Result<Self> {
        let (_, width, _) = canvas.size3()?;
        let bytes = Vec::<u8>::try_from(&canvas.f_contiguous()?.f_view([-1])?)?;
        let png = colour_png(&bytes, usize::try_from(width).unwrap_or(1));
        let source = format!("data:image/png;base64,{}", base64(&png));
        Ok(Self { kind: "image", source, hoverinfo: "skip" })
    }
}

impl Trace for Picture {
    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn shape(what: &'static str, got: &Tensor, expected: String) -> Error {
    Error::Shape { what, got: format!("{:?}", got.size()), expected }
}
