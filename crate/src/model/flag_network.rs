use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use tch::nn::{self, Module};

use super::convolution::{Window, uniform_convolution, uniform_linear};
use crate::Result;

/// From flags to points on the unit sphere.
///
/// Convolution (20 channels, 4 x 4, stride 2), ReLU, pooling of maxima (2 x 2), convolution (50
/// channels, 4 x 4, stride 2), ReLU, mean pooling to 4 x 4, dense layer of 500, ReLU, three numbers
/// x, and x/‖x‖. Weights and biases are U(−a, a) with a = 1/√(fan in), as PyTorch initialises both
/// kinds of layer.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let network = FlagNetwork::new(&variables.root(), 1)?;
/// let points = network.forward(&Tensor::zeros([7, 3, 20, 40], (Kind::Float, Device::Cpu)));
/// assert_eq!(points.size(), [7, 3]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Sahoo et al. 2023, B.4; pooling and activations as in the code of Vlastelica et al. 2020.
#[derive(Debug)]
pub struct FlagNetwork {
    convolutions: [nn::Conv2D; 2],
    dense: [nn::Linear; 2],
}

impl FlagNetwork {
    /// The same `seed` gives the same weights on every device.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) where the device has no room.
    pub fn new(path: &nn::Path<'_>, seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let window = Window { kernel: 4, stride: 2, padding: 0 };
        let convolutions = [
            uniform_convolution(path / "convolution0", [3, 20], window, &mut rng)?,
            uniform_convolution(path / "convolution1", [20, 50], window, &mut rng)?,
        ];
        let dense = [
            uniform_linear(path / "dense0", [50 * 4 * 4, 500], &mut rng)?,
            uniform_linear(path / "dense1", [500, 3], &mut rng)?,
        ];
        Ok(Self { convolutions, dense })
    }
}

impl Module for FlagNetwork {
    /// `[flags, 3, 20, 40]` to `[flags, 3]`.
    fn forward(&self, flags: &Tensor) -> Tensor {
        let [first, second] = &self.convolutions;
        let pooled = first.forward(flags).relu().max_pool2d(2, 2, 0, 1, false);
        let features = second.forward(&pooled).relu().adaptive_avg_pool2d([4, 4]).flatten(1, -1);
        let points = self.dense[1].forward(&self.dense[0].forward(&features).relu());
        let norm = points.norm_scalaropt_dim(2.0, [-1i64], true);
        points / norm
    }
}
