//! Pieces of both streams, brought together: what is shown, and how the cell ended.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::splitter::{Piece, Splitter};
use super::{
    BEAT, BEGIN, END, Ending, FAILED_TO_LOAD, MOST_TEXT, PANIC, QUESTION_MARK, Shown, Stream,
};

pub(super) struct Reading {
    pub(super) splitters: [Splitter; 2],
    pub(super) batch: Batch,
    pub(super) bundle: HashMap<String, String>,
    pub(super) ending: Ending,
    pub(super) ended: [bool; 2],
    pub(super) lines: Vec<String>,
}

impl Reading {
    pub(super) fn take(&mut self, index: usize, bytes: &[u8], begun: &mut impl FnMut()) {
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

    pub(super) fn quiet(&mut self) {
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

    pub(super) fn flush(&mut self) {
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

    pub(super) fn finish(&mut self) -> Ending {
        self.ended = [false; 2];
        self.lines.clear();
        std::mem::take(&mut self.ending)
    }
}

pub(super) struct Batch {
    pub(super) text: Option<(Stream, String)>,
    pub(super) sent: Instant,
    pub(super) total: usize,
    pub(super) show: Box<dyn FnMut(Shown) + Send>,
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

    pub(super) fn beat(&mut self) {
        if self.sent.elapsed() >= BEAT {
            self.flush();
        }
    }

    pub(super) fn wait(&self) -> Duration {
        if self.text.is_some() { BEAT.saturating_sub(self.sent.elapsed()) } else { BEAT }
    }
}

pub(super) fn poll(pipes: &[File; 2], wait: Duration) -> [bool; 2] {
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
    use std::sync::mpsc::channel;

    use super::*;

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
