use rand::RngExt;
use tch::Tensor;

use super::{check_k, each_row, finite, length};
use crate::Result;
use crate::gradient::{bridge, fill, host_values, tensor_like};

/// SIMPLE: exact samples of the k-subset distribution p(y) ∝ exp(−⟨w, y⟩), Σ y = k, and the
/// gradient of its exact marginals.
///
/// Forward: a sample, 0/1 with k ones. Backward, as if the layer's value were its mean μ(w):
///
/// ```math
/// \frac{\partial L}{\partial w} := \Big(\frac{\partial \mu}{\partial w}\Big)^{\!\top} g = -\operatorname{Cov}(y)\, g.
/// ```
///
/// Both come from a dynamic programme over the number of entries still to choose, in logarithms and
/// float64: O(nk) time and memory per instance, forward and backward. w has no unit: divide costs
/// by a temperature before.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let costs = Tensor::from_slice(&[0.0, 1.0, 2.0, 0.5]).set_requires_grad(true);
/// let simple = Simple::new(2)?;
/// let y = simple.forward(&costs, 7)?;
/// assert_eq!(y.sum(Kind::Double).double_value(&[]), 2.0);
/// y.get(0).backward();
/// assert!(costs.grad().double_value(&[0]) < 0.0); // dearer, hence chosen less often
/// let marginals = simple.marginals(&costs)?;
/// assert!((marginals.sum(Kind::Double).double_value(&[]) - 2.0).abs() < 1e-12);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Ahmed, Zeng, Niepert, Van den Broeck 2023, algorithms 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simple {
    k: usize,
}

impl Simple {
    /// Samples of `k` entries.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for k = 0.
    pub fn new(k: usize) -> Result<Self> {
        Ok(Self { k: check_k("k of SIMPLE", k)? })
    }

    /// A sample for each instance of `costs` w, `[..., n]`; of the same shape, kind and device. The
    /// same `seed` gives the same sample on every device and with any number of threads.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for fewer than k entries or an integer kind,
    /// [`Error::Cost`](crate::Error::Cost) for a cost that is not finite.
    pub fn forward(&self, costs: &Tensor, seed: u64) -> Result<Tensor> {
        let (values, n) = self.values(costs)?;
        let uniform = fill(values.len(), seed, |rng| rng.random());
        let samples = each_row(&values, n, |row, costs, sample| {
            let (chances, mut left) = (self.chances(costs), self.k);
            for (item, chosen) in sample.iter_mut().enumerate() {
                if uniform[row * n + item] < chances[item * (self.k + 1) + left] {
                    *chosen = 1.0;
                    left -= 1;
                }
            }
        })?;
        self.differentiable(costs, &samples, values)
    }

    /// The marginals μᵢ = P(yᵢ = 1), the mean of [`forward`](Self::forward) over all seeds,
    /// differentiable: dμ/dw = −Cov(y).
    ///
    /// # Errors
    /// Those of [`forward`](Self::forward).
    pub fn marginals(&self, costs: &Tensor) -> Result<Tensor> {
        let (values, n) = self.values(costs)?;
        let marginals = each_row(&values, n, |_, costs, marginals| {
            let chances = self.chances(costs);
            let mut state = self.start();
            for (chances, marginal) in chances.chunks(self.k + 1).zip(marginals) {
                *marginal = state.iter().zip(chances).map(|(state, chance)| state * chance).sum();
                advance(&mut state, chances);
            }
        })?;
        self.differentiable(costs, &marginals, values)
    }

    fn values(&self, costs: &Tensor) -> Result<(Vec<f64>, usize)> {
        let n = length("the costs of SIMPLE", costs, self.k)?;
        Ok((finite("SIMPLE", costs, n)?, n))
    }

    // Entry (i, r): the probability that item i is chosen where r of the items i, ..., n − 1 are.
    fn chances(&self, costs: &[f64]) -> Vec<f64> {
        let width = self.k + 1;
        let mut chances = vec![0.0; costs.len() * width];
        // log Σ exp(−⟨w, y⟩) over the choices of r among the items seen, from the last on.
        let mut weight = vec![f64::NEG_INFINITY; width];
        weight[0] = 0.0;
        for (&cost, chances) in costs.iter().zip(chances.chunks_mut(width)).rev() {
            for left in (1..width).rev() {
                let with = weight[left - 1] - cost;
                weight[left] = log_sum(weight[left], with);
                if with > f64::NEG_INFINITY {
                    chances[left] = (with - weight[left]).exp();
                }
            }
        }
        chances
    }

    // The distribution of the number still to choose, before the first item.
    fn start(&self) -> Vec<f64> {
        let mut state = vec![0.0; self.k + 1];
        state[self.k] = 1.0;
        state
    }

    // Cov(y) g: entry i is E[yᵢ (S − E S)] with S = ⟨g, y⟩.
    fn covariance(&self, costs: &[f64], gradient: &[f64], answer: &mut [f64]) {
        let width = self.k + 1;
        let chances = self.chances(costs);
        // E[Σ_{j >= i} gⱼyⱼ], where r of the items i, ..., n − 1 are chosen.
        let mut rest = vec![0.0; chances.len() + width];
        for (item, gradient) in gradient.iter().enumerate().rev() {
            for left in 1..width {
                let chance = chances[item * width + left];
                let (here, next) = (item * width + left, (item + 1) * width + left);
                rest[here] = chance * (gradient + rest[next - 1]) + (1.0 - chance) * rest[next];
            }
        }
        // Without its mean, spread over the k chosen, S is centred: nothing large cancels.
        let share = rest[self.k] / self.k as f64;
        // E[Σ_{j < i} (gⱼ − share) yⱼ] over the outcomes that leave r to choose; sums to all of it.
        let mut sum = vec![0.0; width];
        let mut state = self.start();
        for (item, answer) in answer.iter_mut().enumerate() {
            let chances = &chances[item * width..][..width];
            let centred = gradient[item] - share;
            // The same sum, if the item is chosen.
            let chosen =
                |left: usize, sum: &[f64]| chances[left] * (sum[left] + centred * state[left]);
            for left in 1..width {
                let after = rest[(item + 1) * width + left - 1] - share * (left - 1) as f64;
                *answer += chosen(left, &sum) + chances[left] * state[left] * after;
            }
            for left in 0..width {
                let entering = if left < self.k { chosen(left + 1, &sum) } else { 0.0 };
                sum[left] = sum[left] * (1.0 - chances[left]) + entering;
            }
            advance(&mut state, chances);
        }
    }

    fn differentiable(self, costs: &Tensor, values: &[f64], seen: Vec<f64>) -> Result<Tensor> {
        let output = tensor_like(values, costs);
        if !costs.requires_grad() {
            return Ok(output);
        }
        bridge::replace_gradient(costs, &output, move |gradient| {
            let n = length("the gradient of SIMPLE", &gradient, self.k)?;
            let answers = each_row(&host_values(&gradient)?, n, |row, gradient, answer| {
                self.covariance(&seen[row * n..][..n], gradient, answer);
                answer.iter_mut().for_each(|entry| *entry = -*entry);
            })?;
            Ok(tensor_like(&answers, &gradient))
        })
    }
}

// The distribution of the number still to choose, past one item with these chances.
fn advance(state: &mut [f64], chances: &[f64]) {
    for left in 0..state.len() {
        let entering = state.get(left + 1).map_or(0.0, |above| above * chances[left + 1]);
        state[left] = state[left] * (1.0 - chances[left]) + entering;
    }
}

// log(exp(a) + exp(b)).
fn log_sum(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
