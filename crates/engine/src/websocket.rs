//! WebSocket (RFC 6455) as a client: handshake, frames, messages. Pure: bytes in, events out, no sockets.
//!
//! Extensions are never offered, so compressed frames never come (permessage-deflate: docs/guide/websocket.md).
mod close;
mod frame;
mod handshake;
mod reader;

pub use close::{ABNORMAL, GOING_AWAY, NORMAL, code_name, may_be_sent, put_close};
pub use frame::{Opcode, mask, put_frame};
pub use handshake::{Key, accept_of, check_answer};
pub use reader::{Event, Reader, Violation};

#[cfg(test)]
mod tests;
