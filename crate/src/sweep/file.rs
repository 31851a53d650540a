//! The file that describes a sweep.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::gradient::derive_seed;
use crate::{Error, Result};

/// A sweep as its file has it (TOML): a program, what is the same in all runs, what differs.
///
/// ```
/// use solvergrad::sweep::SweepFile;
///
/// let text = r#"
///     notebook = "notebooks/01_discrete_vae.ipynb"
///     seeds = 3
///     [fixed]
///     epochs = 2
///     [grid]
///     temperature = [5.0, 10.0]
///     learning_rate = [1e-3, 3e-3]
/// "#;
/// let sweep = SweepFile::parse("vae.toml", text)?;
/// assert_eq!(sweep.points().len(), 4);
/// assert_eq!(sweep.seeds()?, [1, 2, 3]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepFile {
    /// The notebook whose program runs.
    pub notebook: PathBuf,
    /// Repetitions: a list of seeds, or how many (1, 2, ...).
    #[serde(default)]
    pub seeds: Seeds,
    /// Parameters that all runs share.
    #[serde(default)]
    pub fixed: Map<String, Value>,
    /// For each of these parameters a list of values: the runs are all combinations.
    #[serde(default)]
    pub grid: BTreeMap<String, Vec<Value>>,
    /// A random sample in place of, or for each point of, the grid.
    pub sample: Option<Sample>,
    /// What a run may use.
    #[serde(default)]
    pub resources: Resources,
    /// The number that runs are compared by.
    pub objective: Option<Objective>,
    /// Ends hopeless runs early.
    pub halving: Option<Halving>,
}

/// Repetitions of each point.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Seeds {
    /// Seeds 1, 2, ...
    Count(u64),
    /// These.
    List(Vec<u64>),
}

impl Default for Seeds {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// Points drawn at random.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// How many.
    pub runs: usize,
    /// What decides about all of them.
    #[serde(default)]
    pub seed: u64,
    /// Where each parameter comes from.
    pub draw: BTreeMap<String, Draw>,
}

/// A distribution of a parameter.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Draw {
    /// Real numbers between two.
    Uniform([f64; 2]),
    /// Real numbers between two, uniform in their logarithm.
    LogUniform([f64; 2]),
    /// Integers from the first to the last.
    Integer([i64; 2]),
    /// One of these.
    Choice(Vec<Value>),
}

/// What a run may use.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// Threads of libtorch and of solvers.
    pub threads: usize,
    /// GPUs.
    pub gpus: usize,
    /// Gigabytes of memory, above which a run is ended as failed; 0 is no limit.
    pub memory_gb: f64,
    /// Minutes, after which a run is ended as failed; 0 is no limit.
    pub minutes: f64,
}

impl Default for Resources {
    fn default() -> Self {
        Self { threads: 1, gpus: 0, memory_gb: 0.0, minutes: 0.0 }
    }
}

/// The number that runs are compared by, as it stands in their rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Its metric.
    pub metric: String,
    /// Its part of the data.
    #[serde(default = "test_split")]
    pub split: String,
    /// Which is best.
    pub goal: Goal,
}

fn test_split() -> String {
    "test".to_owned()
}

/// Which of two numbers is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The greater.
    Highest,
    /// The lesser.
    Lowest,
}

impl Goal {
    /// Whether `a` is better than `b`.
    pub fn prefers(self, a: f64, b: f64) -> bool {
        match self {
            Self::Highest => a > b,
            Self::Lowest => a < b,
        }
    }
}

/// Asynchronous successive halving (Li et al. 2020, "A system for massively parallel hyperparameter
/// tuning", algorithm 2): a run that comes to a rung and is not among the best 1/`factor` of all that
/// came to it before is stopped there. With few runs at a rung nobody is stopped: the first `factor` - 1
/// go on. Runs differ in speed, so that what is stopped depends on timing: a table for a paper is
/// made without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halving {
    /// Epochs after which runs are compared.
    pub rungs: Vec<u32>,
    /// The share that goes on is 1/`factor`.
    #[serde(default = "halves")]
    pub factor: usize,
}

fn halves() -> usize {
    2
}

impl SweepFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, and as [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads text; `source` names it in messages.
    ///
    /// # Errors
    /// [`Error::Configuration`] with the line for what is not TOML, an unknown or missing key, an
    /// empty list, a parameter given twice, or a number outside its domain.
    pub fn parse(source: &str, text: &str) -> Result<Self> {
        let wrong = |problem: String| Error::Configuration { variable: source.into(), problem };
        let file: Self = toml::from_str(text).map_err(|error| wrong(one_line(text, &error)))?;
        file.check().map_err(wrong)?;
        Ok(file)
    }

    fn check(&self) -> Result<(), String> {
        let drawn = self.sample.iter().flat_map(|sample| sample.draw.keys());
        let mut names: Vec<&String> =
            self.fixed.keys().chain(self.grid.keys()).chain(drawn).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("parameter `{}` is given twice", pair[0]));
        }
        if let Some(name) =
            names.iter().find(|name| ["seed", "seeds", "resume"].contains(&name.as_str()))
        {
            return Err(format!(
                "parameter `{name}` is set for every run: use `seeds = ...` at the top"
            ));
        }
        if let Some((name, _)) = self.grid.iter().find(|(_, values)| values.is_empty()) {
            return Err(format!("grid.{name} is empty; give at least one value"));
        }
        if matches!(&self.seeds, Seeds::Count(0))
            || matches!(&self.seeds, Seeds::List(list) if list.is_empty())
        {
            return Err("there are no seeds; give a count above 0, or a list".to_owned());
        }
        let Resources { threads, memory_gb, minutes, .. } = self.resources;
        if threads == 0 || !(0.0..1e6).contains(&memory_gb) || !(0.0..1e7).contains(&minutes) {
            return Err(
                "resources: threads is at least 1, memory_gb and minutes at least 0".to_owned()
            );
        }
        if let Some(Halving { rungs, factor }) = &self.halving {
            if *factor < 2 || rungs.is_empty() || rungs.contains(&0) {
                return Err("halving: factor is at least 2, rungs are epochs from 1".to_owned());
            }
            if self.objective.is_none() {
                return Err("halving compares runs: say by what in [objective]".to_owned());
            }
        }
        self.sample.as_ref().map_or(Ok(()), Sample::check)
    }

    /// The seeds of the repetitions.
    ///
    /// # Errors
    /// [`Error::Parameter`] for one that is given twice.
    pub fn seeds(&self) -> Result<Vec<u64>> {
        let mut seeds = match &self.seeds {
            Seeds::Count(count) => (1..=*count).collect(),
            Seeds::List(list) => list.clone(),
        };
        let given = seeds.len();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.len() < given {
            return Err(Error::parameter(
                "the list of seeds",
                format!("{:?}", self.seeds),
                "without repetition",
            ));
        }
        Ok(seeds)
    }

    /// The parameters of each point, without seeds: every combination of the grid, and for each of
    /// them every draw of the sample.
    pub fn points(&self) -> Vec<Map<String, Value>> {
        let mut points = vec![self.fixed.clone()];
        for (name, values) in &self.grid {
            let with = |point: &Map<String, Value>, value: &Value| {
                let mut point = point.clone();
                point.insert(name.clone(), value.clone());
                point
            };
            points = points
                .iter()
                .flat_map(|point| values.iter().map(|value| with(point, value)))
                .collect();
        }
        let Some(sample) = &self.sample else { return points };
        let draws = sample.draws();
        let joined = points.iter().flat_map(|point| {
            draws.iter().map(|draw| point.clone().into_iter().chain(draw.clone()).collect())
        });
        joined.collect()
    }

    /// The parameters of the grid and the sample, in which runs may differ.
    pub fn varied(&self) -> Vec<String> {
        self.grid
            .keys()
            .chain(self.sample.iter().flat_map(|sample| sample.draw.keys()))
            .cloned()
            .collect()
    }
}

impl Sample {
    fn check(&self) -> Result<(), String> {
        if self.runs == 0 {
            return Err("sample.runs is 0; it must be at least 1".to_owned());
        }
        for (name, draw) in &self.draw {
            let problem = match draw {
                Draw::Uniform([low, high]) => (low.partial_cmp(high) != Some(Ordering::Less))
                    .then_some("[low, high] with low < high"),
                Draw::LogUniform([low, high]) => {
                    (!(0.0 < *low && low < high)).then_some("[low, high] with 0 < low < high")
                }
                Draw::Integer([low, high]) => {
                    (low > high).then_some("[first, last] with first <= last")
                }
                Draw::Choice(values) => {
                    values.is_empty().then_some("a list with at least one value")
                }
            };
            if let Some(expected) = problem {
                return Err(format!("sample.draw.{name} is {draw:?}; it must be {expected}"));
            }
        }
        Ok(())
    }

    // Each parameter has a stream of its own: another one added changes none of the others.
    fn draws(&self) -> Vec<Map<String, Value>> {
        let mut draws = vec![Map::new(); self.runs];
        for (name, from) in &self.draw {
            let letters = name.bytes().map(u64::from);
            let key: Vec<u64> = std::iter::once(self.seed).chain(letters).collect();
            let mut random = ChaCha8Rng::seed_from_u64(derive_seed(&key));
            for draw in &mut draws {
                let value = match from {
                    Draw::Uniform([low, high]) => Value::from(random.random_range(*low..*high)),
                    Draw::LogUniform([low, high]) => {
                        Value::from(random.random_range(low.ln()..high.ln()).exp())
                    }
                    Draw::Integer([first, last]) => {
                        Value::from(random.random_range(*first..=*last))
                    }
                    Draw::Choice(values) => values[random.random_range(0..values.len())].clone(),
                };
                draw.insert(name.clone(), value);
            }
        }
        draws
    }
}

// The parser's own message shows the line over several lines; ours are one line.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let line =
        error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
    let place = line.map_or(String::new(), |line| format!("line {line}: "));
    format!("{place}{}", error.message().replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "notebook = \"a.ipynb\"\nseeds = [3, 1]\n[fixed]\nepochs = 2\n[grid]\n\
        rate = [0.1, 0.2, 0.3]\nvariants = [[[\"identity\", \"std\"]], [[\"blackbox\", \"none\"]]]\n";

    fn problem(text: &str) -> String {
        SweepFile::parse("a.toml", text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_grid_is_all_combinations() -> Result<()> {
        let file = SweepFile::parse("a.toml", GOOD)?;
        let points = file.points();
        assert_eq!((points.len(), file.seeds()?), (6, vec![1, 3]));
        assert_eq!(points[1]["rate"], 0.1);
        assert_eq!(points[1]["variants"][0][0], "blackbox");
        assert_eq!(points[5]["epochs"], 2);
        assert_eq!(file.varied(), ["rate", "variants"]);
        Ok(())
    }

    #[test]
    fn a_sample_depends_on_its_seed_and_the_parameter_alone() -> Result<()> {
        let text = |seed: u64, more: &str| {
            format!(
                "notebook = \"a\"\n[sample]\nruns = 50\nseed = {seed}\n[sample.draw]\nrate = {{ log_uniform = [1e-4, 1e-1] }}\n{more}"
            )
        };
        let rates = |text: &str| -> Result<Vec<f64>> {
            let points = SweepFile::parse("a.toml", text)?.points();
            Ok(points.iter().filter_map(|point| point["rate"].as_f64()).collect())
        };
        let first = rates(&text(1, ""))?;
        assert_eq!(
            first,
            rates(&text(1, "k = { integer = [1, 3] }\nd = { choice = [\"a\", 2] }"))?
        );
        assert_ne!(first, rates(&text(2, ""))?);
        assert!(first.iter().all(|rate| (1e-4..1e-1).contains(rate)));
        let low = first.iter().filter(|rate| **rate < 10f64.powf(-2.5)).count();
        assert!((15..=35).contains(&low), "{low} of 50 in the lower half of the logarithm");
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line() {
        assert_eq!(problem(GOOD), "");
        for (text, expected) in [
            ("notebook = \"a\"\nsede = 3", "line 2: unknown field `sede`"),
            ("seeds = 3", "missing field `notebook`"),
            ("notebook = \"a\"\n[grid]\nrate = 0.1", "line 3"),
            ("notebook = \"a\"\n[grid]\nrate = []", "grid.rate is empty"),
            ("notebook = \"a\"\n[fixed]\nrate = 1\n[grid]\nrate = [2]", "`rate` is given twice"),
            ("notebook = \"a\"\n[grid]\nseeds = [2]", "use `seeds = ...`"),
            ("notebook = \"a\"\nseeds = 0", "no seeds"),
            ("notebook = \"a\"\n[resources]\nthreads = 0", "threads is at least 1"),
            ("notebook = \"a\"\n[halving]\nrungs = [1]", "[objective]"),
            (
                "notebook = \"a\"\n[sample]\nruns = 2\n[sample.draw]\nx = { uniform = [2, 1] }",
                "low < high",
            ),
            (
                "notebook = \"a\"\n[sample]\nruns = 2\n[sample.draw]\nx = { normal = [2, 1] }",
                "line 5",
            ),
            ("notebook = [", "line 1"),
        ] {
            let message = problem(text);
            assert!(message.contains(expected) && message.starts_with("a.toml: "), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }
}
