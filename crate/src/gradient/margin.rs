use rand::RngExt;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::noise::fill;
use crate::{Error, Result};

/// A margin: costs are moved before the solver, in training only, so that a solution has to win by
/// a distance.
///
/// | | costs become |
/// |---|---|
/// | `None` | w |
/// | `Noise` | w + ξ, each ξ drawn from {−α/2, +α/2} |
/// | `Informed` | w + (α/2) y* − (α/2)(1 − y*): the true solution y* looks worse, others better |
/// | `InformedMatches` | w + α y*: only the true solution looks worse |
///
/// α is in units of costs. The two informed forms have the same solution where all solutions have
/// the same size Σy, and differ for partial matchings and for paths. By default the margin comes
/// first, then the [`Projection`](super::Projection): after unit length, an α of 1 would drown the
/// costs. A margin is a tensor expression, so it composes with any rule and projection.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let costs = Tensor::from_slice(&[1.0, 2.0, 3.0]);
/// let truth = Tensor::from_slice(&[1.0, 0.0, 0.0]);
/// let moved = Margin::Informed { alpha: 1.0 }.apply(&costs, Some(&truth), 0)?;
/// assert_eq!(Vec::<f64>::try_from(moved)?, [1.5, 1.5, 2.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Sahoo et al. 2023, sec. 3.4 (noise and informed); Rolínek et al. 2020, eq. 7 (matches).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Margin {
    /// No margin.
    #[default]
    None,
    /// Random signs.
    Noise {
        /// Width α, in units of costs.
        alpha: f64,
    },
    /// From the true solution, both ways.
    Informed {
        /// Width α, in units of costs.
        alpha: f64,
    },
    /// From the true solution, on its ones only.
    InformedMatches {
        /// Width α, in units of costs.
        alpha: f64,
    },
}

impl Margin {
    /// Name in tables of results.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Noise { .. } => "noise",
            Self::Informed { .. } => "informed",
            Self::InformedMatches { .. } => "informed-matches",
        }
    }

    /// The moved costs. `truth` is y* of the same shape, which the informed margins need; `seed` is
    /// the noise's, the same on every device and with any number of threads.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an α that is negative or not finite, or costs of an integer kind;
    /// [`Error::Shape`] where an informed margin lacks a truth of the costs' shape.
    pub fn apply(self, costs: &Tensor, truth: Option<&Tensor>, seed: u64) -> Result<Tensor> {
        super::check_floating("the kind of the costs", costs.kind())?;
        let (Self::Noise { alpha } | Self::Informed { alpha } | Self::InformedMatches { alpha }) =
            self
        else {
            return Ok(costs.shallow_clone());
        };
        if !(alpha >= 0.0 && alpha.is_finite()) {
            return Err(Error::parameter("alpha of a margin", alpha, "finite and >= 0"));
        }
        if let Self::Noise { .. } = self {
            let sign = |rng: &mut rand_chacha::ChaCha8Rng| if rng.random() { 0.5 } else { -0.5 };
            let signs = Tensor::from_slice(&fill(costs.numel(), seed, sign));
            let signs = signs.view_as(costs).to_kind(costs.kind()).to_device(costs.device());
            return Ok(costs + signs * alpha);
        }
        let Some(truth) = truth.filter(|truth| truth.size() == costs.size()) else {
            return Err(Error::Shape {
                what: "the true solution of an informed margin",
                got: truth.map_or("none".into(), |truth| format!("{:?}", truth.size())),
                expected: format!("{:?}, as the costs", costs.size()),
            });
        };
        let truth = truth.detach().to_kind(costs.kind());
        Ok(match self {
            Self::InformedMatches { .. } => costs + truth * alpha,
            _ => costs + (truth - 0.5) * alpha,
        })
    }
}
