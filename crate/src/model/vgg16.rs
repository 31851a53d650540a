use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use tch::nn::{self, ModuleT};

use super::convolution::{Normed, Window};
use super::keypoint_features::{KeypointFeatures, KeypointTrunk, check_pictures};
use super::stored_weights;
use crate::Result;

// Convolutions of each block and their channels; after each block maxima are pooled, 2 x 2.
const BLOCKS: [(usize, i64); 5] = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)];
// Convolutions up to relu4_2 and relu5_1.
const NODES: usize = 9;
const EDGES: usize = 11;

/// The convolutions of VGG16 with batch norm, for keypoints: `nodes` are the output of `relu4_2` (512
/// channels, steps of 8 pixels), `edges` that of `relu5_1` (512, 16 pixels), `global` the maxima of the last
/// map (512).
///
/// Variables have the names of torchvision's `state_dict`, so that its published weights fit
/// ([`load_weights`](Self::load_weights)); without them, convolutions are N(0, 2/(fan out)) by a seed, with
/// bias 0. Pictures are 32 x 32 pixels or more, in the mean and deviation of ImageNet.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let network = Vgg16::new(&variables.root(), 1)?;
/// let pictures = Tensor::zeros([1, 3, 64, 64], (Kind::Float, Device::Cpu));
/// let features = tch::no_grad(|| network.features(&pictures, false))?;
/// assert_eq!(features.nodes.size(), [1, 512, 8, 8]);
/// assert_eq!(features.edges.size(), [1, 512, 4, 4]);
/// assert_eq!(features.global.size(), [1, 512]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Simonyan, Zisserman 2015; names as in torchvision's `vgg16_bn`; maps as in the code of Rolínek et
/// al. 2020 (ECCV).
#[derive(Debug)]
pub struct Vgg16 {
    /// Each with its number in torchvision's list of layers, and whether maxima are pooled after it.
    layers: Vec<(usize, Normed, bool)>,
}

impl Vgg16 {
    /// The same `seed` gives the same weights on every device.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) where the device has no room.
    pub fn new(path: &nn::Path<'_>, seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let path = path / "features";
        let window = Window { kernel: 3, stride: 1, padding: 1 };
        let (mut layers, mut number, mut inputs) = (Vec::new(), 0, 3);
        for (count, channels) in BLOCKS {
            for index in 1..=count {
                let names = [number, number + 1].map(|layer| layer.to_string());
                let names = names.each_ref().map(String::as_str);
                let layer = Normed::with_bias(&path, names, [inputs, channels], window, &mut rng)?;
                layers.push((number, layer, index == count));
                // Convolution, norm and ReLU.
                number += 3;
                inputs = channels;
            }
            number += 1;
        }
        Ok(Self { layers })
    }

    /// Replaces all weights by torchvision's, from a file of the `state_dict` of `vgg16_bn`: `.safetensors`, or
    /// `.pt`, `.pth` or `.bin` as PyTorch writes it since 1.6 (a zip archive).
    ///
    /// What else the file holds (`classifier`, `num_batches_tracked`) is not read.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where the file cannot be read, [`Error::File`](crate::Error::File) for
    /// another format, a name that is missing or a tensor of another shape; no weight has changed then.
    pub fn load_weights(&mut self, file: &Path) -> Result<()> {
        stored_weights::replace(self.weights(), file, "vgg16_bn")
    }

    /// The tensors that [`load_weights`](Self::load_weights) replaces, by their names in torchvision.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        let named = self.layers.iter().flat_map(|(number, layer, _)| {
            layer.named(&format!("features.{number}"), &format!("features.{}", number + 1))
        });
        named.collect()
    }
}

impl KeypointTrunk for Vgg16 {
    fn channels(&self) -> [i64; 3] {
        [512; 3]
    }

    fn features(&self, pictures: &Tensor, train: bool) -> Result<KeypointFeatures> {
        check_pictures(pictures, 32)?;
        let run = |input: &Tensor, from: usize, to: usize| -> Result<Tensor> {
            let mut hidden = input.shallow_clone();
            for (index, (_, layer, _)) in self.layers.iter().enumerate().take(to).skip(from) {
                // Pooled before the next block, as maps end with a ReLU.
                if index > 0 && self.layers[index - 1].2 {
                    hidden = hidden.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?;
                }
                hidden = layer.forward_t(&hidden, train).f_relu()?;
            }
            Ok(hidden)
        };
        let nodes = run(pictures, 0, NODES)?;
        let edges = run(&nodes, NODES, EDGES)?;
        let last = run(&edges, EDGES, self.layers.len())?;
        let last = last.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?;
        let global = last.f_amax([2i64, 3].as_slice(), false)?;
        Ok(KeypointFeatures { nodes, edges, global })
    }
}
