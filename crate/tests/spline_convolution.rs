//! Convolutions over graphs: the numbers of PyTorch Geometric, the formula itself, and gradients.

use proptest::prelude::*;
use serde_json::Value;
use solvergrad::prelude::*;

#[allow(dead_code)] // Other tests use the rest.
mod common;

use common::random;

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

fn pairs(value: &Value) -> Vec<[f64; 2]> {
    numbers(value).chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
}

fn edges(value: &Value) -> Vec<(usize, usize)> {
    pairs(value).into_iter().map(|[from, to]| (from as usize, to as usize)).collect()
}

/// A layer in double precision, with the weights that are given.
fn layer(inputs: i64, outputs: i64, weights: [&Tensor; 3]) -> (nn::VarStore, SplineConvolution) {
    let mut variables = nn::VarStore::new(Device::Cpu);
    let layer =
        SplineConvolution::new(&variables.root(), inputs as usize, outputs as usize, 1).unwrap();
    variables.double();
    let stored = variables.variables();
    tch::no_grad(|| {
        for (name, values) in ["weight", "root", "bias"].into_iter().zip(weights) {
            stored[name].shallow_clone().copy_(&values.view_as(&stored[name]));
        }
    });
    (variables, layer)
}

/// The hat at one of 5 knots.
fn hat(knot: usize, place: f64) -> f64 {
    (1.0 - (4.0 * place - knot as f64).abs()).max(0.0)
}

/// The formula, edge by edge and knot by knot.
fn by_hand(
    x: &Tensor,
    edges: &[(usize, usize)],
    pseudo: &[[f64; 2]],
    [weight, root, bias]: [&Tensor; 3],
) -> Tensor {
    let rows = (0..x.size()[0]).map(|node| {
        let messages: Vec<Tensor> = edges
            .iter()
            .zip(pseudo)
            .filter(|((_, target), _)| *target as i64 == node)
            .map(|(&(source, _), place)| {
                let kernel: Tensor = (0..25)
                    .map(|k| hat(k % 5, place[0]) * hat(k / 5, place[1]) * weight.get(k as i64))
                    .sum();
                x.get(source as i64).unsqueeze(0).matmul(&kernel).squeeze_dim(0)
            })
            .collect();
        let own = x.get(node).unsqueeze(0).matmul(root).squeeze_dim(0) + bias;
        if messages.is_empty() { own } else { own + Tensor::stack(&messages, 0).amax([0], false) }
    });
    Tensor::stack(&rows.collect::<Vec<_>>(), 0)
}

#[test]
fn values_and_gradients_are_those_of_pytorch_geometric() {
    let stored: Value = serde_json::from_str(include_str!("spline_convolution.json")).unwrap();
    for case in stored["cases"].as_array().unwrap() {
        let [nodes, inputs, outputs] =
            ["nodes", "inputs", "outputs"].map(|name| case[name].as_i64().unwrap());
        let tensor = |name: &str| Tensor::from_slice(&numbers(&case[name]));
        let weights = ["weight", "root", "bias"].map(tensor);
        let (variables, layer) = layer(inputs, outputs, weights.each_ref());
        let graph =
            SplineGraph::new(nodes as usize, &edges(&case["edges"]), &pairs(&case["pseudo"]));
        let x = tensor("x").view([nodes, inputs]).set_requires_grad(true);
        let value = layer.forward(&x, &graph.unwrap()).unwrap();
        let expected = tensor("value").view([nodes, outputs]);
        assert!(value.allclose(&expected, 1e-10, 1e-10, false), "{value:?} {expected:?}");
        (value * tensor("upstream").view([nodes, outputs])).sum(Kind::Double).backward();
        let stored = variables.variables();
        let parts = ["weight", "root", "bias"].map(|name| (name, stored[name].grad()));
        for (name, gradient) in parts.into_iter().chain([("x", x.grad())]) {
            let expected = tensor(&format!("gradient_{name}")).view_as(&gradient);
            assert!(gradient.allclose(&expected, 1e-9, 1e-10, false), "gradient of {name}");
        }
    }
}

fn any_graph() -> impl Strategy<Value = (usize, Vec<(usize, usize)>, Vec<[f64; 2]>)> {
    (1usize..7).prop_flat_map(|nodes| {
        prop::collection::vec(
            // Often at a knot or an end.
            ((0..nodes, 0..nodes), [place(), place()]),
            0..20,
        )
        .prop_map(move |edges| {
            let (edges, pseudo) = edges.into_iter().unzip();
            (nodes, edges, pseudo)
        })
    })
}

fn place() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..=1.0, (0u8..5).prop_map(|knot| f64::from(knot) / 4.0)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_layer_is_its_formula((nodes, edges, pseudo) in any_graph(), seed in 0u64..1000) {
        let weights = [[25, 3, 2].as_slice(), &[3, 2], &[2]];
        let weights = [0, 1, 2].map(|part| random(weights[part], Kind::Double, seed + part as u64));
        let (_variables, layer) = layer(3, 2, weights.each_ref());
        let x = random(&[nodes as i64, 3], Kind::Double, seed + 3);
        let graph = SplineGraph::new(nodes, &edges, &pseudo).unwrap();
        let value = layer.forward(&x, &graph).unwrap();
        let expected = by_hand(&x, &edges, &pseudo, weights.each_ref());
        prop_assert!(value.allclose(&expected, 1e-10, 1e-10, false), "{:?} {:?}", value, expected);
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let graph_edges = [(0, 1), (1, 0), (2, 1), (0, 2), (2, 0), (1, 2)];
    let pseudo = [[0.1, 0.7], [0.9, 0.3], [0.55, 0.2], [0.42, 0.97], [0.33, 0.66], [0.8, 0.12]];
    let graph = SplineGraph::new(4, &graph_edges, &pseudo).unwrap();
    let weights = [&[25, 3, 2][..], &[3, 2], &[2]];
    let weights = [0, 1, 2].map(|part| random(weights[part], Kind::Double, 10 + part as u64));
    let (variables, net) = layer(3, 2, weights.each_ref());
    let x = random(&[4, 3], Kind::Double, 5).set_requires_grad(true);
    let upstream = random(&[4, 2], Kind::Double, 6);
    (net.forward(&x, &graph).unwrap() * &upstream).sum(Kind::Double).backward();
    let total = |x: &Tensor, weights: [&Tensor; 3]| {
        let (_variables, layer) = layer(3, 2, weights);
        tch::no_grad(|| (layer.forward(x, &graph).unwrap() * &upstream).sum(Kind::Double).view([1]))
    };
    // A step of 1e-6 changes no maximum.
    let stored = variables.variables();
    for (part, name) in ["weight", "root", "bias", "x"].into_iter().enumerate() {
        let gradient = if part < 3 { stored[name].grad() } else { x.grad() };
        let point = if part < 3 { weights[part].view([-1]) } else { x.detach().view([-1]) };
        let slope = solvergrad::check::jacobian(
            |point| {
                let at = |other: usize| if other == part { point } else { &weights[other] };
                let x = if part == 3 { point.view([4, 3]) } else { x.detach() };
                Ok(total(&x, [at(0), at(1), at(2)]))
            },
            &point,
            1e-6,
        )
        .unwrap();
        assert!(gradient.view([-1]).allclose(&slope.view([-1]), 1e-6, 1e-8, false), "{name}");
        assert!(gradient.abs().max().double_value(&[]) > 0.1, "{name}");
    }
}

#[test]
fn weights_come_from_the_seed_within_their_bounds() {
    let weights = |seed| {
        let variables = nn::VarStore::new(Device::Cpu);
        let _layer = SplineConvolution::new(&variables.root(), 4, 9, seed).unwrap();
        variables.variables()
    };
    let (first, again, other) = (weights(1), weights(1), weights(2));
    for (name, bound) in [("weight", 0.1), ("root", 0.5), ("bias", 0.0)] {
        assert!(first[name].equal(&again[name]), "{name}");
        let most = first[name].abs().max().double_value(&[]);
        assert!(most <= bound && most >= 0.9 * bound, "{name}: {most}");
        assert!(name == "bias" || !first[name].equal(&other[name]), "{name}");
    }
}

#[test]
fn bad_graphs_and_vectors_are_named() {
    let parameter = |edges: &[(usize, usize)], pseudo: &[[f64; 2]]| {
        let error = SplineGraph::new(2, edges, pseudo).unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }), "{error}");
        error.to_string()
    };
    assert!(parameter(&[(0, 2)], &[[0.5, 0.5]]).contains("(0, 2)"));
    for place in [-0.1, 1.1, f64::NAN] {
        let message = parameter(&[(0, 1)], &[[0.5, place]]);
        assert!(message.contains("(0, 1)") && message.contains(&place.to_string()), "{message}");
    }
    assert!(matches!(SplineGraph::new(2, &[(0, 1)], &[]), Err(Error::Shape { .. })));
    let variables = nn::VarStore::new(Device::Cpu);
    let layer = SplineConvolution::new(&variables.root(), 3, 2, 1).unwrap();
    let graph = SplineGraph::new(2, &[(0, 1)], &[[0.5, 0.5]]).unwrap();
    for shape in [&[2, 4][..], &[3, 3], &[3]] {
        let error = layer.forward(&random(shape, Kind::Float, 1), &graph).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
    }
    assert!(SplineConvolution::new(&(variables.root() / "none"), 0, 2, 1).is_err());
}
