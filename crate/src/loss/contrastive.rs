use tch::Tensor;

use super::same_size;
use crate::Result;
use crate::solver::SolutionPool;

/// The noise-contrastive loss: how much dearer the true solution is than those of a pool, in the
/// mean, for each instance: shape `[...]` for costs `[..., n]`, or `[...]` and the shape of a
/// solution.
///
/// ℓ(w; y*) = (1/S) Σₛ ⟨w, y*⟩ − ⟨w, yₛ⟩ for predicted costs w = `predicted`, y* = `solutions` and the S
/// solutions of the pool, y* among them or not (its term is 0). Linear in w, with the gradient
/// y* − (1/S) Σₛ yₛ and without a lower limit: the scale of w has to be held elsewhere, by a
/// projection or by weight decay. No solver call.
///
/// This is the mean, as in PyEPO and in the authors' code; their paper writes the sum. Its variant
/// with w − c in place of w, for true costs c, has the same gradient.
///
/// Source: Mulamba et al. 2021 (NCE and MAP losses).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes or an empty pool.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let mut pool = SolutionPool::new(&KSubset::new(3, 1)?);
/// pool.extend(&Tensor::eye(3, (Kind::Double, Device::Cpu)))?;
/// let (w, y) = (Tensor::from_slice(&[1.0, 2.0, 6.0]), Tensor::from_slice(&[1.0, 0.0, 0.0]));
/// assert_eq!(noise_contrastive(&pool, &w, &y)?.double_value(&[]), -2.0); // 1 − 3
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn noise_contrastive(
    pool: &SolutionPool,
    predicted: &Tensor,
    solutions: &Tensor,
) -> Result<Tensor> {
    same_size("the true solutions of the noise-contrastive loss", predicted, solutions)?;
    if let Some(flat) = pool.flattened(predicted) {
        return noise_contrastive(pool, &flat, &solutions.reshape_as(&flat));
    }
    let mean = pool.objectives(predicted)?.mean_dim(-1, false, None);
    Ok(objective(predicted, solutions) - mean)
}

/// The contrastive loss against the pool's best (MAP), for each instance: shape `[...]` for costs
/// `[..., n]`, or `[...]` and the shape of a solution.
///
/// ℓ(w; y*) = maxₛ ⟨w, y*⟩ − ⟨w, yₛ⟩ = ⟨w, y*⟩ − minₛ ⟨w, yₛ⟩ for predicted costs w = `predicted`,
/// y* = `solutions` and the solutions yₛ of the pool; >= 0 where y* is in the pool, and convex. Its
/// subgradient is y* − yₛ for the best s. No solver call; with all solutions in the pool it is the
/// loss of a structured perceptron.
///
/// As in PyEPO the true costs c are not subtracted: w = 0 has the least loss. The paper's other form,
/// with w − c in place of w, is `contrastive_map(pool, &(predicted - costs), solutions)`; it is 0 at
/// w = c.
///
/// Source: Mulamba et al. 2021 (NCE and MAP losses).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes or an empty pool.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let mut pool = SolutionPool::new(&KSubset::new(3, 1)?);
/// pool.extend(&Tensor::eye(3, (Kind::Double, Device::Cpu)))?;
/// let (w, y) = (Tensor::from_slice(&[1.0, 2.0, 6.0]), Tensor::from_slice(&[0.0, 0.0, 1.0]));
/// assert_eq!(contrastive_map(&pool, &w, &y)?.double_value(&[]), 5.0); // 6 − 1
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn contrastive_map(
    pool: &SolutionPool,
    predicted: &Tensor,
    solutions: &Tensor,
) -> Result<Tensor> {
    same_size("the true solutions of the contrastive loss", predicted, solutions)?;
    if let Some(flat) = pool.flattened(predicted) {
        return contrastive_map(pool, &flat, &solutions.reshape_as(&flat));
    }
    let (least, _) = pool.objectives(predicted)?.min_dim(-1, false);
    Ok(objective(predicted, solutions) - least)
}

fn objective(costs: &Tensor, solutions: &Tensor) -> Tensor {
    (costs * solutions.detach().to_kind(costs.kind())).sum_dim_intlist(-1, false, None)
}
