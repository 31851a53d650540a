use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use tch::nn::{self, Module};

use super::fill;
use crate::{Error, Result};

/// A multi-layer perceptron with ReLU between its layers and none after the last.
///
/// Weights are Glorot-uniform, U(−a, a) with a = √(6/(fan in + fan out)), and biases zero (Glorot
/// and Bengio 2010), as Keras initialises dense layers.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let encoder = Mlp::new(&(variables.root() / "encoder"), &[784, 64, 10], 1)?;
/// let scores = encoder.forward(&Tensor::zeros([5, 784], (Kind::Float, Device::Cpu)));
/// assert_eq!(scores.size(), [5, 10]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Debug)]
pub struct Mlp {
    layers: Vec<nn::Linear>,
}

impl Mlp {
    /// Layers of the given widths, input and output included: `&[784, 512, 256, 400]` has three.
    /// The same `seed` gives the same weights on every device.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two widths or a width below 1, [`Error::Torch`] where the
    /// device has no room.
    pub fn new(path: &nn::Path<'_>, widths: &[i64], seed: u64) -> Result<Self> {
        if widths.len() < 2 || widths.iter().any(|&width| width < 1) {
            let got = format!("{widths:?}");
            return Err(Error::parameter("the widths of an MLP", got, "two or more numbers >= 1"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(index, pair)| {
                let zero = nn::Init::Const(0.0);
                let config = nn::LinearConfig { ws_init: zero, bs_init: Some(zero), bias: true };
                let mut layer = nn::linear(path / index as i64, pair[0], pair[1], config);
                let bound = (6.0 / (pair[0] + pair[1]) as f64).sqrt();
                fill(&mut layer.ws, || rng.random_range(-bound..=bound))?;
                Ok(layer)
            })
            .collect::<Result<_>>()?;
        Ok(Self { layers })
    }
}

impl Module for Mlp {
    /// `[batch, first width]` to `[batch, last width]`.
    fn forward(&self, input: &Tensor) -> Tensor {
        let (first, rest) = self.layers.split_at(1);
        rest.iter().fold(first[0].forward(input), |hidden, layer| layer.forward(&hidden.relu()))
    }
}
