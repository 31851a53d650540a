use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Items;
use crate::Result;

/// The batches of a pass over a set, one after another.
pub type BatchesOf<'a, B> = Box<dyn Iterator<Item = Result<B>> + 'a>;

/// Where a [`Training`](crate::train::Training) takes its batches from: a plan of which items are in
/// which batch, and the batches themselves.
///
/// Tensors in memory, [`Items`], come with it: a plan of all items, shuffled for training, and batches
/// selected from them. A set that is too large for memory loads its batches here, see
/// [`PictureBatches`](super::PictureBatches).
pub trait Batches {
    /// A batch.
    type Batch;

    /// Number of items of the set.
    fn count(&self) -> usize;

    /// The items of each batch of an epoch of training. By default all of them, shuffled by `seed`, in
    /// batches of `size`, of which the last may be smaller.
    ///
    /// # Errors
    /// What keeps the set from having such batches.
    fn plan(&self, size: usize, seed: u64) -> Result<Vec<Vec<i64>>> {
        let mut order: Vec<i64> = (0..self.count() as i64).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        Ok(order.chunks(size.max(1)).map(<[i64]>::to_vec).collect())
    }

    /// The same for a test: all items, in order.
    fn plan_in_order(&self, size: usize) -> Vec<Vec<i64>> {
        let order: Vec<i64> = (0..self.count() as i64).collect();
        order.chunks(size.max(1)).map(<[i64]>::to_vec).collect()
    }

    /// The batches of a plan, each when it is asked for; `seed` decides about all that is random in
    /// them.
    ///
    /// # Errors
    /// Those of the set; what goes wrong with one batch stands in its place.
    fn load<'a>(&'a self, plan: &'a [Vec<i64>], seed: u64) -> Result<BatchesOf<'a, Self::Batch>>;
}

impl<D: Items> Batches for D {
    type Batch = D;

    fn count(&self) -> usize {
        self.len()
    }

    fn load<'a>(&'a self, plan: &'a [Vec<i64>], _: u64) -> Result<BatchesOf<'a, D>> {
        Ok(Box::new(plan.iter().map(|items| self.select(items))))
    }
}

/// A set that is measured as a whole, as its own and only batch: for metrics that are no means over
/// batches, such as the recall among all items.
///
/// ```
/// use solvergrad::data::{Batches, Whole};
/// use solvergrad::prelude::*;
///
/// let images = Images {
///     images: Tensor::zeros([5, 4], (Kind::Float, Device::Cpu)),
///     labels: Tensor::zeros([5], (Kind::Int64, Device::Cpu)),
///     height: 2,
///     width: 2,
/// };
/// let whole = Whole(&images);
/// assert_eq!(whole.plan_in_order(2), [[0, 1, 2, 3, 4]]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Whole<'s, S>(pub &'s S);

impl<'s, S: Batches> Batches for Whole<'s, S> {
    type Batch = &'s S;

    fn count(&self) -> usize {
        self.0.count()
    }

    fn plan(&self, _: usize, _: u64) -> Result<Vec<Vec<i64>>> {
        Ok(self.plan_in_order(1))
    }

    fn plan_in_order(&self, _: usize) -> Vec<Vec<i64>> {
        vec![(0..self.count() as i64).collect()]
    }

    fn load<'a>(&'a self, plan: &'a [Vec<i64>], _: u64) -> Result<BatchesOf<'a, &'s S>> {
        Ok(Box::new(plan.iter().map(|_| Ok(self.0))))
    }
}
