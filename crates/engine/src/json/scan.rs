//! One pass over a JSON text that finds the values of several paths and skips everything else.
use super::{Path, Segment};

/// The text ends too early, or is no JSON where the scanner had to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// Several paths that are looked for in one pass.
#[derive(Debug, Default)]
pub struct Paths(Vec<Path>);

/// As many paths as one pass looks for: one bit each.
const PATHS_MAX: usize = 64;

impl Paths {
    /// Look for this one too; its place in what `find` fills, or None when there are too many.
    pub fn add(&mut self, path: Path) -> Option<usize> {
        if let Some(known) = self.0.iter().position(|known| *known == path) {
            return Some(known);
        }
        (self.0.len() < PATHS_MAX).then(|| {
            self.0.push(path);
            self.0.len() - 1
        })
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Fill `found` with where the value of each path begins and ends; None where there is no such value.
///
/// # Errors
/// The text is broken before all values were found; those found until then are filled in.
pub fn find(
    text: &[u8],
    paths: &Paths,
    found: &mut Vec<Option<(usize, usize)>>,
) -> Result<(), Broken> {
    found.clear();
    found.resize(paths.0.len(), None);
    let all = match paths.0.len() {
        0 => return Ok(()),
        PATHS_MAX => u64::MAX,
        many => (1 << many) - 1,
    };
    let mut scan = Scan {
        text,
        at: 0,
        paths: &paths.0,
        left: all,
        found,
    };
    match scan.value(all, 0) {
        Ok(()) | Err(Stop::Done) => Ok(()),
        Err(Stop::Broken) => Err(Broken),
    }
}

/// The bytes of the value that `path` leads to.
pub fn find_one<'a>(text: &'a [u8], path: &Path) -> Option<&'a [u8]> {
    let mut found = [None];
    let mut scan = Scan {
        text,
        at: 0,
        paths: std::slice::from_ref(path),
        left: 1,
        found: &mut found,
    };
    // A broken text has the value, or it has not.
    let _ = scan.value(1, 0);
    let [Some((from, to))] = found else {
        return None;
    };
    Some(&text[from..to])
}

enum Stop {
    /// Everything was found.
    Done,
    Broken,
}

impl From<Broken> for Stop {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    paths: &'a [Path],
    /// A bit for each path that is not found yet.
    left: u64,
    found: &'a mut [Option<(usize, usize)>],
}

impl Scan<'_> {
    /// Go through the value that begins here, for the paths in `wanted`, which have led here.
    fn value(&mut self, wanted: u64, depth: usize) -> Result<(), Stop> {
        self.at = after_space(self.text, self.at);
        let (mut ending, mut deeper) = (0, 0);
        for path in bits(wanted & self.left) {
            if self.paths[path].0.len() == depth {
                ending |= 1 << path;
            } else {
                deeper |= 1 << path;
            }
        }
        let from = self.at;
        match self.text.get(from) {
            Some(b'{') if deeper != 0 => self.object(deeper, depth)?,
            Some(b'[') if deeper != 0 => self.array(deeper, depth)?,
            _ => self.at = skip_value(self.text, from)?,
        }
        for path in bits(ending) {
            self.found[path] = Some((from, self.at));
        }
        self.left &= !ending;
        if self.left == 0 {
            Err(Stop::Done)
        } else {
            Ok(())
        }
    }

    fn object(&mut self, wanted: u64, depth: usize) -> Result<(), Stop> {
        self.at = after_space(self.text, self.at + 1);
        if self.text.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut wanted = wanted;
        loop {
            let name_at = self.at;
            if self.text.get(name_at) != Some(&b'"') {
                return Err(Stop::Broken);
            }
            let name_end = skip_string(self.text, name_at)?;
            let matching = self.of_this_name(wanted, depth, name_at, name_end)?;
            self.at = after_space(self.text, name_end);
            if self.text.get(self.at) != Some(&b':') {
                return Err(Stop::Broken);
            }
            self.at += 1;
            if matching == 0 {
                self.at = skip_value(self.text, after_space(self.text, self.at))?;
            } else {
                self.value(matching, depth + 1)?;
                // The first of two equal names counts.
                wanted &= !matching;
            }
            if self.after_item(b'}')? {
                return Ok(());
            }
        }
    }

    /// The paths in `wanted` that go on through a member of this name.
    fn of_this_name(
        &self,
        wanted: u64,
        depth: usize,
        from: usize,
        end: usize,
    ) -> Result<u64, Broken> {
        let raw = &self.text[from + 1..end - 1];
        let mut matching = 0;
        if memchr::memchr(b'\\', raw).is_some() {
            let name: String = serde_json::from_slice(&self.text[from..end]).map_err(|_| Broken)?;
            for path in bits(wanted) {
                if matches!(&self.paths[path].0[depth], Segment::Name(own) if **own == *name) {
                    matching |= 1 << path;
                }
            }
            return Ok(matching);
        }
        for path in bits(wanted) {
            if matches!(&self.paths[path].0[depth], Segment::Name(own) if own.as_bytes() == raw) {
                matching |= 1 << path;
            }
        }
        Ok(matching)
    }

    fn array(&mut self, wanted: u64, depth: usize) -> Result<(), Stop> {
        self.at = after_space(self.text, self.at + 1);
        if self.text.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(());
        }
        for index in 0.. {
            let mut matching = 0;
            for path in bits(wanted) {
                if self.paths[path].0[depth] == Segment::Index(index) {
                    matching |= 1 << path;
                }
            }
            if matching == 0 {
                self.at = skip_value(self.text, after_space(self.text, self.at))?;
            } else {
                self.value(matching, depth + 1)?;
            }
            if self.after_item(b']')? {
                break;
            }
        }
        Ok(())
    }

    /// Step over the comma after an item, or over `close`: then true.
    fn after_item(&mut self, close: u8) -> Result<bool, Stop> {
        self.at = after_space(self.text, self.at);
        match self.text.get(self.at) {
            Some(b',') => {
                self.at = after_space(self.text, self.at + 1);
                Ok(false)
            }
            Some(byte) if *byte == close => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(Stop::Broken),
        }
    }
}

/// The elements of a JSON array, one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Elements {
    /// Where the next one begins; 0 before the first.
    at: usize,
}

impl Elements {
    /// The next element of `array`; None after the last.
    ///
    /// # Errors
    /// It is no array, or broken.
    pub fn next<'a>(&mut self, array: &'a [u8]) -> Result<Option<&'a [u8]>, Broken> {
        let mut at = self.at;
        if at == 0 {
            at = after_space(array, 0);
            if array.get(at) != Some(&b'[') {
                return Err(Broken);
            }
            at = after_space(array, at + 1);
        }
        if array.get(at) == Some(&b']') {
            self.at = at;
            return Ok(None);
        }
        let end = skip_value(array, at)?;
        let after = after_space(array, end);
        self.at = match array.get(after) {
            Some(b',') => after_space(array, after + 1),
            Some(b']') => after,
            _ => return Err(Broken),
        };
        Ok(Some(&array[at..end]))
    }
}

fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (set != 0).then(|| {
            let bit = set.trailing_zeros() as usize;
            set &= set - 1;
            bit
        })
    })
}

fn after_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// Where the value that begins at `from` ends.
fn skip_value(text: &[u8], from: usize) -> Result<usize, Broken> {
    match text.get(from) {
        Some(b'"') => skip_string(text, from),
        Some(b'{' | b'[') => skip_nested(text, from),
        Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
            let length = text[from..]
                .iter()
                .position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
                .unwrap_or(text.len() - from);
            Ok(from + length)
        }
        _ => Err(Broken),
    }
}

/// Where the object or array that begins at `from` ends.
fn skip_nested(text: &[u8], from: usize) -> Result<usize, Broken> {
    let mut depth = 0usize;
    let mut at = from;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = skip_string(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    Err(Broken)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Where the string whose opening quote is at `from` ends: after its closing quote.
fn skip_string(text: &[u8], from: usize) -> Result<usize, Broken> {
    let mut at = from + 1;
    loop {
        // Eight bytes at a time, as long as none of them is a quote or a backslash.
        while let Some(Ok(eight)) = text.get(at..at + 8).map(<[u8; 8]>::try_from) {
            let word = u64::from_le_bytes(eight);
            let hits = has_zero(word ^ (ONES * u64::from(b'"')))
                | has_zero(word ^ (ONES * u64::from(b'\\')));
            if hits != 0 {
                at += hits.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return Err(Broken),
        }
    }
}

/// The high bit of the lowest byte that is 0 (those above it may be wrong, the lowest one is not).
fn has_zero(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}
