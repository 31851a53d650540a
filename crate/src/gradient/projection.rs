use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::{Error, Result};

/// A projection P of costs that does not change the solution: argmin ⟨P(w), y⟩ = argmin ⟨w, y⟩.
///
/// Put in the graph before a layer, P removes the component of the gradient along which the
/// solution cannot change: autograd returns P'(w)ᵀ applied to what the rule sends. Each acts on
/// the last dimension, one instance at a time.
///
/// | | P(w) | backward of g | valid when |
/// |---|---|---|---|
/// | `None` | w | g | always |
/// | `Mean` | w − mean(w) | g − mean(g) | Σy is constant: k-subsets, ranks, tours |
/// | `Norm` | u = w/‖w‖ | (g − u⟨u, g⟩)/‖w‖ | always |
/// | `Std` | u = v/‖v‖, v = w − mean(w) | (g − mean(g) − u⟨u, g⟩)/‖v‖ | where `Mean` is |
///
/// The norm is Euclidean, with no epsilon added and no factor √n: `Std` is centring and unit length,
/// not division by a standard deviation. Where ‖w‖ is 0, or ‖v‖ no more than the rounding of w
/// (4ε‖w‖), there is no direction and the projection has no value. Source: Sahoo et al. 2023, sec.
/// 3.3, eq. 10-14.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let costs = Tensor::from_slice(&[3.0, 1.0, 2.0]);
/// let projected: Vec<f64> = Projection::Std.apply(&costs)?.try_into()?;
/// let unit = 1.0 / 2f64.sqrt();
/// assert_eq!(projected, [unit, -unit, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Projection {
    /// The identity.
    #[default]
    None,
    /// Onto the costs of mean 0.
    Mean,
    /// Onto the unit sphere.
    Norm,
    /// `Norm` after `Mean`.
    Std,
}

impl Projection {
    /// Every projection, in the order of the table.
    pub const ALL: [Self; 4] = [Self::None, Self::Mean, Self::Norm, Self::Std];

    /// Name in tables of results.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mean => "mean",
            Self::Norm => "norm",
            Self::Std => "std",
        }
    }

    /// P(`costs`), differentiable; `costs` is `[..., n]`.
    ///
    /// # Errors
    /// [`Error::ZeroNorm`] where `Norm` or `Std` has no value, [`Error::Parameter`] for an integer
    /// kind.
    pub fn apply(self, costs: &Tensor) -> Result<Tensor> {
        super::check_floating("the kind of the costs", costs.kind())?;
        match self {
            Self::None => Ok(costs.shallow_clone()),
            Self::Mean => Ok(center(costs)),
            Self::Norm => self.normalise(costs, None),
            Self::Std => self.normalise(&center(costs), Some(costs)),
        }
    }

    // `original`: what `vector` was centred from. Rounding leaves a centred constant at a few ulp
    // of the original instead of 0, and the direction of such a rest is noise.
    fn normalise(self, vector: &Tensor, original: Option<&Tensor>) -> Result<Tensor> {
        let norm = norm_of(vector)?;
        let epsilon =
            if vector.kind() == Kind::Double { f64::EPSILON } else { f32::EPSILON.into() };
        let norms = norm.detach();
        let degenerate = match original {
            None => norms.eq(0.0),
            Some(original) => norms.le_tensor(&(norm_of(&original.detach())? * (4.0 * epsilon))),
        };
        if degenerate.any().int64_value(&[]) != 0 {
            let row = degenerate.flatten(0, -1).to_kind(Kind::Int).argmax(None, false);
            let row = usize::try_from(row.int64_value(&[])).unwrap_or_default();
            return Err(Error::ZeroNorm { projection: self.name(), row });
        }
        Ok(vector / norm)
    }
}

fn center(costs: &Tensor) -> Tensor {
    costs - costs.mean_dim(-1, true, None)
}

fn norm_of(costs: &Tensor) -> Result<Tensor> {
    Ok(costs.f_norm_scalaropt_dim(2.0, [-1i64], true)?)
}
