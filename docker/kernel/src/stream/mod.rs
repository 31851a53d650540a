//! What a cell writes: text, rich outputs and marks, told apart while it runs.
//!
//! On the two pipes from the cells' process travel text; blocks `NUL kind mark LF payload NUL`,
//! where the mark is known to one kernel only; and the lines that evcxr's generated code prints
//! (`EVCXR_…`), rich outputs of other crates among them. Text is passed on as it comes, joined to
//! at most one message in [`BEAT`].

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

mod reading;
mod splitter;

use reading::{Batch, Reading, poll};
use splitter::Splitter;

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
