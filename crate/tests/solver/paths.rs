//! Shortest paths, ranks and spanning trees against brute force and second algorithms.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use solvergrad::Error;
use solvergrad::check::{brute_force_objective, is_feasible, objective};
use solvergrad::solver::{
    Closure, Domain, Enumerate, GraphShortestPath, GridShortestPath, Neighbourhood, Ranking,
    Solver, SpanningTree, solve_batch,
};

/// Optimal and feasible by brute force for costs over `values`, all of them where they are few.
fn brute_force(solver: &dyn Enumerate, values: &[f64], seed: u64) {
    let n = solver.dimension();
    let all = values.len().pow(n.min(7) as u32);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for case in 0..if n <= 7 { all } else { 300 } {
        let cost: Vec<f64> = (0..n as u32)
            .map(|i| match n {
                0..=7 => values[case / values.len().pow(i) % values.len()],
                _ => values[rng.random_range(0..values.len())],
            })
            .collect();
        let y = solve_batch(solver, &cost).unwrap();
        assert!(is_feasible(solver, &y), "{solver:?} {cost:?} {y:?}");
        let best = brute_force_objective(solver, &cost);
        assert!((objective(&cost, &y) - best).abs() < 1e-12, "{solver:?} {cost:?} {y:?} {best}");
    }
}

#[test]
fn grid_paths_are_optimal_on_every_small_grid() {
    for neighbourhood in [Neighbourhood::Four, Neighbourhood::Eight] {
        for (rows, columns) in
            [(1, 1), (1, 2), (2, 1), (1, 5), (2, 2), (2, 3), (3, 2), (3, 3), (2, 5), (4, 3)]
        {
            let grid = GridShortestPath::new(rows, columns)
                .unwrap()
                .with_neighbourhood(neighbourhood)
                .unwrap();
            brute_force(&grid, &[0.0, 1.0, 2.5], 1);
            let back = grid.between((rows - 1, columns - 1), (0, 0)).unwrap();
            brute_force(&back, &[0.0, 1.0, 1e-9], 2);
            let within = back.between((0, columns / 2), (rows / 2, 0)).unwrap();
            brute_force(&within, &[3.0, 1.0, 1e9], 3);
        }
    }
}

#[test]
fn blocked_cells_are_avoided_and_a_grid_cut_in_two_is_refused() {
    let blocked = [false, true, false, false, true, false, false, false, false];
    let grid = GridShortestPath::new(3, 3).unwrap().between((0, 0), (0, 2)).unwrap();
    let around = grid.clone().with_blocked(&blocked).unwrap();
    brute_force(&around, &[0.0, 1.0, 7.0], 4);
    let path = around.path(&[1.0; 9]).unwrap();
    assert_eq!(path, [(0, 0), (1, 0), (2, 1), (1, 2), (0, 2)]);
    let wall = [false, true, false].repeat(3);
    let message = grid.clone().with_blocked(&wall).unwrap_err().to_string();
    assert!(message.contains("(0, 0)") && message.contains("(0, 2)"), "{message}");
    let ends = [true, false, false, false, false, false, false, false, false];
    assert!(grid.clone().with_blocked(&ends).is_err());
    let diagonal = [false, true, true, true, false, true, true, true, false];
    let diagonal = GridShortestPath::new(3, 3).unwrap().with_blocked(&diagonal).unwrap();
    assert!(diagonal.with_neighbourhood(Neighbourhood::Four).is_err());
    assert!(grid.with_blocked(&[false; 8]).is_err());
}

/// Bellman and Ford: distances by relaxing every cell until nothing changes.
fn bellman_ford(rows: usize, columns: usize, reach: &[(isize, isize)], cost: &[f64]) -> f64 {
    let mut distance = vec![f64::INFINITY; cost.len()];
    distance[0] = cost[0];
    loop {
        let before = distance.clone();
        for cell in 0..cost.len() {
            for &(down, right) in reach {
                let (row, column) =
                    ((cell / columns) as isize + down, (cell % columns) as isize + right);
                if (0..rows as isize).contains(&row) && (0..columns as isize).contains(&column) {
                    let from = row as usize * columns + column as usize;
                    distance[cell] = distance[cell].min(distance[from] + cost[cell]);
                }
            }
        }
        if distance == before {
            return distance[cost.len() - 1];
        }
    }
}

const AROUND: [(isize, isize); 8] =
    [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)];

proptest! {
    #[test]
    fn grid_paths_agree_with_bellman_ford(
        rows in 1usize..14, columns in 1usize..14, spread in 0.0..12.0f64, eight: bool, seed: u64,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cost: Vec<f64> = (0..rows * columns)
            .map(|_| (spread * rng.random_range(-1.0..1.0f64)).exp())
            .collect();
        let (neighbourhood, reach) =
            if eight { (Neighbourhood::Eight, 8) } else { (Neighbourhood::Four, 4) };
        let grid = GridShortestPath::new(rows, columns).unwrap().with_neighbourhood(neighbourhood).unwrap();
        let y = solve_batch(&grid, &cost).unwrap();
        let expected = bellman_ford(rows, columns, &AROUND[..reach], &cost);
        prop_assert!((objective(&cost, &y) / expected - 1.0).abs() < 1e-12);
        // The list of cells is the mask, and each of its steps goes to a neighbour.
        let path = grid.path(&cost).unwrap();
        prop_assert_eq!(path.len() as f64, y.iter().sum::<f64>());
        prop_assert!(path.iter().all(|&(row, column)| y[row * columns + column] == 1.0));
        for step in path.windows(2) {
            let step = (step[1].0 as isize - step[0].0 as isize, step[1].1 as isize - step[0].1 as isize);
            prop_assert!(AROUND[..reach].contains(&step));
        }
        let scaled: Vec<f64> = cost.iter().map(|cost| cost * 4.0).collect();
        prop_assert_eq!(solve_batch(&grid, &scaled).unwrap(), y);
    }

    #[test]
    fn graph_paths_agree_with_petgraph(
        vertices in 2usize..12, count in 1usize..40, integer: bool, seed: u64,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let edges: Vec<(usize, usize)> = (0..count)
            .map(|_| (rng.random_range(0..vertices), rng.random_range(0..vertices)))
            .collect();
        let cost: Vec<f64> = (0..count)
            .map(|_| if integer { rng.random_range(0..3) as f64 } else { rng.random_range(0.0..1.0) })
            .collect();
        let weighted = edges.iter().zip(&cost).map(|(&(a, b), &c)| (a as u32, b as u32, c));
        let mut peer = petgraph::graph::DiGraph::<(), f64>::from_edges(weighted);
        while peer.node_count() < vertices {
            peer.add_node(());
        }
        let distances = petgraph::algo::dijkstra(&peer, 0.into(), None, |edge| *edge.weight());
        let expected = distances.get(&petgraph::graph::NodeIndex::new(vertices - 1));
        match GraphShortestPath::new(vertices, &edges, 0, vertices - 1) {
            Ok(graph) => {
                let y = solve_batch(&graph, &cost).unwrap();
                prop_assert!((objective(&cost, &y) - expected.unwrap()).abs() < 1e-12);
                let path = graph.path(&cost).unwrap();
                prop_assert_eq!((path[0], path[path.len() - 1]), (0, vertices - 1));
                prop_assert_eq!(y.iter().sum::<f64>() as usize, path.len() - 1);
            }
            Err(_) => prop_assert!(expected.is_none()),
        }
    }

    #[test]
    fn paths_without_cycles_take_costs_of_any_sign(size in 2usize..6, seed: u64) {
        let graph = staircase(size);
        prop_assert_eq!(graph.domain(), Domain::Finite);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cost: Vec<f64> = (0..graph.dimension()).map(|_| rng.random_range(-1.0..1.0)).collect();
        let y = solve_batch(&graph, &cost).unwrap();
        prop_assert!((objective(&cost, &y) - brute_force_objective(&graph, &cost)).abs() < 1e-12);
        prop_assert!(is_feasible(&graph, &y));
    }

    #[test]
    fn trees_agree_with_petgraph(vertices in 2usize..10, count in 1usize..30, integer: bool, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut edges: Vec<(usize, usize)> = (1..vertices).map(|v| (v - 1, v)).collect();
        edges.extend((0..count).map(|_| {
            let a = rng.random_range(0..vertices);
            (a, (a + rng.random_range(1..vertices)) % vertices)
        }));
        let cost: Vec<f64> = (0..edges.len())
            .map(|_| if integer { rng.random_range(-1..2) as f64 } else { rng.random_range(-1.0..1.0) })
            .collect();
        let weighted = edges.iter().zip(&cost).map(|(&(a, b), &c)| (a as u32, b as u32, c));
        let peer = petgraph::graph::UnGraph::<(), f64>::from_edges(weighted);
        let expected: f64 = petgraph::algo::min_spanning_tree(&peer)
            .filter_map(|element| match element {
                petgraph::data::Element::Edge { weight, .. } => Some(weight),
                petgraph::data::Element::Node { .. } => None,
            })
            .sum();
        let y = solve_batch(&SpanningTree::new(vertices, &edges).unwrap(), &cost).unwrap();
        prop_assert!((objective(&cost, &y) - expected).abs() < 1e-12);
        prop_assert_eq!(y.iter().sum::<f64>() as usize, vertices - 1);
    }

    #[test]
    fn ranks_are_a_permutation_in_descending_order(
        cost in prop::collection::vec(prop_oneof![-1e3..1e3f64, Just(0.0), Just(-0.0), Just(1.0)], 1..40),
    ) {
        let ranks = solve_batch(&Ranking::new(cost.len()).unwrap(), &cost).unwrap();
        let mut by_rank: Vec<usize> = (0..cost.len()).collect();
        by_rank.sort_by(|&a, &b| ranks[a].total_cmp(&ranks[b]));
        for (place, pair) in by_rank.windows(2).enumerate() {
            prop_assert_eq!(ranks[pair[0]], (place + 1) as f64);
            let in_order = cost[pair[0]] > cost[pair[1]]
                || cost[pair[0]] == cost[pair[1]] && pair[0] < pair[1];
            prop_assert!(in_order);
        }
    }
}

/// The grid of PyEPO's shortest path: steps to the right and down only.
fn staircase(size: usize) -> GraphShortestPath {
    let mut edges = Vec::new();
    for row in 0..size {
        for column in 0..size {
            let vertex = row * size + column;
            if column + 1 < size {
                edges.push((vertex, vertex + 1));
            }
            if row + 1 < size {
                edges.push((vertex, vertex + size));
            }
        }
    }
    GraphShortestPath::new(size * size, &edges, 0, size * size - 1).unwrap()
}

#[test]
fn graph_paths_ranks_and_trees_are_optimal_on_every_small_instance() {
    let cycle = [(0, 1), (1, 2), (2, 0), (2, 3), (1, 3), (0, 3), (3, 1)];
    let graph = GraphShortestPath::new(4, &cycle, 0, 3).unwrap();
    assert_eq!(graph.domain(), Domain::NonNegative);
    brute_force(&graph, &[0.0, 1.0, 2.5], 5);
    brute_force(&staircase(3), &[-1.0, 0.0, 1.0], 6);
    let parallel = [(0, 1), (0, 1), (1, 2), (0, 2), (2, 0)];
    brute_force(&SpanningTree::new(3, &parallel).unwrap(), &[-1.0, 0.0, 2.0], 7);
    assert_eq!(SpanningTree::new(3, &parallel).unwrap().solutions().len(), 8);
    for n in 1..=5 {
        brute_force(&Ranking::new(n).unwrap(), &[-1.0, 0.0, 1.0], 8);
    }
    assert_eq!(Ranking::new(5).unwrap().solutions().len(), 120);
}

#[test]
fn costs_of_any_size_have_an_optimal_path() {
    let grid = GridShortestPath::new(2, 3).unwrap();
    for scale in [f64::MIN_POSITIVE, 5e-324, 1e-300, 1.0, 1e300] {
        let cost = [1.0, 1.0, 0.0, 0.0, 1.0, 1.0].map(|cost: f64| cost * scale);
        let y = solve_batch(&grid, &cost).unwrap();
        assert_eq!(objective(&cost, &y), 3.0 * scale);
        assert_eq!(y, solve_batch(&grid, &[1.0, 1.0, 0.0, 0.0, 1.0, 1.0]).unwrap());
    }
    let mixed = [f64::MAX, 1e-300, f64::MAX, f64::MAX, f64::MAX, f64::MAX];
    assert_eq!(grid.path(&mixed).unwrap(), [(0, 0), (0, 1), (1, 2)]);
    let four = grid.with_neighbourhood(Neighbourhood::Four).unwrap();
    let small = [0.0, 1e-300, 1e255, 1e-301, 1e-305, 0.0];
    assert_eq!(four.path(&small).unwrap(), [(0, 0), (1, 0), (1, 1), (1, 2)]);
    let graph = GraphShortestPath::new(3, &[(0, 1), (1, 2), (0, 2), (2, 0)], 0, 2).unwrap();
    assert_eq!(graph.path(&[f64::MAX, f64::MAX, f64::MAX, 0.0]).unwrap(), [0, 2]);
    assert_eq!(staircase(3).path(&[-f64::MAX; 12]).unwrap().len(), 5);
}

#[test]
fn bad_parts_of_paths_trees_and_ranks_are_named() {
    let named = |result: solvergrad::Result<()>, parts: &[&str]| {
        let message = result.unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    };
    named(GridShortestPath::new(0, 3).map(drop), &["0 x 3"]);
    named(GridShortestPath::new(1 << 20, 1 << 20).map(drop), &["2^30"]);
    let grid = GridShortestPath::new(2, 2).unwrap();
    named(grid.clone().between((0, 0), (0, 2)).map(drop), &["sink", "(0, 2)", "2 x 2"]);
    named(grid.path(&[0.0, -1.0, 0.0, 0.0]).map(drop), &["cost 1", "-1", ">= 0"]);
    named(solve_batch(&grid, &[0.0; 5]).map(drop), &["multiple of 4"]);
    named(GridShortestPath::new(usize::MAX, 5).map(drop), &["border"]);
    for wrong in [vec![], vec![1.0; 8], vec![1.0; 3]] {
        named(grid.path(&wrong).map(drop), &["one instance", "[4]"]);
    }
    let edge = GraphShortestPath::new(2, &[(0, 1)], 0, 1).unwrap();
    named(edge.path(&[]).map(drop), &["[0]", "[1]"]);
    named(SpanningTree::new(1 << 31, &[(0, 1)]).map(drop), &["cannot connect"]);
    // A message is a line that a person reads, however large the instance.
    let large = GridShortestPath::new(1000, 1000).unwrap();
    let mut costs = vec![1.0; 1_000_000];
    costs[7] = f64::NAN;
    let message = solve_batch(&large, &costs).unwrap_err().to_string();
    assert!(message.len() < 300 && message.contains("cost 7"), "{message}");
    named(GraphShortestPath::new(2, &[(0, 2)], 0, 1).map(drop), &["is 2", "below 2"]);
    named(GraphShortestPath::new(2, &[(1, 0)], 0, 1).map(drop), &["vertex 0", "vertex 1"]);
    named(GraphShortestPath::new(2, &[(1, 0)], 0, 0).map(drop), &["vertex 0"]);
    named(SpanningTree::new(1, &[]).map(drop), &["is 1"]);
    named(SpanningTree::new(3, &[(0, 1), (1, 0)]).map(drop), &["vertex 2"]);
    named(SpanningTree::new(2, &[(1, 1)]).map(drop), &["(1, 1)"]);
    named(Ranking::new(0).map(drop), &["is 0"]);
}

#[test]
fn the_first_error_of_a_batch_is_reported_with_any_number_of_threads() {
    let solver = Closure::new(1, |costs, _| {
        if costs[0] < 0.0 {
            Err(Error::parameter("the instance", costs[0], "good"))
        } else {
            Ok(())
        }
    });
    let mut costs = vec![1.0; 100_000];
    for row in [31_234, 5_000, 99_000, 70_001] {
        costs[row] = -(row as f64);
    }
    for threads in [1, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for _ in 0..10 {
            let message = pool.install(|| solve_batch(&solver, &costs)).unwrap_err().to_string();
            assert!(message.contains("-5000;"), "{message}");
        }
    }
}
