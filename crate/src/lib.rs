//! Learning *through* combinatorial solvers.
//!
//! A solver layer maps costs to the solution of a combinatorial problem,
//!
//! ```math
//! y(w) = \operatorname*{arg\,min}_{y \in Y} \; \langle w, y \rangle,
//! ```
//!
//! whose true Jacobian is zero or undefined. The layer therefore sends a *replacement* of the
//! gradient backward. This crate holds solvers, replacement rules, projections and noise as parts
//! that compose, and what an experiment needs around them: data sets, models, one training loop,
//! tidy records and figures.
//!
//! One convention of sign holds everywhere: **a solver minimises** ⟨w, y⟩. Scores to be maximised
//! are negated once, where they become costs.
//!
//! The main idea is "Backpropagation through Combinatorial Algorithms: Identity with Projection
//! Works" (Sahoo, Paulus, Vlastelica, Musil, Kuleshov, Martius; ICLR 2023).
//!
//! ```
//! use solvergrad::prelude::*;
//!
//! let costs = Tensor::from_slice(&[0.3, -1.0, 0.2, 0.9]).set_requires_grad(true);
//! let layer = SolverLayer::new(KSubset::new(4, 2)?, Identity);
//! let solution = layer.forward(&Projection::Std.apply(&costs)?)?;
//! assert_eq!(Vec::<f64>::try_from(&solution)?, [0.0, 1.0, 1.0, 0.0]);
//! solution.dot(&Tensor::from_slice(&[1.0, 0.0, 0.0, 0.0])).backward();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Pages beside the interface, such as how to add a solver or a rule, what is done where the paper is silent,
//! and what was measured: [`guide`].

pub mod config;
pub mod error;

pub mod data;
pub mod model;
pub mod solver;

pub mod stand_in;

pub mod gradient;
pub mod relaxation;

pub mod loss;
pub mod metric;
pub mod record;
pub mod registry;
pub mod sweep;
pub mod train;

pub mod display;
pub mod figure;

#[doc(hidden)]
pub mod cell;
pub mod check;
pub mod device;
pub mod doctor;
pub mod guide;
pub mod interrupt;
pub mod prelude;

pub use error::{Error, Result};

// One dylib holds every third-party crate (see docker/kernel/stack); naming it here makes the
// compiler take them from there instead of linking a second copy.
use stack as _;
