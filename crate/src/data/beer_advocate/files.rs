//! The files of the set.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tch::Tensor;

use super::{AnnotatedReviews, Aspect, BeerAdvocate, Reviews, Vocabulary};
use crate::data::lines::{Line, each_line};
use crate::{Error, Result};

pub(super) fn cure() -> String {
    format!(
        "put the files of {} there, or use the stand-in (`solvergrad data make {}`)",
        BeerAdvocate::source(),
        BeerAdvocate::NAME
    )
}

/// The file `name` in `folder`, compressed or not.
pub(super) fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let packed = folder.join(format!("{name}.gz"));
    let found = [packed, folder.join(name)].into_iter().find(|path| path.is_file());
    found.ok_or_else(|| Error::MissingData {
        name: format!("{} ({name})", BeerAdvocate::NAME),
        folder: folder.to_path_buf(),
        cure: cure(),
    })
}

/// Reviews, their words as numbers that `id` gives.
pub(super) fn reviews(
    path: &Path,
    aspect: Aspect,
    length: usize,
    mut id: impl FnMut(&str) -> i32,
) -> Result<Reviews> {
    let (mut tokens, mut ratings, mut count) = (Vec::new(), Vec::new(), None);
    let (mut values, mut row) = (Vec::new(), Vec::new());
    each_line(path, |line| {
        let Some((head, text)) = line.text.split_once('\t') else {
            return Err(line.wrong("has no TAB between ratings and words"));
        };
        values.clear();
        for text in head.split_whitespace() {
            values.push(rating(&line, text)?);
        }
        let expected = *count.get_or_insert(values.len());
        if values.len() != expected {
            let problem = format!("has {} ratings, the first line {expected}", values.len());
            return Err(line.wrong(problem));
        }
        let Some(&value) = values.get(aspect.index()) else {
            let (name, index) = (aspect.name(), aspect.index());
            let problem = format!("has {expected} ratings, without {name} (number {index} from 0)");
            return Err(line.wrong(problem));
        };
        ratings.push(value);
        row.clear();
        row.extend(text.split(' ').map(&mut id));
        pad(&row, length, Vocabulary::PADDING, &mut tokens);
        Ok(())
    })?;
    if ratings.is_empty() {
        let problem = "it holds no review".to_owned();
        return Err(Error::File { path: path.to_path_buf(), problem, cure: cure() });
    }
    let size = [ratings.len() as i64, length as i64];
    Ok(Reviews {
        tokens: Tensor::f_from_slice(&tokens)?.f_view(size)?,
        ratings: Tensor::f_from_slice(&ratings)?,
    })
}

fn rating(line: &Line<'_>, text: &str) -> Result<f32> {
    let value: f32 =
        text.parse().map_err(|_| line.wrong(format!("has the rating {text:?}, no number")))?;
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(line.wrong(format!("has the rating {text}, not in 0 to 1")))
}

// Appends the last `length` entries of `row`, with `filling` in front where there are fewer.
fn pad<T: Copy>(row: &[T], length: usize, filling: T, rows: &mut Vec<T>) {
    let end = &row[row.len().saturating_sub(length)..];
    rows.resize(rows.len() + length - end.len(), filling);
    rows.extend(end);
}

// Published word embeddings have 50 to 1024.
const WIDEST: usize = 4096;

/// The embeddings of the words of `vocabulary`, a row each.
pub(super) fn embeddings(path: &Path, vocabulary: &Vocabulary) -> Result<Tensor> {
    let (mut values, mut dimension, mut known) = (Vec::new(), 0, false);
    each_line(path, |line| {
        let mut fields = line.text.split_whitespace();
        let Some(word) = fields.next() else { return Err(line.wrong("is empty")) };
        if line.number == 1 {
            dimension = fields.clone().count();
            if dimension > WIDEST {
                return Err(line.wrong(format!("has {dimension} numbers, more than {WIDEST}")));
            }
            values.resize(vocabulary.len() * dimension, 0.0);
        }
        let count = fields.clone().count();
        if count != dimension || count == 0 {
            let problem = format!("has {count} numbers, the first line {dimension}");
            return Err(line.wrong(problem));
        }
        let id = vocabulary.id(word).and_then(|id| usize::try_from(id).ok());
        if let Some(row) = id {
            known = true;
            for (value, text) in values[row * dimension..].iter_mut().zip(fields) {
                *value =
                    text.parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| {
                        line.wrong(format!("has {text:?} in the embedding of {word:?}, no number"))
                    })?;
            }
        }
        Ok(())
    })?;
    if !known {
        let problem = "it has none of the words of the reviews".to_owned();
        return Err(Error::File { path: path.to_path_buf(), problem, cure: cure() });
    }
    let size = [vocabulary.len() as i64, dimension as i64];
    Ok(Tensor::f_from_slice(&values)?.f_view(size)?)
}

#[derive(Deserialize)]
struct Annotation {
    x: Vec<String>,
    // Not read by the published code, and of no documented form.
    y: Option<serde_json::Value>,
    #[serde(rename = "0")]
    appearance: Option<Vec<[usize; 2]>>,
    #[serde(rename = "1")]
    aroma: Option<Vec<[usize; 2]>>,
    #[serde(rename = "2")]
    palate: Option<Vec<[usize; 2]>>,
}

/// Annotated reviews; none of an aspect that is not annotated.
pub(super) fn annotations(
    path: &Path,
    aspect: Aspect,
    length: usize,
    vocabulary: &Vocabulary,
) -> Result<AnnotatedReviews> {
    let (mut tokens, mut marks) = (Vec::new(), Vec::new());
    let (mut ratings, mut words) = (Vec::<f32>::new(), Vec::new());
    each_line(path, |line| {
        let read = serde_json::from_str(line.text);
        let Annotation { x, y, appearance, aroma, palate } =
            read.map_err(|error| line.wrong(format!("is no annotated review: {error}")))?;
        let ranges = match aspect {
            Aspect::Appearance => appearance,
            Aspect::Aroma => aroma,
            Aspect::Palate => palate,
            Aspect::Taste => return Ok(()),
        };
        let Some(ranges) = ranges else {
            let problem = format!("has no ranges {:?} ({})", aspect.index(), aspect.name());
            return Err(line.wrong(problem));
        };
        let mut marked = vec![0f32; x.len()];
        for [start, end] in ranges {
            if start > end {
                return Err(line.wrong(format!("has the range [{start}, {end}]")));
            }
            let end = end.min(x.len());
            marked[start.min(end)..end].fill(1.0);
        }
        let row: Vec<i32> =
            x.iter().map(|word| vocabulary.id(word).unwrap_or(Vocabulary::PADDING)).collect();
        pad(&row, length, Vocabulary::PADDING, &mut tokens);
        pad(&marked, length, 0.0, &mut marks);
        let rating = y.as_ref().and_then(|values| values.get(aspect.index())?.as_f64());
        ratings.push(rating.map_or(f32::NAN, |rating| rating as f32));
        words.push(x);
        Ok(())
    })?;
    let size = [words.len() as i64, length as i64];
    Ok(AnnotatedReviews {
        tokens: Tensor::f_from_slice(&tokens)?.f_view(size)?,
        annotated: Tensor::f_from_slice(&marks)?.f_view(size)?,
        ratings: Tensor::f_from_slice(&ratings)?,
        words,
    })
}
