//! One stream, and the table in which a connection finds it by its number.
use super::head::Facts;
use crate::http1::{Clocks, Kept, Wants};

/// One request and its answer.
#[derive(Debug, Default)]
pub struct Stream {
    /// 0 for a place in the table that is free.
    pub id: u32,
    /// Who asks, by the caller's own numbers.
    pub user: u32,
    pub series: u32,
    pub wants: Wants,
    pub kept: Kept,
    pub clocks: Clocks,
    pub deadline_ns: u64,
    /// Bytes put out for it that were not counted yet.
    pub queued: u64,
    /// Nobody takes what is read: the server's window stays as it is.
    pub halted: bool,
    pub(super) facts: Facts,
    pub(super) body_bytes: u64,
    /// What the server may still be sent on this stream; below 0 after it has made its window smaller.
    pub(super) window: i64,
    /// Received since the server's window was last opened.
    pub(super) taken: u32,
    /// The request's body goes on with what comes later.
    pub(super) uploading: bool,
    /// What no window was open for yet, and how much of it is sent.
    pub(super) upload: Vec<u8>,
    pub(super) uploaded: usize,
}

impl Stream {
    /// Has any part of the answer been seen?
    pub fn begun(&self) -> bool {
        self.clocks.first_byte_ns != 0
    }

    /// The status, once the head is there; 0 before.
    pub fn status(&self) -> u16 {
        self.facts.status
    }

    /// Were its events listened to for as long as was wanted?
    pub fn has_lasted(&self, now_ns: u64) -> bool {
        let reading = self.kept.stream.as_ref();
        self.facts.status >= 200 && reading.is_some_and(|reading| now_ns >= reading.enough_ns())
    }

    /// An answer in events was begun, and has not ended.
    pub fn is_midway(&self) -> bool {
        self.kept.stream.is_some() && self.facts.status >= 200
    }

    /// Bytes of the request's body that wait for the server to open its window, of how many.
    pub fn held_back(&self) -> Option<(usize, usize)> {
        let left = self.upload.len() - self.uploaded;
        (left > 0).then_some((left, self.upload.len()))
    }
}

/// The open streams of a connection. Numbers rise one by one, so a number's own place in the table is nearly always
/// where the stream is; with at most half of the places taken, looking further is rare and short.
#[derive(Debug)]
pub struct Streams {
    places: Vec<Stream>,
    open: usize,
}

impl Default for Streams {
    fn default() -> Self {
        let mut places = vec![];
        places.resize_with(8, Stream::default);
        Self { places, open: 0 }
    }
}

impl Streams {
    pub fn open(&self) -> usize {
        self.open
    }

    fn place_of(&self, id: u32) -> Option<usize> {
        let (mask, first) = (self.places.len() - 1, (id >> 1) as usize);
        (first..first + self.places.len())
            .map(|at| at & mask)
            .find(|at| self.places[*at].id == id)
    }

    pub fn get(&mut self, id: u32) -> Option<&mut Stream> {
        if id == 0 {
            return None;
        }
        let at = self.place_of(id)?;
        Some(&mut self.places[at])
    }

    /// A place for a stream that begins; its buffers are those of an earlier one.
    pub fn begin(&mut self, id: u32) -> &mut Stream {
        if self.open * 2 >= self.places.len() {
            self.grow();
        }
        self.open += 1;
        let (mask, first) = (self.places.len() - 1, (id >> 1) as usize);
        let at = (first..first + self.places.len())
            .map(|at| at & mask)
            .find(|at| self.places[*at].id == 0)
            .unwrap_or(0);
        let stream = &mut self.places[at];
        stream.id = id;
        stream
    }

    fn grow(&mut self) {
        let wanted = self.places.len() * 2;
        let old = std::mem::take(&mut self.places);
        self.places.resize_with(wanted, Stream::default);
        for stream in old.into_iter().filter(|stream| stream.id != 0) {
            let first = (stream.id >> 1) as usize;
            if let Some(at) = (first..first + wanted)
                .map(|at| at & (wanted - 1))
                .find(|at| self.places[*at].id == 0)
            {
                self.places[at] = stream;
            }
        }
    }

    pub fn end(&mut self, id: u32) {
        if let Some(stream) = self.get(id) {
            stream.id = 0;
            self.open -= 1;
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.places.iter().filter(|stream| stream.id != 0)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.places.iter_mut().filter(|stream| stream.id != 0)
    }
}
