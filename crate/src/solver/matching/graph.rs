//! The graph of a matching problem, as adjacency lists of darts.

/// Stands for "no dart", "no node".
pub(super) const NONE: u32 = u32::MAX;

/// Edge e = {i, j}, seen from i, is dart 2e; seen from j it is dart 2e + 1. So `dart ^ 1` is the
/// same edge from the other side, and `dart >> 1` the edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arc {
    pub head: u32,
    pub dart: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Graph {
    pub edges: Vec<(usize, usize)>,
    /// The vertex each dart starts at.
    tails: Vec<u32>,
    /// The darts of vertex v are `arcs[starts[v]..starts[v + 1]]`, by edge.
    starts: Vec<u32>,
    arcs: Vec<Arc>,
}

impl Graph {
    /// The edges must join different vertices below `vertices`, and everything must fit `u32`.
    pub fn new(vertices: usize, edges: Vec<(usize, usize)>) -> Self {
        let tails: Vec<u32> = edges.iter().flat_map(|&(i, j)| [i as u32, j as u32]).collect();
        let mut starts = vec![0_u32; vertices + 1];
        tails.iter().for_each(|&tail| starts[tail as usize + 1] += 1);
        for vertex in 0..vertices {
            starts[vertex + 1] += starts[vertex];
        }
        let mut arcs = vec![Arc { head: NONE, dart: NONE }; tails.len()];
        let mut free = starts.clone();
        for (dart, &tail) in tails.iter().enumerate() {
            let slot = &mut free[tail as usize];
            arcs[*slot as usize] = Arc { head: tails[dart ^ 1], dart: dart as u32 };
            *slot += 1;
        }
        Self { edges, tails, starts, arcs }
    }

    pub fn vertices(&self) -> usize {
        self.starts.len() - 1
    }

    #[inline]
    pub fn arcs(&self, vertex: u32) -> &[Arc] {
        let vertex = vertex as usize;
        &self.arcs[self.starts[vertex] as usize..self.starts[vertex + 1] as usize]
    }

    #[inline]
    pub fn tail(&self, dart: u32) -> u32 {
        self.tails[dart as usize]
    }

    #[inline]
    pub fn head(&self, dart: u32) -> u32 {
        self.tails[(dart ^ 1) as usize]
    }
}
