//! The minimum of a linear cost and a quadratic regulariser over a convex hull, by solver calls.

use std::sync::Arc;

use rayon::prelude::*;
use tch::Tensor;

use super::layer::{check_shape, flattened, host_values, tensor_like};
use super::{bridge, check_positive};
use crate::solver::{Domain, FirstError, Solver, check_costs};
use crate::{Error, Result};

mod active_set;
mod face;

use active_set::{ActiveSet, add, inner};
use face::Face;

/// The regularised solver as a layer: ŷ(w) = argmin over conv(Y) of ⟨w, y⟩ + (λ/2)‖y‖², the
/// Euclidean projection of −w/λ onto the convex hull of the solutions, with its exact Jacobian.
///
/// ```math
/// \hat y(w) = \operatorname*{arg\,min}_{y \in \operatorname{conv}(Y)} \; \langle w, y \rangle + \frac{\lambda}{2} \lVert y \rVert^2
/// ```
///
/// Forward, by the linear solver alone: the solution of the current gradient w + λy joins a set of
/// vertices, and weights of the set are corrected to the minimum over its hull (Wolfe's method;
/// Frank-Wolfe, fully corrective). It ends, after finitely many calls, where the duality gap δ =
/// max over v in Y of ⟨w + λy, y − v⟩ is at most `tolerance` · Σᵢ(|wᵢ| + λ|yᵢ|)(|yᵢ| + |vᵢ|), the
/// size of the terms that δ is a sum of; then ‖y − ŷ‖² <= δ/λ. For a k-subset of k = 1 the layer is
/// sparsemax, for [`Ranking`](crate::solver::Ranking) it is
/// [`soft_rank`](crate::relaxation::soft_rank).
///
/// Backward: dŷ/dw = −(1/λ)·P with P the orthogonal projector onto the directions of the face of
/// conv(Y) that ŷ lies in; piecewise constant, and exact wherever the Jacobian exists. Those
/// directions are the differences of the vertices that ŷ is a mixture of and, where a large or a
/// special face needs more, of further ones, which solver calls near the gradient w + λŷ find.
///
/// Each instance of a batch is solved by itself, in parallel. Solver calls per instance: forward
/// about one per vertex of the mixture and a few; backward two, and up to two per missing
/// direction; with O(nm) beside each call for m vertices. A solver for costs >= 0 only takes costs >=
/// 0 here too, which with solutions >= 0 is enough.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let layer = RegularisedFrankWolfe::new(KSubset::new(3, 1)?, 1.0)?;
/// let costs = Tensor::from_slice(&[0.0, 0.5, 2.0]).set_requires_grad(true);
/// let y = layer.forward(&costs)?;
/// assert!(y.allclose(&Tensor::from_slice(&[0.75, 0.25, 0.0]), 0.0, 1e-12, false));
/// y.get(0).backward();
/// let gradient = Vec::<f64>::try_from(costs.grad())?;
/// assert!((gradient[0] + 0.5).abs() < 1e-12 && (gradient[1] - 0.5).abs() < 1e-12);
/// assert_eq!(gradient[2], 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Niculae, Martins, Blondel, Cardie 2018, sec. 3 (SparseMAP); Wolfe 1976 (active set);
/// Blondel, Martins, Niculae 2020 (as a prediction map).
#[derive(Clone, Debug)]
pub struct RegularisedFrankWolfe {
    solver: Arc<dyn Solver>,
    settings: Settings,
}

/// What [`minimise_regularised`] finds, for a batch of instances.
#[derive(Debug)]
pub struct RegularisedSolution {
    /// ŷ, of the shape, kind and device of the costs.
    pub solutions: Tensor,
    /// Solver calls of each instance, in the order of the batch.
    pub calls: Vec<usize>,
    /// Duality gap of each instance, an upper bound of the objective minus its minimum, in units of
    /// the objective.
    pub gaps: Vec<f64>,
    /// Number of vertices each ŷ is a mixture of.
    pub vertices: Vec<usize>,
}

impl RegularisedFrankWolfe {
    /// The layer of `solver` with regularisation λ = `lambda`, in units of costs per unit of y:
    /// with a tolerance of 1e-12 and at most 10(n + 100) solver calls per instance.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless λ is finite and > 0.
    pub fn new(solver: impl Solver, lambda: f64) -> Result<Self> {
        Self::shared(Arc::new(solver), lambda)
    }

    /// The same for a solver chosen at run time.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn shared(solver: Arc<dyn Solver>, lambda: f64) -> Result<Self> {
        Ok(Self { settings: Settings::new(&*solver, lambda)?, solver })
    }

    /// The same with another relative tolerance of the duality gap.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless it lies between 1e-13, near rounding, and 1.
    pub fn with_tolerance(mut self, tolerance: f64) -> Result<Self> {
        if !(1e-13..=1.0).contains(&tolerance) {
            let what = "tolerance of the regularised solver";
            return Err(Error::parameter(what, tolerance, "between 1e-13 and 1"));
        }
        self.settings.tolerance = tolerance;
        Ok(self)
    }

    /// The same with at most `limit` solver calls per instance; one that needs more is an error.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a limit of 0.
    pub fn with_limit(mut self, limit: usize) -> Result<Self> {
        if limit == 0 {
            return Err(Error::parameter("limit of solver calls", limit, ">= 1"));
        }
        self.settings.limit = limit;
        Ok(self)
    }

    /// The solver.
    pub fn solver(&self) -> &dyn Solver {
        &*self.solver
    }

    /// λ.
    pub fn lambda(&self) -> f64 {
        self.settings.lambda
    }

    /// ŷ(w) for `costs` w of shape `[..., n]`, or `[...]` and the solver's
    /// [`shape`](Solver::shape).
    ///
    /// # Errors
    /// As [`SolverLayer::forward`](super::SolverLayer::forward), and [`Error::NotConverged`] at the
    /// limit of calls.
    pub fn forward(&self, costs: &Tensor) -> Result<Tensor> {
        Ok(self.solve(costs)?.solutions)
    }

    /// The same with what it took; its `solutions` are those of [`forward`](Self::forward),
    /// differentiable.
    ///
    /// # Errors
    /// Those of [`forward`](Self::forward).
    pub fn solve(&self, costs: &Tensor) -> Result<RegularisedSolution> {
        let (mut found, faces) = minimise(&*self.solver, costs, None, &self.settings)?;
        if costs.requires_grad() {
            let (solver, lambda) = (Arc::clone(&self.solver), self.settings.lambda);
            found.solutions = bridge::replace_gradient(costs, &found.solutions, move |gradient| {
                let values = host_values(&gradient)?;
                let answers = along_faces(&*solver, &faces, &values, lambda)?;
                Ok(tensor_like(&answers, &gradient))
            })?;
        }
        Ok(found)
    }
}

/// argmin over conv(Y) of ⟨w, y⟩ + (λ/2)‖y‖² for a tensor of costs w, without a graph: the forward
/// pass of [`RegularisedFrankWolfe`], with its tolerance and its limit.
///
/// # Errors
/// Those of [`RegularisedFrankWolfe::new`] and [`RegularisedFrankWolfe::forward`].
///
/// ```
/// use solvergrad::prelude::*;
///
/// let costs = Tensor::from_slice2(&[[0.0, 0.5, 2.0], [0.0, 3.0, 3.0]]);
/// let found = minimise_regularised(&KSubset::new(3, 1)?, &costs, 1.0)?;
/// assert!((found.solutions.double_value(&[0, 0]) - 0.75).abs() < 1e-12);
/// assert_eq!(found.calls, [3, 2]); // the last call of each is the proof
/// assert_eq!(found.vertices, [2, 1]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn minimise_regularised(
    solver: &dyn Solver,
    costs: &Tensor,
    lambda: f64,
) -> Result<RegularisedSolution> {
    Ok(minimise(solver, costs, None, &Settings::new(solver, lambda)?)?.0)
}

/// argmin over conv(Y) of ⟨w, y⟩ + (ρ/2)‖y − c‖² for solutions c = `centre`, without a graph.
pub(super) fn minimise_near(
    solver: &dyn Solver,
    costs: &Tensor,
    centre: &Tensor,
    rho: f64,
) -> Result<Tensor> {
    Ok(minimise(solver, costs, Some(centre), &Settings::new(solver, rho)?)?.0.solutions)
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    lambda: f64,
    tolerance: f64,
    limit: usize,
}

impl Settings {
    fn new(solver: &dyn Solver, lambda: f64) -> Result<Self> {
        let lambda = check_positive("lambda of the regularised solver", lambda)?;
        Ok(Self { lambda, tolerance: 1e-12, limit: 10 * (solver.dimension() + 100) })
    }
}

fn minimise(
    solver: &dyn Solver,
    costs: &Tensor,
    centre: Option<&Tensor>,
    settings: &Settings,
) -> Result<(RegularisedSolution, Vec<Face>)> {
    let n = solver.dimension();
    check_shape(solver, flattened(solver, costs).as_ref().unwrap_or(costs))?;
    let values = host_values(costs)?;
    check_costs(solver, &values)?;
    let centres = centre.map(host_values).transpose()?;
    let centre_of = |row: usize| centres.as_ref().map(|centres| &centres[row * n..][..n]);
    let first = FirstError::default();
    let mut minima: Vec<Option<Minimum>> = Vec::new();
    values
        .par_chunks(n)
        .enumerate()
        .map(|(row, costs)| {
            let mut minimum = None;
            first.try_row(row, || {
                let problem = Problem { solver, costs, centre: centre_of(row), settings };
                minimum = Some(problem.minimise(row)?);
                Ok(())
            });
            minimum
        })
        .collect_into_vec(&mut minima);
    first.result()?;
    let mut points = Vec::with_capacity(values.len());
    let (mut calls, mut gaps, mut vertices, mut faces) = (vec![], vec![], vec![], vec![]);
    for minimum in minima.into_iter().flatten() {
        points.extend(minimum.point);
        calls.push(minimum.calls);
        gaps.push(minimum.gap);
        vertices.push(minimum.vertices);
        faces.push(minimum.face);
    }
    let solutions = tensor_like(&points, costs);
    Ok((RegularisedSolution { solutions, calls, gaps, vertices }, faces))
}

/// f(y) = ⟨w, y⟩ + (λ/2)‖y − c‖² over conv(Y), c being 0 or a solution.
struct Problem<'a> {
    solver: &'a dyn Solver,
    costs: &'a [f64],
    centre: Option<&'a [f64]>,
    settings: &'a Settings,
}

struct Minimum {
    point: Vec<f64>,
    face: Face,
    vertices: usize,
    gap: f64,
    calls: usize,
}

impl Problem<'_> {
    fn minimise(&self, row: usize) -> Result<Minimum> {
        let Settings { lambda, tolerance, limit } = *self.settings;
        let mut memory = Vec::new();
        let (mut point, mut calls) = (vec![0.0; self.costs.len()], 0);
        let first = match self.centre {
            Some(centre) => centre.to_vec(),
            None => {
                calls += 1;
                vertex(self.solver, self.costs, row, &mut memory)?
            }
        };
        let mut active = ActiveSet::new(first);
        let mut gradient = vec![0.0; point.len()];
        let (mut gap, mut enough);
        loop {
            active.point(&mut point);
            self.gradient(&point, &mut gradient);
            let vertex = vertex(self.solver, &gradient, row, &mut memory)?;
            calls += 1;
            gap = inner(&gradient, &point) - inner(&gradient, &vertex);
            enough = tolerance * self.size(&point, &vertex);
            if gap <= enough {
                let (vertices, face) = (active.len(), Face::new(active, gradient));
                return Ok(Minimum { point, face, vertices, gap: gap.max(0.0), calls });
            }
            if calls >= limit || !active.enter(vertex) {
                return Err(Error::NotConverged { row, calls, gap, enough });
            }
            active.correct(lambda, |point, slope| self.gradient(point, slope));
        }
    }

    fn gradient(&self, point: &[f64], gradient: &mut [f64]) {
        let lambda = self.settings.lambda;
        gradient.copy_from_slice(self.costs);
        add(gradient, lambda, point);
        let Some(centre) = self.centre else { return };
        add(gradient, -lambda, centre);
        if self.solver.domain() == Domain::NonNegative {
            // A mixture of entries that are all c differs from c by rounding, which is not a cost.
            for (entry, centre) in gradient.iter_mut().zip(centre) {
                if *entry < 0.0 && *entry > -1e-12 * lambda * (1.0 + centre.abs()) {
                    *entry = 0.0;
                }
            }
        }
    }

    // The sum of the sizes of all terms of the gap.
    fn size(&self, point: &[f64], vertex: &[f64]) -> f64 {
        let entries = self.costs.iter().zip(point).zip(vertex).enumerate();
        let term = |(index, ((cost, y), v)): (usize, ((&f64, &f64), &f64))| {
            let centre = self.centre.map_or(0.0, |centre| centre[index]);
            (cost.abs() + self.settings.lambda * (y.abs() + centre.abs())) * (y.abs() + v.abs())
        };
        entries.map(term).sum()
    }
}

/// A solution for `costs`, those of instance `row`.
fn vertex(
    solver: &dyn Solver,
    costs: &[f64],
    row: usize,
    memory: &mut Vec<f64>,
) -> Result<Vec<f64>> {
    crate::interrupt::check("a regularised problem was being solved")?;
    check_costs(solver, costs).map_err(|mut error| {
        if let Error::Cost { row: instance, .. } = &mut error {
            *instance = row;
        }
        error
    })?;
    let mut solution = vec![0.0; costs.len()];
    match solver.warm_start() {
        Some(solver) => solver.solve_warm(costs, &mut solution, memory)?,
        None => solver.solve(costs, &mut solution)?,
    }
    Ok(solution)
}

// −(1/λ) P g of every instance.
fn along_faces(
    solver: &dyn Solver,
    faces: &[Face],
    gradients: &[f64],
    lambda: f64,
) -> Result<Vec<f64>> {
    let n = solver.dimension();
    let first = FirstError::default();
    let mut answers = vec![0.0; gradients.len()];
    let rows = answers.par_chunks_mut(n).zip(gradients.par_chunks(n)).zip(faces);
    rows.enumerate().for_each(|(row, ((answer, gradient), face))| {
        first.try_row(row, || face.project(solver, lambda, gradient, row, answer));
    });
    first.result()?;
    answers.iter_mut().for_each(|entry| *entry /= -lambda);
    Ok(answers)
}
