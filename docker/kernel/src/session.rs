//! One notebook's session: evcxr's context on a thread of its own, and what a client is told.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use evcxr::{CommandContext, Error, EvalContext, EvalContextOutputs};
use jupyter_protocol::messaging::{
    ClearOutput, CompleteReply, CompleteRequest, DisplayData, ErrorOutput, ExecuteInput,
    ExecuteReply, ExecuteRequest, ExecuteResult, InspectReply, InspectRequest, JupyterMessage,
    JupyterMessageContent, ReplyError, ReplyStatus, StreamContent, Transient, UpdateDisplayData,
};
use jupyter_protocol::{ExecutionCount, Media};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::cell::{Written, as_statement, with_shown_result};
use crate::failure::Failure;
use crate::folder::{self, Folder, PREFIX};
use crate::front::STANDARD;
use crate::server::Public;
use crate::stream::{Ending, Reader, Shown, Stream};

/// What only evcxr's context can do.
pub enum Job {
    /// Run a cell.
    Execute(Box<JupyterMessage>, ExecuteRequest),
    /// Complete a name.
    Complete(CompleteRequest),
    /// Document a name.
    Inspect(InspectRequest),
}

/// Its result.
pub enum Answer {
    /// Of [`Job::Execute`].
    Executed(ExecuteReply),
    /// Of [`Job::Complete`].
    Completed(CompleteReply),
    /// Of [`Job::Inspect`].
    Inspected(InspectReply),
}

const IDLE: u8 = 0;
const COMPILING: u8 = 1;
const RUNNING: u8 = 2;

// What the threads of a session share.
#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    interrupts: AtomicUsize,
    process: Mutex<Option<Arc<Mutex<Child>>>>,
    parent: Mutex<Option<JupyterMessage>>,
    count: AtomicUsize,
}

/// The session, seen from the message loop.
pub struct Session {
    jobs: Mutex<Sender<(Job, oneshot::Sender<Answer>)>>,
    shared: Arc<Shared>,
}

impl Session {
    /// Starts the session's thread; what it publishes goes to `public`. [`prepare`] comes first.
    pub fn start(place: PathBuf, public: Public) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (jobs, waiting) = channel();
        let own = shared.clone();
        std::thread::Builder::new().name("session".to_owned()).spawn(move || {
            let mut evaluation = Evaluation::new(place, own, public);
            evaluation.serve(&waiting);
        })?;
        Ok(Self { jobs: Mutex::new(jobs), shared })
    }

    /// Does `job` when all earlier ones are done; None when the session has ended.
    pub async fn ask(&self, job: Job) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        jobs.send((job, answer)).ok()?;
        answered.await.ok()
    }

    /// Asks the running cell to stop at its next step; asked again, ends it by force. A
    /// compilation is ended at once.
    pub fn interrupt(&self) {
        let phase = self.shared.phase.load(Ordering::SeqCst);
        if phase == IDLE {
            return;
        }
        let before = self.shared.interrupts.fetch_add(1, Ordering::SeqCst);
        let own = self.process();
        match (phase, before) {
            (RUNNING, 0) => {
                if let Some(own) = own {
                    signal(own, libc::SIGINT);
                }
            }
            (RUNNING, _) => {
                if let Some(own) = own {
                    signal(own, libc::SIGKILL);
                }
            }
            _ => descendants(own).into_iter().for_each(|process| signal(process, libc::SIGKILL)),
        }
    }

    /// Ends every process of the session.
    pub fn stop(&self) {
        descendants(None).into_iter().for_each(|process| signal(process, libc::SIGKILL));
    }

    fn process(&self) -> Option<i32> {
        let process = self.shared.process.lock().unwrap_or_else(PoisonError::into_inner);
        let process = process.as_ref()?.try_lock().ok()?;
        i32::try_from(process.id()).ok()
    }
}

fn signal(process: i32, number: i32) {
    // SAFETY: kill has no memory preconditions.
    unsafe { libc::kill(process, number) };
}

// All processes below this one, but `except` and what is below that.
fn descendants(except: Option<i32>) -> Vec<i32> {
    let mut parents: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let status = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name, in brackets, may hold anything; the parent is the second field after it.
        let parent = status.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse().ok()) {
            parents.entry(parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut queue = vec![std::process::id() as i32];
    while let Some(parent) = queue.pop() {
        for process in parents.get(&parent).into_iter().flatten() {
            if Some(*process) != except {
                found.push(*process);
                queue.push(*process);
            }
        }
    }
    found
}

/// Makes the kernel's folder and the environment that evcxr finds itself in. Called before any
/// thread is started.
pub fn prepare() -> Result<Folder> {
    let folder = Folder::new()?;
    environment(folder.path())?;
    Ok(folder)
}

fn environment(place: &Path) -> Result<()> {
    let old = |name: &str| std::env::var(name).unwrap_or_default();
    let toolchain = std::fs::read_to_string(format!("{PREFIX}/front/toolchain"))
        .context("the image's note of its toolchain")?;
    let triple = "x86_64-unknown-linux-gnu";
    let libraries = format!(
        "{PREFIX}/cells/target/{triple}/debug/deps:{}/lib/rustlib/{triple}/lib:{}",
        toolchain.trim(),
        old("LD_LIBRARY_PATH"),
    );
    let front = format!("{PREFIX}/front");
    let variables = [
        ("SOLVERGRAD_MARK", uuid::Uuid::new_v4().simple().to_string()),
        ("SOLVERGRAD_PATH", old("PATH")),
        ("SOLVERGRAD_CARGO_HOME", old("CARGO_HOME")),
        ("PATH", format!("{front}/bin:{}", old("PATH"))),
        ("CARGO_HOME", front),
        ("EVCXR_TMPDIR", place.display().to_string()),
        ("EVCXR_CONFIG_DIR", place.join("config").display().to_string()),
        ("LD_LIBRARY_PATH", libraries),
        ("RUST_SRC_PATH", STANDARD.to_owned()),
    ];
    for (name, value) in variables {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var(name, value) };
    }
    Ok(())
}

/// Runs through a kernel's start and first cells in the image's own folder, so that everything the
/// fronts are asked is noted there.
pub fn warm() -> Result<()> {
    let place = PathBuf::from(format!("{PREFIX}/cells"));
    environment(&place)?;
    let (public, mut published) = tokio::sync::mpsc::unbounded_channel();
    let shared = Arc::new(Shared::default());
    let mut evaluation = Evaluation::new(place.clone(), shared, public);
    evaluation.begin(|| false);
    for code in ["let x = Tensor::from(1.0);", "1 + 1", "x + y"] {
        let request = ExecuteRequest::new(code.to_owned());
        let message = JupyterMessage::new(request.clone(), None);
        let reply = evaluation.execute(&message, &request);
        if (reply.status == ReplyStatus::Ok) != (code != "x + y") {
            while let Ok(message) = published.try_recv() {
                eprintln!("{}", serde_json::to_string(&message.content).unwrap_or_default());
            }
            anyhow::bail!("`{code}` ended with {:?}: {:?}", reply.status, evaluation.broken);
        }
    }
    drop(evaluation);
    // The image's crates stay where they are; only the cell crate moves with each kernel.
    let notes = place.join("notes");
    for entry in std::fs::read_dir(&notes)?.flatten() {
        let text = std::fs::read_to_string(entry.path())?;
        let text = match entry.path().extension().is_some_and(|kind| kind == "plan") {
            true => text.replace("{kernel}/target", &format!("{PREFIX}/cells/target")),
            false => text,
        };
        folder::write(&Path::new(PREFIX).join("front/notes").join(entry.file_name()), &text)?;
    }
    std::fs::remove_dir_all(&notes)?;
    for rest in ["cells", "src", "config"] {
        let _ = std::fs::remove_dir_all(place.join(rest));
    }
    let _ = std::fs::remove_file(place.join("library"));
    Ok(())
}

// The session's own side, on its thread.
struct Evaluation {
    shared: Arc<Shared>,
    public: Public,
    context: Option<(CommandContext, EvalContextOutputs)>,
    reader: Option<Reader>,
    broken: Option<Failure>,
    written: Written,
    library: String,
    edits: usize,
}

impl Evaluation {
    fn new(place: PathBuf, shared: Arc<Shared>, public: Public) -> Self {
        let mut evaluation = Self {
            shared,
            public,
            context: None,
            reader: None,
            broken: None,
            written: Written::default(),
            library: folder::library_digest().unwrap_or_default(),
            edits: 0,
        };
        let ready = folder::note_digest(&evaluation.library);
        if let Err(error) = ready.and_then(|()| evaluation.connect(&place)) {
            evaluation.broken = Some(Failure::new("KernelError", format!("{error:#}")));
        }
        evaluation
    }

    fn connect(&mut self, place: &Path) -> Result<()> {
        std::fs::create_dir_all(place.join("src"))?;
        let mark = std::env::var("SOLVERGRAD_MARK")?;
        let (output, output_end) = pipe()?;
        let (errors, errors_end) = pipe()?;
        let (answers_end, answers) = pipe()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("child");
        // The other ends are inherited by the cells' process, now and when it is started again.
        for end in [output_end, errors_end, answers_end] {
            inheritable(&end)?;
            command.arg(end.as_raw_fd().to_string());
            std::mem::forget(end);
        }
        command.arg(&mark);
        folder::unfronted(&mut command);
        let shared = self.shared.clone();
        let begun = move || shared.phase.store(RUNNING, Ordering::SeqCst);
        let (shared, public) = (self.shared.clone(), self.public.clone());
        let show = move |shown| shared.show(&public, shown);
        self.reader = Some(Reader::start(mark, (output, errors), answers, begun, show)?);
        let (context, outputs) = EvalContext::with_subprocess_command(command)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let context = CommandContext::with_eval_context(context);
        let process = context.process_handle();
        *self.shared.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        self.context = Some((context, outputs));
        Ok(())
    }

    // What every notebook starts with. What only makes the first cells faster is left out when a
    // cell is already waiting.
    fn begin(&mut self, waiting: impl Fn() -> bool) {
        let Some((context, _)) = &mut self.context else {
            return;
        };
        let mut start = ":offline 1\n".to_owned();
        match folder::dependencies() {
            Ok(lines) => lines.iter().for_each(|line| start.push_str(&format!(":dep {line}\n"))),
            Err(error) => self.broken = Some(Failure::new("KernelError", format!("{error:#}"))),
        }
        start.push_str("use solvergrad::prelude::*;");
        if let Err(error) = context.execute(&start) {
            let failure = match &error {
                Error::CompilationErrors(errors) => Failure::compilation(errors, "", 0),
                error => Failure::new("KernelError", error.to_string()),
            };
            let cure = "The library in crate/ does not compile: mend it and restart the kernel.";
            self.broken = Some(failure.and([cure.to_owned()]));
            return;
        }
        // The first `?` costs a second compilation, the first inferred type the reading of crates.
        if !waiting() {
            let _ = context.execute("Ok::<(), std::fmt::Error>(())?;");
        }
        if !waiting() {
            let code = "let t = Tensor::from(1.0);";
            let _ = context.hover_at(code, code.len() - 1);
        }
    }

    fn serve(&mut self, jobs: &Receiver<(Job, oneshot::Sender<Answer>)>) {
        let mut early = Vec::new();
        let waiting = std::cell::RefCell::new(&mut early);
        self.begin(|| {
            let mut waiting = waiting.borrow_mut();
            waiting.extend(jobs.try_iter());
            waiting.iter().any(|(job, _)| matches!(job, Job::Execute(..)))
        });
        for (job, answer) in early.into_iter().chain(jobs.iter()) {
            let _ = answer.send(match job {
                Job::Execute(message, request) => {
                    Answer::Executed(self.execute(&message, &request))
                }
                Job::Complete(request) => Answer::Completed(self.complete(&request)),
                Job::Inspect(request) => Answer::Inspected(self.inspect(&request)),
            });
        }
    }

    fn execute(&mut self, message: &JupyterMessage, request: &ExecuteRequest) -> ExecuteReply {
        if request.store_history && !request.silent {
            self.shared.count.fetch_add(1, Ordering::SeqCst);
        }
        let count = self.shared.count.load(Ordering::SeqCst);
        let execution_count = ExecutionCount::new(count);
        let parent = (!request.silent).then(|| message.clone());
        *self.shared.parent.lock().unwrap_or_else(PoisonError::into_inner) = parent;
        self.publish(ExecuteInput { code: request.code.clone(), execution_count });
        self.shared.interrupts.store(0, Ordering::SeqCst);
        self.shared.phase.store(COMPILING, Ordering::SeqCst);
        // evcxr and rust-analyzer have panicked on strange code; that must not end the session.
        let run = catch_unwind(AssertUnwindSafe(|| self.run(&request.code, count)));
        self.shared.phase.store(IDLE, Ordering::SeqCst);
        let failure = run.unwrap_or_else(|_| {
            let value = "evcxr itself panicked on this cell; the session goes on without it";
            Err(Failure::new("KernelError", value))
        });
        let mut reply = ExecuteReply {
            execution_count,
            user_expressions: Some(HashMap::new()),
            ..Default::default()
        };
        if let Err(Failure { name: ename, value: evalue, traceback }) = failure {
            let (name, value, lines) = (ename.clone(), evalue.clone(), traceback.clone());
            self.publish(ErrorOutput { ename: name, evalue: value, traceback: lines });
            reply.status = ReplyStatus::Error;
            reply.error = Some(Box::new(ReplyError { ename, evalue, traceback }));
        }
        reply
    }

    fn run(&mut self, code: &str, count: usize) -> Result<(), Failure> {
        if let Some(failure) = &self.broken {
            return Err(failure.clone());
        }
        self.follow_library()?;
        let Some((context, _)) = &mut self.context else {
            return Err(Failure::new("KernelError", "there is no session"));
        };
        let variables: Vec<String> =
            context.variables_and_types().map(|(name, _)| name.to_owned()).collect();
        let shown = with_shown_result(code);
        let result = context.execute(&shown);
        // What is wrong with the cell itself, at the places as they were written; nothing has run.
        let checked = match &result {
            Err(Error::CompilationErrors(_)) if shown != code => {
                context.check(&as_statement(code)).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        self.written.note(count, code);
        self.written.compiled(context.last_source().unwrap_or_default());
        let interrupted = self.shared.interrupts.load(Ordering::SeqCst) > 0;
        match result {
            Ok(outputs) => {
                let reader = self.reader.as_ref();
                let ending = reader.and_then(Reader::ending).unwrap_or_default();
                self.show_result(outputs.content_by_mime_type, count);
                self.judge(ending, interrupted)
            }
            Err(Error::SubprocessTerminated(status)) => {
                let ending = self.reader.as_ref().map(Reader::drain).unwrap_or_default();
                Err(self.died(&status, &ending, &variables, interrupted))
            }
            Err(_) if interrupted => {
                Err(Failure::new("Interrupted", "the compilation was stopped; nothing has run"))
            }
            Err(Error::CompilationErrors(errors)) if shown == code => {
                Err(Failure::compilation(&errors, code, count))
            }
            Err(Error::CompilationErrors(_)) if checked.iter().any(|e| e.level() == "error") => {
                Err(Failure::compilation(&checked, code, count))
            }
            Err(Error::CompilationErrors(errors)) => {
                let value = "the last expression has no form to show: end it with `;`, or let its \
                             type derive Debug";
                let errors = Failure::compilation(&errors, &shown, count).traceback;
                Err(Failure::new("CompileError", value).and(errors))
            }
            Err(error) => Err(Failure::new("Error", error.to_string())),
        }
    }

    // A cell that came to its end: did it succeed?
    fn judge(&self, ending: Ending, interrupted: bool) -> Result<(), Failure> {
        let last = |kind: &str| {
            let found = ending.reports.iter().rev().find(|(other, _)| other == kind);
            found.map(|(_, report)| report.as_str()).unwrap_or_default()
        };
        if let Some(reason) = &ending.not_loaded {
            let cure = "Run the cell again; if that fails, restart the kernel.".to_owned();
            return Err(Failure::new("LoadError", reason.as_str()).and([cure]));
        }
        if ending.panicked {
            return Err(Failure::panic(last("panic"), &self.written));
        }
        if ending.left {
            return Err(Failure::question_mark(last("failed"), &self.written));
        }
        // Panics of other threads, or caught by the cell itself.
        for (_, report) in ending.reports.iter().filter(|(kind, _)| kind == "panic") {
            let report: Value = serde_json::from_str(report).unwrap_or_default();
            let text = |key: &str| report[key].as_str().unwrap_or_default().to_owned();
            let text = format!("{} panicked: {}\n", text("thread"), text("message"));
            self.publish(StreamContent::stderr(&text));
        }
        if interrupted {
            let value = "stopped where the code allowed it; all variables are kept";
            return Err(Failure::new("Interrupted", value));
        }
        Ok(())
    }

    // The cells' process has ended: why, and what went with it.
    fn died(
        &self,
        status: &str,
        ending: &Ending,
        variables: &[String],
        interrupted: bool,
    ) -> Failure {
        let status = status.rsplit("terminated with status: ").next().unwrap_or(status).trim();
        let mut failure = if interrupted && status.starts_with("signal: 9") {
            Failure::new("Interrupted", "the cell did not look at the interrupt and was ended")
        } else if status.starts_with("signal: 9") {
            Failure::new("Killed", "the system ended the cell, most likely for want of memory")
        } else if status.starts_with("signal") {
            Failure::new("Crashed", format!("the cell ended the process: {status}"))
        } else {
            Failure::new("Exited", format!("the cell ended the process: {status}"))
        };
        if let Some((_, report)) = ending.reports.iter().rev().find(|(kind, _)| kind == "panic") {
            failure.traceback.extend(Failure::panic(report, &self.written).traceback);
        }
        let lost = match variables {
            [] => "No variables were lost; functions and imports are kept.".to_owned(),
            names => format!("Lost: {}. Functions and imports are kept.", names.join(", ")),
        };
        failure.and([lost])
    }

    // An edit of the library shows in the next cell, to the compiler and to rust-analyzer, which
    // reads the crates again when the manifest changes.
    fn follow_library(&mut self) -> Result<(), Failure> {
        let digest = match folder::library_digest() {
            Ok(digest) => digest,
            Err(error) => return Err(Failure::new("LibraryError", format!("{error:#}"))),
        };
        if folder::noted_digest().as_ref() != Some(&digest)
            && let Err(error) = folder::note_digest(&digest)
        {
            return Err(Failure::new("KernelError", format!("{error:#}")));
        }
        if digest == self.library {
            return Ok(());
        }
        let Some((context, _)) = &mut self.context else {
            return Ok(());
        };
        self.edits += 1;
        let path = folder::library();
        let command =
            format!(":dep solvergrad = {{ path = \"{}\" }} # edit {}", path.display(), self.edits);
        match context.execute(&command) {
            Ok(_) => {
                self.library = digest;
                Ok(())
            }
            Err(Error::CompilationErrors(errors)) => {
                let mut failure =
                    Failure::new("LibraryError", "the edited library does not compile");
                for error in &errors {
                    failure.traceback.extend(error.rendered().lines().map(str::to_owned));
                }
                Err(failure)
            }
            Err(error) => Err(Failure::new("LibraryError", error.to_string())),
        }
    }

    fn complete(&mut self, request: &CompleteRequest) -> CompleteReply {
        let Some((context, _)) = &mut self.context else {
            return CompleteReply::default();
        };
        let place = byte_offset(&request.code, request.cursor_pos);
        let found = catch_unwind(AssertUnwindSafe(|| context.completions(&request.code, place)));
        let Ok(Ok(found)) = found else {
            return CompleteReply::default();
        };
        let count = |offset: usize| request.code.get(..offset).unwrap_or("").chars().count();
        let (cursor_start, cursor_end) = (count(found.start_offset), count(found.end_offset));
        let types = found.completions.iter().map(|item| {
            json!({"text": item.code, "type": item.kind, "signature": item.label,
                   "start": cursor_start, "end": cursor_end})
        });
        let mut metadata = Map::new();
        metadata.insert("_jupyter_types_experimental".to_owned(), types.collect());
        CompleteReply {
            matches: found.completions.iter().map(|item| item.code.clone()).collect(),
            cursor_start,
            cursor_end,
            metadata,
            ..Default::default()
        }
    }

    fn inspect(&mut self, request: &InspectRequest) -> InspectReply {
        let Some((context, _)) = &mut self.context else {
            return InspectReply::default();
        };
        let mut place = byte_offset(&request.code, request.cursor_pos);
        // The whole name under the cursor, and the bracket by which rust-analyzer knows a call.
        let rest = &request.code[place..];
        let inside = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        place += inside;
        if request.code[place..].starts_with('(') {
            place += 1;
        }
        let found = catch_unwind(AssertUnwindSafe(|| context.hover_at(&request.code, place)));
        match found {
            Ok(Ok((plain, html))) if plain != "No documentation found" => InspectReply {
                found: true,
                data: media(json!({"text/plain": plain, "text/html": html})),
                ..Default::default()
            },
            _ => InspectReply::default(),
        }
    }

    // What evcxr's own commands answer.
    fn show_result(&self, content: HashMap<String, String>, count: usize) {
        if !content.is_empty() {
            let execution_count = ExecutionCount::new(count);
            let data = media(content.into_iter().collect());
            let (metadata, transient) = (Map::new(), NONE);
            self.publish(ExecuteResult { execution_count, data, metadata, transient });
        }
    }

    fn publish(&self, content: impl Into<JupyterMessageContent>) {
        self.shared.publish(&self.public, content);
    }
}

impl Shared {
    // As part of what the current cell shows; a silent one shows nothing.
    fn publish(&self, public: &Public, content: impl Into<JupyterMessageContent>) {
        let parent = self.parent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parent) = &*parent {
            let _ = public.send(JupyterMessage::new(content, Some(parent)));
        }
    }

    fn show(&self, public: &Public, shown: Shown) {
        match shown {
            Shown::Text(Stream::Output, text) => self.publish(public, StreamContent::stdout(&text)),
            Shown::Text(Stream::Error, text) => self.publish(public, StreamContent::stderr(&text)),
            Shown::Content(content) => {
                let data = content.into_iter().map(|(mime, text)| {
                    let value = match mime.ends_with("json") {
                        true => serde_json::from_str(&text).unwrap_or(Value::String(text)),
                        false => Value::String(text),
                    };
                    (mime, value)
                });
                self.publish(public, DisplayData::new(media(data.collect())));
            }
            Shown::Display(value) => self.display(public, &value),
        }
    }

    // The library's blocks (`crate/src/display.rs`).
    fn display(&self, public: &Public, value: &Value) {
        let data = media(value["data"].clone());
        let id = value["id"].as_str().map(str::to_owned);
        let metadata = value["metadata"].as_object().cloned().unwrap_or_default();
        let transient = Transient { display_id: id };
        match value["op"].as_str().unwrap_or_default() {
            "display" => {
                let transient = Some(transient);
                self.publish(public, DisplayData { data, metadata, transient });
            }
            "update" => self.publish(public, UpdateDisplayData { data, metadata, transient }),
            "clear" => {
                let wait = value["wait"].as_bool().unwrap_or(false);
                self.publish(public, ClearOutput { wait });
            }
            "result" => {
                let execution_count = ExecutionCount::new(self.count.load(Ordering::SeqCst));
                let result = ExecuteResult { execution_count, data, metadata, transient: NONE };
                self.publish(public, result);
            }
            _ => {}
        }
    }
}

// The protocol wants an object here, not null.
const NONE: Option<Transient> = Some(Transient { display_id: None });

fn media(value: Value) -> Media {
    serde_json::from_value(value).unwrap_or_default()
}

fn byte_offset(code: &str, characters: usize) -> usize {
    code.char_indices().nth(characters).map_or(code.len(), |(offset, _)| offset)
}

fn pipe() -> Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: pipe2 writes two ints; on success they belong to nobody else.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) < 0 {
            return Err(std::io::Error::last_os_error()).context("making a pipe");
        }
        Ok((File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])))
    }
}

fn inheritable(file: &File) -> Result<()> {
    // SAFETY: fcntl on a descriptor that is open.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).context("passing on a pipe"),
    }
}
