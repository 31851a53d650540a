//! Minimum spanning trees.

use std::cell::RefCell;
use std::fmt;

use super::ranking::ordered;
use super::{Enumerate, Solver};
use crate::{Error, Result};

/// The cheapest spanning tree of a connected, undirected graph.
///
/// Y = {0/1 marks of the edges of a spanning tree}, one entry per edge in the order given, with
/// vertices − 1 ones each. Any finite cost is accepted.
///
/// Ties: of equal edges the one with the lower index is preferred. O(edges · log edges).
///
/// ```
/// use solvergrad::solver::{Solver, SpanningTree};
///
/// let triangle = SpanningTree::new(3, &[(0, 1), (1, 2), (2, 0)])?;
/// let mut edges = [0.0; 3];
/// triangle.solve(&[3.0, -1.0, 2.0], &mut edges)?;
/// assert_eq!(edges, [0.0, 1.0, 1.0]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Kruskal 1956; Tarjan 1975 (disjoint sets).
#[derive(Clone, PartialEq, Eq)]
pub struct SpanningTree {
    vertices: usize,
    edges: Vec<(u32, u32)>,
}

/// Costs with their edges, and the parents of disjoint sets.
type Workspace = (Vec<(u64, u32)>, Vec<u32>);

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

impl SpanningTree {
    /// Trees over `vertices` vertices and `edges` between them, parallel ones included.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two vertices, or an edge with a vertex that does not
    /// exist or with two equal ends; [`Error::Infeasible`] where the graph is not connected.
    pub fn new(vertices: usize, edges: &[(usize, usize)]) -> Result<Self> {
        if vertices < 2 || u32::try_from(vertices.max(edges.len())).is_err() {
            let expected = "between 2 and 2^32 - 1, as that of the edges";
            return Err(Error::parameter("number of vertices of a tree", vertices, expected));
        }
        // Before anything as large as the number of vertices is made.
        if edges.len() < vertices - 1 {
            return Err(Error::Infeasible {
                what: "the spanning tree",
                why: format!("{} edges cannot connect {vertices} vertices", edges.len()),
                cure: "add edges, and number vertices from 0 without gaps",
            });
        }
        if let Some(&(a, b)) =
            edges.iter().find(|&&(a, b)| a >= vertices || b >= vertices || a == b)
        {
            return Err(Error::parameter(
                "an edge of the spanning tree's graph",
                format!("({a}, {b})"),
                format!("between two different vertices below {vertices}"),
            ));
        }
        let edges: Vec<_> = edges.iter().map(|&(a, b)| (a as u32, b as u32)).collect();
        let mut parent: Vec<u32> = (0..vertices as u32).collect();
        for &(a, b) in &edges {
            join(&mut parent, a, b);
        }
        if let Some(apart) =
            (0..vertices as u32).find(|&v| root(&mut parent, v) != root(&mut parent, 0))
        {
            return Err(Error::Infeasible {
                what: "the spanning tree",
                why: format!("no edges connect vertex {apart} with vertex 0"),
                cure: "add edges",
            });
        }
        Ok(Self { vertices, edges })
    }
}

fn root(parent: &mut [u32], mut vertex: u32) -> u32 {
    while parent[vertex as usize] != vertex {
        // Each step on the way is made half as long for the next time.
        parent[vertex as usize] = parent[parent[vertex as usize] as usize];
        vertex = parent[vertex as usize];
    }
    vertex
}

/// Whether a and b were apart.
fn join(parent: &mut [u32], a: u32, b: u32) -> bool {
    let (a, b) = (root(parent, a), root(parent, b));
    parent[a.max(b) as usize] = a.min(b);
    a != b
}

impl fmt::Debug for SpanningTree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vertices, edges) = (self.vertices, self.edges.len());
        write!(formatter, "SpanningTree of {vertices} vertices and {edges} edges")
    }
}

impl Solver for SpanningTree {
    fn dimension(&self) -> usize {
        self.edges.len()
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        solution.fill(0.0);
        WORKSPACE.with_borrow_mut(|(keys, parent)| {
            keys.clear();
            keys.extend(cost.iter().zip(0..).map(|(&cost, edge)| (ordered(cost), edge)));
            keys.sort_unstable();
            parent.clear();
            parent.extend(0..self.vertices as u32);
            for &(_, edge) in keys.iter() {
                let (a, b) = self.edges[edge as usize];
                if join(parent, a, b) {
                    solution[edge as usize] = 1.0;
                }
            }
        });
        Ok(())
    }
}

impl Enumerate for SpanningTree {
    fn solutions(&self) -> Vec<Vec<f64>> {
        // Trees grow edge by edge in the order of the edges: each set of edges once.
        let mut trees: Vec<(Vec<f64>, Vec<u32>)> =
            vec![(vec![0.0; self.dimension()], (0..self.vertices as u32).collect())];
        for (edge, &(a, b)) in self.edges.iter().enumerate() {
            for tree in 0..trees.len() {
                let (mut marks, mut parent) = trees[tree].clone();
                if join(&mut parent, a, b) {
                    marks[edge] = 1.0;
                    trees.push((marks, parent));
                }
            }
        }
        let ones = (self.vertices - 1) as f64;
        let complete = |marks: &Vec<f64>| marks.iter().sum::<f64>() == ones;
        trees.into_iter().map(|(marks, _)| marks).filter(complete).collect()
    }
}
