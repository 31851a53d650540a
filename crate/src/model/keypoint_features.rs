//! What a network sees in pictures, and what of it is at keypoints.

use std::fmt::Debug;

use tch::Tensor;

use crate::{Error, Result};

/// Maps of a batch of pictures, from a [`KeypointTrunk`].
#[derive(Debug)]
pub struct KeypointFeatures {
    /// For the nodes of a graph: `[pictures, channels, height, width]`.
    pub nodes: Tensor,
    /// Deeper and coarser, for its surroundings: `[pictures, channels, height, width]`.
    pub edges: Tensor,
    /// For the whole picture: `[pictures, channels]`.
    pub global: Tensor,
}

/// A network that sees pictures on two scales and as a whole.
pub trait KeypointTrunk: Debug + Send {
    /// Channels of `nodes`, `edges` and `global`.
    fn channels(&self) -> [i64; 3];

    /// Features of pictures `[pictures, 3, height, width]`. In training, batch norms use the statistics
    /// of the batch and remember them; else they use what they remember.
    ///
    /// # Errors
    /// [`Error::Shape`] for other or too small pictures.
    fn features(&self, pictures: &Tensor, train: bool) -> Result<KeypointFeatures>;
}

impl KeypointFeatures {
    /// The vector of each keypoint, `[keypoints, channels of nodes and edges]`, picture after picture: both
    /// maps, of length 1 over the channels of each cell, at its position, one after the other.
    ///
    /// `side` is that of the pictures in pixels; see [`sample_bilinear`] for positions and errors.
    pub fn at_keypoints(&self, side: f64, keypoints: &[impl AsRef<[[f32; 2]]>]) -> Result<Tensor> {
        let vectors = [&self.nodes, &self.edges].map(|map| -> Result<Tensor> {
            let (cells, shares) = corners(map, side, keypoints)?;
            // Of the map only the cells in use.
            let length = cells.f_norm_scalaropt_dim(2.0, [-1i64], true)?.f_clamp_min(1e-12)?;
            weighted(&cells.f_div(&length)?, &shares)
        });
        let [nodes, edges] = vectors;
        Ok(Tensor::f_cat(&[nodes?, edges?], 1)?)
    }
}

/// `map` at keypoints, `[keypoints, channels]`, picture after picture: bilinear between the middles of
/// its cells, beyond the outermost of which it is constant.
///
/// The map is `[pictures, channels, height, width]`, of pictures of `side` x `side` pixels; a keypoint is
/// (x, y) in pixels of the picture, from its upper left corner. Along each axis, position p is place
/// (p − s/2)/s of the map, with s = side / cells.
///
/// ```
/// use solvergrad::model::sample_bilinear;
/// use solvergrad::prelude::*;
///
/// // A picture of 8 x 8 pixels, a map of 2 x 2: cells of 4 x 4 pixels.
/// let map = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0]).view([1, 1, 2, 2]);
/// let values = sample_bilinear(&map, 8.0, &[vec![[2.0, 2.0], [4.0, 2.0], [4.0, 4.0], [8.0, 8.0]]])?;
/// assert_eq!(Vec::<f64>::try_from(&values.flatten(0, 1))?, [1.0, 1.5, 2.5, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: `feature_align` in the code of Rolínek et al. 2020 (ECCV).
///
/// # Errors
/// [`Error::Shape`] for another map, or not one list of keypoints for each picture; [`Error::Parameter`]
/// for a position that is not finite.
pub fn sample_bilinear(
    map: &Tensor,
    side: f64,
    keypoints: &[impl AsRef<[[f32; 2]]>],
) -> Result<Tensor> {
    let (cells, shares) = corners(map, side, keypoints)?;
    weighted(&cells, &shares)
}

// Σ over the cells around each keypoint.
fn weighted(cells: &Tensor, shares: &Tensor) -> Result<Tensor> {
    Ok(cells.f_mul(shares)?.f_sum_dim_intlist([1i64].as_slice(), false, None)?)
}

// The four cells around each keypoint, `[keypoints, 4, channels]`, and their shares, `[keypoints, 4, 1]`.
fn corners(
    map: &Tensor,
    side: f64,
    keypoints: &[impl AsRef<[[f32; 2]]>],
) -> Result<(Tensor, Tensor)> {
    let size = map.size();
    let pictures = keypoints.len();
    let [n, channels, height, width] = size[..] else { return Err(shape(&size, pictures)) };
    if n as usize != pictures || map.numel() == 0 {
        return Err(shape(&size, pictures));
    }
    if !(side > 0.0 && side.is_finite()) {
        return Err(Error::parameter("the side of the pictures", side, "a number above 0"));
    }
    let (mut cells, mut shares) = (Vec::new(), Vec::new());
    for (picture, points) in (0..n).zip(keypoints) {
        for &[x, y] in points.as_ref() {
            if !(x.is_finite() && y.is_finite()) {
                let got = format!("({x}, {y}) in picture {picture}");
                return Err(Error::parameter("a keypoint", got, "finite, in pixels"));
            }
            for (row, down) in around(y, side, height) {
                for (column, across) in around(x, side, width) {
                    cells.push((picture * height + row) * width + column);
                    shares.push(down * across);
                }
            }
        }
    }
    let count = (cells.len() / 4) as i64;
    let device = map.device();
    let cells = Tensor::f_from_slice(&cells)?.f_to_device(device)?;
    let shares = Tensor::f_from_slice(&shares)?.f_to_kind(map.kind())?.f_to_device(device)?;
    let table = map.f_permute([0, 2, 3, 1])?.f_reshape([-1, channels])?;
    let cells = table.f_index_select(0, &cells)?.f_view([count, 4, channels])?;
    Ok((cells, shares.f_view([count, 4, 1])?))
}

// The cells on both sides of a position, and their shares.
fn around(position: f32, side: f64, cells: i64) -> [(i64, f64); 2] {
    let step = side / cells as f64;
    let place = (f64::from(position) / step - 0.5).clamp(0.0, (cells - 1) as f64);
    let (below, share) = (place.floor() as i64, place.fract());
    [(below, 1.0 - share), ((below + 1).min(cells - 1), share)]
}

fn shape(got: &[i64], pictures: usize) -> Error {
    Error::Shape {
        what: "a map of features",
        got: format!("{got:?}"),
        expected: format!(
            "[{pictures}, channels, height, width], a picture for each list of keypoints"
        ),
    }
}

/// Fails unless `pictures` are numbers `[n, 3, height, width]` with sides of at least `least` pixels.
pub(super) fn check_pictures(pictures: &Tensor, least: i64) -> Result<()> {
    let size = pictures.size();
    match size[..] {
        [n, 3, height, width]
            if n > 0 && height.min(width) >= least && pictures.is_floating_point() =>
        {
            Ok(())
        }
        _ => Err(Error::Shape {
            what: "the pictures",
            got: format!("{size:?} of {:?}", pictures.kind()),
            expected: format!(
                "[pictures, 3, height, width], {least} pixels or more high and wide, of floating point"
            ),
        }),
    }
}
