//! The assignment solver against brute force, a second implementation and its own duals.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use solvergrad::check::{brute_force_objective, objective};
use solvergrad::solver::{Assignment, Certificate, Enumerate, Solver, WarmStart, solve_batch};

/// Exactly min(rows, columns) ones, at most one per row and column, zeros elsewhere.
fn assert_feasible(rows: usize, columns: usize, solution: &[f64]) {
    assert_eq!(solution.len(), rows * columns);
    assert!(solution.iter().all(|&entry| entry == 0.0 || entry == 1.0));
    let in_row = |i: usize| solution[i * columns..][..columns].iter().sum::<f64>();
    let in_column = |j: usize| solution.iter().skip(j).step_by(columns).sum::<f64>();
    assert!((0..rows).all(|i| in_row(i) <= 1.0) && (0..columns).all(|j| in_column(j) <= 1.0));
    assert_eq!(solution.iter().sum::<f64>(), rows.min(columns) as f64);
}

fn solve(rows: usize, columns: usize, cost: &[f64]) -> Vec<f64> {
    let mut solution = vec![f64::NAN; rows * columns];
    Assignment::rectangular(rows, columns).unwrap().solve(cost, &mut solution).unwrap();
    assert_feasible(rows, columns, &solution);
    solution
}

/// What rounding may amount to: relative to the largest |cost|.
fn tolerance(rows: usize, columns: usize, cost: &[f64]) -> f64 {
    let largest = cost.iter().fold(0.0, |largest, cost| f64::max(largest, cost.abs()));
    1e-13 * largest * rows.max(columns) as f64
}

/// Feasible, and with a matching bound from below; returns the objective.
fn assert_certified(rows: usize, columns: usize, cost: &[f64]) -> f64 {
    let solver = Assignment::rectangular(rows, columns).unwrap();
    let mut solution = vec![f64::NAN; rows * columns];
    let proof = solver.solve_certified(cost, &mut solution).unwrap();
    assert_feasible(rows, columns, &solution);
    assert!(proof.complete);
    assert_eq!(proof.objective, objective(cost, &solution));
    assert!(proof.gap() <= tolerance(rows, columns, cost), "{rows} x {columns}: {proof:?}");
    assert_eq!(solution, solve(rows, columns, cost));
    proof.objective
}

fn assert_near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} and {b} differ by more than {tolerance}");
}

const SHAPES: [(usize, usize); 11] =
    [(1, 1), (1, 2), (2, 1), (1, 5), (5, 1), (2, 2), (2, 3), (3, 2), (3, 3), (2, 4), (4, 2)];

#[test]
fn every_tied_cost_on_small_shapes() {
    for (rows, columns) in SHAPES {
        let solver = Assignment::rectangular(rows, columns).unwrap();
        let solutions = solver.solutions();
        let mut memory = Vec::new();
        let mut warm = vec![0.0; rows * columns];
        for code in 0..3usize.pow((rows * columns) as u32) {
            let digit = |k: usize| ((code / 3usize.pow(k as u32)) % 3) as f64 - 1.0;
            let cost: Vec<f64> = (0..rows * columns).map(digit).collect();
            let best = solutions.iter().map(|y| objective(&cost, y)).fold(f64::INFINITY, f64::min);
            assert_eq!(assert_certified(rows, columns, &cost), best, "{rows}x{columns} {cost:?}");
            // The memory is that of another cost.
            solver.solve_warm(&cost, &mut warm, &mut memory).unwrap();
            assert_feasible(rows, columns, &warm);
            assert_eq!(objective(&cost, &warm), best, "warm {rows}x{columns} {cost:?}");
        }
    }
}

#[test]
fn solutions_are_all_assignments_once() {
    for ((rows, columns), count) in
        [((1, 1), 1), ((3, 3), 6), ((4, 4), 24), ((2, 4), 12), ((4, 2), 12), ((1, 5), 5)]
    {
        let mut all = Assignment::rectangular(rows, columns).unwrap().solutions();
        all.iter().for_each(|solution| assert_feasible(rows, columns, solution));
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all.dedup();
        assert_eq!(all.len(), count);
    }
}

#[test]
fn equal_costs_give_the_identity() {
    for value in [0.0, -0.0, 1.0, -7.5, 1e300, -1e308, 5e-324] {
        for (rows, columns) in [(1, 1), (4, 4), (9, 9), (3, 12), (12, 3), (40, 40)] {
            let solution = solve(rows, columns, &vec![value; rows * columns]);
            let chosen = Assignment::rectangular(rows, columns).unwrap().columns_of(&solution);
            let identity: Vec<_> = (0..rows).map(|i| (i < columns).then_some(i)).collect();
            assert_eq!(chosen, identity, "{value} {rows}x{columns}");
        }
    }
}

#[test]
fn huge_and_tiny_costs_end() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let palette = [1e-300, -1e-300, 1e300, -1e300, 0.0, -0.0, 1.0, f64::MAX, f64::MIN, 5e-324];
    for round in 0..400 {
        let (rows, columns) = (rng.random_range(1..14), rng.random_range(1..14));
        // Some rounds without the values whose sum overflows.
        let pool = if round % 2 == 0 { &palette[..] } else { &palette[..7] };
        let cost: Vec<f64> =
            (0..rows * columns).map(|_| pool[rng.random_range(0..pool.len())]).collect();
        let solution = solve(rows, columns, &cost);
        if round % 2 == 1 {
            let want = lsap::get_assigned_cost(rows, columns, &cost, false).unwrap();
            assert_near(objective(&cost, &solution), want, 1e290);
        }
    }
    // A chain of ever smaller gaps, the worst for the row reduction.
    let n = 30;
    let cost: Vec<f64> = (0..n * n)
        .map(|k| 1.0 + ((k / n) as f64 + 1.0) * 2f64.powi(-((k % n) as i32) - 20))
        .collect();
    assert_certified(n, n, &cost);
    let products: Vec<f64> = (0..n * n).map(|k| ((k / n + 1) * (k % n + 1)) as f64).collect();
    assert_certified(n, n, &products);
}

#[test]
fn forbidden_pairs_are_avoided() {
    // Big costs at all but a band: the small costs still decide.
    let n = 20usize;
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for forbidden in [1e3, 1e6, 1e9] {
        let cost: Vec<f64> = (0..n * n)
            .map(|k| if (k / n).abs_diff(k % n) > 2 { forbidden } else { rng.random() })
            .collect();
        let want = lsap::get_assigned_cost(n, n, &cost, false).unwrap();
        let got = assert_certified(n, n, &cost);
        assert_near(got, want, 1e-15 * forbidden * n as f64);
        assert!(got < 20.0);
    }
}

#[test]
fn warm_start_agrees_with_a_cold_one_whatever_the_memory() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for (rows, columns) in [(1, 1), (1, 4), (7, 7), (5, 9), (9, 5), (33, 33), (20, 50), (50, 20)] {
        let solver = Assignment::rectangular(rows, columns).unwrap();
        let size = rows * columns;
        let mut cost: Vec<f64> = (0..size).map(|_| rng.random_range(-1.0..1.0)).collect();
        let mut memory = Vec::new();
        let mut warm = vec![0.0; size];
        for round in 0..60 {
            match round % 4 {
                0 => cost.iter_mut().for_each(|c| *c += rng.random_range(-0.05..0.05)),
                1 => cost.iter_mut().step_by(10).for_each(|c| *c = rng.random_range(-1.0..1.0)),
                2 => cost.iter_mut().for_each(|c| *c = (*c * 4.0).round() / 4.0),
                _ => {}
            }
            let junk = |values: &[f64], rng: &mut ChaCha8Rng| {
                let pick = |_| values[rng.random_range(0..values.len())];
                (0..rows + columns).map(pick).collect::<Vec<f64>>()
            };
            match round / 6 {
                3 => memory = junk(&[f64::NAN, 0.0], &mut rng),
                4 => memory = junk(&[f64::INFINITY, 1.0, f64::NEG_INFINITY], &mut rng),
                5 => memory = junk(&[1e300, -1e300, 3.0], &mut rng),
                6 => memory = junk(&[0.5, -0.5, 1.0, 2.0, 0.0, -3.0, 7.0], &mut rng),
                7 => memory.truncate(rows),
                8 => memory.push(0.0),
                _ => {}
            }
            solver.solve_warm(&cost, &mut warm, &mut memory).unwrap();
            assert_feasible(rows, columns, &warm);
            let cold = assert_certified(rows, columns, &cost);
            assert_near(objective(&cost, &warm), cold, tolerance(rows, columns, &cost));
        }
    }
}

#[test]
fn unchanged_costs_keep_the_assignment() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for (rows, columns) in [(30, 30), (12, 30), (30, 12)] {
        let solver = Assignment::rectangular(rows, columns).unwrap();
        let cost: Vec<f64> = (0..rows * columns).map(|_| rng.random_range(0..9) as f64).collect();
        let (mut memory, mut solution) = (Vec::new(), vec![0.0; rows * columns]);
        solver.solve_warm(&cost, &mut solution, &mut memory).unwrap();
        let first = solution.clone();
        assert_eq!(first, solve(rows, columns, &cost));
        solver.solve_warm(&cost, &mut solution, &mut memory).unwrap();
        assert_eq!(first, solution);
    }
}

#[test]
fn threads_and_scale_change_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let solver = Assignment::new(9).unwrap();
    let costs: Vec<f64> = (0..300 * 81).map(|_| rng.random_range(0..4) as f64 - 1.0).collect();
    let with = |threads: usize, costs: &[f64]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| solve_batch(&solver, costs).unwrap())
    };
    let single = with(1, &costs);
    assert_eq!(single, with(4, &costs));
    for scale in [2f64.powi(-900), 0.25, 2f64.powi(900), 2f64.powi(1000)] {
        let scaled: Vec<f64> = costs.iter().map(|cost| cost * scale).collect();
        assert_eq!(single, with(1, &scaled), "{scale}");
    }
}

#[test]
fn bad_sizes_are_named() {
    for (rows, columns) in [(0, 3), (3, 0), (usize::MAX, 2)] {
        let message = Assignment::rectangular(rows, columns).unwrap_err().to_string();
        assert!(message.contains("assignment problem is "), "{message}");
    }
    assert!(Assignment::new(0).unwrap_err().to_string().contains("at least 1"));
    let solver = Assignment::rectangular(2, 3).unwrap();
    assert_eq!((solver.shape(), solver.dimension()), (vec![2, 3], 6));
    assert!(solver.warm_start().is_some() && solver.certificate().is_some());
    assert_eq!(solver.columns_of(&[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]), [Some(2), None]);
    assert_eq!(solver.columns_of(&[]), [None, None]);
}

fn instance(
    values: impl Strategy<Value = f64> + Clone,
) -> impl Strategy<Value = (usize, usize, Vec<f64>)> {
    (1usize..20, 1usize..20).prop_flat_map(move |(rows, columns)| {
        let cost = proptest::collection::vec(values.clone(), rows * columns);
        (Just(rows), Just(columns), cost)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn real_costs_agree_with_lsap((rows, columns, cost) in instance(-1e3..1e3f64)) {
        let want = lsap::get_assigned_cost(rows, columns, &cost, false).unwrap();
        let got = assert_certified(rows, columns, &cost);
        assert_near(got, want, tolerance(rows, columns, &cost));
    }

    #[test]
    fn tied_costs_agree_with_lsap((rows, columns, cost) in instance((0..3i32).prop_map(f64::from))) {
        let want = lsap::get_assigned_cost(rows, columns, &cost, false).unwrap();
        prop_assert_eq!(assert_certified(rows, columns, &cost), want);
    }

    #[test]
    fn equal_rows_cost_the_cheapest_columns(
        row in proptest::collection::vec(-9.0..9.0f64, 1..30), rows in 1usize..30,
    ) {
        let cost = row.repeat(rows);
        let mut sorted = row.clone();
        sorted.sort_by(f64::total_cmp);
        let want: f64 = sorted.iter().take(rows).sum();
        let got = assert_certified(rows, row.len(), &cost);
        assert_near(got, want, 1e-9);
    }

    #[test]
    fn any_bits_end(
        (rows, columns, cost) in
            instance(any::<f64>().prop_map(|c| if c.is_finite() { c } else { -1.0 })),
    ) {
        solve(rows, columns, &cost);
    }

    #[test]
    fn small_ones_agree_with_brute_force(
        (rows, columns) in (1usize..6, 1usize..6), seed in any::<u64>(),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cost: Vec<f64> = (0..rows * columns).map(|_| rng.random_range(-5.0..5.0)).collect();
        let solver = Assignment::rectangular(rows, columns).unwrap();
        let want = brute_force_objective(&solver, &cost);
        assert_near(assert_certified(rows, columns, &cost), want, 1e-12);
    }
}
