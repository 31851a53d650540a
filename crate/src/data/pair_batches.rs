//! Batches of pairs of pictures, decoded ahead of the step that uses them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::batches::{Batches, BatchesOf};
use super::prefetch::{InBatches, InputTimes, Prefetch, Timed};
use super::{KeypointPair, KeypointPairs, Undecodable};
use crate::gradient::derive_seed;
use crate::{Error, Result};

/// What becomes of the pictures of a pair on the way into a batch, and how far ahead of its use.
///
/// Pictures, or the parts of them that a set shows, are resized to a square, whatever their shape was
/// (by the filters of `stb_image_resize`: Catmull-Rom up, Mitchell down); keypoints move along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairLoading {
    /// Side of the square, in pixels.
    pub side: usize,
    /// Threads that load.
    pub threads: usize,
    /// The most pairs in memory ahead of the step.
    pub ahead: usize,
    /// What to do about a file that cannot be decoded.
    pub undecodable: Undecodable,
}

impl Default for PairLoading {
    /// 256 pixels as published for SPair-71k and Pascal VOC; two threads, 32 pairs ahead.
    fn default() -> Self {
        Self { side: 256, threads: 2, ahead: 32, undecodable: Undecodable::Stop }
    }
}

/// Batches of pairs that are loaded ahead of the step, see [`KeypointPairs::drawn`] and
/// [`KeypointPairs::in_order`]. A batch is a `Vec` of [`KeypointPair`]s, as these have lists of
/// different lengths.
///
/// The order of the keypoints follows, in training, from the seed of the epoch and the place of the pair
/// in it, in a test from the number of the pair: the number of threads changes nothing.
#[derive(Debug)]
pub struct PairBatches {
    set: KeypointPairs,
    loading: PairLoading,
    drawn: Option<Drawn>,
    unreadable: Arc<Vec<AtomicBool>>,
    times: InputTimes,
}

#[derive(Debug)]
struct Drawn {
    // The pairs of each category that has any.
    members: Vec<Vec<i64>>,
    per_epoch: usize,
}

impl KeypointPairs {
    /// All pairs in order: for a test.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no pairs, a side of 0, or nothing to load with.
    pub fn in_order(&self, loading: PairLoading) -> Result<PairBatches> {
        PairBatches::new(self, loading, None)
    }

    /// Batches for training: each of `per_epoch` pairs of an epoch is of a random category, and one of its
    /// pairs by chance, as published. (Rolínek et al. 2020: 16 000, in batches of 8.)
    ///
    /// # Errors
    /// As [`in_order`](Self::in_order), and [`Error::Parameter`] for an empty epoch.
    pub fn drawn(&self, loading: PairLoading, per_epoch: usize) -> Result<PairBatches> {
        if per_epoch == 0 {
            return Err(Error::parameter("the pairs of an epoch", per_epoch, "at least 1"));
        }
        let mut members = vec![Vec::new(); self.categories.len()];
        for (item, pair) in (0i64..).zip(self.pairs.iter()) {
            members[pair.category].push(item);
        }
        members.retain(|members| !members.is_empty());
        PairBatches::new(self, loading, Some(Drawn { members, per_epoch }))
    }
}

impl PairBatches {
    fn new(set: &KeypointPairs, loading: PairLoading, drawn: Option<Drawn>) -> Result<Self> {
        for (what, value) in [
            ("the number of pairs", set.len()),
            ("the side of the pictures", loading.side),
            ("the loading threads", loading.threads),
            ("the pairs ahead", loading.ahead),
        ] {
            if value == 0 {
                return Err(Error::parameter(what, value, "at least 1"));
            }
        }
        let unreadable = Arc::new(set.pictures.iter().map(|_| AtomicBool::new(false)).collect());
        let times = InputTimes::default();
        Ok(Self { set: set.clone(), loading, drawn, unreadable, times })
    }

    /// The pairs of the set.
    pub fn pairs(&self) -> &KeypointPairs {
        &self.set
    }

    /// How long steps waited for batches so far.
    pub fn times(&self) -> &InputTimes {
        &self.times
    }

    /// The files that could not be decoded so far, whose pairs were left out.
    pub fn skipped(&self) -> Vec<&Path> {
        let files = self.set.pictures.iter().zip(self.unreadable.iter());
        files.filter(|(_, bad)| bad.load(Ordering::Relaxed)).map(|(shot, _)| &*shot.path).collect()
    }

    /// Some of the pairs, as they are in a test: to look at.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a number outside the set, and those of the files.
    pub fn select(&self, items: &[i64]) -> Result<Vec<KeypointPair>> {
        let prepared = |item: usize| {
            let seed = derive_seed(&[item as u64]);
            self.set.prepared(item, self.loading.side, seed).map_err(|(_, error)| error)
        };
        self.checked(items.iter())?.into_iter().map(prepared).collect()
    }

    fn checked<'i>(&self, items: impl Iterator<Item = &'i i64>) -> Result<Vec<usize>> {
        let count = self.set.len();
        let place = |&item: &i64| {
            let place = usize::try_from(item).ok().filter(|place| *place < count);
            let expected = || format!("in 0..{count}");
            place.ok_or_else(|| Error::parameter("number of a pair", item, expected()))
        };
        items.map(place).collect()
    }
}

impl Batches for PairBatches {
    type Batch = Vec<KeypointPair>;

    fn count(&self) -> usize {
        self.set.len()
    }

    fn plan(&self, size: usize, seed: u64) -> Result<Vec<Vec<i64>>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let epoch: Vec<i64> = match &self.drawn {
            Some(Drawn { members, per_epoch }) => {
                let mut one = || {
                    let members = &members[rng.random_range(0..members.len())];
                    members[rng.random_range(0..members.len())]
                };
                (0..*per_epoch).map(|_| one()).collect()
            }
            None => {
                let mut order: Vec<i64> = (0..self.count() as i64).collect();
                order.shuffle(&mut rng);
                order
            }
        };
        Ok(epoch.chunks(size.max(1)).map(<[i64]>::to_vec).collect())
    }

    fn load<'a>(
        &'a self,
        plan: &'a [Vec<i64>],
        seed: u64,
    ) -> Result<BatchesOf<'a, Vec<KeypointPair>>> {
        let items = self.checked(plan.iter().flatten())?;
        let (set, unreadable) = (self.set.clone(), Arc::clone(&self.unreadable));
        let (random, PairLoading { side, threads, ahead, undecodable }) =
            (self.drawn.is_some(), self.loading);
        let items = Prefetch::new(items.len(), threads, ahead, move |place| {
            let item = items[place];
            let seed = match random {
                true => derive_seed(&[seed, place as u64, item as u64]),
                false => derive_seed(&[item as u64]),
            };
            match set.prepared(item, side, seed) {
                Ok(pair) => Ok(Some(pair)),
                Err((picture, Error::File { .. })) if undecodable == Undecodable::Skip => {
                    unreadable[picture].store(true, Ordering::Relaxed);
                    Ok(None)
                }
                Err((_, error)) => Err(error),
            }
        })?;
        let inner = InBatches { items, sizes: plan.iter().map(Vec::len), join };
        Ok(Box::new(Timed { inner, times: &self.times, handed_over: None }))
    }
}

fn join(pairs: Vec<KeypointPair>) -> Result<Vec<KeypointPair>> {
    match pairs.len() {
        0 => {
            let expected = "at least 1: of no pair could both files be decoded";
            Err(Error::parameter("the number of pairs of a batch", 0, expected))
        }
        _ => Ok(pairs),
    }
}
