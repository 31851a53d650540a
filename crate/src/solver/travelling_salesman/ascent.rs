//! Ascent of Held and Karp's bound: Polyak's steps, and Shor's r-algorithm.

use std::time::Instant;

use super::one_tree::OneTree;
use crate::{Result, interrupt};

/// How an ascent came to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    /// The bound has reached the target.
    Pruned,
    /// The edges hold no tour.
    Infeasible,
    /// The cheapest 1-tree is a tour, and so the cheapest one.
    Tour,
    /// Neither: the steps are used up, or no longer help.
    Open,
    /// The time is up.
    Stopped,
}

/// What an ascent aims at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
    /// Length of a known tour.
    pub(super) upper: f64,
    /// The bound that is enough.
    pub(super) target: f64,
    /// The time at which to give up.
    pub(super) deadline: Option<Instant>,
}

impl Aim {
    /// Whether the time is up.
    pub(super) fn is_late(&self) -> Result<bool> {
        interrupt::check("a travelling salesman was looking for the cheapest tour")?;
        Ok(self.deadline.is_some_and(|deadline| Instant::now() >= deadline))
    }
}

/// Length and rule of an ascent by Polyak's steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// Most 1-trees built.
    pub(super) limit: usize,
    /// Factor of the first step.
    pub(super) first: f64,
    /// Steps without a better bound after which the factor is reduced.
    pub(super) patience: usize,
    /// What the factor is then multiplied by.
    pub(super) decay: f64,
}

/// The buffers of ascents.
#[derive(Debug, Default)]
pub(super) struct Ascent {
    /// Potentials of the best bound.
    best: Vec<f64>,
    gradient: Vec<f64>,
    previous: Vec<f64>,
    direction: Vec<f64>,
    transformed: Vec<f64>,
    /// The space transformation of the r-algorithm, row by row.
    space: Vec<f64>,
}

impl Ascent {
    /// Climbs from the potentials of `tree` by steps of Polyak's length, which is cheap, and
    /// returns the best bound; the potentials are then those of that bound.
    ///
    /// `build` builds a tree and returns its bound.
    pub(super) fn by_polyak_steps(
        &mut self,
        tree: &mut OneTree,
        aim: Aim,
        steps: Steps,
        mut build: impl FnMut(&mut OneTree) -> Option<f64>,
    ) -> Result<(f64, State)> {
        let mut best = f64::NEG_INFINITY;
        let mut factor = steps.first;
        let mut stalled = 0;
        self.best.clone_from(&tree.potential);
        self.direction.clear();
        self.direction.resize(tree.potential.len(), 0.0);
        for _ in 0..steps.limit {
            let Some(bound) = build(tree) else { return Ok((best, State::Infeasible)) };
            let norm = self.take_gradient(tree);
            if norm == 0.0 {
                return Ok((bound, State::Tour));
            }
            if bound > best {
                best = bound;
                self.best.clone_from(&tree.potential);
                if bound >= aim.target {
                    return Ok((best, State::Pruned));
                }
                stalled = 0;
            } else {
                stalled += 1;
                if stalled == steps.patience {
                    factor *= steps.decay;
                    stalled = 0;
                }
            }
            let step = factor * (aim.upper - bound).max(0.0) / norm;
            for ((potential, direction), gradient) in
                tree.potential.iter_mut().zip(&mut self.direction).zip(&self.gradient)
            {
                // The last direction damps the zigzag.
                *direction = 0.7 * gradient + 0.3 * *direction;
                *potential += step * *direction;
            }
            if aim.is_late()? {
                tree.potential.clone_from(&self.best);
                return Ok((best, State::Stopped));
            }
        }
        tree.potential.clone_from(&self.best);
        Ok((best, State::Open))
    }

    /// As `by_polyak_steps`, by Shor's r-algorithm: slower per step, but to the top also where the
    /// costs live on several scales, as those of clustered cities do.
    ///
    /// It walks along a direction until the bound falls, and then shrinks space along the change
    /// of the gradient, so that the next direction lies along the ridge.
    pub(super) fn by_dilation(
        &mut self,
        tree: &mut OneTree,
        aim: Aim,
        mut build: impl FnMut(&mut OneTree) -> Option<f64>,
    ) -> Result<(f64, State)> {
        let k = tree.potential.len();
        let Some(mut best) = build(tree) else { return Ok((f64::NEG_INFINITY, State::Infeasible)) };
        let norm = self.take_gradient(tree);
        if norm == 0.0 {
            return Ok((best, State::Tour));
        }
        if best >= aim.target {
            return Ok((best, State::Pruned));
        }
        self.best.clone_from(&tree.potential);
        self.direction.resize(k, 0.0);
        self.transformed.resize(k, 0.0);
        self.space.clear();
        self.space.resize(k * k, 0.0);
        for city in 0..k {
            self.space[city * k + city] = 1.0;
        }
        let mut length = 0.5 * (aim.upper - best) / norm.sqrt();
        let mut steps = 0;
        // Every so many steps the ascent must have closed some of the gap.
        let window = 2 * k + 5;
        let (mut last_steps, mut last_best) = (0, best);
        loop {
            self.previous.clone_from(&self.gradient);
            if !self.turn(k) {
                break;
            }
            let mut walked = 0;
            loop {
                for (potential, direction) in tree.potential.iter_mut().zip(&self.direction) {
                    *potential += length * direction;
                }
                steps += 1;
                walked += 1;
                let Some(bound) = build(tree) else { return Ok((best, State::Infeasible)) };
                if self.take_gradient(tree) == 0.0 {
                    return Ok((bound, State::Tour));
                }
                if bound > best {
                    best = bound;
                    self.best.clone_from(&tree.potential);
                    if best >= aim.target {
                        return Ok((best, State::Pruned));
                    }
                }
                if aim.is_late()? {
                    tree.potential.clone_from(&self.best);
                    return Ok((best, State::Stopped));
                }
                if steps >= last_steps + window {
                    if best - last_best <= 0.01 * (aim.upper - best) {
                        tree.potential.clone_from(&self.best);
                        return Ok((best, State::Open));
                    }
                    (last_steps, last_best) = (steps, best);
                }
                let slope: f64 =
                    self.gradient.iter().zip(&self.direction).map(|(g, d)| g * d).sum();
                if slope <= 0.0 {
                    break;
                }
                if walked % 2 == 0 {
                    length *= 1.15;
                }
            }
            if walked == 1 {
                length *= 0.95;
            }
            self.shrink(k);
        }
        tree.potential.clone_from(&self.best);
        Ok((best, State::Open))
    }

    /// Takes the degrees less 2; the square of their norm.
    fn take_gradient(&mut self, tree: &OneTree) -> f64 {
        self.gradient.clear();
        self.gradient.extend(tree.degree.iter().map(|&degree| f64::from(degree) - 2.0));
        self.gradient.iter().map(|excess| excess * excess).sum()
    }

    /// Sets the direction to B Bᵀ g / |Bᵀ g| for the gradient g; false where that is 0.
    fn turn(&mut self, k: usize) -> bool {
        if !transform(k, &self.space, self.gradient.iter().copied(), &mut self.transformed) {
            return false;
        }
        for (direction, row) in self.direction.iter_mut().zip(self.space.chunks_exact(k)) {
            *direction = dot(row, &self.transformed);
        }
        true
    }

    /// Halves space along the change of the gradient: B := B (I − ½ η ηᵀ), η along Bᵀ (g − g').
    fn shrink(&mut self, k: usize) {
        let change = self.gradient.iter().zip(&self.previous).map(|(new, old)| new - old);
        if transform(k, &self.space, change, &mut self.transformed) {
            for row in self.space.chunks_exact_mut(k) {
                let along = -0.5 * dot(row, &self.transformed);
                for (entry, unit) in row.iter_mut().zip(&self.transformed) {
                    *entry += along * unit;
                }
            }
        }
    }
}

/// Bᵀ `vector`, made a unit vector; false if it is 0.
fn transform(k: usize, space: &[f64], vector: impl Iterator<Item = f64>, unit: &mut [f64]) -> bool {
    unit.fill(0.0);
    for (row, entry) in space.chunks_exact(k).zip(vector) {
        // Most degrees are 2.
        if entry != 0.0 {
            unit.iter_mut().zip(row).for_each(|(sum, along)| *sum += entry * along);
        }
    }
    let norm = dot(unit, unit).sqrt();
    // Far below this the space is flat up to rounding.
    if norm < 1e-150 {
        return false;
    }
    unit.iter_mut().for_each(|entry| *entry /= norm);
    true
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
