//! One cell: run by evcxr's context, with the library as it is now, and answered.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use evcxr::Error;
use jupyter_protocol::ExecutionCount;
use jupyter_protocol::messaging::{
    ErrorOutput, ExecuteInput, ExecuteReply, ExecuteRequest, ExecuteResult, JupyterMessage,
    ReplyError, ReplyStatus,
};
use serde_json::Map;

use super::Evaluation;
use crate::cell::{as_statement, with_shown_result};
use crate::failure::Failure;
use crate::folder;
use crate::session::show::{NONE, media};
use crate::session::{COMPILING, IDLE};
use crate::stream::Reader;

impl Evaluation {
    pub(in crate::session) fn execute(
        &mut self,
        message: &JupyterMessage,
        request: &ExecuteRequest,
    ) -> ExecuteReply {
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

    // What evcxr's own commands answer.
    fn show_result(&self, content: HashMap<String, String>, count: usize) {
        if !content.is_empty() {
            let execution_count = ExecutionCount::new(count);
            let data = media(content.into_iter().collect());
            let (metadata, transient) = (Map::new(), NONE);
            self.publish(ExecuteResult { execution_count, data, metadata, transient });
        }
    }
}
