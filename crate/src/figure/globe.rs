//! Points and arcs on a globe that can be turned.

use plotly::common::{ColorScale, ColorScaleElement, HoverInfo, Line, Marker, Mode};
use plotly::layout::{AspectMode, Axis, Camera, Eye, LayoutScene, Margin};
use plotly::surface::Lighting;
use plotly::{Scatter3D, Surface};
use tch::{Device, Kind, Tensor};

use super::{Figure, style};
use crate::error::{Error, Result};

/// Points and arcs on the unit sphere, in three dimensions.
///
/// Each of the `points` is a name for the legend and unit vectors `[n, 3]`; each of the `arcs` a name
/// and pairs of ends `[m, 2, 3]`, drawn along the surface. `labels` are texts for the first points, or
/// none. The view is from above the middle of the first points.
///
/// # Errors
/// [`Error::Shape`] for other shapes, or not one label for each point; [`Error::Parameter`] for a
/// number that is not finite.
pub fn globe(
    points: &[(&str, &Tensor)],
    arcs: &[(&str, &Tensor)],
    labels: &[String],
) -> Result<Figure> {
    let points: Vec<(&str, Vec<[f64; 3]>)> = points
        .iter()
        .map(|&(name, tensor)| match tensor.size()[..] {
            [_, 3] => Ok((name, vectors(tensor)?)),
            _ => Err(shape("the points of a globe", tensor, "[n, 3]".into())),
        })
        .collect::<Result<_>>()?;
    if let Some((_, first)) = points.first()
        && !labels.is_empty()
        && labels.len() != first.len()
    {
        return Err(Error::Shape {
            what: "the labels of a globe",
            got: format!("[{}]", labels.len()),
            expected: format!("[{}], one for each of the first points, or none", first.len()),
        });
    }
    let mut plot = style::plot(layout(points.first().map_or(&[], |(_, first)| first)));
    plot.add_trace(ball());
    plot.add_trace(graticule());
    for (index, (name, tensor)) in arcs.iter().enumerate() {
        if !matches!(tensor.size()[..], [_, 2, 3]) {
            return Err(shape("the arcs of a globe", tensor, "[m, 2, 3]".into()));
        }
        let mut path = Vec::new();
        for ends in vectors(tensor)?.chunks_exact(2) {
            // The first arcs are broad, so that others on the same way show on top of them.
            path.extend(arc(ends[0], ends[1], 1.01 + 0.006 * index as f64));
            path.push(None);
        }
        let width = if index == 0 && arcs.len() > 1 { 9.0 } else { 3.0 };
        let line = Line::new().color(style::colour(index)).width(width);
        let trace = scatter(&path).name(name).mode(Mode::Lines).line(line);
        plot.add_trace(trace.hover_info(HoverInfo::Skip).show_legend(true));
    }
    for (index, (name, vectors)) in points.iter().enumerate() {
        let path: Vec<Option<[f64; 3]>> =
            vectors.iter().map(|vector| Some(vector.map(|x| 1.02 * x))).collect();
        let marker = Marker::new().size(if index == 0 { 5 } else { 4 }).color(style::colour(
            // Behind the colours of the arcs.
            arcs.len() + index,
        ));
        let trace = scatter(&path).name(name).mode(Mode::Markers).marker(marker).show_legend(true);
        let trace = if index == 0 && !labels.is_empty() {
            // Above the surface, which would cut through them.
            let above: Vec<Option<[f64; 3]>> =
                vectors.iter().map(|vector| Some(vector.map(|x| 1.15 * x))).collect();
            let texts = scatter(&above).mode(Mode::Text).text_array(labels.to_vec());
            plot.add_trace(texts.hover_info(HoverInfo::Skip).show_legend(false));
            trace.text_array(labels.to_vec()).hover_info(HoverInfo::Text)
        } else {
            trace.hover_info(HoverInfo::Skip)
        };
        plot.add_trace(trace);
    }
    Ok(Figure::new(plot).size(520, 480))
}

fn layout(first: &[[f64; 3]]) -> plotly::Layout {
    let mut middle = [0, 1, 2].map(|axis| first.iter().map(|point| point[axis]).sum::<f64>());
    let length = middle.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length < 1e-6 {
        middle = [1.0, 0.0, 0.3];
    } else {
        middle = middle.map(|x| x / length);
    }
    let axis = || Axis::new().visible(false).range(vec![-1.05, 1.05]);
    let [x, y, z] = middle.map(|x| 1.5 * x);
    let camera = Camera::new().eye(Eye::from((x, y, z)));
    let scene = LayoutScene::new()
        .aspect_mode(AspectMode::Cube)
        .camera(camera)
        .x_axis(axis())
        .y_axis(axis())
        .z_axis(axis());
    style::layout("", "")
        .margin(Margin::new().left(0).right(0).top(30).bottom(0))
        .scene(scene)
        .show_legend(true)
}

// The sphere, a bit smaller than what is drawn on it.
fn ball() -> Box<Surface<Vec<f64>, Vec<f64>, f64>> {
    let grid = |axis: usize| -> Vec<Vec<f64>> {
        steps(-90.0, 90.0, 15.0)
            .map(|latitude| {
                let point = |longitude| round(0.98 * on_sphere(longitude, latitude)[axis]);
                steps(0.0, 360.0, 15.0).map(point).collect()
            })
            .collect()
    };
    let colour = || "rgb(226,234,240)".to_owned();
    let scale = vec![ColorScaleElement(0.0, colour()), ColorScaleElement(1.0, colour())];
    Surface::new(grid(2))
        .x(grid(0))
        .y(grid(1))
        .color_scale(ColorScale::Vector(scale))
        .show_scale(false)
        .lighting(Lighting::new().ambient(1.0).diffuse(0.0).specular(0.0))
        .hover_info(HoverInfo::Skip)
}

// Meridians and parallels every 30 degrees.
fn graticule() -> Box<Scatter3D<Option<f64>, Option<f64>, Option<f64>>> {
    let mut path = Vec::new();
    for longitude in steps(0.0, 330.0, 30.0) {
        path.extend(steps(-90.0, 90.0, 10.0).map(|latitude| Some(on_sphere(longitude, latitude))));
        path.push(None);
    }
    for latitude in steps(-60.0, 60.0, 30.0) {
        path.extend(steps(0.0, 360.0, 10.0).map(|longitude| Some(on_sphere(longitude, latitude))));
        path.push(None);
    }
    let line = Line::new().color("#b8c4cc").width(1.0);
    scatter(&path).mode(Mode::Lines).line(line).hover_info(HoverInfo::Skip).show_legend(false)
}

fn scatter(path: &[Option<[f64; 3]>]) -> Box<Scatter3D<Option<f64>, Option<f64>, Option<f64>>> {
    let axis = |axis: usize| path.iter().map(|point| point.map(|p| round(p[axis]))).collect();
    Scatter3D::new(axis(0), axis(1), axis(2))
}

// Points along the shorter way between two, `height` from the middle; ends that are opposite have
// no such way, and get none.
fn arc(from: [f64; 3], to: [f64; 3], height: f64) -> Vec<Option<[f64; 3]>> {
    let cosine: f64 = from.iter().zip(&to).map(|(a, b)| a * b).sum();
    let pieces = (cosine.clamp(-1.0, 1.0).acos() / 0.2).ceil().max(1.0) as usize;
    (0..=pieces)
        .map(|piece| {
            let t = piece as f64 / pieces as f64;
            let mixed = [0, 1, 2].map(|axis| from[axis] + t * (to[axis] - from[axis]));
            let length = mixed.iter().map(|x| x * x).sum::<f64>().sqrt();
            (length > 1e-6).then(|| mixed.map(|x| height * x / length))
        })
        .collect()
}

fn on_sphere(longitude: f64, latitude: f64) -> [f64; 3] {
    let (longitude, latitude) = (longitude.to_radians(), latitude.to_radians());
    let level = latitude.cos();
    [level * longitude.cos(), level * longitude.sin(), latitude.sin()]
}

fn steps(from: f64, to: f64, width: f64) -> impl Iterator<Item = f64> {
    let count = ((to - from) / width).round() as usize;
    (0..=count).map(move |step| from + width * step as f64)
}

// Three digits are six kilometres: more would only make notebooks large.
fn round(value: f64) -> f64 {
    (1e3 * value).round() / 1e3
}

fn vectors(tensor: &Tensor) -> Result<Vec<[f64; 3]>> {
    let flat = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
    let flat = Vec::<f64>::try_from(&flat.f_contiguous()?.f_view([-1])?)?;
    if let Some(value) = flat.iter().find(|value| !value.is_finite()) {
        return Err(Error::parameter("a coordinate on a globe", value, "finite"));
    }
    Ok(flat.chunks_exact(3).map(|vector| [vector[0], vector[1], vector[2]]).collect())
}

fn shape(what: &'static str, got: &Tensor, expected: String) -> Error {
    Error::Shape { what, got: format!("{:?}", got.size()), expected }
}
