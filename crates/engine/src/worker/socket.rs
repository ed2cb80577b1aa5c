//! A user's WebSocket: opened by a request that is answered with 101, held over the steps on it, closed in the end.
//!
//! A message step that sends and receives is counted as a request is: planned, sent, done, with the same clocks and
//! expectations. One that only sends is counted as a message alone: there is nothing to time.
use std::collections::VecDeque;

use super::Worker;
use super::connections::{Place, State};
use super::weigh::Weighing;
use crate::http1::Answer;
use crate::plan::program::CompiledStep;
use crate::plan::socket::{SocketStep, SocketWork, Talk};
use crate::record::ErrorKind;
use crate::rng::Rng;
use crate::sys;
use crate::websocket::{self, ABNORMAL, Event, Key, Opcode, Reader, Violation};

/// Messages that came before a step asked for one; the oldest go when there are more, or more bytes.
const UNREAD_MAX: usize = 1_000;
const UNREAD_BYTES_MAX: usize = 1 << 20;

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
    unread: VecDeque<Box<[u8]>>,
    unread_bytes: usize,
    /// Messages that were not what the step waits for.
    passed_over: u64,
    /// The step is over; what comes next is begun when all that has arrived is read.
    step_over: bool,
    /// The server has said that it ends the connection.
    closed: Option<(u16, String)>,
    /// Frames that the protocol asks of us.
    replies: Vec<u8>,
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
                unread: VecDeque::new(),
                unread_bytes: 0,
                passed_over: 0,
                step_over: false,
                closed: None,
                replies: vec![],
            },
        }
    }
}

impl Talking {
    fn key(&mut self) -> u32 {
        self.rng.next_u64() as u32
    }

    fn keep(&mut self, message: &[u8]) {
        self.unread.push_back(message.into());
        self.unread_bytes += message.len();
        while self.unread.len() > UNREAD_MAX || self.unread_bytes > UNREAD_BYTES_MAX {
            let oldest = self.unread.pop_front();
            self.unread_bytes -= oldest.map_or(0, |message| message.len());
        }
    }

    fn take_unread(&mut self) -> Option<Box<[u8]>> {
        let oldest = self.unread.pop_front()?;
        self.unread_bytes -= oldest.len();
        Some(oldest)
    }
}

impl Worker {
    /// The server agrees to switch: check that it means it, and read what came with the agreement.
    pub(super) fn switched(&mut self, at: u32, rest: &[u8]) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let user = &self.users[conn.user as usize];
        let Some(request) = user.request(&self.plan) else {
            return;
        };
        let Some(upgrade) = &request.upgrade else {
            return;
        };
        let key = Key::draw(&mut user.rng(self.plan.seed));
        let answer = conn.exchange.kept.answer(101);
        if let Err(reason) = websocket::check_answer(&answer, &key, &upgrade.subprotocols) {
            return self.break_off(at, ErrorKind::Protocol, || format!("got {reason}"));
        }
        let rng = Rng::of(self.plan.seed ^ self.now_ns, user.number);
        let socket = Socket::new(request.series, upgrade.keeps_unread, rng);
        conn.socket = Some(Box::new(socket));
        conn.state = State::Socket;
        conn.deadline_ns = u64::MAX;
        let id = conn.user;
        self.users[id as usize].socket = Held::Open(at);
        let read = self.read_frames(at, rest);
        self.answered(Place { at, stream: 0 }, 101, true);
        self.after_frames(at, id, read);
    }

    /// Bytes of an open socket have arrived.
    pub(super) fn arrived_on_socket(&mut self, at: u32, bytes: &[u8]) {
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

    fn talking(&mut self, at: u32) -> Option<&mut Talking> {
        let socket = self.conn(at)?.socket.as_mut()?;
        Some(&mut socket.talking)
    }

    fn read_frames(&mut self, at: u32, bytes: &[u8]) -> Result<(), Violation> {
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
        match event {
            Event::Text(text) => self.on_message(id, talking, text.as_bytes()),
            Event::Binary(bytes) => self.on_message(id, talking, bytes),
            Event::Ping(payload) => {
                let key = talking.key();
                websocket::put_frame(Opcode::Pong, payload, key, &mut talking.replies);
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
                talking.keep(message);
            }
            None => {}
        }
    }

    /// Everything that arrived has been read: what follows from it?
    fn after_frames(&mut self, at: u32, id: u32, read: Result<(), Violation>) {
        let now = self.now_ns;
        let Some(talking) = self.talking(at) else {
            return;
        };
        let step_over = std::mem::take(&mut talking.step_over);
        let closed = talking.closed.take();
        if !talking.replies.is_empty() {
            let replies = std::mem::take(&mut talking.replies);
            self.put_frames(at, &replies);
        }
        if let Err(violation) = read {
            self.violated(at, violation);
        } else if let Some((code, reason)) = closed {
            self.closed_by_server(at, code, &reason);
        }
        if step_over {
            self.advance(id, now);
        }
    }

    /// The user's next step is one on its socket.
    pub(super) fn begin_socket_step(&mut self, id: u32, at_ns: u64) {
        let plan = self.plan_here.clone();
        let user = &mut self.users[id as usize];
        let Some(step) = user.socket_step(&plan) else {
            return;
        };
        let lone_send = matches!(&step.what, SocketWork::Message(talk) if !talk.receives);
        let at = match (user.socket, &step.what) {
            (Held::Open(at), _) => at,
            (_, SocketWork::Close { .. }) => {
                user.step += 1;
                return self.soon(id);
            }
            _ if step.reconnect => {
                user.resume = user.step;
                user.step = step.opened_by;
                return self.soon(id);
            }
            (held, _) => {
                self.plan_socket_step(id, step.series, at_ns);
                let code = if let Held::Closed(code) = held {
                    code
                } else {
                    ABNORMAL
                };
                return self.fail(id, ErrorKind::WsClose, || closed_text(code));
            }
        };
        match &step.what {
            SocketWork::Close { code, reason } => {
                user.step += 1;
                self.begin_close(id, *code, reason);
            }
            SocketWork::Ping => {
                self.plan_socket_step(id, step.series, at_ns);
                self.ping(at, id, step);
            }
            SocketWork::Message(talk) => {
                if !lone_send {
                    self.plan_socket_step(id, step.series, at_ns);
                }
                self.begin_message(at, id, step, talk);
            }
        }
    }

    fn plan_socket_step(&mut self, id: u32, series: usize, at_ns: u64) {
        let user = &mut self.users[id as usize];
        user.planned_ns = at_ns;
        user.busy = true;
        let step = &mut self.second.steps[series];
        step.planned += 1;
        step.started += 1;
    }

    /// The step's message leaves now, or its waiting begins.
    fn socket_step_sent(&mut self, at: u32, id: u32, step: &SocketStep) {
        let now = self.clock();
        let user = &mut self.users[id as usize];
        user.sent_ns = now;
        let seen = &mut self.second.steps[step.series];
        seen.lag.record(now - user.planned_ns.min(now));
        seen.in_flight += 1;
        self.in_flight += 1;
        self.set_deadline(at, now.saturating_add(step.timeout_ns));
    }

    fn begin_message(&mut self, at: u32, id: u32, step: &SocketStep, talk: &Talk) {
        let Some(words) = &talk.send else {
            return self.wait_for_message(at, id, step);
        };
        if let Err(name) = self.render_message(id, words) {
            if !talk.receives {
                // Not sent, so not planned either, up to here.
                let now = self.now_ns;
                self.plan_socket_step(id, step.series, now);
            }
            return self.fail(id, ErrorKind::Template, || {
                format!("{{{{ {name} }}}} has no value that may stand there")
            });
        }
        let opcode = if words.binary {
            Opcode::Binary
        } else {
            Opcode::Text
        };
        let Some(talking) = self.talking(at) else {
            return;
        };
        let key = talking.key();
        if talk.receives {
            // What came before is no answer to what is said now.
            talking.unread.clear();
            talking.unread_bytes = 0;
            talking.passed_over = 0;
            talking.waits_for = WaitsFor::Message;
        }
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        match words.template.fixed() {
            Some(fixed) => websocket::put_frame(opcode, fixed, key, &mut frame),
            None => websocket::put_frame(opcode, &self.sending, key, &mut frame),
        }
        if talk.receives {
            self.socket_step_sent(at, id, step);
        }
        let seen = &mut self.second.steps[step.series];
        seen.socket().messages_sent += 1;
        seen.bytes_sent += frame.len() as u64;
        let token = self.token(at);
        self.put_frames(at, &frame);
        self.frame = frame;
        if !talk.receives && self.slot_of(token).is_some() {
            self.said(at, id, step);
        }
    }

    /// A message that nothing is waited for after: go on, unless the socket takes no more at the moment.
    fn said(&mut self, at: u32, id: u32, step: &SocketStep) {
        let user = &mut self.users[id as usize];
        let full = self.slots[at as usize]
            .conn
            .as_ref()
            .is_some_and(|conn| !conn.rest.is_empty());
        if !full {
            user.step += 1;
            return self.soon(id);
        }
        user.busy = true;
        if let Some(talking) = self.talking(at) {
            talking.waits_for = WaitsFor::Room;
        }
        let deadline_ns = self.now_ns.saturating_add(step.timeout_ns);
        self.set_deadline(at, deadline_ns);
    }

    /// All that was to be sent has left.
    pub(super) fn socket_has_room(&mut self, at: u32) {
        let now = self.now_ns;
        let Some(conn) = self.conn(at) else { return };
        let id = conn.user;
        let Some(talking) = self.talking(at) else {
            return;
        };
        if talking.waits_for == WaitsFor::Room {
            talking.waits_for = WaitsFor::Nothing;
            self.rest_deadline(at);
            let user = &mut self.users[id as usize];
            user.busy = false;
            user.step += 1;
            self.advance(id, now);
        }
    }

    fn render_message(
        &mut self,
        id: u32,
        words: &crate::plan::socket::Words,
    ) -> Result<(), String> {
        if words.template.fixed().is_some() {
            return Ok(());
        }
        self.sending.clear();
        let user = &self.users[id as usize];
        let mut rng = user.rng(self.plan.seed);
        words
            .template
            .render(&user.values(&self.plan), &mut rng, &mut self.sending)
            .map_err(str::to_string)
    }

    /// Something that came early may be it already.
    fn wait_for_message(&mut self, at: u32, id: u32, step: &SocketStep) {
        self.socket_step_sent(at, id, step);
        let Some(talking) = self.talking(at) else {
            return;
        };
        talking.passed_over = 0;
        talking.waits_for = WaitsFor::Message;
        while let Some(message) = self.talking(at).and_then(Talking::take_unread) {
            if self.heard(id, step, &message) {
                if let Some(talking) = self.talking(at) {
                    talking.waits_for = WaitsFor::Nothing;
                }
                self.rest_deadline(at);
                return self.soon(id);
            }
            if let Some(talking) = self.talking(at) {
                talking.passed_over += 1;
            }
        }
    }

    fn ping(&mut self, at: u32, id: u32, step: &SocketStep) {
        let Some(talking) = self.talking(at) else {
            return;
        };
        let (key, nonce) = (talking.key(), talking.rng.next_u64());
        talking.waits_for = WaitsFor::Pong(nonce);
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        websocket::put_frame(Opcode::Ping, &nonce.to_ne_bytes(), key, &mut frame);
        self.socket_step_sent(at, id, step);
        self.second.steps[step.series].bytes_sent += frame.len() as u64;
        self.put_frames(at, &frame);
        self.frame = frame;
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

    /// Is this what the step waits for? If so, the step is done.
    fn heard(&mut self, id: u32, step: &SocketStep, message: &[u8]) -> bool {
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

    fn socket_step_done(
        &mut self,
        id: u32,
        step: &SocketStep,
        failed: Option<(ErrorKind, String)>,
    ) {
        let done_ns = self.now_ns;
        let user = &mut self.users[id as usize];
        let seen = &mut self.second.steps[step.series];
        seen.answered += 1;
        seen.response.record(done_ns - user.planned_ns.min(done_ns));
        seen.service.record(done_ns - user.sent_ns.min(done_ns));
        seen.in_flight -= 1;
        self.in_flight -= 1;
        user.request_over();
        user.step += 1;
        if let Held::Open(at) = user.socket {
            self.rest_deadline(at);
        }
        if let Some((kind, text)) = failed {
            self.tell(step.series, kind, text);
        }
    }

    /// Nothing is waited for.
    fn rest_deadline(&mut self, at: u32) {
        if let Some(conn) = self.conn(at) {
            conn.deadline_ns = u64::MAX;
        }
    }

    /// Say that we end it, and wait for the server to say so too.
    fn begin_close(&mut self, id: u32, code: u16, reason: &str) {
        let Held::Open(at) = self.users[id as usize].socket else {
            return;
        };
        self.users[id as usize].busy = true;
        let Some(talking) = self.talking(at) else {
            return;
        };
        let key = talking.key();
        talking.waits_for = WaitsFor::Close;
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        websocket::put_close(code, reason, key, &mut frame);
        let deadline_ns = self.clock().saturating_add(self.plan.connect_timeout_ns);
        self.set_deadline(at, deadline_ns);
        self.put_frames(at, &frame);
        self.frame = frame;
    }

    /// The user is about to leave, or its iteration to end: true when its socket has to be closed before that.
    pub(super) fn closes_first(&mut self, id: u32, code: u16) -> bool {
        let user = &mut self.users[id as usize];
        let Held::Open(at) = user.socket else {
            return false;
        };
        if self
            .talking(at)
            .is_some_and(|talking| talking.waits_for != WaitsFor::Close)
        {
            self.begin_close(id, code, "");
        }
        true
    }

    /// The server ends the connection: in answer to us, or by itself.
    fn closed_by_server(&mut self, at: u32, code: u16, reason: &str) {
        let Some(talking) = self.talking(at) else {
            return;
        };
        let ours = talking.waits_for == WaitsFor::Close;
        if !ours {
            let key = talking.key();
            let mut frame = vec![];
            websocket::put_close(code, "", key, &mut frame);
            let token = self.token(at);
            self.put_frames(at, &frame);
            if self.slot_of(token).is_none() {
                return;
            }
        }
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        self.drop_socket(at, code, ErrorKind::WsClose, || closed_text(code) + &reason);
    }

    fn violated(&mut self, at: u32, violation: Violation) {
        let Some(talking) = self.talking(at) else {
            return;
        };
        let (key, series) = (talking.key(), talking.series);
        let waits = !matches!(talking.waits_for, WaitsFor::Nothing | WaitsFor::Close);
        let mut frame = vec![];
        websocket::put_close(violation.code(), "", key, &mut frame);
        let token = self.token(at);
        self.put_frames(at, &frame);
        if self.slot_of(token).is_none() {
            return;
        }
        let limit = self.plan.body_bytes_max;
        let (kind, text) = match violation {
            Violation::Protocol(reason) => (ErrorKind::Protocol, format!("got {reason}")),
            Violation::NotUtf8 => (
                ErrorKind::Protocol,
                "got a text message that is not UTF-8".into(),
            ),
            Violation::TooLarge(bytes) => (
                ErrorKind::BodyTooLarge,
                format!("a message of {bytes} bytes or more, above {limit}"),
            ),
        };
        if !waits {
            // Nobody's step fails by it, but it went wrong.
            self.tell(series, kind, text.clone());
        }
        self.drop_socket(at, violation.code(), kind, || text);
    }

    /// The step took too long, or the server never answered our close frame.
    pub(super) fn socket_timeout(&mut self, at: u32) {
        let Some(conn) = self.conn(at) else { return };
        let id = conn.user;
        let Some(talking) = self.talking(at) else {
            return;
        };
        let (waits_for, passed_over) = (talking.waits_for, talking.passed_over);
        talking.waits_for = WaitsFor::Nothing;
        self.rest_deadline(at);
        let plan = self.plan_here.clone();
        let limit_ms = self.users[id as usize]
            .socket_step(&plan)
            .map_or(0.0, |step| step.timeout_ns as f64 / 1e6);
        let text = match waits_for {
            WaitsFor::Nothing => return,
            WaitsFor::Close => {
                return self.drop_socket(at, ABNORMAL, ErrorKind::WsClose, String::new);
            }
            WaitsFor::Pong(_) => format!("no pong within {limit_ms} ms"),
            WaitsFor::Room => {
                self.plan_lone_send(id);
                format!(
                    "the server took no more for {limit_ms} ms: what it was sent waits to be read"
                )
            }
            WaitsFor::Message if passed_over == 0 => format!("no message within {limit_ms} ms"),
            WaitsFor::Message => {
                format!("no message that fits within {limit_ms} ms, of {passed_over} that came")
            }
        };
        self.fail(id, ErrorKind::Timeout, || text);
    }

    /// A message that is only sent is counted as a request once it has failed.
    fn plan_lone_send(&mut self, id: u32) {
        let plan = self.plan_here.clone();
        if let Some(step) = self.users[id as usize].socket_step(&plan) {
            let now = self.now_ns;
            self.plan_socket_step(id, step.series, now);
        }
    }

    /// The connection is gone, or of no more use; the step that waits on it fails.
    pub(super) fn drop_socket(
        &mut self,
        at: u32,
        code: u16,
        kind: ErrorKind,
        text: impl FnOnce() -> String,
    ) {
        let Some(conn) = self.conn(at) else { return };
        let id = conn.user;
        let Some(socket) = conn.socket.take() else {
            return;
        };
        self.close(at);
        let talking = socket.talking;
        self.second.steps[talking.series].socket().closed(code, 1);
        self.users[id as usize].socket = Held::Closed(code);
        match talking.waits_for {
            WaitsFor::Nothing => {}
            WaitsFor::Close => {
                self.users[id as usize].busy = false;
                self.soon(id);
            }
            WaitsFor::Room => {
                self.plan_lone_send(id);
                self.fail_on_socket(id, kind, text);
            }
            WaitsFor::Message | WaitsFor::Pong(_) => self.fail_on_socket(id, kind, text),
        }
    }

    /// With `reconnect`, the steps after the failed one are still taken.
    fn fail_on_socket(&mut self, id: u32, kind: ErrorKind, text: impl FnOnce() -> String) {
        let plan = self.plan_here.clone();
        let user = &self.users[id as usize];
        let goes_on = user.socket_step(&plan).filter(|step| step.reconnect);
        let next = user.step + 1;
        if goes_on.is_none() {
            return self.fail(id, kind, text);
        }
        self.count_failure(id, kind, text);
        self.users[id as usize].step = next;
        self.soon(id);
    }

    fn put_frames(&mut self, at: u32, frames: &[u8]) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let put = conn.put(frames, &mut self.cipher);
        conn.clocks.sent_end_ns = sys::now_ns();
        self.after_put(at, put);
    }

    /// The socket's steps are over or were never begun: which one comes after them?
    pub(super) fn after_opening(&mut self, id: u32, opened: bool) {
        let user = &mut self.users[id as usize];
        let request = user.request(&self.plan);
        let Some(upgrade) = request.and_then(|request| request.upgrade.as_deref()) else {
            return;
        };
        match (opened, std::mem::take(&mut user.resume)) {
            (false, _) => user.step = upgrade.past - 1,
            (true, 0) => {}
            // One is added to it, as after every request.
            (true, resume) => user.step = resume - 1,
        }
    }
}

fn closed_text(code: u16) -> String {
    if code == ABNORMAL {
        return "the connection ended without a close frame".into();
    }
    format!(
        "the server closed the socket with {code}, {}",
        websocket::code_name(code)
    )
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
