//! What several tests of tensors need.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use tch::{Kind, Tensor};

pub const KINDS: [Kind; 2] = [Kind::Float, Kind::Double];

// Not libtorch's generator: it is shared by all tests, which run at the same time.
pub fn random(shape: &[i64], kind: Kind, seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product::<i64>();
    let values: Vec<f64> = (0..count).map(|_| rng.sample(StandardNormal)).collect();
    Tensor::from_slice(&values).view(shape).to_kind(kind)
}

/// The k smallest entries of each row, by libtorch.
pub fn smallest(costs: &Tensor, k: i64) -> Tensor {
    let (_, index) = costs.topk(k, -1, false, false);
    costs.zeros_like().scatter_value(-1, &index, 1.0)
}
