//! Shortest paths in a directed graph, by edge costs.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::fmt;

use super::{Domain, Enumerate, Solver};
use crate::{Error, Result};

/// The cheapest path from a source to a sink in a directed graph, by *edge* costs.
///
/// Y = {0/1 marks of the edges of a path}, one entry per edge in the order given. In a graph
/// without cycles costs may have any sign and the solver goes through the vertices in topological
/// order, O(vertices + edges); otherwise costs are >= 0 ([`Domain::NonNegative`]) and it is
/// Dijkstra's algorithm with a binary heap, O(edges · log edges).
///
/// Ties: vertices are settled by distance, then by number (or in topological order), and of
/// several cheapest ways into a vertex the one found first stays.
///
/// ```
/// use solvergrad::solver::{GraphShortestPath, Solver};
///
/// let graph = GraphShortestPath::new(3, &[(0, 1), (1, 2), (0, 2)], 0, 2)?;
/// let mut edges = [0.0; 3];
/// graph.solve(&[1.0, -2.0, 0.0], &mut edges)?;
/// assert_eq!(edges, [1.0, 1.0, 0.0]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Dijkstra 1959; Kahn 1962 (topological order).
#[derive(Clone, PartialEq, Eq)]
pub struct GraphShortestPath {
    edges: Vec<(u32, u32)>,
    /// The edges that leave vertex v are `leaving[start[v]..start[v + 1]]`.
    start: Vec<u32>,
    leaving: Vec<u32>,
    /// All vertices in topological order, where there is one.
    order: Option<Vec<u32>>,
    source: u32,
    sink: u32,
}

const NO_EDGE: u32 = u32::MAX;

#[derive(Default)]
struct Workspace {
    distance: Vec<f64>,
    through: Vec<u32>,
    queue: BinaryHeap<Reverse<(u64, u32)>>,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

impl GraphShortestPath {
    /// Paths from `source` to `sink` over `edges` (from, to) between vertices 0..`vertices`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a vertex that does not exist or too many edges,
    /// [`Error::Infeasible`] where no path leads to the sink, or the source is the sink.
    pub fn new(
        vertices: usize,
        edges: &[(usize, usize)],
        source: usize,
        sink: usize,
    ) -> Result<Self> {
        if edges.len() >= NO_EDGE as usize || vertices >= NO_EDGE as usize {
            return Err(Error::parameter(
                "the graph of the shortest path",
                format!("{vertices} vertices and {} edges", edges.len()),
                "smaller than 2^32 - 1 in both",
            ));
        }
        let ends = edges.iter().flat_map(|&(from, to)| [from, to]).chain([source, sink]);
        if let Some(wrong) = ends.into_iter().find(|&vertex| vertex >= vertices) {
            return Err(Error::parameter(
                "a vertex of the shortest path's graph",
                wrong,
                format!("below {vertices}, the number of vertices"),
            ));
        }
        let mut start = vec![0; vertices + 1];
        edges.iter().for_each(|&(from, _)| start[from + 1] += 1);
        for vertex in 0..vertices {
            start[vertex + 1] += start[vertex];
        }
        let mut leaving: Vec<u32> = (0..edges.len() as u32).collect();
        leaving.sort_by_key(|&edge| edges[edge as usize].0);
        let edges = edges.iter().map(|&(from, to)| (from as u32, to as u32)).collect();
        let (source, sink) = (source as u32, sink as u32);
        let mut graph = Self { edges, start, leaving, order: None, source, sink };
        graph.order = graph.topological_order();
        if source == sink || !graph.reaches_sink() {
            return Err(Error::Infeasible {
                what: "the shortest path",
                why: format!("no edges lead from vertex {source} to vertex {sink}"),
                cure: "add edges, or choose other ends",
            });
        }
        Ok(graph)
    }

    /// The edges (from, to), in the order of the costs.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.edges.iter().map(|&(from, to)| (from as usize, to as usize))
    }

    /// The vertices of the cheapest path, from source to sink.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Cost`] for costs that are not the graph's.
    pub fn path(&self, cost: &[f64]) -> Result<Vec<usize>> {
        super::check_instance(self, cost)?;
        let mut path = vec![self.sink as usize];
        self.search(cost, |edge| path.push(self.edges[edge].0 as usize));
        path.reverse();
        Ok(path)
    }

    fn out(&self, vertex: u32) -> &[u32] {
        let vertex = vertex as usize;
        &self.leaving[self.start[vertex] as usize..self.start[vertex + 1] as usize]
    }

    fn vertices(&self) -> usize {
        self.start.len() - 1
    }

    fn topological_order(&self) -> Option<Vec<u32>> {
        let mut entering = vec![0u32; self.vertices()];
        self.edges.iter().for_each(|&(_, to)| entering[to as usize] += 1);
        let mut ready: BinaryHeap<Reverse<u32>> = (0..self.vertices() as u32)
            .filter(|&vertex| entering[vertex as usize] == 0)
            .map(Reverse)
            .collect();
        let mut order = Vec::with_capacity(self.vertices());
        while let Some(Reverse(vertex)) = ready.pop() {
            order.push(vertex);
            for &edge in self.out(vertex) {
                let to = self.edges[edge as usize].1;
                entering[to as usize] -= 1;
                if entering[to as usize] == 0 {
                    ready.push(Reverse(to));
                }
            }
        }
        (order.len() == self.vertices()).then_some(order)
    }

    fn reaches_sink(&self) -> bool {
        let mut seen = vec![false; self.vertices()];
        let mut open = vec![self.source];
        seen[self.source as usize] = true;
        while let Some(vertex) = open.pop() {
            for &edge in self.out(vertex) {
                let to = self.edges[edge as usize].1;
                if !std::mem::replace(&mut seen[to as usize], true) {
                    open.push(to);
                }
            }
        }
        seen[self.sink as usize]
    }

    /// Calls `found` with the edges of the path, the last one first.
    fn search(&self, cost: &[f64], mut found: impl FnMut(usize)) {
        WORKSPACE.with_borrow_mut(|Workspace { distance, through, queue }| {
            distance.clear();
            distance.resize(self.vertices(), f64::INFINITY);
            through.clear();
            through.resize(self.vertices(), NO_EDGE);
            queue.clear();
            distance[self.source as usize] = 0.0;
            let largest = cost.iter().fold(0.0, |largest: f64, cost| largest.max(cost.abs()));
            // Sums of costs near the largest number would overflow: a power of two keeps their
            // order.
            let scale = super::scale_for_sums(largest);
            // Numbers >= 0 are ordered as their bits are.
            let mut relax =
                |vertex: u32, distance: &mut [f64], reached: &mut dyn FnMut(u64, u32)| {
                    for &edge in self.out(vertex) {
                        let to = self.edges[edge as usize].1;
                        let there = distance[vertex as usize] + cost[edge as usize] * scale;
                        if there < distance[to as usize] {
                            distance[to as usize] = there;
                            through[to as usize] = edge;
                            reached(there.to_bits(), to);
                        }
                    }
                };
            if let Some(order) = &self.order {
                for &vertex in order.iter().take_while(|&&vertex| vertex != self.sink) {
                    if distance[vertex as usize] < f64::INFINITY {
                        relax(vertex, distance, &mut |_, _| ());
                    }
                }
            } else {
                queue.push(Reverse((0, self.source)));
                while let Some(Reverse((bits, vertex))) = queue.pop()
                    && vertex != self.sink
                {
                    // A vertex found again by a shorter way has left a stale entry.
                    if f64::from_bits(bits) <= distance[vertex as usize] {
                        relax(vertex, distance, &mut |bits, to| queue.push(Reverse((bits, to))));
                    }
                }
            }
            let mut vertex = self.sink;
            while vertex != self.source {
                let edge = through[vertex as usize] as usize;
                found(edge);
                vertex = self.edges[edge].0;
            }
        });
    }
}

impl fmt::Debug for GraphShortestPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vertices, edges) = (self.vertices(), self.edges.len());
        write!(formatter, "GraphShortestPath of {vertices} vertices and {edges} edges")
    }
}

impl Solver for GraphShortestPath {
    fn dimension(&self) -> usize {
        self.edges.len()
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        solution.fill(0.0);
        self.search(cost, |edge| solution[edge] = 1.0);
        Ok(())
    }

    fn domain(&self) -> Domain {
        if self.order.is_some() { Domain::Finite } else { Domain::NonNegative }
    }
}

impl Enumerate for GraphShortestPath {
    fn solutions(&self) -> Vec<Vec<f64>> {
        let mut marks = BTreeSet::new();
        let mut visited = vec![false; self.vertices()];
        let mut path: Vec<u32> = Vec::new();
        self.extend(self.source, &mut visited, &mut path, &mut marks);
        marks
            .into_iter()
            .map(|edges| {
                let mut mark = vec![0.0; self.dimension()];
                edges.into_iter().for_each(|edge| mark[edge as usize] = 1.0);
                mark
            })
            .collect()
    }
}

impl GraphShortestPath {
    fn extend(
        &self,
        vertex: u32,
        visited: &mut [bool],
        path: &mut Vec<u32>,
        marks: &mut BTreeSet<Vec<u32>>,
    ) {
        if vertex == self.sink {
            let mut edges = path.clone();
            edges.sort_unstable();
            marks.insert(edges);
            return;
        }
        visited[vertex as usize] = true;
        for &edge in self.out(vertex) {
            let to = self.edges[edge as usize].1;
            if !visited[to as usize] {
                path.push(edge);
                self.extend(to, visited, path, marks);
                path.pop();
            }
        }
        visited[vertex as usize] = false;
    }
}
