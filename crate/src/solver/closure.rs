//! A user's own solver as a closure.

use std::fmt;
use std::sync::Arc;

use super::{Domain, Solver};
use crate::Result;

type Function = dyn Fn(&[f64], &mut [f64]) -> Result<()> + Send + Sync;

/// A solver that is a function of the costs: y(w) = argmin ⟨w, y⟩ over a set that only the
/// function knows.
///
/// The function writes the minimiser for the costs, its first argument, into its second, which
/// holds zeros; it is called from several threads at once.
///
/// ```
/// use solvergrad::prelude::*;
///
/// // At most one entry, and only one that pays.
/// let at_most_one = Closure::new(3, |costs, solution| {
///     let (index, cost) = (0..3).map(|i| (i, costs[i])).min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
///     solution[index] = f64::from(cost < 0.0);
///     Ok(())
/// });
/// let layer = SolverLayer::new(at_most_one, Identity);
/// let solution = layer.forward(&Tensor::from_slice(&[0.5, -1.0, 2.0]))?;
/// assert_eq!(Vec::<f64>::try_from(solution)?, [0.0, 1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Closure {
    dimension: usize,
    domain: Domain,
    function: Arc<Function>,
}

impl Closure {
    /// The solver of `dimension` costs that `function` is, for any finite costs.
    pub fn new(
        dimension: usize,
        function: impl Fn(&[f64], &mut [f64]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { dimension, domain: Domain::Finite, function: Arc::new(function) }
    }

    /// The same for the costs of `domain`.
    pub fn with_domain(self, domain: Domain) -> Self {
        Self { domain, ..self }
    }
}

impl fmt::Debug for Closure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Closure of {} costs", self.dimension)
    }
}

impl Solver for Closure {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        solution.fill(0.0);
        (self.function)(cost, solution)
    }

    fn domain(&self) -> Domain {
        self.domain
    }
}
