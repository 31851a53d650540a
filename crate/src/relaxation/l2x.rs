use tch::Tensor;

use super::{check_k, length};
use crate::Result;
use crate::gradient::{Noise, check_positive};

/// The sampler of "learning to explain": the entrywise greatest of k independent Gumbel-softmax
/// samples, yᵢ = maxⱼ softmax((−w + Gʲ)/τ)ᵢ.
///
/// As τ → 0 it is the 0/1 vector of k draws *with* replacement from softmax(−w): at most k ones.
/// Each entry lies in [0, 1]. O(nk). τ, in units of costs, is published as 0.1.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let costs = Tensor::from_slice(&[0.0, 1.0, 2.0, 0.5]).set_requires_grad(true);
/// let y = L2xSampler::new(2, 0.1)?.forward(&costs, 7)?;
/// assert!(y.max().double_value(&[]) <= 1.0 && y.sum(Kind::Double).double_value(&[]) <= 2.0);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Chen, Song, Wainwright, Jordan 2018, sec. 3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L2xSampler {
    k: usize,
    temperature: f64,
}

impl L2xSampler {
    /// The greatest of `k` samples with temperature τ = `temperature`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless k >= 1 and τ is finite and > 0.
    pub fn new(k: usize, temperature: f64) -> Result<Self> {
        let temperature = check_positive("temperature of the L2X sampler", temperature)?;
        Ok(Self { k: check_k("k of the L2X sampler", k)?, temperature })
    }

    /// A sample for each instance of `costs` w, `[..., n]`; of the same shape, kind and device. Of
    /// equal greatest entries the gradient goes to one.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for fewer than k entries or an integer kind.
    pub fn forward(&self, costs: &Tensor, seed: u64) -> Result<Tensor> {
        length("the costs of the L2X sampler", costs, self.k)?;
        let mut shape = costs.size();
        shape.insert(shape.len() - 1, self.k as i64);
        let noise = Noise::Gumbel { temperature: 1.0 }.sample(
            &shape,
            costs.kind(),
            costs.device(),
            seed,
        )?;
        let soft = ((costs.unsqueeze(-2) - noise) / -self.temperature).softmax(-1, None);
        Ok(soft.f_max_dim(-2, false)?.0)
    }
}
