//! Branch and bound on edges, with Held and Karp's bound and elimination by marginal costs.

use std::time::Instant;

use super::ascent::{Aim, Ascent, State, Steps};
use super::local_search::{Random, Tour};
use super::one_tree::{Edge, OneTree};
use super::reduction::{Filter, Propagation, TreeTour};
use crate::Result;

/// A bound this close to the best tour's length, relative to it, closes a node.
const SLACK: f64 = 1e-11;

/// At the root, on all edges.
const DENSE: Steps = Steps { limit: 25, first: 1.0, patience: 3, decay: 0.7 };
/// At the root, on all edges, from potentials of a nearby instance.
const WARM: Steps = Steps { limit: 12, first: 1.0, patience: 3, decay: 0.7 };
/// At the root, on the edges left.
const SPARSE: Steps = Steps { limit: 40, first: 1.0, patience: 5, decay: 0.7 };
/// At the root, once the bound is at its top and the edges have become fewer.
const LAST: Steps = Steps { limit: 60, first: 0.3, patience: 5, decay: 0.7 };
/// At the other nodes.
const INNER: Steps = Steps { limit: 15, first: 1.5, patience: 3, decay: 0.5 };

/// A part of the search space: the tours of a set of edges.
#[derive(Debug)]
struct Node {
    /// Where its edges begin in the stack of edges; they reach to the next node's.
    first_edge: usize,
    /// Where its potentials begin in the stack of potentials.
    first_potential: usize,
    /// No tour of it is shorter than this.
    bound: f64,
}

/// How a node is bounded.
#[derive(Clone, Copy, Debug)]
enum Method {
    Polyak(Steps),
    Dilation,
}

/// What a search knows at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// No tour is shorter than this, up to rounding.
    pub(super) lower_bound: f64,
    /// Whether the search ended by itself.
    pub(super) complete: bool,
}

/// The buffers of a search, used again by the next one.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Where the local search is; to begin a warm search from.
    pub(super) tour: Tour,
    /// The potentials of the root; to begin a warm search from.
    pub(super) potential: Vec<f64>,
    /// The best tour.
    pub(super) best: Vec<u32>,
    upper: f64,
    target: f64,
    quantum: f64,
    deadline: Option<Instant>,
    tree: OneTree,
    ascent: Ascent,
    filter: Filter,
    propagation: Propagation,
    tree_tour: TreeTour,
    /// The nodes to look at, the next one last; a node's edges and potentials lie on two stacks of
    /// their own in the same order, so that nothing is allocated per node.
    open: Vec<Node>,
    edges: Vec<Edge>,
    potentials: Vec<f64>,
    branched: Vec<Edge>,
}

impl Search {
    /// Finds the cheapest tour of the k >= 5 cities of the symmetric matrix `cost` of numbers >= 0,
    /// all of them multiples of `quantum` unless that is 0.
    ///
    /// A `warm` search starts from `self.tour` and `self.potential`.
    pub(super) fn solve(
        &mut self,
        k: usize,
        cost: &[f64],
        quantum: f64,
        warm: bool,
        deadline: Option<Instant>,
    ) -> Result<Outcome> {
        self.quantum = quantum;
        self.deadline = deadline;
        self.open.clear();
        self.edges.clear();
        self.potentials.clear();
        self.tree.reset(k);
        if warm {
            self.tree.potential.clone_from(&self.potential);
        } else {
            self.tour.set_nearest_neighbour(k, cost);
        }
        self.upper = f64::INFINITY;
        self.improve_tour(k, cost);
        let slack = if quantum > 0.0 { 0.0 } else { SLACK * self.upper };

        let warm = warm && self.has_sound_potentials();
        let (bound, state) = self.bound_root(k, cost, warm)?;
        self.potential.clone_from(&self.tree.potential);
        if state == State::Stopped {
            return Ok(Outcome { lower_bound: bound.min(self.upper - slack), complete: false });
        }
        if state == State::Open {
            self.branch(k, 0, 0, bound);
        }
        while let Some(&Node { first_edge, first_potential, bound }) = self.open.last() {
            if self.aim().is_late()? {
                return Ok(self.stop(slack));
            }
            self.open.pop();
            if bound < self.target {
                let state = self.explore(k, first_edge, first_potential, bound)?;
                if state == State::Stopped {
                    self.open.push(Node { first_edge, first_potential, bound });
                    return Ok(self.stop(slack));
                }
            }
            if self.open.last().is_none_or(|node| node.first_edge < first_edge) {
                self.edges.truncate(first_edge);
                self.potentials.truncate(first_potential);
            }
        }
        Ok(Outcome { lower_bound: self.upper - slack, complete: true })
    }

    fn stop(&self, slack: f64) -> Outcome {
        let bounds = self.open.iter().map(|node| node.bound);
        Outcome { lower_bound: bounds.fold(self.upper - slack, f64::min), complete: false }
    }

    fn aim(&self) -> Aim {
        Aim { upper: self.upper, target: self.target, deadline: self.deadline }
    }

    /// Bounds all tours and collects the edges that are left.
    fn bound_root(&mut self, k: usize, cost: &[f64], warm: bool) -> Result<(f64, State)> {
        if !warm {
            self.choose_potentials(k, cost);
        }
        let steps = if warm { WARM } else { DENSE };
        let aim = self.aim();
        let (mut bound, mut state) =
            self.ascent
                .by_polyak_steps(&mut self.tree, aim, steps, |tree| tree.build_of_matrix(cost))?;
        if state == State::Tour {
            self.tree_tour.take_from_matrix(&self.tree, cost);
            self.accept_tree();
        }
        if state != State::Open {
            return Ok((bound, state));
        }
        // The potentials make the candidates better.
        self.improve_tour(k, cost);
        self.tree.build_of_matrix(cost);
        self.filter.collect(&self.tree, cost, self.target - bound, &mut self.edges);
        if !self.propagation.run(k, &mut self.edges, 0) {
            return Ok((bound, State::Infeasible));
        }
        for method in [Method::Polyak(SPARSE), Method::Dilation] {
            (bound, state) = self.bound(0, bound, method)?;
            if state != State::Open {
                return Ok((bound, state));
            }
        }
        let upper = self.upper;
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        self.tour.set_candidates(k, cost, &self.tree.potential);
        self.tour.kick(cost, k / 3, bound, &mut random);
        self.accept_tour(cost);
        let mut before = usize::MAX;
        for round in 0..4 {
            let fewer = self.edges.len() < before - before / 20;
            if !fewer && (round > 1 || self.upper == upper) {
                break;
            }
            before = self.edges.len();
            (bound, state) = self.bound(0, bound, Method::Polyak(LAST))?;
            if state != State::Open {
                break;
            }
        }
        Ok((bound, state))
    }

    /// Whether rounding leaves bounds under these potentials as exact as the tour's length: a
    /// forbidding cost, or a memory of other costs, may make them larger by any factor.
    fn has_sound_potentials(&self) -> bool {
        self.tree.potential.iter().all(|potential| potential.abs() <= self.upper)
    }

    /// Starts from the best of three potentials: 0, and two that take from the cities what they
    /// cost whatever the tour.
    fn choose_potentials(&mut self, k: usize, cost: &[f64]) {
        let mut best = f64::NEG_INFINITY;
        self.potential.clear();
        self.potential.resize(k, 0.0);
        for choice in 0..3 {
            for city in 0..k {
                let row = &cost[city * k..][..k];
                self.tree.potential[city] = match choice {
                    0 => 0.0,
                    // Exact where w_ij = a_i + a_j: then all costs become equal.
                    1 => -row.iter().sum::<f64>() / (k - 2) as f64,
                    // Half of the mean cost of the two cheapest edges.
                    _ => {
                        let mut least = [f64::INFINITY; 2];
                        for (other, &cost) in row.iter().enumerate() {
                            if other != city && cost < least[1] {
                                least = [least[0].min(cost), least[0].max(cost)];
                            }
                        }
                        -0.25 * (least[0] + least[1])
                    }
                };
            }
            if self.has_sound_potentials()
                && let Some(bound) = self.tree.build_of_matrix(cost)
                && bound > best
            {
                best = bound;
                self.potential.clone_from(&self.tree.potential);
            }
        }
        self.tree.potential.clone_from(&self.potential);
    }

    fn explore(
        &mut self,
        k: usize,
        first_edge: usize,
        first_potential: usize,
        mut bound: f64,
    ) -> Result<State> {
        self.tree.potential.copy_from_slice(&self.potentials[first_potential..][..k]);
        for _ in 0..3 {
            let before = self.edges.len() - first_edge;
            let state;
            (bound, state) = self.bound(first_edge, bound, Method::Polyak(INNER))?;
            if state != State::Open {
                return Ok(state);
            }
            if (self.edges.len() - first_edge) * 10 > before * 9 {
                break;
            }
        }
        self.branch(k, first_edge, first_potential, bound);
        Ok(State::Open)
    }

    /// Bounds the tours of the edges from `first` on, and takes away those edges that no tour
    /// better than the best one uses.
    fn bound(&mut self, first: usize, known: f64, method: Method) -> Result<(f64, State)> {
        let k = self.tree.potential.len();
        let aim = self.aim();
        let edges = &self.edges[first..];
        self.tree.set_edges(edges);
        let build = |tree: &mut OneTree| tree.build_of_edges(edges);
        let (bound, state) = match method {
            Method::Polyak(steps) => {
                self.ascent.by_polyak_steps(&mut self.tree, aim, steps, build)?
            }
            Method::Dilation => self.ascent.by_dilation(&mut self.tree, aim, build)?,
        };
        if state == State::Tour {
            self.tree_tour.take_from_edges(&self.tree, edges);
            self.accept_tree();
        }
        if state != State::Open {
            return Ok((bound.max(known), state));
        }
        let edges = &self.edges[first..];
        self.tree.build_of_edges(edges);
        self.filter.run(&self.tree, edges, self.target - bound);
        self.filter.apply(&mut self.edges, first);
        let feasible = self.propagation.run(k, &mut self.edges, first);
        Ok((bound.max(known), if feasible { State::Open } else { State::Infeasible }))
    }

    /// Splits the node whose edges lie from `first_edge` on to the end, in place, into two: the
    /// tours with and those without one edge.
    fn branch(&mut self, k: usize, first_edge: usize, first_potential: usize, bound: f64) {
        let edges = &self.edges[first_edge..];
        self.tree.set_edges(edges);
        let Some(value) = self.tree.build_of_edges(edges) else { return };
        if self.tree.is_tour() {
            self.tree_tour.take_from_edges(&self.tree, edges);
            self.accept_tree();
            return;
        }
        self.filter.run(&self.tree, edges, f64::INFINITY);
        // Of the tree's edges at a city with too many, the one whose loss costs most.
        let Some(index) = self.filter.dearest(&self.tree, edges) else { return };
        let without = value + self.filter.exchange[index];

        self.branched.clear();
        self.branched.extend_from_slice(edges);
        self.branched[index].forced = true;
        let with_feasible = self.propagation.run(k, &mut self.branched, 0);
        self.edges.remove(first_edge + index);
        let without_feasible =
            without < self.target && self.propagation.run(k, &mut self.edges, first_edge);

        self.potentials.truncate(first_potential);
        let mut node = Node { first_edge, first_potential, bound };
        if without_feasible {
            self.potentials.extend_from_slice(&self.tree.potential);
            let bound = bound.max(without);
            self.open.push(Node { bound, ..node });
            node.first_edge = self.edges.len();
            node.first_potential = self.potentials.len();
        }
        if with_feasible {
            self.potentials.extend_from_slice(&self.tree.potential);
            self.edges.truncate(node.first_edge);
            self.edges.extend_from_slice(&self.branched);
            self.open.push(node);
        }
    }

    /// Improves the tour with the candidates that the potentials suggest.
    fn improve_tour(&mut self, k: usize, cost: &[f64]) {
        self.tour.set_candidates(k, cost, &self.tree.potential);
        self.tour.optimise(cost);
        self.accept_tour(cost);
    }

    fn accept_tour(&mut self, cost: &[f64]) {
        let length = self.tour.measure(cost);
        if length < self.upper {
            self.best.clone_from(&self.tour.order);
            self.set_upper(length);
        }
    }

    fn accept_tree(&mut self) {
        if self.tree_tour.length < self.upper {
            self.tree_tour.walk(&mut self.best);
            self.set_upper(self.tree_tour.length);
        }
    }

    fn set_upper(&mut self, upper: f64) {
        self.upper = upper;
        let step = if self.quantum > 0.0 { 0.999 * self.quantum } else { SLACK * upper };
        self.target = upper - step;
    }
}
