//! Held and Karp's bound: cheapest 1-trees under city potentials.

/// An edge that a tour may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) cost: f64,
    pub(super) ends: [u32; 2],
    /// Whether the tour must use it.
    pub(super) forced: bool,
}

/// A 1-tree: a spanning tree of all cities but the special one, and two edges at that one.
///
/// For potentials π, L(π) = min over 1-trees T of Σ_{ij in T} (c_ij + π_i + π_j) − 2 Σ π bounds
/// every tour from below, since a tour is a 1-tree with all degrees 2. L is concave, and the
/// degrees less 2 are a supergradient.
#[derive(Debug, Default)]
pub(super) struct OneTree {
    /// The potentials; after an ascent, those of the best bound.
    pub(super) potential: Vec<f64>,
    /// The cities but the special one, each after its parent.
    pub(super) visited: Vec<u32>,
    pub(super) parent: Vec<u32>,
    /// The edge to the parent, where the tree was built of edges.
    pub(super) parent_edge: Vec<u32>,
    /// The two edges at the special city; their far ends where the tree was built of a matrix.
    pub(super) special_edges: [u32; 2],
    pub(super) degree: Vec<u32>,
    key: Vec<f64>,
    /// Cities that can be joined to the tree next.
    frontier: Vec<u32>,
    frontier_key: Vec<f64>,
    /// First entry of each city, and one past the last.
    offset: Vec<u32>,
    /// Cost (−∞ for a forced edge), other end, edge.
    entries: Vec<(f64, u32, u32)>,
}

/// The city that is special: any would do.
pub(super) const SPECIAL: usize = 0;

impl OneTree {
    /// Makes room for k cities, with all potentials 0.
    pub(super) fn reset(&mut self, k: usize) {
        for numbers in [&mut self.potential, &mut self.key] {
            numbers.clear();
            numbers.resize(k, 0.0);
        }
        for numbers in [&mut self.parent, &mut self.parent_edge, &mut self.degree] {
            numbers.clear();
            numbers.resize(k, 0);
        }
    }

    /// Takes the edges of which the next trees are built.
    pub(super) fn set_edges(&mut self, edges: &[Edge]) {
        let k = self.potential.len();
        self.offset.clear();
        self.offset.resize(k + 1, 0);
        for edge in edges {
            self.offset[edge.ends[0] as usize] += 1;
            self.offset[edge.ends[1] as usize] += 1;
        }
        let mut sum = 0;
        for offset in &mut self.offset {
            sum += *offset;
            *offset = sum;
        }
        self.entries.clear();
        self.entries.resize(2 * edges.len(), (0.0, 0, 0));
        for (index, edge) in edges.iter().enumerate().rev() {
            let [a, b] = edge.ends;
            let cost = if edge.forced { f64::NEG_INFINITY } else { edge.cost };
            for (from, to) in [(a, b), (b, a)] {
                let place = &mut self.offset[from as usize];
                *place -= 1;
                self.entries[*place as usize] = (cost, to, index as u32);
            }
        }
    }

    /// Builds the cheapest 1-tree of the edges taken by `set_edges`; its bound, or none if there
    /// is no 1-tree.
    pub(super) fn build_of_edges(&mut self, edges: &[Edge]) -> Option<f64> {
        let k = self.potential.len();
        self.degree.fill(0);
        self.key.fill(f64::INFINITY);
        self.key[SPECIAL] = f64::NEG_INFINITY;
        self.visited.clear();
        self.frontier.clear();
        let mut total = 0.0;

        let mut least = [(f64::INFINITY, u32::MAX); 2];
        for &(cost, to, edge) in self.entries_of(SPECIAL) {
            let key = cost + self.potential[to as usize];
            if key < least[0].0 {
                least = [(key, edge), least[0]];
            } else if key < least[1].0 {
                least[1] = (key, edge);
            }
        }
        if least[1].1 == u32::MAX {
            return None;
        }
        for (slot, (_, index)) in least.into_iter().enumerate() {
            let edge = &edges[index as usize];
            self.special_edges[slot] = index;
            self.degree[edge.ends[0] as usize] += 1;
            self.degree[edge.ends[1] as usize] += 1;
            total += edge.cost;
        }

        let mut city = (SPECIAL + 1) % k;
        self.parent[city] = u32::MAX;
        loop {
            self.visited.push(city as u32);
            self.key[city] = f64::NEG_INFINITY;
            let base = self.potential[city];
            for entry in self.offset[city] as usize..self.offset[city + 1] as usize {
                let (cost, to, edge) = self.entries[entry];
                let to = to as usize;
                let key = cost + base + self.potential[to];
                if key < self.key[to] {
                    if self.key[to] == f64::INFINITY {
                        self.frontier.push(to as u32);
                    }
                    self.key[to] = key;
                    self.parent[to] = city as u32;
                    self.parent_edge[to] = edge;
                }
            }
            let mut next = (f64::INFINITY, usize::MAX);
            for (place, &other) in self.frontier.iter().enumerate() {
                let key = self.key[other as usize];
                if key < next.0 {
                    next = (key, place);
                }
            }
            if next.1 == usize::MAX {
                break;
            }
            city = self.frontier.swap_remove(next.1) as usize;
            self.degree[city] += 1;
            self.degree[self.parent[city] as usize] += 1;
            total += edges[self.parent_edge[city] as usize].cost;
        }
        (self.visited.len() == k - 1).then(|| total + self.dual())
    }

    /// Builds the cheapest 1-tree of the complete graph with the symmetric matrix `cost`; its
    /// bound.
    pub(super) fn build_of_matrix(&mut self, cost: &[f64]) -> Option<f64> {
        let k = self.potential.len();
        self.degree.fill(0);
        self.visited.clear();
        self.frontier.clear();
        self.frontier_key.clear();
        let mut total = 0.0;

        let row = &cost[SPECIAL * k..][..k];
        let mut least = [(f64::INFINITY, 0); 2];
        for city in (0..k).filter(|&city| city != SPECIAL) {
            let key = row[city] + self.potential[city];
            if key < least[0].0 {
                least = [(key, city as u32), least[0]];
            } else if key < least[1].0 {
                least[1] = (key, city as u32);
            }
        }
        for (slot, (_, city)) in least.into_iter().enumerate() {
            self.special_edges[slot] = city;
            self.degree[city as usize] += 1;
            total += row[city as usize];
        }
        self.degree[SPECIAL] = 2;

        let mut city = (SPECIAL + 1) % k;
        self.parent[city] = u32::MAX;
        self.visited.push(city as u32);
        for other in (0..k).filter(|&other| other != SPECIAL && other != city) {
            self.frontier.push(other as u32);
            self.frontier_key.push(f64::INFINITY);
        }
        while !self.frontier.is_empty() {
            let row = &cost[city * k..][..k];
            let base = self.potential[city];
            let mut next = (f64::INFINITY, 0);
            for (place, (&other, key)) in
                self.frontier.iter().zip(&mut self.frontier_key).enumerate()
            {
                let new = row[other as usize] + base + self.potential[other as usize];
                if new < *key {
                    *key = new;
                    self.parent[other as usize] = city as u32;
                }
                if *key < next.0 {
                    next = (*key, place);
                }
            }
            city = self.frontier.swap_remove(next.1) as usize;
            self.frontier_key.swap_remove(next.1);
            let parent = self.parent[city] as usize;
            self.visited.push(city as u32);
            self.degree[city] += 1;
            self.degree[parent] += 1;
            total += cost[city * k + parent];
        }
        Some(total + self.dual())
    }

    /// Σ π_i (degree_i − 2).
    fn dual(&self) -> f64 {
        self.potential
            .iter()
            .zip(&self.degree)
            .map(|(potential, &degree)| potential * (f64::from(degree) - 2.0))
            .sum()
    }

    fn entries_of(&self, city: usize) -> &[(f64, u32, u32)] {
        &self.entries[self.offset[city] as usize..self.offset[city + 1] as usize]
    }

    /// Whether the tree built last is a tour.
    pub(super) fn is_tour(&self) -> bool {
        self.degree.iter().all(|&degree| degree == 2)
    }
}
