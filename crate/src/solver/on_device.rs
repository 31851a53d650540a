//! Solvers that work on tensors where they are: no copy between an accelerator and the host.

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::k_subset::{all_pairs, few};
use super::{KSubset, Ranking, Solver, solve_batch};
use crate::gradient::on_floats;
use crate::{Error, Result};

/// A solver of whole tensors on the tensors' own device.
///
/// On the CPU it is the solver itself, without a detour through float64. On an accelerator it is an
/// expression of tensors that never waits for the host, so a cost that is NaN or infinite cannot
/// be reported as an error there: all of the instance's solution is NaN instead.
pub trait OnDevice: Solver {
    /// y(w) for `costs` of shape `[..., n]`, of the same shape, kind and device.
    ///
    /// # Errors
    /// On the CPU those of [`solve_batch`]; [`Error::Torch`] when libtorch refuses.
    fn solve_tensor(&self, costs: &Tensor) -> Result<Tensor>;
}

impl OnDevice for KSubset {
    fn solve_tensor(&self, costs: &Tensor) -> Result<Tensor> {
        check_shape(self, costs)?;
        let k = self.k();
        if costs.device() == Device::Cpu {
            return on_host(self, costs, |costs, keys, solution| {
                if self.is_small() && all_pairs(costs, solution, k, 1.0) {
                    return;
                }
                if self.is_few() {
                    return few(costs, solution, k, 1.0);
                }
                fill(keys, costs);
                solution.fill(0.0);
                keys.select_nth_unstable(k - 1);
                keys[..k].iter().for_each(|key| solution[index(key)] = 1.0);
            });
        }
        smallest(costs, k as i64)
    }
}

impl OnDevice for Ranking {
    fn solve_tensor(&self, costs: &Tensor) -> Result<Tensor> {
        check_shape(self, costs)?;
        if costs.device() == Device::Cpu {
            return on_host(self, costs, |costs, keys, solution| {
                fill(keys, costs);
                // Descending, but of equal costs the lower index first.
                keys.iter_mut().for_each(|key| *key ^= !0 << 32);
                keys.sort_unstable();
                let ranks = keys.iter().zip(1..);
                ranks.for_each(|(key, rank): (_, u32)| solution[index(key)] = rank as f32);
            });
        }
        ranks(costs)
    }
}

pub(crate) fn check_shape(solver: &dyn Solver, costs: &Tensor) -> Result<()> {
    if costs.size().last() == Some(&(solver.dimension() as i64)) {
        return Ok(());
    }
    Err(Error::Shape {
        what: "the tensor of costs",
        got: format!("{:?}", costs.size()),
        expected: format!("[..., {}], for {solver:?}", solver.dimension()),
    })
}

// The k-subset as an expression of tensors.
fn smallest(costs: &Tensor, k: i64) -> Result<Tensor> {
    let (smallest, _) = costs.f_topk(k, -1, false, false)?;
    let threshold = smallest.amax([-1].as_slice(), true);
    let (below, tied) = (costs.f_lt_tensor(&threshold)?, costs.f_eq_tensor(&threshold)?);
    // Of the costs equal to the k-th, the first few fill what is left.
    let left = -below.sum_dim_intlist(-1, true, Kind::Int64) + k;
    let first = tied.cumsum(-1, Kind::Int64).le_tensor(&left);
    let chosen = below.logical_or(&tied.logical_and(&first));
    Ok(chosen.to_kind(costs.kind()) + unless_finite(costs))
}

// The ranking as an expression of tensors.
fn ranks(costs: &Tensor) -> Result<Tensor> {
    let order = costs.f_argsort_stable(true, -1, true)?;
    let n = costs.size().last().copied().unwrap_or_default();
    let ranks = Tensor::arange_start(1, n + 1, (costs.kind(), costs.device())).expand_as(costs);
    Ok(costs.zeros_like().scatter(-1, &order, &ranks) + unless_finite(costs))
}

// 0, or NaN where a cost of the instance is not finite.
fn unless_finite(costs: &Tensor) -> Tensor {
    (costs * 0.0).sum_dim_intlist(-1, true, costs.kind())
}

fn index(key: &u64) -> usize {
    *key as u32 as usize
}

// An instance as keys: the cost, in the order of integers, above its index.
fn fill(keys: &mut Vec<u64>, costs: &[f32]) {
    keys.clear();
    keys.extend(costs.iter().zip(0u64..).map(|(&cost, index)| {
        let bits = (cost + 0.0).to_bits();
        // As in `ordered`, for 32 bits.
        let key = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        u64::from(key) << 32 | index
    }));
}

// `solve` takes the costs of an instance, a buffer for keys, and a solution of zeros.
fn on_host(
    solver: &dyn Solver,
    costs: &Tensor,
    solve: impl Fn(&[f32], &mut Vec<u64>, &mut [f32]) + Sync,
) -> Result<Tensor> {
    let n = solver.dimension();
    let flat = costs.detach().contiguous().view(-1);
    if costs.kind() != Kind::Float {
        let solutions = solve_batch(solver, &Vec::<f64>::try_from(flat.to_kind(Kind::Double))?)?;
        return Ok(Tensor::from_slice(&solutions).view_as(costs).to_kind(costs.kind()));
    }
    let solutions = flat.zeros_like();
    on_floats(&flat, &solutions, |flat, solutions| {
        // In one go without branches first.
        let wrong = !flat.iter().fold(true, |all, cost| all & cost.is_finite());
        let first = wrong.then(|| flat.iter().position(|cost| !cost.is_finite())).flatten();
        if let Some(position) = first {
            return Err(Error::Cost {
                solver: format!("{solver:?}"),
                row: position / n,
                index: position % n,
                value: flat[position].into(),
                expected: solver.domain().describe(),
            });
        }
        // Waking another thread takes longer than a few rows, and so does asking for an interrupt.
        let part = (8192 / n).max(1) * n;
        let solve_part = |keys: &mut Vec<u64>, costs: &[f32], solutions: &mut [f32]| {
            crate::interrupt::check("a batch of instances was being solved")?;
            let rows = costs.chunks(n).zip(solutions.chunks_mut(n));
            rows.for_each(|(costs, solution)| solve(costs, keys, solution));
            Ok::<_, Error>(())
        };
        if flat.len() < 1 << 15 {
            let mut keys = Vec::new();
            let mut parts = flat.chunks(part).zip(solutions.chunks_mut(part));
            return parts.try_for_each(|(costs, part)| solve_part(&mut keys, costs, part));
        }
        flat.par_chunks(part)
            .zip(solutions.par_chunks_mut(part))
            .try_for_each_init(Vec::new, |keys, (costs, part)| solve_part(keys, costs, part))
    })?;
    Ok(solutions.view_as(costs))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Few different values: almost every row has ties.
    fn costs(kind: Kind) -> Tensor {
        Tensor::randint_low(-2, 3, [64, 9], (Kind::Float, Device::Cpu)).to_kind(kind)
    }

    #[test]
    fn expressions_agree_with_the_solvers_on_the_host() {
        for kind in [Kind::Float, Kind::Double] {
            for k in [1, 4, 9] {
                let costs = costs(kind);
                let expected = KSubset::new(9, k).unwrap().solve_tensor(&costs).unwrap();
                assert!(smallest(&costs, k as i64).unwrap().equal(&expected), "{k} {kind:?}");
                assert_eq!(expected.sum(Kind::Double).double_value(&[]), 64.0 * k as f64);
            }
            let costs = costs(kind);
            let expected = Ranking::new(9).unwrap().solve_tensor(&costs).unwrap();
            assert!(ranks(&costs).unwrap().equal(&expected), "{kind:?}");
        }
    }

    #[test]
    fn expressions_never_wait_for_the_host() {
        let costs = costs(Kind::Float);
        let (_, waits) = crate::check::host_waits(|| (smallest(&costs, 4), ranks(&costs)));
        assert_eq!(waits, 0);
        // The counter sees what it should.
        assert_eq!(crate::check::host_waits(|| costs.get(0).get(0).double_value(&[])).1, 1);
    }

    #[test]
    fn an_instance_that_is_not_finite_is_nan_in_an_expression() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let costs = costs(Kind::Float);
            let _ = costs.get(3).narrow(0, 2, 1).fill_(value);
            for answer in [smallest(&costs, 4).unwrap(), ranks(&costs).unwrap()] {
                assert_eq!(answer.isnan().sum(Kind::Int64).int64_value(&[]), 9);
                assert_eq!(answer.get(3).isnan().sum(Kind::Int64).int64_value(&[]), 9);
            }
        }
    }
}
