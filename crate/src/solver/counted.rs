//! How often a solver is called.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tch::Tensor;

use super::{BindingConstraints, Certificate, Domain, OnDevice, Proof, Solver, WarmStart};
use crate::{Error, Result};

/// A solver that counts the instances it has solved, and is the solver it holds in everything else.
///
/// A batch of m instances counts m; one that ends in an error does not count. Clones share the
/// count: keep one, and let the other move into a layer.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let counted = Counted::new(KSubset::new(3, 1)?);
/// let layer = SolverLayer::new(counted.clone(), Blackbox::new(1.0)?);
/// let costs = Tensor::from_slice2(&[[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]).set_requires_grad(true);
/// layer.forward(&costs)?.sum(Kind::Double).backward();
/// assert_eq!(counted.count(), 4); // two instances, forward and backward
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone)]
pub struct Counted {
    solver: Arc<dyn Solver>,
    count: Arc<AtomicU64>,
}

impl Counted {
    /// `solver`, counted from 0.
    pub fn new(solver: impl Solver) -> Self {
        Self::shared(Arc::new(solver))
    }

    /// The same for a solver chosen at run time.
    pub fn shared(solver: Arc<dyn Solver>) -> Self {
        Self { solver, count: Arc::default() }
    }

    /// Instances solved since the start or the last [`reset`](Self::reset).
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Sets the count, of all clones, to 0; returns what it was.
    pub fn reset(&self) -> u64 {
        self.count.swap(0, Ordering::Relaxed)
    }

    /// The solver.
    pub fn solver(&self) -> &dyn Solver {
        &*self.solver
    }

    fn add<T>(&self, instances: usize, solved: Result<T>) -> Result<T> {
        if solved.is_ok() {
            self.count.fetch_add(instances as u64, Ordering::Relaxed);
        }
        solved
    }

    // Each ability is handed out only where the solver has it.
    fn lacks(&self, ability: &'static str) -> Error {
        Error::parameter("the solver", format!("{:?}", self.solver), ability)
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Counted({:?})", self.solver)
    }
}

impl Solver for Counted {
    fn dimension(&self) -> usize {
        self.solver.dimension()
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        self.add(1, self.solver.solve(cost, solution))
    }

    fn domain(&self) -> Domain {
        self.solver.domain()
    }

    fn shape(&self) -> Vec<usize> {
        self.solver.shape()
    }

    fn warm_start(&self) -> Option<&dyn WarmStart> {
        self.solver.warm_start().map(|_| self as _)
    }

    fn certificate(&self) -> Option<&dyn Certificate> {
        self.solver.certificate().map(|_| self as _)
    }

    fn on_device(&self) -> Option<&dyn OnDevice> {
        self.solver.on_device().map(|_| self as _)
    }

    fn binding_constraints(&self) -> Option<&dyn BindingConstraints> {
        self.solver.binding_constraints()
    }
}

impl WarmStart for Counted {
    fn solve_warm(&self, cost: &[f64], solution: &mut [f64], memory: &mut Vec<f64>) -> Result<()> {
        let solver = self.solver.warm_start().ok_or_else(|| self.lacks("one with a warm start"))?;
        self.add(1, solver.solve_warm(cost, solution, memory))
    }
}

impl Certificate for Counted {
    fn solve_certified(&self, cost: &[f64], solution: &mut [f64]) -> Result<Proof> {
        let solver =
            self.solver.certificate().ok_or_else(|| self.lacks("one with a certificate"))?;
        self.add(1, solver.solve_certified(cost, solution))
    }
}

impl OnDevice for Counted {
    fn solve_tensor(&self, costs: &Tensor) -> Result<Tensor> {
        let solver =
            self.solver.on_device().ok_or_else(|| self.lacks("one that works on the device"))?;
        self.add(costs.numel() / self.dimension().max(1), solver.solve_tensor(costs))
    }
}
