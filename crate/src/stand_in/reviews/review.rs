//! One review: what it says of each aspect, in which words, and how that is rated.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, LogNormal, Poisson, StandardNormal};

use super::lexicon::{Lexicon, VERDICT};
use super::lists::{CONNECTORS, HEADS, INTENSIFIERS, NEGATIONS};

#[derive(Debug)]
pub(super) struct Review<'a> {
    pub words: Vec<&'a str>,
    /// Of the four aspects and of all of it.
    pub ratings: [f64; 5],
    /// The words that are planted, [start, end) each, of each aspect.
    pub ranges: [Vec<(usize, usize)>; 4],
}

const MEDIAN_LENGTH: f64 = 127.0;
const CORRELATION: f64 = 0.45;

/// What stands in one sentence: words, and of which aspect, if any, they are.
type Sentence<'a> = Vec<(&'a str, Option<usize>)>;

pub(super) fn write<'a>(lexicon: &'a Lexicon, rng: &mut impl Rng) -> Review<'a> {
    let length = LogNormal::new(MEDIAN_LENGTH.ln(), 0.5).map_or(MEDIAN_LENGTH, |d| d.sample(rng));
    let length = length.clamp(25.0, 1000.0);
    let quality = normal(rng);
    let mut means = [0.0; 4];
    let mut of_aspect: Vec<Vec<Sentence<'a>>> = Vec::new();
    for (aspect, mean) in means.iter_mut().enumerate() {
        let opinion =
            0.6 * (CORRELATION.sqrt() * quality + (1.0 - CORRELATION).sqrt() * normal(rng));
        let more = Poisson::new(3.0 * (length / MEDIAN_LENGTH).min(2.0));
        let count = 2 + more.map_or(3, |d| d.sample(rng) as usize).min(10);
        let phrases: Vec<(Sentence<'a>, f64)> =
            (0..count).map(|_| phrase(lexicon, aspect, opinion, rng)).collect();
        *mean = phrases.iter().map(|(_, strength)| strength).sum::<f64>() / count as f64;
        of_aspect.push(sentences(lexicon, aspect, phrases, rng));
    }
    // Most people go through them in this order.
    let mut order = [0, 1, 3, 2];
    if rng.random_bool(0.3) {
        order.shuffle(rng);
    }
    let mut all: Vec<Sentence<'a>> = Vec::new();
    for aspect in order {
        all.append(&mut of_aspect[aspect]);
    }
    all.push(verdict(lexicon, quality, rng));
    let mut words: usize = all.iter().map(Vec::len).sum();
    while (words as f64) < length {
        let sentence = everyday(lexicon, rng);
        words += sentence.len();
        // The verdict ends the review.
        all.insert(rng.random_range(0..all.len()), sentence);
    }
    let noise = [(); 4].map(|()| normal(rng));
    let mut ratings = [0.0; 5];
    for aspect in 0..4 {
        ratings[aspect] = in_steps(0.6 + 0.36 * means[aspect] + 0.06 * noise[aspect]);
    }
    ratings[4] = in_steps(ratings[..4].iter().sum::<f64>() / 4.0);
    assemble(&all.concat(), ratings)
}

// Words in a row that are of one aspect are one range.
fn assemble<'a>(tagged: &[(&'a str, Option<usize>)], ratings: [f64; 5]) -> Review<'a> {
    let mut ranges: [Vec<(usize, usize)>; 4] = Default::default();
    for (place, (_, aspect)) in tagged.iter().enumerate() {
        let Some(aspect) = *aspect else { continue };
        match ranges[aspect].last_mut() {
            Some((_, end)) if *end == place => *end += 1,
            _ => ranges[aspect].push((place, place + 1)),
        }
    }
    Review { words: tagged.iter().map(|(word, _)| *word).collect(), ratings, ranges }
}

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn in_steps(rating: f64) -> f64 {
    (rating * 10.0).round().clamp(2.0, 10.0) / 10.0
}

fn one_of<'a>(list: &[&'a str], rng: &mut impl Rng) -> &'a str {
    list[rng.random_range(0..list.len())]
}

// A planted phrase and its strength.
fn phrase<'a>(
    lexicon: &'a Lexicon,
    aspect: usize,
    opinion: f64,
    rng: &mut impl Rng,
) -> (Sentence<'a>, f64) {
    let wanted = (opinion + 0.35 * normal(rng)).clamp(-1.0, 1.0);
    let negated = rng.random_bool(0.12);
    let topic = if rng.random_bool(0.35) { VERDICT } else { aspect };
    let word = lexicon.rating_word(topic, if negated { -wanted } else { wanted }, rng);
    let (mut words, mut strength) = (Vec::new(), word.strength);
    if negated {
        words.push((one_of(&NEGATIONS, rng), Some(aspect)));
        strength *= -0.8;
    }
    if rng.random_bool(0.2) {
        let (intensifier, factor) = INTENSIFIERS[rng.random_range(0..INTENSIFIERS.len())];
        words.push((intensifier, Some(aspect)));
        strength *= factor;
    }
    words.push((&word.text, Some(aspect)));
    (words, strength)
}

// One to three phrases a sentence, the first of which names the aspect, others mostly.
fn sentences<'a>(
    lexicon: &'a Lexicon,
    aspect: usize,
    phrases: Vec<(Sentence<'a>, f64)>,
    rng: &mut impl Rng,
) -> Vec<Sentence<'a>> {
    let mut sentences: Vec<Sentence<'a>> = Vec::new();
    let mut left = 0;
    for (mut phrase, _) in phrases {
        if left == 0 {
            left = rng.random_range(1..=3);
            let mut sentence = vec![("the", None)];
            if sentences.is_empty() || rng.random_bool(0.7) {
                sentence.push((one_of(HEADS[aspect], rng), None));
                sentence.push((one_of(&["is", "has", "shows", "was"], rng), None));
            }
            sentences.push(sentence);
        }
        left -= 1;
        let Some(sentence) = sentences.last_mut() else { continue };
        for _ in 0..rng.random_range(0..3) {
            sentence.push((lexicon.everyday_word(rng), None));
        }
        sentence.append(&mut phrase);
        sentence.push((if left == 0 { "." } else { one_of(&CONNECTORS, rng) }, None));
    }
    sentences
}

fn verdict<'a>(lexicon: &'a Lexicon, quality: f64, rng: &mut impl Rng) -> Sentence<'a> {
    let mut sentence = vec![("overall", None), ("a", None)];
    for _ in 0..rng.random_range(1..=2) {
        let wanted = (0.6 * quality + 0.35 * normal(rng)).clamp(-1.0, 1.0);
        sentence.push((&lexicon.rating_word(VERDICT, wanted, rng).text, None));
    }
    sentence.extend([("beer", None), (if rng.random_bool(0.8) { "." } else { "!" }, None)]);
    sentence
}

fn everyday<'a>(lexicon: &'a Lexicon, rng: &mut impl Rng) -> Sentence<'a> {
    let count = rng.random_range(5..13);
    let words = (0..count).map(|_| (lexicon.everyday_word(rng), None));
    words.chain([(".", None)]).collect()
}
