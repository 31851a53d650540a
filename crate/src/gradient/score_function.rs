use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Perturbed, Samples, layer};
use crate::solver::Solver;
use crate::{Error, Result};

/// What [`ScoreFunction`] subtracts from a sample's loss: the expectation of the gradient stays, its
/// variance falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Baseline {
    /// Nothing, as published.
    None,
    /// The mean loss of the other samples of the instance; needs two samples or more.
    #[default]
    LeaveOneOut,
    /// A number of your own, such as a running mean of losses.
    Constant {
        /// The number, in units of the loss.
        value: f64,
    },
}

/// The score-function estimator (REINFORCE) of the gradient of an expected loss, for losses that need
/// not be differentiable: E[L(y(w + σZ))], Z ~ N(0, I), by S samples.
///
/// ```math
/// \frac{\partial}{\partial w} \mathbb{E}\,L = \frac{1}{S} \sum_{s=1}^{S} \big(L(y_s) - b_s\big) \frac{Z_s}{\sigma},
/// ```
///
/// where yₛ = y(w + σZₛ) and Zₛ/σ is the score ∂ log N(wₛ; w, σ²I)/∂w.
/// S solver calls, none backward. Where the loss depends on further parameters, their gradient is the
/// mean over samples of the ordinary one.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let estimator = ScoreFunction::new(KSubset::new(3, 1)?, 0.5, 100)?;
/// let costs = Tensor::from_slice(&[1.0, 1.2, 3.0]).set_requires_grad(true);
/// // A loss that nobody can differentiate: 1 unless entry 1 is chosen.
/// let loss = estimator.expected_loss(&costs, 7, |solutions| Ok(1.0 - solutions.select(-1, 1).ceil()))?;
/// loss.backward();
/// assert!(costs.grad().double_value(&[1]) > 0.0); // a descent step makes entry 1 cheaper
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Williams 1992; for perturbed solvers Berthet et al. 2020 sec. 3.2, Silvestri et al. 2023.
#[derive(Clone, Debug)]
pub struct ScoreFunction {
    perturbed: Perturbed,
    sigma: f64,
    samples: usize,
    baseline: Baseline,
}

impl ScoreFunction {
    /// The estimator for `solver` with noise of deviation `sigma`, in units of costs, and `samples`
    /// per instance, with the leave-one-out baseline if there are two samples.
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
        let baseline = if samples > 1 { Baseline::LeaveOneOut } else { Baseline::None };
        Ok(Self { perturbed: Perturbed::shared(solver, sigma, samples)?, sigma, samples, baseline })
    }

    /// The same with another baseline.
    ///
    /// # Errors
    /// [`Error::Parameter`] for leaving one out of one, or a constant that is not finite.
    pub fn with_baseline(self, baseline: Baseline) -> Result<Self> {
        match baseline {
            Baseline::LeaveOneOut if self.samples < 2 => {
                Err(Error::parameter("number of samples to leave one out", self.samples, ">= 2"))
            }
            Baseline::Constant { value } if !value.is_finite() => {
                Err(Error::parameter("the constant baseline", value, "finite"))
            }
            _ => Ok(Self { baseline, ..self }),
        }
    }

    /// The mean loss over the samples, `[...]` for `costs` `[..., n]` (or `[...]` and the solver's
    /// shape). `loss` receives the solutions, `[samples, ..., n]` (or the shape), and returns the loss
    /// of each, `[samples, ...]`.
    ///
    /// # Errors
    /// Those of [`Perturbed::forward`] and of `loss`; [`Error::Shape`] for losses of another shape.
    pub fn expected_loss(
        &self,
        costs: &Tensor,
        seed: u64,
        loss: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let flat = layer::flattened(self.perturbed.solver(), costs);
        let mut shape = costs.size();
        shape.insert(0, self.samples as i64);
        let costs = flat.as_ref().unwrap_or(costs);
        let noise = self.perturbed.noise(costs, seed)?;
        let Samples { solutions, .. } = self.perturbed.sample(costs, &noise)?;
        // Solutions have the shape in which the costs came.
        let solutions = if flat.is_some() { solutions.view(&shape[..]) } else { solutions };
        let losses = loss(&solutions)?;
        let expected = &noise.size()[..noise.dim() - 1];
        if losses.size() != expected {
            return Err(Error::Shape {
                what: "the losses of sampled solutions",
                got: format!("{:?}", losses.size()),
                expected: format!("{expected:?}, one for each sample and instance"),
            });
        }
        // A count or a condition is a loss, too.
        let losses = match super::check_floating("the losses", losses.kind()) {
            Ok(()) => losses,
            Err(_) => losses.to_kind(costs.kind()),
        };
        let samples = self.samples as f64;
        let seen = losses.detach();
        let centred = match self.baseline {
            Baseline::None => seen,
            // L − (SL̄ − L)/(S − 1) = (L − L̄) S/(S − 1).
            Baseline::LeaveOneOut => {
                (&seen - seen.mean_dim(0, true, None)) * (samples / (samples - 1.0))
            }
            Baseline::Constant { value } => seen - value,
        };
        let score = noise * centred.unsqueeze(-1).to_kind(costs.kind()) / (samples * self.sigma);
        let along =
            (costs * score.sum_dim_intlist(0, false, None)).sum_dim_intlist(-1, false, None);
        // Of no value, only of a gradient.
        Ok(losses.mean_dim(0, false, None) + (&along - along.detach()))
    }
}
