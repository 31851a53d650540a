//! The projection onto a cone that is given by its generators.

use crate::check::objective as inner;

/// The direction p/‖p‖ of the projection p of `vector` v onto the cone {Σ xᵢaᵢ : x >= 0} of
/// `generators` a; zeros where p is 0.
///
/// Non-negative least squares, min ‖Σ xᵢaᵢ − v‖² over x >= 0, by an active set: exact up to rounding.
/// For v and a of unit length, a generator enters as long as ⟨a, rest⟩ > 1e-12, which leaves an error
/// of ‖p‖² of about 1e-12 Σx. O(kmn) for m generators, k of them in the end.
///
/// Source: Lawson, Hanson 1974, ch. 23.
pub(super) fn project_onto_cone(generators: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    let units: Vec<Vec<f64>> = generators.iter().filter_map(|a| unit(a)).collect();
    let nothing = vec![0.0; vector.len()];
    let Some(vector) = unit(vector) else { return nothing };
    let mut face = Face::default();
    let mut refused = vec![false; units.len()];
    loop {
        let point = face.point(vector.len());
        let rest: Vec<f64> = vector.iter().zip(&point).map(|(v, p)| v - p).collect();
        let steepest = (0..units.len())
            .filter(|index| !refused[*index] && !face.members.contains(index))
            .map(|index| (inner(&units[index], &rest), index))
            .filter(|&(slope, _)| slope > 1e-12)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, index)) = steepest else {
            return unit(&point).unwrap_or(nothing);
        };
        // A step that rounding has made useless would come again and again.
        let mut next = face.clone();
        if next.enter(index, &units, &vector) && next.length() > face.length() {
            face = next;
            refused.fill(false);
        } else {
            refused[index] = true;
        }
    }
}

/// A face of the cone, with the point of it (of its span, in between) that is closest to the vector.
#[derive(Clone, Default)]
struct Face {
    /// Generators, and their weights > 0.
    members: Vec<usize>,
    weights: Vec<f64>,
    /// An orthonormal basis of their span; member j is Σᵢ triangle\[j\]\[i\] basis\[i\].
    basis: Vec<Vec<f64>>,
    triangle: Vec<Vec<f64>>,
    /// The vector's coordinates in the basis.
    along: Vec<f64>,
}

impl Face {
    /// Moves to the face with `index` whose closest point lies inside of it; false where `index`
    /// is in the span already.
    fn enter(&mut self, index: usize, units: &[Vec<f64>], vector: &[f64]) -> bool {
        if !self.push(index, 0.0, units, vector) {
            return false;
        }
        loop {
            let goal = self.closest();
            // How far the weights can go before the first of them is 0, and which.
            let first = (0..goal.len())
                .filter(|&j| goal[j] <= 0.0)
                .map(|j| (self.weights[j] / (self.weights[j] - goal[j]).max(f64::MIN_POSITIVE), j))
                .min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((step, leaving)) = first else {
                self.weights = goal;
                return true;
            };
            for (weight, goal) in self.weights.iter_mut().zip(&goal) {
                *weight = (*weight + step * (goal - *weight)).max(0.0);
            }
            let others = self.members.split_off(leaving);
            let weights = self.weights.split_off(leaving);
            self.basis.truncate(leaving);
            self.triangle.truncate(leaving);
            self.along.truncate(leaving);
            for (member, weight) in others.into_iter().zip(weights).skip(1) {
                self.push(member, weight, units, vector);
            }
        }
    }

    /// Adds a generator to the basis, by Gram and Schmidt, twice for rounding.
    fn push(&mut self, index: usize, weight: f64, units: &[Vec<f64>], vector: &[f64]) -> bool {
        let mut direction = units[index].clone();
        let mut column = vec![0.0; self.basis.len()];
        for _ in 0..2 {
            for (entry, basis) in column.iter_mut().zip(&self.basis) {
                let part = inner(&direction, basis);
                direction.iter_mut().zip(basis).for_each(|(entry, basis)| *entry -= part * basis);
                *entry += part;
            }
        }
        let length = norm(&direction);
        if length < 1e-10 {
            return false;
        }
        direction.iter_mut().for_each(|entry| *entry /= length);
        column.push(length);
        self.along.push(inner(&direction, vector));
        self.basis.push(direction);
        self.triangle.push(column);
        self.members.push(index);
        self.weights.push(weight);
        true
    }

    /// The weights, of any sign, of the point of the span that is closest to the vector.
    fn closest(&self) -> Vec<f64> {
        let mut weights = self.along.clone();
        for j in (0..weights.len()).rev() {
            weights[j] /= self.triangle[j][j];
            for i in 0..j {
                weights[i] -= self.triangle[j][i] * weights[j];
            }
        }
        weights
    }

    fn point(&self, dimension: usize) -> Vec<f64> {
        let mut point = vec![0.0; dimension];
        for (along, basis) in self.along.iter().zip(&self.basis) {
            point.iter_mut().zip(basis).for_each(|(entry, basis)| *entry += along * basis);
        }
        point
    }

    /// ‖point‖², which grows as the distance to the vector falls.
    fn length(&self) -> f64 {
        inner(&self.along, &self.along)
    }
}

fn norm(vector: &[f64]) -> f64 {
    // Squares of very large or small entries leave the range of a float.
    let largest = vector.iter().fold(0.0, |largest: f64, entry| largest.max(entry.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    vector.iter().map(|entry| (entry / largest).powi(2)).sum::<f64>().sqrt() * largest
}

fn unit(vector: &[f64]) -> Option<Vec<f64>> {
    let norm = norm(vector);
    (norm > 0.0).then(|| vector.iter().map(|entry| entry / norm).collect())
}
