//! The options of `solvergrad solve`.

use clap::{Arg, ArgAction, Command, value_parser};

const ABOUT: &str = "\
Solve a combinatorial problem for costs from a file: y = argmin <w, y>

The costs are a .npy array of float32 or float64 in C order, or text (`--cost -` reads standard
input): numbers between blanks or commas, one row a line. Leading dimensions beyond those of the
problem are a batch (text has none for matrices: blank lines are passed over). `--out` writes the
solutions in the shape of the costs: 0/1 masks of paths, subsets, trees and items, 0/1 matrices of
assignments, matchings and tours, ranks from 1.
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
