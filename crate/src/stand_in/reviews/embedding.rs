//! Word embeddings that carry meaning as those of words do: in directions, not in coordinates.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::lexicon::{Lexicon, Word};
use crate::gradient::derive_seed;

const DIMENSION: usize = 200;

// Lengths of what adds up, beside noise of length 0.7.
const TOPIC: f64 = 0.45;
const STRENGTH: f64 = 0.35;
const OWN_STRENGTH: f64 = 0.35;
const SQUARE: f64 = 0.25;
const PART: f64 = 0.3;
const NOISE: f64 = 0.7;

impl Lexicon {
    /// The line of word number `place`; none for a word without an embedding.
    pub(super) fn embedding_line(&self, place: usize, seed: u64) -> Option<String> {
        let word = &self.words[place];
        if !word.embedded {
            return None;
        }
        let mut line = word.text.clone();
        for value in embedding(word, place, seed) {
            line += &format!(" {value:.5}");
        }
        Some(line)
    }
}

fn embedding(word: &Word, place: usize, seed: u64) -> [f64; DIMENSION] {
    let Word { topic, strength, parts, .. } = word;
    let mut sum = [0.0; DIMENSION];
    let mut add = |factor: f64, kind: u64, number: usize| {
        for (sum, entry) in sum.iter_mut().zip(direction(seed, kind, number)) {
            *sum += factor * entry;
        }
    };
    add(TOPIC, 1, *topic);
    add(STRENGTH * strength, 2, 0);
    add(OWN_STRENGTH * strength, 3, *topic);
    add(SQUARE * strength * strength, 4, 0);
    parts.iter().for_each(|&part| add(PART, 5, part));
    add(NOISE, 6, place);
    sum
}

// Of length 1 on average: 200 normal variables, so that directions are next to orthogonal.
fn direction(seed: u64, kind: u64, number: usize) -> [f64; DIMENSION] {
    let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(&[seed, kind, number as u64]));
    let scale = (DIMENSION as f64).sqrt().recip();
    [(); DIMENSION].map(|()| {
        let normal: f64 = StandardNormal.sample(&mut rng);
        scale * normal
    })
}
