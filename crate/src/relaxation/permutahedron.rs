use std::ops::Range;

use tch::Tensor;

use super::{each_row, finite, length};
use crate::Result;
use crate::gradient::{bridge, check_positive, host_values, tensor_like};

/// Soft ranks: argmin over the permutahedron of ⟨w, π⟩ + (ε/2)‖π‖², the projection of −w/ε onto the
/// convex hull of the permutations of 1, ..., n.
///
/// ```math
/// \operatorname*{arg\,min}_{\pi \in \operatorname{conv}(\text{permutations of } 1, \dots, n)} \; \langle w, \pi \rangle + \frac{\varepsilon}{2} \lVert \pi \rVert^2
/// ```
///
/// The regularised [`Ranking`](crate::solver::Ranking), with its convention: ranks of *scores*, the
/// largest of which has rank 1, come from passing the scores as they are. ε is in units of costs
/// per rank: as ε → 0 the value is the ranks, exactly so where all |wᵢ − wⱼ| >= ε, and as ε → ∞ it
/// is (n + 1)/2 for all. Σ π = n(n + 1)/2.
///
/// The same as [`RegularisedFrankWolfe`](crate::gradient::RegularisedFrankWolfe) on `Ranking` with
/// λ = ε, by sorting and pooling of adjacent violators in O(n log n). The backward pass is
/// exact: over each pooled block B of g, −(g − mean_B g)/ε.
///
/// `costs` is `[..., n]`; the result has the same shape, kind and device.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) unless ε is finite and > 0,
/// [`Error::Shape`](crate::Error::Shape) for no entries or an integer kind,
/// [`Error::Cost`](crate::Error::Cost) for a cost that is not finite.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let scores = Tensor::from_slice(&[0.2, 0.9, 0.4]);
/// assert_eq!(Vec::<f64>::try_from(soft_rank(&scores, 0.1)?)?, [3.0, 1.0, 2.0]);
/// let soft = Vec::<f64>::try_from(soft_rank(&scores, 0.4)?)?; // 0.2 apart is too close to call
/// assert!(soft[1] == 1.0 && (soft[0] - 2.75).abs() < 1e-12 && (soft[2] - 2.25).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Blondel, Teboul, Berthet, Djolonga 2020, sec. 3-5; Best, Chakravarti 1990 (pooling).
pub fn soft_rank(costs: &Tensor, epsilon: f64) -> Result<Tensor> {
    let n = length("the costs of the soft rank", costs, 1)?;
    let epsilon = check_positive("epsilon of the soft rank", epsilon)?;
    let values = finite("the soft rank", costs, n)?;
    let ranks = each_row(&values, n, |_, values, ranks| {
        let order = descending(values);
        for block in rank_blocks(values, &order, epsilon) {
            let (centre, mean) = (mean_rank(&block), mean(values, &order[block.clone()]));
            // Costs far larger than ε cancel before the division.
            let items = &order[block];
            items.iter().for_each(|&item| ranks[item] = centre - (values[item] - mean) / epsilon);
        }
    })?;
    let output = tensor_like(&ranks, costs);
    if !costs.requires_grad() {
        return Ok(output);
    }
    bridge::replace_gradient(costs, &output, move |gradient| {
        let answers = each_row(&host_values(&gradient)?, n, |row, gradient, answer| {
            let values = &values[row * n..][..n];
            let order = descending(values);
            for block in rank_blocks(values, &order, epsilon) {
                let items = &order[block];
                let mean = mean(gradient, items);
                items.iter().for_each(|&item| answer[item] = (mean - gradient[item]) / epsilon);
            }
        })?;
        Ok(tensor_like(&answers, &gradient))
    })
}

/// Soft sorting, descending: argmax over the permutahedron of w, conv{all orders of w}, of
/// ⟨(n, ..., 1), s⟩ − (ε/2)‖s‖², the projection of (n, ..., 1)/ε onto it.
///
/// In step with [`soft_rank`]: the entry of rank 1 comes first. ε is in ranks per unit of the
/// values: as ε → 0 the result is the values sorted, exactly so where neighbours in the order are
/// at most 1/ε apart, and as ε → ∞ it is their mean for all. Σ s = Σ w. For the ascending order,
/// −`soft_sort`(−w).
///
/// By sorting and pooling of adjacent violators in O(n log n). The backward pass is exact: each
/// entry of a pooled block of g has the mean of g over the block.
///
/// `values` is `[..., n]`; the result has the same shape, kind and device.
///
/// # Errors
/// Those of [`soft_rank`].
///
/// ```
/// use solvergrad::prelude::*;
///
/// let values = Tensor::from_slice(&[5.0, 1.0, 2.0]);
/// assert_eq!(Vec::<f64>::try_from(soft_sort(&values, 0.1)?)?, [5.0, 2.0, 1.0]);
/// let soft = Vec::<f64>::try_from(soft_sort(&values, 1.0)?)?;
/// assert!((soft[0] - 11.0 / 3.0).abs() < 1e-12 && (soft[2] - 5.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Blondel, Teboul, Berthet, Djolonga 2020, sec. 3-5; Best, Chakravarti 1990 (pooling).
pub fn soft_sort(values: &Tensor, epsilon: f64) -> Result<Tensor> {
    let n = length("the values of the soft sort", values, 1)?;
    let epsilon = check_positive("epsilon of the soft sort", epsilon)?;
    let costs = finite("the soft sort", values, n)?;
    let sorted = each_row(&costs, n, |_, costs, sorted| {
        let order = descending(costs);
        for block in sort_blocks(costs, &order, epsilon) {
            let (centre, mean) = (mean_rank(&block), mean(costs, &order[block.clone()]));
            block.for_each(|place| sorted[place] = mean + (centre - rank(place)) / epsilon);
        }
    })?;
    let output = tensor_like(&sorted, values);
    if !values.requires_grad() {
        return Ok(output);
    }
    bridge::replace_gradient(values, &output, move |gradient| {
        let answers = each_row(&host_values(&gradient)?, n, |row, gradient, answer| {
            let costs = &costs[row * n..][..n];
            let order = descending(costs);
            for block in sort_blocks(costs, &order, epsilon) {
                let mean = gradient[block.clone()].iter().sum::<f64>() / block.len() as f64;
                order[block].iter().for_each(|&item| answer[item] = mean);
            }
        })?;
        Ok(tensor_like(&answers, &gradient))
    })
}

// Of equal values the lower index first, as in `Ranking`.
fn descending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order
}

fn rank(place: usize) -> f64 {
    (place + 1) as f64
}

fn mean_rank(block: &Range<usize>) -> f64 {
    (rank(block.start) + block.end as f64) / 2.0
}

fn mean(values: &[f64], items: &[usize]) -> f64 {
    items.iter().map(|&item| values[item]).sum::<f64>() / items.len() as f64
}

// Places of the order whose items share a multiplier, for soft ranks: (w + ε·rank)/ε has to fall.
fn rank_blocks(values: &[f64], order: &[usize], epsilon: f64) -> Vec<Range<usize>> {
    pool(order.iter().enumerate().map(|(place, &item)| values[item] + epsilon * rank(place)))
}

// The same for soft sorting: (n + 1 − rank)/ε − w has to fall.
fn sort_blocks(values: &[f64], order: &[usize], epsilon: f64) -> Vec<Range<usize>> {
    pool(order.iter().enumerate().map(|(place, &item)| -rank(place) / epsilon - values[item]))
}

// Blocks of neighbours whose means do not rise: pooling of adjacent violators.
fn pool(keys: impl Iterator<Item = f64>) -> Vec<Range<usize>> {
    let mut blocks: Vec<(Range<usize>, f64)> = Vec::new();
    for (place, mut sum) in keys.enumerate() {
        let mut block = place..place + 1;
        while let Some((before, total)) = blocks.last()
            && total / (before.len() as f64) < sum / block.len() as f64
        {
            sum += total;
            block.start = before.start;
            blocks.pop();
        }
        blocks.push((block, sum));
    }
    blocks.into_iter().map(|(block, _)| block).collect()
}
