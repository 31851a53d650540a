//! The one training loop: progress, tidy rows, checkpoints, resume, early stop.
//!
//! The step itself (forward pass, loss, backward pass, update) is a closure of the experiment.
//! All randomness comes from seeds derived from (seed, epoch, step), so that the state of
//! randomness is just these numbers, and a resumed run repeats an unbroken one bit for bit.

use std::path::PathBuf;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor, nn};

use crate::data::Images;
use crate::gradient::derive_seed;
use crate::record::Row;
use crate::{Error, Result};

mod adam;
mod checkpoint;
mod progress;

pub use adam::Adam;
use checkpoint::Checkpoint;
use progress::Progress;

/// What is trained, and what trains it.
#[derive(Debug)]
pub struct Learner {
    /// The parameters of the model.
    pub variables: nn::VarStore,
    /// Their optimiser.
    pub optimizer: Adam,
}

/// One run of training.
#[derive(Clone, Debug)]
pub struct Training {
    /// Experiment, rule, projection, margin and seed of every row this run records; its other
    /// fields are filled in. The seed also drives the order of batches and all noise.
    pub label: Row,
    /// Name of the loss in the records.
    pub metric: String,
    /// Number of passes over the training set.
    pub epochs: u32,
    /// Items per step.
    pub batch: usize,
    /// Stop when the test loss has not improved for this many epochs.
    pub patience: Option<u32>,
    /// Folder of the checkpoint and the rows; nothing is kept where it is `None`.
    pub folder: Option<PathBuf>,
    /// Whether a run whose folder holds a checkpoint continues from it; else it starts again, and
    /// its first epoch replaces what was there. The code of the step is not compared: after a
    /// change in it, start again.
    pub resume: bool,
    /// What else decides about the numbers, as text: to resume a run with another one is refused.
    pub configuration: String,
}

impl Training {
    /// Trains on `train`, measures on `test` after each epoch, and returns the rows of both.
    ///
    /// `step` performs one update and returns its loss; `evaluate` returns a loss without a graph.
    /// Both are means over their batch and receive a seed for their noise. An interrupt of the
    /// notebook's cell ends the training after the current step: the rows of the whole epochs are
    /// returned, the model keeps its last state.
    ///
    /// # Errors
    /// What the closures report, [`Error::Parameter`] for an empty set or batch, no epochs or a
    /// loss that is not finite, and [`Error::File`] or [`Error::Io`] for the folder, before the
    /// first epoch where it cannot be written.
    pub fn run(
        &self,
        learner: &mut Learner,
        train: &Images,
        test: &Images,
        mut step: impl FnMut(&mut Adam, &Images, u64) -> Result<Tensor>,
        mut evaluate: impl FnMut(&Images, u64) -> Result<Tensor>,
    ) -> Result<Vec<Row>> {
        for (what, value) in [
            ("the batch", self.batch),
            ("the number of training items", train.len()),
            ("the number of test items", test.len()),
            ("the number of epochs", self.epochs as usize),
            ("the patience in epochs", self.patience.map_or(1, |patience| patience as usize)),
        ] {
            if value == 0 {
                return Err(Error::parameter(what, value, "at least 1"));
            }
        }
        let path = self.folder.as_ref().map(|folder| folder.join("checkpoint.safetensors"));
        let identity = self.identity(train.len(), test.len());
        let found = match &path {
            Some(path) => path.try_exists().map_err(Error::io("read", path))?,
            None => false,
        };
        let mut checkpoint = match &path {
            Some(path) if found && self.resume => Checkpoint::load(path, learner, &identity)?,
            _ => Checkpoint::new(&identity),
        };
        if checkpoint.epoch > self.epochs {
            let expected = format!("at least {}, as in the checkpoint to resume", checkpoint.epoch);
            return Err(Error::parameter("the number of epochs", self.epochs, expected));
        }
        if let Some(folder) = self.folder.as_ref().filter(|_| checkpoint.epoch > 0 || !found) {
            // A folder that cannot be written shows now, not after an epoch; and where a process
            // was killed between its two files, they agree again.
            crate::record::write_csv(&checkpoint.rows, folder.join("rows.csv"))?;
        }
        let in_order: Vec<i64> = (0..test.len() as i64).collect();
        let mut progress = Progress::new(self, train.len(), checkpoint.epoch, found);

        while checkpoint.epoch < self.epochs && !self.exhausted(&checkpoint.rows) {
            let epoch = checkpoint.epoch + 1;
            // For what draws from libtorch's own generator, dropout for instance.
            tch::manual_seed(self.seed_of(epoch, u64::MAX) as i64);
            let order = shuffled(train.len(), self.seed_of(epoch, u64::MAX - 1));
            let trained = match mean_over(train, self.batch, &order, |index, batch| {
                let loss = step(&mut learner.optimizer, batch, self.seed_of(epoch, index))?;
                progress.step(batch.len());
                crate::interrupt::check("training")?;
                Ok(loss.detach())
            }) {
                // The model keeps the steps it made; the records end with the last whole epoch.
                Err(Error::Interrupted(_)) => {
                    progress.interrupted(epoch);
                    break;
                }
                trained => trained?,
            };
            let tested = match mean_over(test, self.batch, &in_order, |index, batch| {
                crate::interrupt::check("testing")?;
                let _no_grad = tch::no_grad_guard();
                evaluate(batch, self.seed_of(0, index))
            }) {
                Err(Error::Interrupted(_)) => {
                    progress.interrupted(epoch);
                    break;
                }
                tested => tested?,
            };
            for (split, value) in [("train", trained), ("test", tested)] {
                checkpoint.rows.push(self.row(epoch, split, value)?);
            }
            checkpoint.epoch = epoch;
            if let (Some(path), Some(folder)) = (&path, &self.folder) {
                checkpoint.save(path, learner)?;
                crate::record::write_csv(&checkpoint.rows, folder.join("rows.csv"))?;
            }
            progress.epoch(epoch, trained, tested);
        }
        Ok(checkpoint.rows)
    }

    fn row(&self, epoch: u32, split: &str, value: f64) -> Result<Row> {
        if !value.is_finite() {
            return Err(Error::parameter(
                "the loss",
                format!("{value} after epoch {epoch}"),
                "finite: lower the learning rate or look at the loss",
            ));
        }
        let (split, metric) = (split.to_owned(), self.metric.clone());
        Ok(Row { epoch, split, metric, value, ..self.label.clone() })
    }

    // What a checkpoint has to share with the run that resumes it.
    fn identity(&self, train: usize, test: usize) -> String {
        let Row { experiment, rule, projection, margin, seed, .. } = &self.label;
        format!(
            "{experiment}, {rule}, {projection}, {margin}, seed {seed}, {}, batch {}, {train} + \
             {test} items, {}",
            self.metric, self.batch, self.configuration
        )
    }

    fn seed_of(&self, epoch: u32, step: u64) -> u64 {
        derive_seed(&[self.label.seed, u64::from(epoch), step])
    }

    fn exhausted(&self, rows: &[Row]) -> bool {
        let tested: Vec<&Row> = rows.iter().filter(|row| row.split == "test").collect();
        let best = tested.iter().min_by(|a, b| a.value.total_cmp(&b.value));
        match (self.patience, best, tested.last()) {
            (Some(patience), Some(best), Some(last)) => last.epoch - best.epoch >= patience,
            _ => false,
        }
    }
}

fn shuffled(count: usize, seed: u64) -> Vec<i64> {
    let mut order: Vec<i64> = (0..count as i64).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order
}

// The mean of a per-batch mean over all items. Summed on the device: reading every value back
// would make a GPU wait after each step.
fn mean_over(
    set: &Images,
    batch: usize,
    order: &[i64],
    mut loss: impl FnMut(u64, &Images) -> Result<Tensor>,
) -> Result<f64> {
    let mut sum: Option<Tensor> = None;
    for (index, indices) in order.chunks(batch).enumerate() {
        let mean = loss(index as u64, &set.select(indices)?)?;
        if mean.numel() != 1 {
            return Err(Error::Shape {
                what: "the loss",
                got: format!("{:?}", mean.size()),
                expected: "one number, the mean over its batch".into(),
            });
        }
        let part = mean.f_to_kind(Kind::Double)?.f_mul_scalar(indices.len() as f64)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&part)?,
            None => part,
        });
    }
    Ok(sum.map_or(Ok(0.0), f64::try_from)? / order.len() as f64)
}
