//! Pairs of pictures whose keypoints are to be matched: what is known of them before a pixel is read.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::pictures::{decoded, squared};
use crate::{Error, Result};

/// Which keypoints of a pair are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeypointChoice {
    /// Those that both pictures have, as many in one as in the other: each has a partner.
    #[default]
    Common,
    /// All that are visible in each picture: some have no partner.
    All,
}

/// Two pictures of things of one category, and which of their keypoints belong together.
#[derive(Debug)]
pub struct KeypointPair {
    /// Place of the category in [`KeypointPairs::categories`].
    pub category: usize,
    /// Red, green and blue, `u8`, `[side, side, 3]` each.
    pub pictures: [Tensor; 2],
    /// Columns and rows (x, y) of the keypoints, in pixels of `pictures`, 0 to side: the middle of the
    /// first pixel is (0.5, 0.5). Each list is in an order of its own that a seed decides.
    pub keypoints: [Vec<[f32; 2]>; 2],
    /// What the keypoints are called.
    pub names: [Vec<String>; 2],
    /// For each keypoint of the first picture its partner in the second, if it has one there.
    pub truth: Vec<Option<usize>>,
}

impl KeypointPair {
    /// The truth as a matrix, 0/1, `f32`, `[keypoints of the first, keypoints of the second]`.
    ///
    /// # Errors
    /// [`Error::Torch`] when memory is short.
    pub fn truth_matrix(&self) -> Result<Tensor> {
        let [rows, columns] = [self.truth.len(), self.keypoints[1].len()];
        let mut matrix = vec![0.0_f32; rows * columns];
        for (row, partner) in self.truth.iter().enumerate() {
            if let Some(column) = partner {
                matrix[row * columns + column] = 1.0;
            }
        }
        Ok(Tensor::f_from_slice(&matrix)?.f_view([rows as i64, columns as i64])?)
    }

    /// Number of keypoints that have a partner.
    pub fn partners(&self) -> usize {
        self.truth.iter().flatten().count()
    }

    /// The pictures of `pairs` in one tensor, `u8`, `[2 n, side, side, 3]`: first all first ones, then
    /// all second ones; for [`Channels::apply`](super::Channels::apply).
    ///
    /// # Errors
    /// [`Error::Torch`] for no pairs, or pictures of several sizes.
    pub fn stacked(pairs: &[Self]) -> Result<Tensor> {
        let of = |which: usize| pairs.iter().map(move |pair| &pair.pictures[which]);
        Ok(Tensor::f_stack(&of(0).chain(of(1)).collect::<Vec<_>>(), 0)?)
    }
}

/// What a set names but a loader does not pass on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Pictures of things that are marked difficult, occluded or truncated, or not to be used.
    pub pictures: usize,
    /// Keypoints outside their picture, or its part that is shown, counted once for each mention.
    pub outside: usize,
    /// Keypoints of a name that their picture has already.
    pub repeated: usize,
    /// Pairs with fewer than two common keypoints.
    pub pairs: usize,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pictures, outside, repeated, pairs } = self;
        write!(
            f,
            "left out: {pairs} pairs with fewer than 2 common keypoints, {pictures} pictures, \
             {outside} keypoints outside, {repeated} repeated"
        )
    }
}

/// Pairs of pictures in files, by name, with their keypoints; the pixels stay where they are until
/// [`PairBatches`](super::PairBatches) load them.
#[derive(Clone, Debug)]
pub struct KeypointPairs {
    pub(super) categories: Arc<Vec<String>>,
    pub(super) names: Arc<Vec<String>>,
    pub(super) pictures: Arc<Vec<Shot>>,
    pub(super) pairs: Arc<Vec<Described>>,
    pub(super) left_out: LeftOut,
}

/// A picture in a file, and the part of it that is shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shot {
    pub path: PathBuf,
    /// Width and height in pixels, as annotated.
    pub size: [usize; 2],
    /// Left, top, width and height in pixels; inside the picture.
    pub cut: Option<[usize; 4]>,
}

/// Where a keypoint is, as shares of the width and height of what is shown, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Keypoint {
    pub name: u16,
    pub place: [f32; 2],
}

#[derive(Clone, Debug)]
pub(super) struct Described {
    pub category: usize,
    pub pictures: [usize; 2],
    pub keypoints: [Vec<Keypoint>; 2],
}

impl KeypointPairs {
    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Names of the categories, the same for all parts of a set; of some a part may have no pair.
    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    /// What is not among the pairs.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Numbers of the pairs of a category.
    pub fn of_category(&self, category: usize) -> Vec<i64> {
        let pairs = (0i64..).zip(self.pairs.iter());
        pairs.filter(|(_, pair)| pair.category == category).map(|(item, _)| item).collect()
    }

    /// At most the first `count` pairs of each category: for short runs.
    pub fn first_of_each(&self, count: usize) -> Self {
        let mut seen = vec![0; self.categories.len()];
        let pairs = self.pairs.iter().filter(|pair| {
            seen[pair.category] += 1;
            seen[pair.category] <= count
        });
        Self { pairs: Arc::new(pairs.cloned().collect()), ..self.clone() }
    }

    /// The files of a pair and their keypoints in an order that `seed` decides; the error comes with the
    /// number of the picture that is wrong.
    pub(super) fn prepared(
        &self,
        item: usize,
        side: usize,
        seed: u64,
    ) -> Result<KeypointPair, (usize, Error)> {
        let Described { category, pictures, keypoints } = &self.pairs[item];
        let shown =
            |picture: usize| self.pictures[picture].pixels(side).map_err(|error| (picture, error));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let keypoints = keypoints.each_ref().map(|keypoints| {
            let mut keypoints = keypoints.clone();
            keypoints.shuffle(&mut rng);
            keypoints
        });
        let place = |other: &Keypoint| keypoints[1].iter().position(|k| k.name == other.name);
        Ok(KeypointPair {
            category: *category,
            pictures: [shown(pictures[0])?, shown(pictures[1])?],
            truth: keypoints[0].iter().map(place).collect(),
            names: keypoints.each_ref().map(|keypoints| {
                keypoints.iter().map(|k| self.names[usize::from(k.name)].clone()).collect()
            }),
            keypoints: keypoints.each_ref().map(|keypoints| {
                keypoints.iter().map(|k| k.place.map(|share| share * side as f32)).collect()
            }),
        })
    }
}

impl Shot {
    // Red, green and blue, `[side, side, 3]`.
    fn pixels(&self, side: usize) -> Result<Tensor> {
        let pixels = decoded(&self.path)?;
        let (_, height, width) = pixels.size3()?;
        let [annotated_width, annotated_height] = self.size;
        if [width, height] != self.size.map(|length| length as i64) {
            return Err(Error::File {
                path: self.path.clone(),
                problem: format!(
                    "has {width} x {height} pixels; {annotated_width} x {annotated_height} are annotated"
                ),
                cure: "picture and annotation do not belong together: get the set again".to_owned(),
            });
        }
        let shown = match self.cut.map(|cut| cut.map(|length| length as i64)) {
            Some([left, top, width, height]) => {
                pixels.f_narrow(2, left, width)?.f_narrow(1, top, height)?
            }
            None => pixels,
        };
        Ok(squared(shown, side as i64)?.f_permute([1, 2, 0])?.f_contiguous()?)
    }
}

/// Numbers for what has a name.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    pub all: Vec<T>,
    numbers: HashMap<T, usize>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { all: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Numbered<T> {
    pub fn number(&mut self, of: &T) -> usize {
        let next = self.all.len();
        let number = *self.numbers.entry(of.clone()).or_insert(next);
        if number == next {
            self.all.push(of.clone());
        }
        number
    }
}

/// What `read` makes of each, in order, by all threads; of several errors the first in this order.
pub(super) fn each<L: Sync, T: Send>(
    listed: &[L],
    read: impl Fn(&L) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let one = |listed: &L| {
        crate::interrupt::check("a data set was being read")?;
        read(listed)
    };
    listed.par_iter().map(one).collect::<Vec<Result<T>>>().into_iter().collect()
}

/// Fewer than these give nothing to match.
pub(super) const FEWEST: usize = 2;

/// The two lists of a pair without what the choice leaves out, or `None` where too few are common.
pub(super) fn chosen(
    [first, second]: [&[Keypoint]; 2],
    choice: KeypointChoice,
) -> Option<[Vec<Keypoint>; 2]> {
    let among = |keypoint: &Keypoint, others: &[Keypoint]| {
        others.iter().any(|other| other.name == keypoint.name)
    };
    let common = |own: &[Keypoint], others: &[Keypoint]| -> Vec<Keypoint> {
        own.iter().copied().filter(|keypoint| among(keypoint, others)).collect()
    };
    let both = [common(first, second), common(second, first)];
    (both[0].len() >= FEWEST).then(|| match choice {
        KeypointChoice::Common => both,
        KeypointChoice::All => [first.to_vec(), second.to_vec()],
    })
}
