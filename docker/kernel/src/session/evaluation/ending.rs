//! How a cell ended, from what it wrote: a success, or which failure.

use jupyter_protocol::messaging::StreamContent;
use serde_json::Value;

use super::Evaluation;
use crate::failure::Failure;
use crate::stream::Ending;

impl Evaluation {
    // A cell that came to its end: did it succeed?
    pub(super) fn judge(&self, ending: Ending, interrupted: bool) -> Result<(), Failure> {
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
    pub(super) fn died(
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
}
