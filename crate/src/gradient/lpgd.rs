use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Rule, Solved, check_positive, frank_wolfe};
use crate::{Error, Result};

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
/// With a [`regulariser`](Self::with_regulariser) ρ > 0 the moved solutions stay near y* = y(w): in
/// place of y(w ± τg) stands
///
/// ```math
/// \operatorname*{arg\,min}_{y \in \operatorname{conv}(Y)} \; \langle w \pm \tau g, y \rangle + \frac{\rho}{2} \lVert y - y^* \rVert^2,
/// ```
///
/// continuous in g, so that a small g moves it a little. It is found as in
/// [`RegularisedFrankWolfe`](super::RegularisedFrankWolfe), with costs w ± τg − ρy* and λ = ρ, from
/// y* on: about as many solver calls as the answer mixes solutions, and a few. A solver that needs
/// costs >= 0 meets max(w ± τg, 0) + ρ(y − y*) on the way, which an entry of y* with a cost below ρ
/// can make negative: an error with the index, whose cure is a smaller ρ.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let rule = Lpgd::new(1.0, LpgdSide::Lower)?.with_regulariser(2.0)?;
/// let layer = SolverLayer::new(KSubset::new(3, 1)?, rule);
/// let costs = Tensor::from_slice(&[0.0, 0.5, 2.0]).set_requires_grad(true);
/// layer.forward(&costs)?.get(0).backward();
/// // From (1, 0, 0), costs (1, 0.5, 2) move a share (1 − 0.5)/2ρ to entry 1.
/// let gradient = Vec::<f64>::try_from(costs.grad())?;
/// assert!((gradient[0] + 0.125).abs() < 1e-12 && (gradient[1] - 0.125).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Paulus, Martius, Musil 2024, eq. 6-8 and sec. 4; the augmentation, with +(ρ/2)‖y − y*‖²
/// on both sides, as in the authors' code in diffcp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lpgd {
    tau: f64,
    side: LpgdSide,
    rho: f64,
}

impl Lpgd {
    /// The rule with step τ = `tau`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless τ is finite and > 0.
    pub fn new(tau: f64, side: LpgdSide) -> Result<Self> {
        Ok(Self { tau: check_positive("tau of LPGD", tau)?, side, rho: 0.0 })
    }

    /// The same with the augmentation (ρ/2)‖y − y(w)‖², ρ = `rho` in units of costs per unit of y;
    /// 0 is none.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless ρ is finite and >= 0.
    pub fn with_regulariser(self, rho: f64) -> Result<Self> {
        if !(rho >= 0.0 && rho.is_finite()) {
            return Err(Error::parameter("rho of LPGD", rho, "finite and >= 0"));
        }
        Ok(Self { rho, ..self })
    }

    // The solution for moved costs, minus y(w).
    fn difference(&self, solved: &Solved<'_>, tau: f64, gradient: &Tensor) -> Result<Tensor> {
        if self.rho == 0.0 {
            return solved.interpolate(tau, gradient);
        }
        let moved = solved.moved(tau, gradient);
        let near = frank_wolfe::minimise_near(solved.solver, &moved, solved.solutions, self.rho)?;
        Ok(near - solved.solutions)
    }
}

impl Rule for Lpgd {
    fn name(&self) -> &'static str {
        match (self.side, self.rho > 0.0) {
            (LpgdSide::Lower, false) => "lpgd-lower",
            (LpgdSide::Upper, false) => "lpgd-upper",
            (LpgdSide::Average, false) => "lpgd-average",
            (LpgdSide::Lower, true) => "lpgd-lower-augmented",
            (LpgdSide::Upper, true) => "lpgd-upper-augmented",
            (LpgdSide::Average, true) => "lpgd-average-augmented",
        }
    }

    fn gradient(&self, solved: &Solved<'_>, gradient: &Tensor) -> Result<Tensor> {
        let lower = || Ok(self.difference(solved, self.tau, gradient)? / self.tau);
        let upper = || Ok(self.difference(solved, -self.tau, gradient)? / -self.tau);
        match self.side {
            LpgdSide::Lower => lower(),
            LpgdSide::Upper => upper(),
            LpgdSide::Average => Ok((lower()? + upper()?) / 2.0),
        }
    }
}
