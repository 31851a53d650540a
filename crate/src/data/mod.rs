//! Data sets: reading, fetching and checking their files.
//!
//! To add a set of images: a variant of [`ImageSet`] and its facts in `registry.rs`. To add a set of
//! problem instances: a variant of [`InstanceSet`], and a file with its struct of tensors, `impl
//! Items` and a loader. Texts, of which there is one set, have a folder of their own. A set of picture
//! files that is too large for memory is a [`PictureFiles`], which [`Cub`] shows; one of pairs of
//! pictures with keypoints is a [`KeypointPairs`], which [`SPair71k`] shows. A data set never solves: its
//! [stand-in](crate::stand_in) may.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

mod archive;
mod arrays;
mod batches;
mod beer_advocate;
mod cub;
mod fetch;
mod globe_tsp;
mod idx;
mod instances;
mod items;
mod keypoint_pairs;
mod lines;
mod npy;
mod pair_batches;
mod pictures;
mod polynomial;
mod prefetch;
mod registry;
mod spair;
mod verify;
mod voc_keypoints;
mod warcraft;

pub use archive::{fetch_instances, fetch_instances_from, fetch_spair, fetch_spair_from};
pub use batches::{Batches, BatchesOf, Whole};
pub use beer_advocate::{AnnotatedReviews, Aspect, BeerAdvocate, Reviews, Vocabulary};
pub use cub::Cub;
pub use fetch::{fetch, fetch_from};
pub use globe_tsp::{Countries, GlobeTsp, Tours};
pub use idx::{Idx, read_idx};
pub use instances::InstanceSet;
pub use items::Items;
pub use keypoint_pairs::{KeypointChoice, KeypointPair, KeypointPairs, LeftOut};
pub use npy::{read_npy, write_npy};
pub use pair_batches::{PairBatches, PairLoading};
pub use pictures::{Loading, PictureBatches, PictureFiles, Pictures, Undecodable};
pub use polynomial::PolynomialCosts;
pub use prefetch::{InputTimes, Prefetch};
pub use registry::{FileSpec, ImageSet};
pub use spair::SPair71k;
pub use verify::{FileStatus, verify};
pub use voc_keypoints::{KeypointPictures, VocKeypoints};
pub(crate) use warcraft::TILE;
pub use warcraft::{Channels, Maps, Warcraft};

/// Labels are 0, 1, ..., `CLASSES` - 1.
pub const CLASSES: i64 = 10;

/// Images with their labels.
#[derive(Debug)]
pub struct Images {
    /// Brightness in \[0, 1\], `f32`, `[N, height * width]`, row by row.
    pub images: Tensor,
    /// Class of each image, `i64`, `[N]`.
    pub labels: Tensor,
    /// Rows of an image, in pixels.
    pub height: i64,
    /// Columns of an image, in pixels.
    pub width: i64,
}

impl Images {
    /// Reads a pair of IDX files.
    ///
    /// # Errors
    /// Those of [`read_idx`], and [`Error::File`] when the files do not hold images `[N, h, w]`
    /// and labels `[N]` in 0..=9.
    pub fn read(images: &Path, labels: &Path) -> Result<Self> {
        let Idx { shape, bytes: pixels } = read_idx(images)?;
        let [count, height, width] = shape[..] else {
            return Err(unfit(images, format!("has shape {shape:?}; expected images [N, h, w]")));
        };
        let Idx { shape, bytes: classes } = read_idx(labels)?;
        let [label_count] = shape[..] else {
            return Err(unfit(labels, format!("has shape {shape:?}; expected labels [N]")));
        };
        if label_count != count {
            let problem = format!(
                "holds {label_count} labels for the {count} images of {}",
                images.display()
            );
            return Err(unfit(labels, problem));
        }
        let out_of_range = |class: &u8| i64::from(*class) >= CLASSES;
        if let Some(position) = classes.iter().position(out_of_range) {
            let problem = format!("label {position} is {}; expected 0 to 9", classes[position]);
            return Err(unfit(labels, problem));
        }
        // At most 1 GiB, checked by the reader.
        let size = [count as i64, (height * width) as i64];
        let pixels = Tensor::f_from_data_size(&pixels, &size, Kind::Uint8)?;
        Ok(Self {
            images: pixels.f_to_kind(Kind::Float)?.f_div_scalar_(255.0)?,
            labels: Tensor::f_from_slice(&classes)?.f_to_kind(Kind::Int64)?,
            height: height as i64,
            width: width as i64,
        })
    }

    /// Another handle to the same tensors.
    pub fn shallow_clone(&self) -> Self {
        Self { images: self.images.shallow_clone(), labels: self.labels.shallow_clone(), ..*self }
    }
}

impl Items for Images {
    fn len(&self) -> usize {
        self.labels.size().first().map_or(0, |&count| count as usize)
    }

    fn try_map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { images: change(&self.images)?, labels: change(&self.labels)?, ..*self })
    }
}

/// A data set with its published split.
#[derive(Debug)]
pub struct Dataset {
    /// Name, as [`ImageSet::name`].
    pub name: String,
    /// Images to train on.
    pub train: Images,
    /// Images to test on.
    pub test: Images,
}

impl Dataset {
    /// The same data on `device`; no copy if they are there already.
    ///
    /// # Errors
    /// [`Error::Torch`] when the device is missing or out of memory.
    pub fn to_device(&self, device: Device) -> Result<Self> {
        Ok(Self {
            name: self.name.clone(),
            train: self.train.to_device(device)?,
            test: self.test.to_device(device)?,
        })
    }

    /// Another handle to the same tensors.
    pub fn shallow_clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            train: self.train.shallow_clone(),
            test: self.test.shallow_clone(),
        }
    }
}

impl ImageSet {
    /// Reads the set from `data_folder/<name>/` or from where the system's package puts it.
    ///
    /// # Errors
    /// [`Error::MissingData`] with the way to get the set, [`Error::File`] for a damaged file,
    /// [`Error::Io`] for one that cannot be read.
    ///
    /// ```no_run
    /// use solvergrad::data::{ImageSet, Items, data_folder};
    ///
    /// let data = ImageSet::FashionMnist.load(&data_folder())?;
    /// assert_eq!(data.train.len(), 60_000);
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    pub fn load(self, data_folder: &Path) -> Result<Dataset> {
        let [train_images, train_labels, test_images, test_labels] = self.locate(data_folder)?;
        let train = Images::read(&train_images, &train_labels)?;
        let test = Images::read(&test_images, &test_labels)?;
        if (train.height, train.width) != (test.height, test.width) {
            let problem = format!(
                "holds images of {} x {} pixels, the training images have {} x {}",
                test.height, test.width, train.height, train.width
            );
            return Err(unfit(&test_images, problem));
        }
        Ok(Dataset { name: self.name().to_owned(), train, test })
    }
}

/// The folder of all data: `SOLVERGRAD_DATA`, else `/lab/data` if it exists, else `./data`.
pub fn data_folder() -> PathBuf {
    let container = Path::new("/lab/data");
    match std::env::var_os("SOLVERGRAD_DATA").filter(|folder| !folder.is_empty()) {
        Some(folder) => folder.into(),
        None if container.is_dir() => container.to_path_buf(),
        None => "data".into(),
    }
}

/// The folder that records, checkpoints and figures are written to: `SOLVERGRAD_OUT`, else the
/// [`data_folder`].
pub fn output_folder() -> PathBuf {
    match std::env::var_os("SOLVERGRAD_OUT").filter(|folder| !folder.is_empty()) {
        Some(folder) => folder.into(),
        None => data_folder(),
    }
}

fn unfit(path: &Path, problem: String) -> Error {
    let cure = "the files do not belong together or are damaged: get all four again";
    Error::File { path: path.to_path_buf(), problem, cure: cure.to_owned() }
}
