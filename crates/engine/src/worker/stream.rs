//! Answers that come in events: their times are recorded as they come, and judged when they end.
use super::Worker;
use super::connections::Place;
use crate::http1::{Coding, Kept};
use crate::http2::Connection;
use crate::record::{ErrorKind, StepSecond};
use crate::script::StreamTotals;
use crate::stream::Reading;

/// How a stream that is over came out, beside what every answer is held to.
pub struct StreamVerdict {
    /// It cannot be taken for an answer.
    pub broken: Option<(ErrorKind, String)>,
    pub missed: Option<(ErrorKind, String)>,
    pub good: bool,
    /// For the script that asked for it.
    pub totals: Option<Box<StreamTotals>>,
}

impl Worker {
    /// Events may have come on this HTTP/1.1 connection: record them, and go on waiting, unless it is enough.
    pub(super) fn events_came(&mut self, at: u32) {
        let now = self.now_ns;
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let id = conn.user;
        let Some(reading) = &mut conn.exchange.kept.stream else {
            return;
        };
        let Some(request) = self.users[id as usize].request(&self.plan) else {
            return;
        };
        let step = &mut self.second.steps[request.series];
        step.stream().take(&mut reading.fresh);
        let (enough, enough_ns) = (reading.is_enough(), reading.enough_ns());
        let handed = reading
            .told
            .as_mut()
            .map(|told| std::mem::take(&mut told.left));
        if let Some(came) = handed {
            self.hand_on(Place { at, stream: 0 }, id, came);
        }
        if enough {
            self.end_stream_early(at);
        } else {
            // What is limited is the silence, not the length.
            let halted = self.conn(at).is_some_and(|conn| conn.halted);
            let silent_ns = match halted {
                true => u64::MAX,
                false => now.saturating_add(self.users[id as usize].timeout_ns(&self.plan)),
            };
            self.set_deadline(at, silent_ns.min(enough_ns));
        }
    }

    /// Is what came until its deadline all that was wanted of the stream on this connection? Then it is done.
    pub(super) fn stream_lasted(&mut self, at: u32, now: u64) -> bool {
        let reading = self
            .conn(at)
            .and_then(|conn| conn.exchange.kept.stream.as_ref());
        let lasted = reading.is_some_and(|reading| now >= reading.enough_ns());
        if lasted {
            self.end_stream_early(at);
        }
        lasted
    }

    /// The same for the streams of an HTTP/2 connection.
    pub(super) fn streams_had_events(&mut self, at: u32) {
        let (now, token) = (self.now_ns, self.token(at));
        let Some(connection) = self.connection(at) else {
            return;
        };
        let (mut enough, mut handed) = (vec![], vec![]);
        for id in std::mem::take(&mut connection.streamed) {
            let Some(stream) = self.connection(at).and_then(|it| it.streams.get(id)) else {
                continue;
            };
            let (user, series) = (stream.user, stream.series as usize);
            let silent_ns = now.saturating_add(self.users[user as usize].timeout_ns(&self.plan));
            let Some(stream) = self.slots[at as usize].stream(id) else {
                continue;
            };
            let Some(reading) = &mut stream.kept.stream else {
                continue;
            };
            self.second.steps[series].stream().take(&mut reading.fresh);
            let left = reading
                .told
                .as_mut()
                .map(|told| std::mem::take(&mut told.left));
            handed.extend(left.map(|came| (id, user, came)));
            stream.deadline_ns = match stream.halted {
                true => reading.enough_ns(),
                false => silent_ns.min(reading.enough_ns()),
            };
            if reading.is_enough() {
                enough.push(id);
            }
        }
        for (stream, user, came) in handed {
            self.hand_on(Place { at, stream }, user, came);
        }
        for id in enough {
            if self.slot_of(token).is_some() {
                self.stop_stream(at, id);
            }
        }
    }

    /// Enough has come of an HTTP/2 answer: it is done, and the server is told to stop.
    pub(super) fn stop_stream(&mut self, at: u32, id: u32) {
        let token = self.token(at);
        let Some(stream) = self.slots[at as usize].stream(id) else {
            return;
        };
        let status = stream.status();
        if let Some(reading) = &mut stream.kept.stream {
            reading.ended_by_us = true;
        }
        let keep = self.plan.keep_alive;
        self.answered(Place { at, stream: id }, status, keep);
        if self.slot_of(token).is_some()
            && let Some(connection) = self.connection(at)
        {
            connection.stop(id);
            self.send_soon(at);
        }
    }

    pub(super) fn is_midway(&mut self, at: u32, id: u32) -> bool {
        let stream = self.slots[at as usize].stream(id);
        stream.is_some_and(|stream| stream.is_midway())
    }

    fn connection(&mut self, at: u32) -> Option<&mut Connection> {
        let multiplex = self.conn(at)?.multiplex.as_deref_mut()?;
        Some(&mut multiplex.connection)
    }

    pub(super) fn end_stream_early(&mut self, at: u32) {
        let Some(conn) = self.conn(at) else { return };
        let Some(status) = conn.exchange.status() else {
            // Not even its head came: as late as any other answer.
            return self.break_off(at, ErrorKind::Timeout, || {
                "no answer within its time".into()
            });
        };
        if let Some(reading) = &mut conn.exchange.kept.stream {
            reading.ended_by_us = true;
        }
        self.answered(Place { at, stream: 0 }, status, false);
    }
}

/// Record what a stream was as a whole, and hand its last event on to be judged.
pub fn conclude(
    mut reading: Box<Reading>,
    kept: &mut Kept,
    step: &mut StepSecond,
    took_ns: u64,
) -> StreamVerdict {
    reading.end();
    let seen = step.stream();
    seen.take(&mut reading.fresh);
    let mut broken = reading.broken().map(|text| (ErrorKind::Stream, text));
    if kept.coding != Coding::Identity {
        let text = "a stream with a content coding, which is not read: leave accept-encoding out";
        broken = Some((ErrorKind::Stream, text.into()));
    }
    if broken.is_none() {
        seen.total.record(took_ns);
        if let Some(tpot_ns) = reading.tpot_ns() {
            seen.tpot.record(tpot_ns);
        }
    }
    if reading.is_llm() {
        seen.count(reading.tokens());
    }
    let good = reading.is_good();
    seen.judges |= good.is_some();
    let totals = reading.totals(took_ns);
    let missed = reading.missed().map(|text| (ErrorKind::ExpectBody, text));
    kept.put_body(reading.take_last());
    StreamVerdict {
        broken,
        missed,
        good: good == Some(true),
        totals,
    }
}
