//! WebSockets of scripts. What is said and heard is counted and timed as a plan's steps on a socket are; but a script may say
//! something while it waits for a message, and messages that nobody has asked for yet keep the time at which they came.
use std::collections::VecDeque;

use super::Worker;
use super::connections::Place;
use super::script::NO_CALL;
use super::socket::Held;
use super::{Phase, channel::Channel};
use crate::record::{ErrorKind, StepSecond};
use crate::rng::Rng;
use crate::script::{Came, Closed, Fits, Talk, Talked, ToScript, Told};
use crate::websocket::{self, GOING_AWAY, Opcode};

/// Messages that nobody has asked for; the oldest go when there are more, or more bytes.
const UNREAD_MAX: usize = 1_000;
const UNREAD_BYTES_MAX: usize = 1 << 20;

/// What goes on on a script's socket.
#[derive(Debug, Default)]
pub struct Talking {
    /// When it was opened.
    opened_ns: u64,
    unread: VecDeque<Heard>,
    unread_bytes: usize,
    dropped: u64,
    hears: Option<Exchange>,
    ping: Option<(Exchange, u64)>,
    /// What was said last was planned, and sent, then.
    said: Option<(u64, u64)>,
    /// Waits to be told that all has left.
    wants_room: bool,
    /// We have said that it ends, ...
    ends: bool,
    /// ... because the script asked for it.
    asked: bool,
}

/// A message, and when it came.
#[derive(Debug)]
struct Heard {
    at_ns: u64,
    binary: bool,
    bytes: Box<[u8]>,
}

/// Something that is waited for.
#[derive(Debug)]
struct Exchange {
    number: u32,
    series: usize,
    planned_ns: u64,
    sent_ns: u64,
    timeout_ns: u64,
    fits: Option<Fits>,
    /// It answers what was said.
    answers: bool,
    passed_over: u64,
}

impl Exchange {
    fn deadline_ns(&self) -> u64 {
        self.sent_ns
            .max(self.planned_ns)
            .saturating_add(self.timeout_ns)
    }

    fn is_met_by(&self, bytes: &[u8]) -> bool {
        self.fits.as_ref().is_none_or(|fits| fits.0.holds(bytes))
    }
}

impl Talking {
    fn keep(&mut self, heard: Heard) {
        self.unread_bytes += heard.bytes.len();
        self.unread.push_back(heard);
        while self.unread.len() > UNREAD_MAX || self.unread_bytes > UNREAD_BYTES_MAX {
            let oldest = self.unread.pop_front();
            self.unread_bytes -= oldest.map_or(0, |oldest| oldest.bytes.len());
            self.dropped += 1;
        }
    }

    /// The first message that is waited for, among those that came; what is passed over is gone.
    fn find(&mut self) -> Option<Heard> {
        let hears = self.hears.as_mut()?;
        let since_ns = if hears.answers { hears.sent_ns } else { 0 };
        let mut at = 0;
        while at < self.unread.len() {
            // What came before is no answer to what was said then.
            if self.unread[at].at_ns < since_ns {
                at += 1;
                continue;
            }
            let heard = self.unread.remove(at)?;
            self.unread_bytes -= heard.bytes.len();
            if hears.is_met_by(&heard.bytes) {
                return Some(heard);
            }
            hears.passed_over += 1;
        }
        None
    }

    /// All that nobody has asked for, for who takes whatever comes.
    pub fn take_unread(&mut self) -> Vec<Came> {
        self.unread_bytes = 0;
        let opened_ns = self.opened_ns;
        let came = self.unread.drain(..).map(|heard| Came {
            elapsed_ns: heard.at_ns.saturating_sub(opened_ns),
            name: Box::default(),
            binary: heard.binary,
            data: heard.bytes,
        });
        came.collect()
    }
}

impl Worker {
    /// What goes on on the socket of a call.
    fn talk(&mut self, call: u32) -> Option<&mut Talking> {
        let channel: &mut Channel = self.plan.channel(call)?;
        Some(channel.talk.get_or_insert_default())
    }

    /// The server has agreed: from now on the call is its socket.
    pub(super) fn socket_opened(&mut self, place: Place, id: u32, sent_ns: u64) {
        let now = self.now_ns;
        let call = self.users[id as usize].call;
        self.tell_begun_at(place, call, sent_ns);
        if let Some(talk) = self.talk(call) {
            talk.opened_ns = now;
        }
        if !self.waiting.is_empty() {
            self.serve_waiting();
        }
    }

    /// A message on a script's socket; `series` is the opening's.
    pub(super) fn message_for_script(
        &mut self,
        id: u32,
        series: usize,
        binary: bool,
        bytes: &[u8],
    ) {
        let at_ns = self.now_ns;
        let call = self.users[id as usize].call;
        let Some(talk) = self.talk(call) else { return };
        let series = talk.hears.as_ref().map_or(series, |hears| hears.series);
        talk.keep(Heard {
            at_ns,
            binary,
            bytes: bytes.into(),
        });
        self.second.steps[series].socket().messages_received += 1;
        self.settle_hearing(id);
        self.tell_messages(call);
    }

    /// Hand over what has come, if the script takes whatever comes.
    pub(super) fn tell_messages(&mut self, call: u32) {
        let Some(channel) = self.plan.channel(call) else {
            return;
        };
        let wanted = channel.wanted;
        if let Some(talk) = &mut channel.talk
            && wanted
            && talk.hears.is_none()
            && !talk.unread.is_empty()
        {
            let came = talk.take_unread();
            channel.wanted = false;
            let told = Told::Events(came);
            self.tell_script(ToScript::Channel { call, told });
        }
    }

    /// Has what is waited for come?
    fn settle_hearing(&mut self, id: u32) {
        let call = self.users[id as usize].call;
        let Some(talk) = self.talk(call) else { return };
        let Some(heard) = talk.find() else { return };
        let Some(hears) = talk.hears.take() else {
            return;
        };
        let elapsed_ns = heard.at_ns.saturating_sub(hears.sent_ns);
        self.exchange_done(id, &hears, heard.at_ns);
        if hears.answers {
            let seen = &mut self.second.steps[hears.series];
            seen.socket().round_trip.record(elapsed_ns);
        }
        let talked = Talked::Heard {
            number: hears.number,
            binary: heard.binary,
            elapsed_ns,
            bytes: heard.bytes,
        };
        self.tell_talked(call, talked);
    }

    fn tell_talked(&mut self, call: u32, talked: Talked) {
        let told = Told::Talked(talked);
        self.tell_script(ToScript::Channel { call, told });
    }

    pub(super) fn pong_for_script(&mut self, id: u32, payload: &[u8]) {
        let now = self.now_ns;
        let call = self.users[id as usize].call;
        let Some(talk) = self.talk(call) else { return };
        let ours = talk
            .ping
            .take_if(|(_, nonce)| payload == nonce.to_ne_bytes());
        let Some((ping, _)) = ours else { return };
        let took_ns = now.saturating_sub(ping.sent_ns);
        self.exchange_done(id, &ping, now);
        self.second.steps[ping.series].socket().ping.record(took_ns);
        self.tell_talked(call, Talked::Pong { took_ns });
    }

    pub(super) fn hear_talk(&mut self, call: u32, carrier: u32, talk: Talk) {
        let Held::Open(at) = self.users[carrier as usize].socket else {
            return;
        };
        match talk {
            Talk::Say {
                step,
                planned_ns,
                binary,
                bytes,
                told,
            } => self.say(at, call, step as usize, planned_ns, binary, &bytes, told),
            Talk::Hear {
                number,
                step,
                planned_ns,
                timeout_ns,
                fits,
            } => {
                let exchange = Exchange {
                    number,
                    series: step as usize,
                    planned_ns,
                    sent_ns: 0,
                    timeout_ns: timeout_ns.unwrap_or(self.plan.timeout_ns),
                    fits,
                    answers: false,
                    passed_over: 0,
                };
                self.hear_next(call, carrier, exchange);
            }
            Talk::Ping {
                step,
                planned_ns,
                timeout_ns,
            } => {
                let exchange = Exchange {
                    number: 0,
                    series: step as usize,
                    planned_ns,
                    sent_ns: 0,
                    timeout_ns: timeout_ns.unwrap_or(self.plan.timeout_ns),
                    fits: None,
                    answers: false,
                    passed_over: 0,
                };
                self.ping_for_script(at, call, carrier, exchange);
            }
            Talk::Close { code, reason } => {
                if let Some(talk) = self.talk(call)
                    && !std::mem::replace(&mut talk.ends, true)
                {
                    talk.asked = true;
                    self.begin_close(carrier, code, &reason);
                }
            }
        }
        self.after_exchange(carrier);
        self.look_ahead(at, carrier);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one message")]
    fn say(
        &mut self,
        at: u32,
        call: u32,
        series: usize,
        planned_ns: u64,
        binary: bool,
        bytes: &[u8],
        told: bool,
    ) {
        self.grow_steps(series);
        let opcode = if binary { Opcode::Binary } else { Opcode::Text };
        let sent_ns = self.clock();
        let Some(key) = self.socket_key(at) else {
            return;
        };
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        websocket::put_frame(opcode, bytes, key, &mut frame);
        let seen = &mut self.second.steps[series];
        seen.socket().messages_sent += 1;
        seen.bytes_sent += frame.len() as u64;
        if let Some(talk) = self.talk(call) {
            talk.said = Some((planned_ns, sent_ns));
            talk.wants_room |= told;
        }
        let token = self.token(at);
        self.put_frames(at, &frame);
        self.frame = frame;
        crate::http1::reuse(&mut self.frame);
        let has_room = self.conn(at).is_some_and(|conn| conn.rest.is_empty());
        if has_room && self.slot_of(token).is_some() {
            self.room_on_socket(call);
        }
    }

    /// All that was said has left.
    pub(super) fn room_on_socket(&mut self, call: u32) {
        if let Some(talk) = self.talk(call)
            && std::mem::take(&mut talk.wants_room)
        {
            let told = Told::Room;
            self.tell_script(ToScript::Channel { call, told });
        }
    }

    fn hear_next(&mut self, call: u32, id: u32, mut exchange: Exchange) {
        let Some(talk) = self.talk(call) else { return };
        let given_up = talk.hears.take();
        let said = talk.said.take();
        if let Some(given_up) = given_up {
            let text = "cancelled by the scenario";
            self.exchange_failed(id, &given_up, ErrorKind::Cancelled, text);
        }
        let now = self.clock();
        if self.talk(call).is_some_and(|talk| talk.ends) {
            return;
        }
        exchange.answers = said.is_some();
        (exchange.planned_ns, exchange.sent_ns) = said.unwrap_or((exchange.planned_ns, now));
        self.exchange_begun(id, &exchange);
        if let Some(talk) = self.talk(call) {
            talk.hears = Some(exchange);
        }
        self.settle_hearing(id);
    }

    fn ping_for_script(&mut self, at: u32, call: u32, id: u32, mut exchange: Exchange) {
        let now = self.clock();
        let nonce = Rng::of(now, exchange.planned_ns).next_u64();
        let Some(key) = self.socket_key(at) else {
            return;
        };
        exchange.sent_ns = now;
        self.exchange_begun(id, &exchange);
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        websocket::put_frame(Opcode::Ping, &nonce.to_ne_bytes(), key, &mut frame);
        self.second.steps[exchange.series].bytes_sent += frame.len() as u64;
        if let Some(talk) = self.talk(call) {
            talk.ping = Some((exchange, nonce));
        }
        self.put_frames(at, &frame);
        self.frame = frame;
    }

    fn grow_steps(&mut self, series: usize) {
        let grow = (series + 1).max(self.second.steps.len());
        self.second.steps.resize_with(grow, StepSecond::default);
    }

    fn exchange_begun(&mut self, id: u32, exchange: &Exchange) {
        self.grow_steps(exchange.series);
        let seen = &mut self.second.steps[exchange.series];
        seen.planned += 1;
        seen.started += 1;
        seen.in_flight += 1;
        let lag_ns = exchange.sent_ns.saturating_sub(exchange.planned_ns);
        seen.lag.record(lag_ns);
        self.in_flight += 1;
        self.users[id as usize].busy = true;
    }

    fn exchange_done(&mut self, id: u32, exchange: &Exchange, at_ns: u64) {
        let seen = &mut self.second.steps[exchange.series];
        seen.answered += 1;
        // What came before anybody waited for it took no time.
        seen.response
            .record(at_ns.saturating_sub(exchange.planned_ns));
        seen.service.record(at_ns.saturating_sub(exchange.sent_ns));
        self.exchange_over(id, exchange);
    }

    fn exchange_failed(&mut self, id: u32, exchange: &Exchange, kind: ErrorKind, text: &str) {
        self.tell(exchange.series, kind, text.into());
        self.exchange_over(id, exchange);
    }

    fn exchange_over(&mut self, id: u32, exchange: &Exchange) {
        self.second.steps[exchange.series].in_flight -= 1;
        self.in_flight -= 1;
        let call = self.users[id as usize].call;
        let waits = self
            .talk(call)
            .is_some_and(|talk| talk.hears.is_some() || talk.ping.is_some() || talk.ends);
        self.users[id as usize].busy = waits;
    }

    /// The run may have ended while it was waited for.
    pub(super) fn after_exchange(&mut self, id: u32) {
        let idle = self.users.get(id as usize).is_some_and(|user| !user.busy);
        if idle && self.phase != Phase::Running {
            self.leave_socket(id, GOING_AWAY);
        }
    }

    /// The script has left it, or the run ends: false where there is none.
    pub(super) fn leave_socket(&mut self, id: u32, code: u16) -> bool {
        let user = &self.users[id as usize];
        if user.call == NO_CALL || !matches!(user.socket, Held::Open(_)) {
            return false;
        }
        let call = user.call;
        if let Some(talk) = self.talk(call)
            && !std::mem::replace(&mut talk.ends, true)
        {
            self.begin_close(id, code, "");
        }
        true
    }

    /// Have the connection looked at when the first of what is waited for is late.
    fn look_ahead(&mut self, at: u32, id: u32) {
        let call = self
            .users
            .get(id as usize)
            .map_or(NO_CALL, |user| user.call);
        let Some(talk) = self.talk(call) else { return };
        if talk.ends {
            return;
        }
        let hears_ns = talk.hears.as_ref().map_or(u64::MAX, Exchange::deadline_ns);
        let ping_ns = talk
            .ping
            .as_ref()
            .map_or(u64::MAX, |(ping, _)| ping.deadline_ns());
        let deadline_ns = hears_ns.min(ping_ns);
        self.set_deadline(at, deadline_ns);
    }

    /// Something on a script's socket has taken too long; the socket goes on. False where it is the end itself that does.
    pub(super) fn talk_timeout(&mut self, at: u32, id: u32) -> bool {
        let now = self.now_ns;
        let call = self.users[id as usize].call;
        let Some(talk) = self.talk(call) else {
            return false;
        };
        if talk.ends {
            return false;
        }
        let late = |exchange: &mut Exchange| exchange.deadline_ns() <= now;
        let hears = talk.hears.take_if(late);
        let ping = talk.ping.take_if(|(ping, _)| late(ping));
        for (exchange, is_ping) in [(hears, false), (ping.map(|it| it.0), true)] {
            let Some(exchange) = exchange else { continue };
            let limit_ms = exchange.timeout_ns as f64 / 1e6;
            let text = match (is_ping, exchange.passed_over) {
                (true, _) => format!("no pong within {limit_ms} ms"),
                (_, 0) => format!("no message within {limit_ms} ms"),
                (_, some) => {
                    format!("no message that fits within {limit_ms} ms, of {some} that came")
                }
            };
            let kind = ErrorKind::Timeout;
            self.exchange_failed(id, &exchange, kind, &text);
            let talked = Talked::Missed {
                number: (!is_ping).then_some(exchange.number),
                kind,
                text: text.into(),
            };
            self.tell_talked(call, talked);
        }
        self.after_exchange(id);
        self.look_ahead(at, id);
        true
    }

    /// Does anything on it wait for the server?
    pub(super) fn talk_waits(&mut self, id: u32) -> bool {
        let call = self.users[id as usize].call;
        let talk = self.talk(call);
        talk.is_some_and(|talk| talk.hears.is_some() || talk.ping.is_some())
    }

    /// The socket is closed, and with it the call: what was waited for fails.
    pub(super) fn talk_over(&mut self, id: u32, code: u16, kind: ErrorKind, text: String) {
        let call = self.users[id as usize].call;
        let Some(talk) = self.talk(call) else { return };
        let left = talk.take_unread();
        let (hears, ping) = (talk.hears.take(), talk.ping.take());
        let (asked, dropped) = (talk.asked, talk.dropped);
        let kind = match talk.ends && !asked {
            // The run is over for it.
            true => ErrorKind::Cancelled,
            false => kind,
        };
        for exchange in hears.into_iter().chain(ping.map(|(ping, _)| ping)) {
            self.exchange_failed(id, &exchange, kind, &text);
        }
        let closed = Closed {
            code,
            kind,
            text: text.into(),
            asked,
            dropped,
        };
        self.close_call(id, left, closed);
    }
}
