//! What the answers that come in events brought within one second, beyond what every answer has.
use std::sync::Arc;

use scaleworthy_measure::Histogram;

use super::Sample;
use crate::stream::{Fresh, Tokens};

#[derive(Default)]
pub struct StreamSecond {
    pub first: Histogram,
    pub gap: Histogram,
    pub total: Histogram,
    pub age: Histogram,
    pub ttft: Histogram,
    pub tpot: Histogram,
    pub itl: Histogram,
    pub events: u64,
    pub good: u64,
    /// Whether anything says what a good answer is: then 0 of them is a measurement.
    pub judges: bool,
    pub tokens_input: u64,
    pub tokens_output: u64,
    pub tokens_counted: u64,
}

impl StreamSecond {
    pub fn take(&mut self, fresh: &mut Fresh) {
        self.events += std::mem::take(&mut fresh.events);
        for (seen, value) in [
            (&mut self.first, fresh.first_ns.take()),
            (&mut self.ttft, fresh.ttft_ns.take()),
        ] {
            if let Some(value) = value {
                seen.record(value);
            }
        }
        for (seen, values) in [
            (&mut self.gap, &mut fresh.gaps_ns),
            (&mut self.age, &mut fresh.ages_ns),
            (&mut self.itl, &mut fresh.itl_ns),
        ] {
            values.drain(..).for_each(|value| seen.record(value));
        }
    }

    pub fn count(&mut self, tokens: Tokens) {
        self.tokens_input += tokens.input.unwrap_or(0);
        match tokens.output {
            Some(output) => self.tokens_output += output,
            None => self.tokens_counted += tokens.counted,
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.first, &other.first),
            (&mut self.gap, &other.gap),
            (&mut self.total, &other.total),
            (&mut self.age, &other.age),
            (&mut self.ttft, &other.ttft),
            (&mut self.tpot, &other.tpot),
            (&mut self.itl, &other.itl),
        ] {
            mine.merge(theirs);
        }
        self.events += other.events;
        self.good += other.good;
        self.judges |= other.judges;
        self.tokens_input += other.tokens_input;
        self.tokens_output += other.tokens_output;
        self.tokens_counted += other.tokens_counted;
    }

    /// Name what there is.
    pub fn series(
        self,
        add: &mut impl FnMut(&'static str, Option<(&'static str, Arc<str>)>, &'static str, Sample),
    ) {
        for (name, histogram) in [
            ("load.stream.first", self.first),
            ("load.stream.gap", self.gap),
            ("load.stream.total", self.total),
            ("load.stream.age", self.age),
            ("load.stream.ttft", self.ttft),
            ("load.stream.tpot", self.tpot),
            ("load.stream.itl", self.itl),
        ] {
            if !histogram.is_empty() {
                add(name, None, "ns", Sample::Histogram(Box::new(histogram)));
            }
        }
        let count = |count: u64| Sample::Counter(count as f64);
        add("load.stream.events", None, "events", count(self.events));
        if self.judges {
            add("load.stream.good", None, "requests", count(self.good));
        }
        for (direction, tokens) in [
            ("input", self.tokens_input),
            ("output", self.tokens_output),
            ("output-counted", self.tokens_counted),
        ] {
            if tokens > 0 {
                let label = ("direction", direction.into());
                add("load.stream.tokens", Some(label), "tokens", count(tokens));
            }
        }
    }
}
