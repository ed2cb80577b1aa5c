//! The two tables that header fields are told from: the fixed one, and the one that a connection fills.
//! Source: RFC 7541, 2.3, 4 and appendix A.
use std::collections::VecDeque;

/// What each entry costs beside its bytes (RFC 7541, 4.1).
pub const ENTRY_BYTES: usize = 32;

/// The entries 1 to 61.
#[rustfmt::skip]
pub const FIXED: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: usize,
    name: usize,
    value: usize,
}

/// The entries from 62 on: the newest first.
#[derive(Debug)]
pub struct Dynamic {
    entries: VecDeque<Entry>,
    /// The entries' bytes, oldest first; what is before the oldest is dead.
    bytes: Vec<u8>,
    size: usize,
    size_max: usize,
}

impl Dynamic {
    pub fn new(size_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: vec![],
            size: 0,
            size_max,
        }
    }

    pub fn size_max(&self) -> usize {
        self.size_max
    }

    pub fn set_size_max(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.evict();
    }

    /// The entry of an index as it stands in a header block.
    pub fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let fixed = FIXED.get(index.checked_sub(1)?);
        if let Some((name, value)) = fixed {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        let back = index - FIXED.len();
        let entry = self.entries.get(self.entries.len().checked_sub(back)?)?;
        Some(self.bytes[entry.start..entry.start + entry.name + entry.value].split_at(entry.name))
    }

    /// A new entry; one that is larger than the whole table empties it (RFC 7541, 4.4).
    pub fn insert(&mut self, name: &[u8], value: &[u8]) {
        let live = self.entries.front().map_or(self.bytes.len(), |e| e.start);
        if live > self.size_max {
            self.bytes.drain(..live);
            self.entries.iter_mut().for_each(|e| e.start -= live);
        }
        self.entries.push_back(Entry {
            start: self.bytes.len(),
            name: name.len(),
            value: value.len(),
        });
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.size += name.len() + value.len() + ENTRY_BYTES;
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.size_max
            && let Some(oldest) = self.entries.pop_front()
        {
            self.size -= oldest.name + oldest.value + ENTRY_BYTES;
        }
        if self.entries.is_empty() {
            self.bytes.clear();
        }
    }
}
