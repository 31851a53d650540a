//! Files that are either complete or absent.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Writes a file so that a reader, or a run after a crash, finds the old content or all of the new
/// one: `write` fills a file beside it, which is then synced and renamed. Parent folders are
/// created; nothing is left behind on failure, and the next write removes what a killed process
/// left.
///
/// # Errors
/// [`Error::Io`] when the system refuses, and whatever `write` returns.
///
/// ```
/// use std::io::Write;
/// use solvergrad::{Error, record::write_atomically};
///
/// let path = std::env::temp_dir().join("solvergrad-example.txt");
/// write_atomically(&path, |file| {
///     file.write_all(b"all or nothing").map_err(Error::io("write", &path))
/// })?;
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), Error>(())
/// ```
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    replace_file(path, |beside| {
        let mut file = File::create(beside).map_err(Error::io("create", beside))?;
        write(&mut file)
    })
}

/// The same for a writer that opens the file itself: it is given the path of the file beside.
///
/// # Errors
/// As [`write_atomically`].
pub(crate) fn replace_file(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    remove_orphans(folder, path);
    let beside = Beside(folder.join(name_beside(path, std::process::id())));
    write(&beside.0)?;
    File::open(&beside.0).and_then(|file| file.sync_all()).map_err(Error::io("write", path))?;
    fs::rename(&beside.0, path).map_err(Error::io("write", path))?;
    // The rename itself survives a power cut only once the folder is synced; some file systems
    // cannot, and the file is good all the same.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn name_beside(path: &Path, process: u32) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}{process}.{count}.tmp", prefix_beside(path))
}

fn prefix_beside(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

// Files beside `path` whose process is gone.
fn remove_orphans(folder: &Path, path: &Path) {
    let prefix = prefix_beside(path);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".tmp")?.split_once('.'))
            .and_then(|(process, _)| process.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            // Another process may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
}

struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // After the rename there is nothing left to remove.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn creates_folders_and_replaces() -> Result<()> {
        let folder = tempfile::tempdir().map_err(Error::io("create", "temporary folder"))?;
        let path = folder.path().join("a/b/file.txt");
        for content in ["first", "second"] {
            write_atomically(&path, |file| {
                file.write_all(content.as_bytes()).map_err(Error::io("write", &path))
            })?;
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some(content));
        }
        assert_eq!(fs::read_dir(folder.path().join("a/b")).map(Iterator::count).ok(), Some(1));
        Ok(())
    }

    #[test]
    fn the_next_write_removes_what_a_killed_process_left() -> Result<()> {
        let folder = tempfile::tempdir().map_err(Error::io("create", "temporary folder"))?;
        let path = folder.path().join("file.txt");
        // No process has this number: the kernel's largest is 2^22.
        let orphan = folder.path().join(name_beside(&path, u32::MAX));
        let own = folder.path().join(name_beside(&path, std::process::id()));
        for left in [&orphan, &own] {
            fs::write(left, "half").map_err(Error::io("write", left))?;
        }
        write_atomically(&path, |_| Ok(()))?;
        assert!(!orphan.exists() && own.exists() && path.exists());
        Ok(())
    }

    #[test]
    fn a_failure_keeps_the_old_file_and_leaves_nothing() -> Result<()> {
        let folder = tempfile::tempdir().map_err(Error::io("create", "temporary folder"))?;
        let path = folder.path().join("file.txt");
        fs::write(&path, "old").map_err(Error::io("write", &path))?;
        let failed = write_atomically(&path, |file| {
            file.write_all(b"half").map_err(Error::io("write", &path))?;
            Err(Error::parameter("x", 1, "2"))
        });
        assert!(matches!(failed, Err(Error::Parameter { .. })));
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some("old"));
        assert_eq!(fs::read_dir(folder.path()).map(Iterator::count).ok(), Some(1));
        Ok(())
    }
}
