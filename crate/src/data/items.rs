use tch::{Device, Tensor};

use crate::{Error, Result};

/// A set of items, held in tensors with one row per item: what
/// [`Training`](crate::train::Training) takes its batches from, where the set fits into memory (else
/// see [`Batches`](super::Batches)).
///
/// Any struct of tensors becomes one by two methods; the others come with them.
///
/// ```
/// use solvergrad::prelude::*;
///
/// struct Pairs {
///     costs: Tensor,
///     solutions: Tensor,
/// }
///
/// impl Items for Pairs {
///     fn len(&self) -> usize {
///         self.costs.size()[0] as usize
///     }
///     fn try_map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
///         Ok(Self { costs: change(&self.costs)?, solutions: change(&self.solutions)? })
///     }
/// }
///
/// let costs = Tensor::from_slice(&[0.5, 1.5, 2.5]);
/// let pairs = Pairs { solutions: costs.ge(1.0), costs };
/// let picked = pairs.select(&[2, 0])?;
/// assert_eq!(Vec::<f64>::try_from(&picked.costs)?, [2.5, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Items: Sized {
    /// Number of items.
    fn len(&self) -> usize;

    /// The same set with `change` applied to each of its tensors.
    ///
    /// # Errors
    /// What `change` reports.
    fn try_map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self>;

    /// Whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items at `indices`, in that order, copied.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an index outside 0..len.
    fn select(&self, indices: &[i64]) -> Result<Self> {
        let len = self.len() as i64;
        if let Some(index) = indices.iter().find(|index| !(0..len).contains(*index)) {
            return Err(Error::parameter("index of an item", index, format!("in 0..{len}")));
        }
        let indices = Tensor::f_from_slice(indices)?;
        self.try_map(|tensor| Ok(tensor.f_index_select(0, &indices.f_to_device(tensor.device())?)?))
    }

    /// The first `n` items, as a view: for short trial runs.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless 1 <= `n` <= len.
    fn first(&self, n: usize) -> Result<Self> {
        let len = self.len();
        if !(1..=len).contains(&n) {
            return Err(Error::parameter("number of items", n, format!("1 to {len}")));
        }
        self.try_map(|tensor| Ok(tensor.f_narrow(0, 0, n as i64)?))
    }

    /// The same items on `device`; no copy if they are there already.
    ///
    /// # Errors
    /// [`Error::Torch`] when the device is missing or out of memory.
    fn to_device(&self, device: Device) -> Result<Self> {
        self.try_map(|tensor| Ok(tensor.f_to_device(device)?))
    }
}
