//! The bytes of one second's slices of one source: what a recording keeps per second, and what crosses processes.
//!
//! Form 1: the byte 1; a varint with the number of slices; per slice the varint of its series' number, a byte saying
//! what follows, and that: 0 a histogram (varint length, then its own wire form), 1 a whole number as a varint, 2 a double,
//! little-endian. Which series a number means, and whether a figure is a counter's or a gauge's, stands beside the
//! blocks, once per recording.

use crate::histogram::Histogram;
use crate::histogram_wire;
use crate::varint::{self, Reader, WireError};

const FORM: u8 = 1;
const HISTOGRAM: u8 = 0;
const WHOLE: u8 = 1;
const DOUBLE: u8 = 2;
/// Every whole number up to here has a double of its own.
const WHOLE_MAX: f64 = (1u64 << 53) as f64;

/// Writes one block, slice by slice.
pub struct BlockWriter {
    body: Vec<u8>,
    scratch: Vec<u8>,
    slices: u64,
}

impl Default for BlockWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl BlockWriter {
    /// Return a writer without slices.
    pub fn new() -> Self {
        Self {
            body: Vec::with_capacity(1024),
            scratch: Vec::new(),
            slices: 0,
        }
    }

    /// Add a histogram of the series numbered `series`.
    pub fn histogram(&mut self, series: u32, value: &Histogram) {
        self.start(series, HISTOGRAM);
        self.scratch.clear();
        value.write_to(&mut self.scratch);
        varint::put(&mut self.body, self.scratch.len() as u64);
        self.body.extend_from_slice(&self.scratch);
    }

    /// Add a counter's increment or a gauge's value of the series numbered `series`; it must be finite.
    ///
    /// # Errors
    /// [`WireError::Malformed`] for an infinity or not-a-number.
    pub fn number(&mut self, series: u32, value: f64) -> Result<(), WireError> {
        if !value.is_finite() {
            return Err(WireError::Malformed {
                what: "a number that is not finite",
                at: self.body.len(),
            });
        }
        if (0.0..=WHOLE_MAX).contains(&value) && value.fract() == 0.0 && value.is_sign_positive() {
            self.start(series, WHOLE);
            varint::put(&mut self.body, value as u64);
        } else {
            self.start(series, DOUBLE);
            self.body.extend_from_slice(&value.to_le_bytes());
        }
        Ok(())
    }

    fn start(&mut self, series: u32, tag: u8) {
        varint::put(&mut self.body, u64::from(series));
        self.body.push(tag);
        self.slices += 1;
    }

    /// Return the block.
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + 6);
        out.push(FORM);
        varint::put(&mut out, self.slices);
        out.extend_from_slice(&self.body);
        out
    }
}

/// A slice's value, as it stands in a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Encoded<'a> {
    /// The wire form of a histogram, checked.
    Histogram(&'a [u8]),
    /// A counter's increment or a gauge's value.
    Number(f64),
}

/// Return every slice of a block as (series number, value). Histograms are checked and stay encoded.
///
/// # Errors
/// [`WireError`] for anything a [`BlockWriter`] cannot have written.
pub fn read_block(bytes: &[u8]) -> Result<Vec<(u32, Encoded<'_>)>, WireError> {
    let mut reader = Reader::new(bytes);
    let form = reader.byte()?;
    if form != FORM {
        return Err(WireError::Version {
            got: form,
            known: FORM,
        });
    }
    let slices = reader.varint()?;
    // The smallest slice takes three bytes, which bounds what a damaged number of slices can allocate.
    if slices > reader.left() as u64 / 3 {
        return Err(reader.malformed("more slices than there are bytes for"));
    }
    let mut read = Vec::with_capacity(slices as usize);
    for _ in 0..slices {
        let series = u32::try_from(reader.varint()?)
            .map_err(|_| reader.malformed("a series number above 32 bits"))?;
        read.push((series, read_value(&mut reader)?));
    }
    reader.finish()?;
    Ok(read)
}

fn read_value<'a>(reader: &mut Reader<'a>) -> Result<Encoded<'a>, WireError> {
    match reader.byte()? {
        HISTOGRAM => {
            let length = reader.varint()?;
            let bytes = reader.take(length)?;
            histogram_wire::check(bytes)?;
            Ok(Encoded::Histogram(bytes))
        }
        WHOLE => {
            let value = reader.varint()? as f64;
            if value > WHOLE_MAX {
                return Err(reader.malformed("a whole number above 2^53"));
            }
            Ok(Encoded::Number(value))
        }
        DOUBLE => {
            let bytes = reader.take(8)?;
            let value = f64::from_le_bytes(
                bytes
                    .try_into()
                    .map_err(|_| reader.malformed("a double of fewer than 8 bytes"))?,
            );
            if value.is_finite() {
                Ok(Encoded::Number(value))
            } else {
                Err(reader.malformed("a number that is not finite"))
            }
        }
        _ => Err(reader.malformed("a slice of a kind that does not exist")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_come_back_as_they_were_written() {
        let mut histogram = Histogram::new();
        histogram.record_n(3_000_000, 7);
        let mut writer = BlockWriter::new();
        let numbers = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            300.0,
            WHOLE_MAX,
            WHOLE_MAX * 2.0,
            f64::MIN_POSITIVE,
        ];
        writer.histogram(4_000_000_000, &histogram);
        for (series, number) in (0..).zip(numbers) {
            writer.number(series, number).unwrap();
        }

        let block = writer.finish();
        let read = read_block(&block).unwrap();

        assert_eq!(
            read[0],
            (4_000_000_000, Encoded::Histogram(&histogram.to_bytes()))
        );
        for ((series, value), number) in read[1..].iter().zip(numbers) {
            let Encoded::Number(value) = value else {
                panic!("series {series} is a histogram")
            };
            assert_eq!(value.to_bits(), number.to_bits());
        }
    }

    #[test]
    fn a_number_must_be_finite() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(BlockWriter::new().number(0, number).is_err());
            let mut block = vec![FORM, 1, 0, DOUBLE];
            block.extend_from_slice(&number.to_le_bytes());
            assert!(read_block(&block).is_err());
        }
    }

    #[test]
    fn a_block_cut_anywhere_is_refused() {
        let mut histogram = Histogram::new();
        histogram.record(5);
        histogram.record(5_000_000);
        let mut writer = BlockWriter::new();
        writer.histogram(3, &histogram);
        writer.number(200, 0.25).unwrap();
        let block = writer.finish();

        for length in 0..block.len() {
            assert!(
                read_block(&block[..length]).is_err(),
                "{length} of {} bytes",
                block.len()
            );
        }
    }
}
