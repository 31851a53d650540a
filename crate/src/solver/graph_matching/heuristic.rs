//! Primal search: tabu search over moves, swaps, replacements and removals.

use super::Clock;
use super::assignment::NONE;
use super::instance::{Instance, Side};
use crate::Result;

/// The best matching so far, per row, and its objective.
#[derive(Debug, Default)]
pub(super) struct Incumbent {
    pub(super) col_of: Vec<u32>,
    pub(super) objective: f64,
}

impl Incumbent {
    /// Takes the matching if it is better.
    pub(super) fn offer(&mut self, col_of: &[u32], objective: f64) -> bool {
        let better = objective < self.objective;
        if better {
            self.objective = objective;
            self.col_of.clear();
            self.col_of.extend_from_slice(col_of);
        }
        better
    }
}

/// A change of one matching; rows and columns by number.
#[derive(Clone, Copy)]
enum Move {
    /// Row to a free column, or to none.
    Single(usize, u32),
    /// Rows exchange their columns, of which one may be none.
    Exchange(usize, usize),
}

/// Tabu search (Taillard 1991) with the cost of each pair, given the other matches, kept up to
/// date: a change of objective takes a few look-ups.
#[derive(Debug, Default)]
pub(super) struct LocalSearch {
    /// Cost of matching row and column, beside all other matches.
    gain: Vec<f64>,
    col_of: Vec<u32>,
    row_of: Vec<u32>,
    /// Until when a row must not return to a column; the last column stands for none.
    forbidden: Vec<u32>,
    free: Vec<u32>,
}

impl LocalSearch {
    /// Searches from `start` until `iterations` have passed since the last improvement of the
    /// incumbent, `limit` in all, or the incumbent is at most `target`.
    pub(super) fn run(
        &mut self,
        (instance, rows, cols): (&Instance, &Side, &Side),
        start: &[u32],
        (iterations, limit): (usize, usize),
        target: f64,
        incumbent: &mut Incumbent,
        clock: &Clock,
    ) -> Result<()> {
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut objective = self.place(instance, cols, start);
        incumbent.offer(&self.col_of, objective);
        let stride = cols.nodes + 1;
        let (mut last, mut kicked) = (0, 0);
        let tiny = 1e-12 * instance.scale();
        for now in 1..=limit {
            if incumbent.objective <= target || now - last > iterations {
                break;
            }
            if now.is_multiple_of(64) && clock.expired("a matching was being improved")? {
                break;
            }
            let aspiration = incumbent.objective - objective - tiny;
            let Some((step, change)) = self.best_move((instance, rows, cols), now, aspiration)
            else {
                continue;
            };
            let mut leave = |search: &mut Self, row: usize| {
                let from = search.col_of[row];
                let slot = if from == NONE { cols.nodes } else { from as usize };
                let tenure = 2 + rows.nodes / 2 + below(&mut random, rows.nodes);
                search.forbidden[row * stride + slot] = (now + tenure) as u32;
            };
            match step {
                Move::Single(row, col) => {
                    leave(self, row);
                    self.set(instance, row, col);
                }
                Move::Exchange(row, other) => {
                    leave(self, row);
                    leave(self, other);
                    self.exchange(instance, row, other);
                }
            }
            objective += change;
            if objective < incumbent.objective - tiny {
                // Afresh, so that rounding does not add up.
                objective = instance.objective(cols, &self.col_of);
                if incumbent.offer(&self.col_of, objective) {
                    last = now;
                }
            }
            if now - last.max(kicked) > iterations / 3 {
                kicked = now;
                objective = self.kick(instance, cols, incumbent, &mut random);
            }
        }
        Ok(())
    }

    /// Restarts near the incumbent: some rows exchange their places.
    fn kick(
        &mut self,
        instance: &Instance,
        cols: &Side,
        incumbent: &Incumbent,
        random: &mut u64,
    ) -> f64 {
        self.place(instance, cols, &incumbent.col_of);
        let rows = self.col_of.len();
        for _ in 0..2 + rows / 4 {
            let (row, other) = (below(random, rows), below(random, rows));
            if row != other {
                self.exchange(instance, row, other);
            }
        }
        instance.objective(cols, &self.col_of)
    }

    fn place(&mut self, instance: &Instance, cols: &Side, start: &[u32]) -> f64 {
        self.gain.clear();
        self.gain.extend_from_slice(&instance.linear);
        self.col_of.clear();
        self.col_of.resize(start.len(), NONE);
        self.row_of.clear();
        self.row_of.resize(cols.nodes, NONE);
        self.forbidden.clear();
        self.forbidden.resize(start.len() * (cols.nodes + 1), 0);
        for (row, &col) in start.iter().enumerate() {
            self.set(instance, row, col);
        }
        instance.objective(cols, start)
    }

    fn set(&mut self, instance: &Instance, row: usize, col: u32) {
        let old = std::mem::replace(&mut self.col_of[row], col);
        if old != NONE {
            self.row_of[old as usize] = NONE;
            self.shift(instance, row, old as usize, -1.0);
        }
        if col != NONE {
            self.row_of[col as usize] = row as u32;
            self.shift(instance, row, col as usize, 1.0);
        }
    }

    fn exchange(&mut self, instance: &Instance, row: usize, other: usize) {
        let (mine, theirs) = (self.col_of[row], self.col_of[other]);
        self.set(instance, row, NONE);
        self.set(instance, other, mine);
        self.set(instance, row, theirs);
    }

    /// Adds the pair costs of (row, col), times `sign`, to the gains of the neighbours.
    fn shift(&mut self, instance: &Instance, row: usize, col: usize, sign: f64) {
        let Instance { rows, cols, pair, .. } = instance;
        let (count, arcs) = (cols.nodes(), cols.arcs());
        let heads = &cols.head[cols.of(col)];
        for arc in rows.of(row) {
            let gains = &mut self.gain[rows.head[arc] as usize * count..][..count];
            for (cost, &head) in pair[arc * arcs..][cols.of(col)].iter().zip(heads) {
                gains[head as usize] += sign * cost;
            }
        }
    }

    /// The allowed move of least change, and the change; the first among equals.
    fn best_move(
        &mut self,
        (instance, rows, cols): (&Instance, &Side, &Side),
        now: usize,
        aspiration: f64,
    ) -> Option<(Move, f64)> {
        let (count, stride, arcs) = (cols.nodes, cols.nodes + 1, instance.cols.arcs());
        let (mut least, mut best) = (f64::INFINITY, None);
        self.free.clear();
        self.free.extend((0..count as u32).filter(|&col| self.row_of[col as usize] == NONE));
        let forbidden = &self.forbidden;
        let closed = |row: usize, slot: usize| forbidden[row * stride + slot] as usize > now;
        for row in 0..rows.nodes {
            let mine = self.col_of[row];
            let gains = &self.gain[row * count..(row + 1) * count];
            let left = if mine == NONE { 0.0 } else { -gains[mine as usize] };
            let slot = if mine == NONE { count } else { mine as usize };
            for &col in &self.free {
                let change = left + gains[col as usize];
                if change < least && (change < aspiration || !closed(row, col as usize)) {
                    (least, best) = (change, Some(Move::Single(row, col)));
                }
            }
            let may_leave = mine != NONE && !instance.complete;
            if may_leave && left < least && (left < aspiration || !closed(row, count)) {
                (least, best) = (left, Some(Move::Single(row, NONE)));
            }
            for other in row + 1..rows.nodes {
                let theirs = self.col_of[other];
                let their_gains = &self.gain[other * count..(other + 1) * count];
                let their_slot = if theirs == NONE { count } else { theirs as usize };
                let mut change = left;
                if theirs != NONE {
                    change += gains[theirs as usize] - their_gains[theirs as usize];
                }
                if mine != NONE {
                    change += their_gains[mine as usize];
                    if theirs != NONE {
                        let arc = rows.arc(row, other);
                        let across = cols.arc(mine as usize, theirs as usize);
                        if arc != NONE && across != NONE {
                            let costs = &instance.pair[arc as usize * arcs..][..arcs];
                            let back = instance.cols.reverse[across as usize] as usize;
                            change += costs[across as usize] + costs[back];
                        }
                    }
                } else if theirs == NONE {
                    continue;
                }
                let tabu = || closed(row, their_slot) && closed(other, slot);
                if change < least && (change < aspiration || !tabu()) {
                    (least, best) = (change, Some(Move::Exchange(row, other)));
                }
            }
        }
        best.map(|step| (step, least))
    }
}

/// A number below `end` (xorshift).
fn below(state: &mut u64, end: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    ((*state >> 33) as usize) % end.max(1)
}
