//! The k-subset problem: choose the k cheapest of n.

use std::cell::RefCell;

use super::ranking::ordered;
use super::{BindingConstraints, Enumerate, OnDevice, Solver, check_length};
use crate::{Error, Result};

/// argmin over k-hot vectors of length n: Y = {y in {0,1}^n : Σ y = k}.
///
/// For the top-k of *scores*, pass their negatives as costs. k = 1 is arg-min.
///
/// Ties go to the lower index, so that exactly k entries are chosen. O(n) on average per instance
/// (a list of the best for small k, quickselect otherwise); up to n = 32 all pairs are compared.
///
/// ```
/// use solvergrad::solver::{KSubset, Solver};
///
/// let mut chosen = [0.0; 4];
/// KSubset::new(4, 2)?.solve(&[0.5, -1.0, 0.5, 0.5], &mut chosen)?;
/// assert_eq!(chosen, [1.0, 1.0, 0.0, 0.0]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KSubset {
    n: usize,
    k: usize,
}

thread_local! {
    static KEYS: RefCell<Vec<(u64, u32)>> = const { RefCell::new(Vec::new()) };
}

impl KSubset {
    /// The problem of choosing `k` of `n`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless 1 <= k <= n < 2³².
    pub fn new(n: usize, k: usize) -> Result<Self> {
        if k == 0 || k > n || u32::try_from(n).is_err() {
            return Err(Error::parameter(
                "k of the k-subset solver",
                k,
                format!("between 1 and n = {n}"),
            ));
        }
        Ok(Self { n, k })
    }

    /// Number of entries chosen.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Whether [`all_pairs`] is the fastest way.
    pub(super) fn is_small(&self) -> bool {
        self.n <= SMALL
    }

    /// Whether [`few`] is the faster way.
    pub(super) fn is_few(&self) -> bool {
        self.k <= FEW && self.n >= 4 * self.k
    }
}

pub(super) const FEW: usize = 32;
pub(super) const SMALL: usize = 32;

/// Marks the `k` smallest of at most [`SMALL`] `costs` by `one`: each cost is compared with all others,
/// eight at a time without a branch. False where ties leave more or fewer than k.
pub(super) fn all_pairs<T: PartialOrd + Copy + Default>(
    costs: &[T],
    marks: &mut [T],
    k: usize,
    one: T,
) -> bool {
    const LANES: usize = 8;
    let mut chosen = 0;
    for (costs_here, marks) in costs.chunks(LANES).zip(marks.chunks_mut(LANES)) {
        let mut here = [T::default(); LANES];
        here[..costs_here.len()].copy_from_slice(costs_here);
        let mut smaller = [0u32; LANES];
        for &other in costs {
            for lane in 0..LANES {
                smaller[lane] += u32::from(other < here[lane]);
            }
        }
        for (mark, &count) in marks.iter_mut().zip(&smaller) {
            let within = (count as usize) < k;
            *mark = if within { one } else { T::default() };
            chosen += usize::from(within);
        }
    }
    chosen == k
}

/// Marks the `k` <= [`FEW`] smallest of `costs` by `one`: an ordered list of the best so far, which
/// few costs of a long instance enter.
pub(super) fn few<T: PartialOrd + Copy + Default>(costs: &[T], marks: &mut [T], k: usize, one: T) {
    let mut best = [(T::default(), 0); FEW];
    let mut count = 0;
    for (index, &cost) in costs.iter().enumerate() {
        // Of equal costs the earlier one stays.
        if count == k && cost >= best[k - 1].0 {
            continue;
        }
        let mut place = count.min(k - 1);
        while place > 0 && cost < best[place - 1].0 {
            best[place] = best[place - 1];
            place -= 1;
        }
        best[place] = (cost, index);
        count = (count + 1).min(k);
    }
    marks.fill(T::default());
    best[..k].iter().for_each(|&(_, index)| marks[index] = one);
}

impl Solver for KSubset {
    fn dimension(&self) -> usize {
        self.n
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        if self.is_small() && all_pairs(cost, solution, self.k, 1.0) {
            return Ok(());
        }
        if self.is_few() {
            few(cost, solution, self.k, 1.0);
            return Ok(());
        }
        KEYS.with_borrow_mut(|keys| {
            keys.clear();
            keys.extend(cost.iter().map(|&cost| ordered(cost)).zip(0..));
            keys.select_nth_unstable(self.k - 1);
            solution.fill(0.0);
            for &(_, chosen) in &keys[..self.k] {
                solution[chosen as usize] = 1.0;
            }
        });
        Ok(())
    }

    fn on_device(&self) -> Option<&dyn OnDevice> {
        Some(self)
    }

    fn binding_constraints(&self) -> Option<&dyn BindingConstraints> {
        Some(self)
    }
}

/// Those of {y : 0 <= y <= 1, Σ y = k}, whose vertices are the k-subsets and no others.
impl BindingConstraints for KSubset {
    fn binding_normals(&self, solution: &[f64]) -> Result<Vec<Vec<f64>>> {
        check_length(self, solution)?;
        let ones = solution.iter().filter(|&&entry| entry == 1.0).count();
        if ones != self.k || solution.iter().any(|&entry| entry != 0.0 && entry != 1.0) {
            let expected = format!("0 or 1, with {} ones", self.k);
            return Err(Error::parameter("a k-subset", format!("{solution:?}"), expected));
        }
        let bounds = solution.iter().enumerate().map(|(index, entry)| {
            let mut normal = vec![0.0; self.n];
            normal[index] = 2.0 * entry - 1.0;
            normal
        });
        Ok([vec![1.0; self.n], vec![-1.0; self.n]].into_iter().chain(bounds).collect())
    }
}

impl Enumerate for KSubset {
    fn solutions(&self) -> Vec<Vec<f64>> {
        let mut all = Vec::new();
        let mut chosen: Vec<usize> = (0..self.k).collect();
        loop {
            let mut solution = vec![0.0; self.n];
            chosen.iter().for_each(|&index| solution[index] = 1.0);
            all.push(solution);
            // The next combination in lexicographic order: advance the last index that can move.
            let Some(moving) = (0..self.k).rev().find(|&i| chosen[i] < self.n - self.k + i) else {
                return all;
            };
            chosen[moving] += 1;
            for i in moving + 1..self.k {
                chosen[i] = chosen[i - 1] + 1;
            }
        }
    }
}
