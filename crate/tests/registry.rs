//! The table of all methods: each row on small problems, its solver calls counted.

use std::sync::Arc;

use solvergrad::prelude::*;
use solvergrad::registry::{
    self, Gives, Labels, METHODS, Method, Objective, Problems, Structure, Task,
};
use solvergrad::solver::Counted;

mod common;

use common::{KINDS, random, smallest};

/// Small problems, one for each kind of solver that a row may need.
fn tasks(kind: Kind) -> Vec<(&'static str, Task)> {
    let grid_edges = [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 5), (4, 5)];
    let weights = [vec![3.0, 4.0, 5.0, 6.0, 2.0], vec![2.0, 6.0, 3.0, 4.0, 5.0]];
    let solvers: Vec<(&str, Arc<dyn Solver>, Structure, f64)> = vec![
        ("subset", Arc::new(KSubset::new(6, 2).unwrap()), Structure::Subsets(2), 1.0),
        ("one of n", Arc::new(KSubset::new(5, 1).unwrap()), Structure::Subsets(1), 1.0),
        ("ranks", Arc::new(Ranking::new(5).unwrap()), Structure::Ranks, 1.0),
        (
            "paths",
            Arc::new(GraphShortestPath::new(6, &grid_edges, 0, 5).unwrap()),
            Structure::Any,
            1.0,
        ),
        ("grid", Arc::new(GridShortestPath::new(3, 3).unwrap()), Structure::Any, 1.0),
        (
            "knapsack",
            Arc::new(LinearProgramme::knapsack(&weights, &[9.0, 9.0]).unwrap()),
            Structure::Any,
            -1.0,
        ),
    ];
    let build =
        |(name, solver, structure, sign): (&'static str, Arc<dyn Solver>, Structure, f64)| {
            let n = solver.dimension() as i64;
            let costs = (random(&[8, n], kind, 1).abs() + 0.1) * sign;
            let mut task = Task::new(solver, &costs).unwrap();
            task.structure = structure;
            (name, task)
        };
    solvers.into_iter().map(build).collect()
}

/// Costs that the task's solver accepts.
fn within(task: &Task, costs: Tensor) -> Tensor {
    if task.solver.domain() == Domain::Finite { costs } else { costs.clamp_min(0.01) }
}

#[test]
fn every_row_gives_losses_and_gradients_and_solves_as_often_as_it_says() {
    for kind in KINDS {
        let mut used = vec![false; METHODS.len()];
        for (name, mut task) in tasks(kind) {
            let counter = Counted::shared(task.solver.clone());
            task.solver = Arc::new(counter.clone());
            task.settings.samples = 7;
            let predicted = within(&task, random(&task.costs.size(), kind, 2) * 0.7 + &task.costs);
            for (method, used) in METHODS.iter().zip(&mut used) {
                if !method.applies(&task) {
                    continue;
                }
                *used = true;
                let w = predicted.detach().set_requires_grad(true);
                counter.reset();
                let loss = method.loss(&task, &w, 3).unwrap();
                let forward = counter.reset();
                assert_eq!(loss.size(), [8], "{method:?} on {name}");
                loss.sum(kind).backward();
                let backward = counter.count();
                assert_eq!(w.grad().size(), w.size());
                assert_eq!(w.grad().isfinite().all().int64_value(&[]), 1, "{method:?} on {name}");
                let claimed = (method.calls)(&task.settings);
                for (pass, claimed, counted) in [
                    ("forward", claimed.forward, forward),
                    ("backward", claimed.backward, backward),
                ] {
                    if let Some(claimed) = claimed {
                        assert_eq!(claimed as u64 * 8, counted, "{pass} of {method:?} on {name}");
                    }
                }
                // The same seed, the same numbers; without noise, whatever the seed.
                if method.name != "adaptive-i-mle" {
                    let again = method.loss(&task, &w, 3).unwrap();
                    assert!(again.equal(&loss), "{method:?} on {name}");
                    let other = method.loss(&task, &w, 4).unwrap();
                    assert!(method.noise || other.equal(&loss), "{method:?} on {name}");
                }
            }
        }
        for (method, used) in METHODS.iter().zip(used) {
            assert!(used, "{method:?} was not tried");
        }
    }
}

/// Learning lowers the regret of costs that start at random.
#[test]
fn every_row_learns() {
    for (name, task) in tasks(Kind::Float) {
        // The exact solver, to measure by.
        let plain = SolverLayer::shared(task.solver.clone(), Arc::new(Identity));
        for method in METHODS.iter().filter(|method| method.applies(&task)) {
            let task = task.restarted().unwrap();
            let mut costs = within(&task, random(&task.costs.size(), Kind::Float, 5));
            let regret = |costs: &Tensor| {
                let found = plain.forward(costs).unwrap();
                metric::regret(&task.costs, &found, &task.solutions).unwrap()
            };
            let before = regret(&costs);
            // The sum: λ is in units of costs per unit of one instance's dL/dy. Steps of one length:
            // gradients of the methods differ in scale.
            for step in 0..100 {
                let leaf = costs.detach().set_requires_grad(true);
                method.loss(&task, &leaf, step).unwrap().sum(Kind::Float).backward();
                costs -= leaf.grad() * (0.3 / leaf.grad().norm().double_value(&[]).max(1e-12));
                costs = within(&task, costs);
            }
            let after = regret(&costs);
            // The upper side makes worse solutions dearer and the present one cheaper: with costs of
            // its own for each instance often nothing changes.
            let may_stay = method.name == "lpgd-upper";
            assert!(before > 0.0, "{name}");
            assert!(
                after < before || may_stay && after == before,
                "{method:?} on {name}: {before} -> {after}"
            );
        }
    }
}

#[test]
fn objectives_agree_on_solutions_and_differ_in_their_slopes() {
    let (_, mut task) = tasks(Kind::Double).remove(0);
    let other = smallest(&random(&[8, 6], Kind::Double, 6), 2);
    let mut slopes = Vec::new();
    let differences: Vec<Tensor> = [Objective::Regret, Objective::Squared]
        .into_iter()
        .map(|objective| {
            task.objective = objective;
            let y = other.detach().set_requires_grad(true);
            task.loss_of(&y).unwrap().sum(Kind::Double).backward();
            slopes.push(y.grad());
            task.loss_of(&other).unwrap() - task.loss_of(&task.solutions).unwrap()
        })
        .collect();
    assert!(differences[0].allclose(&differences[1], 1e-12, 1e-12, false));
    assert!(!slopes[0].allclose(&slopes[1], 1e-3, 1e-3, false));
    task.objective = Objective::Hamming;
    let several = Tensor::stack(&[&other, &task.solutions], 0);
    let loss = task.loss_of(&several).unwrap();
    assert_eq!(loss.size(), [2, 8]);
    assert_eq!(loss.get(1).abs().max().double_value(&[]), 0.0);
    assert!(task.loss_of(&other.get(0)).is_err());
}

#[test]
fn the_guide_in_the_documentation_is_the_table() {
    let written = include_str!("../src/registry/which_method.md");
    let table = registry::markdown();
    if let Some(file) = std::env::var_os("SOLVERGRAD_WRITE_GUIDE") {
        std::fs::write(file, &table).unwrap();
    }
    assert_eq!(written, table, "SOLVERGRAD_WRITE_GUIDE=FILE writes it anew");
    let frame = registry::frame().unwrap();
    assert_eq!(frame.height(), METHODS.len());
    let mut names: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), METHODS.len());
    assert_eq!(Method::named("spo+").unwrap().labels, Labels::Costs);
    assert!(METHODS.iter().any(|m| m.problems == Problems::Any && m.gives == Gives::Solution));
    let message = Method::named("spo").unwrap_err().to_string();
    assert!(message.contains("spo+"), "{message}");
}
