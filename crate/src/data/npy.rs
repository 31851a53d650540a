//! Arrays in numpy's `.npy` format.

use std::path::Path;

use tch::Tensor;

use crate::record::replace_file;
use crate::{Error, Result};

/// The array of a `.npy` file: C order, little-endian, numbers or booleans of any usual size.
///
/// Pickled arrays (of Python objects) run code when they are opened; they are refused.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is no such array.
pub fn read_npy(path: &Path) -> Result<Tensor> {
    std::fs::File::open(path).map_err(Error::io("read", path))?;
    Tensor::read_npy(path).map_err(|error| {
        let problem = error.to_string();
        let problem = problem.lines().next().unwrap_or_default();
        // The type of a pickled array is `O`, object.
        let (problem, cure) = if problem.contains("descr") && problem.contains('O') {
            (
                "it holds pickled Python objects, which would run code".to_owned(),
                "convert it to a plain array in Python: `np.save(path, array.astype(float))`",
            )
        } else {
            (
                format!("it is not an array of numbers in C order ({problem})"),
                "save it by `np.save(path, np.ascontiguousarray(array))`",
            )
        };
        Error::File { path: path.to_path_buf(), problem, cure: cure.to_owned() }
    })
}

/// Writes `array` as a `.npy` file, complete or not at all.
///
/// # Errors
/// [`Error::Io`] and [`Error::Torch`] where it cannot be written.
pub fn write_npy(path: &Path, array: &Tensor) -> Result<()> {
    replace_file(path, |beside| Ok(array.contiguous().write_npy(beside)?))
}
