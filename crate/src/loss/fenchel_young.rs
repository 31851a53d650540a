use tch::Tensor;

use super::same_size;
use crate::Result;
use crate::gradient::{Perturbed, RegularisedFrankWolfe, Samples, flattened};

/// The Fenchel-Young loss of a perturbed optimiser, for each instance: shape `[...]` for costs
/// `[..., n]`, or `[...]` and the solver's [`shape`](crate::solver::Solver::shape).
///
/// ```math
/// \ell(w; y^*) = \langle w, y^* \rangle - \frac{1}{S} \sum_{s=1}^{S} \min_{y \in Y} \, \langle w_s, y \rangle
/// ```
///
/// for predicted costs w = `predicted`, their S moved
/// copies wₛ and the solution y* = `solutions` to be imitated. Its gradient is y* − ȳ(w): the target
/// minus the mean prediction (with multiplicative noise each y(wₛ) is weighted by its factors). It
/// is convex, and least where ȳ(w) = y*; its minimum is not 0. S solver calls.
///
/// Source: Berthet et al. 2020, sec. 3.3 (there for maximisation); Blondel, Martins, Niculae 2020.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes, and those of [`Perturbed::forward`].
pub fn fenchel_young(
    layer: &Perturbed,
    predicted: &Tensor,
    solutions: &Tensor,
    seed: u64,
) -> Result<Tensor> {
    fenchel_young_with_noise(layer, predicted, solutions, &layer.noise(predicted, seed)?)
}

/// [`fenchel_young`] with given noise of any density, as for [`Perturbed::forward_with_noise`]:
/// `[samples, ..., n]` for costs `[..., n]`. The gradient is that of the samples, and needs no score.
///
/// # Errors
/// Those of [`fenchel_young`]; [`Error::Shape`](crate::Error::Shape) for noise of another shape.
pub fn fenchel_young_with_noise(
    layer: &Perturbed,
    predicted: &Tensor,
    solutions: &Tensor,
    noise: &Tensor,
) -> Result<Tensor> {
    same_size("the solutions of the Fenchel-Young loss", predicted, solutions)?;
    let noise = layer.fitting("the noise of the Fenchel-Young loss", predicted, noise)?;
    if let Some(flat) = flattened(layer.solver(), predicted) {
        let noise = noise.reshape(&layer.shape_of_noise(&flat)[..]);
        return fenchel_young_with_noise(layer, &flat, &solutions.reshape_as(&flat), &noise);
    }
    let Samples { costs, solutions: samples } = layer.sample(predicted, &noise)?;
    // Each moved cost as a function of the predicted one, whose derivative is 1 or its factor.
    let factor = layer.factor(&costs, &predicted.detach());
    let value = (costs * &samples).mean_dim(0, false, None);
    let mean = (samples * factor).mean_dim(0, false, None);
    let linear = predicted * (solutions.detach().to_kind(predicted.kind()) - &mean);
    let constant = predicted.detach() * mean - value;
    Ok((linear + constant).sum_dim_intlist(-1, false, None))
}

/// The Fenchel-Young loss of a regularised solver, for each instance: shape `[...]` for costs
/// `[..., n]`, or `[...]` and the solver's [`shape`](crate::solver::Solver::shape).
///
/// ```math
/// \ell(w; y^*) = \langle w, y^* \rangle + \frac{\lambda}{2} \lVert y^* \rVert^2
///   - \min_{y \in \operatorname{conv}(Y)} \Big[ \langle w, y \rangle + \frac{\lambda}{2} \lVert y \rVert^2 \Big] \; \ge 0
/// ```
///
/// for predicted costs w = `predicted` and the solution y* = `solutions` to be imitated, a point of
/// conv(Y). Its gradient is y* − ŷ(w), ŷ the layer's forward pass. It is convex, at least
/// (λ/2)‖y* − ŷ‖², and 0 exactly where ŷ(w) = y*. The layer's solver calls, none backward.
///
/// Source: Blondel, Martins, Niculae 2020, definition 2 and proposition 2 (there for maximisation);
/// Niculae et al. 2018 (the SparseMAP loss).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes, and those of
/// [`RegularisedFrankWolfe::forward`].
///
/// ```
/// use solvergrad::prelude::*;
///
/// let layer = RegularisedFrankWolfe::new(KSubset::new(2, 1)?, 1.0)?;
/// let truth = Tensor::from_slice(&[1.0, 0.0]);
/// let undecided = Tensor::from_slice(&[0.0, 0.0]); // ŷ = (½, ½): ½ − ¼
/// let loss = fenchel_young_regularised(&layer, &undecided, &truth)?;
/// assert!((loss.double_value(&[]) - 0.25).abs() < 1e-12);
/// let clear = Tensor::from_slice(&[0.0, 1.0]); // a margin of λ is enough
/// assert_eq!(fenchel_young_regularised(&layer, &clear, &truth)?.double_value(&[]), 0.0);
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn fenchel_young_regularised(
    layer: &RegularisedFrankWolfe,
    predicted: &Tensor,
    solutions: &Tensor,
) -> Result<Tensor> {
    same_size("the solutions of the Fenchel-Young loss", predicted, solutions)?;
    if let Some(flat) = flattened(layer.solver(), predicted) {
        return fenchel_young_regularised(layer, &flat, &solutions.reshape_as(&flat));
    }
    let solutions = solutions.detach().to_kind(predicted.kind());
    let found = layer.forward(&predicted.detach())?;
    // The minimum is attained at `found`, a constant: its gradient is that of the product.
    let squares = (solutions.square() - found.square()) * (layer.lambda() / 2.0);
    Ok((predicted * (solutions - found) + squares).sum_dim_intlist(-1, false, None))
}
