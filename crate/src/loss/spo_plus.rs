use tch::Tensor;

use super::same_size;
use crate::Result;
use crate::gradient::{flattened, solve_tensor};
use crate::solver::Solver;

/// SPO+, the convex upper bound of the regret, for each instance: shape `[...]` for costs `[..., n]`,
/// or `[...]` and the solver's [`shape`](Solver::shape).
///
/// ```math
/// \ell(w; c) = -\min_{y \in Y} \, \langle 2w - c, y \rangle + 2 \langle w, y^* \rangle - \langle c, y^* \rangle \; \ge 0
/// ```
///
/// for predicted costs w = `predicted`, true
/// costs c = `costs` and y* = y(c) = `solutions`; 0 where w = c. Its subgradient is
/// 2(y* − y(2w − c)). One solver call. A solver that needs costs >= 0 refuses a 2w − c below 0 with
/// the index: keep w above c/2, or choose a solver without that domain.
///
/// Source: Elmachtoub, Grigas 2022, definition 3 and proposition 3 (minimisation).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes, and those of the solver.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let solver = KSubset::new(2, 1)?;
/// let (w, c) = (Tensor::from_slice(&[3.0, 2.0]), Tensor::from_slice(&[1.0, 2.0]));
/// let solution = Tensor::from_slice(&[1.0, 0.0]);
/// let loss = spo_plus(&solver, &w, &c, &solution)?;
/// assert_eq!(loss.double_value(&[]), 3.0); // −2 + 6 − 1
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn spo_plus(
    solver: &dyn Solver,
    predicted: &Tensor,
    costs: &Tensor,
    solutions: &Tensor,
) -> Result<Tensor> {
    same_size("the true costs of SPO+", predicted, costs)?;
    same_size("the true solutions of SPO+", predicted, solutions)?;
    if let Some(flat) = flattened(solver, predicted) {
        return spo_plus(solver, &flat, &costs.reshape_as(&flat), &solutions.reshape_as(&flat));
    }
    let kind = predicted.kind();
    let (costs, solutions) = (costs.detach().to_kind(kind), solutions.detach().to_kind(kind));
    let spread = predicted * 2.0 - &costs;
    let worst = solve_tensor(solver, &spread.detach())?;
    // The minimum is attained at `worst`, a constant: its gradient is that of the product.
    Ok(((predicted * 2.0 - costs) * (&solutions - worst)).sum_dim_intlist(-1, false, None))
}
