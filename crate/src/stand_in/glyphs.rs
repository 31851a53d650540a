//! Characters in many fonts, to be retrieved by what they are, whatever the font.

use std::io::Write;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::characters::{self, Character};
use super::{check_range, make_once};
use crate::gradient::derive_seed;
use crate::record::write_atomically;
use crate::{Error, Result};

/// A stand-in for pictures of species: a class is a character, a picture one of the installed fonts'
/// drawings of it, turned, sheared, scaled and shifted, in colours of its own, with strokes and grain
/// across it. Of the layout of CUB-200-2011, to be read by [`Cub::load`](crate::data::Cub::load).
///
/// Characters whose shapes are alike (Latin A and Greek Alpha, O and 0, o and O) are one class at most.
/// Of a character's drawings that are the same outline one is kept. Picture i of a character is the
/// same whatever the number of pictures and classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glyphs {
    /// Characters, of which the second half is for the test.
    pub classes: usize,
    /// Pictures of each.
    pub per_class: usize,
    /// Rows and columns of a picture, in pixels.
    pub side: usize,
    /// The seed.
    pub seed: u64,
}

impl Default for Glyphs {
    /// 200 classes of 40 pictures of 36 x 36 pixels, seed 1.
    fn default() -> Self {
        Self { classes: 200, per_class: 40, side: 36, seed: 1 }
    }
}

// Raised when the same parameters make another stand-in than before.
const VERSION: u32 = 1;

// A character that fewer fonts draw differently would be easy to recognise by heart.
const FEWEST_DRAWINGS: usize = 12;

impl Glyphs {
    /// The folder of the pictures, made now if it is not there, with one line to `report` before and
    /// one after.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two classes, no pictures or a side outside 16 to 512,
    /// [`Error::MissingData`] where too few fonts are installed, [`Error::Io`] where the folder cannot
    /// be written, [`Error::Interrupted`].
    ///
    /// ```no_run
    /// use solvergrad::prelude::*;
    ///
    /// let folder = Glyphs::default().make(&data_folder(), |line| println!("{line}"))?;
    /// let data = Cub::load(&folder)?;
    /// assert_eq!((data.train.len(), data.test.len()), (4000, 4000));
    /// # Ok::<(), solvergrad::Error>(())
    /// ```
    pub fn make(&self, data_folder: &Path, report: impl FnMut(&str)) -> Result<PathBuf> {
        for (what, value, allowed) in [
            ("the number of classes", self.classes, 2..=999),
            ("the number of pictures of a class", self.per_class, 1..=9999),
            ("the side of the pictures", self.side, 16..=512),
        ] {
            check_range(what, value, allowed)?;
        }
        let Self { classes, per_class, side, .. } = self;
        let task = format!("glyphs: drawing {classes} x {per_class} pictures of {side} pixels");
        make_once(self.folder(data_folder), &task, report, |beside| {
            self.fill(beside, &self.characters()?)
        })
    }

    /// Where [`make`](Self::make) puts the pictures.
    pub fn folder(&self, data_folder: &Path) -> PathBuf {
        let Self { classes, per_class, side, seed } = self;
        data_folder
            .join("stand-ins")
            .join(format!("glyphs-v{VERSION}-seed{seed}-{classes}-{per_class}"))
            .join(format!("{side}x{side}"))
    }

    fn characters(&self) -> Result<Vec<Character>> {
        let mut known = characters::installed(FEWEST_DRAWINGS)?;
        if known.len() < self.classes {
            return Err(Error::MissingData {
                name: format!("fonts with {} characters (found {})", self.classes, known.len()),
                folder: characters::FONTS.into(),
                cure: format!("`apt-get install {}` (part of the image)", characters::PACKAGES),
            });
        }
        known.shuffle(&mut ChaCha8Rng::seed_from_u64(derive_seed(&[self.seed, 0])));
        known.truncate(self.classes);
        Ok(known)
    }

    fn fill(&self, folder: &Path, chosen: &[Character]) -> Result<()> {
        let name =
            |class: usize| format!("{:03}.U{:04X}", class + 1, u32::from(chosen[class].character));
        let file = |class: usize, picture: usize| {
            let name = name(class);
            format!("{name}/{}_{:04}.png", &name[4..], picture + 1)
        };
        (0..chosen.len()).into_par_iter().try_for_each(|class| {
            crate::interrupt::check("pictures of characters were being drawn")?;
            let images = folder.join("images");
            for picture in 0..self.per_class {
                let code = u64::from(u32::from(chosen[class].character));
                let seed = derive_seed(&[self.seed, 1, code, picture as u64]);
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let pixels = chosen[class].draw(picture, self.side, &mut rng);
                let path = images.join(file(class, picture));
                let parent = path.parent().unwrap_or(&images);
                std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
                let png = crate::display::colour_png(&pixels, self.side);
                std::fs::write(&path, png).map_err(Error::io("write", &path))?;
            }
            Ok::<_, Error>(())
        })?;
        let pictures: Vec<(usize, usize)> = (0..chosen.len())
            .flat_map(|class| (0..self.per_class).map(move |picture| (class, picture)))
            .collect();
        let lines = |line: &dyn Fn(usize) -> String, count: usize| -> String {
            (0..count).map(|at| format!("{} {}\n", at + 1, line(at))).collect()
        };
        let image = |at: usize| file(pictures[at].0, pictures[at].1);
        let label = |at: usize| (pictures[at].0 + 1).to_string();
        for (index, text) in [
            ("classes.txt", lines(&name, chosen.len())),
            ("images.txt", lines(&image, pictures.len())),
            ("image_class_labels.txt", lines(&label, pictures.len())),
        ] {
            let path = folder.join(index);
            write_atomically(&path, |file| {
                file.write_all(text.as_bytes()).map_err(Error::io("write", &path))
            })?;
        }
        Ok(())
    }
}
