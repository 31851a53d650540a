//! Runs on this machine: as many at once as cores, memory and GPUs allow.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use super::file::Resources;
use super::registry::Progress;
use super::run::execute_on;
use super::{Plan, Sweep};
use crate::device::cuda_available;
use crate::{Error, Result, doctor, interrupt};

/// Does all runs of a plan that are left, `jobs` at once or as many as fit, and calls `report` every
/// second. A run that fails does not end the others.
///
/// # Errors
/// [`Error::Parameter`] where a run wants more threads, memory or GPUs than there are,
/// [`Error::Interrupted`] when the notebook's cell was interrupted, and the first of the errors of
/// [`execute`](super::execute), after the other runs.
pub fn run_local(
    plan: &Plan,
    jobs: Option<usize>,
    mut report: impl FnMut(&Progress),
) -> Result<()> {
    let left = plan.left();
    let gpus = visible_gpus();
    let fitting = left.first().map(|first| fitting(&first.resources, gpus.len())).transpose()?;
    let _lock = plan.start()?;
    let sweep = plan.sweep()?;
    let (Some(first), Some(fitting)) = (left.first(), fitting) else {
        report(&sweep.progress());
        return Ok(());
    };
    let jobs = jobs.unwrap_or(fitting).clamp(1, left.len());
    let folders: VecDeque<_> = left.iter().map(|run| plan.folder_of(run)).collect();
    let (queue, problems) = (Mutex::new(folders), Mutex::new(Vec::new()));
    let per_run = first.resources.gpus;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|place| {
                let devices = (per_run > 0).then(|| {
                    let count = gpus.len();
                    let mine =
                        (0..per_run).map(|gpu| gpus[(place * per_run + gpu) % count].as_str());
                    mine.collect::<Vec<_>>().join(",")
                });
                let (queue, problems) = (&queue, &problems);
                scope.spawn(move || {
                    loop {
                        let next = queue.lock().ok().and_then(|mut queue| queue.pop_front());
                        let Some(folder) = next.filter(|_| !interrupt::requested()) else { break };
                        if let Err(error) = execute_on(&folder, devices.as_deref())
                            && let Ok(mut problems) = problems.lock()
                        {
                            problems.push(error);
                        }
                    }
                })
            })
            .collect();
        watch(&sweep, &mut report, || workers.iter().all(|worker| worker.is_finished()));
    });
    interrupt::check(
        "the sweep; what is finished is kept, and the same sweep goes on with the rest",
    )?;
    match problems.into_inner().unwrap_or_default().into_iter().next() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Reports every second until `over`, and once more.
pub(super) fn watch(
    sweep: &Sweep,
    report: &mut impl FnMut(&Progress),
    mut over: impl FnMut() -> bool,
) {
    const FRAME: u32 = 40;
    'sweep: loop {
        report(&sweep.progress());
        for _ in 0..FRAME {
            if over() {
                break 'sweep;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }
    report(&sweep.progress());
}

fn visible_gpus() -> Vec<String> {
    match std::env::var("CUDA_VISIBLE_DEVICES") {
        Ok(list) => {
            list.split(',').filter(|gpu| !gpu.trim().is_empty()).map(str::to_owned).collect()
        }
        Err(_) if !cuda_available() => Vec::new(),
        Err(_) => (0..tch::Cuda::device_count()).map(|gpu| gpu.to_string()).collect(),
    }
}

// How many runs fit beside each other.
fn fitting(resources: &Resources, gpus: usize) -> Result<usize> {
    let Resources { threads, memory_gb, gpus: wanted, .. } = *resources;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let refuse = |what, got: String, there: String| {
        Err(Error::parameter(what, got, format!("at most {there}, which this machine has")))
    };
    if threads > cores {
        return refuse("resources.threads", threads.to_string(), cores.to_string());
    }
    if wanted > gpus {
        return refuse("resources.gpus", wanted.to_string(), gpus.to_string());
    }
    let mut fitting = cores / threads;
    if memory_gb > 0.0 {
        let available =
            doctor::available_memory().map_or(f64::INFINITY, |bytes| bytes as f64 / 1e9);
        if memory_gb > available {
            return refuse("resources.memory_gb", memory_gb.to_string(), format!("{available:.1}"));
        }
        fitting = fitting.min((available / memory_gb) as usize);
    }
    if let Some(on_gpus) = gpus.checked_div(wanted) {
        fitting = fitting.min(on_gpus);
    }
    Ok(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_refused() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let resources =
            |threads, memory_gb, gpus| Resources { threads, memory_gb, gpus, minutes: 0.0 };
        assert_eq!(fitting(&resources(1, 0.0, 0), 0).ok(), Some(cores));
        assert_eq!(fitting(&resources(1, 0.0, 1), 1).ok(), Some(1));
        for (resources, expected) in [
            (resources(cores + 1, 0.0, 0), "threads"),
            (resources(1, 1e5, 0), "memory_gb"),
            (resources(1, 0.0, 3), "gpus"),
        ] {
            let message = fitting(&resources, 2).err().map(|error| error.to_string());
            assert!(message.as_ref().is_some_and(|text| text.contains(expected)), "{message:?}");
        }
    }
}
