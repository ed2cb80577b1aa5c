//! What shall be done, as it crosses the border: JSON of ARCHITECTURE.md, unknown fields refused, times in ns.
//!
//! [`Plan::parse`] reads and checks; [`compile`] turns a plan into what the hot path needs. All problems are listed
//! at once, each as `path: what is wrong`.
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

mod check;
pub mod compile;
pub mod redirect;
pub mod request;
mod script;
pub mod socket;

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
    pub(crate) http: Http,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) feeders: Vec<Feeder>,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) load: Load,
    pub(crate) grace_ns: u64,
    pub(crate) threads: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) live: bool,
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
    pub addresses: Vec<std::net::IpAddr>,
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
}

#[derive(Debug, Clone, Deserialize)]
pub struct Http {
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
    pub rows: Vec<Vec<String>>,
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
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Think {
    pub min_ns: u64,
    pub max_ns: u64,
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
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub expect: Vec<Expect>,
    #[serde(default)]
    pub extract: Vec<Extract>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    Status(Vec<u16>),
    BodyContains(String),
    BodyMatches(String),
    Json(ExpectJson),
    Header(ExpectHeader),
}

/// Without `equals` (or with null) the path must only exist.
#[derive(Debug, Clone, Deserialize)]
pub struct ExpectJson {
    pub path: String,
    #[serde(default)]
    pub equals: Option<serde_json::Value>,
}

/// Without `contains` (or with null) the header must only be there.
#[derive(Debug, Clone, Deserialize)]
pub struct ExpectHeader {
    pub name: String,
    #[serde(default)]
    pub contains: Option<String>,
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
