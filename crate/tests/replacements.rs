//! Perturbed layers, LPGD, margins and losses on costs: direction and scale.

use solvergrad::prelude::*;

mod common;

use common::{KINDS, random, smallest};

fn close(a: &Tensor, b: &Tensor, tolerance: f64) -> bool {
    a.size() == b.size() && a.kind() == b.kind() && a.allclose(b, tolerance, tolerance, false)
}

/// Φ(x) and φ(x) of the standard normal distribution.
fn normal(x: f64) -> (f64, f64) {
    let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    // By Simpson's rule from −10 to x.
    let steps = 20_000;
    let width = (x + 10.0) / f64::from(steps);
    let at = |i: i32| {
        let t = -10.0 + width * f64::from(i);
        (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
    };
    let sum: f64 = (0..steps).map(|i| (at(i) + at(i + 1)) / 2.0 * width).sum();
    (sum, density)
}

#[test]
fn the_perturbed_layer_has_the_expectation_and_the_jacobian_of_the_formula() {
    // Two costs, of which the smaller is chosen: y₀ = 1 where w₀ + σZ₀ < w₁ + σZ₁, so that
    // E y₀ = Φ(d/(σ√2)) with d = w₁ − w₀ and ∂E y₀/∂d = φ(d/(σ√2))/(σ√2).
    for (sigma, samples) in [(0.3, 40_000), (1.0, 40_000), (4.0, 40_000), (1.0, 200)] {
        // A batch of copies stands for more samples: the mean over it has the same expectation.
        let copies = 400_000 / samples as i64;
        for control in
            [ControlVariate::None, ControlVariate::LeaveOneOut, ControlVariate::Unperturbed]
        {
            let layer = Perturbed::new(KSubset::new(2, 1).unwrap(), sigma, samples)
                .and_then(|layer| layer.with_control_variate(control))
                .unwrap();
            let row = Tensor::from_slice(&[0.2, 0.5]);
            let costs = row.expand([copies, 2], false).contiguous().set_requires_grad(true);
            let mean = layer.forward(&costs, 1).unwrap();
            let (probability, density) = normal(0.3 / (sigma * 2f64.sqrt()));
            let found = mean.select(1, 0).mean(Kind::Double).double_value(&[]);
            assert!((found - probability).abs() < 0.004, "{sigma} {samples} {found} {probability}");
            mean.select(1, 0).sum(Kind::Double).backward();
            let slope = density / (sigma * 2f64.sqrt());
            let gradient = costs.grad().mean_dim(0, false, None);
            let expected = Tensor::from_slice(&[-slope, slope]);
            let error = (&gradient - &expected).abs().max().double_value(&[]) / slope;
            assert!(error < 0.05, "{sigma} {samples} {control:?}: {gradient} {expected}");
        }
    }
}

#[test]
fn the_perturbed_gradient_is_the_formula_with_the_same_noise() {
    for kind in KINDS {
        for perturbation in [Perturbation::Additive, Perturbation::Multiplicative] {
            let (w, g) = (random(&[5, 6], kind, 3).abs() + 0.1, random(&[5, 6], kind, 4));
            let (sigma, samples) = (0.7, 9);
            let layer = Perturbed::new(KSubset::new(6, 2).unwrap(), sigma, samples)
                .unwrap()
                .with_perturbation(perturbation);
            // The noise, from what it does to costs that no solution depends on.
            let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
            let keep = std::sync::Arc::clone(&seen);
            let spy = Closure::new(30, move |costs, _| {
                keep.lock().unwrap().push(costs.to_vec());
                Ok(())
            });
            // Nine short instances are one task, solved in order.
            let spied =
                Perturbed::new(spy, sigma, samples).unwrap().with_perturbation(perturbation);
            let _ = spied.forward(&w.view([1, 30]), 11).unwrap();
            let moved = Tensor::from_slice2(&seen.lock().unwrap()).to_kind(kind).view([9, 5, 6]);
            let z = match perturbation {
                Perturbation::Additive => (&moved - &w) / sigma,
                Perturbation::Multiplicative => ((&moved / &w).log() + sigma * sigma / 2.0) / sigma,
            };
            let y = smallest(&moved, 2);
            for control in
                [ControlVariate::None, ControlVariate::LeaveOneOut, ControlVariate::Unperturbed]
            {
                let layer = layer.clone().with_control_variate(control).unwrap();
                let costs = w.detach().set_requires_grad(true);
                let mean = layer.forward(&costs, 11).unwrap();
                assert!(close(&mean, &y.mean_dim(0, false, None), 1e-5));
                (mean * &g).sum(kind).backward();
                let baseline = match control {
                    ControlVariate::None => y.zeros_like(),
                    ControlVariate::LeaveOneOut => {
                        (y.sum_dim_intlist(0, true, None) - &y) / (samples as f64 - 1.0)
                    }
                    ControlVariate::Unperturbed => smallest(&w, 2).expand_as(&y),
                };
                let along = ((&y - baseline) * &g).sum_dim_intlist(-1, true, None);
                let mut expected =
                    (along * &z).sum_dim_intlist(0, false, None) / (samples as f64 * sigma);
                if perturbation == Perturbation::Multiplicative {
                    expected /= &w;
                }
                assert!(close(&costs.grad(), &expected, 2e-3), "{perturbation:?} {control:?}");
                assert!(expected.abs().max().double_value(&[]) > 0.1);
            }
        }
    }
}

#[test]
fn a_seed_is_its_noise_given() {
    let grid = || GridShortestPath::new(2, 3).unwrap();
    let best = SolverLayer::new(grid(), Identity)
        .forward(&random(&[5, 2, 3], Kind::Float, 60).abs())
        .unwrap();
    for perturbation in [Perturbation::Additive, Perturbation::Multiplicative] {
        let layer = Perturbed::new(grid(), 0.3, 9).unwrap().with_perturbation(perturbation);
        // Costs far from 0, which noise does not take below it.
        let w = random(&[5, 2, 3], Kind::Float, 61).abs() + 3.0;
        let noise = layer.noise(&w, 4).unwrap();
        assert_eq!(noise.size(), [9, 5, 2, 3]);
        let gradients = |given: Option<&Tensor>| {
            let costs = w.detach().set_requires_grad(true);
            let (mean, loss) = match given {
                None => (layer.forward(&costs, 4), fenchel_young(&layer, &costs, &best, 4)),
                Some(noise) => (
                    layer.forward_with_noise(&costs, noise),
                    fenchel_young_with_noise(&layer, &costs, &best, noise),
                ),
            };
            let (mean, loss) = (mean.unwrap(), loss.unwrap());
            let g = random(&[5, 2, 3], Kind::Float, 62);
            ((&mean * g).sum(Kind::Float) + loss.sum(Kind::Float)).backward();
            (mean.detach(), loss.detach(), costs.grad())
        };
        let (a, b) = (gradients(None), gradients(Some(&noise)));
        assert!(a.0.equal(&b.0) && a.1.equal(&b.1) && a.2.equal(&b.2), "{perturbation:?}");
        // Noise of another kind is converted; another noise is another sample.
        assert!(a.2.equal(&gradients(Some(&noise.to_kind(Kind::Double))).2));
        assert!(!a.2.equal(&gradients(Some(&-&noise)).2), "{perturbation:?}");
        for bad in [noise.narrow(0, 0, 8), noise.view([5, 9, 2, 3]), noise.view([9, 5, 6])] {
            let message = layer.forward_with_noise(&w, &bad).unwrap_err().to_string();
            assert!(message.contains("[9, 5, 2, 3]") && message.contains("noise"), "{message}");
            assert!(fenchel_young_with_noise(&layer, &w, &best, &bad).is_err());
            let message = layer.forward_with_score(&w, &noise, &bad).unwrap_err().to_string();
            assert!(message.contains("score"), "{message}");
        }
    }
}

#[test]
fn noise_between_forward_and_backward_is_what_was_solved_with() {
    let layer = Perturbed::new(KSubset::new(6, 2).unwrap(), 0.7, 9).unwrap();
    let gradient = |overwrite: bool| {
        let costs = random(&[5, 6], Kind::Double, 63).set_requires_grad(true);
        let mut noise = layer.noise(&costs, 5).unwrap();
        let loss = layer.forward_with_noise(&costs, &noise).unwrap().square().sum(Kind::Double);
        if overwrite {
            let _ = noise.zero_();
        }
        loss.backward();
        costs.grad()
    };
    assert!(gradient(true).equal(&gradient(false)));
}

#[test]
fn gumbel_noise_with_its_score_has_the_jacobian_of_the_softmax() {
    // argmin w − σG is a sample of softmax(−w/σ).
    let (sigma, count) = (1.7, 400_000);
    let row = Tensor::from_slice(&[0.3, -1.0, 1.2, 0.0]);
    let noise = -Noise::Gumbel { temperature: 1.0 }
        .sample(&[count, 4], Kind::Double, Device::Cpu, 3)
        .unwrap();
    let g = Tensor::from_slice(&[1.0, -2.0, 0.5, 3.0]);
    let exact = row.copy().set_requires_grad(true);
    let softmax = (&exact / -sigma).softmax(-1, None);
    softmax.dot(&g).backward();
    for control in [ControlVariate::None, ControlVariate::LeaveOneOut] {
        let layer = Perturbed::new(KSubset::new(4, 1).unwrap(), sigma, count as usize)
            .and_then(|layer| layer.with_control_variate(control))
            .unwrap();
        let costs = row.copy().set_requires_grad(true);
        let score = noise.exp() - 1.0;
        let mean = layer.forward_with_score(&costs, &noise, &score).unwrap();
        let error = (&mean - &softmax).abs().max().double_value(&[]);
        assert!(error < 0.005, "{control:?} {error}");
        mean.dot(&g).backward();
        let error = (costs.grad() - exact.grad()).abs().max().double_value(&[]);
        assert!(error < 0.015, "{control:?} {error}: {} {}", costs.grad(), exact.grad());
    }
}

#[test]
fn multiplicative_noise_keeps_signs_and_means() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new((0.0, 0)));
    let keep = std::sync::Arc::clone(&seen);
    let spy = Closure::new(2, move |costs, _| {
        assert!(costs[0] > 0.0 && costs[1] < 0.0);
        let mut seen = keep.lock().unwrap();
        *seen = (seen.0 + costs[0], seen.1 + 1);
        Ok(())
    });
    let layer =
        Perturbed::new(spy, 0.5, 100_000).unwrap().with_perturbation(Perturbation::Multiplicative);
    let _ = layer.forward(&Tensor::from_slice(&[2.0, -3.0]), 1).unwrap();
    let (sum, count) = *seen.lock().unwrap();
    assert!((sum / f64::from(count) - 2.0).abs() < 0.02, "{sum}");
    let message = layer.forward(&Tensor::from_slice(&[2.0, 0.0]), 1).unwrap_err().to_string();
    assert!(message.contains("additive"), "{message}");
}

#[test]
fn lpgd_is_the_finite_difference_of_each_side() {
    for kind in KINDS {
        let (w, g) = (random(&[50, 6], kind, 5), random(&[50, 6], kind, 6));
        let y = |shift: f64| smallest(&(&w + &g * shift), 2);
        for (side, expected) in [
            (LpgdSide::Lower, (y(0.8) - y(0.0)) / 0.8),
            (LpgdSide::Upper, (y(0.0) - y(-0.8)) / 0.8),
            (LpgdSide::Average, (y(0.8) - y(-0.8)) / 1.6),
        ] {
            let layer =
                SolverLayer::new(KSubset::new(6, 2).unwrap(), Lpgd::new(0.8, side).unwrap());
            let costs = w.detach().set_requires_grad(true);
            (layer.forward(&costs).unwrap() * &g).sum(kind).backward();
            assert!(close(&costs.grad(), &expected, 1e-6), "{side:?}");
            assert!(expected.abs().sum(kind).double_value(&[]) > 0.0);
        }
    }
    assert!(Lpgd::new(0.0, LpgdSide::Average).is_err());
}

#[test]
fn spo_plus_is_an_upper_bound_of_the_regret_and_zero_at_the_truth() {
    let solver = KSubset::new(6, 2).unwrap();
    for kind in KINDS {
        let (w, c) = (random(&[200, 6], kind, 7), random(&[200, 6], kind, 8));
        let best = smallest(&c, 2);
        let predicted = w.detach().set_requires_grad(true);
        let loss = spo_plus(&solver, &predicted, &c, &best).unwrap();
        assert_eq!(loss.size(), [200]);
        let regret = (&c * (smallest(&w, 2) - &best)).sum_dim_intlist(-1, false, None);
        assert!((&loss - regret).min().double_value(&[]) > -1e-5);
        // The definition, and its subgradient with the scale 2, for a batch.
        let worst = smallest(&(&w * 2.0 - &c), 2);
        let inner = |a: &Tensor, b: &Tensor| (a * b).sum_dim_intlist(-1, false, None);
        let value = inner(&(&c - &w * 2.0), &worst) + inner(&w, &best) * 2.0 - inner(&c, &best);
        assert!(close(&loss.detach(), &value, 1e-4));
        loss.sum(kind).backward();
        assert!(close(&predicted.grad(), &((&best - worst) * 2.0), 1e-6));
        let truth = spo_plus(&solver, &c, &c, &best).unwrap();
        assert!(truth.abs().max().double_value(&[]) < 1e-5);
    }
}

#[test]
fn spo_plus_refuses_costs_outside_the_domain_by_index() {
    let grid = GridShortestPath::new(1, 2).unwrap();
    let (w, c) = (Tensor::from_slice(&[1.0, 1.0]), Tensor::from_slice(&[1.0, 3.0]));
    let message = spo_plus(&grid, &w, &c, &Tensor::ones_like(&c)).unwrap_err().to_string();
    assert!(message.contains("cost 1 of instance 0 is -1"), "{message}");
    let message = spo_plus(&grid, &w, &c.view([2, 1]), &w).unwrap_err().to_string();
    assert!(message.contains("true costs of SPO+"), "{message}");
}

#[test]
fn the_fenchel_young_gradient_is_the_target_minus_the_prediction() {
    for kind in KINDS {
        for perturbation in [Perturbation::Additive, Perturbation::Multiplicative] {
            let layer = Perturbed::new(KSubset::new(6, 2).unwrap(), 0.7, 50)
                .unwrap()
                .with_perturbation(perturbation);
            let w = random(&[5, 6], Kind::Double, 9).abs() + 0.1;
            let target = smallest(&random(&[5, 6], kind, 10), 2);
            let predicted = w.to_kind(kind).set_requires_grad(true);
            let loss = fenchel_young(&layer, &predicted, &target, 12).unwrap();
            assert_eq!(loss.size(), [5]);
            loss.sum(kind).backward();
            if perturbation == Perturbation::Additive {
                let mean = layer.forward(&w.to_kind(kind), 12).unwrap();
                assert!(close(&predicted.grad(), &(&target - mean), 1e-5));
            }
            // Between changes of the samples' solutions the loss is linear in each cost, so that a
            // small difference is its derivative.
            let value = |w: &Tensor| {
                fenchel_young(&layer, w, &target.to_kind(Kind::Double), 12)
                    .unwrap()
                    .sum(Kind::Double)
                    .double_value(&[])
            };
            for column in 0..6 {
                let step = w.zeros_like();
                let _ = step.select(1, column).fill_(1e-7);
                let difference = (value(&(&w + &step)) - value(&(&w - &step))) / 2e-7;
                let slope = predicted.grad().select(1, column).sum(Kind::Double).double_value(&[]);
                assert!((difference - slope).abs() < 1e-3, "{perturbation:?} {difference} {slope}");
            }
        }
    }
}

#[test]
fn margins_are_the_formulas_and_noise_has_two_values() {
    for kind in KINDS {
        let (w, alpha) = (random(&[40, 6], kind, 13), 0.4);
        let truth = smallest(&random(&[40, 6], kind, 14), 2);
        let noisy = Margin::Noise { alpha }.apply(&w, None, 5).unwrap() - &w;
        assert!(close(&noisy.abs(), &w.full_like(0.2), 1e-6));
        let positive = noisy.gt(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        assert!((0.35..0.65).contains(&positive), "{positive}");
        assert!(!noisy.equal(&(Margin::Noise { alpha }.apply(&w, None, 6).unwrap() - &w)));
        let informed = Margin::Informed { alpha }.apply(&w, Some(&truth), 0).unwrap();
        assert!(close(&informed, &(&w + &truth * 0.2 - (truth.ones_like() - &truth) * 0.2), 1e-6));
        let matches = Margin::InformedMatches { alpha }.apply(&w, Some(&truth), 0).unwrap();
        assert!(close(&matches, &(&w + &truth * 0.4), 1e-6));
        assert!(Margin::None.apply(&w, None, 0).unwrap().equal(&w));
        // Equal sizes of all solutions: both informed forms choose the same.
        assert!(smallest(&informed, 2).equal(&smallest(&matches, 2)));
    }
    let w = Tensor::zeros([3], (Kind::Float, Device::Cpu));
    let message = Margin::Informed { alpha: 1.0 }.apply(&w, None, 0).unwrap_err().to_string();
    assert!(message.contains("true solution") && message.contains("none"), "{message}");
    for alpha in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(Margin::Noise { alpha }.apply(&w, None, 0).is_err());
    }
}

#[test]
fn margins_pass_the_gradient_through_every_rule_and_projection() {
    let (w, g) = (random(&[5, 6], Kind::Double, 15), random(&[5, 6], Kind::Double, 16));
    let truth = smallest(&random(&[5, 6], Kind::Double, 17), 2);
    for margin in [
        Margin::Noise { alpha: 0.3 },
        Margin::Informed { alpha: 0.3 },
        Margin::InformedMatches { alpha: 0.3 },
    ] {
        for projection in Projection::ALL {
            for rule in [true, false] {
                let layer = || match rule {
                    true => SolverLayer::new(KSubset::new(6, 2).unwrap(), Identity),
                    false => SolverLayer::new(
                        KSubset::new(6, 2).unwrap(),
                        Lpgd::new(2.0, LpgdSide::Average).unwrap(),
                    ),
                };
                let costs = w.detach().set_requires_grad(true);
                let moved = margin.apply(&costs, Some(&truth), 3).unwrap();
                let y = layer().forward(&projection.apply(&moved).unwrap()).unwrap();
                (y * &g).sum(Kind::Double).backward();
                let moved = moved.detach().set_requires_grad(true);
                let y = layer().forward(&projection.apply(&moved).unwrap()).unwrap();
                (y * &g).sum(Kind::Double).backward();
                assert!(close(&costs.grad(), &moved.grad(), 1e-12), "{margin:?} {projection:?}");
            }
        }
    }
}

#[test]
fn the_hamming_loss_counts_and_has_the_slope_of_the_formula() {
    let targets = Tensor::from_slice2(&[[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]);
    let y = Tensor::from_slice2(&[[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]).set_requires_grad(true);
    let loss = hamming_loss(&y, &targets).unwrap();
    assert_eq!(Vec::<f64>::try_from(&loss).unwrap(), [1.0, 2.0]);
    loss.sum(Kind::Double).backward();
    assert!(y.grad().equal(&(targets.ones_like() - &targets * 2.0)));
    assert!(hamming_loss(&y, &targets.view([3, 2])).is_err());
}

#[test]
fn metrics_of_costs_and_whole_solutions() {
    let costs = Tensor::from_slice2(&[[1.0, 2.0, 4.0], [1.0, 1.0, 8.0]]);
    let best = Tensor::from_slice2(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
    let found = Tensor::from_slice2(&[[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]);
    assert_eq!(metric::relative_regret(&costs, &found, &best).unwrap(), 0.5);
    assert_eq!(metric::cost_ratio(&costs, &found, &best).unwrap(), 1.5);
    assert_eq!(metric::exact_accuracy(&found, &best).unwrap(), 0.5);
    assert_eq!(metric::relative_regret(&costs, &best, &best).unwrap(), 0.0);
    // Costs below 0: a regret is a loss all the same.
    assert_eq!(metric::relative_regret(&-&costs, &found, &best).unwrap(), -0.5);
    assert!(metric::exact_accuracy(&found, &best.view([3, 2])).is_err());
}

/// Costs of the shape of a solution are the same instances.
#[test]
fn layers_losses_and_metrics_take_an_instance_as_a_whole() {
    let grid = || GridShortestPath::new(2, 3).unwrap();
    let (shaped, flat) = ([5, 2, 3], [5, 6]);
    let w = random(&shaped, Kind::Double, 20).abs() + 3.0;
    let (c, g) = (random(&shaped, Kind::Double, 21).abs(), random(&shaped, Kind::Double, 22));
    let best = SolverLayer::new(grid(), Identity).forward(&c).unwrap();
    let other = SolverLayer::new(grid(), Identity).forward(&w).unwrap();
    for perturbation in [Perturbation::Additive, Perturbation::Multiplicative] {
        let layer = Perturbed::new(grid(), 0.3, 9).unwrap().with_perturbation(perturbation);
        let gradients = |shape: &[i64]| {
            let costs = w.view(shape).detach().set_requires_grad(true);
            let mean = layer.forward(&costs, 4).unwrap();
            assert_eq!(mean.size(), shape);
            (mean * g.view(shape)).sum(Kind::Double).backward();
            let through = costs.grad().view(flat);
            let costs = w.view(shape).detach().set_requires_grad(true);
            let loss = fenchel_young(&layer, &costs, &best.view(shape), 4).unwrap();
            assert_eq!(loss.size(), [5]);
            loss.sum(Kind::Double).backward();
            (through, loss.detach(), costs.grad().view(flat))
        };
        let (a, b) = (gradients(&shaped), gradients(&flat));
        assert!(a.0.equal(&b.0) && a.1.equal(&b.1) && a.2.equal(&b.2), "{perturbation:?}");
    }
    let spo = |shape: &[i64]| {
        spo_plus(&grid(), &w.view(shape), &c.view(shape), &best.view(shape)).unwrap()
    };
    assert!(spo(&shaped).size() == [5] && spo(&shaped).equal(&spo(&flat)));
    assert!(
        hamming_loss(&other, &best)
            .unwrap()
            .equal(&hamming_loss(&other.view(flat), &best.view(flat)).unwrap())
    );
    for metric in [metric::relative_regret, metric::cost_ratio] {
        let value = metric(&c, &other, &best).unwrap();
        assert_eq!(value, metric(&c.view(flat), &other.view(flat), &best.view(flat)).unwrap());
    }
    let accuracy = metric::exact_accuracy(&other, &best).unwrap();
    assert_eq!(accuracy, metric::exact_accuracy(&other.view(flat), &best.view(flat)).unwrap());
    assert!((accuracy * 5.0).fract() == 0.0 && accuracy < 1.0);
}
