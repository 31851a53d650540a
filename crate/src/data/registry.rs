//! What is known about each data set: its files, where they come from, and under which terms.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A data set of images with labels 0..=9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSet {
    /// Articles of clothing, 28 x 28 pixels (Xiao, Rasul, Vollgraf 2017).
    #[default]
    FashionMnist,
    /// Handwritten digits, 28 x 28 pixels (LeCun, Bottou, Bengio, Haffner 1998).
    Mnist,
}

/// One file of a data set in the IDX format, stored as it is or compressed with gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Name without `.gz`.
    pub name: &'static str,
    /// Length of each axis, outermost first.
    pub shape: &'static [u64],
    /// SHA-256 of the uncompressed file, as lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// Size of the compressed file, in bytes.
    pub gz_size: u64,
    /// SHA-256 of the compressed file, as lower-case hexadecimal digits.
    pub gz_sha256: &'static str,
}

impl FileSpec {
    /// Name of the compressed file.
    pub fn gz_name(&self) -> String {
        format!("{}.gz", self.name)
    }

    /// Size of the uncompressed file, in bytes: the IDX header and one byte per entry.
    pub fn size(&self) -> u64 {
        4 + 4 * self.shape.len() as u64 + self.shape.iter().product::<u64>()
    }

    /// The file within `folder`, compressed or not; `None` if it is not there.
    ///
    /// Where both forms are present the compressed one is taken, as that is what a download
    /// replaces.
    pub fn find(&self, folder: &Path) -> Option<PathBuf> {
        [folder.join(self.gz_name()), folder.join(self.name)]
            .into_iter()
            .find(|path| path.is_file())
    }
}

impl ImageSet {
    /// Every data set, the default first.
    pub const ALL: [Self; 2] = [Self::FashionMnist, Self::Mnist];

    /// Name on the command line, in configurations and of the folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::FashionMnist => "fashion-mnist",
            Self::Mnist => "mnist",
        }
    }

    /// Training images, training labels, test images and test labels, in this order.
    pub fn files(self) -> &'static [FileSpec; 4] {
        match self {
            Self::FashionMnist => &FASHION_MNIST,
            Self::Mnist => &MNIST,
        }
    }

    /// Where the set is published.
    pub fn source(self) -> &'static str {
        match self {
            Self::FashionMnist => "https://github.com/zalandoresearch/fashion-mnist",
            Self::Mnist => "https://ossci-datasets.s3.amazonaws.com/mnist/",
        }
    }

    /// Licence of the data.
    pub fn licence(self) -> &'static str {
        match self {
            Self::FashionMnist => "MIT",
            Self::Mnist => "CC BY-SA 3.0 (as commonly attributed)",
        }
    }

    /// The publication to cite.
    pub fn citation(self) -> &'static str {
        match self {
            Self::FashionMnist => {
                "Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking \
                 Machine Learning Algorithms. arXiv:1708.07747, 2017"
            }
            Self::Mnist => {
                "LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document \
                 Recognition. Proceedings of the IEEE 86(11), 1998"
            }
        }
    }

    /// The folders that may hold the set, in the order they are searched.
    pub fn folders(self, data_folder: &Path) -> Vec<PathBuf> {
        let own = data_folder.join(self.name());
        match self {
            Self::FashionMnist => vec![own, PathBuf::from("/usr/share/datasets/fashion-mnist")],
            Self::Mnist => vec![own],
        }
    }

    /// Paths of the four files, in the order of [`files`](Self::files), all from one folder.
    ///
    /// # Errors
    /// [`Error::MissingData`] with the way to get the set.
    pub fn locate(self, data_folder: &Path) -> Result<[PathBuf; 4]> {
        let [a, b, c, d] = self.files();
        self.folders(data_folder)
            .iter()
            .find_map(|folder| {
                Some([a.find(folder)?, b.find(folder)?, c.find(folder)?, d.find(folder)?])
            })
            .ok_or_else(|| self.missing(data_folder))
    }

    /// The error that says how to get this set.
    pub(crate) fn missing(self, data_folder: &Path) -> Error {
        let folder = data_folder.join(self.name());
        let cure = match self {
            Self::FashionMnist => format!(
                "`apt-get install dataset-fashion-mnist` (part of the image), or put {} from {} \
                 into that folder",
                names(self.files()),
                self.source(),
            ),
            Self::Mnist => format!(
                "run `solvergrad data fetch mnist`, or by hand: download {} into that folder",
                urls(self.source(), self.files()),
            ),
        };
        Error::MissingData { name: self.name().to_owned(), folder, cure }
    }
}

impl fmt::Display for ImageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ImageSet {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name).ok_or_else(|| {
            let expected = format!("one of {}", Self::ALL.map(Self::name).join(", "));
            Error::parameter("data set", format!("{name:?}"), expected)
        })
    }
}

fn names(files: &[FileSpec]) -> String {
    files.iter().map(FileSpec::gz_name).collect::<Vec<_>>().join(", ")
}

fn urls(base: &str, files: &[FileSpec]) -> String {
    files.iter().map(|file| format!("{base}{}", file.gz_name())).collect::<Vec<_>>().join(", ")
}

// The compressed form of Fashion-MNIST is that of the Debian package, which differs from the one
// published in the gzip header only.
const FASHION_MNIST: [FileSpec; 4] = [
    FileSpec {
        name: "train-images-idx3-ubyte",
        shape: &[60_000, 28, 28],
        sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        gz_size: 26_421_856,
        gz_sha256: "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    },
    FileSpec {
        name: "train-labels-idx1-ubyte",
        shape: &[60_000],
        sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        gz_size: 29_491,
        gz_sha256: "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    },
    FileSpec {
        name: "t10k-images-idx3-ubyte",
        shape: &[10_000, 28, 28],
        sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        gz_size: 4_422_079,
        gz_sha256: "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    },
    FileSpec {
        name: "t10k-labels-idx1-ubyte",
        shape: &[10_000],
        sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        gz_size: 5_125,
        gz_sha256: "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
    },
];

const MNIST: [FileSpec; 4] = [
    FileSpec {
        name: "train-images-idx3-ubyte",
        shape: &[60_000, 28, 28],
        sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        gz_size: 9_912_422,
        gz_sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    },
    FileSpec {
        name: "train-labels-idx1-ubyte",
        shape: &[60_000],
        sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        gz_size: 28_881,
        gz_sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    },
    FileSpec {
        name: "t10k-images-idx3-ubyte",
        shape: &[10_000, 28, 28],
        sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        gz_size: 1_648_877,
        gz_sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    },
    FileSpec {
        name: "t10k-labels-idx1-ubyte",
        shape: &[10_000],
        sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        gz_size: 4_542,
        gz_sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
];
