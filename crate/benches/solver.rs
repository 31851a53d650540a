//! Times of the solvers beside peers in Rust and libtorch: `cargo bench` in the image is
//! `docker compose run --rm lab bench [FILTER]`. One thread, except in the group `batch`.

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

#[path = "solver/assignment.rs"]
mod assignment;
#[path = "solver/graph_matching.rs"]
mod graph_matching;
#[path = "solver/matching.rs"]
mod matching;
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
    tch::set_num_threads(1);
    // Fails only where a pool is there already.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(1).build_global();
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = solvers;
    config = configuration();
    targets = tensors::subset, tensors::ranking, recall::loss, training_step::discrete_vae, paths::grid, paths::graph, paths::batch, assignment::cold, assignment::warm, matching::matching, travelling_salesman::tours, graph_matching::graph_matching
}
criterion_main!(solvers);
