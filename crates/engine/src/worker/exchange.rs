//! One request and its answer on a connection: sending, receiving, what goes wrong on the way.
use std::io;

use super::Worker;
use super::connections::{Conn, Place, State};
use super::script::NO_CALL;
use super::users::Waiting;
use crate::http1::{State as Reading, Wrong};
use crate::plan::request::Rendering;
use crate::record::ErrorKind;
use crate::script::ToScript;
use crate::stream::Reading as Streaming;
use crate::sys::{self, EventFlags};
use crate::value::Values;
use crate::websocket;

impl Worker {
    pub(super) fn on_socket(&mut self, token: u64, flags: EventFlags) {
        let Some(at) = self.slot_of(token) else {
            return;
        };
        let Some(conn) = self.conn(at) else { return };
        if conn.state == State::Connecting {
            self.connected(at);
        } else {
            if flags.contains(EventFlags::OUT) {
                self.write_rest(at);
            }
            // An error, or the other side's end, shows as what a receive returns.
            let readable = flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP);
            if readable && self.slot_of(token).is_some() {
                self.receive(at);
            }
        }
        if !self.waiting.is_empty() {
            self.serve_waiting();
        }
        if self.now_ns >= self.due_ns {
            self.serve_due(self.now_ns);
        }
        self.end_round();
    }

    /// Send the request that the connection's user is at.
    pub(super) fn send_request(&mut self, at: u32) {
        let Some(user) = self.conn(at).map(|conn| conn.user) else {
            return;
        };
        if let Err(text) = self.render(user) {
            self.release(Place { at, stream: 0 }, true);
            return self.fail(user, ErrorKind::Template, || text);
        }
        let sent_ns = self.clock();
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let user = &mut self.users[conn.user as usize];
        let Some(request) = user.request(&self.plan) else {
            return;
        };
        let step = &mut self.second.steps[request.series];
        if user.sent_ns == 0 {
            user.sent_ns = sent_ns;
            step.lag.record(sent_ns - user.planned_ns.min(sent_ns));
            step.in_flight += 1;
            self.in_flight += 1;
        }
        let bytes = match &request.fixed {
            Some(fixed) if user.sends_as_planned() => fixed,
            _ => self.sending.as_slice(),
        };
        conn.exchange.reset();
        if let Some(spec) = &request.stream {
            let reading = Streaming::new(spec.clone(), user.sent_ns);
            conn.exchange.kept.stream = Some(Box::new(reading));
        }
        conn.clocks.first_byte_ns = 0;
        conn.clocks.sent_ns = sent_ns;
        let put = conn.put(bytes, &mut self.cipher);
        conn.clocks.sent_end_ns = sys::now_ns();
        step.bytes_sent += bytes.len() as u64;
        let (timeout_ns, uploads) = (request.timeout_ns, request.upload.is_some());
        self.set_deadline(at, sent_ns.saturating_add(timeout_ns));
        self.after_put(at, put);
        if uploads {
            self.begin_upload(at, 0);
        }
    }

    /// Render the request into `sending`, unless its bytes are fixed; the error says which name has no value.
    pub(super) fn render(&mut self, user: u32) -> Result<(), String> {
        let user = &mut self.users[user as usize];
        let Some(request) = user.request(&self.plan) else {
            return Ok(());
        };
        if request.fixed.is_some() && user.sends_as_planned() {
            return Ok(());
        }
        self.sending.clear();
        let mut rng = user.rng(self.plan.seed);
        let (number, origin) = (user.number, user.origin(&self.plan));
        let (held, turns, jar) = match user.memory.as_deref_mut() {
            Some(memory) => (&*memory.held, &*memory.turns, Some(&mut memory.jar)),
            None => (&[][..], &[][..], None),
        };
        let rendering = Rendering {
            values: Values {
                number,
                held,
                turns,
                feeders: &self.plan.feeders,
            },
            redirect: user.redirect.as_deref(),
            jar,
            secure: self.plan.origins[origin].tls,
            now_ns: self.now_ns,
        };
        request
            .render(rendering, &mut rng, &mut self.scratch, &mut self.sending)
            .map_err(|missing| missing.to_string())
    }

    /// Let TLS send what it has to say by itself.
    pub(super) fn put_tls(&mut self, at: u32) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let put = conn.put(&[], &mut self.cipher);
        self.after_put(at, put);
    }

    fn write_rest(&mut self, at: u32) {
        let Some(conn) = self.conn(at) else { return };
        if conn.rest.is_empty() {
            return;
        }
        let rest = std::mem::take(&mut conn.rest);
        let put = conn.put_raw(&rest);
        conn.clocks.sent_end_ns = sys::now_ns();
        let (all, state) = (matches!(put, Ok(true)), conn.state);
        if all {
            self.watch_writable(at, false);
        }
        self.after_put(at, put.map(|_| true));
        match state {
            State::Socket if all => self.socket_has_room(at),
            State::Busy if all && self.scripted.is_some() => self.tell_rooms(at),
            _ => {}
        }
    }

    pub(super) fn after_put(&mut self, at: u32, put: io::Result<bool>) {
        match put {
            Ok(true) => {}
            Ok(false) => self.watch_writable(at, true),
            Err(error) => self.break_off(at, kind_of(&error), || format!("cannot send: {error}")),
        }
    }

    fn receive(&mut self, at: u32) {
        let mut buffer = std::mem::take(&mut self.received);
        let got = match self.conn(at) {
            Some(conn) => sys::recv(&conn.fd, &mut buffer),
            None => Err(io::ErrorKind::WouldBlock.into()),
        };
        self.clock();
        match got {
            Ok(0) => self.ended(at),
            Ok(length) => self.arrived(at, &buffer[..length]),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => {
                self.break_off(at, kind_of(&error), || format!("cannot receive: {error}"))
            }
        }
        self.received = buffer;
    }

    fn arrived(&mut self, at: u32, bytes: &[u8]) {
        match self.conn(at) {
            Some(conn) if conn.tls.is_some() => self.arrived_tls(at, bytes),
            Some(conn) if conn.state == State::Tunnelling => self.arrived_tunnel(at, bytes),
            _ => self.read_answer(at, bytes),
        }
    }

    fn arrived_tls(&mut self, at: u32, bytes: &[u8]) {
        let token = self.token(at);
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let Some(tls) = self.conn(at).and_then(|conn| conn.tls.as_mut()) else {
            return;
        };
        let before = tls.is_handshaking();
        let got = tls.receive(bytes, &mut plain);
        let secured = before && !tls.is_handshaking();
        // Whatever came of it, the other side shall hear of it: the next flight, or why we refuse.
        if tls.wants_to_send() {
            self.put_tls(at);
        }
        if self.slot_of(token).is_some() {
            match got {
                Err(error) => self.break_off(at, ErrorKind::Tls, || error.to_string()),
                Ok(closed) => {
                    if secured {
                        self.secured(at);
                    }
                    if !plain.is_empty() {
                        self.read_answer(at, &plain);
                    }
                    if closed && self.slot_of(token).is_some() {
                        self.ended(at);
                    }
                }
            }
        }
        self.plain = plain;
    }

    fn read_answer(&mut self, at: u32, bytes: &[u8]) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        if conn.multiplex.is_some() {
            return self.read_streams(at, bytes);
        }
        if conn.state == State::Socket {
            return self.arrived_on_socket(at, bytes);
        }
        if conn.state != State::Busy {
            // Bytes that nobody asked for.
            return self.close(at);
        }
        let Some(request) = self.users[conn.user as usize].request(&self.plan) else {
            return;
        };
        if conn.clocks.first_byte_ns == 0 {
            conn.clocks.first_byte_ns = self.now_ns;
        }
        self.second.steps[request.series].bytes_received += bytes.len() as u64;
        conn.exchange.kept.came_at(self.now_ns, self.unix_offset_ns);
        let read = conn.exchange.feed(bytes, request.wants);
        let streams = conn.exchange.kept.stream.is_some();
        match read {
            Ok(Reading::More) if streams => self.events_came(at),
            Ok(Reading::More) => {}
            Ok(Reading::Done { status, keep_alive }) => {
                let keep = keep_alive && self.plan.keep_alive && conn.rest.is_empty();
                self.answered(Place { at, stream: 0 }, status, keep);
            }
            Ok(Reading::Switched { rest }) => self.switched(at, &bytes[bytes.len() - rest..]),
            Err(Wrong::Protocol(reason)) => {
                self.break_off(at, ErrorKind::Protocol, || format!("got {reason}"))
            }
            Err(Wrong::TooLarge) => {
                let limit = self.plan.body_bytes_max;
                self.break_off(at, ErrorKind::BodyTooLarge, || too_large(limit));
            }
        }
    }

    /// The other side has ended the connection.
    fn ended(&mut self, at: u32) {
        let Some(conn) = self.conn(at) else { return };
        match conn.state {
            State::Idle | State::Reserved => self.close(at),
            State::Socket => self.break_off(at, ErrorKind::Closed, || {
                "closed without a close frame".into()
            }),
            State::Busy if conn.multiplex.is_some() => {
                self.break_off(at, ErrorKind::Closed, || {
                    "closed before the answer was complete".into()
                });
            }
            State::Busy => match conn.exchange.end() {
                Some(status) => self.answered(Place { at, stream: 0 }, status, false),
                None => self.break_off(at, ErrorKind::Closed, || {
                    "closed before the answer was complete".into()
                }),
            },
            State::Tunnelling => self.break_off(at, ErrorKind::Connect, || {
                "the proxy closed before it opened a tunnel".into()
            }),
            State::Connecting | State::Handshaking => {
                self.break_off(at, ErrorKind::Tls, || {
                    "closed during the TLS handshake".into()
                });
            }
        }
    }

    /// Give the connection up. Its request fails, or is sent once more where that is safe: a kept-alive connection
    /// that the server had closed meanwhile is no failure of the service (RFC 9112, 9.3.1).
    pub(super) fn break_off(&mut self, at: u32, kind: ErrorKind, text: impl FnOnce() -> String) {
        let Some(conn) = self.conn(at) else { return };
        if conn.multiplex.is_some() {
            return self.break_off_streams(at, kind, text);
        }
        let (id, state) = (conn.user, conn.state);
        if state == State::Socket {
            return self.drop_socket(at, websocket::ABNORMAL, kind, text);
        }
        // An answer that was begun as a stream and not ended is a stream that was cut.
        let cut_stream = conn.exchange.kept.stream.is_some() && conn.exchange.status().is_some();
        let kind = match kind {
            ErrorKind::Closed | ErrorKind::Reset if cut_stream => ErrorKind::Stream,
            other => other,
        };
        let stale = conn.used
            && !conn.exchange.begun()
            && matches!(kind, ErrorKind::Closed | ErrorKind::Reset);
        self.close(at);
        if matches!(state, State::Idle | State::Reserved) {
            return;
        }
        let user = &mut self.users[id as usize];
        let idempotent = user
            .request(&self.plan)
            .is_some_and(|request| request.idempotent);
        if stale && idempotent && user.resent == 0 {
            user.resent = 1;
            return self.open_for(id);
        }
        self.fail(id, kind, text);
    }

    /// The request ends without an answer.
    pub(super) fn fail(&mut self, id: u32, kind: ErrorKind, text: impl FnOnce() -> String) {
        if self.users[id as usize].call == NO_CALL {
            self.count_failure(id, kind, text);
            return self.end_iteration_after_failure(id);
        }
        let text: Box<str> = text().into();
        self.count_failure(id, kind, || text.to_string());
        self.end_call(id, |call| match kind {
            ErrorKind::Cancelled => ToScript::Nothing { call },
            _ => ToScript::Failed { call, kind, text },
        });
    }

    /// The user's request has failed; what the user does about it is another matter.
    pub(super) fn count_failure(
        &mut self,
        id: u32,
        kind: ErrorKind,
        text: impl FnOnce() -> String,
    ) {
        let user = &mut self.users[id as usize];
        if let Some(series) = user.series(&self.plan) {
            let step = &mut self.second.steps[series];
            step.failed += 1;
            step.errors[kind as usize] += 1;
            if user.sent_ns != 0 {
                step.in_flight -= 1;
                self.in_flight -= 1;
            }
            let names = &self.plan.names;
            self.second.example(&mut self.examples_told, kind, || {
                format!("{}: {}", names.step(series), text())
            });
        }
        user.request_over();
    }

    /// Nobody wants the answer of this user's request any more.
    pub(super) fn give_up(&mut self, user: u32, kind: ErrorKind, text: &str) {
        if self.waiting.iter().any(|waiting| waiting.is_for(user)) {
            self.waiting.retain(|waiting| !waiting.is_for(user));
            return self.fail(user, kind, || text.into());
        }
        if self.cancel_stream(user) || self.stop_expecting(user) {
            return self.fail(user, kind, || text.into());
        }
        let rests = [State::Idle, State::Reserved, State::Socket];
        // A connection that many share is nobody's own, whoever opened it.
        let uses = |conn: &Conn| {
            conn.multiplex.is_none() && !rests.contains(&conn.state) && conn.user == user
        };
        let slot = self
            .slots
            .iter()
            .position(|slot| slot.conn.as_ref().is_some_and(uses));
        match slot {
            Some(at) => self.break_off(at as u32, kind, || text.into()),
            None => self.fail(user, kind, || text.into()),
        }
        if !self.waiting.is_empty() {
            self.serve_waiting();
        }
    }

    /// What is still in flight is cut; the run is over.
    pub(super) fn cut(&mut self) {
        while let Some(Waiting::Started(user)) = self.waiting.pop_front() {
            self.fail(user, ErrorKind::Cut, || {
                "not done when the run ended".into()
            });
        }
        for at in 0..self.sites.len() {
            for user in std::mem::take(&mut self.sites[at].expecting) {
                self.fail(user, ErrorKind::Cut, || {
                    "not done when the run ended".into()
                });
            }
        }
        for at in 0..self.slots.len() as u32 {
            self.break_off(at, ErrorKind::Cut, || "not done when the run ended".into());
        }
        self.cut_scripts();
        self.end_when_empty();
    }
}

impl Conn {
    /// Send `plain`, or as much as the socket takes: false when some is left for later.
    pub(super) fn put(&mut self, plain: &[u8], cipher: &mut Vec<u8>) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else {
            return self.put_raw(plain);
        };
        cipher.clear();
        tls.send(plain, cipher)?;
        self.put_raw(cipher)
    }

    fn put_raw(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if bytes.is_empty() {
            return Ok(self.rest.is_empty());
        }
        // What is left from before goes first.
        let attempt = if self.rest.is_empty() {
            sys::send(&self.fd, bytes)
        } else {
            Ok(0)
        };
        let sent = match attempt {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.rest.extend_from_slice(&bytes[sent..]);
        Ok(sent == bytes.len())
    }
}

/// What to say of a body that a step looks at.
pub(super) fn too_large(limit: usize) -> String {
    format!("a body that is looked at, above {limit} bytes")
}

fn kind_of(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::ConnectionReset => ErrorKind::Reset,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => ErrorKind::Closed,
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        _ => ErrorKind::Connect,
    }
}
