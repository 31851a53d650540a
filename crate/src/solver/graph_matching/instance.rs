//! The two graphs as arc lists, and the costs of one instance over pairs of arcs.

use std::ops::Range;

use super::assignment::NONE;

/// A graph with an arc from each node to each of its neighbours, in either direction of the edges.
#[derive(Clone, Debug, Default)]
pub(super) struct Adjacency {
    start: Vec<u32>,
    /// Where each arc leads.
    pub(super) head: Vec<u32>,
    /// The arc the other way.
    pub(super) reverse: Vec<u32>,
}

impl Adjacency {
    pub(super) fn nodes(&self) -> usize {
        self.start.len() - 1
    }

    pub(super) fn arcs(&self) -> usize {
        self.head.len()
    }

    /// The arcs out of `node`.
    pub(super) fn of(&self, node: usize) -> Range<usize> {
        self.start[node] as usize..self.start[node + 1] as usize
    }

    /// Writes the graph without the node `gone` into `rest`, and the arcs that stay into `kept`.
    pub(super) fn without(&self, gone: Option<usize>, rest: &mut Self, kept: &mut Vec<u32>) {
        let arcs = self.arcs();
        kept.clear();
        rest.start.clear();
        rest.start.push(0);
        rest.head.clear();
        // Where the new number of each old arc stands until the reverses follow from them.
        rest.reverse.clear();
        rest.reverse.resize(arcs, NONE);
        let shift = |node: u32| node - u32::from(gone.is_some_and(|gone| gone < node as usize));
        for node in (0..self.nodes()).filter(|&node| gone != Some(node)) {
            for arc in self.of(node).filter(|&arc| gone != Some(self.head[arc] as usize)) {
                rest.reverse[arc] = kept.len() as u32;
                kept.push(arc as u32);
                rest.head.push(shift(self.head[arc]));
            }
            rest.start.push(kept.len() as u32);
        }
        for &arc in kept.iter() {
            rest.reverse.push(rest.reverse[self.reverse[arc as usize] as usize]);
        }
        rest.reverse.drain(..arcs);
    }
}

/// One side of a matching: the graph, its arc between each two nodes, and the arc of each edge.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) nodes: usize,
    pub(super) edges: Vec<(usize, usize)>,
    lookup: Vec<u32>,
    arc_of_edge: Vec<u32>,
}

impl Side {
    /// `edges` are distinct, in range and no loops.
    pub(super) fn new(nodes: usize, edges: Vec<(usize, usize)>) -> Self {
        let mut lookup = vec![NONE; nodes * nodes];
        for &(tail, head) in &edges {
            lookup[tail * nodes + head] = 0;
            lookup[head * nodes + tail] = 0;
        }
        let linked = lookup.iter_mut().filter(|arc| **arc != NONE);
        linked.enumerate().for_each(|(number, arc)| *arc = number as u32);
        let arc_of_edge = edges.iter().map(|&(tail, head)| lookup[tail * nodes + head]).collect();
        Self { nodes, edges, lookup, arc_of_edge }
    }

    /// The arc from `tail` to `head`, or `NONE`.
    pub(super) fn arc(&self, tail: usize, head: usize) -> u32 {
        self.lookup[tail * self.nodes + head]
    }

    fn write(&self, into: &mut Adjacency) {
        let n = self.nodes;
        into.start.clear();
        into.start.push(0);
        into.head.clear();
        into.reverse.clear();
        for tail in 0..n {
            for head in (0..n).filter(|&head| self.arc(tail, head) != NONE) {
                into.head.push(head as u32);
                into.reverse.push(self.arc(head, tail));
            }
            into.start.push(into.head.len() as u32);
        }
    }
}

/// Costs over pairs: `linear` per (row, column), `pair` per (arc of rows, arc of columns), where
/// the latter is the whole cost of matching both ends, the same for the two reverse arcs.
#[derive(Clone, Debug, Default)]
pub(super) struct Instance {
    pub(super) rows: Adjacency,
    pub(super) cols: Adjacency,
    pub(super) linear: Vec<f64>,
    pub(super) pair: Vec<f64>,
    pub(super) complete: bool,
}

impl Instance {
    /// Takes the costs times `factor`, none above `ceiling`. `transposed` says that the rows are
    /// the second graph of the cost's layout.
    pub(super) fn load(
        &mut self,
        (rows, cols, transposed): (&Side, &Side, bool),
        cost: &[f64],
        factor: f64,
        ceiling: f64,
    ) {
        rows.write(&mut self.rows);
        cols.write(&mut self.cols);
        let (linear, quadratic) = cost.split_at(rows.nodes * cols.nodes);
        // Adding 0 turns a negative zero into the zero that it is.
        let adapt = |cost: f64| (cost * factor).min(ceiling) + 0.0;
        self.linear.clear();
        for row in 0..rows.nodes {
            self.linear.extend((0..cols.nodes).map(|col| {
                let index =
                    if transposed { col * rows.nodes + row } else { row * cols.nodes + col };
                adapt(linear[index])
            }));
        }
        let width = self.cols.arcs();
        self.pair.clear();
        self.pair.resize(self.rows.arcs() * width, 0.0);
        for (e, &arc) in rows.arc_of_edge.iter().enumerate() {
            let base = arc as usize * width;
            let reverse = self.rows.reverse[arc as usize] as usize * width;
            for (f, &other) in cols.arc_of_edge.iter().enumerate() {
                let index =
                    if transposed { f * rows.edges.len() + e } else { e * cols.edges.len() + f };
                let entry = adapt(quadratic[index]);
                self.pair[base + other as usize] += entry;
                self.pair[reverse + self.cols.reverse[other as usize] as usize] += entry;
            }
        }
    }

    /// The largest magnitude among the costs.
    pub(super) fn scale(&self) -> f64 {
        self.linear.iter().chain(&self.pair).fold(0.0, |most, cost| cost.abs().max(most))
    }

    /// The largest step that divides all costs, where they are integers; 0 if they are not.
    pub(super) fn granularity(&self) -> f64 {
        let mut step: u64 = 0;
        for &cost in self.linear.iter().chain(&self.pair) {
            let magnitude = cost.abs();
            if magnitude > 1e7 || magnitude.fract() != 0.0 {
                return 0.0;
            }
            let (mut a, mut b) = (magnitude as u64, step);
            while b != 0 {
                (a, b) = (b, a % b);
            }
            step = a;
        }
        step as f64
    }

    /// The cost of a matching, given per row.
    pub(super) fn objective(&self, cols: &Side, col_of: &[u32]) -> f64 {
        let mut total = 0.0;
        for (row, &col) in col_of.iter().enumerate().filter(|(_, col)| **col != NONE) {
            total += self.linear[row * cols.nodes + col as usize];
            for arc in self.rows.of(row) {
                let other = self.rows.head[arc] as usize;
                if other < row && col_of[other] != NONE {
                    let across = cols.arc(col as usize, col_of[other] as usize);
                    if across != NONE {
                        total += self.pair[arc * self.cols.arcs() + across as usize];
                    }
                }
            }
        }
        total
    }
}
