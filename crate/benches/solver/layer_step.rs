use criterion::Criterion;
use solvergrad::prelude::*;

const MAPS: i64 = 70;
const K: i64 = 12;
const SAMPLES: i64 = 10;

type Forward<'a> = &'a mut dyn FnMut(&Tensor) -> Tensor;

/// Forward and backward pass of a layer of shortest paths for 70 maps of 12 x 12 tiles, the incoming
/// gradient given. What is computed is printed, so that a peer can be compared.
pub fn paths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("layer step");
    let solver = || GridShortestPath::new(K as usize, K as usize).unwrap();
    let costs = (places(0) * 10.0 + 5.0).set_requires_grad(true);
    // As of a mean over the batch: moved by 20 times this, costs stay positive.
    let weights = (places(1) - 0.5) / MAPS as f64;
    let identity = SolverLayer::new(solver(), Identity);
    let blackbox = SolverLayer::new(solver(), Blackbox::new(20.0).unwrap());
    let rule = ImplicitMle::new(10.0, ImplicitMleScale::InverseLambda).unwrap();
    let samples = SolverLayer::new(solver(), rule);
    let noise =
        Noise::SumOfGamma { k: 5, temperature: 1.0, terms: 10, scale: SumOfGammaScale::Paper };
    let mut seed = 0;
    let mut sampled = |costs: &Tensor| {
        seed += 1;
        let many = noise.perturb(&costs.expand([SAMPLES, MAPS, K * K], false), seed).unwrap();
        // The tail of the noise is long, and shortest paths want costs >= 0.
        samples.forward_mean(&many.clamp_min(0.0)).unwrap()
    };
    let mut ways: [(&str, Forward<'_>); 3] = [
        ("identity", &mut |costs| identity.forward(costs).unwrap()),
        ("blackbox", &mut |costs| blackbox.forward(costs).unwrap()),
        ("i-mle", &mut sampled),
    ];
    for (name, forward) in &mut ways {
        let mut step = || {
            let loss = (forward(&costs) * &weights).sum(Kind::Float);
            let gradient = Tensor::run_backward(&[&loss], &[&costs], false, false).remove(0);
            (loss, gradient)
        };
        let (loss, gradient) = step();
        let (loss, norm) = (loss.double_value(&[]), gradient.norm().double_value(&[]));
        println!("layer step/{name} is {loss:.6}, norm of its gradient {norm:.6e}");
        group.bench_function(*name, |bencher| bencher.iter(&mut step));
    }
}

// In 0 to 1, no two of a map alike: multiples of the golden ratio.
fn places(part: u32) -> Tensor {
    let count = (MAPS * K * K) as u32;
    let values: Vec<f32> = (part * count..(part + 1) * count)
        .map(|place| (place.wrapping_mul(2_654_435_769) >> 8) as f32 / 16_777_216.0)
        .collect();
    Tensor::from_slice(&values).view([MAPS, K * K])
}
