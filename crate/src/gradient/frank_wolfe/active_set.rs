//! Vertices whose hull holds a point, and the face they span.

/// Weights below this are 0: the vertex leaves.
const NOTHING: f64 = 1e-14;

/// A vertex whose distance from the hull of the others is below this part of its distance from the
/// first one lies in that hull, up to rounding.
const DEPENDENT: f64 = 1e-10;

/// Affinely independent vertices a₀, ..., a_m with convex weights, and the decomposition B = QR of
/// their differences aᵢ − a₀.
///
/// Entering and leaving costs O(nm); the columns of Q are an orthonormal basis of the face.
#[derive(Debug)]
pub(super) struct ActiveSet {
    vertices: Vec<Vec<f64>>,
    weights: Vec<f64>,
    /// Columns of Q, each of length n.
    basis: Vec<Vec<f64>>,
    /// Columns of R, the i-th of length i + 1.
    triangle: Vec<Vec<f64>>,
}

impl ActiveSet {
    pub(super) fn new(vertex: Vec<f64>) -> Self {
        Self { vertices: vec![vertex], weights: vec![1.0], basis: vec![], triangle: vec![] }
    }

    pub(super) fn first(&self) -> &[f64] {
        &self.vertices[0]
    }

    /// Number of vertices.
    pub(super) fn len(&self) -> usize {
        self.vertices.len()
    }

    /// The first vertex, and an orthonormal basis of the differences.
    pub(super) fn into_parts(mut self) -> (Vec<f64>, Vec<Vec<f64>>) {
        (self.vertices.swap_remove(0), self.basis)
    }

    /// Σ αᵢ aᵢ. A sum of what is >= 0, so that it is never below 0 where no vertex is.
    pub(super) fn point(&self, point: &mut [f64]) {
        point.fill(0.0);
        for (vertex, &weight) in self.vertices.iter().zip(&self.weights) {
            add(point, weight, vertex);
        }
    }

    /// Takes `vertex` in with weight 0, unless it lies in the affine hull of the others.
    pub(super) fn enter(&mut self, vertex: Vec<f64>) -> bool {
        let mut rest = vertex.clone();
        add(&mut rest, -1.0, self.first());
        let length = norm(&rest);
        let mut column = vec![0.0; self.basis.len() + 1];
        // Twice is enough (Kahan): orthogonal up to rounding.
        for _ in 0..2 {
            for (entry, direction) in column.iter_mut().zip(&self.basis) {
                let along = inner(direction, &rest);
                *entry += along;
                add(&mut rest, -along, direction);
            }
        }
        let height = norm(&rest);
        if height <= DEPENDENT * length {
            return false;
        }
        rest.iter_mut().for_each(|entry| *entry /= height);
        if let Some(last) = column.last_mut() {
            *last = height;
        }
        self.basis.push(rest);
        self.triangle.push(column);
        self.vertices.push(vertex);
        self.weights.push(0.0);
        true
    }

    /// Moves the weights to the minimum of the objective over the hull; vertices that it does not
    /// need leave. `slope` is the gradient at the [`first`](Self::first) vertex, for any of them.
    ///
    /// Source: Wolfe 1976, the minor cycle.
    pub(super) fn correct(&mut self, lambda: f64, slope: impl Fn(&[f64], &mut [f64])) {
        let mut at_first = vec![0.0; self.first().len()];
        loop {
            slope(self.first(), &mut at_first);
            let target = self.affine_minimum(lambda, &at_first);
            let mut step = 1.0;
            let mut blocking = None;
            for (index, (&weight, &aim)) in self.weights.iter().zip(&target).enumerate() {
                if aim <= NOTHING {
                    let reach = if weight > aim { weight / (weight - aim) } else { 0.0 };
                    if blocking.is_none() || reach < step {
                        (step, blocking) = (reach.min(1.0), Some(index));
                    }
                }
            }
            let Some(blocking) = blocking else {
                self.weights = target;
                return;
            };
            for (weight, aim) in self.weights.iter_mut().zip(target) {
                *weight += step * (aim - *weight);
            }
            self.weights[blocking] = 0.0;
            for index in (0..self.len()).rev() {
                if self.weights[index] <= NOTHING && self.len() > 1 {
                    self.leave(index);
                }
            }
        }
    }

    // The weights of the minimum over the affine hull: with y = a₀ + Bβ, R β = −Qᵀ∇f(a₀)/λ.
    fn affine_minimum(&self, lambda: f64, slope: &[f64]) -> Vec<f64> {
        let mut weights = vec![1.0; self.len()];
        for (row, direction) in self.basis.iter().enumerate() {
            weights[row + 1] = -inner(direction, slope) / lambda;
        }
        for row in (0..self.basis.len()).rev() {
            let value = weights[row + 1] / self.triangle[row][row];
            weights[row + 1] = value;
            for (above, entry) in self.triangle[row][..row].iter().enumerate() {
                weights[above + 1] -= value * entry;
            }
            weights[0] -= value;
        }
        weights
    }

    fn leave(&mut self, index: usize) {
        self.vertices.remove(index);
        self.weights.remove(index);
        let removed = self.triangle.remove(index.saturating_sub(1));
        if index == 0 {
            // aᵢ − a₁ = (aᵢ − a₀) − (a₁ − a₀), of which the last has one entry in Q's terms.
            self.triangle.iter_mut().for_each(|column| column[0] -= removed[0]);
        }
        // Every column behind the gap has one entry below the diagonal; turned away in order.
        for column in index.saturating_sub(1)..self.triangle.len() {
            let (x, y) = (self.triangle[column][column], self.triangle[column][column + 1]);
            let length = x.hypot(y);
            let (cosine, sine) = (x / length, y / length);
            let rotate = |x: &mut f64, y: &mut f64| {
                (*x, *y) = (cosine * *x + sine * *y, cosine * *y - sine * *x);
            };
            for later in &mut self.triangle[column..] {
                let (upper, lower) = later.split_at_mut(column + 1);
                rotate(&mut upper[column], &mut lower[0]);
            }
            self.triangle[column].truncate(column + 1);
            let (left, right) = self.basis.split_at_mut(column + 1);
            for (x, y) in left[column].iter_mut().zip(&mut right[0]) {
                rotate(x, y);
            }
        }
        self.basis.pop();
    }
}

pub(super) fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// a ← a + c b.
pub(super) fn add(a: &mut [f64], c: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += c * b);
}

pub(super) fn norm(a: &[f64]) -> f64 {
    inner(a, a).sqrt()
}
