use tch::{Kind, Tensor};

use super::{check_k, length};
use crate::Result;
use crate::gradient::{Noise, check_positive};

/// The relaxed k-subset sample (SoftSub): the sum of k softmaxes, each of which leaves out what
/// those before it took.
///
/// With scores α¹ = −w + G, G ~ Gumbel(0, 1): pʲ = softmax(αʲ/t), αʲ⁺¹ = αʲ + log(1 − pʲ), and y =
/// Σⱼ pʲ. Σ y = k; as t → 0, y becomes the 0/1 vector of the k cheapest of w − G, a sample of a
/// k-subset without replacement. Entries can exceed 1 for large t. O(nk).
///
/// As published, 1 − p is kept at the smallest normal float32, 1.2e-38, or more, so that the
/// logarithm is finite. t is in units of costs; 0.5 is published for L2X.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let costs = Tensor::from_slice(&[0.0, 1.0, 2.0, 0.5]).set_requires_grad(true);
/// let y = RelaxedSubset::new(2, 0.5)?.forward(&costs, 7)?;
/// assert!((y.sum(Kind::Double).double_value(&[]) - 2.0).abs() < 1e-12);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Xie, Ermon 2019, algorithm 2, after Plötz, Roth 2018.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RelaxedSubset {
    k: usize,
    temperature: f64,
}

impl RelaxedSubset {
    /// Samples of `k` entries with temperature t = `temperature`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless k >= 1 and t is finite and > 0.
    pub fn new(k: usize, temperature: f64) -> Result<Self> {
        let temperature = check_positive("temperature of the relaxed subset", temperature)?;
        Ok(Self { k: check_k("k of the relaxed subset", k)?, temperature })
    }

    /// A sample for each instance of `costs` w, `[..., n]`; of the same shape, kind and device.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for fewer than k entries or an integer kind.
    pub fn forward(&self, costs: &Tensor, seed: u64) -> Result<Tensor> {
        length("the costs of the relaxed subset", costs, self.k)?;
        self.relax(&Noise::Gumbel { temperature: 1.0 }.perturb(costs, seed)?)
    }

    /// The same without noise, G = 0: a relaxed choice of the k cheapest.
    ///
    /// # Errors
    /// Those of [`forward`](Self::forward).
    pub fn relax(&self, costs: &Tensor) -> Result<Tensor> {
        length("the costs of the relaxed subset", costs, self.k)?;
        let mut scores = -costs;
        let mut share = (&scores / self.temperature).softmax(-1, None);
        let mut sum = share.shallow_clone();
        for _ in 1..self.k {
            scores = &scores + (-share + 1.0).clamp_min(smallest(costs.kind())).log();
            share = (&scores / self.temperature).softmax(-1, None);
            sum = &sum + &share;
        }
        Ok(sum)
    }
}

// Float16 has no 1.2e-38; its own smallest normal number stands in.
fn smallest(kind: Kind) -> f64 {
    if kind == Kind::Half { 2f64.powi(-14) } else { f32::MIN_POSITIVE.into() }
}
