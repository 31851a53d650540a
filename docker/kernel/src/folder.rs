//! Each kernel's own folder, and the files of the image that kernels share.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// Where the image keeps everything compiled.
pub const PREFIX: &str = "/opt/solvergrad";

/// The library's sources: the mounted ones, or another checkout named by `SOLVERGRAD_CRATE`.
pub fn library() -> PathBuf {
    std::env::var_os("SOLVERGRAD_CRATE").map_or_else(|| "/lab/crate".into(), PathBuf::from)
}

/// A folder that belongs to this process, and is removed with it.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder, and removes those of kernels that were killed.
    pub fn new() -> Result<Self> {
        // SAFETY: getuid has no preconditions and cannot fail.
        let user = unsafe { libc::getuid() };
        let base = std::env::var_os("SOLVERGRAD_KERNELS")
            .map_or_else(|| PathBuf::from(format!("/var/tmp/solvergrad-{user}")), PathBuf::from);
        std::fs::create_dir_all(&base).with_context(|| format!("creating {}", base.display()))?;
        for entry in std::fs::read_dir(&base)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix("kernel-").and_then(|name| name.split('.').next());
            if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let own = format!("kernel-{}.{}", std::process::id(), &uuid::Uuid::new_v4().simple());
        let path = base.join(&own[..own.len() - 24]);
        std::fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The cells' process may still be writing its last file, and a compiler that has just started
        // makes the folder anew: gone is what stays away for a while.
        let mut away = 0;
        for _ in 0..40 {
            let _ = std::fs::remove_dir_all(&self.0);
            away = if self.0.exists() { 0 } else { away + 1 };
            if away == 6 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// Hash of everything that decides what the library compiles to: by content, since times differ
/// between checkouts.
pub fn library_digest() -> Result<String> {
    let root = library();
    let mut files = vec![root.join("Cargo.toml")];
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("reading {}", folder.display()))?.flatten() {
            let path = entry.path();
            // What editors leave beside a file is not part of the library.
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let name = file.strip_prefix(&root).unwrap_or(file);
        hash.update(format!("{} {}\n", name.display(), text.len()));
        hash.update(&text);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Notes the digest for the fronts, which need not read every file again.
pub fn note_digest(digest: &str) -> Result<()> {
    match std::env::var_os("EVCXR_TMPDIR") {
        Some(place) => write(&Path::new(&place).join("library"), digest),
        None => Ok(()),
    }
}

/// What the kernel noted before it asked for anything.
pub fn noted_digest() -> Option<String> {
    let place = std::env::var_os("EVCXR_TMPDIR")?;
    std::fs::read_to_string(Path::new(&place).join("library")).ok()
}

/// The crates every notebook starts with, as lines `name = ...` of a manifest.
pub fn dependencies() -> Result<Vec<String>> {
    let file = format!("{PREFIX}/kernel/dependencies.toml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
    let library = library().display().to_string();
    Ok(lines.map(|line| line.replace("\"/lab/crate\"", &format!("\"{library}\""))).collect())
}

/// Gives a folder what cargo needs to compile there: links to everything the image has compiled.
pub fn furnish(folder: &Path) -> Result<()> {
    let target = folder.join("target");
    if !target.join(".rustc_info.json").exists() {
        let cells = format!("{PREFIX}/cells");
        let _ = std::fs::copy(format!("{cells}/Cargo.lock"), folder.join("Cargo.lock"));
        let mut farm = Command::new(format!("{PREFIX}/kernel/farm.sh"));
        farm.arg(format!("{cells}/target")).arg(&target).args(["solvergrad|ctx", "copy"]);
        let incremental = "x86_64-unknown-linux-gnu/debug/incremental";
        let mut copy = Command::new("cp");
        copy.arg("-a")
            .arg(format!("{cells}/target/{incremental}"))
            .arg(target.join("x86_64-unknown-linux-gnu/debug/"));
        for mut command in [farm, copy] {
            unfronted(&mut command);
            let status = command.status().with_context(|| format!("starting {command:?}"))?;
            if !status.success() {
                bail!("{command:?} failed: {status}");
            }
        }
        // Cargo judges by time, and a checkout's times say nothing about its content.
        let mut command = Command::new(format!("{PREFIX}/kernel/freshness.sh"));
        command.arg("apply").arg(&target);
        unfronted(&mut command);
        command.status().context("starting freshness.sh")?;
    }
    Ok(())
}

/// The environment outside the fronts, as the kernel was started with.
pub fn unfronted(command: &mut Command) {
    for name in ["PATH", "CARGO_HOME"] {
        if let Some(value) = std::env::var_os(format!("SOLVERGRAD_{name}")) {
            command.env(name, value);
        }
    }
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension(format!("{}.part", std::process::id()));
    let mut file =
        std::fs::File::create(&beside).with_context(|| format!("creating {}", beside.display()))?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&beside, path).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_killed_kernels_are_removed_and_own_ones_at_the_end() {
        let base = tempfile::tempdir().expect("a temporary folder");
        // SAFETY: no other thread of the test reads the environment.
        unsafe { std::env::set_var("SOLVERGRAD_KERNELS", base.path()) };
        let (dead, alive) = ("kernel-4194305.dead", format!("kernel-{}.x", std::process::id()));
        for name in [dead, &alive] {
            std::fs::create_dir(base.path().join(name)).expect("a folder");
        }
        let own = Folder::new().expect("a folder").path().to_owned();
        assert!(!own.exists() && !base.path().join(dead).exists());
        assert!(base.path().join(alive).exists());
    }
}
