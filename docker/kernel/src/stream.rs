//! What a cell writes: text, rich outputs and marks, told apart while it runs.
//!
//! On the two pipes from the cells' process travel text; blocks `NUL kind mark LF payload NUL`,
//! where the mark is known to one kernel only; and the lines that evcxr's generated code prints
//! (`EVCXR_…`), rich outputs of other crates among them. Text is passed on as it comes, joined to
//! at most one message in [`BEAT`].

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

/// Kind of the block that starts the output of a cell.
pub const BEGIN: &str = "begin";
/// Kind of the block that ends the output of a cell, on each stream.
pub const END: &str = "end";
/// A line of evcxr's: the cell panicked.
pub const PANIC: &str = "EVCXR_PANIC_NOTIFICATION";
/// A line of ours: the compiled cell cannot be loaded.
pub const FAILED_TO_LOAD: &str = "EVCXR_FAILED_TO_LOAD ";
const QUESTION_MARK: &str = "EVCXR_ERROR_OCCURRED";
const CHANGED_TYPE: &str = "EVCXR_VARIABLE_CHANGED_TYPE:";
const CONTENT: &str = "EVCXR_BEGIN_CONTENT ";
const CONTENT_END: &str = "EVCXR_END_CONTENT\n";

/// Text is sent at most this often.
const BEAT: Duration = Duration::from_millis(50);
/// No browser shows more text of one cell.
const MOST_TEXT: usize = 16 << 20;

/// The two streams of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// What goes to the notebook.
#[derive(Debug, PartialEq)]
pub enum Shown {
    /// The text so far may be shown.
    Text(Stream, String),
    /// A block of kind `display`: an output, its update, or a clearing.
    Display(Value),
    /// Forms of one output of another crate, by MIME type.
    Content(HashMap<String, String>),
}

/// How a cell ended, from what it wrote.
#[derive(Debug, Default)]
pub struct Ending {
    /// It panicked, by evcxr's count.
    pub panicked: bool,
    /// It left through `?`.
    pub left: bool,
    /// What the panic hook and failing `?`s reported, in order.
    pub reports: Vec<(String, String)>,
    /// Why it could not be loaded.
    pub not_loaded: Option<String>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Block(String, String),
    Content(String, String),
    Line(String),
}

// Splits one stream into pieces, whatever the chunks it arrives in.
struct Splitter {
    mark: String,
    pending: Vec<u8>,
}

impl Splitter {
    fn push(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) {
        self.pending.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(used) = self.step(&self.pending[start..], pieces) {
            start += used;
        }
        self.pending.drain(..start);
    }

    // Takes one piece off the front; None where more has to arrive first.
    fn step(&self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Option<usize> {
        let first = bytes.first()?;
        let special = (0..bytes.len()).find(|&at| bytes[at] == 0 || could_be(&bytes[at..]));
        match special {
            Some(0) => {}
            Some(at) => return text(&bytes[..at], false, pieces),
            None => return text(bytes, true, pieces),
        }
        if *first == 0 {
            return self.block(bytes, pieces);
        }
        let line_end = bytes.iter().position(|&byte| byte == b'\n');
        let Some(end) = line_end else {
            // A prefix of a line of evcxr's, or a long text that only looks like one.
            return if bytes.len() > 4096 { text(bytes, true, pieces) } else { None };
        };
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        if let Some(mime) = line.strip_prefix(CONTENT) {
            let rest = &bytes[end + 1..];
            let Some(length) = find(rest, CONTENT_END.as_bytes()) else {
                // Where the cell has ended, this was no output but a text that looks like one.
                let over = find(rest, format!("\0{END} {}\0", self.mark).as_bytes()).is_some();
                return if over { text(&bytes[..1], false, pieces) } else { None };
            };
            let text = String::from_utf8_lossy(&rest[..length]);
            let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
            pieces.push(Piece::Content(mime.trim().to_owned(), text));
            return Some(end + 1 + length + CONTENT_END.len());
        }
        let known = [PANIC, QUESTION_MARK].contains(&line.as_str())
            || [CHANGED_TYPE, FAILED_TO_LOAD].iter().any(|start| line.starts_with(start));
        if known {
            pieces.push(Piece::Line(line));
            return Some(end + 1);
        }
        // The user's own text after all: the first letter, then look again.
        text(&bytes[..1], false, pieces)
    }

    fn block(&self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Option<usize> {
        let rest = &bytes[1..];
        let Some(length) = rest.iter().position(|&byte| byte == 0) else {
            let start = &rest[..rest.len().min(200)];
            let ours = start.is_empty() || {
                let text = String::from_utf8_lossy(start);
                let head = text.split('\n').next().unwrap_or_default();
                let tail = head.split(' ').nth(1).unwrap_or_default();
                head.len() < 60 && (self.mark.starts_with(tail) || tail == self.mark)
            };
            return if ours { None } else { text(&bytes[..1], false, pieces) };
        };
        let whole = String::from_utf8_lossy(&rest[..length]);
        let (head, payload) = whole.split_once('\n').unwrap_or((&whole, ""));
        match head.split_once(' ') {
            Some((kind, mark)) if mark == self.mark => {
                pieces.push(Piece::Block(kind.to_owned(), payload.to_owned()));
                Some(length + 2)
            }
            _ => text(&bytes[..1], false, pieces),
        }
    }

    // What was held back because it might have become something else.
    fn give_up(&mut self, pieces: &mut Vec<Piece>) {
        let bytes = std::mem::take(&mut self.pending);
        if !bytes.is_empty() {
            pieces.push(Piece::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
    }

    // Held back, and not even the start of something special is complete.
    fn is_only_a_prefix(&self) -> bool {
        !self.pending.is_empty() && self.pending[0] != 0 && self.pending.len() < "EVCXR_".len()
    }
}

// Plain text. The first half of a character at the end of what has arrived waits for the second.
fn text(bytes: &[u8], last: bool, pieces: &mut Vec<Piece>) -> Option<usize> {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if last && error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    if whole == 0 {
        return None;
    }
    let text = String::from_utf8_lossy(&bytes[..whole]);
    match pieces.last_mut() {
        Some(Piece::Text(before)) => before.push_str(&text),
        _ => pieces.push(Piece::Text(text.into_owned())),
    }
    Some(whole)
}

fn could_be(bytes: &[u8]) -> bool {
    let start = b"EVCXR_";
    let length = bytes.len().min(start.len());
    bytes[..length] == start[..length]
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Asks of the session to the reading thread.
enum Ask {
    /// The process has died: pass on what it left, and answer.
    Drain(Sender<Ending>),
}

/// The thread that reads what the cells write.
pub struct Reader {
    asks: Sender<Ask>,
    endings: Receiver<Ending>,
}

impl Reader {
    /// Reads the two pipes for ever; `answers` is the pipe back to the cells' process, `begun` is
    /// called when a cell starts to run, and `show` gets what is to be shown.
    pub fn start(
        mark: String,
        pipes: (File, File),
        answers: File,
        mut begun: impl FnMut() + Send + 'static,
        show: impl FnMut(Shown) + Send + 'static,
    ) -> Result<Self> {
        let (asks, asked) = channel();
        let (ends, endings) = channel();
        let splitter = || Splitter { mark: mark.clone(), pending: Vec::new() };
        let mut reading = Reading {
            splitters: [splitter(), splitter()],
            batch: Batch { text: None, sent: Instant::now(), total: 0, show: Box::new(show) },
            bundle: HashMap::new(),
            ending: Ending::default(),
            ended: [false; 2],
            lines: Vec::new(),
        };
        let (pipes, mut answers) = ([pipes.0, pipes.1], answers);
        std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let ready = poll(&pipes, reading.batch.wait());
                for (index, pipe) in pipes.iter().enumerate() {
                    if ready[index] {
                        let mut pipe = pipe;
                        let read = pipe.read(&mut buffer).unwrap_or(0);
                        reading.take(index, &buffer[..read], &mut begun);
                    }
                }
                if ready == [false; 2] {
                    reading.quiet();
                    if let Ok(Ask::Drain(answer)) = asked.try_recv() {
                        reading.flush();
                        let _ = answer.send(reading.finish());
                    }
                }
                if reading.ended == [true; 2] {
                    reading.flush();
                    let lines = std::mem::take(&mut reading.lines).concat();
                    if ends.send(reading.finish()).is_err() {
                        return;
                    }
                    let _ = answers.write_all(lines.as_bytes());
                    let _ = answers.write_all(b"EVCXR_EXECUTION_COMPLETE\n");
                }
                reading.batch.beat();
            }
        })?;
        Ok(Self { asks, endings })
    }

    /// How the cell that just ran ended; None where none ran to its end.
    pub fn ending(&self) -> Option<Ending> {
        self.endings.try_iter().last()
    }

    /// Everything that a process wrote before it died has been passed on when this returns.
    pub fn drain(&self) -> Ending {
        let (answer, answered) = channel();
        let _ = self.asks.send(Ask::Drain(answer));
        answered.recv_timeout(Duration::from_secs(5)).unwrap_or_default()
    }
}

struct Reading {
    splitters: [Splitter; 2],
    batch: Batch,
    bundle: HashMap<String, String>,
    ending: Ending,
    ended: [bool; 2],
    lines: Vec<String>,
}

impl Reading {
    fn take(&mut self, index: usize, bytes: &[u8], begun: &mut impl FnMut()) {
        let mut pieces = Vec::new();
        self.splitters[index].push(bytes, &mut pieces);
        let stream = [Stream::Output, Stream::Error][index];
        for piece in pieces {
            match piece {
                Piece::Content(mime, text) => {
                    // Forms of one output have different types; the same type again is the next.
                    if self.bundle.contains_key(&mime) {
                        self.flush_bundle();
                    }
                    self.bundle.insert(mime, text);
                    continue;
                }
                _ => self.flush_bundle(),
            }
            match piece {
                Piece::Text(text) => self.batch.text(stream, &text),
                Piece::Block(kind, payload) => self.block(index, &kind, payload, begun),
                Piece::Line(line) => self.line(line),
                Piece::Content(..) => {}
            }
        }
    }

    fn block(&mut self, index: usize, kind: &str, payload: String, begun: &mut impl FnMut()) {
        match kind {
            BEGIN if index == 0 => {
                self.ending = Ending::default();
                self.batch.total = 0;
                begun();
            }
            BEGIN => {}
            END => self.ended[index] = true,
            "display" => {
                self.batch.flush();
                let value = serde_json::from_str(&payload).unwrap_or(Value::Null);
                (self.batch.show)(Shown::Display(value));
            }
            _ => self.ending.reports.push((kind.to_owned(), payload)),
        }
    }

    fn line(&mut self, line: String) {
        if let Some(reason) = line.strip_prefix(FAILED_TO_LOAD) {
            self.ending.not_loaded = Some(reason.to_owned());
            return;
        }
        self.ending.panicked |= line == PANIC;
        self.ending.left |= line == QUESTION_MARK;
        self.lines.push(format!("{line}\n"));
    }

    fn quiet(&mut self) {
        for (index, stream) in [Stream::Output, Stream::Error].into_iter().enumerate() {
            if self.splitters[index].is_only_a_prefix() {
                let mut pieces = Vec::new();
                self.splitters[index].give_up(&mut pieces);
                for piece in pieces {
                    if let Piece::Text(text) = piece {
                        self.batch.text(stream, &text);
                    }
                }
            }
        }
    }

    fn flush_bundle(&mut self) {
        if !self.bundle.is_empty() {
            self.batch.flush();
            (self.batch.show)(Shown::Content(std::mem::take(&mut self.bundle)));
        }
    }

    fn flush(&mut self) {
        for (index, stream) in [Stream::Output, Stream::Error].into_iter().enumerate() {
            let mut pieces = Vec::new();
            self.splitters[index].give_up(&mut pieces);
            for piece in pieces {
                if let Piece::Text(text) = piece {
                    self.batch.text(stream, &text);
                }
            }
        }
        self.flush_bundle();
        self.batch.flush();
    }

    fn finish(&mut self) -> Ending {
        self.ended = [false; 2];
        self.lines.clear();
        std::mem::take(&mut self.ending)
    }
}

struct Batch {
    text: Option<(Stream, String)>,
    sent: Instant,
    total: usize,
    show: Box<dyn FnMut(Shown) + Send>,
}

impl Batch {
    fn text(&mut self, stream: Stream, text: &str) {
        let before = self.total;
        self.total = before.saturating_add(text.len());
        if before > MOST_TEXT {
            return;
        }
        let notice =
            format!("\n[more than {} MB of text: the rest is left out]\n", MOST_TEXT >> 20);
        let text = if self.total > MOST_TEXT { &notice } else { text };
        match &mut self.text {
            Some((same, so_far)) if *same == stream => so_far.push_str(text),
            _ => {
                self.flush();
                self.text = Some((stream, text.to_owned()));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((stream, text)) = self.text.take() {
            self.sent = Instant::now();
            (self.show)(Shown::Text(stream, text));
        }
    }

    fn beat(&mut self) {
        if self.sent.elapsed() >= BEAT {
            self.flush();
        }
    }

    fn wait(&self) -> Duration {
        if self.text.is_some() { BEAT.saturating_sub(self.sent.elapsed()) } else { BEAT }
    }
}

fn poll(pipes: &[File; 2], wait: Duration) -> [bool; 2] {
    let mut ends = [0, 1].map(|index| libc::pollfd {
        fd: pipes[index].as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: the array has the length given and lives through the call.
    unsafe { libc::poll(ends.as_mut_ptr(), 2, wait.as_millis() as i32 + 1) };
    [0, 1].map(|index| ends[index].revents & libc::POLLIN != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // However the bytes are cut, the pieces are the same once texts are joined.
    fn split(bytes: &[u8], chunk: usize) -> Vec<Piece> {
        let mut splitter = Splitter { mark: "m1".to_owned(), pending: Vec::new() };
        let mut pieces = Vec::new();
        for part in bytes.chunks(chunk) {
            splitter.push(part, &mut pieces);
        }
        splitter.give_up(&mut pieces);
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }

    #[test]
    fn every_cut_gives_the_same_pieces() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let line = |line: &str| Piece::Line(line.to_owned());
        let block = |kind: &str, payload: &str| Piece::Block(kind.to_owned(), payload.to_owned());
        let content = |mime: &str, text: &str| Piece::Content(mime.to_owned(), text.to_owned());
        let cases: [(&str, Vec<Piece>); 8] = [
            ("héllo\n wörld", vec![text("héllo\n wörld")]),
            ("no newline\0end m1\0", vec![text("no newline"), block("end", "")]),
            ("\0display m1\n{\"a\":1}\0x", vec![block("display", "{\"a\":1}"), text("x")]),
            // A mark of somebody else, and NULs that are just bytes.
            ("a\0end m2\0b\0\0c", vec![text("a\0end m2\0b\0\0c")]),
            (
                "bar EVCXR_BEGIN_CONTENT text/html\n<p>\n</p>\nEVCXR_END_CONTENT\nEVCXR_ no",
                vec![text("bar "), content("text/html", "<p>\n</p>"), text("EVCXR_ no")],
            ),
            (
                "EVCXR_BEGIN_CONTENT x\n\0end m1\0",
                vec![text("EVCXR_BEGIN_CONTENT x\n"), block("end", "")],
            ),
            ("EVCXR_PANIC_NOTIFICATION\n", vec![line(PANIC)]),
            (
                "EEVCXR_VARIABLE_CHANGED_TYPE:x\nEV",
                vec![text("E"), line("EVCXR_VARIABLE_CHANGED_TYPE:x"), text("EV")],
            ),
        ];
        for (input, expected) in &cases {
            for chunk in 1..=input.len() {
                assert_eq!(&split(input.as_bytes(), chunk), expected, "{input:?} by {chunk}");
            }
        }
    }

    #[test]
    fn broken_characters_do_not_stop_the_stream() {
        assert_eq!(split(b"a\xff\xfeb", 1), vec![Piece::Text("a\u{fffd}\u{fffd}b".to_owned())]);
    }

    #[test]
    fn a_flood_becomes_few_messages_and_has_an_end() {
        let (sender, received) = channel();
        let show = move |shown| drop(sender.send(shown));
        let mut batch = Batch { text: None, sent: Instant::now(), total: 0, show: Box::new(show) };
        let line = "x".repeat(1 << 10);
        for _ in 0..20_000 {
            batch.text(Stream::Output, &line);
            batch.beat();
        }
        batch.flush();
        let texts: Vec<String> = received.try_iter().map(|shown| format!("{shown:?}")).collect();
        assert!(texts.len() < 2000, "{}", texts.len());
        assert!(texts.concat().len() < MOST_TEXT + 100_000);
        assert!(texts.concat().contains("the rest is left out"));
    }
}
