//! Processes below the kernel, and the pipes to them.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};

use anyhow::{Context, Result};

pub(super) fn signal(process: i32, number: i32) {
    // SAFETY: kill has no memory preconditions.
    unsafe { libc::kill(process, number) };
}

// All processes below this one, but `except` and what is below that.
pub(super) fn descendants(except: Option<i32>) -> Vec<i32> {
    let mut parents: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let status = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name, in brackets, may hold anything; the parent is the second field after it.
        let parent = status.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse().ok()) {
            parents.entry(parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut queue = vec![std::process::id() as i32];
    while let Some(parent) = queue.pop() {
        for process in parents.get(&parent).into_iter().flatten() {
            if Some(*process) != except {
                found.push(*process);
                queue.push(*process);
            }
        }
    }
    found
}

pub(super) fn pipe() -> Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: pipe2 writes two ints; on success they belong to nobody else.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) < 0 {
            return Err(std::io::Error::last_os_error()).context("making a pipe");
        }
        Ok((File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])))
    }
}

pub(super) fn inheritable(file: &File) -> Result<()> {
    // SAFETY: fcntl on a descriptor that is open.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).context("passing on a pipe"),
    }
}
