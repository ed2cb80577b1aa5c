//! Where a body ends: by length, by chunks, by the end of the connection.

/// A chunk-size line or a trailer longer than this is refused.
const LINE_BYTES_MAX: u32 = 16 * 1024;

/// How much of a body is still to come. `None` is a body that is over, or never was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    None,
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

/// Where the reader stands within a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    at: At,
    /// Size of the chunk being read, or what is left of it.
    left: u64,
    /// Bytes of the current line so far.
    line: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    Extension,
    SizeNewline,
    Data,
    DataReturn,
    DataNewline,
    TrailerStart,
    Trailer,
    LastNewline,
}

/// What became of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that belonged to this body.
    pub used: usize,
    /// Whether the body is complete.
    pub done: bool,
}

impl Body {
    pub fn chunked() -> Self {
        Self::Chunked(Chunks {
            at: At::Size,
            left: 0,
            line: 0,
        })
    }

    /// Read on, giving each piece of the body to `sink`.
    ///
    /// # Errors
    /// What is wrong with the framing, or what `sink` said.
    pub fn feed<E: From<&'static str>>(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Progress, E> {
        match self {
            Self::None => Ok(Progress {
                used: 0,
                done: true,
            }),
            Self::Length(left) => {
                let used = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                sink(&bytes[..used])?;
                *left -= used as u64;
                Ok(Progress {
                    used,
                    done: *left == 0,
                })
            }
            Self::UntilClose => {
                sink(bytes)?;
                Ok(Progress {
                    used: bytes.len(),
                    done: false,
                })
            }
            Self::Chunked(chunks) => chunks.feed(bytes, sink),
        }
    }
}

impl Chunks {
    fn feed<E: From<&'static str>>(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Progress, E> {
        let mut used = 0;
        while used < bytes.len() {
            if self.at == At::Data {
                let take = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - used);
                sink(&bytes[used..used + take])?;
                used += take;
                self.left -= take as u64;
                if self.left == 0 {
                    self.at = At::DataReturn;
                }
                continue;
            }
            let done = self.step(bytes[used])?;
            used += 1;
            if done {
                return Ok(Progress { used, done: true });
            }
        }
        Ok(Progress { used, done: false })
    }

    /// One byte outside the data; true when the body is over. A bare newline ends a line too, as everyone accepts.
    fn step(&mut self, byte: u8) -> Result<bool, &'static str> {
        self.line += 1;
        if self.line > LINE_BYTES_MAX {
            return Err("a chunk line longer than 16 KiB");
        }
        self.at = match (self.at, byte) {
            (At::Size, _) if byte.is_ascii_hexdigit() => {
                let digit = (byte as char).to_digit(16).unwrap_or(0);
                if self.left >> 60 != 0 {
                    return Err("a chunk size beyond 64 bits");
                }
                self.left = self.left << 4 | u64::from(digit);
                At::Size
            }
            (At::Size, _) if self.line == 1 => return Err("a chunk without a size"),
            (At::Size, b';' | b' ' | b'\t') => At::Extension,
            (At::Size | At::Extension, b'\r') => At::SizeNewline,
            (At::Size | At::Extension | At::SizeNewline, b'\n') => self.size_read(),
            (At::Extension, _) => At::Extension,
            (At::DataReturn, b'\r') => At::DataNewline,
            (At::DataReturn | At::DataNewline, b'\n') => {
                self.line = 0;
                At::Size
            }
            (At::TrailerStart, b'\r') => At::LastNewline,
            (At::TrailerStart | At::LastNewline, b'\n') => return Ok(true),
            (At::Trailer, b'\n') => At::TrailerStart,
            (At::TrailerStart | At::Trailer, _) => At::Trailer,
            _ => return Err("chunks that are not framed as chunks"),
        };
        Ok(false)
    }

    fn size_read(&mut self) -> At {
        self.line = 0;
        if self.left == 0 {
            At::TrailerStart
        } else {
            At::Data
        }
    }
}
