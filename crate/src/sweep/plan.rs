//! From a sweep's file to the folders of its runs: everything is refused here, before anything runs.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::file::SweepFile;
use super::program::{Program, folder_of as folder_of_program, hex};
use super::registry::card_of;
use super::run::{RunCard, RunStatus, finished, write_json};
use super::{Sweep, folder_of};
use crate::{Error, Result};

/// A sweep that is ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    folder: PathBuf,
    runs: Vec<RunCard>,
    noted: Value,
}

impl Plan {
    /// Compiles the notebook of a sweep's file, and asks its program about the values of every
    /// parameter. The sweep's folder is `data/sweeps/NAME/`, where NAME is the file's own; before
    /// [`run_local`](super::run_local) or [`run_remote`](super::run_remote) only the program is there.
    ///
    /// # Errors
    /// What [`SweepFile::read`] reports, [`Error::Program`] for a notebook that does not compile,
    /// [`Error::Configuration`] for a parameter it does not have or a value of another type, and
    /// [`Error::Io`] for a folder that cannot be written.
    pub fn read(path: &Path) -> Result<Self> {
        let file = SweepFile::read(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::new(&name, &file)
    }

    /// The same from a sweep in memory.
    ///
    /// # Errors
    /// As [`read`](Self::read), and [`Error::Parameter`] for a name that is none of a folder.
    pub fn new(name: &str, file: &SweepFile) -> Result<Self> {
        let folder = folder_of(name)?;
        let seeds = file.seeds()?;
        let points = file.points();
        let programs = folder.join("programs");
        let built =
            Program::build(&file.notebook, &programs, |program| Readings::new(program, &points));
        let (program, read) = built.inspect_err(|_| {
            // A sweep that never was leaves nothing behind: these fail where there is anything.
            let _ = fs::remove_dir(&programs).and_then(|()| fs::remove_dir(&folder));
        })?;
        let mut runs = Vec::with_capacity(points.len() * seeds.len());
        for point in &points {
            for &seed in &seeds {
                let parameters = read.parameters(point, seed);
                let hash = hash_of(&program.hash, &parameters, seed);
                runs.push(RunCard {
                    hash,
                    program: program.hash.clone(),
                    parameters: read.for_program(parameters),
                    seed,
                    resources: file.resources.clone(),
                    objective: file.objective.clone(),
                    halving: file.halving.clone(),
                });
            }
        }
        // A sample may draw a point twice.
        let mut known = HashSet::new();
        runs.retain(|run| known.insert(run.hash.clone()));
        let hashes: Vec<&String> = runs.iter().map(|run| &run.hash).collect();
        let noted = serde_json::json!({
            "varied": file.varied(), "objective": file.objective, "runs": hashes,
        });
        Ok(Self { folder, runs, noted })
    }

    /// Writes the cards of the runs that are left, and the plan. What failed, or was given up by another
    /// rule than the plan's, is to be done again. The lock says that somebody is at the sweep.
    pub(super) fn start(&self) -> Result<File> {
        for run in &self.runs {
            let folder = self.folder_of(run);
            fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
            // A run that is done keeps the card it was done with.
            if self.is_finished(run) {
                continue;
            }
            // Not the end of a run that another process has just done.
            let stopped = finished(&folder).is_some_and(|end| end.status == RunStatus::Stopped);
            let ends: &[&str] =
                if stopped { &["done.json", "failed.json"] } else { &["failed.json"] };
            for end in ends {
                match fs::remove_file(folder.join(end)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(Error::io("remove", folder.join(end))(error));
                    }
                    _ => {}
                }
            }
            write_json(&folder.join("run.json"), run)?;
        }
        write_json(&self.folder.join("plan.json"), &self.noted)?;
        self.remove_programs();
        let path = self.folder.join("lock");
        let lock = File::create(&path).map_err(Error::io("create", &path))?;
        // Two may be at a sweep; where locks do not work, the first run says so.
        let _ = lock.lock_shared();
        Ok(lock)
    }

    // A hundred megabytes each: those of no run of this plan, and of none that runs.
    fn remove_programs(&self) {
        let programs = self.folder.join("programs");
        let Ok(sweep) = self.sweep() else { return };
        let mut kept: Vec<PathBuf> =
            sweep.running().map(|run| folder_of_program(&programs, &run.program)).collect();
        kept.extend(self.runs.first().map(|run| folder_of_program(&programs, &run.program)));
        for entry in fs::read_dir(&programs).into_iter().flatten().flatten() {
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if !hidden && !kept.contains(&entry.path()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    // One that was given up is finished only by the rule that it was given up by.
    fn is_finished(&self, run: &RunCard) -> bool {
        let folder = self.folder_of(run);
        match finished(&folder).map(|end| end.status) {
            None | Some(RunStatus::Failed) => false,
            Some(RunStatus::Done) => true,
            Some(RunStatus::Stopped) => card_of(&folder).ok().flatten().is_some_and(|card| {
                (&card.halving, &card.objective) == (&run.halving, &run.objective)
            }),
        }
    }

    /// The folder of the sweep.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The runs, in the order they are started.
    pub fn runs(&self) -> &[RunCard] {
        &self.runs
    }

    /// The runs that are still to do.
    pub fn left(&self) -> Vec<&RunCard> {
        self.runs.iter().filter(|run| !self.is_finished(run)).collect()
    }

    /// The folder of a run.
    pub fn folder_of(&self, run: &RunCard) -> PathBuf {
        self.folder.join("runs").join(&run.hash)
    }

    /// The sweep's results, as far as there are any.
    ///
    /// # Errors
    /// As [`Sweep::open`].
    pub fn sweep(&self) -> Result<Sweep> {
        Sweep::at(&self.folder)
    }
}

/// How the program read each value: 1 for a real number is 1.0, so that both are the same run.
struct Readings {
    read: HashMap<(String, String), Value>,
    real: HashSet<String>,
    seeds: bool,
    seed: bool,
    resume: bool,
}

impl Readings {
    // Types belong to parameters, not to combinations: the program is asked until each value was in
    // one question, not about every combination. Of numbers, of which a sample has as many as runs, it
    // is asked about the least and the greatest.
    fn new(program: &Program, points: &[Map<String, Value>]) -> Result<Self> {
        let mut read = HashMap::new();
        let mut fields = program.configuration(&Map::new())?;
        let mut values: Vec<(String, Vec<Value>)> = Vec::new();
        for (name, value) in points.iter().flatten() {
            match values.iter_mut().find(|(known, _)| known == name) {
                None => values.push((name.clone(), vec![value.clone()])),
                Some((_, list)) if !list.contains(value) => list.push(value.clone()),
                Some(_) => {}
            }
        }
        for (_, list) in &mut values {
            few_numbers(list);
        }
        let questions = values.iter().map(|(_, list)| list.len()).max().unwrap_or(0);
        for number in 0..questions {
            let asked: Map<String, Value> = values
                .iter()
                .map(|(name, list)| (name.clone(), list[number % list.len()].clone()))
                .collect();
            fields = program.configuration(&asked)?;
            for (name, value) in asked {
                let answer = fields.get(&name).cloned().unwrap_or_else(|| value.clone());
                read.insert((name, value.to_string()), answer);
            }
        }
        let real = fields.iter().filter(|(_, value)| value.is_f64());
        let real = real.map(|(name, _)| name.clone()).collect();
        let has = |name: &str| fields.contains_key(name);
        if !has("seeds") && !has("seed") {
            return Err(Error::Configuration {
                variable: format!("parameters of {}", program.path.display()),
                problem: "it has neither `seed` nor `seeds`, of which a sweep sets one".into(),
            });
        }
        Ok(Self { read, real, seeds: has("seeds"), seed: has("seed"), resume: has("resume") })
    }

    fn parameters(&self, point: &Map<String, Value>, seed: u64) -> Map<String, Value> {
        let read = |(name, value): (&String, &Value)| {
            let answer = self.read.get(&(name.clone(), value.to_string())).cloned();
            let as_real = || value.as_f64().filter(|_| self.real.contains(name)).map(Value::from);
            (name.clone(), answer.or_else(as_real).unwrap_or_else(|| value.clone()))
        };
        let mut parameters: Map<String, Value> = point.iter().map(read).collect();
        if self.seeds {
            parameters.insert("seeds".into(), Value::from(vec![seed]));
        } else if self.seed {
            parameters.insert("seed".into(), Value::from(seed));
        }
        parameters
    }

    // A run that was broken off goes on from its checkpoint; this decides about no number.
    fn for_program(&self, mut parameters: Map<String, Value>) -> Map<String, Value> {
        if self.resume {
            parameters.insert("resume".into(), Value::from(true));
        }
        parameters
    }
}

// Keeps the least and the greatest of the whole numbers, and of the others.
fn few_numbers(list: &mut Vec<Value>) {
    let ends = |is: fn(&Value) -> bool| -> Vec<Value> {
        let of = || {
            list.iter().filter(|value| is(value)).filter_map(|value| Some((value.as_f64()?, value)))
        };
        let least = of().min_by(|a, b| a.0.total_cmp(&b.0));
        let greatest = of().max_by(|a, b| a.0.total_cmp(&b.0));
        least.into_iter().chain(greatest).map(|(_, value)| value.clone()).collect()
    };
    let kept = [ends(|value| value.is_i64() || value.is_u64()), ends(Value::is_f64)].concat();
    list.retain(|value| !value.is_number() || kept.contains(value));
}

// Names in order: serde_json's maps are sorted.
fn hash_of(program: &str, parameters: &Map<String, Value>, seed: u64) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{program}\n{}\n{seed}\n", Value::Object(parameters.clone())));
    hex(&hash.finalize())[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_numbers_the_ends_are_asked_about() {
        let mut list: Vec<Value> =
            serde_json::from_str("[3, 1, 0.5, 2, \"a\", 0.1, 0.2, \"b\"]").unwrap();
        few_numbers(&mut list);
        assert_eq!(Value::from(list).to_string(), r#"[3,1,0.5,"a",0.1,"b"]"#);
    }
}
