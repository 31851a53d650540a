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
/// (4ε√n|mean(w)|), there is no direction: [`apply`](Self::apply) then gives P(w) = 0 and a gradient of 0, so
/// that such an instance takes no part in a step, without looking at values from the host;
/// [`apply_strictly`](Self::apply_strictly) reports an error. For a plane with a normal of your own
/// see [`Plane`]. Source: Sahoo et al. 2023, sec. 3.3, eq. 10-14.
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

    /// P(`costs`), differentiable; `costs` is `[..., n]`. 0, with a gradient of 0, for an instance
    /// without direction.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an integer kind.
    pub fn apply(self, costs: &Tensor) -> Result<Tensor> {
        Ok(self.project(costs)?.0)
    }

    /// The same, but an instance without direction is an error. Waits for the tensor's device.
    ///
    /// # Errors
    /// [`Error::ZeroNorm`] where `Norm` or `Std` has no value, [`Error::Parameter`] for an integer
    /// kind.
    pub fn apply_strictly(self, costs: &Tensor) -> Result<Tensor> {
        let (projected, degenerate) = self.project(costs)?;
        if let Some(degenerate) = degenerate.filter(|rows| rows.any().int64_value(&[]) != 0) {
            let row = degenerate.flatten(0, -1).to_kind(Kind::Int).argmax(None, false);
            let row = usize::try_from(row.int64_value(&[])).unwrap_or_default();
            return Err(Error::ZeroNorm { projection: self.name(), row });
        }
        Ok(projected)
    }

    // P(w), and which instances have no direction.
    fn project(self, costs: &Tensor) -> Result<(Tensor, Option<Tensor>)> {
        super::check_floating("the kind of the costs", costs.kind())?;
        match self {
            Self::None => Ok((costs.shallow_clone(), None)),
            Self::Mean => Ok((center(costs).0, None)),
            Self::Norm => normalise(costs, None),
            Self::Std => {
                let (vector, mean) = center(costs);
                normalise(&vector, Some(&mean))
            }
        }
    }
}

// `shift`: what `vector` was centred by. Rounding leaves a centred constant at a few ulp of the original
// instead of 0, and the direction of such a rest is noise.
fn normalise(vector: &Tensor, shift: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
    let epsilon = if vector.kind() == Kind::Double { f64::EPSILON } else { f32::EPSILON.into() };
    let norm = norm_of(vector)?;
    let norms = norm.detach();
    let degenerate = match shift {
        None => norms.eq(0.0),
        // ‖w‖ <= ‖v‖ + √n |shift|; what counts is the second, where ‖v‖ is next to nothing.
        Some(shift) => {
            let n = vector.size().last().copied().unwrap_or(1) as f64;
            norms.le_tensor(&(shift.detach().abs() * (4.0 * epsilon * n.sqrt())))
        }
    };
    // Divided by infinity such an instance is 0, and so is its gradient.
    let unit = vector / norm.masked_fill(&degenerate, f64::INFINITY);
    Ok((unit, Some(degenerate)))
}

fn center(costs: &Tensor) -> (Tensor, Tensor) {
    let mean = costs.mean_dim(-1, true, None);
    (costs - &mean, mean)
}

fn norm_of(costs: &Tensor) -> Result<Tensor> {
    Ok(costs.f_norm_scalaropt_dim(2.0, [-1i64], true)?)
}

/// The projection onto the plane of costs orthogonal to a normal: P(w) = w − ⟨w, a⟩a/⟨a, a⟩.
///
/// Does not change the solution where all solutions satisfy ⟨a, y⟩ = b for one number b: the flow
/// constraint of a graph, a fixed number of ones in a group. [`Projection::Mean`] is the plane whose
/// normal is all ones. Linear, so that it maps gradients as it maps costs, and composes with itself
/// for several orthogonal normals.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let plane = Plane::new(&[1.0, 1.0, 0.0])?;
/// let projected = plane.apply(&Tensor::from_slice(&[3.0, 1.0, 2.0]))?;
/// assert!(projected.allclose(&Tensor::from_slice(&[1.0, -1.0, 2.0]), 1e-12, 1e-12, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Sahoo et al. 2023, eq. 11.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    unit: Vec<f64>,
}

impl Plane {
    /// The plane with this `normal`, of any length but 0.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a normal that is 0 or not finite.
    pub fn new(normal: &[f64]) -> Result<Self> {
        // Scaled first: squares of large entries would overflow.
        let largest = normal.iter().fold(0.0, |largest: f64, entry| largest.max(entry.abs()));
        if !(largest > 0.0 && normal.iter().all(|entry| entry.is_finite())) {
            return Err(Error::parameter(
                "the normal of a plane",
                format!("{normal:?}"),
                "finite and not 0",
            ));
        }
        let scaled = normal.iter().map(|entry| entry / largest);
        let norm = scaled.clone().map(|entry| entry * entry).sum::<f64>().sqrt();
        Ok(Self { unit: scaled.map(|entry| entry / norm).collect() })
    }

    /// P(`costs`), differentiable; `costs` is `[..., n]`. The normal is copied to the costs' device.
    ///
    /// # Errors
    /// [`Error::Shape`] where n is not the length of the normal, [`Error::Parameter`] for an integer
    /// kind.
    pub fn apply(&self, costs: &Tensor) -> Result<Tensor> {
        super::check_floating("the kind of the costs", costs.kind())?;
        if costs.size().last() != Some(&(self.unit.len() as i64)) {
            return Err(Error::Shape {
                what: "the costs to be projected onto a plane",
                got: format!("{:?}", costs.size()),
                expected: format!("[..., {}], as the normal", self.unit.len()),
            });
        }
        let unit = Tensor::from_slice(&self.unit).to_kind(costs.kind()).to_device(costs.device());
        let along = (costs * &unit).sum_dim_intlist(-1, true, None);
        Ok(costs - along * unit)
    }
}
