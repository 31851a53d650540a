//! Linear and mixed-integer programmes, solved by HiGHS.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use highs::{Col, HighsModelStatus, HighsSolutionStatus, Model, RowProblem, Sense};
use highs_sys::{HighsCallbackDataIn, HighsCallbackDataOut};

use super::{BindingConstraints, Certificate, Proof, Solver, check_length};
use crate::{Error, Result};

/// argmin ⟨w, y⟩ over l <= A y <= u with bounds on y, some or all of it integer.
///
/// The rows and bounds are the instance, the costs come with each solve: for a problem that no
/// other solver here knows. A problem to be maximised negates its values: w = −values.
///
/// Each thread builds HiGHS' model once and then only changes its costs; every solve starts
/// afresh, so that the solution does not depend on what was solved before. HiGHS' tolerances are
/// absolute: rows are scaled by a power of two to coefficients of about 1, and may be violated by
/// 1e-6 of that; costs are scaled to about 4096, which makes differences of 1e-9 of the largest cost
/// count. Ties are HiGHS' own choice, the same each time. Exponential at worst for integers.
///
/// ```
/// use solvergrad::solver::{LinearProgramme, Solver};
///
/// // Values 3, 4, 5 and weights 2, 3, 4 in a knapsack that holds 5.
/// let knapsack = LinearProgramme::knapsack(&[vec![2.0, 3.0, 4.0]], &[5.0])?;
/// let mut packed = [0.0; 3];
/// knapsack.solve(&[-3.0, -4.0, -5.0], &mut packed)?;
/// assert_eq!(packed, [1.0, 1.0, 0.0]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Huangfu, Hall 2018 (HiGHS).
#[derive(Clone)]
pub struct LinearProgramme {
    columns: Vec<Column>,
    rows: Vec<Row>,
    time_limit: Option<f64>,
    /// Tells the models that threads keep apart.
    number: u64,
}

#[derive(Clone, Debug)]
struct Column {
    lower: f64,
    upper: f64,
    integer: bool,
}

#[derive(Clone, Debug)]
struct Row {
    terms: Vec<(usize, f64)>,
    lower: f64,
    upper: f64,
}

/// Models that a thread keeps.
const KEPT: usize = 8;

thread_local! {
    static MODELS: RefCell<Vec<(u64, Model, Vec<Col>)>> = const { RefCell::new(Vec::new()) };
}

/// Called by HiGHS between its steps, to be told whether the person has asked to stop.
unsafe extern "C" fn stop_if_asked(
    _event: c_int,
    _message: *const c_char,
    _state: *const HighsCallbackDataOut,
    answer: *mut HighsCallbackDataIn,
    _data: *mut c_void,
) {
    if !answer.is_null() && crate::interrupt::requested() {
        // SAFETY: HiGHS lends its own record for the time of the call.
        unsafe { (*answer).user_interrupt = 1 };
    }
}

fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl LinearProgramme {
    /// `n` columns that are 0 or 1.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no columns.
    pub fn binary(n: usize) -> Result<Self> {
        let mut programme = Self::continuous(n, 0.0, 1.0)?;
        programme.columns.iter_mut().for_each(|column| column.integer = true);
        Ok(programme)
    }

    /// `n` real columns between `lower` and `upper`, which may be infinite.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no columns, or bounds that leave nothing between them.
    pub fn continuous(n: usize, lower: f64, upper: f64) -> Result<Self> {
        if n == 0 || i32::try_from(n).is_err() {
            return Err(Error::parameter("number of columns", n, "between 1 and 2^31 - 1"));
        }
        check_bounds("the bounds of the columns", lower, upper)?;
        let columns = vec![Column { lower, upper, integer: false }; n];
        Ok(Self { columns, rows: vec![], time_limit: None, number: next_number() })
    }

    /// The same with column `index` an integer or not, between `lower` and `upper`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a column that does not exist, or bounds that leave nothing
    /// between them.
    pub fn with_column(
        mut self,
        index: usize,
        lower: f64,
        upper: f64,
        integer: bool,
    ) -> Result<Self> {
        check_bounds("the bounds of a column", lower, upper)?;
        let count = self.columns.len();
        let column = self.columns.get_mut(index).ok_or_else(|| {
            Error::parameter("a column", index, format!("below {count}, the number of columns"))
        })?;
        *column = Column { lower, upper, integer };
        self.number = next_number();
        Ok(self)
    }

    /// The same with the further row `lower` <= Σ a·y(index) <= `upper` over `terms` (index, a).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a column that does not exist or comes twice, a coefficient that is
    /// not finite, or bounds that leave nothing between them.
    pub fn with_row(mut self, terms: &[(usize, f64)], lower: f64, upper: f64) -> Result<Self> {
        check_bounds("the bounds of a row", lower, upper)?;
        let mut seen = vec![false; self.columns.len()];
        for &(index, factor) in terms {
            if seen.get(index) != Some(&false) || !factor.is_finite() {
                return Err(Error::parameter(
                    "a term (column, coefficient) of a row",
                    format!("({index}, {factor})"),
                    format!("finite, with each column once and below {}", self.columns.len()),
                ));
            }
            seen[index] = true;
        }
        self.rows.push(Row { terms: terms.to_vec(), lower, upper });
        self.number = next_number();
        Ok(self)
    }

    /// The same with a limit on the time of each solve.
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit.as_secs_f64());
        self.number = next_number();
        self
    }

    /// The knapsack problem in any number of dimensions: Y = {y in {0,1}^n : ⟨weights\[d\], y⟩ <=
    /// capacities\[d\] for each d}. Costs are the values of the items, negated.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no items, or lists of unlike length.
    pub fn knapsack(weights: &[Vec<f64>], capacities: &[f64]) -> Result<Self> {
        let items = weights.first().map_or(0, Vec::len);
        if weights.len() != capacities.len() || weights.iter().any(|row| row.len() != items) {
            return Err(Error::parameter(
                "the knapsack's weights",
                format!("{:?} long", weights.iter().map(Vec::len).collect::<Vec<_>>()),
                format!("{} lists, one per capacity, each {items} long", capacities.len()),
            ));
        }
        weights.iter().zip(capacities).try_fold(Self::binary(items)?, |programme, (row, &most)| {
            let terms: Vec<_> = row.iter().copied().enumerate().collect();
            programme.with_row(&terms, f64::NEG_INFINITY, most)
        })
    }

    /// The set cover problem: Y = choices of `sets` that together hold each of 0..`elements`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no sets or an element that does not exist, [`Error::Infeasible`]
    /// for an element that no set holds.
    pub fn set_cover(elements: usize, sets: &[Vec<usize>]) -> Result<Self> {
        let mut rows = vec![vec![]; elements];
        for (set, members) in sets.iter().enumerate() {
            for &element in members {
                let row: &mut Vec<(usize, f64)> = rows.get_mut(element).ok_or_else(|| {
                    let expected = format!("below {elements}, the number of elements");
                    Error::parameter("an element of a set", element, expected)
                })?;
                if row.last() != Some(&(set, 1.0)) {
                    row.push((set, 1.0));
                }
            }
        }
        if let Some(element) = rows.iter().position(Vec::is_empty) {
            return Err(Error::Infeasible {
                what: "the set cover",
                why: format!("no set holds element {element}"),
                cure: "add a set that does",
            });
        }
        rows.iter().try_fold(Self::binary(sets.len())?, |programme, row| {
            programme.with_row(row, 1.0, f64::INFINITY)
        })
    }

    fn build(&self) -> Result<(u64, Model, Vec<Col>)> {
        let mut problem = RowProblem::new();
        let columns: Vec<Col> = self
            .columns
            .iter()
            .map(|Column { lower, upper, integer }| {
                problem.add_column_with_integrality(0.0, *lower..=*upper, *integer)
            })
            .collect();
        for Row { terms, lower, upper } in &self.rows {
            let largest = terms.iter().fold(0.0, |largest: f64, &(_, a)| largest.max(a.abs()));
            let scale = if largest > 0.0 { 2f64.powi(-largest.log2().round() as i32) } else { 1.0 };
            let terms: Vec<_> =
                terms.iter().map(|&(index, a)| (columns[index], a * scale)).collect();
            problem.add_row(lower * scale..=upper * scale, &terms);
        }
        let mut model = problem.try_optimise(Sense::Minimise).map_err(refused)?;
        let mut set =
            |option, value: f64| model.try_set_option(option, value).map_err(|_| refused(option));
        set("mip_rel_gap", 0.0)?;
        set("mip_abs_gap", 1e-10)?;
        if let Some(limit) = self.time_limit {
            set("time_limit", limit)?;
        }
        model.set_threads(std::num::NonZeroU32::MIN);
        // SAFETY: the pointer is that of a live model, and the function needs no data.
        unsafe {
            highs_sys::Highs_setCallback(
                model.as_mut_ptr(),
                Some(stop_if_asked),
                std::ptr::null_mut(),
            );
            for event in [
                highs_sys::kHighsCallbackSimplexInterrupt,
                highs_sys::kHighsCallbackIpmInterrupt,
                highs_sys::kHighsCallbackMipInterrupt,
            ] {
                highs_sys::Highs_startCallback(model.as_mut_ptr(), event);
            }
        }
        Ok((self.number, model, columns))
    }

    fn is_integer(&self) -> bool {
        self.columns.iter().any(|column| column.integer)
    }
}

fn check_bounds(what: &'static str, lower: f64, upper: f64) -> Result<()> {
    // HiGHS takes 1e20 for infinity.
    let fits = |bound: f64| bound.is_infinite() || bound.abs() < 1e20;
    let empty = lower > upper || lower == f64::INFINITY || upper == f64::NEG_INFINITY;
    if !empty && fits(lower) && fits(upper) {
        return Ok(());
    }
    let expected = "an interval that is not empty, its ends below 1e20 or infinite";
    Err(Error::parameter(what, format!("[{lower}, {upper}]"), expected))
}

fn refused(problem: impl std::fmt::Debug) -> Error {
    Error::Program {
        program: "HiGHS".to_owned(),
        problem: format!("{problem:?}"),
        cure: "look for coefficients or bounds of very different size",
    }
}

impl fmt::Debug for LinearProgramme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (columns, rows) = (self.columns.len(), self.rows.len());
        write!(formatter, "LinearProgramme of {columns} columns and {rows} rows")
    }
}

impl Solver for LinearProgramme {
    fn dimension(&self) -> usize {
        self.columns.len()
    }

    fn solve(&self, cost: &[f64], solution: &mut [f64]) -> Result<()> {
        let proof = self.solve_certified(cost, solution)?;
        if proof.complete {
            return Ok(());
        }
        Err(Error::TimeLimit {
            solver: "LinearProgramme",
            limit_s: self.time_limit.unwrap_or_default(),
            objective: proof.objective,
            lower_bound: proof.lower_bound,
        })
    }

    fn certificate(&self) -> Option<&dyn Certificate> {
        Some(self)
    }

    fn binding_constraints(&self) -> Option<&dyn BindingConstraints> {
        Some(self)
    }
}

/// The rows and bounds that are tight at a solution: up to 1e-5 of the size of their terms (Σ|a·y|,
/// at least the largest |a|), which is more than HiGHS' tolerance and the rounding of a float32. Of
/// integer columns they are those of the relaxation to real ones.
impl BindingConstraints for LinearProgramme {
    fn binding_normals(&self, solution: &[f64]) -> Result<Vec<Vec<f64>>> {
        check_length(self, solution)?;
        let mut normals = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            let terms = [(index, 1.0)];
            bind(&terms, column.lower, column.upper, solution, &mut normals)
                .map_err(|value| outside("column", index, value, column.lower, column.upper))?;
        }
        for (index, row) in self.rows.iter().enumerate() {
            bind(&row.terms, row.lower, row.upper, solution, &mut normals)
                .map_err(|value| outside("row", index, value, row.lower, row.upper))?;
        }
        Ok(normals)
    }
}

// Adds the normals of `lower` <= ⟨terms, solution⟩ <= `upper` that bind, or returns a value outside.
fn bind(
    terms: &[(usize, f64)],
    lower: f64,
    upper: f64,
    solution: &[f64],
    normals: &mut Vec<Vec<f64>>,
) -> Result<(), f64> {
    let (mut value, mut size, mut largest) = (0.0, 0.0f64, 0.0f64);
    for &(index, factor) in terms {
        value += factor * solution[index];
        size += (factor * solution[index]).abs();
        largest = largest.max(factor.abs());
    }
    let tolerance = 1e-5 * size.max(largest);
    if !(value >= lower - tolerance && value <= upper + tolerance) {
        return Err(value);
    }
    let tight = [(value <= lower + tolerance, -1.0), (value >= upper - tolerance, 1.0)];
    for (_, sign) in tight.into_iter().filter(|&(tight, _)| tight && largest > 0.0) {
        let mut normal = vec![0.0; solution.len()];
        terms.iter().for_each(|&(index, factor)| normal[index] = sign * factor);
        normals.push(normal);
    }
    Ok(())
}

fn outside(kind: &str, index: usize, value: f64, lower: f64, upper: f64) -> Error {
    let expected = format!("within [{lower}, {upper}] there, as every solution is");
    let got = format!("{value} in {kind} {index}");
    Error::parameter("the solution of a linear programme", got, expected)
}

impl Certificate for LinearProgramme {
    fn solve_certified(&self, cost: &[f64], solution: &mut [f64]) -> Result<Proof> {
        let infeasible = |why: &str, cure| Error::Infeasible {
            what: "the linear programme",
            why: why.to_owned(),
            cure,
        };
        let kept = MODELS.with_borrow_mut(|models| {
            let place = models.iter().position(|(number, ..)| *number == self.number)?;
            Some(models.remove(place))
        });
        let (number, mut model, columns) = kept.map_or_else(|| self.build(), Ok)?;
        let largest = cost.iter().fold(0.0, |largest: f64, cost| largest.max(cost.abs()));
        // By a power of two to about 4096, below which HiGHS overlooks small differences; in two
        // steps, each of which can be represented.
        let half = if largest > 0.0 { (12.0 - largest.log2().ceil()) / 2.0 } else { 0.0 };
        let (first, second) = (2f64.powi(half.floor() as i32), 2f64.powi(half.ceil() as i32));
        for (&column, cost) in columns.iter().zip(cost) {
            model.change_column_cost(column, cost * first * second);
        }
        // SAFETY: the pointer is that of a live model. The functions forget the last solution and
        // its clock, which would otherwise add up to the limit.
        unsafe {
            highs_sys::Highs_clearSolver(model.as_mut_ptr());
            highs_sys::Highs_zeroAllClocks(model.as_mut_ptr());
        }
        let solved = model.try_solve().map_err(refused)?;
        let complete = match solved.status() {
            HighsModelStatus::Optimal => true,
            HighsModelStatus::ReachedTimeLimit
                if solved.primal_solution_status() == HighsSolutionStatus::Feasible =>
            {
                false
            }
            HighsModelStatus::ReachedTimeLimit => {
                return Err(Error::TimeLimit {
                    solver: "LinearProgramme",
                    limit_s: self.time_limit.unwrap_or_default(),
                    objective: f64::INFINITY,
                    lower_bound: f64::NEG_INFINITY,
                });
            }
            HighsModelStatus::ReachedInterrupt => {
                return Err(Error::Interrupted("a linear programme was being solved"));
            }
            HighsModelStatus::Infeasible => {
                return Err(infeasible("no column values satisfy all rows", "relax some rows"));
            }
            HighsModelStatus::Unbounded | HighsModelStatus::UnboundedOrInfeasible => {
                return Err(infeasible(
                    "its objective has no lower limit, or its rows contradict each other",
                    "give every column bounds, and look at the rows",
                ));
            }
            status => return Err(refused(status)),
        };
        for ((entry, value), column) in
            solution.iter_mut().zip(solved.get_solution().columns()).zip(&self.columns)
        {
            let value = if column.integer { value.round() } else { *value };
            *entry = value.clamp(column.lower, column.upper) + 0.0;
        }
        let objective = crate::check::objective(cost, solution);
        let lower_bound = if self.is_integer() {
            let bound = solved.double_info_value(c"mip_dual_bound").map_err(refused)?;
            (bound / first / second).min(objective)
        } else if complete {
            objective
        } else {
            // A simplex that was stopped has proved nothing.
            f64::NEG_INFINITY
        };
        MODELS.with_borrow_mut(|models| {
            models.truncate(KEPT - 1);
            models.insert(0, (number, Model::from(solved), columns));
        });
        Ok(Proof { objective, lower_bound, complete })
    }
}
