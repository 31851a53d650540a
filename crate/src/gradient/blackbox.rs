use tch::Tensor;

use super::{Rule, Solved, check_positive};
use crate::Result;

/// Blackbox differentiation: dL/dw = (y(w + λ dL/dy) − y(w)) / λ.
///
/// ```math
/// \frac{\partial L}{\partial w} := \frac{1}{\lambda} \Big[ y\Big(w + \lambda \frac{\partial L}{\partial y}\Big) - y(w) \Big]
/// ```
///
/// The gradient of the piecewise affine interpolation of the loss with width λ (in units of costs
/// per unit of dL/dy); a rule of thumb is λ ≈ mean|w| / mean|dL/dy|. One further solver call. For
/// a solver that needs costs >= 0, see [`Solved::interpolate`].
///
/// Source: Vlastelica, Paulus, Musil, Martius, Rolínek 2020, eq. 4 and algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blackbox {
    lambda: f64,
}

impl Blackbox {
    /// The rule with interpolation width `lambda`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless λ is finite and > 0.
    pub fn new(lambda: f64) -> Result<Self> {
        Ok(Self { lambda: check_positive("lambda of Blackbox", lambda)? })
    }
}

impl Rule for Blackbox {
    fn name(&self) -> &'static str {
        "blackbox"
    }

    fn gradient(&self, solved: &Solved<'_>, gradient: &Tensor) -> Result<Tensor> {
        Ok(solved.interpolate(self.lambda, gradient)? / self.lambda)
    }
}
