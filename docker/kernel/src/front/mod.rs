//! Fronts of the Rust tools, first on the kernel's PATH.
//!
//! evcxr and rust-analyzer ask `cargo` for every cell and several times at start; nearly always the
//! answer is known. A front notes the compiler's command line of the cell crate and the answers of
//! read-only questions, keyed by the manifest and by the content of the library, and falls back to
//! the real tool for everything else. What it notes is kept in the kernel's folder; what the image
//! noted when it was built ([`crate::session::warm`]) is looked up first.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::folder::{self, PREFIX};

mod build;
mod metadata;
mod notes;
mod source;

use build::build;
use metadata::{answer, is_question, is_validation};
use notes::hidden;

/// The parts of the standard library that a program can name (`docker/kernel/warm.sh`): all that
/// lies in a library's folder is read by rust-analyzer.
pub const STANDARD: &str = "/opt/solvergrad/std";

/// The compiler's command line of the cell crate.
#[derive(Serialize, Deserialize)]
struct Plan {
    rustc: String,
    arguments: Vec<String>,
}

/// `cargo` as evcxr and rust-analyzer call it.
pub fn cargo(arguments: &[OsString]) -> Result<ExitCode> {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    log(&words);
    let verb = words.iter().copied().find(|word| !word.starts_with(['-', '+'])).unwrap_or("");
    match verb {
        "build" | "check" => build(verb, arguments),
        "metadata" if is_validation()? => {
            // Crates of the image need no validation before each kernel uses them.
            println!("{{}}");
            Ok(ExitCode::SUCCESS)
        }
        _ if is_question(&words) => answer(&words),
        _ => Err(real_cargo(arguments).exec().into()),
    }
}

/// `rustc`, for whoever looks it up on PATH.
pub fn rustc(arguments: &[OsString]) -> Result<ExitCode> {
    Err(Command::new(toolchain()?.join("bin/rustc")).args(arguments).exec().into())
}

/// `rustup which TOOL`: evcxr asks it for the path of the tools.
pub fn rustup(arguments: &[OsString]) -> Result<ExitCode> {
    match arguments.iter().filter_map(|word| word.to_str()).collect::<Vec<_>>()[..] {
        ["which", "cargo"] => println!("{PREFIX}/front/bin/cargo"),
        ["which", tool] => println!("{}", toolchain()?.join("bin").join(tool).display()),
        _ => bail!("only `rustup which TOOL` is known here"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Stands before `rustc` in a real build and notes the command line of the cell crate.
pub fn recorder(arguments: &[OsString]) -> Result<ExitCode> {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let [rustc, rest @ ..] = &words[..] else { bail!("no compiler named") };
    let cell = rest.windows(2).any(|pair| pair == ["--crate-name", "ctx"]);
    if let Some(place) = std::env::var_os("SOLVERGRAD_PLAN").filter(|_| cell) {
        let arguments = rest.iter().map(|word| (*word).to_owned()).collect();
        let plan = Plan { rustc: (*rustc).to_owned(), arguments };
        folder::write(Path::new(&place), &hidden(&serde_json::to_string(&plan)?))?;
    }
    Err(Command::new(rustc).args(rest).exec().into())
}

fn real_cargo(arguments: &[OsString]) -> Command {
    let mut command = match toolchain() {
        Ok(path) => Command::new(path.join("bin/cargo")),
        Err(_) => Command::new("cargo"),
    };
    command.args(arguments);
    folder::unfronted(&mut command);
    command
}

fn toolchain() -> Result<PathBuf> {
    let file = format!("{PREFIX}/front/toolchain");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
    Ok(PathBuf::from(text.trim()))
}

fn log(words: &[&str]) {
    if let Some(file) = std::env::var_os("SOLVERGRAD_FRONT_LOG") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs_f64();
        // One write: fronts run side by side.
        let line = format!("{now:.3} {}\n", words.join(" "));
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}
