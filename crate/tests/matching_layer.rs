//! A layer of graph matching: its gradient to unary and to quadratic costs, against the formulas with
//! every matching listed; and several pairs of graphs at once.

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use solvergrad::Error;
use solvergrad::prelude::*;

const PATH: [(usize, usize); 4] = [(0, 1), (1, 0), (1, 2), (2, 1)];
const TRIANGLE: [(usize, usize); 6] = [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)];

fn instance() -> GraphMatching {
    GraphMatching::new(3, 4, &PATH, &[(0, 1), (1, 0), (1, 3), (3, 1), (2, 3), (3, 2)]).unwrap()
}

fn random_costs(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..0.6)).collect()
}

/// argmin ⟨w, y⟩ over all matchings, one after the other.
fn best(matching: &GraphMatching, cost: &[f64]) -> Vec<f64> {
    let value = |y: &Vec<f64>| y.iter().zip(cost).map(|(y, w)| y * w).sum::<f64>();
    matching.solutions().into_iter().min_by(|a, b| value(a).total_cmp(&value(b))).unwrap()
}

fn gradient_of(layer: &SolverLayer, costs: &[f64], slope: &Tensor) -> Vec<f64> {
    let w = Tensor::from_slice(costs).set_requires_grad(true);
    (layer.forward(&w).unwrap() * slope).sum(Kind::Double).backward();
    w.grad().try_into().unwrap()
}

#[test]
fn both_kinds_of_costs_get_the_gradient_of_the_rule() {
    let matching = instance();
    let unary = 3 * 4;
    let (mut moved_unary, mut moved_quadratic) = (0, 0);
    for seed in 0..40 {
        let costs = random_costs(matching.dimension(), seed);
        let slope: Vec<f64> = random_costs(matching.dimension(), 100 + seed);
        let slopes = Tensor::from_slice(&slope);

        let identity = SolverLayer::new(matching.clone(), Identity);
        let expected: Vec<f64> = slope.iter().map(|g| -g).collect();
        assert_eq!(gradient_of(&identity, &costs, &slopes), expected);

        let lambda = 2.5;
        let blackbox = SolverLayer::new(matching.clone(), Blackbox::new(lambda).unwrap());
        let perturbed: Vec<f64> = costs.iter().zip(&slope).map(|(w, g)| w + lambda * g).collect();
        let (before, after) = (best(&matching, &costs), best(&matching, &perturbed));
        let expected: Vec<f64> =
            before.iter().zip(&after).map(|(before, after)| (after - before) / lambda).collect();
        assert_eq!(gradient_of(&blackbox, &costs, &slopes), expected);
        moved_unary += usize::from(expected[..unary].iter().any(|entry| *entry != 0.0));
        moved_quadratic += usize::from(expected[unary..].iter().any(|entry| *entry != 0.0));
    }
    // The comparison was not one of zeros.
    assert!(moved_unary > 20 && moved_quadratic > 20, "{moved_unary} {moved_quadratic}");
}

/// A loss on matches of nodes alone: Identity then sends the quadratic costs nothing, Blackbox does,
/// and a norm over both kinds couples them.
#[test]
fn quadratic_costs_learn_from_matches_of_nodes_by_rule_and_projection() {
    let matching = instance();
    let unary = 3 * 4;
    let size = |rule: &dyn Fn() -> SolverLayer, projection: Projection| -> f64 {
        let mut sum = 0.0;
        for seed in 0..20 {
            let w = Tensor::from_slice(&random_costs(matching.dimension(), seed))
                .set_requires_grad(true);
            let y = rule().forward(&projection.apply(&w).unwrap()).unwrap();
            let truth = Tensor::from_slice(&[1.0, 0., 0., 0., 0., 1.0, 0., 0., 0., 0., 0., 1.0]);
            hamming_loss(&y.narrow(0, 0, unary), &truth).unwrap().backward();
            let length = w.size()[0] - unary;
            sum += w.grad().narrow(0, unary, length).abs().sum(Kind::Double).double_value(&[]);
        }
        sum
    };
    let identity = || SolverLayer::new(matching.clone(), Identity);
    let blackbox = || SolverLayer::new(matching.clone(), Blackbox::new(5.0).unwrap());
    assert_eq!(size(&identity, Projection::None), 0.0);
    assert!(size(&identity, Projection::Norm) > 0.1);
    assert!(size(&blackbox, Projection::None) > 0.1);
}

#[test]
fn a_product_is_its_factors_side_by_side() {
    let pairs = [
        instance(),
        GraphMatching::new(2, 2, &[(0, 1)], &[(1, 0)]).unwrap(),
        GraphMatching::new(4, 3, &[], &TRIANGLE).unwrap(),
    ];
    let product = Product::new(pairs.clone()).unwrap();
    let sizes: Vec<usize> = pairs.iter().map(Solver::dimension).collect();
    assert_eq!(product.dimension(), sizes.iter().sum::<usize>());
    let (mut proved, rounds) = (0, 30);
    for seed in 0..rounds {
        let costs = random_costs(product.dimension(), seed);
        let slope = random_costs(product.dimension(), 1000 + seed);
        let layers: [fn(GraphMatching) -> SolverLayer; 2] = [
            |pair| SolverLayer::new(pair, Identity),
            |pair| SolverLayer::new(pair, Blackbox::new(1.5).unwrap()),
        ];
        let (mut solutions, mut gradients) = (Vec::new(), [Vec::new(), Vec::new()]);
        let mut start = 0;
        for (pair, size) in pairs.iter().zip(&sizes) {
            let part = start..start + size;
            solutions.extend(solve_batch(pair, &costs[part.clone()]).unwrap());
            for (gradient, layer) in gradients.iter_mut().zip(&layers) {
                let layer = layer(pair.clone());
                let slope = Tensor::from_slice(&slope[part.clone()]);
                gradient.extend(gradient_of(&layer, &costs[part.clone()], &slope));
            }
            start = part.end;
        }
        assert_eq!(solve_batch(&product, &costs).unwrap(), solutions);
        let slope = Tensor::from_slice(&slope);
        let whole = SolverLayer::new(product.clone(), Identity);
        assert_eq!(gradient_of(&whole, &costs, &slope), gradients[0]);
        let whole = SolverLayer::new(product.clone(), Blackbox::new(1.5).unwrap());
        assert_eq!(gradient_of(&whole, &costs, &slope), gradients[1]);

        let (each, proofs) = product.prove_each(&costs).unwrap();
        assert_eq!(each, solutions);
        assert_eq!(proofs.len(), pairs.len());
        proved += proofs.iter().filter(|proof| proof.is_optimal()).count();
        let mut solution = vec![0.0; costs.len()];
        let together =
            product.certificate().unwrap().solve_certified(&costs, &mut solution).unwrap();
        let sum: f64 = proofs.iter().map(|proof| proof.objective).sum();
        assert!((together.objective - sum).abs() < 1e-12 && together.is_optimal());
    }
    assert_eq!(proved, 3 * rounds as usize);
}

#[test]
fn a_product_of_nothing_and_of_unlike_costs_is_refused() {
    let nothing: Vec<KSubset> = Vec::new();
    assert!(matches!(Product::new(nothing), Err(Error::Parameter { .. })));
    let mixed = Product::shared(vec![
        std::sync::Arc::new(KSubset::new(3, 1).unwrap()),
        std::sync::Arc::new(GridShortestPath::new(2, 2).unwrap()),
    ]);
    let message = mixed.unwrap_err().to_string();
    assert!(message.contains("factor 1") && message.contains(">= 0"), "{message}");
    let product = Product::new([KSubset::new(3, 1).unwrap()]).unwrap();
    let Err(Error::Shape { .. }) = product.prove_each(&[1.0]) else { panic!("a wrong length") };
    // Top-k has no certificate, and says so; a NaN names its place in the whole.
    assert!(product.certificate().is_none());
    let message = product.prove_each(&[1.0, 2.0, 3.0]).unwrap_err().to_string();
    assert!(message.contains("certificate"), "{message}");
    let two = Product::new([KSubset::new(2, 1).unwrap(), KSubset::new(2, 1).unwrap()]).unwrap();
    let message = solve_batch(&two, &[0.0, 1.0, f64::NAN, 1.0]).unwrap_err().to_string();
    assert!(message.contains("NaN") && message.contains('2'), "{message}");
}
