//! Stand-ins for data sets that cannot be downloaded: made here, in the published format, from what
//! the machine has, and read by the loader of the published files.
//!
//! The inputs are of this library's making, the solutions are those of its exact solvers, and a seed
//! decides about all of it. A stand-in is made once, in the data folder, under a name that holds its
//! parameters; it appears there complete or not at all.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::InstanceSet;
use crate::gradient::derive_seed;
use crate::record::make_folder;
use crate::{Error, Result};

mod characters;
mod globe_tsp;
mod glyphs;
mod pairs;
mod reviews;
mod terrain;
mod warcraft;

pub use glyphs::Glyphs;
pub use pairs::PairStandIn;
pub use reviews::ReviewStandIn;
pub use terrain::Class;

/// How many instances a stand-in has, and the seed that decides about them.
///
/// Instance i of a part is the same whatever the number of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandIn {
    /// Instances to train on.
    pub train: usize,
    /// Instances to choose by.
    pub validation: usize,
    /// Instances to report.
    pub test: usize,
    /// The seed.
    pub seed: u64,
}

impl Default for StandIn {
    /// The published numbers of instances, and seed 1.
    fn default() -> Self {
        Self { train: 10_000, validation: 1000, test: 1000, seed: 1 }
    }
}

// Raised when the same parameters make another stand-in than before.
const VERSION: u32 = 1;

impl StandIn {
    /// The folder of the stand-in for the instances of size `k` of `set`, made now if it is not
    /// there, with one line to `report` before and one after; to be read by
    /// [`GlobeTsp::load`](crate::data::GlobeTsp::load) or
    /// [`Warcraft::load`](crate::data::Warcraft::load).
    ///
    /// Of the globe, k may be 3 to 100; of maps, 2 to 64.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another size or an empty part, [`Error::MissingData`] where the flags
    /// or places of countries are not installed, [`Error::Io`] where the folder cannot be written,
    /// [`Error::Interrupted`].
    ///
    /// ```no_run
    /// use solvergrad::prelude::*;
    ///
    /// let folder = StandIn::default().make(
    ///     InstanceSet::GlobeTsp, &data_folder(), 5, |line| println!("{line}"))?;
    /// let data = GlobeTsp::load(&folder)?;
    /// assert_eq!(data.train.len(), 10_000);
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    pub fn make(
        &self,
        set: InstanceSet,
        data_folder: &Path,
        k: usize,
        report: impl FnMut(&str),
    ) -> Result<PathBuf> {
        let sizes = match set {
            InstanceSet::GlobeTsp => 3..=100,
            InstanceSet::Warcraft => 2..=64,
        };
        check_range("the size of the instances", k, sizes)?;
        for (_, count) in self.splits() {
            if count == 0 {
                return Err(Error::parameter("the number of instances", count, "at least 1"));
            }
        }
        let count = self.splits().iter().map(|(_, count)| count).sum::<usize>();
        let task = format!("{set}: making {count} instances of size {k}");
        make_once(self.folder(set, data_folder, k), &task, report, |beside| match set {
            InstanceSet::GlobeTsp => globe_tsp::make(self, k, beside),
            InstanceSet::Warcraft => warcraft::make(self, k, beside),
        })
    }

    /// Where [`make`](Self::make) puts the stand-in.
    pub fn folder(&self, set: InstanceSet, data_folder: &Path, k: usize) -> PathBuf {
        let Self { train, validation, test, seed } = self;
        data_folder
            .join("stand-ins")
            .join(format!("{set}-v{VERSION}-seed{seed}-{train}-{validation}-{test}"))
            .join(set.size_folder(k))
    }

    // The names that the parts have in files.
    fn splits(&self) -> [(&'static str, usize); 3] {
        [("train", self.train), ("val", self.validation), ("test", self.test)]
    }

    fn seed_of(&self, split: &str, instance: usize) -> u64 {
        let split = match split {
            "train" => 1,
            "val" => 2,
            _ => 3,
        };
        derive_seed(&[self.seed, split, instance as u64])
    }
}

// A folder that is there is left alone; else it is filled, with a line before and one after.
fn make_once(
    folder: PathBuf,
    task: &str,
    mut report: impl FnMut(&str),
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    if folder.is_dir() {
        return Ok(folder);
    }
    report(&format!("{task}, once"));
    let start = std::time::Instant::now();
    make_folder(&folder, fill)?;
    report(&format!("{}: {:.0} s", folder.display(), start.elapsed().as_secs_f64()));
    Ok(folder)
}

fn check_range(what: &'static str, value: usize, allowed: RangeInclusive<usize>) -> Result<()> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let expected = format!("in {} to {}", allowed.start(), allowed.end());
    Err(Error::parameter(what, value, expected))
}
