//! The programs and libraries.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tch::Tensor;

use super::Entry;
use crate::gradient::{Identity, SolverLayer};
use crate::solver::KSubset;

/// What only the image has.
const IMAGE: &str = "/opt/solvergrad";

/// The libtorch that tch is made for.
const LIBTORCH: &str = "2.11.0";

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::ok("solvergrad", env!("CARGO_PKG_VERSION")),
        program("rustc", "rustc"),
        program("cargo", "cargo"),
        library("tch"),
        libtorch(),
        computes(),
        library("polars"),
        library("plotly"),
        program("kernel", "solvergrad-kernel"),
        jupyter(),
        folder("kernel spec", "/opt/jupyter/share/jupyter/kernels/solvergrad"),
        folder("warm build", "/opt/solvergrad/cells/target"),
        program("figure export", "chromium-headless-shell"),
        program("figure vectors", "rsvg-convert"),
    ]
}

/// A part that only the image has: a problem where this is the image, else worth a warning.
fn missing(name: &str, value: String) -> Entry {
    if Path::new(IMAGE).exists() {
        Entry::problem(name, value, "the image is damaged: build it again")
    } else {
        Entry::warning(name, value, "run inside the image of this repository, which has it")
    }
}

fn program(name: &str, program: &str) -> Entry {
    // Libraries meant for this process, such as libtorch's, must not reach a browser.
    let output = Command::new(program)
        .arg("--version")
        .env_remove("LD_LIBRARY_PATH")
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            Entry::ok(name, text.trim().trim_start_matches(name).trim_start())
        }
        Ok(output) => missing(name, format!("{program} fails: {}", output.status)),
        Err(error) => missing(name, format!("{program} cannot be run: {error}")),
    }
}

/// What decides about numbers.
pub(super) fn versions() -> Vec<Entry> {
    vec![Entry::ok("solvergrad", env!("CARGO_PKG_VERSION")), library("tch"), libtorch()]
}

/// The version of a crate this binary was built with.
fn library(name: &str) -> Entry {
    let lock = include_str!("../../../Cargo.lock");
    let version = lock
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split('"').next());
    Entry::ok(name, version.unwrap_or("unknown"))
}

fn libtorch() -> Entry {
    const HEADERS: [&str; 2] =
        ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"];
    // No C function tells the version, and the CPU part of the wheel has no Python files.
    let root =
        env::var_os("LIBTORCH").map_or_else(|| PathBuf::from("/opt/libtorch"), PathBuf::from);
    let version = HEADERS.iter().find_map(|header| {
        version_in_header(&fs::read_to_string(root.join("include").join(header)).ok()?)
    });
    match version {
        Some(version) if version == LIBTORCH => {
            Entry::ok("libtorch", format!("{version} in {}", root.display()))
        }
        Some(version) => Entry::problem(
            "libtorch",
            format!("{version} in {}; tch needs {LIBTORCH}", root.display()),
            "install that version, or build the image again",
        ),
        None => {
            missing("libtorch", format!("of unknown version: no headers in {}", root.display()))
        }
    }
}

fn version_in_header(header: &str) -> Option<String> {
    let part = |name: &str| {
        let (_, rest) = header.split_once(&format!("#define TORCH_VERSION_{name} "))?;
        rest.lines().next().map(str::trim)
    };
    Some(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?))
}

fn computes() -> Entry {
    const NAME: &str = "solver layer";
    const CURE: &str = "libtorch and tch do not fit together: build the image again";
    match layer_gradient() {
        Ok(gradient) if gradient == [-1.0, 0.0, 0.0, 0.0] => {
            Entry::ok(NAME, "computes forward and backward")
        }
        Ok(gradient) => {
            let value = format!("wrong gradient {gradient:?}; expected [-1, 0, 0, 0]");
            Entry::problem(NAME, value, CURE)
        }
        Err(error) => Entry::problem(NAME, error.to_string(), CURE),
    }
}

/// dL/dw of L = y(w)[0] by the identity rule, which is -1 at the first cost.
fn layer_gradient() -> crate::Result<Vec<f64>> {
    let costs = Tensor::f_from_slice(&[0.3, -1.0, 0.2, 0.9])?.f_set_requires_grad(true)?;
    let layer = SolverLayer::new(KSubset::new(4, 2)?, Identity);
    let solution = layer.forward(&costs)?;
    let loss = solution.f_dot(&Tensor::f_from_slice(&[1.0, 0.0, 0.0, 0.0])?)?;
    loss.f_backward()?;
    Ok(Vec::try_from(&costs.f_grad()?)?)
}

fn jupyter() -> Entry {
    let version = || {
        let python = fs::read_dir("/opt/jupyter/lib").ok()?.flatten().next()?.path();
        fs::read_dir(python.join("site-packages")).ok()?.flatten().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_prefix("jupyterlab-")?.strip_suffix(".dist-info")?.to_owned())
        })
    };
    match version() {
        Some(version) => Entry::ok("jupyterlab", version),
        None => missing("jupyterlab", "not in /opt/jupyter".to_owned()),
    }
}

fn folder(name: &str, folder: &str) -> Entry {
    if Path::new(folder).is_dir() {
        Entry::ok(name, folder)
    } else {
        missing(name, format!("{folder} is missing"))
    }
}
