//! Regularised solvers, the losses and rules made of them, and relaxations: against closed forms,
//! enumeration, independent algorithms and finite differences.

use solvergrad::check::jacobian;
use solvergrad::prelude::*;

mod common;

use common::{KINDS, random, smallest};

fn close(a: &Tensor, b: &Tensor, tolerance: f64) -> bool {
    a.size() == b.size() && a.kind() == b.kind() && a.allclose(b, tolerance, tolerance, false)
}

fn tolerance(kind: Kind) -> f64 {
    if kind == Kind::Double { 1e-9 } else { 1e-5 }
}

/// The projection of −w/λ onto {0 <= y <= 1, Σ y = k}, by bisection over the shift.
fn capped_simplex(costs: &Tensor, k: f64, lambda: f64) -> Tensor {
    let scores = -costs.to_kind(Kind::Double) / lambda;
    let rows = scores.view([-1, scores.size()[scores.dim() - 1]]);
    let (mut low, mut high) =
        (rows.amin([1].as_slice(), true) - 1.0, rows.amax([1].as_slice(), true));
    for _ in 0..100 {
        let middle = (&low + &high) / 2.0;
        let too_much = (&rows - &middle).clamp(0.0, 1.0).sum_dim_intlist(1, true, None).gt(k);
        low = middle.where_self(&too_much, &low);
        high = high.where_self(&too_much, &middle);
    }
    (rows - (low + high) / 2.0).clamp(0.0, 1.0).view_as(costs).to_kind(costs.kind())
}

/// argmin over conv(Y) of ⟨w, y⟩ + (λ/2)‖y‖², by accelerated projected gradient over the weights of
/// all solutions, restarted where it turns back.
fn by_enumeration(solutions: &[Vec<f64>], w: &Tensor, lambda: f64) -> Tensor {
    let w = Vec::<f64>::try_from(w.to_kind(Kind::Double)).unwrap();
    let mixture = |weights: &[f64]| -> Vec<f64> {
        let entry = |i| solutions.iter().zip(weights).map(|(y, weight)| y[i] * weight).sum();
        (0..w.len()).map(entry).collect()
    };
    let onto_simplex = |point: Vec<f64>| -> Vec<f64> {
        let mut sorted = point.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let (mut sum, mut shift) = (0.0, 0.0);
        for (i, value) in sorted.iter().enumerate() {
            sum += value;
            let candidate = (sum - 1.0) / (i + 1) as f64;
            shift = if *value > candidate { candidate } else { shift };
        }
        point.iter().map(|value| (value - shift).max(0.0)).collect()
    };
    let norm: f64 = solutions.iter().flatten().map(|entry| entry * entry).sum();
    let mut weights = vec![1.0 / solutions.len() as f64; solutions.len()];
    let (mut ahead, mut momentum) = (weights.clone(), 1.0f64);
    for _ in 0..20_000 {
        let slope: Vec<f64> = mixture(&ahead).iter().zip(&w).map(|(y, w)| w + lambda * y).collect();
        let down = |(y, at): (&Vec<f64>, &f64)| {
            at - y.iter().zip(&slope).map(|(y, slope)| y * slope).sum::<f64>() / (lambda * norm)
        };
        let next = onto_simplex(solutions.iter().zip(&ahead).map(down).collect());
        let turns = (0..next.len()).map(|i| (ahead[i] - next[i]) * (next[i] - weights[i]));
        momentum = if turns.sum::<f64>() > 0.0 { 1.0 } else { momentum };
        let faster = (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt()) / 2.0;
        let push = (momentum - 1.0) / faster;
        ahead = next.iter().zip(&weights).map(|(next, old)| next + (next - old) * push).collect();
        (weights, momentum) = (next, faster);
    }
    Tensor::from_slice(&mixture(&weights))
}

/// dL/dw of L = ⟨g, f(w)⟩ at `costs`.
fn gradient_of(function: impl Fn(&Tensor) -> Tensor, costs: &Tensor, g: &Tensor) -> Tensor {
    let w = costs.detach().set_requires_grad(true);
    (function(&w) * g).sum(costs.kind()).backward();
    w.grad()
}

/// Whether autograd's Jacobian of `function` at the vector `point` is that of central differences.
fn has_its_jacobian(function: impl Fn(&Tensor) -> Result<Tensor>, point: &Tensor, tolerance: f64) {
    let differences = jacobian(&function, point, 1e-6).unwrap();
    let rows: Vec<Tensor> = (0..point.size()[0])
        .map(|i| gradient_of(|w| function(w).unwrap().get(i), point, &Tensor::from(1.0)))
        .collect();
    let found = Tensor::stack(&rows, 0);
    assert!(close(&found, &differences, tolerance), "{found}\n{differences}");
    assert!(found.abs().max().double_value(&[]) > 1e-3);
}

/// Y = {0, 1}^n, whose hull is a box.
fn any_subset(n: usize) -> Closure {
    Closure::new(n, |costs, solution| {
        solution.iter_mut().zip(costs).for_each(|(entry, cost)| *entry = f64::from(*cost < 0.0));
        Ok(())
    })
}

fn square() -> SpanningTree {
    SpanningTree::new(4, &[(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)]).unwrap()
}

#[test]
fn the_regularised_solver_is_the_projection_in_closed_form() {
    for kind in KINDS {
        for lambda in [0.01, 0.3, 1.0, 20.0] {
            let w = random(&[4, 5, 7], kind, 1);
            for k in [1, 3, 7] {
                let layer =
                    RegularisedFrankWolfe::new(KSubset::new(7, k).unwrap(), lambda).unwrap();
                let expected = capped_simplex(&w, k as f64, lambda);
                assert!(
                    close(&layer.forward(&w).unwrap(), &expected, tolerance(kind)),
                    "{lambda} {k}"
                );
            }
            let boxed = RegularisedFrankWolfe::new(any_subset(7), lambda).unwrap();
            let expected = (&w / -lambda).clamp(0.0, 1.0);
            assert!(close(&boxed.forward(&w).unwrap(), &expected, tolerance(kind)), "{lambda}");
            let ranks = RegularisedFrankWolfe::new(Ranking::new(7).unwrap(), lambda).unwrap();
            let expected = soft_rank(&w, lambda).unwrap();
            assert!(
                close(&ranks.forward(&w).unwrap(), &expected, 10.0 * tolerance(kind)),
                "{lambda}"
            );
        }
    }
}

#[test]
fn the_regularised_solver_agrees_with_enumeration() {
    let grid = GridShortestPath::new(3, 3);
    let grid = grid.and_then(|grid| grid.with_neighbourhood(Neighbourhood::Four)).unwrap();
    let tours = TravellingSalesman::new(5).unwrap();
    let symmetric = random(&[5, 5], Kind::Double, 3);
    let symmetric = (&symmetric + symmetric.tr()).view([25]) * 0.3;
    for lambda in [0.8, 5.0] {
        for (w, found, solutions) in [
            {
                let w = random(&[6], Kind::Double, 2);
                let found = minimise_regularised(&square(), &w, lambda).unwrap();
                (w, found, square().solutions())
            },
            {
                // Costs that are not negative stay so on the way.
                let w = random(&[9], Kind::Double, 4).abs();
                let found = minimise_regularised(&grid, &w, lambda).unwrap();
                (w, found, grid.solutions())
            },
            {
                let found = minimise_regularised(&tours, &symmetric, lambda).unwrap();
                (symmetric.copy(), found, tours.solutions())
            },
        ] {
            let expected = by_enumeration(&solutions, &w, lambda);
            assert!(close(&found.solutions, &expected, 1e-5), "{} {expected}", found.solutions);
            assert!(found.vertices[0] > 1 && found.calls[0] > found.vertices[0], "{found:?}");
            // No solution is better for the gradient: optimal, whatever the algorithm.
            let slope = &w + &found.solutions * lambda;
            let best =
                solutions.iter().map(|y| slope.dot(&Tensor::from_slice(y)).double_value(&[]));
            let best = best.fold(f64::INFINITY, f64::min);
            assert!(slope.dot(&found.solutions).double_value(&[]) - best < 1e-9);
            assert!((0.0..1e-9).contains(&found.gaps[0]));
        }
    }
}

#[test]
fn the_regularised_solver_has_its_jacobian() {
    for lambda in [0.4, 2.5] {
        for (seed, k) in [(5, 1), (6, 3), (7, 3)] {
            let layer = RegularisedFrankWolfe::new(KSubset::new(6, k).unwrap(), lambda).unwrap();
            has_its_jacobian(|w| layer.forward(w), &(random(&[6], Kind::Double, seed) * 0.4), 1e-6);
        }
        let ranks = RegularisedFrankWolfe::new(Ranking::new(6).unwrap(), lambda).unwrap();
        has_its_jacobian(|w| ranks.forward(w), &(random(&[6], Kind::Double, 8) * 0.8), 1e-5);
        let trees = RegularisedFrankWolfe::new(square(), lambda).unwrap();
        has_its_jacobian(|w| trees.forward(w), &random(&[6], Kind::Double, 9), 1e-5);
        let grid = GridShortestPath::new(3, 3).unwrap();
        let grid = grid.with_neighbourhood(Neighbourhood::Four).unwrap();
        let paths = RegularisedFrankWolfe::new(grid, lambda).unwrap();
        let costs = random(&[9], Kind::Double, 43).abs() * 0.3 + 0.1;
        has_its_jacobian(|w| paths.forward(w), &costs, 1e-5);
    }
}

#[test]
fn the_regularised_gradient_knows_the_whole_face() {
    // Mixtures of fewer vertices than the face has dimensions: of large faces, and of equal costs.
    for (n, scale, lambda) in [(60, 1.0, 30.0), (60, 1.0, 0.05), (200, 1.0, 5.0), (60, 0.0, 0.3)] {
        let (w, g) = (random(&[3, n], Kind::Double, 41) * scale, random(&[3, n], Kind::Double, 42));
        let k = n as usize / 4;
        let subset =
            RegularisedFrankWolfe::new(KSubset::new(n as usize, k).unwrap(), lambda).unwrap();
        let y = capped_simplex(&w, k as f64, lambda);
        let free = y.gt(1e-7).logical_and(&y.lt(1.0 - 1e-7)).to_kind(Kind::Double);
        let count = free.sum_dim_intlist(-1, true, None);
        let mean = (&free * &g).sum_dim_intlist(-1, true, None) / count.clamp_min(1.0);
        let found = gradient_of(|w| subset.forward(w).unwrap(), &w, &g);
        let expected = (&g - mean) * free / -lambda;
        assert!((found - expected).abs().max().double_value(&[]) < 1e-6 / lambda, "{n} {lambda}");
        let ranks = RegularisedFrankWolfe::new(Ranking::new(n as usize).unwrap(), lambda).unwrap();
        let found = gradient_of(|w| ranks.forward(w).unwrap(), &w, &g);
        let expected = gradient_of(|w| soft_rank(w, lambda).unwrap(), &w, &g);
        assert!((found - expected).abs().max().double_value(&[]) < 1e-6 / lambda, "{n} {lambda}");
    }
}

#[test]
fn a_regularised_batch_is_its_instances_one_by_one() {
    for kind in KINDS {
        let layer = RegularisedFrankWolfe::new(Assignment::new(4).unwrap(), 0.7).unwrap();
        let (w, g) = (random(&[2, 3, 4, 4], kind, 10), random(&[2, 3, 4, 4], kind, 11));
        let found = layer.solve(&w).unwrap();
        assert_eq!((found.solutions.size(), found.calls.len()), (w.size(), 6));
        let all = gradient_of(|w| layer.forward(w).unwrap(), &w, &g);
        assert!(all.abs().max().double_value(&[]) > 0.1 && all.kind() == kind);
        for (row, calls) in found.calls.iter().enumerate() {
            let of = |tensor: &Tensor| tensor.view([6, 16]).get(row as i64);
            let one = layer.solve(&of(&w)).unwrap();
            assert!(one.solutions.equal(&of(&found.solutions)) && one.calls[0] == *calls);
            let gradient = gradient_of(|w| layer.forward(w).unwrap(), &of(&w), &of(&g));
            assert!(gradient.equal(&of(&all)));
        }
        let empty = layer.solve(&w.narrow(0, 0, 0)).unwrap();
        assert!(empty.solutions.size() == [0, 3, 4, 4] && empty.calls.is_empty());
    }
}

#[test]
fn a_large_face_is_found_within_the_limit() {
    for (n, lambda) in [(60, 1.0), (60, 300.0), (200, 5.0)] {
        let w = random(&[n], Kind::Double, 12);
        let layer =
            RegularisedFrankWolfe::new(KSubset::new(n as usize, 9).unwrap(), lambda).unwrap();
        let found = layer.solve(&w).unwrap();
        assert!(close(&found.solutions, &capped_simplex(&w, 9.0, lambda), 1e-8), "{n} {lambda}");
        let ranks = RegularisedFrankWolfe::new(Ranking::new(n as usize).unwrap(), lambda).unwrap();
        let found = ranks.solve(&w).unwrap();
        assert!(close(&found.solutions, &soft_rank(&w, lambda).unwrap(), 1e-6), "{n} {lambda}");
    }
}

#[test]
fn ties_and_extreme_regularisation_converge() {
    // Few different costs: ŷ lies where faces meet, and in hulls of few vertices.
    let w = (random(&[200, 8], Kind::Double, 40) * 1.5).round();
    for lambda in [1e-6, 1e-2, 0.5, 1.0, 3.0, 1e6] {
        let subset = RegularisedFrankWolfe::new(KSubset::new(8, 4).unwrap(), lambda).unwrap();
        let found = subset.solve(&w).unwrap();
        assert!(close(&found.solutions, &capped_simplex(&w, 4.0, lambda), 1e-7), "{lambda}");
        let ranks = RegularisedFrankWolfe::new(Ranking::new(8).unwrap(), lambda).unwrap();
        let found = ranks.solve(&w).unwrap();
        assert!(close(&found.solutions, &soft_rank(&w, lambda).unwrap(), 1e-7), "{lambda}");
        assert!(found.vertices.iter().all(|&vertices| vertices <= 8));
        let matching = RegularisedFrankWolfe::new(Assignment::new(4).unwrap(), lambda).unwrap();
        let y = matching.forward(&w.view([100, 4, 4])).unwrap();
        for dim in [1, 2] {
            assert!(
                (y.sum_dim_intlist(dim, false, None) - 1.0).abs().max().double_value(&[]) < 1e-9
            );
        }
    }
}

#[test]
fn the_regularised_solver_says_what_is_wrong() {
    let subset = || KSubset::new(6, 2).unwrap();
    for lambda in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let message = RegularisedFrankWolfe::new(subset(), lambda).unwrap_err().to_string();
        assert!(message.contains("lambda of the regularised solver"), "{message}");
    }
    let layer = RegularisedFrankWolfe::new(subset(), 1.0).unwrap();
    assert!(layer.clone().with_tolerance(1e-20).is_err() && layer.clone().with_limit(0).is_err());
    let costs = random(&[3, 6], Kind::Float, 13);
    let message = layer.clone().with_limit(2).unwrap().forward(&costs).unwrap_err().to_string();
    assert!(message.contains("instance 0 after 2 solver calls"), "{message}");
    let loose = layer.clone().with_tolerance(0.5).unwrap().solve(&costs).unwrap();
    assert!(loose.calls.iter().sum::<usize>() < layer.solve(&costs).unwrap().calls.iter().sum());
    let _ = costs.get(1).get(4).fill_(f64::NAN);
    let message = layer.forward(&costs).unwrap_err().to_string();
    assert!(message.contains("cost 4 of instance 1 is NaN"), "{message}");
    let message = layer.forward(&costs.view([6, 3])).unwrap_err().to_string();
    assert!(message.contains("[6, 3]") && message.contains("[..., 6]"), "{message}");
    assert!(layer.forward(&costs.to_kind(Kind::Int64)).is_err());
}

#[test]
fn the_regularised_fenchel_young_loss_is_the_formula() {
    for kind in KINDS {
        for lambda in [0.3, 2.0] {
            let layer = RegularisedFrankWolfe::new(KSubset::new(6, 2).unwrap(), lambda).unwrap();
            let (w, truth) = (random(&[9, 6], kind, 14), smallest(&random(&[9, 6], kind, 15), 2));
            let predicted = w.detach().set_requires_grad(true);
            let loss = fenchel_young_regularised(&layer, &predicted, &truth).unwrap();
            assert_eq!(loss.size(), [9]);
            let y = capped_simplex(&w, 2.0, lambda);
            let value = |y: &Tensor| {
                (&w * y + y.square() * (lambda / 2.0)).sum_dim_intlist(-1, false, None)
            };
            assert!(close(&loss.detach(), &(value(&truth) - value(&y)), 1e-5));
            let distance = (&truth - &y).square().sum_dim_intlist(-1, false, None);
            assert!((&loss - distance * (lambda / 2.0)).min().double_value(&[]) > -1e-6);
            loss.sum(kind).backward();
            assert!(close(&predicted.grad(), &(&truth - y), 1e-5));
            // Zero at the truth, and only there.
            let settled = (truth.ones_like() - &truth) * lambda;
            let settled = fenchel_young_regularised(&layer, &settled, &truth).unwrap();
            assert!(settled.abs().max().double_value(&[]) < 1e-5);
            assert!(loss.max().double_value(&[]) > 0.1);
        }
    }
    let layer = RegularisedFrankWolfe::new(square(), 0.8).unwrap();
    let truth = Tensor::from_slice(&square().solutions()[3]);
    let loss = |w: &Tensor| Ok(fenchel_young_regularised(&layer, w, &truth)?.unsqueeze(0));
    let w = random(&[6], Kind::Double, 16);
    let slope = jacobian(loss, &w, 1e-6).unwrap().get(0);
    assert!(close(&slope, &(&truth - layer.forward(&w).unwrap()), 1e-6));
    let message = fenchel_young_regularised(&layer, &w, &truth.narrow(0, 0, 3)).unwrap_err();
    assert!(message.to_string().contains("solutions of the Fenchel-Young loss"));
}

#[test]
fn augmented_lpgd_is_the_formula_on_each_side() {
    for kind in KINDS {
        let (w, g) = (random(&[50, 6], kind, 17), random(&[50, 6], kind, 18));
        let best = smallest(&w, 2);
        for (tau, rho) in [(0.8, 0.5), (0.3, 2.0), (5.0, 1.0)] {
            let y = |tau: f64| capped_simplex(&(&w + &g * tau - &best * rho), 2.0, rho);
            for (side, expected) in [
                (LpgdSide::Lower, (y(tau) - &best) / tau),
                (LpgdSide::Upper, (&best - y(-tau)) / tau),
                (LpgdSide::Average, (y(tau) - y(-tau)) / (2.0 * tau)),
            ] {
                let rule =
                    Lpgd::new(tau, side).and_then(|rule| rule.with_regulariser(rho)).unwrap();
                assert!(rule.name().ends_with("-augmented"));
                let layer = SolverLayer::new(KSubset::new(6, 2).unwrap(), rule);
                let found = gradient_of(|w| layer.forward(w).unwrap(), &w, &g);
                assert!(close(&found, &expected, 10.0 * tolerance(kind)), "{side:?} {tau} {rho}");
                assert!(expected.abs().max().double_value(&[]) > 0.05);
            }
        }
        // Without augmentation the rule is what it was.
        let plain = Lpgd::new(0.8, LpgdSide::Average).unwrap();
        assert_eq!(plain.with_regulariser(0.0).unwrap(), plain);
    }
    for rho in [-1.0, f64::NAN, f64::INFINITY] {
        let rule = Lpgd::new(1.0, LpgdSide::Lower).unwrap().with_regulariser(rho);
        assert!(rule.unwrap_err().to_string().contains("rho of LPGD"));
    }
}

#[test]
fn augmented_lpgd_keeps_to_the_domain_of_the_solver() {
    let grid = GridShortestPath::new(3, 3).unwrap();
    let w = random(&[4, 9], Kind::Double, 19).abs() + 1.0;
    let g = random(&[4, 9], Kind::Double, 20);
    let layer = |rho: f64| {
        let rule = Lpgd::new(0.9, LpgdSide::Lower).unwrap().with_regulariser(rho).unwrap();
        SolverLayer::new(grid.clone(), rule)
    };
    let best = layer(0.1).forward(&w).unwrap();
    let found = gradient_of(|w| layer(0.1).forward(w).unwrap(), &w, &g);
    let moved = (&w + &g * 0.9).clamp_min(0.0) - &best * 0.1;
    for row in 0..4 {
        let near = by_enumeration(&grid.solutions(), &moved.get(row), 0.1);
        let expected = (near - best.get(row)) / 0.9;
        assert!(close(&found.get(row), &expected, 1e-4), "{} {expected}", found.get(row));
    }
    assert!(found.abs().max().double_value(&[]) > 0.05);
    // ρ above the costs of y*: to leave a cheap cell of it would earn something.
    let grid = GridShortestPath::new(6, 6).unwrap();
    let (w, g) =
        (random(&[40, 36], Kind::Double, 19).abs() + 1.0, random(&[40, 36], Kind::Double, 20));
    let rule = Lpgd::new(30.0, LpgdSide::Lower).unwrap().with_regulariser(50.0).unwrap();
    let costs = w.set_requires_grad(true);
    let loss = SolverLayer::new(grid, rule).forward(&costs).unwrap() * g;
    let message = loss.sum(Kind::Double).f_backward().unwrap_err().to_string();
    assert!(message.contains("needs finite costs >= 0"), "{message}");
}

#[test]
fn gumbel_softmax_samples_the_softmax() {
    for kind in KINDS {
        let row = Tensor::from_slice(&[0.3, -0.5, 1.0, 0.0]).to_kind(kind);
        let costs = row.expand([50_000, 4], false).contiguous();
        let sharp = GumbelSoftmax::new(1e-3).unwrap();
        let y = sharp.forward(&costs, 1).unwrap();
        assert!(y.kind() == kind && y.size() == [50_000, 4]);
        let (frequencies, expected) = (y.mean_dim(0, false, None), (-&row).softmax(-1, None));
        assert!(close(&frequencies, &expected, 0.01), "{frequencies}");
        let hard = sharp.hard().forward(&costs, 1).unwrap();
        assert!(hard.mean_dim(0, false, None).allclose(&expected, 0.01, 0.01, false));
        assert!(hard.eq(0.0).logical_or(&hard.eq(1.0)).all().int64_value(&[]) == 1);
        assert!(hard.sum_dim_intlist(-1, false, None).eq(1.0).all().int64_value(&[]) == 1);
        // The temperature divides costs and noise alike, and the hard gradient is the soft one.
        let (w, g) = (random(&[3, 5, 4], kind, 21), random(&[3, 5, 4], kind, 22));
        let noisy = Noise::Gumbel { temperature: 1.0 }.perturb(&w, 2).unwrap();
        let soft = GumbelSoftmax::new(0.7).unwrap();
        let expected = (-noisy / 0.7).softmax(-1, None);
        assert!(close(&soft.forward(&w, 2).unwrap(), &expected, 1e-5));
        let inner = (&expected * &g).sum_dim_intlist(-1, true, None);
        let slope = &expected * (&g - inner) / -0.7;
        for layer in [soft, soft.hard()] {
            let found = gradient_of(|w| layer.forward(w, 2).unwrap(), &w, &g);
            assert!(close(&found, &slope, 1e-5), "{layer:?}");
        }
        assert!(!soft.forward(&w, 3).unwrap().equal(&soft.forward(&w, 2).unwrap()));
    }
}

#[test]
fn relaxed_subsets_have_k_entries_and_become_the_cheapest() {
    for kind in KINDS {
        let w = random(&[4, 5, 8], kind, 23);
        for (k, temperature) in [(1, 0.5), (3, 0.1), (3, 2.0), (8, 0.5)] {
            let y = RelaxedSubset::new(k, temperature).unwrap().forward(&w, 3).unwrap();
            assert!(y.kind() == kind && y.size() == w.size() && y.min().double_value(&[]) >= 0.0);
            let off = (y.sum_dim_intlist(-1, false, None) - k as f64).abs().max().double_value(&[]);
            assert!(off < 1e-5, "{k} {temperature}");
        }
        // k = 1 is a Gumbel-softmax; small temperatures choose the k cheapest of the noisy costs.
        let one = RelaxedSubset::new(1, 0.4).unwrap().forward(&w, 3).unwrap();
        let gumbel = GumbelSoftmax::new(0.4).unwrap().forward(&w, 3).unwrap();
        assert!(close(&one, &gumbel, 1e-6));
        let noisy = Noise::Gumbel { temperature: 1.0 }.perturb(&w, 3).unwrap();
        let sharp = RelaxedSubset::new(3, 1e-4).unwrap().forward(&w, 3).unwrap();
        let share = close(&sharp, &smallest(&noisy, 3), 1e-3);
        assert!(share, "{sharp}");
        let g = random(&[4, 5, 8], kind, 24);
        let slope =
            gradient_of(|w| RelaxedSubset::new(3, 0.01).unwrap().forward(w, 3).unwrap(), &w, &g);
        assert!(slope.isfinite().all().int64_value(&[]) == 1);
    }
    // Two steps written out.
    let w = Tensor::from_slice(&[0.2, 0.9, -0.4]);
    let first = (&w / -0.5).softmax(-1, None);
    let second = ((-&w + (-&first + 1.0).log()) / 0.5).softmax(-1, None);
    let layer = RelaxedSubset::new(2, 0.5).unwrap();
    assert!(close(&layer.relax(&w).unwrap(), &(first + second), 1e-12));
    let point = random(&[5], Kind::Double, 25);
    has_its_jacobian(|w| RelaxedSubset::new(3, 0.5)?.forward(w, 4), &point, 1e-6);
}

#[test]
fn the_l2x_sampler_is_the_greatest_of_its_samples() {
    for kind in KINDS {
        let w = random(&[4, 5, 8], kind, 26);
        let y = L2xSampler::new(3, 0.1).unwrap().forward(&w, 5).unwrap();
        assert!(y.kind() == kind && y.size() == w.size());
        assert!(y.min().double_value(&[]) >= 0.0 && y.max().double_value(&[]) <= 1.0);
        let sums = y.sum_dim_intlist(-1, false, None);
        assert!(sums.max().double_value(&[]) <= 3.0 + 1e-5 && sums.min().double_value(&[]) > 0.99);
        let one = L2xSampler::new(1, 0.3).unwrap().forward(&w, 5).unwrap();
        assert!(close(&one, &GumbelSoftmax::new(0.3).unwrap().forward(&w, 5).unwrap(), 1e-6));
        // P(yᵢ = 1) = 1 − (1 − pᵢ)³ for three draws with replacement.
        let row = Tensor::from_slice(&[0.3, -0.5, 1.0, 0.0]).to_kind(kind);
        let costs = row.expand([30_000, 4], false).contiguous();
        let y = L2xSampler::new(3, 1e-3).unwrap().forward(&costs, 6).unwrap();
        let expected = -(-(-&row).softmax(-1, None) + 1.0).pow_tensor_scalar(3) + 1.0;
        assert!(close(&y.mean_dim(0, false, None), &expected, 0.01));
    }
    let point = random(&[5], Kind::Double, 27);
    has_its_jacobian(|w| L2xSampler::new(3, 0.8)?.forward(w, 7), &point, 1e-6);
}

/// All k-subsets with their probabilities p ∝ exp(−⟨w, y⟩), `[subsets, n]` and `[subsets]`.
fn subsets(w: &Tensor, k: usize) -> (Tensor, Tensor) {
    let all = KSubset::new(w.size()[0] as usize, k).unwrap().solutions();
    let all = Tensor::from_slice2(&all);
    let probability = (-all.matmul(&w.to_kind(Kind::Double))).softmax(0, None);
    (all, probability)
}

#[test]
fn simple_has_the_marginals_and_the_covariance_of_all_subsets() {
    for kind in KINDS {
        for (k, spread) in [(1, 1.0), (3, 1.0), (3, 40.0), (5, 3.0), (6, 1.0)] {
            let (w, g) = (random(&[2, 3, 6], kind, 28) * spread, random(&[2, 3, 6], kind, 29));
            let simple = Simple::new(k).unwrap();
            let marginals = simple.marginals(&w).unwrap();
            let slope = gradient_of(|w| simple.marginals(w).unwrap(), &w, &g);
            assert!(marginals.kind() == kind && marginals.size() == w.size());
            let sampled = gradient_of(|w| simple.forward(w, 8).unwrap(), &w, &g);
            assert!(sampled.equal(&slope));
            for row in 0..6 {
                let of = |tensor: &Tensor| tensor.view([6, 6]).get(row).to_kind(Kind::Double);
                let (all, probability) = subsets(&of(&w), k);
                let mean = probability.matmul(&all);
                assert!(close(&of(&marginals), &mean, tolerance(kind)), "{k} {spread}");
                let along = (all.matmul(&of(&g)) - mean.dot(&of(&g))) * probability;
                let expected = -along.matmul(&all);
                assert!(close(&of(&slope), &expected, tolerance(kind)), "{k} {spread} {expected}");
            }
        }
    }
    let simple = Simple::new(3).unwrap();
    has_its_jacobian(|w| simple.marginals(w), &random(&[7], Kind::Double, 30), 1e-7);
}

#[test]
fn simple_samples_subsets_with_their_probabilities() {
    for kind in KINDS {
        let w = random(&[5], kind, 31);
        let costs = w.expand([60_000, 5], false).contiguous();
        let y = Simple::new(2).unwrap().forward(&costs, 9).unwrap();
        assert!(y.eq(0.0).logical_or(&y.eq(1.0)).all().int64_value(&[]) == 1);
        assert!(y.sum_dim_intlist(-1, false, None).eq(2.0).all().int64_value(&[]) == 1);
        let (all, probability) = subsets(&w, 2);
        // Of every subset, not of every entry alone.
        let same = y.to_kind(Kind::Double).matmul(&all.tr()).eq(2.0).to_kind(Kind::Double);
        let frequency = same.mean_dim(0, false, None);
        assert!(close(&frequency, &probability, 0.01), "{frequency} {probability}");
        assert!(!y.equal(&Simple::new(2).unwrap().forward(&costs, 10).unwrap()));
    }
}

#[test]
fn simple_is_stable_for_long_and_extreme_instances() {
    // Equal costs: every marginal is k/n, every covariance that of a hypergeometric draw.
    let (n, k) = (500, 40);
    let simple = Simple::new(k).unwrap();
    let w = Tensor::full([n], 3.0, (Kind::Double, Device::Cpu));
    let share = k as f64 / n as f64;
    let marginals = simple.marginals(&w).unwrap();
    assert!(close(&marginals, &w.full_like(share), 1e-10));
    let g = random(&[n], Kind::Double, 32);
    let slope = gradient_of(|w| simple.marginals(w).unwrap(), &w, &g);
    let variance = share * (1.0 - share) * n as f64 / (n as f64 - 1.0);
    assert!(close(&slope, &((&g - g.mean(Kind::Double)) * -variance), 1e-10));
    // Costs that differ by e^±300: the choice is certain, whatever comes first.
    let steep = Tensor::arange(n, (Kind::Double, Device::Cpu)) * 300.0;
    for w in [steep.copy(), -&steep] {
        let certain = smallest(&w, k as i64);
        assert!(close(&simple.marginals(&w).unwrap(), &certain, 1e-12));
        assert!(simple.forward(&w, 11).unwrap().equal(&certain));
        let slope = gradient_of(|w| simple.forward(w, 11).unwrap(), &w, &g);
        assert!(slope.abs().max().double_value(&[]) < 1e-12);
    }
}

#[test]
fn soft_ranks_and_sorts_have_both_limits_and_known_values() {
    for kind in KINDS {
        let w = random(&[3, 4, 7], kind, 33);
        let options = (kind, Device::Cpu);
        let hard = SolverLayer::new(Ranking::new(7).unwrap(), Identity).forward(&w).unwrap();
        assert!(soft_rank(&w, 1e-4).unwrap().equal(&hard));
        assert!(close(&soft_rank(&w, 1e6).unwrap(), &Tensor::full([3, 4, 7], 4.0, options), 1e-4));
        let (sorted, _) = w.sort(-1, true);
        assert!(soft_sort(&w, 1e-4).unwrap().equal(&sorted));
        let mean = w.mean_dim(-1, true, None).expand_as(&w);
        assert!(close(&soft_sort(&w, 1e6).unwrap(), &mean, 1e-4));
        for epsilon in [0.05, 0.5, 3.0] {
            // Inside the permutahedra, Σ and largest partial sums, and in order.
            let (ranks, sort) = (soft_rank(&w, epsilon).unwrap(), soft_sort(&w, epsilon).unwrap());
            assert!(close(
                &ranks.sum_dim_intlist(-1, false, None),
                &Tensor::full([3, 4], 28.0, options),
                1e-5
            ));
            let sums = |tensor: &Tensor| tensor.sort(-1, true).0.cumsum(-1, kind);
            assert!((sums(&sorted) - sums(&sort)).min().double_value(&[]) > -1e-5);
            assert!((sums(&hard) - sums(&ranks)).min().double_value(&[]) > -1e-4);
            assert!(sort.equal(&sort.sort(-1, true).0));
        }
        // Values of the authors' README, there ascending.
        let values = Tensor::from_slice(&[5.0, 1.0, 2.0]).to_kind(kind);
        let ascending = -soft_sort(&-&values, 1.0).unwrap();
        let known = Tensor::from_slice(&[5.0 / 3.0, 8.0 / 3.0, 11.0 / 3.0]).to_kind(kind);
        assert!(close(&ascending, &known, 1e-6));
        let known = Tensor::from_slice(&[3.0, 1.25, 1.75]).to_kind(kind);
        assert!(close(&soft_rank(&-&values, 2.0).unwrap(), &known, 1e-6));
        // Equal costs share their rank.
        let ties = Tensor::from_slice(&[1.0, 1.0, 5.0]).to_kind(kind);
        let known = Tensor::from_slice(&[2.5, 2.5, 1.0]).to_kind(kind);
        assert!(close(&soft_rank(&ties, 0.1).unwrap(), &known, 1e-6));
    }
    // Costs far larger than ε lose nothing.
    let large = Tensor::from_slice(&[1e9, 1e9 + 0.25, 1e9 - 7.0]);
    assert_eq!(Vec::<f64>::try_from(soft_rank(&large, 0.5).unwrap()).unwrap(), [1.75, 1.25, 3.0]);
}

#[test]
fn soft_ranks_and_sorts_have_their_jacobians() {
    for epsilon in [0.1, 0.6, 2.0] {
        let point = random(&[7], Kind::Double, 34);
        if epsilon > 0.1 {
            has_its_jacobian(|w| soft_rank(w, epsilon), &point, 1e-6);
        }
        has_its_jacobian(|w| soft_sort(w, epsilon), &point, 1e-6);
        // A batch, and the solver's own way to the same gradient.
        let (w, g) = (random(&[2, 3, 7], Kind::Double, 35), random(&[2, 3, 7], Kind::Double, 36));
        let layer = RegularisedFrankWolfe::new(Ranking::new(7).unwrap(), epsilon).unwrap();
        let expected = gradient_of(|w| layer.forward(w).unwrap(), &w, &g);
        let found = gradient_of(|w| soft_rank(w, epsilon).unwrap(), &w, &g);
        assert!(close(&found, &expected, 1e-8), "{epsilon}");
    }
    let (w, g) = (random(&[2, 7], Kind::Float, 37), random(&[2, 7], Kind::Float, 38));
    let slope = gradient_of(|w| soft_sort(w, 0.9).unwrap(), &w, &g);
    let wide = |tensor: &Tensor| tensor.to_kind(Kind::Double);
    let expected = gradient_of(|w| soft_sort(w, 0.9).unwrap(), &wide(&w), &wide(&g));
    assert!(close(&slope, &expected.to_kind(Kind::Float), 1e-6));
}

#[test]
fn relaxations_say_what_is_wrong() {
    let costs = random(&[2, 3], Kind::Float, 39);
    let whole = costs.to_kind(Kind::Int64);
    let subset = Simple::new(4).unwrap();
    for (error, words) in [
        (GumbelSoftmax::new(0.0).unwrap_err(), "temperature of the Gumbel-softmax is 0"),
        (GumbelSoftmax::new(1.0).unwrap().forward(&whole, 0).unwrap_err(), "Int64"),
        (RelaxedSubset::new(0, 0.5).unwrap_err(), "k of the relaxed subset is 0"),
        (RelaxedSubset::new(2, -1.0).unwrap_err(), "temperature of the relaxed subset"),
        (RelaxedSubset::new(4, 0.5).unwrap().forward(&costs, 0).unwrap_err(), "n >= 4"),
        (L2xSampler::new(0, 0.1).unwrap_err(), "k of the L2X sampler is 0"),
        (L2xSampler::new(4, 0.1).unwrap().forward(&costs, 0).unwrap_err(), "n >= 4"),
        (Simple::new(0).unwrap_err(), "k of SIMPLE is 0"),
        (subset.forward(&costs, 0).unwrap_err(), "costs of SIMPLE has shape [2, 3]"),
        (subset.marginals(&whole).unwrap_err(), "n >= 4"),
        (soft_rank(&costs, f64::NAN).unwrap_err(), "epsilon of the soft rank is NaN"),
        (soft_sort(&costs, 0.0).unwrap_err(), "epsilon of the soft sort is 0"),
        (soft_sort(&Tensor::from(1.0), 1.0).unwrap_err(), "values of the soft sort"),
        (soft_rank(&whole, 1.0).unwrap_err(), "floating-point"),
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
    let _ = costs.get(1).get(2).fill_(f64::INFINITY);
    for error in [
        Simple::new(2).unwrap().forward(&costs, 0).unwrap_err(),
        soft_rank(&costs, 1.0).unwrap_err(),
        soft_sort(&costs, 1.0).unwrap_err(),
    ] {
        assert!(error.to_string().contains("cost 2 of instance 1 is inf"), "{error}");
    }
}
