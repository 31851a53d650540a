//! Losses: one value to minimise, in stated units, from tensors of stated shape.

mod likelihood;

pub use likelihood::{bernoulli_negative_log_likelihood, categorical_kl_to_uniform};
