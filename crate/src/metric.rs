//! Metrics: pure functions from tensors to `f64`, each with its unit and direction.

use tch::{Kind, Tensor};

use crate::gradient::solve_tensor;
use crate::solver::{Domain, Solver};
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

/// One minus the [`hamming_distance`]: the share of equal entries; in [0, 1], higher is better.
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty.
pub fn hamming_accuracy(found: &Tensor, truth: &Tensor) -> Result<f64> {
    Ok(1.0 - hamming_distance(found, truth)?)
}

/// Mean over the batch `[batch, ...]` of ⟨c, y⟩ − ⟨c, y*⟩: what a solution costs more than the best one,
/// in units of the objective; 0 is best.
///
/// c are the *true* costs, y the solutions for predicted ones, y* those for the true ones.
///
/// Source: Elmachtoub, Grigas 2022, definition 1.
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty.
pub fn regret(costs: &Tensor, found: &Tensor, best: &Tensor) -> Result<f64> {
    let more = objectives(costs, found)? - objectives(costs, best)?;
    Ok(more.mean(Kind::Double).double_value(&[]))
}

/// The [`regret`] of the worst solution that the predicted costs allow: where they leave a tie, the
/// solver's own choice among the tied solutions may be lucky. In units of the objective; 0 is best.
///
/// The tie is broken against us by solving for ŵ − δc, with δ so small, 1e-6 of the largest |ŵ| over the
/// largest |c|, that it decides only between solutions whose predicted objectives are equal or as
/// close. Costs that a solver needs >= 0 are kept so, and a tie among costs of 0 stays then. One
/// solver call per instance; `predicted` and `costs` are `[batch, n]` or `[batch]` and the solver's
/// shape.
///
/// Source: Elmachtoub, Grigas 2022, definition 2 (unambiguous SPO loss).
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty, and those of the solver.
pub fn unambiguous_regret(
    solver: &dyn Solver,
    predicted: &Tensor,
    costs: &Tensor,
    best: &Tensor,
) -> Result<f64> {
    same_shape(predicted, costs)?;
    let (predicted, costs) =
        (predicted.detach().to_kind(Kind::Double), costs.detach().to_kind(Kind::Double));
    let largest = |costs: &Tensor| {
        let largest = rows(costs).abs().amax([-1].as_slice(), true);
        largest.masked_fill(&largest.eq(0.0), 1.0)
    };
    let delta = largest(&predicted) * 1e-6 / largest(&costs);
    let mut adverse = rows(&predicted) - delta * rows(&costs);
    if solver.domain() == Domain::NonNegative {
        adverse = adverse.clamp_min(0.0);
    }
    regret(&costs, &solve_tensor(solver, &adverse)?.view_as(&costs), best)
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

/// Share of queries with a relevant item among the `k` of highest score; in [0, 1], higher is better.
///
/// `scores` and the 0/1 `relevant` are `[queries, items]`. For retrieval within one set, give the
/// query itself the score −∞.
///
/// Source: recall at K as in Jégou et al. 2011; Sahoo et al. 2023, table 5.
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty, [`Error::Parameter`] unless
/// 1 <= k <= items.
pub fn recall_at(scores: &Tensor, relevant: &Tensor, k: usize) -> Result<f64> {
    same_shape(scores, relevant)?;
    let [_, items] = *scores.size() else {
        return Err(Error::Shape {
            what: "the scores of a recall",
            got: format!("{:?}", scores.size()),
            expected: "[queries, items]".into(),
        });
    };
    if k == 0 || k as i64 > items {
        let expected = format!("between 1 and the {items} items");
        return Err(Error::parameter("k of the recall", k, expected));
    }
    let (_, best) = scores.topk(k as i64, -1, true, false);
    let hits = relevant.to_kind(Kind::Double).gather(-1, &best, false);
    Ok(hits.amax([-1].as_slice(), false).mean(Kind::Double).double_value(&[]))
}

/// Share of selected words that are annotated: Σ selected ∧ annotated over all reviews, divided by
/// Σ max(selected, `k`) per review; in [0, 1], higher is better.
///
/// `selected` and `annotated` are 0/1, `[reviews, words]`. A review with fewer than k words counts as
/// if the missing selections were wrong.
///
/// Source: the published code of the learning-to-explain experiment of Niepert et al. 2021.
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty.
pub fn subset_precision(selected: &Tensor, annotated: &Tensor, k: usize) -> Result<f64> {
    same_shape(selected, annotated)?;
    let hits = (selected * annotated).sum(Kind::Double);
    let chosen = rows(selected).sum_dim_intlist(-1, false, Kind::Double).clamp_min(k as f64);
    Ok((hits / chosen.sum(Kind::Double)).double_value(&[]))
}

/// Share of true matches that were found: Σ y ∧ y* / Σ y* over the batch; in [0, 1], higher is better.
///
/// For 0/1 match matrices `[batch, points, points]`. One where there is no true match.
///
/// Source: Rolínek et al. 2020 (ECCV), sec. 4 (matched correctly by number of true matches).
///
/// # Errors
/// [`Error::Shape`] when the shapes differ or the tensors are empty.
pub fn matching_accuracy(found: &Tensor, truth: &Tensor) -> Result<f64> {
    same_shape(found, truth)?;
    let correct = (found * truth).sum(Kind::Double).double_value(&[]);
    let all = truth.sum(Kind::Double).double_value(&[]);
    Ok(if all > 0.0 { correct / all } else { 1.0 })
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
