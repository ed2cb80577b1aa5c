//! A user's WebSocket: opened by a request that is answered with 101, held over the steps on it, closed in the end.
//!
//! A message step that sends and receives is counted as a request is: planned, sent, done, with the same clocks and
//! expectations. One that only sends is counted as a message alone: there is nothing to time; several in a row leave
//! together, with one send. What the files hold: `opening`, `steps` (what a step counts and how it fails), `sending`,
//! `receiving`, `unread` (what came early), `closing`.
use super::Worker;
use crate::plan::program::CompiledStep;
use crate::plan::socket::SocketStep;
use crate::rng::Rng;
use crate::websocket::Reader;

mod closing;
mod opening;
mod receiving;
mod sending;
mod steps;
mod unread;

use unread::Unread;

/// What a user has of its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Never,
    /// The slot of its connection.
    Open(u32),
    /// The code it was closed with.
    Closed(u16),
}

/// A socket's part of its connection.
pub struct Socket {
    reader: Reader,
    talking: Talking,
}

/// What the user is at, on its socket.
struct Talking {
    rng: Rng,
    waits_for: WaitsFor,
    /// Whose series the opening and the closing are counted in.
    series: usize,
    keeps_unread: bool,
    unread: Unread,
    /// Messages that were not what the step waits for.
    passed_over: u64,
    /// The step is over; what comes next is begun when all that has arrived is read.
    step_over: bool,
    /// The server has said that it ends the connection.
    closed: Option<(u16, String)>,
    /// Frames that leave with the next send, or at the end of this round: messages that nobody waits for an answer to,
    /// and what the protocol asks of us.
    gathered: Vec<u8>,
    /// Stands among the connections that have gathered something.
    listed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    Nothing,
    Message,
    Pong(u64),
    /// The answer to our close frame.
    Close,
    /// Room to send.
    Room,
}

impl Socket {
    pub fn new(series: usize, keeps_unread: bool, rng: Rng) -> Self {
        Self {
            reader: Reader::default(),
            talking: Talking {
                rng,
                waits_for: WaitsFor::Nothing,
                series,
                keeps_unread,
                unread: Unread::default(),
                passed_over: 0,
                step_over: false,
                closed: None,
                gathered: vec![],
                listed: false,
            },
        }
    }
}

impl Talking {
    fn key(&mut self) -> u32 {
        self.rng.next_u64() as u32
    }
}

impl Worker {
    fn talking(&mut self, at: u32) -> Option<&mut Talking> {
        let socket = self.conn(at)?.socket.as_mut()?;
        Some(&mut socket.talking)
    }

    /// The next frame's key.
    pub(in crate::worker) fn socket_key(&mut self, at: u32) -> Option<u32> {
        self.talking(at).map(Talking::key)
    }

    /// Nothing is waited for.
    fn rest_deadline(&mut self, at: u32) {
        if let Some(conn) = self.conn(at) {
            conn.deadline_ns = u64::MAX;
        }
    }
}

impl super::users::User {
    /// The step on a socket that the user is at.
    pub(super) fn socket_step<'a>(
        &self,
        plan: &'a crate::plan::compile::Compiled,
    ) -> Option<&'a SocketStep> {
        match plan.scenarios[self.scenario as usize]
            .steps
            .get(self.step as usize)?
        {
            CompiledStep::Socket(step) => Some(step),
            _ => None,
        }
    }
}
