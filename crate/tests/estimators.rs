//! The score function and adaptive I-MLE: expectations, scale, state.

use solvergrad::prelude::*;

mod common;

use common::{KINDS, random, smallest};

fn close(a: &Tensor, b: &Tensor, tolerance: f64) -> bool {
    a.size() == b.size() && a.kind() == b.kind() && a.allclose(b, tolerance, tolerance, false)
}

/// The linear loss ⟨c, y⟩ has the gradient of the perturbed layer: the same noise gives the same numbers.
#[test]
fn the_score_function_of_a_linear_loss_is_the_perturbed_gradient() {
    for kind in KINDS {
        for (sigma, samples) in [(0.7, 2), (0.7, 9), (3.0, 5)] {
            let (w, c) = (random(&[4, 6], kind, 1), random(&[4, 6], kind, 2));
            for (baseline, control) in [
                (Baseline::None, ControlVariate::None),
                (Baseline::LeaveOneOut, ControlVariate::LeaveOneOut),
            ] {
                let solver = || KSubset::new(6, 2).unwrap();
                let score = ScoreFunction::new(solver(), sigma, samples)
                    .and_then(|score| score.with_baseline(baseline))
                    .unwrap();
                let a = w.detach().set_requires_grad(true);
                let loss = score
                    .expected_loss(&a, 3, |y| Ok((y * &c).sum_dim_intlist(-1, false, None)))
                    .unwrap();
                assert_eq!(loss.size(), [4]);
                loss.sum(kind).backward();
                let layer = Perturbed::new(solver(), sigma, samples)
                    .and_then(|layer| layer.with_control_variate(control))
                    .unwrap();
                let b = w.detach().set_requires_grad(true);
                let expected =
                    (layer.forward(&b, 3).unwrap() * &c).sum_dim_intlist(-1, false, None);
                assert!(close(&loss, &expected, 1e-4));
                expected.sum(kind).backward();
                assert!(close(&a.grad(), &b.grad(), 1e-3), "{baseline:?} {sigma} {samples}");
                assert!(a.grad().abs().max().double_value(&[]) > 0.01);
            }
        }
    }
}

/// A loss of steps, by the exact expectation: with two costs, E L = P(y₀ = 1) = Φ(d/σ√2).
#[test]
fn the_score_function_has_the_slope_of_the_expectation_and_the_baseline_less_variance() {
    let (sigma, d) = (0.5f64, 0.3f64);
    let copies = 20_000;
    let slope = {
        let x = d / (sigma * 2f64.sqrt());
        (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() / (sigma * 2f64.sqrt())
    };
    let mut deviations = Vec::new();
    for baseline in [Baseline::None, Baseline::Constant { value: 10.5 }, Baseline::LeaveOneOut] {
        let score = ScoreFunction::new(KSubset::new(2, 1).unwrap(), sigma, 10)
            .and_then(|score| score.with_baseline(baseline))
            .unwrap();
        let row = Tensor::from_slice(&[0.2, 0.2 + d]);
        let costs = row.expand([copies, 2], false).contiguous().set_requires_grad(true);
        // An offset of 10, as losses have.
        let loss = score
            .expected_loss(&costs, 4, |y| Ok(y.select(-1, 0).gt(0.5).to_kind(Kind::Double) + 10.0));
        loss.unwrap().sum(Kind::Double).backward();
        let second = costs.grad().select(1, 1);
        let mean = second.mean(Kind::Double).double_value(&[]);
        let deviation = second.std(true).double_value(&[]);
        assert!(
            (mean - slope).abs() < 5.0 * deviation / (copies as f64).sqrt(),
            "{baseline:?} {mean} {slope}"
        );
        deviations.push(deviation);
    }
    assert!(
        deviations[1] < deviations[0] / 10.0 && deviations[2] < deviations[0] / 10.0,
        "{deviations:?}"
    );
}

#[test]
fn the_score_function_passes_on_other_gradients_and_shapes() {
    let score = ScoreFunction::new(GridShortestPath::new(3, 3).unwrap(), 0.01, 4).unwrap();
    let costs = (random(&[2, 3, 3], Kind::Double, 5).abs() + 1.0).set_requires_grad(true);
    let scale = Tensor::from_slice(&[2.0]).set_requires_grad(true);
    let loss = score
        .expected_loss(&costs, 6, |y| {
            assert_eq!(y.size(), [4, 2, 3, 3]);
            Ok(y.sum_dim_intlist([-1, -2].as_slice(), false, None) * &scale)
        })
        .unwrap();
    assert_eq!(loss.size(), [2]);
    loss.sum(Kind::Double).backward();
    // Nearly no noise: every path has the length of the one without.
    let layer = SolverLayer::new(GridShortestPath::new(3, 3).unwrap(), Identity);
    let cells = layer.forward(&costs.detach()).unwrap().sum(Kind::Double);
    assert!(close(&scale.grad().sum(Kind::Double), &cells, 1e-9));
    assert_eq!(costs.grad().size(), [2, 3, 3]);

    let wrong =
        score.expected_loss(&costs, 6, |y| Ok(y.sum(Kind::Double))).unwrap_err().to_string();
    assert!(wrong.contains("[4, 2]"), "{wrong}");
    let one = ScoreFunction::new(KSubset::new(2, 1).unwrap(), 1.0, 1).unwrap();
    assert!(one.clone().with_baseline(Baseline::LeaveOneOut).is_err());
    assert!(one.with_baseline(Baseline::Constant { value: f64::NAN }).is_err());
}

#[test]
fn adaptive_imle_is_its_formula_step_by_step() {
    for kind in KINDS {
        for central in [false, true] {
            let step = 0.05;
            let rule = AdaptiveImplicitMle::new(1.5).and_then(|rule| rule.with_step(step)).unwrap();
            let rule = if central { rule.with_central_difference() } else { rule };
            let layer = SolverLayer::new(KSubset::new(6, 2).unwrap(), rule.clone());
            let (mut alpha, mut changes) = (0.0f64, 1.0);
            let mut moved = 0;
            for round in 0..30 {
                let (w, g) = (random(&[5, 6], kind, 10 + round), random(&[5, 6], kind, 50 + round));
                let costs = w.detach().set_requires_grad(true);
                (layer.forward(&costs).unwrap() * &g).sum(kind).backward();
                let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
                let lambda = alpha * norm(&w) / norm(&g);
                let y = |shift: f64| smallest(&(&w + &g * shift), 2);
                let difference = match central {
                    false => y(lambda) - y(0.0),
                    true => (y(lambda) - y(-lambda)) / 2.0,
                };
                let expected = if lambda > 0.0 { &difference / lambda } else { w.zeros_like() };
                assert!(close(&costs.grad(), &expected, 1e-3), "{central} {round}");
                moved += i32::from(norm(&expected) > 0.0);
                let nonzero = difference.ne(0.0).sum(Kind::Double).double_value(&[]) / 5.0;
                changes = 0.9 * changes + 0.1 * nonzero;
                alpha = f64::max(alpha + if changes < 1.5 { step } else { -step }, 0.0);
                assert!((rule.alpha() - alpha).abs() < 1e-9, "{round} {} {alpha}", rule.alpha());
            }
            assert!(moved > 15, "{moved}");
        }
    }
}

#[test]
fn adaptive_imle_reaches_its_target_whatever_the_scale_of_the_loss() {
    for scale in [1e-3, 1.0, 1e4] {
        let rule = AdaptiveImplicitMle::new(2.0).and_then(|rule| rule.with_step(0.01)).unwrap();
        let layer = SolverLayer::new(KSubset::new(10, 3).unwrap(), rule.clone());
        let mut changed = Vec::new();
        for round in 0..400 {
            let w = random(&[50, 10], Kind::Double, 100 + round).set_requires_grad(true);
            let g = random(&[50, 10], Kind::Double, 900 + round) * scale;
            (layer.forward(&w).unwrap() * g).sum(Kind::Double).backward();
            changed.push(w.grad().ne(0.0).sum(Kind::Double).double_value(&[]) / 50.0);
        }
        let mean = changed[300..].iter().sum::<f64>() / 100.0;
        assert!((mean - 2.0).abs() < 0.3, "{scale}: {mean} entries");
    }
    let rule = AdaptiveImplicitMle::new(1.0).and_then(|rule| rule.with_alpha(0.5)).unwrap();
    let layer = SolverLayer::new(KSubset::new(3, 1).unwrap(), rule);
    let w = Tensor::from_slice(&[1.0, 2.0, 3.0]).set_requires_grad(true);
    (layer.forward(&w).unwrap() * 0.0).sum(Kind::Double).backward();
    assert_eq!(w.grad().abs().sum(Kind::Double).double_value(&[]), 0.0);
    assert!(AdaptiveImplicitMle::new(0.0).is_err());
}
