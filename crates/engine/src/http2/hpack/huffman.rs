//! The Huffman code of header strings. Source: RFC 7541, 5.2 and appendix B.
//!
//! The code is canonical: within a length, codes follow the order of their symbols. So the lengths say everything.

/// Bits of each symbol's code; the last is the end of the string, which is never sent.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
const SYMBOLS: usize = 257;
const BITS_MAX: usize = 30;
/// Codes up to this long are found with one look: they are what header values consist of.
const SHORT_BITS: usize = 8;
const END: u16 = 256;

struct Code {
    /// By the next eight bits: symbol and length; length 0 where the code is longer.
    short: [(u8, u8); 1 << SHORT_BITS],
    /// Symbols by their codes.
    order: [u16; SYMBOLS],
    /// For each length: its first code, how many there are, and where they begin in `order`.
    first: [u32; BITS_MAX + 1],
    count: [u32; BITS_MAX + 1],
    start: [u32; BITS_MAX + 1],
}

static CODE: Code = code();

const fn code() -> Code {
    let mut made = Code {
        short: [(0, 0); 1 << SHORT_BITS],
        order: [0; SYMBOLS],
        first: [0; BITS_MAX + 1],
        count: [0; BITS_MAX + 1],
        start: [0; BITS_MAX + 1],
    };
    let (mut next, mut placed, mut length) = (0u32, 0, 1);
    while length <= BITS_MAX {
        next <<= 1;
        made.first[length] = next;
        made.start[length] = placed as u32;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                made.order[placed] = symbol as u16;
                if length <= SHORT_BITS {
                    let spare = SHORT_BITS - length;
                    let mut low = 0;
                    while low < 1 << spare {
                        made.short[((next as usize) << spare) + low] = (symbol as u8, length as u8);
                        low += 1;
                    }
                }
                next += 1;
                placed += 1;
                made.count[length] += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    made
}

/// Append the text that `coded` stands for.
///
/// # Errors
/// Padding that is longer than 7 bits or not all ones, or a code that stands for nothing (RFC 7541, 5.2).
pub fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    // The bits not used yet stand at the top.
    let (mut bits, mut held) = (0u64, 0usize);
    let mut coded = coded.iter();
    loop {
        while held <= 56
            && let Some(byte) = coded.next()
        {
            bits |= u64::from(*byte) << (56 - held);
            held += 8;
        }
        let (symbol, length) = match CODE.short[(bits >> (64 - SHORT_BITS)) as usize] {
            (_, 0) => long(bits),
            (symbol, length) => (u16::from(symbol), usize::from(length)),
        };
        if length > held || symbol == END {
            let padding =
                held < 8 && (bits | u64::MAX.checked_shr(held as u32).unwrap_or(0)) == u64::MAX;
            return if padding {
                Ok(())
            } else {
                Err("a header string that is not coded as one")
            };
        }
        out.push(symbol as u8);
        bits <<= length;
        held -= length;
    }
}

/// The symbol of a code above eight bits.
fn long(bits: u64) -> (u16, usize) {
    for length in SHORT_BITS + 1..=BITS_MAX {
        let code = (bits >> (64 - length)) as u32;
        let at = code.wrapping_sub(CODE.first[length]);
        if at < CODE.count[length] {
            return (CODE.order[(CODE.start[length] + at) as usize], length);
        }
    }
    (END, BITS_MAX)
}

#[cfg(test)]
pub fn encode(text: &[u8]) -> Vec<u8> {
    let (mut out, mut bits, mut held) = (vec![], 0u64, 0);
    for symbol in text {
        let length = usize::from(LENGTHS[usize::from(*symbol)]);
        let start = CODE.start[length] as usize;
        let place = CODE.order[start..]
            .iter()
            .position(|other| other == &u16::from(*symbol))
            .unwrap_or(0);
        bits = bits << length | u64::from(CODE.first[length] + place as u32);
        held += length;
        while held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    if held > 0 {
        out.push((bits << (8 - held)) as u8 | 0xff >> held);
    }
    out
}
