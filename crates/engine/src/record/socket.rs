//! What the steps of WebSockets saw within one second, beyond what every step has.
use std::sync::Arc;

use scaleworthy_measure::Histogram;

use super::Sample;

#[derive(Default)]
pub struct SocketSecond {
    pub round_trip: Histogram,
    pub ping: Histogram,
    pub messages_sent: u64,
    pub messages_received: u64,
    /// Few codes: a list.
    pub closes: Vec<(u16, u64)>,
}

impl SocketSecond {
    pub fn closed(&mut self, code: u16, count: u64) {
        match self.closes.iter_mut().find(|(known, _)| *known == code) {
            Some((_, mine)) => *mine += count,
            None => self.closes.push((code, count)),
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.round_trip.merge(&other.round_trip);
        self.ping.merge(&other.ping);
        self.messages_sent += other.messages_sent;
        self.messages_received += other.messages_received;
        for (code, count) in &other.closes {
            self.closed(*code, *count);
        }
    }

    /// Name what there is.
    pub fn series(
        self,
        add: &mut impl FnMut(&'static str, Option<(&'static str, Arc<str>)>, &'static str, Sample),
    ) {
        for (name, histogram) in [
            ("load.ws.round_trip", self.round_trip),
            ("load.ws.ping", self.ping),
        ] {
            if !histogram.is_empty() {
                add(name, None, "ns", Sample::Histogram(Box::new(histogram)));
            }
        }
        for (name, count) in [
            ("load.ws.messages_sent", self.messages_sent),
            ("load.ws.messages_received", self.messages_received),
        ] {
            if count > 0 {
                add(name, None, "messages", Sample::Counter(count as f64));
            }
        }
        for (code, count) in self.closes {
            let label = ("code", code.to_string().into());
            add(
                "load.ws.closes",
                Some(label),
                "closes",
                Sample::Counter(count as f64),
            );
        }
    }
}
