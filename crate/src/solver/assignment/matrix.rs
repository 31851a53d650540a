//! The cost matrix as the search wants it.

use super::kernels;

/// A row-major matrix with rows <= columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    cost: &'a [f64],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl<'a> Matrix<'a> {
    /// The matrix of `rows` x `columns` costs times `scale`: of the costs themselves where that
    /// will do, else of a `copy`, transposed if there are more rows than columns.
    pub(super) fn new(
        cost: &'a [f64],
        rows: usize,
        columns: usize,
        scale: f64,
        copy: &'a mut Vec<f64>,
    ) -> Self {
        if rows > columns {
            copy.clear();
            copy.reserve(cost.len());
            for column in 0..columns {
                copy.extend(cost.iter().skip(column).step_by(columns).map(|cost| cost * scale));
            }
            return Self { cost: copy, rows: columns, columns: rows };
        }
        if scale != 1.0 {
            copy.clear();
            copy.extend(cost.iter().map(|cost| cost * scale));
            return Self { cost: copy, rows, columns };
        }
        Self { cost, rows, columns }
    }

    pub(super) fn row(self, row: usize) -> &'a [f64] {
        &self.cost[row * self.columns..][..self.columns]
    }

    /// u_i := min_j (c_ij - v_j); returns max |c|.
    pub(super) fn reduce_rows(self, price: &[f64], dual: &mut [f64]) -> f64 {
        let mut largest = 0.0;
        for (row, dual) in dual.iter_mut().enumerate() {
            let magnitude;
            (*dual, magnitude) = kernels::smallest_and_magnitude(self.row(row), price);
            largest = f64::max(largest, magnitude);
        }
        largest
    }

    /// v_j := min_i (c_ij - u_i), or 0 if that is less and there are fewer rows than columns.
    pub(super) fn reduce_columns(self, dual: &[f64], price: &mut [f64]) {
        price.fill(if self.rows < self.columns { 0.0 } else { f64::INFINITY });
        for (row, &dual) in dual.iter().enumerate() {
            kernels::lower_to(price, self.row(row), dual);
        }
    }
}
