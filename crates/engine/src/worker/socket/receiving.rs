//! What the server says: read where the receive put it, and held to what the step waits for.
use super::{Socket, Talking, WaitsFor};
use crate::http1::Answer;
use crate::plan::socket::{SocketStep, SocketWork};
use crate::websocket::{self, Event, Opcode, Violation};
use crate::worker::Worker;
use crate::worker::script::NO_CALL;
use crate::worker::weigh::Weighing;

/// Bytes that wait to be sent beyond which no pong is added.
const PONGS_WAITING_MAX: usize = 64 * 1024;

impl Worker {
    /// Bytes of an open socket have arrived.
    pub(in crate::worker) fn arrived_on_socket(&mut self, at: u32, bytes: &[u8]) {
        let Some(id) = self.conn(at).map(|conn| conn.user) else {
            return;
        };
        let user = &self.users[id as usize];
        let series = match user.series(&self.plan) {
            Some(series) if user.busy => Some(series),
            _ => self.socket_series(at),
        };
        if let Some(series) = series {
            self.second.steps[series].bytes_received += bytes.len() as u64;
        }
        let read = self.read_frames(at, bytes);
        self.after_frames(at, id, read);
    }

    fn socket_series(&self, at: u32) -> Option<usize> {
        let conn = self.slots[at as usize].conn.as_ref()?;
        conn.socket.as_ref().map(|socket| socket.talking.series)
    }

    pub(super) fn read_frames(&mut self, at: u32, bytes: &[u8]) -> Result<(), Violation> {
        let limit = self.plan.body_bytes_max;
        let Some(conn) = self.conn(at) else {
            return Ok(());
        };
        let id = conn.user;
        // Taken out while it is read from, so that its events may look at everything else.
        let Some(mut socket) = conn.socket.take() else {
            return Ok(());
        };
        let Socket { reader, talking } = &mut *socket;
        let read = reader.feed(bytes, limit, |event| self.on_event(id, talking, event));
        if let Some(conn) = self.conn(at) {
            conn.socket = Some(socket);
        }
        read
    }

    fn on_event(&mut self, id: u32, talking: &mut Talking, event: Event<'_>) {
        if talking.closed.is_some() {
            return;
        }
        if self.users[id as usize].call != NO_CALL {
            return self.on_event_for_script(id, talking, event);
        }
        match event {
            Event::Text(text) => self.on_message(id, talking, text.as_bytes()),
            Event::Binary(bytes) => self.on_message(id, talking, bytes),
            Event::Ping(payload) => {
                let key = talking.key();
                websocket::put_frame(Opcode::Pong, payload, key, &mut talking.gathered);
            }
            Event::Pong(payload) => {
                if let WaitsFor::Pong(nonce) = talking.waits_for
                    && payload == nonce.to_ne_bytes()
                {
                    talking.waits_for = WaitsFor::Nothing;
                    talking.step_over = true;
                    self.ponged(id);
                }
            }
            Event::Close { code, reason } => talking.closed = Some((code, reason.to_string())),
        }
    }

    fn on_event_for_script(&mut self, id: u32, talking: &mut Talking, event: Event<'_>) {
        let series = talking.series;
        match event {
            // Who has ended it hears nothing more.
            Event::Text(_) | Event::Binary(_) if talking.waits_for == WaitsFor::Close => {
                self.second.steps[series].socket().messages_received += 1;
            }
            Event::Text(text) => self.message_for_script(id, series, false, text.as_bytes()),
            Event::Binary(bytes) => self.message_for_script(id, series, true, bytes),
            Event::Ping(payload) => {
                let key = talking.key();
                websocket::put_frame(Opcode::Pong, payload, key, &mut talking.gathered);
            }
            Event::Pong(payload) => self.pong_for_script(id, payload),
            Event::Close { code, reason } => talking.closed = Some((code, reason.to_string())),
        }
    }

    fn on_message(&mut self, id: u32, talking: &mut Talking, message: &[u8]) {
        let plan = self.plan_here.clone();
        let step = self.users[id as usize].socket_step(&plan);
        let waited_for = match step {
            Some(step) if talking.waits_for == WaitsFor::Message => Some(step),
            _ => None,
        };
        let series = waited_for.map_or(talking.series, |step| step.series);
        self.second.steps[series].socket().messages_received += 1;
        match waited_for {
            Some(step) => {
                if self.heard(id, step, message) {
                    talking.waits_for = WaitsFor::Nothing;
                    talking.step_over = true;
                } else {
                    talking.passed_over += 1;
                }
            }
            None if talking.keeps_unread && talking.waits_for != WaitsFor::Close => {
                talking.unread.keep(message);
            }
            None => {}
        }
    }

    /// Everything that arrived has been read: what follows from it?
    pub(super) fn after_frames(&mut self, at: u32, id: u32, read: Result<(), Violation>) {
        let (now, token) = (self.now_ns, self.token(at));
        let Some(talking) = self.talking(at) else {
            return;
        };
        let step_over = std::mem::take(&mut talking.step_over);
        let closed = talking.closed.take();
        if !talking.gathered.is_empty() {
            self.answer_pings(at);
        }
        if let Err(violation) = read {
            self.violated(at, violation);
        } else if let Some((code, reason)) = closed {
            self.closed_by_server(at, code, &reason);
        }
        if step_over {
            self.advance(id, now);
        }
        if self.scripted.is_some() && self.slot_of(token).is_some() {
            self.after_exchange(id);
        }
    }

    /// Pongs leave with the next send. A server that does not read them gets no more (RFC 6455, 5.5.3 allows to answer
    /// the last ping alone): what waits for it stays bounded.
    fn answer_pings(&mut self, at: u32) {
        let waiting = self.conn(at).map_or(0, |conn| conn.rest.len());
        if waiting < PONGS_WAITING_MAX {
            self.send_soon_on_socket(at);
        } else if let Some(talking) = self.talking(at) {
            talking.gathered.clear();
        }
    }

    /// Is this what the step waits for? If so, the step is done.
    pub(super) fn heard(&mut self, id: u32, step: &SocketStep, message: &[u8]) -> bool {
        let SocketWork::Message(talk) = &step.what else {
            return false;
        };
        let answer = Answer {
            status: 101,
            head: b"",
            body: message,
        };
        let now_ns = self.now_ns;
        let user = &mut self.users[id as usize];
        let mut weighing = Weighing {
            plan: &self.plan,
            scenario: &self.plan.scenarios[user.scenario as usize],
            number: user.number,
            memory: &mut user.memory,
            spare: &mut self.spare,
            json: &mut self.json,
            told: &self.examples_told,
            response_ns: now_ns - user.planned_ns.min(now_ns),
        };
        if !weighing.fits(&talk.fits, &answer) {
            return false;
        }
        let verdict = weighing.weigh(&talk.judging, &answer);
        let user = &self.users[id as usize];
        if talk.send.is_some() {
            let took_ns = self.now_ns - user.sent_ns.min(self.now_ns);
            let seen = &mut self.second.steps[step.series];
            seen.socket().round_trip.record(took_ns);
        }
        self.socket_step_done(id, step, verdict.failed);
        if verdict.missing {
            self.skip_to_end(id);
        }
        true
    }

    fn ponged(&mut self, id: u32) {
        let plan = self.plan_here.clone();
        let user = &self.users[id as usize];
        if let Some(step) = user.socket_step(&plan) {
            let took_ns = self.now_ns - user.sent_ns.min(self.now_ns);
            self.second.steps[step.series].socket().ping.record(took_ns);
            self.socket_step_done(id, step, None);
        }
    }
}
