use std::hint::black_box;

use criterion::Criterion;
use petgraph::graph::{DiGraph, NodeIndex};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use solvergrad::solver::{GraphShortestPath, GridShortestPath, Solver, solve_batch};

/// Terrain as on the Warcraft maps, without ties.
fn terrain(cells: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let costs = [0.8, 1.2, 5.3, 7.7, 9.2];
    (0..cells).map(|_| costs[rng.random_range(0..5)] + rng.random_range(0.0..1e-3)).collect()
}

/// All 70 maps of a batch, one after another: divide by 70 for a map.
pub fn grid(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("grid, 70 maps");
    for k in [12, 18, 24, 30] {
        let grid = GridShortestPath::new(k, k).unwrap();
        let costs = terrain(70 * k * k);
        let mut path = vec![0.0; k * k];
        group.bench_function(format!("ours {k} x {k}"), |bencher| {
            bencher.iter(|| {
                for cost in costs.chunks(k * k) {
                    grid.solve(black_box(cost), &mut path).unwrap();
                }
            });
        });
        let maps: Vec<_> = costs.chunks(k * k).map(|cost| cells(k, cost)).collect();
        group.bench_function(format!("petgraph astar {k} x {k}"), |bencher| {
            let sink = NodeIndex::new(k * k - 1);
            bencher.iter(|| {
                for map in &maps {
                    let path = petgraph::algo::astar(
                        black_box(map),
                        0.into(),
                        |cell| cell == sink,
                        |edge| *edge.weight(),
                        |_| 0.0,
                    );
                    black_box(path);
                }
            });
        });
    }
}

fn cells(k: usize, cost: &[f64]) -> DiGraph<(), f64> {
    let near = |a: usize, b: usize| a.abs_diff(b) <= 1;
    let edges = (0..k * k).flat_map(|from| {
        let neighbour = move |&(to, _): &(usize, &f64)| {
            from != to && near(from / k, to / k) && near(from % k, to % k)
        };
        let to_edge = move |(to, &cost): (usize, &f64)| (from as u32, to as u32, cost);
        cost.iter().enumerate().filter(neighbour).map(to_edge)
    });
    DiGraph::from_edges(edges)
}

/// Random directed graphs with ten edges a vertex.
pub fn graph(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("graph path");
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for vertices in [100, 1000, 10_000] {
        let mut edges: Vec<(usize, usize)> = (1..vertices).map(|v| (v - 1, v)).collect();
        edges.extend(
            (0..9 * vertices)
                .map(|_| (rng.random_range(0..vertices), rng.random_range(0..vertices))),
        );
        let cost: Vec<f64> = edges.iter().map(|_| rng.random_range(0.0..1.0)).collect();
        let ours = GraphShortestPath::new(vertices, &edges, 0, vertices - 1).unwrap();
        let mut path = vec![0.0; edges.len()];
        group.bench_function(format!("ours {vertices}"), |bencher| {
            bencher.iter(|| ours.solve(black_box(&cost), &mut path).unwrap());
        });
        let weighted = edges.iter().zip(&cost).map(|(&(a, b), &c)| (a as u32, b as u32, c));
        let peer = DiGraph::<(), f64>::from_edges(weighted);
        let sink = NodeIndex::new(vertices - 1);
        group.bench_function(format!("petgraph dijkstra {vertices}"), |bencher| {
            bencher.iter(|| {
                petgraph::algo::dijkstra(black_box(&peer), 0.into(), Some(sink), |edge| {
                    *edge.weight()
                })
            });
        });
    }
}

/// A batch of 70 grids of 30 x 30 on one thread and on two.
pub fn batch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch of 70 grids");
    let grid = GridShortestPath::new(30, 30).unwrap();
    let costs = terrain(70 * 900);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        group.bench_function(format!("{threads} threads"), |bencher| {
            bencher.iter(|| pool.install(|| solve_batch(&grid, black_box(&costs)).unwrap()));
        });
    }
}
