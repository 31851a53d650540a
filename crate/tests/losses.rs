//! Losses on predicted costs, solutions in a pool or a cache, and counted solves.

use std::sync::Arc;

use solvergrad::check::{jacobian, objective};
use solvergrad::loss::FiniteDifference;
use solvergrad::prelude::*;
use solvergrad::solver::{OnDevice, solve_batch_certified};

mod common;

use common::{KINDS, random, smallest};

fn close(a: &Tensor, b: &Tensor, tolerance: f64) -> bool {
    a.size() == b.size() && a.kind() == b.kind() && a.allclose(b, tolerance, tolerance, false)
}

fn inner(a: &Tensor, b: &Tensor) -> Tensor {
    (a * b).sum_dim_intlist(-1, false, None)
}

fn rows(tensor: &Tensor) -> Vec<Vec<f64>> {
    Vec::try_from(tensor.to_kind(Kind::Double)).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double)).unwrap()
}

/// The gradient of the sum of `loss` at `point`.
fn gradient(loss: impl Fn(&Tensor) -> Result<Tensor>, point: &Tensor) -> Tensor {
    let point = point.detach().set_requires_grad(true);
    loss(&point).unwrap().sum(point.kind()).backward();
    point.grad()
}

/// The same by central differences.
fn slopes(loss: impl Fn(&Tensor) -> Result<Tensor>, point: &Tensor) -> Tensor {
    jacobian(|w| Ok(loss(&w.view_as(point))?.view(-1)), &point.reshape(-1), 1e-6)
        .unwrap()
        .sum_dim_intlist(0, false, None)
        .view_as(point)
}

/// A pool of every second solution of `solver`.
fn half_of(solver: &impl Enumerate) -> SolutionPool {
    let mut pool = SolutionPool::new(solver);
    for solution in solver.solutions().iter().step_by(2) {
        assert!(pool.insert(solution).unwrap());
    }
    pool
}

#[test]
fn the_perturbation_gradient_is_the_difference_of_the_least_objectives() {
    let solver = KSubset::new(6, 2).unwrap();
    let all = Tensor::from_slice2(&solver.solutions());
    let least = |w: &Tensor| w.matmul(&all.to_kind(w.kind()).tr()).amin([-1].as_slice(), false);
    for kind in KINDS {
        for h in [0.3, 1.7] {
            let (w, c) = (random(&[40, 6], kind, 1), random(&[40, 6], kind, 2));
            let (above, below) = (&w + &c * h, &w - &c * h);
            for (difference, value, slope) in [
                (
                    FiniteDifference::Central,
                    (least(&above) - least(&below)) / (2.0 * h),
                    (smallest(&above, 2) - smallest(&below, 2)) / (2.0 * h),
                ),
                (
                    FiniteDifference::Backward,
                    (least(&w) - least(&below)) / h,
                    (smallest(&w, 2) - smallest(&below, 2)) / h,
                ),
            ] {
                let loss = |w: &Tensor| perturbation_gradient(&solver, w, &c, h, difference);
                assert!(close(&loss(&w).unwrap(), &value, 1e-5), "{difference:?} {h}");
                assert!(close(&gradient(loss, &w), &slope, 1e-5), "{difference:?} {h}");
                assert!(slope.abs().max().double_value(&[]) > 0.0);
                if kind == Kind::Double {
                    assert!(close(&slopes(loss, &w), &slope, 1e-6), "{difference:?} {h}");
                    // What it stands for, from above and in the limit.
                    let cost = inner(&c, &smallest(&w, 2));
                    if difference == FiniteDifference::Backward {
                        assert!((value - &cost).min().double_value(&[]) > -1e-12);
                    }
                    let limit = perturbation_gradient(&solver, &w, &c, 1e-6, difference).unwrap();
                    assert!(close(&limit, &cost, 1e-8));
                }
            }
        }
    }
    assert_eq!(FiniteDifference::default(), FiniteDifference::Central);
}

#[test]
fn the_perturbation_gradient_refuses_what_it_cannot_solve() {
    let grid = GridShortestPath::new(1, 2).unwrap();
    let (w, c) = (Tensor::from_slice(&[1.0, 1.0]), Tensor::from_slice(&[1.0, 3.0]));
    let loss = |h, c: &Tensor| perturbation_gradient(&grid, &w, c, h, FiniteDifference::Central);
    let message = loss(0.5, &c).unwrap_err().to_string();
    assert!(message.contains("cost 1 of instance 0 is -0.5"), "{message}");
    assert!(loss(0.2, &c).is_ok());
    assert!(loss(0.0, &c).unwrap_err().to_string().contains("width h"));
    assert!(loss(0.2, &c.view([2, 1])).unwrap_err().to_string().contains("true costs"));
    // An instance as a whole.
    let square = GridShortestPath::new(2, 2).unwrap();
    let whole = random(&[3, 2, 2], Kind::Double, 25).abs() + 1.0;
    let loss = |w: &Tensor| perturbation_gradient(&square, w, w, 0.5, FiniteDifference::Backward);
    let (whole, flat) = (loss(&whole).unwrap(), loss(&whole.view([3, 4])).unwrap());
    assert!(whole.size() == [3] && whole.equal(&flat));
}

#[test]
fn a_pool_keeps_distinct_solutions_in_their_order() {
    let mut pool = SolutionPool::new(&KSubset::new(3, 1).unwrap()).with_capacity(2).unwrap();
    assert!(pool.is_empty() && pool.capacity() == Some(2));
    assert!(pool.best(&Tensor::from_slice(&[1.0, 2.0, 3.0])).is_err());
    assert!(pool.insert(&[1.0, 0.0, 0.0]).unwrap() && !pool.insert(&[1.0, -0.0, 0.0]).unwrap());
    assert_eq!(pool.extend(&Tensor::eye(3, (Kind::Float, Device::Cpu))).unwrap(), 2);
    // The first has left, and may come again.
    let expected = [vec![0.0, 1.0, 0.0], vec![0.0, 0.0, 1.0]];
    assert_eq!(rows(&pool.tensor(Kind::Float, Device::Cpu)), expected);
    assert!(pool.insert(&[1.0, 0.0, 0.0]).unwrap() && pool.len() == 2);
    // Ties go to the oldest.
    let best = pool.best(&Tensor::from_slice2(&[[1.0, 0.0, 1.0], [1.0, 0.0, 2.0]])).unwrap();
    assert_eq!(rows(&best), [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
    let smaller = pool.clone().with_capacity(1).unwrap();
    assert_eq!(rows(&smaller.tensor(Kind::Double, Device::Cpu)), [[1.0, 0.0, 0.0]]);
    for (problem, part) in [
        (pool.insert(&[1.0]).map(drop), "[1]"),
        (pool.insert(&[f64::NAN, 0.0, 0.0]).map(drop), "finite"),
        (pool.clone().with_capacity(0).map(drop), "capacity"),
        (pool.extend(&Tensor::zeros([2, 4], (Kind::Float, Device::Cpu))).map(drop), "[2, 4]"),
        (pool.best(&Tensor::zeros([3], (Kind::Int64, Device::Cpu))).map(drop), "floating"),
        (pool.best(&Tensor::from_slice(&[0.0, f64::INFINITY, 0.0])).map(drop), "cost 1 of"),
        (pool.objectives(&Tensor::zeros([2], (Kind::Float, Device::Cpu))).map(drop), "[..., 3]"),
    ] {
        let message = problem.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_pool_of_all_solutions_is_the_solver() {
    let solver = Assignment::new(3).unwrap();
    let mut pool = SolutionPool::new(&solver);
    assert_eq!(pool.extend(&Tensor::from_slice2(&solver.solutions())).unwrap(), 6);
    for kind in KINDS {
        let costs = random(&[30, 3, 3], kind, 3);
        let exact = SolverLayer::new(solver, Identity).forward(&costs).unwrap();
        assert!(pool.best(&costs).unwrap().equal(&exact));
        let objectives = pool.objectives(&costs).unwrap();
        assert_eq!(objectives.size(), [30, 6]);
        let least = (exact * &costs).flatten(1, -1).sum_dim_intlist(-1, false, None);
        assert!(close(&objectives.amin([-1].as_slice(), false), &least, 1e-5));
    }
}

#[test]
fn contrastive_losses_are_their_sums_over_the_pool() {
    let solver = KSubset::new(6, 3).unwrap();
    let pool = half_of(&solver);
    let members = rows(&pool.tensor(Kind::Double, Device::Cpu));
    for kind in KINDS {
        let (w, c) = (random(&[25, 6], kind, 4), random(&[25, 6], kind, 5));
        let truth = smallest(&c, 3);
        let noise = |w: &Tensor| noise_contrastive(&pool, w, &truth);
        let best = |w: &Tensor| contrastive_map(&pool, w, &truth);
        for (row, (w, truth)) in rows(&w).iter().zip(rows(&truth)).enumerate() {
            let apart: Vec<f64> =
                members.iter().map(|y| objective(w, &truth) - objective(w, y)).collect();
            let mean = apart.iter().sum::<f64>() / members.len() as f64;
            let most = apart.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            let w = Tensor::from_slice(w).to_kind(kind);
            let truth = Tensor::from_slice(&truth);
            let (noise, best) =
                (noise_contrastive(&pool, &w, &truth), contrastive_map(&pool, &w, &truth));
            assert!((noise.unwrap().double_value(&[]) - mean).abs() < 1e-5, "{row}");
            assert!((best.unwrap().double_value(&[]) - most).abs() < 1e-5, "{row}");
        }
        let mean = pool.tensor(kind, Device::Cpu).mean_dim(0, false, None);
        assert!(close(&gradient(noise, &w), &(&truth - mean), 1e-6));
        assert!(close(&gradient(best, &w), &(&truth - pool.best(&w).unwrap()), 1e-6));
        if kind == Kind::Double {
            assert!(close(&slopes(noise, &w), &gradient(noise, &w), 1e-6));
            assert!(close(&slopes(best, &w), &gradient(best, &w), 1e-6));
        }
        assert!(noise(&w.narrow(1, 0, 5)).is_err() && best(&w.narrow(0, 0, 2)).is_err());
        assert!(contrastive_map(&SolutionPool::new(&solver), &w, &truth).is_err());
        // Against all solutions: 0 exactly where the truth is optimal.
        let mut all = SolutionPool::new(&solver);
        all.extend(&Tensor::from_slice2(&solver.solutions())).unwrap();
        let loss = values(&contrastive_map(&all, &w, &truth).unwrap());
        let optimal = rows(&(smallest(&w, 3) - &truth).abs());
        for (loss, apart) in loss.iter().zip(&optimal) {
            assert_eq!(*loss < 1e-6, apart.iter().all(|&entry| entry == 0.0), "{loss}");
        }
        assert!(
            loss.iter().any(|&loss| loss > 1e-3)
                && *loss.iter().min_by(|a, b| a.total_cmp(b)).unwrap() > -1e-6
        );
        let shifted = contrastive_map(&all, &(&c - &c), &truth).unwrap();
        assert_eq!(shifted.abs().max().double_value(&[]), 0.0);
    }
}

#[test]
fn ranking_losses_are_their_sums_over_the_pool() {
    let solver = KSubset::new(5, 2).unwrap();
    let pool = half_of(&solver);
    let members = rows(&pool.tensor(Kind::Double, Device::Cpu));
    let count = members.len() as f64;
    let (margin, temperature) = (0.4, 0.6);
    for kind in KINDS {
        let w = random(&[30, 5], kind, 6);
        // Whole numbers: several solutions cost the same.
        let c = (random(&[30, 5], kind, 7) * 2.0).round();
        let pairwise = |w: &Tensor| pairwise_ranking(&pool, w, &c, margin);
        let listwise = |w: &Tensor| listwise_ranking(&pool, w, &c, temperature);
        let pointwise = |w: &Tensor| pointwise_ranking(&pool, w, &c);
        let found = [pairwise(&w), listwise(&w), pointwise(&w)].map(|loss| values(&loss.unwrap()));
        let mut ties = 0;
        for (row, (w, c)) in rows(&w).iter().zip(rows(&c)).enumerate() {
            let scores: Vec<f64> = members.iter().map(|y| objective(w, y)).collect();
            let truth: Vec<f64> = members.iter().map(|y| objective(&c, y)).collect();
            let least = truth.iter().fold(f64::INFINITY, |a, &b| a.min(b));
            let best = truth.iter().position(|&value| value == least).unwrap();
            let dearer: Vec<f64> = (0..members.len())
                .filter(|&s| truth[s] > least)
                .map(|s| (margin + scores[best] - scores[s]).max(0.0))
                .collect();
            ties += members.len() - 1 - dearer.len();
            let pairs = dearer.iter().sum::<f64>() / dearer.len().max(1) as f64;
            let softmax = |values: &[f64]| {
                let powers: Vec<f64> = values.iter().map(|v| (-v / temperature).exp()).collect();
                let sum: f64 = powers.iter().sum();
                powers.into_iter().map(move |power| power / sum).collect::<Vec<_>>()
            };
            let list: f64 =
                softmax(&truth).iter().zip(softmax(&scores)).map(|(p, q)| -p * q.ln()).sum();
            let points =
                scores.iter().zip(&truth).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / count;
            for (found, expected) in found.iter().zip([pairs, list, points]) {
                assert!((found[row] - expected).abs() < 1e-4 * (1.0 + expected), "{row}");
            }
        }
        assert!(ties > 10, "{ties}");
        if kind == Kind::Double {
            assert!(close(&gradient(pairwise, &w), &slopes(pairwise, &w), 1e-6));
            assert!(close(&gradient(listwise, &w), &slopes(listwise, &w), 1e-6));
            assert!(close(&gradient(pointwise, &w), &slopes(pointwise, &w), 1e-6));
        }
        // At the truth the squared error is 0 and the cross-entropy least.
        assert_eq!(pointwise(&c).unwrap().abs().max().double_value(&[]), 0.0);
        assert!(gradient(listwise, &c).abs().max().double_value(&[]) < 1e-5);
        assert!((listwise(&w).unwrap() - listwise(&c).unwrap()).min().double_value(&[]) > 0.0);
        let separate = pairwise_ranking(&pool, &(&c * 10.0), &c, margin).unwrap();
        assert_eq!(separate.abs().max().double_value(&[]), 0.0);
    }
    let c = random(&[2, 5], Kind::Double, 8);
    for (loss, part) in [
        (pairwise_ranking(&pool, &c, &c, -1.0), "margin"),
        (listwise_ranking(&pool, &c, &c, 0.0), "temperature"),
        (pointwise_ranking(&pool, &c, &c.view([5, 2])), "true costs"),
        (listwise_ranking(&SolutionPool::new(&solver), &c, &c, 1.0), "at least one"),
    ] {
        let message = loss.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn losses_over_a_pool_take_an_instance_as_a_whole() {
    let solver = Assignment::new(3).unwrap();
    let pool = half_of(&solver);
    let (w, c) = (random(&[7, 3, 3], Kind::Double, 9), random(&[7, 3, 3], Kind::Double, 10));
    let y = SolverLayer::new(solver, Identity).forward(&c).unwrap();
    let losses = |shape: &[i64]| {
        let (w, c, y) = (w.view(shape), c.view(shape), y.view(shape));
        [
            noise_contrastive(&pool, &w, &y),
            contrastive_map(&pool, &w, &y),
            pairwise_ranking(&pool, &w, &c, 0.1),
            listwise_ranking(&pool, &w, &c, 2.0),
            pointwise_ranking(&pool, &w, &c),
        ]
        .map(Result::unwrap)
    };
    for (whole, flat) in losses(&[7, 3, 3]).iter().zip(losses(&[7, 9])) {
        assert!(whole.size() == [7] && whole.equal(&flat));
    }
}

/// The relaxation of the assignment problem, all vertices of which are assignments.
fn assignment_programme(side: usize) -> LinearProgramme {
    let programme = LinearProgramme::continuous(side * side, 0.0, f64::INFINITY).unwrap();
    (0..2 * side).fold(programme, |programme, line| {
        let place = |i| if line < side { line * side + i } else { i * side + line - side };
        let terms: Vec<_> = (0..side).map(|i| (place(i), 1.0)).collect();
        programme.with_row(&terms, 1.0, 1.0).unwrap()
    })
}

/// 1 − ‖p‖/‖w‖ by projected gradient steps.
fn cone_loss(normals: &[Vec<f64>], w: &[f64]) -> f64 {
    let mut weights = vec![0.0; normals.len()];
    let point = |weights: &[f64]| -> Vec<f64> {
        (0..w.len()).map(|j| normals.iter().zip(weights).map(|(a, x)| a[j] * x).sum()).collect()
    };
    let step = 1.0 / normals.iter().map(|a| objective(a, a)).sum::<f64>();
    for _ in 0..20_000 {
        let rest: Vec<f64> = point(&weights).iter().zip(w).map(|(p, w)| -w - p).collect();
        for (weight, normal) in weights.iter_mut().zip(normals) {
            *weight = (*weight + step * objective(normal, &rest)).max(0.0);
        }
    }
    let point = point(&weights);
    1.0 - (objective(&point, &point) / objective(w, w)).sqrt()
}

#[test]
fn the_cone_aligned_loss_is_zero_exactly_where_the_solution_is_optimal() {
    fn check(solver: &dyn Solver, solutions: &[Vec<f64>], seed: u64) {
        let n = solver.dimension() as i64;
        for kind in KINDS {
            let w = random(&[12, n], kind, seed) * 3.0;
            let losses: Vec<Vec<f64>> = solutions
                .iter()
                .map(|y| {
                    let y = Tensor::from_slice(y).expand([12, n], false);
                    let loss = cone_aligned(solver, &w, &y).unwrap();
                    assert!(close(&cone_aligned(solver, &(&w * 7.0), &y).unwrap(), &loss, 1e-5));
                    values(&loss)
                })
                .collect();
            for (row, w) in rows(&w).iter().enumerate() {
                let all: Vec<f64> = solutions.iter().map(|y| objective(w, y)).collect();
                let least = all.iter().fold(f64::INFINITY, |a, &b| a.min(b));
                for (value, loss) in all.iter().zip(&losses) {
                    let (loss, zero) = (loss[row], if kind == Kind::Float { 1e-6 } else { 1e-12 });
                    if *value == least {
                        assert!(loss.abs() < zero, "{solver:?} {w:?} {loss}");
                    } else {
                        assert!((1e-5..=1.0 + zero).contains(&loss), "{solver:?} {w:?} {loss}");
                    }
                }
            }
        }
    }
    for (n, k) in [(1, 1), (5, 1), (6, 3), (5, 4), (3, 3)] {
        let solver = KSubset::new(n, k).unwrap();
        check(&solver, &solver.solutions(), 11);
    }
    for side in [2, 3] {
        let solutions = Assignment::new(side).unwrap().solutions();
        check(&assignment_programme(side), &solutions, 12);
    }
}

#[test]
fn the_cone_aligned_loss_is_the_projection_with_its_derivative() {
    let programme = assignment_programme(3);
    let subset = KSubset::new(6, 2).unwrap();
    for (solver, solution) in [
        (&programme as &dyn Solver, Assignment::new(3).unwrap().solutions().remove(3)),
        (&subset, subset.solutions().remove(5)),
    ] {
        let n = solver.dimension() as i64;
        let w = random(&[10, n], Kind::Double, 13);
        let y = Tensor::from_slice(&solution).expand([10, n], false).contiguous();
        let loss = |w: &Tensor| cone_aligned(solver, w, &y);
        let normals = solver.binding_constraints().unwrap().binding_normals(&solution).unwrap();
        for (found, w) in values(&loss(&w).unwrap()).iter().zip(rows(&w)) {
            let expected = cone_loss(&normals, &w);
            assert!((found - expected).abs() < 1e-6, "{solver:?} {found} {expected}");
        }
        let slope = gradient(loss, &w);
        assert!(close(&slope, &slopes(loss, &w), 1e-6), "{slope} {}", slopes(loss, &w));
        assert!(slope.abs().max().double_value(&[]) > 0.01);
        // Descent leads into the cone.
        let mut w = w;
        for _ in 0..200 {
            w -= gradient(loss, &w) * 0.5;
        }
        assert!(loss(&w).unwrap().max().double_value(&[]) < 1e-3);
    }
}

#[test]
fn the_cone_of_a_programme_is_that_of_its_relaxation() {
    // Two of three items of weight 2 would fit into 3.9 but for the last tenth.
    let knapsack = LinearProgramme::knapsack(&[vec![2.0, 2.0, 2.0]], &[3.9]).unwrap();
    let w = Tensor::from_slice(&[-3.0, -2.0, -1.0]);
    let y = SolverLayer::new(knapsack.clone(), Identity).forward(&w).unwrap();
    assert_eq!(values(&y), [1.0, 0.0, 0.0]);
    assert!(cone_aligned(&knapsack, &w, &y).unwrap().double_value(&[]) > 0.1);
    let loss = |w: &[f64], y: &[f64]| {
        cone_aligned(&knapsack, &Tensor::from_slice(w), &Tensor::from_slice(y))
    };
    assert!(loss(&[-3.0, 0.0, 1.0], &[1.0, 0.0, 0.0]).unwrap().double_value(&[]).abs() < 1e-12);
    // Opposite to the cone.
    assert_eq!(loss(&[3.0, 0.0, 0.0], &[1.0, 0.0, 0.0]).unwrap().double_value(&[]), 1.0);
    let grid = GridShortestPath::new(2, 2).unwrap();
    let one = Tensor::ones([2, 2], (Kind::Float, Device::Cpu));
    for (loss, part) in [
        (loss(&[0.0; 3], &[1.0, 0.0, 0.0]), "not all 0"),
        (loss(&[1.0; 3], &[1.0, 1.0, 0.0]), "4 in row 0"),
        (loss(&[1.0; 3], &[1.5, 0.0, 0.0]), "1.5 in column 0"),
        (loss(&[1.0; 2], &[1.0, 0.0]), "[2]"),
        (cone_aligned(&grid, &one, &one), "BindingConstraints"),
        (cone_aligned(&KSubset::new(2, 1).unwrap(), &one, &one), "with 1 ones"),
        (cone_aligned(&KSubset::new(2, 1).unwrap(), &one, &one.view([4])), "true solutions"),
    ] {
        let message = loss.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_cache_that_always_solves_is_the_solver() {
    for kind in KINDS {
        let costs = random(&[50, 6], kind, 14);
        let cache = SolutionCache::new(KSubset::new(6, 2).unwrap(), 1.0, 0).unwrap();
        for _ in 0..3 {
            let layer = SolverLayer::new(cache.clone(), Identity);
            assert!(layer.forward(&costs).unwrap().equal(&smallest(&costs, 2)));
        }
        assert_eq!((cache.solved(), cache.looked_up()), (150, 0));
        let pool = rows(&cache.pool().tensor(Kind::Double, Device::Cpu));
        let mut distinct = rows(&smallest(&costs, 2));
        let mut seen = vec![];
        distinct.retain(|y| {
            !seen.contains(y) && {
                seen.push(y.clone());
                true
            }
        });
        assert_eq!(pool, distinct);
    }
}

#[test]
fn a_cache_that_never_solves_looks_up_the_best_of_its_pool() {
    let counted = Counted::new(Assignment::new(3).unwrap());
    let cache = SolutionCache::new(counted.clone(), 0.0, 0).unwrap();
    let costs = random(&[40, 3, 3], Kind::Float, 15);
    let layer = SolverLayer::new(cache.clone(), Blackbox::new(1.0).unwrap());
    // Nothing to look up yet: all are solved, once.
    let exact = layer.forward(&costs.narrow(0, 0, 3)).unwrap();
    assert_eq!((counted.count(), cache.solved(), cache.pool().len()), (3, 3, 3));
    assert!(exact.equal(&cache.pool().best(&costs.narrow(0, 0, 3)).unwrap()));
    let costs = costs.set_requires_grad(true);
    let found = layer.forward(&costs).unwrap();
    assert!(found.equal(&cache.pool().best(&costs).unwrap()));
    found.square().sum(Kind::Float).backward();
    assert_eq!((counted.count(), cache.solved(), cache.looked_up()), (3, 3, 80));
    let again = cache.pool().best(&(&costs + &found * 2.0)).unwrap();
    assert!(close(&costs.grad(), &(again - &found), 1e-6));
    // Seeded from outside; and exact for one instance alone.
    let seeded = SolutionCache::new(counted.clone(), 0.0, 0).unwrap();
    assert_eq!(seeded.extend(&exact).unwrap(), 3);
    assert!(SolverLayer::new(seeded, Identity).forward(&costs).unwrap().equal(&found));
    assert_eq!(counted.reset(), 3);
    let flat = values(&costs.detach().view(-1));
    let solved = solve_batch(&cache, &flat).unwrap();
    assert_eq!(solved, solve_batch(counted.solver(), &flat).unwrap());
    assert_eq!((counted.count(), cache.looked_up()), (40, 80));
}

#[test]
fn a_cache_draws_each_instance_and_depends_on_the_seed_alone() {
    let steps = |threads: usize, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let cache = SolutionCache::new(Assignment::new(4).unwrap(), 0.3, seed).unwrap();
            let mut counts = vec![];
            let found: Vec<Tensor> = (0..6)
                .map(|step| {
                    let costs = random(&[50, 16], Kind::Double, 100 + step);
                    let before = cache.solved();
                    let found = cache.solve_tensor(&costs).unwrap();
                    let exact = solve_batch(cache.solver(), &values(&costs.view(-1))).unwrap();
                    let exact = Tensor::from_slice(&exact).view([50, 16]);
                    let best = cache.pool().best(&costs).unwrap();
                    // Each is solved, or looked up in what the batch has added to the pool.
                    let (mut as_exact, mut as_best) = (0, 0);
                    for row in 0..50 {
                        let is = |other: &Tensor| found.get(row).equal(&other.get(row));
                        assert!(is(&exact) || is(&best));
                        as_exact += u64::from(is(&exact));
                        as_best += u64::from(is(&best));
                    }
                    let solved = cache.solved() - before;
                    assert!(as_exact >= solved && as_best >= 50 - solved);
                    // Which of 50 is drawn does not hang on all of them.
                    assert!(step == 0 || (4..30).contains(&solved), "{solved}");
                    counts.push(solved);
                    found
                })
                .collect();
            assert_eq!(cache.solved() + cache.looked_up(), 300);
            // Each call draws anew.
            assert!(counts[1..].iter().any(|&count| count != counts[1]), "{counts:?}");
            (Tensor::stack(&found, 0), cache.pool().tensor(Kind::Double, Device::Cpu))
        })
    };
    let (one, two, other) = (steps(1, 7), steps(2, 7), steps(1, 8));
    assert!(one.0.equal(&two.0) && one.1.equal(&two.1));
    assert!(!one.0.equal(&other.0));
}

#[test]
fn layers_and_losses_go_through_the_cache() {
    let costs = random(&[8, 5], Kind::Float, 16);
    let truth = smallest(&costs, 2);
    let cache = SolutionCache::new(KSubset::new(5, 2).unwrap(), 0.0, 0).unwrap();
    cache.extend(&truth).unwrap();
    let calls: [(&str, &dyn Fn() -> Tensor, u64); 4] = [
        ("layer", &|| SolverLayer::new(cache.clone(), Identity).forward(&costs).unwrap(), 8),
        (
            "perturbed",
            &|| Perturbed::new(cache.clone(), 0.5, 3).unwrap().forward(&costs, 1).unwrap(),
            24,
        ),
        ("spo+", &|| spo_plus(&cache, &costs, &costs, &truth).unwrap(), 8),
        (
            "pg",
            &|| {
                perturbation_gradient(&cache, &costs, &costs, 0.5, FiniteDifference::Central)
                    .unwrap()
            },
            16,
        ),
    ];
    for (name, call, expected) in calls {
        let before = cache.looked_up();
        let _ = call();
        assert_eq!((cache.looked_up() - before, cache.solved()), (expected, 0), "{name}");
    }
}

#[test]
fn a_cache_has_a_limit_and_refuses_bad_input() {
    let new = |p| SolutionCache::new(KSubset::new(6, 2).unwrap(), p, 0);
    let cache = new(1.0).unwrap().with_capacity(3).unwrap();
    let costs = random(&[50, 6], Kind::Double, 17);
    assert!(cache.solve_tensor(&costs).unwrap().equal(&smallest(&costs, 2)));
    // The three that came last.
    let mut last: Vec<Vec<f64>> = vec![];
    for y in rows(&smallest(&costs, 2)) {
        if !last.contains(&y) {
            last.push(y);
            last.drain(..last.len().saturating_sub(3));
        }
    }
    assert_eq!(rows(&cache.pool().tensor(Kind::Double, Device::Cpu)), last);
    for p in [-0.1, 1.1, f64::NAN] {
        assert!(new(p).unwrap_err().to_string().contains("probability"));
    }
    assert!(new(0.5).unwrap().with_capacity(0).is_err());
    let layer = SolverLayer::new(cache, Identity);
    let _ = costs.get(3).narrow(0, 2, 1).fill_(f64::NAN);
    let message = layer.forward(&costs).unwrap_err().to_string();
    assert!(message.contains("cost 2 of instance 3 is NaN"), "{message}");
    assert!(layer.forward(&costs.narrow(1, 0, 5)).is_err());
}

#[test]
fn a_counter_counts_the_solves_of_every_rule() {
    for kind in KINDS {
        let counted = Counted::new(KSubset::new(6, 2).unwrap());
        let step = |rule: Arc<dyn Rule>| {
            let costs = random(&[7, 6], kind, 18).set_requires_grad(true);
            let y = SolverLayer::shared(Arc::new(counted.clone()), rule).forward(&costs).unwrap();
            assert!(y.equal(&smallest(&costs, 2)));
            (y * random(&[7, 6], kind, 19)).sum(kind).backward();
            counted.reset()
        };
        let scale = ImplicitMleScale::Plain;
        assert_eq!(step(Arc::new(Identity)), 7);
        assert_eq!(step(Arc::new(StraightThrough::new(1.0).unwrap())), 7);
        assert_eq!(step(Arc::new(Blackbox::new(1.0).unwrap())), 14);
        assert_eq!(step(Arc::new(ImplicitMle::new(1.0, scale).unwrap())), 14);
        assert_eq!(step(Arc::new(Lpgd::new(1.0, LpgdSide::Upper).unwrap())), 14);
        assert_eq!(step(Arc::new(Lpgd::new(1.0, LpgdSide::Average).unwrap())), 21);
        for (control, expected) in [
            (ControlVariate::None, 35),
            (ControlVariate::LeaveOneOut, 35),
            (ControlVariate::Unperturbed, 42),
        ] {
            let layer = Perturbed::new(counted.clone(), 0.5, 5).unwrap();
            let layer = layer.with_control_variate(control).unwrap();
            let costs = random(&[7, 6], kind, 20).set_requires_grad(true);
            layer.forward(&costs, 3).unwrap().sum(kind).backward();
            assert_eq!(counted.reset(), expected, "{control:?}");
        }
        assert_eq!(counted.count(), 0);
    }
}

#[test]
fn a_counter_hands_on_every_ability() {
    let solver = Assignment::new(3).unwrap();
    let counted = Counted::new(solver);
    let costs = random(&[4, 3, 3], Kind::Double, 21);
    let flat = values(&costs.view(-1));
    assert_eq!(
        (counted.dimension(), counted.shape(), counted.domain()),
        (9, vec![3, 3], solver.domain())
    );
    assert!(counted.on_device().is_none() && counted.binding_constraints().is_none());
    assert_eq!(solve_batch(&counted, &flat).unwrap(), solve_batch(&solver, &flat).unwrap());
    assert_eq!(counted.reset(), 4);
    let certificate = counted.certificate().unwrap();
    let (proved, proofs) = solve_batch_certified(certificate, &flat).unwrap();
    assert_eq!(proved, solve_batch(&solver, &flat).unwrap());
    assert!(proofs.iter().all(Proof::is_optimal));
    assert_eq!(counted.reset(), 4);
    let mut memory = vec![];
    let mut solution = vec![0.0; 9];
    let warm = counted.warm_start().unwrap();
    warm.solve_warm(&flat[..9], &mut solution, &mut memory).unwrap();
    assert!(!memory.is_empty() && counted.count() == 1);
    // Layers start warm through it, and have the same gradient.
    let gradient_with = |solver: Arc<dyn Solver>| {
        let rule = Arc::new(Blackbox::new(3.0).unwrap());
        gradient(
            |w| Ok(SolverLayer::shared(solver.clone(), rule.clone()).forward(w)?.square()),
            &costs,
        )
    };
    assert!(gradient_with(Arc::new(counted.clone())).equal(&gradient_with(Arc::new(solver))));
    assert_eq!(counted.reset(), 9);
    let grid = Counted::new(GridShortestPath::new(1, 2).unwrap());
    assert!(grid.domain() == Domain::NonNegative && grid.warm_start().is_none());
    assert!(solve_batch(&grid, &[1.0, -1.0]).is_err() && grid.count() == 0);
    let subset = Counted::new(KSubset::new(3, 1).unwrap());
    assert!(subset.on_device().is_some() && subset.certificate().is_none());
    let w = random(&[5, 3], Kind::Float, 22);
    assert!(subset.solve_tensor(&w).unwrap().equal(&smallest(&w, 1)) && subset.count() == 5);
    assert!(cone_aligned(&subset, &w, &smallest(&w, 1)).unwrap().max().double_value(&[]) < 1e-6);
}

#[test]
fn the_squared_loss_is_the_distance_and_has_its_slope() {
    for kind in KINDS {
        let (y, targets) = (random(&[4, 2, 3], kind, 23), random(&[4, 2, 3], kind, 24));
        let loss = squared_loss(&y, &targets).unwrap();
        let apart = &y - &targets;
        let expected = (&apart * &apart).view([4, 6]).sum_dim_intlist(-1, false, None);
        assert!(close(&loss, &expected, 1e-6));
        let slope = gradient(|y| squared_loss(y, &targets), &y);
        assert!(close(&slope, &(apart * 2.0), 1e-6));
        assert!(squared_loss(&y, &targets.view([4, 6])).is_err());
        let subsets = smallest(&y.view([4, 6]), 2);
        let others = smallest(&targets.view([4, 6]), 2);
        assert!(
            squared_loss(&subsets, &others)
                .unwrap()
                .equal(&hamming_loss(&subsets, &others).unwrap())
        );
    }
}
