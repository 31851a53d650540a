//! Several instances as one.

use std::sync::Arc;

use rayon::prelude::*;

use super::{Certificate, Domain, Proof, Solver, check_instance};
use crate::{Error, Result, interrupt};

/// Several instances, of any problem and size each, as one solver over Y₁ × Y₂ × ...
///
/// A batch of a [`SolverLayer`](crate::gradient::SolverLayer) shares one instance. Where each item
/// of a batch has its own, as two graphs to be matched have, a layer on their product solves them in
/// parallel: min ⟨w, y⟩ over a product is the minimum over each factor by itself. Costs and solutions
/// lie one factor after the other, n = n₁ + n₂ + ... numbers; [`sizes`](Self::sizes) splits them.
/// Rules that work entry by entry or solve again, such as Identity and Blackbox, give each factor the
/// gradient that a layer of its own would; a [`Projection`](crate::gradient::Projection) is to be applied
/// to each factor's costs before they are joined. The work is that of the factors.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let product = Product::new([KSubset::new(2, 1)?, KSubset::new(3, 2)?])?;
/// assert_eq!(solve_batch(&product, &[2.0, 1.0, 0.0, 5.0, 3.0])?, [0.0, 1.0, 1.0, 0.0, 1.0]);
/// assert_eq!(product.sizes(), [2, 3]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Product {
    factors: Vec<Arc<dyn Solver>>,
    domain: Domain,
    dimension: usize,
}

impl Product {
    /// The product of `factors`.
    ///
    /// # Errors
    /// As [`shared`](Self::shared).
    pub fn new<S: Solver>(factors: impl IntoIterator<Item = S>) -> Result<Self> {
        Self::shared(factors.into_iter().map(|factor| Arc::new(factor) as _).collect())
    }

    /// The same for solvers of several types.
    ///
    /// # Errors
    /// [`Error::Parameter`] without any factor, and where factors accept different costs.
    pub fn shared(factors: Vec<Arc<dyn Solver>>) -> Result<Self> {
        let Some(first) = factors.first() else {
            return Err(Error::parameter("the number of factors", 0, "at least 1"));
        };
        let domain = first.domain();
        if let Some(place) = factors.iter().position(|factor| factor.domain() != domain) {
            let got = format!("{} at factor {place}", factors[place].domain().describe());
            let expected = format!("{}, as at factor 0", domain.describe());
            return Err(Error::parameter("the costs that factors accept", got, expected));
        }
        let dimension = factors.iter().map(|factor| factor.dimension()).sum();
        Ok(Self { factors, domain, dimension })
    }

    /// The factors.
    pub fn factors(&self) -> &[Arc<dyn Solver>] {
        &self.factors
    }

    /// Number of costs of each factor, as `Tensor::split_with_sizes` takes them.
    pub fn sizes(&self) -> Vec<i64> {
        self.factors.iter().map(|factor| factor.dimension() as i64).collect()
    }

    /// Solves once, and says of each factor how good its solution is.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of costs, [`Error::Cost`] for one outside the domain,
    /// [`Error::Parameter`] where a factor has no [`Certificate`], and those of the factors.
    pub fn prove_each(&self, cost: &[f64]) -> Result<(Vec<f64>, Vec<Proof>)> {
        check_instance(self, cost)?;
        let mut solution = vec![0.0; cost.len()];
        let proofs = self.each(cost, &mut solution, certified)?;
        Ok((solution, proofs))
    }

    /// What `solve` returns for each factor with its part of costs and solution.
    fn each<T: Send>(
        &self,
        cost: &[f64],
        solution: &mut [f64],
        solve: impl Fn(&dyn Solver, &[f64], &mut [f64]) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let (mut cost, mut solution) = (cost, solution);
        let mut parts = Vec::with_capacity(self.factors.len());
        for factor in &self.factors {
            let (costs, other_costs) = cost.split_at(factor.dimension());
            let (solutions, others) = solution.split_at_mut(factor.dimension());
            (cost, solution) = (other_costs, others);
            parts.push((factor, costs, solutions));
        }
        let answers: Vec<Result<T>> = parts
            .into_par_iter()
            .map(|(factor, cost, solution)| {
                interrupt::check("a product of instances was being solved")?;
                solve(&**factor, cost, solution)
            })
            .collect();
        // In the order of the factors: of several errors, always the same one.
        answers.into_iter().collect()
    }
}

fn certified(factor: &dyn Solver, cost: &[f64], solution: &mut [f64]) -> Result<Proof> {
    let able = factor.certificate().ok_or_else(|| {
        Error::parameter("a factor", format!("{factor:?}"), "a solver with a certificate")
    })?;
    able.solve_certified(cost, solution)
}

impl Solver for Product {
    fn dimension(&self) -> usize {
        self.dimension
    }

    /// # Errors
    /// Those of the first factor that has one.
    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        self.each(cost, solution, |factor, cost, solution| factor.solve(cost, solution)).map(|_| ())
    }

    fn domain(&self) -> Domain {
        self.domain
    }

    fn certificate(&self) -> Option<&dyn Certificate> {
        let all = self.factors.iter().all(|factor| factor.certificate().is_some());
        all.then_some(self as _)
    }
}

impl Certificate for Product {
    /// Objectives and bounds are sums over factors; [`Product::prove_each`] keeps them apart.
    fn solve_certified(&self, cost: &[f64], solution: &mut [f64]) -> Result<Proof> {
        let proofs = self.each(cost, solution, certified)?;
        Ok(Proof {
            objective: proofs.iter().map(|proof| proof.objective).sum(),
            lower_bound: proofs.iter().map(|proof| proof.lower_bound).sum(),
            complete: proofs.iter().all(|proof| proof.complete),
        })
    }
}
