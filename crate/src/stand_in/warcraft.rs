//! Maps of terrain in pictures, and the shortest paths across them.

use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tch::{Kind, Tensor};

use super::{StandIn, terrain};
use crate::Result;
use crate::data::{TILE, write_npy};
use crate::solver::{GridShortestPath, solve_batch};

// From this size on the published training arrays come in two parts.
const PARTS_FROM: usize = 18;

pub(super) fn make(spec: &StandIn, k: usize, folder: &Path) -> Result<()> {
    let solver = GridShortestPath::new(k, k)?;
    for (split, count) in spec.splits() {
        let in_parts = split == "train" && k >= PARTS_FROM && count > 1;
        let parts = if in_parts {
            let half = count.div_ceil(2);
            vec![("_part0", 0..half), ("_part1", half..count)]
        } else {
            vec![("", 0..count)]
        };
        for (suffix, instances) in parts {
            let size = instances.len() as i64;
            let maps = instances.into_par_iter().map(|instance| {
                crate::interrupt::check("maps were being drawn")?;
                let mut rng = ChaCha8Rng::seed_from_u64(spec.seed_of(split, instance));
                let classes = terrain::classes(k, &mut rng);
                let picture = terrain::paint(&classes, k, &mut rng);
                Ok((classes, picture))
            });
            let (classes, pictures): (Vec<_>, Vec<_>) =
                maps.collect::<Result<Vec<_>>>()?.into_iter().unzip();
            let costs: Vec<f64> = classes.into_iter().flatten().map(terrain::Class::cost).collect();
            let (k, side) = (k as i64, (TILE * k) as i64);
            let write = |name: &str, array: &Tensor| {
                write_npy(&folder.join(format!("{split}_{name}{suffix}.npy")), array)
            };
            let square = [size, k, k];
            let costs = Tensor::f_from_slice(&costs)?.f_view(square)?.f_to_kind(Kind::Half)?;
            write("vertex_weights", &costs)?;
            // Of the costs that the file holds: rounding them breaks ties.
            let costs = Vec::<f64>::try_from(&costs.f_to_kind(Kind::Double)?.f_view([-1])?)?;
            let paths = solve_batch(&solver, &costs)?;
            let paths = Tensor::f_from_slice(&paths)?.f_view(square)?.f_to_kind(Kind::Uint8)?;
            write("shortest_paths", &paths)?;
            let pixels = Tensor::f_zeros([size, side, side, 3], (Kind::Uint8, tch::Device::Cpu))?;
            for (row, picture) in pictures.iter().enumerate() {
                let picture = Tensor::f_from_slice(picture)?.f_view([side, side, 3])?;
                let mut place = pixels.f_get(row as i64)?;
                place.f_copy_(&picture)?;
            }
            drop(pictures);
            write("maps", &pixels)?;
        }
    }
    Ok(())
}
