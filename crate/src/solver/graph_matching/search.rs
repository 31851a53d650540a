//! Bound, heuristic and branch and bound, put together.

use super::assignment::NONE;
use super::bound::Relaxation;
use super::heuristic::{Incumbent, LocalSearch};
use super::{Clock, GraphMatching};
use crate::Result;

/// Sweeps of the bound at the root, and at the other nodes.
const ROOT_SWEEPS: usize = 100;
const NODE_SWEEPS: usize = 8;
/// The sweeps at the root end when two of them close less than this share of the gap.
const ENOUGH: f64 = 0.04;
/// Beyond the exact size: the gap, relative to the objective, up to which a search with so many
/// nodes may close it, and the steps of local search per node of the larger graph.
const SMALL_GAP: f64 = 0.1;
const NODES: usize = 40;
const PATIENCE: usize = 20;

/// Scratch memory of one thread.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    nodes: Vec<Relaxation>,
    local: LocalSearch,
    pub(super) incumbent: Incumbent,
    current: Vec<u32>,
    branches: Vec<Branch>,
}

/// What a search found out beside its incumbent.
pub(super) struct Outcome {
    /// No solution is below this.
    pub(super) lower_bound: f64,
    /// Whether no limit stopped it.
    pub(super) finished: bool,
}

/// A child in the search tree: a match, or a row or column that stays unmatched.
#[derive(Clone, Copy, Debug)]
struct Branch {
    row: Option<usize>,
    col: Option<usize>,
    bound: f64,
}

impl Branch {
    /// Orders branches of equal bound.
    fn key(&self) -> (usize, usize) {
        (self.row.unwrap_or(usize::MAX), self.col.unwrap_or(usize::MAX))
    }
}

impl Workspace {
    /// Leaves the best matching found in `incumbent`, per row, with its objective under the costs
    /// as loaded.
    pub(super) fn run(
        &mut self,
        matching: &GraphMatching,
        cost: &[f64],
        clock: &Clock,
    ) -> Result<Outcome> {
        let (rows, cols) = (&matching.rows, &matching.cols);
        if self.nodes.is_empty() {
            self.nodes.push(Relaxation::default());
        }
        // Sums of the largest costs must not overflow, nor halves of the smallest underflow.
        let largest = cost.iter().fold(0.0_f64, |most, cost| cost.abs().max(most));
        let factor = match largest {
            1e250.. => 2.0_f64.powi(-200),
            ..1e-200 => 2.0_f64.powi(200),
            _ => 1.0,
        };
        // A cost this far above the incumbent, when all else is as cheap as can be, does not occur
        // in better solutions. Cut down to that, it no longer drowns the others in rounding.
        let gains = matching.greatest_gain(cost, factor);
        let mut ceiling = f64::INFINITY;
        let mut scale;
        self.current.clear();
        let trivial = |row| if matching.complete { row } else { NONE };
        self.current.extend((0..rows.nodes as u32).map(trivial));
        let layout = (rows, cols, matching.transposed);
        self.nodes[0].instance.complete = matching.complete;
        self.nodes[0].instance.load(layout, cost, factor, ceiling);
        self.branches.clear(); // an interrupted search leaves some
        self.incumbent.objective = f64::INFINITY;
        let mut objective = self.nodes[0].instance.objective(cols, &self.current);
        self.incumbent.offer(&self.current, objective);
        loop {
            scale = self.nodes[0].instance.scale();
            let next = objective + gains;
            let next = next + 1e-6 * next.abs();
            if next < ceiling && next < scale {
                ceiling = next;
                self.nodes[0].instance.load(layout, cost, factor, ceiling);
                scale = self.nodes[0].instance.scale();
            }
            let best = self.incumbent.objective;
            if matching.complete {
                self.descend(matching, 50, f64::NEG_INFINITY, clock)?;
            }
            objective = self.incumbent.objective;
            if !(objective < best && (objective + gains) < 1e-3 * scale) {
                break;
            }
        }
        let tolerance = 1e-12 * scale * rows.nodes as f64;
        let granularity = self.nodes[0].instance.granularity();
        let margin = (granularity * (1.0 - 1e-3)).max(tolerance);
        let mut tree = Tree { matching, clock, margin, nodes_left: usize::MAX, workspace: self };
        let lower_bound = tree.root(scale)?;
        let objective = self.incumbent.objective;
        let proven = lower_bound >= objective - margin;
        let finished = proven || !clock.has_expired();
        let lower_bound = if proven { objective } else { lower_bound };
        Ok(Outcome { lower_bound: lower_bound / factor, finished })
    }

    fn descend(
        &mut self,
        matching: &GraphMatching,
        iterations: usize,
        target: f64,
        clock: &Clock,
    ) -> Result<()> {
        let problem = (&self.nodes[0].instance, &matching.rows, &matching.cols);
        let budget = (iterations, iterations * 10);
        self.local.run(problem, &self.current, budget, target, &mut self.incumbent, clock)
    }
}

/// The search below a root that is loaded into the first node of the workspace.
struct Tree<'a> {
    matching: &'a GraphMatching,
    clock: &'a Clock,
    /// A bound this close below the incumbent ends a branch.
    margin: f64,
    nodes_left: usize,
    workspace: &'a mut Workspace,
}

impl Tree<'_> {
    fn target(&self) -> f64 {
        self.workspace.incumbent.objective - self.margin
    }

    /// The lower bound.
    fn root(&mut self, scale: f64) -> Result<f64> {
        let size = self.matching.rows.nodes.max(self.matching.cols.nodes);
        let exact = size <= self.matching.exact_size;
        let mut root = std::mem::take(&mut self.workspace.nodes[0]);
        root.begin(scale);
        self.workspace.nodes[0] = root;
        let lower = self.ascend(0, ROOT_SWEEPS)?;
        if lower >= self.target() || self.clock.has_expired() {
            return Ok(lower);
        }
        if exact {
            return self.explore(0, lower);
        }
        self.improve(lower, 1)?;
        let open = self.target() - lower;
        let mut lower = lower;
        if open > 0.0 && open < SMALL_GAP * self.workspace.incumbent.objective.abs() {
            self.nodes_left = NODES;
            lower = self.explore(0, lower)?;
        }
        if lower < self.target() {
            self.improve(lower, 8)?;
        }
        Ok(lower)
    }

    /// Local search around the incumbent, for longer with more `effort`.
    fn improve(&mut self, lower: f64, effort: usize) -> Result<()> {
        let Workspace { current, incumbent, .. } = &mut *self.workspace;
        current.clone_from(&incumbent.col_of);
        let iterations = effort * PATIENCE * self.matching.cols.nodes;
        let (target, clock) = (lower + self.margin, self.clock);
        self.workspace.descend(self.matching, iterations, target, clock)
    }

    /// Raises the bound of the node at `depth`, until it closes or is not worth more sweeps.
    fn ascend(&mut self, depth: usize, sweeps: usize) -> Result<f64> {
        let mut lower = f64::NEG_INFINITY;
        let mut last_rate = f64::INFINITY;
        for sweep in 0..sweeps {
            let expired = self.clock.expired("a graph matching bound was being raised")?;
            let node = &mut self.workspace.nodes[depth];
            if sweep > 0 {
                node.exclude_above(self.workspace.incumbent.objective - self.margin - lower);
                node.spread();
            }
            if sweep > 0 || depth > 0 {
                node.sweep();
            }
            let before = lower;
            lower = lower.max(node.bound());
            if lower >= self.target() {
                break;
            }
            self.candidate(depth, sweep, lower)?;
            let gap = self.target() - lower;
            let sweeps_left = (sweeps - 1 - sweep) as f64;
            let rate = lower - before;
            // Forward and backward sweeps gain differently.
            let hopeless = if depth == 0 {
                rate + last_rate < ENOUGH * gap
            } else {
                (rate + last_rate) * sweeps_left < gap
            };
            if gap <= 0.0 || expired || (sweep > 2 && hopeless) {
                break;
            }
            last_rate = rate;
        }
        Ok(lower)
    }

    /// Offers the assignment behind the bound as a solution.
    fn candidate(&mut self, depth: usize, sweep: usize, lower: f64) -> Result<()> {
        let Workspace { nodes, current, incumbent, .. } = &mut *self.workspace;
        nodes[depth].write_assignment(current);
        if depth == 0 && sweep.is_power_of_two() {
            let (target, clock) = (lower + self.margin, self.clock);
            return self.workspace.descend(self.matching, 30, target, clock);
        }
        let objective = nodes[0].instance.objective(&self.matching.cols, current);
        incumbent.offer(current, objective);
        Ok(())
    }

    /// Searches below the node at `depth`, bounded already by `lower`; a valid bound of it all.
    fn explore(&mut self, depth: usize, lower: f64) -> Result<f64> {
        let first = self.workspace.branches.len();
        if !self.branch(depth, lower) {
            return Ok(lower); // all matched
        }
        if self.workspace.nodes.len() == depth + 1 {
            self.workspace.nodes.push(Relaxation::default());
        }
        self.workspace.nodes[depth].spread();
        let mut least = f64::INFINITY;
        for index in first..self.workspace.branches.len() {
            let Branch { row, col, bound } = self.workspace.branches[index];
            let mut bound = bound;
            if bound < self.target() {
                if self.nodes_left == 0 || self.clock.expired("graphs were being matched")? {
                    self.nodes_left = 0;
                } else {
                    self.nodes_left -= 1;
                    bound = bound.max(self.visit(depth, row, col, bound)?);
                }
            }
            least = least.min(bound);
        }
        self.workspace.branches.truncate(first);
        Ok(least)
    }

    fn visit(
        &mut self,
        depth: usize,
        row: Option<usize>,
        col: Option<usize>,
        bound: f64,
    ) -> Result<f64> {
        let (above, below) = self.workspace.nodes.split_at_mut(depth + 1);
        let (Some(parent), Some(child)) = (above.last_mut(), below.first_mut()) else {
            return Ok(bound);
        };
        parent.restrict(row, col, child);
        let ids = row.map(|row| parent.row_ids[row]);
        let target = col.map(|col| parent.col_ids[col]);
        // Rows matched on the way stay in `current`; those left are written by each bound.
        let current = &mut self.workspace.current;
        if let Some(row) = ids {
            current[row as usize] = target.unwrap_or(NONE);
        }
        let lower = self.ascend(depth + 1, NODE_SWEEPS)?.max(bound);
        if lower >= self.target() { Ok(lower) } else { self.explore(depth + 1, lower) }
    }

    /// Lists the children of the row or column that leaves least to search; false if none is left.
    fn branch(&mut self, depth: usize, lower: f64) -> bool {
        let Workspace { nodes, branches, incumbent, .. } = &mut *self.workspace;
        let node = &nodes[depth];
        let (rows, cols) = (node.instance.rows.nodes(), node.instance.cols.nodes());
        if rows == 0 || cols == 0 {
            return false;
        }
        let complete = node.instance.complete;
        let gap = incumbent.objective - self.margin - lower;
        let weigh = |slack: f64| (1.0 - slack / gap).max(0.0).powi(2);
        let pair = |row: usize, col: usize| {
            let pair = row * cols + col;
            if node.excluded[pair] { f64::INFINITY } else { node.slack[pair] }
        };
        let alone_row = |row: usize| if complete { f64::INFINITY } else { -node.outer.u[row] };
        let alone_col = |col: usize| {
            if complete && rows == cols { f64::INFINITY } else { -node.outer.v[col] }
        };
        let (mut least, mut best) = (f64::INFINITY, (true, 0));
        for row in 0..rows {
            let work = weigh(alone_row(row)) + (0..cols).map(|c| weigh(pair(row, c))).sum::<f64>();
            if work < least {
                (least, best) = (work, (true, row));
            }
        }
        for col in 0..cols {
            let work = weigh(alone_col(col)) + (0..rows).map(|r| weigh(pair(r, col))).sum::<f64>();
            if work < least {
                (least, best) = (work, (false, col));
            }
        }
        let first = branches.len();
        let mut add =
            |row, col, slack: f64| branches.push(Branch { row, col, bound: lower + slack });
        if best.0 {
            let row = best.1;
            (0..cols).for_each(|col| add(Some(row), Some(col), pair(row, col)));
            add(Some(row), None, alone_row(row));
        } else {
            let col = best.1;
            (0..rows).for_each(|row| add(Some(row), Some(col), pair(row, col)));
            add(None, Some(col), alone_col(col));
        }
        branches[first..]
            .sort_unstable_by(|a, b| a.bound.total_cmp(&b.bound).then(a.key().cmp(&b.key())));
        true
    }
}
