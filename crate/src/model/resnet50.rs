use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use tch::nn::{self, Module, ModuleT};

use super::convolution::{Normed, Window, uniform_linear};
use super::stored_weights;
use crate::{Error, Result};

// Blocks and inner channels of each stage.
const STAGES: [(usize, i64); 4] = [(3, 64), (4, 128), (6, 256), (3, 512)];
const EXPANSION: i64 = 4;

/// ResNet50, whose last dense layer, `fc`, gives as many numbers as you like: a class each, or an
/// embedding.
///
/// Variables have the names of torchvision's `state_dict`, so that its published weights fit
/// ([`load_weights`](Self::load_weights)); without them, convolutions are N(0, 2/(fan out)) by a seed.
/// Strides are in the 3 x 3 convolutions. Batch norms are *frozen*: they use the statistics they
/// remember in training, too, and never change them, while their scales and shifts are trained. (So
/// without pretrained weights this is a network without normalisation.)
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let network = ResNet50::new(&variables.root(), 512, 1)?;
/// let pictures = Tensor::zeros([1, 3, 64, 64], (Kind::Float, Device::Cpu));
/// let embeddings = tch::no_grad(|| network.forward(&pictures));
/// assert_eq!(embeddings.size(), [1, 512]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: He, Zhang, Ren, Sun 2016; names and strides as in torchvision; frozen norms as in the code of
/// Roth and Brattoli 2019 for metric learning.
#[derive(Debug)]
pub struct ResNet50 {
    stem: Normed,
    blocks: Vec<Bottleneck>,
    dense: nn::Linear,
}

#[derive(Debug)]
struct Bottleneck {
    name: String,
    convolutions: [Normed; 3],
    downsample: Option<Normed>,
}

impl ResNet50 {
    /// With `outputs` numbers in the end. The same `seed` gives the same weights on every device.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no outputs, [`Error::Torch`] where the device has no room.
    pub fn new(path: &nn::Path<'_>, outputs: usize, seed: u64) -> Result<Self> {
        if outputs == 0 {
            return Err(Error::parameter("the outputs of ResNet50", 0, "at least 1"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let window = Window { kernel: 7, stride: 2, padding: 3 };
        let stem = Normed::new(path, ["conv1", "bn1"], [3, 64], window, &mut rng)?;
        let (mut blocks, mut inputs) = (Vec::new(), 64);
        for (stage, (count, width)) in STAGES.into_iter().enumerate() {
            for block in 0..count {
                let name = format!("layer{}.{block}", stage + 1);
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let path = path / format!("layer{}", stage + 1) / block;
                blocks.push(Bottleneck::new(&path, name, [inputs, width], stride, &mut rng)?);
                inputs = EXPANSION * width;
            }
        }
        let dense = uniform_linear(path / "fc", [inputs, outputs as i64], &mut rng)?;
        Ok(Self { stem, blocks, dense })
    }

    /// Replaces all weights but those of `fc` by torchvision's, from a file of its `state_dict`:
    /// `.safetensors`, or `.pt`, `.pth` or `.bin` as PyTorch writes it since 1.6 (a zip archive).
    ///
    /// What else the file holds (`fc`, `num_batches_tracked`) is not read.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] for another format, a name that is
    /// missing or a tensor of another shape; no weight has changed then.
    pub fn load_weights(&mut self, file: &Path) -> Result<()> {
        stored_weights::replace(self.weights(), file, "resnet50")
    }

    /// The tensors that [`load_weights`](Self::load_weights) replaces, by their names in torchvision.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        let mut all = self.stem.named("conv1", "bn1");
        for Bottleneck { name, convolutions, downsample } in &self.blocks {
            for (index, layer) in (1..).zip(convolutions) {
                all.extend(
                    layer.named(&format!("{name}.conv{index}"), &format!("{name}.bn{index}")),
                );
            }
            if let Some(layer) = downsample {
                let [first, second] = [0, 1].map(|part| format!("{name}.downsample.{part}"));
                all.extend(layer.named(&first, &second));
            }
        }
        all
    }
}

impl Bottleneck {
    fn new(
        path: &nn::Path<'_>,
        name: String,
        [inputs, width]: [i64; 2],
        stride: i64,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let outputs = EXPANSION * width;
        let point = |stride| Window { kernel: 1, stride, padding: 0 };
        let middle = Window { kernel: 3, stride, padding: 1 };
        let convolutions = [
            Normed::new(path, ["conv1", "bn1"], [inputs, width], point(1), rng)?,
            Normed::new(path, ["conv2", "bn2"], [width, width], middle, rng)?,
            Normed::new(path, ["conv3", "bn3"], [width, outputs], point(1), rng)?,
        ];
        // The first block of a stage changes the size of what it is added to.
        let downsample = if inputs == outputs {
            None
        } else {
            let path = path / "downsample";
            Some(Normed::new(&path, ["0", "1"], [inputs, outputs], point(stride), rng)?)
        };
        Ok(Self { name, convolutions, downsample })
    }
}

impl Module for Bottleneck {
    fn forward(&self, input: &Tensor) -> Tensor {
        let [first, second, third] = &self.convolutions;
        let hidden = second.forward_t(&first.forward_t(input, false).relu(), false).relu();
        let change = third.forward_t(&hidden, false);
        match &self.downsample {
            None => (change + input).relu(),
            Some(downsample) => (change + downsample.forward_t(input, false)).relu(),
        }
    }
}

impl Module for ResNet50 {
    /// `[pictures, 3, height, width]` to `[pictures, outputs]`.
    fn forward(&self, pictures: &Tensor) -> Tensor {
        let stem = self.stem.forward_t(pictures, false).relu().max_pool2d(3, 2, 1, 1, false);
        let hidden = self.blocks.iter().fold(stem, |hidden, block| block.forward(&hidden));
        self.dense.forward(&hidden.adaptive_avg_pool2d([1, 1]).flatten(1, -1))
    }
}
