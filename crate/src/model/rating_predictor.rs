use tch::nn::{self, Module};
use tch::{Kind, Tensor};

use super::Mlp;
use crate::{Error, Result};

/// A rating from the words that are selected: (1/k) Σₜ maskₜ · embeddingₜ, a dense layer of 250 with
/// ReLU, and one number through a sigmoid.
///
/// Embeddings are no parameters. The sum is weighted as it is gathered, so that the embeddings of all words of
/// a batch are never in memory at once. Weights are Glorot-uniform, biases 0.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let embeddings = Tensor::eye(5, (Kind::Float, Device::Cpu));
/// let predictor = RatingPredictor::new(&variables.root(), &embeddings, 2, 1)?;
/// let tokens = Tensor::from_slice2(&[[0, 3, 4, 4]]).to_kind(Kind::Int);
/// let mask = Tensor::from_slice2(&[[0f32, 1.0, 0.0, 1.0]]);
/// let mean = predictor.mean_embedding(&tokens, &mask)?;
/// assert_eq!(Vec::<f32>::try_from(&mean.squeeze())?, [0.0, 0.0, 0.0, 0.5, 0.5]);
/// assert_eq!(predictor.ratings(&tokens, &mask)?.size(), [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: the published code of Niepert et al. 2021, after Chen et al. 2018.
#[derive(Debug)]
pub struct RatingPredictor {
    embeddings: Tensor,
    k: usize,
    layers: Mlp,
}

const HIDDEN: i64 = 250;

impl RatingPredictor {
    /// For `k` selected words whose `embeddings` are `[words, dimension]`. The same `seed` gives the
    /// same weights on every device.
    ///
    /// # Errors
    /// [`Error::Parameter`] for k = 0, [`Error::Torch`] where the device has no room.
    pub fn new(path: &nn::Path<'_>, embeddings: &Tensor, k: usize, seed: u64) -> Result<Self> {
        if k == 0 {
            return Err(Error::parameter("the number of selected words", k, "at least 1"));
        }
        let (_, dimension) = embeddings.size2()?;
        let layers = Mlp::new(path, &[dimension, HIDDEN, 1], seed)?;
        Ok(Self { embeddings: embeddings.detach(), k, layers })
    }

    /// (1/k) Σₜ maskₜ · embeddingₜ, `[batch, dimension]`, of `tokens` and `mask`, both
    /// `[batch, length]`; differentiable by the mask.
    ///
    /// # Errors
    /// [`Error::Shape`] unless both have the same shape and tokens are numbers of words, `i32` or
    /// `i64`; [`Error::Torch`] for the number of no word.
    pub fn mean_embedding(&self, tokens: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let integer = matches!(tokens.kind(), Kind::Int | Kind::Int64);
        if tokens.size() != mask.size() || tokens.dim() != 2 || !integer {
            return Err(Error::Shape {
                what: "the tokens and the mask of texts",
                got: format!("{:?} of {:?}, {:?}", tokens.size(), tokens.kind(), mask.size()),
                expected: "[batch, length] both, the tokens i32 or i64".into(),
            });
        }
        let (batch, length) = tokens.size2()?;
        let starts =
            Tensor::f_arange(batch, (tokens.kind(), tokens.device()))?.f_mul_scalar(length)?;
        let (sum, ..) = Tensor::f_internal_embedding_bag(
            &self.embeddings,
            &tokens.f_contiguous()?.f_view([-1])?,
            &starts,
            false,
            SUM,
            false,
            Some(&mask.f_contiguous()?.f_view([-1])?),
            false,
            -1,
        )?;
        Ok(sum.f_div_scalar(self.k as f64)?)
    }

    /// Ratings in \[0, 1\], `[batch]`.
    ///
    /// # Errors
    /// Those of [`mean_embedding`](Self::mean_embedding).
    pub fn ratings(&self, tokens: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let mean = self.mean_embedding(tokens, mask)?;
        Ok(self.layers.forward(&mean).f_sigmoid()?.f_squeeze_dim(-1)?)
    }
}

// The number that libtorch has for a sum.
const SUM: i64 = 0;
