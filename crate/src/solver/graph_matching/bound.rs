//! The dual bound: a linear assignment for each possible match, and one over all of them.

use super::assignment::{Assignment, NONE};
use super::instance::Instance;

/// Lagrangean decomposition of an instance, ascended block by block.
///
/// If row i takes column k, each neighbour j of i takes some l, and Q[ij][kl] is due if l is a
/// neighbour of k. Both blocks, that of (i, k) and that of (j, l), see this cost; duals
/// U[ij][k] + V[kl][i] + U[ji][l] + V[lk][j] <= Q[ij][kl] share it out. The least cost of block
/// (i, k) is Σ_j U[ij][k] + Σ_l V[kl][i]; with the linear cost it is the *leader* of (i, k), and an
/// assignment over the leaders is the bound. Each step hands a block all that the others can spare
/// and solves it anew, so that the bound never falls.
#[derive(Debug, Default)]
pub(super) struct Relaxation {
    pub(super) instance: Instance,
    /// Numbers of the rows and columns in the whole instance.
    pub(super) row_ids: Vec<u32>,
    pub(super) col_ids: Vec<u32>,
    /// Cost of the matches made already.
    pub(super) constant: f64,
    /// Pairs that no better solution holds.
    pub(super) excluded: Vec<bool>,
    /// What the bound rises by, at least, if the pair is matched.
    pub(super) slack: Vec<f64>,
    /// The assignment over the leaders.
    pub(super) outer: Assignment,
    /// More than any sum of costs.
    wall: f64,
    row_dual: Vec<f64>,
    col_dual: Vec<f64>,
    leader: Vec<f64>,
    forward: bool,
    inner: Assignment,
    block: Vec<f64>,
    kept_rows: Vec<u32>,
    kept_cols: Vec<u32>,
}

impl Relaxation {
    /// Starts from the loaded instance, each cost shared out evenly.
    pub(super) fn begin(&mut self, scale: f64) {
        let (rows, cols) = (self.instance.rows.nodes(), self.instance.cols.nodes());
        self.row_ids.clear();
        self.row_ids.extend(0..rows as u32);
        self.col_ids.clear();
        self.col_ids.extend(0..cols as u32);
        self.constant = 0.0;
        self.wall = 1e7 * scale;
        self.forward = false;
        self.excluded.clear();
        self.excluded.resize(rows * cols, false);
        self.row_dual.clear();
        self.row_dual.resize(self.instance.rows.arcs() * cols, 0.0);
        self.col_dual.clear();
        self.col_dual.resize(self.instance.cols.arcs() * rows, 0.0);
        self.leader.clear();
        self.leader.resize(rows * cols, 0.0);
        for row in 0..rows {
            for col in 0..cols {
                self.solve_block::<true>(row, col);
            }
        }
    }

    /// Solves each block once with all that the other blocks can spare.
    pub(super) fn sweep(&mut self) {
        self.forward = !self.forward;
        let pairs = self.excluded.len();
        let cols = self.instance.cols.nodes();
        for position in 0..pairs {
            let pair = if self.forward { position } else { pairs - 1 - position };
            if !self.excluded[pair] {
                self.solve_block::<false>(pair / cols, pair % cols);
            }
        }
    }

    fn solve_block<const EVEN: bool>(&mut self, row: usize, col: usize) {
        let Instance { rows, cols, linear, pair, complete } = &self.instance;
        let (height, width) = (rows.of(row).len(), cols.of(col).len());
        let (col_count, arcs) = (cols.nodes(), cols.arcs());
        // Neighbours of the row that go elsewhere than to neighbours of the column cost nothing;
        // in a complete matching only so many find a place there.
        let elsewhere = if *complete { (col_count - 1 - width).min(height) } else { height };
        let bin = elsewhere == height;
        let stride = if bin { width } else { width + elsewhere };
        self.block.clear();
        for arc in rows.of(row) {
            let other = rows.head[arc] as usize;
            let costs = &pair[arc * arcs..][cols.of(col)];
            if EVEN {
                self.block.extend(costs.iter().map(|cost| 0.5 * cost));
            } else {
                let back = rows.reverse[arc] as usize;
                let from_rows = &self.row_dual[back * col_count..(back + 1) * col_count];
                let from_cols = &self.col_dual[other * arcs..(other + 1) * arcs];
                let heads = cols.head[cols.of(col)].iter().zip(&cols.reverse[cols.of(col)]);
                self.block.extend(costs.iter().zip(heads).map(|(cost, (&head, &reverse))| {
                    cost - (from_rows[head as usize] + from_cols[reverse as usize])
                }));
            }
            if !bin {
                self.block.resize(self.block.len() + elsewhere, 0.0);
            }
        }
        let square = !EVEN && !bin && height == stride;
        let near = if square { &self.col_dual[row * arcs..][cols.of(col)] } else { &[] };
        let value = self.inner.solve(height, stride, &self.block, bin, near);
        if value >= 0.5 * self.wall && value > 0.0 {
            return self.exclude(row, col);
        }
        for (arc, dual) in rows.of(row).zip(&self.inner.u) {
            self.row_dual[arc * col_count + col] = *dual;
        }
        self.col_dual[row * arcs..][cols.of(col)].copy_from_slice(&self.inner.v[..width]);
        self.leader[row * col_count + col] = linear[row * col_count + col] + value;
    }

    /// The bound, with the slacks of all pairs.
    pub(super) fn bound(&mut self) -> f64 {
        let (rows, cols) = (self.instance.rows.nodes(), self.instance.cols.nodes());
        let value = self.outer.solve(rows, cols, &self.leader, !self.instance.complete, &[]);
        self.slack.clear();
        for row in 0..rows {
            let leaders = &self.leader[row * cols..(row + 1) * cols];
            let u = self.outer.u[row];
            self.slack.extend(
                leaders.iter().zip(&self.outer.v).map(|(leader, v)| (leader - u - v).max(0.0)),
            );
        }
        self.constant + value
    }

    /// Excludes all pairs that would raise the bound by `gap`.
    pub(super) fn exclude_above(&mut self, gap: f64) {
        let cols = self.instance.cols.nodes();
        for pair in 0..self.slack.len() {
            if !self.excluded[pair] && self.slack[pair] >= gap {
                self.exclude(pair / cols, pair % cols);
            }
        }
    }

    fn exclude(&mut self, row: usize, col: usize) {
        let Instance { rows, cols, .. } = &self.instance;
        let count = cols.nodes();
        self.excluded[row * count + col] = true;
        self.leader[row * count + col] = self.wall;
        for arc in rows.of(row) {
            self.row_dual[arc * count + col] = -self.wall;
        }
        self.col_dual[row * cols.arcs()..][cols.of(col)].fill(0.0);
    }

    /// Hands the slack of each leader down to its block, for the neighbours to take.
    pub(super) fn spread(&mut self) {
        let Instance { rows, cols, .. } = &self.instance;
        let count = cols.nodes();
        for row in 0..rows.nodes() {
            for col in 0..count {
                let pair = row * count + col;
                let (height, width) = (rows.of(row).len(), cols.of(col).len());
                if self.excluded[pair] || self.slack[pair] <= 0.0 || height == 0 || width == 0 {
                    continue;
                }
                if height <= width {
                    let share = self.slack[pair] / height as f64;
                    for arc in rows.of(row) {
                        self.row_dual[arc * count + col] -= share;
                    }
                } else {
                    let share = self.slack[pair] / width as f64;
                    let duals = &mut self.col_dual[row * cols.arcs()..][cols.of(col)];
                    duals.iter_mut().for_each(|dual| *dual -= share);
                }
            }
        }
    }

    /// Writes what is left into `rest` when `row` takes `col`, or the one given stays unmatched.
    pub(super) fn restrict(&mut self, row: Option<usize>, col: Option<usize>, rest: &mut Self) {
        let (kept_rows, kept_cols) = (&mut self.kept_rows, &mut self.kept_cols);
        let old = &self.instance;
        old.rows.without(row, &mut rest.instance.rows, kept_rows);
        old.cols.without(col, &mut rest.instance.cols, kept_cols);
        rest.instance.complete = old.complete;
        rest.wall = self.wall;
        rest.forward = self.forward;
        rest.constant = self.constant;
        let (count, arcs) = (old.cols.nodes(), old.cols.arcs());
        let rows_left = || (0..old.rows.nodes()).filter(|&kept| Some(kept) != row);
        let cols_left = || (0..count).filter(|&kept| Some(kept) != col);
        rest.row_ids.clear();
        rest.row_ids.extend(rows_left().map(|row| self.row_ids[row]));
        rest.col_ids.clear();
        rest.col_ids.extend(cols_left().map(|col| self.col_ids[col]));
        for list in [&mut rest.instance.linear, &mut rest.instance.pair] {
            list.clear();
        }
        for list in [&mut rest.row_dual, &mut rest.col_dual, &mut rest.leader] {
            list.clear();
        }
        rest.excluded.clear();
        for row in rows_left() {
            let base = row * count;
            rest.instance.linear.extend(cols_left().map(|col| old.linear[base + col]));
            rest.excluded.extend(cols_left().map(|col| self.excluded[base + col]));
            rest.leader.extend(cols_left().map(|col| self.leader[base + col]));
            let duals = &self.col_dual[row * arcs..(row + 1) * arcs];
            rest.col_dual.extend(kept_cols.iter().map(|&arc| duals[arc as usize]));
        }
        for &arc in kept_rows.iter() {
            let costs = &old.pair[arc as usize * arcs..(arc as usize + 1) * arcs];
            rest.instance.pair.extend(kept_cols.iter().map(|&arc| costs[arc as usize]));
            let duals = &self.row_dual[arc as usize * count..(arc as usize + 1) * count];
            rest.row_dual.extend(cols_left().map(|col| duals[col]));
        }
        let (Some(row), Some(col)) = (row, col) else { return };
        rest.constant += old.linear[row * count + col];
        let left = count - 1;
        for arc in old.rows.of(row) {
            let other = old.rows.head[arc] as usize;
            let other = other - usize::from(other > row);
            for across in old.cols.of(col) {
                let target = old.cols.head[across] as usize;
                let target = target - usize::from(target > col);
                rest.instance.linear[other * left + target] += old.pair[arc * arcs + across];
            }
        }
    }

    /// The assignment of the last bound in the numbers of the whole instance, laid over `col_of`.
    pub(super) fn write_assignment(&self, col_of: &mut [u32]) {
        for (row, &col) in self.row_ids.iter().zip(&self.outer.col_of) {
            col_of[*row as usize] = if col == NONE { NONE } else { self.col_ids[col as usize] };
        }
    }
}
