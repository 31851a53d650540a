//! The program of a sweep: made from the notebook, known by its hash, asked for its configuration.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// A compiled notebook with its libraries beside it.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub path: PathBuf,
    pub hash: String,
    // For messages: the notebook it was made of, where that is known.
    name: String,
}

/// A program only has to read its configuration.
const PATIENCE: Duration = Duration::from_secs(60);

impl Program {
    /// Compiles `notebook` as `path`. A notebook and a library that did not change give the very same
    /// file, and with it the same hash.
    pub fn build(notebook: &Path, path: &Path) -> Result<Self> {
        fs::metadata(notebook).map_err(Error::io("read", notebook))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let failed = |problem: String| Error::Program {
            program: format!("solvergrad notebook build {}", notebook.display()),
            problem,
            cure: "the cells have to compile as a program: see `solvergrad notebook check`",
        };
        let output = Command::new("solvergrad-kernel")
            .args(["notebook", "build"])
            .arg(notebook)
            .arg("-o")
            .arg(path)
            // A notebook's own process is none of the kernel's other roles.
            .env_remove("EVCXR_IS_RUNTIME")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(format!("{error}: the image's kernel makes programs")))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Ok(Self { name: notebook.display().to_string(), ..Self::at(path)? })
    }

    /// The program at `path`.
    pub fn at(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        Ok(Self { path: path.to_path_buf(), hash: hash_of(path)?, name })
    }

    /// What the program makes of `parameters`: its whole configuration, defaults included. Nothing
    /// else of it runs.
    pub fn configuration(&self, parameters: &Map<String, Value>) -> Result<Map<String, Value>> {
        let wrong = |problem: String| Error::Configuration {
            variable: format!("the sweep's parameters of {}", self.name),
            problem,
        };
        let mut child = self
            .command(parameters)
            .arg("--check")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::io("start", &self.path))?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(Error::io("wait for", &self.path))? {
                break status;
            }
            if start.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                let cure =
                    "a sweep needs a notebook that reads `Overrides` in one of its first cells";
                return Err(wrong(format!("the program does not say what it takes; {cure}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let (mut answer, mut complaint) = (String::new(), String::new());
        if let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) {
            out.read_to_string(&mut answer).map_err(Error::io("read from", &self.path))?;
            err.read_to_string(&mut complaint).map_err(Error::io("read from", &self.path))?;
        }
        if !status.success() {
            let line = complaint.lines().last().unwrap_or("it says nothing");
            return Err(wrong(line.trim_start_matches("SOLVERGRAD_CONFIG: ").to_owned()));
        }
        let last = answer.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|_| {
            wrong(
                "the program has no configuration: a sweep needs a notebook that reads `Overrides`"
                    .to_owned(),
            )
        })
    }

    /// A call of the program with these parameters and nothing of the caller's own.
    pub fn command(&self, parameters: &Map<String, Value>) -> Command {
        let mut command = Command::new(&self.path);
        let libraries = [self.libraries(), PathBuf::from("/opt/libtorch/lib")];
        let known = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let all = libraries.into_iter().chain(std::env::split_paths(&known));
        if let Ok(paths) = std::env::join_paths(all) {
            command.env("LD_LIBRARY_PATH", paths);
        }
        command
            .env("SOLVERGRAD_CONFIG", Value::Object(parameters.clone()).to_string())
            .env_remove("EVCXR_IS_RUNTIME")
            .env_remove("SOLVERGRAD_MARK");
        command
    }

    fn libraries(&self) -> PathBuf {
        let mut folder = self.path.clone().into_os_string();
        folder.push(".lib");
        folder.into()
    }
}

/// SHA-256 of the program's bytes and of the names and sizes of the libraries beside it, in
/// hexadecimal. (Libraries are a hundred megabytes, read for each run.)
pub(super) fn hash_of(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(fs::read(path).map_err(Error::io("read", path))?);
    let mut folder = path.to_path_buf().into_os_string();
    folder.push(".lib");
    let mut libraries: Vec<String> = fs::read_dir(Path::new(&folder))
        .map_err(Error::io("read", Path::new(&folder)))?
        .flatten()
        .map(|entry| {
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            format!("{} {size}\n", entry.file_name().to_string_lossy())
        })
        .collect();
    libraries.sort();
    hash.update(libraries.concat());
    Ok(hex(&hash.finalize()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
