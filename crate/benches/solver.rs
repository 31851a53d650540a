//! Times of the solvers beside peers in Rust and libtorch: `cargo bench` in the image is
//! `docker compose run --rm lab bench-rust [FILTER]`. One thread, except in the group `batch` or where
//! RAYON_NUM_THREADS says otherwise.

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

#[path = "solver/assignment.rs"]
mod assignment;
#[path = "solver/graph_matching.rs"]
mod graph_matching;
#[path = "solver/layer_step.rs"]
mod layer_step;
#[path = "solver/matching.rs"]
mod matching;
#[path = "solver/network_step.rs"]
mod network_step;
#[path = "solver/paths.rs"]
mod paths;
#[path = "solver/recall.rs"]
mod recall;
#[path = "solver/tensors.rs"]
mod tensors;
#[path = "solver/training_step.rs"]
mod training_step;
#[path = "solver/travelling_salesman.rs"]
mod travelling_salesman;

fn configuration() -> Criterion {
    let threads = std::env::var("RAYON_NUM_THREADS").ok().and_then(|count| count.parse().ok());
    let threads: u8 = threads.unwrap_or(1);
    tch::set_num_threads(threads.into());
    // Fails only where a pool is there already.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = solvers;
    config = configuration();
    targets = tensors::subset, tensors::ranking, recall::loss, layer_step::paths, training_step::discrete_vae, network_step::warcraft, paths::grid, paths::graph, paths::batch, assignment::cold, assignment::warm, matching::matching, travelling_salesman::tours, graph_matching::graph_matching
}
criterion_main!(solvers);
