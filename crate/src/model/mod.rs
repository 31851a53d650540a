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
mod keypoint_features;
mod keypoint_graph;
mod keypoint_trunk;
mod matching_network;
mod mlp;
mod packed;
mod rating_predictor;
mod resnet50;
mod resnet_trunk;
mod spline_convolution;
mod stored_weights;
mod vgg16;
mod word_selector;

pub use dropout::dropout;
pub use embedding_network::EmbeddingNetwork;
pub use flag_network::FlagNetwork;
pub use keypoint_features::{KeypointFeatures, KeypointTrunk, sample_bilinear};
pub use keypoint_graph::{KeypointGraph, delaunay};
pub use keypoint_trunk::SmallTrunk;
pub use matching_network::{MatchingCosts, MatchingNetwork};
pub use mlp::Mlp;
pub use rating_predictor::RatingPredictor;
pub use resnet_trunk::ResNetTrunk;
pub use resnet50::ResNet50;
pub use spline_convolution::{SplineConvolution, SplineGraph};
pub use vgg16::Vgg16;
pub use word_selector::WordSelector;

/// Replaces the values of a parameter, which keeps its shape.
fn fill(parameter: &mut Tensor, mut draw: impl FnMut() -> f64) -> Result<()> {
    let values: Vec<f64> = (0..parameter.numel()).map(|_| draw()).collect();
    let values = Tensor::f_from_slice(&values)?.f_view_as(parameter)?;
    let _no_grad = tch::no_grad_guard();
    parameter.f_copy_(&values.f_to_kind(Kind::Float)?)?;
    Ok(())
}
