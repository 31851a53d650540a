//! Whether the files of a data set are there and hold what was published.

use std::io::{Read, copy};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::idx::{open_decoded, read_error};
use super::{FileSpec, ImageSet};
use crate::{Error, Result};

/// What was found of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// Name without `.gz`.
    pub name: &'static str,
    /// Where it is; `None` if it is missing.
    pub path: Option<PathBuf>,
    /// What is wrong with it; `None` if size and checksum are right.
    pub problem: Option<String>,
}

impl FileStatus {
    /// Whether the file is there, right or wrong.
    pub fn is_present(&self) -> bool {
        self.path.is_some()
    }

    /// Whether the file is there and its checksum is right.
    pub fn is_intact(&self) -> bool {
        self.is_present() && self.problem.is_none()
    }
}

/// Compares each file that [`ImageSet::load`] would read with the published checksums.
///
/// What counts is the uncompressed content, so a file that was unpacked or packed again is right.
///
/// # Errors
/// [`Error::Io`] when a file is present but cannot be read.
pub fn verify(set: ImageSet, data_folder: &Path) -> Result<Vec<FileStatus>> {
    let located = set.locate(data_folder).map(|paths| paths.map(Some)).unwrap_or_else(|_| {
        let own = data_folder.join(set.name());
        set.files().each_ref().map(|file| file.find(&own))
    });
    set.files()
        .iter()
        .zip(located)
        .map(|(file, path)| {
            let problem = match &path {
                Some(path) => content_problem(file, path)?,
                None => Some("missing".to_owned()),
            };
            Ok(FileStatus { name: file.name, path, problem })
        })
        .collect()
}

/// What is wrong with the content of `path`, compressed or not.
pub(super) fn content_problem(file: &FileSpec, path: &Path) -> Result<Option<String>> {
    match content_digest(path, file.size() + 1) {
        Ok((size, _)) if size != file.size() => {
            Ok(Some(format!("its content is not {} bytes long", file.size())))
        }
        Ok((_, digest)) if digest != file.sha256 => {
            Ok(Some(format!("its content has SHA-256 {digest}; expected {}", file.sha256)))
        }
        Ok(_) => Ok(None),
        Err(Error::File { problem, .. }) => Ok(Some(problem)),
        Err(error) => Err(error),
    }
}

fn content_digest(path: &Path, limit: u64) -> Result<(u64, String)> {
    let mut content = open_decoded(path)?.take(limit);
    let mut hash = Sha256::new();
    let size = copy(&mut content, &mut hash).map_err(|error| read_error(error, path))?;
    Ok((size, hex(hash)))
}

/// The digest as lower-case hexadecimal digits.
pub(super) fn hex(hash: Sha256) -> String {
    format!("{:x}", hash.finalize())
}
