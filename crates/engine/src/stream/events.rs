//! Events out of whatever pieces the network delivers. Source: WHATWG HTML, 9.2.6 (server-sent events).
use memchr::memchr2;

use crate::grpc::frame;

/// A buffer that grew beyond this is given back once it is empty.
const KEPT_BYTES: usize = 16 * 1024;

/// How events are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Fields a line, an empty line ends the event.
    Sse,
    /// A line is an event.
    Lines,
    /// Whichever of the two the first line that is not empty looks like.
    Either,
    /// Messages of gRPC, each behind its length.
    Messages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// Empty where it has none.
    pub name: &'a [u8],
    pub data: &'a [u8],
}

/// An event longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// The reader of one answer.
#[derive(Debug)]
pub struct Events {
    framing: Framing,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// The last line ended with a carriage return: a newline next belongs to it.
    after_return: bool,
    first_line: bool,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
}

impl Events {
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            partial: vec![],
            after_return: false,
            first_line: true,
            name: vec![],
            data: vec![],
            has_data: false,
        }
    }

    /// Take the next bytes, giving each event that they complete to `sink`, in order.
    ///
    /// # Errors
    /// An event longer than `bytes_max`; what was complete before it has been given.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        bytes_max: usize,
        mut sink: impl FnMut(Event<'_>),
    ) -> Result<(), TooLong> {
        if self.framing == Framing::Messages {
            return self.messages(bytes, bytes_max, &mut sink);
        }
        let mut rest = bytes;
        if self.after_return && !rest.is_empty() {
            self.after_return = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let (line, after) = rest.split_at(end);
            if self.partial.is_empty() {
                self.line(line, &mut sink);
            } else {
                let mut joined = std::mem::take(&mut self.partial);
                joined.extend_from_slice(line);
                self.line(&joined, &mut sink);
                if joined.capacity() <= KEPT_BYTES {
                    joined.clear();
                    self.partial = joined;
                }
            }
            self.check_size(bytes_max)?;
            rest = match after {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_return = true;
                    &[]
                }
                _ => &after[1..],
            };
        }
        self.partial.extend_from_slice(rest);
        self.check_size(bytes_max)
    }

    fn check_size(&self, bytes_max: usize) -> Result<(), TooLong> {
        if self.partial.len() + self.data.len() > bytes_max {
            Err(TooLong)
        } else {
            Ok(())
        }
    }

    /// No more will come. A last line without its end is an event where lines are; of server-sent events, one that is
    /// not complete is none.
    pub fn end(&mut self, mut sink: impl FnMut(Event<'_>)) {
        if self.framing == Framing::Messages {
            return;
        }
        let last = std::mem::take(&mut self.partial);
        if !last.is_empty() && (self.framing != Framing::Sse || self.first_line) {
            self.line(&last, &mut sink);
        }
    }

    /// Has the beginning of an event come, and not its end?
    pub fn is_within(&self) -> bool {
        !self.partial.is_empty()
    }

    fn messages(
        &mut self,
        bytes: &[u8],
        bytes_max: usize,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), TooLong> {
        let mut held = std::mem::take(&mut self.partial);
        let all = if held.is_empty() {
            bytes
        } else {
            held.extend_from_slice(bytes);
            &held
        };
        let mut rest = all;
        while let Some((frame, after)) = frame::split(rest) {
            rest = after;
            // What cannot be unpacked is no message of any kind, which is found out where it is looked at.
            let data = frame.plain(bytes_max).unwrap_or_default();
            sink(Event {
                name: b"",
                data: &data,
            });
        }
        if frame::length_of(rest).is_some_and(|length| length > bytes_max) {
            return Err(TooLong);
        }
        if held.is_empty() {
            self.partial.extend_from_slice(rest);
        } else {
            let used = all.len() - rest.len();
            held.drain(..used);
            self.partial = held;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let line = if self.first_line {
            line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
        } else {
            line
        };
        if self.first_line && !line.is_empty() {
            self.first_line = false;
            if self.framing == Framing::Either {
                let json = matches!(line.trim_ascii_start().first(), Some(b'{' | b'['));
                self.framing = if json { Framing::Lines } else { Framing::Sse };
            }
        }
        match self.framing {
            Framing::Lines if !line.trim_ascii().is_empty() => sink(Event {
                name: b"",
                data: line,
            }),
            Framing::Lines | Framing::Either | Framing::Messages => {}
            Framing::Sse if line.is_empty() => self.dispatch(sink),
            Framing::Sse => self.field(line),
        }
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            // Comments, ids, times to wait before coming back, and what nobody has heard of.
            _ => {}
        }
    }

    fn dispatch(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if std::mem::take(&mut self.has_data) {
            sink(Event {
                name: &self.name,
                data: &self.data,
            });
        }
        self.name.clear();
        if self.data.capacity() > KEPT_BYTES {
            self.data = vec![];
        }
        self.data.clear();
    }
}
