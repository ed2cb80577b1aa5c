//! Values that need no name to be given: `$uuid`, `$n`, `$random(1, 100)` and so on.
use crate::digits::push_number;
use crate::rng::Rng;
use crate::sys;
use crate::value::Values;

/// A random text is at most this long.
const TEXT_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltIn {
    Uuid,
    /// Number of the iteration.
    Number,
    Random(i64, i64),
    /// So many letters and digits.
    Text(usize),
    /// Unix time in seconds.
    Timestamp,
    TimestampMs,
    /// RFC 3339 in UTC with milliseconds.
    IsoDate,
    /// Index of the pass through the loop of this register, and the number that is added to it.
    Turn(usize, u64),
}

const FORMS: &str = "$n, $uuid, $random(low, high), $randomString(length), $timestamp, $timestamp_ms, $iso_date, $loop and $loopCount";

impl BuiltIn {
    /// Read what stands behind the `$`, with so many loops around it.
    pub fn parse(name: &str, loops: usize) -> Result<Self, String> {
        let form = || format!("built in are {FORMS}; got '${name}'");
        let turn = |plus| {
            loops
                .checked_sub(1)
                .map(|register| Self::Turn(register, plus))
                .ok_or_else(|| format!("'${name}' stands in no loop"))
        };
        match name {
            "n" => return Ok(Self::Number),
            "uuid" => return Ok(Self::Uuid),
            "timestamp" => return Ok(Self::Timestamp),
            "timestamp_ms" => return Ok(Self::TimestampMs),
            "iso_date" => return Ok(Self::IsoDate),
            "loop" => return turn(0),
            "loopCount" => return turn(1),
            _ => {}
        }
        let (function, rest) = name.split_once('(').ok_or_else(form)?;
        let inner = rest.strip_suffix(')').ok_or_else(form)?;
        match function {
            "random" | "randomNumber" => {
                let (low, high) = inner.split_once(',').ok_or_else(form)?;
                let (Ok(low), Ok(high)) = (low.trim().parse(), high.trim().parse()) else {
                    return Err(form());
                };
                if low > high {
                    return Err(form());
                }
                Ok(Self::Random(low, high))
            }
            "randomString" => match inner.trim().parse() {
                Ok(length) if (1..=TEXT_MAX).contains(&length) => Ok(Self::Text(length)),
                _ => Err(format!(
                    "the length of $randomString is 1 to {TEXT_MAX}, got {inner:?}"
                )),
            },
            _ => Err(form()),
        }
    }

    /// Is what it writes a JSON number?
    pub fn is_number(self) -> bool {
        !matches!(self, Self::Uuid | Self::Text(_) | Self::IsoDate)
    }

    /// What it stands for, where that is a number.
    pub fn number(self, values: &Values<'_>, rng: &mut Rng) -> Option<f64> {
        Some(match self {
            Self::Number => values.number as f64,
            Self::Random(low, high) => between(rng, low, high) as f64,
            Self::Turn(register, plus) => turn(values, register, plus) as f64,
            Self::Timestamp => (sys::unix_ns() / 1_000_000_000) as f64,
            Self::TimestampMs => (sys::unix_ns() / 1_000_000) as f64,
            Self::Uuid | Self::Text(_) | Self::IsoDate => return None,
        })
    }

    pub fn write(self, values: &Values<'_>, rng: &mut Rng, out: &mut Vec<u8>) {
        match self {
            Self::Uuid => uuid(rng, out),
            Self::Number => push_number(values.number, out),
            Self::Random(low, high) => {
                let drawn = between(rng, low, high);
                if drawn < 0 {
                    out.push(b'-');
                }
                push_number(drawn.unsigned_abs(), out);
            }
            Self::Text(length) => text(rng, length, out),
            Self::Timestamp => push_number(sys::unix_ns() / 1_000_000_000, out),
            Self::TimestampMs => push_number(sys::unix_ns() / 1_000_000, out),
            Self::IsoDate => iso_date(sys::unix_ns(), out),
            Self::Turn(register, plus) => push_number(turn(values, register, plus), out),
        }
    }
}

fn turn(values: &Values<'_>, register: usize, plus: u64) -> u64 {
    values
        .turns
        .get(register)
        .map_or(0, |turns| turns.index)
        .saturating_add(plus)
}

fn between(rng: &mut Rng, low: i64, high: i64) -> i64 {
    low.wrapping_add(rng.between(0, high.wrapping_sub(low) as u64) as i64)
}

fn text(rng: &mut Rng, length: usize, out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // Ten characters of 62 from 64 bits: what is left over of 2^64 / 62^10 biases by less than 5 %, so eight.
    let mut left = length;
    while left > 0 {
        let mut drawn = rng.next_u64();
        for _ in 0..left.min(8) {
            out.push(ALPHABET[(drawn % 62) as usize]);
            drawn /= 62;
            left -= 1;
        }
    }
}

/// A version 4 UUID (RFC 9562), from the iteration's own stream.
fn uuid(rng: &mut Rng, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let high = (rng.next_u64() & !0xF000) | 0x4000;
    let low = (rng.next_u64() & (u64::MAX >> 2)) | (1 << 63);
    let digits = u128::from(high) << 64 | u128::from(low);
    for place in 0..32 {
        if matches!(place, 8 | 12 | 16 | 20) {
            out.push(b'-');
        }
        out.push(HEX[(digits >> (124 - 4 * place)) as usize & 15]);
    }
}

/// `2026-01-31T12:34:56.789Z`. Source: H. Hinnant, "chrono-compatible low-level date algorithms" (civil_from_days).
fn iso_date(unix_ns: u64, out: &mut Vec<u8>) {
    let ms = unix_ns / 1_000_000;
    let (days, in_day) = ((ms / 86_400_000) as i64, ms % 86_400_000);
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let mut put = |value: i64, width: usize, after: u8| {
        let divisors = [1_000, 100, 10, 1];
        for divisor in &divisors[4 - width..] {
            out.push(b'0' + (value / divisor % 10) as u8);
        }
        out.push(after);
    };
    let part = |unit_ms: u64, of: u64| (in_day / unit_ms % of) as i64;
    put(year, 4, b'-');
    put(month, 2, b'-');
    put(day, 2, b'T');
    put(part(3_600_000, 24), 2, b':');
    put(part(60_000, 60), 2, b':');
    put(part(1_000, 60), 2, b'.');
    put(part(1, 1_000), 3, b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_s, wanted) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_735_689_599, "2024-12-31T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] {
            let mut out = vec![];
            iso_date(unix_s * 1_000_000_000 + 7_000_000, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }

    #[test]
    fn what_is_not_built_in_is_answered_with_what_is() {
        for wrong in [
            "m",
            "random(3)",
            "random(3, 2)",
            "randomString(0)",
            "randomString(x)",
            "uuid()",
        ] {
            assert!(BuiltIn::parse(wrong, 0).is_err(), "{wrong}");
        }
        assert!(BuiltIn::parse("loop", 0).unwrap_err().contains("no loop"));
        assert_eq!(BuiltIn::parse("loop", 2), Ok(BuiltIn::Turn(1, 0)));
        assert_eq!(
            BuiltIn::parse("randomNumber(-3, 4)", 0),
            Ok(BuiltIn::Random(-3, 4))
        );
    }

    #[test]
    fn random_numbers_reach_from_the_least_to_the_most() {
        let mut rng = Rng::new(1);
        let drawn: Vec<i64> = (0..300).map(|_| between(&mut rng, -2, 2)).collect();
        assert!(
            (-2..=2).all(|wanted| drawn.contains(&wanted)) && drawn.iter().all(|x| x.abs() <= 2)
        );
        between(&mut rng, i64::MIN, i64::MAX);
    }
}
