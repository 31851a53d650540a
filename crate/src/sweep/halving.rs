//! Successive halving between runs that know of each other only by their folders.

use std::fs;
use std::path::{Path, PathBuf};

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
        Self { folder, objective, factor: halving.factor, left }
    }

    /// Why the run should be given up now, if so. What it came to is noted for the other runs.
    pub fn hopeless(&mut self) -> Result<Option<String>> {
        let Some(&rung) = self.left.first() else { return Ok(None) };
        let rows = Self::rows(&self.folder.join("out/runs"));
        let Some(value) = value_at(&rows, self.objective, rung) else { return Ok(None) };
        self.left.remove(0);
        let name = format!("rung-{rung}.json");
        write_json(&self.folder.join(&name), &value)?;
        let others = self.folder.parent().and_then(|runs| fs::read_dir(runs).ok());
        let values: Vec<f64> = others
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                serde_json::from_str(&fs::read_to_string(entry.path().join(&name)).ok()?).ok()
            })
            .collect();
        let better =
            values.iter().filter(|other| self.objective.goal.prefers(**other, value)).count();
        let stay = values.len() / self.factor;
        let Objective { metric, split, .. } = self.objective;
        let reason = || {
            format!(
                "{metric} ({split}) is {value:.6} after epoch {rung}, where {better} of {} runs have \
                 better, and the best {stay} go on",
                values.len()
            )
        };
        Ok((values.len() >= self.factor && better >= stay).then(reason))
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

/// The mean of the objective over all rows of an epoch; `None` before there is one.
pub(super) fn value_at(rows: &[Row], objective: &Objective, epoch: u32) -> Option<f64> {
    let fits = |row: &&Row| {
        row.epoch == epoch && row.metric == objective.metric && row.split == objective.split
    };
    let values: Vec<f64> = rows.iter().filter(fits).map(|row| row.value).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The objective at the last epoch it was measured at, and that epoch.
pub(super) fn last_value(rows: &[Row], objective: &Objective) -> Option<(u32, f64)> {
    let fits = |row: &&Row| row.metric == objective.metric && row.split == objective.split;
    let epoch = rows.iter().filter(fits).map(|row| row.epoch).max()?;
    Some((epoch, value_at(rows, objective, epoch)?))
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
        Ok(())
    }
}
