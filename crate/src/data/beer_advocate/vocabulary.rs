use std::collections::HashMap;

/// Words and their numbers.
///
/// ```
/// use solvergrad::prelude::*;
///
/// let mut words = Vocabulary::default();
/// assert_eq!(words.id_or_new("hops"), 3); // 0, 1 and 2 are <PAD>, <START> and <UNK>
/// assert_eq!((words.id("hops"), words.id("malt"), words.word(3)), (Some(3), None, Some("hops")));
/// ```
#[derive(Clone, Debug)]
pub struct Vocabulary {
    words: Vec<String>,
    ids: HashMap<String, i32>,
}

impl Default for Vocabulary {
    /// `<PAD>`, `<START>` and `<UNK>`.
    fn default() -> Self {
        let mut empty = Self { words: Vec::new(), ids: HashMap::new() };
        for special in ["<PAD>", "<START>", "<UNK>"] {
            empty.id_or_new(special);
        }
        empty
    }
}

impl Vocabulary {
    /// The number of the place where no word is.
    pub const PADDING: i32 = 0;

    /// The number of every word that is not in the vocabulary.
    pub const UNKNOWN: i32 = 2;

    /// How many words there are.
    #[allow(clippy::len_without_is_empty, reason = "there are always three")]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The number of a word.
    pub fn id(&self, word: &str) -> Option<i32> {
        self.ids.get(word).copied()
    }

    /// The number of a word, which gets the next one if it has none.
    pub fn id_or_new(&mut self, word: &str) -> i32 {
        if let Some(id) = self.id(word) {
            return id;
        }
        // Files of reviews do not have two thousand million different words.
        let id = i32::try_from(self.words.len()).unwrap_or(Self::UNKNOWN);
        self.words.push(word.to_owned());
        self.ids.insert(word.to_owned(), id);
        id
    }

    /// The word of a number.
    pub fn word(&self, id: i32) -> Option<&str> {
        self.words.get(usize::try_from(id).ok()?).map(String::as_str)
    }
}
