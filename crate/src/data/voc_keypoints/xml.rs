//! What the two XML files of a thing say of it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use roxmltree::{Document, Node};

use super::{Listed, Shot, wrong};
use crate::{Error, Result};

/// Where the files are.
pub(super) struct Place {
    pub voc: PathBuf,
    pub keypoints: PathBuf,
}

/// A thing in a picture.
pub(super) struct Thing {
    pub shot: Shot,
    /// Names and places in shares of what is shown, inside it.
    pub keypoints: Vec<(String, [f32; 2])>,
    pub outside: usize,
    pub repeated: usize,
}

/// The thing that a split names, or `None` where it is not to be used.
pub(super) fn marked_keypoints(place: &Place, listed: &Listed) -> Result<Option<Thing>> {
    let path = place.voc.join("Annotations").join(format!("{}.xml", listed.picture));
    let text = read(&path, listed)?;
    let annotation = Xml::parse(&path, &text)?;
    let root = annotation.document.root_element();
    let objects: Vec<Node<'_, '_>> =
        root.children().filter(|child| child.has_tag_name("object")).collect();
    // As published, where an index of -1 is the last in Python.
    let object = match listed.object {
        0 => objects.last(),
        number => objects.get(number - 1),
    };
    let Some(&object) = object else {
        let count = objects.len();
        return Err(listed.wrong(format!("is beyond the {count} objects of {}", path.display())));
    };
    let mut marked = false;
    for mark in ["difficult", "occluded", "truncated"] {
        if let Some(mark) = object.children().find(|child| child.has_tag_name(mark)) {
            marked |= annotation.number_of::<i64>(mark)? != 0;
        }
    }
    let year: Option<u32> = listed.picture.split('_').next().and_then(|year| year.parse().ok());
    if marked || listed.category == "person" && year.is_some_and(|year| year > 2008) {
        return Ok(None);
    }
    let size = annotation.child(root, "size")?;
    let length = |field| annotation.number_of::<usize>(annotation.child(size, field)?);
    let size = [length("width")?, length("height")?];

    let path = place.keypoints.join(listed.file());
    let text = read(&path, listed)?;
    let annotation = Xml::parse(&path, &text)?;
    let root = annotation.document.root_element();
    let image = annotation.child(root, "image")?;
    let image = annotation.text(image)?;
    let picture = place.voc.join("JPEGImages").join(format!("{image}.jpg"));
    if image.contains(['/', '\\']) || !picture.is_file() {
        return Err(wrong(&path, format!("there is no picture {}", picture.display())));
    }
    let bounds = annotation.child(root, "visible_bounds")?;
    let bound = |name| annotation.number_at(bounds, name);
    let (x0, y0) = (bound("xmin")?, bound("ymin")?);
    let (x1, y1) = (x0 + bound("width")?, y0 + bound("height")?);
    let cut = match (covering(x0, x1, size[0]), covering(y0, y1, size[1])) {
        (Some([left, width]), Some([top, height])) => [left, top, width, height],
        _ => {
            let [width, height] = size;
            let problem = format!("visible_bounds is nowhere in the {width} x {height} pixels");
            return Err(annotation.wrong(bounds, &problem));
        }
    };

    let (mut keypoints, mut known) = (Vec::new(), HashSet::new());
    let (mut outside, mut repeated) = (0, 0);
    let list = annotation.child(root, "keypoints")?;
    for keypoint in list.children().filter(|child| child.has_tag_name("keypoint")) {
        let name = annotation.attribute(keypoint, "name")?;
        let at = [annotation.number_at(keypoint, "x")?, annotation.number_at(keypoint, "y")?];
        let [left, top, width, height] = cut.map(|length| length as f64);
        let shares = [(at[0] - left) / width, (at[1] - top) / height];
        let inside = (x0..=x1).contains(&at[0]) && (y0..=y1).contains(&at[1]);
        if !inside || !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            outside += 1;
        } else if !known.insert(name) {
            repeated += 1;
        } else {
            keypoints.push((name.to_owned(), shares.map(|share| share as f32)));
        }
    }
    let shot = Shot { path: picture, size, cut: Some(cut) };
    Ok(Some(Thing { shot, keypoints, outside, repeated }))
}

// First pixel and number of the whole pixels within 0..length that cover a range.
fn covering(from: f64, to: f64, length: usize) -> Option<[usize; 2]> {
    let (first, end) = (from.floor().max(0.0), to.ceil().min(length as f64));
    // A NaN is not less.
    (from < to && end - first >= 1.0).then_some([first as usize, (end - first) as usize])
}

fn read(path: &Path, listed: &Listed) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => listed.wrong(format!("needs {}, absent", path.display())),
        _ => Error::io("read", path)(error),
    })
}

// A document with what is needed to say where in it something is wrong.
struct Xml<'a> {
    path: &'a Path,
    document: Document<'a>,
}

impl<'a> Xml<'a> {
    fn parse(path: &'a Path, text: &'a str) -> Result<Self> {
        let document = Document::parse(text)
            .map_err(|error| wrong(path, format!("is no well-formed XML: {error}")))?;
        Ok(Self { path, document })
    }

    fn wrong(&self, node: Node<'_, '_>, problem: &str) -> Error {
        let line = self.document.text_pos_at(node.range().start).row;
        wrong(self.path, format!("line {line}: {problem}"))
    }

    fn child<'n>(&self, node: Node<'n, 'a>, name: &str) -> Result<Node<'n, 'a>> {
        node.children().find(|child| child.has_tag_name(name)).ok_or_else(|| {
            let of = node.tag_name().name();
            self.wrong(node, &format!("<{of}> has no <{name}>"))
        })
    }

    fn text<'n>(&self, node: Node<'n, 'a>) -> Result<&'n str> {
        let text = node.text().map(str::trim).filter(|text| !text.is_empty());
        text.ok_or_else(|| self.wrong(node, &format!("<{}> is empty", node.tag_name().name())))
    }

    fn number_of<T: FromStr>(&self, node: Node<'_, 'a>) -> Result<T> {
        let text = self.text(node)?;
        text.parse().map_err(|_| {
            let of = node.tag_name().name();
            self.wrong(node, &format!("<{of}> is {text:?}, no number"))
        })
    }

    fn attribute<'n>(&self, node: Node<'n, 'a>, name: &str) -> Result<&'n str> {
        node.attribute(name).ok_or_else(|| {
            let of = node.tag_name().name();
            self.wrong(node, &format!("<{of}> has no {name}=\"\""))
        })
    }

    fn number_at(&self, node: Node<'_, 'a>, name: &str) -> Result<f64> {
        let text = self.attribute(node, name)?;
        text.trim().parse().map_err(|_| {
            let of = node.tag_name().name();
            self.wrong(node, &format!("{name}=\"{text}\" of <{of}> is no number"))
        })
    }
}
