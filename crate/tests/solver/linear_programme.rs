use std::time::Duration;

use proptest::prelude::*;
use solvergrad::check::objective;
use solvergrad::prelude::*;

/// The best 0/1 vector that satisfies `feasible`, by listing all.
fn best(cost: &[f64], feasible: impl Fn(&[f64]) -> bool) -> f64 {
    let n = cost.len() as u32;
    (0..2usize.pow(n))
        .map(|code| (0..n).map(|i| (code >> i & 1) as f64).collect::<Vec<_>>())
        .filter(|y| feasible(y))
        .map(|y| objective(cost, &y))
        .fold(f64::INFINITY, f64::min)
}

fn fits(weights: &[Vec<f64>], capacities: &[f64], y: &[f64]) -> bool {
    weights.iter().zip(capacities).all(|(row, &most)| objective(row, y) <= most + 1e-9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn knapsacks_are_optimal(
        weights in prop::collection::vec(prop::collection::vec(0.1..5.0f64, 8), 1..4),
        cost in prop::collection::vec(-4.0..1.0f64, 8),
        scale in prop_oneof![Just(1.0), Just(1e-12), Just(1e200), Just(3e5)],
    ) {
        let capacities = vec![9.0; weights.len()];
        let solver = LinearProgramme::knapsack(&weights, &capacities).unwrap();
        let cost: Vec<f64> = cost.iter().map(|cost| cost * scale).collect();
        let y = solve_batch(&solver, &cost).unwrap();
        prop_assert!(y.iter().all(|&entry| entry == 0.0 || entry == 1.0));
        prop_assert!(fits(&weights, &capacities, &y));
        let best = best(&cost, |y| fits(&weights, &capacities, y));
        prop_assert!((objective(&cost, &y) - best).abs() <= 1e-7 * scale, "{y:?} {best}");
        let mut again = vec![0.0; 8];
        let proof = solver.solve_certified(&cost, &mut again).unwrap();
        prop_assert_eq!(&again, &y);
        prop_assert!(proof.complete && proof.lower_bound <= best + 1e-9 * scale);
        prop_assert!(proof.gap() <= 1e-7 * scale, "{proof:?}");
    }

    #[test]
    fn covers_are_optimal(
        sets in prop::collection::vec(prop::collection::vec(0usize..6, 1..4), 8),
        cost in prop::collection::vec(0.0..3.0f64, 8),
    ) {
        let covered = |y: &[f64]| (0..6).all(|element| {
            sets.iter().zip(y).any(|(set, &entry)| entry == 1.0 && set.contains(&element))
        });
        match LinearProgramme::set_cover(6, &sets) {
            Ok(solver) => {
                let y = solve_batch(&solver, &cost).unwrap();
                prop_assert!(covered(&y));
                prop_assert!((objective(&cost, &y) - best(&cost, covered)).abs() < 1e-7);
            }
            Err(error) => {
                prop_assert!(!covered(&[1.0; 8]), "{error}");
            }
        }
    }
}

#[test]
fn what_was_solved_before_does_not_matter_with_any_number_of_threads() {
    let weights = [(0..12).map(|i| 1.0 + f64::from(i * 7 % 5)).collect::<Vec<_>>()];
    let solver = LinearProgramme::knapsack(&weights, &[11.0]).unwrap();
    // Many ties.
    let costs: Vec<f64> = (0..12 * 40).map(|i| -f64::from(i * i % 3)).collect();
    let one_by_one: Vec<f64> = costs
        .chunks(12)
        .rev()
        .map(|cost| solve_batch(&solver, cost).unwrap())
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .flatten()
        .collect();
    for threads in [1, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| solve_batch(&solver, &costs).unwrap()), one_by_one);
    }
}

#[test]
fn a_linear_programme_ends_in_its_corner() {
    // max x + 2y with x + y <= 3, y <= 2, x within [0, 5].
    let solver = LinearProgramme::continuous(2, 0.0, 5.0)
        .and_then(|programme| programme.with_row(&[(0, 1.0), (1, 1.0)], f64::NEG_INFINITY, 3.0))
        .and_then(|programme| programme.with_column(1, 0.0, 2.0, false))
        .unwrap();
    let mut y = [0.0; 2];
    let proof = solver.solve_certified(&[-1.0, -2.0], &mut y).unwrap();
    assert!((y[0] - 1.0).abs() < 1e-9 && (y[1] - 2.0).abs() < 1e-9, "{y:?}");
    assert!(proof.complete && (proof.objective + 5.0).abs() < 1e-9);
    // The same instance with other costs, and a second instance in between.
    assert_eq!(solve_batch(&LinearProgramme::binary(1).unwrap(), &[-1.0]).unwrap(), [1.0]);
    assert_eq!(solve_batch(&solver, &[1.0, 2.0]).unwrap(), [0.0, 0.0]);
}

#[test]
fn programmes_without_a_solution_are_named() {
    let named = |result: Result<Vec<f64>>, part: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    let two = LinearProgramme::binary(2).unwrap();
    let impossible = two.clone().with_row(&[(0, 1.0), (1, 1.0)], 3.0, 4.0).unwrap();
    named(solve_batch(&impossible, &[1.0, 1.0]), "satisfy all rows");
    let free = LinearProgramme::continuous(1, f64::NEG_INFINITY, f64::INFINITY).unwrap();
    named(solve_batch(&free, &[1.0]), "no lower limit");
    named(solve_batch(&two, &[1.0, f64::NAN]), "cost 1 of instance 0 is NaN");
    named(two.clone().with_row(&[(2, 1.0)], 0.0, 1.0).map(|_| vec![]), "(2, 1)");
    named(two.clone().with_row(&[(0, 1.0), (0, 1.0)], 0.0, 1.0).map(|_| vec![]), "(0, 1)");
    named(two.with_row(&[(0, 1.0)], 1.0, 0.0).map(|_| vec![]), "[1, 0]");
    named(LinearProgramme::continuous(1, -1e21, 1e21).map(|_| vec![]), "1e20");
    named(LinearProgramme::binary(0).map(|_| vec![]), "is 0");
    named(LinearProgramme::knapsack(&[vec![1.0]], &[]).map(|_| vec![]), "0 lists");
    named(LinearProgramme::set_cover(2, &[vec![0]]).map(|_| vec![]), "element 1");
    named(LinearProgramme::set_cover(1, &[vec![0, 1]]).map(|_| vec![]), "is 1");
}

#[test]
fn a_search_that_runs_out_of_time_says_so() {
    // A hard knapsack with many equal ratios in five dimensions.
    let weights: Vec<Vec<f64>> = (0..5)
        .map(|d| (0..60).map(|i| 100.0 + f64::from((i * (17 + d) + d * 31) % 97)).collect())
        .collect();
    let solver = LinearProgramme::knapsack(&weights, &[4000.0; 5])
        .unwrap()
        .with_time_limit(Duration::from_millis(30));
    let cost: Vec<f64> = (0..60).map(|i| -100.0 - f64::from(i * 29 % 83)).collect();
    let mut y = vec![0.0; 60];
    match solver.solve(&cost, &mut y) {
        Err(Error::TimeLimit { limit_s, objective, lower_bound, .. }) => {
            assert!(limit_s == 0.03 && lower_bound < objective, "{lower_bound} {objective}");
            // Without any solution in time, the objective is infinite.
            if objective.is_finite() {
                assert!(fits(&weights, &[4000.0; 5], &y) && y.contains(&1.0));
                let proof = solver.solve_certified(&cost, &mut y).unwrap();
                assert!(!proof.complete && !proof.is_optimal() && proof.gap() > 0.0, "{proof:?}");
            }
        }
        other => panic!("{other:?}: choose a harder instance"),
    }
}

#[test]
fn a_linear_programme_that_is_stopped_proves_nothing() {
    let mut solver = LinearProgramme::continuous(300, 0.0, 1.0).unwrap();
    for row in 0..200 {
        let terms: Vec<_> = (0..300)
            .map(|column| (column, 1.0 + f64::from((row * 31 + column as i32 * 17) % 13)))
            .collect();
        solver = solver.with_row(&terms, f64::NEG_INFINITY, 20.0 + f64::from(row % 7)).unwrap();
    }
    let cost: Vec<f64> = (0..300).map(|i| -1.0 - f64::from(i * 7 % 11)).collect();
    let mut y = vec![0.0; 300];
    let best = solver.solve_certified(&cost, &mut y).unwrap();
    assert!(best.is_optimal());
    for limit in [0, 1, 5] {
        let hasty = solver.clone().with_time_limit(Duration::from_millis(limit));
        match hasty.solve_certified(&cost, &mut y) {
            Ok(proof) if proof.complete => assert!((proof.objective - best.objective).abs() < 1e-6),
            Ok(proof) => assert!(!proof.is_optimal() && proof.lower_bound < best.objective),
            Err(error) => assert!(matches!(error, Error::TimeLimit { .. }), "{error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn rows_of_any_size_are_kept_and_small_differences_count(
        weights in prop::collection::vec(1u32..40, 12),
        size in prop_oneof![Just(1.0), Just(1e-6), Just(1e-9), Just(1e9)],
        spread in prop_oneof![Just(1e-3), Just(1e-5), Just(1e-6)],
        rest in prop::collection::vec(0u32..1000, 12),
    ) {
        let weights = [weights.iter().map(|&weight| f64::from(weight) * size).collect::<Vec<_>>()];
        let capacities = [100.5 * size];
        let cost: Vec<f64> =
            rest.iter().map(|&rest| -1.0 + spread * f64::from(rest) / 1000.0).collect();
        let solver = LinearProgramme::knapsack(&weights, &capacities).unwrap();
        let mut y = vec![0.0; 12];
        let proof = solver.solve_certified(&cost, &mut y).unwrap();
        let kept = |y: &[f64]| objective(&weights[0], y) <= capacities[0];
        prop_assert!(kept(&y), "{y:?}");
        let best = best(&cost, kept);
        prop_assert!(objective(&cost, &y) - best < 2e-9, "{:?} {best}", proof);
        prop_assert!(proof.lower_bound <= best + 2e-9, "{proof:?} {best}");
    }
}
