//! Files and folders that are either complete or absent.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};

/// Writes a file so that a reader, or a run after a crash, finds the old content or all of the new
/// one: `write` fills a file beside it, which is then synced and renamed. Parent folders are
/// created; nothing is left behind on failure, and the next write removes what a killed process
/// left: at once if it was one of this machine, or container, else after a day.
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

/// The same for a folder that is not there yet: `fill` is given the path of an empty folder beside,
/// which then gets the name `path`. Where another process was faster, its folder stays.
///
/// # Errors
/// As [`write_atomically`].
pub(crate) fn make_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_folder_named(parent, path, |beside| Ok((path.to_path_buf(), fill(beside)?)))
}

/// The same where only the content says what its name is: `fill` gives the path it shall have in
/// `parent`, and what to return.
pub(crate) fn make_folder_named<T>(
    parent: &Path,
    for_now: &Path,
    fill: impl FnOnce(&Path) -> Result<(PathBuf, T)>,
) -> Result<T> {
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    remove_orphans(parent, for_now);
    let beside = Beside(parent.join(name_beside(for_now, std::process::id())));
    fs::create_dir(&beside.0).map_err(Error::io("create", &beside.0))?;
    let (path, answer) = fill(&beside.0)?;
    match fs::rename(&beside.0, &path) {
        Err(_) if path.is_dir() => {}
        renamed => renamed.map_err(Error::io("create", &path))?,
    }
    let _ = File::open(parent).and_then(|folder| folder.sync_all());
    Ok(answer)
}

/// Where numbers of processes mean something: several machines, or containers, may share a folder.
static PLACE: LazyLock<String> = LazyLock::new(|| {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let text = format!("{}{}", boot.trim(), space.to_string_lossy());
    text.chars().filter(char::is_ascii_alphanumeric).collect()
});

/// How old a file of another place has to be to be one that nobody writes any more.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

fn name_beside(path: &Path, process: u32) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}{}.{process}.{count}.tmp", prefix_beside(path), *PLACE)
}

fn prefix_beside(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

// Files beside `path` that nobody is writing.
fn remove_orphans(folder: &Path, path: &Path) {
    let prefix = prefix_beside(path);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let parts = name
            .to_str()
            .and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".tmp"))
            .map(|parts| parts.split('.').collect::<Vec<_>>());
        let abandoned = match parts.as_deref() {
            Some([place, process, _]) if *place == *PLACE => process
                .parse::<u32>()
                .is_ok_and(|process| !Path::new("/proc").join(process.to_string()).exists()),
            Some([_, process, _]) if process.parse::<u32>().is_ok() => {
                let changed = entry.metadata().and_then(|metadata| metadata.modified());
                changed.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED))
            }
            _ => false,
        };
        if abandoned {
            remove(&entry.path());
        }
    }
}

struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // After the rename there is nothing left to remove.
        remove(&self.0);
    }
}

// A file or a folder, if it is there: another process may have been faster.
fn remove(path: &Path) {
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::SystemTime;

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
        let [elsewhere, abandoned] =
            ["other", "lost"].map(|place| folder.path().join(format!(".file.txt.{place}.7.0.tmp")));
        for left in [&orphan, &own, &elsewhere, &abandoned] {
            fs::write(left, "half").map_err(Error::io("write", left))?;
        }
        let days_ago = SystemTime::now() - 2 * ABANDONED;
        let file = File::options().write(true).open(&abandoned);
        file.and_then(|file| file.set_modified(days_ago))
            .map_err(Error::io("write", &abandoned))?;
        write_atomically(&path, |_| Ok(()))?;
        assert!(!orphan.exists() && own.exists() && path.exists());
        // Another machine may be writing the same: only time tells.
        assert!(elsewhere.exists() && !abandoned.exists());
        Ok(())
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() -> Result<()> {
        let folder = tempfile::tempdir().map_err(Error::io("create", "temporary folder"))?;
        let path = folder.path().join("a/set");
        let failed = make_folder(&path, |beside| {
            fs::write(beside.join("half"), "").map_err(Error::io("write", beside))?;
            Err(Error::parameter("x", 1, "2"))
        });
        assert!(failed.is_err() && fs::read_dir(folder.path().join("a")).unwrap().count() == 0);
        for content in ["first", "second"] {
            make_folder(&path, |beside| {
                let file = beside.join("file");
                fs::write(&file, content).map_err(Error::io("write", &file))
            })?;
            // The folder that is there stays.
            assert_eq!(fs::read_to_string(path.join("file")).ok().as_deref(), Some("first"));
        }
        assert_eq!(fs::read_dir(folder.path().join("a")).map(Iterator::count).ok(), Some(1));
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
