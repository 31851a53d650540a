//! Shapes of characters from the machine's fonts, and pictures of them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ab_glyph::{
    Font, FontVec, GlyphId, Outline, OutlineCurve, OutlinedGlyph, Point, PxScaleFactor, Rect, point,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::{Error, Result};

pub(super) const FONTS: &str = "/usr/share/fonts";
pub(super) const PACKAGES: &str = "fonts-comfortaa fonts-dejavu-core fonts-go fonts-liberation2 \
                                   fonts-open-sans fonts-play fonts-roboto-unhinted fonts-sil-gentium";

// One of each shape: no O beside o and 0, no Latin A beside Greek and Cyrillic ones, no l beside I and
// |, no p beside P, no × beside X; of letters with marks, marks that a few pixels can tell apart.
const CHARACTERS: &str = "ABCDEFGHJKLMNOPQRSTUVWXYZabdefghijmnrt123456789\
    ΓΔΘΛΞΠΣΦΨΩβγδεζλμξπσω\
    БДЖИЦЧШЪЫЭЮЯЂЉЊЙ\
    ÆŒØÞæðŁ\
    &@#%§¶?!*+=<>/\\~{}()[]$€£¥¢©®±÷¿«»†‡∞√∫≈≠≤≥◊¬‰½¾™¤№:;„\"\
    ÄÅĄÂÃĀÇČĆĊÉËÊĘĒĖĞĜĤĴĶÑŅÖÔÕŐŌŘŠŞŚŤÜÛŮŪŴŸÝŽŹ\
    äåąâéëêęğĥñřïîơưƠƯ";

/// A character and the different drawings of it.
pub(super) struct Character {
    pub character: char,
    // In units of the longer side of the drawing, around its middle, y down.
    drawings: Vec<Vec<OutlineCurve>>,
}

/// The characters of the installed fonts that have at least `fewest` different drawings, in the order
/// of the list above.
pub(super) fn installed(fewest: usize) -> Result<Vec<Character>> {
    let mut paths = Vec::new();
    collect(Path::new(FONTS), &mut paths)?;
    // The order of a folder's entries is the file system's.
    paths.sort();
    let mut fonts = Vec::new();
    for path in &paths {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        // A file that is no font after all draws nothing.
        fonts.extend(FontVec::try_from_vec(bytes));
    }
    let of = |character: char| {
        let mut known = HashSet::new();
        let drawings = fonts
            .iter()
            .filter_map(|font| drawing(font, character))
            .filter(|curves| known.insert(rounded(curves)))
            .collect();
        Character { character, drawings }
    };
    Ok(CHARACTERS.chars().map(of).filter(|found| found.drawings.len() >= fewest).collect())
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if (name.ends_with(".ttf") || name.ends_with(".otf")) && !name.contains("smallcaps")
        {
            paths.push(path);
        }
    }
    Ok(())
}

fn drawing(font: &FontVec, character: char) -> Option<Vec<OutlineCurve>> {
    let id = font.glyph_id(character);
    // Glyph 0 stands for what a font does not have.
    let outline = (id != GlyphId(0)).then(|| font.outline(id)).flatten()?;
    let bounds = bounds(&outline.curves)?;
    let longer = bounds.width().max(bounds.height());
    if !(longer.is_finite() && longer > 0.0) {
        return None;
    }
    let middle = point((bounds.min.x + bounds.max.x) / 2.0, (bounds.min.y + bounds.max.y) / 2.0);
    let place = |p: Point| point((p.x - middle.x) / longer, -(p.y - middle.y) / longer);
    Some(outline.curves.iter().map(|curve| moved(curve, place)).collect())
}

fn moved(curve: &OutlineCurve, to: impl Fn(Point) -> Point) -> OutlineCurve {
    match *curve {
        OutlineCurve::Line(a, b) => OutlineCurve::Line(to(a), to(b)),
        OutlineCurve::Quad(a, b, c) => OutlineCurve::Quad(to(a), to(b), to(c)),
        OutlineCurve::Cubic(a, b, c, d) => OutlineCurve::Cubic(to(a), to(b), to(c), to(d)),
    }
}

fn points(curve: &OutlineCurve) -> Vec<Point> {
    match *curve {
        OutlineCurve::Line(a, b) => vec![a, b],
        OutlineCurve::Quad(a, b, c) => vec![a, b, c],
        OutlineCurve::Cubic(a, b, c, d) => vec![a, b, c, d],
    }
}

fn bounds(curves: &[OutlineCurve]) -> Option<Rect> {
    curves.iter().flat_map(points).map(|p| Rect { min: p, max: p }).reduce(|a, b| Rect {
        min: point(a.min.x.min(b.min.x), a.min.y.min(b.min.y)),
        max: point(a.max.x.max(b.max.x), a.max.y.max(b.max.y)),
    })
}

// Two drawings whose points round to the same hundredths look the same.
fn rounded(curves: &[OutlineCurve]) -> Vec<i32> {
    let hundredths = |p: Point| [p.x, p.y].map(|value| (value * 100.0).round() as i32);
    curves.iter().flat_map(points).flat_map(hundredths).collect()
}

// How much of each pixel of a square picture the shape covers, 0 to 1.
fn coverage(curves: Vec<OutlineCurve>, side: usize) -> Vec<f32> {
    let mut covered = vec![0.0_f32; side * side];
    let Some(bounds) = bounds(&curves) else { return covered };
    // Down is down already: a vertical factor of -1 leaves it so.
    let factor = PxScaleFactor { horizontal: 1.0, vertical: -1.0 };
    let glyph = GlyphId(0).with_scale_and_position(1.0, point(0.0, 0.0));
    let drawn = OutlinedGlyph::new(glyph, Outline { bounds, curves }, factor);
    let corner = drawn.px_bounds().min;
    drawn.draw(|x, y, share| {
        let (x, y) = (x as i64 + corner.x as i64, y as i64 + corner.y as i64);
        if (0..side as i64).contains(&x) && (0..side as i64).contains(&y) {
            covered[y as usize * side + x as usize] = share.clamp(0.0, 1.0);
        }
    });
    covered
}

impl Character {
    /// Red, green and blue of one picture, row by row: `picture` chooses the drawing, the rest is drawn
    /// from `rng`.
    pub fn draw(&self, picture: usize, side: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let shape = coverage(self.placed(picture, side, rng), side);
        let (ground, ink) = colours(rng);
        let slope: [f32; 2] = [rng.random_range(-0.15..0.15), rng.random_range(-0.15..0.15)];
        let strokes: Vec<(Vec<f32>, [f32; 3])> = (0..rng.random_range(1..=3))
            .map(|_| (coverage(stroke(side, rng), side), between(ground, ink, rng.random())))
            .collect();
        let grain: f32 = rng.random_range(0.02..0.08);
        let mut pixels = Vec::with_capacity(side * side * 3);
        for at in 0..side * side {
            let place = [at % side, at / side].map(|along| along as f32 / side as f32 - 0.5);
            let light = slope[0] * place[0] + slope[1] * place[1];
            let mut colour = between(ground, ink, shape[at]);
            for (stroke, paint) in &strokes {
                colour = between(colour, *paint, 0.8 * stroke[at]);
            }
            for channel in colour {
                let noise: f32 = StandardNormal.sample(rng);
                let value = (channel + light + grain * noise).clamp(0.0, 1.0);
                pixels.push((value * 255.0).round() as u8);
            }
        }
        pixels
    }

    // The drawing, turned, sheared, scaled and shifted, in pixels.
    fn placed(&self, picture: usize, side: usize, rng: &mut ChaCha8Rng) -> Vec<OutlineCurve> {
        let curves = &self.drawings[picture % self.drawings.len()];
        let length = side as f32 * rng.random_range(0.5..0.8);
        let [wide, tall]: [f32; 2] = [rng.random_range(0.8..1.2), rng.random_range(0.8..1.2)];
        let angle: f32 = rng.random_range(-0.4..0.4);
        let (sine, cosine) = angle.sin_cos();
        let shear: f32 = rng.random_range(-0.25..0.25);
        let shift: [f32; 2] = [rng.random_range(-0.1..0.1), rng.random_range(-0.1..0.1)];
        let [x0, y0] = shift.map(|part| (0.5 + part) * side as f32);
        let place = |p: Point| {
            let (x, y) = ((p.x + shear * p.y) * wide * length, p.y * tall * length);
            point(x0 + cosine * x - sine * y, y0 + sine * x + cosine * y)
        };
        curves.iter().map(|curve| moved(curve, place)).collect()
    }
}

// Of ground and ink, which differ in brightness by 0.3 at least; either may be the lighter one.
fn colours(rng: &mut ChaCha8Rng) -> ([f32; 3], [f32; 3]) {
    loop {
        let [ground, ink]: [[f32; 3]; 2] = [rng.random(), rng.random()];
        let brightness = |[red, green, blue]: [f32; 3]| 0.3 * red + 0.6 * green + 0.1 * blue;
        if (brightness(ground) - brightness(ink)).abs() > 0.3 {
            return (ground, ink);
        }
    }
}

fn between(a: [f32; 3], b: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|channel| a[channel] + share * (b[channel] - a[channel]))
}

// A straight stroke across the picture.
fn stroke(side: usize, rng: &mut ChaCha8Rng) -> Vec<OutlineCurve> {
    let mut end = || {
        let [x, y]: [f32; 2] = [rng.random(), rng.random()];
        point(x * side as f32, y * side as f32)
    };
    let (from, to) = (end(), end());
    let length = (to.x - from.x).hypot(to.y - from.y).max(1e-3);
    let half = rng.random_range(0.01..0.03) * side as f32;
    let across = point(-(to.y - from.y) / length * half, (to.x - from.x) / length * half);
    let corners = [
        point(from.x + across.x, from.y + across.y),
        point(to.x + across.x, to.y + across.y),
        point(to.x - across.x, to.y - across.y),
        point(from.x - across.x, from.y - across.y),
    ];
    (0..4).map(|at| OutlineCurve::Line(corners[at], corners[(at + 1) % 4])).collect()
}
