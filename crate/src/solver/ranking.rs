//! Ranks of scores as a minimisation over permutations.

use std::cell::RefCell;

use super::{Enumerate, OnDevice, Solver};
use crate::{Error, Result};

/// argmin over rank vectors of length n: Y = permutations of 1, ..., n.
///
/// By the rearrangement inequality ⟨w, π⟩ is least when the largest cost has rank 1: ranks of
/// *scores*, the best first, come from passing the scores as they are, w = scores.
///
/// Ties: of equal costs the lower index has the lower rank. O(n log n).
///
/// ```
/// use solvergrad::solver::{Ranking, Solver};
///
/// let mut ranks = [0.0; 4];
/// Ranking::new(4)?.solve(&[0.2, 0.9, 0.2, 0.5], &mut ranks)?;
/// assert_eq!(ranks, [3.0, 1.0, 4.0, 2.0]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Hardy, Littlewood, Pólya 1952 (rearrangement); Rolínek et al. 2020, eq. 6 (as a layer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranking {
    n: usize,
}

thread_local! {
    static KEYS: RefCell<Vec<(u64, u32)>> = const { RefCell::new(Vec::new()) };
}

impl Ranking {
    /// Ranks of `n` items.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no items, or 2³² and more.
    pub fn new(n: usize) -> Result<Self> {
        if n == 0 || u32::try_from(n).is_err() {
            return Err(Error::parameter("n of the ranking solver", n, "between 1 and 2^32 - 1"));
        }
        Ok(Self { n })
    }
}

/// A number with the order of `value` among u64, -0 and 0 being one.
pub(crate) fn ordered(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    // Two's complement turned into an order from below: negative numbers are reversed.
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

impl Solver for Ranking {
    fn dimension(&self) -> usize {
        self.n
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        KEYS.with_borrow_mut(|keys| {
            keys.clear();
            keys.extend(cost.iter().zip(0..).map(|(&cost, index)| (!ordered(cost), index)));
            keys.sort_unstable();
            for (rank, &(_, index)) in keys.iter().enumerate() {
                solution[index as usize] = (rank + 1) as f64;
            }
        });
        Ok(())
    }

    fn on_device(&self) -> Option<&dyn OnDevice> {
        Some(self)
    }
}

impl Enumerate for Ranking {
    fn solutions(&self) -> Vec<Vec<f64>> {
        // Each permutation of n - 1 ranks with the n-th inserted at each place.
        (1..=self.n).fold(vec![vec![]], |shorter, rank| {
            let insert = |ranks: &Vec<f64>| {
                let ranks = ranks.clone();
                (0..rank).map(move |place| {
                    let mut longer = ranks.clone();
                    longer.insert(place, rank as f64);
                    longer
                })
            };
            shorter.iter().flat_map(insert).collect()
        })
    }
}
