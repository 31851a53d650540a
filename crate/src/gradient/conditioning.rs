use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Margin, Projection};
use crate::Result;

/// Which of margin and projection comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// P(w + ξ). The default: α is in units of the costs, and a margin of 1 does not drown costs of
    /// unit length.
    #[default]
    MarginFirst,
    /// P(w) + ξ: α is in units of the projected costs.
    ProjectionFirst,
}

/// What happens to costs between a network and a solver layer: a margin and a projection, in an
/// order that the paper leaves open for margins (its sampling noise comes before the projection).
///
/// ```
/// use solvergrad::prelude::*;
///
/// let conditioning = Conditioning {
///     projection: Projection::Std,
///     margin: Margin::Noise { alpha: 0.1 },
///     ..Conditioning::default()
/// };
/// let costs = Tensor::from_slice(&[0.3, -1.0, 0.2, 0.9]).set_requires_grad(true);
/// let layer = SolverLayer::new(KSubset::new(4, 2)?, Identity);
/// let solution = layer.forward(&conditioning.apply(&costs, None, 7)?)?;
/// # assert_eq!(solution.sum(Kind::Double).double_value(&[]), 2.0);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Sahoo et al. 2023, sec. 3.3 and 3.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Conditioning {
    /// The projection; `None` by default.
    pub projection: Projection,
    /// The margin, for training only; `None` by default.
    pub margin: Margin,
    /// The order of the two.
    pub order: Order,
}

impl Conditioning {
    /// The costs that the solver sees, of the same shape, differentiable. `truth` and `seed` are the
    /// margin's.
    ///
    /// # Errors
    /// Those of [`Margin::apply`] and [`Projection::apply`].
    pub fn apply(&self, costs: &Tensor, truth: Option<&Tensor>, seed: u64) -> Result<Tensor> {
        match self.order {
            Order::MarginFirst => self.projection.apply(&self.margin.apply(costs, truth, seed)?),
            Order::ProjectionFirst => {
                self.margin.apply(&self.projection.apply(costs)?, truth, seed)
            }
        }
    }

    /// The same without a margin, as at test time.
    pub fn without_margin(self) -> Self {
        Self { margin: Margin::None, ..self }
    }
}
