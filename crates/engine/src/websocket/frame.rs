//! One frame: its header, its mask. Source: RFC 6455, 5.2 and 5.3.

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The header of a frame that a server sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub last: bool,
    pub opcode: Opcode,
    /// Bytes of the header itself.
    pub length: usize,
    pub payload: u64,
}

impl Header {
    /// Read a header from the beginning of `bytes`; None when it is not all there yet.
    ///
    /// # Errors
    /// What a server must not send, as a fragment of a sentence.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err("a frame with reserved bits, although no extension was agreed on");
        }
        let opcode = Opcode::of(first & 0x0F).ok_or("a frame of an unknown kind")?;
        if second & 0x80 != 0 {
            return Err("a masked frame from the server");
        }
        let (length, payload) = match (second & 0x7F, rest) {
            (126, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
            }
            (126 | 127, _) => return Ok(None),
            (short, _) => (2, u64::from(short)),
        };
        if payload >> 63 != 0 {
            return Err("a frame longer than 63 bits can say");
        }
        let last = first & 0x80 != 0;
        if opcode.is_control() && (!last || payload > 125) {
            return Err("a control frame in parts, or above 125 bytes");
        }
        Ok(Some(Self {
            last,
            opcode,
            length,
            payload,
        }))
    }
}

/// Append a whole, masked message of one frame. The key should come from a random source: a fixed one would let
/// every proxy on the way see the same bytes.
pub fn put_frame(opcode: Opcode, payload: &[u8], key: u32, out: &mut Vec<u8>) {
    let length = payload.len();
    out.push(0x80 | opcode.bits());
    match length {
        0..=125 => out.push(0x80 | length as u8),
        126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let key = key.to_ne_bytes();
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[start..], key);
}

/// Exclusive-or with the key, eight bytes at a time; doing it twice undoes it.
pub fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
