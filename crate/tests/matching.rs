//! Keypoints, their graphs and the network that gives the costs of matching them.

use proptest::prelude::*;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use solvergrad::model::sample_bilinear;
use solvergrad::prelude::*;
use tempfile::tempdir;

#[allow(dead_code)] // Other tests use the rest.
mod common;

use common::{KINDS, random};

fn all_pairs(n: usize) -> Vec<(usize, usize)> {
    (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|(i, j)| i != j).collect()
}

/// Twice the area of a triangle, above 0 where it is counterclockwise.
fn turn([a, b, c]: [[f64; 2]; 3]) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// Above 0 where `point` is within the circle through the corners of a counterclockwise triangle.
fn within([a, b, c]: [[f64; 2]; 3], point: [f64; 2]) -> f64 {
    let [a, b, c] = [a, b, c].map(|[x, y]| {
        let (x, y) = (x - point[0], y - point[1]);
        [x, y, x * x + y * y]
    });
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

proptest! {
    // On integers, where the predicates here are exact and many points are on common lines and circles.
    #[test]
    fn delaunay_triangles_have_empty_circles(
        points in prop::collection::hash_set((0i32..30, 0i32..30), 2..20)
    ) {
        let points: Vec<[f32; 2]> = points.iter().map(|&(x, y)| [x as f32, y as f32]).collect();
        let edges = delaunay(&points).unwrap();
        let n = points.len();
        prop_assert!(edges.is_sorted_by(|a, b| a < b));
        prop_assert!(edges.iter().all(|&(i, j)| i != j && edges.contains(&(j, i))));
        let exact: Vec<[f64; 2]> = points.iter().map(|point| point.map(f64::from)).collect();
        let at = |corners: [usize; 3]| corners.map(|corner| exact[corner]);
        let flat = all_pairs(n).iter().all(|&(i, j)| (0..n).all(|k| turn(at([i, j, k])) == 0.0));
        if flat {
            prop_assert_eq!(edges, all_pairs(n));
            return Ok(());
        }
        // Planar and connected.
        prop_assert!(edges.len() / 2 <= 3 * n - 6);
        prop_assert!(edges.len() / 2 + 1 >= n);
        // Each edge is a side of a triangle whose circle is empty.
        for &(i, j) in &edges {
            let side = (0..n).any(|k| {
                let corners = if turn(at([i, j, k])) > 0.0 { at([i, j, k]) } else { at([j, i, k]) };
                edges.contains(&(i, k)) && edges.contains(&(j, k)) && turn(corners) > 0.0
                    && exact.iter().all(|&point| within(corners, point) <= 0.0)
            });
            prop_assert!(side, "edge ({}, {})", i, j);
        }
        // And there are as many as there must be: 3n - 3 less the points on the border.
        let border = (0..n).filter(|&k| !strictly_inside(&exact, k)).count();
        prop_assert_eq!(edges.len() / 2, 3 * n - 3 - border);
    }

    #[test]
    fn delaunay_takes_all_numbers_that_are_finite(
        points in prop::collection::vec(prop::array::uniform2(-1e30f32..1e30), 2..12),
        scale in prop_oneof![Just(1.0f32), Just(1e-30), Just(1e-70f64 as f32), Just(1e-45)],
    ) {
        let points: Vec<[f32; 2]> = points.iter().map(|point| point.map(|x| x * scale)).collect();
        let edges = delaunay(&points).unwrap();
        // Connected at least.
        prop_assert!(edges.len() / 2 + 1 >= points.len());
    }
}

/// Whether a point is in the inside of the hull of all.
fn strictly_inside(points: &[[f64; 2]], k: usize) -> bool {
    // On no line through it are all points on one side.
    points.iter().filter(|&&other| other != points[k]).all(|&other| {
        let turns = points.iter().map(|&point| turn([points[k], other, point]));
        let (low, high) = turns.fold((0.0f64, 0.0f64), |(low, high), t| (low.min(t), high.max(t)));
        low < 0.0 && high > 0.0
    })
}

#[test]
fn delaunay_of_a_square_a_line_and_equal_points() {
    let square = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]];
    let edges = delaunay(&square).unwrap();
    assert_eq!(edges.len(), 10);
    assert_ne!(edges.contains(&(0, 2)), edges.contains(&(1, 3)));
    for sides in [(0, 1), (1, 2), (2, 3), (0, 3)] {
        assert!(edges.contains(&sides), "{sides:?}");
    }
    let middle = [square.as_slice(), &[[1.0, 1.0]]].concat();
    let edges = delaunay(&middle).unwrap();
    assert_eq!(edges.len(), 16);
    assert!(!edges.contains(&(0, 2)) && (0..4).all(|corner| edges.contains(&(corner, 4))));
    for degenerate in [
        vec![[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [5.0, 5.0]],
        vec![[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [3.0, 0.0]],
        vec![[1.0, 1.0], [4.0, 2.0]],
        vec![[1.0, 1.0]; 3],
    ] {
        assert_eq!(delaunay(&degenerate).unwrap(), all_pairs(degenerate.len()), "{degenerate:?}");
    }
}

#[test]
fn keypoints_that_are_too_few_or_no_numbers_are_named() {
    let message = |result: Result<KeypointGraph>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }), "{error}");
        error.to_string()
    };
    for few in [vec![], vec![[1.0, 1.0]]] {
        assert!(message(KeypointGraph::new(few)).contains("at least 2"));
    }
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let points = vec![[0.0, 0.0], [1.0, wrong], [2.0, 0.0]];
        assert!(message(KeypointGraph::new(points.clone())).contains("number 1"));
        assert!(message(KeypointGraph::with_edges(points, vec![])).contains("number 1"));
    }
    let points = || vec![[0.0, 0.0], [1.0, 2.0]];
    assert!(message(KeypointGraph::with_edges(vec![], vec![])).contains("at least 1"));
    for edge in [(0, 2), (2, 0), (1, 1)] {
        let message = message(KeypointGraph::with_edges(points(), vec![edge]));
        assert!(message.contains(&format!("{edge:?}")), "{message}");
    }
    let graph = KeypointGraph::with_edges(points(), vec![(0, 1)]).unwrap();
    assert_eq!(graph.pseudo_coordinates(4.0), [[0.375, 0.25]]);
}

#[test]
fn sampling_is_bilinear_between_the_middles_of_cells() {
    for kind in KINDS {
        // 2x − 3y + 1 of places (x, y) of the map, in a second channel 5.
        let (height, width) = (4, 4);
        let x = Tensor::arange(width, (kind, Device::Cpu)).view([1, width]);
        let y = Tensor::arange(height, (kind, Device::Cpu)).view([height, 1]);
        let linear = &x * 2.0 - &y * 3.0 + 1.0;
        let map = Tensor::stack(&[&linear, &linear.full_like(5.0)], 0);
        let map = Tensor::stack(&[&map, &(&map * 10.0)], 0);
        // Pictures of 16 x 16 pixels: cells of 4, with middles at 2, 6, 10 and 14.
        let inside = [[2.0f32, 2.0], [6.0, 14.0], [3.0, 2.0], [7.5, 9.0], [13.9, 2.1]];
        let outside = [[0.0f32, 16.0], [-100.0, 4.0], [300.0, 16.0], [2.0, 0.5]];
        let values = sample_bilinear(&map, 16.0, &[inside.as_slice(), outside.as_slice()]).unwrap();
        assert_eq!((values.size(), values.kind()), (vec![9, 2], kind));
        for (index, (scale, [x, y])) in inside
            .map(|point| (1.0, point))
            .into_iter()
            .chain(outside.map(|point| (10.0, point)))
            .enumerate()
        {
            // Beyond the middles of the outermost cells it is constant.
            let place = |p: f32| ((f64::from(p) - 2.0) / 4.0).clamp(0.0, 3.0);
            let expected = scale * (2.0 * place(x) - 3.0 * place(y) + 1.0);
            let got = values.double_value(&[index as i64, 0]);
            assert!((got - expected).abs() < 1e-4, "({x}, {y}): {got} {expected}");
            assert!((values.double_value(&[index as i64, 1]) - 5.0 * scale).abs() < 1e-4);
        }
    }
    // Not a linear map: a quarter of each of four cells.
    let map = Tensor::from_slice(&[1.0, 0.0, 0.0, 8.0]).view([1, 1, 2, 2]);
    let value = sample_bilinear(&map, 64.0, &[[[32.0, 32.0], [40.0, 24.0]]]).unwrap();
    // Place (0.75, 0.25): 0.25 · 0.75 of the first, and of the last.
    assert_eq!(Vec::<f64>::try_from(value.view([-1])).unwrap(), [2.25, 9.0 * 0.1875]);
}

#[test]
fn vectors_of_keypoints_are_those_of_maps_of_length_one() {
    let features = KeypointFeatures {
        nodes: random(&[2, 5, 8, 8], Kind::Double, 1).set_requires_grad(true),
        edges: random(&[2, 3, 4, 4], Kind::Double, 2).set_requires_grad(true),
        global: random(&[2, 3], Kind::Double, 3),
    };
    let keypoints = [vec![[1.0, 5.0], [60.0, 33.3]], vec![[64.0, 0.0], [32.0, 31.0], [12.5, 47.0]]];
    let got = features.at_keypoints(64.0, &keypoints).unwrap();
    let units = [&features.nodes, &features.edges].map(|map| {
        let map = map.detach().set_requires_grad(true);
        let unit = &map / map.norm_scalaropt_dim(2.0, [1i64], true);
        (map, sample_bilinear(&unit, 64.0, &keypoints).unwrap())
    });
    let expected = Tensor::cat(&[&units[0].1, &units[1].1], 1);
    assert_eq!(got.size(), [5, 8]);
    assert!(got.allclose(&expected, 1e-12, 1e-12, false));
    let upstream = random(&[5, 8], Kind::Double, 4);
    for value in [got, expected] {
        (value * &upstream).sum(Kind::Double).backward();
    }
    for (map, (same, _)) in [&features.nodes, &features.edges].into_iter().zip(&units) {
        assert!(map.grad().allclose(&same.grad(), 1e-10, 1e-12, false));
        assert!(map.grad().abs().max().double_value(&[]) > 0.01);
    }
    // A cell without anything, as after a ReLU, is no division by 0.
    let nothing = KeypointFeatures {
        nodes: features.nodes.zeros_like().set_requires_grad(true),
        edges: features.edges.zeros_like(),
        global: features.global,
    };
    let value = nothing.at_keypoints(64.0, &keypoints).unwrap();
    assert_eq!(value.abs().max().double_value(&[]), 0.0);
    value.sum(Kind::Double).backward();
    assert!(bool::try_from(nothing.nodes.grad().isfinite().all()).unwrap());
}

#[test]
fn maps_and_positions_that_do_not_fit_are_named() {
    let map = random(&[1, 2, 4, 4], Kind::Float, 1);
    let point = [vec![[1.0, 2.0]]];
    assert!(matches!(sample_bilinear(&map.get(0), 8.0, &point), Err(Error::Shape { .. })));
    let two = [vec![[1.0, 2.0]], vec![]];
    assert!(matches!(sample_bilinear(&map, 8.0, &two), Err(Error::Shape { .. })));
    for side in [0.0, f64::NAN] {
        assert!(matches!(sample_bilinear(&map, side, &point), Err(Error::Parameter { .. })));
    }
    let nowhere = [vec![[1.0, 2.0], [f32::NAN, 1.0]]];
    let message = sample_bilinear(&map, 8.0, &nowhere).unwrap_err().to_string();
    assert!(message.contains("NaN"), "{message}");
    assert_eq!(sample_bilinear(&map, 8.0, &[vec![]]).unwrap().size(), [0, 2]);
}

/// Two graphs for each pair, in pictures of 64 x 64, and the pictures.
fn pairs(count: usize, seed: u64) -> (Tensor, Vec<KeypointGraph>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let graphs = (0..2 * count).map(|_| {
        let n = rng.random_range(3..12);
        let points = (0..n).map(|_| [0, 1].map(|_| rng.random_range(2.0f32..62.0))).collect();
        KeypointGraph::new(points).unwrap()
    });
    let graphs = graphs.collect();
    (random(&[2 * count as i64, 3, 64, 64], Kind::Float, seed), graphs)
}

fn network(seed: u64) -> (nn::VarStore, MatchingNetwork) {
    let variables = nn::VarStore::new(Device::Cpu);
    let root = variables.root();
    let trunk = SmallTrunk::new(&(&root / "trunk"), seed).unwrap();
    let network = MatchingNetwork::new(&(&root / "matching"), trunk, seed).unwrap();
    (variables, network)
}

#[test]
fn costs_have_the_shapes_of_graph_matching_and_gradients_reach_all_parameters() {
    let (pictures, graphs) = pairs(3, 1);
    let (variables, network) = network(1);
    let costs = network.forward_t(&pictures, &graphs, true).unwrap();
    assert_eq!(costs.len(), 3);
    for (index, cost) in costs.iter().enumerate() {
        let pair = [&graphs[index], &graphs[3 + index]];
        let nodes = [0, 1].map(|i| pair[i].positions().len());
        let edges = [0, 1].map(|i| pair[i].edges().len());
        assert_eq!(cost.nodes.size(), nodes.map(|n| n as i64));
        assert_eq!(cost.edges.size(), edges.map(|n| n as i64));
        // −a < ½ and −½ a < ¼.
        assert!(cost.nodes.max().double_value(&[]) < 0.5);
        assert!(cost.edges.max().double_value(&[]) < 0.25);
        let solver =
            GraphMatching::new(nodes[0], nodes[1], pair[0].edges(), pair[1].edges()).unwrap();
        let all = Tensor::cat(&[&cost.nodes.view([-1]), &cost.edges.view([-1])], 0);
        let solution = SolverLayer::new(solver, Identity).forward(&all).unwrap();
        assert_eq!(solution.numel(), nodes[0] * nodes[1] + edges[0] * edges[1]);
    }
    let total: Tensor = costs
        .iter()
        .flat_map(|cost| [&cost.nodes, &cost.edges])
        .map(|part| (part * random(&part.size(), Kind::Float, 5)).sum(Kind::Float))
        .sum();
    total.backward();
    let stored = variables.variables();
    let trained = stored.iter().filter(|(_, tensor)| tensor.requires_grad());
    assert_eq!(trained.clone().count(), 5 * 3 + 2 * 3 + 2 * 2);
    for (name, parameter) in trained {
        let gradient = parameter.grad();
        assert!(gradient.defined() && gradient.abs().max().double_value(&[]) > 0.0, "{name}");
    }
}

#[test]
fn costs_are_the_published_formula() {
    let (pictures, graphs) = pairs(2, 2);
    let (variables, network) = network(3);
    let again = nn::VarStore::new(Device::Cpu);
    let trunk = SmallTrunk::new(&again.root(), 3).unwrap();
    let stored = variables.variables();
    let weight = |name: &str| stored[&format!("matching.{name}")].shallow_clone();
    let got = tch::no_grad(|| network.forward_t(&pictures, &graphs, false)).unwrap();
    let features = tch::no_grad(|| trunk.features(&pictures, false)).unwrap();
    for (pair, got) in got.iter().enumerate() {
        let rows = [pair, 2 + pair];
        let one = |row: usize| {
            let graph = &graphs[row];
            let narrow = |map: &Tensor| map.narrow(0, row as i64, 1);
            let alone = KeypointFeatures {
                nodes: narrow(&features.nodes),
                edges: narrow(&features.edges),
                global: narrow(&features.global),
            };
            let x = alone.at_keypoints(64.0, &[graph.positions()]).unwrap();
            let pseudo = graph.pseudo_coordinates(64.0);
            let spline = |x: &Tensor, name: &str| {
                let store = nn::VarStore::new(Device::Cpu);
                let layer = SplineConvolution::new(&store.root(), 256, 256, 1).unwrap();
                let values = store.variables();
                tch::no_grad(|| {
                    for part in ["weight", "root", "bias"] {
                        values[part].shallow_clone().copy_(&weight(&format!("{name}.{part}")));
                    }
                });
                let n = graph.positions().len();
                let whole = SplineGraph::new(n, graph.edges(), &pseudo).unwrap();
                layer.forward(x, &whole).unwrap().detach()
            };
            let x: Tensor = &x + 0.1 * spline(&spline(&x, "spline0").relu(), "spline1");
            let edges: Vec<Tensor> =
                graph.edges().iter().map(|&(i, j)| x.get(i as i64) - x.get(j as i64)).collect();
            (x, Tensor::stack(&edges, 0))
        };
        let [(x, x_edges), (y, y_edges)] = rows.map(one);
        let global = Tensor::cat(&rows.map(|row| features.global.get(row as i64)), 0);
        let global = &global / global.norm();
        let affinity = |name: &str, x: &Tensor, y: &Tensor| {
            let dense = weight(&format!("{name}.weight")).mv(&global);
            let coefficients = (dense + weight(&format!("{name}.bias"))).tanh();
            (x * coefficients).matmul(&y.tr()).softplus() - 0.5
        };
        let nodes = -affinity("node_affinity", &x, &y);
        let edges = -0.5 * affinity("edge_affinity", &x_edges, &y_edges);
        assert!(got.nodes.allclose(&nodes, 1e-4, 1e-5, false));
        assert!(got.edges.allclose(&edges, 1e-4, 1e-5, false));
        // Not all the same, or this would say little.
        assert!(nodes.std(true).double_value(&[]) > 1e-4);
    }
}

#[test]
fn other_numbers_of_the_keypoints_give_the_costs_in_their_order() {
    let (pictures, graphs) = pairs(2, 3);
    let (_variables, network) = network(2);
    let costs = |graphs: &[KeypointGraph]| {
        tch::no_grad(|| network.forward_t(&pictures, graphs, false)).unwrap()
    };
    let before = costs(&graphs);
    // Of the second picture of the first pair: keypoint `order[i]` is now number i.
    let graph = &graphs[2];
    let mut order: Vec<usize> = (0..graph.positions().len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
    let positions = order.iter().map(|&old| graph.positions()[old]).collect();
    let mut shuffled = graphs.clone();
    shuffled[2] = KeypointGraph::new(positions).unwrap();
    let after = costs(&shuffled);
    let index = |list: Vec<usize>| {
        Tensor::from_slice(&list.into_iter().map(|i| i as i64).collect::<Vec<_>>())
    };
    let edges: Vec<usize> = shuffled[2]
        .edges()
        .iter()
        .map(|&(i, j)| {
            let old = (order[i], order[j]);
            graph.edges().iter().position(|edge| *edge == old).unwrap()
        })
        .collect();
    let expected = [
        before[0].nodes.index_select(1, &index(order)),
        before[0].edges.index_select(1, &index(edges)),
    ];
    assert!(after[0].nodes.allclose(&expected[0], 1e-4, 1e-6, false));
    assert!(after[0].edges.allclose(&expected[1], 1e-4, 1e-6, false));
    assert!(after[1].nodes.allclose(&before[1].nodes, 1e-4, 1e-6, false));
    assert!(!after[0].nodes.allclose(&before[0].nodes, 1e-4, 1e-6, false));
}

#[test]
fn the_seed_is_all_that_costs_depend_on() {
    let (pictures, graphs) = pairs(2, 4);
    let costs = |seed| {
        let (_variables, network) = network(seed);
        tch::no_grad(|| network.forward_t(&pictures, &graphs, true)).unwrap()
    };
    let (first, again, other) = (costs(1), costs(1), costs(2));
    for ((first, again), other) in first.iter().zip(&again).zip(&other) {
        assert!(first.nodes.equal(&again.nodes) && first.edges.equal(&again.edges));
        assert!(!first.nodes.equal(&other.nodes) && !first.edges.equal(&other.edges));
    }
}

#[test]
fn pictures_and_graphs_that_do_not_fit_are_named() {
    let (pictures, graphs) = pairs(1, 5);
    let (_variables, network) = network(1);
    let cases = [
        (pictures.narrow(1, 0, 1), graphs.clone()),
        (pictures.narrow(2, 0, 32), graphs.clone()),
        (pictures.narrow(0, 0, 1), graphs[..1].to_vec()),
        (pictures.shallow_clone(), graphs[..1].to_vec()),
        (pictures.narrow(0, 0, 0), vec![]),
        (pictures.get(0), graphs.clone()),
        (pictures.to_kind(Kind::Uint8), graphs.clone()),
        (pictures.narrow(2, 0, 4).narrow(3, 0, 4), graphs.clone()),
    ];
    for (pictures, graphs) in cases {
        let error = network.forward_t(&pictures, &graphs, false).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{:?}: {error}", pictures.size());
    }
    let far = KeypointGraph::new(vec![[0.0, 0.0], [500.0, 1.0]]).unwrap();
    let error = network.forward_t(&pictures, &[far, graphs[0].clone()], false).unwrap_err();
    assert!(matches!(error, Error::Parameter { .. }), "{error}");
    // A single keypoint has nothing around it, and that is fine.
    let alone = || KeypointGraph::with_edges(vec![[5.0, 6.0]], vec![]).unwrap();
    let costs = network.forward_t(&pictures, &[alone(), alone()], false).unwrap();
    assert_eq!((costs[0].nodes.size(), costs[0].edges.size()), (vec![1, 1], vec![0, 0]));
}

#[test]
fn a_short_fit_of_node_affinities_finds_the_true_matches() {
    // The second picture is the first with its keypoints in another order.
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (pictures, graphs) = pairs(4, 6);
    let pictures = pictures.narrow(0, 0, 4).repeat([2, 1, 1, 1]);
    let (mut both, mut truths) = (graphs[..4].to_vec(), vec![]);
    for graph in &graphs[..4] {
        let n = graph.positions().len();
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut rng);
        let truth = Tensor::zeros([n as i64, n as i64], (Kind::Float, Device::Cpu));
        for (new, &old) in order.iter().enumerate() {
            let _ = truth.get(old as i64).get(new as i64).fill_(1.0);
        }
        let positions = order.iter().map(|&old| graph.positions()[old]).collect();
        both.push(KeypointGraph::new(positions).unwrap());
        truths.push(truth);
    }
    let (variables, network) = network(1);
    let mut adam = Adam::new(&variables, 2e-3).unwrap();
    let mut losses = vec![];
    for _ in 0..15 {
        let costs = network.forward_t(&pictures, &both, true).unwrap();
        let loss: Tensor = costs
            .iter()
            .zip(&truths)
            .map(|(cost, truth)| {
                // Cross entropy of each row.
                let rows = (-&cost.nodes * 10.0).log_softmax(1, Kind::Float) * truth;
                -rows.sum(Kind::Float) / truth.size()[0]
            })
            .sum();
        losses.push(loss.double_value(&[]) / 4.0);
        adam.minimise(&loss).unwrap();
    }
    assert!(losses[14] < 0.7 * losses[0], "{losses:?}");
}

#[test]
fn vgg16_has_the_names_and_the_size_of_torchvision() {
    let variables = nn::VarStore::new(Device::Cpu);
    let mut network = Vgg16::new(&variables.root(), 1).unwrap();
    let parameters: usize = variables.trainable_variables().iter().map(Tensor::numel).sum();
    // 14 714 688 of the convolutions, and two for each channel of a norm.
    assert_eq!(parameters, 14_714_688 + 2 * 4224);
    let stored = variables.variables();
    assert_eq!(stored.len(), 13 * 6);
    for (name, shape) in [
        ("features.0.weight", &[64, 3, 3, 3][..]),
        ("features.0.bias", &[64]),
        ("features.1.running_var", &[64]),
        ("features.7.weight", &[128, 64, 3, 3]),
        ("features.14.weight", &[256, 128, 3, 3]),
        ("features.27.weight", &[512, 512, 3, 3]),
        ("features.35.bias", &[512]),
        ("features.41.running_mean", &[512]),
    ] {
        assert_eq!(stored.get(name).map(Tensor::size).as_deref(), Some(shape), "{name}");
    }

    // The whole list of layers, as torchvision runs it.
    let pictures = random(&[2, 3, 64, 96], Kind::Float, 1);
    let features = tch::no_grad(|| network.features(&pictures, false)).unwrap();
    tch::no_grad(|| {
        let mut hidden = pictures.shallow_clone();
        for layer in 0..44 {
            let part = |part: &str, layer: usize| {
                stored.get(&format!("features.{layer}.{part}")).map(Tensor::shallow_clone)
            };
            hidden = if part("running_mean", layer).is_some() {
                let [mean, var] = ["running_mean", "running_var"].map(|name| part(name, layer));
                let [weight, bias] = ["weight", "bias"].map(|name| part(name, layer));
                hidden.batch_norm(weight, bias, mean, var, false, 0.1, 1e-5, false)
            } else if let Some(weight) = part("weight", layer) {
                hidden.conv2d(&weight, part("bias", layer), [1, 1], [1, 1], [1, 1], 1)
            } else if part("weight", layer.wrapping_sub(1)).is_some() {
                hidden.relu()
            } else {
                hidden.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)
            };
            let map = match layer {
                29 => &features.nodes,
                36 => &features.edges,
                43 => &features.global,
                _ => continue,
            };
            let expected =
                if layer == 43 { hidden.amax([2i64, 3], false) } else { hidden.shallow_clone() };
            assert_eq!(map.size(), expected.size());
            assert!(map.allclose(&expected, 1e-3, 1e-4, false), "after layer {layer}");
        }
    });

    let folder = tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    let marked: Vec<(String, Tensor)> = network
        .weights()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.detach() * 0.5))
        .chain([("classifier.0.weight".into(), Tensor::zeros([2], (Kind::Float, Device::Cpu)))])
        .collect();
    let count = marked.len() - 1;
    assert_eq!(count, stored.len());
    Tensor::write_safetensors(&marked, &file).unwrap();
    network.load_weights(&file).unwrap();
    for (name, expected) in &marked[..count] {
        assert!(stored[name].equal(expected), "{name}");
    }
    Tensor::write_safetensors(&marked[1..], &file).unwrap();
    let missing = network.load_weights(&file).unwrap_err().to_string();
    assert!(missing.contains("features.0.weight") && missing.contains("vgg16_bn"), "{missing}");
    let mut wrong = marked;
    wrong[1].1 = Tensor::zeros([7], (Kind::Float, Device::Cpu));
    Tensor::write_safetensors(&wrong, &file).unwrap();
    let error = network.load_weights(&file).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("features.0.bias has shape [7]; expected [64]"), "{message}");
    assert!(stored["features.0.weight"].equal(&wrong[0].1), "changed by a file that did not fit");
    let nowhere = network.load_weights(&folder.path().join("none.safetensors"));
    assert!(matches!(nowhere, Err(Error::Io { .. })));
    let small = random(&[1, 3, 16, 64], Kind::Float, 1);
    assert!(matches!(network.features(&small, false), Err(Error::Shape { .. })));
}

#[test]
fn vgg16_gives_costs_of_1024_numbers_a_keypoint() {
    let variables = nn::VarStore::new(Device::Cpu);
    let trunk = Vgg16::new(&(variables.root() / "trunk"), 1).unwrap();
    let network = MatchingNetwork::new(&(variables.root() / "matching"), trunk, 1).unwrap();
    assert_eq!(variables.variables()["matching.spline0.weight"].size(), [25, 1024, 1024]);
    assert_eq!(variables.variables()["matching.node_affinity.weight"].size(), [1024, 1024]);
    let (pictures, graphs) = pairs(1, 7);
    let costs = tch::no_grad(|| network.forward_t(&pictures, &graphs, false)).unwrap();
    assert_eq!(costs[0].nodes.size()[0] as usize, graphs[0].positions().len());
    assert!(bool::try_from(costs[0].nodes.isfinite().all()).unwrap());
}
