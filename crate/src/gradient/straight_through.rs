use tch::Tensor;

use super::{Rule, Solved, check_positive};
use crate::Result;

/// Straight-through with a softmax: backward as if y were s·softmax(−w/τ), s = Σ y.
///
/// dL/dw = −(s/τ)(p∘g − p⟨p, g⟩) with p = softmax(−w/τ) over the last dimension. For s = 1 this is
/// the straight-through estimator of a categorical variable; for a k-subset the relaxation has the
/// right sum k but may leave [0, 1].
///
/// Source: Bengio, Léonard, Courville 2013 (straight-through); Jang, Gu, Poole 2017 (softmax).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StraightThrough {
    temperature: f64,
}

impl StraightThrough {
    /// The rule with softmax temperature τ = `temperature` (in units of costs).
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless τ is finite and > 0.
    pub fn new(temperature: f64) -> Result<Self> {
        Ok(Self { temperature: check_positive("temperature of straight-through", temperature)? })
    }
}

impl Rule for StraightThrough {
    fn name(&self) -> &'static str {
        "straight-through"
    }

    fn gradient(&self, solved: &Solved<'_>, gradient: &Tensor) -> Result<Tensor> {
        let probability = (solved.costs / -self.temperature).softmax(-1, None);
        let inner = (&probability * gradient).sum_dim_intlist(-1, true, None);
        let sum = solved.solutions.sum_dim_intlist(-1, true, None);
        Ok(&probability * (gradient - inner) * sum / -self.temperature)
    }
}
