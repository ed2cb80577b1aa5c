//! One connection's state, from the client's side. Whoever owns the socket feeds [`Connection::next`] what arrives and
//! sends what stands in `out`.
use std::collections::VecDeque;

use super::frame::{self, Code, HEAD_BYTES, Head, PAYLOAD_BYTES_MAX, kind, setting};
use super::hpack::{Decoder, LIST_BYTES_MAX, TABLE_BYTES_MAX};
use super::stream::{Stream, Streams};
use crate::http1::{Wants, Wrong};

mod flow;
mod receive;

/// What a server may send on one stream before it must be told to go on.
const STREAM_WINDOW: u32 = 4 << 20;
/// The same over all streams. Everything is read as it comes, so windows only bound what is on its way.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Every window before anything was said about it (RFC 9113, 6.9.2).
const WINDOW_AT_FIRST: u32 = 65_535;
const WINDOW_MAX: i64 = 0x7fff_ffff;
/// Answers to pings and settings that the server does not read. A server that goes beyond that is not one.
const OWED_BYTES_MAX: usize = 256 * 1024;
/// Numbers of streams end there (RFC 9113, 5.1.1).
const LAST_ID: u32 = 0x7fff_ffff;

/// What the server said about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub streams_max: Option<u32>,
    stream_window: u32,
    frame_bytes_max: usize,
}

/// A request to be sent.
#[derive(Debug)]
pub struct Ask<'a> {
    pub user: u32,
    pub series: usize,
    pub wants: Wants,
    pub block: &'a [u8],
    pub body: &'a [u8],
    /// More of the body comes later.
    pub more: bool,
}

/// What came in, as far as somebody else has to act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An answer is complete.
    Done { stream: u32, status: u16 },
    /// An answer is none; the server was told.
    Wrong { stream: u32, wrong: Wrong },
    /// The server gave the stream up.
    Reset { stream: u32, code: Code },
    /// No further streams; those above `last` were not looked at.
    GoAway { last: u32 },
    /// The server said, perhaps again, how many streams it takes.
    Settings,
}

/// Why the connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fatal {
    pub code: Code,
    pub reason: &'static str,
}

/// The server's farewell.
#[derive(Debug)]
pub struct Farewell {
    pub code: Code,
    /// What it said beside the code.
    pub text: Box<str>,
}

#[derive(Debug)]
pub struct Connection {
    /// What is to be sent.
    pub out: Vec<u8>,
    pub streams: Streams,
    /// Streams of which a request's beginning or end stands in `out`: they want the time at which it is sent.
    pub unstamped: Vec<u32>,
    pub settings: Settings,
    pub farewell: Option<Farewell>,
    next_id: u32,
    decoder: Decoder,
    /// A frame that has not arrived as a whole.
    partial: Vec<u8>,
    /// A header block that goes on in further frames, and the frame that it began with.
    block: Vec<u8>,
    block_of: Option<Head>,
    settings_seen: bool,
    /// What the server may still be sent over all streams.
    window: i64,
    /// Received since the server's window was last opened.
    taken: u32,
    held: VecDeque<u32>,
    /// Bytes of `out` that only answer pings and settings, since everything was last sent.
    owed: usize,
    /// Streams on which pieces of events have come since somebody looked.
    pub streamed: Vec<u32>,
    /// Streams that take the next piece of their request's body, once what was put out has left.
    pub roomy: Vec<u32>,
    /// Makes monotonic times Unix times.
    pub unix_offset_ns: i64,
}

impl Connection {
    /// A new connection; `out` begins with what a client says first.
    pub fn new() -> Self {
        let mut out = frame::PREFACE.to_vec();
        let settings = [
            // The value that holds anyway, but servers that keep no table (nginx) only then say so.
            (setting::HEADER_TABLE_SIZE, TABLE_BYTES_MAX as u32),
            (setting::ENABLE_PUSH, 0),
            (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
            (setting::MAX_HEADER_LIST_SIZE, LIST_BYTES_MAX as u32),
        ];
        let mut payload = vec![];
        for (id, value) in settings {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        frame::put(&mut out, kind::SETTINGS, 0, 0, &payload);
        let more = CONNECTION_WINDOW - WINDOW_AT_FIRST;
        frame::put(&mut out, kind::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        Self {
            out,
            streams: Streams::default(),
            streamed: vec![],
            roomy: vec![],
            unix_offset_ns: 0,
            unstamped: vec![],
            settings: Settings {
                streams_max: None,
                stream_window: WINDOW_AT_FIRST,
                frame_bytes_max: PAYLOAD_BYTES_MAX,
            },
            farewell: None,
            next_id: 1,
            decoder: Decoder::default(),
            partial: vec![],
            block: vec![],
            block_of: None,
            settings_seen: false,
            window: i64::from(WINDOW_AT_FIRST),
            taken: 0,
            held: VecDeque::new(),
            owed: 0,
        }
    }

    /// Are the numbers of streams used up?
    pub fn used_up(&self) -> bool {
        self.next_id >= LAST_ID
    }

    /// Begin a stream: its request is put into `out`, as far as the windows are open.
    pub fn begin(&mut self, ask: Ask<'_>) -> u32 {
        let id = self.next_id;
        self.next_id += 2;
        let stream = self.streams.begin(id);
        stream.reset(ask.user, ask.series as u32, ask.wants);
        stream.window = i64::from(self.settings.stream_window);
        let end = ask.body.is_empty() && !ask.more;
        stream.uploading = ask.more;
        let limit = self.settings.frame_bytes_max;
        let before = self.out.len();
        frame::put_headers(&mut self.out, id, ask.block, end, limit);
        stream.queued = (self.out.len() - before) as u64;
        self.unstamped.push(id);
        if !ask.body.is_empty() {
            self.upload(id, ask.body);
        }
        id
    }

    /// Give a stream up.
    pub fn cancel(&mut self, id: u32, code: Code) {
        self.streams.end(id);
        frame::put(
            &mut self.out,
            kind::RST_STREAM,
            0,
            id,
            &code.0.to_be_bytes(),
        );
    }

    /// Tell the server to stop an answer of which enough has come; its stream is ended already.
    pub fn stop(&mut self, id: u32) {
        let code = Code::CANCEL.0.to_be_bytes();
        frame::put(&mut self.out, kind::RST_STREAM, 0, id, &code);
    }

    /// Say why we close the connection.
    pub fn say_goodbye(&mut self, code: Code) {
        let payload = u64::from(code.0).to_be_bytes();
        frame::put(&mut self.out, kind::GOAWAY, 0, 0, &payload);
    }

    /// Everything in `out` was taken, and has left.
    pub fn all_sent(&mut self) {
        self.owed = 0;
    }

    /// Read on in `bytes` until there is something to tell; None when they are used up. `received` is told of each
    /// stream's series and bytes.
    ///
    /// # Errors
    /// Why the connection is of no more use.
    pub fn next(
        &mut self,
        bytes: &mut &[u8],
        now_ns: u64,
        received: &mut impl FnMut(u32, u64),
    ) -> Result<Option<Event>, Fatal> {
        while !bytes.is_empty() {
            let event = if self.partial.is_empty() {
                let Some((head, frame)) = self.whole_frame(bytes)? else {
                    self.partial.extend_from_slice(bytes);
                    *bytes = &[];
                    return Ok(None);
                };
                *bytes = &bytes[frame.len()..];
                self.frame(head, &frame[HEAD_BYTES..], now_ns, received)?
            } else {
                let Some(frame) = self.completed(bytes)? else {
                    return Ok(None);
                };
                let event = match Head::parse(&frame) {
                    Some(head) => self.frame(head, &frame[HEAD_BYTES..], now_ns, received)?,
                    None => None,
                };
                self.partial = frame;
                self.partial.clear();
                event
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    fn whole_frame<'a>(&self, bytes: &'a [u8]) -> Result<Option<(Head, &'a [u8])>, Fatal> {
        let Some(head) = Head::parse(bytes) else {
            return Ok(None);
        };
        self.check_head(head, bytes)?;
        let frame = bytes.get(..HEAD_BYTES + head.length);
        Ok(frame.map(|frame| (head, frame)))
    }

    /// Add to the frame that was cut; it comes back when it is whole.
    fn completed(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, Fatal> {
        let mut take = |partial: &mut Vec<u8>, wanted: usize| {
            let (piece, rest) = bytes.split_at(bytes.len().min(wanted - partial.len()));
            partial.extend_from_slice(piece);
            *bytes = rest;
            partial.len() == wanted
        };
        if self.partial.len() < HEAD_BYTES && !take(&mut self.partial, HEAD_BYTES) {
            return Ok(None);
        }
        let Some(head) = Head::parse(&self.partial) else {
            return Ok(None);
        };
        self.check_head(head, &self.partial)?;
        let whole = take(&mut self.partial, HEAD_BYTES + head.length);
        Ok(whole.then(|| std::mem::take(&mut self.partial)))
    }

    fn check_head(&self, head: Head, bytes: &[u8]) -> Result<(), Fatal> {
        if !self.settings_seen && head.kind != kind::SETTINGS {
            let reason = if bytes.starts_with(b"HTTP/1") {
                "an HTTP/1.1 answer: this server does not speak HTTP/2 here"
            } else {
                "bytes that are not HTTP/2: is it spoken on this port?"
            };
            return Err(protocol(reason));
        }
        if head.length > PAYLOAD_BYTES_MAX {
            return Err(Fatal {
                code: Code::FRAME_SIZE_ERROR,
                reason: "a frame above the 16384 bytes that it may have",
            });
        }
        Ok(())
    }
}

impl Stream {
    fn reset(&mut self, user: u32, series: u32, wants: Wants) {
        self.kept.reset();
        crate::http1::reuse(&mut self.upload);
        *self = Self {
            id: self.id,
            user,
            series,
            wants,
            deadline_ns: u64::MAX,
            kept: std::mem::take(&mut self.kept),
            upload: std::mem::take(&mut self.upload),
            ..Self::default()
        };
    }
}

fn protocol(reason: &'static str) -> Fatal {
    Fatal {
        code: Code::PROTOCOL_ERROR,
        reason,
    }
}

fn frame_size(reason: &'static str) -> Fatal {
    Fatal {
        code: Code::FRAME_SIZE_ERROR,
        reason,
    }
}
