//! Solutions found so far, as a stand-in for the set of all.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::Solver;
use crate::check::objective;
use crate::{Error, Result};

/// Distinct solutions of one problem, in the order in which they came: an inner approximation of
/// its solution set.
///
/// Solutions are the same where all their entries are (0 and −0 are), bit for bit: those of a
/// linear programme with real columns may differ by rounding alone. At its capacity, the oldest
/// solution leaves for a new one; by default there is none. Inserting and comparing takes O(n) per
/// solution, looking up O(n · [`len`](Self::len)) per instance.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let mut pool = SolutionPool::new(&KSubset::new(3, 1)?);
/// let added = pool.extend(&Tensor::from_slice2(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))?;
/// assert_eq!((added, pool.len()), (2, 2));
/// let best = pool.best(&Tensor::from_slice(&[5.0, 3.0, 1.0]))?; // the third is not in the pool
/// assert_eq!(Vec::<f64>::try_from(best)?, [0.0, 1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Mulamba et al. 2021 (solution cache).
#[derive(Clone)]
pub struct SolutionPool {
    dimension: usize,
    shape: Vec<usize>,
    capacity: Option<usize>,
    solutions: VecDeque<Vec<f64>>,
    seen: HashSet<Vec<u64>>,
}

impl SolutionPool {
    /// An empty pool for solutions of `solver`.
    pub fn new(solver: &dyn Solver) -> Self {
        Self {
            dimension: solver.dimension(),
            shape: solver.shape(),
            capacity: None,
            solutions: VecDeque::new(),
            seen: HashSet::new(),
        }
    }

    /// The same for at most `capacity` solutions; the oldest of more leave.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a capacity of 0.
    pub fn with_capacity(mut self, capacity: usize) -> Result<Self> {
        if capacity == 0 {
            return Err(Error::parameter("capacity of a solution pool", capacity, ">= 1"));
        }
        self.capacity = Some(capacity);
        self.make_room();
        Ok(self)
    }

    /// Adds `solution`; whether it was not there yet.
    ///
    /// # Errors
    /// [`Error::Shape`] for another length, [`Error::Parameter`] for an entry that is not finite.
    pub fn insert(&mut self, solution: &[f64]) -> Result<bool> {
        if solution.len() != self.dimension {
            return Err(self.unlike("a solution for the pool", &[solution.len() as i64]));
        }
        if let Some(entry) = solution.iter().find(|entry| !entry.is_finite()) {
            return Err(Error::parameter("an entry of a solution for the pool", entry, "finite"));
        }
        let new = self.seen.insert(key(solution));
        if new {
            self.solutions.push_back(solution.to_vec());
            self.make_room();
        }
        Ok(new)
    }

    /// Adds solutions `[..., n]`, or `[...]` and the solver's [`shape`](Solver::shape), in their
    /// order; how many were not there yet.
    ///
    /// # Errors
    /// [`Error::Shape`] for another last dimension or an integer kind, [`Error::Parameter`] for an
    /// entry that is not finite.
    pub fn extend(&mut self, solutions: &Tensor) -> Result<usize> {
        let values = values_of(&self.rows("the solutions for the pool", solutions)?)?;
        let mut added = 0;
        for solution in values.chunks(self.dimension.max(1)) {
            added += usize::from(self.insert(solution)?);
        }
        Ok(added)
    }

    /// Number of solutions.
    pub fn len(&self) -> usize {
        self.solutions.len()
    }

    /// Whether there is no solution.
    pub fn is_empty(&self) -> bool {
        self.solutions.is_empty()
    }

    /// The most solutions it holds; none for no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.capacity
    }

    /// The solutions `[len, n]`, the oldest first.
    pub fn tensor(&self, kind: Kind, device: Device) -> Tensor {
        let entries: Vec<f64> = self.solutions.iter().flatten().copied().collect();
        Tensor::from_slice(&entries)
            .view([self.len() as i64, self.dimension as i64])
            .to_kind(kind)
            .to_device(device)
    }

    /// The solution of least ⟨w, y⟩ in the pool for each instance of `costs` w; among ties the
    /// oldest. The shape, kind and device are those of the costs.
    ///
    /// # Errors
    /// [`Error::Shape`] for another last dimension, an integer kind or an empty pool,
    /// [`Error::Cost`] for a cost that is not finite.
    pub fn best(&self, costs: &Tensor) -> Result<Tensor> {
        let values = values_of(&self.rows("the costs for the pool", costs)?)?;
        if let Some(position) = values.iter().position(|cost| !cost.is_finite()) {
            return Err(Error::Cost {
                solver: format!("{self:?}"),
                row: position / self.dimension,
                index: position % self.dimension,
                value: values[position],
                expected: super::Domain::Finite.describe(),
            });
        }
        Ok(Tensor::from_slice(&self.best_batch(&values)?)
            .view_as(costs)
            .to_kind(costs.kind())
            .to_device(costs.device()))
    }

    /// [`best`](Self::best) for instances that lie one after another in `costs`, all finite.
    pub(crate) fn best_batch(&self, costs: &[f64]) -> Result<Vec<f64>> {
        let Some(oldest) = self.solutions.front() else { return Err(self.empty()) };
        let mut found = vec![0.0; costs.len()];
        // One sum after another: the result depends on nothing but the costs and the pool.
        let dimension = self.dimension.max(1);
        costs.par_chunks(dimension).zip(found.par_chunks_mut(dimension)).for_each(
            |(cost, found)| {
                let mut best = (objective(cost, oldest), oldest);
                for solution in self.solutions.iter().skip(1) {
                    let value = objective(cost, solution);
                    if value < best.0 {
                        best = (value, solution);
                    }
                }
                found.copy_from_slice(best.1);
            },
        );
        Ok(found)
    }

    /// ⟨w, y⟩ of every solution in the pool for each instance of `costs` w: `[..., len]` for
    /// `[..., n]`, differentiable.
    ///
    /// # Errors
    /// [`Error::Shape`] for another last dimension, an integer kind or an empty pool.
    pub fn objectives(&self, costs: &Tensor) -> Result<Tensor> {
        let costs = self.rows("the costs for the pool", costs)?;
        if self.is_empty() {
            return Err(self.empty());
        }
        Ok(costs.f_matmul(&self.tensor(costs.kind(), costs.device()).transpose(0, 1))?)
    }

    /// As [`as_rows`] for the pool's solver.
    pub(crate) fn flattened(&self, costs: &Tensor) -> Option<Tensor> {
        as_rows(costs, self.dimension, &self.shape)
    }

    fn rows(&self, what: &'static str, values: &Tensor) -> Result<Tensor> {
        let rows = self.flattened(values).unwrap_or_else(|| values.shallow_clone());
        let floating =
            matches!(rows.kind(), Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16);
        if rows.size().last() == Some(&(self.dimension as i64)) && floating {
            return Ok(rows);
        }
        Err(self.unlike(what, &values.size()))
    }

    fn make_room(&mut self) {
        while self.capacity.is_some_and(|capacity| self.solutions.len() > capacity) {
            if let Some(oldest) = self.solutions.pop_front() {
                self.seen.remove(&key(&oldest));
            }
        }
    }

    fn unlike(&self, what: &'static str, size: &[i64]) -> Error {
        let expected = format!("[..., {}] of a floating-point kind", self.dimension);
        Error::Shape { what, got: format!("{size:?}"), expected }
    }

    fn empty(&self) -> Error {
        Error::Shape {
            what: "the solution pool",
            got: format!("[0, {}]", self.dimension),
            expected: "at least one solution: insert the true solutions of the training set first"
                .into(),
        }
    }
}

impl fmt::Debug for SolutionPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SolutionPool of {} solutions of {}", self.len(), self.dimension)
    }
}

fn key(solution: &[f64]) -> Vec<u64> {
    // 0 is −0.
    solution.iter().map(|entry| (entry + 0.0).to_bits()).collect()
}

/// Costs `[..., shape]` as `[..., dimension]`; none where they are so already.
pub(crate) fn as_rows(costs: &Tensor, dimension: usize, shape: &[usize]) -> Option<Tensor> {
    let (size, dimension) = (costs.size(), dimension as i64);
    let shape: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
    if size.last() == Some(&dimension) || !size.ends_with(&shape) {
        return None;
    }
    let mut flat = size[..size.len() - shape.len()].to_vec();
    flat.push(dimension);
    costs.f_reshape(&flat).ok()
}

/// The entries of a tensor, in their order.
pub(crate) fn values_of(tensor: &Tensor) -> Result<Vec<f64>> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double).contiguous().view(-1);
    Ok(Vec::try_from(&flat)?)
}
