use tch::nn::{self, Module};
use tch::{Device, Kind, Tensor};

use crate::gradient::replace_gradient;
use crate::{Error, Result};

/// x wᵀ + b for `[batch, in]`, on a CPU by oneDNN.
///
/// libtorch's product in float32 is MKL's, which takes processors that are not Intel's for older ones:
/// twice the time where there is AVX-512. Other kinds, shapes and devices go the usual way. No second
/// derivative where oneDNN is used.
pub(super) fn dense(layer: &nn::Linear, input: &Tensor) -> Tensor {
    let plain = |tensor: &Tensor| tensor.kind() == Kind::Float && tensor.device() == Device::Cpu;
    if !plain(input) || !plain(&layer.ws) || input.dim() != 2 || input.numel() == 0 {
        return layer.forward(input);
    }
    let output = by_one_dnn(&layer.ws, input).unwrap_or_else(|error| panic!("{error}"));
    match &layer.bs {
        Some(bias) => output + bias,
        None => output,
    }
}

fn by_one_dnn(weights: &Tensor, input: &Tensor) -> Result<Tensor> {
    let (w, x) = (weights.detach(), input.detach());
    let output = product(&x, &w)?;
    let zero = Tensor::zeros([1, 1], (Kind::Float, Device::Cpu)).f_expand_as(&output)?;
    // One node for each of the two: what comes in from behind goes to both.
    let by_weights = if weights.requires_grad() {
        let turned = transposed(&x)?;
        replace_gradient(weights, &output, move |gradient| {
            product(&transposed(&gradient)?, &turned)
        })?
    } else {
        output
    };
    if !input.requires_grad() {
        return Ok(by_weights);
    }
    let (size, version) = (x.size(), w.f_internal_version()?);
    let by_input = replace_gradient(input, &zero, move |gradient| {
        if w.f_internal_version()? != version {
            let (got, wanted) = ("changed after the forward pass", "as in it: step after backward");
            return Err(Error::parameter("the weights of a dense layer", got, wanted));
        }
        let gradient = gradient.f_to_mkldnn(None)?;
        Ok(Tensor::f_mkldnn_linear_backward_input(&size, &gradient, &w)?.f_to_dense(None, false)?)
    })?;
    Ok(by_weights.f_add(&by_input)?)
}

// a bᵀ for contiguous b.
fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let a = a.f_contiguous()?.f_to_mkldnn(None)?;
    Ok(a.f_mkldnn_linear::<Tensor>(&b.f_contiguous()?, None)?.f_to_dense(None, false)?)
}

fn transposed(matrix: &Tensor) -> Result<Tensor> {
    Ok(matrix.f_tr()?.f_contiguous()?)
}
