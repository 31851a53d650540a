//! What a notebook has at hand after the kernel starts.

pub use crate::config::Overrides;
pub use crate::data::{
    Channels, Countries, Dataset, GlobeTsp, ImageSet, Images, InstanceSet, Items, Maps, Tours,
    Warcraft, data_folder, output_folder,
};
pub use crate::device::device;
pub use crate::display::{Best, Html, LatexTable, Live, Rich, clear_output, display, display_live};
pub use crate::figure::{self, Figure};
pub use crate::gradient::{
    Blackbox, ControlVariate, Identity, ImplicitMle, ImplicitMleScale, Lpgd, LpgdSide, Margin,
    Noise, Perturbation, Perturbed, Projection, Rule, SolverLayer, StraightThrough,
    SumOfGammaScale, add_to_gradient, derive_seed,
};
pub use crate::interrupt;
pub use crate::loss::{
    bernoulli_negative_log_likelihood, categorical_kl_to_uniform, fenchel_young, hamming_loss,
    l1_loss, spo_plus,
};
pub use crate::metric;
pub use crate::model::{FlagNetwork, Mlp, ResNetTrunk};
pub use crate::record::{self, Row};
pub use crate::solver::{
    Assignment, Certificate, Closure, Domain, Enumerate, GraphMatching, GraphShortestPath,
    GridShortestPath, KSubset, LinearProgramme, Neighbourhood, PerfectMatching, Proof, Ranking,
    Solver, SpanningTree, TravellingSalesman, WarmStart, solve_batch,
};
pub use crate::stand_in::StandIn;
pub use crate::train::{Adam, Learner, Measures, Step, Training};
pub use crate::{Error, Result};

pub use polars::prelude::{
    Column, DataFrame, DataType, IntoLazy, LazyFrame, NamedFrom, Series, SortMultipleOptions, col,
    df, lit,
};
pub use tch::nn::{Module, ModuleT};
pub use tch::{Device, Kind, Tensor, nn};
