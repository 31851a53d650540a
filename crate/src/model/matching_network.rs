use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use tch::nn::{self, Module};

use super::convolution::uniform_linear;
use super::keypoint_features::KeypointTrunk;
use super::keypoint_graph::KeypointGraph;
use super::spline_convolution::{SplineConvolution, SplineGraph};
use crate::{Error, Result};

// Share of what the spline convolutions add to a node.
const CHANGE: f64 = 0.1;
// Of the affinity of two edges against that of two nodes.
const EDGE_WEIGHT: f64 = 0.5;

/// Costs of matching two graphs with n₁ and n₂ nodes, e₁ and e₂ edges, for
/// [`GraphMatching`](crate::solver::GraphMatching): its costs are both, row after row.
#[derive(Debug)]
pub struct MatchingCosts {
    /// `[n₁, n₂]`.
    pub nodes: Tensor,
    /// `[e₁, e₂]`.
    pub edges: Tensor,
}

/// From pairs of pictures with keypoints to the costs of matching their graphs.
///
/// A trunk gives the vector of each keypoint, x ([`KeypointFeatures`](super::KeypointFeatures)). Two
/// [`SplineConvolution`]s of the same width with a ReLU between them see its surroundings, x + 0.1 · s₂(ReLU(s₁(x)));
/// the vector of an edge (i, j) is then xᵢ − xⱼ. The affinity of the nodes, or the edges, X and Y of a pair is
///
/// a(X, Y) = softplus((X · diag(tanh(A g))) Yᵀ) − ½,
///
/// where g is the `global` of both pictures, of length 1 together, and A a dense layer, one for nodes and one
/// for edges. Costs are −a for nodes and −½ a for edges.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let variables = nn::VarStore::new(Device::Cpu);
/// let root = variables.root();
/// let trunk = SmallTrunk::new(&(&root / "trunk"), 1)?;
/// let network = MatchingNetwork::new(&(&root / "matching"), trunk, 1)?;
/// let points = vec![[10.0, 10.0], [50.0, 12.0], [30.0, 40.0]];
/// let graphs = [KeypointGraph::new(points.clone())?, KeypointGraph::new(points)?];
/// let pictures = Tensor::zeros([2, 3, 64, 64], (Kind::Float, Device::Cpu));
/// let costs = network.forward_t(&pictures, &graphs, false)?;
/// assert_eq!(costs.len(), 1);
/// assert_eq!((costs[0].nodes.size(), costs[0].edges.size()), (vec![3, 3], vec![6, 6]));
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Rolínek, Swoboda, Zietlow, Paulus, Musil, Martius 2020 (ECCV), sec. 3.3, and its code.
#[derive(Debug)]
pub struct MatchingNetwork {
    trunk: Box<dyn KeypointTrunk>,
    layers: [SplineConvolution; 2],
    node_affinity: nn::Linear,
    edge_affinity: nn::Linear,
}

impl MatchingNetwork {
    /// Behind a trunk. The same `seed` gives the same weights on every device, dense layers U(−a, a) with
    /// a = 1/√(fan in).
    ///
    /// # Errors
    /// [`Error::Torch`] where the device has no room.
    pub fn new(
        path: &nn::Path<'_>,
        trunk: impl KeypointTrunk + 'static,
        seed: u64,
    ) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Other numbers than those of a trunk with the same seed.
        rng.set_stream(1);
        let [nodes, edges, global] = trunk.channels();
        let width = nodes + edges;
        let mut spline =
            |name: &str| SplineConvolution::seeded(&(path / name), [width, width], &mut rng);
        let layers = [spline("spline0")?, spline("spline1")?];
        let mut dense = |name: &str| uniform_linear(path / name, [2 * global, width], &mut rng);
        let (node_affinity, edge_affinity) = (dense("node_affinity")?, dense("edge_affinity")?);
        Ok(Self { trunk: Box::new(trunk), layers, node_affinity, edge_affinity })
    }

    /// The costs of each pair, from `pictures` `[2 · pairs, 3, side, side]`, first all first ones of the pairs,
    /// then all second ones, and the graph of each. In training, batch norms use the statistics of the batch.
    ///
    /// # Errors
    /// [`Error::Shape`] for pictures of another shape, or not one for each graph; [`Error::Parameter`] for
    /// keypoints that are more than a side apart.
    pub fn forward_t(
        &self,
        pictures: &Tensor,
        graphs: &[KeypointGraph],
        train: bool,
    ) -> Result<Vec<MatchingCosts>> {
        let side = check(pictures, graphs)?;
        let features = self.trunk.features(pictures, train)?;
        let positions: Vec<&[[f32; 2]]> = graphs.iter().map(KeypointGraph::positions).collect();
        let x = features.at_keypoints(side, &positions)?;

        // All graphs as one, whose parts no edge connects.
        let (mut edges, mut pseudo, mut start) = (Vec::new(), Vec::new(), 0);
        for graph in graphs {
            edges.extend(graph.edges().iter().map(|&(i, j)| (start + i, start + j)));
            pseudo.extend(graph.pseudo_coordinates(side));
            start += graph.positions().len();
        }
        let whole = SplineGraph::new(start, &edges, &pseudo)?;
        let hidden = self.layers[0].forward(&x, &whole)?.f_relu()?;
        let x = x + self.layers[1].forward(&hidden, &whole)? * CHANGE;

        let ends = |end: fn(&(usize, usize)) -> usize| -> Result<Tensor> {
            let rows: Vec<i64> = edges.iter().map(|edge| end(edge) as i64).collect();
            Ok(x.f_index_select(0, &Tensor::f_from_slice(&rows)?.f_to_device(x.device())?)?)
        };
        let edge_vectors = ends(|edge| edge.0)? - ends(|edge| edge.1)?;

        let global = Tensor::f_cat(&features.global.f_chunk(2, 0)?, 1)?;
        let length = global.f_norm_scalaropt_dim(2.0, [-1i64], true)?.f_clamp_min(1e-12)?;
        let global = global.f_div(&length)?;
        let split = |vectors: &Tensor, size: fn(&KeypointGraph) -> usize| {
            let sizes: Vec<i64> = graphs.iter().map(|graph| size(graph) as i64).collect();
            vectors.f_split_with_sizes(&sizes[..], 0)
        };
        let nodes = affinities(
            &self.node_affinity.forward(&global).f_tanh()?,
            &split(&x, |graph| graph.positions().len())?,
        )?;
        let edges = affinities(
            &self.edge_affinity.forward(&global).f_tanh()?,
            &split(&edge_vectors, |graph| graph.edges().len())?,
        )?;
        let pairs = nodes.into_iter().zip(edges);
        Ok(pairs
            .map(|(nodes, edges)| MatchingCosts { nodes: -nodes, edges: edges * -EDGE_WEIGHT })
            .collect())
    }
}

// Of the vectors of each pair, first all first ones; coefficients are `[pairs, width]`.
fn affinities(coefficients: &Tensor, vectors: &[Tensor]) -> Result<Vec<Tensor>> {
    let (first, second) = vectors.split_at(vectors.len() / 2);
    first
        .iter()
        .zip(second)
        .zip(coefficients.f_unbind(0)?)
        .map(|((first, second), coefficients)| {
            let product = first.f_mul(&coefficients)?.f_mm(&second.f_tr()?)?;
            Ok(product.f_softplus()? - 0.5)
        })
        .collect()
}

// The side of the pictures.
fn check(pictures: &Tensor, graphs: &[KeypointGraph]) -> Result<f64> {
    match pictures.size()[..] {
        [n, 3, height, width] if n == graphs.len() as i64 && n % 2 == 0 && height == width => {
            Ok(width as f64)
        }
        _ => Err(Error::Shape {
            what: "pairs of pictures",
            got: format!("{:?}", pictures.size()),
            expected: format!(
                "[{}, 3, side, side]: one for each graph, two for each pair",
                graphs.len()
            ),
        }),
    }
}
