use criterion::Criterion;
use solvergrad::prelude::*;
use tch::nn::ModuleT;

/// A training step of the network of the Warcraft experiment without its solver: 70 pictures of
/// 96 x 96 points, L1 distance of its costs to given ones, backward pass, Adam.
pub fn warcraft(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("network step");
    let pixels = Tensor::randint(256, [70, 96, 96, 3], (Kind::Uint8, Device::Cpu));
    let target = Tensor::rand([70, 144], (Kind::Float, Device::Cpu));
    let channels = Channels::of(&pixels).unwrap();
    let variables = nn::VarStore::new(Device::Cpu);
    let network = ResNetTrunk::new(&variables.root(), 12, 1).unwrap();
    let mut optimizer = Adam::new(&variables, 5e-3).unwrap();
    group.bench_function("warcraft", |bencher| {
        bencher.iter(|| {
            let pictures = channels.apply(&pixels).unwrap();
            let costs = network.forward_t(&pictures, true).flatten(1, -1).softplus();
            let loss = (costs - &target).abs().sum(Kind::Float) / 70.0;
            optimizer.minimise(&loss).unwrap();
        });
    });
}
