use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::same_size;
use crate::Result;
use crate::gradient::{check_positive, flattened, solve_tensor};
use crate::solver::Solver;

/// The finite difference of V(w) = min_y ⟨w, y⟩ along the true costs c that
/// [`perturbation_gradient`] takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FiniteDifference {
    /// (V(w + hc) − V(w − hc)) / 2h: for the same two solves an error of order h² where V is smooth
    /// in the mean over the data, hence the default.
    #[default]
    Central,
    /// (V(w) − V(w − hc)) / h: an error of order h, but never less than ⟨c, y(w)⟩, as V is concave.
    /// PyEPO's default.
    Backward,
}

/// The perturbation-gradient loss, for each instance: shape `[...]` for costs `[..., n]`, or `[...]`
/// and the solver's [`shape`](Solver::shape).
///
/// With V(w) = min_y ⟨w, y⟩, whose derivative along the true costs c = `costs` is ⟨c, y(w)⟩, the cost
/// of the decision itself:
///
/// | `difference` | ℓ(w; c) | gradient |
/// |---|---|---|
/// | `Central` | (V(w + hc) − V(w − hc)) / 2h | (y(w + hc) − y(w − hc)) / 2h |
/// | `Backward` | (V(w) − V(w − hc)) / h | (y(w) − y(w − hc)) / h |
///
/// It is continuous in the predicted costs w = `predicted`, and ⟨c, y(w)⟩, in units of costs, as
/// h → 0: not a regret, so that it may be below 0 and its least value is not 0. h = `width` is in
/// units of w per unit of c; a small one brings back the steps of ⟨c, y(w)⟩. The true solution is not
/// needed. The central gradient is that of [`Lpgd`](crate::gradient::Lpgd) with dL/dy = c. No epsilon is
/// added to h, as PyEPO does. Two solver calls. A solver that needs costs >= 0 refuses a w − hc below 0
/// with the index: keep w above hc, or choose a solver without that domain.
///
/// Source: Huang, Gupta 2024 (losses PGC and PGB).
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) unless h is finite and > 0,
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes, and those of the solver.
///
/// ```
/// use solvergrad::prelude::*;
///
/// // The second costs less in truth, the first by prediction; a step of h = 1 tells them apart.
/// let (w, c) = (Tensor::from_slice(&[1.0, 1.5]), Tensor::from_slice(&[2.0, 1.0]));
/// let w = w.set_requires_grad(true);
/// let loss = perturbation_gradient(&KSubset::new(2, 1)?, &w, &c, 1.0, FiniteDifference::Central)?;
/// assert_eq!(loss.double_value(&[]), 1.75); // (2.5 − (−1)) / 2
/// loss.backward();
/// assert_eq!(Vec::<f64>::try_from(w.grad())?, [-0.5, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn perturbation_gradient(
    solver: &dyn Solver,
    predicted: &Tensor,
    costs: &Tensor,
    width: f64,
    difference: FiniteDifference,
) -> Result<Tensor> {
    check_positive("width h of the perturbation gradient", width)?;
    same_size("the true costs of the perturbation gradient", predicted, costs)?;
    if let Some(flat) = flattened(solver, predicted) {
        return perturbation_gradient(solver, &flat, &costs.reshape_as(&flat), width, difference);
    }
    // V(w + shift·c): the minimum is attained at a constant, so its gradient is that of the product.
    let step = costs.detach().to_kind(predicted.kind()) * width;
    let value = |shift: f64| -> Result<Tensor> {
        let moved = predicted + &step * shift;
        let solution = solve_tensor(solver, &moved.detach())?;
        Ok((moved * solution).sum_dim_intlist(-1, false, None))
    };
    Ok(match difference {
        FiniteDifference::Central => (value(1.0)? - value(-1.0)?) / (2.0 * width),
        FiniteDifference::Backward => (value(0.0)? - value(-1.0)?) / width,
    })
}
