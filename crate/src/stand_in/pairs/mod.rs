//! Two pictures of one thing, with its corners to be matched.

use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{check_range, make_once};
use crate::data::SPair71k;
use crate::gradient::derive_seed;

use crate::{Error, Result};

mod corners;
mod scene;
mod sources;
mod warp;

use scene::Scene;
use sources::Sources;

/// A stand-in for pairs of photographs with keypoints, of the layout of SPair-71k, to be read by
/// [`SPair71k::load`](crate::data::SPair71k::load).
///
/// A pair is two pictures of the same thing: an article of clothing of Fashion-MNIST (10 categories) or
/// a flag (5 categories, by the region of the country). Its keypoints are 6 to 14 corners (Shi, Tomasi
/// 1994) of the thing itself. In each picture it is turned by up to 40° to either side, scaled by 0.7 to
/// 1.3, stretched, sheared and bent by a thin-plate spline, in colours of its own, over patches and
/// smaller things of other categories, with patches before it, in uneven light and grain. A keypoint
/// beyond the border or behind a patch is not visible: the overlap is partial, with at least 4 common
/// keypoints. The names of keypoints mean something within a pair only.
///
/// Parts have things of their own: articles to train on, the last tenth of which is to choose by, those
/// of the test; and other flags. Pair i of a part is the same whatever the number of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairStandIn {
    /// Pairs to train on.
    pub train: usize,
    /// Pairs to choose by.
    pub validation: usize,
    /// Pairs to report.
    pub test: usize,
    /// Rows and columns of a picture, in pixels.
    pub side: usize,
    /// The seed.
    pub seed: u64,
}

impl Default for PairStandIn {
    /// 2000, 200 and 500 pairs of pictures of 64 x 64 pixels, seed 1.
    fn default() -> Self {
        Self { train: 2000, validation: 200, test: 500, side: 64, seed: 1 }
    }
}

// Raised when the same parameters make another stand-in than before.
const VERSION: u32 = 1;

/// Fewest common keypoints of a pair.
const FEWEST_COMMON: usize = 4;

/// Scenes of one thing, before another is drawn.
const ATTEMPTS: usize = 4;

impl PairStandIn {
    /// The folder of the pairs, made now if it is not there, with one line to `report` before and one
    /// after.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an empty part or a side outside 32 to 512, [`Error::MissingData`] where
    /// Fashion-MNIST or the flags are not installed, [`Error::Io`] where the folder cannot be written,
    /// [`Error::Interrupted`].
    ///
    /// ```no_run
    /// use solvergrad::prelude::*;
    ///
    /// let folder = PairStandIn::default().make(&data_folder(), |line| println!("{line}"))?;
    /// let data = SPair71k::load(&folder, KeypointChoice::All)?;
    /// assert_eq!((data.train.len(), data.test.len()), (2000, 500));
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    pub fn make(&self, data_folder: &Path, report: impl FnMut(&str)) -> Result<PathBuf> {
        for (what, value, allowed) in [
            ("the number of pairs to train on", self.train, 1..=999_999),
            ("the number of pairs to choose by", self.validation, 1..=999_999),
            ("the number of pairs to test on", self.test, 1..=999_999),
            ("the side of the pictures", self.side, 32..=512),
        ] {
            check_range(what, value, allowed)?;
        }
        let (count, side) = (self.train + self.validation + self.test, self.side);
        let task = format!("pairs: drawing {count} pairs of pictures of {side} pixels");
        make_once(self.folder(data_folder), &task, report, |beside| {
            self.fill(beside, &Sources::read(data_folder, self.seed)?)
        })
    }

    /// Where [`make`](Self::make) puts the pairs.
    pub fn folder(&self, data_folder: &Path) -> PathBuf {
        let Self { train, validation, test, side, seed } = self;
        data_folder
            .join("stand-ins")
            .join(format!("{}-v{VERSION}-seed{seed}-{train}-{validation}-{test}", SPair71k::NAME))
            .join(format!("{side}x{side}"))
    }

    fn fill(&self, folder: &Path, sources: &Sources) -> Result<()> {
        let create =
            |folder: &Path| std::fs::create_dir_all(folder).map_err(Error::io("create", folder));
        for category in &sources.categories {
            create(&folder.join("JPEGImages").join(category))?;
            create(&folder.join("ImageAnnotation").join(category))?;
        }
        let layout = folder.join("Layout").join("large");
        create(&layout)?;
        let counts = [self.train, self.validation, self.test];
        for (part, (name, count)) in SPair71k::PARTS.into_iter().zip(counts).enumerate() {
            create(&folder.join("PairAnnotation").join(name))?;
            let lines: Vec<String> = (0..count)
                .into_par_iter()
                .map(|pair| {
                    crate::interrupt::check("pairs of pictures were being drawn")?;
                    self.write_pair(folder, sources, part, pair)
                })
                .collect::<Result<_>>()?;
            write(&layout.join(format!("{name}.txt")), (lines.join("\n") + "\n").as_bytes())?;
        }
        Ok(())
    }

    // Returns its line in the layout.
    fn write_pair(
        &self,
        folder: &Path,
        sources: &Sources,
        part: usize,
        pair: usize,
    ) -> Result<String> {
        let category = pair % sources.categories.len();
        let (own, scenes) = self.scenes(sources, part, category, pair)?;
        let (part, category) = (SPair71k::PARTS[part], &sources.categories[category]);
        let names = [1, 2].map(|which| format!("{part}_{pair:06}_{which}"));
        for (name, scene) in names.iter().zip(&scenes) {
            let place = folder.join("JPEGImages").join(category).join(format!("{name}.png"));
            write(&place, &crate::display::colour_png(&scene.pixels, self.side))?;
            let place = folder.join("ImageAnnotation").join(category).join(format!("{name}.json"));
            write(&place, self.annotation(name, category, scene).to_string().as_bytes())?;
        }
        let line = format!("{pair:06}-{}-{}:{category}", names[0], names[1]);
        let common: Vec<usize> = (0..own)
            .filter(|&at| scenes.iter().all(|scene| scene.keypoints[at].is_some()))
            .collect();
        let [source, target] = scenes.each_ref().map(|scene| -> Vec<Value> {
            common.iter().filter_map(|&at| scene.keypoints[at].map(rounded)).collect()
        });
        // 0 for neither picture, 1 for the source, 2 for the target, 3 for both.
        let which = |holds: fn(&Scene) -> bool| {
            u8::from(holds(&scenes[0])) + 2 * u8::from(holds(&scenes[1]))
        };
        let size = [self.side, self.side, 3];
        let content = json!({
            "pair_id": pair,
            "filename": line,
            "category": category,
            "src_imname": format!("{}.png", names[0]),
            "trg_imname": format!("{}.png", names[1]),
            "src_imsize": size,
            "trg_imsize": size,
            "src_bndbox": scenes[0].bounds,
            "trg_bndbox": scenes[1].bounds,
            "src_kps": source,
            "trg_kps": target,
            "kps_ids": common.iter().map(usize::to_string).collect::<Vec<_>>(),
            "truncation": which(|scene| scene.truncated),
            "occlusion": which(|scene| scene.occluded),
        });
        let place = folder.join("PairAnnotation").join(part).join(format!("{line}.json"));
        write(&place, content.to_string().as_bytes())?;
        Ok(line)
    }

    // Two pictures of a thing with enough in common, and the number of its keypoints.
    fn scenes(
        &self,
        sources: &Sources,
        part: usize,
        category: usize,
        pair: usize,
    ) -> Result<(usize, [Scene; 2])> {
        let seed = derive_seed(&[self.seed, 1 + part as u64, pair as u64]);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Hardly a thing in a hundred has too few corners; the bound is for files that are no pictures.
        for _ in 0..1000 {
            let thing = sources.draw(part, category, &mut rng);
            let Some(keypoints) = thing.keypoints() else { continue };
            for _ in 0..ATTEMPTS {
                let mut scene = || {
                    let others: Vec<_> = (0..rng.random_range(1..=2))
                        .map(|_| {
                            let another = rng.random_range(1..sources.categories.len());
                            let category = (category + another) % sources.categories.len();
                            sources.draw(part, category, &mut rng)
                        })
                        .collect();
                    scene::draw(&thing, &keypoints, &others, self.side, &mut rng)
                };
                let scenes = [scene(), scene()];
                let [first, second] = scenes.each_ref().map(|scene| &scene.keypoints);
                let common = first.iter().zip(second).filter(|(a, b)| a.is_some() && b.is_some());
                if common.count() >= FEWEST_COMMON {
                    return Ok((keypoints.len(), scenes));
                }
            }
        }
        let expected = "of articles and flags with corners: install their packages again";
        Err(Error::parameter("what is to be drawn", &sources.categories[category], expected))
    }

    fn annotation(&self, name: &str, category: &str, scene: &Scene) -> Value {
        let keypoints: Map<String, Value> = (0..)
            .zip(&scene.keypoints)
            .map(|(at, place): (usize, _)| (at.to_string(), place.map_or(Value::Null, rounded)))
            .collect();
        json!({
            "filename": format!("{name}.png"),
            "category": category,
            "image_width": self.side,
            "image_height": self.side,
            "image_depth": 3,
            "bndbox": scene.bounds,
            "kps": keypoints,
        })
    }
}

fn rounded(place: [f64; 2]) -> Value {
    json!(place.map(|at| (at * 100.0).round() / 100.0))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(Error::io("write", path))
}
