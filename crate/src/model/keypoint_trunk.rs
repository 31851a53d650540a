use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use tch::nn::{self, ModuleT};

use super::convolution::{Normed, Window};
use super::keypoint_features::{KeypointFeatures, KeypointTrunk, check_pictures};
use crate::Result;

const CHANNELS: [i64; 5] = [32, 64, 128, 128, 128];

/// A small trunk for pictures of about 64 x 64 pixels, learned from nothing.
///
/// Five times a convolution (3 x 3), batch norm and ReLU: 32 channels with stride 2, 64, 128, which are
/// `nodes` (steps of 4 pixels, each of 17 pixels around), 128, which are `edges` (8 pixels, of 37), and 128,
/// whose maxima are `global`; before the third and the fourth, maxima are pooled (2 x 2). Convolutions have no
/// bias and N(0, 2/(fan out)) weights.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let trunk = SmallTrunk::new(&variables.root(), 1)?;
/// let features = trunk.features(&Tensor::zeros([5, 3, 64, 64], (Kind::Float, Device::Cpu)), false)?;
/// assert_eq!(features.nodes.size(), [5, 128, 16, 16]);
/// assert_eq!(features.edges.size(), [5, 128, 8, 8]);
/// assert_eq!(features.global.size(), [5, 128]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Debug)]
pub struct SmallTrunk {
    blocks: Vec<Normed>,
}

impl SmallTrunk {
    /// The same `seed` gives the same weights on every device.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) where the device has no room.
    pub fn new(path: &nn::Path<'_>, seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut blocks, mut inputs) = (Vec::new(), 3);
        for (index, channels) in CHANNELS.into_iter().enumerate() {
            let stride = if index == 0 { 2 } else { 1 };
            let window = Window { kernel: 3, stride, padding: 1 };
            let (path, names) = (path / format!("block{index}"), ["convolution", "norm"]);
            blocks.push(Normed::new(&path, names, [inputs, channels], window, &mut rng)?);
            inputs = channels;
        }
        Ok(Self { blocks })
    }
}

impl KeypointTrunk for SmallTrunk {
    fn channels(&self) -> [i64; 3] {
        [CHANNELS[2], CHANNELS[3], CHANNELS[4]]
    }

    fn features(&self, pictures: &Tensor, train: bool) -> Result<KeypointFeatures> {
        check_pictures(pictures, 8)?;
        let run = |blocks: &[Normed], hidden: Tensor| -> Result<Tensor> {
            blocks
                .iter()
                .try_fold(hidden, |hidden, block| Ok(block.forward_t(&hidden, train).f_relu()?))
        };
        let pool = |map: &Tensor| map.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false);
        // The channels of a pixel beside each other in memory: a quarter less time than one after the other.
        let pictures = pictures.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?;
        let fine = run(&self.blocks[..2], pictures)?;
        let nodes = run(&self.blocks[2..3], pool(&fine)?)?;
        let edges = run(&self.blocks[3..4], pool(&nodes)?)?;
        let global = run(&self.blocks[4..], edges.shallow_clone())?;
        let global = global.f_amax([2i64, 3].as_slice(), false)?;
        Ok(KeypointFeatures { nodes, edges, global })
    }
}
