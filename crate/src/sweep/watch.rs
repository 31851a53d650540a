//! A sweep while it runs: a board in a notebook, a line in a terminal.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::registry::{Progress, Sweep};
use crate::display::{Html, display_live, escape, is_live};
use crate::{Result, interrupt};

/// Shows a board of the sweep of this name until it has ended, or the cell is interrupted: runs done,
/// running and failed, the time left, the best so far, the objective's curves, and what failed with its
/// last lines. The sweep itself runs elsewhere, started on a command line for instance; one that nobody
/// works on is shown once.
///
/// # Errors
/// As [`Sweep::open`].
pub fn watch(name: &str) -> Result<()> {
    let sweep = Sweep::open(name)?;
    let mut report = report(name);
    let mut idle = 0;
    loop {
        let progress = sweep.progress();
        report(&progress);
        idle = if progress.running.is_empty() { idle + 1 } else { 0 };
        // Between two runs there are moments without any, and before the first may be long ones.
        let over = progress.left() == 0 || (idle > 3 && !sweep.is_worked_on());
        if over || interrupt::requested() {
            return Ok(());
        }
        for _ in 0..10 {
            if interrupt::requested() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// What [`run_local`](super::run_local) and [`run_remote`](super::run_remote) report to: the board in a
/// notebook; elsewhere a line whenever a run ended.
pub fn report(name: &str) -> impl FnMut(&Progress) + use<> {
    let (name, start) = (name.to_owned(), Instant::now());
    let live = is_live().then(display_live);
    let (mut before, mut at_start) = (String::new(), None);
    move |progress| {
        let ended = progress.total - progress.left();
        let first = *at_start.get_or_insert(ended);
        let pace = start.elapsed().as_secs_f64() / (ended - first.min(ended)).max(1) as f64;
        let left = (ended > first && progress.left() > 0).then(|| pace * progress.left() as f64);
        let line = line(progress, left);
        match &live {
            Some(live) => {
                live.update(&Html::new(board(&name, progress, &line), format!("{name}: {line}")))
            }
            None if counts(progress) != before => println!("{name}: {line}"),
            None => {}
        }
        before = counts(progress);
    }
}

fn counts(progress: &Progress) -> String {
    let Progress { total, done, stopped, failures, running, .. } = progress;
    let mut text = format!("{done} of {total} runs done");
    if *stopped > 0 {
        let _ = write!(text, ", {stopped} given up");
    }
    if !failures.is_empty() {
        let _ = write!(text, ", {} failed", failures.len());
    }
    if !running.is_empty() {
        let _ = write!(text, ", {} running", running.len());
    }
    text
}

fn line(progress: &Progress, left: Option<f64>) -> String {
    let mut text = counts(progress);
    if let Some(left) = left {
        let left = left as u64;
        let _ = write!(text, ", {}:{:02}:{:02} left", left / 3600, left / 60 % 60, left % 60);
    }
    if let Some((run, epoch, value)) = &progress.best {
        let _ = write!(text, ", best {value:.6} (epoch {epoch}, run {run})");
    }
    text
}

fn board(name: &str, progress: &Progress, line: &str) -> String {
    let share = 1.0 - progress.left() as f64 / progress.total.max(1) as f64;
    let mut html = format!(
        "<div style=\"font-family: monospace; font-size: 12px\"><b>{}</b> \
         <progress value=\"{share:.4}\" max=\"1\" style=\"width: 180px; height: 10px\"></progress> {}{}",
        escape(name),
        escape(line),
        curves(progress),
    );
    for (runs, end) in progress.kinds_of_failure() {
        let _ = write!(
            html,
            "<details><summary style=\"color: #c62828\">{} failed: {}</summary>{}<pre>{}</pre></details>",
            some(&runs),
            escape(&end.cause()),
            runs.join(" "),
            escape(&end.last_lines),
        );
    }
    html + "</div>"
}

/// The first of some runs, and how many more.
fn some(runs: &[&str]) -> String {
    match runs {
        [] => String::new(),
        [run] => (*run).to_owned(),
        [run, more @ ..] => format!("{run} and {} more", more.len()),
    }
}

// Lines over epochs, those of running runs in colour.
fn curves(progress: &Progress) -> String {
    const SIZE: [f64; 2] = [420.0, 120.0];
    let points = || progress.curves.iter().flat_map(|(_, curve)| curve);
    let values = || points().map(|(_, value)| *value);
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    let last = points().map(|(epoch, _)| *epoch).max().unwrap_or(0);
    if last < 2 {
        return String::new();
    }
    let mut picture = format!(
        "<br><svg width=\"{}\" height=\"{}\" role=\"img\" aria-label=\"objective over epochs\">",
        SIZE[0], SIZE[1]
    );
    let is_running = |run: &String| progress.running.contains(run);
    let (mut running, mut ended): (Vec<_>, Vec<_>) =
        progress.curves.iter().partition(|(run, _)| is_running(run));
    for (colour, curves) in [("#9e9e9e", &mut ended), ("#1f77b4", &mut running)] {
        for (_, curve) in curves.iter() {
            let mut points = String::new();
            for (epoch, value) in curve {
                let x = f64::from(epoch - 1) / f64::from(last - 1) * (SIZE[0] - 4.0) + 2.0;
                let y = (most - value) / (most - least).max(1e-300) * (SIZE[1] - 4.0) + 2.0;
                let _ = write!(points, "{x:.1},{y:.1} ");
            }
            let _ = write!(
                picture,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-opacity=\"0.7\" points=\"{points}\"/>"
            );
        }
    }
    let _ = write!(picture, "</svg><br><small>epochs 1 to {last}, {least:.4} to {most:.4}</small>");
    picture
}

#[cfg(test)]
mod tests {
    use super::super::run::{RunEnd, RunStatus};
    use super::*;

    #[test]
    fn a_board_shows_what_matters_and_escapes_what_programs_say() {
        let end = RunEnd {
            status: RunStatus::Failed,
            seconds: 1.0,
            host: "a".into(),
            attempts: 1,
            reason: "exit status: 1".into(),
            last_lines: "<b>no</b>".into(),
        };
        let progress = Progress {
            total: 6,
            done: 2,
            stopped: 1,
            failures: vec![("abc".into(), end.clone()), ("abe".into(), end)],
            running: vec!["d".into()],
            seconds: Some(2.0),
            best: Some(("e".into(), 2, 0.25)),
            curves: vec![
                ("d".into(), vec![(1, 1.0), (2, 0.5)]),
                ("e".into(), vec![(1, 0.5), (2, 0.25)]),
            ],
        };
        assert_eq!(progress.left(), 1);
        let text = line(&progress, Some(3725.0));
        assert_eq!(
            text,
            "2 of 6 runs done, 1 given up, 2 failed, 1 running, 1:02:05 left, best 0.250000 (epoch 2, run e)"
        );
        let html = board("x", &progress, &text);
        assert!(
            html.contains("abc and 1 more failed: exit status: 1: &lt;b&gt;no")
                && html.contains("abc abe")
                && html.contains("<polyline")
        );
    }
}
