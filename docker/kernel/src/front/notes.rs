//! The notes of the fronts: what they are keyed by, and where they are kept and looked up.

use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::folder::PREFIX;

/// Stands for the kernel's folder in what is noted.
const HERE: &str = "{kernel}";

pub(super) fn key(manifest: &str, more: &str) -> String {
    let text = format!("{}\n{more}", hidden(&without_comment(manifest)));
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

// An edit of the library is told to rust-analyzer by a comment in the manifest.
pub(super) fn without_comment(manifest: &str) -> String {
    let lines = manifest.lines().map(|line| line.split(" # edit").next().unwrap_or_default());
    // evcxr lists the dependencies in no fixed order.
    let mut lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    if let Some(start) = lines.iter().position(|line| *line == "[dependencies]") {
        lines[start..].sort_unstable();
    }
    lines.join("\n")
}

pub(super) fn here() -> String {
    std::env::var("EVCXR_TMPDIR").unwrap_or_default()
}

pub(super) fn hidden(text: &str) -> String {
    let here = here();
    if here.is_empty() { text.to_owned() } else { text.replace(&here, HERE) }
}

pub(super) fn noted(name: &str) -> Option<String> {
    let own = note_path(name).ok()?;
    let places = [own, Path::new(PREFIX).join("front/notes").join(name)];
    let text = places.iter().find_map(|place| std::fs::read_to_string(place).ok())?;
    Some(text.replace(HERE, &here()))
}

pub(super) fn note_path(name: &str) -> Result<PathBuf> {
    let folder = Path::new(&here()).join("notes");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join(name))
}
