//! Graph matching: the quadratic assignment problem over partial injective matchings.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::{Duration, Instant};

use super::{Certificate, Enumerate, Proof, Solver};
use crate::{Error, Result, interrupt};

mod assignment;
mod bound;
mod heuristic;
mod instance;
mod search;

use assignment::NONE;
use instance::Side;
use search::{Outcome, Workspace};

/// Up to so many nodes per graph the search is exact unless told otherwise.
const EXACT_SIZE: usize = 10;

/// There are tables over all pairs of nodes.
const MOST_NODES: usize = 10_000;

const FIRST: &str = "graph 1 of the matching";
const SECOND: &str = "graph 2 of the matching";

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// argmin of ⟨c_v, v⟩ + ⟨c_e, e⟩ over matchings of two graphs, where a cost is due for each match of
/// two nodes and for each match of two edges.
///
/// For graphs with n1 and n2 nodes and directed edge lists E1 and E2, v in {0,1}^(n1 x n2) has at
/// most one 1 in each row and each column, and `e[(i,j),(k,l)] = v[i][k] · v[j][l]`. An unmatched node
/// costs 0, so that good matches need negative costs, unless [`complete`](Self::complete) asks for
/// min(n1, n2) matches.
///
/// Costs and solutions are laid out as v, row-major, then e, with the edge of E1 as the outer
/// index: n1·n2 + |E1|·|E2| numbers.
///
/// **Exact up to 10 nodes per graph** ([`exact_up_to`](Self::exact_up_to) moves the border). On
/// larger graphs the result is the best one that a dual bound, a local search and a branch and
/// bound of limited size have found: *not guaranteed optimal*. There
/// [`solve_certified`](Certificate::solve_certified) says how far it can be off, and often, on
/// costs that some matching fits well, that it is optimal.
///
/// The same costs give the same solution; among tied optima the choice follows from the search and
/// is not specified. Exact solving takes exponential time at worst; a step of the bound takes
/// O(n1·n2·d³) for degree d. Memory is O(|E1|·|E2|).
///
/// ```
/// use solvergrad::solver::{GraphMatching, Solver};
///
/// // A path 0 -> 1 in a path 0 -> 1 -> 2: edges pay when matched, and node 1 likes node 2.
/// let matching = GraphMatching::new(2, 3, &[(0, 1)], &[(0, 1), (1, 2)])?;
/// let cost = [0.0, 0.0, 0.0, 0.0, 0.0, -0.5, -1.0, -1.0];
/// let mut solution = [0.0; 8];
/// matching.solve(&cost, &mut solution)?;
/// assert_eq!(matching.matches_of(&solution), [Some(1), Some(2)]);
/// assert_eq!(solution[6..], [0.0, 1.0]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// The problem: M. Rolínek et al., "Deep graph matching via blackbox differentiation of
/// combinatorial solvers", ECCV 2020. The bound ascends the dual of the level-1 linearisation:
/// P. Hahn and T. Grant, "Lower bounds for the quadratic assignment problem based upon a dual
/// formulation", Operations Research 1998; P. Swoboda et al., "A study of Lagrangean
/// decompositions and dual ascent solvers for graph matching", CVPR 2017. The local search: É.
/// Taillard, "Robust taboo search for the quadratic assignment problem", Parallel Computing 1991.
#[derive(Clone, PartialEq)]
pub struct GraphMatching {
    /// The smaller graph, whose nodes are the rows inside.
    rows: Side,
    cols: Side,
    /// Whether the rows are the second graph.
    transposed: bool,
    /// The edge of the second graph between each two nodes.
    second_edge: Vec<u32>,
    complete: bool,
    exact_size: usize,
    limit: Option<Duration>,
}

impl GraphMatching {
    /// Matchings of a graph with `n1` nodes and edges (i, j) with one of `n2` nodes.
    ///
    /// Edges are directed: give both directions where both have a cost.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a graph without nodes or with more than 10 000, and for an edge that leads out of its graph,
    /// leads from a node to itself, or occurs twice.
    pub fn new(
        n1: usize,
        n2: usize,
        edges1: &[(usize, usize)],
        edges2: &[(usize, usize)],
    ) -> Result<Self> {
        check_size(FIRST, n1)?;
        check_size(SECOND, n2)?;
        check_edges("edge of graph 1", n1, edges1)?;
        check_edges("edge of graph 2", n2, edges2)?;
        let mut second_edge = vec![NONE; n2 * n2];
        for (number, &(tail, head)) in edges2.iter().enumerate() {
            second_edge[tail * n2 + head] = number as u32;
        }
        let (mut rows, mut cols) = (Side::new(n1, edges1.to_vec()), Side::new(n2, edges2.to_vec()));
        let transposed = n1 > n2;
        if transposed {
            std::mem::swap(&mut rows, &mut cols);
        }
        let (complete, exact_size, limit) = (false, EXACT_SIZE, None);
        Ok(Self { rows, cols, transposed, second_edge, complete, exact_size, limit })
    }

    /// Matchings of graphs that have all ordered pairs (i, j), i != j, as edges, in lexicographic
    /// order: the general quadratic assignment problem.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a graph without nodes or with more than 10 000.
    pub fn complete_graphs(n1: usize, n2: usize) -> Result<Self> {
        let edges = |n: usize| -> Vec<(usize, usize)> {
            (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|(i, j)| i != j).collect()
        };
        check_size(FIRST, n1)?;
        check_size(SECOND, n2)?;
        Self::new(n1, n2, &edges(n1), &edges(n2))
    }

    /// Asks for min(n1, n2) matches, so that no node of the smaller graph stays unmatched.
    pub fn complete(mut self) -> Self {
        self.complete = true;
        self
    }

    /// Searches exactly where neither graph has more than `nodes` nodes (10 at first). Beyond about
    /// 12 nodes with hard costs this can take very long: set a
    /// [time limit](Self::with_time_limit) as well.
    pub fn exact_up_to(mut self, nodes: usize) -> Self {
        self.exact_size = nodes;
        self
    }

    /// Stops each solve after `limit`. [`solve`](Solver::solve) then reports [`Error::TimeLimit`],
    /// with the best matching so far in the solution; what that is depends on the machine. The clock
    /// is looked at between steps of the bound, of which each takes milliseconds at 20 nodes of
    /// dense graphs and a tenth of a second at 50.
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Numbers of nodes of both graphs.
    pub fn nodes(&self) -> (usize, usize) {
        let (first, second) = self.sides();
        (first.nodes, second.nodes)
    }

    /// The edges of graph 1.
    pub fn edges1(&self) -> &[(usize, usize)] {
        &self.sides().0.edges
    }

    /// The edges of graph 2.
    pub fn edges2(&self) -> &[(usize, usize)] {
        &self.sides().1.edges
    }

    /// For each node of graph 1 the node of graph 2 it is matched to in `solution`, of which only
    /// the first n1·n2 entries are read.
    pub fn matches_of(&self, solution: &[f64]) -> Vec<Option<usize>> {
        let (n1, n2) = self.nodes();
        let matched = |row: &[f64]| row.iter().position(|&entry| entry > 0.5);
        let mut matches: Vec<_> = solution.chunks(n2).take(n1).map(matched).collect();
        matches.resize(n1, None);
        matches
    }

    fn sides(&self) -> (&Side, &Side) {
        if self.transposed { (&self.cols, &self.rows) } else { (&self.rows, &self.cols) }
    }

    /// Σ of the most that each node and each edge of graph 1 can lower the objective, of the costs
    /// times `factor`.
    fn greatest_gain(&self, cost: &[f64], factor: f64) -> f64 {
        let (first, second) = self.sides();
        let (linear, quadratic) = cost.split_at(first.nodes * second.nodes);
        let most = |list: &[f64]| list.iter().fold(0.0_f64, |most, cost| most.max(-cost * factor));
        linear.chunks(second.nodes).map(most).sum::<f64>()
            + quadratic.chunks(second.edges.len().max(1)).map(most).sum::<f64>()
    }

    /// Writes the matching, given per column node of each row node, as a solution.
    fn write(&self, col_of: &[u32], solution: &mut [f64]) {
        let ((first, _), (n1, n2)) = (self.sides(), self.nodes());
        solution.fill(0.0);
        let (linear, quadratic) = solution.split_at_mut(n1 * n2);
        for (row, &col) in col_of.iter().enumerate().filter(|(_, col)| **col != NONE) {
            let (i, k) = if self.transposed { (col as usize, row) } else { (row, col as usize) };
            linear[i * n2 + k] = 1.0;
        }
        let partner = |i: usize| linear[i * n2..(i + 1) * n2].iter().position(|&v| v == 1.0);
        let edges2 = self.edges2().len();
        for (number, &(i, j)) in first.edges.iter().enumerate() {
            if let (Some(k), Some(l)) = (partner(i), partner(j)) {
                let edge = self.second_edge[k * n2 + l];
                if edge != NONE {
                    quadratic[number * edges2 + edge as usize] = 1.0;
                }
            }
        }
    }

    fn search(&self, cost: &[f64], solution: &mut [f64]) -> Result<Proof> {
        let clock = Clock::new(self.limit);
        WORKSPACE.with_borrow_mut(|workspace| {
            let Outcome { lower_bound, finished } = workspace.run(self, cost, &clock)?;
            self.write(&workspace.incumbent.col_of, solution);
            let objective: f64 = cost.iter().zip(&*solution).map(|(c, y)| c * y).sum();
            Ok(Proof { objective, lower_bound: lower_bound.min(objective), complete: finished })
        })
    }
}

impl fmt::Debug for GraphMatching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n1, n2) = self.nodes();
        f.debug_struct("GraphMatching")
            .field("n1", &n1)
            .field("n2", &n2)
            .field("edges1", &self.edges1().len())
            .field("edges2", &self.edges2().len())
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}

impl Solver for GraphMatching {
    fn dimension(&self) -> usize {
        self.rows.nodes * self.cols.nodes + self.rows.edges.len() * self.cols.edges.len()
    }

    /// # Errors
    /// [`Error::TimeLimit`] where a [time limit](GraphMatching::with_time_limit) came first; the
    /// solution then holds the best matching found.
    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        let Proof { objective, lower_bound, complete } = self.search(cost, solution)?;
        match self.limit {
            Some(limit) if !complete => Err(Error::TimeLimit {
                solver: "graph matching",
                limit_s: limit.as_secs_f64(),
                objective,
                lower_bound,
            }),
            _ => Ok(()),
        }
    }

    fn certificate(&self) -> Option<&dyn Certificate> {
        Some(self)
    }
}

impl Certificate for GraphMatching {
    /// `complete` says that no time limit cut the search short; on graphs above the exact size the
    /// proof can have a gap all the same.
    fn solve_certified(&self, cost: &[f64], solution: &mut [f64]) -> Result<Proof> {
        self.search(cost, solution)
    }
}

impl Enumerate for GraphMatching {
    fn solutions(&self) -> Vec<Vec<f64>> {
        fn extend(matching: &GraphMatching, col_of: &mut Vec<u32>, all: &mut Vec<Vec<f64>>) {
            if col_of.len() == matching.rows.nodes {
                let mut solution = vec![0.0; matching.dimension()];
                matching.write(col_of, &mut solution);
                return all.push(solution);
            }
            let cols = (0..matching.cols.nodes as u32).chain((!matching.complete).then_some(NONE));
            for col in cols {
                if col == NONE || !col_of.contains(&col) {
                    col_of.push(col);
                    extend(matching, col_of, all);
                    col_of.pop();
                }
            }
        }
        let mut all = Vec::new();
        extend(self, &mut Vec::new(), &mut all);
        all
    }
}

fn check_size(graph: &'static str, nodes: usize) -> Result<()> {
    let got = match nodes {
        0 => "empty".into(),
        1..=MOST_NODES => return Ok(()),
        _ => format!("one of {nodes} nodes"),
    };
    Err(Error::parameter(graph, got, format!("a graph with 1 to {MOST_NODES} nodes")))
}

fn check_edges(edge: &'static str, nodes: usize, edges: &[(usize, usize)]) -> Result<()> {
    let mut sorted = edges.to_vec();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    if let Some((tail, head)) = twice {
        return Err(Error::parameter(edge, format!("({tail}, {head}) twice"), "given once"));
    }
    match edges.iter().find(|&&(tail, head)| tail.max(head) >= nodes || tail == head) {
        Some((tail, head)) => {
            let expected = format!("between two different nodes below {nodes}");
            Err(Error::parameter(edge, format!("({tail}, {head})"), expected))
        }
        None => Ok(()),
    }
}

/// The time limit of one solve.
struct Clock {
    end: Option<Instant>,
    expired: Cell<bool>,
}

impl Clock {
    fn new(limit: Option<Duration>) -> Self {
        // A limit beyond the range of the clock is none.
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        Self { end, expired: Cell::new(false) }
    }

    /// Whether the time is over; an error where the user asked to stop `what`.
    fn expired(&self, what: &'static str) -> Result<bool> {
        interrupt::check(what)?;
        if self.end.is_some_and(|end| Instant::now() >= end) {
            self.expired.set(true);
        }
        Ok(self.has_expired())
    }

    fn has_expired(&self) -> bool {
        self.expired.get()
    }
}
