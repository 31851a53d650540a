use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use tch::nn::{self, Module};

use super::convolution::{glorot_convolution1d, glorot_linear};
use super::dropout;
use super::packed::Packed;
use crate::Result;

const CHANNELS: i64 = 100;
const DROPPED: f64 = 0.2;

/// Scores of the words of a text: how much each is worth to be selected.
///
/// On embeddings that stay as they are: convolution over words (100 channels, width 3), ReLU, which
/// gives A. The greatest of each channel of A over all words, a dense layer of 100, ReLU: what the
/// text is about. Two more such convolutions of A, each with ReLU: what the words around say. Both
/// beside each other for every word, 200 numbers; a fifth of them dropped in training; two dense
/// layers, of 100 with ReLU and of 1. Weights are Glorot-uniform, biases 0.
///
/// Convolutions see a 0 beyond both ends. Padding is a word like any other here: it takes part in
/// the greatest values, its neighbours see it, and it gets a score. All of the padding in front of a
/// text that is more than three words from its start and from the text gives the same numbers up
/// to the dropout, so that convolutions are computed for one such word only, with the very same result
/// as for all.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let embeddings = Tensor::eye(5, (Kind::Float, Device::Cpu));
/// let selector = WordSelector::new(&variables.root(), &embeddings, 1)?;
/// let tokens = Tensor::from_slice2(&[[0, 0, 3, 4], [3, 3, 4, 2]]).to_kind(Kind::Int);
/// let scores = selector.scores(&tokens, None)?;
/// assert_eq!(scores.size(), [2, 4]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Chen, Song, Wainwright, Jordan 2018, as in the published code of Niepert et al. 2021.
#[derive(Debug)]
pub struct WordSelector {
    embeddings: Tensor,
    first: nn::Conv1D,
    global: nn::Linear,
    local: [nn::Conv1D; 2],
    last: [nn::Linear; 2],
}

impl WordSelector {
    /// For the words whose `embeddings` are `[words, dimension]`, and which are no parameters. The
    /// same `seed` gives the same weights on every device.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) where the device has no room.
    pub fn new(path: &nn::Path<'_>, embeddings: &Tensor, seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (_, dimension) = embeddings.size2()?;
        Ok(Self {
            embeddings: embeddings.detach(),
            first: glorot_convolution1d(path / "first", [dimension, CHANNELS], &mut rng)?,
            global: glorot_linear(path / "global", [CHANNELS, CHANNELS], &mut rng)?,
            local: [
                glorot_convolution1d(path / "local0", [CHANNELS, CHANNELS], &mut rng)?,
                glorot_convolution1d(path / "local1", [CHANNELS, CHANNELS], &mut rng)?,
            ],
            last: [
                glorot_linear(path / "last0", [2 * CHANNELS, CHANNELS], &mut rng)?,
                glorot_linear(path / "last1", [CHANNELS, 1], &mut rng)?,
            ],
        })
    }

    /// Scores `[batch, length]`, high ones to be selected, of `tokens` `[batch, length]`, numbers of
    /// words of any integer kind. In training with the seed of a dropout.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for another shape or kind,
    /// [`Error::Parameter`](crate::Error::Parameter) for the number of no word.
    pub fn scores(&self, tokens: &Tensor, dropout_seed: Option<u64>) -> Result<Tensor> {
        let device = self.embeddings.device();
        let packed = Packed::of(tokens, self.embeddings.size2()?.0)?;
        let (batch, length) = tokens.size2()?;
        // Between two texts stands a column of zeros, again after every layer.
        let between = Tensor::f_from_slice(&packed.between)?.f_to_device(device)?;
        let words = Tensor::f_from_slice(&packed.words)?.f_to_device(device)?;
        let words = self.embeddings.f_index_select(0, &words)?.f_tr()?;
        let words = words.f_index_fill(1, &between, 0.0)?.f_unsqueeze(0)?;
        let layer = |convolution: &nn::Conv1D, input: &Tensor| -> Result<Tensor> {
            Ok(convolution.forward(input).f_relu()?.f_index_fill(2, &between, 0.0)?)
        };
        let first = layer(&self.first, &words)?;
        let texts = first.f_split_with_sizes(&packed.sizes[..], 2)?;
        // Between texts there are zeros, which no ReLU is below.
        let greatest: Vec<Tensor> =
            texts.iter().map(|text| Ok(text.f_max_dim(2, false)?.0)).collect::<Result<_>>()?;
        let global = self.global.forward(&Tensor::f_cat(&greatest, 0)?).f_relu()?;
        let local = layer(&self.local[1], &layer(&self.local[0], &first)?)?;
        let places = Tensor::f_from_slice(&packed.places)?.f_to_device(device)?;
        let local = local.f_squeeze_dim(0)?.f_tr()?.f_contiguous()?.f_index_select(0, &places)?;
        let global = global.f_unsqueeze(1)?.f_expand([batch, length, CHANNELS], false)?;
        let mut both = Tensor::f_cat(&[global, local.f_view([batch, length, CHANNELS])?], -1)?;
        if let Some(seed) = dropout_seed {
            both = dropout(&both, DROPPED, seed)?;
        }
        let hidden = self.last[0].forward(&both).f_relu()?;
        Ok(self.last[1].forward(&hidden).f_squeeze_dim(-1)?)
    }
}
