//! Pages beside the interface.
//!
//! | page | answers |
//! |---|---|
//! | [which method](crate::registry) | which rule, layer or loss for my problem, and what a step of it costs |
//! | [conventions](crate::gradient::conventions) | which sign, scale and mean; what other libraries do otherwise |
//! | [solvers](crate::solver) | which problems are solved, what each accepts and returns |
//! | [adding] | a solver, a rule, a data set, a notebook of one's own |
//! | [decisions] | what is done where the paper is silent, and how to have it otherwise |
//! | [clusters] | a sweep over hundreds of runs, on this machine, several, Slurm or Kubernetes |
//! | [results] | what was measured, beside the paper, misses included |
//!
//! `lab docs` makes these pages; the lab serves them at `/docs`, to whom it serves notebooks.

#[doc = include_str!("adding.md")]
pub mod adding {}

#[doc = include_str!("decisions.md")]
pub mod decisions {}

#[doc = include_str!("clusters.md")]
pub mod clusters {}

/// What was measured, beside the paper.
// Of the repository's data folder: for the pages alone.
#[cfg_attr(doc, doc = include_str!("../../../data/results/README.md"))]
pub mod results {}
