//! One run, in its own folder: started, watched, ended, and never done twice.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::file::{Halving, Objective, Resources};
use super::halving::Rungs;
use super::program::Program;
use crate::record::{self, Row, write_atomically};
use crate::{Error, Result, device, doctor, interrupt};

/// What a run is, as `run.json` in its folder has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunCard {
    /// Hash of program, parameters and seed; the folder's name.
    pub hash: String,
    /// Hash of the program.
    pub program: String,
    /// Parameters, seed included, as the program takes them.
    pub parameters: Map<String, Value>,
    /// The seed of the run.
    pub seed: u64,
    /// What it may use.
    pub resources: Resources,
    /// What it is compared by.
    pub objective: Option<Objective>,
    /// When it is given up.
    pub halving: Option<Halving>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Its rows are complete.
    Done,
    /// It was given up early; its rows are those up to there.
    Stopped,
    /// The program failed, or went over its limits; the next sweep tries again.
    Failed,
}

/// What is known of a run that ended, as `done.json` or `failed.json` has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunEnd {
    /// How it ended.
    pub status: RunStatus,
    /// Seconds of the last attempt.
    pub seconds: f64,
    /// The machine of the last attempt.
    pub host: String,
    /// How often it was started.
    pub attempts: usize,
    /// Why it failed or was stopped.
    #[serde(default)]
    pub reason: String,
    /// What the program said last, of a failure.
    #[serde(default)]
    pub last_lines: String,
}

impl RunEnd {
    /// Why it ended, and what the program said last, in one line.
    pub fn cause(&self) -> String {
        match self.last_lines.lines().last() {
            Some(line) => format!("{}: {line}", self.reason),
            None => self.reason.clone(),
        }
    }
}

/// Time between two looks at a running program.
const LOOK: Duration = Duration::from_millis(10);

/// The end of the run in `folder`, if there is one: `done.json`, else `failed.json`.
pub(super) fn end_of(folder: &Path) -> Option<RunEnd> {
    ["done.json", "failed.json"].iter().find_map(|name| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        serde_json::from_str(&text).ok()
    })
}

/// The end of a run that is not to be repeated.
pub(super) fn finished(folder: &Path) -> Option<RunEnd> {
    end_of(folder).filter(|end| end.status != RunStatus::Failed)
}

/// Whether a process, on this machine or on another with the same file system, is at the run.
pub(super) fn is_running(folder: &Path) -> bool {
    // A shared lock, so that nobody who looks is taken for one who runs.
    let file = File::open(folder.join("lock"));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Does the run that `run.json` in `folder` describes, unless it is done. Of several processes that
/// try one does it; the others wait for its end, and go on with it if that one is killed.
///
/// # Errors
/// [`Error::Configuration`] where the program is not the one the sweep was made with, [`Error::Io`]
/// where the folder cannot be written. A program that fails is no error: its end says so.
pub fn execute(folder: &Path) -> Result<RunEnd> {
    execute_on(folder, None)
}

/// The same on these of the machine's GPUs; `None` leaves it to `CUDA_VISIBLE_DEVICES`.
pub(super) fn execute_on(folder: &Path, gpus: Option<&str>) -> Result<RunEnd> {
    let path = folder.join("run.json");
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let card: RunCard = serde_json::from_str(&text).map_err(|error| Error::File {
        path: path.clone(),
        problem: error.to_string(),
        cure: "start the sweep again, which writes it anew".into(),
    })?;
    let place = folder.join("lock");
    let file = File::create(&place).map_err(Error::io("create", &place))?;
    // A killed holder lets go of it, and so does one whose machine is lost.
    while let Err(error) = file.try_lock() {
        if let TryLockError::Error(error) = error {
            return Err(Error::io("lock", &place)(error));
        }
        if let Some(end) = finished(folder) {
            return Ok(end);
        }
        interrupt::check("waiting for a run that another process is at")?;
        std::thread::sleep(Duration::from_millis(200));
    }
    if let Some(end) = finished(folder) {
        return Ok(end);
    }
    let program = Program::open(&folder.join("../../programs"), &card.program)?;
    let attempt =
        Attempt { folder, card: &card, gpus, start: Instant::now(), number: count(folder)? };
    let end = attempt.run(&program)?;
    let (name, other) = match end.status {
        RunStatus::Failed => ("failed.json", None),
        _ => ("done.json", Some("failed.json")),
    };
    write_json(&folder.join(name), &end)?;
    if let Some(other) = other {
        let _ = fs::remove_file(folder.join(other));
    }
    Ok(end)
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    write_atomically(path, |file| file.write_all(text.as_bytes()).map_err(Error::io("write", path)))
}

/// The process is killed when the thread that started it ends, however that comes about.
pub(super) fn dies_with_caller(command: &mut Command) {
    // SAFETY: a call of the system between fork and exec, which allocates nothing.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

// One line for each attempt; how many there are with this one.
fn count(folder: &Path) -> Result<usize> {
    let path = folder.join("attempts");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(Error::io("create", &path))?;
    writeln!(file, "{}", host()).map_err(Error::io("write", &path))?;
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    Ok(text.lines().count())
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

struct Attempt<'a> {
    folder: &'a Path,
    card: &'a RunCard,
    gpus: Option<&'a str>,
    start: Instant,
    number: usize,
}

impl Attempt<'_> {
    fn run(&self, program: &Program) -> Result<RunEnd> {
        // The card says where the numbers come from, also of a run that is broken off.
        let host = host();
        let environment = serde_json::json!({
            "environment": doctor::environment(), "host": host, "threads": self.card.resources.threads,
        });
        write_json(&self.folder.join("environment.json"), &environment)?;
        let mut child = self.start_program(program)?;
        let ended = self.watch(&mut child);
        if ended.is_err() {
            kill(&mut child);
        }
        let (status, reason) = match ended? {
            Ended::Itself(status) if status.success() => match self.gather() {
                Ok(()) => (RunStatus::Done, String::new()),
                Err(error) => (RunStatus::Failed, error.to_string()),
            },
            Ended::Itself(status) => (RunStatus::Failed, status.to_string()),
            Ended::Limit(reason) => (RunStatus::Failed, reason),
            Ended::Hopeless(reason) => {
                let rows = Rungs::rows(&self.folder.join("out/runs"));
                record::write_csv(&rows, self.folder.join("rows.csv"))?;
                (RunStatus::Stopped, reason)
            }
        };
        let last_lines = match status {
            RunStatus::Failed => last_lines(&self.folder.join("log.txt")),
            _ => String::new(),
        };
        let seconds = self.start.elapsed().as_secs_f64();
        Ok(RunEnd { status, seconds, host, attempts: self.number, reason, last_lines })
    }

    fn start_program(&self, program: &Program) -> Result<Child> {
        let path = self.folder.join("log.txt");
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(Error::io("create", &path))?;
        let errors = log.try_clone().map_err(Error::io("write", &path))?;
        let threads = self.card.resources.threads.to_string();
        let mut command = program.command(&self.card.parameters);
        command.arg("--out").arg(self.folder.join("out"));
        for variable in
            ["OMP_NUM_THREADS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"]
        {
            command.env(variable, &threads);
        }
        // A run that asks for a GPU must not do with a CPU without a word.
        match (self.card.resources.gpus, self.gpus) {
            (0, _) => command.env("CUDA_VISIBLE_DEVICES", "").env_remove(device::VARIABLE),
            (_, Some(gpus)) => {
                command.env("CUDA_VISIBLE_DEVICES", gpus).env(device::VARIABLE, "cuda")
            }
            (_, None) => command.env(device::VARIABLE, "cuda"),
        };
        // Rows are wanted; the figures of hundreds of runs are not.
        command.env("SOLVERGRAD_FIGURES", "off");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        command.process_group(0);
        // It must not outlive who watches it, and holds the lock.
        dies_with_caller(&mut command);
        command.spawn().map_err(Error::io("start", &program.path))
    }

    fn watch(&self, child: &mut Child) -> Result<Ended> {
        let RunCard { resources, objective, halving, .. } = self.card;
        let mut rungs = match (objective, halving) {
            (Some(objective), Some(halving)) => Some(Rungs::new(self.folder, objective, halving)),
            _ => None,
        };
        let stop = |child: &mut Child, end: Ended| {
            kill(child);
            Ok(end)
        };
        for look in 0_u64.. {
            if let Some(status) = child.try_wait().map_err(Error::io("wait for", self.folder))? {
                return Ok(Ended::Itself(status));
            }
            let minutes = self.start.elapsed().as_secs_f64() / 60.0;
            if resources.minutes > 0.0 && minutes > resources.minutes {
                return stop(
                    child,
                    Ended::Limit(format!("over its limit of {} minutes", resources.minutes)),
                );
            }
            // Every tenth of a second, every second: enough for these.
            if resources.memory_gb > 0.0 && look % 10 == 0 {
                let used = resident(child.id()) as f64 / 1e9;
                if used > resources.memory_gb {
                    let limit = resources.memory_gb;
                    return stop(
                        child,
                        Ended::Limit(format!("over its limit of {limit} GB of memory: {used:.2}")),
                    );
                }
            }
            if look % 10 == 0 && interrupt::requested() {
                return Err(Error::Interrupted("a run"));
            }
            if let Some(rungs) = rungs.as_mut().filter(|_| look % 50 == 0)
                && let Some(reason) = rungs.hopeless()?
            {
                return stop(child, Ended::Hopeless(reason));
            }
            std::thread::sleep(LOOK);
        }
        Err(Error::Interrupted("a run"))
    }

    // All tidy rows the program left, in one file, which is there or not.
    fn gather(&self) -> Result<()> {
        let folder = self.folder.join("out/results");
        let mut rows: Vec<Row> = Vec::new();
        for path in tables(&folder) {
            rows.extend(record::read_csv(path)?);
        }
        if rows.is_empty() {
            return Err(Error::File {
                path: folder,
                problem: "the program left no rows".into(),
                cure: "a sweep needs a notebook that writes its results with `record::write_csv`"
                    .into(),
            });
        }
        record::write_csv(&rows, self.folder.join("rows.csv"))
    }
}

enum Ended {
    Itself(ExitStatus),
    Limit(String),
    Hopeless(String),
}

// The program, and what it started itself.
fn kill(child: &mut Child) {
    // SAFETY: a call of the system; the group is the program's own.
    unsafe { libc::kill(-child.id().cast_signed(), libc::SIGKILL) };
    let _ = child.wait();
}

fn tables(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "csv")).collect();
    paths.sort();
    paths
}

// Bytes in memory of a process.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

fn last_lines(path: &Path) -> String {
    const ENOUGH: usize = 5;
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(ENOUGH)..].join("\n")
}
