//! One answer that comes in events: what is known of it so far, and what is new since somebody looked.
use std::borrow::Cow;
use std::sync::Arc;

use memchr::memmem::Finder;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::events::TooLong;
use super::{Event, Events, Framing, llm};
use crate::grpc::Method;
use crate::script::StreamTotals;

/// What a step wants to know of its events.
#[derive(Debug)]
pub struct Spec {
    pub framing: Framing,
    /// What the events say is read as a language model's answer.
    pub llm: bool,
    pub bytes_max: usize,
    /// The request is done after so many events, or so long.
    pub events_max: Option<u64>,
    pub for_ns: Option<u64>,
    pub events_min: u64,
    /// Some event must be each of these.
    pub any: Vec<Wish>,
    pub keeps_last: bool,
    pub age: Option<Age>,
    pub goodput: Option<Goodput>,
    /// The events are messages that this method answers with, and looked at as JSON.
    pub method: Option<Method>,
    /// What a script is told of it.
    pub kept: Kept,
}

/// What of a stream is kept for the script that asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kept {
    #[default]
    Nothing,
    /// What it was as a whole.
    Totals,
    /// Each event too.
    Events,
}

/// Where an event tells when it was sent.
#[derive(Debug)]
pub struct Age {
    pub path: JsonPath,
    /// Nanoseconds of one unit of what stands there, in Unix time.
    pub unit_ns: f64,
}

/// What a good answer keeps to; None does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Goodput {
    pub ttft_ns: Option<u64>,
    pub tpot_ns: Option<u64>,
    pub e2e_ns: Option<u64>,
}

/// What an event must be: all of it.
#[derive(Debug)]
pub struct Wish {
    pub contains: Vec<Finder<'static>>,
    pub matches: Option<regex::Regex>,
    pub json: Vec<(JsonPath, Option<Value>)>,
    /// The same in words.
    pub text: String,
}

impl Wish {
    pub fn holds(&self, data: &[u8]) -> bool {
        let pattern = self.matches.as_ref();
        self.contains.iter().all(|text| text.find(data).is_some())
            && pattern.is_none_or(|pattern| pattern.is_match(&String::from_utf8_lossy(data)))
            && (self.json.is_empty() || self.holds_json(data))
    }

    fn holds_json(&self, data: &[u8]) -> bool {
        let Ok(value) = serde_json::from_slice::<Value>(data) else {
            return false;
        };
        self.json.iter().all(|(path, wanted)| {
            let found = path.query(&value).first();
            match (found, wanted) {
                (Some(_), None) => true,
                (Some(found), Some(wanted)) => {
                    found == wanted
                        || found
                            .as_f64()
                            .zip(wanted.as_f64())
                            .is_some_and(|(a, b)| a == b)
                }
                (None, _) => false,
            }
        })
    }
}

/// Tokens of an answer: as the service told, or the events with content where it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Read, as the service told.
    pub input: Option<u64>,
    /// Written, as the service told.
    pub output: Option<u64>,
    /// Events with content.
    pub counted: u64,
}

impl Tokens {
    /// Those written, as far as is known.
    pub fn written(self) -> u64 {
        self.output.unwrap_or(self.counted)
    }
}

/// What has come since the last look.
#[derive(Debug, Default)]
pub struct Fresh {
    pub events: u64,
    pub first_ns: Option<u64>,
    pub gaps_ns: Vec<u64>,
    pub ages_ns: Vec<u64>,
    pub ttft_ns: Option<u64>,
    pub itl_ns: Vec<u64>,
}

#[derive(Debug)]
pub struct Reading {
    spec: Arc<Spec>,
    events: Events,
    pub sent_ns: u64,
    /// What makes monotonic times Unix times.
    pub unix_offset_ns: i64,
    pub now_ns: u64,
    pub fresh: Fresh,
    /// We have ended it: it need not be complete.
    pub ended_by_us: bool,
    /// For the script that asked for it.
    pub told: Option<Box<StreamTotals>>,
    seen: Seen,
}

/// What the whole answer said.
#[derive(Debug, Default)]
struct Seen {
    events: u64,
    last_ns: u64,
    content_ns: u64,
    ttft_ns: Option<u64>,
    tokens: Tokens,
    held: Vec<bool>,
    last: Vec<u8>,
    over: bool,
    error: Option<String>,
    unreadable: Option<String>,
}

impl Reading {
    pub fn new(spec: Arc<Spec>, sent_ns: u64) -> Self {
        Self {
            events: Events::new(spec.framing),
            seen: Seen {
                held: vec![false; spec.any.len()],
                ..Seen::default()
            },
            fresh: Fresh::default(),
            ended_by_us: false,
            told: (spec.kept != Kept::Nothing).then(Box::default),
            now_ns: sent_ns,
            spec,
            sent_ns,
            unix_offset_ns: 0,
        }
    }

    /// The next piece of the body, which came at `now_ns`.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), TooLong> {
        let Self { events, spec, .. } = self;
        let bytes_max = spec.bytes_max;
        // Taken out, so that an event may change the rest.
        let mut events = std::mem::replace(events, Events::new(Framing::Either));
        let read = events.feed(piece, bytes_max, |event| self.on_event(event));
        self.events = events;
        read
    }

    /// The body is complete.
    pub fn end(&mut self) {
        let mut events = std::mem::replace(&mut self.events, Events::new(Framing::Either));
        events.end(|event| self.on_event(event));
        if events.is_within() && !self.ended_by_us && self.spec.method.is_some() {
            self.seen.unreadable = Some("a message that was cut".into());
        }
        if self.spec.keeps_last && self.spec.method.is_some() && self.seen.events > 0 {
            let last = std::mem::take(&mut self.seen.last);
            self.seen.last = self.read(&last).unwrap_or_default().into_owned();
        }
    }

    /// What an event says, as it is looked at: a message of gRPC as JSON. None where it is no such message.
    fn read<'a>(&mut self, data: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let Some(method) = &self.spec.method else {
            return Some(Cow::Borrowed(data));
        };
        let mut json = vec![];
        match method.decode(data, &mut json) {
            Ok(()) => Some(Cow::Owned(json)),
            Err(reason) => {
                self.seen.unreadable.get_or_insert(reason);
                None
            }
        }
    }

    fn on_event(&mut self, event: Event<'_>) {
        let (now, spec) = (self.now_ns, self.spec.clone());
        if self.is_enough() {
            return;
        }
        if spec.llm {
            self.on_said(llm::read(event));
            if event.data.trim_ascii() == b"[DONE]" {
                return;
            }
        }
        self.seen.events += 1;
        self.fresh.events += 1;
        if self.seen.events == 1 {
            self.fresh.first_ns = Some(now - self.sent_ns.min(now));
        } else {
            self.fresh.gaps_ns.push(now - self.seen.last_ns.min(now));
        }
        if let Some(told) = &mut self.told {
            told.event(self.seen.events, now, self.sent_ns, self.seen.last_ns);
            if spec.kept == Kept::Events {
                told.hand_over(event, now.saturating_sub(self.sent_ns));
            }
        }
        self.seen.last_ns = now;
        if spec.age.is_some() || self.seen.held.contains(&false) {
            let Some(said) = self.read(event.data) else {
                return;
            };
            if let Some(age) = &spec.age {
                self.fresh.ages_ns.extend(self.age_of(age, &said));
            }
            for (wish, held) in spec.any.iter().zip(&mut self.seen.held) {
                *held = *held || wish.holds(&said);
            }
        }
        if spec.keeps_last {
            self.seen.last.clear();
            self.seen.last.extend_from_slice(event.data);
        }
    }

    fn on_said(&mut self, said: llm::Said) {
        let now = self.now_ns;
        let seen = &mut self.seen;
        seen.over |= said.over;
        seen.error = seen.error.take().or(said.error);
        seen.tokens.input = said.input_tokens.or(seen.tokens.input);
        seen.tokens.output = said.output_tokens.or(seen.tokens.output);
        if !said.content {
            return;
        }
        seen.tokens.counted += 1;
        if seen.ttft_ns.is_none() {
            let ttft_ns = now - self.sent_ns.min(now);
            seen.ttft_ns = Some(ttft_ns);
            self.fresh.ttft_ns = Some(ttft_ns);
        } else {
            self.fresh.itl_ns.push(now - seen.content_ns.min(now));
        }
        seen.content_ns = now;
    }

    /// How long the event was on its way; None where it does not say when it was sent, or says a time to come.
    fn age_of(&self, age: &Age, data: &[u8]) -> Option<u64> {
        let value: Value = serde_json::from_slice(data).ok()?;
        let stands = age.path.query(&value).first()?;
        let now = self.now_ns as i64 + self.unix_offset_ns;
        let sent = match (stands.as_i64(), age.unit_ns) {
            // Exact where the number is one of nanoseconds: a float holds 53 bits, and these have 61.
            (Some(sent), 1.0) => sent,
            _ => (stands.as_f64().or_else(|| stands.as_str()?.parse().ok())? * age.unit_ns) as i64,
        };
        u64::try_from(now - sent).ok()
    }

    /// Has come what was asked for, although the answer may go on?
    pub fn is_enough(&self) -> bool {
        self.spec
            .events_max
            .is_some_and(|most| self.seen.events >= most)
    }

    /// When the answer has gone on for long enough; `u64::MAX` for never.
    pub fn enough_ns(&self) -> u64 {
        let for_ns = self.spec.for_ns.unwrap_or(u64::MAX);
        self.sent_ns.saturating_add(for_ns)
    }

    pub fn is_llm(&self) -> bool {
        self.spec.llm
    }

    pub fn tokens(&self) -> Tokens {
        self.seen.tokens
    }

    /// What the script that asked for it is told; None where none did.
    pub fn totals(&mut self, took_ns: u64) -> Option<Box<StreamTotals>> {
        let mut told = self.told.take()?;
        told.total_ns = took_ns;
        told.events = self.seen.events;
        told.ttft_ns = self.seen.ttft_ns;
        told.tpot_ns = self.tpot_ns();
        told.tokens = self.spec.llm.then_some(self.seen.tokens);
        told.good = self.is_good();
        Some(told)
    }

    pub fn take_last(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.seen.last)
    }

    /// What is wrong with an answer that was read to its end, or to where we ended it.
    pub fn broken(&self) -> Option<String> {
        if let Some(reason) = &self.seen.unreadable {
            return Some(format!("got {reason}"));
        }
        if let Some(error) = &self.seen.error {
            return Some(format!("the stream says: {error}"));
        }
        let unfinished = self.spec.llm && !self.seen.over && !self.ended_by_us;
        unfinished.then(|| {
            format!(
                "ended after {} events without its last one",
                self.seen.events
            )
        })
    }

    /// What the step wanted of the events and did not get.
    pub fn missed(&self) -> Option<String> {
        let (wanted, got) = (self.spec.events_min, self.seen.events);
        if got < wanted {
            return Some(format!("wanted at least {wanted} events, got {got}"));
        }
        let mut wishes = self.spec.any.iter().zip(&self.seen.held);
        let (wish, _) = wishes.find(|(_, held)| !**held)?;
        Some(format!("wanted an event {}, none of {got} is", wish.text))
    }

    /// Time per output token after the first; undefined for one token.
    pub fn tpot_ns(&self) -> Option<u64> {
        let written = self.seen.tokens.written();
        let (ttft_ns, e2e_ns) = (self.seen.ttft_ns?, self.e2e_ns());
        (written > 1).then(|| e2e_ns.saturating_sub(ttft_ns) / (written - 1))
    }

    /// From the send to the last event with content.
    fn e2e_ns(&self) -> u64 {
        self.seen.content_ns.saturating_sub(self.sent_ns)
    }

    /// Does the answer keep to all that a good one keeps to? None where the step names nothing. A time per token that
    /// is undefined keeps to every limit.
    pub fn is_good(&self) -> Option<bool> {
        let Goodput {
            ttft_ns,
            tpot_ns,
            e2e_ns,
        } = self.spec.goodput?;
        let Some(first_ns) = self.seen.ttft_ns else {
            return Some(false);
        };
        let keeps = |limit: Option<u64>, value: u64| limit.is_none_or(|limit| value <= limit);
        Some(
            keeps(ttft_ns, first_ns)
                && keeps(tpot_ns, self.tpot_ns().unwrap_or(0))
                && keeps(e2e_ns, self.e2e_ns()),
        )
    }
}
