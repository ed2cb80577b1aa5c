//! What a value of a JSON body must be.
use serde_json::Value;

use super::Wanted;
use crate::json::{self, Elements};
use crate::judging::pattern_of;
use crate::plan;
use crate::value::{Names, Values};

#[derive(Debug)]
pub enum Test {
    Exists(bool),
    Equals(Same),
    Not(Same),
    OneOf(Vec<Same>),
    Above(f64),
    AtLeast(f64),
    Below(f64),
    AtMost(f64),
    Contains(Wanted),
    Matches(regex::Regex),
    Length(Vec<Self>),
}

/// A value that another one is compared with.
#[derive(Debug)]
pub enum Same {
    Number(f64),
    Text(Wanted),
    Other(Value),
}

impl Same {
    fn compile(value: &Value, names: &Names<'_>) -> Result<Self, String> {
        Ok(match value {
            Value::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Self::Text(Wanted::compile(text, names)?),
            other => Self::Other(other.clone()),
        })
    }

    /// JSON has one kind of number: 3 and 3.0 are the same.
    fn is(&self, raw: &[u8], values: &Values<'_>) -> bool {
        match self {
            Self::Number(wanted) => json::number_of(raw) == Some(*wanted),
            Self::Other(Value::Bool(true)) => raw == b"true",
            Self::Other(Value::Bool(false)) => raw == b"false",
            Self::Other(Value::Null) => raw == b"null",
            Self::Other(wanted) => {
                serde_json::from_slice(raw).is_ok_and(|got: Value| same(&got, wanted))
            }
            // What a template stands for has lost its type: a number that reads the same is the same.
            Self::Text(wanted) if raw.first() != Some(&b'"') => {
                wanted.0.fixed().is_none() && wanted.with(values, |text| text == raw)
            }
            Self::Text(wanted) => json::text_of(raw)
                .is_some_and(|got| wanted.with(values, |text| text == got.as_bytes())),
        }
    }

    fn shown(&self, values: &Values<'_>) -> String {
        match self {
            Self::Number(wanted) => wanted.to_string(),
            Self::Text(wanted) => wanted.shown(values),
            Self::Other(wanted) => wanted.to_string(),
        }
    }
}

fn same(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (Value::Number(_), Value::Number(_)) => got.as_f64() == wanted.as_f64(),
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(g, w)| same(g, w))
        }
        (Value::Object(got), Value::Object(wanted)) => {
            got.len() == wanted.len()
                && wanted
                    .iter()
                    .all(|(name, w)| got.get(name).is_some_and(|g| same(g, w)))
        }
        _ => got == wanted,
    }
}

impl Test {
    pub fn compile(spec: &plan::Test, names: &Names<'_>) -> Result<Self, String> {
        let each = |values: &[Value]| {
            values
                .iter()
                .map(|v| Same::compile(v, names))
                .collect::<Result<_, _>>()
        };
        Ok(match spec {
            plan::Test::Exists(wanted) => Self::Exists(*wanted),
            plan::Test::Equals(value) => Self::Equals(Same::compile(value, names)?),
            plan::Test::Not(value) => Self::Not(Same::compile(value, names)?),
            plan::Test::OneOf(values) => Self::OneOf(each(values)?),
            plan::Test::Above(limit) => Self::Above(*limit),
            plan::Test::AtLeast(limit) => Self::AtLeast(*limit),
            plan::Test::Below(limit) => Self::Below(*limit),
            plan::Test::AtMost(limit) => Self::AtMost(*limit),
            plan::Test::Contains(text) => Self::Contains(Wanted::compile(text, names)?),
            plan::Test::Matches(pattern) => Self::Matches(pattern_of(pattern)?),
            plan::Test::Length(tests) => {
                let tests: Result<_, _> = tests.iter().map(|t| Self::compile(t, names)).collect();
                Self::Length(tests?)
            }
        })
    }

    pub fn holds(&self, raw: Option<&[u8]>, values: &Values<'_>) -> bool {
        let Some(raw) = raw else {
            return matches!(self, Self::Exists(false));
        };
        let number = |held: &dyn Fn(f64) -> bool| json::number_of(raw).is_some_and(held);
        match self {
            Self::Exists(wanted) => *wanted,
            Self::Equals(wanted) => wanted.is(raw, values),
            Self::Not(unwanted) => !unwanted.is(raw, values),
            Self::OneOf(wanted) => wanted.iter().any(|wanted| wanted.is(raw, values)),
            Self::Above(limit) => number(&|got| got > *limit),
            Self::AtLeast(limit) => number(&|got| got >= *limit),
            Self::Below(limit) => number(&|got| got < *limit),
            Self::AtMost(limit) => number(&|got| got <= *limit),
            Self::Contains(wanted) => json::text_of(raw).is_some_and(|got| {
                wanted.with(values, |text| {
                    memchr::memmem::find(got.as_bytes(), text).is_some()
                })
            }),
            Self::Matches(pattern) => json::text_of(raw).is_some_and(|got| pattern.is_match(&got)),
            Self::Length(tests) => length_of(raw).is_some_and(|length| {
                let length = length.to_string();
                tests
                    .iter()
                    .all(|test| test.holds(Some(length.as_bytes()), values))
            }),
        }
    }

    pub fn shown(&self, values: &Values<'_>) -> String {
        let all = |tests: &[Self]| {
            let shown: Vec<String> = tests.iter().map(|test| test.shown(values)).collect();
            shown.join(" and ")
        };
        match self {
            Self::Exists(true) => "a value".into(),
            Self::Exists(false) => "nothing".into(),
            Self::Equals(wanted) => wanted.shown(values),
            Self::Not(unwanted) => format!("anything but {}", unwanted.shown(values)),
            Self::OneOf(wanted) => {
                let shown: Vec<String> = wanted.iter().map(|w| w.shown(values)).collect();
                format!("one of {}", shown.join(", "))
            }
            Self::Above(limit) => format!("above {limit}"),
            Self::AtLeast(limit) => format!("at least {limit}"),
            Self::Below(limit) => format!("below {limit}"),
            Self::AtMost(limit) => format!("at most {limit}"),
            Self::Contains(wanted) => format!("a text with {}", wanted.shown(values)),
            Self::Matches(pattern) => format!("a text that matches {:?}", pattern.as_str()),
            Self::Length(tests) => format!("a length of {}", all(tests)),
        }
    }
}

/// Characters of a text, items of a list, members of an object.
fn length_of(raw: &[u8]) -> Option<usize> {
    match raw.first()? {
        b'"' => json::text_of(raw).map(|text| text.chars().count()),
        b'[' => {
            let (mut elements, mut length) = (Elements::default(), 0);
            while elements.next(raw).ok()?.is_some() {
                length += 1;
            }
            Some(length)
        }
        b'{' => {
            let parsed: Value = serde_json::from_slice(raw).ok()?;
            parsed.as_object().map(serde_json::Map::len)
        }
        _ => None,
    }
}
