//! The search for an optimal assignment of a matrix with no more rows than columns.
//!
//! Throughout, the duals v of the columns and the rows assigned so far satisfy: an assigned row
//! takes a column where c_ij - v_j is least, up to rounding; and where there are fewer rows than
//! columns, v <= 0, with 0 at the columns that are free. With every row assigned this is
//! optimality.

use super::kernels;
use super::matrix::Matrix;
use crate::{Result, interrupt};

/// No row, or no column.
const NONE: usize = usize::MAX;

/// Costs above this need to be scaled by [`SHRINK`], so that sums of costs and duals stay finite.
const HUGE: f64 = 1e289;
pub(super) const SHRINK: f64 = 1.0 / (1u128 << 100) as f64;

/// Duals of a memory may be this many times as large as the costs: beyond, they would drown the
/// costs in rounding.
const CREDIBLE: f64 = 16.0;

/// State of a search, kept between solves for its buffers.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// For a matrix that must be transposed or scaled.
    pub(super) copy: Vec<f64>,
    column_of_row: Vec<usize>,
    row_of_column: Vec<usize>,
    free_rows: Vec<usize>,
    /// v, one per column.
    price: Vec<f64>,
    /// u, one per row; of use at the start only.
    dual: Vec<f64>,
    /// v, with -∞ at the columns whose distance is final: so no path enters them again.
    open_price: Vec<f64>,
    distance: Vec<f64>,
    /// Rows of the shortest path tree: (row, what to subtract from c_ij - v_j to get a distance).
    tree_rows: Vec<(usize, f64)>,
    /// Columns of the tree in the order in which their distance became final.
    tree_columns: Vec<(usize, f64)>,
}

impl Search {
    /// Fills `column_of_row`, starting from `memory` where it is fit for that. False, and nothing
    /// done, if the costs must be scaled first.
    pub(super) fn run(&mut self, matrix: Matrix, memory: &[f64]) -> Result<bool> {
        let Matrix { rows, columns, .. } = matrix;
        self.column_of_row.clear();
        self.column_of_row.resize(rows, NONE);
        self.row_of_column.clear();
        self.row_of_column.resize(columns, NONE);
        self.dual.resize(rows, 0.0);
        self.distance.resize(columns, 0.0);
        self.open_price.resize(columns, 0.0);
        let (old_price, old_columns) = memory.split_at(memory.len().min(columns));
        let mut warm = memory.len() == columns + rows;

        // First the rows, by the old v or by 0, then the columns. The column minima alone, as of
        // Jonker and Volgenant, start far off where a row holds two columns' outliers.
        self.price.clear();
        if warm {
            // Only columns that are taken may have v < 0 if some stay free; none may have v > 0.
            let top = if rows < columns { 0.0 } else { f64::INFINITY };
            self.price.extend(old_price.iter().map(|v| v.min(top)));
        } else {
            self.price.resize(columns, 0.0);
        }
        let mut largest = matrix.reduce_rows(&self.price, &mut self.dual);
        if largest > HUGE {
            return Ok(false);
        }
        // Not so for NaN.
        if warm && !old_price.iter().all(|v| v.abs() <= CREDIBLE * largest) {
            warm = false;
            self.price.fill(0.0);
            largest = matrix.reduce_rows(&self.price, &mut self.dual);
        }
        if rows == columns || warm {
            matrix.reduce_columns(&self.dual, &mut self.price);
        }
        if warm {
            self.recall(matrix, old_columns, 64.0 * f64::EPSILON * largest);
        }

        self.free_rows.clear();
        let free = self.column_of_row.iter().enumerate().filter(|(_, column)| **column == NONE);
        self.free_rows.extend(free.map(|(row, _)| row));
        self.outbid(matrix);
        let free_rows = std::mem::take(&mut self.free_rows);
        let outcome = free_rows.iter().try_for_each(|&row| {
            interrupt::check("an assignment was being searched")?;
            self.augment(matrix, row);
            Ok(())
        });
        self.free_rows = free_rows;
        outcome.map(|()| true)
    }

    /// Takes over the assignments of an earlier solve that are still tight.
    fn recall(&mut self, matrix: Matrix, old_columns: &[f64], tolerance: f64) {
        for (row, &column) in old_columns.iter().enumerate() {
            // The cast saturates, so any number is safe; what it refers to is checked.
            let column = column as usize;
            let tight = column < matrix.columns
                && self.row_of_column[column] == NONE
                && matrix.row(row)[column] - self.price[column] <= self.dual[row] + tolerance;
            if tight {
                self.row_of_column[column] = row;
                self.column_of_row[row] = column;
            }
        }
        if matrix.rows < matrix.columns {
            self.release_columns(matrix);
        }
    }

    /// Raises v to 0 at the free columns, and frees the rows that would rather have them now.
    fn release_columns(&mut self, matrix: Matrix) {
        let free = |&column: &usize| self.row_of_column[column] == NONE;
        let mut pending: Vec<usize> = (0..matrix.columns).filter(free).collect();
        // A column comes here once: no row takes it meanwhile.
        while let Some(column) = pending.pop() {
            if self.price[column] == 0.0 {
                continue;
            }
            self.price[column] = 0.0;
            for row in 0..matrix.rows {
                let (cost, own) = (matrix.row(row), self.column_of_row[row]);
                if own != NONE && cost[column] < cost[own] - self.price[own] {
                    self.column_of_row[row] = NONE;
                    self.row_of_column[own] = NONE;
                    pending.push(own);
                }
            }
        }
    }

    /// Augmenting row reduction: a free row takes its cheapest column, from another row if need
    /// be, and lowers v there until its second cheapest column is as cheap.
    fn outbid(&mut self, matrix: Matrix) {
        // Rows can outbid each other in ever smaller steps. As many steps as there are rows are
        // about the best in time; the shortest paths do the rest.
        let mut displacements_left = matrix.rows;
        let mut kept = 0;
        for index in 0..self.free_rows.len() {
            let mut row = self.free_rows[index];
            loop {
                let (least, next) =
                    kernels::reduce(&mut self.distance, matrix.row(row), &self.price);
                let gap = next - least;
                let preferred = |column: usize| gap > 0.0 || self.row_of_column[column] == NONE;
                let Some(column) = kernels::find(&self.distance, least, preferred) else {
                    break;
                };
                let owner = self.row_of_column[column];
                let lowered = self.price[column] - gap;
                // Not where rounding swallows the gap, nor where there is no second column.
                let lowers = lowered < self.price[column] && gap < f64::INFINITY;
                if owner != NONE && !(lowers && displacements_left > 0) {
                    self.free_rows[kept] = row;
                    kept += 1;
                    break;
                }
                if lowers {
                    self.price[column] = lowered;
                }
                self.row_of_column[column] = row;
                self.column_of_row[row] = column;
                if owner == NONE {
                    break;
                }
                self.column_of_row[owner] = NONE;
                displacements_left -= 1;
                row = owner;
            }
        }
        self.free_rows.truncate(kept);
    }

    /// Assigns one more row along a shortest path from it to a free column (Dijkstra's algorithm
    /// on the reduced costs), and changes v so that the path becomes tight.
    fn augment(&mut self, matrix: Matrix, start: usize) {
        self.open_price.copy_from_slice(&self.price);
        self.tree_rows.clear();
        self.tree_columns.clear();
        self.distance.fill(f64::INFINITY);
        let mut row = start;
        let mut offset = 0.0;
        // Every round closes a column for good.
        for _ in 0..matrix.columns {
            self.tree_rows.push((row, offset));
            let least =
                kernels::relax(&mut self.distance, matrix.row(row), &self.open_price, offset);
            let free = |column: usize| self.row_of_column[column] == NONE;
            let Some(column) = kernels::find(&self.distance, least, free) else {
                return;
            };
            self.tree_columns.push((column, least));
            row = self.row_of_column[column];
            if row == NONE {
                self.apply(matrix, least);
                return;
            }
            self.distance[column] = f64::INFINITY;
            self.open_price[column] = f64::NEG_INFINITY;
            offset = matrix.row(row)[column] - self.price[column] - least;
        }
    }

    /// Follows the tree back from its last column, which is free and at distance `length`.
    fn apply(&mut self, matrix: Matrix, length: f64) {
        let mut last = self.tree_columns.len() - 1;
        loop {
            let (column, distance) = self.tree_columns[last];
            // The row that set this distance is found by computing it again, bit for bit: cheaper
            // than to keep track of it in the inner loop.
            let before = &self.tree_rows[..=last];
            let parent = before.iter().position(|&(row, offset)| {
                matrix.row(row)[column] - self.price[column] - offset == distance
            });
            let (row, _) = before[parent.unwrap_or(0)];
            self.row_of_column[column] = row;
            self.column_of_row[row] = column;
            match parent {
                // Row k of the tree was reached through column k - 1, its own before.
                Some(parent) if parent > 0 => last = parent - 1,
                _ => break,
            }
        }
        for &(column, distance) in &self.tree_columns {
            // Rounding must not raise v: where columns stay free it may not exceed 0.
            self.price[column] += (distance - length).min(0.0);
        }
    }

    /// The pairs (row, column). NaN costs can leave rows without a column; finite ones cannot.
    pub(super) fn assigned(&self) -> impl Iterator<Item = (usize, usize)> {
        let pairs = self.column_of_row.iter().copied().enumerate();
        pairs.filter(|&(_, column)| column != NONE)
    }

    /// Σ_i min_j (c_ij - v_j) + Σ_j v_j: no assignment is below it, whatever
    /// v is; with fewer rows than columns, whatever v <= 0 is.
    pub(super) fn lower_bound(&self, matrix: Matrix) -> f64 {
        let of_rows: f64 =
            (0..matrix.rows).map(|row| kernels::smallest(matrix.row(row), &self.price)).sum();
        of_rows + self.price.iter().sum::<f64>()
    }

    /// Writes what a later solve can start from.
    pub(super) fn remember(&self, memory: &mut Vec<f64>) {
        memory.clear();
        memory.extend_from_slice(&self.price);
        memory.extend(self.column_of_row.iter().map(|&column| column as f64));
    }
}
