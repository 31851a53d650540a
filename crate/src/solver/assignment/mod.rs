//! The linear assignment problem: a minimum-cost perfect matching of rows and columns.

use std::cell::RefCell;

use super::{Certificate, Enumerate, Proof, Solver, WarmStart};
use crate::{Error, Result};

mod kernels;
mod matrix;
mod search;

use matrix::Matrix;
use search::{SHRINK, Search};

thread_local! {
    static SEARCH: RefCell<Search> = RefCell::default();
    static SEARCH_MEMORY: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// argmin over the assignments of `rows` to `columns`: 0/1 matrices with at most one 1 per row and
/// per column, and exactly min(rows, columns) of them.
///
/// ```text
/// min Σ_ij w_ij y_ij,   y in {0,1}^(rows x columns),   Σ_j y_ij <= 1,   Σ_i y_ij <= 1,
///                       Σ_ij y_ij = min(rows, columns)
/// ```
///
/// Costs and solutions are row-major matrices of shape [rows, columns]; costs may be any finite
/// numbers. To maximise a score, negate it before. The square case is the permutation matrices.
///
/// With n = min(rows, columns) and m = max(rows, columns) a solve takes O(n² m) at most. A tall
/// matrix is transposed first. The objective is optimal up to rounding: relative to the largest
/// |cost|, not to the objective, so prefer a moderate "forbidden" cost to 1e300. Costs above 1e289
/// are scaled by a power of two inside, so that no sum overflows.
///
/// Ties: each row, in order, takes the first of its cheapest columns that is free, as long as the
/// row reduction lets it; later augmenting paths prefer free columns, then lower indices. All
/// costs equal give the identity. The same costs always give the same solution, on any thread.
///
/// The [`WarmStart`] memory holds the column duals and the assignment; it helps where most rows
/// keep their column. Memory of another size, or out of proportion to the costs, is ignored.
///
/// ```
/// use solvergrad::solver::{Assignment, Solver};
///
/// let tasks = Assignment::new(3)?;
/// let mut chosen = [0.0; 9];
/// tasks.solve(&[4.0, 1.0, 3.0, 2.0, 0.0, 5.0, 3.0, 2.0, 2.0], &mut chosen)?;
/// assert_eq!(tasks.columns_of(&chosen), [Some(1), Some(0), Some(2)]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Shortest augmenting paths with dual variables after a column and an augmenting row reduction:
/// R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
/// assignment problems", Computing 38 (1987). Rectangular case: D. F. Crouse, "On implementing 2D
/// rectangular assignment algorithms", IEEE Trans. Aerosp. Electron. Syst. 52 (2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    rows: usize,
    columns: usize,
}

impl Assignment {
    /// The problem of matching `n` rows with `n` columns.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `n` is 0, or n² overflows.
    pub fn new(n: usize) -> Result<Self> {
        Self::rectangular(n, n)
    }

    /// The problem of matching `rows` with `columns`; the smaller side is matched in full.
    ///
    /// # Errors
    /// [`Error::Parameter`] if either is 0, or their product overflows.
    pub fn rectangular(rows: usize, columns: usize) -> Result<Self> {
        if rows == 0 || columns == 0 {
            let what = if rows == 0 { "rows" } else { "columns" };
            return Err(Error::parameter(
                "a side of the assignment problem",
                format!("0 ({what})"),
                "at least 1",
            ));
        }
        if rows.checked_mul(columns).is_none() {
            return Err(Error::parameter(
                "the size of the assignment problem",
                format!("{rows} x {columns}"),
                "a matrix that fits into memory",
            ));
        }
        Ok(Self { rows, columns })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The column of each row in a `solution` of this problem; `None` for a row without one.
    pub fn columns_of(&self, solution: &[f64]) -> Vec<Option<usize>> {
        let mut columns: Vec<Option<usize>> = solution
            .chunks(self.columns)
            .take(self.rows)
            .map(|row| row.iter().position(|&entry| entry > 0.5))
            .collect();
        columns.resize(self.rows, None);
        columns
    }

    /// Solves from `memory`; gives what `finish` makes of the duals and the matrix they are for.
    fn solve_from<T>(
        &self,
        memory: &[f64],
        cost: &[f64],
        solution: &mut [f64],
        finish: impl FnOnce(&Search, Matrix, f64) -> T,
    ) -> Result<T> {
        SEARCH.with_borrow_mut(|search| {
            // Out of the search, since the matrix may borrow it while the search works.
            let mut copy = std::mem::take(&mut search.copy);
            let mut scale = 1.0;
            let mut matrix = Matrix::new(cost, self.rows, self.columns, scale, &mut copy);
            let mut outcome = search.run(matrix, memory);
            if let Ok(false) = outcome {
                scale = SHRINK;
                matrix = Matrix::new(cost, self.rows, self.columns, scale, &mut copy);
                outcome = search.run(matrix, memory);
            }
            let outcome = outcome.map(|_| {
                solution.fill(0.0);
                for (row, column) in search.assigned() {
                    solution[self.index(row, column)] = 1.0;
                }
                finish(search, matrix, scale)
            });
            search.copy = copy;
            outcome
        })
    }

    /// The place in a solution of an entry of the matrix with no more rows than columns.
    fn index(&self, row: usize, column: usize) -> usize {
        let (row, column) = if self.rows > self.columns { (column, row) } else { (row, column) };
        row * self.columns + column
    }
}

impl Solver for Assignment {
    fn dimension(&self) -> usize {
        self.rows * self.columns
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        self.solve_from(&[], cost, solution, |_, _, _| ())
    }

    fn shape(&self) -> Vec<usize> {
        vec![self.rows, self.columns]
    }

    fn warm_start(&self) -> Option<&dyn WarmStart> {
        Some(self)
    }

    fn certificate(&self) -> Option<&dyn Certificate> {
        Some(self)
    }
}

impl WarmStart for Assignment {
    fn solve_warm(&self, cost: &[f64], solution: &mut [f64], memory: &mut Vec<f64>) -> Result<()> {
        SEARCH_MEMORY.with_borrow_mut(|next| {
            next.clear();
            let outcome = self.solve_from(memory, cost, solution, |search, _, _| {
                search.remember(next);
            });
            std::mem::swap(memory, next);
            outcome
        })
    }
}

impl Certificate for Assignment {
    /// The bound comes from the duals, made feasible row by row: Σ_i min_j (w_ij - v_j) + Σ_j v_j.
    fn solve_certified(&self, cost: &[f64], solution: &mut [f64]) -> Result<Proof> {
        let bound = self.solve_from(&[], cost, solution, |search, matrix, scale| {
            search.lower_bound(matrix) / scale
        })?;
        let chosen = cost.iter().zip(&*solution).filter(|(_, entry)| **entry > 0.5);
        let objective: f64 = chosen.map(|(cost, _)| cost).sum();
        // Rounding may lift the bound above the optimum; the optimum itself is then the bound.
        Ok(Proof { objective, lower_bound: bound.min(objective), complete: true })
    }
}

impl Enumerate for Assignment {
    fn solutions(&self) -> Vec<Vec<f64>> {
        let (rows, columns) = (self.rows.min(self.columns), self.rows.max(self.columns));
        let mut all = Vec::new();
        let mut chosen: Vec<usize> = Vec::new();
        let mut next = 0;
        loop {
            // Depth first: the next free column for the row at hand, else back to the row before.
            match (next..columns).find(|column| !chosen.contains(column)) {
                Some(column) => {
                    chosen.push(column);
                    next = 0;
                    if chosen.len() == rows {
                        let mut solution = vec![0.0; rows * columns];
                        for (row, &column) in chosen.iter().enumerate() {
                            solution[self.index(row, column)] = 1.0;
                        }
                        all.push(solution);
                        next = columns;
                    }
                }
                None => match chosen.pop() {
                    Some(column) => next = column + 1,
                    None => return all,
                },
            }
        }
    }
}
