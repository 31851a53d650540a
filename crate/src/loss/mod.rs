//! Losses: one value to minimise, in stated units, from tensors of stated shape.
//!
//! Those on predicted costs w need no gradient of a solver; each is one value per instance:
//!
//! | loss | from | solver calls | least where | source |
//! |---|---|---|---|---|
//! | [`spo_plus`] | true costs, y* | 1 | w = c, at 0 | Elmachtoub, Grigas 2022 |
//! | [`perturbation_gradient`] | true costs | 2 | ⟨c, y(w)⟩ is, about | Huang, Gupta 2024 |
//! | [`fenchel_young`] | y* | S | ȳ(w) = y* | Berthet et al. 2020 |
//! | [`cone_aligned`] | y* | 0 | y* is optimal for w, at 0 | Tang, Khalil 2024 |
//! | [`noise_contrastive`], [`contrastive_map`] | y*, a pool | 0 | y* is cheap in the pool | Mulamba et al. 2021 |
//! | [`pairwise_ranking`], [`listwise_ranking`], [`pointwise_ranking`] | true costs, a pool | 0 | w ranks the pool as c does | Mandi et al. 2022 |
//!
//! A pool is a [`SolutionPool`](crate::solver::SolutionPool) of solutions found before.

use tch::Tensor;

use crate::{Error, Result};

mod cone_aligned;
mod cone_projection;
mod contrastive;
mod fenchel_young;
mod likelihood;
mod perturbation_gradient;
mod ranking;
mod recall;
mod solution;
mod spo_plus;

pub use cone_aligned::cone_aligned;
pub use contrastive::{contrastive_map, noise_contrastive};
pub use fenchel_young::{fenchel_young, fenchel_young_regularised, fenchel_young_with_noise};
pub use likelihood::{bernoulli_negative_log_likelihood, categorical_kl_to_uniform};
pub use perturbation_gradient::{FiniteDifference, perturbation_gradient};
pub use ranking::{listwise_ranking, pairwise_ranking, pointwise_ranking};
pub use recall::{RecallWeight, average_precision_loss, recall_loss};
pub use solution::{hamming_loss, l1_loss, squared_loss};
pub use spo_plus::spo_plus;

fn same_size(what: &'static str, expected: &Tensor, got: &Tensor) -> Result<()> {
    if expected.size() == got.size() && expected.dim() > 0 {
        return Ok(());
    }
    Err(Error::Shape {
        what,
        got: format!("{:?}", got.size()),
        expected: format!("{:?}, as the predicted ones, [..., n]", expected.size()),
    })
}
