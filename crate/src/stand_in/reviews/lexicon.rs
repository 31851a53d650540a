//! Every word with its topic and its strength.

use std::collections::HashSet;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::lists::{EVERYDAY, HEADS, MODIFIERS, NOUNS, VERDICTS};

/// What is known about a word.
#[derive(Debug)]
pub(super) struct Word {
    pub text: String,
    /// An aspect, 0 to 3, or [`VERDICT`], or one of the everyday topics after it.
    pub topic: usize,
    /// −1 to 1; 0 for a word that rates nothing.
    pub strength: f64,
    /// Parts that it shares with other words.
    pub parts: Vec<usize>,
    /// Names that are too rare have none.
    pub embedded: bool,
}

pub(super) const VERDICT: usize = 4;
pub(super) const TOPICS: usize = 13;

const NAMES: usize = 3000;

/// All words of the stand-in.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub words: Vec<Word>,
    /// Words that rate, by strength: of each aspect, and verdicts.
    rating: [Vec<usize>; 5],
    everyday: Vec<usize>,
    names: Vec<usize>,
}

impl Lexicon {
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut lexicon =
            Self { words: Vec::new(), rating: Default::default(), everyday: vec![], names: vec![] };
        for (topic, (modifiers, nouns)) in MODIFIERS.iter().zip(&NOUNS).enumerate() {
            for (first, (modifier, strength)) in modifiers.iter().enumerate() {
                for (second, noun) in nouns.iter().enumerate() {
                    // The same word is worth a little more or less beside another one.
                    let strength = (strength + rng.random_range(-0.15..0.15)).clamp(-1.0, 1.0);
                    let parts = vec![100 * topic + first, 100 * topic + 50 + second];
                    lexicon.add_rating(format!("{modifier}-{noun}"), topic, strength, parts);
                }
            }
            for head in HEADS[topic] {
                lexicon.add(head, topic, 0.0, true);
            }
        }
        for (verdict, strength) in VERDICTS {
            lexicon.add_rating(verdict.to_owned(), VERDICT, strength, vec![]);
        }
        for of_topic in &mut lexicon.rating {
            let words = &lexicon.words;
            of_topic.sort_by(|&a, &b| words[a].strength.total_cmp(&words[b].strength));
        }
        for word in EVERYDAY.split_whitespace() {
            let place = lexicon.add(word, rng.random_range(VERDICT + 1..TOPICS), 0.0, true);
            lexicon.everyday.push(place);
        }
        let mut known: HashSet<String> =
            lexicon.words.iter().map(|word| word.text.clone()).collect();
        while lexicon.names.len() < NAMES {
            let name = name(&mut rng);
            if !known.insert(name.clone()) {
                continue;
            }
            let (topic, embedded) = (rng.random_range(VERDICT + 1..TOPICS), rng.random_bool(0.8));
            let place = lexicon.add(&name, topic, 0.0, embedded);
            lexicon.names.push(place);
        }
        // Words in the text only, of no list: they have embeddings, too.
        for word in super::lists::NEGATIONS
            .into_iter()
            .chain(super::lists::INTENSIFIERS.map(|(word, _)| word))
            .chain(super::lists::CONNECTORS)
            .chain(["overall", "shows", "!"])
        {
            if known.insert(word.to_owned()) {
                lexicon.add(word, TOPICS - 1, 0.0, true);
            }
        }
        lexicon
    }

    fn add(&mut self, text: &str, topic: usize, strength: f64, embedded: bool) -> usize {
        let text = text.to_owned();
        self.words.push(Word { text, topic, strength, parts: vec![], embedded });
        self.words.len() - 1
    }

    fn add_rating(&mut self, text: String, topic: usize, strength: f64, parts: Vec<usize>) {
        self.rating[topic].push(self.words.len());
        self.words.push(Word { text, topic, strength, parts, embedded: true });
    }

    /// A word of `topic` that rates about as `strength` does. Of the words near it the first ones of
    /// their group are more frequent.
    pub fn rating_word(&self, topic: usize, strength: f64, rng: &mut impl Rng) -> &Word {
        let of_topic = &self.rating[topic];
        let place = of_topic.partition_point(|&word| self.words[word].strength < strength);
        let reach = of_topic.len() / 24 + 1;
        let low = place.saturating_sub(reach);
        let high = (place + reach).min(of_topic.len());
        let candidates = [(); 2].map(|()| of_topic[rng.random_range(low.min(high - 1)..high)]);
        &self.words[candidates[0].min(candidates[1])]
    }

    /// An everyday word by Zipf's law, or a name.
    pub fn everyday_word(&self, rng: &mut impl Rng) -> &str {
        let list = if rng.random_bool(0.06) { &self.names } else { &self.everyday };
        // The inverse of the distribution function of a density 1/x on 1..n.
        let uniform: f64 = rng.random();
        let rank = (list.len() as f64).powf(uniform) as usize - 1;
        &self.words[list[rank.min(list.len() - 1)]].text
    }
}

fn name(rng: &mut impl Rng) -> String {
    const STARTS: [&str; 16] =
        ["b", "br", "d", "f", "g", "gr", "h", "k", "kr", "l", "m", "r", "s", "st", "t", "w"];
    const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "au", "ei", "oo"];
    const ENDS: [&str; 10] = ["l", "n", "r", "s", "t", "ck", "nd", "rn", "ss", "m"];
    let mut name = String::new();
    for _ in 0..rng.random_range(2..4) {
        name += STARTS[rng.random_range(0..STARTS.len())];
        name += VOWELS[rng.random_range(0..VOWELS.len())];
    }
    name + ENDS[rng.random_range(0..ENDS.len())]
}
