//! Blossoms: contracted when a tree closes an odd circuit, dissolved when their dual is used up.

use std::mem::{swap, take};

use super::blossom::{Link, Node, Workspace, each_vertex};
use super::graph::{Graph, NONE};
use super::number::Number;

impl<N: Number> Workspace<N> {
    /// Contracts the circuit that the tight edge of `dart` closes in the tree.
    pub(super) fn shrink(&mut self, graph: &Graph, dart: u32) {
        let (left, right) = (self.top(graph.tail(dart)), self.top(graph.head(dart)));
        self.mark += 1;
        let (mut x, mut y) = (left, right);
        let root = loop {
            if x != NONE {
                let node = &mut self.nodes[x as usize];
                if node.mark == self.mark {
                    break x;
                }
                node.mark = self.mark;
                x = match node.matched {
                    NONE => NONE,
                    matched => {
                        let inner = self.top(graph.head(matched));
                        self.top(graph.head(self.nodes[inner as usize].tree))
                    }
                };
            }
            swap(&mut x, &mut y);
        };

        let slot = self.spare.pop().unwrap_or_else(|| {
            let slot = self.nodes.len() - graph.vertices();
            self.nodes.push(self.nodes[root as usize]);
            if slot == self.circuits.len() {
                self.circuits.push(Vec::new());
            }
            slot as u32
        });
        let blossom = slot + graph.vertices() as u32;
        let mut circuit = take(&mut self.circuits[slot as usize]);
        circuit.clear();
        // Up from `left`, then turned round: each dart led to the node that now comes before.
        let mut down = dart;
        let mut node = left;
        while node != root {
            let up = self.up(node);
            circuit.push(Link { node, dart: down });
            down = up ^ 1;
            node = self.top(graph.head(up));
        }
        circuit.push(Link { node: root, dart: down });
        circuit.reverse();
        let mut node = right;
        while node != root {
            let up = self.up(node);
            circuit.push(Link { node, dart: up });
            node = self.top(graph.head(up));
        }

        let now = self.now;
        let largest = circuit.iter().map(|link| &self.nodes[link.node as usize]);
        let class = largest.max_by_key(|node| node.size).map_or(NONE, |node| node.class);
        let base = self.nodes[root as usize];
        let (mut last, mut size) = (base.last, 0);
        for link in &circuit {
            let child = &mut self.nodes[link.node as usize];
            self.vertices[last as usize].next = child.first;
            last = child.last;
            size += child.size;
            child.parent = blossom;
            let inner = self.vertices[child.first as usize].sign < 0;
            child.z = if inner { child.z - now } else { child.z + now };
            if !inner && child.class == class {
                continue;
            }
            each_vertex(&mut self.vertices, child, |index, vertex| {
                vertex.class = class;
                if inner {
                    vertex.sign = 1;
                    vertex.dual -= now + now;
                    self.scan.push(index);
                }
            });
        }
        self.node_of[class as usize] = blossom;
        self.circuits[slot as usize] = circuit;
        let z = N::ZERO - now;
        self.nodes[blossom as usize] =
            Node { z, parent: NONE, tree: NONE, last, size, class, mark: 0, ..base };
    }

    /// The dart from a labelled node to the one above it in the tree.
    fn up(&self, node: u32) -> u32 {
        let this = &self.nodes[node as usize];
        if self.vertices[this.first as usize].sign > 0 { this.matched } else { this.tree }
    }

    pub(super) fn expand_if_due(&mut self, graph: &Graph, node: u32) {
        let this = self.nodes[node as usize];
        let first = self.vertices[this.first as usize];
        if self.node_of[first.class as usize] == node && first.sign < 0 && this.z == self.now {
            self.expand(graph, node);
        }
    }

    /// The position on the circuit of `blossom` of the node that holds `vertex`.
    fn position(&self, circuit: &[Link], blossom: u32, vertex: u32) -> usize {
        let mut node = vertex;
        while self.nodes[node as usize].parent != blossom {
            node = self.nodes[node as usize].parent;
        }
        circuit.iter().position(|link| link.node == node).unwrap_or(0)
    }

    /// Matches the nodes on the circuit of `blossom` among each other, but for the one that its
    /// own matching dart leaves, whose position it returns.
    fn match_circuit(&mut self, graph: &Graph, circuit: &[Link], blossom: u32) -> usize {
        let matched = self.nodes[blossom as usize].matched;
        let base = self.position(circuit, blossom, graph.tail(matched));
        self.nodes[circuit[base].node as usize].matched = matched;
        let at = |offset: usize| circuit[(base + offset) % circuit.len()];
        for offset in (1..circuit.len()).step_by(2) {
            let (this, next) = (at(offset), at(offset + 1));
            self.nodes[this.node as usize].matched = this.dart;
            self.nodes[next.node as usize].matched = this.dart ^ 1;
        }
        base
    }

    /// Dissolves an inner blossom whose dual has come to 0.
    fn expand(&mut self, graph: &Graph, blossom: u32) {
        let now = self.now;
        let slot = blossom as usize - graph.vertices();
        let circuit = take(&mut self.circuits[slot]);
        let base = self.match_circuit(graph, &circuit, blossom);
        let Node { mut tree, class, .. } = self.nodes[blossom as usize];
        let entry = self.position(&circuit, blossom, graph.tail(tree));
        for link in &circuit {
            let child = &mut self.nodes[link.node as usize];
            child.parent = NONE;
            self.node_of[child.class as usize] = link.node;
            if child.class != class {
                let class = child.class;
                each_vertex(&mut self.vertices, child, |_, vertex| vertex.class = class);
            }
        }
        // From the entry to the base, on the side where the way begins with a matching edge. The
        // nodes there stay in the tree, alternately inner and outer.
        let length = circuit.len();
        let offset = (entry + length - base) % length;
        let forward = offset % 2 == 1;
        let step = if forward { 1 } else { length - 1 };
        let mut position = entry;
        loop {
            self.hang(graph, circuit[position].node, tree);
            if position == base {
                break;
            }
            let outer = (position + step) % length;
            self.label_outer(circuit[outer].node, now + now);
            position = (outer + step) % length;
            tree = if forward { circuit[outer].dart ^ 1 } else { circuit[position].dart };
        }
        // The others, on the other side, leave it.
        let others = if forward { offset - 1 } else { length - 1 - offset };
        let start = if forward { base } else { entry };
        for other in 1..=others {
            let node = self.nodes[circuit[(start + other) % length].node as usize];
            each_vertex(&mut self.vertices, &node, |_, vertex| {
                vertex.dual -= now;
                vertex.sign = 0;
            });
            let mut vertex = node.first;
            self.reach(vertex);
            while vertex != node.last {
                vertex = self.vertices[vertex as usize].next;
                self.reach(vertex);
            }
        }
        self.circuits[slot] = circuit;
        self.spare.push(slot as u32);
    }

    /// Dissolves all blossoms; afterwards the matching is that of the vertices. Returns the value
    /// of the dual solution, Σ u − Σ (|B| − 1) z over the blossoms B, in units of `cost`.
    pub fn finish(&mut self, graph: &Graph) -> i128 {
        let mut bound: i128 = self.vertices.iter().map(|vertex| vertex.dual.wide()).sum();
        self.scan.clear();
        for vertex in 0..graph.vertices() as u32 {
            let top = self.top(vertex);
            if top != vertex && self.nodes[top as usize].first == vertex {
                self.scan.push(top);
            }
        }
        while let Some(blossom) = self.scan.pop() {
            let circuit = take(&mut self.circuits[blossom as usize - graph.vertices()]);
            self.match_circuit(graph, &circuit, blossom);
            let Node { z, size, .. } = self.nodes[blossom as usize];
            bound -= i128::from(size - 1) * z.wide();
            let blossoms = circuit.iter().map(|link| link.node);
            self.scan.extend(blossoms.filter(|&node| node as usize >= graph.vertices()));
            self.circuits[blossom as usize - graph.vertices()] = circuit;
        }
        bound
    }
}
