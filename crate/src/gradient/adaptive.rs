use std::sync::{Arc, Mutex, PoisonError};

use tch::{Kind, Tensor};

use super::{Rule, Solved, check_positive};
use crate::{Error, Result};

/// Adaptive I-MLE: [`ImplicitMle`](super::ImplicitMle) divided by λ, with a λ that follows the size of
/// costs and gradients.
///
/// λ = α‖w‖/‖g‖ for the costs w of a batch and g = dL/dy, and dL/dw = (y(w + λg) − y(w))/λ, or by
/// [`with_central_difference`](Self::with_central_difference) (y(w + λg) − y(w − λg))/2λ. After each
/// batch α moves by ± `step`, up while the running mean of the number of entries that changed per
/// instance, ν ← 0.9ν + 0.1c, is below `target`, down otherwise, never below 0. Where g = 0 or α = 0
/// the gradient is 0. One solver call, two for the central difference.
///
/// As for I-MLE the noise is part of the graph; ‖w‖ is that of the costs that the layer sees, noise
/// included. A copy of the rule shares its α, so that it can be read while a layer owns the rule; a
/// training that is resumed starts from [`with_alpha`](Self::with_alpha).
///
/// ```
/// use solvergrad::prelude::*;
///
/// let rule = AdaptiveImplicitMle::new(1.0)?.with_alpha(1.0)?;
/// let layer = SolverLayer::new(KSubset::new(2, 1)?, rule.clone());
/// let costs = Tensor::from_slice(&[1.0, 2.0]).set_requires_grad(true);
/// (layer.forward(&costs)? * Tensor::from_slice(&[3.0, 0.0])).sum(Kind::Double).backward();
/// let lambda = 5f64.sqrt() / 3.0; // α‖w‖/‖g‖: enough to make the second entry the cheaper one
/// assert_eq!(Vec::<f64>::try_from(costs.grad())?, [-1.0 / lambda, 1.0 / lambda]);
/// assert_eq!(rule.alpha(), 1.0 - 1e-3); // two entries changed, more than the target
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Minervini, Franceschi, Niepert 2023 (AAAI), eq. 8 and algorithm 1, whose pseudocode starts
/// at α = 0, ν = 1. The published code counts changes per instance and sample, as here.
#[derive(Clone, Debug)]
pub struct AdaptiveImplicitMle {
    target: f64,
    step: f64,
    central: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    alpha: f64,
    changes: f64,
}

impl AdaptiveImplicitMle {
    /// The rule that aims at `target` changed entries per instance (1 in the paper), from α = 0 in
    /// steps of 1e-3.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the target is finite and > 0.
    pub fn new(target: f64) -> Result<Self> {
        Ok(Self {
            target: check_positive("target of adaptive I-MLE", target)?,
            step: 1e-3,
            central: false,
            state: Arc::new(Mutex::new(State { alpha: 0.0, changes: 1.0 })),
        })
    }

    /// The same with another step of α.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless it is finite and > 0.
    pub fn with_step(self, step: f64) -> Result<Self> {
        Ok(Self { step: check_positive("step of adaptive I-MLE", step)?, ..self })
    }

    /// The same from another α, and without what was learned before.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless it is finite and > 0.
    pub fn with_alpha(self, alpha: f64) -> Result<Self> {
        let alpha = check_positive("alpha of adaptive I-MLE", alpha)?;
        Ok(Self { state: Arc::new(Mutex::new(State { alpha, changes: 1.0 })), ..self })
    }

    /// The same with differences on both sides of the costs.
    pub fn with_central_difference(self) -> Self {
        Self { central: true, ..self }
    }

    /// α now: λ in units of ‖w‖/‖g‖.
    pub fn alpha(&self) -> f64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).alpha
    }
}

impl Rule for AdaptiveImplicitMle {
    fn name(&self) -> &'static str {
        "adaptive-i-mle"
    }

    fn gradient(&self, solved: &Solved<'_>, gradient: &Tensor) -> Result<Tensor> {
        let norm = |tensor: &Tensor| tensor.to_kind(Kind::Double).norm().double_value(&[]);
        let size = norm(gradient);
        if !size.is_finite() {
            return Err(Error::parameter("the norm of dL/dy", size, "finite"));
        }
        // Not locked while solving: other threads may want to read it, or to solve.
        let alpha = self.alpha();
        let lambda = if size > 0.0 { alpha * norm(solved.costs) / size } else { 0.0 };
        let difference = match (lambda > 0.0, self.central) {
            (false, _) => gradient.zeros_like(),
            (true, false) => solved.interpolate(lambda, gradient)?,
            (true, true) => {
                (solved.interpolate(lambda, gradient)? - solved.interpolate(-lambda, gradient)?)
                    / 2.0
            }
        };
        let instances = difference.numel() as f64 / solved.solver.dimension() as f64;
        let changed = difference.count_nonzero(None).double_value(&[]) / instances.max(1.0);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.changes = 0.9 * state.changes + 0.1 * changed;
        let direction = if state.changes < self.target { 1.0 } else { -1.0 };
        state.alpha = (state.alpha + direction * self.step).max(0.0);
        drop(state);
        Ok(if lambda > 0.0 { difference / lambda } else { difference })
    }
}
