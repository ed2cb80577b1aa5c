//! Header blocks: reading those of a server, writing our own. Source: RFC 7541.
//!
//! What is read follows the server's table; what is written uses the fixed table alone (literals without indexing), so
//! that a block can be made once, before the run, and sent on every connection.
mod huffman;
mod table;

use table::{Dynamic, ENTRY_BYTES};

/// The largest table that a server may fill, the value that holds without a setting (RFC 9113, 6.5.2).
pub const TABLE_BYTES_MAX: usize = 4096;
/// More than this in one header list is refused.
pub const LIST_BYTES_MAX: usize = 64 * 1024;

/// Who gets the fields of a block.
pub trait Sink {
    /// Whether a field of this name shall be told; its value need not be decoded otherwise.
    fn wants(&self, name: &[u8]) -> bool;

    /// A field.
    ///
    /// # Errors
    /// Why the list is not one; the rest of the block is read all the same, as the table depends on it.
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str>;
}

/// One direction's state: the table that its blocks fill.
#[derive(Debug)]
pub struct Decoder {
    table: Dynamic,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// How a field's name is told.
#[derive(Clone, Copy)]
struct Literal {
    index: usize,
    keep: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            table: Dynamic::new(TABLE_BYTES_MAX),
            name: vec![],
            value: vec![],
        }
    }
}

impl Decoder {
    /// Read a whole block.
    ///
    /// # Errors
    /// Outer: the block cannot be read, and with it nothing more on this connection. Inner: what the sink said.
    pub fn decode(
        &mut self,
        mut block: &[u8],
        sink: &mut impl Sink,
    ) -> Result<Result<(), &'static str>, &'static str> {
        let mut verdict = Ok(());
        let mut list_bytes = 0;
        let mut begun = false;
        while let Some(first) = block.first().copied() {
            let told = if first & 0x80 != 0 {
                self.indexed(&mut block, sink)?
            } else if first & 0xe0 == 0x20 {
                if begun {
                    return Err("a table size inside a header block");
                }
                self.resize(&mut block)?;
                continue;
            } else {
                self.literal(&mut block, first, sink)?
            };
            begun = true;
            list_bytes += told.0;
            if list_bytes > LIST_BYTES_MAX {
                return Err("a header list above 64 KiB");
            }
            verdict = verdict.and(told.1);
        }
        Ok(verdict)
    }

    /// A field that stands in a table as a whole; its size, and what the sink said.
    fn indexed(
        &self,
        block: &mut &[u8],
        sink: &mut impl Sink,
    ) -> Result<(usize, Result<(), &'static str>), &'static str> {
        let index = integer(block, 7)?;
        let (name, value) = self.table.get(index).ok_or(NO_ENTRY)?;
        let said = if sink.wants(name) {
            sink.field(name, value)
        } else {
            Ok(())
        };
        Ok((name.len() + value.len() + ENTRY_BYTES, said))
    }

    fn resize(&mut self, block: &mut &[u8]) -> Result<(), &'static str> {
        let size = integer(block, 5)?;
        if size > TABLE_BYTES_MAX {
            return Err("a table size above 4096 bytes");
        }
        self.table.set_size_max(size);
        Ok(())
    }

    fn literal(
        &mut self,
        block: &mut &[u8],
        first: u8,
        sink: &mut impl Sink,
    ) -> Result<(usize, Result<(), &'static str>), &'static str> {
        let keep = first & 0x40 != 0;
        let index = integer(block, if keep { 6 } else { 4 })?;
        let field = Literal {
            index,
            // What a table of no size cannot hold need not be decoded for it.
            keep: keep && self.table.size_max() > 0,
        };
        self.name.clear();
        self.value.clear();
        if index == 0 {
            string(block, &mut self.name)?;
        }
        let name = self.name_of(field)?;
        let (wanted, name_bytes) = (sink.wants(name), name.len());
        if !wanted && !field.keep {
            let skipped = raw_string(block)?.0.len();
            return Ok((name_bytes + skipped + ENTRY_BYTES, Ok(())));
        }
        string(block, &mut self.value)?;
        let name = self.name_of(field)?;
        let said = if wanted {
            sink.field(name, &self.value)
        } else {
            Ok(())
        };
        if field.keep {
            if index != 0 {
                let (name, _) = self.table.get(index).ok_or(NO_ENTRY)?;
                self.name.extend_from_slice(name);
            }
            self.table.insert(&self.name, &self.value);
        }
        Ok((name_bytes + self.value.len() + ENTRY_BYTES, said))
    }

    fn name_of(&self, field: Literal) -> Result<&[u8], &'static str> {
        if field.index == 0 {
            return Ok(&self.name);
        }
        Ok(self.table.get(field.index).ok_or(NO_ENTRY)?.0)
    }
}

const NO_ENTRY: &str = "a header field that no table holds";
const CUT: &str = "a header block that ends inside a field";

/// An integer whose first byte has `bits` bits for it (RFC 7541, 5.1).
fn integer(block: &mut &[u8], bits: u8) -> Result<usize, &'static str> {
    let (first, mut rest) = block.split_first().ok_or(CUT)?;
    let full = (1usize << bits) - 1;
    let mut value = usize::from(*first) & full;
    if value == full {
        let mut shift = 0;
        loop {
            let (byte, after) = rest.split_first().ok_or(CUT)?;
            rest = after;
            if shift > 21 {
                return Err("a number in a header block that is too large");
            }
            value += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *block = rest;
    Ok(value)
}

/// A string as it is sent, and whether it is Huffman-coded.
fn raw_string<'a>(block: &mut &'a [u8]) -> Result<(&'a [u8], bool), &'static str> {
    let coded = block.first().ok_or(CUT)? & 0x80 != 0;
    let length = integer(block, 7)?;
    let (text, rest) = block.split_at_checked(length).ok_or(CUT)?;
    *block = rest;
    Ok((text, coded))
}

fn string(block: &mut &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    match raw_string(block)? {
        (text, true) => huffman::decode(text, out),
        (text, false) => {
            out.extend_from_slice(text);
            Ok(())
        }
    }
}

/// Append an entry of the fixed table as it is.
pub fn put_indexed(out: &mut Vec<u8>, index: u8) {
    out.push(0x80 | index);
}

/// Append a field with a name of the fixed table, or one of its own where `index` is 0. A secret is marked so that
/// nobody on the way enters it into a table either (RFC 7541, 7.1.3).
pub fn put_literal(out: &mut Vec<u8>, index: u8, name: &[u8], value: &[u8], secret: bool) {
    put_integer(out, if secret { 0x10 } else { 0 }, 4, usize::from(index));
    if index == 0 {
        put_integer(out, 0, 7, name.len());
        out.extend(name.iter().map(u8::to_ascii_lowercase));
    }
    put_integer(out, 0, 7, value.len());
    out.extend_from_slice(value);
}

fn put_integer(out: &mut Vec<u8>, mark: u8, bits: u8, value: usize) {
    let full = (1usize << bits) - 1;
    if value < full {
        return out.push(mark | value as u8);
    }
    out.push(mark | full as u8);
    let mut rest = value - full;
    while rest >= 128 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The entry of the fixed table that has this name, compared without case; 0 for none.
pub fn name_index(name: &[u8]) -> u8 {
    // The entries up to 14 are pseudo-fields.
    let at = table::FIXED[14..].iter().position(|(known, _)| {
        known.len() == name.len() && name.eq_ignore_ascii_case(known.as_bytes())
    });
    at.map_or(0, |at| at as u8 + 15)
}

#[cfg(test)]
mod tests;
