//! What one thread saw within one second, and what all threads saw together.
use scaleworthy_measure::Histogram;

mod names;
mod own;
mod socket;
mod stream;
mod tick;

pub use names::{Names, OwnKind, StepName, Tags};
pub use own::OwnSecond;
pub use socket::SocketSecond;
pub use stream::StreamSecond;
pub use tick::{Sample, Series, Tick, Unit, merge};

/// Why a request failed: the closed list of docs/reference/series.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the names say it; the reference page has a line on each"
)]
pub enum ErrorKind {
    Connect,
    Dns,
    Tls,
    Timeout,
    Closed,
    Reset,
    Goaway,
    Protocol,
    BodyTooLarge,
    Redirect,
    Template,
    ExpectStatus,
    ExpectBody,
    ExpectHeader,
    ExpectTime,
    Extract,
    Script,
    Cancelled,
    Steps,
    Cut,
    WsClose,
    Stream,
    Grpc,
}

impl ErrorKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 23] = [
        Self::Connect,
        Self::Dns,
        Self::Tls,
        Self::Timeout,
        Self::Closed,
        Self::Reset,
        Self::Goaway,
        Self::Protocol,
        Self::BodyTooLarge,
        Self::Redirect,
        Self::Template,
        Self::ExpectStatus,
        Self::ExpectBody,
        Self::ExpectHeader,
        Self::ExpectTime,
        Self::Extract,
        Self::Script,
        Self::Cancelled,
        Self::Steps,
        Self::Cut,
        Self::WsClose,
        Self::Stream,
        Self::Grpc,
    ];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Goaway => "goaway",
            Self::Protocol => "protocol",
            Self::BodyTooLarge => "body-too-large",
            Self::Redirect => "redirect",
            Self::Template => "template",
            Self::ExpectStatus => "expect-status",
            Self::ExpectBody => "expect-body",
            Self::ExpectHeader => "expect-header",
            Self::ExpectTime => "expect-time",
            Self::Extract => "extract",
            Self::Script => "script",
            Self::Cancelled => "cancelled",
            Self::Steps => "steps",
            Self::Cut => "cut",
            Self::WsClose => "ws-close",
            Self::Stream => "stream",
            Self::Grpc => "grpc",
        }
    }
}

/// The parts of a request, in the order in which they happen. Names are looked up beside the requests: no request waits.
pub const PHASES: [&str; 6] = ["dns", "connect", "tls", "send", "wait", "receive"];

/// One step's second.
#[derive(Default)]
pub struct StepSecond {
    pub response: Histogram,
    pub service: Histogram,
    pub lag: Histogram,
    pub phases: [Histogram; PHASES.len()],
    pub planned: u64,
    pub started: u64,
    pub answered: u64,
    pub failed: u64,
    pub not_started: u64,
    /// Few statuses, the same one again and again: a list whose first entry nearly always fits.
    pub statuses: Vec<(u16, u64)>,
    pub errors: [u64; ErrorKind::ALL.len()],
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub in_flight: u64,
    /// Of a WebSocket's steps alone.
    pub socket: Option<Box<SocketSecond>>,
    /// Of answers in events alone.
    pub stream: Option<Box<StreamSecond>>,
}

/// Places in `StepSecond::phases`.
pub mod phase {
    pub const DNS: usize = 0;
    pub const CONNECT: usize = 1;
    pub const TLS: usize = 2;
    pub const SEND: usize = 3;
    pub const WAIT: usize = 4;
    pub const RECEIVE: usize = 5;
}

impl StepSecond {
    pub fn stream(&mut self) -> &mut StreamSecond {
        self.stream.get_or_insert_default()
    }

    pub fn socket(&mut self) -> &mut SocketSecond {
        self.socket.get_or_insert_default()
    }

    pub fn status(&mut self, status: u16) {
        match self.statuses.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += 1,
            None => self.statuses.push((status, 1)),
        }
    }
}

/// One thread's second, handed over when it has ended.
#[derive(Default)]
pub struct Second {
    /// Unix time of its beginning.
    pub second: i64,
    pub steps: Vec<StepSecond>,
    /// A script's own series.
    pub own: Vec<OwnSecond>,
    pub waiting: u64,
    pub users: u64,
    pub connections: u64,
    /// The level asked for, over all threads; told by thread 0 alone.
    pub target: f64,
    pub cpu_ns: u64,
    /// The first example of each error kind that this thread met, when it met it in this second.
    pub examples: Vec<(ErrorKind, String)>,
    /// Lines that scenarios log: the first few of each thread's run, and how many there were within this second.
    pub logged: Vec<String>,
    pub log_lines: u64,
    /// Values that users held who left, as JSON, where the plan asks for them.
    pub values: Vec<(String, String)>,
    pub last: bool,
}

impl Second {
    pub fn new(second: i64, steps: usize) -> Self {
        Self {
            second,
            steps: std::iter::repeat_with(StepSecond::default)
                .take(steps)
                .collect(),
            ..Self::default()
        }
    }

    /// Keep one example of each error kind; `told` are those that were handed over.
    pub fn example(&mut self, told: &mut [bool], kind: ErrorKind, text: impl FnOnce() -> String) {
        if !std::mem::replace(&mut told[kind as usize], true) {
            self.examples.push((kind, text()));
        }
    }

    /// Add another thread's part of the same second.
    pub fn add(&mut self, other: &Self) {
        if self.steps.len() < other.steps.len() {
            self.steps
                .resize_with(other.steps.len(), StepSecond::default);
        }
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            mine.add(theirs);
        }
        for (at, theirs) in other.own.iter().enumerate() {
            OwnSecond::at(&mut self.own, at).add(theirs);
        }
        self.waiting += other.waiting;
        self.users += other.users;
        self.connections += other.connections;
        self.target += other.target;
        self.cpu_ns += other.cpu_ns;
        self.examples.extend(other.examples.iter().cloned());
        self.logged.extend(other.logged.iter().cloned());
        self.log_lines += other.log_lines;
        self.values.extend(other.values.iter().cloned());
    }
}

impl StepSecond {
    fn add(&mut self, other: &Self) {
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.lag.merge(&other.lag);
        for (mine, theirs) in self.phases.iter_mut().zip(&other.phases) {
            mine.merge(theirs);
        }
        self.planned += other.planned;
        self.started += other.started;
        self.answered += other.answered;
        self.failed += other.failed;
        self.not_started += other.not_started;
        for (status, count) in &other.statuses {
            match self.statuses.iter_mut().find(|(known, _)| known == status) {
                Some((_, mine)) => *mine += count,
                None => self.statuses.push((*status, *count)),
            }
        }
        for (mine, theirs) in self.errors.iter_mut().zip(&other.errors) {
            *mine += theirs;
        }
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.in_flight += other.in_flight;
        if let Some(theirs) = &other.socket {
            self.socket().add(theirs);
        }
        if let Some(theirs) = &other.stream {
            self.stream().add(theirs);
        }
    }
}
