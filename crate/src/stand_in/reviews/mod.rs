//! Reviews of beers that nobody drank, in the files of BeerAdvocate.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::make_once;
use crate::data::{Aspect, BeerAdvocate};
use crate::gradient::derive_seed;

use crate::{Error, Result};

mod embedding;
mod lexicon;
mod lists;
mod review;

use lexicon::Lexicon;
use review::Review;

/// How many reviews the stand-in for [`BeerAdvocate`] has, and the seed that decides about them.
///
/// Review i of a part is the same whatever the number of reviews. Of this library's making, and not
/// measured on the real set, are:
///
/// * **Words**: 352 for each of four aspects, compounds like `fresh-citrus`, in graded strength from −1
///   to 1; 46 words of praise and blame for any aspect, of which the words around tell what they are
///   about; everyday words and 3000 names by Zipf's law, every fifth name without an embedding.
/// * **Length**: log-normal with median 127 and mean 144 words, at least 25; 2 % are longer than 350.
/// * **Planted phrases**: for each aspect, 2 and more with the length, of a word that an intensifier or a
///   negation may precede (strength · 1.25, 0.6, −0.8). They are what is annotated. An overall
///   verdict with words of praise or blame is not.
/// * **Ratings**: 0.6 + 0.36 · (mean strength of the phrases of the aspect) + noise of deviation 0.06, in steps of
///   0.1 from 0.2 to 1. The strengths of different aspects have correlation 0.45.
/// * **Embeddings**: 200 numbers: a direction for the topic, one for the strength that all aspects share and
///   one that they do not, one for its square, one for each part of a compound, and noise, in
///   directions drawn by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewStandIn {
    /// Reviews to train on.
    pub train: usize,
    /// Reviews to choose by and to report, half and half.
    pub held_out: usize,
    /// Annotated reviews.
    pub annotated: usize,
    /// The seed.
    pub seed: u64,
}

impl Default for ReviewStandIn {
    /// The published numbers of reviews for the aroma, and seed 1.
    fn default() -> Self {
        Self { train: 70_000, held_out: 10_000, annotated: 994, seed: 1 }
    }
}

// Raised when the same parameters make another stand-in than before.
const VERSION: u32 = 1;

// Reviews that are in memory at a time.
const CHUNK: usize = 2048;

impl ReviewStandIn {
    /// The folder of the stand-in for the ratings of `aspect`, made now if it is not there, with one line
    /// to `report` before and one after; to be read by [`BeerAdvocate::load`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than one review to train on or two held out, [`Error::Io`] where the
    /// folder cannot be written, [`Error::Interrupted`].
    ///
    /// ```
    /// use solvergrad::prelude::*;
    ///
    /// # let folder = std::env::temp_dir().join(format!("solvergrad-reviews-{}", std::process::id()));
    /// let few = ReviewStandIn { train: 50, held_out: 20, annotated: 5, seed: 1 };
    /// let made = few.make(Aspect::Aroma, &folder, |line| println!("{line}"))?;
    /// let data = BeerAdvocate::load(&made, Aspect::Aroma, 350)?;
    /// assert_eq!((data.train.len(), data.annotated.words.len()), (50, 5));
    /// # std::fs::remove_dir_all(&folder).ok();
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    pub fn make(
        &self,
        aspect: Aspect,
        data_folder: &Path,
        report: impl FnMut(&str),
    ) -> Result<PathBuf> {
        let least = [("to train on", self.train, 1), ("held out", self.held_out, 2)];
        if let Some((part, count, least)) = least.into_iter().find(|(_, count, at)| count < at) {
            let got = format!("{count} ({part})");
            return Err(Error::parameter("the number of reviews", got, format!(">= {least}")));
        }
        let count = self.train + self.held_out + self.annotated;
        let task = format!("{}: making {count} reviews", BeerAdvocate::NAME);
        make_once(self.folder(aspect, data_folder), &task, report, |beside| {
            self.write(aspect, beside)
        })
    }

    /// Where [`make`](Self::make) puts the stand-in.
    pub fn folder(&self, aspect: Aspect, data_folder: &Path) -> PathBuf {
        let Self { train, held_out, annotated, seed } = self;
        let name = format!(
            "{}-v{VERSION}-seed{seed}-{}-{train}-{held_out}-{annotated}",
            BeerAdvocate::NAME,
            aspect.name()
        );
        data_folder.join("stand-ins").join(name)
    }

    fn write(&self, aspect: Aspect, folder: &Path) -> Result<()> {
        let lexicon = Lexicon::new(derive_seed(&[self.seed, 0]));
        for (part, name, count) in [(1, "train", self.train), (2, "heldout", self.held_out)] {
            let name = format!("reviews.aspect{}.{name}.txt.gz", aspect.index());
            write_lines(&folder.join(name), count, |instances| {
                let lines =
                    instances.into_par_iter().map(|i| line(&self.review(&lexicon, part, i)));
                lines.collect()
            })?;
        }
        write_lines(
            &folder.join("review+wiki.filtered.200.txt.gz"),
            lexicon.words.len(),
            |words| {
                let seed = derive_seed(&[self.seed, 4]);
                words
                    .into_par_iter()
                    .filter_map(|word| lexicon.embedding_line(word, seed))
                    .collect()
            },
        )?;
        write_lines(&folder.join("annotations.json"), self.annotated, |instances| {
            let lines = instances.into_par_iter().map(|i| annotation(&self.review(&lexicon, 3, i)));
            lines.collect()
        })
    }

    fn review<'a>(&self, lexicon: &'a Lexicon, part: u64, instance: usize) -> Review<'a> {
        let seed = derive_seed(&[self.seed, part, instance as u64]);
        review::write(lexicon, &mut ChaCha8Rng::seed_from_u64(seed))
    }
}

fn line(review: &Review<'_>) -> String {
    let ratings: Vec<String> = review.ratings.iter().map(|rating| format!("{rating:.1}")).collect();
    format!("{}\t{}", ratings.join(" "), review.words.join(" "))
}

fn annotation(review: &Review<'_>) -> String {
    let [appearance, aroma, palate, _] = &review.ranges;
    let object = json!({
        "x": review.words, "y": review.ratings, "0": appearance, "1": aroma, "2": palate
    });
    object.to_string()
}

// `count` lines, some at a time; compressed where the name says so.
fn write_lines(
    path: &Path,
    count: usize,
    lines: impl Fn(Range<usize>) -> Vec<String>,
) -> Result<()> {
    let file = BufWriter::new(File::create(path).map_err(Error::io("create", path))?);
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let mut out: Box<dyn Finish> =
        if packed { Box::new(GzEncoder::new(file, Compression::fast())) } else { Box::new(file) };
    for start in (0..count).step_by(CHUNK) {
        crate::interrupt::check("reviews were being written")?;
        for line in lines(start..(start + CHUNK).min(count)) {
            writeln!(out, "{line}").map_err(Error::io("write", path))?;
        }
    }
    out.finish().map_err(Error::io("write", path))
}

// A writer whose end can fail, too.
trait Finish: Write {
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl Finish for BufWriter<File> {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.flush()
    }
}

impl Finish for GzEncoder<BufWriter<File>> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        GzEncoder::finish(*self)?.flush()
    }
}
