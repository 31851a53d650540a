use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use tch::nn::{self, ModuleT};

use super::convolution::{Normed, Window};
use crate::{Error, Result};

const CHANNELS: i64 = 64;

/// The first stage of ResNet18, from a picture to k x k numbers, one for each tile of a map.
///
/// Convolution (64 channels, 7 x 7, stride 2), batch norm, ReLU, pooling of maxima (3 x 3, stride 2),
/// two residual blocks of two 3 x 3 convolutions with batch norm, pooling of maxima to k x k, mean
/// over the channels. Not pretrained: convolutions have no bias and N(0, 2/(fan out)) weights, batch
/// norms scale by 1. Numbers are any: make costs of them, by softplus for instance.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let network = ResNetTrunk::new(&variables.root(), 12, 1)?;
/// let maps = Tensor::zeros([2, 3, 96, 96], (Kind::Float, Device::Cpu));
/// assert_eq!(network.forward_t(&maps, false).size(), [2, 12, 12]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: He, Zhang, Ren, Sun 2016 (ResNet18); cut and pooled as `CombResnet18` in the code of
/// Vlastelica et al. 2020.
#[derive(Debug)]
pub struct ResNetTrunk {
    k: i64,
    stem: Normed,
    blocks: [[Normed; 2]; 2],
}

impl ResNetTrunk {
    /// For `k` x `k` tiles. The same `seed` gives the same weights on every device.
    ///
    /// # Errors
    /// [`Error::Parameter`] for k = 0, [`Error::Torch`] where the device has no room.
    pub fn new(path: &nn::Path<'_>, k: usize, seed: u64) -> Result<Self> {
        if k == 0 {
            return Err(Error::parameter("the number of tiles along a side", k, "at least 1"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stem = Window { kernel: 7, stride: 2, padding: 3 };
        let names = ["convolution", "norm"];
        let stem = Normed::new(&(path / "stem"), names, [3, CHANNELS], stem, &mut rng)?;
        let mut layer = |name: &str| {
            let window = Window { kernel: 3, stride: 1, padding: 1 };
            Normed::new(&(path / name), names, [CHANNELS, CHANNELS], window, &mut rng)
        };
        let blocks =
            [[layer("block0_0")?, layer("block0_1")?], [layer("block1_0")?, layer("block1_1")?]];
        Ok(Self { k: k as i64, stem, blocks })
    }
}

impl ModuleT for ResNetTrunk {
    /// `[maps, 3, height, width]` to `[maps, k, k]`. In training, batch norms use the statistics of
    /// the batch and remember them; else they use what they remember.
    fn forward_t(&self, maps: &Tensor, train: bool) -> Tensor {
        let stem = self.stem.forward_t(maps, train).relu();
        let mut hidden = stem.max_pool2d(3, 2, 1, 1, false);
        for [first, second] in &self.blocks {
            let change = second.forward_t(&first.forward_t(&hidden, train).relu(), train);
            hidden = (hidden + change).relu();
        }
        let (pooled, _) = hidden.adaptive_max_pool2d([self.k, self.k]);
        pooled.mean_dim([1i64].as_slice(), false, None)
    }
}
