use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use tch::nn;

use super::fill;
use crate::{Error, Result};

/// Knots along an axis.
const KNOTS: usize = 5;

/// A graph whose edges have pseudo-coordinates, prepared for [`SplineConvolution`].
#[derive(Debug)]
pub struct SplineGraph {
    nodes: usize,
    /// Each knot with each source that it is needed for, by knots: how many, and the sources.
    counts: Vec<i64>,
    sources: Tensor,
    /// The four knots around each edge, as places among `sources`, and their values there.
    corners: Tensor,
    basis: Tensor,
    /// The edges that lead to each node, the first of them again where there are fewer.
    incoming: Tensor,
    /// Nodes that no edge leads to.
    lonely: Option<Tensor>,
}

impl SplineGraph {
    /// For edges (from, to), whose coordinates are in \[0, 1\].
    ///
    /// # Errors
    /// [`Error::Parameter`] for an edge that leads out of the graph, or a coordinate outside;
    /// [`Error::Shape`] unless each edge has coordinates.
    pub fn new(nodes: usize, edges: &[(usize, usize)], pseudo: &[[f64; 2]]) -> Result<Self> {
        check(nodes, edges, pseudo)?;
        let around: Vec<[(usize, f64); 4]> = pseudo.iter().map(corners).collect();
        let mut places = BTreeMap::new();
        for (&(source, _), corners) in edges.iter().zip(&around) {
            for &(knot, _) in corners.iter().filter(|(_, value)| *value > 0.0) {
                places.insert((knot, source), 0i64);
            }
        }
        let mut counts = vec![0; KNOTS * KNOTS];
        for (place, (&(knot, _), index)) in (0..).zip(&mut places) {
            *index = place;
            counts[knot] += 1;
        }
        // Where a knot has value 0 any place will do.
        let place = |knot, source| places.get(&(knot, source)).copied().unwrap_or(0);
        let number = edges
            .iter()
            .zip(&around)
            .flat_map(|(&(source, _), corners)| corners.map(|(knot, _)| place(knot, source)));
        let number: Vec<i64> = number.collect();
        let basis: Vec<f64> = around.iter().flatten().map(|(_, value)| *value).collect();
        let sources: Vec<i64> = places.keys().map(|(_, source)| *source as i64).collect();

        let mut incoming = vec![vec![]; nodes];
        for (edge, &(_, target)) in (0i64..).zip(edges) {
            incoming[target].push(edge);
        }
        let most = incoming.iter().map(Vec::len).max().unwrap_or(0);
        let lonely: Vec<bool> = incoming.iter().map(Vec::is_empty).collect();
        let table: Vec<i64> = incoming
            .iter()
            .flat_map(|edges| {
                let first = edges.first().copied().unwrap_or(0);
                let more = std::iter::repeat_n(first, most - edges.len());
                edges.iter().copied().chain(more)
            })
            .collect();
        let edge_count = edges.len() as i64;
        Ok(Self {
            nodes,
            counts,
            sources: Tensor::f_from_slice(&sources)?,
            corners: Tensor::f_from_slice(&number)?,
            basis: Tensor::f_from_slice(&basis)?.f_view([edge_count, 4, 1])?,
            incoming: Tensor::f_from_slice(&table)?.f_view([nodes as i64, most as i64])?,
            lonely: if lonely.contains(&true) {
                Some(Tensor::f_from_slice(&lonely)?.f_view([nodes as i64, 1])?)
            } else {
                None
            },
        })
    }
}

/// A convolution over a graph, whose kernel is a surface of splines over pseudo-coordinates u of edges.
///
/// x'ᵢ = maxⱼ (xⱼ · Σₖ Bₖ(uⱼᵢ) Wₖ) + xᵢ · R + b, the maximum over all edges (j, i), for each channel, and 0
/// where there are none. Bₖ are products of the hat functions at 5 x 5 equidistant knots on \[0, 1\]²
/// (open splines of degree 1), number k₀ + 5 k₁.
///
/// Weights are U(−a, a), a = 1/√(25 · inputs) for `weight` W, `[25, inputs, outputs]`, and 1/√inputs for `root`
/// R, `[inputs, outputs]`; `bias` b begins at 0. Multiplies each node by each Wₖ that one of its edges
/// needs, about 10 times its number of inputs and outputs in a Delaunay graph.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let layer = SplineConvolution::new(&variables.root(), 3, 8, 1)?;
/// let graph = SplineGraph::new(2, &[(0, 1), (1, 0)], &[[0.6, 0.5], [0.4, 0.5]])?;
/// let x = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));
/// assert_eq!(layer.forward(&x, &graph)?.size(), [2, 8]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Fey, Lenssen, Weichert, Müller 2018 (CVPR), eq. 1 to 4; as PyTorch Geometric's `SplineConv` with
/// `dim=2, kernel_size=5, aggr="max"`.
#[derive(Debug)]
pub struct SplineConvolution {
    weight: Tensor,
    root: Tensor,
    bias: Tensor,
}

impl SplineConvolution {
    /// From vectors of `inputs` numbers to `outputs`. The same `seed` gives the same weights.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no inputs or outputs, [`Error::Torch`] where the device has no room.
    pub fn new(path: &nn::Path<'_>, inputs: usize, outputs: usize, seed: u64) -> Result<Self> {
        let mut rng = rand::SeedableRng::seed_from_u64(seed);
        Self::seeded(path, [inputs as i64, outputs as i64], &mut rng)
    }

    pub(super) fn seeded(
        path: &nn::Path<'_>,
        [inputs, outputs]: [i64; 2],
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        if inputs.min(outputs) < 1 {
            let got = format!("{inputs} and {outputs}");
            return Err(Error::parameter("inputs and outputs of a layer", got, "at least 1"));
        }
        let knots = (KNOTS * KNOTS) as i64;
        let mut layer = Self {
            weight: path.f_zeros("weight", &[knots, inputs, outputs])?,
            root: path.f_zeros("root", &[inputs, outputs])?,
            bias: path.f_zeros("bias", &[outputs])?,
        };
        for (parameter, fan) in [(&mut layer.weight, knots * inputs), (&mut layer.root, inputs)] {
            let bound = 1.0 / (fan as f64).sqrt();
            fill(parameter, || rng.random_range(-bound..=bound))?;
        }
        Ok(layer)
    }

    /// From `[nodes, inputs]` to `[nodes, outputs]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another `x`.
    pub fn forward(&self, x: &Tensor, graph: &SplineGraph) -> Result<Tensor> {
        let (_, inputs, outputs) = self.weight.size3()?;
        if x.size() != [graph.nodes as i64, inputs] {
            return Err(Error::Shape {
                what: "the nodes of a graph",
                got: format!("{:?}", x.size()),
                expected: format!("[{}, {inputs}]", graph.nodes),
            });
        }
        let own = self.bias.f_addmm(x, &self.root)?;
        if graph.basis.numel() == 0 {
            return Ok(own);
        }
        let here = |tensor: &Tensor| tensor.f_to_device(x.device());
        // A matrix product for each knot that is needed. (Unbound at once, not knot by knot: their gradients
        // are then put together in one step.)
        let rows = x.f_index_select(0, &here(&graph.sources)?)?;
        let parts = rows.f_split_with_sizes(&graph.counts[..], 0)?;
        let products = parts
            .iter()
            .zip(self.weight.f_unbind(0)?)
            .filter(|(part, _)| part.numel() > 0)
            .map(|(part, weight)| part.f_mm(&weight))
            .collect::<Result<Vec<_>, _>>()?;
        let products = Tensor::f_cat(&products, 0)?;
        let around =
            products.f_index_select(0, &here(&graph.corners)?)?.f_view([-1, 4, outputs])?;
        let basis = here(&graph.basis)?.f_to_kind(x.kind())?;
        let messages = (around * basis).f_sum_dim_intlist([1i64].as_slice(), false, None)?;
        let (nodes, most) = graph.incoming.size2()?;
        let incoming = messages.f_index_select(0, &here(&graph.incoming.f_flatten(0, 1)?)?)?;
        let mut greatest =
            incoming.f_view([nodes, most, outputs])?.f_amax([1i64].as_slice(), false)?;
        if let Some(lonely) = &graph.lonely {
            greatest = greatest.f_masked_fill(&here(lonely)?, 0.0)?;
        }
        Ok(own + greatest)
    }
}

// The knots around a place and their values there.
fn corners(&[first, second]: &[f64; 2]) -> [(usize, f64); 4] {
    let [(i, right), (j, up)] = [first, second].map(|place| {
        let place = place * (KNOTS - 1) as f64;
        let below = (place.floor() as usize).min(KNOTS - 2);
        (below, place - below as f64)
    });
    let (left, down) = (1.0 - right, 1.0 - up);
    [
        (i + KNOTS * j, left * down),
        (i + 1 + KNOTS * j, right * down),
        (i + KNOTS * (j + 1), left * up),
        (i + 1 + KNOTS * (j + 1), right * up),
    ]
}

fn check(nodes: usize, edges: &[(usize, usize)], pseudo: &[[f64; 2]]) -> Result<()> {
    if edges.len() != pseudo.len() {
        return Err(Error::Shape {
            what: "the pseudo-coordinates",
            got: format!("[{}, 2]", pseudo.len()),
            expected: format!("[{}, 2], two for each edge", edges.len()),
        });
    }
    if let Some(edge) = edges.iter().find(|edge| edge.0.max(edge.1) >= nodes) {
        let expected = format!("between two of {nodes} nodes, counted from 0");
        return Err(Error::parameter("an edge", format!("{edge:?}"), expected));
    }
    let inside = |place: &[f64; 2]| place.iter().all(|x| (0.0..=1.0).contains(x));
    match pseudo.iter().position(|place| !inside(place)) {
        Some(index) => {
            let got = format!("{:?} for edge {:?}", pseudo[index], edges[index]);
            let expected = "in [0, 1]: keypoints are to be within the picture";
            Err(Error::parameter("a pair of pseudo-coordinates", got, expected))
        }
        None => Ok(()),
    }
}
