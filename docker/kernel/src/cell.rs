//! A cell's code on its way to evcxr and back: its last expression, and the lines of its author.

use ra_ap_syntax::ast::{self, AstNode, HasModuleItem};
use ra_ap_syntax::{Edition, SourceFile};

/// Macro of the library that shows a value in the best form it has.
const SHOW: &str = "solvergrad::show!";

/// The code with its last expression, if it ends in one, given to [`SHOW`]; line numbers stay.
///
/// evcxr tries one way of showing a value after the other, each with a compilation; the macro
/// leaves the choice to the compiler, in one.
pub fn with_shown_result(code: &str) -> String {
    let Some(range) = last_expression(code) else {
        return code.to_owned();
    };
    let (before, rest) = code.split_at(range.start);
    let (expression, after) = rest.split_at(range.end - range.start);
    format!("{before}{SHOW}({expression});{after}")
}

/// The code with its last expression, if it ends in one, as a statement; no place moves.
pub fn as_statement(code: &str) -> String {
    let Some(range) = last_expression(code) else { return code.to_owned() };
    let (before, after) = code.split_at(range.end);
    format!("{before};{after}")
}

fn last_expression(code: &str) -> Option<std::ops::Range<usize>> {
    // Commands of the kernel come first, each on its line.
    let commands = code.lines().take_while(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with(':') || line.starts_with('!') || line.starts_with("//")
    });
    let skipped: usize = commands.map(|line| line.len() + 1).sum();
    let body = code.get(skipped..)?;
    let start = "fn f(){";
    let parsed = SourceFile::parse(&format!("{start}{body}\n}}"), Edition::Edition2024);
    if !parsed.errors().is_empty() {
        return None;
    }
    let file = parsed.tree();
    let mut items = file.items();
    let (Some(ast::Item::Fn(function)), None) = (items.next(), items.next()) else {
        return None;
    };
    let expression = function.body()?.stmt_list()?.tail_expr()?;
    if matches!(
        expression,
        ast::Expr::ReturnExpr(_) | ast::Expr::BreakExpr(_) | ast::Expr::ContinueExpr(_)
    ) {
        return None;
    }
    // What a block computes may borrow from its own variables; evcxr takes it as a statement too.
    let range = expression.syntax().text_range();
    let place = |end: ra_ap_syntax::TextSize| usize::from(end) - start.len() + skipped;
    Some(place(range.start())..place(range.end()))
}

/// Whether code can be run as it is, or a line is missing (what `is_complete` asks).
pub fn is_complete(code: &str) -> Completeness {
    let body = format!("fn f(){{{code}\n}}");
    if SourceFile::parse(&body, Edition::Edition2024).errors().is_empty() {
        return Completeness::Complete;
    }
    let mut depth = 0_i32;
    for token in SourceFile::parse(code, Edition::Edition2024)
        .syntax_node()
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
    {
        match token.text() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            text if text.starts_with('"') && (text.len() < 2 || !text.ends_with('"')) => {
                return Completeness::Incomplete(0);
            }
            text if text.starts_with("/*") && !text.ends_with("*/") => {
                return Completeness::Incomplete(0);
            }
            _ => {}
        }
    }
    let trimmed = code.trim_end();
    let open = trimmed.ends_with(['=', ',', '+', '*', '&', '|', '.']);
    match depth {
        1.. => Completeness::Incomplete(4 * depth as usize),
        0 if open => Completeness::Incomplete(4),
        _ => Completeness::Invalid,
    }
}

/// Answer of [`is_complete`].
#[derive(Debug, PartialEq)]
pub enum Completeness {
    /// It can be run.
    Complete,
    /// More is needed, indented by so many spaces.
    Incomplete(usize),
    /// No continuation would help.
    Invalid,
}

/// A line of a cell.
#[derive(Debug, PartialEq)]
pub struct Place {
    /// Prompt number of the cell.
    pub cell: usize,
    /// Line within it, from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
}

impl Place {
    /// As it is named in messages.
    pub fn title(&self) -> String {
        format!("cell {}, line {}", self.cell, self.line)
    }
}

/// All code of a session so far, and the file evcxr made of it last.
#[derive(Default)]
pub struct Written {
    cells: Vec<(usize, String)>,
    generated: String,
}

impl Written {
    /// Notes the code of a cell.
    pub fn note(&mut self, cell: usize, code: &str) {
        self.cells.push((cell, code.to_owned()));
    }

    /// Notes the file that was compiled.
    pub fn compiled(&mut self, source: String) {
        self.generated = source;
    }

    /// The line of a cell that stands in line `line` of evcxr's file, if `file` is that one.
    ///
    /// evcxr copies code line by line, functions of earlier cells included, and keeps no map; the
    /// line with the most equal neighbours is the one, the newest of equals.
    pub fn locate(&self, file: &str, line: usize) -> Option<Place> {
        if !(file.ends_with("src/lib.rs") || file.ends_with("cells/lib.rs"))
            || file.contains("/crate/")
        {
            return None;
        }
        let generated: Vec<&str> = self.generated.lines().map(plain).collect();
        let wanted = *generated.get(line.checked_sub(1)?)?;
        if wanted.is_empty() {
            return None;
        }
        let mut best: Option<(usize, Place)> = None;
        for (cell, code) in &self.cells {
            let lines: Vec<&str> = code.lines().map(plain).collect();
            for (index, _) in lines.iter().enumerate().filter(|(_, text)| **text == wanted) {
                let equal = |step: isize| {
                    let one = index.checked_add_signed(step).and_then(|at| lines.get(at));
                    let other =
                        (line - 1).checked_add_signed(step).and_then(|at| generated.get(at));
                    one.is_some() && one == other
                };
                let before = (1..=5_isize).take_while(|step| equal(-step)).count();
                let after = (1..=5_isize).take_while(|step| equal(*step)).count();
                if best.as_ref().is_none_or(|(most, _)| before + after >= *most) {
                    let text = code.lines().nth(index).unwrap_or_default().to_owned();
                    best = Some((before + after, Place { cell: *cell, line: index + 1, text }));
                }
            }
        }
        best.map(|(_, place)| place)
    }
}

// A line without what the kernel put around it.
fn plain(line: &str) -> &str {
    let line = line.trim();
    match line.strip_prefix(SHOW).and_then(|line| line.strip_prefix('(')) {
        Some(rest) => rest.strip_suffix(");").unwrap_or(rest),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_last_expression_is_shown() {
        let cases = [
            ("1 + 1", "solvergrad::show!(1 + 1);"),
            ("let x = 1;\nx // it", "let x = 1;\nsolvergrad::show!(x); // it"),
            ("let x = 1;", "let x = 1;"),
            ("fn f() {}", "fn f() {}"),
            (":vars\n// c\n\nf(\n  2,\n)?", ":vars\n// c\n\nsolvergrad::show!(f(\n  2,\n)?);"),
            (":vars", ":vars"),
            ("a + ", "a + "),
            ("use a::b;\nb", "use a::b;\nsolvergrad::show!(b);"),
            ("", ""),
        ];
        for (code, expected) in cases {
            assert_eq!(with_shown_result(code), expected);
        }
        assert_eq!(as_statement("let x = 1;\nx // it"), "let x = 1;\nx; // it");
    }

    #[test]
    fn completeness() {
        for (code, expected) in [
            ("1 + 1", Completeness::Complete),
            ("let x = 1;", Completeness::Complete),
            ("fn f() {", Completeness::Incomplete(4)),
            ("for x in [1] {\nif x {", Completeness::Incomplete(8)),
            ("let x =", Completeness::Incomplete(4)),
            ("println!(\"a", Completeness::Incomplete(0)),
            ("let = }", Completeness::Invalid),
        ] {
            assert_eq!(is_complete(code), expected, "{code}");
        }
    }

    #[test]
    fn lines_are_found_again() {
        let mut written = Written::default();
        written.note(1, "fn halve(x: u32) -> u32 {\n    assert!(x > 0);\n    x / 2\n}");
        written.note(2, "let y = 1;\nassert!(x > 0);\nhalve(0)");
        written.compiled(
            "#![allow(x)]\nfn halve(x: u32) -> u32 {\n    assert!(x > 0);\n    x / 2\n}\n\
             pub extern fn run() {\nlet y = 1;\nassert!(x > 0);\nsolvergrad::show!(halve(0));\n}\n"
                .to_owned(),
        );
        let place = |line: usize| written.locate("src/lib.rs", line).map(|p| (p.cell, p.line));
        assert_eq!(place(3), Some((1, 2)));
        assert_eq!(place(8), Some((2, 2)));
        assert_eq!(place(9), Some((2, 3)));
        assert_eq!(place(1), None);
        assert_eq!(written.locate("/rustc/x/library/core/src/lib.rs2", 3), None);
    }
}
