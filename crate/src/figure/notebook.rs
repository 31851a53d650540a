//! Output of a notebook cell: evcxr reads blocks with a MIME type from standard output.

use std::io::Write;

/// Whether this process runs the cells of an evcxr notebook.
pub(super) fn is_running() -> bool {
    std::env::var_os("EVCXR_IS_RUNTIME").is_some()
}

/// Shows one result in several forms: pairs of a MIME type and its content. A notebook takes the
/// richest form it knows.
pub(super) fn show(blocks: &[(&str, String)]) {
    let mut output = std::io::stdout().lock();
    // One write: lines of other threads must not fall into a block. A closed output is no reason
    // to stop a computation.
    let _ = output.write_all(encode(blocks).as_bytes()).and_then(|()| output.flush());
}

fn encode(blocks: &[(&str, String)]) -> String {
    let block = |(mime, content): &(&str, String)| {
        format!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT\n")
    };
    blocks.iter().map(block).collect()
}

/// Base64 (RFC 4648, padded, on one line), as notebooks keep images.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = group >> (18 - 6 * digit) & 63;
            let padding = digit > chunk.len();
            text.push(if padding { '=' } else { char::from(DIGITS[index as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_standard() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn blocks_end_with_a_line_break() {
        let text = encode(&[("text/html", "<p>".into()), ("text/plain", "p".into())]);
        let html = "EVCXR_BEGIN_CONTENT text/html\n<p>\nEVCXR_END_CONTENT\n";
        assert_eq!(text, format!("{html}EVCXR_BEGIN_CONTENT text/plain\np\nEVCXR_END_CONTENT\n"));
    }
}
