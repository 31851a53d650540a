//! Things to be drawn: articles of clothing and flags, with their corners.

use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tch::Tensor;
use tch::vision::image;

use super::corners::corners;
use crate::data::{ImageSet, read_idx};
use crate::gradient::derive_seed;
use crate::stand_in::globe_tsp::{FLAGS, LEAST_DIFFERENCE, ZONES, difference, flag, missing, read};
use crate::{Error, Result};

/// The longer side of a thing, in pixels of its own.
const LONGER: usize = 56;

/// Room around a thing in which its outline has corners.
const MARGIN: usize = 4;

/// Of a keypoint to a stronger one, in pixels of the thing.
const DISTANCE: f32 = 6.0;

/// Keypoints of a thing.
const FEWEST: usize = 6;
const MOST: usize = 14;

/// What is darker than this, of 255, and beyond the outline is no part of an article.
const DARK: u8 = 14;

const CLOTHES: [&str; 10] = [
    "t_shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle_boot",
];

// Names of the time zones begin with them; countries on islands are together.
const REGIONS: [(&str, &[&str]); 5] = [
    ("flag_africa", &["Africa"]),
    ("flag_america", &["America"]),
    ("flag_asia", &["Asia"]),
    ("flag_europe", &["Europe"]),
    ("flag_ocean", &["Antarctica", "Arctic", "Atlantic", "Australia", "Indian", "Pacific"]),
];

/// A thing without its surroundings.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub width: usize,
    pub height: usize,
    /// Red, green and blue, 0 to 1, row by row.
    pub colour: Vec<[f32; 3]>,
    /// How much of each pixel is the thing.
    pub cover: Vec<f32>,
    /// Whether its colours say nothing: only its brightness does.
    pub grey: bool,
}

impl Thing {
    /// Colour and cover at a place, in units of the longer side around the middle; no cover beyond.
    pub fn at(&self, place: [f64; 2]) -> ([f32; 3], f32) {
        let longer = self.width.max(self.height) as f64;
        // Of the middles of pixels.
        let x = place[0] * longer + self.width as f64 / 2.0 - 0.5;
        let y = place[1] * longer + self.height as f64 / 2.0 - 0.5;
        let (mut colour, mut cover) = ([0.0; 3], 0.0);
        let (left, top) = (x.floor(), y.floor());
        for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
            let weight = ((1.0 - (x - left - dx).abs()) * (1.0 - (y - top - dy).abs())) as f32;
            let inside = |at: f64, length: usize| at.clamp(0.0, length as f64 - 1.0) as usize;
            let (column, row) = (left + dx, top + dy);
            let at = inside(row, self.height) * self.width + inside(column, self.width);
            let beyond = column < 0.0
                || row < 0.0
                || column >= self.width as f64
                || row >= self.height as f64;
            for (sum, part) in colour.iter_mut().zip(self.colour[at]) {
                *sum += weight * part;
            }
            cover += if beyond { 0.0 } else { weight * self.cover[at] };
        }
        (colour, cover)
    }

    /// Its corners, in units of the longer side around the middle, the strongest first; `None` where they
    /// are too few.
    pub fn keypoints(&self) -> Option<Vec<[f64; 2]>> {
        let (width, height) = (self.width + 2 * MARGIN, self.height + 2 * MARGIN);
        let mut channels = vec![vec![0.0; width * height]; 4];
        for (at, (colour, cover)) in self.colour.iter().zip(&self.cover).enumerate() {
            let place = (at / self.width + MARGIN) * width + at % self.width + MARGIN;
            for (channel, part) in channels.iter_mut().zip(colour) {
                channel[place] = part * cover;
            }
            channels[3][place] = *cover;
        }
        let found = corners(&channels, width, height, DISTANCE, MOST);
        let longer = self.width.max(self.height) as f64;
        let place = |[x, y]: [f32; 2]| {
            let [x, y] = [f64::from(x) - width as f64 / 2.0, f64::from(y) - height as f64 / 2.0];
            [x / longer, y / longer]
        };
        (found.len() >= FEWEST).then(|| found.into_iter().map(place).collect())
    }
}

/// All there is to draw: for each part and category which things.
pub(super) struct Sources {
    pub categories: Vec<String>,
    train: Vec<u8>,
    test: Vec<u8>,
    flags: Vec<Thing>,
    // `members[part][category]`: places in the bytes of clothes or among the flags.
    members: [Vec<Vec<usize>>; 3],
}

impl Sources {
    /// Of articles, the last tenth of those to train on are for the second part. Of the flags of a region
    /// in an order that the seed decides, 60 % are for the first part, 15 % for the second.
    pub fn read(data_folder: &Path, seed: u64) -> Result<Self> {
        let [train_images, train_labels, test_images, test_labels] =
            ImageSet::FashionMnist.locate(data_folder)?;
        let pixels = |path: &Path, labels: usize| -> Result<Vec<u8>> {
            let images = read_idx(path)?;
            if images.shape != [labels, SIDE, SIDE] {
                let problem = format!("has shape {:?}, not [{labels}, 28, 28]", images.shape);
                let cure = "get the four files of fashion-mnist again".to_owned();
                return Err(Error::File { path: path.to_path_buf(), problem, cure });
            }
            Ok(images.bytes)
        };
        let (train_labels, test_labels) = (read_idx(&train_labels)?, read_idx(&test_labels)?);
        let train = pixels(&train_images, train_labels.bytes.len())?;
        let test = pixels(&test_images, test_labels.bytes.len())?;
        let (flags, regions) = flags()?;

        let held_out = train_labels.bytes.len() - train_labels.bytes.len() / 10;
        let mut members = [(); 3].map(|()| vec![Vec::new(); CLOTHES.len() + REGIONS.len()]);
        for (place, label) in train_labels.bytes.iter().enumerate() {
            members[usize::from(place >= held_out)][usize::from(*label) % CLOTHES.len()]
                .push(place);
        }
        for (place, label) in test_labels.bytes.iter().enumerate() {
            members[2][usize::from(*label) % CLOTHES.len()].push(place);
        }
        for region in 0..REGIONS.len() {
            let mut own: Vec<usize> =
                (0..flags.len()).filter(|&flag| regions[flag] == region).collect();
            let seed = derive_seed(&[seed, region as u64]);
            own.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            let (first, second) = (own.len() * 60 / 100, own.len() * 75 / 100);
            for (part, own) in
                [&own[..first], &own[first..second], &own[second..]].iter().enumerate()
            {
                members[part][CLOTHES.len() + region] = own.to_vec();
            }
        }
        let names = CLOTHES.into_iter().chain(REGIONS.map(|(name, _)| name));
        let categories: Vec<String> = names.map(str::to_owned).collect();
        for part in &members {
            if let Some(category) = part.iter().position(Vec::is_empty) {
                return Err(match category < CLOTHES.len() {
                    true => ImageSet::FashionMnist.missing(data_folder),
                    false => missing(FLAGS),
                });
            }
        }
        Ok(Self { categories, train, test, flags, members })
    }

    /// A thing of a category, by chance.
    pub fn draw(&self, part: usize, category: usize, rng: &mut ChaCha8Rng) -> Thing {
        let members = &self.members[part][category];
        let member = members[rng.random_range(0..members.len())];
        if category >= CLOTHES.len() {
            return self.flags[member].clone();
        }
        let bytes = if part == 2 { &self.test } else { &self.train };
        article(&bytes[member * SIDE * SIDE..][..SIDE * SIDE])
    }
}

/// Of an article's picture, in pixels.
const SIDE: usize = 28;

// Twice as large, without the darkness around it.
fn article(pixels: &[u8]) -> Thing {
    let mut outside = vec![false; SIDE * SIDE];
    let mut next: Vec<usize> = (0..SIDE * SIDE)
        .filter(|place| [place % SIDE, place / SIDE].iter().any(|at| [0, SIDE - 1].contains(at)))
        .collect();
    while let Some(place) = next.pop() {
        if outside[place] || pixels[place] >= DARK {
            continue;
        }
        outside[place] = true;
        let (x, y) = (place % SIDE, place / SIDE);
        next.extend((x > 0).then(|| place - 1));
        next.extend((x + 1 < SIDE).then(|| place + 1));
        next.extend((y > 0).then(|| place - SIDE));
        next.extend((y + 1 < SIDE).then(|| place + SIDE));
    }
    let small = Thing {
        width: SIDE,
        height: SIDE,
        colour: pixels.iter().map(|grey| [f32::from(*grey) / 255.0; 3]).collect(),
        cover: outside.iter().map(|outside| if *outside { 0.0 } else { 1.0 }).collect(),
        grey: true,
    };
    let middle = |at: usize| (at as f64 + 0.5) / LONGER as f64 - 0.5;
    let places = (0..LONGER * LONGER).map(|at| [middle(at % LONGER), middle(at / LONGER)]);
    let (colour, cover) = places.map(|place| small.at(place)).unzip();
    Thing { width: LONGER, height: LONGER, colour, cover, grey: true }
}

// The flags of which no other is like, and the region of each.
fn flags() -> Result<(Vec<Thing>, Vec<usize>)> {
    let zones = read(ZONES)?;
    let mut listed: Vec<(PathBuf, usize)> = Vec::new();
    let mut last = "";
    for line in zones.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let (Some(code), Some(zone)) = (fields.next(), fields.nth(1)) else { continue };
        let start = zone.split('/').next().unwrap_or_default();
        let region = REGIONS.iter().position(|(_, starts)| starts.contains(&start));
        let path = Path::new(FLAGS).join(format!("{}.png", code.to_lowercase()));
        if let (Some(region), true) = (region, code != last && path.is_file()) {
            last = code;
            listed.push((path, region));
        }
    }
    let drawn: Vec<Result<(Thing, Tensor)>> =
        listed.par_iter().map(|(path, _)| Ok((cloth(path)?, flag(path)?))).collect();
    let (mut flags, mut regions, mut known) = (Vec::new(), Vec::new(), Vec::<Tensor>::new());
    for (drawn, (_, region)) in drawn.into_iter().zip(listed) {
        let (thing, small) = drawn?;
        if known.iter().all(|other| difference(other, &small) >= LEAST_DIFFERENCE) {
            known.push(small);
            flags.push(thing);
            regions.push(region);
        }
    }
    Ok((flags, regions))
}

fn cloth(path: &Path) -> Result<Thing> {
    let (width, height) = (LONGER, LONGER * 3 / 4);
    let small = image::resize(&image::load(path)?, width as i64, height as i64)?;
    let bytes = Vec::<u8>::try_from(&small.f_permute([1, 2, 0])?.f_contiguous()?.f_view([-1])?)?;
    let (pixels, _) = bytes.as_chunks::<3>();
    let colour = pixels.iter().map(|pixel| pixel.map(|part| f32::from(part) / 255.0)).collect();
    Ok(Thing { width, height, colour, cover: vec![1.0; width * height], grey: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn darkness_around_an_article_is_none_of_it_and_darkness_within_is() {
        let mut pixels = [0; SIDE * SIDE];
        for (place, pixel) in pixels.iter_mut().enumerate() {
            let (x, y) = (place % SIDE, place / SIDE);
            let inside = (6..22).contains(&x) && (4..24).contains(&y);
            let hole = (10..18).contains(&x) && (10..18).contains(&y);
            *pixel = if inside && !hole { 200 } else { 0 };
        }
        let thing = article(&pixels);
        // (13.5, 13.5) is in the hole, (2, 2) outside.
        let cover = |x: f64, y: f64| thing.at([x / 28.0 - 0.5, y / 28.0 - 0.5]);
        assert_eq!(cover(13.5, 13.5).1, 1.0);
        assert!(cover(13.5, 13.5).0[0] < 0.1);
        assert_eq!(cover(2.0, 2.0).1, 0.0);
        assert_eq!(cover(40.0, 40.0).1, 0.0);
        let keypoints = thing.keypoints().unwrap();
        for corner in [[6.0, 4.0], [22.0, 4.0], [6.0, 24.0], [22.0, 24.0]] {
            let [x, y] = corner.map(|at: f64| at / 28.0 - 0.5);
            let near = |place: &[f64; 2]| (place[0] - x).hypot(place[1] - y) < 0.05;
            assert!(keypoints.iter().any(near), "{corner:?} is not among {keypoints:?}");
        }
    }
}
