//! `GraphMatching` on a batch like keypoint matching, and on hard dense costs.

use std::collections::BTreeSet;

use criterion::Criterion;
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use solvergrad::solver::{Certificate, GraphMatching, Solver};

type Point = (f64, f64);

/// Edges of the Delaunay triangulation, both ways: triangles whose circle holds no other point.
fn delaunay(points: &[Point]) -> Vec<(usize, usize)> {
    let n = points.len();
    let mut edges = BTreeSet::new();
    for a in 0..n {
        for b in a + 1..n {
            for c in b + 1..n {
                let [(ax, ay), (bx, by), (cx, cy)] = [points[a], points[b], points[c]];
                let twice = 2.0 * (ax * (by - cy) + bx * (cy - ay) + cx * (ay - by));
                let [a2, b2, c2] = [ax * ax + ay * ay, bx * bx + by * by, cx * cx + cy * cy];
                let x = (a2 * (by - cy) + b2 * (cy - ay) + c2 * (ay - by)) / twice;
                let y = (a2 * (cx - bx) + b2 * (ax - cx) + c2 * (bx - ax)) / twice;
                let far = |i: usize| (points[i].0 - x).hypot(points[i].1 - y);
                if (0..n).all(|i| far(i) >= far(a) - 1e-9) {
                    for (i, j) in [(a, b), (b, c), (a, c)] {
                        edges.extend([(i, j), (j, i)]);
                    }
                }
            }
        }
    }
    edges.into_iter().collect()
}

/// Two jittered views of `n` points, each with a tenth missing and an outlier, and noisy costs
/// that tend to be negative for the right pairs.
fn keypoints(n: usize, noise: f64, seed: u64) -> (GraphMatching, Vec<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let base: Vec<Point> = (0..n).map(|_| (rng.random(), rng.random())).collect();
    let mut views = [0.0, 0.03].map(|jitter| {
        let mut kept: Vec<usize> = (0..n).filter(|_| rng.random_bool(0.9)).collect();
        kept.shuffle(&mut rng);
        let mut blur = |x: f64| x + jitter * rng.random_range(-1.7..1.7);
        let mut points: Vec<Point> =
            kept.iter().map(|&i| (blur(base[i].0), blur(base[i].1))).collect();
        points.push((rng.random(), rng.random()));
        (kept, points)
    });
    views[0].0.push(n); // the outliers are nobody's match
    views[1].0.push(n + 1);
    let [(ids1, points1), (ids2, points2)] = views;
    let (edges1, edges2) = (delaunay(&points1), delaunay(&points2));
    let matching = GraphMatching::new(points1.len(), points2.len(), &edges1, &edges2).unwrap();
    let mut noisy = |cost: f64| cost + noise * rng.random_range(-1.7..1.7);
    let mut cost = Vec::new();
    for id in &ids1 {
        cost.extend(ids2.iter().map(|other| noisy(if id == other { -1.0 } else { 0.3 })));
    }
    for &(i, j) in &edges1 {
        for &(k, l) in &edges2 {
            let across = (points1[j].0 - points1[i].0) - (points2[l].0 - points2[k].0);
            let along = (points1[j].1 - points1[i].1) - (points2[l].1 - points2[k].1);
            let likeness = (-(across * across + along * along) / 0.02).exp();
            cost.push(noisy(0.3 - 1.2 * likeness) / 2.0);
        }
    }
    (matching, cost)
}

fn dense(n: usize, seed: u64) -> (GraphMatching, Vec<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let matching = GraphMatching::complete_graphs(n, n).unwrap().complete();
    let mut random = |count: usize| -> Vec<f64> { (0..count).map(|_| rng.random()).collect() };
    let (flow, distance, mut cost) = (random(n * n), random(n * n), random(n * n));
    let (edges1, edges2) = (matching.edges1(), matching.edges2());
    for &(i, j) in edges1 {
        cost.extend(edges2.iter().map(|&(k, l)| flow[i * n + j] * distance[k * n + l]));
    }
    (matching, cost)
}

/// Key points of two pictures and dense quadratic assignment.
pub fn graph_matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("graph_matching");
    group.sample_size(10);
    for noise in [0.1, 0.3, 0.6, 1.0] {
        let batch: Vec<_> = (0..8).map(|i| keypoints(11 + 10 * i / 7, noise, i as u64)).collect();
        let mut solution = Vec::new();
        let mut solve = || {
            let mut proven = 0;
            for (matching, cost) in &batch {
                solution.resize(matching.dimension(), 0.0);
                let proof = matching.solve_certified(cost, &mut solution).unwrap();
                proven += usize::from(proof.is_optimal());
            }
            proven
        };
        println!("keypoints, noise {noise}: {} of 8 proven optimal", solve());
        group.bench_function(format!("8 pairs of 10-20 keypoints, noise {noise}"), |bencher| {
            bencher.iter(&mut solve);
        });
    }
    for n in [8, 10, 15, 20] {
        let (matching, cost) = dense(n, 1);
        let mut solution = vec![0.0; matching.dimension()];
        group.bench_function(format!("dense assignment of {n}"), |bencher| {
            bencher.iter(|| matching.solve(&cost, &mut solution).unwrap());
        });
    }
    group.finish();
}
