//! A request, as a header block and a body. It is told in HTTP/1.1's form, the one form in which requests are rendered.
use super::head::is_forbidden;
use super::hpack::{name_index, put_indexed, put_literal};

/// A request that is the same every time.
#[derive(Debug)]
pub struct Prepared {
    pub block: Box<[u8]>,
    pub body: Box<[u8]>,
}

// Entries of the fixed table (RFC 7541, appendix A).
const AUTHORITY: u8 = 1;
const METHOD_GET: u8 = 2;
const METHOD_POST: u8 = 3;
const PATH: u8 = 4;
const SCHEME_HTTP: u8 = 6;
const SCHEME_HTTPS: u8 = 7;

impl Prepared {
    /// None for bytes that are no request.
    pub fn of(rendered: &[u8], secure: bool) -> Option<Self> {
        let mut block = vec![];
        let body = translate(rendered, secure, &mut block)?;
        Some(Self {
            block: block.into(),
            body: body.into(),
        })
    }
}

/// Append the header block of a request that was rendered as HTTP/1.1's, and return its body; None where the bytes are
/// no request.
pub fn translate<'a>(rendered: &'a [u8], secure: bool, block: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (line, mut rest) = split_line(rendered)?;
    let method_end = memchr::memchr(b' ', line)?;
    let path_end = memchr::memrchr(b' ', line).filter(|end| *end > method_end)?;
    let (method, path) = (&line[..method_end], &line[method_end + 1..path_end]);
    match method {
        b"GET" => put_indexed(block, METHOD_GET),
        b"POST" => put_indexed(block, METHOD_POST),
        other => put_literal(block, METHOD_GET, b"", other, false),
    }
    put_indexed(block, if secure { SCHEME_HTTPS } else { SCHEME_HTTP });
    let mut looking = rest;
    while let Some((name, value)) = next_field(&mut looking) {
        if name.eq_ignore_ascii_case(b"host") {
            put_literal(block, AUTHORITY, b"", value, false);
            break;
        }
    }
    match path {
        b"/" => put_indexed(block, PATH),
        other => put_literal(block, PATH, b"", other, false),
    }
    while let Some((name, value)) = next_field(&mut rest) {
        if name.eq_ignore_ascii_case(b"host") || is_forbidden(name) {
            continue;
        }
        // The only value that may stand there (RFC 9113, 8.2.2).
        if name.eq_ignore_ascii_case(b"te") && !value.eq_ignore_ascii_case(b"trailers") {
            continue;
        }
        let secret = [&b"authorization"[..], b"cookie", b"proxy-authorization"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        put_literal(block, name_index(name), name, value, secret);
    }
    let (end, body) = split_line(rest)?;
    end.is_empty().then_some(body)
}

/// The next header line's name and value; None at the empty line.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (line, after) = split_line(rest)?;
    let colon = memchr::memchr(b':', line)?;
    *rest = after;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memmem::find(bytes, b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}
