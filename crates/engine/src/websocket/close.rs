//! Close frames and their codes. Source: RFC 6455, 5.5.1 and 7.4.
use super::frame::{Opcode, put_frame};

pub const NORMAL: u16 = 1000;
pub const GOING_AWAY: u16 = 1001;
/// What the other side did is no WebSocket.
pub const PROTOCOL: u16 = 1002;
/// A close frame without a code; never sent.
pub const NO_STATUS: u16 = 1005;
/// The connection ended without a close frame; never sent.
pub const ABNORMAL: u16 = 1006;
/// Text that is not UTF-8.
pub const NOT_UTF8: u16 = 1007;
pub const TOO_BIG: u16 = 1009;

/// May this code stand in a close frame?
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Code and reason of a close frame's payload.
///
/// # Errors
/// What is wrong with it, as a fragment of a sentence.
pub fn parse_close(payload: &[u8]) -> Result<(u16, &str), &'static str> {
    match payload {
        [] => Ok((NO_STATUS, "")),
        [_] => Err("a close frame with half a code"),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !may_be_sent(code) {
                return Err("a close frame with a code that may not be sent");
            }
            let reason = std::str::from_utf8(reason)
                .map_err(|_| "a close frame whose reason is not UTF-8")?;
            Ok((code, reason))
        }
    }
}

/// Append a close frame; a code that may not be sent is left out.
pub fn put_close(code: u16, reason: &str, key: u32, out: &mut Vec<u8>) {
    let mut payload = vec![];
    if may_be_sent(code) {
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(reason.as_bytes());
    }
    put_frame(Opcode::Close, &payload, key, out);
}

/// What a code means, for messages.
pub fn code_name(code: u16) -> &'static str {
    match code {
        NORMAL => "normal",
        GOING_AWAY => "going away",
        PROTOCOL => "protocol error",
        1003 => "data it cannot take",
        NO_STATUS => "no code given",
        ABNORMAL => "no close frame",
        NOT_UTF8 => "inconsistent data",
        1008 => "against its policy",
        TOO_BIG => "message too big",
        1011 => "error in the server",
        1012 => "restarting",
        1013 => "try again later",
        _ => "the service's own",
    }
}
