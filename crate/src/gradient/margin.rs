use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::noise::signs;
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
/// α is in units of costs. For ranks, whose costs are scores and where 1 marks a *relevant* item, which
/// is to get a small rank, the truth is 1 − relevance: relevant scores fall by α/2, others rise. The two informed forms have the same solution where all solutions have
/// the same size Σy, and differ for partial matchings and for paths. A margin is a tensor expression,
/// so it composes with any rule and projection, in an order that
/// [`Conditioning`](super::Conditioning) states. The random signs are drawn where the costs are,
/// without a transfer.
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
            let signs = signs(costs.numel(), seed, costs.device()).view_as(costs);
            return Ok(costs + signs.to_kind(costs.kind()) * alpha);
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

    /// The same with another width, 0 ≤ `factor` · α: what a [`MarginSchedule`] asks for.
    pub fn scaled(self, factor: f64) -> Self {
        match self {
            Self::None => Self::None,
            Self::Noise { alpha } => Self::Noise { alpha: alpha * factor },
            Self::Informed { alpha } => Self::Informed { alpha: alpha * factor },
            Self::InformedMatches { alpha } => Self::InformedMatches { alpha: alpha * factor },
        }
    }
}

/// How the width of a margin changes over the epochs of a training.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let half_time = MarginSchedule::Until { epoch: 50 };
/// let margin = Margin::Noise { alpha: 0.2 };
/// assert_eq!(half_time.at(margin, 50), margin);
/// assert_eq!(half_time.at(margin, 51), Margin::Noise { alpha: 0.0 });
/// ```
///
/// Source: Sahoo et al. 2023, sec. 4.4 (noise during the first half of the training of TSP).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum MarginSchedule {
    /// The same in every epoch.
    #[default]
    Constant,
    /// In full until the end of an epoch, 0 after it.
    Until {
        /// The last epoch with the margin; the first epoch is 1.
        epoch: u32,
    },
    /// In full in epoch 1, falling in equal steps to 0 in the epoch after `epoch`.
    Linear {
        /// The last epoch with a margin.
        epoch: u32,
    },
}

impl MarginSchedule {
    /// `margin` in an epoch, counted from 1.
    pub fn at(self, margin: Margin, epoch: u32) -> Margin {
        margin.scaled(match self {
            Self::Constant => 1.0,
            Self::Until { epoch: last } => f64::from(u8::from(epoch <= last)),
            Self::Linear { epoch: last } => {
                let left = f64::from(last.saturating_add(1).saturating_sub(epoch));
                left.min(f64::from(last)) / f64::from(last.max(1))
            }
        })
    }
}
