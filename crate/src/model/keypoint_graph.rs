use spade::{DelaunayTriangulation, Point2, Triangulation, mitigate_underflow};

use crate::{Error, Result};

/// Keypoints of a picture and the edges between them.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let graph = KeypointGraph::new(vec![[10.0, 10.0], [50.0, 12.0], [30.0, 40.0], [31.0, 20.0]])?;
/// // The last is within the triangle of the others: six lines, both ways.
/// assert_eq!(graph.edges().len(), 12);
/// let matching = GraphMatching::new(4, 4, graph.edges(), graph.edges())?;
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct KeypointGraph {
    positions: Vec<[f32; 2]>,
    edges: Vec<(usize, usize)>,
}

impl KeypointGraph {
    /// With the edges of [`delaunay`], and its errors; positions are (x, y) in pixels.
    pub fn new(positions: Vec<[f32; 2]>) -> Result<Self> {
        let edges = delaunay(&positions)?;
        Ok(Self { positions, edges })
    }

    /// With edges of your own, each (from, to).
    ///
    /// # Errors
    /// [`Error::Parameter`] without keypoints, for a position that is not finite, and for an edge that
    /// leads out of the graph or from a keypoint to itself.
    pub fn with_edges(positions: Vec<[f32; 2]>, edges: Vec<(usize, usize)>) -> Result<Self> {
        check_points(&positions, 1)?;
        let inside = |&(from, to): &(usize, usize)| from.max(to) < positions.len() && from != to;
        match edges.iter().find(|edge| !inside(edge)) {
            Some(edge) => {
                let expected = format!("two different ones of {} keypoints", positions.len());
                Err(Error::parameter("an edge", format!("{edge:?}"), expected))
            }
            None => Ok(Self { positions, edges }),
        }
    }

    /// (x, y) in pixels.
    pub fn positions(&self) -> &[[f32; 2]] {
        &self.positions
    }

    /// Directed, as [`GraphMatching`](crate::solver::GraphMatching) takes them.
    pub fn edges(&self) -> &[(usize, usize)] {
        &self.edges
    }

    /// ½ + ½ (pᵢ − pⱼ)/side of each edge (i, j), for pictures of `side` x `side` pixels: in \[0, 1\] where
    /// all keypoints are in the picture.
    pub fn pseudo_coordinates(&self, side: f64) -> Vec<[f64; 2]> {
        let difference = |i: usize, j: usize, axis: usize| {
            let [from, to] = [i, j].map(|end| f64::from(self.positions[end][axis]));
            0.5 + 0.5 * (from - to) / side
        };
        self.edges.iter().map(|&(i, j)| [difference(i, j, 0), difference(i, j, 1)]).collect()
    }
}

/// The edges of a Delaunay triangulation of `points`, both directions of each, sorted.
///
/// All pairs where there is no triangulation of all points: for two of them, where all are on a line,
/// and where two are the same. Of points on a common circle one of several triangulations.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let edges = delaunay(&[[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])?;
/// assert_eq!(edges, [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Delaunay 1934, by the crate spade, whose predicates are exact; the degenerate cases as in the
/// code of Rolínek et al. 2020 (ECCV).
///
/// # Errors
/// [`Error::Parameter`] for fewer than two points, and for one that is not finite.
pub fn delaunay(points: &[[f32; 2]]) -> Result<Vec<(usize, usize)>> {
    check_points(points, 2)?;
    let mut edges = match triangulation(points) {
        Some(lines) => lines.into_iter().flat_map(|[i, j]| [(i, j), (j, i)]).collect(),
        None => complete(points.len()),
    };
    edges.sort_unstable();
    Ok(edges)
}

fn triangulation(points: &[[f32; 2]]) -> Option<Vec<[usize; 2]>> {
    let mut triangulation = DelaunayTriangulation::<Point2<f64>>::new();
    for (index, &[x, y]) in points.iter().enumerate() {
        let point = mitigate_underflow(Point2::new(f64::from(x), f64::from(y)));
        // A point that was there keeps its number.
        let vertex = triangulation.insert(point).ok()?;
        if vertex.index() != index {
            return None;
        }
    }
    let flat = triangulation.all_vertices_on_line();
    let edges = triangulation.undirected_edges();
    (!flat).then(|| edges.map(|edge| edge.vertices().map(|end| end.fix().index())).collect())
}

fn complete(n: usize) -> Vec<(usize, usize)> {
    (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|(i, j)| i != j).collect()
}

fn check_points(points: &[[f32; 2]], least: usize) -> Result<()> {
    if points.len() < least {
        let expected = format!("at least {least}");
        return Err(Error::parameter("the number of keypoints", points.len(), expected));
    }
    match points.iter().position(|point| !point.iter().all(|x| x.is_finite())) {
        Some(index) => {
            let got = format!("{:?}, number {index}", points[index]);
            Err(Error::parameter("a keypoint", got, "finite, (x, y) in pixels"))
        }
        None => Ok(()),
    }
}
