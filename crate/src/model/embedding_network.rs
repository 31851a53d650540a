use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use tch::nn::{self, Module, ModuleT};

use super::convolution::{Normed, Window, uniform_linear};
use crate::{Error, Result};

const CHANNELS: [i64; 5] = [3, 32, 64, 128, 128];

/// A small network from pictures of about 32 x 32 pixels to vectors.
///
/// Four times a convolution (3 x 3; 32, 64, 128 and 128 channels), batch norm, ReLU and pooling of
/// maxima (2 x 2); then mean pooling to 2 x 2 and a dense layer, `fc`. Not pretrained: convolutions have
/// no bias and N(0, 2/(fan out)) weights, the dense layer U(−a, a) with a = 1/√(fan in).
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let network = EmbeddingNetwork::new(&variables.root(), 64, 1)?;
/// let pictures = Tensor::zeros([5, 3, 32, 32], (Kind::Float, Device::Cpu));
/// assert_eq!(network.forward_t(&pictures, false).size(), [5, 64]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Debug)]
pub struct EmbeddingNetwork {
    blocks: Vec<Normed>,
    dense: nn::Linear,
}

impl EmbeddingNetwork {
    /// For vectors of `dimension` numbers. The same `seed` gives the same weights on every device.
    ///
    /// # Errors
    /// [`Error::Parameter`] for dimension 0, [`Error::Torch`] where the device has no room.
    pub fn new(path: &nn::Path<'_>, dimension: usize, seed: u64) -> Result<Self> {
        if dimension == 0 {
            return Err(Error::parameter("the dimension of the embedding", 0, "at least 1"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let window = Window { kernel: 3, stride: 1, padding: 1 };
        let mut blocks = Vec::new();
        for (index, channels) in CHANNELS.windows(2).enumerate() {
            let path = path / format!("block{index}");
            let names = ["convolution", "norm"];
            blocks.push(Normed::new(&path, names, [channels[0], channels[1]], window, &mut rng)?);
        }
        let dense = [4 * CHANNELS[4], dimension as i64];
        Ok(Self { blocks, dense: uniform_linear(path / "fc", dense, &mut rng)? })
    }
}

impl ModuleT for EmbeddingNetwork {
    /// `[pictures, 3, height, width]` to `[pictures, dimension]`, for pictures of 16 x 16 pixels or
    /// more. In training, batch norms use the statistics of the batch and remember them; else they use
    /// what they remember.
    fn forward_t(&self, pictures: &Tensor, train: bool) -> Tensor {
        let hidden = self.blocks.iter().fold(pictures.shallow_clone(), |hidden, block| {
            block.forward_t(&hidden, train).relu().max_pool2d(2, 2, 0, 1, false)
        });
        self.dense.forward(&hidden.adaptive_avg_pool2d([2, 2]).flatten(1, -1))
    }
}
