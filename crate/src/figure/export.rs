//! Figures as files.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Figure, render};
use crate::error::{Error, Result};
use crate::record::write_atomically;

impl Figure {
    /// The figure as an SVG document. Takes about a second: a headless browser draws it.
    ///
    /// # Errors
    /// [`Error::Program`] when `chromium-headless-shell` (or the program that
    /// `SOLVERGRAD_CHROMIUM` names) is missing or fails.
    pub fn svg(&self) -> Result<String> {
        render::svg(&self.json()?, self.width, self.height)
    }

    /// The figure as a PNG file with `zoom` × `zoom` pixels for each of its own.
    ///
    /// # Errors
    /// [`Error::Parameter`] when `zoom` is not within 0.1 to 20, [`Error::Program`] as for
    /// [`Figure::svg`] and when `rsvg-convert` is missing or fails.
    pub fn png(&self, zoom: f64) -> Result<Vec<u8>> {
        if !(0.1..=20.0).contains(&zoom) {
            return Err(Error::parameter("the zoom of a picture", zoom, "from 0.1 to 20"));
        }
        render::converted(&self.svg()?, "png", zoom)
    }

    /// The figure as a web page that needs no network: interactive, 5 MB large.
    ///
    /// # Errors
    /// [`Error::Json`] when a trace cannot be written as JSON.
    pub fn html(&self) -> Result<String> {
        let (plotly, figure) = (render::plotly_script(), render::inside_script(&self.json()?));
        Ok(format!(
            r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Figure</title>{plotly}</head>
<body><div id="figure"></div><script>Plotly.newPlot("figure", {figure});</script></body></html>
"#
        ))
    }

    /// Writes one file, in the format that its extension names: `pdf` and `svg` (vectors), `png`
    /// (at 192 dots per inch; see [`Figure::save_png`]) or `html` (interactive, without a network).
    /// Folders are created; the file is either complete or left as it was.
    ///
    /// ```no_run
    /// # use solvergrad::prelude::*;
    /// # fn save(figure: Figure) -> Result<()> {
    /// figure.save("data/figures/loss.pdf")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for another extension, [`Error::Program`] as for [`Figure::png`] and
    /// [`Error::Io`] when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let content = match extension {
            Some("html") => self.html()?.into_bytes(),
            Some("svg") => self.svg()?.into_bytes(),
            Some("pdf") => render::converted(&self.svg()?, "pdf", 1.0)?,
            Some("png") => self.png(2.0)?,
            _ => {
                let got = path.display();
                return Err(Error::parameter(
                    "the file of a figure",
                    got,
                    ".pdf, .svg, .png or .html",
                ));
            }
        };
        write_atomically(path, |file| file.write_all(&content).map_err(Error::io("write", path)))
    }

    /// Writes a PNG file at `dpi` dots per inch; the size of a figure counts 96 pixels per inch.
    ///
    /// # Errors
    /// [`Error::Parameter`] when `dpi` is not within 10 to 1920, else as for [`Figure::save`].
    pub fn save_png(&self, path: impl AsRef<Path>, dpi: f64) -> Result<()> {
        if !(10.0..=1920.0).contains(&dpi) {
            return Err(Error::parameter(
                "the resolution of a picture",
                dpi,
                "from 10 to 1920 dpi",
            ));
        }
        let (path, content) = (path.as_ref(), self.png(dpi / 96.0)?);
        write_atomically(path, |file| file.write_all(&content).map_err(Error::io("write", path)))
    }

    /// Writes `stem.html`, `stem.svg`, `stem.png` (twice the pixels) and `stem.pdf` (vectors), and
    /// returns their paths. Folders are created; each file is either complete or left as it was. Nothing
    /// is drawn or written where `SOLVERGRAD_FIGURES` is `off`, as in the runs of a
    /// [sweep](crate::sweep).
    ///
    /// # Errors
    /// [`Error::Program`] as for [`Figure::png`], before any file is written; [`Error::Io`] when a
    /// file cannot be written.
    pub fn export(&self, stem: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        if !render::wanted() {
            return Ok(Vec::new());
        }
        let svg = self.svg()?;
        let png = render::converted(&svg, "png", 2.0)?;
        let pdf = render::converted(&svg, "pdf", 1.0)?;
        let files = [
            ("html", self.html()?.into_bytes()),
            ("svg", svg.into_bytes()),
            ("png", png),
            ("pdf", pdf),
        ];
        let write = |(extension, content): (&str, Vec<u8>)| {
            let path = with_extension(stem.as_ref(), extension);
            write_atomically(&path, |file| {
                file.write_all(&content).map_err(Error::io("write", &path))
            })?;
            Ok(path)
        };
        files.into_iter().map(write).collect()
    }
}

// Appended, not replaced: `k=0.5` is a stem, `.5` no extension.
fn with_extension(stem: &Path, extension: &str) -> PathBuf {
    let mut path = OsString::from(stem);
    path.push(".");
    path.push(extension);
    path.into()
}
