//! Pictures of birds, to be retrieved by their species.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::PictureFiles;
use crate::{Error, Result};

/// CUB-200-2011: pictures of 200 species of birds, and any set in its layout.
///
/// For retrieval the *classes* are split: the first half of them, by their numbers, to train on, the
/// others to test on (1 to 100 and 101 to 200, as published). Labels are 0, 1, ... within each half.
///
/// Source: Wah, Branson, Welinder, Perona, Belongie 2011; the split as in Oh Song et al. 2016.
#[derive(Clone, Debug)]
pub struct Cub {
    /// Pictures to train on.
    pub train: PictureFiles,
    /// Pictures to test on, of other classes.
    pub test: PictureFiles,
}

impl Cub {
    /// Name on the command line and in configurations.
    pub const NAME: &str = "cub-200-2011";
    /// Where the set is published.
    pub const SOURCE: &str = "https://data.caltech.edu/records/65de6-vp158";
    /// The archive there.
    pub const ARCHIVE: &str = "CUB_200_2011.tgz";
    /// The publication to cite.
    pub const CITATION: &str = "Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD \
                                Birds-200-2011 Dataset. Technical Report CNS-TR-2011-001, California \
                                Institute of Technology, 2011";

    /// The folder that the archive unpacks in `data_folder`.
    ///
    /// # Errors
    /// [`Error::MissingData`] with the way to get it, or a stand-in.
    pub fn locate(data_folder: &Path) -> Result<PathBuf> {
        let folder = data_folder.join("CUB_200_2011");
        if folder.is_dir() {
            return Ok(folder);
        }
        Err(Error::MissingData { name: Self::NAME.to_owned(), folder, cure: cure() })
    }

    /// Reads a folder in the published layout. Pictures are named here and read later.
    ///
    /// | file | a line holds |
    /// |---|---|
    /// | `classes.txt` | number and name of a class |
    /// | `images.txt` | number of a picture and its file in `images/` |
    /// | `image_class_labels.txt` | number of a picture and of its class |
    ///
    /// `train_test_split.txt` and boxes are not used.
    ///
    /// # Errors
    /// [`Error::MissingData`] for an absent index file, [`Error::File`] with the number of the line
    /// that does not parse, names a number twice, an unknown one, or a picture that is absent.
    pub fn load(folder: &Path) -> Result<Self> {
        let classes = numbered(folder, "classes.txt")?;
        let images = numbered(folder, "images.txt")?;
        let labels = numbered(folder, "image_class_labels.txt")?;
        if classes.entries.len() < 2 {
            return Err(classes.wrong(1, "names fewer than two classes: none is left to test on"));
        }
        let mut by_number: Vec<&Entry> = classes.entries.iter().collect();
        by_number.sort_by_key(|class| class.number);
        let names: Vec<String> = by_number.iter().map(|class| class.text.clone()).collect();
        let place_of: HashMap<u64, usize> =
            by_number.iter().enumerate().map(|(place, class)| (class.number, place)).collect();

        let listed: HashMap<u64, usize> =
            images.entries.iter().enumerate().map(|(at, image)| (image.number, at)).collect();
        let mut class_of = vec![None; images.entries.len()];
        for Entry { line, number, text } in &labels.entries {
            let Some(&image) = listed.get(number) else {
                return Err(labels.wrong(*line, &format!("picture {number} is not in images.txt")));
            };
            let Some(place) = text.parse().ok().and_then(|class: u64| place_of.get(&class)) else {
                return Err(labels.wrong(*line, &format!("class {text:?} is not in classes.txt")));
            };
            class_of[image] = Some(*place);
        }

        let half = names.len() / 2;
        let part = |names: &[String]| PictureFiles {
            paths: vec![],
            labels: vec![],
            classes: names.to_vec(),
        };
        let (mut train, mut test) = (part(&names[..half]), part(&names[half..]));
        for (Entry { line, number, text }, place) in images.entries.iter().zip(class_of) {
            let Some(place) = place else {
                let problem = format!("picture {number} has no class in image_class_labels.txt");
                return Err(images.wrong(*line, &problem));
            };
            let inside = |part| matches!(part, Component::Normal(_));
            let path = folder.join("images").join(text);
            if !Path::new(text).components().all(inside) || !path.is_file() {
                return Err(images.wrong(*line, &format!("there is no file images/{text}")));
            }
            let (part, first) = if place < half { (&mut train, 0) } else { (&mut test, half) };
            part.paths.push(path);
            part.labels.push((place - first) as i64);
        }
        Ok(Self { train, test })
    }
}

fn cure() -> String {
    format!(
        "unpack {} from {} in the data folder, or use the stand-in (`solvergrad data make {}`)",
        Cub::ARCHIVE,
        Cub::SOURCE,
        Cub::NAME
    )
}

// A file of lines `number text`.
struct Index {
    path: PathBuf,
    entries: Vec<Entry>,
}

struct Entry {
    line: usize,
    number: u64,
    text: String,
}

impl Index {
    fn wrong(&self, line: usize, problem: &str) -> Error {
        let cure = format!("the file is damaged or of another set; {}", cure());
        Error::File { path: self.path.clone(), problem: format!("line {line}: {problem}"), cure }
    }
}

fn numbered(folder: &Path, name: &str) -> Result<Index> {
    let path = folder.join(name);
    if !path.is_file() {
        let name = format!("{} ({name})", Cub::NAME);
        return Err(Error::MissingData { name, folder: folder.to_path_buf(), cure: cure() });
    }
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let mut index = Index { path, entries: Vec::new() };
    let mut lines = HashMap::new();
    for (line, content) in (1..).zip(text.lines()) {
        if content.trim().is_empty() {
            continue;
        }
        let parts = content.trim().split_once(char::is_whitespace);
        let parsed = parts.and_then(|(number, text)| Some((number.parse().ok()?, text.trim())));
        let Some((number, text)) = parsed else {
            let problem = format!("{content:?} is not a number and what belongs to it");
            return Err(index.wrong(line, &problem));
        };
        if let Some(before) = lines.insert(number, line) {
            return Err(index.wrong(line, &format!("number {number} was in line {before} already")));
        }
        index.entries.push(Entry { line, number, text: text.to_owned() });
    }
    Ok(index)
}
