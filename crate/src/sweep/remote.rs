//! Runs on other machines: handed to a Dask scheduler, whose workers share the sweep's folder.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Plan;
use super::local::watch;
use super::registry::Progress;
use super::run::dies_with_caller;
use crate::{Error, Result, interrupt};

/// What speaks with the scheduler.
const CLIENT: &str = "/lab/docker/sweep_client.py";

/// Does all runs of a plan that are left on the workers of the Dask scheduler at `address`, and calls
/// `report` every second. Workers and scheduler may go and come back meanwhile; without a worker that
/// fits it ends after `patience`.
///
/// # Errors
/// [`Error::Program`] where no scheduler answers, and for the first of the runs that a worker refused
/// or could not do; [`Error::Interrupted`] when the notebook's cell was interrupted.
pub fn run_remote(
    plan: &Plan,
    address: &str,
    patience: Duration,
    mut report: impl FnMut(&Progress),
) -> Result<()> {
    let _lock = plan.start()?;
    let sweep = plan.sweep()?;
    let runs: Vec<_> = plan
        .left()
        .into_iter()
        .map(|run| serde_json::json!({"folder": plan.folder_of(run), "resources": run.resources}))
        .collect();
    if runs.is_empty() {
        report(&sweep.progress());
        return Ok(());
    }
    let failed = |problem: String| Error::Program {
        program: format!("the sweep on {address}"),
        problem,
        cure: "what is finished is kept: start the sweep again for the rest",
    };
    let mut command = Command::new("/opt/jupyter/bin/python");
    command.args([CLIENT, address, &patience.as_secs().to_string()]);
    dies_with_caller(&mut command);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cannot start {CLIENT}: {error}")))?;
    // Read as it comes: a pipe that nobody reads is full some time.
    let complaint = child.stderr.take().map(|mut errors| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    if let Some(mut input) = child.stdin.take() {
        let text = serde_json::to_string(&runs)?;
        // A client that ended already says why.
        let _ = input.write_all(text.as_bytes());
    }
    watch(&sweep, &mut report, || interrupt::requested() || !matches!(child.try_wait(), Ok(None)));
    if interrupt::requested() {
        let _ = child.kill();
        let _ = child.wait();
    }
    interrupt::check(
        "the sweep; what is finished is kept, and the same sweep goes on with the rest",
    )?;
    let complaint = complaint.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    match status.success() {
        true => Ok(()),
        false => Err(failed(complaint.lines().last().unwrap_or("it says nothing").to_owned())),
    }
}
