use tch::{Kind, Tensor, nn};

use crate::gradient::{adam_step, clear_gradients};
use crate::{Error, Result};

/// Adam (Kingma and Ba 2015) whose whole state can be stored, as one fused operation.
///
/// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w − η · (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε) at step t.
/// Defaults: β = (0.9, 0.999), ε = 1e-8, no weight decay, one learning rate η for all.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let w = variables.root().var("w", &[1], nn::Init::Const(1.0));
/// let mut adam = Adam::new(&variables, 0.1)?;
/// adam.minimise(&w.square().sum(Kind::Float))?;
/// assert!((w.double_value(&[0]) - 0.9).abs() < 1e-6); // the first step has length η
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Debug)]
pub struct Adam {
    // A tensor, so that it travels in checkpoints as the rest of the state does.
    learning_rate: Tensor,
    milestones: Option<Milestones>,
    betas: (f64, f64),
    epsilon: f64,
    weight_decay: f64,
    // What η is multiplied by, for each parameter.
    factors: Vec<f64>,
    names: Vec<String>,
    parameters: Vec<Tensor>,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    steps: Vec<Tensor>,
}

/// After each of these epochs the learning rate is `factor` times what it was.
#[derive(Clone, Debug)]
struct Milestones {
    epochs: Vec<u32>,
    factor: f64,
    start: f64,
}

impl Adam {
    /// For the trainable variables of `variables`, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the learning rate η is finite and not negative.
    pub fn new(variables: &nn::VarStore, learning_rate: f64) -> Result<Self> {
        let learning_rate = Tensor::from(checked_rate(learning_rate)?);
        let mut named: Vec<(String, Tensor)> = variables
            .variables()
            .into_iter()
            .filter(|(_, variable)| variable.requires_grad())
            .collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let (names, parameters): (Vec<String>, Vec<Tensor>) = named.into_iter().unzip();
        let zeros = || parameters.iter().map(Tensor::zeros_like).collect();
        let steps = parameters
            .iter()
            .map(|parameter| Tensor::zeros([], (Kind::Float, parameter.device())))
            .collect();
        let (first, second) = tch::no_grad(|| (zeros(), zeros()));
        let (betas, epsilon) = ((0.9, 0.999), 1e-8);
        Ok(Self {
            learning_rate,
            milestones: None,
            betas,
            epsilon,
            weight_decay: 0.0,
            factors: vec![1.0; names.len()],
            names,
            parameters,
            first,
            second,
            steps,
        })
    }

    /// Sets ε (Keras uses 1e-7).
    ///
    /// # Errors
    /// [`Error::Parameter`] unless it is finite and > 0.
    pub fn epsilon(self, epsilon: f64) -> Result<Self> {
        if epsilon.is_finite() && epsilon > 0.0 {
            Ok(Self { epsilon, ..self })
        } else {
            Err(Error::parameter("epsilon of Adam", epsilon, "finite and > 0"))
        }
    }

    /// Sets β₁ and β₂.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless both are at least 0 and below 1.
    pub fn betas(self, betas: (f64, f64)) -> Result<Self> {
        if [betas.0, betas.1].iter().all(|beta| (0.0..1.0).contains(beta)) {
            Ok(Self { betas, ..self })
        } else {
            Err(Error::parameter("the betas of Adam", format!("{betas:?}"), "in 0 <= beta < 1"))
        }
    }

    /// Adds the gradient of (δ/2)‖w‖², for all parameters, before the moments: g ← g + δw. As in
    /// PyTorch's `Adam(weight_decay=δ)`; the decay of AdamW, which bypasses the moments, is another.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless δ is finite and not negative.
    pub fn weight_decay(self, weight_decay: f64) -> Result<Self> {
        if weight_decay.is_finite() && weight_decay >= 0.0 {
            Ok(Self { weight_decay, ..self })
        } else {
            Err(Error::parameter("the weight decay", weight_decay, "finite and >= 0"))
        }
    }

    /// The parameters whose name begins with `prefix` learn with `factor` · η, whatever η is.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the factor is finite and not negative, or where there is no such
    /// parameter.
    pub fn rate_factor(mut self, prefix: &str, factor: f64) -> Result<Self> {
        if !(factor.is_finite() && factor >= 0.0) {
            return Err(Error::parameter(
                "the factor of a learning rate",
                factor,
                "finite and >= 0",
            ));
        }
        if !self.names.iter().any(|name| name.starts_with(prefix)) {
            let expected = format!("the beginning of one of {}", self.names.join(", "));
            return Err(Error::parameter("the name of the parameters", prefix, expected));
        }
        for (name, own) in self.names.iter().zip(&mut self.factors) {
            if name.starts_with(prefix) {
                *own = factor;
            }
        }
        Ok(self)
    }

    /// Multiplies the learning rate η by `factor` after each of the `epochs` of a
    /// [`Training`](super::Training): `(&[30, 40], 0.1)` has η up to epoch 30, η/10 up to 40, then
    /// η/100.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the factor is finite and not negative.
    pub fn milestones(self, epochs: &[u32], factor: f64) -> Result<Self> {
        if !(factor.is_finite() && factor >= 0.0) {
            return Err(Error::parameter("the factor of a milestone", factor, "finite and >= 0"));
        }
        let (epochs, start) = (epochs.to_vec(), self.learning_rate.double_value(&[]));
        Ok(Self { milestones: Some(Milestones { epochs, factor, start }), ..self })
    }

    /// The learning rate η of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate.double_value(&[])
    }

    /// Changes the learning rate η from the next step on; a checkpoint keeps it. Milestones, where
    /// there are any, set it again at the next epoch.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless it is finite and not negative.
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        let _ = self.learning_rate.fill_(checked_rate(learning_rate)?);
        Ok(())
    }

    /// The learning rate that the milestones give to `epoch`: from the start, so that a resumed run
    /// has the very same.
    pub(super) fn begin_epoch(&mut self, epoch: u32) -> Result<()> {
        let Some(Milestones { epochs, factor, start }) = &self.milestones else { return Ok(()) };
        let passed = epochs.iter().filter(|&&milestone| milestone < epoch).count();
        let rate = (0..passed).fold(*start, |rate, _| rate * factor);
        self.set_learning_rate(rate)
    }

    /// One update that lowers `loss`: gradients cleared, backward pass, step.
    ///
    /// # Errors
    /// [`Error::Torch`], with the message of a gradient rule that failed; [`Error::Interrupted`].
    pub fn minimise(&mut self, loss: &Tensor) -> Result<()> {
        self.clear_gradients()?;
        loss.f_backward().map_err(|error| {
            // Through autograd an error comes as text.
            crate::interrupt::check("the backward pass").err().unwrap_or_else(|| error.into())
        })?;
        self.step()
    }

    /// Unsets all gradients: a parameter that takes no part in the next loss has none.
    ///
    /// # Errors
    /// [`Error::Torch`].
    pub fn clear_gradients(&mut self) -> Result<()> {
        clear_gradients(&self.parameters)
    }

    /// One update from the gradients at hand; parameters without one stay, as do their moments.
    ///
    /// # Errors
    /// [`Error::Torch`].
    pub fn step(&mut self) -> Result<()> {
        let gradients: Vec<Tensor> = self
            .parameters
            .iter()
            .map(|parameter| self.decayed(parameter))
            .collect::<Result<_>>()?;
        let mut factors: Vec<f64> = self.factors.clone();
        factors.sort_by(f64::total_cmp);
        factors.dedup();
        let rate = self.learning_rate.double_value(&[]);
        for factor in factors {
            let touched = |list: &[Tensor]| -> Vec<Tensor> {
                let entries = list.iter().zip(&gradients).zip(&self.factors);
                entries
                    .filter(|((_, gradient), own)| gradient.defined() && **own == factor)
                    .map(|((tensor, _), _)| tensor.shallow_clone())
                    .collect()
            };
            adam_step(
                &touched(&self.parameters),
                &touched(&gradients),
                &touched(&self.first),
                &touched(&self.second),
                &touched(&self.steps),
                factor * rate,
                self.betas,
                self.epsilon,
            )?;
        }
        Ok(())
    }

    // The gradient with that of the decay.
    fn decayed(&self, parameter: &Tensor) -> Result<Tensor> {
        let gradient = parameter.grad();
        if self.weight_decay == 0.0 || !gradient.defined() {
            return Ok(gradient);
        }
        Ok(gradient.f_add(&parameter.detach().f_mul_scalar(self.weight_decay)?)?)
    }

    /// The state by name, for a checkpoint; the tensors are shared, not copied.
    pub(super) fn state(&self) -> Vec<(String, Tensor)> {
        let parts = [("first", &self.first), ("second", &self.second), ("steps", &self.steps)];
        let rate = (("learning_rate".to_owned()), self.learning_rate.shallow_clone());
        parts
            .into_iter()
            .flat_map(|(part, list)| {
                self.names
                    .iter()
                    .zip(list)
                    .map(move |(name, tensor)| (format!("{part}.{name}"), tensor.shallow_clone()))
            })
            .chain([rate])
            .collect()
    }
}

fn checked_rate(learning_rate: f64) -> Result<f64> {
    if learning_rate.is_finite() && learning_rate >= 0.0 {
        Ok(learning_rate)
    } else {
        Err(Error::parameter("the learning rate", learning_rate, "finite and >= 0"))
    }
}
