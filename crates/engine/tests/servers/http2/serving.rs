//! An HTTP/2 server that answers frame by frame, and the frames.
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::Site;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const MAX_CONCURRENT_STREAMS: u16 = 3;
pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// One frame as the server read it.
#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Is it the end of a request?
    pub fn asks(&self) -> bool {
        self.kind <= HEADERS && self.flags & END_STREAM != 0
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = vec![];
    for (id, value) in pairs {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

pub fn goaway(last: u32, code: u32, text: &str) -> Vec<u8> {
    let payload = [
        &last.to_be_bytes()[..],
        &code.to_be_bytes(),
        text.as_bytes(),
    ]
    .concat();
    frame(GOAWAY, 0, 0, &payload)
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// Status 200 and nothing else.
pub fn ok(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x88])
}

pub fn read_frame(stream: &mut TcpStream) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    Some(Frame {
        kind: head[3],
        flags: head[4],
        stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
        payload,
    })
}

/// A server, and what came in on each connection, in the order in which they sent their first frame.
pub struct Server {
    pub site: Site,
    pub seen: Arc<Mutex<BTreeMap<usize, Vec<Frame>>>>,
}

impl Server {
    /// Greet each connection with `settings`, then answer each of its frames with what `answer` makes of it, given the
    /// connection's number and the streams that were asked for so far; None closes the connection.
    pub fn new(
        greeting: Vec<u8>,
        answer: impl Fn(usize, &Frame, &[u32]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let seen: Arc<Mutex<BTreeMap<usize, Vec<Frame>>>> = Arc::default();
        let (log, count) = (seen.clone(), AtomicUsize::new(0));
        let site = Site::connections(move |stream| {
            let mut preface = [0; 24];
            if stream.read_exact(&mut preface).is_err() {
                return;
            }
            assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            let number = count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(&greeting);
            let mut asked = vec![];
            while let Some(frame) = read_frame(stream) {
                log.lock()
                    .unwrap()
                    .entry(number)
                    .or_default()
                    .push(frame.clone());
                if frame.asks() {
                    asked.push(frame.stream);
                }
                match answer(number, &frame, &asked) {
                    Some(bytes) if bytes.is_empty() => {}
                    Some(bytes) => _ = stream.write_all(&bytes),
                    None => return,
                }
            }
        });
        Self { site, seen }
    }

    pub fn connections(&self) -> usize {
        self.site.read_to_the_end();
        self.seen.lock().unwrap().len()
    }

    /// Frames of one kind over all connections.
    pub fn frames(&self, kind: u8) -> Vec<Frame> {
        self.site.read_to_the_end();
        let seen = self.seen.lock().unwrap();
        let all = seen.values().flatten();
        all.filter(|frame| frame.kind == kind).cloned().collect()
    }
}

pub fn frame_of_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

pub fn frame_end(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(
        kind,
        END_STREAM | if kind == HEADERS { END_HEADERS } else { 0 },
        stream,
        payload,
    )
}
