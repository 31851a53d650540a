use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::same_size;
use crate::Result;

/// How [`recall_loss`] weighs the distance d of a relevant item from the top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecallWeight {
    /// d.
    Linear,
    /// ln(1 + d).
    Log,
    /// ln(1 + ln(1 + d)), which corresponds to recall at all K with weights falling as 1/(K ln K).
    #[default]
    LogLog,
}

/// The recall loss of a ranking, for each query: shape `[...]` for ranks `[..., n]`.
///
/// ```math
/// \ell = \frac{1}{|R|} \sum_{i \in R} \operatorname{weight}\big(\mathrm{rk}_i - \mathrm{rk}_i^+\big)
/// ```
///
/// over the relevant items R, where rk are the `ranks` of a
/// [`Ranking`](crate::solver::Ranking) layer, 1 for the best, and rk⁺ the ranks among the relevant
/// items alone, taken as constants: rkᵢ − rkᵢ⁺ is the number of irrelevant items before i. `relevant`
/// is 0/1 (or bool) of the same shape. 0 where all relevant items come first, and for a query without
/// a relevant item. No unit; lower is better. Stays on the tensors' device. O(n log n).
///
/// ```
/// use solvergrad::prelude::*;
///
/// let scores = Tensor::from_slice(&[0.9, 0.5, 0.7]).set_requires_grad(true);
/// let relevant = Tensor::from_slice(&[0.0, 1.0, 1.0]);
/// // Of costs = scores the largest gets rank 1.
/// let ranks = SolverLayer::new(Ranking::new(3)?, Identity).forward(&scores)?;
/// let loss = recall_loss(&ranks, &relevant, RecallWeight::Linear)?;
/// assert_eq!(loss.double_value(&[]), 1.0); // one irrelevant item before each
/// loss.backward();
/// assert_eq!(Vec::<f64>::try_from(scores.grad())?, [0.0, -0.5, -0.5]); // a step raises their scores
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Rolínek, Musil, Paulus, Vlastelica, Michaelis, Martius 2020 (CVPR), sec. 4.2; Sahoo et al.
/// 2023, eq. 26.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes.
pub fn recall_loss(ranks: &Tensor, relevant: &Tensor, weight: RecallWeight) -> Result<Tensor> {
    same_size("the relevance of the recall loss", ranks, relevant)?;
    let (relevant, among) = ranks_among(ranks, relevant);
    // Clamped: a relaxation's ranks may lie below those among the relevant.
    let before = (ranks - among).clamp_min(0.0);
    let weighted = match weight {
        RecallWeight::Linear => before,
        RecallWeight::Log => before.log1p(),
        RecallWeight::LogLog => before.log1p().log1p(),
    };
    Ok(mean_over_relevant(&weighted, &relevant))
}

/// One minus the average precision of a ranking, for each query: shape `[...]` for ranks `[..., n]`.
///
/// ℓ = 1 − mean over the relevant items i of rkᵢ⁺/rkᵢ, in [0, 1), in the terms of [`recall_loss`]; the
/// mean over queries is 1 − mAP. 0 where all relevant items come first; 0 without a relevant item.
///
/// Source: Rolínek et al. 2020 (CVPR), sec. 4.1.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for unlike shapes.
pub fn average_precision_loss(ranks: &Tensor, relevant: &Tensor) -> Result<Tensor> {
    same_size("the relevance of the average precision", ranks, relevant)?;
    let (relevant, among) = ranks_among(ranks, relevant);
    Ok(mean_over_relevant(&(-(among / ranks) + 1.0), &relevant))
}

// The relevance as numbers, and for each item the number of relevant ones up to and with it.
fn ranks_among(ranks: &Tensor, relevant: &Tensor) -> (Tensor, Tensor) {
    let (seen, relevant) = (ranks.detach(), relevant.detach().to_kind(ranks.kind()));
    let order = seen.argsort(-1, false);
    let counts = relevant.gather(-1, &order, false).cumsum(-1, None::<Kind>);
    (relevant, seen.scatter(-1, &order, &counts))
}

fn mean_over_relevant(values: &Tensor, relevant: &Tensor) -> Tensor {
    let sum = |tensor: &Tensor| tensor.sum_dim_intlist(-1, false, None);
    sum(&(values * relevant)) / sum(relevant).clamp_min(1.0)
}
