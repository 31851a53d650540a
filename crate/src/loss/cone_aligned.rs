use rayon::prelude::*;
use tch::Tensor;

use super::cone_projection::project_onto_cone;
use super::same_size;
use crate::gradient::flattened;
use crate::solver::{Solver, check_shape, values_of};
use crate::{Error, Result};

/// The cone-aligned cosine loss, for each instance: shape `[...]` for costs `[..., n]`, or `[...]` and
/// the solver's [`shape`](Solver::shape).
///
/// ℓ(w; y*) = 1 − cos(−w, p) = 1 − ‖p‖/‖w‖, where p is the projection of −w, for predicted costs w =
/// `predicted`, onto the cone of the normals of the constraints that bind at y* = `solutions`
/// ([`BindingConstraints`](crate::solver::BindingConstraints)). It lies in [0, 1], does not depend on
/// the scale of w, and is 0, up to rounding, exactly where y* minimises ⟨w, y⟩ over the polyhedron of
/// the constraints. For integer programmes that is the relaxation: there an optimal y* may have a
/// loss above 0. True costs are not needed, and no solver call.
///
/// Its gradient is that of the cosine with p held fixed, which for the exact projection is also the
/// derivative of the whole. The projection is exact, by non-negative least squares in float64 on the
/// CPU, as in the paper's exact variant; PyEPO's default (CaVE+) stops after 3 steps inside the cone,
/// so that its loss is above 0 on the border, where y* ties with others. Where p is 0, −w being
/// opposite to the whole cone, the loss is 1 and its gradient 0. O(kmn) per instance for m normals, k
/// of them in the projection.
///
/// Source: Tang, Khalil 2024 (CaVE).
///
/// # Errors
/// [`Error::Parameter`] for a solver without binding constraints, solutions that break them, or an
/// instance of costs that are all 0 or not all finite; [`Error::Shape`] for unlike shapes.
///
/// ```
/// use solvergrad::prelude::*;
///
/// // The second entry is the cheapest of the first row, but not of the second.
/// let w = Tensor::from_slice2(&[[2.0, 1.0, 3.0], [-1.0, 0.0, 1.0]]);
/// let y = Tensor::from_slice2(&[[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]);
/// let loss = Vec::<f64>::try_from(cone_aligned(&KSubset::new(3, 1)?, &w, &y)?)?;
/// assert!(loss[0].abs() < 1e-12);
/// assert!((loss[1] - (1.0 - 0.75f64.sqrt())).abs() < 1e-12); // p = (0.5, 0.5, −1)
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cone_aligned(solver: &dyn Solver, predicted: &Tensor, solutions: &Tensor) -> Result<Tensor> {
    same_size("the true solutions of the cone-aligned loss", predicted, solutions)?;
    if let Some(flat) = flattened(solver, predicted) {
        return cone_aligned(solver, &flat, &solutions.reshape_as(&flat));
    }
    let Some(solver) = solver.binding_constraints() else {
        return Err(Error::parameter(
            "the solver of the cone-aligned loss",
            format!("{solver:?}"),
            "one with BindingConstraints, such as a LinearProgramme of the same problem",
        ));
    };
    check_shape(solver, predicted)?;
    let n = solver.dimension().max(1);
    let (costs, targets) = (values_of(predicted)?, values_of(solutions)?);
    let directions: Vec<Result<Vec<f64>>> = costs
        .par_chunks(n)
        .zip(targets.par_chunks(n))
        .enumerate()
        .map(|(row, (costs, target))| {
            crate::interrupt::check("a batch of costs was being projected")?;
            if costs.iter().all(|&cost| cost == 0.0) || costs.iter().any(|cost| !cost.is_finite()) {
                let got = format!("{costs:?} for instance {row}");
                let expected = "finite and not all 0, which have no direction";
                return Err(Error::parameter("the predicted costs of the loss", got, expected));
            }
            let towards: Vec<f64> = costs.iter().map(|cost| -cost).collect();
            Ok(project_onto_cone(&solver.binding_normals(target)?, &towards))
        })
        .collect();
    let directions = directions.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let directions = Tensor::from_slice(&directions)
        .view_as(predicted)
        .to_kind(predicted.kind())
        .to_device(predicted.device());
    let along = -(predicted * directions).sum_dim_intlist(-1, false, None);
    Ok(1.0 - along / predicted.f_norm_scalaropt_dim(2.0, [-1i64], false)?)
}
