//! Texts in which words are chosen and marked.

use super::{Html, escape};
use crate::{Error, Result};

/// A text of which a model chose some words and people marked some.
///
/// ```
/// use solvergrad::display::{HighlightedText, highlighted};
/// use solvergrad::prelude::*;
///
/// let text = HighlightedText {
///     title: "rated 0.8".into(),
///     words: ["smells", "of", "hops"].map(String::from).to_vec(),
///     chosen: vec![false, true, true],
///     marked: vec![false, false, true],
/// };
/// let shown: Html = highlighted(&[text])?;
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HighlightedText {
    /// A line above it.
    pub title: String,
    /// Its words.
    pub words: Vec<String>,
    /// Which words have a coloured ground: orange where they are marked, too, else grey.
    pub chosen: Vec<bool>,
    /// Which words are underlined.
    pub marked: Vec<bool>,
}

/// The texts below each other. As plain text, chosen words stand in `[ ]` and marked ones in `_ _`.
///
/// # Errors
/// [`Error::Shape`] unless a text has one `chosen` and one `marked` for each word.
pub fn highlighted(texts: &[HighlightedText]) -> Result<Html> {
    let (mut html, mut plain) = (String::new(), String::new());
    for HighlightedText { title, words, chosen, marked } in texts {
        if chosen.len() != words.len() || marked.len() != words.len() {
            return Err(Error::Shape {
                what: "what is chosen and marked in a text",
                got: format!("[{}] and [{}]", chosen.len(), marked.len()),
                expected: format!("[{}] both, as the words", words.len()),
            });
        }
        html +=
            &format!("<p style=\"max-width: 60em; line-height: 1.6\"><b>{}</b><br>", escape(title));
        plain += &format!("{title}\n");
        for (word, (chosen, marked)) in words.iter().zip(chosen.iter().zip(marked)) {
            let style = style(*chosen, *marked);
            let word = word.trim_end_matches('\n');
            html += &match style.as_str() {
                "" => format!("{} ", escape(word)),
                style => format!("<span style=\"{style}\">{}</span> ", escape(word)),
            };
            let word = if *marked { format!("_{word}_") } else { word.to_owned() };
            plain += &if *chosen { format!("[{word}] ") } else { format!("{word} ") };
        }
        html += "</p>";
        plain.truncate(plain.trim_end().len());
        plain += "\n\n";
    }
    Ok(Html::new(html, plain.trim_end()))
}

// The same in light and dark notebooks: dark letters on a ground of its own.
fn style(chosen: bool, marked: bool) -> String {
    let mut style = Vec::new();
    match (chosen, marked) {
        (true, true) => style.push("background: #e69f00; color: #000; border-radius: 3px"),
        (true, false) => style.push("background: #bbbbbb; color: #000; border-radius: 3px"),
        _ => {}
    }
    if marked {
        style.push("text-decoration: underline; text-underline-offset: 3px");
    }
    style.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::Rich;

    #[test]
    fn words_are_escaped_chosen_and_marked() -> Result<()> {
        let mut text = HighlightedText {
            title: "a < b".into(),
            words: ["<i>", "both", "chosen", "marked\n"].map(String::from).to_vec(),
            chosen: vec![false, true, true, false],
            marked: vec![false, true, false, true],
        };
        let forms = highlighted(std::slice::from_ref(&text))?.forms();
        let html = forms[0].1.as_str().unwrap_or_default();
        assert!(html.contains("<b>a &lt; b</b>") && html.contains("&lt;i&gt; "), "{html}");
        assert_eq!(html.matches("background: #e69f00").count(), 1);
        assert_eq!(html.matches("background: #bbbbbb").count(), 1);
        assert_eq!(html.matches("underline;").count(), 2);
        assert_eq!(forms[1].1, "a < b\n<i> [_both_] [chosen] _marked_");
        text.marked.pop();
        assert!(matches!(highlighted(&[text]), Err(Error::Shape { .. })));
        Ok(())
    }
}
