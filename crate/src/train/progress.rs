use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Training;
use crate::display::{Html, Live, display_live, escape, is_live};

/// What a training shows while it runs: in a notebook a bar that moves, rate and time left, and the
/// curve so far; elsewhere one line per epoch, and one in between where an epoch is long.
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
    live: Option<Live>,
    lines: Vec<String>,
    curve: Vec<[f64; 2]>,
}

const QUIET: Duration = Duration::from_secs(10);
const FRAME: Duration = Duration::from_millis(250);

impl Progress {
    pub fn new(
        training: &Training,
        items_per_epoch: usize,
        epochs_done: u32,
        checkpoint_found: bool,
    ) -> Self {
        let label = &training.label;
        let now = Instant::now();
        let mut progress = Self {
            title: format!("{} + {}", label.rule, label.projection),
            metric: training.metric.clone(),
            epochs: training.epochs,
            items_per_epoch,
            items_left: items_per_epoch * training.epochs.saturating_sub(epochs_done) as usize,
            items_done: 0,
            start: now,
            last_line: now,
            live: is_live().then(display_live),
            lines: Vec::new(),
            curve: Vec::new(),
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
        let share = self.items_done % self.items_per_epoch * 100 / self.items_per_epoch;
        if self.live.is_some() {
            if self.last_line.elapsed() >= FRAME {
                self.last_line = Instant::now();
                let epoch = self.curve.len() + 1;
                self.draw(&format!("epoch {epoch}: {share} %  {}", self.pace()));
            }
        } else if self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            self.line(&format!("{share:3} % of the epoch  {}", self.pace()));
        }
    }

    /// `measured`: by the name of its set, the training set first, the loss and what else was
    /// measured.
    pub fn epoch(&mut self, epoch: u32, measured: &[(&str, Vec<(String, f64)>)]) {
        self.last_line = Instant::now();
        let losses: Vec<f64> = measured.iter().filter_map(|(_, v)| Some(v.first()?.1)).collect();
        if let [train, test, ..] = losses[..] {
            self.curve.push([train, test]);
        }
        let (values, pace) = (values_by_metric(measured), self.pace());
        self.line(&format!("epoch {epoch:3}/{}  {values}  {pace}", self.epochs));
    }

    pub fn interrupted(&mut self, epoch: u32) {
        self.line(&format!("interrupted in epoch {epoch}; the whole epochs before it are kept"));
    }

    fn pace(&self) -> String {
        let rate = self.items_done as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        let left = self.items_left.saturating_sub(self.items_done) as f64 / rate.max(1e-9);
        let (minutes, seconds) = (left as u64 / 60, left as u64 % 60);
        format!("{rate:.0} items/s  {minutes:02}:{seconds:02} left")
    }

    fn line(&mut self, text: &str) {
        let line = format!("{:18} {text}", self.title);
        if self.live.is_none() {
            // A reader that went away must not end a training, as println! would.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        self.lines.push(line);
        self.draw(text);
    }

    fn draw(&self, text: &str) {
        let Some(live) = &self.live else { return };
        let share = self.items_done as f64 / self.items_left.max(1) as f64;
        let html = format!(
            "<div style=\"font-family: monospace; font-size: 12px\">{}: \
             <progress value=\"{:.4}\" max=\"1\" style=\"width: 180px; height: 10px\"></progress> \
             {}{}</div>",
            escape(&self.title),
            share.min(1.0),
            escape(text),
            sparkline(&self.curve, &self.metric),
        );
        live.update(&Html::new(html, self.lines.join("\n")));
    }
}

// `loss: train 0.300  test 0.400  accuracy: test 0.900`.
fn values_by_metric(measured: &[(&str, Vec<(String, f64)>)]) -> String {
    let mut metrics: Vec<&str> = Vec::new();
    for (metric, _) in measured.iter().flat_map(|(_, values)| values) {
        if !metrics.contains(&metric.as_str()) {
            metrics.push(metric);
        }
    }
    let mut text = Vec::new();
    for metric in metrics {
        let found = measured.iter().filter_map(|(split, values)| {
            let (_, value) = values.iter().find(|(name, _)| name == metric)?;
            Some(format!("{split} {value:.3}"))
        });
        text.push(format!("{metric}: {}", found.collect::<Vec<_>>().join("  ")));
    }
    text.join("  ")
}

// Training and test loss over the epochs, as an inline picture: drawn in microseconds, unlike a
// figure.
fn sparkline(curve: &[[f64; 2]], metric: &str) -> String {
    const SIZE: [f64; 2] = [320.0, 80.0];
    if curve.len() < 2 {
        return String::new();
    }
    let values = || curve.iter().flatten().copied().filter(|value| value.is_finite());
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    let mut picture = format!(
        "<br><svg width=\"{}\" height=\"{}\" role=\"img\" aria-label=\"{metric} over epochs\">",
        SIZE[0],
        SIZE[1] + 4.0,
        metric = escape(metric),
    );
    for (index, colour) in [(0, "#888888"), (1, "#1f77b4")] {
        let mut points = String::new();
        for (epoch, pair) in curve.iter().enumerate().filter(|(_, pair)| pair[index].is_finite()) {
            let x = epoch as f64 / (curve.len() - 1) as f64 * (SIZE[0] - 4.0) + 2.0;
            let y = (most - pair[index]) / (most - least).max(1e-300) * (SIZE[1] - 4.0) + 4.0;
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        let _ = write!(
            picture,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{points}\"/>"
        );
    }
    let last = curve[curve.len() - 1];
    let _ = write!(
        picture,
        "</svg><br><small><span style=\"color: #888888\">train {:.3}</span> \
         <span style=\"color: #1f77b4\">test {:.3}</span>, {}</small>",
        last[0],
        last[1],
        escape(metric),
    );
    picture
}
