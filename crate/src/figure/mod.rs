//! Figures for notebooks and papers: one look, one type, and files in every common format.
//!
//! A [`Figure`] as the last expression of a notebook cell is drawn in place, together with a static
//! picture that stays visible where notebooks are shown without running (a repository's web page,
//! a PDF). [`Figure::export`] writes it as HTML, SVG, PNG and PDF.

mod bars;
mod curves;
mod export;
mod globe;
mod heat_map;
mod matches;
mod neighbours;
mod panels;
mod pictures;
mod render;
pub(crate) mod style;
mod tiles;

use std::fmt;

use plotly::{Layout, Plot};

pub use bars::bars;
pub use curves::curves;
pub use globe::globe;
pub use heat_map::heat_map;
pub use matches::{MatchedPair, matches};
pub use neighbours::neighbours;
pub use panels::Panels;
pub use pictures::{heat, pictures};
pub use style::{PALETTE, layout, line};
pub use tiles::{codes, image_grid};

use serde_json::json;

use crate::display::{Forms, Rich, base64};
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

    // Names of the traces that a legend would list.
    fn names(&self) -> Vec<String> {
        let json = serde_json::to_value(&self.plot).unwrap_or_default();
        let traces = json["data"].as_array().cloned().unwrap_or_default();
        traces.iter().filter_map(|trace| Some(trace["name"].as_str()?.to_owned())).collect()
    }
}

impl Rich for Figure {
    fn forms(&self) -> Forms {
        let mut forms = self.quick_forms();
        if !render::wanted() {
            return forms;
        }
        // A static picture, which stays visible where notebooks are shown without running.
        match self.png(1.0) {
            Ok(png) => forms.push(("image/png", json!(base64(&png)))),
            Err(error) => {
                let text = format!("{self:?} (no static picture: {error})");
                forms.retain(|(mime, _)| *mime != "text/plain");
                forms.push(("text/plain", json!(text)));
            }
        }
        forms
    }

    fn quick_forms(&self) -> Forms {
        let text = format!("{self:?}");
        match serde_json::to_value(&self.plot) {
            Ok(plot) => vec![("application/vnd.plotly.v1+json", plot), ("text/plain", json!(text))],
            Err(error) => vec![("text/plain", json!(format!("{text} (not shown: {error})")))],
        }
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
