//! Figures for notebooks and papers: one look, one type, and files in every common format.
//!
//! A [`Figure`] as the last expression of a notebook cell is drawn in place, together with a static
//! picture that stays visible where notebooks are shown without running (a repository's web page,
//! a PDF). [`Figure::export`] writes it as HTML, SVG, PNG and PDF.

mod bars;
mod curves;
mod export;
mod notebook;
mod render;
mod style;
mod table;
mod tiles;

use std::fmt;

use plotly::{Layout, Plot};

pub use bars::bars;
pub use curves::curves;
pub use style::{PALETTE, layout, line};
pub use table::DisplayFrame;
pub use tiles::{codes, image_grid};

use crate::error::Result;

/// A plot with the size it is drawn at.
#[derive(Clone)]
pub struct Figure {
    plot: Plot,
    width: usize,
    height: usize,
}

impl Figure {
    /// A figure of 720 × 450 pixels, see [`Figure::size`].
    pub fn new(mut plot: Plot) -> Self {
        // A plot carries 7 MB of JavaScript for its own HTML output; ours does not need it.
        plot.use_cdn_js();
        Self { plot, width: 0, height: 0 }.size(720, 450)
    }

    /// The same figure, `width` × `height` CSS pixels large (96 per inch).
    pub fn size(mut self, width: usize, height: usize) -> Self {
        let layout: Layout = self.plot.layout().clone().width(width).height(height);
        self.plot.set_layout(layout);
        (self.width, self.height) = (width, height);
        self
    }

    /// The plot itself: data, layout and configuration.
    pub fn plot(&self) -> &Plot {
        &self.plot
    }

    /// The figure in plotly's format: an object with `data`, `layout` and `config`, on one line.
    ///
    /// # Errors
    /// [`crate::Error::Json`] when a trace cannot be written as JSON.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string(&self.plot)?)
    }

    /// Shows the figure in a notebook cell; elsewhere prints one line about it.
    pub fn evcxr_display(&self) {
        if !notebook::is_running() {
            println!("{self:?}; export(stem) writes it as HTML, SVG, PNG and PDF");
            return;
        }
        let mut blocks = Vec::new();
        let mut text = format!("{self:?}");
        match self.json() {
            Ok(json) => blocks.push(("application/vnd.plotly.v1+json", json)),
            Err(error) => text.push_str(&format!(" (not shown: {error})")),
        }
        // Twice the pixels: sharp on screens of high density and on paper.
        match self.png(1.0) {
            Ok(png) => blocks.push(("image/png", notebook::base64(&png))),
            Err(error) => text.push_str(&format!(" (no static picture: {error})")),
        }
        blocks.push(("text/plain", text));
        notebook::show(&blocks);
    }

    // Names of the traces that a legend would list.
    fn names(&self) -> Vec<String> {
        let json = serde_json::to_value(&self.plot).unwrap_or_default();
        let traces = json["data"].as_array().cloned().unwrap_or_default();
        traces.iter().filter_map(|trace| Some(trace["name"].as_str()?.to_owned())).collect()
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Figure {} × {} px", self.width, self.height)?;
        let names = self.names();
        if !names.is_empty() {
            write!(f, ": {}", names.join(", "))?;
        }
        Ok(())
    }
}
