//! What an answer must be. The first expectation that it breaks fails the request.
use memchr::memmem::{Finder, find};
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::extract::{json_path, pattern_of};
use crate::http1::Answer;
use crate::plan;
use crate::record::ErrorKind;

#[derive(Debug)]
pub enum Expectation {
    Status(Vec<u16>),
    BodyContains(Box<Finder<'static>>),
    BodyMatches(regex::Regex),
    Json {
        path: JsonPath,
        equals: Option<Value>,
    },
    Header {
        name: String,
        contains: Option<String>,
    },
}

impl Expectation {
    pub fn compile(spec: &plan::Expect) -> Result<Self, String> {
        Ok(match spec {
            plan::Expect::Status(statuses) => Self::Status(statuses.clone()),
            plan::Expect::BodyContains(text) => {
                Self::BodyContains(Box::new(Finder::new(text).into_owned()))
            }
            plan::Expect::BodyMatches(pattern) => Self::BodyMatches(pattern_of(pattern)?),
            plan::Expect::Json(json) => Self::Json {
                path: json_path(&json.path)?,
                equals: json.equals.clone(),
            },
            plan::Expect::Header(header) => Self::Header {
                name: header.name.clone(),
                contains: header.contains.clone(),
            },
        })
    }

    pub fn reads_body(&self) -> bool {
        !matches!(self, Self::Status(_) | Self::Header { .. })
    }

    pub fn reads_json(&self) -> bool {
        matches!(self, Self::Json { .. })
    }

    /// What is broken, with what was wanted and got; None when it holds.
    pub fn broken(&self, answer: &Answer<'_>, json: Option<&Value>) -> Option<(ErrorKind, String)> {
        match self {
            Self::Status(wanted) => (!wanted.contains(&answer.status)).then(|| {
                (
                    ErrorKind::ExpectStatus,
                    format!("wanted status {wanted:?}, got {}", answer.status),
                )
            }),
            Self::BodyContains(finder) => finder.find(answer.body).is_none().then(|| {
                let (wanted, got) = (excerpt(finder.needle()), excerpt(answer.body));
                (
                    ErrorKind::ExpectBody,
                    format!("wanted a body with {wanted}, got {got}"),
                )
            }),
            Self::BodyMatches(pattern) => {
                (!pattern.is_match(&String::from_utf8_lossy(answer.body))).then(|| {
                    let got = excerpt(answer.body);
                    (
                        ErrorKind::ExpectBody,
                        format!(
                            "wanted a body that matches {:?}, got {got}",
                            pattern.as_str()
                        ),
                    )
                })
            }
            Self::Json { path, equals } => broken_json(path, equals.as_ref(), answer, json),
            Self::Header {
                name,
                contains: wanted,
            } => match (answer.header(name), wanted) {
                (Some(_), None) => None,
                (Some(got), Some(wanted)) if find(got, wanted.as_bytes()).is_some() => None,
                (got, _) => {
                    let got = got.map_or("no such header".to_string(), excerpt);
                    let wanted = wanted
                        .as_ref()
                        .map_or(String::new(), |wanted| format!(" with {wanted:?}"));
                    Some((
                        ErrorKind::ExpectHeader,
                        format!("wanted header {name:?}{wanted}, got {got}"),
                    ))
                }
            },
        }
    }
}

fn broken_json(
    path: &JsonPath,
    equals: Option<&Value>,
    answer: &Answer<'_>,
    json: Option<&Value>,
) -> Option<(ErrorKind, String)> {
    let Some(json) = json else {
        return Some((
            ErrorKind::ExpectBody,
            format!("wanted a JSON body, got {}", excerpt(answer.body)),
        ));
    };
    let found = path.query(json).first();
    match (found, equals) {
        (Some(_), None) => None,
        (Some(got), Some(wanted)) if same(got, wanted) => None,
        (got, _) => {
            let got = got.map_or("nothing there".to_string(), |got| {
                excerpt(got.to_string().as_bytes())
            });
            let wanted = equals.map_or("a value".to_string(), Value::to_string);
            Some((
                ErrorKind::ExpectBody,
                format!("wanted {wanted} at {path}, got {got}"),
            ))
        }
    }
}

/// JSON has one kind of number: 3 and 3.0 are the same.
fn same(got: &Value, wanted: &Value) -> bool {
    match (got.as_f64(), wanted.as_f64()) {
        (Some(got), Some(wanted)) => got == wanted,
        _ => got == wanted,
    }
}

/// The beginning of a body, quoted, short enough for an error message.
pub fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]);
    if bytes.len() > 120 {
        format!("{text:?}... ({} bytes)", bytes.len())
    } else {
        format!("{text:?}")
    }
}
