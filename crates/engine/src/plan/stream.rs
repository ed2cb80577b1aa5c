//! A request whose answer comes in events: what the plan says of it.
use std::sync::Arc;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::Expect;
use crate::grpc::Method;
use crate::judging::pattern_of;
use crate::stream::{Age, Framing, Goodput, Kept, Spec, Wish};

#[derive(Debug, Clone, Deserialize)]
pub struct Stream {
    pub kind: StreamKind,
    #[serde(default)]
    pub events_min: u64,
    /// The request is done after so many events.
    #[serde(default)]
    pub events_max: Option<u64>,
    /// The request is done after so long.
    #[serde(default)]
    pub for_ns: Option<u64>,
    /// Some event must be each of these.
    #[serde(default)]
    pub any: Vec<WishSpec>,
    /// What the last event must be.
    #[serde(default)]
    pub last: Vec<Expect>,
    #[serde(default)]
    pub age: Option<AgeSpec>,
    #[serde(default)]
    pub goodput: Option<GoodputSpec>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    Sse,
    Ndjson,
    Llm,
    /// Messages of a call.
    Grpc,
}

#[derive(Debug, Clone, Deserialize)]
pub struct WishSpec {
    #[serde(default)]
    pub contains: Vec<String>,
    #[serde(default)]
    pub matches: Option<String>,
    #[serde(default)]
    pub json: Vec<(String, Option<Value>)>,
}

/// Where an event tells the Unix time at which it was sent, and in which unit.
#[derive(Debug, Clone, Deserialize)]
pub struct AgeSpec {
    pub path: String,
    pub unit_ns: f64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct GoodputSpec {
    #[serde(default)]
    pub ttft_ns: Option<u64>,
    #[serde(default)]
    pub tpot_ns: Option<u64>,
    #[serde(default)]
    pub e2e_ns: Option<u64>,
}

impl Stream {
    /// Parse everything in it; `reads_last` tells whether the last event is looked at.
    ///
    /// # Errors
    /// What cannot be understood, as `stream.field: reason`.
    pub fn compile(
        &self,
        bytes_max: usize,
        reads_last: bool,
        kept: Kept,
        method: Option<Method>,
    ) -> Result<Arc<Spec>, Vec<String>> {
        let mut problems = vec![];
        let mut any = vec![];
        for (at, wish) in self.any.iter().enumerate() {
            match wish.compile() {
                Ok(wish) => any.push(wish),
                Err(reason) => problems.push(format!("stream.any[{at}]: {reason}")),
            }
        }
        let age = self
            .age
            .as_ref()
            .and_then(|age| match json_path(&age.path) {
                Ok(path) => Some(Age {
                    path,
                    unit_ns: age.unit_ns,
                }),
                Err(reason) => {
                    problems.push(format!("stream.age: {reason}"));
                    None
                }
            });
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Arc::new(Spec {
            framing: match self.kind {
                StreamKind::Sse => Framing::Sse,
                StreamKind::Ndjson => Framing::Lines,
                StreamKind::Llm => Framing::Either,
                StreamKind::Grpc => Framing::Messages,
            },
            method,
            llm: self.kind == StreamKind::Llm,
            bytes_max,
            events_max: self.events_max,
            for_ns: self.for_ns,
            events_min: self.events_min,
            any,
            keeps_last: reads_last,
            age,
            goodput: self.goodput.map(|goodput| Goodput {
                ttft_ns: goodput.ttft_ns,
                tpot_ns: goodput.tpot_ns,
                e2e_ns: goodput.e2e_ns,
            }),
            kept,
        }))
    }
}

impl WishSpec {
    pub fn compile(&self) -> Result<Wish, String> {
        let mut words: Vec<String> = self
            .contains
            .iter()
            .map(|t| format!("with {t:?}"))
            .collect();
        let matches = self.matches.as_deref().map(pattern_of).transpose()?;
        words.extend(
            self.matches
                .iter()
                .map(|pattern| format!("that matches {pattern:?}")),
        );
        let mut json = vec![];
        for (path, wanted) in &self.json {
            json.push((json_path(path)?, wanted.clone()));
            let wanted = wanted.as_ref().map_or("a value".into(), Value::to_string);
            words.push(format!("with {wanted} at {path}"));
        }
        Ok(Wish {
            contains: self
                .contains
                .iter()
                .map(|text| Finder::new(text).into_owned())
                .collect(),
            matches,
            json,
            text: words.join(" and "),
        })
    }
}

fn json_path(path: &str) -> Result<JsonPath, String> {
    JsonPath::parse(path).map_err(|error| format!("{path:?} is not a JSONPath: {error}"))
}
