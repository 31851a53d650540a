//! From a sweep's file to the folders of its runs: everything is refused here, before anything runs.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::file::SweepFile;
use super::program::{Program, hex};
use super::run::{RunCard, finished, write_json};
use super::{Sweep, folder_of};
use crate::{Error, Result};

/// A sweep that is ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    folder: PathBuf,
    runs: Vec<RunCard>,
}

impl Plan {
    /// Compiles the notebook of a sweep's file, and asks its program about every value of every
    /// parameter; then writes the runs' cards below `data/sweeps/NAME/`, where NAME is the file's own.
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
        let program = Program::build(&file.notebook, &folder.join("program"))?;
        let read = Readings::new(&program, &points).inspect_err(|_| {
            // A sweep that never was leaves nothing behind.
            if !folder.join("plan.json").exists() {
                let _ = fs::remove_dir_all(&folder);
            }
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
        let mut known = std::collections::HashSet::new();
        runs.retain(|run| known.insert(run.hash.clone()));
        let plan = Self { folder, runs };
        plan.write(file)?;
        Ok(plan)
    }

    fn write(&self, file: &SweepFile) -> Result<()> {
        for run in &self.runs {
            let folder = self.folder_of(run);
            fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
            // A run that is done keeps the card it was done with.
            if finished(&folder).is_none() {
                write_json(&folder.join("run.json"), run)?;
            }
        }
        let hashes: Vec<&String> = self.runs.iter().map(|run| &run.hash).collect();
        let noted = serde_json::json!({
            "varied": file.varied(), "objective": file.objective, "runs": hashes,
        });
        write_json(&self.folder.join("plan.json"), &noted)
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
        self.runs.iter().filter(|run| finished(&self.folder_of(run)).is_none()).collect()
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
    seeds: bool,
    seed: bool,
    resume: bool,
}

impl Readings {
    // Types belong to parameters, not to combinations: the program is asked until each value was in
    // one question, not about every combination.
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
        let has = |name: &str| fields.contains_key(name);
        if !has("seeds") && !has("seed") {
            return Err(Error::Configuration {
                variable: format!("parameters of {}", program.path.display()),
                problem: "it has neither `seed` nor `seeds`, of which a sweep sets one".into(),
            });
        }
        Ok(Self { read, seeds: has("seeds"), seed: has("seed"), resume: has("resume") })
    }

    fn parameters(&self, point: &Map<String, Value>, seed: u64) -> Map<String, Value> {
        let read = |(name, value): (&String, &Value)| {
            let answer = self.read.get(&(name.clone(), value.to_string()));
            (name.clone(), answer.unwrap_or(value).clone())
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

// Names in order: serde_json's maps are sorted.
fn hash_of(program: &str, parameters: &Map<String, Value>, seed: u64) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{program}\n{}\n{seed}\n", Value::Object(parameters.clone())));
    hex(&hash.finalize())[..16].to_owned()
}
