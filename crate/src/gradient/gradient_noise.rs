use tch::Tensor;

use super::bridge;
use crate::{Error, Result};

/// `values` as they are, whose gradient becomes g + `noise` on its way back: for experiments on how
/// well a rule bears wrong gradients.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let costs = Tensor::from_slice(&[2.0, 1.0]).set_requires_grad(true);
/// let noisy = add_to_gradient(&costs, &Tensor::from_slice(&[0.5, 0.0]))?;
/// noisy.sum(Kind::Double).backward();
/// assert_eq!(Vec::<f64>::try_from(costs.grad())?, [1.5, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Sahoo et al. 2023, sec. 4.4, with ξ ~ N(0, σ²) on dL/dy: see
/// [`Noise::Normal`](super::Noise::Normal).
///
/// # Errors
/// [`Error::Shape`] for a noise of another shape.
pub fn add_to_gradient(values: &Tensor, noise: &Tensor) -> Result<Tensor> {
    if values.size() != noise.size() {
        return Err(Error::Shape {
            what: "the noise on a gradient",
            got: format!("{:?}", noise.size()),
            expected: format!("{:?}, as the values", values.size()),
        });
    }
    if !values.requires_grad() {
        return Ok(values.shallow_clone());
    }
    let noise = noise.detach().to_kind(values.kind()).to_device(values.device());
    bridge::replace_gradient(values, &values.detach().copy(), move |gradient| Ok(gradient + &noise))
}
