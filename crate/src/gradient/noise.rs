use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Gumbel, StandardNormal};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::check_positive;
use crate::{Error, Result};

/// The scale of the gamma variables in [`Noise::SumOfGamma`], on which text and code disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SumOfGammaScale {
    /// Scale k/i, as printed: the sum over k entries is close to a Gumbel variable. For
    /// k = τ = 10, s = 10 the standard deviation is 3.94.
    #[default]
    Paper,
    /// Scale i/k, as in the published notebooks of the discrete VAE, which pass k/i as a *rate*.
    /// For k = τ = 10, s = 10 the standard deviation is 0.62.
    Notebook,
}

/// Noise on costs, drawn independently for every entry.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let costs = Tensor::zeros([100, 4], (Kind::Float, Device::Cpu));
/// let noise = Noise::Gumbel { temperature: 1.0 };
/// let perturbed = noise.perturb(&costs, 7)?;
/// assert!(perturbed.equal(&noise.perturb(&costs, 7)?)); // the seed is all there is
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source of the sum of gammas: Niepert et al. 2021, sec. 3.2; of both scales, see
/// [`SumOfGammaScale`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Noise {
    /// No noise.
    #[default]
    None,
    /// τ·Gumbel(0, 1). With arg-min and k = 1 the solution is a sample of softmax(−w/τ).
    Gumbel {
        /// Temperature τ, in units of costs.
        temperature: f64,
    },
    /// N(0, σ²).
    Gaussian {
        /// Standard deviation σ, in units of costs.
        sigma: f64,
    },
    /// (τ/k)·(Σ_{i=1..s} Gamma(shape 1/k, scale) − ln s); the sum of k of them ~ Gumbel(0, τ).
    SumOfGamma {
        /// Number of entries chosen, k.
        k: usize,
        /// Temperature τ, in units of costs.
        temperature: f64,
        /// Number of terms s; 10 in all published experiments.
        terms: usize,
        /// Which of the two published scales.
        scale: SumOfGammaScale,
    },
}

impl Noise {
    /// `costs` − ε: what is added to scores θ = −w is subtracted from costs.
    ///
    /// The same `seed` gives the same noise on every device and with any number of threads.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a parameter outside its domain, or an integer kind.
    pub fn perturb(&self, costs: &Tensor, seed: u64) -> Result<Tensor> {
        match self {
            Self::None => Ok(costs.shallow_clone()),
            _ => Ok(costs - self.sample(&costs.size(), costs.kind(), costs.device(), seed)?),
        }
    }

    /// ε of the given shape.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a parameter outside its domain, a negative size or an integer kind.
    pub fn sample(&self, shape: &[i64], kind: Kind, device: Device, seed: u64) -> Result<Tensor> {
        let mut sizes = shape.iter().map(|&size| usize::try_from(size).ok());
        let count = sizes.try_fold(1usize, |count, size| count.checked_mul(size?));
        let count = count.ok_or_else(|| {
            Error::parameter("the shape of the noise", format!("{shape:?}"), ">= 0")
        })?;
        super::check_floating("the kind of the noise", kind)?;
        let values = match *self {
            Self::None => vec![0.0; count],
            Self::Gumbel { temperature } => {
                let scale = check_positive("temperature of Gumbel noise", temperature)?;
                let gumbel = Gumbel::new(0.0, scale)
                    .map_err(|error| Error::parameter("Gumbel noise", scale, error.to_string()))?;
                fill(count, seed, |rng| gumbel.sample(rng))
            }
            Self::Gaussian { sigma } => {
                let sigma = check_positive("sigma of Gaussian noise", sigma)?;
                fill(count, seed, |rng| sigma * rng.sample::<f64, _>(StandardNormal))
            }
            Self::SumOfGamma { k, temperature, terms, scale } => {
                sum_of_gamma(k, temperature, terms, scale, count, seed)?
            }
        };
        Ok(Tensor::from_slice(&values).view(shape).to_kind(kind).to_device(device))
    }
}

fn sum_of_gamma(
    k: usize,
    temperature: f64,
    terms: usize,
    scale: SumOfGammaScale,
    count: usize,
    seed: u64,
) -> Result<Vec<f64>> {
    check_positive("temperature of sum-of-gamma noise", temperature)?;
    if k == 0 || terms == 0 {
        let got = format!("k = {k}, terms = {terms}");
        return Err(Error::parameter("sum-of-gamma noise", got, "k >= 1 and terms >= 1"));
    }
    let k = k as f64;
    let unit = Gamma::new(1.0 / k, 1.0)
        .map_err(|error| Error::parameter("sum-of-gamma noise", k, error.to_string()))?;
    // A gamma variable of scale c is c times one of scale 1.
    let scales: Vec<f64> = (1..=terms)
        .map(|i| match scale {
            SumOfGammaScale::Paper => k / i as f64,
            SumOfGammaScale::Notebook => i as f64 / k,
        })
        .collect();
    let shift = (terms as f64).ln();
    Ok(fill(count, seed, |rng| {
        let sum: f64 = scales.iter().map(|scale| scale * unit.sample(rng)).sum();
        temperature / k * (sum - shift)
    }))
}

// Every block has its own stream of the generator: the values do not depend on who draws them.
pub(super) fn fill(
    count: usize,
    seed: u64,
    draw: impl Fn(&mut ChaCha8Rng) -> f64 + Sync,
) -> Vec<f64> {
    const BLOCK: usize = 1024;
    let mut values = vec![0.0; count];
    values.par_chunks_mut(BLOCK).enumerate().for_each(|(stream, block)| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream as u64);
        block.iter_mut().for_each(|value| *value = draw(&mut rng));
    });
    values
}

/// A seed for one purpose, derived from others: equal inputs give equal seeds, different inputs
/// unrelated ones.
pub fn derive_seed(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |state: u64, &part| {
        let mut rng = ChaCha8Rng::seed_from_u64(state ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        rng.next_u64()
    })
}
