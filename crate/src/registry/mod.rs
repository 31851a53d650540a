//! Every method of the library in one table: what it needs, what it gives, how often it solves.
//!
//! The table [`METHODS`] is what the tests go through (each row on small problems, its solver calls
//! counted), what the comparison notebook runs, and what the guide below is made of.
//!
#![doc = include_str!("which_method.md")]
//!
//! A row's [`Method::loss`] is the method as its authors use it on a labelled [`Task`]: the loss of
//! the solution for a rule, the loss on costs for a loss.

use std::sync::Arc;

use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use tch::{Kind, Tensor};

use crate::gradient::{AdaptiveImplicitMle, solve_tensor};
use crate::loss::{hamming_loss, squared_loss};
use crate::solver::{Domain, SolutionPool, Solver};
use crate::{Error, Result};

mod methods;

pub use methods::METHODS;

/// What a method hands to the rest of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gives {
    /// A solution, y in Y.
    Solution,
    /// A point of the hull of Y.
    HullPoint,
    /// The expectation of any loss, differentiable or not.
    ExpectedLoss,
    /// A loss on costs.
    Loss,
}

/// What a method is told about the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Labels {
    /// Whatever the loss on solutions needs.
    OfTheLoss,
    /// The true solutions y*.
    Solutions,
    /// The true costs c (and with them y*).
    Costs,
}

/// The problems a method works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problems {
    /// Any solver.
    Any,
    /// Solvers of costs of any sign: noise, a mean or a difference takes costs below 0.
    AnySign,
    /// Any solver, for costs that are not 0.
    NonZeroCosts,
    /// Solvers whose solutions all have the same sum.
    ConstantSum,
    /// Solvers that know the constraints binding at a solution.
    BindingConstraints,
    /// One of n.
    OneOfN,
    /// k of n.
    Subsets,
    /// Ranks.
    Ranks,
}

/// Solver calls per instance and step; none where their number depends on the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// In the forward pass.
    pub forward: Option<usize>,
    /// In the backward pass.
    pub backward: Option<usize>,
}

/// Parameters of the methods, in one place so that a table can run them all.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// λ of Blackbox and I-MLE, τ of LPGD: in units of costs per unit of dL/dy.
    pub lambda: f64,
    /// σ of the noise, in units of costs.
    pub sigma: f64,
    /// Samples per instance of what samples.
    pub samples: usize,
    /// τ of soft-max and of ranking over a pool, in units of costs.
    pub temperature: f64,
    /// Strength of quadratic regularisation, λ of Frank-Wolfe and ρ of LPGD, ε of soft ranks.
    pub regularisation: f64,
    /// h of the perturbation gradient, in units of predicted per unit of true costs.
    pub width: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lambda: 1.0,
            sigma: 0.5,
            samples: 10,
            temperature: 1.0,
            regularisation: 1.0,
            width: 1.0,
        }
    }
}

/// The loss on solutions that a rule is used with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Objective {
    /// The regret ⟨c, y⟩ − ⟨c, y*⟩.
    #[default]
    Regret,
    /// The Hamming loss against y*.
    Hamming,
    /// ‖y − b‖² for b = (1 − c)/2, which on 0/1 solutions is the cost up to a constant.
    Squared,
}

/// What relaxations have to know of the solutions: they replace the solver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Structure {
    /// Nothing.
    #[default]
    Any,
    /// All solutions have the same sum.
    ConstantSum,
    /// Subsets of this size.
    Subsets(usize),
    /// Permutations of 1..n.
    Ranks,
}

/// A batch of a problem with its labels.
#[derive(Debug)]
pub struct Task {
    /// The solver.
    pub solver: Arc<dyn Solver>,
    /// True costs, `[batch, n]`.
    pub costs: Tensor,
    /// True solutions, `[batch, n]`.
    pub solutions: Tensor,
    /// The loss on solutions.
    pub objective: Objective,
    /// What is known of the solutions.
    pub structure: Structure,
    /// Solutions to contrast with: the distinct ones of the labels.
    pub pool: Arc<SolutionPool>,
    /// Parameters of the methods.
    pub settings: Settings,
    adaptive: AdaptiveImplicitMle,
}

impl Task {
    /// The task of predicting `costs`, `[batch, n]`, for `solver`, which is solved for the labels.
    ///
    /// # Errors
    /// Those of the solver.
    pub fn new(solver: Arc<dyn Solver>, costs: &Tensor) -> Result<Self> {
        let costs = costs.detach();
        let solutions = solve_tensor(&*solver, &costs)?;
        let mut pool = SolutionPool::new(&*solver);
        pool.extend(&solutions)?;
        Ok(Self {
            solver,
            costs,
            solutions,
            objective: Objective::default(),
            structure: Structure::default(),
            pool: Arc::new(pool),
            settings: Settings::default(),
            adaptive: AdaptiveImplicitMle::new(1.0)?.with_step(1e-2)?,
        })
    }

    /// The same instances of the batch only; pool and settings are shared.
    pub fn select(&self, indices: &Tensor) -> Self {
        Self {
            solver: Arc::clone(&self.solver),
            costs: self.costs.index_select(0, indices),
            solutions: self.solutions.index_select(0, indices),
            pool: Arc::clone(&self.pool),
            settings: self.settings.clone(),
            adaptive: self.adaptive.clone(),
            ..*self
        }
    }

    /// The same as at the start of a training: what adaptive I-MLE has learned is forgotten.
    ///
    /// # Errors
    /// None that its parameters could cause.
    pub fn restarted(&self) -> Result<Self> {
        let adaptive = AdaptiveImplicitMle::new(1.0)?.with_step(1e-2)?;
        Ok(Self {
            adaptive,
            ..self.select(&Tensor::arange(self.costs.size()[0], (Kind::Int64, self.costs.device())))
        })
    }

    /// The loss of each of `solutions`, `[..., batch, n]` (or points of the hull): shape `[..., batch]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another shape.
    pub fn loss_of(&self, solutions: &Tensor) -> Result<Tensor> {
        if !solutions.size().ends_with(&self.costs.size()) {
            return Err(Error::Shape {
                what: "the solutions of a task",
                got: format!("{:?}", solutions.size()),
                expected: format!("[..., {:?}]", self.costs.size()),
            });
        }
        let kind = solutions.kind();
        let costs = self.costs.to_kind(kind);
        let rows = |tensor: &Tensor| tensor.reshape([-1, self.solver.dimension() as i64]);
        let shape = &solutions.size()[..solutions.dim() - 1];
        Ok(match self.objective {
            Objective::Regret => {
                let apart = solutions - self.solutions.to_kind(kind);
                (apart * costs).sum_dim_intlist(-1, false, None)
            }
            Objective::Hamming => {
                hamming_loss(&rows(solutions), &rows(&self.solutions.expand_as(solutions)))?
                    .view(shape)
            }
            Objective::Squared => {
                let target: Tensor = (-costs + 1.0) / 2.0;
                squared_loss(&rows(solutions), &rows(&target.expand_as(solutions)))?.view(shape)
            }
        })
    }
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Method {
    /// Name in tables of results.
    pub name: &'static str,
    /// The public item.
    pub item: &'static str,
    /// What it gives.
    pub gives: Gives,
    /// What it is told.
    pub labels: Labels,
    /// For which problems.
    pub problems: Problems,
    /// Whether it draws noise (and takes a seed).
    pub noise: bool,
    /// Solver calls.
    pub calls: fn(&Settings) -> Calls,
    /// Authors, year.
    pub source: &'static str,
    /// When to take it, in one sentence.
    pub advice: &'static str,
    run: fn(&Task, &Tensor, u64) -> Result<Tensor>,
}

impl std::fmt::Debug for Method {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.name)
    }
}

impl Method {
    /// The method of this name.
    ///
    /// # Errors
    /// [`Error::Parameter`] with all names.
    pub fn named(name: &str) -> Result<Self> {
        METHODS.iter().find(|method| method.name == name).copied().ok_or_else(|| {
            let names: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
            Error::parameter("the name of a method", name, format!("one of: {}", names.join(", ")))
        })
    }

    /// Whether the method works for the task's problem.
    pub fn applies(&self, task: &Task) -> bool {
        let signed = task.solver.domain() == Domain::Finite;
        match self.problems {
            Problems::Any | Problems::NonZeroCosts => true,
            Problems::AnySign => signed,
            Problems::ConstantSum => signed && task.structure != Structure::Any,
            Problems::BindingConstraints => task.solver.binding_constraints().is_some(),
            Problems::OneOfN => task.structure == Structure::Subsets(1),
            Problems::Subsets => matches!(task.structure, Structure::Subsets(_)),
            Problems::Ranks => task.structure == Structure::Ranks,
        }
    }

    /// The loss of each instance for `predicted` costs, `[batch, n]`: shape `[batch]`, to be minimised.
    ///
    /// # Errors
    /// Those of the method.
    pub fn loss(&self, task: &Task, predicted: &Tensor, seed: u64) -> Result<Tensor> {
        (self.run)(task, predicted, seed)
    }
}

impl Gives {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Solution => "a solution",
            Self::HullPoint => "a point of the hull",
            Self::ExpectedLoss => "an expected loss",
            Self::Loss => "a loss on costs",
        }
    }
}

impl Labels {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::OfTheLoss => "those of the loss",
            Self::Solutions => "solutions",
            Self::Costs => "costs",
        }
    }
}

impl Problems {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::AnySign => "costs of any sign",
            Self::NonZeroCosts => "any, costs not 0",
            Self::ConstantSum => "solutions of one sum",
            Self::BindingConstraints => "linear programmes, k-subsets",
            Self::OneOfN => "one of n",
            Self::Subsets => "k of n",
            Self::Ranks => "ranks",
        }
    }
}

impl Calls {
    /// In words, for S samples.
    fn words(of: fn(&Settings) -> Calls) -> (String, String) {
        // Two numbers of samples tell what depends on them.
        let at = |samples| of(&Settings { samples, ..Settings::default() });
        let (few, more) = (at(10), at(20));
        let word = |few: Option<usize>, more: Option<usize>| match (few, more) {
            (Some(few), Some(more)) if few == more => few.to_string(),
            (Some(few), Some(more)) => {
                let slope = (more - few) / 10;
                let rest = few - 10 * slope;
                let samples = if slope == 1 { "S".to_owned() } else { format!("{slope} S") };
                if rest == 0 { samples } else { format!("{samples} + {rest}") }
            }
            _ => "varies".to_owned(),
        };
        (word(few.forward, more.forward), word(few.backward, more.backward))
    }
}

/// The table as a frame, a row per method.
///
/// # Errors
/// [`Error::Polars`] when polars refuses the columns.
pub fn frame() -> Result<DataFrame> {
    let text = |name: &str, of: &dyn Fn(&Method) -> String| {
        Column::from(Series::new(name.into(), METHODS.iter().map(of).collect::<Vec<_>>()))
    };
    let columns = vec![
        text("method", &|method| method.name.into()),
        text("gives", &|method| method.gives.words().into()),
        text("labels", &|method| method.labels.words().into()),
        text("problems", &|method| method.problems.words().into()),
        text("noise", &|method| if method.noise { "yes" } else { "no" }.into()),
        text("calls forward", &|method| Calls::words(method.calls).0),
        text("calls backward", &|method| Calls::words(method.calls).1),
        text("source", &|method| method.source.into()),
        text("advice", &|method| method.advice.into()),
    ];
    Ok(DataFrame::new(METHODS.len(), columns)?)
}

/// The table as Markdown, as it stands in this module's documentation.
pub fn markdown() -> String {
    let mut text =
        "# Which method for me\n\nSolver calls are per instance and step, S is the number of \
                    samples.\n\n| method | gives | labels | problems | noise | calls forward | \
                    backward | take it when | source |\n|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for method in METHODS {
        let (forward, backward) = Calls::words(method.calls);
        text += &format!(
            "| [`{}`]({}) | {} | {} | {} | {} | {forward} | {backward} | {} | {} |\n",
            method.name,
            method.item,
            method.gives.words(),
            method.labels.words(),
            method.problems.words(),
            if method.noise { "yes" } else { "no" },
            method.advice,
            method.source,
        );
    }
    text
}
