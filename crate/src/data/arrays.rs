//! What the sets of problem instances share: arrays in `.npy` files, checked as they are read.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use tch::{Kind, Tensor};

use super::{InstanceSet, read_npy};
use crate::{Error, Result};

/// The arrays of one folder.
#[derive(Debug)]
pub(super) struct Arrays<'a> {
    pub set: InstanceSet,
    pub folder: &'a Path,
}

impl Arrays<'_> {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.npy"))
    }

    /// `name`.npy, or its parts `name`_part0.npy, `name`_part1.npy, ... one after another.
    pub fn read(&self, name: &str) -> Result<Tensor> {
        let whole = self.path(name);
        if whole.is_file() {
            return read_npy(&whole);
        }
        let part = |number: usize| self.path(&format!("{name}_part{number}"));
        let parts = self.parts_of(name)?;
        match parts.last() {
            None => Err(Error::MissingData {
                name: format!("{} ({name}.npy)", self.set),
                folder: self.folder.to_path_buf(),
                cure: self.set.cure(),
            }),
            // A part alone is half of a set: published arrays come whole or in two.
            Some(&last) if parts.len() != last + 1 || last == 0 => {
                let absent = (0..).find(|number| !parts.contains(number)).unwrap_or_default();
                let there = part(last).file_name().unwrap_or_default().display().to_string();
                self.wrong(&part(absent), format!("is missing, while {there} is there"))
            }
            Some(_) => {
                let arrays: Vec<Tensor> =
                    parts.iter().map(|&number| read_npy(&part(number))).collect::<Result<_>>()?;
                let rest = |array: &Tensor| array.size().get(1..).map(<[i64]>::to_vec);
                if let Some(other) = arrays.iter().position(|array| rest(array) != rest(&arrays[0]))
                {
                    let (got, first) = (arrays[other].size(), arrays[0].size());
                    let problem = format!("has shape {got:?}, part 0 has {first:?}");
                    return self.wrong(&part(other), problem);
                }
                Ok(Tensor::f_cat(&arrays, 0)?)
            }
        }
    }

    // The numbers of the parts that are there, in order.
    fn parts_of(&self, name: &str) -> Result<Vec<usize>> {
        let Ok(entries) = std::fs::read_dir(self.folder) else { return Ok(Vec::new()) };
        let mut numbers = Vec::new();
        for entry in entries {
            let file = entry.map_err(Error::io("read", self.folder))?.file_name();
            let number: Option<usize> = file
                .to_str()
                .and_then(|file| file.strip_prefix(name)?.strip_prefix("_part"))
                .and_then(|rest| rest.strip_suffix(".npy")?.parse().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The same, with a shape to check; 0 stands for any length.
    pub fn read_shaped(&self, name: &str, expected: &[i64]) -> Result<Tensor> {
        let array = self.read(name)?;
        let size = array.size();
        let fits = |(&length, &wanted): (&i64, &i64)| wanted == 0 || length == wanted;
        if size.len() == expected.len() && size.iter().zip(expected).all(fits) {
            return Ok(array);
        }
        let lengths: Vec<String> = expected
            .iter()
            .map(|&length| if length == 0 { "any".into() } else { length.to_string() })
            .collect();
        let problem = format!("has shape {size:?}; expected [{}]", lengths.join(", "));
        self.wrong(&self.path(name), problem)
    }

    /// An array `[n, k, k]` of zeros and ones, as bytes; `problem` says what is wrong with one of
    /// its matrices.
    pub fn read_solutions(
        &self,
        name: &str,
        count: i64,
        k: i64,
        problem: impl Fn(&[u8]) -> Option<String> + Sync,
    ) -> Result<Tensor> {
        let array = self.read_shaped(name, &[count, k, k])?;
        let binary = array.f_eq(0.0)?.f_logical_or(&array.f_eq(1.0)?)?;
        if binary.f_all()?.f_int64_value(&[])? == 0 {
            return self.wrong(&self.path(name), "has an entry that is neither 0 nor 1".to_owned());
        }
        let array = array.f_to_kind(Kind::Uint8)?.f_contiguous()?;
        let bytes = Vec::<u8>::try_from(&array.f_view([-1])?)?;
        let first = bytes
            .par_chunks_exact((k * k) as usize)
            .enumerate()
            .find_map_first(|(row, matrix)| Some((row, problem(matrix)?)));
        match first {
            None => Ok(array),
            Some((row, problem)) => {
                self.wrong(&self.path(name), format!("instance {row} {problem}"))
            }
        }
    }

    pub fn wrong<T>(&self, path: &Path, problem: String) -> Result<T> {
        let cure = format!("it is damaged or of another set; {}", self.set.cure());
        Err(Error::File { path: path.to_path_buf(), problem, cure })
    }
}
