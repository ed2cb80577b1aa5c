//! HTTP/2's part of the worker: a connection that many users share, a stream each.
//!
//! What is to be sent gathers in the connection's `out` while a round of answers or starts is worked off, and leaves
//! with one send at its end. A stream's clocks are taken around that send.
use super::Worker;
use super::connections::{Place, State};
use super::exchange::too_large;
use super::users::Waiting;
use crate::http1::Wrong;
use crate::http2::{Ask, Code, Connection, Event, Fatal, translate};
use crate::plan::Version;
use crate::record::ErrorKind;
use crate::stream::Reading;
use crate::sys;

/// Streams on a connection of which the server has said nothing yet: the least that it should allow (RFC 9113, 6.5.2).
const STREAMS_AT_FIRST: usize = 100;

/// How often a request goes out again that the server has not looked at. Connections that were opened together are worn out together
/// (nginx says GOAWAY after so many requests), so one resend may well meet the next GOAWAY; a server that takes nothing at all must end it.
const UNREAD_RESENT_MAX: u8 = 5;

/// A connection that many share.
#[derive(Debug)]
pub struct Multiplex {
    pub connection: Connection,
    /// Who waits for it to open.
    pub joining: Vec<u32>,
    /// Has something to send.
    waiting_to_send: bool,
    /// No further streams begin; it closes when those that are open have ended.
    pub leaving: bool,
}

impl Multiplex {
    pub fn new(user: u32) -> Box<Self> {
        Box::new(Self {
            connection: Connection::new(),
            joining: vec![user],
            waiting_to_send: false,
            leaving: false,
        })
    }

    pub fn carries_nothing(&self) -> bool {
        self.joining.is_empty() && self.connection.streams.open() == 0
    }
}

impl Worker {
    fn multiplex(&mut self, at: u32) -> Option<&mut Multiplex> {
        self.conn(at)?.multiplex.as_deref_mut()
    }

    /// Let the user's request begin on this connection, or as soon as it is open.
    pub(super) fn join(&mut self, at: u32, user: u32) {
        let Some(conn) = self.conn(at) else { return };
        let open = conn.state == State::Busy;
        match &mut conn.multiplex {
            Some(multiplex) if !open => multiplex.joining.push(user),
            _ => self.begin_stream(at, user),
        }
        self.list_by_room(at);
    }

    /// Keep the connection among those that can take a request as long as it can.
    pub(super) fn list_by_room(&mut self, at: u32) {
        let streams_max = self.plan.streams_max;
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let Some(multiplex) = &mut conn.multiplex else {
            return;
        };
        let told = self.sites[conn.way.site as usize].streams_told;
        let connection = &multiplex.connection;
        let allowed = match connection.settings.streams_max.or(told) {
            Some(allowed) => allowed as usize,
            None => STREAMS_AT_FIRST,
        };
        let taken = connection.streams.open() + multiplex.joining.len();
        if !multiplex.leaving && taken < streams_max.min(allowed) {
            self.list(at);
        } else {
            self.unlist(at);
        }
    }

    /// The connection is open: speak HTTP/2, unless the server has chosen HTTP/1.1.
    pub(super) fn opened_multiplex(&mut self, at: u32) {
        let version = self.plan.version;
        let Some(conn) = self.conn(at) else { return };
        let site = conn.way.site as usize;
        let required = version == Version::Http2 || self.plan.origins[site].takes_calls;
        let Some(conn) = self.conn(at) else { return };
        let chosen = conn.tls.as_ref().is_none_or(|tls| tls.chose_http2());
        if !chosen && required {
            return self.break_off(at, ErrorKind::Tls, || {
                "the server chose no HTTP/2 in the handshake".into()
            });
        }
        conn.state = State::Busy;
        if !chosen {
            return self.opened_without(at);
        }
        let Some(multiplex) = &mut conn.multiplex else {
            return;
        };
        for user in std::mem::take(&mut multiplex.joining) {
            self.begin_stream(at, user);
        }
        self.list_by_room(at);
        self.send_soon(at);
    }

    /// HTTP/1.1 after all: the first who waits gets the connection, the others look for their own.
    fn opened_without(&mut self, at: u32) {
        self.unlist(at);
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        self.sites[conn.way.site as usize].multiplexes = false;
        let joining = conn.multiplex.take().map_or(vec![], |it| it.joining);
        let Some((first, others)) = joining.split_first() else {
            return self.close(at);
        };
        conn.user = *first;
        self.send_request(at);
        for user in others {
            self.send_elsewhere(*user);
        }
    }

    /// A request that was started goes to another connection, now or as soon as there is one.
    pub(super) fn send_elsewhere(&mut self, user: u32) {
        if self.has_room() {
            self.send_somewhere(user);
        } else {
            self.waiting.push_front(Waiting::Started(user));
        }
    }

    /// Put the user's request out.
    fn begin_stream(&mut self, at: u32, user: u32) {
        if let Err(text) = self.render(user) {
            return self.fail(user, ErrorKind::Template, || text);
        }
        let asking = &self.users[user as usize];
        let Some(request) = asking.request(&self.plan) else {
            return;
        };
        let (block, body): (&[u8], &[u8]) = match &request.prepared {
            Some(prepared) if asking.sends_as_planned() => (&prepared.block, &prepared.body),
            _ => {
                self.block.clear();
                let secure = self.plan.origins[asking.origin(&self.plan)].tls;
                let body = translate(&self.sending, secure, &mut self.block);
                // What we render is a request.
                (&self.block, body.unwrap_or(&[]))
            }
        };
        if let Some(conn) = &mut self.slots[at as usize].conn
            && let Some(multiplex) = &mut conn.multiplex
        {
            let id = multiplex.connection.begin(Ask {
                user,
                series: request.series,
                wants: request.wants,
                block,
                body,
                more: request.upload.is_some(),
            });
            if let Some(spec) = &request.stream
                && let Some(stream) = multiplex.connection.streams.get(id)
            {
                stream.kept.stream = Some(Box::new(Reading::new(spec.clone(), 0)));
            }
            let uploads = request.upload.is_some();
            if multiplex.connection.used_up() {
                self.take_leave(at);
            }
            if uploads {
                self.begin_upload(at, id);
            }
        }
        self.send_soon(at);
    }

    /// Have what the connection puts out sent at the end of this round.
    pub(super) fn send_soon(&mut self, at: u32) {
        if let Some(multiplex) = self.multiplex(at)
            && !std::mem::replace(&mut multiplex.waiting_to_send, true)
        {
            self.to_send.push(at);
        }
    }

    /// Everything that gathered in this round leaves.
    pub(super) fn send_gathered(&mut self) {
        while let Some(at) = self.to_send.pop() {
            if !self.send_gathered_on_socket(at) {
                self.send_frames(at);
            }
        }
    }

    fn send_frames(&mut self, at: u32) {
        let sent_ns = self.clock();
        let mut deadline_ns = u64::MAX;
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let Some(multiplex) = &mut conn.multiplex else {
            return;
        };
        if !std::mem::replace(&mut multiplex.waiting_to_send, false) {
            // Another connection has taken the place of the one that had something to send.
            return;
        }
        let mut out = std::mem::take(&mut multiplex.connection.out);
        let put = conn.put(&out, &mut self.cipher);
        let sent_end_ns = sys::now_ns();
        out.clear();
        let Some(multiplex) = &mut conn.multiplex else {
            return;
        };
        let connection = &mut multiplex.connection;
        connection.out = out;
        if matches!(put, Ok(true)) {
            connection.all_sent();
        }
        for id in connection.unstamped.drain(..) {
            let Some(stream) = connection.streams.get(id) else {
                continue;
            };
            let step = &mut self.second.steps[stream.series as usize];
            step.bytes_sent += std::mem::take(&mut stream.queued);
            stream.clocks.sent_end_ns = sent_end_ns;
            if stream.clocks.sent_ns != 0 {
                continue;
            }
            stream.clocks.sent_ns = sent_ns;
            let user = &mut self.users[stream.user as usize];
            let own_ns = user.timeout_ns(&self.plan);
            stream.deadline_ns = sent_ns.saturating_add(own_ns);
            if let Some(reading) = &mut stream.kept.stream {
                reading.sent_ns = sent_ns;
                stream.deadline_ns = stream.deadline_ns.min(reading.enough_ns());
            }
            deadline_ns = deadline_ns.min(stream.deadline_ns);
            if user.sent_ns == 0 {
                user.sent_ns = sent_ns;
                step.lag.record(sent_ns - user.planned_ns.min(sent_ns));
                step.in_flight += 1;
                self.in_flight += 1;
            }
        }
        let roomy = !connection.roomy.is_empty();
        if deadline_ns != u64::MAX {
            self.set_deadline(at, deadline_ns);
        }
        self.after_put(at, put);
        if roomy {
            self.tell_rooms(at);
        }
    }

    /// Bytes of an HTTP/2 connection.
    pub(super) fn read_streams(&mut self, at: u32, mut bytes: &[u8]) {
        let token = self.token(at);
        // An event may end the connection.
        while self.slot_of(token).is_some() {
            let now_ns = self.now_ns;
            let steps = &mut self.second.steps;
            let Some(conn) = &mut self.slots[at as usize].conn else {
                return;
            };
            let Some(multiplex) = &mut conn.multiplex else {
                return;
            };
            let mut received = |series: u32, count| {
                steps[series as usize].bytes_received += count;
            };
            multiplex.connection.unix_offset_ns = self.unix_offset_ns;
            let next = multiplex.connection.next(&mut bytes, now_ns, &mut received);
            if !multiplex.connection.streamed.is_empty() {
                self.streams_had_events(at);
            }
            let Some(multiplex) = self.multiplex(at) else {
                return;
            };
            match next {
                Ok(Some(event)) => self.on_stream_event(at, event),
                Ok(None) => {
                    if !multiplex.connection.out.is_empty() {
                        self.send_soon(at);
                    }
                    return;
                }
                Err(fatal) => return self.on_fatal(at, fatal),
            }
        }
    }

    fn on_stream_event(&mut self, at: u32, event: Event) {
        match event {
            Event::Done { stream, status } => {
                let keep = self.plan.keep_alive;
                self.answered(Place { at, stream }, status, keep);
            }
            Event::Wrong { stream, wrong } => {
                if let Some(user) = self.end_stream(at, stream) {
                    self.fail_unread(user, wrong);
                }
            }
            Event::Reset { stream, code } => {
                let midway = self.is_midway(at, stream);
                let Some(user) = self.end_stream(at, stream) else {
                    return;
                };
                let text = || format!("the server reset the stream: {code}");
                let kind = if midway {
                    ErrorKind::Stream
                } else {
                    ErrorKind::Reset
                };
                if code == Code::REFUSED_STREAM {
                    // It was not looked at, so any request may be sent again (RFC 9113, 8.7).
                    self.resend(user, UNREAD_RESENT_MAX, ErrorKind::Reset, text);
                } else {
                    self.fail(user, kind, text);
                }
            }
            Event::GoAway { last } => self.on_goaway(at, last),
            Event::Settings => {
                if let Some(conn) = &self.slots[at as usize].conn
                    && let Some(multiplex) = &conn.multiplex
                {
                    let site = &mut self.sites[conn.way.site as usize];
                    site.streams_told = multiplex.connection.settings.streams_max;
                }
                self.list_by_room(at);
            }
        }
    }

    /// The server takes no further streams, and has not looked at those above `last`.
    fn on_goaway(&mut self, at: u32, last: u32) {
        let Some(multiplex) = self.multiplex(at) else {
            return;
        };
        let text = multiplex.farewell();
        let streams = multiplex.connection.streams.iter();
        let unread: Vec<u32> = streams.map(|s| s.id).filter(|id| *id > last).collect();
        let token = self.token(at);
        self.take_leave(at);
        for stream in unread {
            if self.slot_of(token).is_none() {
                return;
            }
            if let Some(user) = self.end_stream(at, stream) {
                self.resend(user, UNREAD_RESENT_MAX, ErrorKind::Goaway, || text.clone());
            }
        }
    }

    /// Begin nothing more on the connection. It does not count against `connections_max` any longer, so that another
    /// can take its place while its last streams end.
    pub(super) fn take_leave(&mut self, at: u32) {
        let Some(multiplex) = self.multiplex(at) else {
            return;
        };
        if !std::mem::replace(&mut multiplex.leaving, true) {
            self.leaving += 1;
        }
        self.unlist(at);
        self.close_if_left(at);
    }

    fn close_if_left(&mut self, at: u32) {
        if let Some(multiplex) = self.multiplex(at)
            && multiplex.leaving
            && multiplex.carries_nothing()
        {
            self.close(at);
        }
    }

    /// The stream is over, whichever way; whose it was.
    fn end_stream(&mut self, at: u32, stream: u32) -> Option<u32> {
        let streams = &mut self.multiplex(at)?.connection.streams;
        let user = streams.get(stream)?.user;
        streams.end(stream);
        self.list_by_room(at);
        self.close_if_left(at);
        Some(user)
    }

    /// The stream has done its work. `keep` is false where each request is to have a connection of its own.
    pub(super) fn release_stream(&mut self, at: u32, stream: u32, keep: bool) {
        let Some(conn) = self.conn(at) else { return };
        conn.used = true;
        if !keep || conn.way.retired {
            self.take_leave(at);
        }
        self.end_stream(at, stream);
    }

    /// The request goes out on another connection; it fails when that has happened `most` times.
    fn resend(&mut self, user: u32, most: u8, kind: ErrorKind, text: impl FnOnce() -> String) {
        let resent = &mut self.users[user as usize].resent;
        if *resent >= most {
            return self.fail(user, kind, text);
        }
        *resent += 1;
        self.send_elsewhere(user);
    }

    /// Nobody wants the user's answer any more; false where it has neither a stream nor waits for one.
    pub(super) fn cancel_stream(&mut self, user: u32) -> bool {
        for at in 0..self.slots.len() as u32 {
            let Some(multiplex) = self.multiplex(at) else {
                continue;
            };
            let joining = multiplex.joining.len();
            multiplex.joining.retain(|waiting| *waiting != user);
            if multiplex.joining.len() < joining {
                return true;
            }
            let mut streams = multiplex.connection.streams.iter();
            if let Some(id) = streams.find(|stream| stream.user == user).map(|it| it.id) {
                drop(streams);
                multiplex.connection.cancel(id, Code::CANCEL);
                self.send_soon(at);
                self.list_by_room(at);
                self.close_if_left(at);
                return true;
            }
        }
        false
    }

    /// Streams that have taken too long are given up; the connection and its other streams go on.
    pub(super) fn look_at_streams(&mut self, at: u32, now: u64) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let Some(multiplex) = &mut conn.multiplex else {
            return;
        };
        let connection = &mut multiplex.connection;
        let late = |deadline_ns: u64| deadline_ns <= now;
        let lasted = connection
            .streams
            .iter()
            .filter(|stream| late(stream.deadline_ns) && stream.has_lasted(now));
        let lasted: Vec<u32> = lasted.map(|stream| stream.id).collect();
        let overdue: Vec<(u32, u32, String)> = connection
            .streams
            .iter()
            .filter(|stream| late(stream.deadline_ns) && !stream.has_lasted(now))
            .map(|stream| {
                let held = stream.held_back().map_or(String::new(), |(left, all)| {
                    format!(
                        ": {left} of the body's {all} bytes wait for the server to open its window"
                    )
                });
                let limit_ms = self.users[stream.user as usize].timeout_ns(&self.plan) as f64 / 1e6;
                let text = format!("no complete answer within {limit_ms} ms{held}");
                (stream.id, stream.user, text)
            })
            .collect();
        for (id, ..) in &overdue {
            connection.cancel(*id, Code::CANCEL);
        }
        let next_ns = connection.streams.iter().map(|s| s.deadline_ns).min();
        let token = self.token(at);
        self.send_soon(at);
        for stream in lasted {
            if self.slot_of(token).is_some() {
                self.stop_stream(at, stream);
            }
        }
        for (_, user, text) in overdue {
            self.fail(user, ErrorKind::Timeout, || text);
        }
        if self.slot_of(token).is_some() {
            self.list_by_room(at);
            self.close_if_left(at);
            if let Some(next_ns) = next_ns.filter(|at| *at != u64::MAX) {
                self.set_deadline(at, next_ns);
            }
        }
    }

    fn on_fatal(&mut self, at: u32, fatal: Fatal) {
        if let Some(multiplex) = self.multiplex(at) {
            multiplex.connection.say_goodbye(fatal.code);
        }
        let token = self.token(at);
        self.send_soon(at);
        self.send_frames(at);
        if self.slot_of(token).is_some() {
            let text = || format!("got {}", fatal.reason);
            self.break_off(at, ErrorKind::Protocol, text);
        }
    }

    /// The connection is lost, and with it what runs on it or waits for it. Requests that are safe to repeat and of
    /// which the server had shown no sign are sent once more, as with HTTP/1.1.
    pub(super) fn break_off_streams(
        &mut self,
        at: u32,
        kind: ErrorKind,
        text: impl FnOnce() -> String,
    ) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let used = conn.used;
        let Some(multiplex) = &mut conn.multiplex else {
            return;
        };
        let lost = matches!(kind, ErrorKind::Closed | ErrorKind::Reset);
        let parted = lost && multiplex.connection.farewell.is_some();
        let mut users: Vec<(u32, bool)> = vec![];
        users.extend(multiplex.joining.iter().map(|user| (*user, false)));
        users.extend(multiplex.connection.streams.iter().map(|stream| {
            let repeatable = self.users[stream.user as usize]
                .request(&self.plan)
                .is_some_and(|request| request.idempotent);
            let stale = used && lost && repeatable && !stream.begun();
            (stream.user, stale)
        }));
        let (kind, text) = match users.is_empty() {
            true => (kind, String::new()),
            false if parted => (
                ErrorKind::Goaway,
                format!("{}; then {}", multiplex.farewell(), text()),
            ),
            false => (kind, text()),
        };
        self.close(at);
        for (user, stale) in users {
            if stale {
                self.resend(user, 1, kind, || text.clone());
            } else {
                self.fail(user, kind, || text.clone());
            }
        }
    }

    /// The answer is none.
    fn fail_unread(&mut self, user: u32, wrong: Wrong) {
        match wrong {
            Wrong::Protocol(reason) => {
                self.fail(user, ErrorKind::Protocol, || format!("got {reason}"));
            }
            Wrong::TooLarge => {
                let limit = self.plan.body_bytes_max;
                self.fail(user, ErrorKind::BodyTooLarge, || too_large(limit));
            }
        }
    }
}

impl Multiplex {
    /// What the server said when it parted.
    fn farewell(&self) -> String {
        match &self.connection.farewell {
            None => String::new(),
            Some(farewell) if farewell.text.is_empty() => format!("GOAWAY {}", farewell.code),
            Some(farewell) => format!("GOAWAY {} {:?}", farewell.code, farewell.text),
        }
    }
}
