//! Failures of a cell, told as its author sees them: the message and the line of the cell.

use std::ffi::CStr;
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
        let calls: Vec<(String, u64)> =
            serde_json::from_value(report["calls"].clone()).unwrap_or_default();
        let mut lines: Vec<String> = Vec::new();
        for (name, file, line) in frames(&calls) {
            let cell = name.contains("run_user_code") || name.starts_with("{closure");
            let name = if cell { "the cell" } else { name.trim_start_matches("ctx::") };
            let text = match written.locate(&file, line) {
                Some(place) => format!("  in {name}, {}", place.title()),
                None if is_generated(&file) => continue,
                None => format!("  in {name}, {file}:{line}"),
            };
            if lines.last() != Some(&text) && lines.len() < 8 {
                lines.push(text);
            }
        }
        failure.traceback.extend(lines);
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
        "calls": calls(),
    })
}

// Where this thread is within compiled cells: library and offset of each call, innermost first. Std's
// own backtrace knows only the libraries that were loaded before its first use.
fn calls() -> Vec<(String, u64)> {
    let mut frames = [std::ptr::null_mut(); 128];
    // SAFETY: the buffer has the length given.
    let count = unsafe { libc::backtrace(frames.as_mut_ptr(), frames.len() as i32) };
    let mut found = Vec::new();
    for frame in &frames[..usize::try_from(count).unwrap_or(0)] {
        // SAFETY: all zero is a valid value, which dladdr fills in.
        let mut place: libc::Dl_info = unsafe { std::mem::zeroed() };
        // SAFETY: any address may be asked for; the name, if any, is a C string of the loader's.
        let name = unsafe {
            if libc::dladdr(*frame, &mut place) == 0 || place.dli_fname.is_null() {
                continue;
            }
            CStr::from_ptr(place.dli_fname).to_string_lossy()
        };
        if name.contains("libcode_") {
            // A return address: the call is just before it.
            found.push((name.into_owned(), *frame as u64 - place.dli_fbase as u64 - 1));
        }
    }
    found
}

// Function, file and line of each call, those inlined into it included.
fn frames(calls: &[(String, u64)]) -> Vec<(String, String, usize)> {
    let mut frames = Vec::new();
    for (library, offset) in calls {
        let mut command = std::process::Command::new("addr2line");
        command.args(["-f", "-i", "-C", "-e", library]).arg(format!("{offset:#x}"));
        let output = command.output().map(|output| output.stdout).unwrap_or_default();
        frames.extend(parsed(&String::from_utf8_lossy(&output)));
    }
    frames
}

// Pairs of lines: a function, and its file with the line.
fn parsed(text: &str) -> Vec<(String, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut frames = Vec::new();
    for pair in lines.chunks_exact(2) {
        let place = pair[1].split(" (").next().unwrap_or_default();
        let Some((file, line)) = place.rsplit_once(':') else { continue };
        let Ok(line) = line.parse() else { continue };
        let own = file.ends_with("src/lib.rs") && !file.contains("/rustc/")
            || file.ends_with("cells/lib.rs")
            || file.contains("/crate/src/");
        if own {
            frames.push((pair[0].to_owned(), file.to_owned(), line));
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
        let text = "core::ops::function::FnOnce\n/rustc/abc/library/core/src/ops/function.rs:250\n\
                    ctx::halve\ncells/lib.rs:12 (discriminator 2)\nrun_user_code_3\n??:0\n\
                    ctx::run_user_code_3::{closure#0}\n/var/tmp/k/./cells/lib.rs:40\n";
        let frames = parsed(text);
        let lines: Vec<usize> = frames.iter().map(|(_, _, line)| *line).collect();
        assert_eq!(lines, [12, 40]);
        assert_eq!(frames[0].0, "ctx::halve");
    }
}
