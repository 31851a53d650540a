//! Runs of a sweep: done once, whatever is killed; refused, ended or failed with a reason.
//!
//! The programs here are shell scripts, which a run cannot tell from a compiled notebook.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use solvergrad::sweep::{Resources, RunCard, RunStatus, Sweep, execute};
use solvergrad::{Error, Result};

/// Says `begin`, takes its time, and leaves a row with its seed as the value. A second attempt finds
/// the checkpoint of the first.
const PROGRAM: &str = r#"#!/bin/sh
out=$2
seed=$(echo "$SOLVERGRAD_CONFIG" | sed 's/.*"seed":\([0-9]*\).*/\1/')
mkdir -p "$out/results"
[ -e "$out/checkpoint" ] && echo resumed
touch "$out/checkpoint"
echo "begin threads $OMP_NUM_THREADS"
BODY
printf 'experiment,rule,projection,margin,seed,epoch,split,metric,value\ntoy,r,none,none,%s,1,test,loss,%s\n' $seed $seed >"$out/results/a.csv"
"#;

struct Folder {
    root: tempfile::TempDir,
    hash: String,
}

impl Folder {
    fn new(body: &str) -> Self {
        // As the library does: bytes of the program, then what is noted of its libraries, of which
        // there are none.
        let text = PROGRAM.replace("BODY", body);
        let digest = Sha256::digest(format!("{text}{{}}"));
        let hash = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = Self { root: tempfile::tempdir().unwrap(), hash };
        let program = folder.program();
        fs::create_dir_all(program.with_file_name("program.lib")).unwrap();
        fs::write(program.with_file_name("libraries.json"), "{}").unwrap();
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn program(&self) -> PathBuf {
        self.root.path().join("programs").join(&self.hash[..16]).join("program")
    }

    fn run(&self, name: &str, seed: u64, resources: Resources) -> PathBuf {
        let parameters = serde_json::from_value(serde_json::json!({"seed": seed, "rate": 0.5}));
        let card = RunCard {
            hash: name.to_owned(),
            program: self.hash.clone(),
            parameters: parameters.unwrap(),
            seed,
            resources,
            objective: None,
            halving: None,
        };
        let folder = self.root.path().join("runs").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("run.json"), serde_json::to_string(&card).unwrap()).unwrap();
        folder
    }
}

fn attempts(run: &Path) -> usize {
    fs::read_to_string(run.join("attempts")).unwrap().lines().count()
}

fn wait_for(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn says(run: &Path, text: &str) -> bool {
    fs::read_to_string(run.join("log.txt")).is_ok_and(|log| log.contains(text))
}

#[test]
fn a_run_that_is_done_is_not_repeated() -> Result<()> {
    let folder = Folder::new("");
    let run = folder.run("a", 7, Resources { threads: 3, ..Resources::default() });
    let first = execute(&run)?;
    assert_eq!((first.status, first.attempts), (RunStatus::Done, 1));
    let rows = fs::read_to_string(run.join("rows.csv")).unwrap();
    assert!(rows.ends_with("toy,r,none,none,7,1,test,loss,7.0\n"), "{rows}");
    assert!(says(&run, "begin threads 3") && run.join("environment.json").exists());
    let second = execute(&run)?;
    assert_eq!((second.seconds, attempts(&run)), (first.seconds, 1));
    Ok(())
}

#[test]
fn of_two_that_try_one_does_it() {
    let folder = Folder::new("sleep 0.5");
    let run = folder.run("a", 1, Resources::default());
    let both = [0, 1].map(|_| {
        let run = run.clone();
        std::thread::spawn(move || execute(&run).map(|end| end.status).ok())
    });
    for thread in both {
        assert_eq!(thread.join().unwrap(), Some(RunStatus::Done));
    }
    assert_eq!(attempts(&run), 1);
}

#[test]
fn a_killed_process_takes_its_program_along_and_the_next_goes_on() -> Result<()> {
    let folder = Folder::new("[ $(wc -l < \"$out/../attempts\") -gt 1 ] || sleep 60");
    let run = folder.run("a", 1, Resources::default());
    let mut process = Command::new(env!("CARGO_BIN_EXE_solvergrad"))
        .args(["sweep", "run"])
        .arg(&run)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(|| says(&run, "begin"));
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(!run.join("done.json").exists() && !run.join("rows.csv").exists());
    let start = Instant::now();
    let end = execute(&run)?;
    assert!(start.elapsed() < Duration::from_secs(20), "the dead program still holds the run");
    assert_eq!((end.status, end.attempts), (RunStatus::Done, 2));
    assert!(says(&run, "resumed"));
    Ok(())
}

#[test]
fn another_program_is_refused_and_nothing_is_written() {
    type Change = fn(PathBuf) -> std::io::Result<()>;
    let changes: [(Change, &str); 3] = [
        (|path| fs::write(path, "another"), "this one has"),
        (|path| fs::remove_file(path), "not there"),
        (|path| fs::write(path.with_file_name("program.lib").join("a.so"), ""), "this one has"),
    ];
    for (change, expected) in changes {
        let folder = Folder::new("");
        let run = folder.run("a", 1, Resources::default());
        change(folder.program()).unwrap();
        let error = execute(&run).err();
        assert!(matches!(error, Some(Error::Configuration { .. })), "{error:?}");
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expected) && message.contains(&folder.hash[..16]), "{message}");
        assert!(message.contains("start the sweep again"), "{message}");
        assert!(!run.join("attempts").exists() && !run.join("out").exists());
    }
}

#[test]
fn failures_have_reasons_and_are_tried_again() -> Result<()> {
    for (body, resources, reason) in [
        ("echo out of luck; exit 3", Resources::default(), "exit status: 3"),
        (
            "sleep 60",
            Resources { minutes: 0.005, ..Resources::default() },
            "over its limit of 0.005 minutes",
        ),
        (
            "exec python3 -c 'import time; x = b\"1\" * 300000000; time.sleep(60)'",
            Resources { memory_gb: 0.2, ..Resources::default() },
            "over its limit of 0.2 GB",
        ),
        ("exit 0", Resources::default(), "left no rows"),
        ("kill -9 $$", Resources::default(), "signal: 9"),
    ] {
        let folder = Folder::new(body);
        let run = folder.run("a", 1, resources);
        let end = execute(&run)?;
        assert_eq!(end.status, RunStatus::Failed);
        assert!(end.reason.contains(reason), "{}", end.reason);
        assert!(end.last_lines.contains("begin"), "{}", end.last_lines);
        assert!(!run.join("done.json").exists() && !run.join("rows.csv").exists());
        // Not done, so tried again.
        assert_eq!(execute(&run)?.attempts, 2);
    }
    Ok(())
}

#[test]
fn a_full_disk_is_named_and_finished_runs_stay() -> Result<()> {
    let folder = Folder::new("");
    let done = folder.run("a", 1, Resources::default());
    execute(&done)?;
    let run = folder.run("b", 2, Resources::default());
    // What writes there finds no space left.
    std::os::unix::fs::symlink("/dev/full", run.join("attempts")).unwrap();
    let message = execute(&run).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("cannot write") && message.contains("free some space"), "{message}");
    assert!(!run.join("done.json").exists() && done.join("done.json").exists());
    fs::remove_file(run.join("attempts")).unwrap();
    assert_eq!(execute(&run)?.status, RunStatus::Done);
    Ok(())
}

#[test]
fn the_registry_is_rebuilt_from_the_folders() -> Result<()> {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::new("");
    for (name, seed) in [("b", 1), ("a", 2), ("old", 3)] {
        execute(&folder.run(name, seed, Resources::default()))?;
    }
    folder.run("c", 4, Resources::default());
    let plan = serde_json::json!({
        "varied": ["rate"], "runs": ["b", "a", "c"],
        "objective": {"metric": "loss", "goal": "highest"},
    });
    fs::write(folder.root.path().join("plan.json"), plan.to_string()).unwrap();
    let sweeps = data.path().join("sweeps");
    fs::create_dir(&sweeps).unwrap();
    std::os::unix::fs::symlink(folder.root.path(), sweeps.join("toy")).unwrap();
    // The only test of this process that reads it; tests of others do not see it.
    // SAFETY: no other test asks for this variable.
    unsafe { std::env::set_var("SOLVERGRAD_OUT", data.path()) };
    let sweep = Sweep::open("toy")?;
    let text = |frame: &polars::prelude::DataFrame, column: &str| -> Vec<String> {
        let column = frame.column(column).unwrap().as_materialized_series().iter();
        column.map(|value| value.to_string().trim_matches('"').to_owned()).collect()
    };
    let registry = sweep.registry()?;
    assert_eq!(text(&registry, "run"), ["b", "a", "c", "old"]);
    assert_eq!(text(&registry, "status"), ["done", "done", "left", "done"]);
    assert_eq!(text(&registry, "planned"), ["true", "true", "true", "false"]);
    assert_eq!(text(&registry, "rate"), ["0.5"; 4]);
    assert!(sweep.last_registry()?.equals_missing(&registry));
    let rows = sweep.rows()?;
    assert_eq!(
        (text(&rows, "run"), text(&rows, "value")),
        (vec!["b".into(), "a".into()], vec!["1.0".into(), "2.0".into()])
    );
    let progress = sweep.progress();
    assert_eq!((progress.total, progress.done, progress.left()), (3, 2, 1));
    assert_eq!(progress.best, Some(("a".to_owned(), 1, 2.0)));
    // What a training noted counts, not the baselines beside it among the results.
    let header = "experiment,rule,projection,margin,seed,epoch,split,metric,value\n";
    let training = folder.root.path().join("runs/b/out/runs/x");
    fs::create_dir_all(&training).unwrap();
    let noted = "toy,r,none,none,1,1,test,loss,3.0\ntoy,r,none,none,1,2,test,loss,5.0\n";
    fs::write(training.join("rows.csv"), format!("{header}{noted}")).unwrap();
    let progress = sweep.progress();
    assert_eq!(progress.best, Some(("b".to_owned(), 2, 5.0)));
    assert_eq!(progress.curves[0], ("b".to_owned(), vec![(1, 3.0), (2, 5.0)]));
    assert!(Sweep::open("none").is_err() && Sweep::open("../toy").is_err());
    Ok(())
}

#[test]
fn a_worker_does_runs_by_lines_and_refuses_in_one() {
    use std::io::{BufRead, BufReader, Write};
    let folder = Folder::new("");
    let runs = ["a", "b"].map(|name| folder.run(name, 1, Resources::default()));
    let mut process = Command::new(env!("CARGO_BIN_EXE_solvergrad"))
        .args(["sweep", "run", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let mut answers = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut ask = |run: &Path| -> serde_json::Value {
        writeln!(input, "{}", run.display()).unwrap();
        serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap()
    };
    assert_eq!(ask(&runs[0])["ended"], "done");
    assert!(
        ask(&folder.root.path().join("none"))["refused"].as_str().unwrap().contains("cannot read")
    );
    assert_eq!(ask(&runs[1])["ended"], "done");
    drop(input);
    assert!(process.wait().unwrap().success());
}

#[test]
fn the_command_line_refuses_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    let complaint = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_solvergrad"))
            .arg("sweep")
            .arg(&file)
            .args(arguments)
            .env("SOLVERGRAD_OUT", folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(message.lines().count(), 1, "{message}");
        message
    };
    assert!(complaint(&[]).contains("cannot read"));
    fs::write(&file, "notebook = \"none.ipynb\"\nsede = 1\n").unwrap();
    assert!(complaint(&[]).contains("line 2: unknown field `sede`"));
    fs::write(&file, "notebook = \"none.ipynb\"\n").unwrap();
    assert!(complaint(&[]).contains("cannot read none.ipynb"));
    assert!(complaint(&["--on", "scheduler"]).contains("tcp://HOST:8786"));
    assert_eq!(fs::read_dir(folder.path().join("sweeps")).map_or(0, Iterator::count), 0);
}
