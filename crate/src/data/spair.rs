//! Pairs of photographs of 18 categories with keypoints that people marked.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::keypoint_pairs::{Described, FEWEST, Keypoint, Numbered, Shot, chosen, each};
use super::{KeypointChoice, KeypointPairs, LeftOut};
use crate::{Error, Result};

/// SPair-71k: pairs of pictures of things of one category, and any set in its layout.
///
/// Which pairs there are is the layout `large`, as published: 53 340 to train on, 5384 to choose by,
/// 12 234 to report.
///
/// Source: Min, Lee, Ponce, Cho 2019; the use for graph matching as in Rolínek et al. 2020.
#[derive(Clone, Debug)]
pub struct SPair71k {
    /// Pairs to train on.
    pub train: KeypointPairs,
    /// Pairs to choose by.
    pub validation: KeypointPairs,
    /// Pairs to report.
    pub test: KeypointPairs,
}

impl SPair71k {
    /// Name on the command line and in configurations.
    pub const NAME: &str = "spair-71k";
    /// Where the set is published.
    pub const SOURCE: &str = "http://cvlab.postech.ac.kr/research/SPair-71k/";
    /// The archive there.
    pub const ARCHIVE: &str = "SPair-71k.tar.gz";
    /// Its size, in bytes.
    pub const ARCHIVE_SIZE: u64 = 226_961_117;
    /// The publication to cite.
    pub const CITATION: &str = "Min, Lee, Ponce, Cho: SPair-71k: A Large-scale Benchmark for Semantic \
                                Correspondence. arXiv:1908.10543, 2019";
    /// Names of the parts in the files: to train on, to choose by, to report.
    pub const PARTS: [&str; 3] = ["trn", "val", "test"];

    /// The folder that the archive unpacks in `data_folder`.
    ///
    /// # Errors
    /// [`Error::MissingData`] with the way to get it, or a stand-in.
    pub fn locate(data_folder: &Path) -> Result<PathBuf> {
        let folder = data_folder.join("SPair-71k");
        if folder.is_dir() {
            return Ok(folder);
        }
        Err(Error::MissingData { name: Self::NAME.to_owned(), folder, cure: cure() })
    }

    /// Reads a folder in the published layout. Keypoints are read here, pictures are named and read
    /// later.
    ///
    /// | file | holds |
    /// |---|---|
    /// | `Layout/large/{trn,val,test}.txt` | a pair a line: `<number>-<source>-<target>:<category>` |
    /// | `PairAnnotation/{trn,val,test}/<line>.json` | the keypoints that both have (`src_kps`, `trg_kps`, `kps_ids`), names and sizes of the pictures |
    /// | `ImageAnnotation/<category>/<picture>.json` | all keypoints of a picture (`kps`), of those that are not visible `null`; read for [`KeypointChoice::All`] only |
    /// | `JPEGImages/<category>/` | the pictures, whole |
    ///
    /// A keypoint outside its picture counts as one that is not visible, and a pair in which fewer than
    /// two are left is left out: see [`KeypointPairs::left_out`].
    ///
    /// # Errors
    /// [`Error::MissingData`] for an absent part of the layout, [`Error::File`] with the line of a pair
    /// whose files are absent, for an annotation that is no such JSON, whose lists have different
    /// lengths, or that belongs to another category.
    ///
    /// ```no_run
    /// use solvergrad::prelude::*;
    ///
    /// let data = SPair71k::load(&SPair71k::locate(&data_folder())?, KeypointChoice::Common)?;
    /// let loading = PairLoading::default();
    /// let (train, test) = (data.train.drawn(loading, 16_000)?, data.test.in_order(loading)?);
    /// let pair = &test.select(&[0])?[0];
    /// assert_eq!(pair.keypoints[0].len(), pair.partners());
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    pub fn load(folder: &Path, choice: KeypointChoice) -> Result<Self> {
        let [train, validation, test] = Self::PARTS;
        let listed = [layout(folder, train)?, layout(folder, validation)?, layout(folder, test)?];
        let categories: HashSet<&String> =
            listed.iter().flatten().map(|pair| &pair.category).collect();
        let mut categories: Vec<String> = categories.into_iter().cloned().collect();
        categories.sort();

        let mut reader = Reader::new(folder, choice, categories);
        let [train, validation, test] = &listed;
        let read = [reader.pairs(train)?, reader.pairs(validation)?, reader.pairs(test)?];
        let (categories, names) = (Arc::new(reader.categories), Arc::new(reader.names.all));
        let pictures = Arc::new(reader.pictures.all);
        let [train, validation, test] = read.map(|(pairs, left_out)| KeypointPairs {
            categories: Arc::clone(&categories),
            names: Arc::clone(&names),
            pictures: Arc::clone(&pictures),
            pairs: Arc::new(pairs),
            left_out,
        });
        Ok(Self { train, validation, test })
    }

    /// One pair, by its line in the layout of a part (`trn`, `val` or `test`).
    ///
    /// # Errors
    /// As [`load`](Self::load); and [`Error::File`] where a keypoint is outside its picture or fewer
    /// than two are common, which `load` leaves out.
    pub fn pair(
        folder: &Path,
        part: &str,
        line: &str,
        choice: KeypointChoice,
    ) -> Result<KeypointPairs> {
        let path = folder.join("PairAnnotation").join(part).join(format!("{line}.json"));
        let Some(listed) = Listed::parse(part, 1, line) else {
            let expected = "<number>-<source>-<target>:<category>, as a line of the layout";
            return Err(Error::parameter("the name of a pair", format!("{line:?}"), expected));
        };
        let mut reader = Reader::new(folder, choice, vec![listed.category.clone()]);
        let (pairs, left_out) = reader.pairs(&[listed])?;
        if left_out.outside > 0 {
            let problem = format!("has {} keypoints outside their pictures", left_out.outside);
            return Err(wrong(&path, problem));
        }
        if pairs.is_empty() {
            return Err(wrong(&path, format!("has fewer than {FEWEST} common keypoints")));
        }
        Ok(KeypointPairs {
            categories: Arc::new(reader.categories),
            names: Arc::new(reader.names.all),
            pictures: Arc::new(reader.pictures.all),
            pairs: Arc::new(pairs),
            left_out,
        })
    }
}

fn cure() -> String {
    let (name, archive, source) = (SPair71k::NAME, SPair71k::ARCHIVE, SPair71k::SOURCE);
    format!(
        "run `solvergrad data fetch {name}`, or unpack {archive} from {source} in the data folder, or \
         use the stand-in (`solvergrad data make {name}`)"
    )
}

fn wrong(path: &Path, problem: String) -> Error {
    let cure = format!("the file is damaged or of another set; {}", cure());
    Error::File { path: path.to_path_buf(), problem, cure }
}

// A pair, as the layout has it.
#[derive(Debug)]
struct Listed {
    part: String,
    line: usize,
    text: String,
    category: String,
}

impl Listed {
    fn parse(part: &str, line: usize, text: &str) -> Option<Self> {
        let (pair, category) = text.rsplit_once(':')?;
        let mut parts = pair.splitn(3, '-');
        let names = [parts.next()?, parts.next()?, parts.next()?, category, part];
        let sound = names.iter().all(|name| is_name(name));
        let (part, text, category) = (part.to_owned(), text.to_owned(), category.to_owned());
        sound.then_some(Self { part, line, text, category })
    }

    fn layout(&self, folder: &Path) -> PathBuf {
        folder.join("Layout").join("large").join(format!("{}.txt", self.part))
    }
}

// Of one file or folder: no path leads out of the set.
fn is_name(text: &str) -> bool {
    let mut parts = Path::new(text).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(name)), None) if name == text)
}

fn layout(folder: &Path, part: &str) -> Result<Vec<Listed>> {
    let path = folder.join("Layout").join("large").join(format!("{part}.txt"));
    if !path.is_file() {
        let name = format!("{} (Layout/large/{part}.txt)", SPair71k::NAME);
        return Err(Error::MissingData { name, folder: folder.to_path_buf(), cure: cure() });
    }
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, text)| !text.is_empty());
    lines
        .map(|(line, text)| {
            Listed::parse(part, line, text).ok_or_else(|| {
                let expected = "<number>-<source>-<target>:<category>";
                wrong(&path, format!("line {line}: {text:?} is not {expected}"))
            })
        })
        .collect()
}

#[derive(Deserialize)]
struct PairAnnotation {
    category: Option<String>,
    src_imname: String,
    trg_imname: String,
    // Width, height and depth.
    src_imsize: Vec<usize>,
    trg_imsize: Vec<usize>,
    src_kps: Vec<[f64; 2]>,
    trg_kps: Vec<[f64; 2]>,
    kps_ids: Vec<Id>,
}

#[derive(Deserialize)]
struct ImageAnnotation {
    kps: HashMap<String, Option<[f64; 2]>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(u64),
}

// What a pair's own annotation says, checked by itself.
struct Annotated {
    pictures: [Shot; 2],
    // Names and places, in shares of the picture, inside it.
    keypoints: [Named; 2],
    outside: usize,
}

// Keypoints of a picture, by name.
type Named = Vec<(String, [f32; 2])>;

struct Reader<'a> {
    folder: &'a Path,
    choice: KeypointChoice,
    categories: Vec<String>,
    names: Numbered<String>,
    pictures: Numbered<Shot>,
    visible: HashMap<PathBuf, Named>,
}

impl<'a> Reader<'a> {
    fn new(folder: &'a Path, choice: KeypointChoice, categories: Vec<String>) -> Self {
        let (names, pictures) = (Numbered::default(), Numbered::default());
        Self { folder, choice, categories, names, pictures, visible: HashMap::new() }
    }

    fn pairs(&mut self, listed: &[Listed]) -> Result<(Vec<Described>, LeftOut)> {
        let annotated = each(listed, |listed| self.annotated(listed))?;
        if self.choice == KeypointChoice::All {
            self.read_visible(listed, &annotated)?;
        }
        let (mut pairs, mut left_out) = (Vec::with_capacity(listed.len()), LeftOut::default());
        for (listed, annotated) in listed.iter().zip(annotated) {
            left_out.outside += annotated.outside;
            let mut both = [Vec::new(), Vec::new()];
            for ((all, shot), own) in
                both.iter_mut().zip(&annotated.pictures).zip(&annotated.keypoints)
            {
                // The pair's own word has precedence over that of the picture.
                let visible = self.visible.get(&shot.path).map_or(&[][..], |visible| visible);
                let more =
                    visible.iter().filter(|(id, _)| own.iter().all(|(known, _)| known != id));
                for (id, place) in own.iter().chain(more) {
                    let name = self.names.number(id);
                    let Ok(name) = u16::try_from(name) else {
                        let path = self.annotation(listed);
                        return Err(wrong(
                            &path,
                            format!("has keypoint {id:?}, one name too many"),
                        ));
                    };
                    all.push(Keypoint { name, place: *place });
                }
            }
            let Some(keypoints) = chosen([&both[0], &both[1]], self.choice) else {
                left_out.pairs += 1;
                continue;
            };
            let category = self.categories.iter().position(|name| *name == listed.category);
            let pictures = annotated.pictures.each_ref().map(|shot| self.pictures.number(shot));
            pairs.push(Described { category: category.unwrap_or_default(), pictures, keypoints });
        }
        Ok((pairs, left_out))
    }

    fn annotation(&self, listed: &Listed) -> PathBuf {
        let file = format!("{}.json", listed.text);
        self.folder.join("PairAnnotation").join(&listed.part).join(file)
    }

    fn annotated(&self, listed: &Listed) -> Result<Annotated> {
        let path = self.annotation(listed);
        let content: PairAnnotation = read_json(&path, || {
            let problem = format!("line {}: there is no file {}", listed.line, path.display());
            wrong(&listed.layout(self.folder), problem)
        })?;
        if content.category.as_ref().is_some_and(|category| *category != listed.category) {
            let problem = format!("is of another category than {:?}", listed.category);
            return Err(wrong(&path, problem));
        }
        let lengths = [content.src_kps.len(), content.trg_kps.len(), content.kps_ids.len()];
        if lengths[1..].iter().any(|length| *length != lengths[0]) {
            let [source, target, ids] = lengths;
            return Err(wrong(
                &path,
                format!("src_kps has {source}, trg_kps {target} keypoints, kps_ids {ids} names"),
            ));
        }
        let ids: Vec<String> = content
            .kps_ids
            .into_iter()
            .map(|id| match id {
                Id::Text(text) => text,
                Id::Number(number) => number.to_string(),
            })
            .collect();
        let mut known = HashSet::new();
        if let Some(id) = ids.iter().find(|id| !known.insert(*id)) {
            return Err(wrong(&path, format!("kps_ids names {id:?} twice")));
        }
        let shot = |field: &str, name: &str, size: &[usize]| {
            let size = match *size {
                [width, height, ..] if width > 0 && height > 0 => [width, height],
                _ => return Err(wrong(&path, format!("{field} is no width and height: {size:?}"))),
            };
            let file = self.folder.join("JPEGImages").join(&listed.category).join(name);
            if !is_name(name) || !file.is_file() {
                return Err(wrong(&path, format!("there is no picture {}", file.display())));
            }
            Ok(Shot { path: file, size, cut: None })
        };
        let pictures = [
            shot("src_imsize", &content.src_imname, &content.src_imsize)?,
            shot("trg_imsize", &content.trg_imname, &content.trg_imsize)?,
        ];
        let mut outside = 0;
        let mut of = |places: &[[f64; 2]], shot: &Shot| {
            let named = ids.iter().cloned().zip(places);
            let inside: Named =
                named.filter_map(|(id, place)| Some((id, shares(*place, shot.size)?))).collect();
            outside += places.len() - inside.len();
            inside
        };
        let keypoints = [of(&content.src_kps, &pictures[0]), of(&content.trg_kps, &pictures[1])];
        Ok(Annotated { pictures, keypoints, outside })
    }

    // Each picture's annotation, once.
    fn read_visible(&mut self, listed: &[Listed], annotated: &[Annotated]) -> Result<()> {
        let mut wanted: Vec<(&Listed, &Shot)> = Vec::new();
        let mut known = HashSet::new();
        for (listed, annotated) in listed.iter().zip(annotated) {
            for shot in &annotated.pictures {
                if !self.visible.contains_key(&shot.path) && known.insert(&shot.path) {
                    wanted.push((listed, shot));
                }
            }
        }
        let read = each(&wanted, |(listed, shot)| {
            let file = shot.path.with_extension("json");
            let name = file.file_name().unwrap_or_default();
            let path = self.folder.join("ImageAnnotation").join(&listed.category).join(name);
            let content: ImageAnnotation = read_json(&path, || {
                wrong(&shot.path, format!("has no annotation {}", path.display()))
            })?;
            let mut named: Vec<(String, [f64; 2])> =
                content.kps.into_iter().filter_map(|(id, at)| Some((id, at?))).collect();
            // A map has no order; a seed shuffles from one that is always the same.
            named.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
            let inside: Named = named
                .into_iter()
                .filter_map(|(id, place)| Some((id, shares(place, shot.size)?)))
                .collect();
            Ok((shot.path.clone(), inside))
        })?;
        self.visible.extend(read);
        Ok(())
    }
}

// Of width and height; `None` outside the picture.
fn shares(place: [f64; 2], size: [usize; 2]) -> Option<[f32; 2]> {
    let shares = [place[0] / size[0] as f64, place[1] / size[1] as f64];
    // A NaN is not inside either.
    shares.iter().all(|share| (0.0..=1.0).contains(share)).then(|| shares.map(|share| share as f32))
}

fn read_json<T: DeserializeOwned>(path: &Path, absent: impl FnOnce() -> Error) -> Result<T> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(absent()),
        read => read.map_err(Error::io("read", path))?,
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| wrong(path, format!("is no such annotation: {error}")))
}
