//! Time per tour: random Euclidean instances by size, cold and warm, and harder costs at k = 40.

use std::hint::black_box;

use criterion::Criterion;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use solvergrad::solver::{Solver, TravellingSalesman, WarmStart};

type Family = fn(usize, &mut ChaCha8Rng) -> Vec<f64>;

fn matrix(k: usize, mut cost: impl FnMut(usize, usize) -> f64) -> Vec<f64> {
    let mut costs = vec![0.0; k * k];
    for a in 0..k {
        for b in 0..a {
            costs[a * k + b] = cost(a, b);
            costs[b * k + a] = costs[a * k + b];
        }
    }
    costs
}

fn euclidean(k: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let points: Vec<[f64; 2]> = (0..k).map(|_| [random.random(), random.random()]).collect();
    matrix(k, |a, b| (points[a][0] - points[b][0]).hypot(points[a][1] - points[b][1]))
}

fn uniform(k: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    matrix(k, |_, _| random.random())
}

fn nearly_equal(k: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    matrix(k, |_, _| 1.0 + 1e-3 * random.random::<f64>())
}

fn few_integers(k: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    matrix(k, |_, _| f64::from(random.random_range(0..20)))
}

fn clusters(k: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let points: Vec<[f64; 2]> = (0..k)
        .map(|city| {
            [(city % 4) as f64 + 0.02 * random.random::<f64>(), 0.02 * random.random::<f64>()]
        })
        .collect();
    matrix(k, |a, b| (points[a][0] - points[b][0]).hypot(points[a][1] - points[b][1]))
}

/// One round through 20 instances per iteration.
fn bench(criterion: &mut Criterion, name: &str, k: usize, family: Family) {
    let Ok(solver) = TravellingSalesman::new(k) else { return };
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let costs: Vec<Vec<f64>> = (0..20).map(|_| family(k, &mut random)).collect();
    let mut solution = vec![0.0; k * k];
    criterion.bench_function(&format!("{name}, k = {k}, 20 tours"), |bencher| {
        bencher.iter(|| {
            for cost in &costs {
                let _ = black_box(solver.solve(black_box(cost), &mut solution));
            }
        });
    });
    if k <= 10 {
        return;
    }
    // As a second solve near the first: costs moved along the tour found.
    let seconds: Vec<(Vec<f64>, Vec<f64>)> = costs
        .iter()
        .map(|cost| {
            let mut memory = Vec::new();
            let _ = solver.solve_warm(cost, &mut solution, &mut memory);
            let second = matrix(k, |a, b| {
                let moved = f64::from(random.random_range(0..2)) * solution[a * k + b];
                cost[a * k + b] * (1.0 + 0.1 * moved)
            });
            (second, memory)
        })
        .collect();
    let mut memory = Vec::new();
    for warm in [false, true] {
        let start = if warm { "warm" } else { "cold" };
        criterion.bench_function(
            &format!("{name}, k = {k}, 20 second tours, {start}"),
            |bencher| {
                bencher.iter(|| {
                    for (cost, first) in &seconds {
                        memory.clear();
                        if warm {
                            memory.extend_from_slice(first);
                        }
                        let _ = black_box(solver.solve_warm(
                            black_box(cost),
                            &mut solution,
                            &mut memory,
                        ));
                    }
                });
            },
        );
    }
}

/// All families.
pub fn tours(criterion: &mut Criterion) {
    for k in [5, 10, 20, 40] {
        bench(criterion, "euclidean", k, euclidean);
    }
    bench(criterion, "uniform", 40, uniform);
    bench(criterion, "nearly equal", 40, nearly_equal);
    bench(criterion, "few integers", 40, few_integers);
    bench(criterion, "clusters", 40, clusters);
}
