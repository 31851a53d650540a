//! Minimum-cost perfect matching against `integer-blossom`, on complete graphs and grids.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use integer_blossom::{max_weight_matching, min_weight_perfect_matching};
use rand::{RngExt, SeedableRng};
use solvergrad::solver::{PerfectMatching, Solver};

/// Different instances in turn, so that the branch predictor cannot learn one by heart.
const INSTANCES: usize = 64;

fn costs(seed: u64, dimension: usize) -> Vec<Vec<f64>> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut instance =
        || (0..dimension).map(|_| f64::from(rng.random_range(0..1_000_000))).collect();
    (0..INSTANCES).map(|_| instance()).collect()
}

/// The n x n matrices the peer takes: `entry` of each cost, both ways, and 0 elsewhere.
fn matrices(
    solver: &PerfectMatching,
    costs: &[Vec<f64>],
    entry: impl Fn(f64) -> i64,
) -> Vec<Vec<i64>> {
    let n = solver.vertices();
    let matrix = |cost: &Vec<f64>| {
        let mut matrix = vec![0; n * n];
        for (&(i, j), &cost) in solver.edges().iter().zip(cost) {
            (matrix[i * n + j], matrix[j * n + i]) = (entry(cost), entry(cost));
        }
        matrix
    };
    costs.iter().map(matrix).collect()
}

pub fn matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matching");
    let complete = [8, 16, 32, 64].map(|n| (format!("K{n}"), PerfectMatching::complete(n)));
    let grids = [4, 8, 12, 24].map(|n| (format!("grid{n}x{n}"), PerfectMatching::grid(n, n)));
    for (name, solver) in complete.into_iter().chain(grids) {
        let solver = solver.expect("an even number of vertices");
        let n = solver.vertices();
        let costs = costs(n as u64, solver.dimension());
        let mut solution = vec![0.0; solver.dimension()];
        let mut turn = 0;
        group.bench_function(BenchmarkId::new("solvergrad", &name), |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % INSTANCES;
                solver.solve(black_box(&costs[turn]), &mut solution)
            });
        });
        if name.starts_with('K') {
            let matrices = matrices(&solver, &costs, |cost| cost as i64);
            group.bench_function(BenchmarkId::new("integer-blossom", &name), |bencher| {
                bencher.iter(|| {
                    turn = (turn + 1) % INSTANCES;
                    min_weight_perfect_matching(black_box(&matrices[turn]), n)
                });
            });
        } else if n <= 144 {
            // The peer has perfect matchings on complete graphs only. On a sparse graph, weights
            // large enough to make cardinality come first do the same.
            let matrices = matrices(&solver, &costs, |cost| 1_000_000_000 - cost as i64);
            group.bench_function(BenchmarkId::new("integer-blossom", &name), |bencher| {
                bencher.iter(|| {
                    turn = (turn + 1) % INSTANCES;
                    max_weight_matching(black_box(&matrices[turn]), n)
                });
            });
        }
    }
    group.finish();
}
