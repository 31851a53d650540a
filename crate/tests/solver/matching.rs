//! The perfect matching solver against brute force, a peer and its own certificate.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use solvergrad::Error;
use solvergrad::check::{brute_force_objective, objective};
use solvergrad::solver::{Enumerate, PerfectMatching, Proof, Solver, solve_batch};

/// Solves, checks that every vertex is covered exactly once, and returns the proof.
fn prove(solver: &PerfectMatching, cost: &[f64]) -> Proof {
    let mut plain = vec![f64::NAN; solver.dimension()];
    solver.solve(cost, &mut plain).expect("a graph with a perfect matching");
    let mut solution = vec![f64::NAN; solver.dimension()];
    let certificate = solver.certificate().expect("a certificate");
    let proof = certificate.solve_certified(cost, &mut solution).expect("as before");
    assert_eq!(plain, solution);
    let mut covered = vec![0; solver.vertices()];
    for (&(i, j), &entry) in solver.edges().iter().zip(&solution) {
        assert!(entry == 0.0 || entry == 1.0, "{entry}");
        covered[i] += usize::from(entry == 1.0);
        covered[j] += usize::from(entry == 1.0);
    }
    assert!(covered.iter().all(|&times| times == 1), "{solver:?} {cost:?}: {covered:?}");
    assert!(proof.complete);
    assert!(proof.objective.is_nan() || proof.objective == objective(cost, &solution));
    proof
}

/// For integer costs: the objective is that of brute force, and so is the bound.
fn prove_by_brute_force(solver: &PerfectMatching, cost: &[f64]) {
    let proof = prove(solver, cost);
    let best = brute_force_objective(solver, cost);
    assert_eq!((proof.objective, proof.lower_bound), (best, best), "{:?} {cost:?}", solver.edges());
}

fn shuffled(mut edges: Vec<(usize, usize)>, rng: &mut ChaCha8Rng) -> Vec<(usize, usize)> {
    for last in (1..edges.len()).rev() {
        edges.swap(last, rng.random_range(0..=last));
        let (i, j) = edges[last];
        edges[last] = if rng.random() { (i, j) } else { (j, i) };
    }
    edges
}

/// A random graph with a perfect matching: each edge of the complete graph by chance.
fn random_graph(n: usize, rng: &mut ChaCha8Rng) -> PerfectMatching {
    loop {
        let density = rng.random_range(0.15..1.0);
        let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
        let edges = pairs.filter(|_| rng.random::<f64>() < density).collect();
        if let Ok(solver) = PerfectMatching::new(n, shuffled(edges, rng)) {
            return solver;
        }
    }
}

/// A grid with diagonals and some longer edges: full of triangles, so of nested blossoms.
fn triangulation(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> PerfectMatching {
    let mut edges = Vec::new();
    for i in 0..rows {
        for j in 0..columns {
            for (down, right) in [(0, 1), (1, 0), (1, 1), (1, 2), (2, 2)] {
                let kept = down + right <= 2 || rng.random::<f64>() < 0.2;
                if kept && i + down < rows && j + right < columns {
                    edges.push((i * columns + j, (i + down) * columns + j + right));
                }
            }
        }
    }
    PerfectMatching::new(rows * columns, shuffled(edges, rng)).expect("the grid has one")
}

/// Costs of many kinds: random, tied, negative, and with the structure that nests blossoms.
fn integer_costs(solver: &PerfectMatching, kind: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let range = [1, 2, 5, 100, 1_000_000][rng.random_range(0..5)];
    let place: Vec<i64> = (0..solver.vertices()).map(|_| rng.random_range(0..=range)).collect();
    let mut cost = |&(i, j): &(usize, usize)| match kind % 6 {
        0 => rng.random_range(-range..=range) as f64,
        1 => (place[i] - place[j]).abs() as f64,
        2 => (place[i] * place[j]) as f64,
        3 => -(place[i] * place[j]) as f64,
        4 => (place[i] + place[j]) as f64,
        // Clusters of 3, 9, 27, ... vertices, ever further apart.
        _ => {
            let apart = (0..8).find(|&level| i / 3_usize.pow(level) == j / 3_usize.pow(level));
            10_f64.powi(apart.unwrap_or(8) as i32) + rng.random_range(0..=3) as f64
        }
    };
    solver.edges().iter().map(&mut cost).collect()
}

/// All cost vectors over `values`.
fn every_cost(dimension: usize, values: &[f64]) -> impl Iterator<Item = Vec<f64>> {
    (0..values.len().pow(dimension as u32)).map(move |mut index| {
        let mut digit = || {
            let value = values[index % values.len()];
            index /= values.len();
            value
        };
        (0..dimension).map(|_| digit()).collect()
    })
}

#[test]
fn every_small_cost_vector_agrees_with_brute_force() {
    let prism = vec![(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5), (0, 3), (1, 4), (2, 5)];
    let joined_triangles = vec![(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5)];
    for solver in [
        PerfectMatching::complete(2),
        PerfectMatching::complete(4),
        PerfectMatching::grid(2, 3),
        PerfectMatching::new(6, prism),
        PerfectMatching::new(6, joined_triangles),
    ] {
        let solver = solver.unwrap();
        for cost in every_cost(solver.dimension(), &[-1.0, 0.0, 1.0]) {
            prove_by_brute_force(&solver, &cost);
        }
    }
}

#[test]
fn random_graphs_agree_with_brute_force() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for case in 0..1500 {
        let n = 2 * rng.random_range(1..=5);
        let solver = random_graph(n, &mut rng);
        let cost = integer_costs(&solver, case, &mut rng);
        prove_by_brute_force(&solver, &cost);
    }
    for case in 0..300 {
        let solver = triangulation(2 + case % 3, 4, &mut rng);
        let cost = integer_costs(&solver, case, &mut rng);
        prove_by_brute_force(&solver, &cost);
    }
}

#[test]
fn complete_graphs_agree_with_integer_blossom() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for case in 0..240 {
        let n = 2 * rng.random_range(1..=24);
        let solver = PerfectMatching::complete(n).unwrap();
        let mut cost = integer_costs(&solver, case, &mut rng);
        // The peer takes no negative costs; a constant on all of them changes no comparison.
        let least = cost.iter().copied().fold(0.0, f64::min);
        cost.iter_mut().for_each(|cost| *cost -= least);
        let mut matrix = vec![0_i128; n * n];
        for (&(i, j), &cost) in solver.edges().iter().zip(&cost) {
            (matrix[i * n + j], matrix[j * n + i]) = (cost as i128, cost as i128);
        }
        let mate = integer_blossom::min_weight_perfect_matching(&matrix, n);
        let peer: i128 = (0..n).map(|i| matrix[i * n + mate[i]]).sum();
        let proof = prove(&solver, &cost);
        assert_eq!(2.0 * proof.objective, peer as f64, "{n} {cost:?}");
        assert_eq!(proof.objective, proof.lower_bound);
    }
}

#[test]
fn large_sparse_graphs_are_certified() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for case in 0..60 {
        let solver = triangulation(rng.random_range(2..20), 2 * rng.random_range(2..10), &mut rng);
        let cost = integer_costs(&solver, case, &mut rng);
        let proof = prove(&solver, &cost);
        assert_eq!(proof.objective, proof.lower_bound);
    }
    let grid = PerfectMatching::grid(24, 24).unwrap();
    for _ in 0..20 {
        let cost: Vec<f64> = grid.edges().iter().map(|_| rng.random_range(-1.0..1.0)).collect();
        let proof = prove(&grid, &cost);
        assert!(proof.gap() <= 1e-11, "{proof:?}");
    }
}

#[test]
fn equal_and_tied_costs_end() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for solver in [
        PerfectMatching::complete(100).unwrap(),
        PerfectMatching::grid(30, 30).unwrap(),
        triangulation(30, 30, &mut rng),
    ] {
        let m = solver.dimension();
        let pairs = solver.vertices() as f64 / 2.0;
        for value in [0.0, -0.0, 1.0, -3.0] {
            let proof = prove(&solver, &vec![value; m]);
            assert_eq!(proof.objective, value * pairs);
            assert_eq!(proof.lower_bound, value * pairs);
        }
        for value in [0.1, 1e300, -1e300, 1e-300, f64::MIN_POSITIVE, 5e-324] {
            let proof = prove(&solver, &vec![value; m]);
            assert!((proof.objective - value * pairs).abs() <= 1e-12 * value.abs() * pairs);
            assert!(proof.gap() <= 1e-12 * proof.objective.abs() || value == 5e-324, "{proof:?}");
        }
        let tied: Vec<f64> = (0..m).map(|_| f64::from(rng.random_range(0..2_u8)) - 0.5).collect();
        let proof = prove(&solver, &tied);
        assert_eq!(proof.objective, proof.lower_bound);
    }
    let negative_zero: Vec<f64> = (0..6).map(|k| if k % 2 == 0 { 0.0 } else { -0.0 }).collect();
    prove_by_brute_force(&PerfectMatching::complete(4).unwrap(), &negative_zero);
}

#[test]
fn a_huge_cost_does_not_drown_the_others() {
    // Edges 01, 02, 03, 12, 13, 23. In units of 1e30 / 2^51 all the others are 0.
    let solver = PerfectMatching::complete(4).unwrap();
    for huge in [1e30, -1e30] {
        for (cheap, edges) in [(0, [0, 5]), (1, [1, 4])] {
            let mut cost = [2.0, 2.0, huge, 1e30, 1.0, 1.0];
            cost[cheap] = 1.0;
            let mut solution = [0.0; 6];
            solver.solve(&cost, &mut solution).unwrap();
            let expected = if huge < 0.0 { [2, 3] } else { edges };
            let chosen: Vec<usize> = (0..6).filter(|&edge| solution[edge] == 1.0).collect();
            // −1e30 and 1e30 sum to 0, which only exact sums can compare with 2.
            assert_eq!(chosen, expected, "{cost:?}");
        }
    }
}

#[test]
fn costs_of_all_magnitudes_agree_with_brute_force() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..500 {
        let solver = random_graph(8, &mut rng);
        let reach = if rng.random() { 9 } else { 300 };
        let mut cost = || {
            let sign = if rng.random() { 1.0 } else { -1.0 };
            sign * rng.random_range(1.0..2.0) * 10_f64.powi(rng.random_range(-reach..=reach))
        };
        let cost: Vec<f64> = (0..solver.dimension()).map(|_| cost()).collect();
        let proof = prove(&solver, &cost);
        let best = brute_force_objective(&solver, &cost);
        let scale: f64 = best.abs().max(proof.objective.abs());
        // Over 600 orders of magnitude the 128-bit integers are not exact either.
        let slack = if reach == 9 { 1e-12 * scale } else { 1e-12 * scale + wide_loss(8, &cost) };
        assert!((proof.objective - best).abs() <= slack, "{proof:?} {best} {cost:?}");
        assert!(proof.lower_bound <= best + 1e-14 * scale, "{proof:?} {best} {cost:?}");
        assert!(proof.gap() <= 2.0 * slack, "{proof:?} {cost:?}");
    }
}

/// n/2 · 2^−s, where the largest cost is at least 2^(117 − s), for n of at most 12.
fn wide_loss(n: usize, cost: &[f64]) -> f64 {
    let largest = cost.iter().fold(0.0, |largest: f64, cost| largest.max(cost.abs()));
    n as f64 / 2.0 * (largest * 2_f64.powi(-117))
}

#[test]
fn all_solutions_are_listed_once() {
    let count = |solver: PerfectMatching| {
        let solutions = solver.solutions();
        let mut bits: Vec<Vec<u64>> = solutions
            .iter()
            .map(|solution| solution.iter().map(|entry| entry.to_bits()).collect())
            .collect();
        bits.sort();
        bits.dedup();
        assert_eq!(bits.len(), solutions.len());
        bits.len()
    };
    // (n − 1)!! on complete graphs, and the domino tilings of a board.
    assert_eq!([2, 4, 6, 8].map(|n| count(PerfectMatching::complete(n).unwrap())), [1, 3, 15, 105]);
    let boards = [(1, 2), (2, 1), (2, 5), (4, 4), (4, 5)];
    let tilings =
        boards.map(|(rows, columns)| count(PerfectMatching::grid(rows, columns).unwrap()));
    assert_eq!(tilings, [1, 1, 8, 36, 95]);
}

#[test]
fn edge_orders_are_as_documented() {
    let complete = PerfectMatching::complete(4).unwrap();
    assert_eq!(complete.edges(), [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]);
    let grid = PerfectMatching::grid(2, 3).unwrap();
    assert_eq!(grid.edges(), [(0, 1), (0, 3), (1, 2), (1, 4), (2, 5), (3, 4), (4, 5)]);
    assert_eq!((grid.dimension(), grid.vertices()), (7, 6));
}

#[test]
fn bad_graphs_are_named_errors() {
    let parameter = |result: Result<PerfectMatching, Error>, part: &str| match result {
        Err(error @ Error::Parameter { .. }) => {
            assert!(error.to_string().contains(part), "{error}");
        }
        other => panic!("{other:?} instead of an error with {part}"),
    };
    parameter(PerfectMatching::new(0, vec![]), "is 0; it must be even");
    parameter(PerfectMatching::complete(0), "is 0");
    parameter(PerfectMatching::complete(5), "is 5");
    parameter(PerfectMatching::grid(3, 3), "is 9");
    parameter(PerfectMatching::grid(0, 4), "is 0");
    parameter(PerfectMatching::grid(4, 0), "is 0");
    parameter(PerfectMatching::grid(usize::MAX, 2), "vert");
    parameter(PerfectMatching::grid(1 << 40, 2), "vertices and 0 edges");
    parameter(PerfectMatching::new(2, vec![(0, 2)]), "(0, 2) at index 0");
    parameter(PerfectMatching::new(2, vec![(0, 1), (1, 1)]), "(1, 1) at index 1");
    parameter(PerfectMatching::new(2, vec![(0, 1), (1, 0)]), "(1, 0) at index 1; it must be given");

    let infeasible =
        |n: usize, edges: Vec<(usize, usize)>, part: &str| match PerfectMatching::new(n, edges) {
            Err(error @ Error::Infeasible { .. }) => {
                assert!(error.to_string().contains(part), "{error}");
            }
            other => panic!("{other:?} instead of an error with {part}"),
        };
    infeasible(2, vec![], "2 of 2 vertices without a partner: 0, 1");
    infeasible(4, vec![(0, 1), (0, 2), (0, 3)], "2 of 4 vertices");
    // Three triangles around one vertex: 10 vertices, of which a matching covers 8.
    let mut edges = vec![(0, 1), (0, 4), (0, 7)];
    for first in [1, 4, 7] {
        edges.extend([(first, first + 1), (first + 1, first + 2), (first, first + 2)]);
    }
    infeasible(10, edges, "2 of 10 vertices");
    infeasible(30, vec![(0, 1)], "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...");
}

/// The graphs refused are those that brute force finds no perfect matching in.
#[test]
fn feasibility_agrees_with_brute_force() {
    fn matchable(n: usize, edges: &[(usize, usize)], covered: u32) -> bool {
        let Some(vertex) = (0..n).find(|vertex| covered >> vertex & 1 == 0) else { return true };
        edges.iter().any(|&(i, j)| {
            let pair = 1 << i | 1 << j;
            (i == vertex || j == vertex)
                && covered & pair == 0
                && matchable(n, edges, covered | pair)
        })
    }
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut refused = 0;
    for _ in 0..2000 {
        let n = 2 * rng.random_range(1..=6);
        let density = rng.random_range(0.1..0.5);
        let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
        let edges: Vec<_> = pairs.filter(|_| rng.random::<f64>() < density).collect();
        let expected = matchable(n, &edges, 0);
        assert_eq!(PerfectMatching::new(n, edges.clone()).is_ok(), expected, "{n} {edges:?}");
        refused += usize::from(!expected);
    }
    assert!((200..1800).contains(&refused), "{refused} of 2000: the test sees one side only");
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let solver = triangulation(6, 6, &mut rng);
    let count = 200 * solver.dimension();
    let costs: Vec<f64> = (0..count).map(|_| f64::from(rng.random_range(0..5_u8))).collect();
    let solve = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| solve_batch(&solver, &costs)).unwrap()
    };
    let alone = solve(1);
    assert_eq!(alone, solve(4));
    // Nor does what a thread has solved before.
    for (cost, expected) in costs.chunks(solver.dimension()).zip(alone.chunks(solver.dimension())) {
        let mut solution = vec![0.0; solver.dimension()];
        std::thread::scope(|scope| {
            scope.spawn(|| solver.solve(cost, &mut solution)).join().unwrap().unwrap();
        });
        assert_eq!(solution, expected);
    }
}

#[test]
fn not_finite_costs_are_refused() {
    let solver = PerfectMatching::complete(4).unwrap();
    let mut costs = vec![1.0; 12];
    costs[8] = f64::NAN;
    let error = solve_batch(&solver, &costs).unwrap_err();
    assert!(matches!(error, Error::Cost { row: 1, index: 2, .. }), "{error}");
}

fn cost_of_any_kind() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-2..=2_i32).prop_map(f64::from),
        (-1_000_000..1_000_000_i32).prop_map(f64::from),
        -1.0..1.0,
        Just(-0.0),
        Just(1e300),
        Just(-1e-300),
    ]
}

proptest! {
    #[test]
    fn the_bound_proves_the_solution(
        seed: u64,
        costs in prop::collection::vec(cost_of_any_kind(), 66),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let solver = random_graph(12, &mut rng);
        let cost = &costs[..solver.dimension()];
        let proof = prove(&solver, cost);
        let mut solution = vec![0.0; cost.len()];
        solver.solve(cost, &mut solution).unwrap();
        let magnitudes: Vec<f64> = cost.iter().map(|cost| cost.abs()).collect();
        let slack = objective(&magnitudes, &solution) * 1e-12 + wide_loss(12, cost);
        prop_assert!(proof.gap() <= 2.0 * slack, "{:?}", proof);
    }

    #[test]
    fn scaling_by_a_power_of_two_changes_nothing(seed: u64, power in -900..900_i32) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let solver = triangulation(4, 6, &mut rng);
        let mut cost = || f64::from(rng.random_range(-9..9_i8));
        let cost: Vec<f64> = solver.edges().iter().map(|_| cost()).collect();
        let scaled: Vec<f64> = cost.iter().map(|cost| cost * 2_f64.powi(power)).collect();
        let solution = solve_batch(&solver, &cost).unwrap();
        prop_assert_eq!(solution, solve_batch(&solver, &scaled).unwrap());
    }

    #[test]
    fn any_positive_scale_keeps_the_optimum(seed: u64, scale in 1e-3..1e3_f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let solver = triangulation(5, 6, &mut rng);
        let cost: Vec<f64> = solver.edges().iter().map(|_| rng.random_range(-1.0..1.0)).collect();
        let scaled: Vec<f64> = cost.iter().map(|cost| cost * scale).collect();
        let (before, after) = (prove(&solver, &cost), prove(&solver, &scaled));
        prop_assert!((before.objective * scale - after.objective).abs() <= 1e-11 * scale);
    }

    /// What is added at one vertex, every perfect matching pays once.
    #[test]
    fn a_toll_at_a_vertex_is_paid_once(seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let solver = triangulation(4, 8, &mut rng);
        let cost = integer_costs(&solver, rng.random_range(0..6), &mut rng);
        let tolls: Vec<f64> = (0..32).map(|_| f64::from(rng.random_range(-99..99_i8))).collect();
        let tolled: Vec<f64> = (solver.edges().iter().zip(&cost))
            .map(|(&(i, j), cost)| cost + tolls[i] + tolls[j])
            .collect();
        let expected = prove(&solver, &cost).objective + tolls.iter().sum::<f64>();
        prop_assert_eq!(prove(&solver, &tolled).objective, expected);
    }
}
