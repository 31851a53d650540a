//! Text files line by line, compressed or not, without holding more than a line.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::idx::open_decoded;
use crate::{Error, Result};

/// A line of a file of text.
#[derive(Debug)]
pub(super) struct Line<'a> {
    path: &'a Path,
    /// The first is 1.
    pub number: usize,
    /// With its `\n`, which only the last line of a file may lack.
    pub text: &'a str,
}

/// A line of a review or of an embedding has some kilobytes.
const LONGEST: u64 = 1 << 20;

const CURE: &str = "the file is damaged or of another set: get it again";

impl Line<'_> {
    /// What is wrong with this line.
    pub fn wrong(&self, problem: impl AsRef<str>) -> Error {
        wrong(self.path, self.number, problem.as_ref())
    }
}

fn wrong(path: &Path, number: usize, problem: &str) -> Error {
    let problem = format!("line {number} {problem}");
    Error::File { path: path.to_path_buf(), problem, cure: CURE.to_owned() }
}

/// Calls `body` with every line of `path`, in order; `\r\n` counts as `\n`.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::File`] with the number of the line where its
/// compressed data are broken, or where it is no text, [`Error::Interrupted`], and what `body` reports.
pub(super) fn each_line(path: &Path, mut body: impl FnMut(Line<'_>) -> Result<()>) -> Result<()> {
    let mut source = BufReader::with_capacity(1 << 16, open_decoded(path)?);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let mut line = (&mut source).take(LONGEST);
        let count = line.read_until(b'\n', &mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof => {
                wrong(path, number, &format!("is beyond what can be decompressed ({error})"))
            }
            _ => Error::io("read", path)(error),
        })?;
        if count == 0 {
            break;
        }
        if count as u64 == LONGEST {
            return Err(wrong(path, number, "is longer than a mebibyte"));
        }
        if bytes.ends_with(b"\r\n") {
            bytes.truncate(count - 2);
            bytes.push(b'\n');
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(wrong(path, number, "is no UTF-8 text"));
        };
        if number % 1024 == 0 {
            crate::interrupt::check("a data set was being read")?;
        }
        body(Line { path, number, text })?;
    }
    Ok(())
}
