//! Losses: one value to minimise, in stated units, from tensors of stated shape.

use tch::Tensor;

use crate::{Error, Result};

mod fenchel_young;
mod likelihood;
mod solution;
mod spo_plus;

pub use fenchel_young::fenchel_young;
pub use likelihood::{bernoulli_negative_log_likelihood, categorical_kl_to_uniform};
pub use solution::{hamming_loss, l1_loss};
pub use spo_plus::spo_plus;

fn same_size(what: &'static str, expected: &Tensor, got: &Tensor) -> Result<()> {
    if expected.size() == got.size() && expected.dim() > 0 {
        return Ok(());
    }
    Err(Error::Shape {
        what,
        got: format!("{:?}", got.size()),
        expected: format!("{:?}, as the predicted ones, [..., n]", expected.size()),
    })
}
