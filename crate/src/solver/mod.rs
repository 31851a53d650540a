//! Combinatorial solvers: plain slices in, plain slices out.
//!
//! | problem | type | costs | a solution is | exact by |
//! |---|---|---|---|---|
//! | choose k of n | [`KSubset`] | any | 0/1, k ones | quickselect, on the tensor's device |
//! | ranks | [`Ranking`] | any | a permutation of 1..n | sorting, on the tensor's device |
//! | path on a grid | [`GridShortestPath`] | >= 0, per cell | a mask of cells | Dijkstra |
//! | path in a graph | [`GraphShortestPath`] | >= 0, any without cycles; per edge | marks of edges | Dijkstra, topological order |
//! | spanning tree | [`SpanningTree`] | any, per edge | marks of edges | Kruskal |
//! | assignment | [`Assignment`] | any | a 0/1 matrix | shortest augmenting paths; dual certificate, warm start |
//! | perfect matching | [`PerfectMatching`] | any, per edge | marks of edges | blossoms; dual certificate |
//! | travelling salesman | [`TravellingSalesman`] | any, symmetric | a symmetric 0/1 matrix | 1-tree branch and bound; certificate, warm start |
//! | graph matching | [`GraphMatching`] | any, linear and quadratic | 0/1 matches and their products | branch and bound to 10 points, above a heuristic; certificate |
//! | linear, integer programme | [`LinearProgramme`] | any | column values | HiGHS; certificate |
//! | a user's own | [`Closure`], [`Solver`] | | | |
//! | several of these as one, each item of a batch with its own | [`Product`] | theirs | theirs, one after another | them; certificate |
//! | any of these, with few solves | [`SolutionCache`] | its | its | looking up the best of a [`SolutionPool`] |
//! | any of these, counted | [`Counted`] | its | its | itself |
//!
//! A solver never knows about gradients, and of tensors only where it works [`OnDevice`]. To add
//! one: a file here with a type whose value *is* the instance (dimension, graph, k, ...), `impl
//! Solver for` it (two methods), and, where all solutions can be listed, `impl Enumerate`, which
//! brings the brute-force tests of [`crate::check`] with it. Further abilities are further traits:
//! [`WarmStart`], [`Certificate`], [`OnDevice`], [`BindingConstraints`].

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::{Error, Result};

mod assignment;
mod cache;
mod closure;
mod counted;
mod graph_matching;
mod graph_shortest_path;
mod grid_shortest_path;
mod k_subset;
mod linear_programme;
mod matching;
mod on_device;
mod pool;
mod product;
mod qaplib;
mod ranking;
mod spanning_tree;
mod travelling_salesman;
mod tsplib;

pub use assignment::Assignment;
pub use cache::SolutionCache;
pub use closure::Closure;
pub use counted::Counted;
pub use graph_matching::GraphMatching;
pub use graph_shortest_path::GraphShortestPath;
pub use grid_shortest_path::{GridShortestPath, Neighbourhood};
pub use k_subset::KSubset;
pub use linear_programme::LinearProgramme;
pub use matching::PerfectMatching;
pub use on_device::OnDevice;
pub(crate) use on_device::check_shape;
pub use pool::SolutionPool;
pub(crate) use pool::{as_rows, values_of};
pub use product::Product;
pub use qaplib::{Qaplib, read_qaplib};
pub use ranking::Ranking;
pub use spanning_tree::SpanningTree;
pub use travelling_salesman::TravellingSalesman;
pub use tsplib::{Tsplib, read_tsplib};

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

    /// Shape of one solution, such as rows and columns; its product is the dimension.
    fn shape(&self) -> Vec<usize> {
        vec![self.dimension()]
    }

    /// The solver as one with [`WarmStart`], if it is one.
    fn warm_start(&self) -> Option<&dyn WarmStart> {
        None
    }

    /// The solver as one with a [`Certificate`], if it is one.
    fn certificate(&self) -> Option<&dyn Certificate> {
        None
    }

    /// The solver as one that works [`OnDevice`], if it does.
    fn on_device(&self) -> Option<&dyn OnDevice> {
        None
    }

    /// The solver as one with [`BindingConstraints`], if it is one.
    fn binding_constraints(&self) -> Option<&dyn BindingConstraints> {
        None
    }
}

/// A solver that finds a solution faster from what a solve of nearby costs has left.
///
/// Rules that solve a second time, such as Blackbox and I-MLE, do so near the first costs.
pub trait WarmStart: Solver {
    /// As [`solve`](Solver::solve), from the `memory` of an earlier solve of this instance, which
    /// it then replaces by its own. An empty memory is a cold start; its content is the solver's
    /// own business. Whatever it holds, the solution is optimal: only among ties may it differ.
    ///
    /// # Errors
    /// Those of [`solve`](Solver::solve); the memory is then empty.
    fn solve_warm(&self, cost: &[f64], solution: &mut [f64], memory: &mut Vec<f64>) -> Result<()>;
}

/// A solver that proves how good its solution is.
pub trait Certificate: Solver {
    /// As [`solve`](Solver::solve), but a search that ends at its time limit writes the best
    /// solution it has and returns a proof with a gap, where `solve` reports an error.
    ///
    /// # Errors
    /// Those of [`solve`](Solver::solve), without the time limit.
    fn solve_certified(&self, cost: &[f64], solution: &mut [f64]) -> Result<Proof>;
}

/// What is known of a solution y: `lower_bound` <= min over Y of ⟨w, ·⟩ <= `objective` = ⟨w, y⟩.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proof {
    /// ⟨w, y⟩ of the solution found.
    pub objective: f64,
    /// No solution has a lower objective than this, up to rounding.
    pub lower_bound: f64,
    /// Whether the search ended by itself, and not at its limit.
    pub complete: bool,
}

impl Proof {
    /// `objective` − `lower_bound`, at least 0: in units of the objective. Infinite where sums
    /// overflowed.
    pub fn gap(&self) -> f64 {
        let gap = self.objective - self.lower_bound;
        if gap.is_nan() { f64::INFINITY } else { gap.max(0.0) }
    }

    /// Whether the search came to its end and the gap is 0 up to rounding: at most 1e-9 of the
    /// larger of |objective| and |lower bound|.
    pub fn is_optimal(&self) -> bool {
        let size = self.objective.abs().max(self.lower_bound.abs());
        let gap = self.gap();
        gap == 0.0 || self.complete && gap.is_finite() && gap <= 1e-9 * size
    }
}

/// A solver whose solutions lie in a polyhedron {y : ⟨a, y⟩ <= b for each (a, b)}, which it describes
/// around each of them.
pub trait BindingConstraints: Solver {
    /// The outward normals a of the constraints that hold at `solution` with equality, ⟨a, y⟩ = b,
    /// in no unit. An equation gives two, a and −a.
    ///
    /// `solution` minimises ⟨w, y⟩ over the polyhedron exactly where −w is a sum of them with
    /// weights >= 0 (Farkas). Where the polyhedron has further vertices, as the linear relaxation
    /// of an integer programme may, y(w) is not always such a minimiser.
    ///
    /// # Errors
    /// [`Error::Shape`] for another length, [`Error::Parameter`] for a `solution` outside the
    /// polyhedron.
    ///
    /// ```
    /// use solvergrad::prelude::*;
    ///
    /// // x + y <= 3 within [0, 2]: at (2, 1) the row and a bound of x bind.
    /// let programme = LinearProgramme::continuous(2, 0.0, 2.0)?
    ///     .with_row(&[(0, 1.0), (1, 1.0)], f64::NEG_INFINITY, 3.0)?;
    /// assert_eq!(programme.binding_normals(&[2.0, 1.0])?, [[1.0, 0.0], [1.0, 1.0]]);
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    fn binding_normals(&self, solution: &[f64]) -> Result<Vec<Vec<f64>>>;
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
    check_costs(solver, costs)?;
    let mut nothing = vec![(); costs.len() / solver.dimension()];
    in_parallel(solver.dimension(), costs, &mut nothing, |cost, solution, ()| {
        solver.solve(cost, solution)
    })
}

/// [`solve_batch`] from the memories of earlier solves, one per instance, which it replaces.
///
/// Empty memories are cold starts. The result depends on the memories only among ties.
///
/// # Errors
/// Those of [`solve_batch`], and [`Error::Shape`] for another number of memories.
pub fn solve_batch_warm(
    solver: &dyn WarmStart,
    costs: &[f64],
    memories: &mut [Vec<f64>],
) -> Result<Vec<f64>> {
    check_costs(solver, costs)?;
    let dimension = solver.dimension();
    if memories.len() != costs.len() / dimension {
        return Err(Error::Shape {
            what: "the memories of a batch",
            got: format!("[{}]", memories.len()),
            expected: format!("[{}], one per instance", costs.len() / dimension),
        });
    }
    in_parallel(dimension, costs, memories, |cost, solution, memory| {
        solver.solve_warm(cost, solution, memory)
    })
}

/// [`solve_batch`] with a proof for each instance: a search that ends at its time limit returns the
/// best solution it has and its gap.
///
/// # Errors
/// Those of [`solve_batch`], without time limits.
pub fn solve_batch_certified(
    solver: &dyn Certificate,
    costs: &[f64],
) -> Result<(Vec<f64>, Vec<Proof>)> {
    check_costs(solver, costs)?;
    let none = Proof { objective: 0.0, lower_bound: 0.0, complete: false };
    let mut proofs = vec![none; costs.len() / solver.dimension()];
    let solutions =
        in_parallel(solver.dimension(), costs, &mut proofs, |cost, solution, proof| {
            *proof = solver.solve_certified(cost, solution)?;
            Ok(())
        })?;
    Ok((solutions, proofs))
}

/// The solutions of all instances, each solved with what `beside` holds for it.
fn in_parallel<T: Send>(
    dimension: usize,
    costs: &[f64],
    beside: &mut [T],
    solve: impl Fn(&[f64], &mut [f64], &mut T) -> Result<()> + Sync,
) -> Result<Vec<f64>> {
    let mut solutions = vec![0.0; costs.len()];
    // Small instances take well below a microsecond: without a floor on the work per task the
    // scheduling would cost more than the solving.
    let instances_per_task = (4096 / dimension).max(1);
    let first = FirstError::default();
    costs
        .par_chunks(dimension)
        .zip(solutions.par_chunks_mut(dimension))
        .zip(beside)
        .enumerate()
        .with_min_len(instances_per_task)
        .for_each(|(row, ((cost, solution), beside))| {
            first.try_row(row, || solve(cost, solution, beside));
        });
    first.result().map(|()| solutions)
}

/// The error of the first instance that has one, whichever thread comes upon it.
#[derive(Default)]
pub(crate) struct FirstError {
    /// Instances from this one on, counted from 1, need not be solved; 0 where none has failed.
    row: AtomicUsize,
    error: Mutex<Option<(usize, Error)>>,
}

impl FirstError {
    pub(crate) fn try_row(&self, row: usize, solve: impl FnOnce() -> Result<()>) {
        let failed = self.row.load(Ordering::Relaxed);
        if failed != 0 && failed <= row {
            return;
        }
        let solved = crate::interrupt::check("a batch of instances was being solved");
        if let Err(error) = solved.and_then(|()| solve()) {
            let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            if first.as_ref().is_none_or(|&(other, _)| row < other) {
                *first = Some((row, error));
                self.row.store(row + 1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn result(self) -> Result<()> {
        let first = self.error.into_inner().unwrap_or_else(PoisonError::into_inner);
        first.map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// The same for exactly one instance.
pub(crate) fn check_instance(solver: &dyn Solver, cost: &[f64]) -> Result<()> {
    if cost.len() != solver.dimension() {
        return Err(Error::Shape {
            what: "the costs of one instance",
            got: format!("[{}]", cost.len()),
            expected: format!("[{}], the dimension of {solver:?}", solver.dimension()),
        });
    }
    check_costs(solver, cost)
}

/// Whether `solution` has the length of the solver's solutions.
pub(crate) fn check_length(solver: &dyn Solver, solution: &[f64]) -> Result<()> {
    if solution.len() == solver.dimension() {
        return Ok(());
    }
    Err(Error::Shape {
        what: "a solution",
        got: format!("[{}]", solution.len()),
        expected: format!("[{}], the dimension of {solver:?}", solver.dimension()),
    })
}

/// The factor that keeps sums of up to 2³² costs, of which `largest` is the largest, finite.
pub(crate) fn scale_for_sums(largest: f64) -> f64 {
    let factor = 2f64.powi(-32);
    if largest > f64::MAX * factor { factor } else { 1.0 }
}

/// Whether `costs` is a whole number of instances with every cost in the solver's domain.
pub(crate) fn check_costs(solver: &dyn Solver, costs: &[f64]) -> Result<()> {
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
    Ok(())
}
