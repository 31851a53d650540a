//! A picture of a thing among others: where it is, what is before and behind it, in which light.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::sources::Thing;
use super::warp::Warp;

/// The longer side of a thing, as a share of the picture's, before it is scaled.
const LENGTH: f64 = 0.66;

/// A keypoint nearer than this to the border is not visible, in pixels.
const BORDER: f64 = 1.0;

/// How far from the middle a thing may reach, in units of its longer side: its bending is controlled to
/// there and wanders beyond.
const BEYOND: f64 = 0.6;

/// A picture and where the keypoints of its thing are.
pub(super) struct Scene {
    /// Red, green and blue, row by row.
    pub pixels: Vec<u8>,
    /// Columns and rows, of those that are visible.
    pub keypoints: Vec<Option<[f64; 2]>>,
    /// Left, top, right and bottom of what is seen of the thing, in whole pixels.
    pub bounds: [usize; 4],
    /// Whether a keypoint is beyond the border.
    pub truncated: bool,
    /// Whether something is before a keypoint.
    pub occluded: bool,
}

/// A rectangle or an ellipse of one colour, turned.
struct Patch {
    centre: [f64; 2],
    half: [f64; 2],
    // Sine and cosine of the angle.
    turn: (f64, f64),
    round: bool,
    colour: [f32; 3],
}

impl Patch {
    fn draw(side: f64, sizes: std::ops::Range<f64>, rng: &mut ChaCha8Rng) -> Self {
        Self {
            centre: [(); 2].map(|()| rng.random_range(0.0..side)),
            half: [(); 2].map(|()| 0.5 * side * rng.random_range(sizes.clone())),
            turn: rng.random_range(0.0..std::f64::consts::PI).sin_cos(),
            round: rng.random(),
            colour: rng.random(),
        }
    }

    fn covers(&self, place: [f64; 2]) -> bool {
        let [x, y] = [place[0] - self.centre[0], place[1] - self.centre[1]];
        let (sine, cosine) = self.turn;
        let along = (cosine * x + sine * y) / self.half[0];
        let across = (cosine * y - sine * x) / self.half[1];
        match self.round {
            true => along.hypot(across) <= 1.0,
            false => along.abs().max(across.abs()) <= 1.0,
        }
    }
}

/// What light makes of the colours of a thing, channel by channel: an offset and a factor.
struct Light([[f32; 2]; 3]);

impl Light {
    fn draw(thing: &Thing, rng: &mut ChaCha8Rng) -> Self {
        Self([(); 3].map(|()| match thing.grey {
            // From one colour of shadow to one of light.
            true => {
                let dark: f32 = rng.random_range(0.0..0.35);
                [dark, rng.random_range(0.5..1.0) - dark]
            }
            false => [rng.random_range(0.0..0.25), rng.random_range(0.45..0.95)],
        }))
    }

    fn of(&self, colour: [f32; 3]) -> [f32; 3] {
        std::array::from_fn(|channel| {
            let [offset, factor] = self.0[channel];
            offset + factor * colour[channel]
        })
    }
}

/// Draws a thing over `others`, which are smaller, in a picture of `side` squared pixels.
pub(super) fn draw(
    thing: &Thing,
    keypoints: &[[f64; 2]],
    others: &[Thing],
    side: usize,
    rng: &mut ChaCha8Rng,
) -> Scene {
    let size = side as f64;
    let mut canvas = ground(side, rng);
    for other in others {
        let warp = Warp::draw(size, 0.4 * size, 0.45 * size, rng);
        paste(other, &warp, &Light::draw(other, rng), side, &mut canvas);
    }
    let warp = Warp::draw(size, LENGTH * size, 0.08 * size, rng);
    let covered = paste(thing, &warp, &Light::draw(thing, rng), side, &mut canvas);
    let before: Vec<Patch> =
        (0..rng.random_range(0..=2)).map(|_| Patch::draw(size, 0.12..0.3, rng)).collect();
    for patch in &before {
        fill(patch, side, &mut canvas);
    }

    let (mut truncated, mut occluded) = (false, false);
    let places = keypoints.iter().map(|place| {
        let place = warp.in_picture(*place);
        let inside = place.iter().all(|at| (BORDER..=size - BORDER).contains(at));
        let hidden = before.iter().any(|patch| patch.covers(place));
        truncated |= !inside;
        occluded |= inside && hidden;
        (inside && !hidden).then_some(place)
    });
    let keypoints = places.collect();
    let seen = |at: usize| {
        let middle = [(at % side) as f64 + 0.5, (at / side) as f64 + 0.5];
        covered[at] > 0.5 && !before.iter().any(|patch| patch.covers(middle))
    };
    let mut bounds = [side, side, 0, 0];
    for at in (0..side * side).filter(|&at| seen(at)) {
        let (x, y) = (at % side, at / side);
        let [left, top, right, bottom] = bounds;
        bounds = [left.min(x), top.min(y), right.max(x), bottom.max(y)];
    }
    Scene { pixels: exposed(canvas, side, rng), keypoints, bounds, truncated, occluded }
}

type Canvas = Vec<[f32; 3]>;

fn mix(under: &mut [f32; 3], over: [f32; 3], share: f32) {
    for (under, over) in under.iter_mut().zip(over) {
        *under += share * (over - *under);
    }
}

// From one colour to another, with patches.
fn ground(side: usize, rng: &mut ChaCha8Rng) -> Canvas {
    let [from, to]: [[f32; 3]; 2] = rng.random();
    let (sine, cosine) = rng.random_range(0.0..std::f32::consts::TAU).sin_cos();
    let mut canvas: Canvas = (0..side * side)
        .map(|at| {
            let [x, y] = [at % side, at / side].map(|at| at as f32 / side as f32 - 0.5);
            let mut colour = from;
            mix(&mut colour, to, (0.5 + cosine * x + sine * y).clamp(0.0, 1.0));
            colour
        })
        .collect();
    for _ in 0..rng.random_range(4..=9) {
        fill(&Patch::draw(side as f64, 0.1..0.5, rng), side, &mut canvas);
    }
    canvas
}

/// Four places of a pixel stand for all of it.
const WITHIN: [[f64; 2]; 4] = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]];

fn fill(patch: &Patch, side: usize, canvas: &mut Canvas) {
    let reach = patch.half[0].hypot(patch.half[1]) + 2.0;
    for (at, colour) in canvas.iter_mut().enumerate() {
        let [x, y] = [(at % side) as f64, (at / side) as f64];
        if (x - patch.centre[0]).hypot(y - patch.centre[1]) > reach {
            continue;
        }
        let covered = WITHIN.iter().filter(|within| patch.covers([x + within[0], y + within[1]]));
        mix(colour, patch.colour, covered.count() as f32 / 4.0);
    }
}

// Returns how much of each pixel it covers.
fn paste(thing: &Thing, warp: &Warp, light: &Light, side: usize, canvas: &mut Canvas) -> Vec<f32> {
    // Between the corners of pixels the warp is straight, to a hundredth of a pixel.
    let line = side + 1;
    let corners: Vec<[f64; 2]> = (0..line * line)
        .map(|at| warp.of_thing([(at % line) as f64, (at / line) as f64]))
        .collect();
    let cover = |at: usize, pixel: &mut [f32; 3]| {
        let first = at / side * line + at % side;
        let around = [first, first + 1, first + line, first + line + 1].map(|at| corners[at]);
        let far = |place: &[f64; 2]| place[0].abs().max(place[1].abs()) > BEYOND;
        if around.iter().all(far) {
            return 0.0;
        }
        let (mut colour, mut covered) = ([0.0; 3], 0.0);
        for [x, y] in WITHIN {
            let place = [0, 1].map(|axis| {
                let [top, bottom] = [[0, 1], [2, 3]]
                    .map(|[left, right]| around[left][axis] * (1.0 - x) + around[right][axis] * x);
                top * (1.0 - y) + bottom * y
            });
            if far(&place) {
                continue;
            }
            let (own, cover) = thing.at(place);
            for (sum, part) in colour.iter_mut().zip(light.of(own)) {
                *sum += cover * part;
            }
            covered += cover;
        }
        if covered > 0.0 {
            mix(pixel, colour.map(|sum| sum / covered), covered / 4.0);
        }
        covered / 4.0
    };
    canvas.iter_mut().enumerate().map(|(at, pixel)| cover(at, pixel)).collect()
}

// Lighter on one side, with grain.
fn exposed(canvas: Canvas, side: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let slope: [f32; 2] = [rng.random_range(-0.25..0.25), rng.random_range(-0.25..0.25)];
    let grain: f32 = rng.random_range(0.02..0.06);
    let mut pixels = Vec::with_capacity(3 * canvas.len());
    for (at, colour) in canvas.into_iter().enumerate() {
        let [x, y] = [at % side, at / side].map(|at| at as f32 / side as f32 - 0.5);
        for channel in colour {
            let noise: f32 = StandardNormal.sample(rng);
            let value = channel + slope[0] * x + slope[1] * y + grain * noise;
            pixels.push((value.clamp(0.0, 1.0) * 255.0).round() as u8);
        }
    }
    pixels
}
