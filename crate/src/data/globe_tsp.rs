//! Round tours among countries that are known by their flags.

use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::arrays::Arrays;
use super::{InstanceSet, Items};
use crate::{Error, Result};

/// The countries of a [`GlobeTsp`].
#[derive(Debug)]
pub struct Countries {
    /// Flags, `f32` in \[0, 1\], `[countries, 3, 20, 40]`.
    pub flags: Tensor,
    /// Longitude and latitude in degrees, `f64`, `[countries, 2]`.
    pub places: Tensor,
    /// Names, for people.
    pub names: Vec<String>,
}

impl Countries {
    /// The places as points on the unit sphere, `f64`, `[countries, 3]`: x towards 0° N 0° E, z
    /// towards the North Pole.
    pub fn points(&self) -> Tensor {
        let radians = self.places.deg2rad();
        let (longitude, latitude) = (radians.select(1, 0), radians.select(1, 1));
        let level = latitude.cos();
        Tensor::stack(&[&level * longitude.cos(), &level * longitude.sin(), latitude.sin()], 1)
    }
}

/// Instances: the countries to visit, and the shortest round tour.
#[derive(Debug)]
pub struct Tours {
    /// Position in [`Countries`] of each country to visit, `i64`, `[n, k]`.
    pub countries: Tensor,
    /// The tours as symmetric 0/1 matrices with 2k ones, `f32`, `[n, k, k]`.
    pub tours: Tensor,
    /// Distances between the countries, `f32`, `[n, k, k]`: to measure with, not to learn from. Of
    /// stand-ins, straight through the Earth in kilometres; of published files, not documented.
    pub distances: Tensor,
}

impl Items for Tours {
    fn len(&self) -> usize {
        self.countries.size().first().map_or(0, |&count| count as usize)
    }

    fn try_map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self {
            countries: change(&self.countries)?,
            tours: change(&self.tours)?,
            distances: change(&self.distances)?,
        })
    }
}

impl Tours {
    /// The same instances with wrong labels: whether the tour goes between two countries is turned
    /// into its opposite with the given `probability`, for each pair by itself. Labels stay
    /// symmetric with a diagonal of 0, and are in general no tours any more.
    ///
    /// Source: Sahoo et al. 2023, sec. 4.4 (corrupted labels), with probability ρ/k.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a probability outside \[0, 1\].
    pub fn flip_labels(&self, probability: f64, seed: u64) -> Result<Self> {
        if !(0.0..=1.0).contains(&probability) {
            return Err(Error::parameter("the probability of a flip", probability, "in 0..=1"));
        }
        let k = self.countries.size2()?.1 as usize;
        let labels = self.tours.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?;
        let mut labels = Vec::<f32>::try_from(&labels)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for label in labels.chunks_exact_mut(k * k) {
            for i in 0..k {
                for j in i + 1..k {
                    if rng.random_bool(probability) {
                        let flipped = 1.0 - label[i * k + j];
                        (label[i * k + j], label[j * k + i]) = (flipped, flipped);
                    }
                }
            }
        }
        let tours = Tensor::f_from_slice(&labels)?.f_view_as(&self.tours)?;
        Ok(Self {
            countries: self.countries.shallow_clone(),
            tours: tours.f_to_device(self.tours.device())?,
            distances: self.distances.shallow_clone(),
        })
    }
}

/// Round tours among k of 100 countries, which a model sees by their flags only.
///
/// Source: Vlastelica et al. 2020, sec. 4.2 ("Globe TSP").
#[derive(Debug)]
pub struct GlobeTsp {
    /// Number of countries of a tour.
    pub k: usize,
    /// All countries.
    pub countries: Countries,
    /// Instances to train on.
    pub train: Tours,
    /// Instances to choose by.
    pub validation: Tours,
    /// Instances to report.
    pub test: Tours,
}

impl GlobeTsp {
    /// Reads the folder of one size, in the published format:
    ///
    /// | file | holds |
    /// |---|---|
    /// | `{train,val,test}_indices.npy` | the countries of each instance, `[n, k]` |
    /// | `{train,val,test}_tsp_tours.npy` | tours, 0/1, `[n, k, k]` |
    /// | `{train,val,test}_distance_matrices.npy` | distances, `[n, k, k]` |
    /// | `countries_flags.npy` | flags, 0 to 255, `[countries, 20, 40, 3]` |
    /// | `countries_places.npy` | longitude and latitude, degrees, `[countries, 2]` |
    /// | `countries_names.txt` | names, one a line |
    ///
    /// The last three are made of the published `countries.npy`, which holds pickled Python objects,
    /// by `docker/convert_countries.py`. Numbers may be of any kind; every tour is checked.
    ///
    /// # Errors
    /// [`Error::MissingData`] for an absent file, [`Error::File`] for one that does not fit the
    /// others or holds something that is no tour, each with its cure.
    pub fn load(folder: &Path) -> Result<Self> {
        let arrays = Arrays { set: InstanceSet::GlobeTsp, folder };
        let countries = read_countries(&arrays)?;
        let (train, k) = read_tours(&arrays, "train", 0, countries.names.len())?;
        let (validation, _) = read_tours(&arrays, "val", k, countries.names.len())?;
        let (test, _) = read_tours(&arrays, "test", k, countries.names.len())?;
        Ok(Self { k: k as usize, countries, train, validation, test })
    }
}

fn read_countries(arrays: &Arrays<'_>) -> Result<Countries> {
    let pickled = arrays.path("countries");
    if !arrays.path("countries_flags").is_file() && pickled.is_file() {
        return Err(Error::File {
            path: pickled,
            problem: "it holds pickled Python objects, which would run code".to_owned(),
            cure: format!(
                "make plain arrays of them, once: `python3 docker/convert_countries.py {}` (needs \
                 numpy)",
                arrays.folder.display()
            ),
        });
    }
    let flags = arrays.read_shaped("countries_flags", &[0, 20, 40, 3])?;
    let count = flags.size()[0];
    let flags = flags.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?.f_div_scalar_(255.0)?;
    let inside = flags.f_ge(0.0)?.f_logical_and(&flags.f_le(1.0)?)?;
    if inside.f_all()?.f_int64_value(&[])? == 0 {
        let problem = "has a brightness outside 0 to 255".to_owned();
        return arrays.wrong(&arrays.path("countries_flags"), problem);
    }
    let places = arrays.read_shaped("countries_places", &[count, 2])?.f_to_kind(Kind::Double)?;
    let limits = Tensor::from_slice(&[180.0, 90.0]);
    // A NaN is not inside either.
    if places.f_abs()?.f_le_tensor(&limits)?.f_all()?.f_int64_value(&[])? == 0 {
        let problem = "has a longitude outside -180 to 180 or a latitude outside -90 to 90";
        return arrays.wrong(&arrays.path("countries_places"), problem.to_owned());
    }
    let path = arrays.folder.join("countries_names.txt");
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let names: Vec<String> = text.lines().map(str::to_owned).collect();
    if names.len() as i64 != count {
        let problem = format!("holds {} names for {count} flags", names.len());
        return arrays.wrong(&path, problem);
    }
    Ok(Countries { flags: flags.f_contiguous()?, places, names })
}

// `k` is 0 where any will do; the one found is returned.
fn read_tours(
    arrays: &Arrays<'_>,
    split: &str,
    k: i64,
    country_count: usize,
) -> Result<(Tours, i64)> {
    let name = format!("{split}_indices");
    let countries = arrays.read_shaped(&name, &[0, k])?.f_to_kind(Kind::Int64)?;
    let (count, k) = countries.size2()?;
    let known = countries.f_ge(0.0)?.f_logical_and(&countries.f_lt(country_count as f64)?)?;
    if known.f_all()?.f_int64_value(&[])? == 0 {
        let problem = format!("names a country outside 0 to {}", country_count - 1);
        return arrays.wrong(&arrays.path(&name), problem);
    }
    let tours = arrays.read_solutions(&format!("{split}_tsp_tours"), count, k, |matrix| {
        tour_problem(matrix, k as usize)
    })?;
    let name = format!("{split}_distance_matrices");
    let distances = arrays.read_shaped(&name, &[count, k, k])?.f_to_kind(Kind::Float)?;
    if distances.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
        let problem = "has a distance that is not finite".to_owned();
        return arrays.wrong(&arrays.path(&name), problem);
    }
    Ok((Tours { countries, tours: tours.f_to_kind(Kind::Float)?, distances }, k))
}

// What keeps the 0/1 matrix from being one round tour through all of its k countries.
fn tour_problem(matrix: &[u8], k: usize) -> Option<String> {
    let row = |i: usize| &matrix[i * k..(i + 1) * k];
    for i in 0..k {
        if row(i)[i] != 0 {
            return Some(format!("is no tour: it goes from country {i} to itself"));
        }
        if let Some(j) = (0..k).find(|&j| row(i)[j] != row(j)[i]) {
            return Some(format!("is no tour: entries ({i}, {j}) and ({j}, {i}) differ"));
        }
        let degree: usize = row(i).iter().map(|&entry| usize::from(entry)).sum();
        // The tour of two has one edge.
        if degree != 2.min(k - 1) {
            return Some(format!("is no tour: country {i} has {degree} neighbours"));
        }
    }
    let (mut before, mut here, mut visited) = (0, 0, 0);
    loop {
        let next = (0..k).find(|&j| row(here)[j] == 1 && j != before);
        (before, here) = (here, next.unwrap_or(before));
        visited += 1;
        if here == 0 || visited == k {
            break;
        }
    }
    (visited != k).then(|| format!("is no tour: it comes back after {visited} of {k} countries"))
}
