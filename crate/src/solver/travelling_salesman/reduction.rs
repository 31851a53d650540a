//! Which edges no better tour uses, and which each one does: marginal costs, degrees, forced
//! paths.

use super::one_tree::{Edge, OneTree, SPECIAL};

/// What a better tour does with an edge.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Keep,
    Remove,
    Force,
}

/// Marginal costs of the edges of a node.
#[derive(Debug, Default)]
pub(super) struct Filter {
    verdict: Vec<Verdict>,
    in_tree: Vec<bool>,
    /// For an edge of the tree: by how much the bound grows without it.
    pub(super) exchange: Vec<f64>,
    depth: Vec<u32>,
    /// For two cities: the dearest edge of the tree between them.
    dearest: Vec<f64>,
}

impl Filter {
    /// Collects the edges of the complete graph that a tour shorter than the bound of `tree` plus
    /// `room` may use: the tree is the cheapest 1-tree by the matrix `cost`.
    pub(super) fn collect(
        &mut self,
        tree: &OneTree,
        cost: &[f64],
        room: f64,
        edges: &mut Vec<Edge>,
    ) {
        let k = tree.potential.len();
        let reduced = |a: usize, b: usize| cost[a * k + b] + tree.potential[a] + tree.potential[b];
        edges.clear();
        let mut consider = |a: usize, b: usize, replaced: f64| {
            if reduced(a, b) - replaced < room {
                let ends = [a as u32, b as u32];
                edges.push(Edge { cost: cost[a * k + b], ends, forced: false });
            }
        };
        let second = tree.special_edges[1] as usize;
        let second = reduced(SPECIAL, second);
        for city in (0..k).filter(|&city| city != SPECIAL) {
            consider(SPECIAL, city, second);
        }
        // The dearest edge of the tree between two cities is what an edge between them replaces.
        let dearest = &mut self.dearest;
        dearest.clear();
        dearest.resize(k * k, f64::NEG_INFINITY);
        for (count, &city) in tree.visited.iter().enumerate().skip(1) {
            let city = city as usize;
            let parent = tree.parent[city] as usize;
            let link = reduced(city, parent);
            for &other in &tree.visited[..count] {
                let other = other as usize;
                let replaced = link.max(dearest[parent * k + other]);
                dearest[city * k + other] = replaced;
                dearest[other * k + city] = replaced;
                consider(city, other, replaced);
            }
        }
    }

    /// Judges each edge by the bound's growth with or without it: `room` or more rules that out.
    pub(super) fn run(&mut self, tree: &OneTree, edges: &[Edge], room: f64) {
        let reduced = |edge: &Edge| {
            edge.cost
                + tree.potential[edge.ends[0] as usize]
                + tree.potential[edge.ends[1] as usize]
        };
        self.verdict.clear();
        self.verdict.resize(edges.len(), Verdict::Keep);
        self.in_tree.clear();
        self.in_tree.resize(edges.len(), false);
        self.exchange.clear();
        self.exchange.resize(edges.len(), f64::INFINITY);
        self.depth.clear();
        self.depth.resize(tree.potential.len(), 0);
        for &city in &tree.visited[1..] {
            self.in_tree[tree.parent_edge[city as usize] as usize] = true;
            self.depth[city as usize] = self.depth[tree.parent[city as usize] as usize] + 1;
        }
        for index in tree.special_edges {
            self.in_tree[index as usize] = true;
        }
        // `exchange` is first the cost of the cheapest stand-in.
        for (index, edge) in edges.iter().enumerate() {
            if self.in_tree[index] {
                continue;
            }
            let cost = reduced(edge);
            let special = edge.ends.contains(&(SPECIAL as u32));
            let mut replaced = f64::NEG_INFINITY;
            if special {
                for other in tree.special_edges {
                    if !edges[other as usize].forced {
                        replaced = replaced.max(reduced(&edges[other as usize]));
                    }
                }
            } else {
                self.along_path(tree, edge, |other| {
                    if !edges[other].forced {
                        replaced = replaced.max(reduced(&edges[other]));
                    }
                    None
                });
            }
            if cost - replaced >= room {
                self.verdict[index] = Verdict::Remove;
            } else if special {
                for other in tree.special_edges {
                    let stand_in = &mut self.exchange[other as usize];
                    *stand_in = stand_in.min(cost);
                }
            } else {
                self.along_path(tree, edge, |_| Some(cost));
            }
        }
        for (index, edge) in edges.iter().enumerate() {
            if self.in_tree[index] && !edge.forced {
                self.exchange[index] -= reduced(edge);
                if self.exchange[index] >= room {
                    self.verdict[index] = Verdict::Force;
                }
            }
        }
    }

    /// Takes the edges ruled out from those from `first` on, and marks the ones ruled in.
    pub(super) fn apply(&self, edges: &mut Vec<Edge>, first: usize) {
        let mut kept = first;
        for (index, verdict) in self.verdict.iter().enumerate() {
            let edge = edges[first + index];
            if *verdict != Verdict::Remove {
                edges[kept] = Edge { forced: edge.forced || *verdict == Verdict::Force, ..edge };
                kept += 1;
            }
        }
        edges.truncate(kept);
    }

    /// Of the tree's edges that end in a city of degree 3 or more, the one without which the bound
    /// grows most.
    pub(super) fn dearest(&self, tree: &OneTree, edges: &[Edge]) -> Option<usize> {
        let mut choice = (f64::NEG_INFINITY, None);
        for (index, edge) in edges.iter().enumerate() {
            let excess = edge.ends.iter().any(|&end| tree.degree[end as usize] > 2);
            if self.in_tree[index] && !edge.forced && excess && self.exchange[index] > choice.0 {
                choice = (self.exchange[index], Some(index));
            }
        }
        choice.1
    }

    /// Visits the edges of the tree's path between the ends of an edge, and lowers their stand-in
    /// to what `visit` returns.
    fn along_path(
        &mut self,
        tree: &OneTree,
        edge: &Edge,
        mut visit: impl FnMut(usize) -> Option<f64>,
    ) {
        let [mut a, mut b] = edge.ends.map(|end| end as usize);
        while a != b {
            if self.depth[a] < self.depth[b] {
                std::mem::swap(&mut a, &mut b);
            }
            let index = tree.parent_edge[a] as usize;
            if let Some(cost) = visit(index) {
                self.exchange[index] = self.exchange[index].min(cost);
            }
            a = tree.parent[a] as usize;
        }
    }
}

/// The tour that a 1-tree with all degrees 2 is.
#[derive(Debug, Default)]
pub(super) struct TreeTour {
    pub(super) length: f64,
    neighbours: Vec<[u32; 2]>,
}

impl TreeTour {
    /// Takes the tour from a tree built of the matrix `cost`.
    pub(super) fn take_from_matrix(&mut self, tree: &OneTree, cost: &[f64]) {
        let k = tree.potential.len();
        self.clear(k);
        let links = tree.visited[1..].iter().map(|&city| (city, tree.parent[city as usize]));
        for (a, b) in links.chain(tree.special_edges.map(|city| (SPECIAL as u32, city))) {
            self.add(a, b, cost[a as usize * k + b as usize]);
        }
    }

    /// Takes the tour from a tree built of `edges`.
    pub(super) fn take_from_edges(&mut self, tree: &OneTree, edges: &[Edge]) {
        self.clear(tree.potential.len());
        let links = tree.visited[1..].iter().map(|&city| tree.parent_edge[city as usize]);
        for index in links.chain(tree.special_edges) {
            let edge = &edges[index as usize];
            self.add(edge.ends[0], edge.ends[1], edge.cost);
        }
    }

    fn clear(&mut self, k: usize) {
        self.length = 0.0;
        self.neighbours.clear();
        self.neighbours.resize(k, [u32::MAX; 2]);
    }

    fn add(&mut self, a: u32, b: u32, cost: f64) {
        self.length += cost;
        for (from, to) in [(a, b), (b, a)] {
            let pair = &mut self.neighbours[from as usize];
            pair[usize::from(pair[0] != u32::MAX)] = to;
        }
    }

    /// Writes the cities in the order of the tour.
    pub(super) fn walk(&self, order: &mut Vec<u32>) {
        order.clear();
        let (mut previous, mut city) = (u32::MAX, 0);
        for _ in 0..self.neighbours.len() {
            order.push(city);
            let [first, second] = self.neighbours[city as usize];
            (previous, city) = (city, if first == previous { second } else { first });
        }
    }
}

/// Draws what follows from degrees and forced edges.
#[derive(Debug, Default)]
pub(super) struct Propagation {
    /// Edges at each city.
    total: Vec<u32>,
    /// Forced edges at each city.
    forced: Vec<u32>,
    /// The other end of the forced path that ends in a city.
    far_end: Vec<u32>,
}

impl Propagation {
    /// Takes from the edges from `first` on those that no tour of them uses, and marks those that
    /// every one uses, as far as degrees and forced paths tell; false if no tour is left.
    pub(super) fn run(&mut self, k: usize, edges: &mut Vec<Edge>, first: usize) -> bool {
        loop {
            let Some(forced) = self.count(k, &edges[first..]) else { return false };
            let mut changed = false;
            let mut kept = first;
            for index in first..edges.len() {
                let mut edge = edges[index];
                let [a, b] = edge.ends.map(|end| end as usize);
                if !edge.forced {
                    let closes = self.far_end[a] as usize == b && forced + 1 < k;
                    if closes || self.forced[a] == 2 || self.forced[b] == 2 {
                        changed = true;
                        continue;
                    }
                    if self.total[a] == 2 || self.total[b] == 2 {
                        edge.forced = true;
                        changed = true;
                    }
                }
                edges[kept] = edge;
                kept += 1;
            }
            edges.truncate(kept);
            if !changed {
                return true;
            }
        }
    }

    /// Counts edges and follows forced paths; the number of forced edges, or none if they or the
    /// degrees allow no tour.
    fn count(&mut self, k: usize, edges: &[Edge]) -> Option<usize> {
        for counts in [&mut self.total, &mut self.forced] {
            counts.clear();
            counts.resize(k, 0);
        }
        self.far_end.clear();
        self.far_end.extend(0..k as u32);
        let mut forced = 0;
        for edge in edges {
            let [a, b] = edge.ends.map(|end| end as usize);
            self.total[a] += 1;
            self.total[b] += 1;
            if !edge.forced {
                continue;
            }
            forced += 1;
            self.forced[a] += 1;
            self.forced[b] += 1;
            if self.forced[a] > 2 || self.forced[b] > 2 {
                return None;
            }
            let (far_a, far_b) = (self.far_end[a], self.far_end[b]);
            if far_a as usize != b {
                self.far_end[far_a as usize] = far_b;
                self.far_end[far_b as usize] = far_a;
            } else if forced < k {
                // Only the last edge of a tour may close a path.
                return None;
            }
        }
        self.total.iter().all(|&total| total >= 2).then_some(forced)
    }
}
