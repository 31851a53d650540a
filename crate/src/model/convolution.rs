//! Layers with seeded weights.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use tch::nn;

use super::fill;
use crate::{Error, Result};

const ZERO: nn::Init = nn::Init::Const(0.0);

/// Side of a square kernel, stride and padding, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub kernel: i64,
    pub stride: i64,
    pub padding: i64,
}

fn convolution(
    path: nn::Path<'_>,
    [inputs, outputs]: [i64; 2],
    window: Window,
    bias: bool,
) -> nn::Conv2D {
    let config = nn::ConvConfig {
        stride: window.stride,
        padding: window.padding,
        bias,
        ws_init: ZERO,
        bs_init: ZERO,
        ..nn::ConvConfig::default()
    };
    nn::conv2d(path, inputs, outputs, window.kernel, config)
}

/// A convolution as PyTorch initialises it: weights and biases U(−a, a), a = 1/√(fan in).
pub(super) fn uniform_convolution(
    path: nn::Path<'_>,
    channels: [i64; 2],
    window: Window,
    rng: &mut ChaCha8Rng,
) -> Result<nn::Conv2D> {
    let mut layer = convolution(path, channels, window, true);
    let bound = 1.0 / ((channels[0] * window.kernel * window.kernel) as f64).sqrt();
    fill(&mut layer.ws, || rng.random_range(-bound..=bound))?;
    if let Some(bias) = &mut layer.bs {
        fill(bias, || rng.random_range(-bound..=bound))?;
    }
    Ok(layer)
}

/// The same for a dense layer.
pub(super) fn uniform_linear(
    path: nn::Path<'_>,
    [inputs, outputs]: [i64; 2],
    rng: &mut ChaCha8Rng,
) -> Result<nn::Linear> {
    let config = nn::LinearConfig { ws_init: ZERO, bs_init: Some(ZERO), bias: true };
    let mut layer = nn::linear(path, inputs, outputs, config);
    let bound = 1.0 / (inputs as f64).sqrt();
    fill(&mut layer.ws, || rng.random_range(-bound..=bound))?;
    if let Some(bias) = &mut layer.bs {
        fill(bias, || rng.random_range(-bound..=bound))?;
    }
    Ok(layer)
}

/// A convolution without bias as ResNets initialise it: weights N(0, 2/(fan out)) (He et al. 2015).
pub(super) fn normal_convolution(
    path: nn::Path<'_>,
    channels: [i64; 2],
    window: Window,
    rng: &mut ChaCha8Rng,
) -> Result<nn::Conv2D> {
    let mut layer = convolution(path, channels, window, false);
    let deviation = (2.0 / (channels[1] * window.kernel * window.kernel) as f64).sqrt();
    let normal = Normal::new(0.0, deviation)
        .map_err(|error| Error::parameter("the weights", deviation, error.to_string()))?;
    fill(&mut layer.ws, || normal.sample(rng))?;
    Ok(layer)
}

/// A convolution over words, of width 3 with a 0 beyond both ends, as Keras initialises it: weights
/// U(−a, a) with a = √(6/(fan in + fan out)), biases 0 (Glorot and Bengio 2010).
pub(super) fn glorot_convolution1d(
    path: nn::Path<'_>,
    [inputs, outputs]: [i64; 2],
    rng: &mut ChaCha8Rng,
) -> Result<nn::Conv1D> {
    let width = 3;
    let config =
        nn::ConvConfig { padding: 1, ws_init: ZERO, bs_init: ZERO, ..nn::ConvConfig::default() };
    let mut layer = nn::conv1d(path, inputs, outputs, width, config);
    let bound = (6.0 / (width * (inputs + outputs)) as f64).sqrt();
    fill(&mut layer.ws, || rng.random_range(-bound..=bound))?;
    Ok(layer)
}

/// The same for a dense layer.
pub(super) fn glorot_linear(
    path: nn::Path<'_>,
    [inputs, outputs]: [i64; 2],
    rng: &mut ChaCha8Rng,
) -> Result<nn::Linear> {
    let config = nn::LinearConfig { ws_init: ZERO, bs_init: Some(ZERO), bias: true };
    let mut layer = nn::linear(path, inputs, outputs, config);
    let bound = (6.0 / (inputs + outputs) as f64).sqrt();
    fill(&mut layer.ws, || rng.random_range(-bound..=bound))?;
    Ok(layer)
}
