//! Little-endian base-128 integers, seven bits a byte, read from bytes that nobody vouches for.

use std::fmt;

/// Why bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireError {
    /// The first byte names a form this program does not know.
    Version {
        /// The version that was found.
        got: u8,
        /// The version this program reads.
        known: u8,
    },
    /// The bytes end inside a value.
    Truncated {
        /// Where they end, in bytes from the start.
        at: usize,
    },
    /// Bytes are left over behind the last value.
    Trailing {
        /// Where the first byte too many is.
        at: usize,
    },
    /// The bytes can be read, and say something that cannot be.
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the start.
        at: usize,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { got, known } => {
                write!(
                    f,
                    "written in form {got}, and only form {known} can be read: use the version that wrote it"
                )
            }
            Self::Truncated { at } => write!(f, "cut short: the bytes end at {at}, inside a value"),
            Self::Trailing { at } => write!(f, "bytes are left over from {at} on"),
            Self::Malformed { what, at } => write!(f, "damaged at byte {at}: {what}"),
        }
    }
}

impl std::error::Error for WireError {}

/// Append `value`.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Append `value`, for sums that pass 64 bits.
pub(crate) fn put_wide(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A place in bytes, moved on by each read.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn malformed(&self, what: &'static str) -> WireError {
        WireError::Malformed { what, at: self.at }
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, WireError> {
        let byte = *self
            .bytes
            .get(self.at)
            .ok_or(WireError::Truncated { at: self.at })?;
        self.at += 1;
        Ok(byte)
    }

    /// Take the next `length` bytes.
    pub(crate) fn take(&mut self, length: u64) -> Result<&'a [u8], WireError> {
        if length > self.left() as u64 {
            return Err(WireError::Truncated {
                at: self.bytes.len(),
            });
        }
        let taken = &self.bytes[self.at..self.at + length as usize];
        self.at += length as usize;
        Ok(taken)
    }

    /// Read what [`put`] wrote. Longer spellings of the same number are refused, so that equal values have equal bytes.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let wide = self.rest_of_varint(first)?;
        u64::try_from(wide).map_err(|_| self.malformed("a number above 64 bits"))
    }

    /// Read what [`put_wide`] wrote.
    pub(crate) fn wide(&mut self) -> Result<u128, WireError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u128::from(first));
        }
        self.rest_of_varint(first)
    }

    fn rest_of_varint(&mut self, first: u8) -> Result<u128, WireError> {
        let mut value = u128::from(first & 0x7f);
        for shift in (7..=126).step_by(7) {
            let byte = self.byte()?;
            if shift == 126 && byte > 3 {
                break;
            }
            value |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if byte == 0 {
                    Err(self.malformed("a number spelled longer than it is"))
                } else {
                    Ok(value)
                };
            }
        }
        Err(self.malformed("a number above 128 bits"))
    }

    /// Refuse bytes behind the last value.
    pub(crate) fn finish(self) -> Result<(), WireError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(WireError::Trailing { at: self.at })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_at_every_length() {
        for bits in 0..64 {
            for value in [(1u64 << bits) - 1, 1 << bits, (1 << bits) + 1] {
                let mut bytes = Vec::new();
                put(&mut bytes, value);
                let mut reader = Reader::new(&bytes);
                assert_eq!(reader.varint(), Ok(value));
                assert_eq!(reader.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn a_number_has_one_spelling() {
        assert!(Reader::new(&[0x81, 0x00]).varint().is_err());
        assert_eq!(
            Reader::new(&[0x80]).varint(),
            Err(WireError::Truncated { at: 1 })
        );
        assert!(Reader::new(&[0xff; 30]).wide().is_err());
        assert!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02])
                .varint()
                .is_err()
        );
    }
}
