//! `solvergrad solve`: any solver on costs from a file.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::ArgMatches;
use solvergrad::Error;
use solvergrad::data::write_npy;
use solvergrad::solver::{
    Assignment, GraphMatching, GraphShortestPath, GridShortestPath, KSubset, LinearProgramme,
    Neighbourhood, PerfectMatching, Proof, Ranking, Solver, SpanningTree, TravellingSalesman,
    read_qaplib, read_tsplib,
};
use tch::Tensor;

use crate::Failure;

mod input;
mod options;

use input::{edges, pair, read, rows, sets, vertices};
pub use options::command;

/// Solves what the command line asks for.
pub fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((problem, options)) = matches.subcommand() else {
        return Err(Failure::Message("no problem given".to_owned()));
    };
    let file = |name: &str| options.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    let number = |name: &str| options.get_one::<usize>(name).copied().unwrap_or_default();
    let costs = if let Some(path) = given(options, "tsplib") {
        let tsplib = read_tsplib(Path::new(path))?;
        Tensor::from_slice(&tsplib.costs).view([tsplib.k as i64, -1])
    } else if let Some(path) = given(options, "qaplib") {
        let (matching, costs) = read_qaplib(Path::new(path))?.instance()?;
        return solve(&limited_matching(matching, options)?, &Tensor::from_slice(&costs), options);
    } else {
        read(file("cost"))?
    };
    let side =
        |back: usize| costs.size().iter().rev().nth(back).map_or(1, |&side| side.max(0) as usize);
    let solver: Box<dyn Solver> = match problem {
        "subset" => Box::new(KSubset::new(side(0), number("k"))?),
        "ranking" => Box::new(Ranking::new(side(0))?),
        "grid" => {
            let (rows, columns) = (side(1), side(0));
            let mut grid = GridShortestPath::new(rows, columns)?;
            if file("neighbours") == "4" {
                grid = grid.with_neighbourhood(Neighbourhood::Four)?;
            }
            let end = |name, default| match options.get_one::<String>(name) {
                Some(text) => pair(name, text),
                None => Ok(default),
            };
            Box::new(grid.between(end("source", (0, 0))?, end("sink", (rows - 1, columns - 1))?)?)
        }
        "path" => {
            let edges = edges(file("edges"))?;
            let vertices = compact(&edges)?;
            Box::new(GraphShortestPath::new(vertices, &edges, number("source"), number("sink"))?)
        }
        "assignment" => Box::new(Assignment::rectangular(side(1), side(0))?),
        "matching" => {
            let edges = options.get_one::<String>("edges").map(|path| edges(path)).transpose()?;
            Box::new(match edges {
                Some(edges) => PerfectMatching::new(compact(&edges)?, edges)?,
                None => PerfectMatching::complete(complete_graph(side(0))?)?,
            })
        }
        "tsp" => {
            let mut salesman = TravellingSalesman::new(side(0))?;
            if options.get_flag("symmetrise") {
                salesman = salesman.symmetrise();
            }
            if let Some(limit) = time_limit(options)? {
                salesman = salesman.with_time_limit(limit);
            }
            Box::new(salesman)
        }
        "graph-matching" => {
            let (rows, columns) = pair("nodes", file("nodes"))?;
            let (first, second) = (edges(file("edges1"))?, edges(file("edges2"))?);
            let mut matching = GraphMatching::new(rows, columns, &first, &second)?;
            if options.get_flag("complete") {
                matching = matching.complete();
            }
            Box::new(limited_matching(matching, options)?)
        }
        "tree" => {
            let edges = edges(file("edges"))?;
            Box::new(SpanningTree::new(vertices(&edges), &edges)?)
        }
        "knapsack" => {
            let weights = rows(&read(file("weights"))?)?;
            let capacities: Vec<f64> =
                options.get_many("capacities").into_iter().flatten().copied().collect();
            Box::new(limited(LinearProgramme::knapsack(&weights, &capacities)?, options)?)
        }
        "set-cover" => {
            let sets = sets(Path::new(file("sets")))?;
            let listed = sets.iter().map(Vec::len).sum::<usize>();
            let elements = sets.iter().flatten().max().map_or(0, |&most| most.saturating_add(1));
            if elements > listed {
                let most = elements - 1;
                return Err(Failure::Message(format!(
                    "the sets name element {most}, but list {listed} elements in all: number elements \
                     from 0 without gaps"
                )));
            }
            Box::new(limited(LinearProgramme::set_cover(elements, &sets)?, options)?)
        }
        other => return Err(Failure::Message(format!("unknown problem {other}"))),
    };
    solve(&*solver, &costs, options)
}

/// Number of vertices of edges, where most numbers are used.
fn compact(edges: &[(usize, usize)]) -> Result<usize, Failure> {
    let vertices = vertices(edges);
    if vertices <= 2 * edges.len() {
        return Ok(vertices);
    }
    Err(Failure::Message(format!(
        "{} edges name vertex {}: number vertices from 0 without gaps",
        edges.len(),
        vertices - 1
    )))
}

/// An argument that only some problems have.
fn given<'a>(options: &'a ArgMatches, name: &str) -> Option<&'a str> {
    options.try_get_one::<String>(name).ok().flatten().map(String::as_str)
}

/// Vertices of the complete graph with this many edges.
fn complete_graph(edges: usize) -> Result<usize, Failure> {
    let vertices = ((2 * edges) as f64).sqrt().ceil() as usize;
    if vertices * vertices.saturating_sub(1) / 2 == edges {
        return Ok(vertices);
    }
    Err(Failure::Message(format!(
        "{edges} costs are not those of a complete graph, n(n - 1)/2: name the edges by --edges"
    )))
}

fn limited_matching(
    matching: GraphMatching,
    options: &ArgMatches,
) -> Result<GraphMatching, Failure> {
    Ok(match time_limit(options)? {
        Some(limit) => matching.with_time_limit(limit),
        None => matching,
    })
}

fn limited(programme: LinearProgramme, options: &ArgMatches) -> Result<LinearProgramme, Failure> {
    Ok(match time_limit(options)? {
        Some(limit) => programme.with_time_limit(limit),
        None => programme,
    })
}

fn time_limit(options: &ArgMatches) -> Result<Option<Duration>, Failure> {
    let Some(&seconds) = options.get_one::<f64>("time-limit") else { return Ok(None) };
    Duration::try_from_secs_f64(seconds)
        .map(Some)
        .map_err(|error| Failure::Message(format!("--time-limit {seconds}: {error}")))
}

/// Solutions, their objectives and what is known of them, for a batch.
struct Answer {
    solutions: Vec<f64>,
    objectives: Vec<f64>,
    proofs: Option<Vec<Proof>>,
}

fn solve(solver: &dyn Solver, costs: &Tensor, options: &ArgMatches) -> Result<(), Failure> {
    let shape: Vec<i64> = solver.shape().into_iter().map(|side| side as i64).collect();
    // One row of text is a vector, also where it stands for a matrix of one row.
    let costs = &match (costs.dim(), shape[..].first()) {
        (1, Some(1)) if shape.len() == 2 => costs.unsqueeze(0),
        _ => costs.shallow_clone(),
    };
    if !costs.size().ends_with(&shape) || costs.numel() == 0 {
        return Err(Failure::Library(Error::Shape {
            what: "the array of costs",
            got: format!("{:?}", costs.size()),
            expected: format!(
                "[..., {}]",
                shape.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
            ),
        }));
    }
    let flat = Vec::<f64>::try_from(costs.contiguous().view(-1)).map_err(Error::from)?;
    let threads = options.get_one::<u16>("threads").copied().unwrap_or_default();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.into())
        .build()
        .map_err(|error| Failure::Message(format!("cannot start {threads} threads: {error}")))?;
    let repeat = options.get_one::<u32>("repeat").copied().unwrap_or(1);
    let mut seconds = Vec::new();
    let mut answer = None;
    for _ in 0..repeat {
        let start = Instant::now();
        answer = Some(pool.install(|| answer_of(solver, &flat))?);
        seconds.push(start.elapsed().as_secs_f64());
    }
    let Some(answer) = answer else { return Ok(()) };
    seconds.sort_by(f64::total_cmp);
    report(&answer, seconds[seconds.len() / 2], options)?;
    let solutions = Tensor::from_slice(&answer.solutions).view_as(costs);
    match options.get_one::<String>("out").map(String::as_str) {
        None => Ok(()),
        Some("-") => {
            Ok(write_text(&answer.solutions, costs.size().last().copied().unwrap_or(1) as usize)?)
        }
        Some(path) => Ok(write_npy(Path::new(path), &solutions)?),
    }
}

fn answer_of(solver: &dyn Solver, costs: &[f64]) -> Result<Answer, Error> {
    let dimension = solver.dimension();
    let Some(certificate) = solver.certificate() else {
        let solutions = solvergrad::solver::solve_batch(solver, costs)?;
        let objectives = costs
            .chunks(dimension)
            .zip(solutions.chunks(dimension))
            .map(|(cost, solution)| solvergrad::check::objective(cost, solution))
            .collect();
        return Ok(Answer { solutions, objectives, proofs: None });
    };
    let (solutions, proofs) = solvergrad::solver::solve_batch_certified(certificate, costs)?;
    let objectives = proofs.iter().map(|proof| proof.objective).collect();
    Ok(Answer { solutions, objectives, proofs: Some(proofs) })
}

fn report(answer: &Answer, seconds: f64, options: &ArgMatches) -> io::Result<()> {
    // Solutions as text go to standard output alone.
    let to_error = options.get_one::<String>("out").is_some_and(|out| out == "-");
    let mut out: Box<dyn Write> =
        if to_error { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
    let count = answer.objectives.len();
    if count == 1 {
        writeln!(out, "objective  {}", answer.objectives[0])?;
    } else {
        let mean = answer.objectives.iter().sum::<f64>() / count as f64;
        writeln!(out, "objective  {mean} (mean of {count} instances)")?;
    }
    writeln!(out, "time       {:.3} us per instance", seconds / count as f64 * 1e6)?;
    let Some(proofs) = &answer.proofs else {
        return writeln!(out, "proof      none needed: the algorithm is exact");
    };
    let optimal = proofs.iter().filter(|proof| proof.is_optimal()).count();
    if optimal == count {
        return writeln!(out, "proof      optimal");
    }
    let gap = proofs.iter().map(Proof::gap).fold(0.0, f64::max);
    let stopped = proofs.iter().filter(|proof| !proof.complete).count();
    writeln!(
        out,
        "proof      {optimal} of {count} optimal, {stopped} stopped at the time limit, largest gap {gap}"
    )
}

fn write_text(solutions: &[f64], columns: usize) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout());
    for row in solutions.chunks(columns.max(1)) {
        let row: Vec<String> = row.iter().map(f64::to_string).collect();
        writeln!(out, "{}", row.join(" "))?;
    }
    out.flush()
}
