//! `solvergrad sweep`: many runs of a notebook's program.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use solvergrad::sweep::{self, Plan, Sweep};

use crate::Failure;

pub fn command() -> Command {
    Command::new("sweep")
        .about("Do all runs of a sweep's file; those that are done are not repeated")
        .arg(
            Arg::new("file")
                .value_name("SWEEP.toml")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Notebook, parameters, seeds, resources; the name is that of its results"),
        )
        .arg(
            Arg::new("on")
                .long("on")
                .value_name("WHERE")
                .default_value("local")
                .help("`local`, or the address of a Dask scheduler: tcp://HOST:8786"),
        )
        .arg(
            Arg::new("wait")
                .long("wait")
                .value_name("MINUTES")
                .value_parser(value_parser!(u32))
                .default_value("2")
                .help("How long to wait for workers that fit, where there are none"),
        )
        .arg(
            Arg::new("jobs")
                .long("jobs")
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..))
                .help("Runs at once on this machine [default: as many as cores, memory and GPUs allow]"),
        )
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Check the file and the parameters, list the runs, do none"),
        )
        .subcommand(
            // What a worker of an engine calls.
            Command::new("run").about("Do one run, by its folder, or for `-` those of standard input").hide(true).arg(
                Arg::new("folder").required(true).value_parser(value_parser!(PathBuf)),
            ),
        )
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
}

pub fn run(matches: &ArgMatches) -> Result<(), Failure> {
    if let Some(("run", matches)) = matches.subcommand() {
        return one(matches);
    }
    let none = || Failure::Message("no file given".to_owned());
    let path = matches.get_one::<PathBuf>("file").ok_or_else(none)?;
    let place = matches.get_one::<String>("on").map_or("local", String::as_str);
    if place != "local"
        && !["tcp://", "tls://", "ucx://"].iter().any(|known| place.starts_with(known))
    {
        let known = "`local`, or the address of a Dask scheduler: tcp://HOST:8786";
        return Err(Failure::Message(format!("--on {place}: give {known}")));
    }
    let plan = Plan::read(path)?;
    let (all, left) = (plan.runs().len(), plan.left().len());
    let mut out = io::stdout();
    writeln!(out, "{}: {all} runs, {} of them done already", plan.folder().display(), all - left)?;
    if matches.get_flag("dry-run") {
        for run in plan.runs() {
            writeln!(out, "{} {}", run.hash, json(&run.parameters))?;
        }
        return Ok(());
    }
    let name = plan.folder().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let report = sweep::report(&name);
    let jobs = matches.get_one::<u16>("jobs").map(|jobs| usize::from(*jobs));
    let ended = match place {
        "local" => sweep::run_local(&plan, jobs, report),
        address => {
            let minutes = matches.get_one::<u32>("wait").copied().unwrap_or_default();
            sweep::run_remote(&plan, address, Duration::from_secs(60 * u64::from(minutes)), report)
        }
    };
    // Of what is finished, also where the rest was not to be done.
    let results = plan.sweep().and_then(|results| results.registry().map(|_| results));
    ended?;
    summary(&results?, plan.folder())
}

fn summary(results: &Sweep, folder: &Path) -> Result<(), Failure> {
    let progress = results.progress();
    let mut out = io::stdout();
    for (runs, end) in progress.kinds_of_failure() {
        let Some((first, more)) = runs.split_first() else { continue };
        match more.len() {
            0 => writeln!(out, "{first} failed: {}", end.reason)?,
            more => writeln!(out, "{first} and {more} more failed: {}", end.reason)?,
        }
        for line in end.last_lines.lines() {
            writeln!(out, "  {line}")?;
        }
        writeln!(out, "  see {}", results.folder_of(first).join("log.txt").display())?;
    }
    if let Some((run, epoch, value)) = &progress.best {
        let card =
            std::fs::read_to_string(results.folder_of(run).join("run.json")).unwrap_or_default();
        let card: sweep::RunCard = serde_json::from_str(&card).map_err(solvergrad::Error::from)?;
        let varied = |(name, _): &(String, serde_json::Value)| results.varied().contains(name);
        let parameters: serde_json::Map<_, _> =
            card.parameters.into_iter().filter(varied).collect();
        writeln!(
            out,
            "best: {value} after epoch {epoch}, {}, seed {}",
            json(&parameters),
            card.seed
        )?;
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    writeln!(
        out,
        "in a notebook: Sweep::open(\"{name}\")?.rows()?; elsewhere {}",
        folder.join("registry.parquet").display()
    )?;
    match progress.total - progress.done - progress.stopped {
        0 => Ok(()),
        missing => Err(Failure::Message(format!(
            "{missing} of {} runs are not done; the same command tries them again",
            progress.total
        ))),
    }
}

fn one(matches: &ArgMatches) -> Result<(), Failure> {
    // SAFETY: a call of the system without pointers. Whoever watches this process may be killed: then
    // it ends, too, and the program with it.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let none = || Failure::Message("no folder given".to_owned());
    let folder = matches.get_one::<PathBuf>("folder").ok_or_else(none)?;
    if folder.as_os_str() == "-" {
        return served();
    }
    let end = sweep::execute(folder)?;
    writeln!(
        io::stdout(),
        "{}: {:?} after {:.1} s {}",
        folder.display(),
        end.status,
        end.seconds,
        end.reason
    )?;
    Ok(())
}

// A folder a line, an answer a line: the process begins once for all runs of a worker.
fn served() -> Result<(), Failure> {
    for folder in io::stdin().lines() {
        let Ok(folder) = folder else { break };
        let answer = match sweep::execute(Path::new(&folder)) {
            Ok(end) => serde_json::json!({"ended": end.status}),
            Err(error) => serde_json::json!({"refused": error.to_string()}),
        };
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}

fn json(parameters: &impl serde::Serialize) -> String {
    serde_json::to_string(parameters).unwrap_or_default()
}
