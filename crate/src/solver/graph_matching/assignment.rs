//! Linear assignment by shortest augmenting paths, on small dense matrices, with its duals.

pub(super) const NONE: u32 = u32::MAX;

/// min Σ C[i][k] x[i][k] where each row is matched to one column, or, with a bin, stays unmatched
/// at cost 0, and each column takes at most one row.
///
/// Leaves the matching in `col_of` and duals with u[i] + v[k] <= C[i][k], v <= 0 and, with a bin,
/// u <= 0; their sum is the minimum.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    pub(super) u: Vec<f64>,
    pub(super) v: Vec<f64>,
    pub(super) col_of: Vec<u32>,
    row_of: Vec<u32>,
    distance: Vec<f64>,
    before: Vec<u32>,
    open: Vec<u32>,
    waiting: Vec<u32>,
}

impl Assignment {
    /// The minimum for the row-major `cost`. Without a bin there must be rows <= cols.
    ///
    /// The duals of the columns start at `near`, which is of use only where every column will be
    /// matched (rows = cols, no bin), and are then of either sign; else it has to be empty.
    pub(super) fn solve(
        &mut self,
        rows: usize,
        cols: usize,
        cost: &[f64],
        bin: bool,
        near: &[f64],
    ) -> f64 {
        self.u.clear();
        self.v.clear();
        self.v.extend_from_slice(near);
        self.v.resize(cols, 0.0);
        self.col_of.clear();
        self.row_of.clear();
        self.row_of.resize(cols, NONE);
        self.waiting.clear();
        for row in 0..rows {
            let (mut least, mut at) = (if bin { 0.0 } else { f64::INFINITY }, NONE);
            let entries = cost[row * cols..(row + 1) * cols].iter().zip(&self.v);
            for (col, (entry, v)) in entries.enumerate() {
                if entry - v < least {
                    (least, at) = (entry - v, col as u32);
                }
            }
            self.u.push(least);
            if at != NONE && self.row_of[at as usize] == NONE {
                self.row_of[at as usize] = row as u32;
                self.col_of.push(at);
            } else {
                self.col_of.push(NONE);
                if at != NONE {
                    self.waiting.push(row as u32);
                }
            }
        }
        self.distance.resize(cols.max(self.distance.len()), 0.0);
        self.before.resize(cols.max(self.before.len()), 0);
        for position in 0..self.waiting.len() {
            self.augment(self.waiting[position] as usize, cols, cost, bin);
        }
        self.u.iter().sum::<f64>() + self.v.iter().sum::<f64>()
    }

    fn augment(&mut self, source: usize, cols: usize, cost: &[f64], bin: bool) {
        self.distance[..cols].fill(f64::INFINITY);
        self.open.clear();
        self.open.extend(0..cols as u32);
        let mut closed = cols; // open[closed..] are the columns whose distance is final
        let (mut row, mut reached) = (source, 0.0);
        let (mut bin_distance, mut bin_row) = (f64::INFINITY, source);
        let mut end = loop {
            if bin && reached - self.u[row] < bin_distance {
                (bin_distance, bin_row) = (reached - self.u[row], row);
            }
            let base = reached - self.u[row];
            let (mut least, mut at) = (f64::INFINITY, 0);
            for (position, &col) in self.open[..closed].iter().enumerate() {
                let col = col as usize;
                let through = base + cost[row * cols + col] - self.v[col];
                if through < self.distance[col] {
                    self.distance[col] = through;
                    self.before[col] = row as u32;
                }
                if self.distance[col] < least {
                    (least, at) = (self.distance[col], position);
                }
            }
            if closed == 0 || bin_distance <= least {
                reached = bin_distance;
                // The row at the end gives up its column, which then is the free end of the path.
                break std::mem::replace(&mut self.col_of[bin_row], NONE);
            }
            let col = self.open[at];
            reached = least;
            if self.row_of[col as usize] == NONE {
                break col;
            }
            closed -= 1;
            self.open.swap(at, closed);
            row = self.row_of[col as usize] as usize;
        };
        self.u[source] += reached;
        for &col in &self.open[closed..] {
            let rest = reached - self.distance[col as usize];
            self.v[col as usize] -= rest;
            self.u[self.row_of[col as usize] as usize] += rest;
        }
        while end != NONE {
            let row = self.before[end as usize];
            self.row_of[end as usize] = row;
            end = std::mem::replace(&mut self.col_of[row as usize], end);
        }
    }
}
