//! Encoders and decoders: plain structs on `tch::nn`.
//!
//! Weights come from the seed that a model is given, never from libtorch's own generator, from which
//! whatever runs beside draws, too.

use tch::{Kind, Tensor};

use crate::Result;

mod convolution;
mod dropout;
mod embedding_network;
mod flag_network;
mod mlp;
mod packed;
mod rating_predictor;
mod resnet50;
mod resnet_trunk;
mod word_selector;

pub use dropout::dropout;
pub use embedding_network::EmbeddingNetwork;
pub use flag_network::FlagNetwork;
pub use mlp::Mlp;
pub use rating_predictor::RatingPredictor;
pub use resnet_trunk::ResNetTrunk;
pub use resnet50::ResNet50;
pub use word_selector::WordSelector;

/// Replaces the values of a parameter, which keeps its shape.
fn fill(parameter: &mut Tensor, mut draw: impl FnMut() -> f64) -> Result<()> {
    let values: Vec<f64> = (0..parameter.numel()).map(|_| draw()).collect();
    let values = Tensor::f_from_slice(&values)?.f_view_as(parameter)?;
    let _no_grad = tch::no_grad_guard();
    parameter.f_copy_(&values.f_to_kind(Kind::Float)?)?;
    Ok(())
}
