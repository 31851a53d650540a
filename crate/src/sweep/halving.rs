//! Successive halving between runs that know of each other only by their folders.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Sweep;
use super::file::{Halving, Objective};
use super::run::write_json;
use crate::Result;
use crate::record::{self, Row};

/// The rungs that one run has still to come to.
pub(super) struct Rungs<'a> {
    folder: &'a Path,
    objective: &'a Objective,
    factor: usize,
    left: Vec<u32>,
}

impl<'a> Rungs<'a> {
    pub fn new(folder: &'a Path, objective: &'a Objective, halving: &Halving) -> Self {
        let mut left = halving.rungs.clone();
        left.sort_unstable();
        let mut rungs = Self { folder, objective, factor: halving.factor, left: Vec::new() };
        // A run that goes on from a checkpoint has passed some of them.
        left.retain(|rung| rungs.noted(folder, *rung).is_none());
        rungs.left = left;
        rungs
    }

    /// Why the run should be given up now, if so. What it came to is noted for the other runs.
    pub fn hopeless(&mut self) -> Result<Option<String>> {
        let Some(&rung) = self.left.first() else { return Ok(None) };
        let rows = Self::rows(&self.folder.join("out/runs"));
        let Some(value) = value_at(&rows, self.objective, rung) else { return Ok(None) };
        self.left.remove(0);
        let Objective { metric, split, goal } = self.objective;
        let noted = Noted { metric: metric.clone(), split: split.clone(), value: finite(value) };
        write_json(&self.folder.join(name_of(rung)), &noted)?;
        let values: Vec<Option<f64>> =
            self.others().iter().filter_map(|other| self.noted(other, rung)).collect();
        // What is no number is worse than every one.
        let better = |other: &&Option<f64>| match (**other, finite(value)) {
            (Some(other), Some(value)) => goal.prefers(other, value),
            (other, None) => other.is_some(),
            (None, Some(_)) => false,
        };
        let better = values.iter().filter(better).count();
        let stay = values.len() / self.factor;
        let reason = || {
            format!(
                "{metric} ({split}) is {value:.6} after epoch {rung}, where {better} of {} runs have \
                 better, and the best {stay} go on",
                values.len()
            )
        };
        Ok((values.len() >= self.factor && better >= stay).then(reason))
    }

    // The runs of the same plan, this one among them.
    fn others(&self) -> Vec<PathBuf> {
        let Some(runs) = self.folder.parent() else { return Vec::new() };
        match runs.parent().map(Sweep::at) {
            Some(Ok(sweep)) => sweep.runs().iter().map(|run| runs.join(run)).collect(),
            _ => fs::read_dir(runs).into_iter().flatten().flatten().map(|run| run.path()).collect(),
        }
    }

    // What a run came to at a rung, by the same objective.
    fn noted(&self, run: &Path, rung: u32) -> Option<Option<f64>> {
        let text = fs::read_to_string(run.join(name_of(rung))).ok()?;
        let noted: Noted = serde_json::from_str(&text).ok()?;
        let same = noted.metric == self.objective.metric && noted.split == self.objective.split;
        same.then_some(noted.value)
    }

    /// The rows of all trainings that a program keeps below `folder`, as far as they came.
    pub fn rows(folder: &Path) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut folders: Vec<PathBuf> = vec![folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            let mut paths: Vec<PathBuf> =
                fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
            paths.sort();
            for path in paths {
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| name == "rows.csv") {
                    rows.extend(record::read_csv(&path).unwrap_or_default());
                }
            }
        }
        rows
    }
}

/// A rung's file.
#[derive(Serialize, Deserialize)]
struct Noted {
    metric: String,
    split: String,
    // None for what is no number.
    value: Option<f64>,
}

fn name_of(rung: u32) -> String {
    format!("rung-{rung}.json")
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

/// The objective over epochs, and its last value: those of the trainings, of which a program may have
/// others beside (a baseline for instance) among its results; where it keeps none, those of its results.
pub(super) fn curve_of(folder: &Path, objective: &Objective) -> Vec<(u32, f64)> {
    let curve = |rows: Vec<Row>| -> Vec<(u32, f64)> {
        let fits = |row: &&Row| row.metric == objective.metric && row.split == objective.split;
        let mut epochs: Vec<u32> = rows.iter().filter(fits).map(|row| row.epoch).collect();
        epochs.sort_unstable();
        epochs.dedup();
        let values =
            epochs.into_iter().map(|epoch| Some((epoch, value_at(&rows, objective, epoch)?)));
        values.flatten().filter(|(_, value)| value.is_finite()).collect()
    };
    let trained = curve(Rungs::rows(&folder.join("out/runs")));
    match trained.is_empty() {
        true => curve(record::read_csv(folder.join("rows.csv")).unwrap_or_default()),
        false => trained,
    }
}

/// The mean of the objective over all rows of an epoch; `None` before there is one.
pub(super) fn value_at(rows: &[Row], objective: &Objective, epoch: u32) -> Option<f64> {
    let fits = |row: &&Row| {
        row.epoch == epoch && row.metric == objective.metric && row.split == objective.split
    };
    let values: Vec<f64> = rows.iter().filter(fits).map(|row| row.value).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::file::Goal;
    use super::*;
    use crate::Error;

    #[test]
    fn who_is_not_among_the_best_is_given_up() -> Result<()> {
        let folder = tempfile::tempdir().map_err(Error::io("create", "temporary folder"))?;
        let objective =
            Objective { metric: "loss".into(), split: "test".into(), goal: Goal::Lowest };
        let halving = Halving { rungs: vec![2], factor: 2 };
        let mut given_up = Vec::new();
        for (name, loss) in [("a", 3.0), ("b", 2.0), ("c", 2.5), ("d", 1.0)] {
            let run = folder.path().join(name);
            let mut rungs = Rungs::new(&run, &objective, &halving);
            let row = |epoch, value| Row {
                epoch,
                value,
                split: "test".into(),
                metric: "loss".into(),
                ..Row::default()
            };
            record::write_csv(&[row(1, loss)], run.join("out/runs/x/rows.csv"))?;
            assert_eq!(rungs.hopeless()?, None, "before the rung");
            record::write_csv(&[row(1, 9.0), row(2, loss)], run.join("out/runs/x/rows.csv"))?;
            given_up.push(rungs.hopeless()?.is_some());
            assert_eq!(rungs.hopeless()?, None, "once for each rung");
        }
        // The first has nobody to compare with; of three and of four, one and two go on.
        assert_eq!(given_up, [false, false, true, false]);
        // The first goes on from its checkpoint: what was decided is not decided again.
        let first = folder.path().join("a");
        assert_eq!(Rungs::new(&first, &objective, &halving).hopeless()?, None);
        // By another objective it is, among those that came there by it.
        let accuracy = Objective { metric: "accuracy".into(), ..objective.clone() };
        let text = fs::read_to_string(first.join("out/runs/x/rows.csv")).unwrap_or_default();
        fs::write(first.join("out/runs/x/rows.csv"), text.replace("loss", "accuracy"))
            .map_err(Error::io("write", &first))?;
        assert_eq!(Rungs::new(&first, &accuracy, &halving).hopeless()?, None);
        // What is no number is given up.
        let lost = folder.path().join("e");
        let row = Row {
            epoch: 2,
            value: f64::NAN,
            split: "test".into(),
            metric: "loss".into(),
            ..Row::default()
        };
        record::write_csv(&[row], lost.join("out/runs/x/rows.csv"))?;
        assert!(Rungs::new(&lost, &objective, &halving).hopeless()?.is_some());
        assert_eq!(curve_of(&lost, &objective), []);
        Ok(())
    }
}
