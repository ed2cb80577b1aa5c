//! The head of an answer: status, how its body is framed, whether the connection lives on. Source: RFC 9112, 6 and 9.
use std::mem::MaybeUninit;

use super::{Body, Coding};

/// More header lines than this are refused as `protocol`.
pub const HEADERS_MAX: usize = 100;
/// A longer head is refused as `protocol`.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What the engine needs to know of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub body: Body,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
    pub coding: Coding,
    /// It gives cookies.
    pub sets_cookies: bool,
    /// Bytes of the head itself, its empty line included.
    pub length: usize,
}

/// Read a head from the beginning of `bytes`; None when it is not all there yet.
///
/// # Errors
/// What is wrong with it, as a fragment of a sentence.
pub fn parse_head(bytes: &[u8], to_head_request: bool) -> Result<Option<Head>, &'static str> {
    let mut headers = [MaybeUninit::uninit(); HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut headers,
    );
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() > HEAD_BYTES_MAX => {
            return Err("a head longer than 64 KiB");
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err("more than 100 header lines"),
        Err(_) => return Err("bytes that are not an HTTP/1 answer"),
    };
    let status = response.code.unwrap_or(0);
    if status < 100 {
        return Err("a status below 100");
    }
    let mut fields = Fields {
        keep_alive: response.version == Some(1),
        ..Fields::default()
    };
    for header in response.headers.iter() {
        fields.read(header)?;
    }
    let bodyless = to_head_request || status < 200 || status == 204 || status == 304;
    let body = match (bodyless, fields.chunked, fields.length) {
        (true, ..) => Body::None,
        (_, Some(true), _) => Body::chunked(),
        (_, Some(false), _) => Body::UntilClose,
        (.., Some(0)) => Body::None,
        (.., Some(length)) => Body::Length(length),
        (.., None) => Body::UntilClose,
    };
    // Both framings at once is how answers are smuggled (RFC 9112, 6.3): take the chunks, then give up the connection.
    let ambiguous = fields.chunked.is_some() && fields.length.is_some();
    let keep_alive = fields.keep_alive && body != Body::UntilClose && !ambiguous;
    Ok(Some(Head {
        status,
        body,
        keep_alive,
        coding: fields.coding,
        sets_cookies: fields.sets_cookies,
        length,
    }))
}

#[derive(Default)]
struct Fields {
    keep_alive: bool,
    length: Option<u64>,
    /// Transfer-Encoding is there; whether its last coding is chunked.
    chunked: Option<bool>,
    coding: Coding,
    sets_cookies: bool,
}

impl Fields {
    fn read(&mut self, header: &httparse::Header<'_>) -> Result<(), &'static str> {
        // By length first: most headers are none of these.
        match header.name.len() {
            10 if header.name.eq_ignore_ascii_case("connection") => {
                for option in header.value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                    if option.eq_ignore_ascii_case(b"close") {
                        self.keep_alive = false;
                    } else if option.eq_ignore_ascii_case(b"keep-alive") {
                        self.keep_alive = true;
                    }
                }
            }
            10 if header.name.eq_ignore_ascii_case("set-cookie") => self.sets_cookies = true,
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let length = content_length(header.value)?;
                if self.length.is_some_and(|before| before != length) {
                    return Err("two different content-lengths");
                }
                self.length = Some(length);
            }
            16 if header.name.eq_ignore_ascii_case("content-encoding") => {
                self.coding = Coding::named(header.value)
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                let last = header
                    .value
                    .rsplit(|b| *b == b',')
                    .next()
                    .unwrap_or(b"")
                    .trim_ascii();
                self.chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Digits alone; a list of equal values is allowed (RFC 9112, 6.3).
fn content_length(value: &[u8]) -> Result<u64, &'static str> {
    const WRONG: &str = "a content-length that is not a number";
    let mut found = None;
    for part in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
        if part.is_empty() || !part.iter().all(u8::is_ascii_digit) {
            return Err(WRONG);
        }
        let length: u64 = std::str::from_utf8(part)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(WRONG)?;
        if found.is_some_and(|before| before != length) {
            return Err("two different content-lengths");
        }
        found = Some(length);
    }
    found.ok_or(WRONG)
}
