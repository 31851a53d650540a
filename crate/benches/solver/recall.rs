use criterion::Criterion;
use solvergrad::prelude::*;

const N: i64 = 448;
// The interpolation width that is published for ranks divided by n, in units of ranks.
const LAMBDA: f64 = 0.2 * N as f64;

/// Forward and backward pass of the loglog recall loss of 448 queries over 448 items, four relevant for
/// each, with the informed margin 0.02. What is computed is printed, so that a peer can be compared.
pub fn loss(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recall loss");
    // Multiples of the golden ratio: no two of a row are close, so that ranks do not hang on rounding.
    let scores: Vec<f32> = (0..(N * N) as u32)
        .map(|place| (place.wrapping_mul(2_654_435_769) >> 8) as f32 / 8_388_608.0 - 1.0)
        .collect();
    let scores = Tensor::from_slice(&scores).view([N, N]).set_requires_grad(true);
    let class = Tensor::arange(N, (Kind::Int64, Device::Cpu)).divide_scalar_mode(4, "floor");
    let relevant = class.unsqueeze(1).eq_tensor(&class).to_kind(Kind::Float);
    let (irrelevant, margin) = (1.0 - &relevant, Margin::Informed { alpha: 0.02 });
    let layer = |blackbox: bool| {
        let solver = Ranking::new(N as usize).unwrap();
        if blackbox {
            SolverLayer::new(solver, Blackbox::new(LAMBDA).unwrap())
        } else {
            SolverLayer::new(solver, Identity)
        }
    };
    for (name, layer) in [("blackbox", layer(true)), ("identity", layer(false))] {
        let step = || {
            let moved = margin.apply(&scores, Some(&irrelevant), 0).unwrap();
            let ranks = layer.forward(&moved).unwrap();
            let loss = recall_loss(&ranks, &relevant, RecallWeight::LogLog).unwrap();
            let loss = loss.mean(Kind::Float);
            let gradient = Tensor::run_backward(&[&loss], &[&scores], false, false).remove(0);
            (loss, gradient)
        };
        let (loss, gradient) = step();
        let (loss, norm) = (loss.double_value(&[]), gradient.norm().double_value(&[]));
        println!("recall loss/{name} is {loss:.6}, norm of its gradient {norm:.6e}");
        group.bench_function(name, |bencher| bencher.iter(step));
    }
}
