//! Read-only questions: asked of the real cargo once, noted, and cut down to what cells can name.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::notes::{here, hidden, key, note_path, noted, without_comment};
use super::{STANDARD, real_cargo, toolchain};
use crate::folder;

// Questions whose answer depends on nothing but the manifest and the tools.
pub(super) fn is_question(words: &[&str]) -> bool {
    words.iter().any(|word| ["metadata", "--print", "config", "--version", "-V"].contains(word))
}

pub(super) fn answer(words: &[&str]) -> Result<ExitCode> {
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
pub(super) fn is_validation() -> Result<bool> {
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
