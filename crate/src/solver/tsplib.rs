//! Reader of TSPLIB files: instances of the symmetric travelling salesman problem.

use std::collections::HashMap;
use std::path::Path;

use crate::{Error, Result};

/// An instance read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tsplib {
    /// The name that the file gives, or an empty one.
    pub name: String,
    /// Number of cities.
    pub k: usize,
    /// The symmetric costs w_ij, k x k, row by row. The tour that a file's optimum is about costs
    /// ⟨w, y⟩ / 2.
    pub costs: Vec<f64>,
}

/// Reads an instance in the format of TSPLIB (G. Reinelt, 1991) from the file `path`.
///
/// The distances of cities given by coordinates are the integers that TSPLIB defines: `EUC_2D`,
/// `CEIL_2D`, `MAN_2D`, `MAX_2D`, `GEO` and `ATT`. `EXPLICIT` matrices are read as `FULL_MATRIX`,
/// `UPPER_ROW`, `LOWER_ROW`, `UPPER_DIAG_ROW` or `LOWER_DIAG_ROW`.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`], with the line, where it is not
/// such an instance.
///
/// ```
/// use solvergrad::solver::read_tsplib;
///
/// let path = std::env::temp_dir().join("solvergrad-doc-square.tsp");
/// let text = "NAME : square\nTYPE : TSP\nDIMENSION : 4\nEDGE_WEIGHT_TYPE : EUC_2D\n\
///             NODE_COORD_SECTION\n1 0 0\n2 0 3\n3 4 3\n4 4 0\nEOF\n";
/// std::fs::write(&path, text).map_err(solvergrad::Error::io("write", &path))?;
/// let square = read_tsplib(&path)?;
/// assert_eq!((square.k, &square.costs[..4]), (4, &[0.0, 3.0, 5.0, 4.0][..]));
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn read_tsplib(path: &Path) -> Result<Tsplib> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    parse(&text).map_err(|(problem, cure)| Error::File {
        path: path.to_path_buf(),
        problem,
        cure: cure.to_string(),
    })
}

/// What is wrong, and what to do about it.
type Fault = (String, &'static str);

/// A number of a data section, with its line.
type Number = (usize, f64);

/// More cities than this would need a matrix that no machine holds.
const MOST_CITIES: usize = 1 << 15;

fn parse(text: &str) -> Result<Tsplib, Fault> {
    let mut keys: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut coordinates: Option<Vec<Number>> = None;
    let mut weights: Option<Vec<Number>> = None;
    let mut lines = text.lines().zip(1..).peekable();
    while let Some((line, number)) = lines.next() {
        let line = line.trim();
        let (key, value) = match line.split_once(':') {
            Some((key, value)) => (key.trim(), value.trim()),
            None => (line, ""),
        };
        match key {
            "" => {}
            "EOF" => break,
            "NODE_COORD_SECTION" => coordinates = Some(numbers(&mut lines)?),
            "EDGE_WEIGHT_SECTION" => weights = Some(numbers(&mut lines)?),
            "DISPLAY_DATA_SECTION" => drop(numbers(&mut lines)?),
            _ if line.contains(':') => drop(keys.insert(key, (number, value))),
            _ => {
                return Err((
                    format!("line {number}: unknown section '{line}'"),
                    "take a file of the symmetric travelling salesman problem",
                ));
            }
        }
    }

    let (number, kind) = keys.get("TYPE").copied().unwrap_or((0, "TSP"));
    // Some files have a remark after the type.
    if kind.split_whitespace().next() != Some("TSP") {
        return Err((
            format!("line {number}: TYPE is '{kind}'"),
            "take a file of TYPE TSP, the symmetric travelling salesman problem",
        ));
    }
    let k = dimension(&keys)?;
    let (number, kind) = required(&keys, "EDGE_WEIGHT_TYPE")?;
    let costs = if kind == "EXPLICIT" {
        let (number, format) = required(&keys, "EDGE_WEIGHT_FORMAT")?;
        let weights = weights.ok_or_else(|| missing("EDGE_WEIGHT_SECTION"))?;
        explicit(k, number, format, &weights)?
    } else {
        let distance = distance(kind).ok_or_else(|| {
            (
                format!("line {number}: EDGE_WEIGHT_TYPE is '{kind}'"),
                "use one of EUC_2D, CEIL_2D, MAN_2D, MAX_2D, GEO, ATT and EXPLICIT",
            )
        })?;
        let coordinates = coordinates.ok_or_else(|| missing("NODE_COORD_SECTION"))?;
        let cities = cities(k, &coordinates)?;
        matrix(k, |a, b| distance(cities[a], cities[b]))
    };
    let name = keys.get("NAME").map_or(String::new(), |&(_, name)| name.to_string());
    Ok(Tsplib { name, k, costs })
}

/// The numbers from the next line on, up to the first line that begins with a letter.
fn numbers<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = (&'a str, usize)>>,
) -> Result<Vec<Number>, Fault> {
    let mut all = Vec::new();
    let begins_section = |line: &str| line.trim().starts_with(|c: char| c.is_ascii_alphabetic());
    while let Some((line, number)) = lines.next_if(|(line, _)| !begins_section(line)) {
        for word in line.split_whitespace() {
            match word.parse::<f64>() {
                Ok(value) if value.is_finite() => all.push((number, value)),
                _ => {
                    return Err((
                        format!("line {number}: '{word}' is not a finite number"),
                        "correct the line",
                    ));
                }
            }
        }
    }
    Ok(all)
}

fn missing(what: &str) -> Fault {
    (format!("{what} is missing"), "complete the file")
}

fn required<'a>(
    keys: &HashMap<&str, (usize, &'a str)>,
    key: &str,
) -> Result<(usize, &'a str), Fault> {
    keys.get(key).copied().ok_or_else(|| missing(key))
}

fn dimension(keys: &HashMap<&str, (usize, &str)>) -> Result<usize, Fault> {
    let (number, value) = required(keys, "DIMENSION")?;
    match value.parse() {
        Ok(k) if (1..=MOST_CITIES).contains(&k) => Ok(k),
        _ => Err((
            format!("line {number}: DIMENSION is '{value}'"),
            "give the number of cities, between 1 and 32768",
        )),
    }
}

fn matrix(k: usize, distance: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut costs = vec![0.0; k * k];
    for a in 0..k {
        for b in 0..a {
            let distance = distance(a, b);
            costs[a * k + b] = distance;
            costs[b * k + a] = distance;
        }
    }
    costs
}

/// The coordinates by city, of triples city, x, y with cities from 1 on.
fn cities(k: usize, numbers: &[Number]) -> Result<Vec<[f64; 2]>, Fault> {
    let mut cities = vec![None; k];
    for triple in numbers.chunks(3) {
        let &[(line, city), (_, x), (_, y)] = triple else {
            let line = triple.first().map_or(0, |&(line, _)| line);
            return Err((
                format!("line {line}: a city without two coordinates"),
                "give a number and two coordinates for each city",
            ));
        };
        let index = city as usize;
        if index as f64 != city || index == 0 || index > k {
            return Err((
                format!("line {line}: {city} is no city of 1..={k}"),
                "number the cities from 1 to DIMENSION",
            ));
        }
        if cities[index - 1].replace([x, y]).is_some() {
            return Err((
                format!("line {line}: city {city} comes a second time"),
                "number the cities from 1 to DIMENSION",
            ));
        }
    }
    let found = cities.iter().flatten().count();
    cities.into_iter().collect::<Option<_>>().ok_or_else(|| {
        (
            format!("NODE_COORD_SECTION holds {found} cities, and DIMENSION is {k}"),
            "give each city once, or correct DIMENSION",
        )
    })
}

fn explicit(k: usize, line: usize, format: &str, numbers: &[Number]) -> Result<Vec<f64>, Fault> {
    let triangle = k * (k - 1) / 2;
    // Where the entry of row a and column b < a stands. By symmetry an upper row a' = b has it as
    // column b' = a.
    type Place = Box<dyn Fn(usize, usize) -> usize>;
    let (expected, place): (usize, Place) = match format {
        "FULL_MATRIX" => (k * k, Box::new(move |a, b| a * k + b)),
        "LOWER_ROW" => (triangle, Box::new(|a, b| a * (a - 1) / 2 + b)),
        "LOWER_DIAG_ROW" => (triangle + k, Box::new(|a, b| a * (a + 1) / 2 + b)),
        "UPPER_ROW" => (triangle, Box::new(move |a, b| b * (2 * k - b - 1) / 2 + a - b - 1)),
        "UPPER_DIAG_ROW" => (triangle + k, Box::new(move |a, b| b * (2 * k - b + 1) / 2 + a - b)),
        _ => {
            return Err((
                format!("line {line}: EDGE_WEIGHT_FORMAT is '{format}'"),
                "use one of FULL_MATRIX, UPPER_ROW, LOWER_ROW, UPPER_DIAG_ROW and LOWER_DIAG_ROW",
            ));
        }
    };
    if numbers.len() != expected {
        let last = numbers.last().map_or(line, |&(line, _)| line);
        return Err((
            format!(
                "line {last}: EDGE_WEIGHT_SECTION ends with {} numbers, and {format} of {k} cities \
                 has {expected}",
                numbers.len()
            ),
            "complete the section, or correct DIMENSION or EDGE_WEIGHT_FORMAT",
        ));
    }
    if format == "FULL_MATRIX" {
        for a in 0..k {
            for b in 0..a {
                let (line, value) = numbers[a * k + b];
                if value != numbers[b * k + a].1 {
                    return Err((
                        format!(
                            "line {line}: the weight of ({}, {}) is not symmetric",
                            a + 1,
                            b + 1
                        ),
                        "take a file of TYPE TSP, the symmetric travelling salesman problem",
                    ));
                }
            }
        }
    }
    Ok(matrix(k, |a, b| numbers[place(a, b)].1))
}

/// TSPLIB's own rounding: half up.
fn nearest(x: f64) -> f64 {
    (x + 0.5).floor()
}

type Distance = fn([f64; 2], [f64; 2]) -> f64;

fn distance(kind: &str) -> Option<Distance> {
    Some(match kind {
        "EUC_2D" => |a, b| nearest((a[0] - b[0]).hypot(a[1] - b[1])),
        "CEIL_2D" => |a, b| (a[0] - b[0]).hypot(a[1] - b[1]).ceil(),
        "MAN_2D" => |a, b| nearest((a[0] - b[0]).abs() + (a[1] - b[1]).abs()),
        "MAX_2D" => |a, b| nearest((a[0] - b[0]).abs()).max(nearest((a[1] - b[1]).abs())),
        "GEO" => geographical,
        "ATT" => pseudo_euclidean,
        _ => return None,
    })
}

/// Kilometres on TSPLIB's idealised Earth, rounded down plus 1; coordinates are degrees.minutes.
fn geographical(a: [f64; 2], b: [f64; 2]) -> f64 {
    // TSPLIB fixes both, with these few digits.
    #[allow(clippy::approx_constant)]
    let (pi, radius) = (3.141592, 6378.388);
    let radians = |x: f64| {
        let degrees = x.trunc();
        pi * (degrees + 5.0 * (x - degrees) / 3.0) / 180.0
    };
    let [[latitude_a, longitude_a], [latitude_b, longitude_b]] = [a.map(radians), b.map(radians)];
    let q1 = (longitude_a - longitude_b).cos();
    let q2 = (latitude_a - latitude_b).cos();
    let q3 = (latitude_a + latitude_b).cos();
    let cosine = 0.5 * ((1.0 + q1) * q2 - (1.0 - q1) * q3);
    (radius * cosine.clamp(-1.0, 1.0).acos() + 1.0).floor()
}

/// The distance of the 48 and 532 cities of AT&T.
fn pseudo_euclidean(a: [f64; 2], b: [f64; 2]) -> f64 {
    let exact = (((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)) / 10.0).sqrt();
    let rounded = nearest(exact);
    if rounded < exact { rounded + 1.0 } else { rounded }
}
