//! Arrays in numpy's `.npy` format.

use std::io::Read;
use std::path::Path;

use tch::{TchError, Tensor};

use crate::record::replace_file;
use crate::{Error, Result};

/// The array of a `.npy` file: C order, little-endian, real numbers (float16 to float64, int8 to
/// int64, uint8) or booleans.
///
/// Pickled arrays (of Python objects) run code when they are opened; they are refused. So is a file
/// whose length is not that of its array, such as one that was copied in part.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is no such array.
pub fn read_npy(path: &Path) -> Result<Tensor> {
    let wrong = |problem: String, cure: &str| Error::File {
        path: path.to_path_buf(),
        problem,
        cure: cure.to_owned(),
    };
    let save = "save it by `np.save(path, np.ascontiguousarray(array, dtype=\"<f8\"))`";
    let mut file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let bytes = file.metadata().map_err(Error::io("read", path))?.len();
    let header = header(&mut file)
        .ok_or_else(|| wrong("it does not begin as a .npy file of version 1".into(), save))?;
    // The type of a pickled array is `O`, object.
    let kind = field(&header, "descr").unwrap_or_default().trim_matches(['\'', '"', '|']);
    if kind == "O" {
        return Err(wrong(
            "it holds pickled Python objects, which would run code".into(),
            "convert it to a plain array in Python: `np.save(path, array.astype(float))`",
        ));
    }
    let size: u64 = match kind {
        "?" | "b1" | "i1" | "u1" | "<i1" | "<u1" => 1,
        "<f2" | "<i2" => 2,
        "<f4" | "<i4" => 4,
        "<f8" | "<i8" => 8,
        kind => return Err(wrong(format!("its numbers are of type {kind:?}"), save)),
    };
    let sides = field(&header, "shape").and_then(|shape| {
        let sides = shape.strip_prefix('(')?.split(',').map(str::trim);
        sides.filter(|side| !side.is_empty()).map(|side| side.parse::<u64>().ok()).collect()
    });
    let sides: Vec<u64> = sides.ok_or_else(|| wrong("its shape cannot be read".into(), save))?;
    let expected = sides.iter().try_fold(size, |size, &side| size.checked_mul(side));
    let start = 10 + header.len() as u64;
    if sides.contains(&0) || expected.and_then(|size| size.checked_add(start)) != Some(bytes) {
        let problem = format!(
            "an array of shape {sides:?} does not take the {} bytes behind its header",
            bytes.saturating_sub(start)
        );
        return Err(wrong(problem, "copy the file again, or save it again where it was made"));
    }
    Tensor::read_npy(path).map_err(|error| match error {
        TchError::Io(error) => Error::io("read", path)(error),
        error => {
            let problem = error.to_string();
            let problem = problem.lines().next().unwrap_or_default().to_owned();
            wrong(format!("it is not an array of numbers in C order ({problem})"), save)
        }
    })
}

/// The text of the header: a dictionary of Python.
fn header(file: &mut std::fs::File) -> Option<String> {
    let mut start = [0; 10];
    file.read_exact(&mut start).ok()?;
    if start[..8] != *b"\x93NUMPY\x01\x00" {
        return None;
    }
    let mut text = vec![0; u16::from_le_bytes([start[8], start[9]]).into()];
    file.read_exact(&mut text).ok()?;
    String::from_utf8(text).ok()
}

/// What stands behind `'name':`, up to the comma or bracket that ends it.
fn field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{name}':"))?;
    let rest = rest.trim_start();
    let end = if rest.starts_with('(') { rest.find(')')? } else { rest.find([',', '}'])? };
    Some(rest[..end].trim())
}

/// Writes `array` as a `.npy` file, complete or not at all.
///
/// # Errors
/// [`Error::Io`] and [`Error::Torch`] where it cannot be written.
pub fn write_npy(path: &Path, array: &Tensor) -> Result<()> {
    replace_file(path, |beside| {
        std::fs::File::create(beside).map_err(Error::io("create", path))?;
        array.contiguous().write_npy(beside).map_err(|error| match error {
            TchError::Io(error) => Error::io("write", path)(error),
            error => error.into(),
        })
    })
}
