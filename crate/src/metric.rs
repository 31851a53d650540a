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

/// How much dearer the solutions found are than the best: Σ⟨c, y⟩ − Σ⟨c, y*⟩, divided by Σ|⟨c, y*⟩| over
/// the batch; no unit, 0 is best.
///
/// c are the *true* costs `[batch, ...]`, y the solutions for predicted ones, y* those for the true ones.
///
/// Source: Elmachtoub, Grigas 2022 (SPO loss); normalised as in Tang, Khalil 2024.
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty.
pub fn relative_regret(costs: &Tensor, found: &Tensor, best: &Tensor) -> Result<f64> {
    let (found, best) = (objectives(costs, found)?, objectives(costs, best)?);
    let all = best.abs().sum(Kind::Double);
    Ok(((found - best).sum(Kind::Double) / all).double_value(&[]))
}

/// Mean over the batch `[batch, ...]` of ⟨c, y⟩ / ⟨c, y*⟩: of whole paths, for costs > 0; no unit, 1 is
/// best.
///
/// Source: Sahoo et al. 2023, table 7 (there times 100).
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty.
pub fn cost_ratio(costs: &Tensor, found: &Tensor, best: &Tensor) -> Result<f64> {
    let ratio = objectives(costs, found)? / objectives(costs, best)?;
    Ok(ratio.mean(Kind::Double).double_value(&[]))
}

/// Share of instances of a batch `[batch, ...]` whose solution equals the true one in every entry; in
/// [0, 1], higher is better.
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty.
pub fn exact_accuracy(found: &Tensor, truth: &Tensor) -> Result<f64> {
    same_shape(found, truth)?;
    let equal = rows(&found.eq_tensor(truth)).to_kind(Kind::Double).amin([-1].as_slice(), false);
    Ok(equal.mean(Kind::Double).double_value(&[]))
}

/// Share of instances of a batch `[batch, ...]` whose solution is as cheap as the best, up to a relative
/// 1e-5: several paths may be; in [0, 1], higher is better.
///
/// Costs c, solutions y and y* as in [`relative_regret`].
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty.
pub fn optimal_share(costs: &Tensor, found: &Tensor, best: &Tensor) -> Result<f64> {
    let (found, best) = (objectives(costs, found)?, objectives(costs, best)?);
    let excess = found - &best;
    let optimal = excess.le_tensor(&(best.abs() * 1e-5));
    Ok(optimal.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]))
}

/// `points` `[n, d]` after the rotation or reflection about the origin that brings them closest to
/// `truth`, in the sum of squared distances: what is left of a model that knows positions up to such
/// a motion.
///
/// With the singular values of Pᵀ T = U S Vᵀ the motion is U Vᵀ.
///
/// Source: Schönemann 1966 (the orthogonal Procrustes problem).
///
/// # Errors
/// [`Error::Shape`] unless both are `[n, d]`, not empty; [`Error::Torch`] where a point is not finite.
pub fn align(points: &Tensor, truth: &Tensor) -> Result<Tensor> {
    same_shape(points, truth)?;
    if points.dim() != 2 {
        return Err(Error::Shape {
            what: "the points to align",
            got: format!("{:?}", points.size()),
            expected: "[n, d]".into(),
        });
    }
    let truth = truth.f_to_kind(points.kind())?;
    let (left, _, right) = points.f_tr()?.f_matmul(&truth)?.f_svd(true, true)?;
    Ok(points.f_matmul(&left.f_matmul(&right.f_tr()?)?)?)
}

// ⟨c, y⟩ of every instance.
fn objectives(costs: &Tensor, solutions: &Tensor) -> Result<Tensor> {
    same_shape(costs, solutions)?;
    let (costs, solutions) = (costs.to_kind(Kind::Double), solutions.to_kind(Kind::Double));
    Ok(rows(&(costs * solutions)).sum_dim_intlist(-1, false, None))
}

// A batch with all that belongs to an instance in one row.
fn rows(batch: &Tensor) -> Tensor {
    batch.reshape([batch.size().first().copied().unwrap_or(1), -1])
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
