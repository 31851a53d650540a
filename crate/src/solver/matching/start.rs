//! A dual solution and a matching to start from.

use super::blossom::{Node, Vertex, Workspace};
use super::graph::{Arc, Graph, NONE};
use super::number::Number;

impl<N: Number> Workspace<N> {
    /// Empties the workspace, and finds duals u with c − u − u' >= 0 for all edges, and a matching
    /// of edges where this is 0.
    pub(super) fn start(&mut self, graph: &Graph) {
        let n = graph.vertices();
        let fresh =
            Vertex { dual: N::MAX, nearest: N::MAX, from: NONE, class: 0, next: NONE, sign: 0 };
        self.vertices.clear();
        self.vertices.extend((0..n as u32).map(|vertex| Vertex { class: vertex, ..fresh }));
        let fresh = Node {
            z: N::ZERO,
            parent: NONE,
            matched: NONE,
            tree: NONE,
            first: 0,
            last: 0,
            size: 1,
            class: 0,
            mark: 0,
        };
        self.nodes.clear();
        self.nodes.extend((0..n as u32).map(|vertex| Node {
            first: vertex,
            last: vertex,
            class: vertex,
            ..fresh
        }));
        self.spare.clear();
        self.node_of.clear();
        self.node_of.extend(0..n as u32);
        self.mark = 0;
        self.touched.clear();
        self.scan.clear();

        for (&cost, &(i, j)) in self.cost.iter().zip(&graph.edges) {
            for vertex in [i, j] {
                let dual = &mut self.vertices[vertex].dual;
                *dual = (*dual).min(cost);
            }
        }
        self.vertices.iter_mut().for_each(|vertex| vertex.dual = vertex.dual >> 1);
        for vertex in 0..n as u32 {
            self.raise(graph, vertex);
        }
        self.reduce(graph);
    }

    /// Raises the dual of a free vertex until an edge is tight, and matches it if that, or a tie,
    /// leads to a free one.
    fn raise(&mut self, graph: &Graph, vertex: u32) {
        if self.nodes[vertex as usize].matched != NONE {
            return;
        }
        let mut least = N::MAX;
        let mut chosen = NONE;
        for &Arc { head, dart } in graph.arcs(vertex) {
            let dual = self.cost[(dart >> 1) as usize] - self.vertices[head as usize].dual;
            if dual <= least {
                let free = self.nodes[head as usize].matched == NONE;
                if dual < least {
                    (least, chosen) = (dual, NONE);
                }
                if free && chosen == NONE {
                    chosen = dart;
                }
            }
        }
        if least != N::MAX {
            self.vertices[vertex as usize].dual = least;
        }
        if chosen != NONE {
            self.join(graph, chosen);
        }
    }

    fn join(&mut self, graph: &Graph, dart: u32) {
        self.nodes[graph.tail(dart) as usize].matched = dart;
        self.nodes[graph.head(dart) as usize].matched = dart ^ 1;
    }

    /// Augmenting row reduction (Jonker and Volgenant, 1987) on a general graph: a free vertex
    /// takes its best partner, whose dual sinks by the lead over the second best; the partner's
    /// former mate goes on from there. It settles most vertices without a tree.
    fn reduce(&mut self, graph: &Graph) {
        let mut steps = graph.vertices();
        for start in 0..graph.vertices() as u32 {
            let mut vertex = start;
            while self.nodes[vertex as usize].matched == NONE && steps > 0 {
                steps -= 1;
                let (mut least, mut second) = (N::MAX, N::MAX);
                let mut chosen = NONE;
                for &Arc { head, dart } in graph.arcs(vertex) {
                    let dual = self.cost[(dart >> 1) as usize] - self.vertices[head as usize].dual;
                    if dual < least {
                        (second, least, chosen) = (least, dual, dart);
                    } else if dual < second {
                        second = dual;
                    }
                }
                if chosen == NONE {
                    break;
                }
                let head = graph.head(chosen) as usize;
                let old = self.nodes[head].matched;
                if old == NONE {
                    self.vertices[vertex as usize].dual = least;
                    self.join(graph, chosen);
                    break;
                }
                // Without a lead nothing would be gained: leave it to the search.
                if second == N::MAX || second == least {
                    self.vertices[vertex as usize].dual = least;
                    break;
                }
                self.vertices[vertex as usize].dual = second;
                self.vertices[head].dual -= second - least;
                let loser = graph.head(old);
                self.nodes[loser as usize].matched = NONE;
                self.join(graph, chosen);
                vertex = loser;
            }
        }
    }
}
