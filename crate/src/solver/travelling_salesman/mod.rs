//! The symmetric travelling salesman problem: the cheapest round tour of k cities.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::{Certificate, Enumerate, Proof, Solver, WarmStart};
use crate::{Error, Result};

mod ascent;
mod branch_and_bound;
mod dynamic_program;
mod instance;
mod local_search;
mod one_tree;
mod reduction;

use branch_and_bound::Search;
use instance::Instance;

/// Up to this many cities the dynamic program is the faster one.
const FEW_CITIES: usize = 10;

/// argmin of ⟨w, y⟩ over the round tours of k cities: the symmetric travelling salesman problem.
///
/// A cost is a k x k matrix w, row by row, of any finite numbers, symmetric up to 1e-6 of its
/// largest entry (see [`symmetrise`](Self::symmetrise) for others); the diagonal is ignored. A
/// solution is the symmetric 0/1 matrix y with y_ij = y_ji = 1 where the tour goes between i and j:
/// 2k ones, so that ⟨w, y⟩ = Σ (w_ij + w_ji) over the tour's edges. Two cities have one tour, which
/// is the edge (0, 1), and y has its two ones at (0, 1) and (1, 0).
///
/// The solution is optimal, with proof, up to rounding and a relative 1e-11 of the tour's length
/// over that of a tour of cheapest edges only. The time is exponential in the worst case. Up to 10
/// cities it is that of Held and Karp's dynamic program, O(2^k k²): microseconds. Above, that of
/// branch and bound: for 20 cities tenths of a millisecond, for 40 a few milliseconds, for 100 from
/// a tenth of a second up, for which [`with_time_limit`](Self::with_time_limit) is meant. Costs with
/// many ties, nearly equal ones and clustered cities are no harder; nearly product-shaped ones,
/// w_ij ≈ a_i a_j, take some ten times as long. Memory: O(k²).
///
/// Ties are broken by the search, not by a simple rule: the same costs give the same tour, on any
/// thread, and so do costs multiplied by a power of 2. Only a search that ends at its time limit may
/// differ from one run to the next, and a [`WarmStart`] may give another of several optimal tours.
///
/// The bound is the 1-tree bound of M. Held and R. M. Karp, "The traveling-salesman problem and
/// minimum spanning trees" (1970, 1971), whose potentials are found by N. Z. Shor's r-algorithm
/// (1985) and B. T. Polyak's steps (1969); edges are ruled out and in by their marginal costs (P.
/// Benchimol et al., 2012). The first tours are improved in the manner of S. Lin and B. W. Kernighan
/// (1973). The dynamic program is that of Held and Karp (1962).
///
/// ```
/// use solvergrad::solver::{Solver, TravellingSalesman};
///
/// let salesman = TravellingSalesman::new(4)?;
/// // The corners of a square, two of them exchanged: the diagonals are 0-1 and 2-3.
/// let cost = [
///     0.0, 1.4, 1.0, 1.0, //
///     1.4, 0.0, 1.0, 1.0, //
///     1.0, 1.0, 0.0, 1.4, //
///     1.0, 1.0, 1.4, 0.0,
/// ];
/// let mut tour = [0.0; 16];
/// salesman.solve(&cost, &mut tour)?;
/// assert_eq!(salesman.order_of(&tour), [0, 2, 1, 3]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TravellingSalesman {
    k: usize,
    symmetrise: bool,
    time_limit: Option<Duration>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Buffers that the solves of a thread share.
#[derive(Debug, Default)]
struct Scratch {
    instance: Instance,
    table: Vec<f64>,
    order: Vec<u32>,
    search: Search,
}

/// How a solve ended.
enum Ending {
    Optimal(Proof),
    Stopped(Proof, Duration),
}

impl TravellingSalesman {
    /// The tours of `k` cities.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless k >= 2.
    pub fn new(k: usize) -> Result<Self> {
        // Positions are kept in 32 bits.
        let most = 1 << 15;
        if !(2..=most).contains(&k) {
            return Err(Error::parameter(
                "the number of cities of the travelling salesman",
                k,
                format!("between 2 and {most}"),
            ));
        }
        Ok(Self { k, symmetrise: false, time_limit: None })
    }

    /// Accepts any matrix, not only symmetric ones.
    ///
    /// A tour is paid for in both directions, so that only w_ij + w_ji matters: the solution is
    /// the exact minimiser of ⟨w, y⟩ over the symmetric tours y for any w. It is not the cheapest
    /// tour in one direction.
    #[must_use]
    pub fn symmetrise(self) -> Self {
        Self { symmetrise: true, ..self }
    }

    /// Ends each search after about `limit`: [`Solver::solve`] then writes the best tour found and
    /// returns [`Error::TimeLimit`], and [`Certificate::solve_certified`] returns it with its gap.
    #[must_use]
    pub fn with_time_limit(self, limit: Duration) -> Self {
        Self { time_limit: Some(limit), ..self }
    }

    /// Number of cities.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The cities in the order of the tour `solution`: from city 0 on, first to the lower of its
    /// two neighbours.
    ///
    /// Entries above 1/2 count as edges. Where the matrix is no tour, the walk ends with the first
    /// city that leads to no new one.
    pub fn order_of(&self, solution: &[f64]) -> Vec<usize> {
        let mut seen = vec![false; self.k];
        let mut order = Vec::with_capacity(self.k);
        let mut next = Some(0);
        while let Some(city) = next {
            seen[city] = true;
            order.push(city);
            let row = solution.iter().skip(city * self.k).take(self.k);
            next = row.zip(&seen).position(|(&entry, &seen)| entry > 0.5 && !seen);
        }
        order
    }

    /// The solution that visits the cities in this `order` and then returns to the first.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `order` names each city once.
    pub fn matrix_of(&self, order: &[usize]) -> Result<Vec<f64>> {
        let mut seen = vec![false; self.k];
        let new =
            |&city: &usize| seen.get_mut(city).is_some_and(|seen| !std::mem::replace(seen, true));
        if order.len() != self.k || !order.iter().all(new) {
            return Err(Error::parameter(
                "the order of a tour",
                format!("{order:?}"),
                format!("a permutation of 0..{}", self.k),
            ));
        }
        let mut solution = vec![0.0; self.k * self.k];
        write_tour(self.k, order.iter().copied(), &mut solution);
        Ok(solution)
    }

    fn run(
        &self,
        cost: &[f64],
        solution: &mut [f64],
        memory: Option<&mut Vec<f64>>,
    ) -> Result<Ending> {
        SCRATCH.with_borrow_mut(|scratch| self.run_in(scratch, cost, solution, memory))
    }

    fn run_in(
        &self,
        scratch: &mut Scratch,
        cost: &[f64],
        solution: &mut [f64],
        mut memory: Option<&mut Vec<f64>>,
    ) -> Result<Ending> {
        let k = self.k;
        let Scratch { instance, table, order, search } = scratch;
        let start = Instant::now();
        let warm = match &mut memory {
            Some(memory) => {
                let warm = recall(k, memory, search);
                memory.clear();
                warm
            }
            None => None,
        };
        if !self.symmetrise {
            self.check_symmetry(cost)?;
        }
        instance.set(k, cost);
        let mut outcome = None;
        if k <= 3 {
            order.clear();
            order.extend(0..k as u32);
        } else if k <= FEW_CITIES {
            dynamic_program::solve(k, &instance.matrix, table, order);
        } else {
            if let Some(tour) = &warm {
                search.tour.set(&instance.matrix, tour.iter().copied());
                for potential in &mut search.potential {
                    *potential *= instance.scale;
                }
            }
            let deadline = self.time_limit.and_then(|limit| start.checked_add(limit));
            let found =
                search.solve(k, &instance.matrix, instance.quantum(k), warm.is_some(), deadline)?;
            order.clone_from(&search.best);
            if let Some(memory) = memory {
                memory.extend(search.potential.iter().map(|potential| potential / instance.scale));
                memory.extend(order.iter().map(|&city| f64::from(city)));
            }
            outcome = Some(found);
        }
        write_tour(k, order.iter().map(|&city| city as usize), solution);
        let objective = objective_of(k, cost, order);
        let Some(outcome) = outcome else {
            return Ok(Ending::Optimal(Proof {
                objective,
                lower_bound: objective,
                complete: true,
            }));
        };
        let lower_bound = instance.objective(k, outcome.lower_bound).min(objective);
        let proof = Proof { objective, lower_bound, complete: outcome.complete };
        Ok(match self.time_limit {
            Some(limit) if !outcome.complete => Ending::Stopped(proof, limit),
            _ => Ending::Optimal(proof),
        })
    }

    fn check_symmetry(&self, cost: &[f64]) -> Result<()> {
        let k = self.k;
        let mut largest = 0.0f64;
        let mut difference = 0.0f64;
        for row in 0..k {
            for column in 0..row {
                let (a, b) = (cost[row * k + column], cost[column * k + row]);
                largest = largest.max(a.abs()).max(b.abs());
                difference = difference.max((a - b).abs());
            }
        }
        let tolerance = 1e-6 * largest;
        if difference <= tolerance {
            return Ok(());
        }
        for row in 0..k {
            for column in row + 1..k {
                let (value, mirror) = (cost[row * k + column], cost[column * k + row]);
                if (value - mirror).abs() > tolerance {
                    return Err(Error::Asymmetric {
                        solver: "TravellingSalesman",
                        row,
                        column,
                        value,
                        mirror,
                    });
                }
            }
        }
        Ok(())
    }
}

/// Takes potentials and a tour from a memory, if it holds such.
fn recall(k: usize, memory: &[f64], search: &mut Search) -> Option<Vec<u32>> {
    if memory.len() != 2 * k {
        return None;
    }
    let (potential, order) = memory.split_at(k);
    let mut seen = vec![false; k];
    let mut tour = Vec::with_capacity(k);
    for &city in order {
        let index = city as usize;
        if index as f64 != city || std::mem::replace(seen.get_mut(index)?, true) {
            return None;
        }
        tour.push(index as u32);
    }
    if !potential.iter().all(|potential| potential.is_finite()) {
        return None;
    }
    search.potential.clear();
    search.potential.extend_from_slice(potential);
    Some(tour)
}

fn write_tour(k: usize, order: impl Iterator<Item = usize> + Clone, solution: &mut [f64]) {
    solution.fill(0.0);
    for (city, next) in order.clone().zip(order.clone().skip(1).chain(order.take(1))) {
        solution[city * k + next] = 1.0;
        solution[next * k + city] = 1.0;
    }
}

fn objective_of(k: usize, cost: &[f64], order: &[u32]) -> f64 {
    let mut objective = 0.0;
    for (place, &city) in order.iter().enumerate().skip(usize::from(k == 2)) {
        let (a, b) = (order[if place == 0 { k - 1 } else { place - 1 }] as usize, city as usize);
        objective += cost[a * k + b] + cost[b * k + a];
    }
    objective
}

impl Solver for TravellingSalesman {
    fn dimension(&self) -> usize {
        self.k * self.k
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        optimal(self.run(cost, solution, None)?).map(drop)
    }

    fn shape(&self) -> Vec<usize> {
        vec![self.k, self.k]
    }

    fn warm_start(&self) -> Option<&dyn WarmStart> {
        Some(self)
    }

    fn certificate(&self) -> Option<&dyn Certificate> {
        Some(self)
    }
}

fn optimal(ending: Ending) -> Result<Proof> {
    match ending {
        Ending::Optimal(proof) => Ok(proof),
        Ending::Stopped(Proof { objective, lower_bound, .. }, limit) => Err(Error::TimeLimit {
            solver: "TravellingSalesman",
            limit_s: limit.as_secs_f64(),
            objective,
            lower_bound,
        }),
    }
}

impl WarmStart for TravellingSalesman {
    fn solve_warm(&self, cost: &[f64], solution: &mut [f64], memory: &mut Vec<f64>) -> Result<()> {
        let ending = self.run(cost, solution, Some(memory));
        let result = ending.and_then(optimal).map(drop);
        if result.is_err() {
            memory.clear();
        }
        result
    }
}

impl Certificate for TravellingSalesman {
    fn solve_certified(&self, cost: &[f64], solution: &mut [f64]) -> Result<Proof> {
        Ok(match self.run(cost, solution, None)? {
            Ending::Optimal(proof) | Ending::Stopped(proof, _) => proof,
        })
    }
}

impl Enumerate for TravellingSalesman {
    fn solutions(&self) -> Vec<Vec<f64>> {
        let k = self.k;
        let mut all = Vec::new();
        let mut order: Vec<usize> = (0..k).collect();
        loop {
            // Each tour once: in the direction whose second city is not above the last.
            if order[1] <= order[k - 1] {
                let mut solution = vec![0.0; k * k];
                write_tour(k, order.iter().copied(), &mut solution);
                all.push(solution);
            }
            // The next permutation of the cities after 0 in lexicographic order.
            let Some(pivot) = (1..k - 1).rev().find(|&i| order[i] < order[i + 1]) else {
                return all;
            };
            let Some(above) = (pivot + 1..k).rev().find(|&i| order[i] > order[pivot]) else {
                return all;
            };
            order.swap(pivot, above);
            order[pivot + 1..].reverse();
        }
    }
}
