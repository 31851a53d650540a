//! Static pictures: a headless browser draws the plot as SVG, librsvg converts it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plotly::Plot;

use crate::error::{Error, Result};

const LIMIT: Duration = Duration::from_secs(30);
const BROWSER: &str = "chromium-headless-shell";
const BROWSER_CURE: &str = "install Debian's chromium-headless-shell, or set SOLVERGRAD_CHROMIUM \
    to the path of a Chromium or Chrome";
const CONVERTER_CURE: &str = "install Debian's librsvg2-bin";

/// Whether figures are wanted that nobody asked for by name: a browser's second each.
pub(super) fn wanted() -> bool {
    std::env::var_os("SOLVERGRAD_FIGURES").is_none_or(|value| value != "off")
}

/// Draws a figure in plotly's JSON form as an SVG document of `width` × `height` pixels.
pub(super) fn svg(figure: &str, width: usize, height: usize) -> Result<String> {
    let folder = Scratch::new()?;
    let page = folder.0.join("page.html");
    fs::write(&page, drawing_page(figure, width, height)).map_err(Error::io("write", &page))?;
    let program = std::env::var_os("SOLVERGRAD_CHROMIUM").unwrap_or_else(|| BROWSER.into());
    let mut profile = OsString::from("--user-data-dir=");
    profile.push(folder.0.join("profile"));
    let mut address = OsString::from("file://");
    address.push(&page);
    let mut browser = Command::new(&program);
    browser
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--virtual-time-budget=10000", "--dump-dom"])
        .args([profile, address]);
    let output = run(browser, &folder, BROWSER_CURE)?;
    let dom = String::from_utf8_lossy(&output);
    let failed = |problem: String| Error::Program {
        program: program.to_string_lossy().into_owned(),
        problem,
        cure: "check the traces and the layout of the plot",
    };
    if let Some(error) = element(&dom, "error") {
        return Err(failed(percent_decoded(error)));
    }
    let drawn = element(&dom, "drawn").and_then(|url| url.split_once(','));
    let drawn = drawn.map(|(_, svg)| percent_decoded(svg)).filter(|svg| svg.starts_with("<svg"));
    drawn.ok_or_else(|| failed("it drew nothing".to_owned()))
}

/// Converts an SVG document: `format` is `png` (with `zoom` pixels per pixel) or `pdf`.
pub(super) fn converted(svg: &str, format: &str, zoom: f64) -> Result<Vec<u8>> {
    let folder = Scratch::new()?;
    let source = folder.0.join("figure.svg");
    fs::write(&source, svg).map_err(Error::io("write", &source))?;
    let mut converter = Command::new("rsvg-convert");
    converter.args(["--format", format, "--zoom", &zoom.to_string()]).arg(&source);
    run(converter, &folder, CONVERTER_CURE)
}

/// plotly.js as a script element.
pub(super) fn plotly_script() -> String {
    let mut sources = Plot::offline_js_sources();
    // The first element is plotly.js; the second, MathJax, is only for formulas.
    if let Some(end) = sources.find("</script>") {
        sources.truncate(end + "</script>".len());
    }
    sources
}

/// JSON that cannot end the script element it is put in.
pub(super) fn inside_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

fn drawing_page(figure: &str, width: usize, height: usize) -> String {
    let plotly = plotly_script();
    let figure = inside_script(figure);
    // Replacing the body also drops the scripts from the dump.
    format!(
        r#"<!doctype html><html><head><meta charset="utf-8"></head><body><script>
const put = (id, text) => {{
  const element = document.createElement("pre");
  element.id = id;
  element.textContent = text;
  document.body.replaceChildren(element);
}};
const fail = (error) => put("error", encodeURIComponent(error));
window.onerror = fail;
</script>{plotly}<script>
Plotly.toImage({figure}, {{format: "svg", width: {width}, height: {height}}})
  .then((url) => put("drawn", url), fail);
</script></body></html>"#
    )
}

fn element<'a>(dom: &'a str, id: &str) -> Option<&'a str> {
    let (_, rest) = dom.split_once(&format!("<pre id=\"{id}\">"))?;
    rest.split_once("</pre>").map(|(text, _)| text)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

// Files instead of pipes: whatever a program writes, it never waits for us.
fn run(mut command: Command, folder: &Scratch, cure: &'static str) -> Result<Vec<u8>> {
    let (output, messages) = (folder.0.join("output"), folder.0.join("messages"));
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |problem: String| Error::Program { program: program.clone(), problem, cure };
    command
        .stdin(Stdio::null())
        .stdout(File::create(&output).map_err(Error::io("create", &output))?)
        .stderr(File::create(&messages).map_err(Error::io("create", &messages))?)
        // Libraries meant for this process, such as libtorch's, must not reach a browser.
        .env_remove("LD_LIBRARY_PATH")
        .process_group(0);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(5)),
            outcome => {
                kill_group(child.id());
                let _ = child.wait();
                let late = format!("no answer within {} s", LIMIT.as_secs());
                return Err(failed(outcome.map_or_else(|error| error.to_string(), |_| late)));
            }
        }
    };
    if !status.success() {
        let messages = fs::read(&messages).unwrap_or_default();
        let messages = String::from_utf8_lossy(&messages);
        let last = messages.lines().last().unwrap_or("without a message");
        return Err(failed(format!("{status}: {last}")));
    }
    fs::read(&output).map_err(Error::io("read", &output))
}

// The program may be a script around the browser, which has children itself.
fn kill_group(leader: u32) {
    if let Ok(group) = i32::try_from(leader) {
        // SAFETY: a plain system call; the group is ours until its leader is waited for.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}

// A folder of our own for the files of one run.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("solvergrad-{}-{count}", std::process::id());
        let path = absolute(&std::env::temp_dir()).join(name);
        fs::create_dir(&path).map_err(Error::io("create", &path))?;
        Ok(Self(path))
    }
}

// The browser needs a full path for its address.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on these files any more.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_percents() {
        assert_eq!(percent_decoded("%3Csvg%3E t%C3%A9st 100%"), "<svg> tést 100%");
        assert_eq!(percent_decoded("%zz%2"), "%zz%2");
    }

    #[test]
    fn json_stays_inside_its_script() {
        assert_eq!(inside_script(r#"{"name":"</script>"}"#), r#"{"name":"\u003c/script>"}"#);
        assert_eq!(plotly_script().matches("</script>").count(), 1);
    }

    #[test]
    fn a_missing_program_names_the_cure() -> Result<()> {
        let error = run(Command::new("solvergrad-no-such-program"), &Scratch::new()?, BROWSER_CURE);
        let message = error.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("solvergrad-no-such-program failed"), "{message}");
        assert!(message.contains("SOLVERGRAD_CHROMIUM"), "{message}");
        Ok(())
    }
}
