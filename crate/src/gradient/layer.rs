use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::{Rule, Solved, bridge};
use crate::solver::{Solver, as_rows, solve_batch, solve_batch_warm};
use crate::{Error, Result};

/// A solver as one differentiable operation: y(w) forward, the rule's replacement backward.
///
/// Works on any batch shape `[..., n]`, or `[..., rows, columns]` for a solver whose solutions have
/// that [`shape`](Solver::shape) (a [`Projection`](super::Projection) acts on the last dimension alone:
/// project `[..., n]`), in float32 and float64, on any device (costs are solved on
/// the CPU, except by solvers that work [on the device](crate::solver::OnDevice)), in any graph, with any number of layers. Costs are minimised.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let layer = SolverLayer::new(KSubset::new(3, 1)?, Blackbox::new(10.0)?);
/// let costs = Tensor::from_slice2(&[[1.0, 2.0, 3.0]]).set_requires_grad(true);
/// let loss = (layer.forward(&costs)? - Tensor::from_slice(&[0.0, 1.0, 0.0])).square().sum(Kind::Double);
/// loss.backward();
/// // Blackbox: the solution moves from entry 0 to entry 1 when the costs move by 10 dL/dy.
/// assert_eq!(Vec::<f64>::try_from(costs.grad().flatten(0, -1))?, [-0.1, 0.1, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SolverLayer {
    solver: Arc<dyn Solver>,
    rule: Arc<dyn Rule>,
}

impl SolverLayer {
    /// The layer of `solver` with `rule` as its gradient.
    pub fn new(solver: impl Solver, rule: impl Rule) -> Self {
        Self::shared(Arc::new(solver), Arc::new(rule))
    }

    /// The same for parts chosen at run time.
    pub fn shared(solver: Arc<dyn Solver>, rule: Arc<dyn Rule>) -> Self {
        Self { solver, rule }
    }

    /// The rule.
    pub fn rule(&self) -> &dyn Rule {
        &*self.rule
    }

    /// y(w) for `costs` w of shape `[..., n]`; the result has the same shape, kind and device.
    ///
    /// # Errors
    /// [`Error::Shape`] for a wrong last dimension or an integer kind, [`Error::Cost`] for a cost
    /// outside the solver's domain. An error of the rule surfaces from the loss's `backward`:
    /// call [`Tensor::f_backward`](tch::Tensor::f_backward) to receive it as a value.
    pub fn forward(&self, costs: &Tensor) -> Result<Tensor> {
        if let Some(flat) = flattened(&*self.solver, costs) {
            return Ok(self.forward(&flat)?.view_as(costs));
        }
        let mut memory = self.memory(costs);
        let solutions = solve_tensor(&*self.solver, costs, memory.as_mut())?;
        let output =
            if costs.requires_grad() { solutions.copy() } else { solutions.shallow_clone() };
        self.differentiable(costs, &solutions, output, memory, |gradient, _| gradient)
    }

    /// The mean solution over the first dimension of `costs`, `[samples, ..., n]`, for Monte Carlo
    /// estimators: ȳ = (1/S) Σₛ y(wₛ), shape `[..., n]`.
    ///
    /// Backward, the rule receives dL/dȳ for each sample, and dL/dwₛ is its answer divided by S:
    /// for I-MLE this is the mean over samples of y(wₛ + λ dL/dȳ) − y(wₛ).
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and [`Error::Shape`] without a dimension of samples.
    pub fn forward_mean(&self, costs: &Tensor) -> Result<Tensor> {
        let instance = match flattened(&*self.solver, costs) {
            Some(_) => self.solver.shape().len(),
            None => 1,
        };
        if costs.dim() <= instance || costs.size()[0] == 0 {
            return Err(Error::Shape {
                what: "the costs of several samples",
                got: format!("{:?}", costs.size()),
                expected: "[samples, ..., n] with at least one sample".into(),
            });
        }
        if let Some(flat) = flattened(&*self.solver, costs) {
            return Ok(self.forward_mean(&flat)?.view(&costs.size()[1..]));
        }
        let mut memory = self.memory(costs);
        let solutions = solve_tensor(&*self.solver, costs, memory.as_mut())?;
        let mean = solutions.mean_dim(0, false, None);
        self.differentiable(costs, &solutions, mean, memory, |gradient, shape| {
            gradient.expand(shape, false)
        })
    }

    // What a rule that solves again starts from.
    fn memory(&self, costs: &Tensor) -> Option<Memory> {
        let again = costs.requires_grad() && self.solver.warm_start().is_some();
        again.then(Memory::new)
    }

    fn differentiable(
        &self,
        costs: &Tensor,
        solutions: &Tensor,
        output: Tensor,
        memory: Option<Memory>,
        spread: fn(Tensor, &[i64]) -> Tensor,
    ) -> Result<Tensor> {
        if !costs.requires_grad() {
            return Ok(output);
        }
        let (solver, rule) = (Arc::clone(&self.solver), Arc::clone(&self.rule));
        // Copies: what the user changes in place between forward and backward is not what was
        // solved.
        let (costs_seen, solutions) = (costs.detach().copy(), solutions.shallow_clone());
        bridge::replace_gradient(costs, &output, move |gradient| {
            let shape = costs_seen.size();
            let samples = solutions.numel() as f64 / gradient.numel().max(1) as f64;
            let solved = Solved {
                solver: &*solver,
                costs: &costs_seen,
                solutions: &solutions,
                memory: memory.as_ref(),
            };
            let answer = rule.gradient(&solved, &spread(gradient, &shape))?;
            Ok(if samples == 1.0 { answer } else { answer / samples })
        })
    }
}

/// Costs of the solver's shape as `[..., n]`, which is what everything behind the public doors sees;
/// none where they are so already.
pub(crate) fn flattened(solver: &dyn Solver, costs: &Tensor) -> Option<Tensor> {
    as_rows(costs, solver.dimension(), &solver.shape())
}

/// What the solves of a batch leave, one memory per instance: see [`crate::solver::WarmStart`].
pub(super) type Memory = Vec<Vec<f64>>;

/// y(w) for a tensor of costs, without a graph, of a solver that is solved once.
pub(crate) fn solve_once(solver: &dyn Solver, costs: &Tensor) -> Result<Tensor> {
    solve_tensor(solver, costs, None)
}

/// Whether `costs` are instances of the solver, `[..., n]` of a floating-point kind.
pub(super) fn check_shape(solver: &dyn Solver, costs: &Tensor) -> Result<()> {
    let size = costs.size();
    let dimension = solver.dimension();
    let shape: Vec<i64> = solver.shape().into_iter().map(|side| side as i64).collect();
    if size.last() != Some(&(dimension as i64))
        || super::check_floating("costs", costs.kind()).is_err()
    {
        let or_shape = if shape.len() > 1 {
            format!(", with {shape:?} in place of {dimension} if you like,")
        } else {
            String::new()
        };
        return Err(Error::Shape {
            what: "the tensor of costs",
            got: format!("{size:?} of {:?}", costs.kind()),
            expected: format!(
                "[..., {dimension}]{or_shape} of a floating-point kind, for {solver:?}"
            ),
        });
    }
    Ok(())
}

/// y(w) for a tensor of costs, without a graph.
pub(super) fn solve_tensor(
    solver: &dyn Solver,
    costs: &Tensor,
    memory: Option<&mut Memory>,
) -> Result<Tensor> {
    check_shape(solver, costs)?;
    if let Some(solver) = solver.on_device() {
        return solver.solve_tensor(&costs.detach());
    }
    // Double holds every float32 exactly, so the order of costs, hence the solution, is the same.
    let flat = host_values(costs)?;
    let solutions = match (solver.warm_start(), memory) {
        (Some(solver), Some(memory)) => {
            memory.resize(flat.len() / solver.dimension(), Vec::new());
            solve_batch_warm(solver, &flat, memory)?
        }
        _ => solve_batch(solver, &flat)?,
    };
    Ok(tensor_like(&solutions, costs))
}

/// The values of `tensor`, in float64 on the host.
pub(crate) fn host_values(tensor: &Tensor) -> Result<Vec<f64>> {
    let tensor = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double);
    Ok(Vec::<f64>::try_from(tensor.contiguous().view(-1))?)
}

/// `values` as a tensor of the shape, kind and device of `like`.
pub(crate) fn tensor_like(values: &[f64], like: &Tensor) -> Tensor {
    Tensor::from_slice(values).view_as(like).to_kind(like.kind()).to_device(like.device())
}
