//! The Jupyter side: sockets, order of messages, and what needs no evaluation.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use jupyter_protocol::messaging::{
    CommClose, CommInfoReply, ExecuteReply, HistoryEntry, HistoryReply, HistoryRequest,
    InterruptReply, IsCompleteReply, JupyterMessage, JupyterMessageContent, KernelInfoReply,
    LanguageInfo, ReplyStatus, ShutdownReply, Status,
};
use jupyter_protocol::{CodeMirrorMode, ConnectionInfo};
use jupyter_zmq_client as zmq;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::cell::{Completeness, is_complete};
use crate::session::{self, Answer, Job, Session};

/// Sends to all clients.
pub type Public = UnboundedSender<JupyterMessage>;

/// Serves the connection until the client asks for the end.
pub fn run(connection: &ConnectionInfo) -> Result<()> {
    let folder = session::prepare()?;
    let place = folder.path().to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the message loop")?;
    let served = runtime.block_on(serve(connection, place));
    runtime.shutdown_background();
    drop(folder);
    served
}

async fn serve(connection: &ConnectionInfo, place: PathBuf) -> Result<()> {
    let own = uuid::Uuid::new_v4().to_string();
    let mut iopub = zmq::create_kernel_iopub_connection(connection, &own).await?;
    let shell = zmq::create_kernel_shell_connection(connection, &own).await?;
    let mut control = zmq::create_kernel_control_connection(connection, &own).await?;
    let _stdin = zmq::create_kernel_stdin_connection(connection, &own).await?;
    let mut heartbeat = zmq::create_kernel_heartbeat_connection(connection).await?;
    tokio::spawn(async move { while heartbeat.single_heartbeat().await.is_ok() {} });

    let (public, mut published) = unbounded_channel::<JupyterMessage>();
    let publisher = tokio::spawn(async move {
        while let Some(message) = published.recv().await {
            if let Err(error) = iopub.send(message).await {
                eprintln!("publishing: {error}");
            }
        }
    });
    let _ = public.send(Status::starting().into());
    let session = Arc::new(Session::start(place, public.clone())?);

    let (mut replies, mut requests) = shell.split();
    let (reply, mut replied) = unbounded_channel::<JupyterMessage>();
    tokio::spawn(async move {
        while let Some(message) = replied.recv().await {
            if let Err(error) = replies.send(message).await {
                eprintln!("replying: {error}");
            }
        }
    });
    let (queue, queued) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            match requests.read().await {
                Ok(message) => {
                    if queue.send(message).is_err() {
                        return;
                    }
                }
                Err(error) => eprintln!("reading: {error}"),
            }
        }
    });
    let shell = Shell { session: session.clone(), public: public.clone(), reply };
    tokio::spawn(shell.serve(queued));

    // The end of the control channel is the end of the kernel; so is a signal.
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut hung_up = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    // Interrupts come as messages; a terminal's Ctrl-C is for the server.
    let mut interrupted =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    loop {
        let message = tokio::select! {
            message = control.read() => message,
            _ = terminated.recv() => break,
            _ = hung_up.recv() => break,
            _ = interrupted.recv() => { session.interrupt(); continue }
        };
        let Ok(message) = message else { continue };
        let _ = public.send(Status::busy().as_child_of(&message));
        let mut end = false;
        let answer: Option<JupyterMessage> = match &message.content {
            JupyterMessageContent::KernelInfoRequest(_) => {
                Some(kernel_info().as_child_of(&message))
            }
            JupyterMessageContent::InterruptRequest(_) => {
                session.interrupt();
                Some(InterruptReply::new().as_child_of(&message))
            }
            JupyterMessageContent::ShutdownRequest(request) => {
                end = true;
                let reply = ShutdownReply { restart: request.restart, ..Default::default() };
                session.stop();
                Some(reply.as_child_of(&message))
            }
            _ => None,
        };
        if let Some(answer) = answer {
            let _ = control.send(answer).await;
        }
        let _ = public.send(Status::idle().as_child_of(&message));
        if end {
            break;
        }
    }
    session.stop();
    drop((session, public));
    // What was published last still has to leave.
    let _ = tokio::time::timeout(std::time::Duration::from_millis(200), publisher).await;
    Ok(())
}

// Handles the requests of clients one after the other, as they came.
struct Shell {
    session: Arc<Session>,
    public: Public,
    reply: UnboundedSender<JupyterMessage>,
}

impl Shell {
    async fn serve(self, mut queue: UnboundedReceiver<JupyterMessage>) {
        let mut waiting: VecDeque<JupyterMessage> = VecDeque::new();
        let mut history: Vec<(usize, String)> = Vec::new();
        loop {
            let message = match waiting.pop_front() {
                Some(message) => message,
                None => match queue.recv().await {
                    Some(message) => message,
                    None => return,
                },
            };
            let _ = self.public.send(Status::busy().as_child_of(&message));
            let answer = self.handle(&message, &mut history).await;
            let failed = matches!(
                &answer,
                Some(JupyterMessage { content: JupyterMessageContent::ExecuteReply(reply), .. })
                    if reply.status == ReplyStatus::Error
            );
            let stops = matches!(
                &message.content,
                JupyterMessageContent::ExecuteRequest(request) if request.stop_on_error
            );
            let mut aborted = Vec::new();
            if failed && stops {
                // "Run all" has sent every cell by now; those still on the way get a moment. What is
                // sent after the answer was sent in its knowledge, and is run.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                while let Ok(message) = queue.try_recv() {
                    waiting.push_back(message);
                }
                let (cells, others): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut waiting).into_iter().partition(|message| {
                        matches!(message.content, JupyterMessageContent::ExecuteRequest(_))
                    });
                (aborted, waiting) = (cells, others.into());
            }
            if let Some(answer) = answer {
                let _ = self.reply.send(answer);
            }
            let _ = self.public.send(Status::idle().as_child_of(&message));
            aborted.iter().for_each(|message: &JupyterMessage| self.abort(message));
        }
    }

    fn abort(&self, message: &JupyterMessage) {
        let _ = self.public.send(Status::busy().as_child_of(message));
        let reply = ExecuteReply { status: ReplyStatus::Aborted, ..Default::default() };
        let _ = self.reply.send(reply.as_child_of(message));
        let _ = self.public.send(Status::idle().as_child_of(message));
    }

    async fn handle(
        &self,
        message: &JupyterMessage,
        history: &mut Vec<(usize, String)>,
    ) -> Option<JupyterMessage> {
        let job = match &message.content {
            JupyterMessageContent::KernelInfoRequest(_) => {
                return Some(kernel_info().as_child_of(message));
            }
            JupyterMessageContent::IsCompleteRequest(request) => {
                let reply = match is_complete(&request.code) {
                    Completeness::Complete => IsCompleteReply::complete(),
                    Completeness::Incomplete(indent) => {
                        IsCompleteReply::incomplete(" ".repeat(indent))
                    }
                    Completeness::Invalid => IsCompleteReply::invalid(),
                };
                return Some(reply.as_child_of(message));
            }
            JupyterMessageContent::HistoryRequest(request) => {
                return Some(past(history, request).as_child_of(message));
            }
            JupyterMessageContent::CommInfoRequest(_) => {
                return Some(CommInfoReply::default().as_child_of(message));
            }
            JupyterMessageContent::CommOpen(open) => {
                // No widgets here: the protocol wants an unknown target closed.
                let close = CommClose { comm_id: open.comm_id.clone(), ..Default::default() };
                let _ = self.public.send(close.as_child_of(message));
                return None;
            }
            JupyterMessageContent::ExecuteRequest(request) => {
                Job::Execute(Box::new(message.clone()), request.clone())
            }
            JupyterMessageContent::CompleteRequest(request) => Job::Complete(request.clone()),
            JupyterMessageContent::InspectRequest(request) => Job::Inspect(request.clone()),
            JupyterMessageContent::ShutdownRequest(_) => return None,
            _ => return None,
        };
        match self.session.ask(job).await? {
            Answer::Executed(reply) => {
                if let JupyterMessageContent::ExecuteRequest(request) = &message.content
                    && request.store_history
                    && !request.silent
                {
                    history.push((reply.execution_count.0, request.code.clone()));
                }
                Some(reply.as_child_of(message))
            }
            Answer::Completed(reply) => Some(reply.as_child_of(message)),
            Answer::Inspected(reply) => Some(reply.as_child_of(message)),
        }
    }
}

fn past(history: &[(usize, String)], request: &HistoryRequest) -> HistoryReply {
    let last = |n: i32, entries: Vec<&(usize, String)>| -> Vec<(usize, String)> {
        let skipped = entries.len().saturating_sub(n.max(0) as usize);
        entries.into_iter().skip(skipped).cloned().collect()
    };
    let (found, output) = match request {
        HistoryRequest::Tail { n, output, .. } => (last(*n, history.iter().collect()), *output),
        HistoryRequest::Range { start, stop, output, .. } => {
            let inside = |count: usize| {
                let count = count as i32;
                count >= *start && (*stop <= 0 || count < *stop)
            };
            (history.iter().filter(|(count, _)| inside(*count)).cloned().collect(), *output)
        }
        HistoryRequest::Search { pattern, unique, n, output, .. } => {
            let mut found: Vec<&(usize, String)> = Vec::new();
            for entry in history.iter().filter(|(_, code)| globbed(pattern, code)) {
                if *unique {
                    found.retain(|(_, code)| *code != entry.1);
                }
                found.push(entry);
            }
            (last(if *n == 0 { i32::MAX } else { *n }, found), *output)
        }
    };
    let entries = found.into_iter().map(|(count, code)| match output {
        true => HistoryEntry::InputOutput(0, count, (code, String::new())),
        false => HistoryEntry::Input(0, count, code),
    });
    HistoryReply { history: entries.collect(), ..Default::default() }
}

// `*` and `?` of the protocol's search patterns.
fn globbed(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for character in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match character {
                '*' => reached[at] || at > 0 && next[at - 1],
                '?' => at > 0 && reached[at - 1],
                other => at > 0 && reached[at - 1] && text[at - 1] == other,
            };
        }
        reached = next;
    }
    reached[text.len()]
}

fn kernel_info() -> KernelInfoReply {
    KernelInfoReply {
        status: ReplyStatus::Ok,
        protocol_version: "5.3".to_owned(),
        implementation: "solvergrad-kernel".to_owned(),
        implementation_version: env!("CARGO_PKG_VERSION").to_owned(),
        language_info: LanguageInfo {
            name: "rust".to_owned(),
            version: "1.95".to_owned(),
            mimetype: Some("text/rust".to_owned()),
            file_extension: Some(".rs".to_owned()),
            pygments_lexer: Some("rust".to_owned()),
            codemirror_mode: Some(CodeMirrorMode::Simple("rust".to_owned())),
            nbconvert_exporter: None,
        },
        banner: format!("SolverGrad {}: Rust notebooks on evcxr", env!("CARGO_PKG_VERSION")),
        help_links: Vec::new(),
        debugger: false,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_by_range_tail_and_pattern() {
        let codes = ["let a = 1;", "a", "let b = 2;", "a"];
        let history: Vec<_> =
            codes.iter().enumerate().map(|(i, code)| (i + 1, code.to_string())).collect();
        let counts = |request: HistoryRequest| -> Vec<usize> {
            let reply = past(&history, &request);
            let count = |entry: HistoryEntry| match entry {
                HistoryEntry::Input(_, count, _) | HistoryEntry::InputOutput(_, count, _) => count,
            };
            reply.history.into_iter().map(count).collect()
        };
        let (output, raw, session) = (false, true, None);
        assert_eq!(counts(HistoryRequest::Tail { n: 2, output, raw }), [3, 4]);
        assert_eq!(
            counts(HistoryRequest::Range { session, start: 2, stop: 4, output, raw }),
            [2, 3]
        );
        let search = |pattern: &str, unique| HistoryRequest::Search {
            pattern: pattern.to_owned(),
            unique,
            output,
            raw,
            n: 10,
        };
        assert_eq!(counts(search("let*", false)), [1, 3]);
        assert_eq!(counts(search("?", true)), [4]);
    }
}
