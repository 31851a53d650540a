//! Solutions looked up instead of solved for.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::pool::values_of;
use super::{
    BindingConstraints, Certificate, Domain, OnDevice, SolutionPool, Solver, check_costs,
    check_shape, solve_batch,
};
use crate::{Error, Result};

/// A solver that solves an instance with probability p, and else takes the best of the solutions
/// it has found so far: far fewer solves in training, for solutions that are feasible but not
/// always optimal.
///
/// This holds for tensors, hence in layers and losses. Of a batch, each instance is drawn for itself
/// (PyEPO's `solve_ratio` is drawn once for a whole batch); those drawn are solved, their solutions
/// join the pool in the order of the batch, and the others are looked up after that. With an empty
/// pool all are solved. The seed, the number of the call and the place in the batch decide, so that
/// the result does not depend on the number of threads; calls from several threads at once count in
/// the order in which they come. Everything happens on the CPU. A look-up takes O(n) per solution
/// in the pool.
///
/// One instance alone, [`solve_batch`] and the [`Certificate`] are exact and leave the pool as it
/// is. Evaluate with the solver itself, not with its cache. Clones share the pool: keep one, and let
/// the other move into a layer.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let cache = SolutionCache::new(KSubset::new(4, 2)?, 0.1, 7)?;
/// let layer = SolverLayer::new(cache.clone(), Identity);
/// let costs = Tensor::from_slice2(&[[0.0, 1.0, 2.0, 3.0], [3.0, 2.0, 1.0, 0.0]]);
/// let first = layer.forward(&costs)?; // nothing to look up yet
/// assert_eq!((cache.solved(), cache.looked_up(), cache.pool().len()), (2, 0, 2));
/// assert!(layer.forward(&costs)?.equal(&first));
/// assert_eq!(cache.solved() + cache.looked_up(), 4);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Mulamba et al. 2021 (solution caching).
#[derive(Clone)]
pub struct SolutionCache {
    solver: Arc<dyn Solver>,
    probability: f64,
    seed: u64,
    state: Arc<Mutex<State>>,
}

struct State {
    pool: Arc<SolutionPool>,
    calls: u64,
    solved: u64,
    looked_up: u64,
}

impl SolutionCache {
    /// `solver` with an empty pool, an instance of which is solved with `probability`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a probability outside [0, 1].
    pub fn new(solver: impl Solver, probability: f64, seed: u64) -> Result<Self> {
        Self::shared(Arc::new(solver), probability, seed)
    }

    /// The same for a solver chosen at run time.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn shared(solver: Arc<dyn Solver>, probability: f64, seed: u64) -> Result<Self> {
        if !(0.0..=1.0).contains(&probability) {
            let expected = "between 0 and 1";
            return Err(Error::parameter("probability of a solve", probability, expected));
        }
        let pool = Arc::new(SolutionPool::new(&*solver));
        let state = State { pool, calls: 0, solved: 0, looked_up: 0 };
        Ok(Self { solver, probability, seed, state: Arc::new(Mutex::new(state)) })
    }

    /// The same with a pool of at most `capacity` solutions, of which the oldest leave.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a capacity of 0.
    pub fn with_capacity(self, capacity: usize) -> Result<Self> {
        let limited = SolutionPool::clone(&self.pool()).with_capacity(capacity)?;
        self.state().pool = Arc::new(limited);
        Ok(self)
    }

    /// Adds solutions `[..., n]` to the pool, such as the true ones of the training set; how many
    /// were not there yet.
    ///
    /// # Errors
    /// Those of [`SolutionPool::extend`].
    pub fn extend(&self, solutions: &Tensor) -> Result<usize> {
        Arc::make_mut(&mut self.state().pool).extend(solutions)
    }

    /// The pool as it is now.
    pub fn pool(&self) -> Arc<SolutionPool> {
        Arc::clone(&self.state().pool)
    }

    /// Instances solved so far.
    pub fn solved(&self) -> u64 {
        self.state().solved
    }

    /// Instances looked up so far.
    pub fn looked_up(&self) -> u64 {
        self.state().looked_up
    }

    /// The solver.
    pub fn solver(&self) -> &dyn Solver {
        &*self.solver
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The solutions of instances that lie one after another in `costs`.
    fn solve_or_look_up(&self, costs: &[f64]) -> Result<Vec<f64>> {
        let dimension = self.dimension();
        check_costs(&*self.solver, costs)?;
        let (call, all) = {
            let mut state = self.state();
            state.calls += 1;
            (state.calls, state.pool.is_empty())
        };
        // A stream of the generator for each call.
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(call);
        let drawn: Vec<bool> = costs
            .chunks(dimension)
            .map(|_| rng.random::<f64>() < self.probability || all)
            .collect();
        let chosen = |solve: bool| -> Vec<f64> {
            let rows = costs.chunks(dimension).zip(&drawn).filter(|&(_, &drawn)| drawn == solve);
            rows.flat_map(|(cost, _)| cost).copied().collect()
        };
        // Not under the lock: a thread that waits for its share of the batch may take up other
        // work, which may want this cache.
        let solved = solve_batch(&*self.solver, &chosen(true))?;
        let pool = {
            let mut state = self.state();
            for solution in solved.chunks(dimension) {
                Arc::make_mut(&mut state.pool).insert(solution)?;
            }
            let count = (solved.len() / dimension) as u64;
            state.solved += count;
            state.looked_up += drawn.len() as u64 - count;
            Arc::clone(&state.pool)
        };
        let others = chosen(false);
        let looked_up = if others.is_empty() { others } else { pool.best_batch(&others)? };
        let (mut solved, mut looked_up) = (solved.chunks(dimension), looked_up.chunks(dimension));
        let next = drawn.iter().map(|&drawn| if drawn { solved.next() } else { looked_up.next() });
        Ok(next.flatten().flatten().copied().collect())
    }
}

impl fmt::Debug for SolutionCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SolutionCache({:?}, p = {})", self.solver, self.probability)
    }
}

impl Solver for SolutionCache {
    fn dimension(&self) -> usize {
        self.solver.dimension()
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        self.solver.solve(cost, solution)
    }

    fn domain(&self) -> Domain {
        self.solver.domain()
    }

    fn shape(&self) -> Vec<usize> {
        self.solver.shape()
    }

    fn certificate(&self) -> Option<&dyn Certificate> {
        self.solver.certificate()
    }

    fn on_device(&self) -> Option<&dyn OnDevice> {
        Some(self)
    }

    fn binding_constraints(&self) -> Option<&dyn BindingConstraints> {
        self.solver.binding_constraints()
    }
}

impl OnDevice for SolutionCache {
    fn solve_tensor(&self, costs: &Tensor) -> Result<Tensor> {
        check_shape(self, costs)?;
        Ok(Tensor::from_slice(&self.solve_or_look_up(&values_of(costs)?)?)
            .view_as(costs)
            .to_kind(costs.kind())
            .to_device(costs.device()))
    }
}
