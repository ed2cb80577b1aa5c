//! What a script and the engine tell each other of a WebSocket.
use std::sync::Arc;

use crate::plan::stream::WishSpec;
use crate::record::ErrorKind;
use crate::stream::Wish;

/// What a message must be to be the one that is waited for.
#[derive(Debug, Clone)]
pub struct Fits(pub(crate) Arc<Wish>);

impl Fits {
    /// Read the plan's form, `{"contains": […], "matches": …, "json": [[path, value]]}`.
    ///
    /// # Errors
    /// What cannot be understood.
    pub fn of(text: &str) -> Result<Self, String> {
        let spec: WishSpec = serde_json::from_str(text).map_err(|error| error.to_string())?;
        spec.compile().map(|wish| Self(Arc::new(wish)))
    }
}

/// What the script does on its socket.
#[derive(Debug)]
pub enum Talk {
    /// Send a message.
    Say {
        /// The step it counts as.
        step: u32,
        /// When it was to be sent.
        planned_ns: u64,
        /// Bytes, not text.
        binary: bool,
        /// The message.
        bytes: Box<[u8]>,
        /// The script waits to be told `Room`.
        told: bool,
    },
    /// Wait for a message: behind a `Say`, for its answer.
    Hear {
        /// Tells its answer apart; another one that is under way is given up.
        number: u32,
        /// The step it counts as.
        step: u32,
        /// When the waiting began.
        planned_ns: u64,
        /// In place of the plan's.
        timeout_ns: Option<u64>,
        /// The first message that is it; without, the next.
        fits: Option<Fits>,
    },
    /// Send a ping, one at a time.
    Ping {
        /// The step it counts as.
        step: u32,
        /// When it was to be sent.
        planned_ns: u64,
        /// In place of the plan's.
        timeout_ns: Option<u64>,
    },
    /// End it.
    Close {
        /// Such as 1000.
        code: u16,
        /// Why, in words.
        reason: Box<str>,
    },
}

/// What comes of it.
#[derive(Debug)]
pub enum Talked {
    /// The message that was waited for.
    Heard {
        /// Which waiting.
        number: u32,
        /// Binary, not text.
        binary: bool,
        /// From the send, or from the beginning of the waiting.
        elapsed_ns: u64,
        /// The message.
        bytes: Box<[u8]>,
    },
    /// None came in time; it is counted.
    Missed {
        /// Which waiting; None for a pong.
        number: Option<u32>,
        /// Why.
        kind: ErrorKind,
        /// In words.
        text: Box<str>,
    },
    /// The pong came.
    Pong {
        /// From the ping to the pong.
        took_ns: u64,
    },
}

/// The last word on a socket.
#[derive(Debug)]
pub struct Closed {
    /// The close code; 1006 where the connection ended without.
    pub code: u16,
    /// Why, as far as the script has not done it.
    pub kind: ErrorKind,
    /// In words.
    pub text: Box<str>,
    /// The script had asked for it.
    pub asked: bool,
    /// Messages that came while nobody took them and were dropped for newer ones.
    pub dropped: u64,
}
