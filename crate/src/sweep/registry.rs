//! What a sweep has: progress, a registry of its runs, and their rows.

use std::fs;
use std::path::{Path, PathBuf};

use polars::prelude::{
    Column, DataFrame, NamedFrom, ParquetReader, ParquetWriter, SerReader, Series,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::file::Objective;
use super::folder_of;
use super::halving::curve_of;
use super::run::{RunCard, RunEnd, RunStatus, end_of, is_running};
use crate::record::{self, Row};
use crate::{Error, Result};

/// The results of a sweep, read from its folder.
#[derive(Clone, Debug)]
pub struct Sweep {
    folder: PathBuf,
    plan: Noted,
}

/// What `plan.json` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Noted {
    varied: Vec<String>,
    objective: Option<Objective>,
    runs: Vec<String>,
}

/// How far a sweep is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Runs of the plan.
    pub total: usize,
    /// Finished ones.
    pub done: usize,
    /// Those given up early.
    pub stopped: usize,
    /// Those that failed, with their reasons and what they said last.
    pub failures: Vec<(String, RunEnd)>,
    /// Those some process is at.
    pub running: Vec<String>,
    /// Mean of the seconds of finished runs.
    pub seconds: Option<f64>,
    /// Of the objective, the best value so far, its epoch and its run.
    pub best: Option<(String, u32, f64)>,
    /// The objective over epochs of all runs that have one.
    pub curves: Vec<(String, Vec<(u32, f64)>)>,
}

impl Progress {
    /// Runs that have not ended.
    pub fn left(&self) -> usize {
        self.total - self.done - self.stopped - self.failures.len()
    }

    /// The failures, those with the same reason and last line together: often all have one.
    pub fn kinds_of_failure(&self) -> Vec<(Vec<&str>, &RunEnd)> {
        let mut kinds: Vec<(Vec<&str>, &RunEnd)> = Vec::new();
        for (run, end) in &self.failures {
            match kinds.iter_mut().find(|(_, known)| known.cause() == end.cause()) {
                Some((runs, _)) => runs.push(run),
                None => kinds.push((vec![run], end)),
            }
        }
        kinds
    }
}

impl Sweep {
    /// The sweep of this name, in `data/sweeps/`.
    ///
    /// # Errors
    /// [`Error::Io`] where there is none, [`Error::File`] for a damaged plan.
    pub fn open(name: &str) -> Result<Self> {
        Self::at(&folder_of(name)?)
    }

    pub(super) fn at(folder: &Path) -> Result<Self> {
        let path = folder.join("plan.json");
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let plan = serde_json::from_str(&text).map_err(|error| Error::File {
            path,
            problem: error.to_string(),
            cure: "start the sweep again: it writes the file anew and repeats nothing".into(),
        })?;
        Ok(Self { folder: folder.to_path_buf(), plan })
    }

    /// The parameters in which the runs may differ: those of the grid and the sample.
    pub fn varied(&self) -> &[String] {
        &self.plan.varied
    }

    /// What runs are compared by.
    pub fn objective(&self) -> Option<&Objective> {
        self.plan.objective.as_ref()
    }

    /// Folder of a run.
    pub fn folder_of(&self, run: &str) -> PathBuf {
        self.folder.join("runs").join(run)
    }

    /// The hashes of its runs.
    pub(super) fn runs(&self) -> &[String] {
        &self.plan.runs
    }

    /// The cards of the runs some process is at, of this plan or an earlier one.
    pub(super) fn running(&self) -> impl Iterator<Item = RunCard> + use<> {
        let entries = fs::read_dir(self.folder.join("runs")).into_iter().flatten().flatten();
        let running = entries.map(|entry| entry.path()).filter(|folder| is_running(folder));
        running.filter_map(|folder| card_of(&folder).ok().flatten())
    }

    /// Whether a process hands out its runs.
    pub(super) fn is_worked_on(&self) -> bool {
        let file = fs::File::options().write(true).open(self.folder.join("lock"));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
    }

    /// How far the sweep is now, by the files of its runs.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress { total: self.plan.runs.len(), ..Progress::default() };
        let mut seconds = Vec::new();
        for run in &self.plan.runs {
            let folder = self.folder_of(run);
            let end = end_of(&folder);
            match &end {
                Some(end) if end.status == RunStatus::Done => {
                    progress.done += 1;
                    seconds.push(end.seconds);
                }
                Some(end) if end.status == RunStatus::Stopped => progress.stopped += 1,
                _ if is_running(&folder) => progress.running.push(run.clone()),
                Some(end) => progress.failures.push((run.clone(), end.clone())),
                None => continue,
            }
            let Some(objective) = self.objective() else { continue };
            progress.add(run, curve_of(&folder, objective), objective);
        }
        if !seconds.is_empty() {
            progress.seconds = Some(seconds.iter().sum::<f64>() / seconds.len() as f64);
        }
        progress
    }

    /// One row for each run that has a folder, of this plan or an earlier one: its hash, whether it is of
    /// the plan, status, seed, seconds, host, attempts, reason, and its parameters. Also written to
    /// `registry.parquet` in the sweep's folder, which any reader of Parquet opens.
    ///
    /// # Errors
    /// [`Error::Io`] where a folder cannot be read or the file not be written, [`Error::File`] for a
    /// damaged card.
    pub fn registry(&self) -> Result<DataFrame> {
        let mut runs = Vec::new();
        let folder = self.folder.join("runs");
        for entry in fs::read_dir(&folder).map_err(Error::io("read", &folder))?.flatten() {
            if let Some(card) = card_of(&entry.path())? {
                runs.push((card, end_of(&entry.path()), is_running(&entry.path())));
            }
        }
        // In the order of the plan, others behind.
        let place = |hash: &str| self.plan.runs.iter().position(|run| run == hash);
        runs.sort_by_key(|(card, ..)| (place(&card.hash).unwrap_or(usize::MAX), card.hash.clone()));
        let status = |end: &Option<RunEnd>, running: bool| match end {
            Some(end) if end.status == RunStatus::Done => "done",
            Some(end) if end.status == RunStatus::Stopped => "stopped",
            _ if running => "running",
            Some(_) => "failed",
            None => "left",
        };
        let of_end = |get: fn(&RunEnd) -> String| -> Vec<Option<String>> {
            runs.iter().map(|(_, end, _)| end.as_ref().map(get)).collect()
        };
        let mut columns = vec![
            texts("run", runs.iter().map(|(card, ..)| card.hash.as_str())),
            Column::from(Series::new(
                "planned".into(),
                runs.iter().map(|(card, ..)| place(&card.hash).is_some()).collect::<Vec<_>>(),
            )),
            texts("status", runs.iter().map(|(_, end, running)| status(end, *running))),
            Column::from(Series::new(
                "seed".into(),
                runs.iter().map(|(card, ..)| card.seed).collect::<Vec<_>>(),
            )),
            Column::from(Series::new(
                "seconds".into(),
                runs.iter()
                    .map(|(_, end, _)| end.as_ref().map(|end| end.seconds))
                    .collect::<Vec<_>>(),
            )),
            Column::from(Series::new(
                "attempts".into(),
                runs.iter()
                    .map(|(_, end, _)| end.as_ref().map(|end| end.attempts as u64))
                    .collect::<Vec<_>>(),
            )),
            Column::from(Series::new("host".into(), of_end(|end| end.host.clone()))),
            Column::from(Series::new("reason".into(), of_end(|end| end.reason.clone()))),
            texts("program", runs.iter().map(|(card, ..)| card.program.as_str())),
        ];
        let cards: Vec<&RunCard> = runs.iter().map(|(card, ..)| card).collect();
        columns.extend(parameter_columns(&cards));
        let mut frame = DataFrame::new(runs.len(), columns)?;
        let path = self.folder.join("registry.parquet");
        record::write_atomically(&path, |file| {
            ParquetWriter::new(file).finish(&mut frame)?;
            Ok(())
        })?;
        Ok(frame)
    }

    /// The registry as it was last written, without a look at the folders.
    ///
    /// # Errors
    /// [`Error::Io`] where there is none yet, [`Error::Polars`] for a damaged one.
    pub fn last_registry(&self) -> Result<DataFrame> {
        let path = self.folder.join("registry.parquet");
        let file = fs::File::open(&path).map_err(Error::io("read", &path))?;
        Ok(ParquetReader::new(file).finish()?)
    }

    /// The tidy rows of all finished runs of the plan, each with its run and its parameters: the columns
    /// of [`record`](crate::record), `run`, and one for each parameter of the grid and the sample.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] for a file that cannot be read, [`Error::Parameter`] where no
    /// run is finished.
    pub fn rows(&self) -> Result<DataFrame> {
        let (mut rows, mut cards) = (Vec::<Row>::new(), Vec::new());
        for run in &self.plan.runs {
            let folder = self.folder_of(run);
            let done = end_of(&folder).is_some_and(|end| end.status != RunStatus::Failed);
            let Some(mut card) = card_of(&folder)?.filter(|_| done) else { continue };
            card.parameters.retain(|name, _| self.plan.varied.contains(name));
            let own = record::read_csv(folder.join("rows.csv"))?;
            cards.extend(std::iter::repeat_n(card, own.len()));
            rows.extend(own);
        }
        if rows.is_empty() {
            return Err(Error::parameter(
                "the number of finished runs",
                0,
                "at least 1: run the sweep first",
            ));
        }
        let mut frame = record::to_frame(&rows)?;
        frame.with_column(texts("run", cards.iter().map(|card| card.hash.as_str())))?;
        for column in parameter_columns(&cards.iter().collect::<Vec<_>>()) {
            frame.with_column(column)?;
        }
        Ok(frame)
    }
}

impl Progress {
    fn add(&mut self, run: &str, curve: Vec<(u32, f64)>, objective: &Objective) {
        let Some(&(last, value)) = curve.last() else { return };
        let better =
            self.best.as_ref().is_none_or(|(.., best)| objective.goal.prefers(value, *best));
        if better {
            self.best = Some((run.to_owned(), last, value));
        }
        self.curves.push((run.to_owned(), curve));
    }
}

pub(super) fn card_of(folder: &Path) -> Result<Option<RunCard>> {
    let path = folder.join("run.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        // A folder that was just made, or is none of a run.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let card = serde_json::from_str(&text).map_err(|error| Error::File {
        path,
        problem: error.to_string(),
        cure: "remove the folder: the next sweep does the run again".into(),
    })?;
    Ok(Some(card))
}

fn texts<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> Column {
    Column::from(Series::new(name.into(), values.collect::<Vec<_>>()))
}

// A column for each parameter: whole numbers, numbers, truth values, else text.
fn parameter_columns(cards: &[&RunCard]) -> Vec<Column> {
    let mut names: Vec<&String> = cards.iter().flat_map(|card| card.parameters.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| !["seed", "seeds", "resume"].contains(&name.as_str()));
    let own = ["run", "planned", "status", "seconds", "attempts", "host", "reason", "program"];
    let columns = names.into_iter().map(|name| {
        let values: Vec<Option<&Value>> =
            cards.iter().map(|card| card.parameters.get(name)).collect();
        let all = |is: fn(&Value) -> bool| values.iter().flatten().all(|value| is(value));
        let taken = own.contains(&name.as_str()) || record::COLUMNS.contains(&name.as_str());
        let name = if taken { format!("parameter_{name}") } else { name.clone() };
        let series = if all(|value| value.is_i64()) {
            let whole = values.iter().map(|value| value.and_then(Value::as_i64));
            Series::new(name.into(), whole.collect::<Vec<_>>())
        } else if all(Value::is_number) {
            let real = values.iter().map(|value| value.and_then(Value::as_f64));
            Series::new(name.into(), real.collect::<Vec<_>>())
        } else if all(Value::is_boolean) {
            let truth = values.iter().map(|value| value.and_then(Value::as_bool));
            Series::new(name.into(), truth.collect::<Vec<_>>())
        } else {
            let text = values.iter().map(|value| {
                value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            });
            Series::new(name.into(), text.collect::<Vec<_>>())
        };
        Column::from(series)
    });
    columns.collect()
}
