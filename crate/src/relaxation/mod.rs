//! Relaxations: soft stand-ins for the solution of particular problems, without a solver.
//!
//! They are what a solver layer is compared with. Each takes *costs* (low ones are chosen), acts on
//! the last dimension of `[..., n]`, one instance at a time, and is differentiable.
//!
//! | in place of | relaxation | value | gradient | source |
//! |---|---|---|---|---|
//! | a sample of a category | [`GumbelSoftmax`] | softmax((−w + G)/τ), or its arg-max | autograd | Jang et al. 2017; Maddison et al. 2017 |
//! | a sampled k-subset | [`RelaxedSubset`] | sum of k successive softmaxes, Σ = k | autograd | Xie, Ermon 2019 |
//! | a sampled subset of at most k | [`L2xSampler`] | greatest of k softmaxes, entry by entry | autograd | Chen et al. 2018 |
//! | a sampled k-subset | [`Simple`] | an exact sample, 0/1 | −Cov(y) g, exact covariance | Ahmed et al. 2023 |
//! | ranks | [`soft_rank`] | projection of −w/ε onto the permutahedron | exact | Blondel et al. 2020 |
//! | sorted values | [`soft_sort`] | projection onto the permutahedron of w | exact | Blondel et al. 2020 |
//!
//! G is Gumbel noise from a seed, [`Noise::Gumbel`](crate::gradient::Noise::Gumbel): the same on
//! every device and with any number of threads. At test time, without noise, the subset is that of
//! [`KSubset`](crate::solver::KSubset). To add one: a file here, and a row in this table.

use rayon::prelude::*;
use tch::Tensor;

use crate::gradient::{check_floating, host_values};
use crate::{Error, Result};

mod gumbel_softmax;
mod l2x;
mod permutahedron;
mod relaxed_subset;
mod simple;

pub use gumbel_softmax::GumbelSoftmax;
pub use l2x::L2xSampler;
pub use permutahedron::{soft_rank, soft_sort};
pub use relaxed_subset::RelaxedSubset;
pub use simple::Simple;

/// The length n of an instance of `costs`, which must be `[..., n]` with n >= `least`.
fn length(what: &'static str, costs: &Tensor, least: usize) -> Result<usize> {
    let n = costs.size().last().and_then(|&n| usize::try_from(n).ok()).unwrap_or_default();
    if n == 0 || n < least || check_floating(what, costs.kind()).is_err() {
        return Err(Error::Shape {
            what,
            got: format!("{:?} of {:?}", costs.size(), costs.kind()),
            expected: format!("[..., n] of a floating-point kind, with n >= {}", least.max(1)),
        });
    }
    Ok(n)
}

fn check_k(what: &'static str, k: usize) -> Result<usize> {
    if k == 0 { Err(Error::parameter(what, k, ">= 1")) } else { Ok(k) }
}

/// The values of costs of instances of length `n`, which have to be finite.
fn finite(name: &str, costs: &Tensor, n: usize) -> Result<Vec<f64>> {
    let values = host_values(costs)?;
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(position) => Err(Error::Cost {
            solver: name.into(),
            row: position / n,
            index: position % n,
            value: values[position],
            expected: "finite costs",
        }),
    }
}

/// `solve` for every instance of length `n`: its number, its part of `values`, and its part of the
/// result. In parallel; the result does not depend on the number of threads.
fn each_row(
    values: &[f64],
    n: usize,
    solve: impl Fn(usize, &[f64], &mut [f64]) + Sync,
) -> Result<Vec<f64>> {
    let mut answers = vec![0.0; values.len()];
    answers
        .par_chunks_mut(n)
        .zip(values.par_chunks(n))
        .enumerate()
        .with_min_len((4096 / n).max(1))
        .try_for_each(|(row, (answer, values))| {
            crate::interrupt::check("a relaxation was being computed")?;
            solve(row, values, answer);
            Ok::<_, Error>(())
        })?;
    Ok(answers)
}
