//! Independent checks, for tests and notebooks alike: brute force, finite differences, and whether a
//! computation stays on its device.

use tch::{Kind, Tensor};

use crate::Result;
use crate::gradient::WaitCounter;
use crate::solver::Enumerate;

/// min over all y in Y of ⟨`cost`, y⟩, by listing Y.
pub fn brute_force_objective(solver: &dyn Enumerate, cost: &[f64]) -> f64 {
    solver
        .solutions()
        .iter()
        .map(|solution| objective(cost, solution))
        .fold(f64::INFINITY, f64::min)
}

/// Whether `solution` is one of the solver's solutions.
pub fn is_feasible(solver: &dyn Enumerate, solution: &[f64]) -> bool {
    solver.solutions().iter().any(|candidate| candidate == solution)
}

/// ⟨`cost`, `solution`⟩.
pub fn objective(cost: &[f64], solution: &[f64]) -> f64 {
    cost.iter().zip(solution).map(|(cost, entry)| cost * entry).sum()
}

/// The Jacobian of `function` at the vector `point`, by central differences of width `step`:
/// entry (i, j) is ∂f_i/∂x_j. Computed in float64.
///
/// # Errors
/// Whatever `function` reports.
pub fn jacobian(
    function: impl Fn(&Tensor) -> Result<Tensor>,
    point: &Tensor,
    step: f64,
) -> Result<Tensor> {
    let point = point.detach().to_kind(Kind::Double);
    let columns = (0..point.size1()?)
        .map(|j| {
            let offset = point.zeros_like();
            let _ = offset.get(j).fill_(step);
            let (above, below) = (function(&(&point + &offset))?, function(&(&point - &offset))?);
            Ok((above - below) / (2.0 * step))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::stack(&columns, 1))
}

/// What `body` returns, and how often the host waited for a device in it: values read back, shapes
/// that depend on values, copies from one device to another (a GPU idles meanwhile).
///
/// Counts on this thread, and on those of autograd that work for it; one count at a time. On the CPU,
/// where nothing waits, it counts the operations that would (a value read back, a shape that depends on
/// values), but not copies, which there cross no device.
///
/// ```
/// use solvergrad::check::host_waits;
/// use solvergrad::prelude::*;
///
/// let tensor = Tensor::from_slice(&[1.0, 2.0]);
/// assert_eq!(host_waits(|| (&tensor * 2.0).sum(Kind::Double)).1, 0);
/// assert_eq!(host_waits(|| tensor.double_value(&[1])), (2.0, 1));
/// ```
pub fn host_waits<T>(body: impl FnOnce() -> T) -> (T, i64) {
    let counter = WaitCounter::start();
    let result = body();
    (result, counter.stop())
}
