use std::hint::black_box;

use criterion::Criterion;
use solvergrad::solver::{KSubset, OnDevice, Ranking};
use tch::{Device, Kind, Tensor};

/// The latent rows of a discrete VAE and the words of reviews, against libtorch's top-k.
pub fn subset(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("subset");
    for (rows, n, k) in [(2000, 20, 10), (40, 350, 10), (70, 400, 10)] {
        let costs = Tensor::randn([rows, n], (Kind::Float, Device::Cpu));
        let solver = KSubset::new(n as usize, k).unwrap();
        group.bench_function(format!("ours {rows} x {n}, k = {k}"), |bencher| {
            bencher.iter(|| solver.solve_tensor(black_box(&costs)).unwrap());
        });
        group.bench_function(format!("torch.topk {rows} x {n}, k = {k}"), |bencher| {
            bencher.iter(|| black_box(&costs).topk(k as i64, -1, false, false));
        });
    }
}

/// The scores of retrieval, against libtorch's argsort.
pub fn ranking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ranking");
    let costs = Tensor::randn([448, 448], (Kind::Float, Device::Cpu));
    let solver = Ranking::new(448).unwrap();
    group.bench_function("ours 448 x 448", |bencher| {
        bencher.iter(|| solver.solve_tensor(black_box(&costs)).unwrap());
    });
    group.bench_function("torch.argsort 448 x 448", |bencher| {
        bencher.iter(|| black_box(&costs).argsort(-1, true));
    });
}
