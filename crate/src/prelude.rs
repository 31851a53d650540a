//! What a notebook has at hand after the kernel starts.

pub use crate::config::Overrides;
pub use crate::data::{Dataset, ImageSet, Images, data_folder, output_folder};
pub use crate::device::device;
pub use crate::display::{Best, Html, LatexTable, Live, Rich, clear_output, display, display_live};
pub use crate::figure::{self, Figure};
pub use crate::gradient::{
    Blackbox, ControlVariate, Identity, ImplicitMle, ImplicitMleScale, Lpgd, LpgdSide, Margin,
    Noise, Perturbation, Perturbed, Projection, RegularisedFrankWolfe, RegularisedSolution, Rule,
    SolverLayer, StraightThrough, SumOfGammaScale, derive_seed, minimise_regularised,
};
pub use crate::interrupt;
pub use crate::loss::{
    bernoulli_negative_log_likelihood, categorical_kl_to_uniform, fenchel_young,
    fenchel_young_regularised, hamming_loss, spo_plus,
};
pub use crate::metric;
pub use crate::model::Mlp;
pub use crate::record::{self, Row};
pub use crate::relaxation::{
    GumbelSoftmax, L2xSampler, RelaxedSubset, Simple, soft_rank, soft_sort,
};
pub use crate::solver::{
    Assignment, Certificate, Closure, Domain, Enumerate, GraphMatching, GraphShortestPath,
    GridShortestPath, KSubset, LinearProgramme, Neighbourhood, PerfectMatching, Proof, Ranking,
    Solver, SpanningTree, TravellingSalesman, WarmStart, solve_batch,
};
pub use crate::train::{Adam, Learner, Training};
pub use crate::{Error, Result};

pub use polars::prelude::{
    Column, DataFrame, DataType, IntoLazy, LazyFrame, NamedFrom, Series, SortMultipleOptions, col,
    df, lit,
};
pub use tch::nn::Module;
pub use tch::{Device, Kind, Tensor, nn};
