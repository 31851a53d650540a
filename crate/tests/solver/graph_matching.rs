//! `GraphMatching`: against brute force, its own certificate, and instances with known optimum.

use std::time::Duration;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use solvergrad::Error;
use solvergrad::check::{brute_force_objective, objective};
use solvergrad::solver::{
    Certificate, Domain, Enumerate, GraphMatching, Qaplib, Solver, read_qaplib, solve_batch,
};

/// Checks the solution from first principles, and returns its objective.
fn checked(matching: &GraphMatching, cost: &[f64], solution: &[f64], complete: bool) -> f64 {
    let (n1, n2) = matching.nodes();
    let (edges1, edges2) = (matching.edges1(), matching.edges2());
    assert!(solution.iter().all(|&entry| entry == 0.0 || entry == 1.0));
    let v = |i: usize, k: usize| solution[i * n2 + k];
    for i in 0..n1 {
        assert!((0..n2).map(|k| v(i, k)).sum::<f64>() <= 1.0);
    }
    for k in 0..n2 {
        assert!((0..n1).map(|i| v(i, k)).sum::<f64>() <= 1.0);
    }
    if complete {
        assert_eq!(solution[..n1 * n2].iter().sum::<f64>(), n1.min(n2) as f64);
    }
    let mut index = n1 * n2;
    for &(i, j) in edges1 {
        for &(k, l) in edges2 {
            assert_eq!(solution[index], v(i, k) * v(j, l), "edge pair ({i},{j})->({k},{l})");
            index += 1;
        }
    }
    objective(cost, solution)
}

fn solve(matching: &GraphMatching, cost: &[f64], complete: bool) -> f64 {
    let mut solution = vec![f64::NAN; matching.dimension()];
    matching.solve(cost, &mut solution).unwrap();
    checked(matching, cost, &solution, complete)
}

fn assert_close(got: f64, expected: f64, context: &dyn std::fmt::Debug) {
    let scale = got.abs().max(expected.abs()).max(f64::MIN_POSITIVE);
    assert!((got - expected).abs() <= 1e-9 * scale, "{got} is not {expected}: {context:?}");
}

fn random_edges(rng: &mut ChaCha8Rng, n: usize, share: f64) -> Vec<(usize, usize)> {
    let mut edges: Vec<_> =
        (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|(i, j)| i != j).collect();
    edges.retain(|_| rng.random_bool(share));
    edges.shuffle(rng);
    edges
}

fn random_costs(rng: &mut ChaCha8Rng, count: usize, kind: usize) -> Vec<f64> {
    (0..count)
        .map(|_| match kind {
            0 => rng.random_range(-1.0..1.0),
            1 => f64::from(rng.random_range(-1..=1_i32)),
            2 => -rng.random_range(0.0..1.0),
            3 => rng.random_range(0.0..1.0),
            4 => f64::from(rng.random_range(0..=2_i32)),
            5 => [0.0, -0.0][rng.random_range(0..2)],
            6 => rng.random_range(-1.0..1.0) * 10.0_f64.powi(rng.random_range(-12..=12)),
            _ => [-1.0, 1.0, 1e9, 0.5][rng.random_range(0..4)],
        })
        .collect()
}

#[test]
fn equals_brute_force_on_every_small_size() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for n1 in 1..=4 {
        for n2 in 1..=5 {
            for share in [0.0, 0.3, 0.7, 1.0] {
                for complete in [false, true] {
                    for kind in 0..8 {
                        let edges1 = random_edges(&mut rng, n1, share);
                        let edges2 = random_edges(&mut rng, n2, share);
                        for (n1, n2, edges1, edges2) in
                            [(n1, n2, &edges1, &edges2), (n2, n1, &edges2, &edges1)]
                        {
                            let mut matching = GraphMatching::new(n1, n2, edges1, edges2).unwrap();
                            if complete {
                                matching = matching.complete();
                            }
                            for _ in 0..3 {
                                let cost = random_costs(&mut rng, matching.dimension(), kind);
                                let best = brute_force_objective(&matching, &cost);
                                let got = solve(&matching, &cost, complete);
                                assert_close(got, best, &(&matching, kind, &cost));
                                let mut solution = vec![0.0; matching.dimension()];
                                let proof = matching.solve_certified(&cost, &mut solution).unwrap();
                                assert!(proof.complete && proof.is_optimal(), "{proof:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Exact in itself: all costs of {-1, 0, 1} on two nodes and one edge per graph.
#[test]
fn equals_brute_force_on_all_tiny_costs() {
    for complete in [false, true] {
        let mut matching = GraphMatching::new(2, 2, &[(0, 1)], &[(1, 0)]).unwrap();
        if complete {
            matching = matching.complete();
        }
        for code in 0..3_usize.pow(5) {
            let cost: Vec<f64> =
                (0..5).map(|digit| (code / 3_usize.pow(digit) % 3) as f64 - 1.0).collect();
            let best = brute_force_objective(&matching, &cost);
            assert_eq!(solve(&matching, &cost, complete), best, "{cost:?}");
        }
    }
}

#[test]
fn lists_each_solution_once() {
    for (n1, n2, complete, count) in
        [(1, 1, false, 2), (2, 3, false, 13), (3, 2, false, 13), (3, 2, true, 6), (3, 3, true, 6)]
    {
        let mut matching = GraphMatching::complete_graphs(n1, n2).unwrap();
        if complete {
            matching = matching.complete();
        }
        let mut all = matching.solutions();
        let zero = vec![0.0; matching.dimension()];
        for solution in &all {
            checked(&matching, &zero, solution, complete);
        }
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all.dedup();
        assert_eq!(all.len(), count);
    }
}

#[test]
fn without_edges_it_is_linear_assignment_with_unmatched_nodes() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for n in 1..=9 {
        let matching = GraphMatching::new(n, n, &[], &[]).unwrap();
        let cost = random_costs(&mut rng, n * n, 0);
        // Least cost over sets of columns: rows one after another.
        let mut least = vec![0.0; 1 << n];
        for row in 0..n {
            let before = least.clone();
            for set in 0..1_usize << n {
                for col in (0..n).filter(|col| set >> col & 1 == 1) {
                    let with = before[set ^ (1 << col)] + cost[row * n + col];
                    least[set] = with.min(least[set]);
                }
            }
        }
        assert_close(solve(&matching, &cost, false), least[(1 << n) - 1], &cost);
    }
}

/// Depth-first search that prunes by nothing but the most that is left to gain: for a few more
/// nodes than listing all solutions allows.
fn by_depth_first_search(matching: &GraphMatching, cost: &[f64], complete: bool) -> f64 {
    struct Search {
        n: usize,
        linear: Vec<f64>,
        pair: Vec<f64>,
        complete: bool,
        rest: Vec<f64>,
        best: f64,
    }
    impl Search {
        fn go(&mut self, matched: &mut Vec<Option<usize>>, so_far: f64) {
            let i = matched.len();
            if i == self.n {
                self.best = self.best.min(so_far);
                return;
            }
            if so_far + self.rest[i] > self.best {
                return;
            }
            let n = self.n;
            for k in 0..n {
                if matched.contains(&Some(k)) {
                    continue;
                }
                let extra: f64 = (0..i)
                    .filter_map(|j| matched[j].map(|l| self.pair[((i * n + k) * n + j) * n + l]))
                    .sum();
                matched.push(Some(k));
                self.go(matched, so_far + self.linear[i * n + k] + extra);
                matched.pop();
            }
            if !self.complete {
                matched.push(None);
                self.go(matched, so_far);
                matched.pop();
            }
        }
    }
    let n = matching.nodes().0;
    let (linear, quadratic) = cost.split_at(n * n);
    let mut pair = vec![0.0; n.pow(4)];
    let mut entries = quadratic.iter();
    for &(i, j) in matching.edges1() {
        for &(k, l) in matching.edges2() {
            let entry = *entries.next().unwrap();
            pair[((i * n + k) * n + j) * n + l] += entry;
            pair[((j * n + l) * n + i) * n + k] += entry;
        }
    }
    let mut rest = vec![0.0; n + 1];
    for i in (0..n).rev() {
        let least = |k: usize| {
            let base = (i * n + k) * n;
            let over =
                |j: usize| pair[(base + j) * n..][..n].iter().fold(0.0_f64, |a, b| a.min(*b));
            linear[i * n + k] + (0..i).map(over).sum::<f64>()
        };
        let best = (0..n).map(least).fold(if complete { f64::INFINITY } else { 0.0 }, f64::min);
        rest[i] = rest[i + 1] + best;
    }
    let linear = linear.to_vec();
    let mut search = Search { n, linear, pair, complete, rest, best: f64::INFINITY };
    search.go(&mut Vec::new(), 0.0);
    search.best
}

#[test]
fn equals_a_plain_search_on_seven_nodes() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for round in 0..120 {
        let complete = round % 4 == 0;
        let share = [0.3, 0.6, 1.0][round / 4 % 3];
        let (edges1, edges2) = (random_edges(&mut rng, 7, share), random_edges(&mut rng, 7, share));
        let mut matching = GraphMatching::new(7, 7, &edges1, &edges2).unwrap();
        if complete {
            matching = matching.complete();
        }
        let mut cost = random_costs(&mut rng, matching.dimension(), [0, 0, 1, 3, 2][round / 24]);
        if !complete {
            // So that some nodes better stay unmatched.
            cost[..49].iter_mut().for_each(|cost| *cost += [0.0, 0.5, 1.0, 2.0][round % 4]);
        }
        let expected = by_depth_first_search(&matching, &cost, complete);
        assert_close(solve(&matching, &cost, complete), expected, &round);
    }
}

/// nug12: flows between twelve facilities, Manhattan distances on a grid of 3 x 4.
/// C. E. Nugent, T. E. Vollmann and J. Ruml, Operations Research 1968.
fn nug12() -> Qaplib {
    #[rustfmt::skip]
    let flow = [
        0, 5, 2, 4, 1, 0, 0, 6, 2, 1, 1, 1,
        5, 0, 3, 0, 2, 2, 2, 0, 4, 5, 0, 0,
        2, 3, 0, 0, 0, 0, 0, 5, 5, 2, 2, 2,
        4, 0, 0, 0, 5, 2, 2, 10, 0, 0, 5, 5,
        1, 2, 0, 5, 0, 10, 0, 0, 0, 5, 1, 1,
        0, 2, 0, 2, 10, 0, 5, 1, 1, 5, 4, 0,
        0, 2, 0, 2, 0, 5, 0, 10, 5, 2, 3, 3,
        6, 0, 5, 10, 0, 1, 10, 0, 0, 0, 5, 0,
        2, 4, 5, 0, 0, 1, 5, 0, 0, 0, 10, 10,
        1, 5, 2, 0, 5, 5, 2, 0, 0, 0, 5, 0,
        1, 0, 2, 5, 1, 4, 3, 5, 10, 5, 0, 2,
        1, 0, 2, 5, 1, 0, 3, 0, 10, 0, 2, 0,
    ];
    let mut distance = Vec::new();
    for a in 0..12_usize {
        for b in 0..12_usize {
            distance.push(((a / 4).abs_diff(b / 4) + (a % 4).abs_diff(b % 4)) as f64);
        }
    }
    Qaplib { n: 12, flow: flow.iter().copied().map(f64::from).collect(), distance }
}

#[test]
fn finds_the_known_optimum_of_nug12() {
    let (matching, cost) = nug12().instance().unwrap();
    let mut solution = vec![0.0; matching.dimension()];
    let proof = matching.solve_certified(&cost, &mut solution).unwrap();
    assert_eq!(proof.objective, 578.0);
    assert!(proof.lower_bound <= 578.0 && proof.lower_bound > 493.0, "{proof:?}"); // Gilmore-Lawler
    let proof = matching.exact_up_to(12).solve_certified(&cost, &mut solution).unwrap();
    assert!(proof.is_optimal() && proof.objective == 578.0, "{proof:?}");
}

#[test]
fn a_qaplib_file_reads_as_it_was_written_and_says_what_is_wrong() {
    let folder = std::env::temp_dir().join(format!("solvergrad-qaplib-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("instance.dat");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        read_qaplib(&path)
    };
    let problem = read(" 2\n\n 0 1\n 2 0\n\n 0 3.5\n\t4 -1\n").unwrap();
    let expected = Qaplib { n: 2, flow: vec![0., 1., 2., 0.], distance: vec![0., 3.5, 4., -1.] };
    assert_eq!(problem, expected);
    let (matching, cost) = Qaplib { flow: vec![7., 1., 2., 0.], ..expected }.instance().unwrap();
    // Identity: 7·0 + 1·3.5 + 2·4 + 0·(-1); exchanged: 7·(-1) + 1·4 + 2·3.5.
    let totals: Vec<f64> = matching.solutions().iter().map(|y| objective(&cost, y)).collect();
    assert_eq!(totals, [11.5, 4.0]);
    for (text, word) in [
        ("", "nothing"),
        ("x", "`x`"),
        ("0", "n is 0"),
        ("1 2", "2 entries, not 1"),
        ("1 2 3 4", "2 entries, not 3"),
        ("1 2 y", "`y`"),
        ("1 2 inf", "`inf`"),
        ("99999999999 1", "more entries"),
    ] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(read_qaplib(&path), Err(Error::Io { .. })));
    let uneven = Qaplib { n: 2, flow: vec![0.0; 4], distance: vec![0.0; 3] };
    assert!(matches!(uneven.instance(), Err(Error::Shape { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// lower bound <= optimum <= objective on sizes where each part of the search takes a hand.
    #[test]
    fn the_proof_holds(
        seed in any::<u64>(), n1 in 1..14_usize, n2 in 1..14_usize, share in 0.1..1.0_f64,
        kind in 0..8_usize, complete in any::<bool>(),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let edges1 = random_edges(&mut rng, n1, share);
        let edges2 = random_edges(&mut rng, n2, share);
        let mut matching = GraphMatching::new(n1, n2, &edges1, &edges2).unwrap().exact_up_to(5);
        if complete {
            matching = matching.complete();
        }
        let cost = random_costs(&mut rng, matching.dimension(), kind);
        let mut solution = vec![0.0; matching.dimension()];
        let proof = matching.solve_certified(&cost, &mut solution).unwrap();
        let scale = cost.iter().fold(0.0_f64, |most, cost| most.max(cost.abs()));
        prop_assert_eq!(proof.objective, checked(&matching, &cost, &solution, complete));
        prop_assert!(proof.complete && proof.lower_bound <= proof.objective);
        if n1.max(n2) <= 9 {
            let best = solve(&matching.clone().exact_up_to(9), &cost, complete);
            let rounding = 1e-11 * if kind == 7 { best.abs().max(1.0) } else { scale };
            prop_assert!(proof.lower_bound <= best + rounding, "{:?} {}", proof, best);
            prop_assert!(best <= proof.objective + rounding, "{:?} {}", proof, best);
        }
        // Nothing that can be told apart from outside beats the bound either.
        for _ in 0..20 {
            let mut order: Vec<usize> = (0..n1.max(n2)).collect();
            order.shuffle(&mut rng);
            let other = as_solution(&matching, &order);
            prop_assert!(proof.lower_bound <= objective(&cost, &other) + 1e-9 * scale);
        }
    }

    /// Exact up to the border: same optimum when both graphs change places, when costs are scaled,
    /// and when a node without a use joins.
    #[test]
    fn the_optimum_does_not_depend_on_the_presentation(
        seed in any::<u64>(), n1 in 1..8_usize, n2 in 1..8_usize, complete in any::<bool>(),
        factor in 1e-3..1e3_f64,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (edges1, edges2) = (random_edges(&mut rng, n1, 0.5), random_edges(&mut rng, n2, 0.5));
        let build = |n1, n2, edges1: &[_], edges2: &[_]| {
            let matching = GraphMatching::new(n1, n2, edges1, edges2).unwrap();
            if complete { matching.complete() } else { matching }
        };
        let matching = build(n1, n2, &edges1, &edges2);
        let cost = random_costs(&mut rng, matching.dimension(), 0);
        let best = solve(&matching, &cost, complete);
        let scaled: Vec<f64> = cost.iter().map(|cost| cost * factor).collect();
        assert_close(solve(&matching, &scaled, complete), best * factor, &factor);
        let (linear, quadratic) = cost.split_at(n1 * n2);
        let mut turned = Vec::new();
        for k in 0..n2 {
            turned.extend((0..n1).map(|i| linear[i * n2 + k]));
        }
        for f in 0..edges2.len() {
            turned.extend((0..edges1.len()).map(|e| quadratic[e * edges2.len() + f]));
        }
        assert_close(solve(&build(n2, n1, &edges2, &edges1), &turned, complete), best, &"turned");
        if !complete {
            let mut wider: Vec<f64> = Vec::new();
            for row in linear.chunks(n2) {
                wider.extend_from_slice(row);
                wider.push(1.0);
            }
            wider.extend_from_slice(quadratic);
            assert_close(solve(&build(n1, n2 + 1, &edges1, &edges2), &wider, false), best, &"wider");
        }
    }
}

/// The solution that matches i to order[i], where there is such a node.
fn as_solution(matching: &GraphMatching, order: &[usize]) -> Vec<f64> {
    let (n1, n2) = matching.nodes();
    let v = |i: usize, k: usize| f64::from(u8::from(order[i] == k));
    let mut solution: Vec<f64> = (0..n1).flat_map(|i| (0..n2).map(move |k| v(i, k))).collect();
    for &(i, j) in matching.edges1() {
        solution.extend(matching.edges2().iter().map(|&(k, l)| v(i, k) * v(j, l)));
    }
    solution
}

/// A ring with chords and its shuffled copy, with costs that point at the copy, blurred by `noise`.
fn planted(n: usize, noise: f64, seed: u64) -> (GraphMatching, Vec<f64>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut image: Vec<usize> = (0..n).collect();
    image.shuffle(&mut rng);
    let edges1: Vec<_> = (0..n).flat_map(|i| [1, 2].map(|step| (i, (i + step) % n))).collect();
    let edges2: Vec<_> = edges1.iter().map(|&(i, j)| (image[i], image[j])).collect();
    let matching = GraphMatching::new(n, n, &edges1, &edges2).unwrap();
    let mut blurred =
        |hit: bool| if hit { -1.0 } else { 0.5 } + noise * rng.random_range(-1.0..1.0);
    let mut cost: Vec<f64> = Vec::new();
    for &partner in &image {
        cost.extend((0..n).map(|k| blurred(partner == k)));
    }
    for e in 0..edges1.len() {
        cost.extend((0..edges2.len()).map(|f| blurred(e == f)));
    }
    (matching, cost, image)
}

#[test]
fn a_planted_matching_is_found_and_proven_on_forty_nodes() {
    for seed in 0..3 {
        let (matching, cost, image) = planted(40, 0.6, seed);
        let mut solution = vec![0.0; matching.dimension()];
        let proof = matching.solve_certified(&cost, &mut solution).unwrap();
        let expected: Vec<_> = image.into_iter().map(Some).collect();
        assert_eq!(matching.matches_of(&solution), expected);
        assert!(proof.is_optimal() && proof.complete, "{proof:?}");
    }
}

#[test]
fn extreme_costs_end_and_give_matchings() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for n in [1, 2, 3, 6, 12] {
        for complete in [false, true] {
            let mut matching = GraphMatching::complete_graphs(n, n).unwrap();
            if complete {
                matching = matching.complete();
            }
            let scales = [1e300, f64::MAX, 1e-300, 5e-324, 1e250];
            for scale in scales {
                for kind in [0, 1, 2, 3, 4, 5] {
                    let cost: Vec<f64> = random_costs(&mut rng, matching.dimension(), kind)
                        .into_iter()
                        .map(|cost| (cost / 2.0 * scale).clamp(-f64::MAX, f64::MAX))
                        .collect();
                    let mut solution = vec![0.0; matching.dimension()];
                    matching.solve(&cost, &mut solution).unwrap();
                    let got = checked(&matching, &cost, &solution, complete);
                    if n <= 3 && scale < 1e300 {
                        assert_close(got, brute_force_objective(&matching, &cost), &cost);
                    }
                }
            }
        }
    }
}

#[test]
fn forbidding_costs_do_not_drown_the_others() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for wall in [1e9, 1e100, 1e300] {
        for complete in [false, true] {
            let (edges, n) = (random_edges(&mut rng, 7, 0.5), 7);
            let mut matching = GraphMatching::new(n, n, &edges, &edges).unwrap();
            if complete {
                matching = matching.complete();
            }
            let cost = random_costs(&mut rng, matching.dimension(), 0);
            let (mut walled, mut removed) = (cost.clone(), cost);
            for index in 0..n * n {
                // Off a band around the diagonal; the identity is not in it.
                if (index / n + 1) % n != index % n && (index / n + 2) % n != index % n {
                    walled[index] = wall;
                    removed[index] = 1e3;
                }
            }
            let expected = by_depth_first_search(&matching, &removed, complete);
            assert!(expected < 1e3);
            assert_close(solve(&matching, &walled, complete), expected, &wall);
        }
    }
}

#[test]
fn a_time_limit_leaves_the_best_so_far_and_says_so() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let free = GraphMatching::complete_graphs(14, 14).unwrap().complete().exact_up_to(14);
    let cost = random_costs(&mut rng, free.dimension(), 3);
    for limit in [Duration::ZERO, Duration::from_millis(20)] {
        let matching = free.clone().with_time_limit(limit);
        let mut solution = vec![f64::NAN; matching.dimension()];
        let error = matching.solve(&cost, &mut solution).unwrap_err();
        let written = checked(&matching, &cost, &solution, true);
        let Error::TimeLimit { objective, lower_bound, limit_s, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!((objective, limit_s), (written, limit.as_secs_f64()));
        assert!(lower_bound < objective && lower_bound > 0.0);
        let proof = matching.certificate().unwrap().solve_certified(&cost, &mut solution).unwrap();
        assert!(!proof.complete && !proof.is_optimal());
        assert_eq!(proof.objective, checked(&matching, &cost, &solution, true));
    }
    // A limit that is never reached changes nothing.
    let (matching, cost, _) = planted(9, 1.0, 1);
    let (mut with, mut without) = (vec![0.0; cost.len()], vec![0.0; cost.len()]);
    matching.solve(&cost, &mut without).unwrap();
    matching.with_time_limit(Duration::MAX).solve(&cost, &mut with).unwrap();
    assert_eq!(with, without);
}

#[test]
fn the_same_costs_give_the_same_solution_on_any_number_of_threads() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let (matching, _, _) = planted(12, 0.0, 2);
    // Blurred and tied costs, in a row, so that what a thread solved before differs.
    let costs: Vec<f64> =
        (0..24).flat_map(|row| random_costs(&mut rng, matching.dimension(), row % 3)).collect();
    let solve = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| solve_batch(&matching, &costs)).unwrap()
    };
    let once = solve(1);
    assert_eq!(once, solve(4));
    assert_eq!(once, solve(1));
}

#[test]
fn a_partial_matching_costs_no_more_than_a_complete_one() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for _ in 0..20 {
        let (n1, n2) = (rng.random_range(1..8), rng.random_range(1..8));
        let partial = GraphMatching::complete_graphs(n1, n2).unwrap();
        let cost = random_costs(&mut rng, partial.dimension(), 0);
        let least = solve(&partial, &cost, false);
        assert!(least <= 0.0 && least <= solve(&partial.complete(), &cost, true) + 1e-12);
    }
}

#[test]
fn bad_graphs_are_named_errors() {
    let loops: [(usize, usize); 1] = [(1, 1)];
    for (result, words) in [
        (GraphMatching::new(0, 2, &[], &[]), ["graph 1", "empty"]),
        (GraphMatching::new(2, 0, &[], &[]), ["graph 2", "empty"]),
        (GraphMatching::new(2, 2, &[(0, 2)], &[]), ["graph 1", "(0, 2)"]),
        (GraphMatching::new(2, 2, &[], &[(3, 0)]), ["graph 2", "(3, 0)"]),
        (GraphMatching::new(2, 2, &loops, &[]), ["graph 1", "(1, 1)"]),
        (GraphMatching::new(2, 2, &[], &[(0, 1), (1, 0), (0, 1)]), ["graph 2", "(0, 1) twice"]),
        (GraphMatching::new(usize::MAX, 2, &[], &[]), ["graph 1", "nodes"]),
        (GraphMatching::complete_graphs(3, 0), ["graph 2", "empty"]),
        (GraphMatching::complete_graphs(usize::MAX, 1), ["graph 1", "nodes"]),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }), "{error:?}");
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    }
    let matching = GraphMatching::new(1, 1, &[], &[]).unwrap();
    assert_eq!((matching.dimension(), matching.domain()), (1, Domain::Finite));
    assert!(matches!(solve_batch(&matching, &[f64::NAN]), Err(Error::Cost { .. })));
    assert_eq!(matching.matches_of(&[]), [None]);
}
