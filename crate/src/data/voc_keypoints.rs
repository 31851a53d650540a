//! Pictures of things of 20 categories with keypoints that people marked, of which pairs are drawn.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::seq::index;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::keypoint_pairs::{Described, Keypoint, Numbered, Shot, chosen, each};
use super::{KeypointChoice, KeypointPairs, LeftOut};
use crate::gradient::derive_seed;
use crate::{Error, Result};

mod xml;

use xml::{Place, Thing, marked_keypoints};

/// Pascal VOC 2011 with the keypoints of Berkeley, and any set in their layout.
///
/// Source: Bourdev, Malik 2009 (keypoints); Everingham, Van Gool, Williams, Winn, Zisserman 2010
/// (pictures); the use for graph matching as in Rolínek et al. 2020.
#[derive(Clone, Debug)]
pub struct VocKeypoints {
    /// Pictures to train on.
    pub train: KeypointPictures,
    /// Pictures to report.
    pub test: KeypointPictures,
}

/// Pictures of one thing each, with keypoints that have the same names within a category.
#[derive(Clone, Debug)]
pub struct KeypointPictures {
    categories: Arc<Vec<String>>,
    names: Arc<Vec<String>>,
    pictures: Arc<Vec<Shot>>,
    // Category, picture and keypoints of each thing.
    things: Vec<(usize, usize, Vec<Keypoint>)>,
    left_out: LeftOut,
}

impl VocKeypoints {
    /// Name on the command line and in configurations.
    pub const NAME: &str = "voc-keypoints";
    /// Where the pictures are published.
    pub const PICTURES: &str =
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2011/VOCtrainval_25-May-2011.tar";
    /// Where the keypoints are published.
    pub const KEYPOINTS: &str = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/shape/poselets/voc2011_keypoints_Feb2012.tgz";
    /// Where the split is published, as `voc2011_pairs.npz`.
    pub const SPLIT: &str = "https://github.com/martius-lab/blackbox-deep-graph-matching";
    /// The publication to cite.
    pub const CITATION: &str = "Bourdev, Malik: Poselets: Body Part Detectors Trained Using 3D Human \
                                Pose Annotations. ICCV 2009";

    /// The folder of the set in `data_folder`.
    ///
    /// # Errors
    /// [`Error::MissingData`] with the files that have to be put there.
    pub fn locate(data_folder: &Path) -> Result<PathBuf> {
        let folder = data_folder.join("voc_keypoints");
        match folder.is_dir() {
            true => Ok(folder),
            false => Err(missing(&folder, "")),
        }
    }

    /// Reads a folder with the published files. Keypoints are read here, pictures are named and read
    /// later.
    ///
    /// | file | holds |
    /// |---|---|
    /// | `train.txt`, `test.txt` | of the conversion: `<category>/<picture>_<number>.xml` a line |
    /// | `annotations/<category>/<picture>_<number>.xml` | keypoints, and the box of what is visible (`visible_bounds`) |
    /// | `TrainVal/VOCdevkit/VOC2011/Annotations/<picture>.xml` | size, and for each object what it is marked as |
    /// | `TrainVal/VOCdevkit/VOC2011/JPEGImages/<picture>.jpg` | the picture |
    ///
    /// `TrainVal/` and `VOCdevkit/` may be left out of the paths. The first two files are made of the
    /// published `voc2011_pairs.npz`, which holds pickled Python objects, by
    /// `docker/convert_voc_pairs.py`.
    ///
    /// As published, things marked difficult, occluded or truncated are left out, and people in
    /// pictures of later years than 2008, whose keypoints nobody checked. Object 0 of a picture means
    /// its last one. The box, in whole pixels that cover it, is what is shown; keypoints outside it are
    /// left out: see [`left_out`](KeypointPictures::left_out).
    ///
    /// # Errors
    /// [`Error::MissingData`] for absent parts, [`Error::File`] with the line of an XML file in which
    /// a field is missing or does not parse, or with that of the split whose files are absent.
    ///
    /// ```no_run
    /// use solvergrad::prelude::*;
    ///
    /// let data = VocKeypoints::load(&VocKeypoints::locate(&data_folder())?)?;
    /// // 1000 pairs of each category, as published.
    /// let test = data.test.pairs(1000, KeypointChoice::Common, 1)?;
    /// let batches = test.in_order(PairLoading::default())?;
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    pub fn load(folder: &Path) -> Result<Self> {
        let roots = ["TrainVal/VOCdevkit/VOC2011", "VOCdevkit/VOC2011", "VOC2011"];
        let root = roots.map(|root| folder.join(root)).into_iter().find(|root| root.is_dir());
        let root = root.ok_or_else(|| missing(folder, " (VOC2011/)"))?;
        let keypoints = folder.join("annotations");
        if !keypoints.is_dir() {
            return Err(missing(folder, " (annotations/)"));
        }
        let listed = [split(folder, "train.txt")?, split(folder, "test.txt")?];
        let categories: HashSet<&String> =
            listed.iter().flatten().map(|thing| &thing.category).collect();
        let mut categories: Vec<String> = categories.into_iter().cloned().collect();
        categories.sort();
        let (mut names, mut pictures) = (Numbered::default(), Numbered::default());
        let place = Place { voc: root, keypoints };
        let mut read = |listed: &[Listed]| -> Result<_> {
            let marked = each(listed, |listed| marked_keypoints(&place, listed))?;
            let (mut things, mut left_out) = (Vec::new(), LeftOut::default());
            for (listed, thing) in listed.iter().zip(marked) {
                let Some(Thing { shot, keypoints, outside, repeated }) = thing else {
                    left_out.pictures += 1;
                    continue;
                };
                left_out.outside += outside;
                left_out.repeated += repeated;
                let mut numbered = Vec::with_capacity(keypoints.len());
                for (name, place) in keypoints {
                    let number = u16::try_from(names.number(&name)).map_err(|_| {
                        listed.wrong(format!("has keypoint {name:?}, one name too many"))
                    })?;
                    numbered.push(Keypoint { name: number, place });
                }
                let category = categories.iter().position(|name| *name == listed.category);
                things.push((category.unwrap_or_default(), pictures.number(&shot), numbered));
            }
            Ok((things, left_out))
        };
        let read = [read(&listed[0])?, read(&listed[1])?];
        let (categories, names) = (Arc::new(categories), Arc::new(names.all));
        let pictures = Arc::new(pictures.all);
        let [train, test] = read.map(|(things, left_out)| KeypointPictures {
            categories: Arc::clone(&categories),
            names: Arc::clone(&names),
            pictures: Arc::clone(&pictures),
            things,
            left_out,
        });
        Ok(Self { train, test })
    }
}

// Pairs are drawn this often before a category counts as one that has none.
const ATTEMPTS: usize = 200;

impl KeypointPictures {
    /// Number of pictures of things.
    pub fn len(&self) -> usize {
        self.things.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    /// Names of the categories, the same for both parts.
    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    /// What is not among the pictures.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Pairs of two different pictures, drawn by chance, `per_category` of each category, one category
    /// after another; such with fewer than two common keypoints are drawn again. Pair i of a category
    /// is the same whatever their number.
    ///
    /// # Errors
    /// [`Error::Parameter`] for 0 pairs; and where no category has a pair.
    pub fn pairs(
        &self,
        per_category: usize,
        choice: KeypointChoice,
        seed: u64,
    ) -> Result<KeypointPairs> {
        if per_category == 0 {
            return Err(Error::parameter("the pairs of a category", per_category, "at least 1"));
        }
        let (mut pairs, mut left_out) = (Vec::new(), self.left_out);
        for category in 0..self.categories.len() {
            let members: Vec<_> = self.things.iter().filter(|thing| thing.0 == category).collect();
            for pair in 0..per_category {
                let seed = derive_seed(&[seed, category as u64, pair as u64]);
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut draw = || {
                    if members.len() < 2 {
                        return None;
                    }
                    let chance = index::sample(&mut rng, members.len(), 2);
                    let (mut first, mut second) =
                        (members[chance.index(0)], members[chance.index(1)]);
                    // A sample of two is not in a random order.
                    if rng.random() {
                        (first, second) = (second, first);
                    }
                    let keypoints = chosen([&first.2, &second.2], choice)?;
                    Some(Described { category, pictures: [first.1, second.1], keypoints })
                };
                match (0..ATTEMPTS).find_map(|_| draw()) {
                    Some(pair) => pairs.push(pair),
                    None => left_out.pairs += 1,
                }
            }
        }
        if pairs.is_empty() {
            let expected = "at least 1: no two pictures of a category have two common keypoints";
            return Err(Error::parameter("the number of pairs", 0, expected));
        }
        Ok(KeypointPairs {
            categories: Arc::clone(&self.categories),
            names: Arc::clone(&self.names),
            pictures: Arc::clone(&self.pictures),
            pairs: Arc::new(pairs),
            left_out,
        })
    }
}

fn missing(folder: &Path, what: &str) -> Error {
    let (pictures, keypoints, split) =
        (VocKeypoints::PICTURES, VocKeypoints::KEYPOINTS, VocKeypoints::SPLIT);
    let place = folder.display();
    Error::MissingData {
        name: format!("{}{what}", VocKeypoints::NAME),
        folder: folder.to_path_buf(),
        cure: format!(
            "unpack there {pictures} (which makes TrainVal/VOCdevkit/VOC2011/) and {keypoints} (annotations/), \
             put data/split/voc2011_pairs.npz of {split} there and run `python3 \
             docker/convert_voc_pairs.py {place}/voc2011_pairs.npz` (train.txt, test.txt)"
        ),
    }
}

// A thing, as the split has it.
#[derive(Debug)]
struct Listed {
    split: PathBuf,
    line: usize,
    category: String,
    // The year comes first in it, or what a set has instead.
    picture: String,
    // Which object of its picture it is: 1 is the first, 0 the last.
    object: usize,
}

impl Listed {
    fn parse(split: &Path, line: usize, text: &str) -> Option<Self> {
        let (category, file) = text.strip_suffix(".xml")?.split_once('/')?;
        let (picture, object) = file.rsplit_once('_')?;
        let sound = |name: &str| !name.is_empty() && !name.contains(['/', '\\']) && name != "..";
        let object = object.parse().ok()?;
        (sound(category) && sound(picture)).then(|| Self {
            split: split.to_path_buf(),
            line,
            category: category.to_owned(),
            picture: picture.to_owned(),
            object,
        })
    }

    fn file(&self) -> String {
        format!("{}/{}_{}.xml", self.category, self.picture, self.object)
    }

    fn wrong(&self, problem: String) -> Error {
        wrong(&self.split, format!("line {}: {} {problem}", self.line, self.file()))
    }
}

fn wrong(path: &Path, problem: String) -> Error {
    let cure = "the file is damaged or of another set: get it again, see data/README.md".to_owned();
    Error::File { path: path.to_path_buf(), problem, cure }
}

fn split(folder: &Path, name: &str) -> Result<Vec<Listed>> {
    let path = folder.join(name);
    if !path.is_file() {
        return Err(missing(folder, &format!(" ({name})")));
    }
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, text)| !text.is_empty());
    lines
        .map(|(line, text)| {
            Listed::parse(&path, line, text).ok_or_else(|| {
                let expected = "<category>/<picture>_<number>.xml";
                wrong(&path, format!("line {line}: {text:?} is not {expected}"))
            })
        })
        .collect()
}
