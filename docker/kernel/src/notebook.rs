//! Notebooks as programs: checked, built for a machine without Jupyter, or run in the real kernel.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command as Subcommand, value_parser};
use nbformat::{Notebook, v4};
use serde_json::{Map, Value};

use crate::cell::with_shown_result;
use crate::folder::{self, PREFIX};

/// `notebook check | build | run`.
pub fn main(arguments: &[OsString]) -> Result<ExitCode> {
    let set = || {
        Arg::new("set")
            .long("set")
            .value_name("FIELD=VALUE")
            .action(ArgAction::Append)
            .help("A parameter of the notebook's configuration; may be repeated")
    };
    let file = |name: &'static str, help| {
        Arg::new(name)
            .value_name("NOTEBOOK")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    let out = |short: bool, value, help| {
        let out = Arg::new("out").long("out").value_name(value).required(short);
        let out = out.value_parser(value_parser!(PathBuf)).help(help);
        if short { out.short('o') } else { out }
    };
    let command = Subcommand::new("solvergrad notebook")
        .about("A notebook is also a program")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Subcommand::new("check")
                .about("Compile the code cells, in order, as a plain program")
                .arg(file("notebooks", "The .ipynb files").num_args(1..))
                .arg(set()),
        )
        .subcommand(
            Subcommand::new("build")
                .about("Make the program; it takes --set and --out, too")
                .arg(file("notebook", "The .ipynb file"))
                .arg(out(true, "PROGRAM", "The program to write"))
                .arg(set()),
        )
        .subcommand(
            Subcommand::new("run")
                .about("Execute in the real kernel; save the notebook, its records and figures")
                .arg(file("notebook", "The .ipynb file"))
                .arg(out(false, "FOLDER", "Where the executed notebook and its results go"))
                .arg(
                    Arg::new("in-place")
                        .long("in-place")
                        .action(ArgAction::SetTrue)
                        .conflicts_with("out")
                        .help("Keep the outputs in the notebook itself, the results in data/"),
                )
                .arg(set()),
        );
    let called =
        [OsString::from("solvergrad notebook")].into_iter().chain(arguments.iter().cloned());
    let matches = match command.try_get_matches_from(called) {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return Ok(ExitCode::from(if error.use_stderr() { 2 } else { 0 }));
        }
    };
    let result = match matches.subcommand() {
        Some(("check", matches)) => check(matches),
        Some(("build", matches)) => build(matches),
        Some(("run", matches)) => run(matches),
        _ => bail!("no command given"),
    };
    match result {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("solvergrad: {error:#}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn check(matches: &ArgMatches) -> Result<()> {
    for notebook in matches.get_many::<PathBuf>("notebooks").into_iter().flatten() {
        compiled(notebook, &parameters(matches)?)?;
        println!("{}: ok", notebook.display());
    }
    Ok(())
}

fn build(matches: &ArgMatches) -> Result<()> {
    let notebook = matches.get_one::<PathBuf>("notebook").context("no notebook given")?;
    let out = matches.get_one::<PathBuf>("out").context("no program named")?;
    let (program, _lock) = compiled(notebook, &parameters(matches)?)?;
    let mut folder = out.clone().into_os_string();
    folder.push(".lib");
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for library in libraries()? {
        put(&library, &folder.join(library.file_name().unwrap_or_default()))?;
    }
    put(&program, out)?;
    // A shell looks for a bare name on PATH only.
    let called = if out.components().count() == 1 { Path::new(".").join(out) } else { out.clone() };
    println!(
        "{0}\nOn another machine with libtorch 2.11 (CPU or CUDA), {0} and {1} side by side:\n  \
         LD_LIBRARY_PATH={1}:LIBTORCH/lib {2} [--set FIELD=VALUE] [--out FOLDER]",
        out.display(),
        folder.display(),
        called.display()
    );
    Ok(())
}

// Written beside its place, then moved there.
fn put(from: &Path, to: &Path) -> Result<()> {
    let mut beside = to.as_os_str().to_owned();
    beside.push(".part");
    std::fs::copy(from, &beside).with_context(|| format!("writing {}", to.display()))?;
    std::fs::rename(&beside, to).with_context(|| format!("writing {}", to.display()))
}

// What a program needs beside libtorch and the system's own libraries.
fn libraries() -> Result<Vec<PathBuf>> {
    let triple = "x86_64-unknown-linux-gnu";
    let toolchain = std::fs::read_to_string(format!("{PREFIX}/front/toolchain"))
        .context("the image's note of its toolchain")?;
    let mut found =
        vec![PathBuf::from(format!("{PREFIX}/cells/target/{triple}/debug/deps/libstack.so"))];
    for (folder, prefix) in [
        (format!("{}/lib/rustlib/{triple}/lib", toolchain.trim()), "libstd-"),
        (format!("{PREFIX}/lib"), "lib"),
    ] {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("reading {folder}"))?;
        found.extend(entries.flatten().map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(prefix) && name.contains(".so")
        }));
    }
    Ok(found)
}

fn run(matches: &ArgMatches) -> Result<()> {
    let notebook = matches.get_one::<PathBuf>("notebook").context("no notebook given")?;
    std::fs::metadata(notebook).with_context(|| format!("reading {}", notebook.display()))?;
    let mut command = Command::new("/opt/jupyter/bin/python");
    command.arg("/lab/docker/notebook.py").arg(notebook);
    match matches.get_one::<PathBuf>("out") {
        Some(out) => {
            std::fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
            let out = out.canonicalize()?;
            let name = notebook.file_name().context("the notebook has no name")?;
            command.arg("--out").arg(out.join(name)).env("SOLVERGRAD_OUT", out);
        }
        None if matches.get_flag("in-place") => {
            command.arg("--in-place");
        }
        None => bail!("say where the results go: --out FOLDER, or --in-place"),
    }
    let given = std::env::var("SOLVERGRAD_CONFIG").unwrap_or_default();
    let mut fields: Map<String, Value> = match given.trim() {
        "" => Map::new(),
        text => serde_json::from_str(text).context("SOLVERGRAD_CONFIG, to which --set adds")?,
    };
    fields.extend(parameters(matches)?);
    command.env("SOLVERGRAD_CONFIG", Value::Object(fields).to_string());
    Err(command.exec()).context("starting python")
}

// As `solvergrad::config::take_command_line` reads them.
fn parameters(matches: &ArgMatches) -> Result<Map<String, Value>> {
    let mut fields = Map::new();
    for pair in matches.get_many::<String>("set").into_iter().flatten() {
        let Some((field, value)) = pair.split_once('=') else {
            bail!("--set {pair}: give FIELD=VALUE");
        };
        let text = || Value::String(value.to_owned());
        fields.insert(field.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| text()));
    }
    Ok(fields)
}

// The notebook's program, compiled: its path, and what keeps another build of it waiting.
//
// The folder is always the same one, since its path is part of what is compiled: the same cells give
// the same program, byte for byte, by which a sweep knows that it has done a run already.
fn compiled(notebook: &Path, parameters: &Map<String, Value>) -> Result<(PathBuf, File)> {
    let cells = cells(notebook)?;
    let program = Program::new(&cells, parameters)?;
    let name = notebook.file_stem().context("the notebook has no name")?.to_string_lossy();
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let crate_name = format!("program{name}");
    let folder = PathBuf::from(format!("{PREFIX}/cells/programs/{name}"));
    std::fs::create_dir_all(folder.join("src"))
        .with_context(|| format!("creating {}", folder.display()))?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock().context("waiting for another build of the notebook")?;
    Ok((compile(&folder, &crate_name, &program, notebook)?, lock))
}

fn compile(folder: &Path, name: &str, program: &Program, notebook: &Path) -> Result<PathBuf> {
    let dependencies = folder::dependencies()?.join("\n");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{dependencies}\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest)?;
    std::fs::write(folder.join("src/main.rs"), &program.source)?;
    let lock = std::fs::read("/lab/Cargo.lock").context("reading /lab/Cargo.lock")?;
    std::fs::write(folder.join("Cargo.lock"), lock)?;
    // The target directory of the cells: the same library, the same flags, nothing compiled twice.
    let target = format!("{PREFIX}/cells/target");
    let freshness = Command::new(format!("{PREFIX}/kernel/freshness.sh"))
        .args(["apply", &target])
        .status()
        .context("starting freshness.sh")?;
    if !freshness.success() {
        bail!("freshness.sh failed: {freshness}");
    }
    let output = Command::new("mold")
        .args(["-run", "cargo", "--offline", "rustc", "--message-format=json", "--"])
        // Cargo's own paths to the shared crates are relative to where it puts the program.
        .arg(format!("-Clink-arg=-Wl,-rpath,{target}/x86_64-unknown-linux-gnu/debug/deps"))
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target)
        .stderr(std::process::Stdio::piped())
        .output()
        .context("starting cargo")?;
    if output.status.success() {
        return Ok(PathBuf::from(target).join("x86_64-unknown-linux-gnu/debug").join(name));
    }
    let mut problems = String::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if message["message"]["level"] == "error" {
            let text = message["message"]["rendered"].as_str().unwrap_or_default();
            problems.push_str(&program.in_cells(text, notebook));
        }
    }
    if problems.is_empty() {
        problems = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    bail!("{} does not compile as a program\n{}", notebook.display(), problems.trim_end())
}

fn cells(path: &Path) -> Result<Vec<(usize, String)>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let parsed = nbformat::parse_notebook(&text);
    let notebook = match parsed.with_context(|| format!("{} is no notebook", path.display()))? {
        Notebook::V4(notebook) => notebook,
        Notebook::V4QuirksMode(quirks) => quirks.notebook().clone(),
        Notebook::Legacy(legacy) => nbformat::upgrade_legacy_notebook(legacy)?,
        _ => bail!("{} has an old format: save it in format 4", path.display()),
    };
    let cells = notebook.cells.iter().enumerate();
    let code = cells.filter_map(|(index, cell)| match cell {
        v4::Cell::Code { source, .. } => Some((index, source.concat())),
        _ => None,
    });
    Ok(code.collect())
}

/// The source of a notebook's program: the cells, in order, as the body of one `main`.
struct Program {
    source: String,
    /// For each line of the source: index of the cell and line within it.
    origin: Vec<Option<(usize, usize)>>,
}

impl Program {
    fn new(cells: &[(usize, String)], parameters: &Map<String, Value>) -> Result<Self> {
        let mut program = Self { source: String::new(), origin: Vec::new() };
        let parameters = format!("{:?}", Value::Object(parameters.clone()).to_string());
        program.add(
            &format!(
                "#![allow(unused, clippy::all)]\nuse solvergrad::prelude::*;\n\
                 fn main() {{\n\
                 if let Err(error) = cells() {{ eprintln!(\"Error: {{error}}\"); std::process::exit(1) }}\n}}\n\
                 fn cells() -> std::result::Result<(), Box<dyn std::error::Error>> {{\n\
                 solvergrad::config::take_command_line({parameters})?;"
            ),
            None,
        );
        for (index, code) in cells {
            if let Some(command) = code.lines().find(|line| line.trim().starts_with([':', '!'])) {
                bail!(
                    "cell {index} has `{command}`, a command of the kernel; a program has only the \
                     crates of the image: take the line out"
                );
            }
            program.add(&with_shown_result(code), Some(*index));
        }
        program.add("Ok(())\n}", None);
        Ok(program)
    }

    fn add(&mut self, code: &str, cell: Option<usize>) {
        for (number, line) in code.lines().enumerate() {
            let _ = writeln!(self.source, "{line}");
            self.origin.push(cell.map(|cell| (cell, number + 1)));
        }
    }

    // A compiler's message with places in the notebook instead of the program.
    fn in_cells(&self, text: &str, notebook: &Path) -> String {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("src/main.rs:") {
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let line: usize = after[..digits].parse().unwrap_or(0);
            let place = line.checked_sub(1).and_then(|line| *self.origin.get(line)?);
            match place {
                Some((cell, line)) => {
                    let _ =
                        write!(result, "{before}{} cell {cell}, line {line}", notebook.display());
                }
                None => {
                    let _ = write!(result, "{before}src/main.rs:{line}");
                }
            }
            rest = &after[digits..];
        }
        result + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_program_belong_to_cells() {
        let cells = [(1, "let x = 1;\nx + 1".to_owned()), (4, "x".to_owned())];
        let fields = Map::from_iter([("seed".to_owned(), Value::from(3))]);
        let program = Program::new(&cells, &fields).expect("a program");
        let line = |text: &str| program.source.lines().position(|line| line == text).unwrap_or(99);
        assert!(program.source.contains(r#"take_command_line("{\"seed\":3}")?;"#));
        assert_eq!(program.origin[line("solvergrad::show!(x + 1);")], Some((1, 2)));
        assert_eq!(program.origin[line("solvergrad::show!(x);")], Some((4, 1)));
        let number = line("solvergrad::show!(x);") + 1;
        let message = format!("error: no\n --> src/main.rs:{number}:7\n");
        let message = program.in_cells(&message, Path::new("a.ipynb"));
        assert_eq!(message, "error: no\n --> a.ipynb cell 4, line 1:7\n");
        let command = Program::new(&[(2, ":dep x".to_owned())], &Map::new()).err();
        assert!(command.is_some_and(|error| error.to_string().contains("cell 2 has `:dep x`")));
    }
}
