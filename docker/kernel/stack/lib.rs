//! The third-party crates of solvergrad as one shared library.
//!
//! A notebook cell that linked polars, plotly and tch statically would carry a private copy of
//! each of their statics: every cell would start its own thread pool and be 64 MB large. As one
//! dylib they exist once per process. It holds no code of its own and never changes while a
//! kernel runs; `solvergrad`, which does change, is an ordinary library above it.

pub use ab_glyph;
pub use clap;
pub use csv;
pub use flate2;
pub use highs;
pub use libc;
pub use md5;
pub use plotly;
pub use polars;
pub use rand;
pub use rand_chacha;
pub use rand_distr;
pub use rayon;
pub use reqwest;
pub use roxmltree;
pub use serde;
pub use serde_json;
pub use sha2;
pub use spade;
pub use tar;
pub use tch;
pub use thiserror;
pub use toml;
