//! A WebSocket of a scenario: what the plan says of it, and the steps that are taken on it.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Expect, Extract, Plan, Step};
use crate::judging::Judging;
use crate::template::{Place, Template};
use crate::value::Names;

/// A connection that is opened by `request` (a GET), used by `steps` and then closed.
#[derive(Debug, Clone, Deserialize)]
pub struct WebSocket {
    pub request: super::Request,
    #[serde(default)]
    pub subprotocols: Vec<String>,
    /// Open it again when a step finds it closed.
    #[serde(default)]
    pub reconnect: bool,
    pub steps: Vec<Step>,
    #[serde(default)]
    pub close: Close,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Close {
    pub code: u16,
    #[serde(default)]
    pub reason: String,
}

impl Default for Close {
    fn default() -> Self {
        Self {
            code: crate::websocket::NORMAL,
            reason: String::new(),
        }
    }
}

/// Something to say, something to wait for, or both: then what is waited for is the answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    pub name: String,
    #[serde(default)]
    pub send: Option<Payload>,
    #[serde(default)]
    pub receive: Option<Receive>,
    /// What the received message must be.
    #[serde(default)]
    pub expect: Vec<Expect>,
    #[serde(default)]
    pub extract: Vec<Extract>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    Text(String),
    /// Text whose templates land in JSON.
    Json(String),
    /// Bytes, as base64.
    Binary(String),
}

/// The first message that is all of `fits` is the one; others are passed over. Without `timeout_ns` the plan's.
#[derive(Debug, Clone, Deserialize)]
pub struct Receive {
    #[serde(default)]
    pub fits: Vec<Expect>,
    #[serde(default)]
    pub timeout_ns: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Ping {
    pub name: String,
    #[serde(default)]
    pub timeout_ns: Option<u64>,
}

/// What the opening request needs to know of the socket.
#[derive(Debug, Clone)]
pub struct Upgrade {
    pub subprotocols: Vec<String>,
    /// Does any step wait for a message without having sent one? Then what comes early is kept.
    pub keeps_unread: bool,
    /// The step after the socket's last.
    pub past: u32,
}

/// A step on the socket, and the step that opened it.
#[derive(Debug)]
pub struct SocketStep {
    pub series: usize,
    pub opened_by: u32,
    pub reconnect: bool,
    pub timeout_ns: u64,
    pub what: SocketWork,
}

#[derive(Debug)]
pub enum SocketWork {
    Message(Talk),
    Ping,
    Close { code: u16, reason: String },
}

/// One message step, parsed.
#[derive(Debug)]
pub struct Talk {
    pub send: Option<Words>,
    pub receives: bool,
    pub fits: Judging,
    pub judging: Judging,
}

#[derive(Debug)]
pub struct Words {
    pub binary: bool,
    pub template: Template,
}

impl Talk {
    /// Parse everything in the step.
    ///
    /// # Errors
    /// What cannot be understood, as `field: reason`.
    pub fn compile(spec: &Message, names: &Names<'_>) -> Result<Self, Vec<String>> {
        let mut problems = vec![];
        let send = spec.send.as_ref().and_then(|payload| {
            Words::compile(payload, names)
                .map_err(|reason| problems.push(format!("send: {reason}")))
                .ok()
        });
        let fits = spec.receive.as_ref().map_or(&[][..], |wait| &wait.fits);
        let fits = Judging::compile("receive.fits", fits, &[], names, &mut problems);
        let judging = Judging::compile("expect", &spec.expect, &spec.extract, names, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            send,
            receives: spec.receive.is_some(),
            fits,
            judging,
        })
    }
}

impl Words {
    fn compile(payload: &Payload, names: &Names<'_>) -> Result<Self, String> {
        let (binary, template) = match payload {
            Payload::Text(text) => (false, Template::parse(text, Place::Body, names)?),
            Payload::Json(text) => (false, Template::parse(text, Place::TypedJson, names)?),
            Payload::Binary(text) => {
                let bytes = STANDARD
                    .decode(text)
                    .map_err(|error| format!("not base64: {error}"))?;
                (true, Template::of_bytes(&bytes))
            }
        };
        Ok(Self { binary, template })
    }
}

/// The header lines that ask for a WebSocket; the key comes with each request.
pub fn upgrade_headers(spec: &WebSocket) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    if !spec.subprotocols.is_empty() {
        headers.push((
            "sec-websocket-protocol".into(),
            spec.subprotocols.join(", "),
        ));
    }
    headers
}

/// Does a step, at any depth, wait for a message without having sent one?
pub fn keeps_unread(steps: &[Step]) -> bool {
    super::check_steps::any(
        steps,
        &|step| matches!(step, Step::Message(message) if message.send.is_none() && message.receive.is_some()),
    )
}

/// How long a step on a socket may take.
pub fn timeout_ns(own: Option<u64>, plan: &Plan) -> u64 {
    own.or(plan.http.timeout_ns).unwrap_or(u64::MAX)
}
