//! Failures of a cell, told as its author sees them: the message and the line of the cell.

use std::backtrace::Backtrace;
use std::io::Write;
use std::panic::PanicHookInfo;

use evcxr::{CompilationError, Theme};
use serde_json::{Value, json};

use crate::cell::Written;

/// What a Jupyter error message holds.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind of failure.
    pub name: String,
    /// What went wrong.
    pub value: String,
    /// What is shown under the cell.
    pub traceback: Vec<String>,
}

const RED: &str = "\x1b[31m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

impl Failure {
    /// A failure without a place.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        let traceback = vec![format!("{RED}{name}{PLAIN}: {value}")];
        Self { name: name.to_owned(), value, traceback }
    }

    /// With further lines below.
    pub fn and(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.traceback.extend(lines);
        self
    }

    /// What the compiler refused, as evcxr draws it.
    pub fn compilation(errors: &[CompilationError], code: &str, count: usize) -> Self {
        let mut traceback = Vec::new();
        let cell = format!("cell {count}");
        let serious = |error: &&CompilationError| error.level() != "warning";
        for error in errors.iter().filter(serious) {
            let report = error.build_report(cell.clone(), code.to_owned(), Theme::Light);
            let drawn = report.filter(|_| error.is_from_user_code()).and_then(|report| {
                let mut bytes = Vec::new();
                report.write(ariadne::sources([(cell.clone(), code)]), &mut bytes).ok()?;
                Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
            });
            match drawn {
                Some(text) => traceback.extend(text.lines().map(str::to_owned)),
                None => {
                    traceback.push(format!("{RED}{}{PLAIN}", error.message()));
                    for part in error.spanned_messages() {
                        traceback.extend(part.lines.iter().cloned());
                        if let Some(span) = &part.span {
                            let end = span.end_column.max(span.start_column + 1);
                            let gap = " ".repeat(span.start_column.saturating_sub(1));
                            let carets = "^".repeat(end - span.start_column);
                            traceback.push(format!("{gap}{RED}{carets}{PLAIN} {}", part.label));
                        }
                    }
                }
            }
            traceback.extend(error.help().iter().map(|help| format!("{BOLD}help{PLAIN}: {help}")));
            traceback.extend(error.evcxr_extra_hint().map(str::to_owned));
        }
        let first = errors.iter().find(serious).map(CompilationError::message).unwrap_or_default();
        Self { name: "CompileError".to_owned(), value: first, traceback }
    }

    /// A panic, from the report of [`install`]'s hook.
    pub fn panic(report: &str, written: &Written) -> Self {
        let report: Value = serde_json::from_str(report).unwrap_or_default();
        let text = |key: &str| report[key].as_str().unwrap_or_default().to_owned();
        let (message, file) = (without_native_frames(&text("message")), text("file"));
        let line = report["line"].as_u64().unwrap_or(0) as usize;
        let mut failure = Self::new("Panic", &message);
        failure.place(&file, line, written);
        let frames = report["frames"].as_array().cloned().unwrap_or_default();
        let frames: Vec<String> = frames
            .iter()
            .filter_map(|frame| {
                let (name, file) = (frame["name"].as_str()?, frame["file"].as_str()?);
                let line = frame["line"].as_u64()? as usize;
                let cell = name.contains("run_user_code") || name.starts_with("{closure");
                let name = if cell { "the cell" } else { name };
                Some(match written.locate(file, line) {
                    Some(place) => format!("  in {name}, {}", place.title()),
                    None if is_generated(file) => return None,
                    None => format!("  in {name}, {file}:{line}"),
                })
            })
            .take(8)
            .collect();
        failure.traceback.extend(frames);
        failure
    }

    /// A failing `?`: its report is the place, the type of the error and its message.
    pub fn question_mark(report: &str, written: &Written) -> Self {
        let mut parts = report.splitn(3, '\n');
        let line = parts.next().and_then(|line| line.parse().ok()).unwrap_or(0);
        let name = short(parts.next().unwrap_or_default());
        let message = without_native_frames(parts.next().unwrap_or_default());
        let mut failure = Self::new(&name, message);
        failure.place("src/lib.rs", line, written);
        failure
    }

    fn place(&mut self, file: &str, line: usize, written: &Written) {
        match written.locate(file, line) {
            Some(place) => {
                let number = place.line.to_string();
                self.traceback.push(format!("{} --> {}", " ".repeat(number.len()), place.title()));
                self.traceback.push(format!("{BOLD}{number} |{PLAIN} {}", place.text));
            }
            None if !is_generated(file) => self.traceback.push(format!("  --> {file}:{line}")),
            None => {}
        }
    }
}

// libtorch's messages carry its own frames, in a Rust string often with escaped line breaks.
fn without_native_frames(message: &str) -> String {
    let start = ["\nException raised from", "\\nException raised from"]
        .iter()
        .find_map(|start| message.find(start));
    let Some(start) = start else { return message.to_owned() };
    // The quotes and brackets that the rest would have closed.
    let head = &message[..start];
    let quoted = head.matches('"').count() % 2 == 1;
    let open = head.matches('(').count() > head.matches(')').count();
    format!("{head}{}{}", if quoted { "\"" } else { "" }, if open { ")" } else { "" })
}

// A file of evcxr's, whose lines mean nothing to the author of a cell.
fn is_generated(file: &str) -> bool {
    file.is_empty() || file == "src/lib.rs" || file.ends_with("cells/lib.rs")
}

// `alloc::boxed::Box<dyn core::error::Error>` as it is written: `Box<dyn Error>`.
fn short(path: &str) -> String {
    let mut text = String::new();
    let mut word = String::new();
    for character in path.chars() {
        match character {
            ':' => word.clear(),
            c if c.is_alphanumeric() || c == '_' => word.push(c),
            other => {
                text.push_str(&word);
                word.clear();
                text.push(other);
            }
        }
    }
    text + &word
}

/// Makes panics of this process report themselves to the kernel instead of printing.
pub fn install(mark: &str) {
    let mark = mark.to_owned();
    std::panic::set_hook(Box::new(move |panic| {
        let report = report(panic).to_string().replace('\0', "");
        let block = format!("\0panic {mark}\n{report}\0");
        // Nothing can be done where even this cannot be said.
        let _ = std::io::stderr().write_all(block.as_bytes());
    }));
}

fn report(panic: &PanicHookInfo) -> Value {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let thread = std::thread::current().name().unwrap_or("a thread").to_owned();
    json!({
        "message": text.unwrap_or_else(|| "a panic without a message".to_owned()),
        "file": panic.location().map(|place| place.file()),
        "line": panic.location().map(|place| place.line()),
        "thread": thread,
        "frames": frames(&Backtrace::force_capture().to_string()),
    })
}

// The frames of the cell and of the library: between the panic machinery and evcxr's caller.
fn frames(trace: &str) -> Vec<Value> {
    let mut frames = Vec::new();
    let mut name = "";
    for line in trace.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            let mut parts = place.rsplitn(3, ':').skip(1);
            let line: Option<u64> = parts.next().and_then(|line| line.parse().ok());
            let file = parts.next().unwrap_or_default();
            let own = ["src/lib.rs", "cells/lib.rs"].iter().any(|own| file.ends_with(own))
                || name.starts_with("solvergrad");
            if own && !name.contains("evcxr") && !name.contains("FnOnce") {
                frames.push(
                    json!({"name": name, "file": file.trim_start_matches("./"), "line": line}),
                );
            }
        } else if let Some((number, rest)) = line.split_once(": ")
            && number.parse::<u32>().is_ok()
        {
            name = rest;
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_shortened() {
        assert_eq!(short("solvergrad::error::Error"), "Error");
        let boxed = "alloc::boxed::Box<dyn core::error::Error + core::marker::Send>";
        assert_eq!(short(boxed), "Box<dyn Error + Send>");
        assert_eq!(short("&str"), "&str");
    }

    #[test]
    fn native_frames_are_cut() {
        let message = "called `Result::unwrap()` on an `Err` value: Torch(\"bad shape\\nException raised from x.h:9\\nframe #0\")";
        let short = "called `Result::unwrap()` on an `Err` value: Torch(\"bad shape\")";
        assert_eq!(without_native_frames(message), short);
        assert_eq!(without_native_frames("plain"), "plain");
    }

    #[test]
    fn only_frames_of_the_author_are_kept() {
        let trace = "   0: std::backtrace::Backtrace::force_capture\n   1: core::panicking::panic\n             at /rustc/abc/library/core/src/panicking.rs:75:14\n   2: ctx::halve\n             at ./src/lib.rs:12:5\n   3: ctx::run_user_code_3::{{closure}}\n             at ./src/lib.rs:40:9\n   4: main\n";
        let frames = frames(trace);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0]["name"], "ctx::halve");
        assert_eq!(
            (frames[1]["file"].as_str(), frames[1]["line"].as_u64()),
            (Some("src/lib.rs"), Some(40))
        );
    }
}
