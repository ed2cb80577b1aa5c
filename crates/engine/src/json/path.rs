//! Paths of names and indexes alone: `$.items[0].id`, and `items[0].id` in a template.

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    Name(Box<str>),
    Index(usize),
}

/// Where a value lies: from the outermost value down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(pub Box<[Segment]>);

/// A longer path is left to the general reader.
const SEGMENTS_MAX: usize = 32;

impl Path {
    /// Read a JSONPath (RFC 9535) that has only names and indexes from the front; None for any other.
    pub fn of_json_path(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('$')?;
        Self::read(rest, |first, c| {
            c == '_' || c.is_ascii_alphabetic() || !c.is_ascii() || (!first && c.is_ascii_digit())
        })
    }

    /// Read what stands after a variable's name in a template: `.name`, `[0]`, and so on; None for anything else.
    pub fn of_template(text: &str) -> Option<Self> {
        Self::read(text, |_, c| {
            c == '_' || c == '-' || c == '$' || c.is_alphanumeric()
        })
    }

    fn read(mut rest: &str, may_stand: impl Fn(bool, char) -> bool) -> Option<Self> {
        let mut segments = vec![];
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let mut first = true;
                let end = after
                    .find(|c| !may_stand(std::mem::replace(&mut first, false), c))
                    .unwrap_or(after.len());
                if end == 0 {
                    return None;
                }
                segments.push(Segment::Name(after[..end].into()));
                rest = &after[end..];
            } else {
                let inner = rest.strip_prefix('[')?;
                let close = inner.find(']')?;
                let (what, after) = (&inner[..close], &inner[close + 1..]);
                segments.push(bracketed(what)?);
                rest = after;
            }
        }
        (segments.len() <= SEGMENTS_MAX).then(|| Self(segments.into()))
    }
}

fn bracketed(what: &str) -> Option<Segment> {
    for quote in ['\'', '"'] {
        let inner = what
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        if let Some(name) = inner {
            let plain = !name.contains(['\\', '\'', '"']);
            return plain.then(|| Segment::Name(name.into()));
        }
    }
    let canonical = what == "0" || !what.starts_with('0');
    let digits = what.bytes().all(|b| b.is_ascii_digit());
    (canonical && digits)
        .then(|| what.parse().ok())
        .flatten()
        .map(Segment::Index)
}
