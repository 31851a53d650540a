//! Synthetic problems of predicting costs from features by a map that a linear model cannot represent.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, Uniform};
use tch::Tensor;

use crate::{Error, Result};

/// Features x and costs c that depend on them by a polynomial:
///
/// ```math
/// c_j = \frac{\big(\langle B_j, x \rangle / \sqrt p + 3\big)^{\text{degree}} + 1}{3.5^{\text{degree}}} \; \varepsilon_j
/// ```
///
/// with p features x ~ N(0, I), one random 0/1 matrix B per `map`, and ε uniform in 1 ± `noise`. Costs are
/// positive for even degrees, and around 1. For degree 1 a linear model is right, and wrong the more
/// the higher the degree.
///
/// ```
/// use solvergrad::data::PolynomialCosts;
///
/// let problem = PolynomialCosts { features: 5, dimension: 40, degree: 4, noise: 0.5, map: 1 };
/// let (features, costs) = problem.generate(100, 7)?;
/// assert_eq!((features.size(), costs.size()), (vec![100, 5], vec![100, 40]));
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Elmachtoub, Grigas 2022, sec. 6.1; divided by 3.5^degree as in PyEPO.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolynomialCosts {
    /// Number of features p.
    pub features: usize,
    /// Number of costs.
    pub dimension: usize,
    /// Degree of the polynomial.
    pub degree: u8,
    /// Half width of the multiplicative noise, in \[0, 1).
    pub noise: f64,
    /// Seed of B: training and test sets share it.
    pub map: u64,
}

impl PolynomialCosts {
    /// `count` instances: features `[count, p]` and costs `[count, dimension]`, float32.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no features, costs, instances or degree, or a noise outside \[0, 1).
    pub fn generate(&self, count: usize, seed: u64) -> Result<(Tensor, Tensor)> {
        let Self { features, dimension, degree, noise, map } = *self;
        for (what, value) in [
            ("the number of features", features),
            ("the number of costs", dimension),
            ("the number of instances", count),
            ("the degree", degree.into()),
        ] {
            if value == 0 {
                return Err(Error::parameter(what, value, "at least 1"));
            }
        }
        if !(0.0..1.0).contains(&noise) {
            return Err(Error::parameter("the noise of the costs", noise, "in [0, 1)"));
        }
        let spread = Uniform::new_inclusive(1.0 - noise, 1.0 + noise).map_err(|error| {
            Error::parameter("the noise of the costs", noise, error.to_string())
        })?;
        let mut rng = ChaCha8Rng::seed_from_u64(map);
        let weights: Vec<bool> = (0..dimension * features).map(|_| rng.random()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut all, mut costs) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let x: Vec<f64> = (0..features).map(|_| StandardNormal.sample(&mut rng)).collect();
            for row in weights.chunks(features) {
                let sum: f64 = row.iter().zip(&x).filter(|(on, _)| **on).map(|(_, x)| x).sum();
                let base = sum / (features as f64).sqrt() + 3.0;
                let power = (base.powi(degree.into()) + 1.0) / 3.5f64.powi(degree.into());
                costs.push((power * spread.sample(&mut rng)) as f32);
            }
            all.extend(x.iter().map(|&x| x as f32));
        }
        let (count, features, dimension) = (count as i64, features as i64, dimension as i64);
        let features = Tensor::from_slice(&all).view([count, features]);
        Ok((features, Tensor::from_slice(&costs).view([count, dimension])))
    }
}
