use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Rule, Solved, check_positive};
use crate::Result;

/// Whether the I-MLE gradient is divided by λ. The published code does both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImplicitMleScale {
    /// y(w + λg) − y(w): the paper's algorithm, and the code of its L2X experiment.
    #[default]
    Plain,
    /// (y(w + λg) − y(w)) / λ: the code of its discrete VAE.
    InverseLambda,
}

/// Implicit maximum likelihood estimation (I-MLE): dL/dw = y(w' + λ dL/dy) − y(w'), w' = w − ε.
///
/// ```math
/// \frac{\partial L}{\partial w} := y\Big(w - \varepsilon + \lambda \frac{\partial L}{\partial y}\Big) - y(w - \varepsilon)
/// ```
///
/// In the paper's terms (θ = −w): MAP(θ + ε) − MAP(θ − λ dL/dy + ε) with *the same* noise in both.
/// The noise is part of the graph, [`Noise::perturb`](super::Noise::perturb) before the layer, so
/// the costs this rule sees already carry it. For several samples of the noise per instance use
/// [`SolverLayer::forward_mean`](super::SolverLayer::forward_mean).
///
/// Source: Niepert, Minervini, Franceschi 2021, algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImplicitMle {
    lambda: f64,
    scale: ImplicitMleScale,
}

impl ImplicitMle {
    /// The rule with target perturbation `lambda`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless λ is finite and > 0.
    pub fn new(lambda: f64, scale: ImplicitMleScale) -> Result<Self> {
        Ok(Self { lambda: check_positive("lambda of I-MLE", lambda)?, scale })
    }
}

impl Rule for ImplicitMle {
    fn name(&self) -> &'static str {
        "i-mle"
    }

    fn gradient(&self, solved: &Solved<'_>, gradient: &Tensor) -> Result<Tensor> {
        let difference = solved.interpolate(self.lambda, gradient)?;
        Ok(match self.scale {
            ImplicitMleScale::Plain => difference,
            ImplicitMleScale::InverseLambda => difference / self.lambda,
        })
    }
}
