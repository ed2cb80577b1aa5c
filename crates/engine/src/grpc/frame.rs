//! Messages within a body: a byte that says whether it is packed, four of its length, and the message.
use std::borrow::Cow;

use crate::http1::{Coding, decode};

pub const HEAD_BYTES: usize = 5;

/// A message as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    packed: bool,
    message: &'a [u8],
}

/// Append a message that `write` writes.
///
/// # Errors
/// What `write` says.
pub fn put(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    let at = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    write(out)?;
    let length = u32::try_from(out.len() - at - HEAD_BYTES)
        .map_err(|_| "a message above 4 GiB".to_string())?;
    out[at + 1..at + HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// The length of the first frame in `bytes`, its head included, once that can be told.
pub fn length_of(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(1..HEAD_BYTES)?;
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    Some(HEAD_BYTES + length as usize)
}

/// The first frame in `bytes`, and what is behind it; None where it has not come as a whole.
pub fn split(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (frame, rest) = bytes.split_at_checked(length_of(bytes)?)?;
    let frame = Frame {
        packed: frame[0] & 1 != 0,
        message: &frame[HEAD_BYTES..],
    };
    Some((frame, rest))
}

impl<'a> Frame<'a> {
    /// The message, unpacked. We ask for messages that are not packed, and gzip is what servers pack with all the same.
    ///
    /// # Errors
    /// It is packed, and not with gzip, or to more than `bytes_max`.
    pub fn plain(self, bytes_max: usize) -> Result<Cow<'a, [u8]>, &'static str> {
        if !self.packed {
            return Ok(Cow::Borrowed(self.message));
        }
        let unpacked = decode(Coding::Gzip, self.message, bytes_max);
        unpacked
            .map(Cow::Owned)
            .map_err(|_| "a message that is compressed, and not with gzip or too large")
    }
}
