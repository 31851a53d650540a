//! Reviews of beers with ratings, and which words of some of them speak of what is rated.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::Items;
use crate::{Error, Result};

mod files;
mod vocabulary;

pub use vocabulary::Vocabulary;

/// What of a beer is rated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Its look in the glass.
    Appearance,
    /// Its smell.
    #[default]
    Aroma,
    /// How it feels in the mouth.
    Palate,
    /// Its taste, which is not annotated.
    Taste,
}

impl Aspect {
    /// Every aspect, in the order of their numbers in the files, from 0.
    pub const ALL: [Self; 4] = [Self::Appearance, Self::Aroma, Self::Palate, Self::Taste];

    /// Its number in the names of the files and the place of its rating in a line.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Appearance => "appearance",
            Self::Aroma => "aroma",
            Self::Palate => "palate",
            Self::Taste => "taste",
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Aspect {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|aspect| aspect.name() == name).ok_or_else(|| {
            let expected = format!("one of {}", Self::ALL.map(Self::name).join(", "));
            Error::parameter("aspect", format!("{name:?}"), expected)
        })
    }
}

/// Reviews with the rating of one aspect.
#[derive(Debug)]
pub struct Reviews {
    /// Numbers of the words in the [`Vocabulary`], `i32`, `[n, length]`: as many
    /// [`PADDING`](Vocabulary::PADDING) in front as there is room; of a longer review its end.
    pub tokens: Tensor,
    /// Ratings in \[0, 1\], `f32`, `[n]`.
    pub ratings: Tensor,
}

impl Items for Reviews {
    fn len(&self) -> usize {
        self.ratings.size().first().map_or(0, |&count| count as usize)
    }

    fn try_map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { tokens: change(&self.tokens)?, ratings: change(&self.ratings)? })
    }
}

impl Reviews {
    /// Two halves by chance, to choose by and to report; of an odd number the second has one more.
    ///
    /// The published code calls scikit-learn's `train_test_split(test_size=0.5, random_state=seed)` with
    /// seeds 0 to 9. This is another generator: the halves have the same sizes and other members.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two reviews.
    pub fn split(&self, seed: u64) -> Result<(Self, Self)> {
        if self.len() < 2 {
            return Err(Error::parameter("the number of reviews to split", self.len(), ">= 2"));
        }
        let mut order: Vec<i64> = (0..self.len() as i64).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (validation, test) = order.split_at(order.len() / 2);
        Ok((self.select(validation)?, self.select(test)?))
    }
}

/// Reviews of which people marked the words that speak of the aspect.
#[derive(Debug)]
pub struct AnnotatedReviews {
    /// As in [`Reviews`], but words that are not in the [`Vocabulary`] are
    /// [`PADDING`](Vocabulary::PADDING), too, as in the published code.
    pub tokens: Tensor,
    /// 1 where a word is annotated, `f32`, `[n, length]`.
    pub annotated: Tensor,
    /// Ratings as in [`Reviews`], NaN where the file does not tell.
    pub ratings: Tensor,
    /// The words themselves: the last ones of a row belong to the last tokens of it.
    pub words: Vec<Vec<String>>,
}

impl AnnotatedReviews {
    /// The same on `device`; no copy if they are there already.
    ///
    /// # Errors
    /// [`Error::Torch`] when the device is missing or out of memory.
    pub fn to_device(&self, device: Device) -> Result<Self> {
        Ok(Self {
            tokens: self.tokens.f_to_device(device)?,
            annotated: self.annotated.f_to_device(device)?,
            ratings: self.ratings.f_to_device(device)?,
            words: self.words.clone(),
        })
    }
}

/// Reviews from BeerAdvocate with ratings of one aspect, word embeddings, and annotated reviews.
///
/// Source: McAuley, Leskovec, Jurafsky 2012 (reviews and annotations); Lei, Barzilay, Jaakkola 2016
/// (these reviews, chosen so that ratings of different aspects hang together less, and embeddings).
#[derive(Debug)]
pub struct BeerAdvocate {
    /// What `ratings` are of.
    pub aspect: Aspect,
    /// The words of the training reviews.
    pub vocabulary: Vocabulary,
    /// A row per word, `f32`, `[words, dimension]`, published with dimension 200; 0 for a word that
    /// has none.
    pub embeddings: Tensor,
    /// Reviews to train on.
    pub train: Reviews,
    /// Reviews to choose by and to report: see [`Reviews::split`].
    pub held_out: Reviews,
    /// Annotated reviews; none of [`Aspect::Taste`].
    pub annotated: AnnotatedReviews,
}

// Longer than any review, and short enough that a typing error does not fill the memory.
const LONGEST: usize = 100_000;

impl BeerAdvocate {
    /// Name on the command line and in configurations.
    pub const NAME: &str = "beer-advocate";

    /// The length to which published experiments pad and cut reviews.
    pub const LENGTH: usize = 350;

    /// Where the set was published.
    pub fn source() -> &'static str {
        "http://people.csail.mit.edu/taolei/beer/"
    }

    /// The folder of the published files.
    ///
    /// # Errors
    /// [`Error::MissingData`] with the way to get them, or a stand-in.
    pub fn locate(data_folder: &Path) -> Result<PathBuf> {
        let folder = data_folder.join("beer_advocate");
        if folder.is_dir() {
            return Ok(folder);
        }
        Err(Error::MissingData { name: Self::NAME.to_owned(), folder, cure: files::cure() })
    }

    /// Reads the folder, in the published format, each file compressed (`.gz`) or not:
    ///
    /// | file | holds |
    /// |---|---|
    /// | `reviews.aspect{i}.train.txt.gz` | a review a line: ratings of all aspects, a TAB, words |
    /// | `reviews.aspect{i}.heldout.txt.gz` | the same |
    /// | `review+wiki.filtered.200.txt.gz` | a word a line and the numbers of its embedding |
    /// | `annotations.json` | an object a line: `"x"` words, `"0"`, `"1"`, `"2"` ranges of the aspects |
    ///
    /// As in the published code, words are what single blanks separate, and the end of a line belongs to
    /// its last word: `good` in the middle and `good` at the end are two words, the second without an
    /// embedding. Words get their numbers in the order in which they come in the training file, from
    /// 3 on. Unknown words are [`Vocabulary::UNKNOWN`], but in annotated reviews
    /// [`Vocabulary::PADDING`]. Reviews are padded and cut in front, to `length` words.
    ///
    /// Two things differ. Ranges of an annotated review that is cut move with its words; in the published
    /// code they stay. And words count once that are in two ranges. What of a range lies beyond the
    /// review is nothing, here and there.
    ///
    /// Files are read line by line, and embeddings are kept of words of the vocabulary only: memory is
    /// 4 bytes for each of the tokens, twice while they are read, and for each number of the
    /// embeddings.
    ///
    /// # Errors
    /// [`Error::MissingData`] for an absent file, [`Error::File`] with the number of the line for one that
    /// is damaged or holds something else, each with its cure; [`Error::Parameter`] for a length of 0 or above 100 000;
    /// [`Error::Interrupted`].
    ///
    /// ```no_run
    /// use solvergrad::prelude::*;
    ///
    /// let folder = ReviewStandIn::default().make(Aspect::Aroma, &data_folder(), |line| println!("{line}"))?;
    /// let data = BeerAdvocate::load(&folder, Aspect::Aroma, BeerAdvocate::LENGTH)?;
    /// assert_eq!(data.train.tokens.size(), [70_000, 350]);
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    pub fn load(folder: &Path, aspect: Aspect, length: usize) -> Result<Self> {
        if !(1..=LONGEST).contains(&length) {
            let expected = format!("in 1 to {LONGEST}");
            return Err(Error::parameter("the length of the reviews", length, expected));
        }
        let mut vocabulary = Vocabulary::default();
        let index = aspect.index();
        let path = files::find(folder, &format!("reviews.aspect{index}.train.txt"))?;
        let train = files::reviews(&path, aspect, length, |word| vocabulary.id_or_new(word))?;
        let path = files::find(folder, &format!("reviews.aspect{index}.heldout.txt"))?;
        let held_out = files::reviews(&path, aspect, length, |word| {
            vocabulary.id(word).unwrap_or(Vocabulary::UNKNOWN)
        })?;
        let path = files::find(folder, "review+wiki.filtered.200.txt")?;
        let embeddings = files::embeddings(&path, &vocabulary)?;
        let path = files::find(folder, "annotations.json")?;
        let annotated = files::annotations(&path, aspect, length, &vocabulary)?;
        Ok(Self { aspect, vocabulary, embeddings, train, held_out, annotated })
    }
}
