//! The null server's WebSocket: says every message again, answers pings, agrees to the end.
use crate::websocket::{accept_of, mask};

/// The answer that agrees to the switch.
pub fn agreement(key: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {}\r\n\r\n",
        accept_of(key)
    )
    .into_bytes()
}

/// What became of the frames in a buffer.
pub struct Echoed {
    /// Whole messages that were said again.
    pub messages: u64,
    /// The client has ended the socket.
    pub over: bool,
}

/// Take the complete frames out of `unread`, and append what is answered to `out`. The error is for what is no
/// client's frame.
pub fn echo(unread: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Echoed, ()> {
    let (mut used, mut echoed) = (
        0,
        Echoed {
            messages: 0,
            over: false,
        },
    );
    while let Some((head, length)) = frame(&unread[used..])? {
        let (kind, start) = (unread[used], used + head);
        let mut key = [0; 4];
        key.copy_from_slice(&unread[start - 4..start]);
        put_head(kind, length, out);
        let payload = out.len();
        out.extend_from_slice(&unread[start..start + length]);
        mask(&mut out[payload..], key);
        used = start + length;
        match kind & 0x0F {
            0x8 => echoed.over = true,
            0xA => out.truncate(payload - head_bytes(length)),
            0x0..=0x2 => echoed.messages += u64::from(kind >> 7),
            _ => {}
        }
    }
    unread.drain(..used);
    Ok(echoed)
}

/// Bytes of the head with its mask, and of the payload, of a frame that is all there.
fn frame(bytes: &[u8]) -> Result<Option<(usize, usize)>, ()> {
    let [_, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if second & 0x80 == 0 {
        return Err(());
    }
    let (head, length): (usize, usize) = match (second & 0x7F, rest) {
        (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            let length = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            (10, usize::try_from(length).map_err(|_| ())?)
        }
        (126 | 127, _) => return Ok(None),
        (short, _) => (2, usize::from(short)),
    };
    // The mask's key is part of the head.
    let head = head + 4;
    let end = head.checked_add(length).ok_or(())?;
    Ok((bytes.len() >= end).then_some((head, length)))
}

fn head_bytes(length: usize) -> usize {
    match length {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

fn put_head(kind: u8, length: usize, out: &mut Vec<u8>) {
    // A ping is answered by a pong.
    out.push(if kind & 0x0F == 0x9 { kind + 1 } else { kind });
    match length {
        0..=125 => out.push(length as u8),
        126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}
