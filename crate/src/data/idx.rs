//! The IDX format of the MNIST family: two zero bytes, the type of the entries, the number of
//! axes, the length of each axis as a big-endian `u32`, and the entries, last axis fastest.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::{Error, Result};

/// Files that claim more than this many bytes are refused.
const LIMIT: u64 = 1 << 30;

/// Type code of unsigned bytes, the only one the data sets use.
const UNSIGNED_BYTE: u8 = 0x08;

const CURE: &str = "the file is damaged or is no IDX file: delete it and get it again";

/// The content of an IDX file of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Length of each axis, outermost first; all > 0.
    pub shape: Vec<usize>,
    /// The entries, last axis fastest.
    pub bytes: Vec<u8>,
}

/// Reads an IDX file of unsigned bytes, plain or compressed with gzip, whatever its name.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::File`] when it is not IDX, holds another
/// type than unsigned bytes, or has fewer or more bytes than its header says.
///
/// ```no_run
/// let labels = solvergrad::data::read_idx("data/mnist/t10k-labels-idx1-ubyte.gz".as_ref())?;
/// assert_eq!(labels.shape, [10_000]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn read_idx(path: &Path) -> Result<Idx> {
    let mut source = open_decoded(path)?;
    let magic = read_at_most(&mut source, 4, path)?;
    let [0, 0, kind, axes] = magic[..] else {
        return Err(damaged(path, format!("the first bytes are {magic:02x?}, not 00 00 08 ..")));
    };
    if kind != UNSIGNED_BYTE {
        return Err(damaged(path, format!("entries have type {kind:#04x}; expected 0x08, bytes")));
    }
    if !(1..=4).contains(&axes) {
        return Err(damaged(path, format!("the header claims {axes} axes; expected 1 to 4")));
    }
    let header = read_at_most(&mut source, 4 * u64::from(axes), path)?;
    let (lengths, rest) = header.as_chunks::<4>();
    if lengths.len() != usize::from(axes) || !rest.is_empty() {
        return Err(damaged(path, "the file ends within its header".to_owned()));
    }
    let lengths: Vec<u32> = lengths.iter().map(|length| u32::from_be_bytes(*length)).collect();
    let expected = lengths
        .iter()
        .try_fold(1_u64, |product, &length| product.checked_mul(u64::from(length)))
        .filter(|expected| (1..=LIMIT).contains(expected))
        .ok_or_else(|| {
            let problem = format!("the header claims shape {lengths:?}; expected 1 B to 1 GiB");
            damaged(path, problem)
        })?;
    // The buffer grows with the bytes that arrive, so a false header costs no memory.
    let bytes = read_at_most(&mut source, expected + 1, path)?;
    match bytes.len() as u64 {
        found if found < expected => Err(damaged(
            path,
            format!("the header promises {expected} bytes of entries, the file has {found}"),
        )),
        found if found > expected => Err(damaged(
            path,
            format!("the header promises {expected} bytes of entries, the file has more"),
        )),
        _ => {
            // Beyond the entries lies the checksum of compressed data; reading on compares it.
            io::copy(&mut source, &mut io::sink()).map_err(|error| read_error(error, path))?;
            Ok(Idx { shape: lengths.iter().map(|&length| length as usize).collect(), bytes })
        }
    }
}

/// The content of `path`, decompressed if it starts like gzip.
pub(super) fn open_decoded(path: &Path) -> Result<Box<dyn Read>> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let start = read_at_most(&mut file, 2, path)?;
    file.rewind().map_err(Error::io("read", path))?;
    let file = io::BufReader::new(file);
    Ok(if start == [0x1f, 0x8b] { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Reads up to `limit` bytes; fewer only where `source` ends, or where compressed data break off.
pub(super) fn read_at_most(source: &mut dyn Read, limit: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match source.take(limit).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(bytes),
        Err(error) => Err(read_error(error, path)),
    }
}

/// Tells damaged compressed data from a failure of the disk.
pub(super) fn read_error(error: io::Error, path: &Path) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            damaged(path, format!("its compressed data are broken ({error})"))
        }
        _ => Error::io("read", path)(error),
    }
}

fn damaged(path: &Path, problem: String) -> Error {
    Error::File { path: path.to_path_buf(), problem, cure: CURE.to_owned() }
}
