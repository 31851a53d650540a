//! The one training loop: progress, tidy rows, checkpoints, resume, early stop.
//!
//! The step itself (forward pass, loss, backward pass, update) is a closure of the experiment.
//! All randomness comes from seeds derived from (seed, epoch, step), so that the state of
//! randomness is just these numbers, and a resumed run repeats an unbroken one bit for bit.

use std::path::PathBuf;

use tch::nn;

use crate::data::Batches;
use crate::device::settle_mathematics;
use crate::gradient::derive_seed;
use crate::record::Row;
use crate::{Error, Result};

mod adam;
mod checkpoint;
mod measures;
mod progress;

pub use adam::Adam;
use checkpoint::Checkpoint;
use measures::Means;
pub use measures::Measures;
use progress::Progress;

/// What is trained, and what trains it.
#[derive(Debug)]
pub struct Learner {
    /// The parameters of the model.
    pub variables: nn::VarStore,
    /// Their optimiser.
    pub optimizer: Adam,
}

/// Where in a training a batch is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The epoch that is being trained, or that was before the test; the first is 1.
    pub epoch: u32,
    /// The batch within the epoch or the test; the first is 0.
    pub batch: u64,
    /// The seed for the noise of this batch: another one in every epoch of training, the same one
    /// in every test.
    pub seed: u64,
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
    /// Stop when the test loss (of several sets, the first one's) has not improved for this many
    /// epochs.
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
    /// Both are means over their batch and receive a seed for their noise; either may report more
    /// than a loss, as [`Measures`]. An interrupt of the notebook's cell ends the training after the
    /// current step: the rows of the whole epochs are returned, the model keeps its last state.
    ///
    /// A set is any struct of tensors ([`Items`](crate::data::Items)), which is then its own batch, or
    /// another source of [`Batches`].
    ///
    /// # Errors
    /// What the closures report, [`Error::Parameter`] for an empty set or batch, no epochs or a
    /// value that is not finite, and [`Error::File`] or [`Error::Io`] for the folder, before the
    /// first epoch where it cannot be written.
    pub fn run<D: Batches, V: Batches, T: Into<Measures>, E: Into<Measures>>(
        &self,
        learner: &mut Learner,
        train: &D,
        test: &V,
        mut step: impl FnMut(&mut Adam, &D::Batch, u64) -> Result<T>,
        mut evaluate: impl FnMut(&V::Batch, u64) -> Result<E>,
    ) -> Result<Vec<Row>> {
        self.run_splits(
            learner,
            train,
            &[("test", test)],
            |optimizer, batch, at| step(optimizer, batch, at.seed),
            |batch, at| evaluate(batch, at.seed),
        )
    }

    /// The same with several sets to measure on, by the names they have in the records, and closures
    /// that know the epoch: for noise that ends half-time, for instance.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`Error::Parameter`] where there is nothing to measure on or two
    /// sets have the same name.
    pub fn run_splits<D: Batches, V: Batches, T: Into<Measures>, E: Into<Measures>>(
        &self,
        learner: &mut Learner,
        train: &D,
        tests: &[(&str, &V)],
        mut step: impl FnMut(&mut Adam, &D::Batch, Step) -> Result<T>,
        mut evaluate: impl FnMut(&V::Batch, Step) -> Result<E>,
    ) -> Result<Vec<Row>> {
        self.check(train, tests)?;
        settle_mathematics();
        let path = self.folder.as_ref().map(|folder| folder.join("checkpoint.safetensors"));
        let identity = self.identity(train, tests);
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
        let first = tests.first().map_or("test", |(name, _)| name);
        let an_epoch = train.plan(self.batch, 0)?.iter().map(Vec::len).sum();
        let mut progress = Progress::new(self, an_epoch, checkpoint.epoch, found);

        while checkpoint.epoch < self.epochs && !self.exhausted(&checkpoint.rows, first) {
            let epoch = checkpoint.epoch + 1;
            learner.optimizer.begin_epoch(epoch)?;
            // For what draws from libtorch's own generator, dropout for instance.
            tch::manual_seed(self.seed_of(epoch, u64::MAX) as i64);
            let mut measured = Vec::with_capacity(1 + tests.len());
            let whole = self.train_epoch(train, epoch, |batch, items, at| {
                let measures = step(&mut learner.optimizer, batch, at)?;
                progress.step(items);
                crate::interrupt::check("training")?;
                Ok(measures.into())
            });
            // The model keeps the steps it made; the records end with the last whole epoch.
            let whole = whole.and_then(|trained| {
                measured.push(("train", trained));
                for (place, &(name, set)) in tests.iter().enumerate() {
                    let tested = self.test(set, place as u64, epoch, |batch, at| {
                        crate::interrupt::check("testing")?;
                        Ok(evaluate(batch, at)?.into())
                    })?;
                    measured.push((name, tested));
                }
                Ok(())
            });
            match whole {
                Err(Error::Interrupted(_)) => {
                    progress.interrupted(epoch);
                    break;
                }
                whole => whole?,
            }
            for (split, values) in &measured {
                for (metric, value) in values {
                    checkpoint.rows.push(self.row(epoch, split, metric, *value)?);
                }
            }
            checkpoint.epoch = epoch;
            if let (Some(path), Some(folder)) = (&path, &self.folder) {
                checkpoint.save(path, learner)?;
                crate::record::write_csv(&checkpoint.rows, folder.join("rows.csv"))?;
            }
            progress.epoch(epoch, &measured);
        }
        Ok(checkpoint.rows)
    }

    fn check<D: Batches, V: Batches>(&self, train: &D, tests: &[(&str, &V)]) -> Result<()> {
        let fewest = tests.iter().map(|(_, set)| set.count()).min();
        for (what, value) in [
            ("the batch", self.batch),
            ("the number of training items", train.count()),
            ("the number of sets to test on", tests.len()),
            ("the number of test items", fewest.unwrap_or(1)),
            ("the number of epochs", self.epochs as usize),
            ("the patience in epochs", self.patience.map_or(1, |patience| patience as usize)),
        ] {
            if value == 0 {
                return Err(Error::parameter(what, value, "at least 1"));
            }
        }
        let mut names = vec!["train"];
        for (name, _) in tests {
            if names.contains(name) {
                let expected = "unlike `train` and the names of the other sets";
                return Err(Error::parameter("the name of a test set", name, expected));
            }
            names.push(name);
        }
        Ok(())
    }

    fn train_epoch<D: Batches>(
        &self,
        train: &D,
        epoch: u32,
        step: impl FnMut(&D::Batch, usize, Step) -> Result<Measures>,
    ) -> Result<Vec<(String, f64)>> {
        let plan = train.plan(self.batch, self.seed_of(epoch, u64::MAX - 1))?;
        let at = |batch| Step { epoch, batch, seed: self.seed_of(epoch, batch) };
        self.means_over(train, &plan, self.seed_of(epoch, u64::MAX - 2), at, step)
    }

    fn test<V: Batches>(
        &self,
        set: &V,
        place: u64,
        epoch: u32,
        mut evaluate: impl FnMut(&V::Batch, Step) -> Result<Measures>,
    ) -> Result<Vec<(String, f64)>> {
        let at = |batch| {
            let seed = match place {
                0 => self.seed_of(0, batch),
                place => derive_seed(&[self.label.seed, 0, batch, place]),
            };
            Step { epoch, batch, seed }
        };
        let _no_grad = tch::no_grad_guard();
        let (plan, seed) = (set.plan_in_order(self.batch), self.seed_of(0, u64::MAX - 2));
        self.means_over(set, &plan, seed, at, |batch, _, at| evaluate(batch, at))
    }

    // The means over all items of per-batch means, the loss first.
    fn means_over<D: Batches>(
        &self,
        set: &D,
        plan: &[Vec<i64>],
        seed: u64,
        at: impl Fn(u64) -> Step,
        mut measure: impl FnMut(&D::Batch, usize, Step) -> Result<Measures>,
    ) -> Result<Vec<(String, f64)>> {
        let mut means = Means::default();
        for ((index, items), batch) in (0u64..).zip(plan).zip(set.load(plan, seed)?) {
            means.add(measure(&batch?, items.len(), at(index))?, items.len())?;
        }
        means.finish(&self.metric)
    }

    fn row(&self, epoch: u32, split: &str, metric: &str, value: f64) -> Result<Row> {
        if !value.is_finite() {
            return Err(Error::parameter(
                "the loss or a metric",
                format!("{value} after epoch {epoch} ({metric}, {split})"),
                "finite: lower the learning rate or look at the loss",
            ));
        }
        let (split, metric) = (split.to_owned(), metric.to_owned());
        Ok(Row { epoch, split, metric, value, ..self.label.clone() })
    }

    // What a checkpoint has to share with the run that resumes it.
    fn identity<D: Batches, V: Batches>(&self, train: &D, tests: &[(&str, &V)]) -> String {
        let Row { experiment, rule, projection, margin, seed, .. } = &self.label;
        let sizes: Vec<String> = tests.iter().map(|(_, set)| set.count().to_string()).collect();
        format!(
            "{experiment}, {rule}, {projection}, {margin}, seed {seed}, {}, batch {}, {} + {} \
             items, {}",
            self.metric,
            self.batch,
            train.count(),
            sizes.join(" + "),
            self.configuration
        )
    }

    fn seed_of(&self, epoch: u32, step: u64) -> u64 {
        derive_seed(&[self.label.seed, u64::from(epoch), step])
    }

    fn exhausted(&self, rows: &[Row], split: &str) -> bool {
        let of_loss = |row: &&Row| row.split == split && row.metric == self.metric;
        let tested: Vec<&Row> = rows.iter().filter(of_loss).collect();
        let best = tested.iter().min_by(|a, b| a.value.total_cmp(&b.value));
        match (self.patience, best, tested.last()) {
            (Some(patience), Some(best), Some(last)) => last.epoch - best.epoch >= patience,
            _ => false,
        }
    }
}
