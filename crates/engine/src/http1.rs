//! HTTP/1.1 answers: heads, the framings of a body, content codings. Pure: bytes in, no sockets.
mod body;
mod coding;
mod exchange;
mod head;
mod kept;

pub use body::Body;
pub use coding::{Coding, DecodeError, decode};
pub use exchange::{Exchange, State, Wants, Wrong};
pub use head::{HEADERS_MAX, Head, parse_head};
pub use kept::{Clocks, Kept, reuse};

/// A complete answer, to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub status: u16,
    /// The head's bytes; empty where nothing asked for headers.
    pub head: &'a [u8],
    /// The decoded body; empty where nothing asked for it.
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// The value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers(name).next()
    }

    /// The values of every header of this name. The head was found to be one before: each of its lines is a header.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.head
            .split(|b| *b == b'\n')
            .skip(1)
            .filter_map(move |line| {
                let (own, rest) = line.split_at_checked(name.len())?;
                let value = rest.strip_prefix(b":")?;
                own.eq_ignore_ascii_case(name.as_bytes())
                    .then(|| value.trim_ascii())
            })
    }
}

#[cfg(test)]
mod tests;
