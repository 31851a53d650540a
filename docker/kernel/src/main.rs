//! The Jupyter kernel of SolverGrad's notebooks, built on the `evcxr` library.
//!
//! One program in several roles, told apart by the name it is called by and its first argument:
//! the kernel itself, the process that runs the cells (`child`), and the fronts of `cargo`, `rustc`
//! and `rustup` that answer from memory what a cell does not change ([`front`]). Called
//! `evcxr_jupyter` it is evcxr's own kernel, unchanged.

mod cell;
mod child;
mod failure;
mod folder;
mod front;
mod notebook;
mod server;
mod session;
mod stream;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let name = Path::new(&called).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let arguments: Vec<OsString> = arguments.collect();
    match run(&name, &arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, arguments: &[OsString]) -> Result<ExitCode> {
    match name {
        "cargo" => return front::cargo(arguments),
        "rustc" => return front::rustc(arguments),
        "rustc-recorder" => return front::recorder(arguments),
        "rustup" => return front::rustup(arguments),
        "evcxr_jupyter" => return evcxr_jupyter::main().map(|()| ExitCode::SUCCESS),
        _ => {}
    }
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    match words[..] {
        ["child", output, errors, answers, mark] => {
            child::run(output.parse()?, errors.parse()?, answers.parse()?, mark)
        }
        // What evcxr starts again under its own name in its other roles.
        _ if std::env::var_os("EVCXR_IS_RUNTIME").is_some() => {
            evcxr::runtime_hook();
            bail!("evcxr did not take over its own process")
        }
        ["connect", file] => {
            let text = std::fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
            let connection = serde_json::from_str(&text).with_context(|| format!("in {file}"))?;
            server::run(&connection).map(|()| ExitCode::SUCCESS)
        }
        ["notebook", ..] => notebook::main(&arguments[1..]),
        ["--version"] => {
            println!("solvergrad-kernel {} (evcxr 0.22.0)", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
        ["warm"] => session::warm().map(|()| ExitCode::SUCCESS),
        _ => bail!(
            "usage: {name} connect CONNECTION_FILE (started by Jupyter) | notebook check|build|run \
             | warm (fills the memory of the fronts, when the image is built) | --version"
        ),
    }
}
