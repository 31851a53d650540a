use criterion::Criterion;
use solvergrad::prelude::*;

/// A training step of the discrete VAE on 100 images, with its layer of 2000 rows, top 10 of 20, by
/// several rules, and with given codes in its place, whose gradient plain autograd passes on as Identity
/// would: the same numbers in all else (times depend on them), so the difference is what a layer adds.
pub fn discrete_vae(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("training step");
    let binary = KSubset::new(20, 10).unwrap();
    let binary = SolverLayer::new(binary, Identity)
        .forward(&Tensor::randn([100, 20, 20], (Kind::Float, Device::Cpu)))
        .unwrap();
    let images = Tensor::rand([100, 784], (Kind::Float, Device::Cpu));
    let costs = Tensor::randn([100, 20, 20], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let identity = layer(Identity);
    for (name, projection) in
        [("layer alone", Projection::None), ("layer alone, std", Projection::Std)]
    {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let codes = identity.forward(&projection.apply(&costs).unwrap()).unwrap();
                let loss = codes.sum(Kind::Float);
                Tensor::run_backward(&[loss], &[&costs], false, false)
            });
        });
    }
    let ways: [(&str, Option<SolverLayer>, Projection); 4] = [
        ("given codes", None, Projection::None),
        ("identity", Some(layer(Identity)), Projection::None),
        ("identity, std", Some(layer(Identity)), Projection::Std),
        ("blackbox", Some(layer(Blackbox::new(10.0).unwrap())), Projection::None),
    ];
    for (name, layer, projection) in ways {
        let variables = nn::VarStore::new(Device::Cpu);
        let root = variables.root();
        let encoder = Mlp::new(&(&root / "encoder"), &[784, 512, 256, 400], 1).unwrap();
        let decoder = Mlp::new(&(&root / "decoder"), &[400, 256, 512, 784], 2).unwrap();
        let mut optimizer = Adam::new(&variables, 1e-3).unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let costs = projection.apply(&encoder.forward(&images).view([-1, 20, 20])).unwrap();
                let codes = match &layer {
                    Some(layer) => layer.forward(&costs).unwrap(),
                    None => costs.detach() - &costs + &binary,
                };
                let logits = decoder.forward(&codes.flatten(1, -1));
                let loss = bernoulli_negative_log_likelihood(&logits, &images).unwrap();
                optimizer.minimise(&loss).unwrap();
            });
        });
    }
}

fn layer(rule: impl Rule) -> SolverLayer {
    SolverLayer::new(KSubset::new(20, 10).unwrap(), rule)
}
