//! The one error type of the library: what went wrong, what was expected, where, and the cure.

use std::path::{Path, PathBuf};

/// Result of a fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. Each message is one line that names the thing, the value and
/// what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter lies outside its domain; raised where a part is built, not where it is used.
    #[error("{what} is {got}; it must be {expected}")]
    Parameter {
        /// The parameter, as the caller knows it.
        what: &'static str,
        /// The value given.
        got: String,
        /// The values allowed.
        expected: String,
    },
    /// A tensor or slice has the wrong shape or kind.
    #[error("{what} has shape {got}; expected {expected}")]
    Shape {
        /// The tensor, as the caller knows it.
        what: &'static str,
        /// The shape given.
        got: String,
        /// The shape needed.
        expected: String,
    },
    /// A cost is not a number the solver can work with.
    #[error(
        "cost {index} of instance {row} is {value}; {solver} needs {expected}{}", hint(*value)
    )]
    Cost {
        /// Name of the solver.
        solver: String,
        /// Instance within the batch.
        row: usize,
        /// Position within the instance.
        index: usize,
        /// The value given.
        value: f64,
        /// The domain of the solver.
        expected: &'static str,
    },
    /// A matrix of costs is not symmetric.
    #[error(
        "cost ({row}, {column}) is {value}, but cost ({column}, {row}) is {mirror}; {solver} needs a \
         symmetric matrix, up to 1e-6 of its largest entry: `symmetrise()`, or --symmetrise, averages the two"
    )]
    Asymmetric {
        /// Name of the solver.
        solver: &'static str,
        /// Row of the matrix.
        row: usize,
        /// Column of the matrix.
        column: usize,
        /// The value there.
        value: f64,
        /// The value at its mirror image.
        mirror: f64,
    },
    /// No solution exists: the instance itself, or the costs given, rule out all of them.
    #[error("{what} has no solution: {why}; {cure}")]
    Infeasible {
        /// The problem.
        what: &'static str,
        /// What rules the solutions out, with indices.
        why: String,
        /// What to do about it.
        cure: &'static str,
    },
    /// A search came to its time limit before it had a proof.
    #[error(
        "{solver} stopped at its limit of {limit_s} s: the best solution has objective {objective}, \
         and no solution is below {lower_bound}; raise the limit, or take the solution and its gap \
         by `solve_certified`"
    )]
    TimeLimit {
        /// Name of the solver.
        solver: &'static str,
        /// The limit, in seconds.
        limit_s: f64,
        /// ⟨w, y⟩ of the best solution found.
        objective: f64,
        /// What no solution is below.
        lower_bound: f64,
    },
    /// A regularised problem ended with too large a duality gap: at its limit of solver calls, or
    /// where rounding lets no vertex lower the objective.
    #[error(
        "the regularised solver stopped at instance {row} after {calls} solver calls with a duality gap \
         of {gap}, where {enough} is small enough; raise its limit of calls, or loosen its tolerance"
    )]
    NotConverged {
        /// Instance within the batch.
        row: usize,
        /// Solver calls made.
        calls: usize,
        /// The duality gap reached.
        gap: f64,
        /// The duality gap at which it would have ended.
        enough: f64,
    },
    /// A projection that normalises met an instance of norm zero, where it has no value.
    #[error(
        "projection {projection} is undefined for instance {row}: its norm is 0 up to rounding (all \
         costs equal?); add noise before it, or use another projection"
    )]
    ZeroNorm {
        /// The projection.
        projection: &'static str,
        /// Instance within the batch.
        row: usize,
    },
    /// A file holds something else than it should.
    #[error("{}: {problem}; {cure}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        cure: String,
    },
    /// The operating system refused to read or write.
    #[error("cannot {action} {}: {source}{}", path.display(), cure_of(source))]
    Io {
        /// What was tried, as a verb: `read`, `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// A data set is not on this machine.
    #[error("data set {name} is not present in {}: {cure}", folder.display())]
    MissingData {
        /// Name of the data set.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// How to get it.
        cure: String,
    },
    /// A download failed or brought something unexpected.
    #[error("cannot fetch {url}: {problem}; {cure}")]
    Fetch {
        /// The address.
        url: String,
        /// What happened.
        problem: String,
        /// The manual steps.
        cure: String,
    },
    /// A configuration could not be read or overridden.
    #[error("{variable}: {problem}")]
    Configuration {
        /// The environment variable or file.
        variable: String,
        /// What is wrong, with the values allowed.
        problem: String,
    },
    /// An external program is missing or failed.
    #[error("{program} failed: {problem}; {cure}")]
    Program {
        /// The program.
        program: String,
        /// What it said.
        problem: String,
        /// What to do about it.
        cure: &'static str,
    },
    /// The user asked the computation to stop.
    #[error("interrupted: {0}")]
    Interrupted(&'static str),
    /// libtorch refused an operation.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] tch::TchError),
    /// polars refused an operation.
    #[error("polars: {}", first_line(.0))]
    Polars(#[from] polars::prelude::PolarsError),
    /// A value could not be written as, or read from, JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// For `map_err` on an input or output operation: `read(path).map_err(Error::io("read", path))`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// A parameter outside its domain.
    pub fn parameter(what: &'static str, got: impl ToString, expected: impl Into<String>) -> Self {
        Self::Parameter { what, got: got.to_string(), expected: expected.into() }
    }
}

fn hint(value: f64) -> &'static str {
    if value.is_nan() {
        " (a NaN here usually means the training diverged: lower the learning rate or look at the loss)"
    } else {
        ""
    }
}

fn cure_of(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{
        IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull,
    };
    match source.kind() {
        PermissionDenied => "; make the folder writable for this user, or choose another one",
        ReadOnlyFilesystem => "; mount the folder writable, or choose another one",
        StorageFull => "; free some space",
        NotFound => "; check the path",
        NotADirectory => "; a folder of the path is a file: choose another one",
        IsADirectory => "; there is a folder of that name: choose another one, or remove it",
        _ => "",
    }
}

// libtorch appends its C++ stack to the message, polars its plan; the first line says what
// happened.
pub(crate) fn first_line(error: &impl std::error::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
