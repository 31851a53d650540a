//! Shortest paths on a grid whose cells cost something to enter.

use std::cell::RefCell;
use std::fmt;

use super::{Domain, Enumerate, Solver};
use crate::{Error, Result};

mod frontier;

use frontier::Frontier;

/// Which cells a path may step to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Neighbourhood {
    /// Up, down, left, right.
    Four,
    /// The same and the four diagonals.
    #[default]
    Eight,
}

/// The cheapest path between two cells of a grid, by *vertex* costs.
///
/// Y = {0/1 masks of the cells of a path from source to sink}, of shape `[rows, columns]`; both
/// ends belong to the path, so ⟨w, y⟩ is the sum of the costs of all its cells. Costs are >= 0
/// ([`Domain::NonNegative`]). Paths run from the top left to the bottom right cell over eight
/// neighbours unless told otherwise.
///
/// All edges into a cell cost the same, so the first neighbour that Dijkstra's algorithm settles
/// gives a cell its final distance: each cell enters the queue once. The queue is a calendar of 64
/// buckets whose width is a 62nd of the largest cost, and the search runs from both ends, by turns
/// from the one that has come less far. O(n) expected for n cells with costs of like magnitude,
/// O(n · frontier) at worst.
///
/// Ties: of cells at equal distance the one first in row-major order is settled first, a cell is
/// reached from the neighbour settled first, and the path first found stays.
///
/// ```
/// use solvergrad::solver::{GridShortestPath, Solver};
///
/// let grid = GridShortestPath::new(3, 3)?;
/// let mut path = [0.0; 9];
/// grid.solve(&[1.0, 9.0, 9.0, 1.0, 9.0, 9.0, 9.0, 1.0, 1.0], &mut path)?;
/// assert_eq!(path, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Dijkstra 1959; Pohl 1971 (from both ends); the queue: Brown 1988 (calendar), Dial 1969 (buckets). The problem: the
/// Warcraft maps of Vlastelica et al. 2020.
#[derive(Clone, PartialEq, Eq)]
pub struct GridShortestPath {
    rows: usize,
    columns: usize,
    neighbourhood: Neighbourhood,
    source: (usize, usize),
    sink: (usize, usize),
    /// Cells that cannot be entered, with a border of them around the grid: no step leaves it.
    closed: Vec<bool>,
}

#[derive(Default)]
struct Workspace {
    /// Costs with the border of `closed`.
    price: Vec<f64>,
    /// The search from the source and the one from the sink.
    ends: [Frontier; 2],
    path: Vec<u32>,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

impl GridShortestPath {
    /// A grid of `rows` × `columns` cells.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a grid without cells or with more than 2³⁰, its border included.
    pub fn new(rows: usize, columns: usize) -> Result<Self> {
        let sides = rows.checked_add(2).zip(columns.checked_add(2));
        let cells = sides.and_then(|(rows, columns)| rows.checked_mul(columns));
        if rows == 0 || columns == 0 || cells.is_none_or(|cells| cells > 1 << 30) {
            return Err(Error::parameter(
                "the grid of the shortest path",
                format!("{rows} x {columns}"),
                "of at least 1 x 1 and at most 2^30 cells, with a border of one cell around",
            ));
        }
        let mut grid = Self {
            rows,
            columns,
            neighbourhood: Neighbourhood::Eight,
            source: (0, 0),
            sink: (rows - 1, columns - 1),
            closed: vec![true; (rows + 2) * (columns + 2)],
        };
        for row in 0..rows {
            let start = grid.padded((row, 0));
            grid.closed[start..start + columns].fill(false);
        }
        Ok(grid)
    }

    /// The same grid with another neighbourhood.
    ///
    /// # Errors
    /// [`Error::Infeasible`] where blocked cells then cut the sink off.
    pub fn with_neighbourhood(mut self, neighbourhood: Neighbourhood) -> Result<Self> {
        self.neighbourhood = neighbourhood;
        self.connected()
    }

    /// The same grid with paths from `source` to `sink`, as (row, column).
    ///
    /// # Errors
    /// [`Error::Parameter`] for an end outside the grid, [`Error::Infeasible`] where no path
    /// connects the ends.
    pub fn between(mut self, source: (usize, usize), sink: (usize, usize)) -> Result<Self> {
        for (what, (row, column)) in
            [("the source of the path", source), ("the sink of the path", sink)]
        {
            if row >= self.rows || column >= self.columns {
                return Err(Error::parameter(
                    what,
                    format!("({row}, {column})"),
                    format!("a cell of the {} x {} grid, counted from 0", self.rows, self.columns),
                ));
            }
        }
        (self.source, self.sink) = (source, sink);
        self.connected()
    }

    /// The same grid without the cells where `blocked` (row-major) is true.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of cells, [`Error::Infeasible`] where no path connects
    /// the ends.
    pub fn with_blocked(mut self, blocked: &[bool]) -> Result<Self> {
        if blocked.len() != self.dimension() {
            return Err(Error::Shape {
                what: "the mask of blocked cells",
                got: format!("[{}]", blocked.len()),
                expected: format!("[{}], the cells of the grid", self.dimension()),
            });
        }
        for (row, blocked) in blocked.chunks(self.columns).enumerate() {
            let start = self.padded((row, 0));
            self.closed[start..start + self.columns].copy_from_slice(blocked);
        }
        self.connected()
    }

    /// Rows and columns.
    pub fn size(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// The cells of the cheapest path, as (row, column), from source to sink.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Cost`] for costs that are not the grid's.
    pub fn path(&self, cost: &[f64]) -> Result<Vec<(usize, usize)>> {
        super::check_instance(self, cost)?;
        WORKSPACE.with_borrow_mut(|work| {
            self.search(cost, work);
            Ok(work.path.iter().rev().map(|&cell| self.cell(cell)).collect())
        })
    }

    fn stride(&self) -> usize {
        self.columns + 2
    }

    fn padded(&self, (row, column): (usize, usize)) -> usize {
        (row + 1) * self.stride() + column + 1
    }

    fn cell(&self, padded: u32) -> (usize, usize) {
        let padded = padded as usize;
        (padded / self.stride() - 1, padded % self.stride() - 1)
    }

    fn steps(&self) -> ([usize; 8], usize) {
        let stride = self.stride();
        // Wrapping: a step back is the addition of its complement. Straight steps come first.
        let back = |distance: usize| distance.wrapping_neg();
        let steps = [
            back(stride),
            back(1),
            1,
            stride,
            back(stride + 1),
            back(stride - 1),
            stride - 1,
            stride + 1,
        ];
        (steps, if self.neighbourhood == Neighbourhood::Four { 4 } else { 8 })
    }

    fn connected(self) -> Result<Self> {
        let (source, sink) = (self.padded(self.source), self.padded(self.sink));
        let mut seen = self.closed.clone();
        let mut open = if seen[source] { vec![] } else { vec![source] };
        let (steps, count) = self.steps();
        while let Some(cell) = open.pop() {
            if cell == sink {
                return Ok(self);
            }
            for step in &steps[..count] {
                let to = cell.wrapping_add(*step);
                if !std::mem::replace(&mut seen[to], true) {
                    open.push(to);
                }
            }
        }
        Err(Error::Infeasible {
            what: "the shortest path",
            why: format!("no way leads from cell {:?} to cell {:?}", self.source, self.sink),
            cure: "open some of the blocked cells, or choose other ends",
        })
    }

    /// Leaves the cells of the path in `work.path`, sink first.
    fn search(&self, cost: &[f64], work: &mut Workspace) {
        let Workspace { price, ends: [first, second], path } = work;
        let (source, sink) = (self.padded(self.source), self.padded(self.sink));
        let largest = cost.iter().copied().fold(0.0, f64::max);
        // Sums of costs near the largest number would overflow: a power of two keeps their order.
        let scale = super::scale_for_sums(largest);
        price.resize(self.closed.len(), 0.0);
        for (row, cost) in cost.chunks(self.columns).enumerate() {
            let start = self.padded((row, 0));
            for (price, cost) in price[start..].iter_mut().zip(cost) {
                *price = cost * scale;
            }
        }
        first.start(&self.closed, source, price[source], largest * scale);
        second.start(&self.closed, sink, price[sink], largest * scale);
        let (steps, count) = self.steps();
        let steps = &steps[..count];
        let (mut best, mut meeting) = (f64::INFINITY, source);
        let (mut here, mut there) = (&mut *first, &mut *second);
        let mut settled_there = 0.0;
        while let Some((reached, cell)) = here.pop() {
            // What is not settled from either end is too far from both.
            if source == sink || reached + settled_there >= best {
                break;
            }
            for step in steps {
                let to = (cell as usize).wrapping_add(*step);
                if std::mem::replace(&mut here.seen[to], true) {
                    continue;
                }
                here.push(reached + price[to], to, cell);
                // Not closed, so it has been reached from the other end.
                if there.seen[to] && reached + there.distance[to] < best {
                    (best, meeting) = (reached + there.distance[to], to);
                }
            }
            if settled_there < reached {
                std::mem::swap(&mut here, &mut there);
                settled_there = reached;
            }
        }
        path.clear();
        let mut cell = meeting;
        while cell != sink && source != sink {
            cell = second.from[cell] as usize;
            path.push(cell as u32);
        }
        path.reverse();
        cell = meeting;
        path.push(cell as u32);
        while cell != source {
            cell = first.from[cell] as usize;
            path.push(cell as u32);
        }
    }
}

impl fmt::Debug for GridShortestPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "GridShortestPath of {} x {} cells", self.rows, self.columns)
    }
}

impl Solver for GridShortestPath {
    fn dimension(&self) -> usize {
        self.rows * self.columns
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        WORKSPACE.with_borrow_mut(|work| {
            self.search(cost, work);
            solution.fill(0.0);
            for &cell in &work.path {
                let (row, column) = self.cell(cell);
                solution[row * self.columns + column] = 1.0;
            }
        });
        Ok(())
    }

    fn domain(&self) -> Domain {
        Domain::NonNegative
    }

    fn shape(&self) -> Vec<usize> {
        vec![self.rows, self.columns]
    }
}

impl Enumerate for GridShortestPath {
    /// The masks of all simple paths; several paths may share a mask.
    fn solutions(&self) -> Vec<Vec<f64>> {
        let (sink, (steps, count)) = (self.padded(self.sink), self.steps());
        let mut masks = std::collections::BTreeSet::new();
        let mut closed = self.closed.clone();
        closed[self.padded(self.source)] = true;
        // A path and the number of the step to try next from each of its cells.
        let mut path = vec![(self.padded(self.source), 0)];
        while let Some((cell, step)) = path.last_mut() {
            let (here, tried) = (*cell, *step);
            *step += 1;
            if here == sink && tried == 0 {
                let mut cells: Vec<usize> = path.iter().map(|(cell, _)| *cell).collect();
                cells.sort_unstable();
                masks.insert(cells);
            }
            if here == sink || tried == count {
                closed[here] = false;
                path.pop();
                continue;
            }
            let to = here.wrapping_add(steps[tried]);
            if !std::mem::replace(&mut closed[to], true) {
                path.push((to, 0));
            }
        }
        let mask = |cells: Vec<usize>| {
            let mut mask = vec![0.0; self.dimension()];
            for cell in cells {
                let (row, column) = self.cell(cell as u32);
                mask[row * self.columns + column] = 1.0;
            }
            mask
        };
        masks.into_iter().map(mask).collect()
    }
}
