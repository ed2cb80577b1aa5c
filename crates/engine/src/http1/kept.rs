//! What is kept of one answer: only what somebody will look at.
use crate::grpc::Said;
use crate::stream::Reading;

use super::{Answer, Coding, DecodeError, Wants, Wrong, decode};

/// A buffer that grew beyond this is given back after its answer.
const KEPT_BYTES: usize = 16 * 1024;

/// The head and body of an answer, in buffers that are used again for the next. A head has the form of HTTP/1.1,
/// whichever version brought it.
#[derive(Debug, Default)]
pub struct Kept {
    pub head: Vec<u8>,
    pub coding: Coding,
    /// The head gives cookies, and somebody wants them.
    pub sets_cookies: bool,
    body: Vec<u8>,
    /// Where the body is read as events instead of being kept.
    pub stream: Option<Box<Reading>>,
    /// What it said of a call of gRPC.
    pub said: Option<Box<Said>>,
}

impl Kept {
    /// Get ready for the next answer.
    pub fn reset(&mut self) {
        self.coding = Coding::Identity;
        self.sets_cookies = false;
        self.stream = None;
        if let Some(said) = &mut self.said {
            said.reset();
        }
        for buffer in [&mut self.head, &mut self.body] {
            reuse(buffer);
        }
    }

    /// Take the next piece of the body, if the body is wanted.
    pub fn keep_body(&mut self, piece: &[u8], wants: Wants) -> Result<(), Wrong> {
        if let Some(stream) = &mut self.stream {
            return stream.feed(piece).map_err(|_| Wrong::TooLarge);
        }
        if wants.body {
            if piece.len() > wants.body_bytes_max.saturating_sub(self.body.len()) {
                return Err(Wrong::TooLarge);
            }
            self.body.extend_from_slice(piece);
        }
        Ok(())
    }

    /// Is there a body whose content coding is still to be undone?
    pub fn is_coded(&self) -> bool {
        self.coding != Coding::Identity && !self.body.is_empty()
    }

    /// The head is read: what is no success has no events.
    pub fn body_begins(&mut self, status: u16) {
        if !(200..300).contains(&status) {
            self.stream = None;
        }
    }

    /// The time at which what is fed next came, and what makes it a Unix time.
    pub fn came_at(&mut self, now_ns: u64, unix_offset_ns: i64) {
        if let Some(stream) = &mut self.stream {
            stream.now_ns = now_ns;
            stream.unix_offset_ns = unix_offset_ns;
        }
    }

    /// Take in a field of an answer to a call.
    pub fn hear(&mut self, name: &[u8], value: &[u8]) {
        self.said.get_or_insert_default().field(name, value);
    }

    /// Let this be looked at as the body.
    pub fn put_body(&mut self, body: Vec<u8>) {
        self.body = body;
    }

    /// Undo the body's content coding.
    pub fn decode(&mut self, bytes_max: usize) -> Result<(), DecodeError> {
        if self.is_coded() {
            self.body = decode(self.coding, &self.body, bytes_max)?;
        }
        Ok(())
    }

    pub fn answer(&self, status: u16) -> Answer<'_> {
        Answer {
            status,
            head: &self.head,
            body: &self.body,
        }
    }
}

/// Empty a buffer that is used again; one that grew large is given back.
pub fn reuse(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES {
        *buffer = vec![];
    }
    buffer.clear();
}

/// When the parts of an exchange happened; 0 before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clocks {
    pub sent_ns: u64,
    pub sent_end_ns: u64,
    pub first_byte_ns: u64,
}
