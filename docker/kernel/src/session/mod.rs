//! One notebook's session: evcxr's context on a thread of its own, and what a client is told.

use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use jupyter_protocol::messaging::{
    CompleteReply, CompleteRequest, ExecuteReply, ExecuteRequest, InspectReply, InspectRequest,
    JupyterMessage,
};
use tokio::sync::oneshot;

use crate::server::Public;

mod evaluation;
mod process;
mod show;
mod start;

use evaluation::Evaluation;
use process::{descendants, signal};
pub use start::{prepare, warm};

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
