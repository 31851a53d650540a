//! Layers with seeded weights.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use tch::Tensor;
use tch::nn::{self, Module, ModuleT};

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

/// A convolution as ResNets initialise it: weights N(0, 2/(fan out)), a bias, if any, 0 (He et al. 2015).
fn normal_convolution(
    path: nn::Path<'_>,
    channels: [i64; 2],
    window: Window,
    bias: bool,
    rng: &mut ChaCha8Rng,
) -> Result<nn::Conv2D> {
    let mut layer = convolution(path, channels, window, bias);
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

/// A convolution and the batch norm after it, which scales by 1 at first.
#[derive(Debug)]
pub(super) struct Normed {
    convolution: nn::Conv2D,
    norm: nn::BatchNorm,
}

impl Normed {
    /// Without a bias, which the norm would take away.
    pub fn new(
        path: &nn::Path<'_>,
        names: [&str; 2],
        channels: [i64; 2],
        window: Window,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        Self::build(path, names, channels, window, false, rng)
    }

    /// With a bias, as in stored weights, whose norms remember means that include it.
    pub fn with_bias(
        path: &nn::Path<'_>,
        names: [&str; 2],
        channels: [i64; 2],
        window: Window,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        Self::build(path, names, channels, window, true, rng)
    }

    fn build(
        path: &nn::Path<'_>,
        [convolution, norm]: [&str; 2],
        channels: [i64; 2],
        window: Window,
        bias: bool,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let config =
            nn::BatchNormConfig { ws_init: nn::Init::Const(1.0), ..nn::BatchNormConfig::default() };
        Ok(Self {
            convolution: normal_convolution(path / convolution, channels, window, bias, rng)?,
            norm: nn::batch_norm2d(path / norm, channels[1], config),
        })
    }

    /// All tensors, under the names of the two parts.
    pub fn named(&self, convolution: &str, norm: &str) -> Vec<(String, Tensor)> {
        let nn::BatchNorm { ws, bs, running_mean, running_var, .. } = &self.norm;
        let mut named =
            vec![(format!("{convolution}.weight"), self.convolution.ws.shallow_clone())];
        if let Some(bias) = &self.convolution.bs {
            named.push((format!("{convolution}.bias"), bias.shallow_clone()));
        }
        let parts =
            [("weight", ws.as_ref()), ("bias", bs.as_ref()), ("running_mean", Some(running_mean))];
        let parts = parts.into_iter().chain([("running_var", Some(running_var))]);
        named.extend(parts.filter_map(|(part, tensor)| {
            Some((format!("{norm}.{part}"), tensor?.shallow_clone()))
        }));
        named
    }
}

impl ModuleT for Normed {
    fn forward_t(&self, input: &Tensor, train: bool) -> Tensor {
        self.norm.forward_t(&self.convolution.forward(input), train)
    }
}
