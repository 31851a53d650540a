//! Combinatorial solvers: plain slices in, plain slices out.
//!
//! A solver never knows about gradients or tensors. To add one: a file here with a type whose
//! value *is* the instance (dimension, graph, k, ...), `impl Solver for` it, and, where all
//! solutions can be listed, `impl Enumerate`, which brings the brute-force tests of
//! [`crate::check`] with it.

use std::fmt::Debug;

use rayon::prelude::*;

use crate::{Error, Result};

mod k_subset;

pub use k_subset::KSubset;

/// The costs a solver accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Any finite number.
    Finite,
    /// Any finite number that is not negative.
    NonNegative,
}

impl Domain {
    /// Whether `cost` lies in the domain.
    pub fn contains(self, cost: f64) -> bool {
        cost.is_finite() && (self == Self::Finite || cost >= 0.0)
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Finite => "finite costs",
            Self::NonNegative => "finite costs >= 0",
        }
    }
}

/// An exact solver of y(w) = argmin over y in Y of ⟨w, y⟩ for a finite set Y.
///
/// Ties are broken deterministically, by a rule that the solver documents.
///
/// ```
/// use solvergrad::prelude::*;
///
/// /// Chooses every entry that lowers the objective: Y = {0, 1}^n. Ties are not chosen.
/// #[derive(Debug)]
/// struct AnySubset(usize);
///
/// impl Solver for AnySubset {
///     fn dimension(&self) -> usize {
///         self.0
///     }
///     fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
///         for (entry, cost) in solution.iter_mut().zip(cost) {
///             *entry = f64::from(*cost < 0.0);
///         }
///         Ok(())
///     }
/// }
///
/// assert_eq!(solve_batch(&AnySubset(3), &[-1.0, 0.0, 2.0])?, [1.0, 0.0, 0.0]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub trait Solver: Debug + Send + Sync + 'static {
    /// Number of costs, and of entries in a solution.
    fn dimension(&self) -> usize;

    /// Writes the minimiser of ⟨`cost`, y⟩ into `solution`.
    ///
    /// Both slices have length [`dimension`](Self::dimension) and every cost lies in
    /// [`domain`](Self::domain): [`solve_batch`] has checked it.
    ///
    /// # Errors
    /// Where the instance has no solution, or the solver gives up; see the solver.
    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()>;

    /// The costs accepted.
    fn domain(&self) -> Domain {
        Domain::Finite
    }
}

/// A solver that can list its whole solution set, for brute force and exact expectations.
pub trait Enumerate: Solver {
    /// All y in Y, each once, in a fixed order. Exponentially many: small instances only.
    fn solutions(&self) -> Vec<Vec<f64>>;
}

/// Solves a batch of instances that lie one after another in `costs`, in parallel.
///
/// Returns the solutions in the same order and layout. The result does not depend on the number
/// of threads.
///
/// # Errors
/// [`Error::Shape`] when `costs` is not a whole number of instances, [`Error::Cost`] for the
/// first cost outside the solver's domain, [`Error::Interrupted`] when the notebook's user asked to
/// stop, and whatever the solver itself reports.
///
/// ```
/// use solvergrad::solver::{KSubset, solve_batch};
///
/// let solutions = solve_batch(&KSubset::new(3, 1)?, &[3.0, 1.0, 2.0, 0.0, 5.0, 5.0])?;
/// assert_eq!(solutions, [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn solve_batch(solver: &dyn Solver, costs: &[f64]) -> Result<Vec<f64>> {
    let dimension = solver.dimension();
    if dimension == 0 || !costs.len().is_multiple_of(dimension) {
        return Err(Error::Shape {
            what: "the batch of costs",
            got: format!("[{}]", costs.len()),
            expected: format!("a multiple of {dimension}, the dimension of {solver:?}"),
        });
    }
    let domain = solver.domain();
    if let Some(position) = costs.iter().position(|&cost| !domain.contains(cost)) {
        return Err(Error::Cost {
            solver: format!("{solver:?}"),
            row: position / dimension,
            index: position % dimension,
            value: costs[position],
            expected: domain.describe(),
        });
    }
    let mut solutions = vec![0.0; costs.len()];
    // Small instances take well below a microsecond: without a floor on the work per task the
    // scheduling would cost more than the solving.
    let instances_per_task = (4096 / dimension).max(1);
    costs
        .par_chunks(dimension)
        .zip(solutions.par_chunks_mut(dimension))
        .with_min_len(instances_per_task)
        .try_for_each(|(cost, solution)| {
            crate::interrupt::check("a batch of instances was being solved")?;
            solver.solve(cost, solution)
        })?;
    Ok(solutions)
}
