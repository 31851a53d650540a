//! Shortest paths on maps of terrain.

use std::path::Path;

use tch::{Kind, Tensor};

use super::arrays::Arrays;
use super::{InstanceSet, Items};
use crate::Result;

/// Pixels along each side of a tile.
pub(crate) const TILE: usize = 8;

/// Maps with their shortest paths, by the costs of their tiles.
#[derive(Debug)]
pub struct Maps {
    /// Pictures, red, green and blue, `u8`, `[n, 8k, 8k, 3]`: see [`Channels::apply`].
    pub pixels: Tensor,
    /// The shortest path from the top left to the bottom right tile, 0/1, `f32`, `[n, k, k]`.
    pub paths: Tensor,
    /// What entering a tile costs, `f32`, `[n, k, k]`: to measure with, not to learn from.
    pub costs: Tensor,
}

impl Items for Maps {
    fn len(&self) -> usize {
        self.paths.size().first().map_or(0, |&count| count as usize)
    }

    fn try_map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self {
            pixels: change(&self.pixels)?,
            paths: change(&self.paths)?,
            costs: change(&self.costs)?,
        })
    }
}

/// Mean and deviation of each colour over a set of maps, which give a network its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channels {
    /// Mean of red, green and blue, in 0 to 255.
    pub mean: [f64; 3],
    /// Their standard deviations.
    pub deviation: [f64; 3],
}

impl Channels {
    /// Of `pixels`, `u8`, `[n, height, width, 3]`.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) for another shape.
    pub fn of(pixels: &Tensor) -> Result<Self> {
        let mut sums = Tensor::zeros([2, 3], (Kind::Double, pixels.device()));
        // As numbers of 8 bytes the maps of a whole set would not fit into memory.
        for chunk in pixels.f_split(64, 0)? {
            let values = chunk.f_to_kind(Kind::Double)?.f_reshape([-1, 3])?;
            let squares = values.f_square()?;
            let parts = [values, squares]
                .map(|part| part.sum_dim_intlist([0].as_slice(), false, Kind::Double));
            sums = sums.f_add(&Tensor::f_stack(&parts, 0)?)?;
        }
        let means = sums / (pixels.numel() as f64 / 3.0);
        let values = Vec::<f64>::try_from(&means.f_flatten(0, -1)?)?;
        let deviation = |channel: usize| {
            let variance = values[3 + channel] - values[channel] * values[channel];
            // A set of one colour: any scale will do.
            if variance > 1e-6 { variance.sqrt() } else { 1.0 }
        };
        Ok(Self {
            mean: [values[0], values[1], values[2]],
            deviation: [deviation(0), deviation(1), deviation(2)],
        })
    }

    /// `pixels` `[n, height, width, 3]` with mean 0 and deviation 1 per colour, `f32`, `[n, 3, height,
    /// width]`, with the colours of a pixel side by side in memory, as they are in `pixels`: what
    /// follows keeps that order, in which a network takes two thirds of the time on a CPU.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) for another shape.
    pub fn apply(&self, pixels: &Tensor) -> Result<Tensor> {
        let channels = |values: &[f64; 3]| {
            let values = Tensor::from_slice(values).to_kind(Kind::Float);
            values.f_view([1, 3, 1, 1])?.f_to_device(pixels.device())
        };
        let values = pixels.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?;
        Ok(values.f_sub(&channels(&self.mean)?)?.f_div(&channels(&self.deviation)?)?)
    }
}

/// Maps of k x k tiles of terrain, of which a model sees the pictures only.
///
/// Source: Vlastelica et al. 2020, sec. 4.3 ("Warcraft").
#[derive(Debug)]
pub struct Warcraft {
    /// Tiles along each side.
    pub k: usize,
    /// Maps to train on.
    pub train: Maps,
    /// Maps to choose by.
    pub validation: Maps,
    /// Maps to report.
    pub test: Maps,
    /// Mean and deviation of the colours of the training maps.
    pub channels: Channels,
}

impl Warcraft {
    /// Reads the folder of one size, in the published format:
    ///
    /// | file | holds |
    /// |---|---|
    /// | `{train,val,test}_maps.npy` | pictures, 0 to 255, `[n, 8k, 8k, 3]` |
    /// | `{train,val,test}_shortest_paths.npy` | paths, 0/1, `[n, k, k]` |
    /// | `{train,val,test}_vertex_weights.npy` | costs >= 0, `[n, k, k]` |
    ///
    /// An array may come in parts, `train_maps_part0.npy`, `train_maps_part1.npy`. Numbers may be of
    /// any kind; every path is checked.
    ///
    /// # Errors
    /// [`Error::MissingData`](crate::Error::MissingData) for an absent file,
    /// [`Error::File`](crate::Error::File) for one that does not fit the others or holds something
    /// that is no path, each with its cure.
    pub fn load(folder: &Path) -> Result<Self> {
        let arrays = Arrays { set: InstanceSet::Warcraft, folder };
        let (train, k) = read_maps(&arrays, "train", 0)?;
        let (validation, _) = read_maps(&arrays, "val", k)?;
        let (test, _) = read_maps(&arrays, "test", k)?;
        let channels = Channels::of(&train.pixels)?;
        Ok(Self { k: k as usize, train, validation, test, channels })
    }
}

// `k` is 0 where any will do; the one found is returned.
fn read_maps(arrays: &Arrays<'_>, split: &str, k: i64) -> Result<(Maps, i64)> {
    let name = format!("{split}_vertex_weights");
    let costs = arrays.read_shaped(&name, &[0, k, k])?.f_to_kind(Kind::Float)?;
    let (count, k, columns) = costs.size3()?;
    if columns != k {
        return arrays.wrong(&arrays.path(&name), format!("has maps of {k} x {columns} tiles"));
    }
    let allowed = costs.f_ge(0.0)?.f_logical_and(&costs.f_isfinite()?)?;
    if allowed.f_all()?.f_int64_value(&[])? == 0 {
        let problem = "has a cost that is negative or not finite".to_owned();
        return arrays.wrong(&arrays.path(&name), problem);
    }
    let paths = arrays.read_solutions(&format!("{split}_shortest_paths"), count, k, |mask| {
        path_problem(mask, k as usize)
    })?;
    let (name, side) = (format!("{split}_maps"), TILE as i64 * k);
    let pixels = arrays.read_shaped(&name, &[count, side, side, 3])?;
    let inside = pixels.kind() == Kind::Uint8 || {
        let (least, most) = (pixels.f_min()?, pixels.f_max()?);
        f64::try_from(least)? >= 0.0 && f64::try_from(most)? <= 255.0
    };
    if !inside {
        let problem = "has a brightness outside 0 to 255".to_owned();
        return arrays.wrong(&arrays.path(&name), problem);
    }
    let pixels = pixels.f_to_kind(Kind::Uint8)?;
    Ok((Maps { pixels, paths: paths.f_to_kind(Kind::Float)?, costs }, k))
}

// What keeps the 0/1 mask from being a path from the top left to the bottom right tile.
fn path_problem(mask: &[u8], k: usize) -> Option<String> {
    for (corner, place) in [("top left", 0), ("bottom right", k * k - 1)] {
        if mask[place] == 0 {
            return Some(format!("is no path: it does not contain the {corner} tile"));
        }
    }
    let mut left = mask.to_vec();
    left[0] = 0;
    let mut open = vec![(0_usize, 0_usize)];
    while let Some((row, column)) = open.pop() {
        for next_row in row.saturating_sub(1)..=(row + 1).min(k - 1) {
            for next_column in column.saturating_sub(1)..=(column + 1).min(k - 1) {
                let entry = &mut left[next_row * k + next_column];
                if *entry == 1 {
                    *entry = 0;
                    open.push((next_row, next_column));
                }
            }
        }
    }
    let apart = left.iter().position(|&entry| entry == 1)?;
    let (row, column) = (apart / k, apart % k);
    Some(format!("is no path: nothing connects the tile ({row}, {column}) with the top left one"))
}
