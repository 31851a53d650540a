//! What is known about the sets of problem instances.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A data set of problem instances: inputs with the solutions to be learned, several sizes k each.
///
/// Both are published as archives, which [`fetch_instances`](super::fetch_instances) downloads; for each
/// there is a [stand-in](crate::stand_in) of the same format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceSet {
    /// Round tours among k of 100 countries, which are known by their flags.
    GlobeTsp,
    /// Shortest paths on maps of k x k tiles of terrain.
    Warcraft,
}

impl InstanceSet {
    /// Every set.
    pub const ALL: [Self; 2] = [Self::GlobeTsp, Self::Warcraft];

    /// Name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::GlobeTsp => "globe-tsp",
            Self::Warcraft => "warcraft",
        }
    }

    /// The published sizes k.
    pub fn sizes(self) -> [usize; 4] {
        match self {
            Self::GlobeTsp => [5, 10, 20, 40],
            Self::Warcraft => [12, 18, 24, 30],
        }
    }

    /// The identifier of the publication of all sets.
    pub const DOI: &'static str = "10.17617/3.YJCQ5S";

    /// Where the set is published.
    pub fn source(self) -> &'static str {
        "https://doi.org/10.17617/3.YJCQ5S"
    }

    /// The archive there.
    pub fn archive(self) -> &'static str {
        match self {
            Self::GlobeTsp => "globe_tsp.tar.gz",
            Self::Warcraft => "warcraft_maps.tar.gz",
        }
    }

    /// Its size in bytes and its MD5, where they are known.
    pub(super) fn known_archive(self) -> Option<(u64, &'static str)> {
        match self {
            Self::GlobeTsp => None,
            Self::Warcraft => Some((915_169_563, "acea5ea60a47664ff189923a84814e96")),
        }
    }

    /// The publication to cite.
    pub fn citation(self) -> &'static str {
        "Vlastelica, Paulus, Musil, Martius, Rolínek: Differentiation of Blackbox Combinatorial \
         Solvers. ICLR 2020"
    }

    /// The folder of all sizes, as the archive unpacks it into `data_folder`.
    pub fn folder(self, data_folder: &Path) -> PathBuf {
        data_folder.join(match self {
            Self::GlobeTsp => "globe_tsp",
            Self::Warcraft => "warcraft_shortest_path_oneskin",
        })
    }

    /// The name of the folder of the instances of size `k`.
    pub fn size_folder(self, k: usize) -> String {
        match self {
            Self::GlobeTsp => format!("{k}_countries_from_100"),
            Self::Warcraft => format!("{k}x{k}"),
        }
    }

    /// The folder of the published instances of size `k`.
    ///
    /// # Errors
    /// [`Error::MissingData`] with the way to get them, or a stand-in.
    pub fn locate(self, data_folder: &Path, k: usize) -> Result<PathBuf> {
        let folder = self.folder(data_folder).join(self.size_folder(k));
        if folder.is_dir() {
            return Ok(folder);
        }
        Err(Error::MissingData { name: self.name().to_owned(), folder, cure: self.cure() })
    }

    /// How to get the files.
    pub(super) fn cure(self) -> String {
        format!(
            "run `solvergrad data fetch {name}`, unpack {} from {} in the data folder, or use the \
             stand-in (`solvergrad data make {name}`)",
            self.archive(),
            self.source(),
            name = self.name()
        )
    }
}

impl fmt::Display for InstanceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for InstanceSet {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name).ok_or_else(|| {
            let expected = format!("one of {}", Self::ALL.map(Self::name).join(", "));
            Error::parameter("data set", format!("{name:?}"), expected)
        })
    }
}
