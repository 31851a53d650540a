//! The primal-dual blossom algorithm, on integers.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::mem::{replace, take};

use super::graph::{Arc, Graph, NONE};
use super::number::Number;
use crate::{Result, interrupt};

/// A vertex of the graph.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vertex<N> {
    /// The dual u of the vertex, so that an edge between two nodes has slack c − u − u'. While
    /// its node is labelled, u is `dual` + now (outer) or `dual` − now (inner): nothing has to be
    /// touched as time goes on.
    pub dual: N,
    /// The least c − `dual` of an edge to an outer vertex, and its dart to here. Outer vertices
    /// stay so for the rest of a search: this holds whatever happens to the label here.
    pub nearest: N,
    pub from: u32,
    /// The vertex that stands for the outermost node around this one; see `Workspace::top`.
    pub class: u32,
    /// The next vertex of the same node.
    pub next: u32,
    /// Label of the node: 1 outer, −1 inner, 0 none.
    pub sign: i8,
}

/// A vertex, or a blossom: an odd circuit of nodes, contracted to one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<N> {
    /// The dual z of a blossom; shifted by the time as `Vertex::dual`.
    pub z: N,
    /// The blossom that contains the node.
    pub parent: u32,
    /// The matching dart that leaves the node. Of a node inside a blossom it is out of date.
    pub matched: u32,
    /// Inner: the dart to the parent in the tree.
    pub tree: u32,
    /// First and last vertex of the node, along `Vertex::next`.
    pub first: u32,
    pub last: u32,
    /// Number of vertices.
    pub size: u32,
    /// The vertex that stands for the node: for a blossom, that of its largest child, so that a
    /// contraction rewrites the class of the vertices in the smaller ones only.
    pub class: u32,
    /// Which search for a circuit has been here last.
    pub mark: u32,
}

/// A node on the circuit of a blossom, and the dart from it to the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub node: u32,
    pub dart: u32,
}

/// Something that happens when the time comes to `key`: edge `id` gets tight, or the dual of
/// blossom `id` − m reaches 0.
#[derive(Clone, Copy, Debug)]
struct Event<N> {
    key: N,
    id: u32,
}

impl<N: Number> Ord for Event<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl<N: Number> PartialOrd for Event<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<N: Number> PartialEq for Event<N> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<N: Number> Eq for Event<N> {}

/// Everything a solve needs, kept from one to the next.
///
/// Time starts at 0 in each search and goes at the rate at which the duals change. Between
/// searches the duals are feasible, matched edges are tight (slack 0), and so are the edges on the
/// circuit of each blossom.
#[derive(Debug)]
pub(super) struct Workspace<N> {
    /// Twice the integer cost of each edge: so the slack between outer nodes is even, and half of
    /// it, the time until it is used up, whole.
    pub cost: Vec<N>,
    pub(super) vertices: Vec<Vertex<N>>,
    /// The vertices, then the blossoms.
    pub(super) nodes: Vec<Node<N>>,
    /// The outermost node that a vertex stands for.
    pub(super) node_of: Vec<u32>,
    /// The circuit of each blossom.
    pub(super) circuits: Vec<Vec<Link>>,
    /// Blossoms not in use.
    pub(super) spare: Vec<u32>,
    heap: BinaryHeap<Event<N>>,
    /// Events whose time is now.
    ready: Vec<u32>,
    /// Vertices to be reset after the search.
    pub(super) touched: Vec<u32>,
    /// Vertices newly outer.
    pub(super) scan: Vec<u32>,
    pub(super) now: N,
    /// When a free node is reached, and the dart that reaches it.
    limit: N,
    goal: u32,
    pub(super) mark: u32,
}

impl<N: Number> Workspace<N> {
    pub fn new() -> Self {
        Self {
            cost: Vec::new(),
            vertices: Vec::new(),
            nodes: Vec::new(),
            node_of: Vec::new(),
            circuits: Vec::new(),
            spare: Vec::new(),
            heap: BinaryHeap::new(),
            ready: Vec::new(),
            touched: Vec::new(),
            scan: Vec::new(),
            now: N::ZERO,
            limit: N::MAX,
            goal: NONE,
            mark: 0,
        }
    }

    /// Finds a perfect matching of least `cost`, as far as there is one: the vertices that a
    /// largest matching leaves free. Where there are any, the costs must all be 0.
    pub fn solve(&mut self, graph: &Graph) -> Result<Vec<u32>> {
        self.start(graph);
        let mut free = Vec::new();
        for vertex in 0..graph.vertices() as u32 {
            interrupt::check("a perfect matching was being searched")?;
            let root = self.top(vertex);
            if self.nodes[root as usize].matched == NONE && !self.search(graph, root) {
                free.push(vertex);
            }
        }
        Ok(free)
    }

    /// Grows a tree of tight edges, alternately in the matching and not, from the free node `root`
    /// until it reaches a free node; then exchanges the edges on the path there. Whether it did.
    fn search(&mut self, graph: &Graph, root: u32) -> bool {
        (self.now, self.limit, self.goal) = (N::ZERO, N::MAX, NONE);
        self.heap.clear();
        self.ready.clear();
        self.label_outer(root, N::ZERO);
        self.scan_outer(graph);
        while self.limit > self.now {
            let id = match self.ready.pop() {
                Some(id) => id,
                None => match self.heap.pop() {
                    Some(event) if event.key < self.limit => {
                        self.now = event.key;
                        event.id
                    }
                    _ => break,
                },
            };
            match id.checked_sub(graph.edges.len() as u32) {
                Some(node) => self.expand_if_due(graph, node),
                None => self.follow(graph, id),
            }
            self.scan_outer(graph);
        }
        if self.goal != NONE {
            self.now = self.limit;
        }
        self.settle();
        self.goal != NONE && {
            self.augment(graph);
            true
        }
    }

    /// The outermost node around `vertex`.
    #[inline]
    pub(super) fn top(&self, vertex: u32) -> u32 {
        self.node_of[self.vertices[vertex as usize].class as usize]
    }

    fn push(&mut self, key: N, id: u32) {
        if key == self.now {
            self.ready.push(id);
        } else if key < self.limit {
            self.heap.push(Event { key, id });
        }
    }

    /// Edge `edge` may have got tight: grow the tree by it, or contract a blossom.
    fn follow(&mut self, graph: &Graph, edge: u32) {
        let dart = 2 * edge;
        let (u, v) = (graph.tail(dart), graph.head(dart));
        let (from, to) = (self.vertices[u as usize], self.vertices[v as usize]);
        let slack = self.cost[edge as usize] - from.dual - to.dual;
        // Labels may have changed since the event was noted; another one then stands for it.
        match (from.sign, to.sign) {
            (1, 1) if from.class != to.class && slack >> 1 == self.now => self.shrink(graph, dart),
            (1, 0) if slack == self.now => self.grow(graph, v, dart ^ 1),
            (0, 1) if slack == self.now => self.grow(graph, u, dart),
            _ => {}
        }
    }

    /// Hangs the matched node around `vertex` under the outer node that `tree` leads to, and its
    /// partner under it.
    fn grow(&mut self, graph: &Graph, vertex: u32, tree: u32) {
        let (inner, now) = (self.top(vertex), self.now);
        each_vertex(&mut self.vertices, &self.nodes[inner as usize], |index, vertex| {
            vertex.dual += now;
            vertex.sign = -1;
            self.touched.push(index);
        });
        self.hang(graph, inner, tree);
        let partner = graph.head(self.nodes[inner as usize].matched);
        self.label_outer(self.top(partner), now);
    }

    /// Makes a node, whose vertices are inner, an inner node.
    pub(super) fn hang(&mut self, graph: &Graph, inner: u32, tree: u32) {
        let now = self.now;
        let node = &mut self.nodes[inner as usize];
        node.tree = tree;
        node.z += now;
        let end = node.z;
        if inner as usize >= graph.vertices() {
            self.push(end, graph.edges.len() as u32 + inner);
        }
    }

    /// Makes a node outer; `shift` takes its vertices' duals from how they are kept to how those
    /// of outer vertices are.
    pub(super) fn label_outer(&mut self, node: u32, shift: N) {
        let node = &mut self.nodes[node as usize];
        node.z -= self.now;
        each_vertex(&mut self.vertices, node, |index, vertex| {
            vertex.dual -= shift;
            vertex.sign = 1;
            self.touched.push(index);
            self.scan.push(index);
        });
    }

    /// Notes when the edges of the newly outer vertices get tight.
    fn scan_outer(&mut self, graph: &Graph) {
        while let Some(outer) = self.scan.pop() {
            let Vertex { dual, class, .. } = self.vertices[outer as usize];
            for &Arc { head, dart } in graph.arcs(outer) {
                let other = &mut self.vertices[head as usize];
                let edge = dart >> 1;
                let distance = self.cost[edge as usize] - dual;
                let slack = distance - other.dual;
                if other.sign > 0 {
                    if other.class != class {
                        self.push(slack >> 1, edge);
                    }
                } else if distance < other.nearest && (other.sign < 0 || slack < self.limit) {
                    if other.nearest == N::MAX {
                        self.touched.push(head);
                    }
                    (other.nearest, other.from) = (distance, dart);
                    if other.sign == 0 {
                        self.reach(head);
                    }
                }
            }
        }
    }

    /// Notes when the nearest edge to the vertex, of a node without a label, gets tight.
    pub(super) fn reach(&mut self, vertex: u32) {
        let Vertex { dual, nearest, from, class, .. } = self.vertices[vertex as usize];
        if nearest == N::MAX {
            return;
        }
        let key = nearest - dual;
        if self.nodes[self.node_of[class as usize] as usize].matched != NONE {
            self.push(key, from >> 1);
        } else if key < self.limit {
            (self.limit, self.goal) = (key, from);
        }
    }

    /// Ends a search: brings the duals up to date and takes the labels away.
    fn settle(&mut self) {
        let now = self.now;
        while let Some(vertex) = self.touched.pop() {
            let this = &mut self.vertices[vertex as usize];
            this.nearest = N::MAX;
            let sign = take(&mut this.sign);
            let top = &mut self.nodes[self.node_of[this.class as usize] as usize];
            match sign {
                1 => {
                    this.dual += now;
                    if top.first == vertex {
                        top.z += now;
                    }
                }
                -1 => {
                    this.dual -= now;
                    if top.first == vertex {
                        top.z -= now;
                    }
                }
                _ => {}
            }
        }
    }

    /// Exchanges the edges on the path from the root to the free node that `goal` reaches.
    fn augment(&mut self, graph: &Graph) {
        let mut dart = self.goal;
        let end = self.top(graph.head(dart));
        self.nodes[end as usize].matched = dart ^ 1;
        loop {
            let outer = self.top(graph.tail(dart));
            let before = replace(&mut self.nodes[outer as usize].matched, dart);
            if before == NONE {
                return;
            }
            let inner = self.top(graph.head(before));
            let inner = &mut self.nodes[inner as usize];
            inner.matched = inner.tree;
            dart = inner.tree ^ 1;
        }
    }

    /// The edge that covers `vertex`, after [`finish`](Self::finish).
    pub fn matched_edge(&self, vertex: usize) -> usize {
        (self.nodes[vertex].matched >> 1) as usize
    }
}

/// Visits the vertices of `node`.
#[inline]
pub(super) fn each_vertex<N: Number>(
    vertices: &mut [Vertex<N>],
    node: &Node<N>,
    mut visit: impl FnMut(u32, &mut Vertex<N>),
) {
    let mut index = node.first;
    loop {
        let vertex = &mut vertices[index as usize];
        visit(index, vertex);
        if index == node.last {
            return;
        }
        index = vertex.next;
    }
}
