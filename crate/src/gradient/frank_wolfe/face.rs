//! The face of the hull that a minimum lies in, and the projection onto its directions.

use super::active_set::{ActiveSet, add, inner, norm};
use super::vertex;
use crate::Result;
use crate::solver::{Domain, Solver};

/// The first width of a step along the gradient, as a part of λ times the size of the solutions; a
/// step that leaves the face is followed by one `SMALLER`.
const WIDTH: f64 = 1e-4;
const SMALLER: f64 = 1.0 / 32.0;
const LEAST_WIDTH: f64 = 1e-9;

/// The vertices of Y with the least ⟨d, v⟩, d the gradient of the objective at its minimum: known
/// by one of them and by some of its directions, from the vertices that the minimum is a mixture
/// of.
///
/// These are all of its directions only where the minimum came out as a mixture of as many vertices
/// as the face has dimensions; on large faces it is near enough with far fewer.
#[derive(Debug)]
pub(super) struct Face {
    origin: Vec<f64>,
    /// d without its rounding along `basis`.
    normal: Vec<f64>,
    /// Orthonormal.
    basis: Vec<Vec<f64>>,
}

impl Face {
    pub(super) fn new(active: ActiveSet, gradient: Vec<f64>) -> Self {
        let (origin, basis) = active.into_parts();
        let mut face = Self { origin, normal: gradient, basis };
        face.basis.iter().for_each(|direction| remove(&mut face.normal, direction));
        face
    }

    /// Writes P g into `answer` for g = `gradient`, P the projector onto the directions of the
    /// face.
    ///
    /// Directions that are missing for *this* g are found by the solver: with r what is left of g,
    /// a solution of d ± ηr for a small η is the vertex of the face that is furthest along r. Ends
    /// where none is: what is left is normal to the face.
    pub(super) fn project(
        &self,
        solver: &dyn Solver,
        lambda: f64,
        gradient: &[f64],
        row: usize,
        answer: &mut [f64],
    ) -> Result<()> {
        let mut rest = gradient.to_vec();
        self.basis.iter().for_each(|direction| remove(&mut rest, direction));
        let enough = 1e-12 * norm(gradient);
        let mut normal = self.normal.clone();
        let mut found: Vec<Vec<f64>> = Vec::new();
        let mut memory = Vec::new();
        let mut width = WIDTH;
        // Along −r and then along r; a find starts anew, at the side that it came from.
        let (mut side, mut fruitless) = (1.0, 0);
        while fruitless < 2 && norm(&rest) > enough {
            let step = side * width * lambda * self.size() / norm(&rest);
            let mut costs = normal.clone();
            add(&mut costs, step, &rest);
            if solver.domain() == Domain::NonNegative {
                // Costs at the border of the domain can only move inwards.
                costs.iter_mut().for_each(|cost| *cost = cost.max(0.0));
            }
            let mut direction = vertex(solver, &costs, row, &mut memory)?;
            add(&mut direction, -1.0, &self.origin);
            let (gain, price) = (-step * inner(&rest, &direction), inner(&normal, &direction));
            let length = norm(&direction);
            if gain <= 1e-9 * step.abs() * norm(&rest) * length {
                (side, fruitless) = (-side, fruitless + 1);
                continue;
            }
            if price > 1e-3 * gain {
                // Not of the face: d rises on the way to it.
                width *= SMALLER;
                fruitless += if width < LEAST_WIDTH { 2 } else { 0 };
                continue;
            }
            // Twice, as for the active set.
            for _ in 0..2 {
                self.basis.iter().chain(&found).for_each(|known| remove(&mut direction, known));
            }
            let height = norm(&direction);
            direction.iter_mut().for_each(|entry| *entry /= height);
            remove(&mut rest, &direction);
            remove(&mut normal, &direction);
            found.push(direction);
            fruitless = 0;
        }
        answer.copy_from_slice(gradient);
        add(answer, -1.0, &rest);
        Ok(())
    }

    fn size(&self) -> f64 {
        let size = norm(&self.origin);
        if size > 0.0 { size } else { 1.0 }
    }
}

fn remove(vector: &mut [f64], direction: &[f64]) {
    add(vector, -inner(direction, vector), direction);
}
