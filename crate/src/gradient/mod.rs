//! What a solver layer sends backward, and the parts around it.
//!
//! A layer is a solver and a [`Rule`]; projections and noise are ordinary tensor expressions
//! before it, so that their derivatives are applied by autograd and each composes with any rule:
//!
//! costs → [`Noise::perturb`] or [`Margin::apply`] → [`Projection::apply`] →
//! [`SolverLayer::forward`] → loss
//!
//! [`Conditioning`] is a margin and a projection in a stated order.
//!
//! | rule | dL/dw, for y(w) = argmin ⟨w, y⟩ and g = dL/dy | solver calls | source |
//! |---|---|---|---|
//! | [`Identity`] | −g | 0 | Sahoo et al. 2023, eq. 3 |
//! | [`Blackbox`] | (y(w + λg) − y(w)) / λ | 1 | Vlastelica et al. 2020, eq. 4 |
//! | [`ImplicitMle`] | y(w + λg) − y(w), optionally / λ | 1 | Niepert et al. 2021, alg. 1 |
//! | [`AdaptiveImplicitMle`] | (y(w + λg) − y(w)) / λ with λ = α‖w‖/‖g‖, α adapted | 1, or 2 | Minervini et al. 2023, alg. 1 |
//! | [`Lpgd`] | (y(w + τg) − y(w − τg)) / 2τ, or one side of it; optionally near y(w) | 1 or 2 | Paulus et al. 2024, eq. 6-8 |
//! | [`StraightThrough`] | −(s/τ)(p∘g − p⟨p, g⟩), p = softmax(−w/τ), s = Σy | 0 | Bengio et al. 2013 |
//!
//! [`Perturbed`] and [`ScoreFunction`] are layers of their own: their forward pass is a mean over noise,
//! and their gradient needs that noise. [`RegularisedFrankWolfe`] is one, too: its forward pass is the minimum
//! with a quadratic regulariser over the convex hull of the solutions, and its gradient the exact one.
//!
//! Other libraries scale, sign and average some of these otherwise: see [`conventions`].
//!
//! To add a rule: a file here with `impl Rule for` a value type, and a row in this table.

use std::fmt::Debug;

use tch::{Kind, Tensor};

use crate::Result;
use crate::solver::Solver;

mod adaptive;
mod blackbox;
pub(crate) mod bridge;
mod conditioning;
mod frank_wolfe;
mod gradient_noise;
mod identity;
mod implicit_mle;
mod layer;
mod lpgd;
mod margin;
mod noise;
mod perturbed;
mod projection;
mod score_function;
mod straight_through;

#[doc = include_str!("conventions.md")]
pub mod conventions {}

pub use adaptive::AdaptiveImplicitMle;
pub use blackbox::Blackbox;
pub use bridge::replace_gradient;
pub(crate) use bridge::{WaitCounter, adam_step, clear_gradients, on_floats};
pub use conditioning::{Conditioning, Order};
pub use frank_wolfe::{RegularisedFrankWolfe, RegularisedSolution, minimise_regularised};
pub use gradient_noise::add_to_gradient;
pub use identity::Identity;
pub use implicit_mle::{ImplicitMle, ImplicitMleScale};
pub use layer::SolverLayer;
pub(crate) use layer::{flattened, host_values, solve_once as solve_tensor, tensor_like};
pub use lpgd::{Lpgd, LpgdSide};
pub use margin::{Margin, MarginSchedule};
pub(crate) use noise::fill;
pub use noise::{Noise, SumOfGammaScale, derive_seed};
pub(crate) use perturbed::Samples;
pub use perturbed::{ControlVariate, Perturbation, Perturbed};
pub use projection::{Plane, Projection};
pub use score_function::{Baseline, ScoreFunction};
pub use straight_through::StraightThrough;

/// A replacement for the gradient of a solver.
///
/// ```
/// use solvergrad::gradient::Solved;
/// use solvergrad::prelude::*;
///
/// /// Half the identity.
/// #[derive(Debug)]
/// struct Half;
///
/// impl Rule for Half {
///     fn name(&self) -> &'static str {
///         "half"
///     }
///     fn gradient(&self, _: &Solved<'_>, gradient: &Tensor) -> Result<Tensor> {
///         Ok(gradient * -0.5)
///     }
/// }
///
/// let costs = Tensor::from_slice(&[2.0, 1.0]).set_requires_grad(true);
/// let y = SolverLayer::new(KSubset::new(2, 1)?, Half).forward(&costs)?;
/// y.sum(Kind::Double).backward();
/// assert_eq!(Vec::<f64>::try_from(costs.grad())?, [-0.5, -0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Rule: Debug + Send + Sync + 'static {
    /// Name in tables of results.
    fn name(&self) -> &'static str;

    /// dL/dw for every instance of `solved`, given `gradient` = dL/dy of the same shape.
    ///
    /// Costs are minimised: a descent step on the result makes solutions with a lower ⟨g, y⟩
    /// cheaper.
    ///
    /// # Errors
    /// Whatever a further call of the solver reports, for instance a NaN in `gradient`.
    fn gradient(&self, solved: &Solved<'_>, gradient: &Tensor) -> Result<Tensor>;
}

/// What the forward pass leaves to a rule: the solver, its costs and its solutions.
#[derive(Debug)]
pub struct Solved<'a> {
    /// The solver.
    pub solver: &'a dyn Solver,
    /// Costs w, `[..., n]`.
    pub costs: &'a Tensor,
    /// Solutions y(w), `[..., n]`.
    pub solutions: &'a Tensor,
    memory: Option<&'a layer::Memory>,
}

impl Solved<'_> {
    /// y(w') for other costs of the same shape. Solvers that can start from what the forward pass
    /// left ([`WarmStart`](crate::solver::WarmStart)) do.
    ///
    /// # Errors
    /// Those of [`SolverLayer::forward`].
    pub fn solve_again(&self, costs: &Tensor) -> Result<Tensor> {
        layer::solve_tensor(self.solver, costs, self.memory.cloned().as_mut())
    }

    /// y(w + λ·`gradient`) − y(w), the difference that Blackbox and I-MLE share.
    ///
    /// Where the solver needs costs >= 0, the perturbed costs are projected onto that domain:
    /// max(w + λg, 0), as in the code of Vlastelica et al. for shortest paths and matching.
    pub fn interpolate(&self, lambda: f64, gradient: &Tensor) -> Result<Tensor> {
        Ok(self.solve_again(&self.moved(lambda, gradient))? - self.solutions)
    }

    // w + λ·`gradient` on the solver's domain.
    fn moved(&self, lambda: f64, gradient: &Tensor) -> Tensor {
        let moved = self.costs + gradient * lambda;
        match self.solver.domain() {
            crate::solver::Domain::NonNegative => moved.clamp_min(0.0),
            crate::solver::Domain::Finite => moved,
        }
    }
}

pub(crate) fn check_floating(what: &'static str, kind: Kind) -> Result<()> {
    if matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
        Ok(())
    } else {
        Err(crate::Error::parameter(what, format!("{kind:?}"), "a floating-point kind"))
    }
}

pub(crate) fn check_positive(what: &'static str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(crate::Error::parameter(what, value, "finite and > 0"))
    }
}
