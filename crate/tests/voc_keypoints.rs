//! Pascal VOC with keypoints: its XML files, what is left out, pairs by chance, and what is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use solvergrad::prelude::*;
use tch::vision::image;
use tempfile::{TempDir, tempdir};

const SMALL: PairLoading =
    PairLoading { side: 32, threads: 2, ahead: 4, undecodable: Undecodable::Stop };

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

struct Set {
    folder: TempDir,
    train: String,
}

impl Set {
    /// Pictures 2008_000000 to 2008_000005 of 40 x 20 pixels: a chair first, a person last.
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let mut set = Self { folder, train: String::new() };
        for number in 0..6 {
            set.add(&format!("2008_{number:06}"));
        }
        write(&set.at("test.txt"), &set.train);
        set
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn add(&mut self, name: &str) {
        let voc = "TrainVal/VOCdevkit/VOC2011";
        // Of every picture another one.
        let first = self.train.len() * 11;
        let bytes: Vec<u8> = (0..3 * 20 * 40).map(|at| ((at + first) % 251) as u8).collect();
        let file = self.at(&format!("{voc}/JPEGImages/{name}.jpg"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        image::save(&Tensor::from_slice(&bytes).view([3, 20, 40]), &file).unwrap();
        write(
            &self.at(&format!("{voc}/Annotations/{name}.xml")),
            "<annotation>\n<size><width>40</width><height>20</height></size>\n\
             <object><name>chair</name><difficult>0</difficult></object>\n\
             <object><name>person</name><truncated>0</truncated><occluded>0</occluded></object>\n\
             </annotation>",
        );
        for (category, object, third) in
            [("chair", 1, "Leg"), ("person", 2, "Nose"), ("person", 0, "Nose")]
        {
            write(
                &self.at(&format!("annotations/{category}/{name}_{object}.xml")),
                &format!(
                    "<annotation>\n<image>{name}</image>\n\
                     <visible_bounds height=\"10.0\" width=\"19.5\" xmin=\"4.25\" ymin=\"5\"/>\n\
                     <keypoints>\n\
                     <keypoint name=\"Left\" visible=\"1\" x=\"4.25\" y=\"5\" z=\"0\"/>\n\
                     <keypoint name=\"Right\" visible=\"1\" x=\"14\" y=\"12.5\" z=\"0\"/>\n\
                     <keypoint name=\"{third}\" x=\"20.0\" y=\"15\"/>\n\
                     <keypoint name=\"Beyond\" x=\"24\" y=\"15\"/>\n\
                     <keypoint name=\"Left\" x=\"10\" y=\"10\"/>\n\
                     </keypoints>\n</annotation>"
                ),
            );
        }
        self.train += &format!("chair/{name}_1.xml\nperson/{name}_2.xml\n");
        write(&self.at("train.txt"), &self.train);
    }

    fn replace(&self, file: &str, from: &str, to: &str) -> PathBuf {
        let path = self.at(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text} lacks {from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        path
    }

    fn load(&self) -> Result<VocKeypoints> {
        VocKeypoints::load(self.folder.path())
    }
}

const OBJECTS: &str = "TrainVal/VOCdevkit/VOC2011/Annotations/2008_000002.xml";
const CHAIR: &str = "annotations/chair/2008_000002_1.xml";

#[test]
fn the_box_is_what_is_shown_and_keypoints_are_scaled_along() {
    let set = Set::new();
    let data = set.load().unwrap();
    assert_eq!(data.train.categories(), ["chair", "person"]);
    assert_eq!((data.train.len(), data.test.len()), (12, 12));
    let left_out = LeftOut { outside: 12, repeated: 12, ..LeftOut::default() };
    assert_eq!(data.train.left_out(), left_out);

    let pairs = data.train.pairs(5, KeypointChoice::Common, 1).unwrap();
    assert_eq!((pairs.len(), pairs.of_category(1).len()), (10, 5));
    let pair = &pairs.in_order(SMALL).unwrap().select(&[0]).unwrap()[0];
    assert_eq!(pair.pictures[0].size(), [32, 32, 3]);
    assert_eq!(pair.partners(), 3);
    // Columns 4 to 24 and rows 5 to 15 are shown: 20 x 10 pixels on 32 x 32.
    for (name, expected) in [("Left", [0.4, 0.0]), ("Right", [16.0, 24.0]), ("Leg", [25.6, 32.0])] {
        let at = pair.names[0].iter().position(|known| known == name).unwrap();
        let found = pair.keypoints[0][at];
        let error = (found[0] - expected[0]).hypot(found[1] - expected[1]);
        assert!(error < 1e-4, "{name}: {found:?}, expected {expected:?}");
    }
    // A person has no leg of a chair: names are shared, keypoints are not.
    let person = &pairs.in_order(SMALL).unwrap().select(&[5]).unwrap()[0];
    assert!(person.names[0].contains(&"Nose".to_owned()));
}

#[test]
fn the_pixels_are_those_within_the_box() {
    let set = Set::new();
    let pairs = set.load().unwrap().train.pairs(1, KeypointChoice::Common, 1).unwrap();
    let pair = &pairs.in_order(PairLoading { side: 20, ..SMALL }).unwrap().select(&[0]).unwrap()[0];
    // JPEG at its own resolution along x, doubled along y: rows 2 r and 2 r + 1 are close to row 5 + r.
    let file = set.at("TrainVal/VOCdevkit/VOC2011/JPEGImages/2008_000000.jpg");
    let shown = image::load(file).unwrap().narrow(2, 4, 20).narrow(1, 5, 10);
    let expected = image::resize(&shown.contiguous(), 20, 20).unwrap().permute([1, 2, 0]);
    assert!(pair.pictures[0].equal(&expected.contiguous()));
}

#[test]
fn marked_things_and_people_of_later_years_are_left_out() {
    for (mark, object) in [("difficult", "chair"), ("truncated", "person"), ("occluded", "person")]
    {
        let set = Set::new();
        set.replace(OBJECTS, &format!("<{mark}>0"), &format!("<{mark}>1"));
        let data = set.load().unwrap();
        assert_eq!(data.train.left_out().pictures, 1, "{mark} {object}");
        assert_eq!(data.train.len(), 11);
    }
    // Where nothing is said nothing is marked.
    let set = Set::new();
    set.replace(OBJECTS, "<difficult>0</difficult>", "");
    assert_eq!(set.load().unwrap().train.len(), 12);

    let mut set = Set::new();
    set.add("2009_000007");
    let data = set.load().unwrap();
    assert_eq!((data.train.len(), data.train.left_out().pictures), (13, 1));
}

#[test]
fn object_0_is_the_last_one() {
    let mut set = Set::new();
    set.train += "person/2008_000002_0.xml\n";
    write(&set.at("train.txt"), &set.train);
    assert_eq!(set.load().unwrap().train.len(), 13);
    set.replace(OBJECTS, "<truncated>0", "<truncated>1");
    // Named as object 2 and as object 0, it is left out twice.
    let data = set.load().unwrap();
    assert_eq!((data.train.len(), data.train.left_out().pictures), (11, 2));
}

#[test]
fn pairs_are_of_two_pictures_with_two_common_keypoints_and_of_a_seed() {
    let set = Set::new();
    let data = set.load().unwrap();
    let shown = |pairs: &KeypointPairs| -> Vec<String> {
        let batches = pairs.in_order(SMALL).unwrap();
        let items: Vec<i64> = (0..pairs.len() as i64).collect();
        let sums = |pair: &KeypointPair| {
            pair.pictures.each_ref().map(|picture| picture.sum(Kind::Int64).int64_value(&[]))
        };
        let selected = batches.select(&items).unwrap();
        selected.iter().map(|pair| format!("{} {:?}", pair.category, sums(pair))).collect()
    };
    let drawn = |count, seed| data.train.pairs(count, KeypointChoice::Common, seed).unwrap();
    assert_eq!(shown(&drawn(4, 1)), shown(&drawn(4, 1)));
    assert_ne!(shown(&drawn(4, 1)), shown(&drawn(4, 2)));
    assert!(matches!(data.train.pairs(0, KeypointChoice::Common, 1), Err(Error::Parameter { .. })));

    // The chair of picture 2 has one keypoint only: it is in no pair.
    let chair = set.at(CHAIR);
    let lines = fs::read_to_string(&chair).unwrap();
    let kept: Vec<&str> = lines
        .lines()
        .filter(|line| !line.contains("\"Right\"") && !line.contains("\"Leg\""))
        .collect();
    fs::write(&chair, kept.join("\n")).unwrap();
    let data = set.load().unwrap();
    let pairs = data.train.pairs(30, KeypointChoice::All, 1).unwrap();
    assert_eq!((pairs.len(), pairs.left_out().pairs), (60, 0));
    for pair in pairs.in_order(SMALL).unwrap().select(&(0..60).collect::<Vec<_>>()).unwrap() {
        assert!(pair.partners() == 3, "{:?}", pair.names);
    }
    // Of a single picture there is no pair.
    write(
        &set.at("test.txt"),
        "chair/2008_000000_1.xml\nperson/2008_000000_2.xml\nperson/2008_000001_2.xml\n",
    );
    let test = set.load().unwrap().test.pairs(3, KeypointChoice::Common, 1).unwrap();
    assert_eq!((test.len(), test.left_out().pairs), (3, 3));
    write(&set.at("test.txt"), "chair/2008_000000_1.xml\n");
    let none = set.load().unwrap().test.pairs(3, KeypointChoice::Common, 1);
    assert!(matches!(none, Err(Error::Parameter { .. })));
}

#[test]
fn xml_that_is_not_right_is_named_with_field_and_line() {
    for (file, from, to, words) in [
        (CHAIR, "<image>2008_000002</image>", "", "line 1: <annotation> has no <image>"),
        (CHAIR, "<image>2008_000002</image>", "<image> </image>", "line 2: <image> is empty"),
        (CHAIR, "<image>2008_000002<", "<image>2008_99<", "there is no picture"),
        (CHAIR, "<image>2008_000002<", "<image>../a<", "there is no picture"),
        (CHAIR, " width=\"19.5\"", "", "line 3: <visible_bounds> has no width"),
        (
            CHAIR,
            "height=\"10.0\"",
            "height=\"ten\"",
            "line 3: height=\"ten\" of <visible_bounds> is no number",
        ),
        (
            CHAIR,
            "xmin=\"4.25\"",
            "xmin=\"400\"",
            "line 3: visible_bounds is nowhere in the 40 x 20 pixels",
        ),
        (CHAIR, "xmin=\"4.25\"", "xmin=\"NaN\"", "line 3: visible_bounds is nowhere"),
        (CHAIR, " x=\"14\"", "", "line 6: <keypoint> has no x"),
        (CHAIR, " y=\"12.5\"", " y=\"12,5\"", "line 6: y=\"12,5\" of <keypoint> is no number"),
        (CHAIR, "name=\"Right\"", "", "line 6: <keypoint> has no name"),
        (CHAIR, "</keypoints>", "", "is no well-formed XML"),
        (OBJECTS, "<height>20</height>", "", "line 2: <size> has no <height>"),
        (
            OBJECTS,
            "<width>40</width>",
            "<width>wide</width>",
            "line 2: <width> is \"wide\", no number",
        ),
        (
            OBJECTS,
            "<difficult>0",
            "<difficult>maybe",
            "line 3: <difficult> is \"maybe\", no number",
        ),
    ] {
        let set = Set::new();
        let path = set.replace(file, from, to);
        let error = set.load().unwrap_err();
        assert!(matches!(&error, Error::File { path: named, .. } if *named == path), "{error:?}");
        assert!(error.to_string().contains(words), "{error} lacks {words:?}");
    }
}

#[test]
fn absent_files_are_named_with_the_line_that_needs_them() {
    for file in [CHAIR, OBJECTS] {
        let set = Set::new();
        fs::remove_file(set.at(file)).unwrap();
        let error = set.load().unwrap_err().to_string();
        assert!(error.contains("train.txt: line 5: chair/2008_000002_1.xml needs"), "{error}");
    }
    for (line, words) in [
        ("chair/2008_000002_3.xml", "line 1: chair/2008_000002_3.xml is beyond the 2 objects"),
        ("chair/2008_000002.txt", "is not <category>/<picture>_<number>.xml"),
        ("../2008_000002_1.xml", "is not <category>"),
    ] {
        let set = Set::new();
        write(&set.at("train.txt"), line);
        let error = set.load().unwrap_err().to_string();
        assert!(error.contains(words), "{error} lacks {words:?}");
    }
    for gone in ["train.txt", "annotations", "TrainVal"] {
        let set = Set::new();
        let path = set.at(gone);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
        let error = set.load().unwrap_err();
        assert!(matches!(error, Error::MissingData { .. }), "{error:?}");
    }
    let nowhere = tempdir().unwrap();
    let error = VocKeypoints::locate(nowhere.path()).unwrap_err().to_string();
    for words in [
        "VOCtrainval_25-May-2011.tar",
        "voc2011_keypoints_Feb2012.tgz",
        "docker/convert_voc_pairs.py",
    ] {
        assert!(error.contains(words), "{error}");
    }
}
