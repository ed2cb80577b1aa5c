//! The head of an answer, out of its header fields. What is kept of it has HTTP/1.1's form, so that whatever looks at
//! headers reads one form. Source: RFC 9113, 8.2 and 8.3.2.
use super::hpack::{LIST_BYTES_MAX, Sink};
use crate::http1::{Coding, HEADERS_MAX, Kept, Wants};

/// What the engine needs to know of a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// 0 until it is known.
    pub status: u16,
    pub length: Option<u64>,
}

/// Takes the fields of a head in.
pub struct HeadSink<'a> {
    pub facts: Facts,
    wants: Wants,
    kept: &'a mut Kept,
    /// Fields that are not pseudo-fields.
    regular: usize,
}

impl<'a> HeadSink<'a> {
    pub fn new(wants: Wants, kept: &'a mut Kept) -> Self {
        Self {
            facts: Facts::default(),
            wants,
            kept,
            regular: 0,
        }
    }

    /// The head is over.
    ///
    /// # Errors
    /// It has no status.
    pub fn end(self) -> Result<Facts, &'static str> {
        match self.facts.status {
            0 => Err("an answer without a status"),
            101 => Err("status 101, which HTTP/2 does not have"),
            status => {
                if status >= 200 && self.begins_head() {
                    self.kept.head.extend_from_slice(b"\r\n");
                }
                Ok(self.facts)
            }
        }
    }

    /// Is the head kept? Redirects' always: they say where to.
    fn keeps(&self) -> bool {
        self.wants.head || (300..400).contains(&self.facts.status)
    }

    /// Does a head begin to be kept? Where somebody wants cookies, one that has nothing else in it.
    fn begins_head(&self) -> bool {
        self.wants.cookies || self.keeps()
    }

    fn status(&mut self, value: &[u8]) -> Result<(), &'static str> {
        let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = *value else {
            return Err("a status that is not three digits");
        };
        if self.regular > 0 || self.facts.status != 0 {
            return Err("a second status, or one after other fields");
        }
        let digit = |byte: u8| u16::from(byte - b'0');
        self.facts.status = digit(a) * 100 + digit(b) * 10 + digit(c);
        if self.facts.status >= 200 && self.begins_head() {
            self.kept.head.extend_from_slice(b"HTTP/1.1 ");
            self.kept.head.extend_from_slice(value);
            self.kept.head.extend_from_slice(b" \r\n");
        }
        Ok(())
    }
}

impl Sink for HeadSink<'_> {
    fn wants(&self, name: &[u8]) -> bool {
        self.keeps()
            || self.wants.call && name.starts_with(b"grpc-")
            || match name.len() {
                10 => is_forbidden(name) || self.wants.cookies && name == b"set-cookie",
                14 => name == b"content-length",
                16 => name == b"content-encoding",
                // Pseudo-fields, and what may not be there.
                _ => name.first() == Some(&b':') || is_forbidden(name),
            }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        if name.first() == Some(&b':') {
            if name != b":status" {
                return Err("a pseudo-field other than :status");
            }
            return self.status(value);
        }
        self.regular += 1;
        if self.regular > HEADERS_MAX {
            return Err("more than 100 headers");
        }
        check_field(name, value)?;
        match name {
            b"content-length" => {
                let digits = std::str::from_utf8(value).ok();
                let length = digits
                    .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|text| text.parse().ok())
                    .ok_or("a content-length that is not a number")?;
                if self.facts.length.is_some_and(|before| before != length) {
                    return Err("two different content-lengths");
                }
                self.facts.length = Some(length);
            }
            b"content-encoding" => self.kept.coding = Coding::named(value),
            _ if self.wants.call && name.starts_with(b"grpc-") => self.kept.hear(name, value),
            _ => {}
        }
        let gives_cookie = self.wants.cookies && name == b"set-cookie";
        self.kept.sets_cookies |= gives_cookie && self.facts.status >= 200;
        if self.facts.status >= 200 && (gives_cookie || self.keeps()) {
            let head = &mut self.kept.head;
            head.extend_from_slice(name);
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

/// What HTTP/1.1 could not carry is no header here either (RFC 9110, 5.1 and 5.5; RFC 9113, 8.2.1).
fn check_field(name: &[u8], value: &[u8]) -> Result<(), &'static str> {
    let of_name =
        |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(b);
    if name.is_empty() || !name.iter().all(of_name) {
        return Err("a header name with upper case or illegal bytes");
    }
    if value.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
        return Err("a header value with control characters");
    }
    if is_forbidden(name) {
        return Err("a header that belongs to HTTP/1.1's connections");
    }
    Ok(())
}

/// Fields about the connection have no place in HTTP/2 (RFC 9113, 8.2.2).
pub fn is_forbidden(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 5] = [
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"transfer-encoding",
        b"upgrade",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Takes the trailers of a call in. Where the head is kept they stand behind it.
pub struct Trailers<'a> {
    pub wants: Wants,
    pub kept: &'a mut Kept,
}

impl Sink for Trailers<'_> {
    fn wants(&self, _: &[u8]) -> bool {
        true
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        check_field(name, value)?;
        self.kept.hear(name, value);
        if self.wants.head {
            let head = &mut self.kept.head;
            if head.len() > LIST_BYTES_MAX {
                return Err("headers and trailers above 64 KiB");
            }
            for piece in [name, b": ", value, b"\r\n"] {
                head.extend_from_slice(piece);
            }
        }
        Ok(())
    }
}

/// For other trailers, and for heads of streams that are gone: read for the table alone.
pub struct Nobody;

impl Sink for Nobody {
    fn wants(&self, _: &[u8]) -> bool {
        false
    }

    fn field(&mut self, _: &[u8], _: &[u8]) -> Result<(), &'static str> {
        Ok(())
    }
}
