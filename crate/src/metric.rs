//! Metrics: pure functions from tensors to `f64`, each with its unit and direction.

use tch::{Kind, Tensor};

use crate::{Error, Result};

/// Share of entries that differ between two 0/1 tensors of equal shape; in [0, 1], lower is closer.
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty.
pub fn hamming_distance(a: &Tensor, b: &Tensor) -> Result<f64> {
    same_shape(a, b)?;
    Ok(a.ne_tensor(b).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]))
}

/// Cosine of the angle between two tensors, seen as vectors; in [-1, 1], no unit.
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty.
pub fn cosine(a: &Tensor, b: &Tensor) -> Result<f64> {
    same_shape(a, b)?;
    let (a, b) = (a.to_kind(Kind::Double).flatten(0, -1), b.to_kind(Kind::Double).flatten(0, -1));
    Ok((a.dot(&b) / (a.norm() * b.norm())).double_value(&[]))
}

fn same_shape(a: &Tensor, b: &Tensor) -> Result<()> {
    if a.size() == b.size() && a.numel() > 0 {
        return Ok(());
    }
    Err(Error::Shape {
        what: "the second argument of a metric",
        got: format!("{:?}", b.size()),
        expected: format!("{:?}, as the first, not empty", a.size()),
    })
}
