//! Labelled pictures in files, decoded and cut ahead of the step that uses them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::seq::{SliceRandom, index};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use tch::vision::image;

use super::batches::{Batches, BatchesOf};
use super::prefetch::{InBatches, InputTimes, Prefetch, Timed};
use super::{Channels, Items};
use crate::gradient::derive_seed;
use crate::{Error, Result};

/// Labelled pictures in files: names and labels, while the pixels stay where they are.
#[derive(Clone, Debug)]
pub struct PictureFiles {
    /// The files.
    pub paths: Vec<PathBuf>,
    /// The class of each, 0 to classes - 1.
    pub labels: Vec<i64>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

/// What to do about a file that is no picture that can be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undecodable {
    /// End with an error that names the file.
    #[default]
    Stop,
    /// Leave it out of its batch; [`PictureBatches::skipped`] names it.
    Skip,
}

/// What becomes of a picture on the way into a batch, and how far ahead of its use.
///
/// Pictures are resized to a square, whatever their shape was (by the filters of `stb_image_resize`:
/// Catmull-Rom up, Mitchell down), and a smaller square is cut out of it: in training at a random
/// place, and mirrored at random, where `flip` allows it; in a test in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loading {
    /// Side of the square that a picture is resized to, in pixels.
    pub resize: usize,
    /// Side of the square that is cut out of it, in pixels.
    pub crop: usize,
    /// Whether pictures are mirrored at random in training: where left and right mean nothing.
    pub flip: bool,
    /// Threads that load.
    pub threads: usize,
    /// The most pictures in memory ahead of the step.
    pub ahead: usize,
    /// What to do about a file that cannot be decoded.
    pub undecodable: Undecodable,
}

impl Default for Loading {
    /// As published for CUB-200-2011: 256, 224, flipped; two threads, 256 pictures ahead.
    fn default() -> Self {
        Self {
            resize: 256,
            crop: 224,
            flip: true,
            threads: 2,
            ahead: 256,
            undecodable: Undecodable::Stop,
        }
    }
}

/// A batch of pictures.
#[derive(Debug)]
pub struct Pictures {
    /// Red, green and blue, `u8`, `[n, height, width, 3]`: see [`Channels::apply`].
    pub pixels: Tensor,
    /// Class of each, `i64`, `[n]`.
    pub labels: Tensor,
}

impl Items for Pictures {
    fn len(&self) -> usize {
        self.labels.size().first().map_or(0, |&count| count as usize)
    }

    fn try_map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { pixels: change(&self.pixels)?, labels: change(&self.labels)? })
    }
}

impl Channels {
    /// Of the pictures that published networks were trained on (ImageNet).
    pub const IMAGENET: Self = Self {
        mean: [0.485 * 255.0, 0.456 * 255.0, 0.406 * 255.0],
        deviation: [0.229 * 255.0, 0.224 * 255.0, 0.225 * 255.0],
    };
}

impl PictureFiles {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The pictures in order, cut in the middle: for a test.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a size of 0 or a cut larger than the picture.
    pub fn in_order(&self, loading: Loading) -> Result<PictureBatches> {
        PictureBatches::new(self, loading, None)
    }

    /// Batches for training, each of random classes with `per_class` pictures of each, one class after
    /// another; an epoch has as many batches as the set fills.
    ///
    /// # Errors
    /// As [`in_order`](Self::in_order), and [`Error::Parameter`] where a class has fewer pictures.
    pub fn by_class(&self, loading: Loading, per_class: usize) -> Result<PictureBatches> {
        let mut members = vec![Vec::new(); self.classes.len()];
        for (item, &label) in (0i64..).zip(&self.labels) {
            match usize::try_from(label).ok().and_then(|label| members.get_mut(label)) {
                Some(members) => members.push(item),
                None => {
                    let expected = format!("0 to {}", self.classes.len().saturating_sub(1));
                    return Err(Error::parameter("a label", label, expected));
                }
            }
        }
        let fewest = members.iter().map(Vec::len).min().unwrap_or(0);
        if !(1..=fewest).contains(&per_class) {
            let expected = format!("1 to {fewest}, the pictures of the smallest class");
            return Err(Error::parameter(
                "the pictures of a class in a batch",
                per_class,
                expected,
            ));
        }
        PictureBatches::new(self, loading, Some(ByClass { members, per_class }))
    }
}

/// Batches of pictures that are loaded ahead of the step, see [`PictureFiles::by_class`] and
/// [`PictureFiles::in_order`].
///
/// Where a picture is cut in training follows from the seed of the epoch and its place in it: the number
/// of threads changes nothing.
#[derive(Debug)]
pub struct PictureBatches {
    files: Arc<PictureFiles>,
    loading: Loading,
    sampler: Option<ByClass>,
    unreadable: Arc<Vec<AtomicBool>>,
    times: InputTimes,
}

#[derive(Debug)]
struct ByClass {
    members: Vec<Vec<i64>>,
    per_class: usize,
}

impl PictureBatches {
    fn new(files: &PictureFiles, loading: Loading, sampler: Option<ByClass>) -> Result<Self> {
        let Loading { resize, crop, threads, ahead, .. } = loading;
        if !(1..=resize).contains(&crop) {
            let expected = format!("1 to {resize}, the side that pictures are resized to");
            return Err(Error::parameter("the side of the cut", crop, expected));
        }
        for (what, value) in [("the loading threads", threads), ("the pictures ahead", ahead)] {
            if value == 0 {
                return Err(Error::parameter(what, value, "at least 1"));
            }
        }
        let unreadable = Arc::new(files.paths.iter().map(|_| AtomicBool::new(false)).collect());
        let files = Arc::new(files.clone());
        Ok(Self { files, loading, sampler, unreadable, times: InputTimes::default() })
    }

    /// The files of the set.
    pub fn files(&self) -> &PictureFiles {
        &self.files
    }

    /// How long steps waited for batches so far.
    pub fn times(&self) -> &InputTimes {
        &self.times
    }

    /// The files that could not be decoded so far and were left out.
    pub fn skipped(&self) -> Vec<&Path> {
        let files = self.files.paths.iter().zip(self.unreadable.iter());
        files.filter(|(_, bad)| bad.load(Ordering::Relaxed)).map(|(path, _)| &**path).collect()
    }

    /// Some of the pictures, cut in the middle: to look at.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an index outside the set, and those of the files.
    pub fn select(&self, items: &[i64]) -> Result<Pictures> {
        let count = self.files.len();
        if let Some(item) = items.iter().find(|item| !(0..count as i64).contains(*item)) {
            return Err(Error::parameter("index of a picture", item, format!("in 0..{count}")));
        }
        let one = |&item: &i64| {
            let path = &self.files.paths[item as usize];
            Ok((prepare(path, &self.loading, None)?, self.files.labels[item as usize]))
        };
        batch_of(items.iter().map(one).collect::<Result<_>>()?)
    }
}

impl ByClass {
    fn batch(&self, size: usize, rng: &mut ChaCha8Rng) -> Vec<i64> {
        let classes = index::sample(rng, self.members.len(), size / self.per_class);
        let mut batch = Vec::with_capacity(size);
        for class in classes {
            let members = &self.members[class];
            let chosen = index::sample(rng, members.len(), self.per_class);
            batch.extend(chosen.into_iter().map(|place| members[place]));
        }
        batch
    }
}

impl Batches for PictureBatches {
    type Batch = Pictures;

    fn count(&self) -> usize {
        self.files.len()
    }

    fn plan(&self, size: usize, seed: u64) -> Result<Vec<Vec<i64>>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let Some(sampler) = &self.sampler else {
            let mut order: Vec<i64> = (0..self.count() as i64).collect();
            order.shuffle(&mut rng);
            return Ok(order.chunks(size.max(1)).map(<[i64]>::to_vec).collect());
        };
        let (classes, per_class) = (sampler.members.len(), sampler.per_class);
        if size == 0 || !size.is_multiple_of(per_class) || size / per_class > classes {
            let expected = format!(
                "a multiple of {per_class}, up to {} for {classes} classes",
                classes * per_class
            );
            return Err(Error::parameter("the batch", size, expected));
        }
        let batches = (self.count() / size).max(1);
        Ok((0..batches).map(|_| sampler.batch(size, &mut rng)).collect())
    }

    fn load<'a>(&'a self, plan: &'a [Vec<i64>], seed: u64) -> Result<BatchesOf<'a, Pictures>> {
        let (files, unreadable) = (Arc::clone(&self.files), Arc::clone(&self.unreadable));
        let (loading, random) = (self.loading, self.sampler.is_some());
        let items: Vec<usize> = plan.iter().flatten().map(|&item| item as usize).collect();
        let count = items.len();
        let items = Prefetch::new(count, loading.threads, loading.ahead, move |place| {
            let item = items[place];
            let path = &files.paths[item];
            let rng = || ChaCha8Rng::seed_from_u64(derive_seed(&[seed, place as u64, item as u64]));
            match prepare(path, &loading, random.then(rng)) {
                Ok(pixels) => Ok(Some((pixels, files.labels[item]))),
                Err(Error::File { .. }) if loading.undecodable == Undecodable::Skip => {
                    unreadable[item].store(true, Ordering::Relaxed);
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        })?;
        let inner = InBatches { items, sizes: plan.iter().map(Vec::len), join: batch_of };
        Ok(Box::new(Timed { inner, times: &self.times, handed_over: None }))
    }
}

fn batch_of(pictures: Vec<(Tensor, i64)>) -> Result<Pictures> {
    let (pixels, labels): (Vec<Tensor>, Vec<i64>) = pictures.into_iter().unzip();
    if pixels.is_empty() {
        let expected = "at least 1: no file of the batch could be decoded";
        return Err(Error::parameter("the number of pictures of a batch", 0, expected));
    }
    Ok(Pictures { pixels: Tensor::f_stack(&pixels, 0)?, labels: Tensor::f_from_slice(&labels)? })
}

/// The pixels of a file, `u8`, `[3, height, width]`: greyscale becomes red, green and blue.
pub(super) fn decoded(path: &Path) -> Result<Tensor> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    image::load_from_memory(&bytes).map_err(|error| Error::File {
        path: path.to_path_buf(),
        problem: format!("cannot be decoded as a picture ({error})"),
        cure: "get the file again, or skip such files by `Undecodable::Skip`".into(),
    })
}

/// The same pixels in a square, whatever their shape was.
pub(super) fn squared(pixels: Tensor, side: i64) -> Result<Tensor> {
    match pixels.size()[..] {
        [_, height, width] if height == side && width == side => Ok(pixels),
        _ => Ok(image::resize(&pixels.f_contiguous()?, side, side)?),
    }
}

// The pixels of a file, `u8`, `[crop, crop, 3]`: cut at random with a generator, else in the middle.
fn prepare(path: &Path, loading: &Loading, rng: Option<ChaCha8Rng>) -> Result<Tensor> {
    let (side, crop) = (loading.resize as i64, loading.crop as i64);
    let resized = squared(decoded(path)?, side)?;
    let room = side - crop;
    let (top, left, flip) = match rng {
        None => (room / 2, room / 2, false),
        Some(mut rng) => {
            let places = [rng.random_range(0..=room), rng.random_range(0..=room)];
            (places[0], places[1], rng.random_bool(0.5) && loading.flip)
        }
    };
    let cut = resized.f_narrow(1, top, crop)?.f_narrow(2, left, crop)?;
    let cut = if flip { cut.f_flip([2i64])? } else { cut };
    Ok(cut.f_permute([1, 2, 0])?.f_contiguous()?)
}
