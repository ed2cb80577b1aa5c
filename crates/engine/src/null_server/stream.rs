//! The null server's streams: `/events?count=100&every_us=20000` says its time again and again, as server-sent events.
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;

use crate::sys;

pub const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// What a request for events asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub count: u64,
    pub every_ns: u64,
}

impl Wanted {
    /// None for every other path.
    pub fn of(path: &str) -> Option<Self> {
        let query = path.strip_prefix("/events?")?;
        let value = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .into_iter()
                .find(|(own, _)| *own == name)?
                .1
                .parse()
                .ok()
        };
        Some(Self {
            count: value("count")?,
            every_ns: value("every_us").map_or(0, |us: u64| us.saturating_mul(1_000)),
        })
    }
}

/// The streams that go on: when each says something next.
#[derive(Debug, Default)]
pub struct Streams {
    due: BinaryHeap<Reverse<(u64, u64)>>,
}

impl Streams {
    pub fn begin(&mut self, client: u64, from_ns: u64) {
        self.due.push(Reverse((from_ns, client)));
    }

    /// When something is due; `u64::MAX` for never.
    pub fn next_ns(&self) -> u64 {
        self.due.peek().map_or(u64::MAX, |Reverse((at, _))| *at)
    }

    /// The next client that has something to be told, and when it was due.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<(u64, u64)> {
        if self.next_ns() > now_ns {
            return None;
        }
        self.due.pop().map(|Reverse(entry)| entry)
    }
}

/// Append one event with the time at which it is written, as a chunk; the last one ends the answer.
pub fn put_event(last: bool, unix_offset_ns: i64, out: &mut Vec<u8>) {
    let sent_ns = sys::now_ns() as i64 + unix_offset_ns;
    let event = format!("data: {{\"sent_ns\": {sent_ns}}}\n\n");
    // Writing to a Vec does not fail.
    let _ = write!(out, "{:x}\r\n{event}\r\n", event.len());
    if last {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}
