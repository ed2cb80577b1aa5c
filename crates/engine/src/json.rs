//! Values read straight from the bytes of a JSON text, without making a tree of it.
//!
//! A path of names and indexes is followed through the text; what lies beside it is skipped, what comes after the
//! last value looked for is not looked at. So of a text that is *not* valid JSON a value may be read all the same:
//! what is skipped is held to closed strings and balanced brackets alone, the value itself is validated when it is
//! used. Where an object has a name twice, the first counts.
mod path;
mod scan;

use std::borrow::Cow;

pub use path::{Path, Segment};
pub use scan::{Elements, Paths, find, find_one};

/// The text that a value stands for: a string's own characters, anything else as it is written. None where the bytes
/// are no JSON value.
pub fn text_of(raw: &[u8]) -> Option<Cow<'_, str>> {
    if raw.first() != Some(&b'"') {
        return is_valid(raw)
            .then(|| std::str::from_utf8(raw).ok())
            .flatten()
            .map(Cow::Borrowed);
    }
    let inner = raw.get(1..raw.len() - 1)?;
    if inner.iter().all(|b| *b != b'\\' && *b >= 0x20) {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice(raw).ok().map(Cow::Owned)
}

/// The number that is written here.
pub fn number_of(raw: &[u8]) -> Option<f64> {
    let starts = raw
        .first()
        .is_some_and(|b| b.is_ascii_digit() || *b == b'-');
    if !starts || !is_valid(raw) {
        return None;
    }
    std::str::from_utf8(raw).ok()?.parse().ok()
}

/// Is this one whole JSON value?
pub fn is_valid(raw: &[u8]) -> bool {
    match raw {
        b"true" | b"false" | b"null" => true,
        _ if is_integer(raw) => true,
        _ => serde_json::from_slice::<serde::de::IgnoredAny>(raw).is_ok(),
    }
}

fn is_integer(raw: &[u8]) -> bool {
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    match digits {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 300 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Write `text` into a JSON string, without its quotes.
pub fn escape_into(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..=0x1f => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        if short == 0 {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&bytes[from..]);
}

#[cfg(test)]
mod tests;
