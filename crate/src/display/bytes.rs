//! Images as notebooks keep them.

use std::io::Write;

use flate2::{Compression, Crc, write::ZlibEncoder};

/// Base64 (RFC 4648, padded, on one line), as notebooks keep images.
pub(crate) fn base64(bytes: &[u8]) -> String {
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

/// A greyscale PNG file (8 bits, no interlace), `width` pixels wide.
pub(super) fn png(pixels: &[u8], width: usize) -> Vec<u8> {
    encode(pixels, width, 1)
}

/// A PNG file in colour: red, green and blue of each pixel.
pub(crate) fn colour_png(pixels: &[u8], width: usize) -> Vec<u8> {
    encode(pixels, width, 3)
}

fn encode(pixels: &[u8], width: usize, channels: usize) -> Vec<u8> {
    let line = (channels * width).max(1);
    let height = pixels.len() / line;
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], content: &[u8]| {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(content);
        file.extend_from_slice(&(content.len() as u32).to_be_bytes());
        file.extend_from_slice(kind);
        file.extend_from_slice(content);
        file.extend_from_slice(&crc.sum().to_be_bytes());
    };
    let mut header = Vec::new();
    header.extend_from_slice(&(width as u32).to_be_bytes());
    header.extend_from_slice(&(height as u32).to_be_bytes());
    header.extend_from_slice(&[8, if channels == 3 { 2 } else { 0 }, 0, 0, 0]);
    chunk(b"IHDR", &header);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    for row in pixels.chunks(line) {
        // Each row starts with its filter: none. Writing to memory does not fail.
        let _ = encoder.write_all(&[0]).and_then(|()| encoder.write_all(row));
    }
    chunk(b"IDAT", &encoder.finish().unwrap_or_default());
    chunk(b"IEND", &[]);
    file
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
    fn a_png_has_its_size_and_its_end() {
        let file = png(&[0, 128, 255, 1, 2, 3], 3);
        assert_eq!(&file[16..24], [0, 0, 0, 3, 0, 0, 0, 2]);
        // The checksum of the empty last chunk is a constant of the format.
        assert_eq!(&file[file.len() - 8..], [b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82]);
    }
}
