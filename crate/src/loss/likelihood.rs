use tch::{Device, Kind, Reduction, Tensor};

use crate::device::settle_mathematics;
use crate::gradient::replace_gradient;
use crate::{Error, Result};

/// Mean over the batch of −Σ_j log Bernoulli(x_j | sigmoid(`logits`_j)), in nats.
///
/// `logits` and `target` are `[batch, ...]` of equal shape, `target` in [0, 1]. For grey values
/// (not binarised) this is the cross-entropy, whose minimum is the entropy of the grey values.
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or are empty, [`Error::Torch`] for integers.
///
/// ```
/// use solvergrad::prelude::*;
///
/// // Undecided about two pixels: 2 ln 2 nats, whatever they are.
/// let loss = bernoulli_negative_log_likelihood(
///     &Tensor::zeros([1, 2], (Kind::Double, Device::Cpu)),
///     &Tensor::from_slice(&[0.0, 1.0]).view([1, 2]),
/// )?;
/// assert!((loss.double_value(&[]) - 2.0 * 2f64.ln()).abs() < 1e-12);
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn bernoulli_negative_log_likelihood(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    if logits.size() != target.size() || logits.dim() == 0 || logits.numel() == 0 {
        return Err(Error::Shape {
            what: "the target of the likelihood",
            got: format!("{:?}", target.size()),
            expected: format!("{:?}, as the logits, [batch, ...], not empty", logits.size()),
        });
    }
    let batch = logits.size()[0] as f64;
    let floating = matches!(logits.kind(), Kind::Float | Kind::Double);
    if logits.device() == Device::Cpu
        && target.device() == Device::Cpu
        && floating
        && logits.kind() == target.kind()
        && !target.requires_grad()
    {
        return likelihood_on_cpu(logits, target, batch);
    }
    let sum =
        logits.f_binary_cross_entropy_with_logits::<Tensor>(target, None, None, Reduction::Sum)?;
    Ok(sum / batch)
}

// The same as max(z, 0) − zx + log(1 + e^−|z|). libtorch's log1p takes a CPU ten times as long as exp
// and log, a tenth of a training step of the discrete VAE; log(1 + e) is off by a rounding of 1 at most.
fn likelihood_on_cpu(logits: &Tensor, target: &Tensor, batch: f64) -> Result<Tensor> {
    settle_mathematics();
    let z = logits.detach();
    let rest = z.f_abs()?.f_neg_()?.f_exp_()?.f_add_scalar_(1.0)?.f_log_()?;
    let terms = z.f_relu()?.f_addcmul_(&z, &target.f_mul_scalar(-1.0)?)?.f_add_(&rest)?;
    let value = terms.f_sum(logits.kind())? / batch;
    if !logits.requires_grad() {
        return Ok(value);
    }
    let residual = z.f_sigmoid()?.f_sub_(&target.detach())?.f_div_scalar_(batch)?;
    replace_gradient(logits, &value, move |gradient| Ok(residual.f_mul(&gradient)?))
}

/// Mean over the batch of Σ_rows KL(softmax(`logits`_row) ‖ uniform), in nats.
///
/// With q = softmax over the last dimension of length n: Σ q (log(q + 1e-20) − log(1/n)), summed
/// over all but the first dimension. `logits` is `[batch, ..., n]`.
///
/// Source: the regulariser of the discrete VAE in Niepert et al. 2021 and Sahoo et al. 2023,
/// including the 1e-20.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions or none of a size above 0, [`Error::Torch`] for
/// integers.
pub fn categorical_kl_to_uniform(logits: &Tensor) -> Result<Tensor> {
    if logits.dim() < 2 || logits.numel() == 0 {
        return Err(Error::Shape {
            what: "the logits of the KL term",
            got: format!("{:?}", logits.size()),
            expected: "[batch, ..., n], not empty".into(),
        });
    }
    let size = logits.size();
    let uniform = (1.0 / size[size.len() - 1] as f64).ln();
    let probability = logits.f_softmax(-1, None)?;
    let sum = (&probability * ((&probability + 1e-20).log() - uniform)).sum(None::<Kind>);
    Ok(sum / size[0] as f64)
}
