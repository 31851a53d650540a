//! Instances of the QAPLIB.

use std::path::Path;

use super::GraphMatching;
use crate::{Error, Result};

/// A quadratic assignment problem: minimise `Σ_ij flow[i][j] · distance[p(i)][p(j)]` over
/// permutations p of n.
///
/// R. E. Burkard, S. E. Karisch and F. Rendl, "QAPLIB - a quadratic assignment problem library",
/// Journal of Global Optimization 1997.
#[derive(Clone, Debug, PartialEq)]
pub struct Qaplib {
    /// Number of facilities and of places.
    pub n: usize,
    /// The first matrix of the file, row-major.
    pub flow: Vec<f64>,
    /// The second matrix of the file, row-major.
    pub distance: Vec<f64>,
}

impl Qaplib {
    /// The complete matching of facilities with places, and its cost vector.
    ///
    /// # Errors
    /// [`Error::Parameter`] for n = 0, and [`Error::Shape`] where a matrix is not n x n.
    ///
    /// ```
    /// use solvergrad::solver::{Qaplib, Solver};
    ///
    /// let flow = vec![0.0, 3.0, 1.0, 3.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    /// let distance = vec![0.0, 5.0, 1.0, 5.0, 0.0, 2.0, 1.0, 2.0, 0.0];
    /// let (matching, cost) = Qaplib { n: 3, flow, distance }.instance()?;
    /// let mut solution = vec![0.0; matching.dimension()];
    /// matching.solve(&cost, &mut solution)?;
    /// // The strong flow 0-1 takes the short distance 2-0; 0-2 then is left with 2-1.
    /// assert_eq!(matching.matches_of(&solution), [Some(2), Some(0), Some(1)]);
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    pub fn instance(&self) -> Result<(GraphMatching, Vec<f64>)> {
        let n = self.n;
        for (what, matrix) in
            [("the flow matrix", &self.flow), ("the distance matrix", &self.distance)]
        {
            if n.checked_mul(n) != Some(matrix.len()) {
                let (got, expected) = (format!("[{}]", matrix.len()), format!("[{n} x {n}]"));
                return Err(Error::Shape { what, got, expected });
            }
        }
        let matching = GraphMatching::complete_graphs(n, n)?.complete();
        let mut cost = Vec::new();
        for i in 0..n {
            cost.extend((0..n).map(|k| self.flow[i * n + i] * self.distance[k * n + k]));
        }
        let (edges1, edges2) = (matching.edges1(), matching.edges2());
        for &(i, j) in edges1 {
            let flow = self.flow[i * n + j];
            cost.extend(edges2.iter().map(|&(k, l)| flow * self.distance[k * n + l]));
        }
        Ok((matching, cost))
    }
}

/// Reads a QAPLIB file: n, then two n x n matrices, separated by any white space.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, and [`Error::File`] where it holds something else.
pub fn read_qaplib(path: &Path) -> Result<Qaplib> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let problem = |problem: String| Error::File {
        path: path.to_path_buf(),
        problem,
        cure: "give a QAPLIB .dat file: n, then two n x n matrices".into(),
    };
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or("nothing");
    let n: usize =
        first.parse().map_err(|_| problem(format!("it starts with `{first}`, not with n")))?;
    if n == 0 {
        return Err(problem("n is 0".into()));
    }
    let entries = words.map(|word| match word.parse::<f64>() {
        Ok(entry) if entry.is_finite() => Ok(entry),
        _ => Err(problem(format!("`{word}` is not a finite number"))),
    });
    let mut flow = entries.collect::<Result<Vec<f64>>>()?;
    let needed = n.checked_mul(n).and_then(|square| square.checked_mul(2));
    if needed != Some(flow.len()) {
        let needed = needed.map_or("more".into(), |needed| needed.to_string());
        return Err(problem(format!("n = {n} needs {needed} entries, not {}", flow.len())));
    }
    let distance = flow.split_off(n * n);
    Ok(Qaplib { n, flow, distance })
}
