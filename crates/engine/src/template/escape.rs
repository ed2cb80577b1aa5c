//! How a value is written into the place it lands in.
use crate::json::escape_into;
use crate::value::Found;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    None,
    Percent,
    /// Of a form's value: like `Percent`, with a space as `+` as browsers send it.
    Form,
    /// Inside a JSON string.
    Json,
    /// A whole JSON value: text gets its quotes, JSON stays as it is.
    JsonValue,
    NoControls,
    /// The value of a cookie: no control characters, no `;`.
    Cookie,
    /// A whole path as it was given: only what may not stand in a request line is encoded.
    Illegal,
}

impl Escape {
    /// Write a value; the error is for one that may not stand there.
    pub fn write(self, found: &Found<'_>, out: &mut Vec<u8>) -> Result<(), ()> {
        let text = &*found.text;
        match self {
            Self::None => out.extend_from_slice(text.as_bytes()),
            Self::NoControls if text.bytes().any(is_control) => return Err(()),
            Self::Cookie if text.bytes().any(|b| is_control(b) || b == b';') => return Err(()),
            Self::NoControls | Self::Cookie => out.extend_from_slice(text.as_bytes()),
            Self::Percent => percent(text, out, is_unreserved),
            Self::Form => {
                let from = out.len();
                percent(text, out, |b| is_unreserved(b) || b == b' ');
                out[from..]
                    .iter_mut()
                    .filter(|b| **b == b' ')
                    .for_each(|b| *b = b'+');
            }
            Self::Illegal => percent(text, out, |b| b.is_ascii_graphic()),
            Self::Json => escape_into(text, out),
            Self::JsonValue if found.json => out.extend_from_slice(text.as_bytes()),
            Self::JsonValue => {
                out.push(b'"');
                escape_into(text, out);
                out.push(b'"');
            }
        }
        Ok(())
    }
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

pub fn percent(value: &str, out: &mut Vec<u8>, stays: impl Fn(u8) -> bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if stays(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
}
