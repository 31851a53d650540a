//! The cell crate is compiled by the noted command line: for a cell, cargo is not asked.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::notes::{here, key, note_path, noted, without_comment};
use super::source::{with_compiled_store, with_places, with_used_variables};
use super::{Plan, real_cargo};
use crate::folder::{self, PREFIX};

/// Libraries without symbols in place of libtorch's, whose hundred thousand no cell names itself:
/// the linker need not read them (`docker/kernel/warm.sh`).
const LINKED: &str = "/opt/solvergrad/link";

// A build or check of the cell crate: by the noted command line where manifest and library are the
// ones it was noted for.
pub(super) fn build(verb: &str, arguments: &[OsString]) -> Result<ExitCode> {
    let library = folder::noted_digest().map_or_else(folder::library_digest, Ok)?;
    let key = key(&std::fs::read_to_string("Cargo.toml")?, &library);
    let name = format!("{key}.plan");
    if let Some(text) = noted(&name) {
        return compile(verb, &serde_json::from_str(&text)?);
    }
    folder::furnish(&std::env::current_dir()?)?;
    // What this build writes takes the place of what earlier plans of a kernel's folder name.
    let image = here() == format!("{PREFIX}/cells");
    let notes = std::fs::read_dir(Path::new(&here()).join("notes"));
    for note in notes.into_iter().flatten().flatten().filter(|_| !image) {
        if note.path().extension().is_some_and(|kind| kind == "plan") {
            std::fs::remove_file(note.path())?;
        }
    }
    // A check, too, needs the plan, and only a build makes one.
    let arguments: Vec<OsString> = arguments
        .iter()
        .map(|word| if word == "check" { "build".into() } else { word.clone() })
        .collect();
    let mut command = real_cargo(&arguments);
    command.env("RUSTC_WRAPPER", format!("{PREFIX}/front/bin/rustc-recorder"));
    command.env("SOLVERGRAD_PLAN", note_path(&name)?);
    if verb == "build" {
        return Err(command.exec().into());
    }
    let output = command.stderr(Stdio::inherit()).output().context("starting cargo")?;
    match noted(&name) {
        Some(text) => compile(verb, &serde_json::from_str(&text)?),
        None => {
            std::io::stdout().write_all(&output.stdout)?;
            Ok(ExitCode::from(101))
        }
    }
}

fn compile(verb: &str, plan: &Plan) -> Result<ExitCode> {
    let out = std::env::current_dir()?.join("cells");
    std::fs::create_dir_all(&out)?;
    let mut source = std::fs::read_to_string("src/lib.rs")?;
    if plan.arguments.iter().any(|word| word.starts_with("solvergrad=")) {
        source = with_used_variables(&with_compiled_store(source));
    }
    std::fs::write(out.join("lib.rs"), with_places(&source))?;
    let mut command = Command::new(&plan.rustc);
    let crates = flat_crates()?;
    // First among the places of libraries.
    if Path::new(LINKED).is_dir() {
        command.arg(format!("-Lnative={LINKED}"));
    }
    let mut words = plan.arguments.iter().peekable();
    while let Some(word) = words.next() {
        let next = words.peek().map(|next| next.as_str()).unwrap_or_default();
        match word.as_str() {
            // A small crate compiles faster whole than in parts.
            "-C" if next.starts_with("incremental=") || next.starts_with("codegen-units=") => {
                words.next();
            }
            "-C" if next.starts_with("debuginfo=") || next.starts_with("strip=") => {
                words.next();
            }
            "--out-dir" => {
                words.next();
            }
            "-L" if next.ends_with("-linux-gnu/debug/deps") && crates.is_some() => {
                words.next();
            }
            "src/lib.rs" => {
                command.arg("cells/lib.rs");
            }
            _ if word.starts_with("--emit=") || word.starts_with("--diagnostic-width") => {}
            _ => {
                command.arg(word);
            }
        }
    }
    command
        .args(crates.iter().flat_map(|crates| ["-L".to_owned(), format!("dependency={crates}")]));
    // Lines of a cell are wanted when it panics.
    command.args(["-Cdebuginfo=line-tables-only", "-Ccodegen-units=1"]);
    command.arg(if verb == "check" { "--emit=metadata" } else { "--emit=link" });
    command.arg("--out-dir").arg(&out);
    command.env("CARGO_PKG_NAME", "ctx").env("CARGO_MANIFEST_DIR", std::env::current_dir()?);
    let mut child = command.stderr(Stdio::piped()).spawn().context("starting rustc")?;
    let mut stdout = std::io::stdout().lock();
    for line in BufReader::new(child.stderr.take().context("no stderr")?).lines() {
        let line = line?;
        match serde_json::from_str::<Value>(&line) {
            Ok(message) if message["$message_type"] == "artifact" => {}
            Ok(message) if message.is_object() => {
                let target = json!({"name": "ctx"});
                let text =
                    json!({"reason": "compiler-message", "target": target, "message": message});
                writeln!(stdout, "{text}")?;
            }
            _ => eprintln!("{line}"),
        }
    }
    let status = child.wait()?;
    if status.success() && verb == "build" {
        let file = out.join("libctx.so");
        let text = json!({
            "reason": "compiler-artifact", "target": {"name": "ctx"}, "filenames": [file],
        });
        writeln!(stdout, "{text}")?;
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::from(101) })
}

// The image's folder of crates, short and flat (docker/stack.sh), where it has all that is needed.
fn flat_crates() -> Result<Option<String>> {
    let manifest = without_comment(&std::fs::read_to_string("Cargo.toml")?);
    let known = folder::dependencies()?;
    let (_, wanted) = manifest.split_once("[dependencies]").unwrap_or_default();
    let mut wanted = wanted.lines().map(str::trim).filter(|line| !line.is_empty());
    let path = format!("{PREFIX}/crates");
    let enough = wanted.all(|line| known.iter().any(|known| known.trim() == line));
    Ok((enough && Path::new(&path).is_dir()).then_some(path))
}
