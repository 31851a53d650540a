//! Many runs of a notebook's program: planned from a file, spread over cores or machines, none done twice.
//!
//! A sweep lives in `data/sweeps/NAME/`. Each run has a folder there, named by the hash of program,
//! parameters and seed, with what it left:
//!
//! | file | what it is |
//! |---|---|
//! | `run.json` | program, parameters, seed, what it may use |
//! | `out/` | what the program wrote: checkpoints, results |
//! | `log.txt`, `environment.json` | what it said, and where it ran |
//! | `rows.csv` | its tidy rows |
//! | `done.json`, or `failed.json` | how it ended; written last |
//!
//! These files are the one truth: who runs what is decided by a lock in the folder, which a killed
//! process lets go of, so that nothing is lost or done twice whatever happens to a machine, the engine
//! that spreads the runs, or the process that asked for them. A finished run is never repeated; one that
//! was broken off goes on from its checkpoint; a changed notebook or library is another program, and its
//! runs are new ones.
//!
//! On the command line it is `solvergrad sweep FILE.toml`; [the page on clusters](crate::guide::clusters)
//! says how runs get onto other machines.

mod file;
mod halving;
mod local;
mod plan;
mod program;
mod registry;
mod remote;
mod run;
mod significance;
mod watch;

use std::path::PathBuf;

pub use file::{Draw, Goal, Halving, Objective, Resources, Sample, Seeds, SweepFile};
pub use local::run_local;
pub use plan::Plan;
pub use registry::{Progress, Sweep};
pub use remote::run_remote;
pub use run::{RunCard, RunEnd, RunStatus, execute};
pub use significance::permutation_test;
pub use watch::{report, watch};

use crate::data::output_folder;
use crate::{Error, Result};

// Where the sweep of a name is.
fn folder_of(name: &str) -> Result<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        let expected = "letters, digits, - and _: it is the name of a folder";
        return Err(Error::parameter("the name of a sweep", format!("`{name}`"), expected));
    }
    Ok(output_folder().join("sweeps").join(name))
}
