//! The computer, its storage and the data on it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::Entry;
use crate::data::{FileStatus, ImageSet, data_folder, verify};
use crate::{Error, device};

/// Training, a notebook and its compiler together stay below this many bytes.
const ENOUGH_MEMORY: u64 = 4 << 30;

pub(super) fn entries() -> Vec<Entry> {
    let folder = data_folder();
    let mut entries = vec![chosen_device(), threads(), memory(), writable(&folder)];
    entries.extend(ImageSet::ALL.map(|set| data_set(set, &folder)));
    entries
}

fn chosen_device() -> Entry {
    match device::device() {
        Ok(_) => Entry::ok("device", device::describe()),
        Err(error) => Entry::problem(
            "device",
            error.to_string(),
            "unset SOLVERGRAD_DEVICE to compute on the CPU, or start the CUDA image with a GPU",
        ),
    }
}

fn threads() -> Entry {
    let (torch, rayon) = (tch::get_num_threads(), rayon::current_num_threads());
    Entry::ok("threads", format!("libtorch {torch}, solvers {rayon}"))
}

fn memory() -> Entry {
    const NAME: &str = "memory available";
    let Some(bytes) = available_memory() else {
        return Entry::ok(NAME, "unknown");
    };
    let value = format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64);
    if bytes < ENOUGH_MEMORY {
        let cure = "4 GiB are recommended: stop other programs or raise the container's limit";
        Entry::warning(NAME, value, cure)
    } else {
        Entry::ok(NAME, value)
    }
}

/// Bytes that programs may still take, bounded by what the limit of the container leaves.
pub(crate) fn available_memory() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024;
    let cgroup = |file: &str| {
        let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let left = cgroup("memory.max")
        .map(|limit| limit.saturating_sub(cgroup("memory.current").unwrap_or_default()));
    Some(left.map_or(available, |left| left.min(available)))
}

fn writable(folder: &Path) -> Entry {
    const NAME: &str = "data folder";
    match try_write(folder) {
        Ok(()) => Entry::ok(NAME, format!("{} is writable", folder.display())),
        Err(error) => {
            let cure = "mount it writable for this user, or set SOLVERGRAD_DATA to another folder";
            Entry::problem(NAME, format!("{} is not writable: {error}", folder.display()), cure)
        }
    }
}

/// Creates and removes a file in `folder`, or in the nearest parent where it would be created.
fn try_write(folder: &Path) -> io::Result<()> {
    let existing = folder
        .ancestors()
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("/"));
    let test = existing.join(format!(".solvergrad-doctor-{}", std::process::id()));
    File::create(&test)?;
    fs::remove_file(&test)
}

fn data_set(set: ImageSet, folder: &Path) -> Entry {
    let files = match verify(set, folder) {
        Ok(files) => files,
        Err(error) => {
            return Entry::problem(set.name(), error.to_string(), "make it readable for this user");
        }
    };
    if files.iter().all(FileStatus::is_intact) {
        let place = files[0].path.as_deref().and_then(Path::parent).unwrap_or(folder);
        return Entry::ok(set.name(), format!("present and intact in {}", place.display()));
    }
    let damaged = files.iter().filter(|file| file.is_present()).find_map(|file| {
        let path = file.path.as_deref()?.display();
        Some(format!("{path}: {}", file.problem.as_deref()?))
    });
    if let Some(damage) = damaged {
        return Entry::problem(set.name(), damage, "delete the file and get it again");
    }
    let cure = match set.missing(folder) {
        Error::MissingData { cure, .. } => cure,
        error => error.to_string(),
    };
    let value = format!("not present in {}", folder.join(set.name()).display());
    if set == ImageSet::default() {
        Entry::problem(set.name(), value, cure)
    } else {
        Entry::warning(set.name(), format!("{value} (optional)"), cure)
    }
}
