//! Fronts of the Rust tools, first on the kernel's PATH.
//!
//! evcxr and rust-analyzer ask `cargo` for every cell and several times at start; nearly always the
//! answer is known. A front notes the compiler's command line of the cell crate and the answers of
//! read-only questions, keyed by the manifest and by the content of the library, and falls back to
//! the real tool for everything else. What it notes is kept in the kernel's folder; what the image
//! noted when it was built ([`crate::session::warm`]) is looked up first.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::folder::{self, PREFIX};

/// Stands for the kernel's folder in what is noted.
const HERE: &str = "{kernel}";

/// Libraries without symbols in place of libtorch's, whose hundred thousand no cell names itself:
/// the linker need not read them (`docker/kernel/warm.sh`).
const LINKED: &str = "/opt/solvergrad/link";

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

// A build or check of the cell crate: by the noted command line where manifest and library are the
// ones it was noted for.
fn build(verb: &str, arguments: &[OsString]) -> Result<ExitCode> {
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

// evcxr's store of variables stands in every cell; the library has it compiled. No line moves.
fn with_compiled_store(source: String) -> String {
    let (start, end) =
        ("pub struct VariableStore {", "Box::into_raw(Box::new(VariableStore::new()))\n}");
    let Some(from) = source.find(start) else { return source };
    let Some(length) = source[from..].find(end).map(|at| at + end.len()) else { return source };
    let (before, rest) = source.split_at(from);
    let (store, after) = rest.split_at(length);
    let lines = "\n".repeat(store.matches('\n').count());
    format!(
        "{before}pub use ::solvergrad::cell::{{VariableStore, create_variable_store}};{lines}{after}"
    )
}

// Every cell takes all variables out of the store and puts them back. Those it does not name may
// stay: they need not be compiled. Whether they still have their type is asked as before.
fn with_used_variables(source: &str) -> String {
    let handed = |line: &str| -> Option<String> {
        let call = line.split_once("evcxr_variable_store.")?.1;
        if !call.starts_with("take_variable::") && !call.starts_with("put_variable::") {
            return None;
        }
        let name = call.rsplit_once("(stringify!(")?.1.split(')').next()?;
        Some(name.to_owned())
    };
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let generated = |line: &&str| line.contains("(stringify!(") && line.contains("variable_store");
    let own = source.lines().filter(|line| !generated(line));
    let named: HashSet<&str> = own.flat_map(|line| line.split(|c| !is_part(c))).collect();
    let taken: HashSet<String> =
        source.lines().filter(|line| line.contains("take_variable::")).filter_map(handed).collect();
    let mut result = String::with_capacity(source.len());
    for line in source.lines() {
        // A new variable is put, but not taken.
        let rests = handed(line).is_some_and(|name| {
            taken.contains(&name) && !named.contains(name.trim_start_matches("r#"))
        });
        if !rests {
            result.push_str(line);
        }
        result.push('\n');
    }
    result
}

// evcxr's error type, taught to report the place of the `?` and the type of the error. No line moves.
fn with_places(source: &str) -> String {
    let mark = std::env::var("SOLVERGRAD_MARK").unwrap_or_default();
    let report = format!(
        "#[track_caller] fn from(error: T) -> Self {{ eprint!(\"\\0failed {mark}\\n{{}}\\n{{}}\\n{{}}\\0\", \
         std::panic::Location::caller().line(), std::any::type_name::<T>(), error); if false {{"
    );
    match source.split_once("fn from(error: T) -> Self {") {
        Some((before, after)) => {
            let after = after.replacen("eprintln!(\"{}\", error);", "}", 1);
            format!("{before}{report}{after}")
        }
        None => source.to_owned(),
    }
}

// Questions whose answer depends on nothing but the manifest and the tools.
fn is_question(words: &[&str]) -> bool {
    words.iter().any(|word| ["metadata", "--print", "config", "--version", "-V"].contains(word))
}

fn answer(words: &[&str]) -> Result<ExitCode> {
    let place = words.windows(2).find(|pair| pair[0] == "--manifest-path").map(|pair| pair[1]);
    let manifest = place.map_or_else(|| PathBuf::from("Cargo.toml"), PathBuf::from);
    let text = std::fs::read_to_string(&manifest).unwrap_or_default();
    let standard = manifest.starts_with(STANDARD);
    if words.contains(&"metadata") && standard && !knows_library() {
        println!("{}", without_packages());
        return Ok(ExitCode::SUCCESS);
    }
    let name = format!("{}.answer", key(&text, &hidden(&words.join("\n"))));
    if let Some(text) = noted(&name) {
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let real = toolchain()?.join("lib/rustlib/src/rust/library").display().to_string();
    let arguments: Vec<OsString> =
        words.iter().map(|word| word.replace(STANDARD, &real).into()).collect();
    let mut command = real_cargo(&arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting cargo")?;
    let mut text = String::new();
    child.stdout.take().context("no stdout")?.read_to_string(&mut text)?;
    if !child.wait()?.success() {
        print!("{text}");
        return Ok(ExitCode::from(101));
    }
    if words.contains(&"metadata") {
        text = trimmed(&text).context("in the answer of cargo metadata")?;
    }
    if standard {
        text = text.replace(&real, STANDARD);
    }
    folder::write(&note_path(&name)?, &hidden(&text))?;
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

// evcxr begins with a cell that needs nothing, for which rust-analyzer would read the standard
// library, and read it again with the crates that every notebook has.
fn knows_library() -> bool {
    let manifest = std::fs::read_to_string(Path::new(&here()).join("Cargo.toml"));
    manifest.is_ok_and(|text| text.contains("\nsolvergrad = "))
}

fn without_packages() -> Value {
    json!({
        "packages": [], "workspace_members": [], "workspace_default_members": [],
        "resolve": {"nodes": [], "root": null}, "target_directory": "/", "workspace_root": "/",
        "version": 1, "metadata": null,
    })
}

// What rust-analyzer is shown: the crates that a cell names, those that they name, and the parts
// polars is made of as far as its interface is written in them. The rest is hundreds of crates
// whose sources it would read for nothing. Of the standard library, what a program can name.
fn trimmed(text: &str) -> Result<String> {
    let mut metadata: Value = serde_json::from_str(text)?;
    let root = metadata["workspace_members"][0].as_str().unwrap_or_default().to_owned();
    let nodes = metadata["resolve"]["nodes"].as_array().cloned().unwrap_or_default();
    let name_of = |id: &str| -> String {
        let tail = id.rsplit(['#', '/']).next().unwrap_or_default();
        tail.split('@').next().unwrap_or_default().to_owned()
    };
    let needs = |id: &str| -> Vec<String> {
        let node = nodes.iter().find(|node| node["id"] == id);
        let deps = node.and_then(|node| node["deps"].as_array()).cloned().unwrap_or_default();
        let plain = |dep: &&Value| {
            let kinds = dep["dep_kinds"].as_array();
            kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
        };
        deps.iter().filter(plain).filter_map(|dep| Some(dep["pkg"].as_str()?.to_owned())).collect()
    };
    let mut kept = Vec::new();
    let mut queue = Vec::new();
    if root.contains("#ctx@") {
        kept.push(root.clone());
        queue.push((root, 0));
    } else {
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let root = Path::new(STANDARD);
        let known = |name: &Value| name.as_str().is_some_and(|name| root.join(name).exists());
        let named = packages.filter(|package| known(&package["name"]));
        kept.extend(named.filter_map(|package| package["id"].as_str()).map(str::to_owned));
    }
    while let Some((id, depth)) = queue.pop() {
        for need in needs(&id) {
            let name = name_of(&need);
            let part = name.starts_with("polars-") && !HIDDEN_PARTS.contains(&name.as_str());
            let open = part || (depth < 2 && !name.starts_with("polars-") && name != "reqwest");
            if open && !kept.contains(&need) {
                kept.push(need.clone());
                queue.push((need, if part { 2 } else { depth + 1 }));
            }
        }
    }
    let keep = |id: &Value| id.as_str().is_some_and(|id| kept.iter().any(|kept| kept == id));
    if let Some(packages) = metadata["packages"].as_array_mut() {
        packages.retain(|package| keep(&package["id"]));
    }
    for members in ["workspace_members", "workspace_default_members"] {
        if let Some(members) = metadata[members].as_array_mut() {
            members.retain(&keep);
        }
    }
    if let Some(nodes) = metadata["resolve"]["nodes"].as_array_mut() {
        nodes.retain(|node| keep(&node["id"]));
        for node in nodes {
            if let Some(deps) = node["deps"].as_array_mut() {
                deps.retain(|dep| keep(&dep["pkg"]));
            }
            if let Some(names) = node["dependencies"].as_array_mut() {
                names.retain(&keep);
            }
        }
    }
    Ok(metadata.to_string())
}

// Engines of polars: no type of theirs stands in what a notebook writes.
const HIDDEN_PARTS: [&str; 10] = [
    "polars-async",
    "polars-expr",
    "polars-mem-engine",
    "polars-ooc",
    "polars-parquet",
    "polars-parquet-format",
    "polars-arrow-format",
    "polars-row",
    "polars-sql",
    "polars-stream",
];

// Whether evcxr asks if the dependencies that every kernel starts with exist.
fn is_validation() -> Result<bool> {
    let text = std::fs::read_to_string("Cargo.toml").unwrap_or_default();
    let Some((_, wanted)) = text.split_once("evcxr_dummy_validate_dep") else {
        return Ok(false);
    };
    let Some((_, wanted)) = wanted.split_once("[dependencies]") else {
        return Ok(false);
    };
    let known = folder::dependencies()?;
    Ok(known.iter().any(|known| without_comment(wanted).trim() == known.trim()))
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

fn key(manifest: &str, more: &str) -> String {
    let text = format!("{}\n{more}", hidden(&without_comment(manifest)));
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

// An edit of the library is told to rust-analyzer by a comment in the manifest.
fn without_comment(manifest: &str) -> String {
    let lines = manifest.lines().map(|line| line.split(" # edit").next().unwrap_or_default());
    // evcxr lists the dependencies in no fixed order.
    let mut lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    if let Some(start) = lines.iter().position(|line| *line == "[dependencies]") {
        lines[start..].sort_unstable();
    }
    lines.join("\n")
}

fn here() -> String {
    std::env::var("EVCXR_TMPDIR").unwrap_or_default()
}

fn hidden(text: &str) -> String {
    let here = here();
    if here.is_empty() { text.to_owned() } else { text.replace(&here, HERE) }
}

fn noted(name: &str) -> Option<String> {
    let own = note_path(name).ok()?;
    let places = [own, Path::new(PREFIX).join("front/notes").join(name)];
    let text = places.iter().find_map(|place| std::fs::read_to_string(place).ok())?;
    Some(text.replace(HERE, &here()))
}

fn note_path(name: &str) -> Result<PathBuf> {
    let folder = Path::new(&here()).join("notes");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join(name))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_takes_only_the_variables_it_names() {
        let source = "fn run() {\n\
            vars_ok &= evcxr_variable_store.check_variable::<i32>(stringify!(a));\n\
            let mut a = evcxr_variable_store.take_variable::<i32>(stringify!(a));\n\
            let b = evcxr_variable_store.take_variable::<Vec<u8>>(stringify!(b));\n\
            println!(\"{b:?}\");\nlet c = 1;\n\
            evcxr_variable_store.put_variable::<i32>(stringify!(a), a);\n\
            evcxr_variable_store.put_variable::<Vec<u8>>(stringify!(b), b);\n\
            evcxr_variable_store.put_variable::<i32>(stringify!(c), c);\n}\n";
        let kept = with_used_variables(source);
        assert_eq!(kept.lines().count(), source.lines().count());
        let count = |text: &str| kept.matches(text).count();
        assert_eq!((count("(a)"), count("(b)"), count("(c)")), (1, 2, 1));
        assert!(kept.contains("check_variable::<i32>(stringify!(a))"));
    }

    #[test]
    fn the_store_comes_from_the_library_and_no_line_moves() {
        let source = "mod m {\npub struct VariableStore {\n}\n\
            pub fn create_variable_store() {\n\
            \x20   Box::into_raw(Box::new(VariableStore::new()))\n}\n}\nfn last() {}\n";
        let short = with_compiled_store(source.to_owned());
        assert_eq!(short.lines().count(), source.lines().count());
        assert!(short.contains("solvergrad::cell") && !short.contains("into_raw"), "{short}");
    }
}
