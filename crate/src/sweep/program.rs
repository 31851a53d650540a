//! The program of a sweep: made from the notebook, known by its hash, asked for its configuration.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::record::{self, make_folder_named};
use crate::{Error, Result};

/// A compiled notebook with its libraries beside it, in a folder named by its hash.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub path: PathBuf,
    pub hash: String,
    // For messages: the notebook it was made of, where that is known.
    name: String,
}

/// A program only has to read its configuration.
const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "program";
/// Beside a program: hashes and sizes of its libraries, which are too large to be read for each run.
const LIBRARIES: &str = "libraries.json";

impl Program {
    /// Compiles `notebook` and has `accept` look at the program; only then it gets a place in
    /// `programs`, where it never changes. A notebook and a library that did not change give the very
    /// same files, and with them the same hash and place.
    pub fn build<T>(
        notebook: &Path,
        programs: &Path,
        accept: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<(Self, T)> {
        fs::metadata(notebook).map_err(Error::io("read", notebook))?;
        make_folder_named(programs, Path::new("new"), |folder| {
            let path = folder.join(NAME);
            compile(notebook, &path)?;
            record::write_atomically(&folder.join(LIBRARIES), |file| {
                Ok(serde_json::to_writer(file, &libraries_of(&path)?)?)
            })?;
            let name = notebook.display().to_string();
            let program = Self { hash: hash_of(&path)?, path, name };
            let answer = accept(&program)?;
            let place = folder_of(programs, &program.hash);
            let program = Self { path: place.join(NAME), ..program };
            Ok((place, (program, answer)))
        })
    }

    /// The program of this hash in `programs`.
    ///
    /// # Errors
    /// [`Error::Configuration`] where it is not there, or is not what its name says.
    pub fn open(programs: &Path, hash: &str) -> Result<Self> {
        let path = folder_of(programs, hash).join(NAME);
        let wrong = |problem: String| Error::Configuration {
            variable: path.display().to_string(),
            problem: format!(
                "the sweep was made with a program of hash {hash:.16}, {problem}; start the sweep again"
            ),
        };
        if !path.exists() {
            return Err(wrong("which is not there".into()));
        }
        let found = hash_of(&path)?;
        if found != hash {
            return Err(wrong(format!("and this one has {found:.16}")));
        }
        Ok(Self { name: path.display().to_string(), path, hash: found })
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
        libraries_beside(&self.path)
    }
}

/// Where the program of a hash is.
pub(super) fn folder_of(programs: &Path, hash: &str) -> PathBuf {
    programs.join(hash.get(..16).unwrap_or(hash))
}

fn compile(notebook: &Path, path: &Path) -> Result<()> {
    let failed = |problem: String| Error::Program {
        program: format!("solvergrad notebook build {}", notebook.display()),
        problem,
        cure: "the cells have to compile as a program (see `solvergrad notebook check`), and the \
               disk must have room for the program",
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
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

fn libraries_beside(program: &Path) -> PathBuf {
    let mut folder = program.to_path_buf().into_os_string();
    folder.push(".lib");
    folder.into()
}

// Name, size and hash of each library.
type Libraries = BTreeMap<String, (u64, String)>;

fn libraries_of(program: &Path) -> Result<Libraries> {
    let sized = sizes_of(&libraries_beside(program))?;
    let hashed = sized.into_iter().map(|(path, name, size)| {
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        Ok((name, (size, hex(&Sha256::digest(bytes)))))
    });
    hashed.collect()
}

fn sizes_of(folder: &Path) -> Result<Vec<(PathBuf, String, u64)>> {
    let entries = fs::read_dir(folder).map_err(Error::io("read", folder))?.flatten();
    let sized = entries.map(|entry| {
        let size = entry.metadata().map_err(Error::io("read", entry.path()))?.len();
        Ok((entry.path(), entry.file_name().to_string_lossy().into_owned(), size))
    });
    sized.collect()
}

/// SHA-256 of the program's bytes and of what is noted of its libraries, in hexadecimal.
pub(super) fn hash_of(path: &Path) -> Result<String> {
    let noted = path.with_file_name(LIBRARIES);
    let text = fs::read_to_string(&noted).map_err(Error::io("read", &noted))?;
    let libraries: Libraries = serde_json::from_str(&text)?;
    let mut hash = Sha256::new();
    hash.update(fs::read(path).map_err(Error::io("read", path))?);
    hash.update(text);
    // A library of another size is another one, whatever was noted.
    for (_, name, size) in sizes_of(&libraries_beside(path))? {
        if libraries.get(&name).is_none_or(|(noted, _)| *noted != size) {
            hash.update(format!("{name} {size}"));
        }
    }
    Ok(hex(&hash.finalize()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
