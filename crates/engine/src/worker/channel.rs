//! Calls of scripts that last: an answer that is handed over event by event.
//!
//! Events are stamped here, when they are read off the connection, and wait here until the script takes them. Where it is
//! slow, the connection is not read from: the service sees a client that does not keep up, and memory stays bounded.
use super::Worker;
use super::connections::Place;
use super::talk::Talking;
use super::upload::Sending;
use crate::script::{Came, ScriptAnswer, StreamTotals, ToScript, Told, Want};

/// What may wait for the script, of one call; then no more is read.
const UNREAD_MAX: usize = 1_000;
const UNREAD_BYTES_MAX: usize = 1 << 20;

/// What a call that lasts has beside its request.
#[derive(Debug, Default)]
pub struct Channel {
    /// Where its answer is read, once it has begun: the connection's token, and the stream on it.
    place: Option<(u64, u32)>,
    unread: Vec<Came>,
    unread_bytes: usize,
    /// The script waits for what comes next.
    pub wanted: bool,
    /// Its answer is not read on, because the script has not taken what was read.
    halted: bool,
    /// The body that is being sent in pieces.
    pub sending: Option<Sending>,
    /// What goes on on its WebSocket.
    pub talk: Option<Box<Talking>>,
}

impl Channel {
    fn add(&mut self, came: Vec<Came>) {
        self.unread_bytes += came.iter().map(Came::bytes).sum::<usize>();
        if self.unread.is_empty() {
            self.unread = came;
        } else {
            self.unread.extend(came);
        }
    }

    fn take(&mut self) -> Vec<Came> {
        self.unread_bytes = 0;
        std::mem::take(&mut self.unread)
    }

    fn is_full(&self) -> bool {
        self.unread.len() >= UNREAD_MAX || self.unread_bytes >= UNREAD_BYTES_MAX
    }

    /// Is nothing of a body still to come?
    pub fn has_sent_all(&mut self) -> bool {
        self.sending.as_ref().is_none_or(|sending| sending.over)
    }

    /// What is told with its last word: nobody has taken it.
    pub fn left(mut self) -> Vec<Came> {
        self.take()
    }
}

impl Worker {
    /// The head of an answer has come, or events have: the script hears of it when it wants to.
    pub(super) fn hand_on(&mut self, place: Place, id: u32, came: Vec<Came>) {
        let call = self.users[id as usize].call;
        let Some(channel) = self.plan.channel(call) else {
            return;
        };
        channel.add(came);
        let halts = channel.is_full() && !channel.halted && !channel.wanted;
        channel.halted |= halts;
        self.tell_begun(place, call);
        self.tell_wanted(call);
        if halts {
            self.halt(place, true);
        }
    }

    /// The script hears once that the answer is there, with its head.
    fn tell_begun(&mut self, place: Place, call: u32) {
        let token = self.token(place.at);
        let told_before = match self.plan.channel(call) {
            Some(channel) => channel.place.is_some(),
            None => true,
        };
        if !told_before && let Some(answer) = self.begun(place) {
            if let Some(channel) = self.plan.channel(call) {
                channel.place = Some((token, place.stream));
            }
            let told = Told::Begun(Box::new(answer));
            self.tell_script(ToScript::Channel { call, told });
        }
    }

    /// The same of a socket, whose request is over.
    pub(super) fn tell_begun_at(&mut self, place: Place, call: u32, sent_ns: u64) {
        let token = self.token(place.at);
        let Some(mut answer) = self.begun(place) else {
            return;
        };
        answer.sent_ns = sent_ns;
        if let Some(channel) = self.plan.channel(call) {
            channel.place = Some((token, place.stream));
        }
        let told = Told::Begun(Box::new(answer));
        self.tell_script(ToScript::Channel { call, told });
    }

    fn begun(&mut self, place: Place) -> Option<ScriptAnswer> {
        let slot = &mut self.slots[place.at as usize];
        let status = match place.stream {
            0 => slot.conn.as_ref()?.exchange.status()?,
            id => slot.stream(id).map(|stream| stream.status())?,
        };
        let (user, clocks, kept) = place.reading(&mut self.slots)?;
        Some(ScriptAnswer {
            status,
            sent_ns: self.users[user as usize].sent_ns,
            done_ns: clocks.first_byte_ns,
            head_length: kept.head.len(),
            set_cookies: vec![],
            bytes: kept.head.as_slice().into(),
            stream: None,
        })
    }

    /// Hand over what has come, if the script waits for it.
    fn tell_wanted(&mut self, call: u32) {
        if let Some(channel) = self.plan.channel(call)
            && channel.wanted
            && !channel.unread.is_empty()
        {
            channel.wanted = false;
            let told = Told::Events(channel.take());
            self.tell_script(ToScript::Channel { call, told });
        }
    }

    pub(super) fn hear_channel(&mut self, call: u32, want: Want) {
        let Some(channel) = self.plan.channel(call) else {
            // Its last word is on its way.
            return;
        };
        let (token, stream) = channel.place.unwrap_or((u64::MAX, 0));
        let place = self.slot_of(token).map(|at| Place { at, stream });
        match want {
            Want::Piece { bytes, last } => self.put_piece(call, &bytes, last),
            Want::Talk(talk) => {
                if let Some(carrier) = self.plan.carrier(call) {
                    self.hear_talk(call, carrier, talk);
                }
            }
            Want::More => self.more(call, place),
            Want::Enough => match place {
                None => self.cancel_call(call),
                Some(Place { at, stream: 0 }) => self.end_stream_early(at),
                Some(Place { at, stream }) => self.stop_stream(at, stream),
            },
        }
    }

    fn more(&mut self, call: u32, place: Option<Place>) {
        let Some(channel) = self.plan.channel(call) else {
            return;
        };
        channel.wanted = true;
        let resumes = std::mem::take(&mut channel.halted);
        self.tell_wanted(call);
        self.tell_messages(call);
        if let Some(place) = place
            && resumes
        {
            self.halt(place, false);
        }
    }

    /// Read no further on this answer for now, or go on.
    fn halt(&mut self, place: Place, halted: bool) {
        let Some((user, ..)) = place.reading(&mut self.slots) else {
            return;
        };
        let now = self.clock();
        let silent_ns = if halted {
            u64::MAX
        } else {
            now.saturating_add(self.users[user as usize].timeout_ns(&self.plan))
        };
        let enough_ns = place
            .reading(&mut self.slots)
            .and_then(|(_, _, kept)| kept.stream.as_ref())
            .map_or(u64::MAX, |reading| reading.enough_ns());
        let deadline_ns = silent_ns.min(enough_ns);
        let Some(conn) = &mut self.slots[place.at as usize].conn else {
            return;
        };
        if place.stream == 0 {
            conn.halted = halted;
            let writable = !conn.rest.is_empty();
            self.watch_writable(place.at, writable);
        } else if let Some(multiplex) = &mut conn.multiplex {
            multiplex.connection.halt(place.stream, halted);
            if let Some(stream) = multiplex.connection.streams.get(place.stream) {
                stream.deadline_ns = deadline_ns;
            }
            self.send_soon(place.at);
        }
        self.set_deadline(place.at, deadline_ns);
    }

    /// What the end of an answer brought is told with the last word.
    pub(super) fn leave_over(
        &mut self,
        place: Place,
        id: u32,
        totals: Option<&mut Box<StreamTotals>>,
    ) {
        let call = self.users[id as usize].call;
        let (Some(totals), Some(channel)) = (totals, self.plan.channel(call)) else {
            return;
        };
        channel.add(std::mem::take(&mut totals.left));
        self.tell_begun(place, call);
        if let Some(conn) = self.conn(place.at)
            && std::mem::take(&mut conn.halted)
        {
            // Its end was read all the same, because the other side has hung up.
            let writable = !conn.rest.is_empty();
            self.watch_writable(place.at, writable);
        }
    }
}
