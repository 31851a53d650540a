use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Rule, Solved, check_positive};
use crate::Result;

/// On which side of the costs [`Lpgd`] looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LpgdSide {
    /// (y(w + τg) − y(w)) / τ, which is Blackbox.
    Lower,
    /// (y(w) − y(w − τg)) / τ.
    Upper,
    /// The mean of both, (y(w + τg) − y(w − τg)) / 2τ.
    #[default]
    Average,
}

/// Lagrangian proximal gradient descent for a solver of linear costs: finite differences of the
/// solution along g = dL/dy, from the lower side, the upper side or both.
///
/// τ is in units of costs per unit of g. One further solver call, two for the average. For a solver
/// that needs costs >= 0 the moved costs are projected onto that domain, see
/// [`Solved::interpolate`].
///
/// Source: Paulus, Martius, Musil 2024, eq. 6-8 and sec. 4 (without augmentation, ρ = 0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lpgd {
    tau: f64,
    side: LpgdSide,
}

impl Lpgd {
    /// The rule with step τ = `tau`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless τ is finite and > 0.
    pub fn new(tau: f64, side: LpgdSide) -> Result<Self> {
        Ok(Self { tau: check_positive("tau of LPGD", tau)?, side })
    }
}

impl Rule for Lpgd {
    fn name(&self) -> &'static str {
        match self.side {
            LpgdSide::Lower => "lpgd-lower",
            LpgdSide::Upper => "lpgd-upper",
            LpgdSide::Average => "lpgd-average",
        }
    }

    fn gradient(&self, solved: &Solved<'_>, gradient: &Tensor) -> Result<Tensor> {
        let lower = || Ok(solved.interpolate(self.tau, gradient)? / self.tau);
        let upper = || Ok(solved.interpolate(-self.tau, gradient)? / -self.tau);
        match self.side {
            LpgdSide::Lower => lower(),
            LpgdSide::Upper => upper(),
            LpgdSide::Average => Ok((lower()? + upper()?) / 2.0),
        }
    }
}
