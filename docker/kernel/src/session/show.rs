//! What a session publishes, as messages of the protocol.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use jupyter_protocol::messaging::{
    ClearOutput, DisplayData, ExecuteResult, JupyterMessage, JupyterMessageContent, StreamContent,
    Transient, UpdateDisplayData,
};
use jupyter_protocol::{ExecutionCount, Media};
use serde_json::Value;

use super::Shared;
use crate::server::Public;
use crate::stream::{Shown, Stream};

impl Shared {
    // As part of what the current cell shows; a silent one shows nothing.
    pub(super) fn publish(&self, public: &Public, content: impl Into<JupyterMessageContent>) {
        let parent = self.parent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parent) = &*parent {
            let _ = public.send(JupyterMessage::new(content, Some(parent)));
        }
    }

    pub(super) fn show(&self, public: &Public, shown: Shown) {
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
pub(super) const NONE: Option<Transient> = Some(Transient { display_id: None });

pub(super) fn media(value: Value) -> Media {
    serde_json::from_value(value).unwrap_or_default()
}
