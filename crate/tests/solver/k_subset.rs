//! Solvers against brute force, under ties, scaling and bad input.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use solvergrad::check::{brute_force_objective, is_feasible, objective};
use solvergrad::prelude::*;

fn sizes() -> impl Iterator<Item = KSubset> {
    (1..=7).flat_map(|n| (1..=n).map(move |k| KSubset::new(n, k).unwrap()))
}

#[test]
fn k_subset_lists_every_solution_once() {
    for solver in sizes() {
        let (n, k) = (solver.dimension() as u64, solver.k() as u64);
        let count = (0..k).fold(1, |count, i| count * (n - i) / (i + 1));
        let mut all = solver.solutions();
        assert_eq!(all.len() as u64, count, "{solver:?}");
        assert!(all.iter().all(|y| y.iter().sum::<f64>() == k as f64));
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all.dedup();
        assert_eq!(all.len() as u64, count, "{solver:?}");
    }
}

#[test]
fn k_subset_is_optimal_on_every_small_cost_vector() {
    // All vectors over {-1, 0, 1} contain every pattern of ties and the zero vector.
    for solver in sizes().filter(|solver| solver.dimension() <= 5) {
        let n = solver.dimension() as u32;
        for code in 0..3usize.pow(n) {
            let cost: Vec<f64> = (0..n).map(|i| (code / 3usize.pow(i) % 3) as f64 - 1.0).collect();
            let y = solve_batch(&solver, &cost).unwrap();
            assert!(is_feasible(&solver, &y), "{solver:?} {cost:?} {y:?}");
            assert_eq!(
                objective(&cost, &y),
                brute_force_objective(&solver, &cost),
                "{solver:?} {cost:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn k_subset_on_random_costs(cost in prop::collection::vec(-1e3..1e3f64, 7), k in 1usize..=7, scale in 1e-3..1e3f64) {
        let solver = KSubset::new(7, k).unwrap();
        let y = solve_batch(&solver, &cost).unwrap();
        prop_assert!(is_feasible(&solver, &y));
        prop_assert!((objective(&cost, &y) - brute_force_objective(&solver, &cost)).abs() < 1e-9);
        let scaled: Vec<f64> = cost.iter().map(|c| c * scale).collect();
        prop_assert_eq!(solve_batch(&solver, &scaled).unwrap(), y);
    }

}

#[test]
fn a_batch_is_its_instances_with_any_number_of_threads() {
    let solver = KSubset::new(5, 2).unwrap();
    // Enough instances for many tasks.
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let costs: Vec<f64> = (0..5 * 10_000).map(|_| rng.random_range(-1.0..1.0)).collect();
    let one_by_one: Vec<f64> =
        costs.chunks(5).flat_map(|cost| solve_batch(&solver, cost).unwrap()).collect();
    for threads in [1, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| solve_batch(&solver, &costs).unwrap()), one_by_one);
    }
}

#[test]
fn ties_go_to_the_lower_index() {
    assert_eq!(
        solve_batch(&KSubset::new(5, 2).unwrap(), &[1.0; 5]).unwrap(),
        [1.0, 1.0, 0.0, 0.0, 0.0]
    );
    let y = solve_batch(&KSubset::new(4, 2).unwrap(), &[0.0, -0.0, -1.0, 0.0]).unwrap();
    assert_eq!(y, [1.0, 0.0, 1.0, 0.0]);
}

#[test]
fn bad_parameters_and_costs_are_named() {
    for (n, k) in [(3, 0), (3, 4), (0, 0)] {
        let message = KSubset::new(n, k).unwrap_err().to_string();
        assert!(
            message.contains(&format!("is {k};")) && message.contains(&format!("n = {n}")),
            "{message}"
        );
    }
    let solver = KSubset::new(2, 1).unwrap();
    let message = solve_batch(&solver, &[0.0, 1.0, 2.0, f64::NAN]).unwrap_err().to_string();
    assert!(message.contains("cost 1 of instance 1 is NaN"), "{message}");
    assert!(solve_batch(&solver, &[0.0, f64::INFINITY]).is_err());
    let message = solve_batch(&solver, &[0.0; 3]).unwrap_err().to_string();
    assert!(message.contains("multiple of 2"), "{message}");
}

proptest! {
    #[test]
    fn long_instances_agree_with_sorting(n in 1usize..300, part in 0.0..1.0f64, tied: bool, seed: u64) {
        let k = 1 + (part * part * (n - 1) as f64) as usize;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cost: Vec<f64> = (0..n)
            .map(|_| if tied { [-0.0, 0.0, 1.0][rng.random_range(0..3)] } else { rng.random_range(-1.0..1.0) })
            .collect();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| cost[a].partial_cmp(&cost[b]).unwrap());
        let mut expected = vec![0.0; n];
        order[..k].iter().for_each(|&index| expected[index] = 1.0);
        let solver = KSubset::new(n, k).unwrap();
        prop_assert_eq!(&solve_batch(&solver, &cost).unwrap(), &expected);
        // The way of float32 tensors.
        let costs = Tensor::from_slice(&cost).to_kind(Kind::Float);
        let cost: Vec<f64> = Vec::<f64>::try_from(costs.to_kind(Kind::Double)).unwrap();
        let chosen = solver.on_device().unwrap().solve_tensor(&costs).unwrap();
        let chosen = Vec::<f64>::try_from(chosen.to_kind(Kind::Double)).unwrap();
        prop_assert_eq!(chosen, solve_batch(&solver, &cost).unwrap());
    }
}

#[test]
fn a_tensor_of_another_shape_is_refused_on_its_device() {
    let solver = KSubset::new(6, 2).unwrap();
    let ranking = solvergrad::solver::Ranking::new(6).unwrap();
    for shape in [[2, 3], [6, 5]] {
        let costs = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        for solver in [solver.on_device(), ranking.on_device()] {
            let message = solver.unwrap().solve_tensor(&costs).unwrap_err().to_string();
            assert!(message.contains("[..., 6]"), "{message}");
        }
    }
}

#[test]
fn a_proof_is_optimal_only_at_the_end_and_at_the_scale_of_the_objective() {
    let proof = |objective, lower_bound, complete| Proof { objective, lower_bound, complete };
    assert!(proof(5.0, 5.0 - 1e-12, true).is_optimal());
    assert!(!proof(5.0, 4.9, true).is_optimal());
    assert!(!proof(1e-11, 0.5e-11, true).is_optimal());
    assert!(!proof(1e-11, 1e-11 - 1e-21, false).is_optimal());
    assert!(proof(0.0, 0.0, true).is_optimal());
    let infinite = proof(f64::INFINITY, f64::INFINITY, true);
    assert!(infinite.gap() == f64::INFINITY && !infinite.is_optimal());
}
