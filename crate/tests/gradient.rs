//! Every rule against its published formula, recomputed here with libtorch's own top-k.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use solvergrad::check::jacobian;
use solvergrad::gradient::{Solved, replace_gradient};
use solvergrad::prelude::*;

mod common;

use common::{KINDS, random, smallest};

fn close(a: &Tensor, b: &Tensor) -> bool {
    a.size() == b.size() && a.kind() == b.kind() && a.allclose(b, 1e-5, 1e-6, false)
}

/// dL/dw of L = Σ c∘y for a layer at `costs`; then g = dL/dy = c.
fn gradient_of(layer: &SolverLayer, costs: &Tensor, c: &Tensor) -> Tensor {
    let w = costs.detach().set_requires_grad(true);
    (layer.forward(&w).unwrap() * c).sum(costs.kind()).backward();
    w.grad()
}

type MakeLayer = Box<dyn Fn() -> SolverLayer>;
/// dL/dw from (w, dL/dy).
type Formula = fn(&Tensor, &Tensor) -> Tensor;

fn rules() -> Vec<(MakeLayer, Formula)> {
    let solver = || KSubset::new(6, 2).unwrap();
    vec![
        (Box::new(move || SolverLayer::new(solver(), Identity)), |_, g| -g),
        (Box::new(move || SolverLayer::new(solver(), Blackbox::new(2.5).unwrap())), |w, g| {
            (smallest(&(w + g * 2.5), 2) - smallest(w, 2)) / 2.5
        }),
        (
            Box::new(move || {
                SolverLayer::new(solver(), ImplicitMle::new(2.5, ImplicitMleScale::Plain).unwrap())
            }),
            |w, g| smallest(&(w + g * 2.5), 2) - smallest(w, 2),
        ),
        (
            Box::new(move || {
                let rule = ImplicitMle::new(2.5, ImplicitMleScale::InverseLambda).unwrap();
                SolverLayer::new(solver(), rule)
            }),
            |w, g| (smallest(&(w + g * 2.5), 2) - smallest(w, 2)) / 2.5,
        ),
        (
            Box::new(move || SolverLayer::new(solver(), StraightThrough::new(0.7).unwrap())),
            |w, g| {
                // The same softmax through autograd instead of by its formula.
                let w = w.detach().set_requires_grad(true);
                ((&w / -0.7).softmax(-1, None) * 2.0 * g).sum(g.kind()).backward();
                w.grad()
            },
        ),
    ]
}

#[test]
fn every_rule_equals_its_formula_in_direction_and_scale() {
    for kind in KINDS {
        for (shape, scale) in [(vec![6], 1.0), (vec![5, 6], 3.0), (vec![2, 3, 6], 0.1)] {
            let (w, g) = (random(&shape, kind, 1), random(&shape, kind, 2) * scale);
            for (layer, formula) in rules() {
                let (layer, expected) = (layer(), formula(&w, &g));
                let actual = gradient_of(&layer, &w, &g);
                assert!(
                    close(&actual, &expected),
                    "{layer:?} {kind:?} {shape:?}\n{actual}\n{expected}"
                );
                // At this scale the perturbation changes solutions: zero would test nothing.
                assert!(scale < 3.0 || expected.abs().sum(kind).double_value(&[]) > 0.0);
            }
        }
    }
}

#[test]
fn forward_is_the_solution_in_kind_and_shape() {
    for kind in KINDS {
        let w = random(&[4, 3, 6], kind, 3);
        for (layer, _) in rules() {
            assert!(layer().forward(&w).unwrap().equal(&smallest(&w, 2)));
        }
    }
}

#[test]
fn the_shim_agrees_with_identity_written_in_plain_autograd() {
    for kind in KINDS {
        let (w, c) = (random(&[7, 6], kind, 4), random(&[7, 6], kind, 5));
        let layer = SolverLayer::new(KSubset::new(6, 3).unwrap(), Identity);
        let oracle = w.detach().set_requires_grad(true);
        let y = smallest(&oracle.detach(), 3) - &oracle + oracle.detach();
        (y.sin() * &c).sum(kind).backward();
        let ours = w.detach().set_requires_grad(true);
        (layer.forward(&ours).unwrap().sin() * &c).sum(kind).backward();
        assert!(close(&ours.grad(), &oracle.grad()));
    }
}

#[test]
fn two_layers_in_one_graph_twice_in_one_process() {
    // L = Σ y₂, y₂ = solver(M y₁ + w₂), y₁ = solver(w₁): the chain rule with both replacements.
    for kind in KINDS {
        for round in 0..2 {
            let (w1, w2) = (random(&[5, 6], kind, 6 + round), random(&[5, 6], kind, 16 + round));
            let (m, c) = (random(&[6, 6], kind, 26 + round), random(&[5, 6], kind, 36 + round));
            let costs = smallest(&w1, 2).matmul(&m) + &w2;
            for ((first, inner), (second, outer)) in
                rules().iter().flat_map(|first| rules().into_iter().map(move |s| (first, s)))
            {
                let (a, b) =
                    (w1.detach().set_requires_grad(true), w2.detach().set_requires_grad(true));
                let between = first().forward(&a).unwrap().matmul(&m) + &b;
                (second().forward(&between).unwrap() * &c).sum(kind).backward();
                let from_above = outer(&costs, &c);
                assert!(close(&b.grad(), &from_above), "{:?} {:?}", first(), second());
                let expected = inner(&w1, &from_above.matmul(&m.transpose(0, 1)));
                assert!(close(&a.grad(), &expected), "{:?} {:?}", first(), second());
            }
        }
    }
}

/// What is changed in place after the forward pass is not what was solved.
#[test]
fn changes_in_place_do_not_reach_the_backward_pass() {
    for kind in KINDS {
        let (w, c) = (random(&[5, 6], kind, 30), random(&[5, 6], kind, 31) * 3.0);
        for (layer, formula) in rules() {
            let costs = w.detach().copy().set_requires_grad(true);
            let mut y = layer().forward(&costs).unwrap();
            y *= 2.0;
            let loss = (y * &c).sum(kind);
            let _ = tch::no_grad(|| costs.shallow_clone().fill_(0.0));
            loss.backward();
            assert!(close(&costs.grad(), &formula(&w, &(&c * 2.0))), "{:?} {kind:?}", layer());
        }
    }
}

#[test]
fn the_tensors_of_the_caller_stay_as_they_are() {
    let input = random(&[6], Kind::Double, 32).set_requires_grad(true);
    let output = random(&[6], Kind::Double, 33);
    let result = replace_gradient(&input, &output, Ok).unwrap();
    assert!(result.requires_grad() && !output.requires_grad());
}

#[test]
fn a_second_derivative_is_refused() {
    let w = random(&[6], Kind::Double, 34).set_requires_grad(true);
    let y = SolverLayer::new(KSubset::new(6, 2).unwrap(), Identity).forward(&w).unwrap();
    let gradient = Tensor::f_run_backward(&[y.square().sum(Kind::Double)], &[&w], true, true);
    let message = gradient.unwrap_err().to_string();
    assert!(message.contains("no second derivative"), "{message}");
}

#[test]
fn the_mean_of_samples_has_the_scale_of_the_formula() {
    for samples in [1, 4, 9] {
        let (w, c) = (random(&[samples, 5, 6], Kind::Double, 7), random(&[5, 6], Kind::Double, 8));
        let rule = ImplicitMle::new(2.0, ImplicitMleScale::Plain).unwrap();
        let layer = SolverLayer::new(KSubset::new(6, 2).unwrap(), rule);
        let costs = w.detach().set_requires_grad(true);
        let mean = layer.forward_mean(&costs).unwrap();
        assert!(close(&mean, &smallest(&w, 2).mean_dim(0, false, None)));
        (mean * &c).sum(Kind::Double).backward();
        let expected = (smallest(&(&w + &c * 2.0), 2) - smallest(&w, 2)) / samples as f64;
        assert!(close(&costs.grad(), &expected), "{samples} samples");
    }
}

#[test]
fn gradients_flow_through_noise_and_every_projection() {
    let noise =
        Noise::SumOfGamma { k: 2, temperature: 1.0, terms: 10, scale: SumOfGammaScale::Paper };
    for projection in Projection::ALL {
        let (w, c) = (random(&[5, 6], Kind::Double, 9), random(&[5, 6], Kind::Double, 10));
        let layer = SolverLayer::new(KSubset::new(6, 2).unwrap(), Identity);
        let costs = w.detach().set_requires_grad(true);
        let perturbed = noise.perturb(&costs, 11).unwrap();
        let y = layer.forward(&projection.apply(&perturbed).unwrap()).unwrap();
        (y * &c).sum(Kind::Double).backward();
        // −P'(w − ε)ᵀ g, one row at a time, with a Jacobian by finite differences.
        for row in 0..5 {
            let jacobian = jacobian(|x| projection.apply(x), &perturbed.get(row), 1e-6).unwrap();
            let expected = -jacobian.transpose(0, 1).matmul(&c.get(row));
            assert!(close(&costs.grad().get(row), &expected), "{projection:?}");
        }
    }
}

#[test]
fn projections_keep_the_solution_and_remove_the_invariant_direction() {
    let w = random(&[50, 6], Kind::Double, 12);
    for projection in Projection::ALL {
        let projected = projection.apply(&w).unwrap();
        assert!(smallest(&projected, 3).equal(&smallest(&w, 3)), "{projection:?}");
        let jacobian = jacobian(|x| projection.apply(x), &w.get(0), 1e-6).unwrap();
        let ones = Tensor::ones([6], (Kind::Double, Device::Cpu));
        let shift = jacobian.matmul(&ones).norm().double_value(&[]);
        let scale = jacobian.matmul(&w.get(0)).norm().double_value(&[]);
        let (centres, scales) = match projection {
            Projection::None => (false, false),
            Projection::Mean => (true, false),
            Projection::Norm => (false, true),
            Projection::Std => (true, true),
        };
        assert_eq!(shift < 1e-8, centres, "{projection:?} {shift}");
        assert_eq!(scale < 1e-8, scales, "{projection:?} {scale}");
    }
}

#[test]
fn strictly_a_norm_of_zero_is_an_error_that_names_the_row() {
    for kind in KINDS {
        for value in [0.0, 0.1, 1e6] {
            let w = Tensor::cat(
                &[random(&[2, 20], kind, 13), Tensor::full([1, 20], value, (kind, Device::Cpu))],
                0,
            );
            let message = Projection::Std.apply_strictly(&w).unwrap_err().to_string();
            assert!(message.contains("std") && message.contains("instance 2"), "{message}");
            assert_eq!(Projection::Norm.apply_strictly(&w).is_err(), value == 0.0);
            assert!(Projection::Mean.apply_strictly(&w).is_ok());
        }
    }
}

/// Theorem 1 (Sahoo et al. 2023): under small enough steps the first solution that differs has a
/// strictly lower linearised loss, and if none is lower the solution never changes.
#[test]
fn the_first_new_solution_is_better() {
    let solver = KSubset::new(6, 3).unwrap();
    let layer = SolverLayer::new(solver, Identity);
    for seed in 0..40 {
        let start = random(&[6], Kind::Double, 100 + seed);
        // Differences of at least 1/3, so that every change comes within the steps below.
        let c =
            random(&[6], Kind::Double, 200 + seed).argsort(-1, false).to_kind(Kind::Double) / 3.0;
        let y = smallest(&start, 3);
        let value = |y: &Tensor| y.dot(&c).double_value(&[]);
        let best: f64 = solver
            .solutions()
            .iter()
            .map(|y| value(&Tensor::from_slice(y)))
            .fold(f64::INFINITY, f64::min);
        let mut w = start;
        let mut changed = None;
        for _ in 0..20_000 {
            w = &w - gradient_of(&layer, &w, &c) * 1e-3;
            let new = smallest(&w, 3);
            if !new.equal(&y) {
                changed = Some(value(&new));
                break;
            }
        }
        match changed {
            Some(new) => assert!(new < value(&y), "seed {seed}"),
            None => assert!(value(&y) <= best + 1e-12, "seed {seed}"),
        }
    }
}

#[test]
fn gumbel_arg_max_is_softmax() {
    let scores = Tensor::from_slice(&[0.3, -1.0, 1.2, 0.0]);
    let (count, temperature) = (200_000, 1.7);
    let noise = Noise::Gumbel { temperature };
    let costs = noise.perturb(&(-&scores).expand([count, 4], false), 3).unwrap();
    let frequency = smallest(&costs, 1).mean_dim(0, false, None);
    let error =
        (frequency - (scores / temperature).softmax(-1, None)).abs().max().double_value(&[]);
    assert!(error < 0.005, "{error}");
}

#[test]
fn both_sum_of_gamma_variants_have_their_moments() {
    // Moments by hand: Gamma(1/k, c) has mean c/k and variance c²/k.
    for (scale, c) in [
        (SumOfGammaScale::Paper, (|i| 10.0 / i) as fn(f64) -> f64),
        (SumOfGammaScale::Notebook, |i| i / 10.0),
    ] {
        let noise = Noise::SumOfGamma { k: 10, temperature: 10.0, terms: 10, scale };
        let sample = noise.sample(&[400_000], Kind::Double, Device::Cpu, 5).unwrap();
        let scales: Vec<f64> = (1..=10).map(|i| c(f64::from(i))).collect();
        let mean = scales.iter().sum::<f64>() / 10.0 - 10f64.ln();
        let deviation = (scales.iter().map(|c| c * c).sum::<f64>() / 10.0).sqrt();
        assert!((sample.mean(Kind::Double).double_value(&[]) - mean).abs() < 0.03, "{scale:?}");
        assert!((sample.std(true).double_value(&[]) / deviation - 1.0).abs() < 0.02, "{scale:?}");
    }
    // The sum of k of the paper's variables is close to Gumbel(0, τ): mean 0.577 τ, deviation 1.283 τ.
    let noise =
        Noise::SumOfGamma { k: 10, temperature: 2.0, terms: 10, scale: SumOfGammaScale::Paper };
    let sum = noise
        .sample(&[40_000, 10], Kind::Double, Device::Cpu, 6)
        .unwrap()
        .sum_dim_intlist(-1, false, None);
    assert!((sum.mean(Kind::Double).double_value(&[]) / 2.0 - 0.577).abs() < 0.08);
    assert!((sum.std(true).double_value(&[]) / 2.0 - 1.283).abs() < 0.08);
}

#[test]
fn gaussian_noise_has_its_moments() {
    let noise = Noise::Normal { deviation: 2.5 };
    let sample = noise.sample(&[200_000], Kind::Double, Device::Cpu, 3).unwrap();
    let (mean, deviation) =
        (sample.mean(Kind::Double).double_value(&[]), sample.std(true).double_value(&[]));
    assert!(mean.abs() < 0.02 && (deviation - 2.5).abs() < 0.02, "{mean} {deviation}");
    // Of a normal variable 68.3 % are within one deviation.
    let inside = sample.abs().lt(2.5).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    assert!((inside - 0.6827).abs() < 0.005, "{inside}");
    assert!(Noise::Normal { deviation: 0.0 }.sample(&[1], Kind::Float, Device::Cpu, 1).is_err());
}

#[test]
fn noise_on_a_gradient_is_added_once_behind_the_loss() {
    for kind in KINDS {
        let (w, g, noise) =
            (random(&[3, 6], kind, 1), random(&[3, 6], kind, 2), random(&[3, 6], kind, 3));
        let layer = SolverLayer::new(KSubset::new(6, 2).unwrap(), Blackbox::new(2.5).unwrap());
        let costs = w.detach().set_requires_grad(true);
        let y = layer.forward(&costs).unwrap();
        let noisy = add_to_gradient(&y, &noise).unwrap();
        assert!(noisy.equal(&y));
        (&noisy * &g).sum(kind).backward();
        // As if the loss had sent g + noise.
        assert!(close(&costs.grad(), &gradient_of(&layer, &w, &(&g + &noise))));
        assert!(!close(&costs.grad(), &gradient_of(&layer, &w, &g)));
        assert!(add_to_gradient(&w, &noise).unwrap().equal(&w));
        assert!(matches!(add_to_gradient(&y, &noise.get(0)), Err(Error::Shape { .. })));
    }
}

#[test]
fn noise_depends_on_the_seed_and_on_nothing_else() {
    let noise =
        Noise::SumOfGamma { k: 3, temperature: 1.0, terms: 10, scale: SumOfGammaScale::Paper };
    let sample = |threads: usize, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| noise.sample(&[50, 101], Kind::Double, Device::Cpu, seed).unwrap())
    };
    assert!(sample(1, 7).equal(&sample(4, 7)));
    assert!(!sample(1, 7).equal(&sample(1, 8)));
    assert_ne!(derive_seed(&[1, 2]), derive_seed(&[2, 1]));
}

#[derive(Debug)]
struct Failing(bool);

impl Rule for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }
    fn gradient(&self, _: &Solved<'_>, gradient: &Tensor) -> Result<Tensor> {
        assert!(!self.0, "the rule gave up");
        Ok(gradient.flatten(0, -1).narrow(0, 0, 1))
    }
}

#[test]
fn errors_and_panics_of_a_rule_reach_the_caller_of_backward() {
    let w = random(&[2, 6], Kind::Double, 14).set_requires_grad(true);
    let solver = KSubset::new(6, 2).unwrap();
    for (layer, part) in [
        (SolverLayer::new(solver, Failing(true)), "the rule gave up"),
        (SolverLayer::new(solver, Failing(false)), "shape [1]; expected [2, 6]"),
    ] {
        let loss = layer.forward(&w).unwrap().sum(Kind::Double);
        let message = loss.f_backward().unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    let layer = SolverLayer::new(solver, Blackbox::new(1.0).unwrap());
    let loss = (layer.forward(&w).unwrap() * f64::NAN).sum(Kind::Double);
    let message = loss.f_backward().unwrap_err().to_string();
    assert!(message.contains("cost 0 of instance 0 is NaN"), "{message}");
    // The thread is usable afterwards.
    let _ = gradient_of(&layer, &w, &random(&[2, 6], Kind::Double, 15));
}

#[test]
fn a_closure_is_dropped_with_its_graph() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    for requires_grad in [true, false] {
        let counted = Counted(Arc::clone(&drops));
        let w = Tensor::zeros([3], (Kind::Double, Device::Cpu)).set_requires_grad(requires_grad);
        let before = drops.load(Ordering::SeqCst);
        let y = replace_gradient(&w, &w.detach().copy(), move |g| {
            let _keep = &counted;
            Ok(g * 2.0)
        })
        .unwrap();
        if requires_grad {
            y.sum(Kind::Double).backward();
            assert_eq!(Vec::<f64>::try_from(w.grad()).unwrap(), [2.0; 3]);
            assert_eq!(drops.load(Ordering::SeqCst), before, "dropped while the graph is alive");
        }
        drop(y);
        assert_eq!(drops.load(Ordering::SeqCst), before + 1);
    }
}

#[test]
fn bad_input_of_a_layer_is_named() {
    let layer = SolverLayer::new(KSubset::new(6, 2).unwrap(), Identity);
    let message = layer.forward(&random(&[2, 5], Kind::Float, 16)).unwrap_err().to_string();
    assert!(message.contains("[2, 5]") && message.contains("[..., 6]"), "{message}");
    assert!(layer.forward(&Tensor::zeros([2, 6], (Kind::Int64, Device::Cpu))).is_err());
    let poisoned = random(&[2, 6], Kind::Float, 17).slice_scatter(
        &Tensor::full([1, 6], f64::NAN, (Kind::Float, Device::Cpu)),
        0,
        1,
        2,
        1,
    );
    let message = layer.forward(&poisoned).unwrap_err().to_string();
    assert!(message.contains("instance 1") && message.contains("NaN"), "{message}");
    let integers = Tensor::zeros([2, 6], (Kind::Int64, Device::Cpu));
    assert!(Projection::ALL.iter().all(|projection| projection.apply(&integers).is_err()));
    assert!(Noise::Gumbel { temperature: 1.0 }.perturb(&integers, 0).is_err());
    let noise = Noise::Gumbel { temperature: 1.0 };
    assert!(noise.sample(&[-2, -3], Kind::Float, Device::Cpu, 0).is_err());
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            Blackbox::new(bad).is_err() && ImplicitMle::new(bad, ImplicitMleScale::Plain).is_err()
        );
        assert!(StraightThrough::new(bad).is_err());
        assert!(Noise::Gumbel { temperature: bad }.perturb(&poisoned, 0).is_err());
    }
}

#[test]
fn costs_may_have_the_shape_of_a_solution() {
    let grid = GridShortestPath::new(3, 4).unwrap();
    let w = random(&[5, 3, 4], Kind::Float, 40).abs();
    let layer = SolverLayer::new(grid, Blackbox::new(3.0).unwrap());
    let g = random(&[5, 3, 4], Kind::Float, 41);
    let flat = gradient_of(&layer, &w.view([5, 12]), &g.view([5, 12]));
    assert!(flat.abs().sum(Kind::Float).double_value(&[]) > 0.0);
    assert!(gradient_of(&layer, &w, &g).view([5, 12]).equal(&flat));
    assert!(
        layer.forward(&w).unwrap().view([5, 12]).equal(&layer.forward(&w.view([5, 12])).unwrap())
    );
    let message = layer.forward(&w.view([5, 4, 3])).unwrap_err().to_string();
    assert!(message.contains("[..., 12]") && message.contains("[3, 4]"), "{message}");
}

/// Remembers each cost it saw, and counts how it was called.
#[derive(Debug)]
struct Warm(Arc<AtomicUsize>);

impl Solver for Warm {
    fn dimension(&self) -> usize {
        3
    }
    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        self.solve_warm(cost, solution, &mut Vec::new())
    }
    fn warm_start(&self) -> Option<&dyn WarmStart> {
        Some(self)
    }
}

impl WarmStart for Warm {
    fn solve_warm(&self, cost: &[f64], solution: &mut [f64], memory: &mut Vec<f64>) -> Result<()> {
        if !memory.is_empty() {
            // Nearby costs of the same instance, not of another one.
            assert!(cost.iter().zip(&*memory).all(|(a, b)| (a - b).abs() < 0.6), "{cost:?}");
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        *memory = cost.to_vec();
        KSubset::new(3, 1)?.solve(cost, solution)
    }
}

#[test]
fn a_second_solve_starts_from_what_the_first_has_left() {
    let warm = Arc::new(AtomicUsize::new(0));
    let w = random(&[700, 3], Kind::Double, 42) * 100.0;
    let g = random(&[700, 3], Kind::Double, 43).clamp(-1.0, 1.0);
    let rule = || Blackbox::new(0.5).unwrap();
    let layer = SolverLayer::new(Warm(Arc::clone(&warm)), rule());
    let expected = gradient_of(&SolverLayer::new(KSubset::new(3, 1).unwrap(), rule()), &w, &g);
    for _ in 0..2 {
        let costs = w.detach().set_requires_grad(true);
        let loss = (layer.forward(&costs).unwrap() * &g).sum(Kind::Double);
        assert_eq!(warm.swap(0, Ordering::SeqCst), 0);
        loss.backward();
        assert_eq!(warm.swap(0, Ordering::SeqCst), 700);
        assert!(costs.grad().equal(&expected));
    }
    let mean = layer.forward_mean(&w.view([7, 100, 3]).set_requires_grad(true)).unwrap();
    mean.sum(Kind::Double).backward();
    assert_eq!(warm.load(Ordering::SeqCst), 700);
}

#[test]
fn a_closure_is_a_solver() {
    let solver = Closure::new(6, |costs, solution| KSubset::new(6, 2)?.solve(costs, solution));
    let (w, g) = (random(&[5, 6], Kind::Float, 44), random(&[5, 6], Kind::Float, 45));
    let rule = || Blackbox::new(3.0).unwrap();
    let expected = gradient_of(&SolverLayer::new(KSubset::new(6, 2).unwrap(), rule()), &w, &g);
    assert!(gradient_of(&SolverLayer::new(solver.clone(), rule()), &w, &g).equal(&expected));
    let costly = solver.with_domain(Domain::NonNegative);
    let message = SolverLayer::new(costly, rule()).forward(&w).unwrap_err().to_string();
    assert!(message.contains("Closure of 6 costs") && message.contains(">= 0"), "{message}");
    let failing = Closure::new(2, |_, _| Err(Error::parameter("the budget", 0, "more than 0")));
    let message =
        SolverLayer::new(failing, rule()).forward(&w.view([15, 2])).unwrap_err().to_string();
    assert!(message.contains("the budget is 0"), "{message}");
}

#[test]
fn every_rule_sees_an_instance_as_one_row() {
    let solver = || Closure::new(6, |costs, y| KSubset::new(6, 2)?.solve(costs, y));
    #[derive(Debug)]
    struct Shaped(Closure);
    impl Solver for Shaped {
        fn dimension(&self) -> usize {
            6
        }
        fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
            self.0.solve(cost, solution)
        }
        fn shape(&self) -> Vec<usize> {
            vec![2, 3]
        }
    }
    let rule = || StraightThrough::new(0.7).unwrap();
    let shaped = SolverLayer::new(Shaped(solver()), rule());
    let flat = SolverLayer::new(solver(), rule());
    let (w, g) = (random(&[4, 5, 2, 3], Kind::Double, 50), random(&[4, 5, 2, 3], Kind::Double, 51));
    let rows = [4, 5, 6];
    let expected = gradient_of(&flat, &w.view(rows), &g.view(rows));
    assert!(gradient_of(&shaped, &w, &g).view(rows).equal(&expected));
    // The mean over the first dimension, which an instance alone does not have.
    let mean = shaped.forward_mean(&w).unwrap();
    assert!(mean.view([5, 6]).equal(&flat.forward_mean(&w.view(rows)).unwrap()));
    assert!(shaped.forward_mean(&random(&[2, 3], Kind::Double, 52)).is_err());
    assert!(shaped.forward_mean(&random(&[7, 2, 3], Kind::Double, 53)).is_ok());
}
