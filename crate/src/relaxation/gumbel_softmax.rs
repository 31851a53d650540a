use tch::Tensor;

use super::length;
use crate::Result;
use crate::gradient::{Noise, check_positive};

/// The Gumbel-softmax, or concrete, sample of one of n: softmax((−w + G)/τ), G ~ Gumbel(0, 1).
///
/// The largest entry is that of a sample of softmax(−w), for any τ; as τ → 0 the value becomes the
/// 0/1 vector of it. Made [`hard`](Self::hard) the value *is* that 0/1 vector, while the gradient
/// stays that of the softmax (straight-through). τ is in units of costs;
/// Jang et al. anneal it from 1 to 0.5.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let costs = Tensor::from_slice(&[0.0, 1.0, 2.0]).set_requires_grad(true);
/// let soft = GumbelSoftmax::new(0.5)?;
/// let y = soft.forward(&costs, 7)?;
/// assert!((y.sum(Kind::Double).double_value(&[]) - 1.0).abs() < 1e-12);
/// let one = soft.hard().forward(&costs, 7)?; // the same noise
/// assert_eq!(one.max().double_value(&[]), 1.0);
/// assert_eq!(one.argmax(0, false), y.argmax(0, false));
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Jang, Gu, Poole 2017, eq. 2 and sec. 2.2; Maddison, Mnih, Teh 2017, sec. 3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GumbelSoftmax {
    temperature: f64,
    hard: bool,
}

impl GumbelSoftmax {
    /// The soft sample with temperature τ = `temperature`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless τ is finite and > 0.
    pub fn new(temperature: f64) -> Result<Self> {
        let temperature = check_positive("temperature of the Gumbel-softmax", temperature)?;
        Ok(Self { temperature, hard: false })
    }

    /// The same with 0/1 values: straight-through.
    pub fn hard(self) -> Self {
        Self { hard: true, ..self }
    }

    /// A sample for each instance of `costs` w, `[..., n]`; of the same shape, kind and device.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for no entries or an integer kind.
    pub fn forward(&self, costs: &Tensor, seed: u64) -> Result<Tensor> {
        length("the costs of the Gumbel-softmax", costs, 1)?;
        let noisy = Noise::Gumbel { temperature: 1.0 }.perturb(costs, seed)?;
        let soft = (noisy / -self.temperature).softmax(-1, None);
        if !self.hard {
            return Ok(soft);
        }
        let largest = soft.detach().argmax(-1, true);
        let one = soft.detach().zeros_like().scatter_value(-1, &largest, 1.0);
        // The difference is 0 exactly, so that the value is 0 or 1 exactly.
        Ok(one + (&soft - soft.detach()))
    }
}
