//! What a notebook has at hand after the kernel starts.

pub use crate::config::Overrides;
pub use crate::data::{
    AnnotatedReviews, Aspect, Batches, BeerAdvocate, Channels, Countries, Cub, Dataset, GlobeTsp,
    ImageSet, Images, InstanceSet, Items, KeypointChoice, KeypointPair, KeypointPairs,
    KeypointPictures, LeftOut, Loading, Maps, PairBatches, PairLoading, PictureBatches,
    PictureFiles, Pictures, Reviews, SPair71k, Tours, Undecodable, VocKeypoints, Vocabulary,
    Warcraft, Whole, data_folder, output_folder,
};
pub use crate::device::device;
pub use crate::display::{
    Best, HighlightedText, Html, LatexTable, Live, Rich, clear_output, display, display_live,
    highlighted, sortable_table,
};
pub use crate::figure::{self, Figure};
pub use crate::gradient::{
    AdaptiveImplicitMle, Baseline, Blackbox, Conditioning, ControlVariate, Identity, ImplicitMle,
    ImplicitMleScale, Lpgd, LpgdSide, Margin, MarginSchedule, Noise, Order, Perturbation,
    Perturbed, Plane, Projection, RegularisedFrankWolfe, RegularisedSolution, Rule, ScoreFunction,
    SolverLayer, StraightThrough, SumOfGammaScale, add_to_gradient, derive_seed,
    minimise_regularised,
};
pub use crate::interrupt;
pub use crate::loss::{
    FiniteDifference, RecallWeight, average_precision_loss, bernoulli_negative_log_likelihood,
    categorical_kl_to_uniform, cone_aligned, contrastive_map, fenchel_young,
    fenchel_young_regularised, fenchel_young_with_noise, hamming_loss, l1_loss, listwise_ranking,
    noise_contrastive, pairwise_ranking, perturbation_gradient, pointwise_ranking, recall_loss,
    spo_plus, squared_loss,
};
pub use crate::metric;
pub use crate::model::{
    EmbeddingNetwork, FlagNetwork, KeypointFeatures, KeypointGraph, KeypointTrunk, MatchingCosts,
    MatchingNetwork, Mlp, RatingPredictor, ResNet50, ResNetTrunk, SmallTrunk, SplineConvolution,
    SplineGraph, Vgg16, WordSelector, delaunay,
};
pub use crate::record::{self, Row};
pub use crate::relaxation::{
    GumbelSoftmax, L2xSampler, RelaxedSubset, Simple, soft_rank, soft_sort,
};
pub use crate::solver::{
    Assignment, BindingConstraints, Certificate, Closure, Counted, Domain, Enumerate,
    GraphMatching, GraphShortestPath, GridShortestPath, KSubset, LinearProgramme, Neighbourhood,
    PerfectMatching, Product, Proof, Ranking, SolutionCache, SolutionPool, Solver, SpanningTree,
    TravellingSalesman, WarmStart, solve_batch,
};
pub use crate::stand_in::{Glyphs, PairStandIn, ReviewStandIn, StandIn};
pub use crate::sweep::{self, Plan, Sweep, SweepFile};
pub use crate::train::{Adam, Learner, Measures, Step, Training};
pub use crate::{Error, Result};

pub use polars::prelude::{
    Column, DataFrame, DataType, IntoLazy, LazyFrame, NamedFrom, Series, SortMultipleOptions, col,
    df, lit,
};
pub use tch::nn::{Module, ModuleT};
pub use tch::{Device, Kind, Tensor, nn};
