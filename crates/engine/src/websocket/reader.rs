//! Messages out of whatever pieces the network delivers. A message that came whole is handed on without a copy.
use super::close::{NOT_UTF8, PROTOCOL, TOO_BIG, parse_close};
use super::frame::{Header, Opcode};

/// A buffer that grew beyond this is given back once it is empty.
const KEPT_BYTES: usize = 16 * 1024;

/// What the server sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Close { code: u16, reason: &'a str },
}

/// Why the connection is of no more use, and the code that says so to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    Protocol(&'static str),
    NotUtf8,
    /// A message of at least so many bytes.
    TooLarge(u64),
}

impl Violation {
    pub fn code(self) -> u16 {
        match self {
            Self::Protocol(_) => PROTOCOL,
            Self::NotUtf8 => NOT_UTF8,
            Self::TooLarge(_) => TOO_BIG,
        }
    }
}

impl From<&'static str> for Violation {
    fn from(reason: &'static str) -> Self {
        Self::Protocol(reason)
    }
}

/// The reader of one connection.
#[derive(Debug, Default)]
pub struct Reader {
    /// Bytes of a frame that is not complete yet.
    partial: Vec<u8>,
    /// The parts so far of a message that comes in several frames, and what it is.
    parts: Vec<u8>,
    kind: Option<Opcode>,
}

impl Reader {
    /// Take the next bytes, giving everything that they complete to `sink`, in order. A message longer than
    /// `bytes_max` is refused as soon as a header tells of it; nothing of it is kept.
    ///
    /// # Errors
    /// What is wrong with the bytes; what was complete before them has been given.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        bytes_max: usize,
        mut sink: impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        if self.partial.is_empty() {
            let used = self.frames(bytes, bytes_max, &mut sink)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(bytes);
        let used = self.frames(&joined, bytes_max, &mut sink)?;
        if used == joined.len() && joined.capacity() > KEPT_BYTES {
            joined = vec![];
        }
        joined.drain(..used.min(joined.len()));
        self.partial = joined;
        Ok(())
    }

    /// Read the complete frames; returns how many bytes they were.
    fn frames(
        &mut self,
        bytes: &[u8],
        bytes_max: usize,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<usize, Violation> {
        let mut used = 0;
        while let Some(header) = Header::parse(&bytes[used..])? {
            if !header.opcode.is_control() {
                self.check_size(&header, bytes_max)?;
            }
            let start = used + header.length;
            // Checked above, or a control frame: it fits a usize.
            let end = start + header.payload as usize;
            let Some(payload) = bytes.get(start..end) else {
                break;
            };
            used = end;
            self.frame(header, payload, sink)?;
        }
        Ok(used)
    }

    fn check_size(&self, header: &Header, bytes_max: usize) -> Result<(), Violation> {
        let whole = header.payload.saturating_add(self.parts.len() as u64);
        if whole > bytes_max as u64 {
            return Err(Violation::TooLarge(whole));
        }
        match (header.opcode, self.kind) {
            (Opcode::Continuation, None) => Err("a continuation of no message".into()),
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                Err("a new message before the last part of the one before".into())
            }
            _ => Ok(()),
        }
    }

    fn frame(
        &mut self,
        header: Header,
        payload: &[u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        match (header.opcode, header.last) {
            (Opcode::Ping, _) => sink(Event::Ping(payload)),
            (Opcode::Pong, _) => sink(Event::Pong(payload)),
            (Opcode::Close, _) => {
                let (code, reason) = parse_close(payload)?;
                sink(Event::Close { code, reason });
            }
            (kind @ (Opcode::Text | Opcode::Binary), true) => message(kind, payload, sink)?,
            (Opcode::Continuation, true) => {
                let mut parts = std::mem::take(&mut self.parts);
                parts.extend_from_slice(payload);
                let kind = self.kind.take().unwrap_or(Opcode::Binary);
                message(kind, &parts, sink)?;
                if parts.capacity() <= KEPT_BYTES {
                    parts.clear();
                    self.parts = parts;
                }
            }
            (kind, false) => {
                self.parts.extend_from_slice(payload);
                self.kind = self.kind.or(Some(kind));
            }
        }
        Ok(())
    }
}

fn message(
    kind: Opcode,
    payload: &[u8],
    sink: &mut impl FnMut(Event<'_>),
) -> Result<(), Violation> {
    if kind == Opcode::Text {
        let text = std::str::from_utf8(payload).map_err(|_| Violation::NotUtf8)?;
        sink(Event::Text(text));
    } else {
        sink(Event::Binary(payload));
    }
    Ok(())
}
