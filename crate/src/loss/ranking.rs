use tch::{Kind, Tensor};

use super::same_size;
use crate::gradient::check_positive;
use crate::solver::SolutionPool;
use crate::{Error, Result};

/// Pairwise learning to rank: the pool's best solution against each dearer one, for each instance:
/// shape `[...]` for costs `[..., n]`, or `[...]` and the shape of a solution.
///
/// ℓ(w; c) = mean over s of max(0, ν + ⟨w, y₁⟩ − ⟨w, yₛ⟩), where y₁ is the pool's best by the true costs
/// c = `costs` (the oldest of several) and s runs over the solutions that cost more in truth; 0
/// where there is none. It is >= 0, convex in w = `predicted`, and 0 where y₁ is the best by ν =
/// `margin` (in units of w). Without a margin w = 0 has the least loss, too. No solver call.
///
/// As in the authors' code, solutions that cost the same as y₁ form no pair; PyEPO, which has no
/// margin, counts them in the mean.
///
/// Source: Mandi et al. 2022 (pairwise).
///
/// # Errors
/// [`Error::Parameter`] unless ν is finite and >= 0, [`Error::Shape`] for unlike shapes or an empty
/// pool.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let mut pool = SolutionPool::new(&KSubset::new(3, 1)?);
/// pool.extend(&Tensor::eye(3, (Kind::Double, Device::Cpu)))?;
/// let (w, c) = (Tensor::from_slice(&[1.0, 1.0, 4.0]), Tensor::from_slice(&[3.0, 2.0, 7.0]));
/// // The second is the best: 1 + 1 − 1 against the first, 1 + 1 − 4 against the third.
/// assert_eq!(pairwise_ranking(&pool, &w, &c, 1.0)?.double_value(&[]), 0.5);
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn pairwise_ranking(
    pool: &SolutionPool,
    predicted: &Tensor,
    costs: &Tensor,
    margin: f64,
) -> Result<Tensor> {
    if !(margin >= 0.0 && margin.is_finite()) {
        return Err(Error::parameter("margin of the pairwise ranking", margin, "finite and >= 0"));
    }
    let (scores, truth) = objectives("the true costs of the ranking", pool, predicted, costs)?;
    let least = truth.amin([-1].as_slice(), true);
    // Sums in another order differ by rounding: that makes no pair.
    let rounding = if truth.kind() == Kind::Double { 1e-12 } else { 1e-5 };
    let within = truth.abs().amax([-1].as_slice(), true) * rounding + least;
    let dearer = truth.gt_tensor(&within).to_kind(scores.kind());
    // The oldest of the best: the first 0.
    let best = dearer.argmin(-1, true);
    let behind = scores.gather(-1, &best, false) - &scores + margin;
    let sum = (behind.relu() * &dearer).sum_dim_intlist(-1, false, None);
    Ok(sum / dearer.sum_dim_intlist(-1, false, None).clamp_min(1.0))
}

/// Listwise learning to rank: the cross-entropy between the pool's distributions by true and by
/// predicted costs, in nats, for each instance: shape `[...]` for costs `[..., n]`, or `[...]` and the
/// shape of a solution.
///
/// ```math
/// \ell(w; c) = -\sum_s p_s(c) \ln p_s(w), \qquad p_s(w) = \frac{\exp(-\langle w, y_s \rangle / \tau)}{\sum_t \exp(-\langle w, y_t \rangle / \tau)}
/// ```
///
/// over the pool, for predicted costs w = `predicted`, true costs c = `costs` and τ = `temperature` (in units of costs). Convex in w; its
/// least value is the entropy of p(c), at w = c for one. No solver call.
///
/// The authors' code divides by the size of the pool. PyEPO 2.2.7 has the sum, as here, at τ = 1, and
/// holds p(c) above 1e-8.
///
/// Source: Mandi et al. 2022 (listwise).
///
/// # Errors
/// [`Error::Parameter`] unless τ is finite and > 0, [`Error::Shape`] for unlike shapes or an empty
/// pool.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let mut pool = SolutionPool::new(&KSubset::new(2, 1)?);
/// pool.extend(&Tensor::eye(2, (Kind::Double, Device::Cpu)))?;
/// // By truth the first in 4 of 5 cases; by prediction each in one of two.
/// let (w, c) = (Tensor::from_slice(&[0.0, 0.0]), Tensor::from_slice(&[0.0, 4f64.ln()]));
/// let loss = listwise_ranking(&pool, &w, &c, 1.0)?.double_value(&[]);
/// assert!((loss - 2f64.ln()).abs() < 1e-12);
/// let least = listwise_ranking(&pool, &c, &c, 1.0)?.double_value(&[]);
/// assert!((least + 0.8 * 0.8f64.ln() + 0.2 * 0.2f64.ln()).abs() < 1e-12);
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn listwise_ranking(
    pool: &SolutionPool,
    predicted: &Tensor,
    costs: &Tensor,
    temperature: f64,
) -> Result<Tensor> {
    let scale = -check_positive("temperature of the listwise ranking", temperature)?;
    let (scores, truth) = objectives("the true costs of the ranking", pool, predicted, costs)?;
    let probability = (truth / scale).softmax(-1, None).to_kind(scores.kind());
    Ok(-(probability * (scores / scale).log_softmax(-1, None)).sum_dim_intlist(-1, false, None))
}

/// Pointwise learning to rank: the mean squared error of the pool's objectives, for each instance:
/// shape `[...]` for costs `[..., n]`, or `[...]` and the shape of a solution.
///
/// ℓ(w; c) = (1/S) Σₛ (⟨w, yₛ⟩ − ⟨c, yₛ⟩)² for predicted costs w = `predicted`, true costs c = `costs` and
/// the S solutions of the pool: a squared error that sees costs only as the pool does. In units of
/// costs², >= 0, 0 at w = c and convex. No solver call. As in PyEPO.
///
/// Source: Mandi et al. 2022 (pointwise).
///
/// # Errors
/// [`Error::Shape`] for unlike shapes or an empty pool.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let mut pool = SolutionPool::new(&KSubset::new(2, 1)?);
/// pool.extend(&Tensor::eye(2, (Kind::Double, Device::Cpu)))?;
/// let (w, c) = (Tensor::from_slice(&[1.0, 5.0]), Tensor::from_slice(&[3.0, 2.0]));
/// assert_eq!(pointwise_ranking(&pool, &w, &c)?.double_value(&[]), 6.5); // (4 + 9) / 2
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn pointwise_ranking(
    pool: &SolutionPool,
    predicted: &Tensor,
    costs: &Tensor,
) -> Result<Tensor> {
    same_size("the true costs of the ranking", predicted, costs)?;
    let error = predicted - costs.detach().to_kind(predicted.kind());
    Ok(pool.objectives(&error)?.square().mean_dim(-1, false, None))
}

/// ⟨w, yₛ⟩ and ⟨c, yₛ⟩; the latter, from which ties are read, in float64.
fn objectives(
    what: &'static str,
    pool: &SolutionPool,
    predicted: &Tensor,
    costs: &Tensor,
) -> Result<(Tensor, Tensor)> {
    same_size(what, predicted, costs)?;
    let scores = pool.objectives(predicted)?;
    Ok((scores, pool.objectives(&costs.detach().to_kind(Kind::Double))?))
}
