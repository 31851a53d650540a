use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Training;

/// One line per epoch, and one in between where an epoch is long: rate and time left.
#[derive(Debug)]
pub(super) struct Progress {
    title: String,
    metric: String,
    epochs: u32,
    items_per_epoch: usize,
    items_left: usize,
    items_done: usize,
    start: Instant,
    last_line: Instant,
}

const QUIET: Duration = Duration::from_secs(10);

impl Progress {
    pub fn new(
        training: &Training,
        items_per_epoch: usize,
        epochs_done: u32,
        checkpoint_found: bool,
    ) -> Self {
        let label = &training.label;
        let now = Instant::now();
        let progress = Self {
            title: format!("{} + {}", label.rule, label.projection),
            metric: training.metric.clone(),
            epochs: training.epochs,
            items_per_epoch,
            items_left: items_per_epoch * training.epochs.saturating_sub(epochs_done) as usize,
            items_done: 0,
            start: now,
            last_line: now,
        };
        let folder = training.folder.as_deref().unwrap_or(Path::new("")).display();
        if epochs_done == training.epochs {
            progress.line(&format!("nothing left to train: these are the rows of {folder}"));
        } else if epochs_done > 0 {
            progress.line(&format!("continues after epoch {epochs_done} of {}", training.epochs));
        } else if checkpoint_found {
            progress.line(&format!("starts again; its first epoch replaces the run in {folder}"));
        }
        progress
    }

    pub fn step(&mut self, items: usize) {
        self.items_done += items;
        if self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            let share = self.items_done % self.items_per_epoch * 100 / self.items_per_epoch;
            self.line(&format!("{share:3} % of the epoch  {}", self.pace()));
        }
    }

    pub fn epoch(&mut self, epoch: u32, train: f64, test: f64) {
        self.last_line = Instant::now();
        let (metric, epochs) = (&self.metric, self.epochs);
        let pace = self.pace();
        self.line(&format!(
            "epoch {epoch:3}/{epochs}  {metric}: train {train:.3}  test {test:.3}  {pace}"
        ));
    }

    fn pace(&self) -> String {
        let rate = self.items_done as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        let left = self.items_left.saturating_sub(self.items_done) as f64 / rate.max(1e-9);
        let (minutes, seconds) = (left as u64 / 60, left as u64 % 60);
        format!("{rate:.0} items/s  {minutes:02}:{seconds:02} left")
    }

    // A reader that went away must not end a training, as println! would.
    fn line(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{:18} {text}", self.title);
    }
}
