//! A cost matrix brought to numbers that are safe to add up.

/// Symmetric costs >= 0 in place of those given: the same tours are the cheapest.
#[derive(Debug, Default)]
pub(super) struct Instance {
    /// (w_ij + w_ji) / 2 · `scale` − `least`, row by row; the diagonal is 0.
    pub(super) matrix: Vec<f64>,
    /// A power of 2, which brings the largest |w_ij| to about 1.
    pub(super) scale: f64,
    /// What has been taken from each scaled cost, and k times that from each tour.
    least: f64,
}

impl Instance {
    /// Takes the costs `cost` of k >= 2 cities.
    pub(super) fn set(&mut self, k: usize, cost: &[f64]) {
        let mut largest = 0.0f64;
        for row in 0..k {
            for column in (0..k).filter(|&column| column != row) {
                largest = largest.max(cost[row * k + column].abs());
            }
        }
        let exponent =
            if largest > 0.0 { largest.log2().ceil().clamp(-1000.0, 1000.0) } else { 0.0 };
        self.scale = (-exponent).exp2();
        let half = 0.5 * self.scale;
        self.least = f64::INFINITY;
        self.matrix.clear();
        self.matrix.resize(k * k, 0.0);
        for row in 0..k {
            for column in 0..row {
                let mean = cost[row * k + column] * half + cost[column * k + row] * half;
                self.least = self.least.min(mean);
                self.matrix[row * k + column] = mean;
            }
        }
        for row in 0..k {
            for column in 0..row {
                let shifted = self.matrix[row * k + column] - self.least;
                self.matrix[row * k + column] = shifted;
                self.matrix[column * k + row] = shifted;
            }
        }
    }

    /// ⟨w, y⟩ of a tour with this length by the matrix, k >= 3.
    pub(super) fn objective(&self, k: usize, length: f64) -> f64 {
        2.0 * ((length + k as f64 * self.least) / self.scale)
    }

    /// A number of which all costs are multiples, such as 1/8 for integers up to 8; 0 if there is
    /// none that is worth while.
    ///
    /// Tours then differ by a multiple of it, so that a bound within less of the best tour proves
    /// that tour optimal. Without it integer costs with their many ties would be hard.
    pub(super) fn quantum(&self, k: usize) -> f64 {
        let mut quantum = 0.0f64;
        for row in 1..k {
            for &cost in &self.matrix[row * k..][..row] {
                // Euclid's algorithm, up to rounding.
                let mut rest = cost;
                while rest > (1e-9 * quantum).min(1e-12) {
                    if quantum == 0.0 {
                        quantum = rest;
                        break;
                    }
                    rest = (rest - (rest / quantum).round() * quantum).abs();
                    if rest > (1e-9 * quantum).min(1e-12) {
                        std::mem::swap(&mut rest, &mut quantum);
                    }
                    if quantum < 1e-10 {
                        return 0.0;
                    }
                }
            }
        }
        quantum
    }
}
