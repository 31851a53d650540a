//! One stream of bytes, taken apart into texts, blocks and lines of evcxr's.

use super::{CHANGED_TYPE, CONTENT, CONTENT_END, END, FAILED_TO_LOAD, PANIC, QUESTION_MARK};

#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Block(String, String),
    Content(String, String),
    Line(String),
}

// Splits one stream into pieces, whatever the chunks it arrives in.
pub(super) struct Splitter {
    pub(super) mark: String,
    pub(super) pending: Vec<u8>,
}

impl Splitter {
    pub(super) fn push(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) {
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
    pub(super) fn give_up(&mut self, pieces: &mut Vec<Piece>) {
        let bytes = std::mem::take(&mut self.pending);
        if !bytes.is_empty() {
            pieces.push(Piece::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
    }

    // Held back, and not even the start of something special is complete.
    pub(super) fn is_only_a_prefix(&self) -> bool {
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
}
