use tch::Tensor;

use super::{Rule, Solved};
use crate::Result;

/// The negative identity: dL/dw = −dL/dy, as if the solver were y = −w.
///
/// ```math
/// \frac{\partial L}{\partial w} := -\frac{\partial L}{\partial y}
/// ```
///
/// Needs no further call of the solver and has no parameter. Meant to be used with a
/// [`Projection`](super::Projection) that the solution set allows.
///
/// Source: Sahoo et al. 2023, eq. 3. For scores to be maximised (θ = −w) it reads dL/dθ = +dL/dy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity;

impl Rule for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn gradient(&self, _: &Solved<'_>, gradient: &Tensor) -> Result<Tensor> {
        Ok(-gradient)
    }
}
