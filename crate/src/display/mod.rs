//! What a value looks like in a notebook, and outputs that change while a cell runs.
//!
//! A [`Rich`] value as the last expression of a cell is shown in its best form. [`display`] shows
//! one in between, as often as wanted; [`display_live`] shows one that can be replaced in place:
//!
//! ```
//! use solvergrad::prelude::*;
//!
//! let live = display_live();
//! for step in 1..=3 {
//!     live.update(&Html::new(format!("<b>step {step}</b>"), format!("step {step}")));
//! }
//! ```
//!
//! Outside a notebook the text forms are printed.

mod bytes;
mod frame;
mod highlight;
mod latex;
mod sortable;
mod tensor;

use std::fmt::Debug;
use std::io::Write;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

pub(crate) use bytes::{base64, colour_png};
pub(crate) use frame::escape;
pub use frame::html_table;
pub use highlight::{HighlightedText, highlighted};
pub use latex::{Best, LatexTable};
pub use sortable::sortable_table;

/// One output in several forms: pairs of a MIME type and its content. A notebook takes the richest
/// form it knows.
pub type Forms = Vec<(&'static str, Value)>;

/// A value with more than a text form.
pub trait Rich {
    /// All forms, `text/plain` among them.
    fn forms(&self) -> Forms;

    /// The forms that take no time, for outputs that change: all of them, unless overridden.
    fn quick_forms(&self) -> Forms {
        self.forms()
    }
}

impl<T: Rich + ?Sized> Rich for &T {
    fn forms(&self) -> Forms {
        (**self).forms()
    }

    fn quick_forms(&self) -> Forms {
        (**self).quick_forms()
    }
}

/// HTML with the text that stands for it elsewhere.
#[derive(Clone, Debug)]
pub struct Html {
    html: String,
    text: String,
}

impl Html {
    /// `html` as it is: whoever puts foreign text into it escapes that.
    pub fn new(html: impl Into<String>, text: impl Into<String>) -> Self {
        Self { html: html.into(), text: text.into() }
    }
}

impl Rich for Html {
    fn forms(&self) -> Forms {
        vec![("text/html", json!(self.html)), ("text/plain", json!(self.text))]
    }
}

/// Shows a value as an output of the running cell.
pub fn display(value: &impl Rich) {
    send("display", None, value.forms());
}

/// An output that can be replaced while the cell runs, and later.
#[derive(Debug)]
pub struct Live {
    id: String,
}

/// An output that is empty at first.
pub fn display_live() -> Live {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let (now, count) = (now.unwrap_or_default().as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed));
    let live = Live { id: format!("solvergrad-{}-{now:x}-{count}", std::process::id()) };
    if is_live() {
        send("display", Some(&live.id), vec![("text/plain", json!(""))]);
    }
    live
}

impl Live {
    /// Replaces what is shown, wherever it is shown.
    pub fn update(&self, value: &impl Rich) {
        send("update", Some(&self.id), value.quick_forms());
    }
}

/// Removes the outputs of the running cell; with `wait` only when the next one arrives, which
/// avoids flicker.
pub fn clear_output(wait: bool) {
    if let Place::Kernel(mark) = Place::here() {
        write(&format!("\0display {mark}\n{}\0", json!({"op": "clear", "wait": wait})));
    }
}

/// Whether outputs can be replaced here: in SolverGrad's own kernel.
pub(crate) fn is_live() -> bool {
    matches!(Place::here(), Place::Kernel(_))
}

enum Place {
    Kernel(String),
    Evcxr,
    Terminal,
}

impl Place {
    fn here() -> Self {
        match std::env::var("SOLVERGRAD_MARK") {
            Ok(mark) if std::env::var_os("EVCXR_IS_RUNTIME").is_some() => Self::Kernel(mark),
            _ if std::env::var_os("EVCXR_IS_RUNTIME").is_some() => Self::Evcxr,
            _ => Self::Terminal,
        }
    }
}

// Not generic, and given the forms to drop: what is compiled here need not be in every cell.
#[inline(never)]
fn send(op: &str, id: Option<&str>, forms: Forms) {
    match Place::here() {
        Place::Kernel(mark) => {
            let data: Map<String, Value> =
                forms.into_iter().map(|(mime, form)| (mime.to_owned(), form)).collect();
            write(&format!("\0display {mark}\n{}\0", json!({"op": op, "id": id, "data": data})));
        }
        // evcxr's own kernel reads blocks of lines from standard output.
        Place::Evcxr => {
            let block = |(mime, form): &(&str, Value)| {
                let text = form.as_str().map_or_else(|| form.to_string(), str::to_owned);
                format!("EVCXR_BEGIN_CONTENT {mime}\n{text}\nEVCXR_END_CONTENT\n")
            };
            write(&forms.iter().map(block).collect::<String>());
        }
        Place::Terminal => {
            let text = forms.iter().find(|(mime, _)| *mime == "text/plain");
            if let Some(text) = text.and_then(|(_, text)| text.as_str()).filter(|t| !t.is_empty()) {
                write(&format!("{text}\n"));
            }
        }
    }
}

// One write: lines of other threads must not fall into a block. A closed output is no reason to
// stop a computation.
fn write(text: &str) {
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// Shows the value of an expression in its best form: a [`Rich`] one, else its own
/// `evcxr_display`, else its debug form; nothing for `()`.
///
/// The kernel puts it around the last expression of a cell.
///
/// ```
/// use solvergrad::prelude::*;
///
/// solvergrad::show!(Tensor::from(1.0));
/// solvergrad::show!(1 + 1);
/// ```
#[macro_export]
macro_rules! show {
    ($value:expr) => {
        match &($value) {
            value => {
                #[allow(unused_imports)]
                use $crate::display::DebugForm as _;
                $crate::display::Shown(value).evcxr_display();
            }
        }
    };
}

/// The value that [`show!`](crate::show) shows. The compiler takes the method of this type where
/// the value is [`Rich`], else, through `Deref`, the value's own, else [`DebugForm`]'s.
pub struct Shown<'a, T: ?Sized>(pub &'a T);

impl<T: Rich + ?Sized> Shown<'_, T> {
    /// Shows the value as the result of the cell.
    pub fn evcxr_display(&self) {
        send("result", None, self.0.forms());
    }
}

impl<T: ?Sized> Deref for Shown<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

/// The last resort of [`show!`](crate::show).
pub trait DebugForm {
    /// Shows the debug form as the result of the cell; nothing for `()`.
    fn evcxr_display(&self);
}

impl<T: Debug + ?Sized> DebugForm for T {
    fn evcxr_display(&self) {
        show_debug(&self);
    }
}

#[inline(never)]
fn show_debug(value: &dyn Debug) {
    let text = format!("{value:?}");
    if text != "()" {
        send("result", None, vec![("text/plain", json!(text))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Own;

    impl Own {
        fn evcxr_display(&self) {
            print!("its own");
        }
    }

    // Which method the compiler takes is decided by types alone: that this compiles for all four
    // kinds is most of the test; what is printed is seen in tests of the kernel.
    #[test]
    fn every_kind_of_value_can_be_shown() {
        crate::show!(Own);
        crate::show!(1 + 1);
        crate::show!(());
        crate::show!("text");
        crate::show!(&Html::new("<p>", "p"));
        let lines = vec![String::from("a")];
        crate::show!(lines);
        assert_eq!(lines.len(), 1);
    }
}
