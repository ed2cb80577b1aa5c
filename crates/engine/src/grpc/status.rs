//! How a call came out: the codes of gRPC, and where an answer says which one.
use std::borrow::Cow;

pub const OK: u16 = 0;
const UNKNOWN: u16 = 2;
pub const DEADLINE_EXCEEDED: u16 = 4;

/// By their numbers. Source: grpc/grpc, doc/statuscodes.md.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A status as people read it. Those of gRPC are all below those of HTTP, so one number holds either.
pub fn status_text(status: u16) -> Cow<'static, str> {
    match NAMES.get(usize::from(status)) {
        Some(name) => Cow::from(*name),
        None => Cow::from(status.to_string()),
    }
}

/// What the server said of a call, in its trailers or in a head that is all of its answer.
#[derive(Debug, Default)]
pub struct Said {
    code: Option<u16>,
    message: Vec<u8>,
}

impl Said {
    pub fn reset(&mut self) {
        self.code = None;
        self.message.clear();
    }

    /// Take a field in; others than its own do not concern it.
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"grpc-status" => {
                let number = std::str::from_utf8(value)
                    .ok()
                    .and_then(|it| it.parse().ok());
                // What is no code stands for UNKNOWN.
                let known = number.filter(|code| usize::from(*code) < NAMES.len());
                self.code = Some(known.unwrap_or(UNKNOWN));
            }
            b"grpc-message" => {
                self.message.clear();
                unescape(value, &mut self.message);
            }
            _ => {}
        }
    }

    /// The call's status; an answer of another HTTP status than 200 has one too.
    ///
    /// # Errors
    /// The answer ended without saying how the call came out.
    pub fn status(&self, http: u16) -> Result<u16, &'static str> {
        match self.code {
            Some(code) => Ok(code),
            None if http == 200 => Err("an answer without grpc-status"),
            None => Ok(of_http(http)),
        }
    }

    /// The status in words, with what the server added.
    pub fn explain(&self, status: u16, http: u16) -> String {
        let mut text = format!("got {}", status_text(status));
        if self.code.is_none() {
            text += &format!(": HTTP status {http} without grpc-status; is gRPC served there?");
        } else if !self.message.is_empty() {
            text += &format!(": {}", String::from_utf8_lossy(&self.message));
        }
        text
    }
}

/// What an HTTP status stands for where no gRPC server has answered. Source: doc/http-grpc-status-mapping.md.
fn of_http(status: u16) -> u16 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => UNKNOWN,
    }
}

/// Undo percent-encoding; what is none stays as it is.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut rest = text;
    while let [first, after @ ..] = rest {
        if *first == b'%'
            && let [high, low, after @ ..] = after
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            out.push((high * 16 + low) as u8);
            rest = after;
        } else {
            out.push(*first);
            rest = after;
        }
    }
}
