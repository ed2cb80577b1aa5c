//! What shall be done, as it crosses the border: JSON of ARCHITECTURE.md, unknown fields refused, times in ns.
//!
//! [`Plan::parse`] reads and checks; [`compile`] turns a plan into what the hot path needs. All problems are listed
//! at once, each as `path: what is wrong`.
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

mod body;
mod call;
mod check;
mod check_steps;
pub mod compile;
pub mod origins;
pub mod program;
pub mod redirect;
pub mod request;
mod script;
pub mod socket;
pub mod stream;

/// Everything that is wrong with a plan, one line per problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(
            f,
            "plan: {count} problem{}",
            if count == 1 { "" } else { "s" }
        )?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// A load run, complete: where to, what, how much.
#[derive(Debug, Clone, Deserialize)]
pub struct Plan {
    pub(crate) target: Target,
    /// Further origins that requests and redirects may go to; the target is number 0, these follow.
    #[serde(default)]
    pub(crate) origins: Vec<Target>,
    pub(crate) tls: Tls,
    #[serde(default)]
    pub(crate) proxy: Option<Proxy>,
    pub(crate) http: Http,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) variables: BTreeMap<String, serde_json::Value>,
    pub(crate) feeders: Vec<Feeder>,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) load: Load,
    pub(crate) grace_ns: u64,
    pub(crate) threads: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) live: bool,
    /// Hand over the values that an iteration holds when its user leaves: of what runs once, before the load.
    #[serde(default)]
    pub(crate) keep_values: bool,
    #[serde(default)]
    pub(crate) share: ShareSpec,
}

/// Which of the run's threads this process has: `first..first + threads` of `of`, all of them without `of`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct ShareSpec {
    #[serde(default)]
    pub first: u64,
    #[serde(default)]
    pub of: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Target {
    pub scheme: Scheme,
    pub host: String,
    pub port: u16,
    pub addresses: Vec<IpAddr>,
    /// How long looking the name up took; None for an address, which needs no looking up.
    #[serde(default)]
    pub lookup_ns: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Tls {
    pub insecure: bool,
    pub ca_pem: Option<String>,
    /// Asked for, and to be borne by the target's certificate, in place of the target's host.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Our own certificate and its private key, for servers that ask for one.
    #[serde(default)]
    pub certificate_pem: Option<String>,
    #[serde(default)]
    pub key_pem: Option<String>,
    /// Resume sessions on new connections.
    #[serde(default = "yes")]
    pub session_reuse: bool,
    #[serde(default)]
    pub min_version: Option<TlsVersion>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

/// What stands between us and every origin: requests without TLS are handed to it, TLS goes through a tunnel.
#[derive(Debug, Clone, Deserialize)]
pub struct Proxy {
    pub port: u16,
    pub addresses: Vec<IpAddr>,
    /// The value of `proxy-authorization`.
    #[serde(default)]
    pub authorization: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Http {
    /// Connections come from these addresses of this machine, by turns; from the system's choice without any.
    #[serde(default)]
    pub source_addresses: Vec<IpAddr>,
    pub connections_max: Option<usize>,
    pub timeout_ns: Option<u64>,
    pub connect_timeout_ns: Option<u64>,
    pub redirects_max: u32,
    pub body_bytes_max: usize,
    pub keep_alive: bool,
    /// Each iteration opens its own connection and closes it at its end.
    #[serde(default)]
    pub connection_per_user: bool,
    #[serde(default)]
    pub version: Version,
    /// Requests at once on one connection of HTTP/2.
    #[serde(default = "streams_max")]
    pub streams_max: usize,
}

fn streams_max() -> usize {
    100
}

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Version {
    #[default]
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2 over TLS, or nothing.
    #[serde(rename = "2")]
    Http2,
    /// HTTP/2 without TLS and without asking.
    #[serde(rename = "2-prior-knowledge")]
    PriorKnowledge,
    /// What the server chooses over TLS; HTTP/1.1 without.
    #[serde(rename = "auto")]
    Auto,
}

impl Version {
    /// May a connection, over TLS or without, turn out to speak HTTP/2?
    pub fn may_multiplex(self, tls: bool) -> bool {
        match self {
            Self::Http1 => false,
            Self::PriorKnowledge => !tls,
            Self::Http2 | Self::Auto => tls,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Feeder {
    pub columns: Vec<String>,
    /// Texts are taken as they are; numbers and the like keep their type.
    pub rows: Vec<Vec<serde_json::Value>>,
    pub order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    Sequential,
    Random,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Scenario {
    pub name: String,
    pub weight: f64,
    pub steps: Vec<Step>,
    /// A script in another thread says what its users do; it has no steps.
    #[serde(default)]
    pub python: bool,
    /// Does each iteration keep the cookies it is given, and send them back?
    #[serde(default)]
    pub cookies: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    Request(Box<Request>),
    Think(Think),
    Websocket(Box<socket::WebSocket>),
    /// Inside a websocket only.
    Message(Box<socket::Message>),
    /// Inside a websocket only.
    Ping(socket::Ping),
    Set(Set),
    Log(Log),
    If(If),
    Loop(Loop),
    Parallel(Parallel),
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Think {
    pub min_ns: u64,
    pub max_ns: u64,
}

impl Step {
    /// The lists of steps within this one.
    fn within(&self) -> Vec<&[Self]> {
        match self {
            Self::If(branch) => vec![&branch.steps, &branch.otherwise],
            Self::Loop(turns) => vec![&turns.steps],
            Self::Parallel(parallel) => parallel.branches.iter().map(Vec::as_slice).collect(),
            Self::Websocket(socket) => vec![&socket.steps],
            _ => vec![],
        }
    }
}

/// Give variables a value: texts may hold templates, a text that is one template alone takes the value's own type.
#[derive(Debug, Clone, Deserialize)]
pub struct Set {
    pub values: Vec<(String, serde_json::Value)>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Log {
    pub text: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct If {
    pub condition: String,
    pub steps: Vec<Step>,
    #[serde(default, rename = "else")]
    pub otherwise: Vec<Step>,
}

/// Do the steps again and again, until the first of the bounds that are given is reached.
#[derive(Debug, Clone, Deserialize)]
pub struct Loop {
    pub steps: Vec<Step>,
    #[serde(default)]
    pub count: Option<u64>,
    #[serde(default)]
    pub for_ns: Option<u64>,
    /// A pass is due so long after the one before, however long that one took.
    #[serde(default)]
    pub every_ns: Option<u64>,
    /// A list, or a template that stands for one.
    #[serde(default)]
    pub over: Option<serde_json::Value>,
    /// The variable that holds the list's item.
    #[serde(default)]
    pub item: Option<String>,
    #[serde(default, rename = "while")]
    pub condition: Option<String>,
}

/// Branches that are under way at the same time.
#[derive(Debug, Clone, Deserialize)]
pub struct Parallel {
    pub branches: Vec<Vec<Step>>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Request {
    pub name: String,
    pub method: String,
    pub path: String,
    /// Which origin it goes to.
    #[serde(default)]
    pub origin: usize,
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Sent beside those of the jar; one of the same name takes its place.
    #[serde(default)]
    pub cookies: Vec<(String, String)>,
    /// User and password of `authorization: Basic`.
    #[serde(default)]
    pub basic: Option<(String, String)>,
    #[serde(default)]
    pub body: Option<String>,
    /// How the body is read; by default by its content type, JSON or text.
    #[serde(default)]
    pub body_kind: Option<BodyKind>,
    /// A body of several parts, in place of `body`.
    #[serde(default)]
    pub body_parts: Vec<BodyPart>,
    #[serde(default)]
    pub compress: Option<Compress>,
    #[serde(default)]
    pub timeout_ns: Option<u64>,
    #[serde(default)]
    pub follow_redirects: Option<bool>,
    /// Labels of its series beside its name.
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    #[serde(default)]
    pub expect: Vec<Expect>,
    #[serde(default)]
    pub extract: Vec<Extract>,
    /// The answer comes in events.
    #[serde(default)]
    pub stream: Option<stream::Stream>,
    /// It is a call of gRPC, and its body a message in JSON.
    #[serde(default)]
    pub grpc: Option<call::Grpc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyKind {
    /// Values are written as they are.
    Text,
    /// Values of a form's fields are encoded.
    Form,
    /// A string that is one template alone keeps the value's type.
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyPart {
    Text(String),
    Base64(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compress {
    Gzip,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    Status(Vec<u16>),
    BodyContains(String),
    BodyMatches(String),
    Json(ExpectJson),
    Header(ExpectHeader),
    /// The longest response time.
    WithinNs(u64),
    Not(Box<Expect>),
}

/// Without `equals` (or with null) and without tests the path must only exist.
#[derive(Debug, Clone, Deserialize)]
pub struct ExpectJson {
    pub path: String,
    #[serde(default)]
    pub equals: Option<serde_json::Value>,
    #[serde(default)]
    pub tests: Vec<Test>,
}

/// What a value must be. Texts may hold templates.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    Exists(bool),
    Equals(serde_json::Value),
    Not(serde_json::Value),
    OneOf(Vec<serde_json::Value>),
    Above(f64),
    AtLeast(f64),
    Below(f64),
    AtMost(f64),
    Contains(String),
    Matches(String),
    /// Of a text its characters, of a list its items, of an object its members.
    Length(Vec<Test>),
}

/// Without anything but a name the header must only be there.
#[derive(Debug, Clone, Deserialize)]
pub struct ExpectHeader {
    pub name: String,
    #[serde(default)]
    pub contains: Option<String>,
    #[serde(default)]
    pub equals: Option<String>,
    #[serde(default)]
    pub matches: Option<String>,
}

/// A value kept for later steps, from exactly one of the three places.
#[derive(Debug, Clone, Deserialize)]
pub struct Extract {
    pub variable: String,
    #[serde(default)]
    pub json: Option<String>,
    #[serde(default)]
    pub regex: Option<String>,
    #[serde(default)]
    pub header: Option<String>,
    /// Which group of the regular expression; by default the first, or the whole match where it has none.
    #[serde(default)]
    pub group: Option<usize>,
    /// Every value that the JSONPath or the regular expression finds, as a JSON array.
    #[serde(default)]
    pub all: bool,
    /// Does the request fail, and the iteration end, where nothing is found?
    #[serde(default = "yes")]
    pub strict: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Deserialize)]
pub struct Load {
    pub kind: Kind,
    #[serde(default)]
    pub arrivals: Option<ArrivalsKind>,
    /// With Gamma arrivals: the shape of the gaps' distribution.
    #[serde(default = "poisson_shape")]
    pub gamma_shape: f64,
    /// With recorded arrivals: when each one is planned, in order, and which scenario it runs (empty: by weight).
    #[serde(default)]
    pub times_ns: Vec<u64>,
    #[serde(default)]
    pub scenarios: Vec<u32>,
    /// How often each arriving user goes through a scenario before it leaves.
    #[serde(default)]
    pub iterations: Iterations,
    pub stages: Vec<StageSpec>,
    #[serde(default)]
    pub count: Option<u64>,
    /// Open loads: arrivals while so many users are there are not started.
    #[serde(default)]
    pub users_max: Option<u64>,
    /// Open loads: what has begun when the stages end runs to its end, as with a count.
    #[serde(default)]
    pub finish: bool,
}

fn poisson_shape() -> f64 {
    1.0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Iterations {
    pub min: u32,
    pub max: u32,
}

impl Default for Iterations {
    fn default() -> Self {
        Self { min: 1, max: 1 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Open,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArrivalsKind {
    Constant,
    Poisson,
    Gamma,
    Recorded,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct StageSpec {
    pub duration_ns: u64,
    pub from: f64,
    pub to: f64,
}

impl Plan {
    /// Every origin, by its number.
    pub fn all_origins(&self) -> impl Iterator<Item = &Target> {
        std::iter::once(&self.target).chain(&self.origins)
    }

    /// Read and check a plan; beside it comes what is wrong with it (a plan with problems is never run).
    ///
    /// # Errors
    /// A value of the wrong type, with its path and the unknown fields before it: nothing can be made of the rest.
    pub fn read(json: &str) -> Result<(Self, Vec<String>), Problems> {
        let mut problems = vec![];
        let mut reader = serde_json::Deserializer::from_str(json);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
        let read: Result<Self, _> = serde_ignored::deserialize(tracked, |path| {
            problems.push(format!(
                "{}: unknown field",
                with_brackets(&path.to_string())
            ));
        });
        match read.and_then(|plan| reader.end().map(|()| plan)) {
            Err(error) => {
                problems.push(format!("{}: {error}", track.path()));
                Err(Problems(problems))
            }
            Ok(plan) => {
                check::check(&plan, &mut problems);
                Ok((plan, problems))
            }
        }
    }
}

/// `a.0.?.b` (as serde_ignored writes it) is `a[0].b` everywhere else.
fn with_brackets(path: &str) -> String {
    let mut written = String::new();
    for part in path.split('.').filter(|part| *part != "?") {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            written += &format!("[{part}]");
        } else {
            written += if written.is_empty() { "" } else { "." };
            written += part;
        }
    }
    written
}
