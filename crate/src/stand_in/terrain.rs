//! Maps of terrain: which class each tile has, and what it looks like.

use rand::{Rng, RngExt};

use crate::data::TILE;

/// A class of terrain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Bare earth: trails, fords.
    Earth,
    /// Grass.
    Grass,
    /// Forest.
    Forest,
    /// Rivers and lakes.
    Water,
    /// Ridges.
    Rock,
}

impl Class {
    /// Every class, the cheapest first.
    pub const ALL: [Self; 5] = [Self::Earth, Self::Grass, Self::Forest, Self::Water, Self::Rock];

    /// What entering a tile costs: within the published range of 0.8 to 9.2.
    pub fn cost(self) -> f64 {
        match self {
            Self::Earth => 0.8,
            Self::Grass => 1.2,
            Self::Forest => 5.2,
            Self::Water => 7.6,
            Self::Rock => 9.2,
        }
    }

    // Colours are close on purpose: forest is dark grass, rock is grey earth. What tells them apart
    // is the texture.
    fn colour(self) -> [f64; 3] {
        match self {
            Self::Earth => [122.0, 98.0, 66.0],
            Self::Grass => [74.0, 106.0, 50.0],
            Self::Forest => [58.0, 88.0, 46.0],
            Self::Water => [58.0, 84.0, 112.0],
            Self::Rock => [108.0, 98.0, 86.0],
        }
    }
}

/// The classes of k x k tiles, row by row: ridges where a smooth height is in the middle of its
/// range, lakes where it is low, forest and bare earth by a smooth humidity, and on top a river with
/// fords.
pub(super) fn classes(k: usize, rng: &mut impl Rng) -> Vec<Class> {
    let height = smooth(k, k, k as f64 / 2.5, rng);
    let humidity = smooth(k, k, k as f64 / 3.5, rng);
    let ridge: Vec<f64> = height.iter().map(|height| (height - 0.5).abs()).collect();
    // By rank: every map has its share of each class.
    let rank_of = |values: &[f64]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut ranks = vec![0.0; values.len()];
        order.iter().enumerate().for_each(|(rank, &tile)| {
            ranks[tile] = rank as f64 / values.len() as f64;
        });
        ranks
    };
    let (height, humidity, ridge) = (rank_of(&height), rank_of(&humidity), rank_of(&ridge));
    let rock = rng.random_range(0.08..0.2);
    let lake = rng.random_range(0.0..0.1);
    let mut classes: Vec<Class> = (0..k * k)
        .map(|tile| match () {
            () if ridge[tile] < rock => Class::Rock,
            () if height[tile] < lake => Class::Water,
            () if humidity[tile] > 0.68 => Class::Forest,
            () if humidity[tile] < 0.25 => Class::Earth,
            () => Class::Grass,
        })
        .collect();
    if rng.random_bool(0.75) {
        river(&mut classes, k, rng);
    }
    classes
}

// From one side to the opposite one. Steps are straight, so that a path over eight neighbours
// cannot slip through.
fn river(classes: &mut [Class], k: usize, rng: &mut impl Rng) {
    let down = rng.random_bool(0.5);
    let mut across = rng.random_range(0..k);
    let mut wet = Vec::new();
    for along in 0..k {
        wet.push((along, across));
        let bend = rng.random_range(-1..=1_i64);
        let next = (across as i64 + bend).clamp(0, k as i64 - 1) as usize;
        if next != across {
            wet.push((along, next));
        }
        across = next;
    }
    for (along, across) in wet {
        let tile = if down { along * k + across } else { across * k + along };
        classes[tile] = if rng.random_bool(0.1) { Class::Earth } else { Class::Water };
    }
}

/// The picture of the tiles, 8 x 8 pixels each: red, green and blue of `[8k, 8k]` pixels.
pub(super) fn paint(classes: &[Class], k: usize, rng: &mut impl Rng) -> Vec<u8> {
    let side = TILE * k;
    // Borders between classes wander by some pixels, light varies over the map and by tile.
    let wander = [(); 2].map(|()| smooth(side, side, 5.0, rng));
    let light = smooth(side, side, side as f64 / 2.0, rng);
    let sun = rng.random_range(0.85..1.15);
    let tiles: Vec<Texture> = (0..k * k).map(|_| Texture::draw(rng)).collect();
    let mut picture = Vec::with_capacity(3 * side * side);
    for y in 0..side {
        for x in 0..side {
            let place = y * side + x;
            let shifted = |at: usize, offset: f64| {
                let moved = at as f64 + 5.0 * (offset - 0.5);
                (moved.max(0.0) as usize / TILE).min(k - 1)
            };
            let tile = shifted(y, wander[0][place]) * k + shifted(x, wander[1][place]);
            let class = classes[tile];
            let noise: [f64; 2] = [rng.random(), rng.random()];
            let shade = tiles[tile].shade(class, x, y, noise);
            let level = sun * (0.9 + 0.2 * light[place]) * tiles[tile].light;
            for (channel, base) in class.colour().into_iter().enumerate() {
                // A little colour of its own in every pixel.
                let tint = if channel == 1 { 6.0 * (noise[1] - 0.5) } else { 0.0 };
                picture.push((level * (base + shade + tint)).round().clamp(0.0, 255.0) as u8);
            }
        }
    }
    picture
}

// What is drawn anew for every tile.
struct Texture {
    light: f64,
    // Crowns of trees or stones: place within the tile, radius.
    spots: [[f64; 3]; 4],
    // Direction of waves and cracks.
    slope: f64,
    phase: f64,
}

impl Texture {
    fn draw(rng: &mut impl Rng) -> Self {
        let reach = TILE as f64;
        Self {
            light: rng.random_range(0.92..1.08),
            spots: [(); 4].map(|()| {
                let mut place = || rng.random_range(0.0..reach);
                [place(), place(), 1.2 + place() / 5.0]
            }),
            slope: rng.random_range(-1.0..1.0),
            phase: rng.random_range(0.0..std::f64::consts::TAU),
        }
    }

    // What a pixel adds to the colour of its class.
    fn shade(&self, class: Class, x: usize, y: usize, noise: [f64; 2]) -> f64 {
        let (u, v) = ((x % TILE) as f64, (y % TILE) as f64);
        let grain = 24.0 * (noise[0] - 0.5);
        match class {
            Class::Grass if noise[1] < 0.12 => grain - 26.0,
            Class::Grass => grain,
            Class::Earth if self.spot(u, v).is_some_and(|(edge, _)| edge < 0.4) => grain + 18.0,
            Class::Earth => 0.7 * grain,
            Class::Forest => match self.spot(u, v) {
                // Lit from the top left.
                Some((edge, lit)) => 26.0 * lit - 10.0 * edge + 0.6 * grain,
                None => 0.4 * grain - 30.0,
            },
            Class::Water => {
                let wave = (1.6 * v + self.slope * u + self.phase).sin();
                14.0 * wave.powi(3) + 0.3 * grain
            }
            Class::Rock => {
                let crack = (u + 2.0 * self.slope * v + self.phase).rem_euclid(4.0);
                let facet = if (u - v) * self.slope > 0.0 { 16.0 } else { -12.0 };
                if crack < 0.9 { grain - 42.0 } else { facet + 0.7 * grain }
            }
        }
    }

    // Of the first spot that covers the pixel: 0 in its middle to 1 at its edge, and how much it
    // faces the light, -1 to 1.
    fn spot(&self, u: f64, v: f64) -> Option<(f64, f64)> {
        self.spots.iter().find_map(|&[x, y, radius]| {
            let (dx, dy) = ((u - x) / radius, (v - y) / radius);
            let edge = dx.hypot(dy);
            (edge < 1.0).then_some((edge, -(dx + dy) / std::f64::consts::SQRT_2))
        })
    }
}

// Smooth noise in 0 to 1 on a grid, row by row: values at corners `spacing` apart, and half of that
// twice as fine, interpolated.
fn smooth(rows: usize, columns: usize, spacing: f64, rng: &mut impl Rng) -> Vec<f64> {
    let mut sum = vec![0.0; rows * columns];
    for (spacing, weight) in [(spacing, 2.0 / 3.0), (spacing / 2.0, 1.0 / 3.0)] {
        let spacing = spacing.max(1.0);
        let corners = |length: usize| (length as f64 / spacing) as usize + 2;
        let (down, across) = (corners(rows), corners(columns));
        let values: Vec<f64> = (0..down * across).map(|_| rng.random()).collect();
        // Ease in and out between corners, as the smoothstep 3t² − 2t³.
        let split = |at: usize| {
            let at = at as f64 / spacing;
            let t = at.fract();
            (at as usize, t * t * (3.0 - 2.0 * t))
        };
        let steps: Vec<(usize, f64)> = (0..columns).map(split).collect();
        for row in 0..rows {
            let (y, t) = split(row);
            let (above, below) = (&values[y * across..], &values[(y + 1) * across..]);
            let line = &mut sum[row * columns..(row + 1) * columns];
            for (entry, &(x, s)) in line.iter_mut().zip(&steps) {
                let top = above[x] + s * (above[x + 1] - above[x]);
                let bottom = below[x] + s * (below[x + 1] - below[x]);
                *entry += weight * (top + t * (bottom - top));
            }
        }
    }
    sum
}
