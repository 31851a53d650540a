//! A session's own thread: it starts the cells' process and evcxr's context, then does the jobs.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};

use anyhow::Result;
use evcxr::{CommandContext, Error, EvalContext, EvalContextOutputs};
use jupyter_protocol::messaging::JupyterMessageContent;
use tokio::sync::oneshot;

use super::process::{inheritable, pipe};
use super::{Answer, Job, RUNNING, Shared};
use crate::cell::Written;
use crate::failure::Failure;
use crate::folder;
use crate::server::Public;
use crate::stream::Reader;

mod ending;
mod lookup;
mod run;

// The session's own side, on its thread.
pub(super) struct Evaluation {
    shared: Arc<Shared>,
    public: Public,
    context: Option<(CommandContext, EvalContextOutputs)>,
    reader: Option<Reader>,
    pub(super) broken: Option<Failure>,
    written: Written,
    library: String,
    edits: usize,
}

impl Evaluation {
    pub(super) fn new(place: PathBuf, shared: Arc<Shared>, public: Public) -> Self {
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
    pub(super) fn begin(&mut self, waiting: impl Fn() -> bool) {
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

    pub(super) fn serve(&mut self, jobs: &Receiver<(Job, oneshot::Sender<Answer>)>) {
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

    fn publish(&self, content: impl Into<JupyterMessageContent>) {
        self.shared.publish(&self.public, content);
    }
}
