//! Padded texts in one row, without the padding that convolutions need not see.

use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

/// Texts one after another, for three convolutions of width 3 in a row.
///
/// What these give at a word depends on the three words before and after it, and on the zeros beyond
/// an end of the text where that is nearer. Of a run of padding in front, the first three and the
/// last three may thus differ, and all others are equal: one of them stands for all.
#[derive(Debug)]
pub(super) struct Packed {
    /// Numbers of the words; before each text one 0 that is no word.
    pub words: Vec<i32>,
    /// The places of those that are no words.
    pub between: Vec<i64>,
    /// Entries of each text in `words`, with the one before it.
    pub sizes: Vec<i64>,
    /// Where in `words` each word of `[batch, length]` is.
    pub places: Vec<i64>,
}

// Equal words that convolutions of width 3, three in a row, do not tell apart, and their borders.
const REACH: usize = 3;
const KEPT: usize = 2 * REACH + 1;

impl Packed {
    /// Of `tokens`, `[batch, length]`, numbers below `count`; the padding is what has number 0.
    pub fn of(tokens: &Tensor, count: i64) -> Result<Self> {
        let integer = matches!(tokens.kind(), Kind::Uint8 | Kind::Int16 | Kind::Int | Kind::Int64);
        if tokens.dim() != 2 || tokens.numel() == 0 || !integer {
            return Err(Error::Shape {
                what: "the tokens of texts",
                got: format!("{:?} of {:?}", tokens.size(), tokens.kind()),
                expected: "[batch, length] of an integer kind, none of them 0".into(),
            });
        }
        let length = tokens.size()[1] as usize;
        let flat = tokens.f_to_device(Device::Cpu)?.f_to_kind(Kind::Int64)?;
        let flat = Vec::<i64>::try_from(&flat.f_contiguous()?.f_view([-1])?)?;
        let mut packed = Self {
            words: vec![],
            between: vec![],
            sizes: vec![],
            places: Vec::with_capacity(flat.len()),
        };
        for text in flat.chunks_exact(length) {
            let start = packed.words.len();
            packed.between.push(start as i64);
            packed.words.push(0);
            let padding = text.iter().take_while(|&&word| word == 0).count();
            let left_out = padding.saturating_sub(KEPT);
            for (place, &word) in text.iter().enumerate() {
                if !(0..count).contains(&word) {
                    let expected = format!("in 0..{count}");
                    return Err(Error::parameter("the number of a word", word, expected));
                }
                // Places REACH to REACH + left_out are the equal ones.
                if !(REACH + 1..=REACH + left_out).contains(&place) {
                    // In 0..count, which embeddings keep small.
                    packed.words.push(word as i32);
                }
                packed.places.push((packed.words.len() - 1) as i64);
            }
            packed.sizes.push((packed.words.len() - start) as i64);
        }
        Ok(packed)
    }
}
