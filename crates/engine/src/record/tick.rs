//! One second of the run over all threads, as series with names, labels and units.
use std::borrow::Cow;
use std::sync::Arc;

use scaleworthy_measure::Histogram;

use super::names::StepName;
use super::{ErrorKind, Names, PHASES, Second, StepSecond};
use crate::grpc::status_text;

/// What a slice holds; the kind of its series follows from it.
pub enum Sample {
    /// A distribution of nanoseconds.
    Histogram(Box<Histogram>),
    /// The increment within the second.
    Counter(f64),
    /// The value at the end of the second.
    Gauge(f64),
}

/// The unit of a series.
pub type Unit = Cow<'static, str>;

/// One series' value for the second.
pub struct Series {
    /// Its name, such as `load.response_time`.
    pub name: Cow<'static, str>,
    /// Its labels, sorted by name.
    pub labels: Vec<(Cow<'static, str>, Arc<str>)>,
    /// Its unit.
    pub unit: Unit,
    /// Its value.
    pub value: Sample,
}

/// What the whole run saw within one second.
pub struct Tick {
    /// Unix time of the second's beginning.
    pub second: i64,
    /// Every series that has something to say.
    pub series: Vec<Series>,
    /// Whether the run is over; the second may then be a partial one.
    pub last: bool,
}

impl Tick {
    /// Name everything that `second` holds.
    pub fn new(second: Second, names: &Names) -> Self {
        let mut series = vec![];
        for (step, name) in second.steps.into_iter().zip(names.steps()) {
            step_series(step, &name, &mut series);
        }
        for (at, own) in second.own.into_iter().enumerate() {
            series.extend(names.own(at).and_then(|name| own.series(name)));
        }
        let mut add = |name: &'static str, unit: &'static str, value| {
            series.push(Series {
                name: name.into(),
                labels: vec![],
                unit: unit.into(),
                value,
            })
        };
        add(
            "load.waiting",
            "requests",
            Sample::Gauge(second.waiting as f64),
        );
        add("load.users", "users", Sample::Gauge(second.users as f64));
        add(
            "load.connections",
            "connections",
            Sample::Gauge(second.connections as f64),
        );
        add("load.target", "", Sample::Gauge(second.target));
        add(
            "generator.cpu_seconds",
            "s",
            Sample::Counter(second.cpu_ns as f64 / 1e9),
        );
        Self {
            second: second.second,
            series,
            last: second.last,
        }
    }
}

fn step_series(step: StepSecond, name: &StepName, series: &mut Vec<Series>) {
    let mut add = |series_name: &'static str,
                   label: Option<(&'static str, Arc<str>)>,
                   unit: &'static str,
                   value| {
        let mut labels = vec![(Cow::from("step"), name.name.clone())];
        labels.extend(label.map(|(key, value)| (Cow::from(key), value)));
        for (key, value) in &name.tags {
            labels.push((key.to_string().into(), value.clone()));
        }
        labels.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        series.push(Series {
            name: series_name.into(),
            labels,
            unit: unit.into(),
            value,
        });
    };
    let counter = |count: u64| Sample::Counter(count as f64);
    if let Some(socket) = step.socket {
        socket.series(&mut add);
    }
    if let Some(stream) = step.stream {
        stream.series(&mut add);
    }
    for (series_name, histogram) in [
        ("load.response_time", step.response),
        ("load.service_time", step.service),
        ("load.lag", step.lag),
    ] {
        if !histogram.is_empty() {
            add(
                series_name,
                None,
                "ns",
                Sample::Histogram(Box::new(histogram)),
            );
        }
    }
    for (phase, histogram) in PHASES.iter().zip(step.phases) {
        if !histogram.is_empty() {
            add(
                "load.phase",
                Some(("phase", (*phase).into())),
                "ns",
                Sample::Histogram(Box::new(histogram)),
            );
        }
    }
    // These are told even at 0: a second without an answer is a measurement, not a gap.
    add("load.planned", None, "requests", counter(step.planned));
    add("load.started", None, "requests", counter(step.started));
    add("load.answered", None, "requests", counter(step.answered));
    add("load.failed", None, "requests", counter(step.failed));
    add(
        "load.not_started",
        None,
        "requests",
        counter(step.not_started),
    );
    for (status, count) in step.statuses {
        add(
            "load.statuses",
            Some(("status", status_text(status).into())),
            "requests",
            counter(count),
        );
    }
    for (kind, count) in ErrorKind::ALL
        .iter()
        .zip(step.errors)
        .filter(|(_, count)| *count > 0)
    {
        add(
            "load.errors",
            Some(("kind", kind.name().into())),
            "requests",
            counter(count),
        );
    }
    add(
        "load.bytes_received",
        None,
        "bytes",
        counter(step.bytes_received),
    );
    add("load.bytes_sent", None, "bytes", counter(step.bytes_sent));
    add(
        "load.in_flight",
        None,
        "requests",
        Sample::Gauge(step.in_flight as f64),
    );
}

/// Merge the threads' parts of one second.
pub fn merge(parts: Vec<Second>) -> Option<Second> {
    parts.into_iter().reduce(|mut all, part| {
        all.add(&part);
        all
    })
}
