use std::sync::Arc;

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::noise::fill;
use super::{bridge, check_positive, layer};
use crate::solver::Solver;
use crate::{Error, Result};

/// How [`Perturbed`] moves costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Perturbation {
    /// wₛ = w + σZₛ.
    #[default]
    Additive,
    /// wₛ = w ∘ exp(σZₛ − σ²/2): the sign of every cost stays, and so does the mean.
    Multiplicative,
}

/// What [`Perturbed`] subtracts from each sample's part of the gradient: the expectation stays, the
/// variance falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlVariate {
    /// Nothing, as published.
    None,
    /// The mean of the other samples; needs two samples or more.
    #[default]
    LeaveOneOut,
    /// y(w) without noise, at the price of one more solve.
    Unperturbed,
}

/// The perturbed optimiser: ȳ(w) = E[y(w + σZ)], Z ~ N(0, I), by S samples, and its exact gradient.
///
/// Forward: ȳ = (1/S) Σₛ y(wₛ). Backward, from *the same* samples and with a
/// [`ControlVariate`] b:
///
/// ```math
/// \frac{\partial L}{\partial w} = \frac{1}{S \sigma} \sum_{s=1}^{S} \langle y(w_s) - b_s,\, g \rangle \, Z_s,
/// ```
///
/// divided by w where the noise is multiplicative (∂ ln|w|/∂w = 1/w, so that costs of 0, which never move, are refused).
///
/// S solver calls, one more for `Unperturbed`; none backward.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let layer = Perturbed::new(KSubset::new(3, 1)?, 0.5, 1000)?;
/// let costs = Tensor::from_slice(&[1.0, 1.2, 3.0]).set_requires_grad(true);
/// let mean = layer.forward(&costs, 7)?;
/// assert!((mean.sum(Kind::Double).double_value(&[]) - 1.0).abs() < 1e-9);
/// mean.get(0).backward();
/// assert!(costs.grad().double_value(&[0]) < 0.0); // dearer, hence chosen less often
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Berthet et al. 2020, prop. 3.1 (additive); Dalle et al. 2022, sec. 3 (multiplicative).
#[derive(Clone, Debug)]
pub struct Perturbed {
    solver: Arc<dyn Solver>,
    sigma: f64,
    samples: usize,
    perturbation: Perturbation,
    control: ControlVariate,
}

/// The samples of a batch: moved costs and their solutions, each `[samples, ..., n]`.
pub(crate) struct Samples {
    pub costs: Tensor,
    pub solutions: Tensor,
}

impl Perturbed {
    /// The layer of `solver` with noise of deviation `sigma`, in units of costs, and `samples` per
    /// instance: additive, with the leave-one-out control variate if there are two samples.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless σ is finite and > 0 and there is a sample.
    pub fn new(solver: impl Solver, sigma: f64, samples: usize) -> Result<Self> {
        Self::shared(Arc::new(solver), sigma, samples)
    }

    /// The same for a solver chosen at run time.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn shared(solver: Arc<dyn Solver>, sigma: f64, samples: usize) -> Result<Self> {
        if samples == 0 {
            return Err(Error::parameter("number of samples of Perturbed", samples, ">= 1"));
        }
        Ok(Self {
            solver,
            sigma: check_positive("sigma of Perturbed", sigma)?,
            samples,
            perturbation: Perturbation::Additive,
            control: if samples > 1 { ControlVariate::LeaveOneOut } else { ControlVariate::None },
        })
    }

    /// The same with another perturbation.
    pub fn with_perturbation(self, perturbation: Perturbation) -> Self {
        Self { perturbation, ..self }
    }

    /// The same with another control variate.
    ///
    /// # Errors
    /// [`Error::Parameter`] for leaving one out of one.
    pub fn with_control_variate(self, control: ControlVariate) -> Result<Self> {
        if control == ControlVariate::LeaveOneOut && self.samples < 2 {
            return Err(Error::parameter("number of samples to leave one out", 1, ">= 2"));
        }
        Ok(Self { control, ..self })
    }

    /// The noise Z that [`forward`](Self::forward) draws for `costs` by `seed`: standard normal, of
    /// shape `[samples, ..., n]` for costs `[..., n]`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an integer kind.
    pub fn noise(&self, costs: &Tensor, seed: u64) -> Result<Tensor> {
        layer::check_shape(
            &*self.solver,
            layer::flattened(&*self.solver, costs).as_ref().unwrap_or(costs),
        )?;
        let values = fill(costs.numel() * self.samples, seed, |rng| StandardNormal.sample(rng));
        Ok(Tensor::from_slice(&values)
            .view(&self.shape_of_noise(costs)[..])
            .to_kind(costs.kind())
            .to_device(costs.device()))
    }

    pub(crate) fn shape_of_noise(&self, costs: &Tensor) -> Vec<i64> {
        let mut shape = costs.size();
        shape.insert(0, self.samples as i64);
        shape
    }

    /// `noise` as one that fits `costs`, in their kind and on their device.
    pub(crate) fn fitting(
        &self,
        what: &'static str,
        costs: &Tensor,
        noise: &Tensor,
    ) -> Result<Tensor> {
        layer::check_shape(
            &*self.solver,
            layer::flattened(&*self.solver, costs).as_ref().unwrap_or(costs),
        )?;
        let expected = self.shape_of_noise(costs);
        if noise.size() != expected {
            return Err(Error::Shape {
                what,
                got: format!("{:?}", noise.size()),
                expected: format!("{expected:?}, [samples, ..., n] for the costs [..., n]"),
            });
        }
        Ok(noise.detach().to_kind(costs.kind()).to_device(costs.device()))
    }

    /// The samples of `costs`, `[..., n]`, moved by `noise` that [fits](Self::fitting) them.
    pub(crate) fn sample(&self, costs: &Tensor, noise: &Tensor) -> Result<Samples> {
        let costs = costs.detach();
        let multiplicative = self.perturbation == Perturbation::Multiplicative;
        if multiplicative && costs.eq(0.0).any().int64_value(&[]) != 0 {
            let expected = "not 0, which no factor moves; use additive noise, or costs > 0";
            return Err(Error::parameter("a cost under multiplicative noise", 0, expected));
        }
        let moved = match self.perturbation {
            Perturbation::Additive => &costs + noise * self.sigma,
            Perturbation::Multiplicative => {
                &costs * (noise * self.sigma - self.sigma * self.sigma / 2.0).exp()
            }
        };
        let solutions = layer::solve_tensor(&*self.solver, &moved, None)?;
        Ok(Samples { costs: moved, solutions })
    }

    /// ∂wₛ/∂w for moved costs wₛ.
    pub(crate) fn factor(&self, moved: &Tensor, costs: &Tensor) -> Tensor {
        match self.perturbation {
            Perturbation::Additive => moved.ones_like(),
            Perturbation::Multiplicative => moved / costs,
        }
    }

    /// The solver.
    pub fn solver(&self) -> &dyn Solver {
        &*self.solver
    }

    /// ȳ(w) for `costs` w of shape `[..., n]`, or `[...]` and the solver's
    /// [`shape`](Solver::shape); the same `seed` gives the same noise.
    ///
    /// # Errors
    /// As [`SolverLayer::forward`](super::SolverLayer::forward); [`Error::Parameter`] for a cost of
    /// 0 under multiplicative noise.
    pub fn forward(&self, costs: &Tensor, seed: u64) -> Result<Tensor> {
        self.forward_with_noise(costs, &self.noise(costs, seed)?)
    }

    /// The same with given standard normal noise Z of shape `[samples, ..., n]`, such as that of
    /// [`noise`](Self::noise), for costs of shape `[..., n]`: common random numbers, which compare
    /// two models or two costs on the same samples.
    ///
    /// ```
    /// use solvergrad::prelude::*;
    ///
    /// let layer = Perturbed::new(KSubset::new(3, 1)?, 0.5, 100)?;
    /// let costs = Tensor::from_slice(&[1.0, 1.2, 3.0]);
    /// let noise = layer.noise(&costs, 7)?;
    /// assert!(layer.forward_with_noise(&costs, &noise)?.equal(&layer.forward(&costs, 7)?));
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`forward`](Self::forward); [`Error::Shape`] for noise of another shape.
    pub fn forward_with_noise(&self, costs: &Tensor, noise: &Tensor) -> Result<Tensor> {
        self.forward_with_score(costs, noise, noise)
    }

    /// The same with noise Z of any differentiable density p, and its score −∇ln p(Z), of the shape
    /// of the noise; for the standard normal density that is Z itself.
    ///
    /// The gradient takes the score in place of Z: 1/(Sσ) Σₛ ⟨y(wₛ) − bₛ, g⟩ (−∇ln p(Zₛ)). Negative
    /// Gumbel noise, Z = −G with score exp(Z) − 1, and one entry chosen of n make ȳ(w) the
    /// softmax(−w/σ).
    ///
    /// Source: Berthet et al. 2020, prop. 3.1, where the score is ∇ν(Z).
    ///
    /// # Errors
    /// Those of [`forward_with_noise`](Self::forward_with_noise).
    pub fn forward_with_score(
        &self,
        costs: &Tensor,
        noise: &Tensor,
        score: &Tensor,
    ) -> Result<Tensor> {
        let noise = self.fitting("the noise of Perturbed", costs, noise)?;
        let score = self.fitting("the score of the noise", costs, score)?;
        if let Some(flat) = layer::flattened(&*self.solver, costs) {
            let shape = self.shape_of_noise(&flat);
            let (noise, score) = (noise.reshape(&shape[..]), score.reshape(&shape[..]));
            return Ok(self.forward_with_score(&flat, &noise, &score)?.view_as(costs));
        }
        let Samples { solutions, .. } = self.sample(costs, &noise)?;
        let mean = solutions.mean_dim(0, false, None);
        if !costs.requires_grad() {
            return Ok(mean);
        }
        let samples = self.samples as f64;
        let centred = match self.control {
            ControlVariate::None => solutions,
            // y − (Sȳ − y)/(S − 1) = (y − ȳ) S/(S − 1).
            ControlVariate::LeaveOneOut => (solutions - &mean) * (samples / (samples - 1.0)),
            ControlVariate::Unperturbed => {
                solutions - layer::solve_tensor(&*self.solver, &costs.detach(), None)?
            }
        };
        let scale = match self.perturbation {
            Perturbation::Additive => costs.ones_like(),
            Perturbation::Multiplicative => costs.detach().reciprocal(),
        } / (samples * self.sigma);
        // A copy: the score is the caller's, who may draw into it anew before the backward pass.
        let score = score.copy();
        bridge::replace_gradient(costs, &mean, move |gradient| {
            let along = (&centred * gradient).sum_dim_intlist(-1, true, None);
            Ok((along * &score).sum_dim_intlist(0, false, None) * &scale)
        })
    }
}
