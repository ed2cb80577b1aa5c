//! Take a value out of an answer: by JSONPath, by regular expression (first group, else the match), from a header.
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::http1::Answer;
use crate::plan;

#[derive(Debug)]
pub enum From {
    Json(JsonPath),
    Regex(regex::Regex),
    Header(String),
}

/// One extraction, and the slot of the iteration that it fills.
#[derive(Debug)]
pub struct Extraction {
    pub slot: usize,
    pub variable: String,
    pub from: From,
}

impl Extraction {
    pub fn compile(spec: &plan::Extract, slot: usize) -> Result<Self, String> {
        let from = match (&spec.json, &spec.regex, &spec.header) {
            (Some(path), _, _) => From::Json(json_path(path)?),
            (_, Some(pattern), _) => From::Regex(pattern_of(pattern)?),
            (_, _, header) => From::Header(header.clone().unwrap_or_default()),
        };
        Ok(Self {
            slot,
            variable: spec.variable.clone(),
            from,
        })
    }

    pub fn reads_json(&self) -> bool {
        matches!(self.from, From::Json(_))
    }

    /// The value, if the answer has it. A JSON value that is not a string is written as JSON.
    pub fn take(&self, answer: &Answer<'_>, json: Option<&Value>) -> Option<Box<str>> {
        match &self.from {
            From::Json(path) => path.query(json?).first().map(|value| match value {
                Value::String(text) => text.as_str().into(),
                other => other.to_string().into(),
            }),
            From::Regex(pattern) => {
                let text = String::from_utf8_lossy(answer.body);
                let found = pattern.captures(&text)?;
                found
                    .get(1)
                    .or_else(|| found.get(0))
                    .map(|part| part.as_str().into())
            }
            From::Header(name) => answer
                .header(name)
                .map(|value| String::from_utf8_lossy(value).into()),
        }
    }
}

/// The first value that a JSONPath finds in a body, as JSON; None where there is none, or the body is no JSON.
///
/// # Errors
/// Not a JSONPath.
pub fn json_first(body: &[u8], path: &str) -> Result<Option<String>, String> {
    let path = json_path(path)?;
    let Ok(json) = serde_json::from_slice(body) else {
        return Ok(None);
    };
    Ok(path.query(&json).first().map(serde_json::Value::to_string))
}

pub fn json_path(path: &str) -> Result<JsonPath, String> {
    JsonPath::parse(path).map_err(|error| format!("{path:?} is not a JSONPath: {error}"))
}

pub fn pattern_of(pattern: &str) -> Result<regex::Regex, String> {
    regex::Regex::new(pattern).map_err(|error| {
        // The first lines draw the pattern with a caret, the last one says what is wrong.
        let text = error.to_string();
        let reason = text
            .lines()
            .next_back()
            .unwrap_or("")
            .trim_start_matches("error: ");
        format!("{pattern:?} is not a regular expression: {reason}")
    })
}
