//! What this installation consists of, whether it works, and the cure where it does not.

use std::fmt;

mod machine;
mod software;

pub(crate) use machine::available_memory;

/// How a part of the installation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It works.
    Ok,
    /// Something optional is missing or scarce.
    Warning,
    /// Experiments fail or give wrong results.
    Problem,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "PROBLEM",
        })
    }
}

/// One line of the report.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The part.
    pub name: String,
    /// Its version, size or place.
    pub value: String,
    /// How it is.
    pub status: Status,
    /// What to do; empty when it works.
    pub cure: String,
}

impl Entry {
    fn ok(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into(), status: Status::Ok, cure: String::new() }
    }

    fn warning(name: &str, value: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { status: Status::Warning, cure: cure.into(), ..Self::ok(name, value) }
    }

    fn problem(name: &str, value: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { status: Status::Problem, cure: cure.into(), ..Self::ok(name, value) }
    }
}

/// Every part that was looked at.
#[derive(Clone, Debug)]
pub struct Report {
    /// The parts, in the order of the table.
    pub entries: Vec<Entry>,
}

impl Report {
    /// The parts that make experiments fail.
    pub fn problems(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.status == Status::Problem)
    }

    /// The worst status of any part.
    pub fn status(&self) -> Status {
        self.entries.iter().map(|entry| entry.status).max().unwrap_or(Status::Ok)
    }
}

impl fmt::Display for Report {
    /// An aligned table; below each part that does not work stands its cure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
        for Entry { name, value, status, cure } in &self.entries {
            writeln!(f, "{status:<8} {name:<width$}  {value}")?;
            if !cure.is_empty() {
                writeln!(f, "{:<8} {:<width$}  -> {cure}", "", "")?;
            }
        }
        Ok(())
    }
}

/// Looks at every part. Takes a second or two; writes nothing but a short-lived test file in the
/// data folder.
///
/// ```no_run
/// let report = solvergrad::doctor::report();
/// println!("{report}");
/// assert_eq!(report.problems().count(), 0);
/// ```
pub fn report() -> Report {
    let mut entries = software::entries();
    entries.extend(machine::entries());
    Report { entries }
}

/// Versions, device and processor in one line, to stand beside results.
pub fn environment() -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |name| name.trim_start_matches([' ', '\t', ':']));
    let versions: Vec<String> = software::versions()
        .into_iter()
        .map(|entry| format!("{} {}", entry.name, entry.value))
        .collect();
    format!("{}; {}; {processor}", versions.join(", "), crate::device::describe())
}
