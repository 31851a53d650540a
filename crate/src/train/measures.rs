use tch::{Kind, Tensor};

use crate::{Error, Result};

/// What a closure of [`Training`](super::Training) reports of its batch: the loss, and further
/// metrics by name. Each is a mean over the batch; the records hold the mean over all items.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let loss = Tensor::from(0.25);
/// let measures = Measures::new(loss).with("accuracy", 0.75);
/// # let _ = measures;
/// ```
#[derive(Debug)]
pub struct Measures {
    pub(super) loss: Tensor,
    pub(super) others: Vec<(String, Tensor)>,
}

impl Measures {
    /// The loss alone.
    pub fn new(loss: Tensor) -> Self {
        Self { loss, others: Vec::new() }
    }

    /// The loss.
    pub fn loss(&self) -> &Tensor {
        &self.loss
    }

    /// The same with another metric: a number, or a tensor that holds one.
    #[must_use]
    pub fn with(mut self, metric: impl Into<String>, value: impl Into<Tensor>) -> Self {
        self.others.push((metric.into(), value.into()));
        self
    }
}

impl From<Tensor> for Measures {
    fn from(loss: Tensor) -> Self {
        Self::new(loss)
    }
}

/// Means over items of what the batches report. Summed on the device: reading every value back
/// would make a GPU wait after each step.
#[derive(Debug, Default)]
pub(super) struct Means {
    items: f64,
    loss: Option<Tensor>,
    others: Vec<(String, Tensor, f64)>,
}

impl Means {
    pub fn add(&mut self, measures: Measures, items: usize) -> Result<()> {
        let items = items as f64;
        self.items += items;
        self.loss = Some(sum("the loss", self.loss.take(), &measures.loss, items)?);
        for (name, value) in measures.others {
            let place = self.others.iter().position(|(known, ..)| *known == name);
            let known = place.map(|place| self.others[place].1.shallow_clone());
            let sum = sum("a metric", known, &value, items)?;
            match place {
                Some(place) => {
                    self.others[place].1 = sum;
                    self.others[place].2 += items;
                }
                None => self.others.push((name, sum, items)),
            }
        }
        Ok(())
    }

    /// The loss, under the name `metric`, and the others.
    pub fn finish(self, metric: &str) -> Result<Vec<(String, f64)>> {
        let loss = self.loss.map(|sum| (metric.to_owned(), sum, self.items));
        let means = loss.into_iter().chain(self.others);
        means.map(|(name, sum, items)| Ok((name, f64::try_from(sum)? / items))).collect()
    }
}

fn sum(what: &'static str, sum: Option<Tensor>, mean: &Tensor, items: f64) -> Result<Tensor> {
    if mean.numel() != 1 {
        return Err(Error::Shape {
            what,
            got: format!("{:?}", mean.size()),
            expected: "one number, the mean over its batch".into(),
        });
    }
    let part = mean.detach().f_to_kind(Kind::Double)?.f_mul_scalar(items)?;
    Ok(match sum {
        Some(sum) => sum.f_add(&part)?,
        None => part,
    })
}
