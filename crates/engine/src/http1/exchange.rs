//! One answer, read from whatever pieces the network delivers. Keeps only what somebody will look at.
use super::kept::{Kept, reuse};
use super::{Body, Head, parse_head};

/// What the step wants to see of its answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wants {
    pub to_head_request: bool,
    /// A 101 is welcome: the request asked for another protocol.
    pub upgrade: bool,
    pub head: bool,
    /// The head too where it gives cookies.
    pub cookies: bool,
    pub body: bool,
    /// It is the answer to a call of gRPC: what it says of its status.
    pub call: bool,
    pub body_bytes_max: usize,
}

/// How far the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    More,
    /// Complete; whether the connection may carry another request.
    Done {
        status: u16,
        keep_alive: bool,
    },
    /// A 101: this many bytes at the end of what was fed belong to the other protocol.
    Switched {
        rest: usize,
    },
}

/// Why an answer is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    Protocol(&'static str),
    TooLarge,
}

impl From<&'static str> for Wrong {
    fn from(reason: &'static str) -> Self {
        Self::Protocol(reason)
    }
}

/// The reader of one connection, used again for each answer.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Bytes of a head that is not complete yet.
    partial: Vec<u8>,
    reading: Option<Head>,
    pub kept: Kept,
}

impl Exchange {
    /// Get ready for the next answer.
    pub fn reset(&mut self) {
        self.reading = None;
        reuse(&mut self.partial);
        self.kept.reset();
    }

    /// Has any byte of the answer been seen?
    pub fn begun(&self) -> bool {
        self.reading.is_some() || !self.partial.is_empty()
    }

    /// Take the next bytes.
    ///
    /// # Errors
    /// What is wrong with them; the connection is of no more use.
    pub fn feed(&mut self, bytes: &[u8], wants: Wants) -> Result<State, Wrong> {
        if self.reading.is_some() {
            return self.feed_body(bytes, wants);
        }
        if self.partial.is_empty() {
            return self.feed_head(bytes, wants);
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(bytes);
        self.feed_head(&joined, wants)
    }

    fn feed_head(&mut self, mut bytes: &[u8], wants: Wants) -> Result<State, Wrong> {
        loop {
            let Some(head) = parse_head(bytes, wants.to_head_request)? else {
                self.partial.extend_from_slice(bytes);
                return Ok(State::More);
            };
            let (own, rest) = bytes.split_at(head.length);
            if head.status == 101 && wants.upgrade {
                self.kept.head.extend_from_slice(own);
                self.reading = Some(head);
                return Ok(State::Switched { rest: rest.len() });
            }
            if head.status == 101 {
                return Err(Wrong::Protocol(
                    "a switch to another protocol that nobody asked for",
                ));
            }
            bytes = rest;
            // 1xx announce the answer, they are not it (RFC 9110, 15.2).
            if head.status < 200 {
                continue;
            }
            self.kept.sets_cookies = wants.cookies && head.sets_cookies;
            if wants.head || self.kept.sets_cookies || (300..400).contains(&head.status) {
                self.kept.head.extend_from_slice(own);
            }
            self.kept.coding = head.coding;
            self.kept.body_begins(head.status);
            self.reading = Some(head);
            return self.feed_body(bytes, wants);
        }
    }

    fn feed_body(&mut self, bytes: &[u8], wants: Wants) -> Result<State, Wrong> {
        let Some(head) = &mut self.reading else {
            return Ok(State::More);
        };
        let kept = &mut self.kept;
        let progress = head
            .body
            .feed(bytes, |piece| kept.keep_body(piece, wants))?;
        if !progress.done {
            return Ok(State::More);
        }
        // Bytes after the answer, although nothing was asked: the connection cannot be trusted with another request.
        let keep_alive = head.keep_alive && progress.used == bytes.len();
        Ok(State::Done {
            status: head.status,
            keep_alive,
        })
    }

    /// The status, once the head is read.
    pub fn status(&self) -> Option<u16> {
        self.reading.as_ref().map(|head| head.status)
    }

    /// The connection ended: is that the end of the answer? The status, if so.
    pub fn end(&self) -> Option<u16> {
        self.reading
            .as_ref()
            .filter(|head| head.body == Body::UntilClose)
            .map(|head| head.status)
    }
}
