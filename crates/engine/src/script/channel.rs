//! What lasts longer than one question and one answer: an answer that is read event by event, a body that is sent piece by
//! piece, a WebSocket. The script says what it wants next, so what waits for it here is bounded by how fast it takes it.
use super::talk::{Closed, Talk, Talked};
use super::{ScriptAnswer, ToScript};
use crate::stream::Tokens;

/// What the engine tells of such a call, before and with its last word.
#[derive(Debug)]
pub enum Told {
    /// The answer has begun.
    Begun(Box<ScriptAnswer>),
    /// Events that have come, in order; never none.
    Events(Vec<Came>),
    /// The next piece of the body may be put; what was said on a socket has left.
    Room,
    /// What came of something on a socket.
    Talked(Talked),
    /// The last word on a socket: what came and was not taken, and why it ended.
    Closed {
        /// In order.
        left: Vec<Came>,
        /// Why.
        closed: Closed,
    },
    /// The last word: what came and was not taken, then what would be told of any call.
    Over {
        /// In order.
        left: Vec<Came>,
        /// What a call without a channel ends with.
        last: Box<ToScript>,
    },
}

/// What the script wants of such a call.
#[derive(Debug)]
pub enum Want {
    /// What has come, as soon as there is any.
    More,
    /// Nothing more: the answer is over for the script.
    Enough,
    /// Something on a socket.
    Talk(Talk),
    /// Send the next piece of the body; one for each `Room`.
    Piece {
        /// It, at most some 64 KiB, so that what is on its way stays bounded.
        bytes: Box<[u8]>,
        /// The body ends with it.
        last: bool,
    },
}

/// One event of an answer, or one message on a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// Bytes, not text: of a message.
    pub binary: bool,
    /// From the send, or the opening, to when it was read off the connection.
    pub elapsed_ns: u64,
    /// Its name, where it has one.
    pub name: Box<[u8]>,
    /// Its data.
    pub data: Box<[u8]>,
}

impl Came {
    /// What it takes of the room that there is for what nobody has taken.
    pub(crate) fn bytes(&self) -> usize {
        // An event without data takes room too.
        self.data.len() + self.name.len() + 64
    }
}

/// An answer in events, as a whole.
#[derive(Debug, Default)]
pub struct StreamTotals {
    /// From the send to the first event.
    pub first_ns: Option<u64>,
    /// From each event to the next; the first 10,000.
    pub gaps_ns: Vec<u64>,
    /// From the send to the end.
    pub total_ns: u64,
    /// How many events.
    pub events: u64,
    /// From the send to a language model's first content.
    pub ttft_ns: Option<u64>,
    /// Per output token after the first.
    pub tpot_ns: Option<u64>,
    /// As a language model's answer told, or as counted; None for other streams.
    pub tokens: Option<Tokens>,
    /// Within every limit of the request's goodput; None without limits.
    pub good: Option<bool>,
    /// Events that were not handed over before the end.
    pub(crate) left: Vec<Came>,
}
