//! Minimum-cost perfect matching on general graphs.

use std::cell::RefCell;

use super::{Certificate, Enumerate, Proof, Solver};
use crate::{Error, Result};

mod blossom;
mod contraction;
mod graph;
mod number;
mod start;

use blossom::Workspace;
use graph::Graph;
use number::Number;

/// The cheapest perfect matching of an undirected graph: Y = {y in {0,1}^m : Σ over the edges e
/// at v of y_e is 1 for every vertex v}.
///
/// The graph need not be bipartite. `cost` and `solution` have one entry per edge, in the order
/// of [`edges`](Self::edges); the costs may be any finite numbers. For the *heaviest* perfect
/// matching, pass the negative weights.
///
/// **Method.** The primal-dual blossom algorithm (Edmonds, 1965), one alternating tree at a time,
/// with the events of the tree in a heap (Galil, 1986), after a start by augmenting row
/// reduction (Jonker and Volgenant, 1987). O(n m log n) for n vertices and m edges, but for the
/// relabelling when deeply nested blossoms dissolve, which is at most O(n² log n) per tree;
/// memory O(n + m).
///
/// **Exactness.** The algorithm runs on integers, so rounding can neither mislead it nor keep it
/// from ending. Cost c becomes the integer nearest to c · 2^s, with s the largest for which all of
/// them are below 2^b, where b = min(51, 60 − ⌊log₂(10 n + 5)⌋): 51 bits up to n = 100, 48 up to
/// n = 818.
/// - Where all c · 2^s are integers, such as for integer costs below 2^b, the matching is optimal.
/// - Otherwise its cost is above the optimum by at most n/2 · 2^−s <= n · 2^−b max |c|.
/// - Where that is more than 2^−40 Σ |c_e y_e| the instance is solved again on 128-bit integers,
///   with b = min(120, 124 − ⌊log₂(10 n + 5)⌋): for n up to 818, 112 bits, where costs of at least
///   2^−59 max |c| are not rounded at all.
///
/// **Ties** are broken by the order of the vertices and edges that the search follows: the same
/// graph and costs give the same matching, also after scaling by a power of two.
///
/// ```
/// use solvergrad::solver::{PerfectMatching, Solver};
///
/// // A triangle 0-1-2 and a triangle 3-4-5, joined by the edges 2-3 and 0-5.
/// let edges = vec![(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5), (2, 3), (0, 5)];
/// let matching = PerfectMatching::new(6, edges)?;
/// let mut solution = [0.0; 8];
/// matching.solve(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 4.0, 3.0], &mut solution)?;
/// // 1-2, 3-4 and 0-5.
/// assert_eq!(solution, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone)]
pub struct PerfectMatching {
    graph: Graph,
}

/// The graph can have thousands of edges, and this is printed in messages.
impl std::fmt::Debug for PerfectMatching {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PerfectMatching")
            .field("vertices", &self.graph.vertices())
            .field("edges", &self.graph.edges.len())
            .finish()
    }
}

impl PerfectMatching {
    /// The graph with the vertices 0 to `vertices` − 1 and these edges.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no vertices or an odd number, for an edge with a vertex
    /// that is not there, from a vertex to itself, or given twice;
    /// [`Error::Infeasible`] for a graph without a perfect matching, with the vertices that a
    /// largest matching leaves over.
    pub fn new(vertices: usize, edges: Vec<(usize, usize)>) -> Result<Self> {
        if vertices == 0 || !vertices.is_multiple_of(2) {
            return Err(Error::parameter(
                "the number of vertices of the perfect matching solver",
                vertices,
                "even and at least 2: each vertex needs a partner",
            ));
        }
        // Darts, vertices and blossoms are numbered by u32, and an event is an edge or a node.
        let limit = (u32::MAX / 4) as usize;
        if vertices > limit || edges.len() > limit {
            return Err(Error::parameter(
                "the graph of the perfect matching solver",
                format!("{vertices} vertices and {} edges", edges.len()),
                format!("at most {limit} of each"),
            ));
        }
        let edge_error = |index: usize, expected: String| {
            let (i, j) = edges[index];
            let got = format!("({i}, {j}) at index {index}");
            Err(Error::parameter("an edge of the perfect matching solver", got, expected))
        };
        for (index, &(i, j)) in edges.iter().enumerate() {
            if i.max(j) >= vertices {
                return edge_error(index, format!("between vertices below {vertices}"));
            }
            if i == j {
                return edge_error(index, "between two different vertices".into());
            }
        }
        let mut sorted: Vec<(usize, usize, usize)> =
            edges.iter().enumerate().map(|(index, &(i, j))| (i.min(j), i.max(j), index)).collect();
        sorted.sort_unstable();
        let again = sorted.windows(2).find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
        if let Some(pair) = again {
            let expected = format!("given once (it is at index {} already)", pair[0].2);
            return edge_error(pair[1].2, expected);
        }
        let graph = Graph::new(vertices, edges);
        let mut workspace = Workspace::<i64>::new();
        workspace.cost.resize(graph.edges.len(), 0);
        let free = workspace.solve(&graph)?;
        if !free.is_empty() {
            let shown: Vec<String> = free.iter().take(10).map(u32::to_string).collect();
            let more = if free.len() > 10 { ", ..." } else { "" };
            return Err(Error::Infeasible {
                what: "the perfect matching",
                why: format!(
                    "a largest matching of the graph leaves {} of {vertices} vertices without a \
                     partner: {}{more}",
                    free.len(),
                    shown.join(", "),
                ),
                cure: "add edges, or take vertices away",
            });
        }
        Ok(Self { graph })
    }

    /// The complete graph: edges (0, 1), (0, 2), ..., (0, n − 1), (1, 2), ...
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `vertices` is even and at least 2.
    pub fn complete(vertices: usize) -> Result<Self> {
        let edges = (0..vertices).flat_map(|i| (i + 1..vertices).map(move |j| (i, j)));
        Self::new(vertices, edges.collect())
    }

    /// The grid: cell (r, c) is vertex r · `columns` + c, with edges to the cells beside, above and
    /// below. The order: by cell, first the edge to the right, then the one down.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the number of cells is even and at least 2.
    pub fn grid(rows: usize, columns: usize) -> Result<Self> {
        let vertices = rows.saturating_mul(columns);
        let mut edges = Vec::new();
        // Others are refused below, without a list of edges that may not fit the memory.
        if vertices <= (u32::MAX / 4) as usize {
            for vertex in 0..vertices {
                if vertex % columns + 1 < columns {
                    edges.push((vertex, vertex + 1));
                }
                if vertex + columns < vertices {
                    edges.push((vertex, vertex + columns));
                }
            }
        }
        Self::new(vertices, edges)
    }

    /// Number of vertices.
    pub fn vertices(&self) -> usize {
        self.graph.vertices()
    }

    /// The edges, in the order of the costs.
    pub fn edges(&self) -> &[(usize, usize)] {
        &self.graph.edges
    }

    /// Solves into `solution`, and returns a lower bound on the optimum.
    fn run(&self, cost: &[f64], solution: &mut [f64]) -> Result<f64> {
        SCRATCH.with_borrow_mut(|(narrow, wide)| {
            let (bound, good_enough) = self.run_on(narrow, cost, solution)?;
            if good_enough { Ok(bound) } else { Ok(self.run_on(wide, cost, solution)?.0) }
        })
    }

    /// Solves on integers of type `N`; also returns whether these are precise enough.
    fn run_on<N: Number>(
        &self,
        workspace: &mut Workspace<N>,
        cost: &[f64],
        solution: &mut [f64],
    ) -> Result<(f64, bool)> {
        let n = self.graph.vertices();
        let scale = Scale::new::<N>(cost, n);
        let exact = scale.apply(cost, &mut workspace.cost);
        workspace.solve(&self.graph)?;
        let dual = workspace.finish(&self.graph);
        solution.fill(0.0);
        let mut magnitude = 0.0;
        for vertex in 0..n {
            let edge = workspace.matched_edge(vertex);
            solution[edge] = 1.0;
            magnitude += cost[edge].abs() / 2.0;
        }
        let bound = scale.lower_bound(dual);
        if exact {
            return Ok((bound, true));
        }
        // Each of the n/2 edges of a matching is off by at most half a unit.
        let loss = scale.unscale(n as f64 / 2.0);
        Ok(((bound - loss / 2.0).next_down(), loss <= magnitude * RESOLUTION))
    }
}

/// 2^−40: the relative error beyond which 64-bit integers do not do.
const RESOLUTION: f64 = 1.0 / (1_u64 << 40) as f64;

thread_local! {
    static SCRATCH: RefCell<(Workspace<i64>, Workspace<i128>)> =
        RefCell::new((Workspace::new(), Workspace::new()));
}

/// The power of two that takes costs to integers, and back.
#[derive(Clone, Copy, Debug)]
struct Scale {
    shift: i32,
}

impl Scale {
    /// Duals stay within (3 n + 2) C, where C is the largest |cost| in the workspace, twice that of
    /// the integer costs: the start leaves them within (2 n + 2) C, as each of its n steps takes
    /// one to at most 2 C beyond the others; and from there on each unit of time raises the dual
    /// objective by 1, from at least −n/2 C to at most n/2 C. Times, twice in a shifted dual, are
    /// within n C thus, and a slack, with two duals, is within (10 n + 5) C.
    fn new<N: Number>(cost: &[f64], vertices: usize) -> Self {
        let headroom = (10 * vertices + 5).ilog2() as i32 + 1;
        let bits = (N::BITS - 2 - headroom).min(N::MAX_COST_BITS);
        // In lanes, for the processor to work on several at once.
        let mut lanes = [0.0_f64; 8];
        let (chunks, rest) = cost.as_chunks::<8>();
        for chunk in chunks {
            for (lane, cost) in lanes.iter_mut().zip(chunk) {
                *lane = if cost.abs() > *lane { cost.abs() } else { *lane };
            }
        }
        let largest = rest.iter().chain(&lanes).fold(0.0, |largest: f64, c| largest.max(c.abs()));
        // largest < 2^exponent; below the normal numbers, the bits count multiples of 2^-1074.
        let exponent = match (largest.to_bits() >> 52) as i32 {
            0 => 64 - largest.to_bits().leading_zeros() as i32 - 1074,
            biased => biased - 1022,
        };
        Self { shift: (bits - exponent).min(1074) }
    }

    /// 2^power as two factors: by itself it might not be a normal number.
    fn factors(power: i32) -> (f64, f64) {
        let two_to = |power: i32| f64::from_bits(((power + 1023) as u64) << 52);
        (two_to(power / 2), two_to(power - power / 2))
    }

    /// Writes twice the integer costs; whether none had to be rounded.
    fn apply<N: Number>(self, cost: &[f64], integers: &mut Vec<N>) -> bool {
        let (first, second) = Self::factors(self.shift);
        let mut exact = true;
        integers.clear();
        integers.extend(cost.iter().map(|&cost| {
            let scaled = cost * first * second;
            let (integer, same) = N::round(scaled);
            exact &= same & ((scaled != 0.0) | (cost == 0.0));
            integer + integer
        }));
        exact
    }

    fn unscale(self, value: f64) -> f64 {
        let (first, second) = Self::factors(-self.shift);
        value * first * second
    }

    /// The largest number not above the dual value, which is in half units.
    fn lower_bound(self, dual: i128) -> f64 {
        let half = dual >> 1;
        let mut nearest = half as f64;
        if nearest as i128 > half {
            nearest = nearest.next_down();
        }
        self.unscale(nearest).min(f64::MAX)
    }
}

impl Solver for PerfectMatching {
    fn dimension(&self) -> usize {
        self.graph.edges.len()
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        self.run(cost, solution).map(|_| ())
    }

    fn certificate(&self) -> Option<&dyn Certificate> {
        Some(self)
    }
}

/// The bound is the value of the dual solution, Σ_v y_v + Σ_B z_B over the vertices v and the
/// blossoms B, that the algorithm ends with, less what the rounding of the costs may be worth. The
/// search always ends by itself.
impl Certificate for PerfectMatching {
    fn solve_certified(&self, cost: &[f64], solution: &mut [f64]) -> Result<Proof> {
        let bound = self.run(cost, solution)?;
        let objective: f64 = cost.iter().zip(&*solution).map(|(cost, entry)| cost * entry).sum();
        // The sum above is itself rounded, so it may come out just below the bound.
        Ok(Proof { objective, lower_bound: bound.min(objective), complete: true })
    }
}

/// In lexicographic order of the partners of vertices 0, 1, ..., which are ordered by edge.
impl Enumerate for PerfectMatching {
    fn solutions(&self) -> Vec<Vec<f64>> {
        let mut all = Vec::new();
        let mut covered = vec![false; self.graph.vertices()];
        let mut solution = vec![0.0; self.graph.edges.len()];
        self.extend(&mut covered, &mut solution, &mut all);
        all
    }
}

impl PerfectMatching {
    /// Lists all perfect matchings that extend `solution`, which covers the vertices `covered`.
    fn extend(&self, covered: &mut [bool], solution: &mut [f64], all: &mut Vec<Vec<f64>>) {
        let Some(vertex) = covered.iter().position(|covered| !covered) else {
            all.push(solution.to_vec());
            return;
        };
        for arc in self.graph.arcs(vertex as u32) {
            let partner = arc.head as usize;
            if !covered[partner] {
                (covered[vertex], covered[partner]) = (true, true);
                solution[(arc.dart >> 1) as usize] = 1.0;
                self.extend(covered, solution, all);
                solution[(arc.dart >> 1) as usize] = 0.0;
                (covered[vertex], covered[partner]) = (false, false);
            }
        }
    }
}
