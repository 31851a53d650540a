//! The assignment solver: cold against two crates, and warm against cold on nearby costs.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use solvergrad::solver::{Assignment, Solver, WarmStart};

/// Instances per size, used in turn: with a handful the branch predictor learns them by heart.
fn instances(n: usize) -> Vec<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
    let count = (1 << 19) / (n * n);
    (0..count.clamp(8, 2048)).map(|_| (0..n * n).map(|_| rng.random()).collect()).collect()
}

fn solved(solver: &Assignment, cost: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (mut solution, mut memory) = (vec![0.0; cost.len()], Vec::new());
    solver.solve_warm(cost, &mut solution, &mut memory).unwrap();
    (solution, memory)
}

/// Costs near `cost`, whose mean is about 1/2.
fn nearby(kind: &str, n: usize, cost: &[f64], solution: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut near = cost.to_vec();
    match kind {
        "noise_5_percent" => near.iter_mut().for_each(|c| *c += rng.random_range(-0.043..0.043)),
        "noise_1_percent" => near.iter_mut().for_each(|c| *c += rng.random_range(-0.0087..0.0087)),
        "one_in_ten" => near.iter_mut().for_each(|c| {
            if rng.random_range(0..10) == 0 {
                *c = rng.random();
            }
        }),
        // The gradient of the Hamming loss to a target that differs in all rows, or in a fifth.
        _ => {
            let wrong = if kind == "gradient_all_wrong" { n } else { n.div_ceil(5) };
            let chosen: Vec<usize> = (0..n)
                .map(|i| (0..n).find(|j| solution[i * n + j] > 0.5).unwrap_or_default())
                .collect();
            for i in 0..wrong {
                near[i * n + chosen[i]] += 0.5;
                near[i * n + chosen[(i + 1) % wrong]] -= 0.5;
            }
        }
    }
    near
}

/// First solves.
pub fn cold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("assignment_cold");
    group.sample_size(20).measurement_time(Duration::from_secs(1));
    group.warm_up_time(Duration::from_millis(300));
    for n in [8, 16, 64, 256] {
        let solver = Assignment::new(n).unwrap();
        let costs = instances(n);
        let mut solution = vec![0.0; n * n];
        let mut turn = costs.iter().cycle();
        group.bench_function(BenchmarkId::new("solvergrad", n), |bencher| {
            bencher.iter(|| solver.solve(black_box(turn.next().unwrap()), &mut solution));
        });
        let matrices: Vec<_> =
            costs.iter().map(|c| Array2::from_shape_vec((n, n), c.clone()).unwrap()).collect();
        let mut turn = matrices.iter().cycle();
        group.bench_function(BenchmarkId::new("lapjv", n), |bencher| {
            bencher.iter(|| lapjv::lapjv(black_box(turn.next().unwrap())));
        });
        let mut turn = costs.iter().cycle();
        group.bench_function(BenchmarkId::new("lsap", n), |bencher| {
            bencher.iter(|| lsap::solve(n, n, black_box(turn.next().unwrap()), false));
        });
    }
}

/// Second solves of nearby costs, from nothing and from the first.
pub fn warm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("assignment_second_solve");
    group.sample_size(20).measurement_time(Duration::from_secs(1));
    group.warm_up_time(Duration::from_millis(300));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for n in [64, 256] {
        let solver = Assignment::new(n).unwrap();
        let costs = instances(n);
        for kind in [
            "noise_5_percent",
            "noise_1_percent",
            "one_in_ten",
            "gradient_all_wrong",
            "gradient_fifth_wrong",
        ] {
            let pairs: Vec<_> = costs
                .iter()
                .map(|cost| {
                    let (solution, memory) = solved(&solver, cost);
                    (nearby(kind, n, cost, &solution, &mut rng), memory)
                })
                .collect();
            let mut solution = vec![0.0; n * n];
            let mut turn = pairs.iter().cycle();
            group.bench_function(BenchmarkId::new(format!("cold/{kind}"), n), |bencher| {
                bencher.iter(|| solver.solve(black_box(&turn.next().unwrap().0), &mut solution));
            });
            let mut turn = pairs.iter().cycle();
            let mut memory = Vec::new();
            group.bench_function(BenchmarkId::new(format!("warm/{kind}"), n), |bencher| {
                bencher.iter(|| {
                    let (cost, before) = turn.next().unwrap();
                    memory.clone_from(before);
                    solver.solve_warm(black_box(cost), &mut solution, &mut memory)
                });
            });
        }
    }
}
