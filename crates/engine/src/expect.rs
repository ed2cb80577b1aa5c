//! What an answer must be. The first expectation that it breaks fails the request.
mod test;

use std::fmt::Write;

use memchr::memmem::find;

use crate::judging::{Case, JsonReading, Spot, pattern_of};
use crate::plan;
use crate::record::ErrorKind;
use crate::rng::Rng;
use crate::template::{Place, Template};
use crate::value::{Names, Values};
use test::Test;

#[derive(Debug)]
pub enum Expectation {
    /// Ranges of statuses, both ends included.
    Status(Box<[(u16, u16)]>),
    BodyContains(Wanted),
    BodyMatches(regex::Regex),
    Json(Box<Spot>, String, Box<[Test]>),
    Header(Box<Header>),
    WithinNs(u64),
    Not(Box<Self>),
}

#[derive(Debug)]
pub struct Header {
    name: String,
    contains: Option<Wanted>,
    equals: Option<Wanted>,
    matches: Option<regex::Regex>,
}

/// A text that is wanted: the same for every answer, or rendered for each.
#[derive(Debug)]
pub struct Wanted(Template);

impl Wanted {
    fn compile(text: &str, names: &Names<'_>) -> Result<Self, String> {
        Template::parse(text, Place::Body, names).map(Self)
    }

    /// Give `use_it` the text; false where a name in it has no value.
    fn with(&self, values: &Values<'_>, use_it: impl FnOnce(&[u8]) -> bool) -> bool {
        match self.0.fixed() {
            Some(text) => use_it(text),
            None => {
                let mut text = vec![];
                // Random values in what is wanted make no sense; they are drawn all the same.
                let rendered = self
                    .0
                    .render(values, &mut Rng::new(values.number), &mut text);
                rendered.is_ok() && use_it(&text)
            }
        }
    }

    fn shown(&self, values: &Values<'_>) -> String {
        let mut shown = String::new();
        if !self.with(values, |text| {
            shown = excerpt(text);
            true
        }) {
            shown = "a value that is missing".into();
        }
        shown
    }
}

impl Expectation {
    pub fn compile(
        spec: &plan::Expect,
        json: &mut JsonReading,
        names: &Names<'_>,
    ) -> Result<Self, String> {
        let wanted = |text: &Option<String>| {
            let compiled = text.as_ref().map(|text| Wanted::compile(text, names));
            compiled.transpose()
        };
        Ok(match spec {
            plan::Expect::Status(statuses) => Self::Status(ranges(statuses)),
            plan::Expect::BodyContains(text) => Self::BodyContains(Wanted::compile(text, names)?),
            plan::Expect::BodyMatches(pattern) => Self::BodyMatches(pattern_of(pattern)?),
            plan::Expect::Json(spec) => {
                let spot = Box::new(json.add(&spec.path)?);
                let mut tests = vec![];
                if let Some(value) = &spec.equals {
                    tests.push(Test::compile(&plan::Test::Equals(value.clone()), names)?);
                }
                for test in &spec.tests {
                    tests.push(Test::compile(test, names)?);
                }
                if tests.is_empty() {
                    tests.push(Test::Exists(true));
                }
                Self::Json(spot, spec.path.clone(), tests.into())
            }
            plan::Expect::Header(header) => Self::Header(Box::new(Header {
                name: header.name.clone(),
                contains: wanted(&header.contains)?,
                equals: wanted(&header.equals)?,
                matches: header.matches.as_deref().map(pattern_of).transpose()?,
            })),
            plan::Expect::WithinNs(limit) => Self::WithinNs(*limit),
            plan::Expect::Not(inner) => Self::Not(Box::new(Self::compile(inner, json, names)?)),
        })
    }

    pub fn reads_head(&self) -> bool {
        match self {
            Self::Header(_) => true,
            Self::Not(inner) => inner.reads_head(),
            _ => false,
        }
    }

    pub fn reads_body(&self) -> bool {
        match self {
            Self::BodyContains(_) | Self::BodyMatches(_) | Self::Json(..) => true,
            Self::Not(inner) => inner.reads_body(),
            _ => false,
        }
    }

    pub fn is_of_status(&self, status: u16) -> bool {
        matches!(self, Self::Status(wanted) if is_within(wanted, status))
    }

    /// What a broken one is counted as.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Status(_) => ErrorKind::ExpectStatus,
            Self::Header(_) => ErrorKind::ExpectHeader,
            Self::WithinNs(_) => ErrorKind::ExpectTime,
            Self::Not(inner) => inner.kind(),
            _ => ErrorKind::ExpectBody,
        }
    }

    pub fn holds(&self, case: &Case<'_>) -> bool {
        let (answer, values) = (&case.answer, &case.values);
        match self {
            Self::Status(wanted) => is_within(wanted, answer.status),
            Self::BodyContains(wanted) => {
                wanted.with(values, |text| find(answer.body, text).is_some())
            }
            Self::BodyMatches(pattern) => pattern.is_match(&String::from_utf8_lossy(answer.body)),
            Self::Json(spot, _, tests) => {
                case.at(spot, |raw| tests.iter().all(|test| test.holds(raw, values)))
            }
            Self::Header(header) => answer.header(&header.name).is_some_and(|got| {
                let contains = header.contains.as_ref();
                let equals = header.equals.as_ref();
                contains.is_none_or(|w| w.with(values, |text| find(got, text).is_some()))
                    && equals.is_none_or(|w| w.with(values, |text| got == text))
                    && header
                        .matches
                        .as_ref()
                        .is_none_or(|pattern| pattern.is_match(&String::from_utf8_lossy(got)))
            }),
            Self::WithinNs(limit) => case.response_ns <= *limit,
            Self::Not(inner) => !inner.holds(case),
        }
    }

    /// What was wanted and what came, of one that is broken.
    pub fn explain(&self, case: &Case<'_>) -> String {
        match self {
            Self::Not(inner) => {
                format!("wanted no {}, got {}", inner.wanted(case), inner.got(case))
            }
            _ => format!("wanted {}, got {}", self.wanted(case), self.got(case)),
        }
    }

    fn wanted(&self, case: &Case<'_>) -> String {
        match self {
            Self::Status(wanted) => format!("status {}", shown_ranges(wanted)),
            Self::BodyContains(wanted) => format!("a body with {}", wanted.shown(&case.values)),
            Self::BodyMatches(pattern) => format!("a body that matches {:?}", pattern.as_str()),
            Self::Json(_, path, tests) => {
                let tests: Vec<String> = tests.iter().map(|t| t.shown(&case.values)).collect();
                format!("{} at {path}", tests.join(" and "))
            }
            Self::Header(header) => {
                let mut text = format!("header {:?}", header.name);
                for (how, wanted) in [(" with ", &header.contains), (" equal to ", &header.equals)]
                {
                    if let Some(wanted) = wanted {
                        text += how;
                        text += &wanted.shown(&case.values);
                    }
                }
                if let Some(pattern) = &header.matches {
                    // Writing to a String does not fail.
                    let _ = write!(text, " that matches {:?}", pattern.as_str());
                }
                text
            }
            Self::WithinNs(limit) => format!("an answer within {} ms", *limit as f64 / 1e6),
            Self::Not(inner) => format!("not {}", inner.wanted(case)),
        }
    }

    fn got(&self, case: &Case<'_>) -> String {
        match self {
            Self::Status(_) => case.answer.status.to_string(),
            Self::BodyContains(_) | Self::BodyMatches(_) => excerpt(case.answer.body),
            Self::Json(spot, ..) if case.is_no_json(spot) => {
                format!("no JSON: {}", excerpt(case.answer.body))
            }
            Self::Json(spot, ..) => {
                case.at(spot, |raw| raw.map_or("nothing there".into(), excerpt))
            }
            Self::Header(header) => case
                .answer
                .header(&header.name)
                .map_or("no such header".to_string(), excerpt),
            Self::WithinNs(_) => format!("{:.1} ms", case.response_ns as f64 / 1e6),
            Self::Not(inner) => inner.got(case),
        }
    }
}

fn is_within(ranges: &[(u16, u16)], status: u16) -> bool {
    ranges
        .iter()
        .any(|(low, high)| (*low..=*high).contains(&status))
}

fn ranges(statuses: &[u16]) -> Box<[(u16, u16)]> {
    let mut sorted = statuses.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut ranges: Vec<(u16, u16)> = vec![];
    for status in sorted {
        match ranges.last_mut() {
            Some((_, high)) if *high + 1 == status => *high = status,
            _ => ranges.push((status, status)),
        }
    }
    ranges.into()
}

fn shown_ranges(ranges: &[(u16, u16)]) -> String {
    let shown: Vec<String> = ranges
        .iter()
        .map(|(low, high)| match (low % 100, high - low) {
            (_, 0) => low.to_string(),
            (0, 99) => format!("{}xx", low / 100),
            _ => format!("{low} to {high}"),
        })
        .collect();
    shown.join(", ")
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
