use tch::Tensor;

use super::same_size;
use crate::Result;

/// The Hamming loss Σ y(1 − y*) + (1 − y)y* between solutions y and 0/1 targets y*, for each
/// instance: shape `[batch]` for solutions `[batch, ...]`, one number for a solution `[n]`.
///
/// For 0/1 solutions it counts the entries that differ, and is then also the L1 loss; its
/// derivative by y is 1 − 2y*, ±1 for every entry. Lower is closer.
///
/// Source: Rolínek et al. 2020, sec. 3.3 (graph matching); Vlastelica et al. 2020 (paths, tours).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes.
pub fn hamming_loss(solutions: &Tensor, targets: &Tensor) -> Result<Tensor> {
    same_size("the targets of the Hamming loss", solutions, targets)?;
    let targets = targets.detach().to_kind(solutions.kind());
    // The same, multiplied out.
    let apart = solutions + &targets - solutions * &targets * 2.0;
    Ok(per_instance(&apart))
}

/// The squared distance ‖y − y*‖² = Σ (y − y*)² between solutions y and targets y*, for each
/// instance: shape `[batch]` for solutions `[batch, ...]`, one number for a solution `[n]`.
///
/// For 0/1 solutions it is the [`hamming_loss`], but its derivative by y is 2(y − y*), which is 0 at
/// entries that agree. For ranks it is Spearman's Σd². Lower is closer.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let ranks = Tensor::from_slice2(&[[1.0, 2.0, 3.0]]);
/// let loss = squared_loss(&ranks, &Tensor::from_slice2(&[[3.0, 2.0, 1.0]]))?;
/// assert_eq!(loss.double_value(&[0]), 8.0);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes.
pub fn squared_loss(solutions: &Tensor, targets: &Tensor) -> Result<Tensor> {
    same_size("the targets of the squared loss", solutions, targets)?;
    let apart = solutions - targets.detach().to_kind(solutions.kind());
    Ok(per_instance(&apart.square()))
}

// The sum of all that belongs to an instance of a batch, or to the one instance of a vector.
fn per_instance(entries: &Tensor) -> Tensor {
    let rows = if entries.dim() > 1 { entries.flatten(1, -1) } else { entries.shallow_clone() };
    rows.sum_dim_intlist(-1, false, None)
}

/// The L1 loss Σ |y − y*| between solutions y and targets y*, for each instance: shape `[batch]` for
/// solutions `[batch, ...]`.
///
/// For 0/1 solutions it has the value of the [`hamming_loss`], but another derivative: sign(y − y*),
/// which is 0 where y is right. So −dL/dy = y* − y points at the target, and nothing moves once it is
/// reached: what [`Identity`](crate::gradient::Identity) needs, which passes the gradient on as it
/// is. Lower is closer.
///
/// Source: Sahoo et al. 2023, sec. 3.1 and B.4 (tours), B.5 (paths).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let y = Tensor::from_slice2(&[[1.0, 0.0, 1.0]]).set_requires_grad(true);
/// let target = Tensor::from_slice2(&[[1.0, 1.0, 0.0]]);
/// l1_loss(&y, &target)?.sum(Kind::Double).backward();
/// assert_eq!(Vec::<f64>::try_from(y.grad().flatten(0, -1))?, [0.0, -1.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn l1_loss(solutions: &Tensor, targets: &Tensor) -> Result<Tensor> {
    same_size("the targets of the L1 loss", solutions, targets)?;
    let apart = solutions - targets.detach().to_kind(solutions.kind());
    Ok(per_instance(&apart.abs()))
}
