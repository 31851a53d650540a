//! `solvergrad solve`: any solver on costs from a file.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use solvergrad::Error;
use solvergrad::data::{read_npy, write_npy};
use solvergrad::solver::{
    Assignment, GraphMatching, GraphShortestPath, GridShortestPath, KSubset, LinearProgramme,
    Neighbourhood, PerfectMatching, Proof, Ranking, Solver, SpanningTree, TravellingSalesman,
    read_qaplib, read_tsplib,
};
use tch::{Kind, Tensor};

use crate::Failure;

const ABOUT: &str = "\
Solve a combinatorial problem for costs from a file: y = argmin <w, y>

The costs are a .npy array of float32 or float64 in C order, or text (`--cost -` reads standard
input): numbers between blanks or commas, one row a line. Leading dimensions beyond those of the
problem are a batch. `--out` writes the solutions in the shape of the costs: 0/1 masks of paths,
subsets, trees and items, 0/1 matrices of assignments, matchings and tours, ranks from 1.
Everything is minimised: negate scores that are to be large.";

/// The command and its options.
pub fn command() -> Command {
    let costs = || {
        [
            Arg::new("cost")
                .long("cost")
                .value_name("FILE")
                .required(true)
                .help("Costs: a .npy file, or - for text on standard input"),
            Arg::new("out")
                .long("out")
                .value_name("FILE")
                .help("Where solutions go: a .npy file, or - for text on standard output"),
            Arg::new("repeat")
                .long("repeat")
                .value_name("N")
                .default_value("1")
                .value_parser(value_parser!(u32).range(1..))
                .help("Solves N times and reports the median time"),
            Arg::new("threads")
                .long("threads")
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..))
                .help("Threads for a batch [default: all cores]"),
        ]
    };
    let problem =
        |name: &'static str, about: &'static str| Command::new(name).about(about).args(costs());
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .required(true)
            .value_parser(value_parser!(usize))
            .help(help)
    };
    let graph =
        || {
            Arg::new("edges").long("edges").value_name("FILE").required(true).help(
                "Edges: a .npy array [edges, 2] or text with two vertices a line, counted from 0",
            )
        };
    let limit = || {
        Arg::new("time-limit")
            .long("time-limit")
            .value_name("SECONDS")
            .allow_negative_numbers(true)
            .value_parser(value_parser!(f64))
            .help("Ends a search early, with the best solution so far and its gap")
    };
    Command::new("solve")
        .about(ABOUT)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            problem("subset", "The k cheapest of n: costs [..., n]").arg(number("k", "How many")),
        )
        .subcommand(problem("ranking", "Ranks, the largest cost first: costs [..., n]"))
        .subcommand(
            problem(
                "grid",
                "The cheapest path over cells of a grid: costs >= 0 [..., rows, columns]",
            )
            .arg(
                Arg::new("neighbours")
                    .long("neighbours")
                    .value_parser(["4", "8"])
                    .default_value("8")
                    .help("Steps along the sides, or diagonal ones, too"),
            )
            .arg(
                Arg::new("source")
                    .long("source")
                    .value_name("ROW,COLUMN")
                    .help("First cell [default: top left]"),
            )
            .arg(
                Arg::new("sink")
                    .long("sink")
                    .value_name("ROW,COLUMN")
                    .help("Last cell [default: bottom right]"),
            ),
        )
        .subcommand(
            problem("path", "The cheapest path in a directed graph: costs [..., edges]")
                .arg(graph())
                .arg(number("source", "First vertex"))
                .arg(number("sink", "Last vertex")),
        )
        .subcommand(
            problem("tree", "The cheapest spanning tree of a graph: costs [..., edges]")
                .arg(graph()),
        )
        .subcommand(problem(
            "assignment",
            "One column for each row, or one row for each column: costs [..., rows, columns]",
        ))
        .subcommand(
            problem(
                "matching",
                "The cheapest perfect matching: costs [..., edges], by default those (0, 1), (0, 2), \
                 ... of a complete graph",
            )
            .arg(graph().required(false)),
        )
        .subcommand(
            problem("tsp", "The cheapest round tour: costs [..., cities, cities], symmetric")
                .mut_arg("cost", |cost| cost.required(false).required_unless_present("tsplib"))
                .arg(
                    Arg::new("tsplib")
                        .long("tsplib")
                        .value_name("FILE")
                        .conflicts_with("cost")
                        .help("Costs from a file of TSPLIB"),
                )
                .arg(
                    Arg::new("symmetrise")
                        .long("symmetrise")
                        .action(ArgAction::SetTrue)
                        .help("Averages the two directions of an asymmetric matrix"),
                )
                .arg(limit()),
        )
        .subcommand(
            problem(
                "graph-matching",
                "The cheapest injective matching of two graphs' nodes: costs [..., N1*N2 + E1*E2], \
                 those of pairs of nodes, then those of pairs of edges",
            )
            .mut_arg("cost", |cost| cost.required(false).required_unless_present("qaplib"))
            .arg(
                Arg::new("nodes")
                    .long("nodes")
                    .value_name("N1,N2")
                    .required_unless_present("qaplib")
                    .help("Nodes of the two graphs"),
            )
            .args(["edges1", "edges2"].map(|name| {
                Arg::new(name).long(name).value_name("FILE").required_unless_present("qaplib").help(
                    "Directed edges: a .npy array [edges, 2] or text with two nodes a line",
                )
            }))
            .arg(
                Arg::new("complete")
                    .long("complete")
                    .action(ArgAction::SetTrue)
                    .help("Matches every node of the smaller graph, at any cost"),
            )
            .arg(
                Arg::new("qaplib")
                    .long("qaplib")
                    .value_name("FILE")
                    .conflicts_with_all(["cost", "nodes", "edges1", "edges2"])
                    .help("A quadratic assignment problem from a file of QAPLIB"),
            )
            .arg(limit()),
        )
        .subcommand(
            problem("knapsack", "Items within capacities: costs [..., items], values negated")
                .arg(Arg::new("weights").long("weights").value_name("FILE").required(true).help(
                    "Weights: a .npy array [dimensions, items], or text with a line a dimension",
                ))
                .arg(
                    Arg::new("capacities")
                        .long("capacities")
                        .value_name("C,...")
                        .required(true)
                        .value_delimiter(',')
                        .allow_hyphen_values(true)
                        .action(ArgAction::Set)
                        .value_parser(value_parser!(f64))
                        .help("Capacity of each dimension"),
                )
                .arg(limit()),
        )
        .subcommand(
            problem("set-cover", "Sets that hold every element: costs [..., sets]")
                .arg(
                    Arg::new("sets")
                        .long("sets")
                        .value_name("FILE")
                        .required(true)
                        .help("Sets as text: a line of elements, counted from 0, for each set"),
                )
                .arg(limit()),
        )
}

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
            let vertices = vertices(&edges).max(number("source") + 1).max(number("sink") + 1);
            Box::new(GraphShortestPath::new(vertices, &edges, number("source"), number("sink"))?)
        }
        "assignment" => Box::new(Assignment::rectangular(side(1), side(0))?),
        "matching" => {
            let edges = options.get_one::<String>("edges").map(|path| edges(path)).transpose()?;
            Box::new(match edges {
                Some(edges) => PerfectMatching::new(vertices(&edges), edges)?,
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
            let elements = sets.iter().flatten().max().map_or(0, |&most| most + 1);
            Box::new(limited(LinearProgramme::set_cover(elements, &sets)?, options)?)
        }
        other => return Err(Failure::Message(format!("unknown problem {other}"))),
    };
    solve(&*solver, &costs, options)
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

fn wrong(path: &str, problem: impl Into<String>, cure: &str) -> Failure {
    let path = PathBuf::from(if path == "-" { "standard input" } else { path });
    Failure::Library(Error::File { path, problem: problem.into(), cure: cure.to_owned() })
}

/// Numbers of a .npy file or, by any other name, of text.
fn read(path: &str) -> Result<Tensor, Failure> {
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

fn rows(matrix: &Tensor) -> Result<Vec<Vec<f64>>, Failure> {
    let matrix = if matrix.dim() == 1 { matrix.unsqueeze(0) } else { matrix.shallow_clone() };
    Ok(Vec::<Vec<f64>>::try_from(matrix).map_err(Error::from)?)
}

fn edges(path: &str) -> Result<Vec<(usize, usize)>, Failure> {
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

fn vertices(edges: &[(usize, usize)]) -> usize {
    edges.iter().map(|&(a, b)| a.max(b) + 1).max().unwrap_or(0)
}

fn sets(path: &Path) -> Result<Vec<Vec<usize>>, Failure> {
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

fn pair(what: &str, text: &str) -> Result<(usize, usize), Failure> {
    text.split_once(',')
        .and_then(|(first, second)| Some((first.trim().parse().ok()?, second.trim().parse().ok()?)))
        .ok_or_else(|| {
            Failure::Message(format!("--{what} {text}: write two numbers, such as 0,11"))
        })
}
