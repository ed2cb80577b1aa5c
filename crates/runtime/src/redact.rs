//! JSON without the members that nobody may see, copied in one pass.
//!
//! A member goes, name and value, whatever it holds and however deep it stands. Names are compared without regard to case, `_`
//! and `-`, escapes resolved: `apiKey`, `api_key` and `API-KEY` are one. What is not JSON is refused, not guessed at: a caller
//! that cannot tell what it would send must not send it.
/// Deeper than this is refused: no answer of an application is, and a recursion would end the process.
const DEPTH_MAX: usize = 256;

/// Copies JSON without the members of certain names.
#[derive(Debug, Clone)]
pub struct Redactor {
    names: Vec<Box<[u8]>>,
    /// Whether a name begins with this byte: most members are passed over by it alone.
    begins: [bool; 256],
}

/// The bytes are not JSON; where that shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson {
    /// Byte offset.
    pub at: usize,
}

impl Redactor {
    /// Remove members of these names.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<Box<[u8]>> = names
            .into_iter()
            .map(|name| counted(name.as_bytes()).collect())
            .collect();
        let mut begins = [false; 256];
        for name in &names {
            begins[name.first().copied().unwrap_or(0) as usize] = true;
        }
        Self { names, begins }
    }

    /// `json` without those members; None where it has none of them, so that nothing need be copied.
    ///
    /// # Errors
    /// It is not JSON, or nested deeper than 256.
    pub fn redact(&self, json: &[u8]) -> Result<Option<Vec<u8>>, NotJson> {
        let mut pass = Pass {
            redactor: self,
            json,
            at: 0,
            copied: 0,
            out: Vec::new(),
            removed: false,
        };
        pass.space();
        pass.value(0)?;
        pass.space();
        if pass.at != json.len() {
            return Err(NotJson { at: pass.at });
        }
        if !pass.removed {
            return Ok(None);
        }
        pass.out.extend_from_slice(&json[pass.copied..]);
        Ok(Some(pass.out))
    }

    fn hides(&self, name: &[u8]) -> bool {
        // Most names are done with at their first byte.
        let is_other = |first: &u8| {
            !matches!(first, b'\\' | b'_' | b'-')
                && !self.begins[usize::from(first.to_ascii_lowercase())]
        };
        if name.first().is_some_and(is_other) {
            return false;
        }
        if name.contains(&b'\\') {
            return self.has(&unescaped(name));
        }
        self.has(name)
    }

    fn has(&self, name: &[u8]) -> bool {
        let begin = counted(name).next().unwrap_or(0);
        self.begins[begin as usize]
            && self
                .names
                .iter()
                .any(|hidden| counted(name).eq(hidden.iter().copied()))
    }
}

/// The bytes of a name that count, in lower case.
fn counted(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter()
        .filter(|byte| !matches!(byte, b'_' | b'-'))
        .map(u8::to_ascii_lowercase)
}

/// A string's content with `\u00XX` resolved; other escapes cannot be part of a name that is looked for.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut at = 0;
    while at < name.len() {
        let code = (name[at..].starts_with(b"\\u"))
            .then(|| name.get(at + 2..at + 6))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        if let Some(character) = code {
            let mut bytes = [0; 4];
            out.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
            at += 6;
        } else {
            out.push(name[at]);
            at += 1;
        }
    }
    out
}

/// How many bytes a string goes on for, looked at eight at a time: no quote, no backslash, no control byte. Short of eight it says none.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // The high bit of each byte below `least`, of the first one surely: a borrow can only reach bytes behind it.
    let below = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word & HIGHS;
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(*eight);
        let quotes = below(word ^ (ONES * u64::from(b'"')), 1);
        let escapes = below(word ^ (ONES * u64::from(b'\\')), 1);
        let stops = quotes | escapes | below(word, 0x20);
        if stops != 0 {
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at
}

struct Pass<'a> {
    redactor: &'a Redactor,
    json: &'a [u8],
    at: usize,
    /// Up to here `json` is in `out`, or left out.
    copied: usize,
    out: Vec<u8>,
    removed: bool,
}

impl Pass<'_> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn wrong<T>(&self) -> Result<T, NotJson> {
        Err(NotJson { at: self.at })
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() != Some(byte) {
            return self.wrong();
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), NotJson> {
        if depth > DEPTH_MAX {
            return self.wrong();
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(|_| ()),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => {
                while matches!(
                    self.peek(),
                    Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
                ) {
                    self.at += 1;
                }
                Ok(())
            }
            _ => self.wrong(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        if !self.json[self.at..].starts_with(word) {
            return self.wrong();
        }
        self.at += word.len();
        Ok(())
    }

    /// Pass over a string; where its content stands.
    fn string(&mut self) -> Result<std::ops::Range<usize>, NotJson> {
        self.take(b'"')?;
        let begin = self.at;
        loop {
            self.at += plain(self.json.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(begin..self.at - 1);
                }
                Some(b'\\') => self.at += 2,
                Some(byte) if byte >= 0x20 => self.at += 1,
                _ => return self.wrong(),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), NotJson> {
        self.take(b'[')?;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            self.value(depth + 1)?;
            self.space();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(());
            }
            self.take(b',')?;
        }
    }

    /// A member that goes takes the comma before it along, or, as long as none has stayed, the one behind it.
    fn object(&mut self, depth: usize) -> Result<(), NotJson> {
        self.take(b'{')?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut has_stayed = false;
        let mut from = self.at;
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.take(b':')?;
            self.space();
            let goes = self.redactor.hides(&self.json[name]);
            let (out, copied, removed) = (self.out.len(), self.copied, self.removed);
            self.value(depth + 1)?;
            if goes {
                // What was copied while the value was passed over goes with it.
                self.out.truncate(out);
                self.copied = copied;
                self.removed = removed;
            }
            let end = self.at;
            self.space();
            let is_last = self.peek() == Some(b'}');
            if !is_last {
                self.take(b',')?;
                self.space();
            }
            match (goes, has_stayed) {
                (true, true) => self.leave_out(from, end),
                (true, false) => self.leave_out(from, if is_last { end } else { self.at }),
                (false, _) => has_stayed = true,
            }
            if is_last {
                self.at += 1;
                return Ok(());
            }
            from = if has_stayed { end } else { self.at };
        }
    }

    fn leave_out(&mut self, from: usize, to: usize) {
        self.out.extend_from_slice(&self.json[self.copied..from]);
        self.copied = to;
        self.removed = true;
    }
}

#[cfg(test)]
mod tests;
