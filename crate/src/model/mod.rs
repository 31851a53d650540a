//! Encoders and decoders: plain structs on `tch::nn`.
//!
//! Weights come from the seed that a model is given, never from libtorch's own generator, from which
//! whatever runs beside draws, too.

use tch::{Kind, Tensor};

use crate::Result;

mod convolution;
mod embedding_network;
mod flag_network;
mod mlp;
mod resnet50;
mod resnet_trunk;

pub use embedding_network::EmbeddingNetwork;
pub use flag_network::FlagNetwork;
pub use mlp::Mlp;
pub use resnet_trunk::ResNetTrunk;
pub use resnet50::ResNet50;

/// Replaces the values of a parameter, which keeps its shape.
fn fill(parameter: &mut Tensor, mut draw: impl FnMut() -> f64) -> Result<()> {
    let values: Vec<f64> = (0..parameter.numel()).map(|_| draw()).collect();
    let values = Tensor::f_from_slice(&values)?.f_view_as(parameter)?;
    let _no_grad = tch::no_grad_guard();
    parameter.f_copy_(&values.f_to_kind(Kind::Float)?)?;
    Ok(())
}
