//! What comes before a session: the kernel's folder and environment, and the image's warming up.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use jupyter_protocol::messaging::{ExecuteRequest, JupyterMessage, ReplyStatus};

use super::Shared;
use super::evaluation::Evaluation;
use crate::folder::{self, Folder, PREFIX};
use crate::front::STANDARD;

/// Makes the kernel's folder and the environment that evcxr finds itself in. Called before any
/// thread is started.
pub fn prepare() -> Result<Folder> {
    let folder = Folder::new()?;
    environment(folder.path())?;
    Ok(folder)
}

fn environment(place: &Path) -> Result<()> {
    let old = |name: &str| std::env::var(name).unwrap_or_default();
    let toolchain = std::fs::read_to_string(format!("{PREFIX}/front/toolchain"))
        .context("the image's note of its toolchain")?;
    let triple = "x86_64-unknown-linux-gnu";
    let libraries = format!(
        "{PREFIX}/cells/target/{triple}/debug/deps:{}/lib/rustlib/{triple}/lib:{}",
        toolchain.trim(),
        old("LD_LIBRARY_PATH"),
    );
    let front = format!("{PREFIX}/front");
    let variables = [
        ("SOLVERGRAD_MARK", uuid::Uuid::new_v4().simple().to_string()),
        ("SOLVERGRAD_PATH", old("PATH")),
        ("SOLVERGRAD_CARGO_HOME", old("CARGO_HOME")),
        ("PATH", format!("{front}/bin:{}", old("PATH"))),
        ("CARGO_HOME", front),
        ("EVCXR_TMPDIR", place.display().to_string()),
        ("EVCXR_CONFIG_DIR", place.join("config").display().to_string()),
        ("LD_LIBRARY_PATH", libraries),
        ("RUST_SRC_PATH", STANDARD.to_owned()),
    ];
    for (name, value) in variables {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var(name, value) };
    }
    Ok(())
}

/// Runs through a kernel's start and first cells in the image's own folder, so that everything the
/// fronts are asked is noted there.
pub fn warm() -> Result<()> {
    let place = PathBuf::from(format!("{PREFIX}/cells"));
    environment(&place)?;
    let (public, mut published) = tokio::sync::mpsc::unbounded_channel();
    let shared = Arc::new(Shared::default());
    let mut evaluation = Evaluation::new(place.clone(), shared, public);
    evaluation.begin(|| false);
    for code in ["let x = Tensor::from(1.0);", "1 + 1", "x + y"] {
        let request = ExecuteRequest::new(code.to_owned());
        let message = JupyterMessage::new(request.clone(), None);
        let reply = evaluation.execute(&message, &request);
        if (reply.status == ReplyStatus::Ok) != (code != "x + y") {
            while let Ok(message) = published.try_recv() {
                eprintln!("{}", serde_json::to_string(&message.content).unwrap_or_default());
            }
            anyhow::bail!("`{code}` ended with {:?}: {:?}", reply.status, evaluation.broken);
        }
    }
    drop(evaluation);
    // The image's crates stay where they are; only the cell crate moves with each kernel.
    let notes = place.join("notes");
    for entry in std::fs::read_dir(&notes)?.flatten() {
        let text = std::fs::read_to_string(entry.path())?;
        let text = match entry.path().extension().is_some_and(|kind| kind == "plan") {
            true => text.replace("{kernel}/target", &format!("{PREFIX}/cells/target")),
            false => text,
        };
        folder::write(&Path::new(PREFIX).join("front/notes").join(entry.file_name()), &text)?;
    }
    std::fs::remove_dir_all(&notes)?;
    for rest in ["cells", "src", "config"] {
        let _ = std::fs::remove_dir_all(place.join(rest));
    }
    let _ = std::fs::remove_file(place.join("library"));
    Ok(())
}
