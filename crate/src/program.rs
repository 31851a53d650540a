//! Notebooks as programs: the code cells, in order, as the body of one `main`.
//!
//! Items, `let`s and `?` mean the same in both. An expression that ends a cell without a
//! semicolon is what the notebook displays; the program displays it on stdout.

use std::fmt::Debug;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::{Error, Result};

/// Writes the program of `notebook` to `out`, or to stdout.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`] when the notebook cannot be read or the program not written.
pub fn write(notebook: &Path, out: Option<&Path>) -> Result<()> {
    let program = source(notebook)?;
    match out {
        Some(path) => crate::record::write_atomically(path, |file| {
            file.write_all(program.as_bytes()).map_err(Error::io("write", path))
        }),
        None => {
            let stdout = std::io::stdout().lock().write_all(program.as_bytes());
            stdout.map_err(Error::io("write", "stdout"))
        }
    }
}

/// The source of the program.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`] when the notebook cannot be read.
pub fn source(notebook: &Path) -> Result<String> {
    let bytes = std::fs::read(notebook).map_err(Error::io("read", notebook))?;
    let damaged = |problem: String| Error::File {
        path: notebook.to_path_buf(),
        problem,
        cure: "give a Jupyter notebook (.ipynb, format 4)".into(),
    };
    let json: Value = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let cells = json["cells"].as_array().ok_or_else(|| damaged("no list of cells".into()))?;

    let mut program = String::from(
        "#![allow(unused, clippy::all)]\nuse solvergrad::prelude::*;\nuse solvergrad::program::{Borrowed, DebugDisplay};\n\nfn main() -> std::result::Result<(), Box<dyn std::error::Error>> {\n",
    );
    for (index, cell) in cells.iter().enumerate() {
        if cell["cell_type"] != "code" {
            continue;
        }
        let text = match &cell["source"] {
            Value::String(text) => text.clone(),
            Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
            _ => return Err(damaged(format!("cell {index} has no source"))),
        };
        if let Some(command) = text.lines().find(|line| line.starts_with(':')) {
            let problem = format!("cell {index} has `{command}`, a command of the kernel");
            let cure = "a program has only the crates of the image: take the line out".to_owned();
            return Err(Error::File { path: notebook.to_path_buf(), problem, cure });
        }
        program.push_str(&format!("// cell {index}\n{}\n", displayed(&text)));
    }
    program.push_str("Ok(())\n}\n");
    Ok(program)
}

/// A postfix `&`: what ends a cell may be many lines long, and only its end is known.
pub trait Borrowed {
    /// The value itself.
    fn borrowed(&self) -> &Self {
        self
    }
}

impl<T: ?Sized> Borrowed for T {}

/// Shows a value that has no display of its own as the kernel does, in its debug form.
///
/// Implemented for references: called on one, a display of the value itself goes first.
///
/// ```
/// use solvergrad::prelude::*;
/// use solvergrad::program::{Borrowed, DebugDisplay};
///
/// Tensor::from(1.0).borrowed().evcxr_display(); // prints Tensor[[], Double]
/// df!("x" => [1.0])?.borrowed().evcxr_display(); // the frame's own display: a table
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub trait DebugDisplay {
    /// Prints the value, unless it is `()`.
    fn evcxr_display(&self);
}

impl<T: Debug + ?Sized> DebugDisplay for &T {
    fn evcxr_display(&self) {
        let text = format!("{self:?}");
        if text != "()" {
            println!("{text}");
        }
    }
}

// A last expression gets the call that the notebook's kernel would make.
fn displayed(cell: &str) -> String {
    let code = cell.trim_end();
    let last_line = code.lines().rev().map(str::trim).find(|line| !line.starts_with("//"));
    // A comment behind a statement does not make it an expression.
    let statement = |line: &str| line.ends_with([';', '}', '{', ',']) || line.contains("; //");
    match last_line {
        Some(line) if !line.is_empty() && !statement(line) => {
            format!("{code}\n.borrowed().evcxr_display();")
        }
        _ => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::displayed;

    #[test]
    fn only_a_trailing_expression_is_displayed() {
        assert_eq!(displayed("let x = 1;"), "let x = 1;");
        assert_eq!(displayed("fn f() {\n}\n"), "fn f() {\n}");
        assert_eq!(
            displayed("let x = 1;\nframe(&x)?\n"),
            "let x = 1;\nframe(&x)?\n.borrowed().evcxr_display();"
        );
        assert_eq!(displayed("f();\n// the end"), "f();\n// the end");
        assert_eq!(displayed("let x = 1; // one"), "let x = 1; // one");
        assert_eq!(displayed(""), "");
    }
}
