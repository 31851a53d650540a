//! What `solvergrad solve` reads.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use solvergrad::Error;
use solvergrad::data::read_npy;
use tch::{Kind, Tensor};

use crate::Failure;

fn wrong(path: &str, problem: impl Into<String>, cure: &str) -> Failure {
    let path = PathBuf::from(if path == "-" { "standard input" } else { path });
    Failure::Library(Error::File { path, problem: problem.into(), cure: cure.to_owned() })
}

/// Numbers of a .npy file or, by any other name, of text.
pub fn read(path: &str) -> Result<Tensor, Failure> {
    if path.ends_with(".npy") {
        return Ok(read_npy(Path::new(path))?.to_kind(Kind::Double));
    }
    let mut text = String::new();
    if path == "-" {
        io::stdin().read_to_string(&mut text).map_err(Error::io("read", "standard input"))?;
    } else {
        text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    }
    let mut numbers = Vec::new();
    let (mut rows, mut columns) = (0, 0);
    for (line, row) in lines(&text) {
        let before = numbers.len();
        for word in row {
            numbers.push(word.parse::<f64>().map_err(|_| {
                wrong(path, format!("line {line} has {word:?}"), "write numbers between blanks")
            })?);
        }
        let width = numbers.len() - before;
        if rows > 0 && width != columns {
            let problem = format!("line {line} has {width} numbers, those before it {columns}");
            return Err(wrong(path, problem, "give every row the same length"));
        }
        (rows, columns) = (rows + 1, width);
    }
    let numbers = Tensor::from_slice(&numbers);
    Ok(if rows == 1 { numbers } else { numbers.view([rows, columns as i64]) })
}

/// Lines that hold something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    text.lines().enumerate().filter_map(|(number, line)| {
        let words: Vec<&str> = line
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|word| !word.is_empty())
            .collect();
        (!words.is_empty()).then_some((number + 1, words))
    })
}

/// The rows of a matrix, or a vector as one row.
pub fn rows(matrix: &Tensor) -> Result<Vec<Vec<f64>>, Failure> {
    let matrix = if matrix.dim() == 1 { matrix.unsqueeze(0) } else { matrix.shallow_clone() };
    Ok(Vec::<Vec<f64>>::try_from(matrix).map_err(Error::from)?)
}

/// Edges, or pairs of nodes.
pub fn edges(path: &str) -> Result<Vec<(usize, usize)>, Failure> {
    let cure = "write two vertices a line, counted from 0";
    rows(&read(path)?)?
        .into_iter()
        .map(|row| match row[..] {
            [a, b] if a >= 0.0 && b >= 0.0 && a.fract() == 0.0 && b.fract() == 0.0 => {
                Ok((a as usize, b as usize))
            }
            _ => Err(wrong(path, format!("{row:?} is no edge"), cure)),
        })
        .collect()
}

/// Number of vertices that edges name.
pub fn vertices(edges: &[(usize, usize)]) -> usize {
    edges.iter().map(|&(a, b)| a.max(b) + 1).max().unwrap_or(0)
}

/// One set a line.
pub fn sets(path: &Path) -> Result<Vec<Vec<usize>>, Failure> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let name = path.display().to_string();
    lines(&text)
        .map(|(line, row)| {
            row.into_iter()
                .map(|word| {
                    word.parse().map_err(|_| {
                        let problem = format!("line {line} has {word:?}");
                        wrong(&name, problem, "write elements as whole numbers from 0")
                    })
                })
                .collect()
        })
        .collect()
}

/// Two numbers between which a comma stands, the value of option `what`.
pub fn pair(what: &str, text: &str) -> Result<(usize, usize), Failure> {
    text.split_once(',')
        .and_then(|(first, second)| Some((first.trim().parse().ok()?, second.trim().parse().ok()?)))
        .ok_or_else(|| {
            Failure::Message(format!("--{what} {text}: write two numbers, such as 0,11"))
        })
}
