//! The symmetric travelling salesman against brute force, a dynamic program and known optima.

use std::time::Duration;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use solvergrad::Error;
use solvergrad::check::{brute_force_objective, is_feasible, objective};
use solvergrad::solver::{
    Certificate, Enumerate, Solver, TravellingSalesman, WarmStart, solve_batch,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn symmetric(k: usize, mut cost: impl FnMut(usize, usize) -> f64) -> Vec<f64> {
    let mut costs = vec![0.0; k * k];
    for a in 0..k {
        for b in 0..a {
            costs[a * k + b] = cost(a, b);
            costs[b * k + a] = costs[a * k + b];
        }
    }
    costs
}

/// Cost matrices of all kinds, by number.
const FAMILIES: usize = 16;

fn family(number: usize, k: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let points: Vec<[f64; 2]> = (0..k).map(|_| [random.random(), random.random()]).collect();
    let distance =
        |a: usize, b: usize| (points[a][0] - points[b][0]).hypot(points[a][1] - points[b][1]);
    match number {
        0 => symmetric(k, distance),
        1 => symmetric(k, |_, _| random.random()),
        2 => symmetric(k, |_, _| random.random::<f64>() - 0.5),
        // All nearly equal.
        3 => symmetric(k, |_, _| 1.0 + 1e-3 * random.random::<f64>()),
        // All points nearly at one place.
        4 => symmetric(k, |a, b| 1e-7 * distance(a, b)),
        5 => symmetric(k, |_, _| -0.3),
        // Ties upon ties.
        6 => symmetric(k, |_, _| f64::from(random.random_range(0..2))),
        7 => symmetric(k, |_, _| 0.1 * f64::from(random.random_range(-3..4))),
        8 => symmetric(k, |a, b| (10.0 * distance(a, b)).round()),
        // Clusters: costs on two scales.
        9 => symmetric(k, |a, b| f64::from(u8::from(a % 2 != b % 2)) + 0.02 * distance(a, b)),
        // Equal but for potentials, and nearly so.
        10 => symmetric(k, |a, b| points[a][0] + points[b][0]),
        11 => symmetric(k, |a, b| points[a][0] * points[b][0]),
        12 => symmetric(k, |a, b| points[a][0] + points[b][0] + 1e-6 * random.random::<f64>()),
        // Forbidden edges.
        13 => symmetric(k, |a, b| if random.random_bool(0.5) { 1e9 } else { distance(a, b) }),
        14 => symmetric(k, |_, _| random.random::<f64>().powi(-3)),
        _ => symmetric(k, |a, b| distance(a, b) - f64::from(random.random_range(-1..2))),
    }
}

/// A second algorithm: min over tours by a dynamic program over subsets.
fn dynamic_program(k: usize, cost: &[f64]) -> f64 {
    let others = k - 1;
    let both = |a: usize, b: usize| cost[a * k + b] + cost[b * k + a];
    let mut table = vec![f64::INFINITY; others << others];
    for set in 1usize..1 << others {
        for end in (0..others).filter(|end| set >> end & 1 == 1) {
            let rest = set ^ (1 << end);
            table[set * others + end] = if rest == 0 {
                both(others, end)
            } else {
                (0..others)
                    .filter(|last| rest >> last & 1 == 1)
                    .map(|last| table[rest * others + last] + both(last, end))
                    .fold(f64::INFINITY, f64::min)
            };
        }
    }
    let all = (1 << others) - 1;
    (0..others)
        .map(|end| table[all * others + end] + both(end, others))
        .fold(f64::INFINITY, f64::min)
}

/// Whether `solution` is the matrix of one round tour, by walking it.
fn is_tour(k: usize, solution: &[f64]) -> bool {
    let neighbours = |city: usize| (0..k).filter(move |&other| solution[city * k + other] == 1.0);
    let binary = solution.iter().all(|&entry| entry == 0.0 || entry == 1.0);
    let ones = solution.iter().sum::<f64>();
    let (mut previous, mut city, mut length) = (usize::MAX, 0, 0);
    loop {
        let Some(next) = neighbours(city).find(|&other| other != previous) else { return false };
        (previous, city, length) = (city, next, length + 1);
        if city == 0 || length > k {
            break;
        }
    }
    let mirrored = (0..k * k).all(|at| solution[at] == solution[at % k * k + at / k]);
    binary && mirrored && ones == 2.0 * k as f64 && length == k
}

fn scale(k: usize, cost: &[f64]) -> f64 {
    k as f64 * cost.iter().fold(0.0f64, |largest, cost| largest.max(cost.abs()))
}

fn solve(solver: &TravellingSalesman, cost: &[f64]) -> Result<Vec<f64>, Error> {
    let mut solution = vec![f64::NAN; solver.dimension()];
    solver.solve(cost, &mut solution)?;
    Ok(solution)
}

#[test]
fn every_matrix_of_few_values_is_solved_as_by_brute_force() -> Outcome {
    for k in 2..=5usize {
        let solver = TravellingSalesman::new(k)?;
        let edges = k * (k - 1) / 2;
        for code in 0..3usize.pow(edges as u32).min(6561) {
            let mut rest = code;
            let cost = symmetric(k, |_, _| {
                let value = rest % 3;
                rest /= 3;
                value as f64 - 1.0
            });
            let solution = solve(&solver, &cost)?;
            assert!(is_feasible(&solver, &solution));
            assert_eq!(objective(&cost, &solution), brute_force_objective(&solver, &cost));
        }
    }
    Ok(())
}

#[test]
fn random_matrices_are_solved_as_by_brute_force() -> Outcome {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for k in 3..=8 {
        let solver = TravellingSalesman::new(k)?;
        for number in 0..FAMILIES {
            let cost = family(number, k, &mut random);
            let solution = solve(&solver, &cost)?;
            assert!(is_tour(k, &solution), "family {number}, k = {k}");
            let best = brute_force_objective(&solver, &cost);
            let error = (objective(&cost, &solution) - best).abs();
            assert!(error <= 1e-13 * scale(k, &cost), "family {number}, k = {k}: {error}");
        }
    }
    Ok(())
}

#[test]
fn branch_and_bound_agrees_with_the_dynamic_program_on_every_family() -> Outcome {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for k in 11..=13 {
        let solver = TravellingSalesman::new(k)?;
        for number in (0..FAMILIES).cycle().take(3 * FAMILIES) {
            let cost = family(number, k, &mut random);
            let mut solution = vec![0.0; k * k];
            let proof = solver.solve_certified(&cost, &mut solution)?;
            let best = dynamic_program(k, &cost);
            let tolerance = 1e-13 * scale(k, &cost) + 1e-10 * best.abs();
            assert!(is_tour(k, &solution));
            assert!(
                (objective(&cost, &solution) - best).abs() <= tolerance,
                "family {number}, {k}"
            );
            assert!((proof.objective - best).abs() <= tolerance);
            assert!(proof.lower_bound <= best + tolerance);
            assert!(proof.complete && proof.gap() <= tolerance);
        }
    }
    Ok(())
}

#[test]
fn forty_cities_of_every_family_are_solved_to_proof() -> Outcome {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let k = 40;
    let solver = TravellingSalesman::new(k)?.with_time_limit(Duration::from_secs(60));
    for number in 0..FAMILIES {
        let cost = family(number, k, &mut random);
        let mut solution = vec![0.0; k * k];
        let proof = solver.solve_certified(&cost, &mut solution)?;
        assert!(is_tour(k, &solution));
        assert!(proof.complete, "family {number}");
        assert!(proof.gap() <= 1e-10 * scale(k, &cost));
    }
    Ok(())
}

#[test]
fn known_optima_of_tsplib_come_out() -> Outcome {
    for (file, optimum) in [
        (BURMA14, 3323.0),
        (ULYSSES16, 6859.0),
        (GR17, 2085.0),
        (ULYSSES22, 7013.0),
        (ATT48, 10628.0),
        (BERLIN52, 7542.0),
    ] {
        let path = std::env::temp_dir().join(format!("solvergrad-{optimum}.tsp"));
        std::fs::write(&path, file)?;
        let instance = solvergrad::solver::read_tsplib(&path)?;
        std::fs::remove_file(&path)?;
        let solution = solve(&TravellingSalesman::new(instance.k)?, &instance.costs)?;
        assert!(is_tour(instance.k, &solution));
        assert_eq!(objective(&instance.costs, &solution), 2.0 * optimum, "{}", instance.name);
    }
    Ok(())
}

#[test]
fn two_and_three_cities_have_one_tour() -> Outcome {
    let two = TravellingSalesman::new(2)?;
    assert_eq!(solve(&two, &[9.0, -3.0, -3.0, 9.0])?, [0.0, 1.0, 1.0, 0.0]);
    assert_eq!(two.order_of(&[0.0, 1.0, 1.0, 0.0]), [0, 1]);
    let mut solution = [0.0; 4];
    assert_eq!(two.solve_certified(&[0.0, 5.0, 5.0, 0.0], &mut solution)?.objective, 10.0);
    let three = TravellingSalesman::new(3)?;
    let triangle = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0];
    assert_eq!(solve(&three, &[7.0; 9])?, triangle);
    assert_eq!(two.solutions().len(), 1);
    assert_eq!(three.solutions(), [triangle]);
    Ok(())
}

#[test]
fn the_diagonal_is_ignored() -> Outcome {
    for k in [6, 14] {
        let mut cost = family(0, k, &mut ChaCha8Rng::seed_from_u64(4));
        let solver = TravellingSalesman::new(k)?;
        let solution = solve(&solver, &cost)?;
        for city in 0..k {
            cost[city * k + city] = if city % 2 == 0 { -1e300 } else { 1e300 };
        }
        assert_eq!(solve(&solver, &cost)?, solution);
    }
    Ok(())
}

#[test]
fn all_tours_are_listed_once() -> Outcome {
    let mut tours = 1;
    for k in 3..=7 {
        if k > 3 {
            tours *= k - 1;
        }
        let solver = TravellingSalesman::new(k)?;
        let mut all = solver.solutions();
        assert!(all.iter().all(|solution| is_tour(k, solution)));
        all.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        all.dedup();
        assert_eq!(all.len(), tours);
    }
    Ok(())
}

#[test]
fn orders_and_matrices_match() -> Outcome {
    let solver = TravellingSalesman::new(5)?;
    let matrix = solver.matrix_of(&[3, 0, 4, 1, 2])?;
    assert!(is_tour(5, &matrix));
    assert_eq!(solver.order_of(&matrix), [0, 3, 2, 1, 4]);
    assert_eq!(solver.matrix_of(&[0, 4, 1, 2, 3])?, matrix);
    // No tour: the walk ends, and nothing panics.
    assert_eq!(solver.order_of(&[0.0; 25]), [0]);
    assert_eq!(solver.order_of(&[]), [0]);
    for order in [&[0, 1, 2, 3][..], &[0, 1, 2, 3, 3], &[0, 1, 2, 3, 5]] {
        let error = solver.matrix_of(order).map_err(|error| error.to_string());
        assert!(error.is_err_and(|message| message.contains("permutation of 0..5")));
    }
    Ok(())
}

#[test]
fn bad_parameters_are_named() {
    for k in [0, 1, 1 << 16] {
        let error = TravellingSalesman::new(k).map_err(|error| error.to_string());
        assert!(error.is_err_and(|message| message.contains("number of cities")));
    }
}

#[test]
fn an_asymmetric_matrix_is_refused_unless_averaged() -> Outcome {
    let k = 12;
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut cost = family(1, k, &mut random);
    let solver = TravellingSalesman::new(k)?;
    let solution = solve(&solver, &cost)?;
    // What single precision rounds away is no asymmetry.
    cost.iter_mut().for_each(|cost| *cost *= 1.0 + 1e-8 * random.random::<f64>());
    assert_eq!(solve(&solver, &cost)?, solution);

    cost[2 * k + 5] += 0.25;
    cost[7 * k + 3] -= 0.25;
    let error = solve(&solver, &cost);
    assert!(matches!(error, Err(Error::Asymmetric { row: 2, column: 5, .. })), "{error:?}");
    let message = error.map_err(|error| error.to_string());
    assert!(message.is_err_and(|message| message.contains("symmetrise()")));

    let any = (0..k * k).map(|_| random.random::<f64>() - 0.5).collect::<Vec<_>>();
    let solution = solve(&solver.symmetrise(), &any)?;
    assert!((objective(&any, &solution) - dynamic_program(k, &any)).abs() < 1e-12);
    // The largest numbers there are differ by more than there is.
    let mut extreme = vec![f64::MAX; k * k];
    extreme[1] = f64::MIN;
    assert!(matches!(solve(&solver, &extreme), Err(Error::Asymmetric { row: 0, column: 1, .. })));
    assert!(is_tour(k, &solve(&solver.symmetrise(), &extreme)?));
    Ok(())
}

#[test]
fn any_memory_leads_to_the_optimum() -> Outcome {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    for k in [5, 12, 13] {
        let solver = TravellingSalesman::new(k)?;
        for number in 0..FAMILIES {
            let cost = family(number, k, &mut random);
            let best = dynamic_program(k, &cost);
            let tolerance = 1e-13 * scale(k, &cost) + 1e-10 * best.abs();
            let wrong_scale = (0..2 * k).map(|at| if at < k { -1e9 } else { (at - k) as f64 });
            let twice = (0..2 * k).map(|at| if at < k { 0.0 } else { 1.0 });
            let mut memories = vec![
                vec![],
                vec![1.0],
                vec![f64::NAN; 2 * k],
                vec![-1.0; 2 * k],
                vec![1e300; 2 * k],
                wrong_scale.collect(),
                twice.collect(),
            ];
            memories
                .push((0..2 * k).map(|at| if at < k { 1e300 } else { (at - k) as f64 }).collect());
            for mut memory in memories {
                let mut solution = vec![0.0; k * k];
                solver.solve_warm(&cost, &mut solution, &mut memory)?;
                assert!(is_tour(k, &solution));
                let error = objective(&cost, &solution) - best;
                assert!(error.abs() <= tolerance, "family {number}, k = {k}, {error}");
                // And from its own memory, with a nearby cost.
                let near = symmetric(k, |a, b| {
                    cost[a * k + b]
                        + 0.3 * (solution[a * k + b] - f64::from(random.random_range(0..2)))
                });
                solver.solve_warm(&near, &mut solution, &mut memory)?;
                let error = objective(&near, &solution) - dynamic_program(k, &near);
                assert!(
                    error.abs() <= tolerance + 1e-12 * k as f64,
                    "family {number}, k = {k}, {error}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_time_limit_leaves_a_tour_and_a_gap() -> Outcome {
    let k = 60;
    let cost = family(0, k, &mut ChaCha8Rng::seed_from_u64(7));
    let exact = TravellingSalesman::new(k)?;
    let hurried = exact.with_time_limit(Duration::ZERO);
    let mut solution = vec![0.0; k * k];
    let error = hurried.solve(&cost, &mut solution);
    assert!(matches!(error, Err(Error::TimeLimit { .. })), "{error:?}");
    assert!(is_tour(k, &solution));
    let proof = hurried.solve_certified(&cost, &mut solution)?;
    assert!(!proof.complete && proof.gap() > 0.0 && is_tour(k, &solution));
    assert!((proof.objective - objective(&cost, &solution)).abs() < 1e-12);
    let optimum = exact.solve_certified(&cost, &mut solution)?;
    assert!(optimum.is_optimal());
    assert!(proof.lower_bound <= optimum.objective && optimum.objective <= proof.objective);
    let mut memory = vec![1.0];
    assert!(hurried.solve_warm(&cost, &mut solution, &mut memory).is_err());
    assert!(memory.is_empty());
    Ok(())
}

#[test]
fn magnitudes_signs_of_zero_and_scale_do_not_matter() -> Outcome {
    for k in [6, 14, 25] {
        let solver = TravellingSalesman::new(k)?;
        let cost = family(2, k, &mut ChaCha8Rng::seed_from_u64(8));
        let solution = solve(&solver, &cost)?;
        for factor in [1e300, 3.0, 1e-290, 2f64.powi(-1030)] {
            let scaled: Vec<f64> = cost.iter().map(|cost| cost * factor).collect();
            assert_eq!(solve(&solver, &scaled)?, solution, "factor {factor}");
        }
        for value in [0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324] {
            assert!(is_tour(k, &solve(&solver, &vec![value; k * k])?));
        }
        let zeros = symmetric(k, |a, b| if (a + b) % 2 == 0 { 0.0 } else { -0.0 });
        assert_eq!(solve(&solver, &zeros)?, solve(&solver, &vec![0.0; k * k])?);
        let mixed = symmetric(k, |a, b| if a * b % 3 == 0 { f64::MAX } else { f64::MIN });
        assert!(is_tour(k, &solve(&solver, &mixed)?));
    }
    Ok(())
}

#[test]
fn the_number_of_threads_does_not_matter() -> Outcome {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let k = 15;
    let solver = TravellingSalesman::new(k)?;
    let costs: Vec<f64> = (0..48).flat_map(|i| family(i % FAMILIES, k, &mut random)).collect();
    let by = |threads| -> Result<Vec<f64>, Box<dyn std::error::Error>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        Ok(pool.install(|| solve_batch(&solver, &costs))?)
    };
    let one = by(1)?;
    assert_eq!(one, by(4)?);
    for (cost, solution) in costs.chunks(k * k).zip(one.chunks(k * k)) {
        assert_eq!(solve(&solver, cost)?, solution);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn warm_and_cold_agree_and_neither_beats_the_bound(
        seed in any::<u64>(), number in 0..FAMILIES, k in 11usize..24,
    ) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let cost = family(number, k, &mut random);
        let solver = TravellingSalesman::new(k)?;
        let mut memory = Vec::new();
        let mut solution = vec![0.0; k * k];
        solver.solve_warm(&cost, &mut solution, &mut memory)?;
        // As the second solve of Blackbox: each entry moves by at most the size of the gradient.
        let near = symmetric(k, |a, b| {
            cost[a * k + b] + 0.1 * solution[a * k + b] * f64::from(random.random_range(-1..2))
        });
        let mut warm = vec![0.0; k * k];
        solver.solve_warm(&near, &mut warm, &mut memory)?;
        let proof = solver.solve_certified(&near, &mut solution)?;
        let tolerance = 1e-12 * scale(k, &near);
        prop_assert!(is_tour(k, &warm) && is_tour(k, &solution));
        prop_assert!((objective(&near, &warm) - proof.objective).abs() <= tolerance);
        prop_assert!(proof.lower_bound <= proof.objective);
        // No exchange of two edges helps.
        let order = solver.order_of(&solution);
        for a in 1..k {
            for b in a + 1..k {
                let mut other = order.clone();
                other[a..b].reverse();
                let other = objective(&near, &solver.matrix_of(&other)?);
                prop_assert!(other >= proof.objective - tolerance);
            }
        }
    }
}

// Small instances of TSPLIB (G. Reinelt, 1991).

const BURMA14: &str = "NAME : burma14
TYPE : TSP
DIMENSION : 14
EDGE_WEIGHT_TYPE : GEO
NODE_COORD_SECTION
1 16.47 96.10 2 16.47 94.44 3 20.09 92.54 4 22.39 93.37 5 25.23 97.24
6 22.00 96.05 7 20.47 97.02 8 17.20 96.29 9 16.30 97.38 10 14.05 98.12
11 16.53 97.38 12 21.52 95.59 13 19.41 97.13 14 20.09 94.55
EOF
";

const ULYSSES16: &str = "NAME : ulysses16
TYPE : TSP
DIMENSION : 16
EDGE_WEIGHT_TYPE : GEO
NODE_COORD_SECTION
1 38.24 20.42 2 39.57 26.15 3 40.56 25.32 4 36.26 23.12 5 33.48 10.54
6 37.56 12.19 7 38.42 13.11 8 37.52 20.44 9 41.23 9.10 10 41.17 13.05
11 36.08 -5.21 12 38.47 15.13 13 38.15 15.35 14 37.51 15.17 15 35.49 14.32
16 39.36 19.56
EOF
";

const ULYSSES22: &str = "NAME : ulysses22
TYPE : TSP
DIMENSION : 22
EDGE_WEIGHT_TYPE : GEO
NODE_COORD_SECTION
1 38.24 20.42 2 39.57 26.15 3 40.56 25.32 4 36.26 23.12 5 33.48 10.54
6 37.56 12.19 7 38.42 13.11 8 37.52 20.44 9 41.23 9.10 10 41.17 13.05
11 36.08 -5.21 12 38.47 15.13 13 38.15 15.35 14 37.51 15.17 15 35.49 14.32
16 39.36 19.56 17 38.09 24.36 18 36.09 23.00 19 40.44 13.57 20 40.33 14.15
21 40.37 14.23 22 37.57 22.56
EOF
";

const ATT48: &str = "NAME : att48
TYPE : TSP
DIMENSION : 48
EDGE_WEIGHT_TYPE : ATT
NODE_COORD_SECTION
1 6734 1453 2 2233 10 3 5530 1424 4 401 841 5 3082 1644
6 7608 4458 7 7573 3716 8 7265 1268 9 6898 1885 10 1112 2049
11 5468 2606 12 5989 2873 13 4706 2674 14 4612 2035 15 6347 2683
16 6107 669 17 7611 5184 18 7462 3590 19 7732 4723 20 5900 3561
21 4483 3369 22 6101 1110 23 5199 2182 24 1633 2809 25 4307 2322
26 675 1006 27 7555 4819 28 7541 3981 29 3177 756 30 7352 4506
31 7545 2801 32 3245 3305 33 6426 3173 34 4608 1198 35 23 2216
36 7248 3779 37 7762 4595 38 7392 2244 39 3484 2829 40 6271 2135
41 4985 140 42 1916 1569 43 7280 4899 44 7509 3239 45 10 2676
46 6807 2993 47 5185 3258 48 3023 1942
EOF
";

const BERLIN52: &str = "NAME : berlin52
TYPE : TSP
DIMENSION : 52
EDGE_WEIGHT_TYPE : EUC_2D
NODE_COORD_SECTION
1 565 575 2 25 185 3 345 750 4 945 685 5 845 655
6 880 660 7 25 230 8 525 1000 9 580 1175 10 650 1130
11 1605 620 12 1220 580 13 1465 200 14 1530 5 15 845 680
16 725 370 17 145 665 18 415 635 19 510 875 20 560 365
21 300 465 22 520 585 23 480 415 24 835 625 25 975 580
26 1215 245 27 1320 315 28 1250 400 29 660 180 30 410 250
31 420 555 32 575 665 33 1150 1160 34 700 580 35 685 595
36 685 610 37 770 610 38 795 645 39 720 635 40 760 650
41 475 960 42 95 260 43 875 920 44 700 500 45 555 815
46 830 485 47 1170 65 48 830 610 49 605 625 50 595 360
51 1340 725 52 1740 245
EOF
";

const GR17: &str = "NAME : gr17
TYPE : TSP
DIMENSION : 17
EDGE_WEIGHT_TYPE : EXPLICIT
EDGE_WEIGHT_FORMAT : LOWER_DIAG_ROW
EDGE_WEIGHT_SECTION
0 633 0 257 390 0 91 661 228 0 412 227 169 383 0 150 488 112 120 267 0 80 572 196 77 351
63 0 134 530 154 105 309 34 29 0 259 555 372 175 338 264 232 249 0 505 289 262 476 196 360
444 402 495 0 353 282 110 324 61 208 292 250 352 154 0 324 638 437 240 421 329 297 314 95
578 435 0 70 567 191 27 346 83 47 68 189 439 287 254 0 211 466 74 182 243 105 150 108 326
336 184 391 145 0 268 420 53 239 199 123 207 165 383 240 140 448 202 57 0 246 745 472 237
528 364 332 349 202 685 542 157 289 426 483 0 121 518 142 84 297 35 29 36 236 390 238 301
55 96 153 336 0
EOF
";
