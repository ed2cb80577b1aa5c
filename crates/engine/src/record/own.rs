//! What a script recorded in series of its own within one second.
use scaleworthy_measure::Histogram;

use super::names::OwnName;
use super::{OwnKind, Sample, Series};

/// One series' values of one second.
#[derive(Default)]
pub struct OwnSecond {
    histogram: Histogram,
    sum: f64,
    last: Option<f64>,
}

impl OwnSecond {
    /// The place of series `at`, made if it is not there.
    pub fn at(all: &mut Vec<Self>, at: usize) -> &mut Self {
        if all.len() <= at {
            all.resize_with(at + 1, Self::default);
        }
        &mut all[at]
    }

    pub fn record(&mut self, value: f64, kind: OwnKind) {
        match kind {
            // A negative time or not-a-number counts as 0: the conversion saturates.
            OwnKind::Histogram => self.histogram.record(value as u64),
            OwnKind::Counter => self.sum += value,
            OwnKind::Gauge => {}
        }
        self.last = Some(value);
    }

    pub fn add(&mut self, other: &Self) {
        self.histogram.merge(&other.histogram);
        self.sum += other.sum;
        self.last = other.last.or(self.last);
    }

    /// The slice, if anything was recorded.
    pub fn series(self, name: OwnName) -> Option<Series> {
        let last = self.last?;
        let value = match name.kind {
            OwnKind::Histogram => Sample::Histogram(Box::new(self.histogram)),
            OwnKind::Counter => Sample::Counter(self.sum),
            OwnKind::Gauge => Sample::Gauge(last),
        };
        let labels = name.labels.iter();
        Some(Series {
            name: name.name.to_string().into(),
            labels: labels
                .map(|(key, value)| (key.to_string().into(), value.clone()))
                .collect(),
            unit: name.unit.to_string().into(),
            value,
        })
    }
}
