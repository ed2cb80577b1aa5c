//! What a step holds its answer to, and what it takes out of it, ready to be asked for each answer.
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::expect::Expectation;
use crate::extract::Extraction;
use crate::http1::Answer;
use crate::json::{self, Path, Paths};
use crate::plan;
use crate::value::{Names, Values};

#[derive(Debug, Default)]
pub struct Judging {
    pub expect: Vec<Expectation>,
    pub extract: Vec<Extraction>,
    json: JsonReading,
}

/// The values of a JSON body that are looked at: those on simple paths in one pass, others in a tree of it.
#[derive(Debug, Default)]
pub struct JsonReading {
    paths: Paths,
    tree: bool,
}

/// Where a JSONPath leads.
#[derive(Debug)]
pub enum Spot {
    /// Place among the paths that one pass looks for.
    Scanned(usize),
    Queried(Box<JsonPath>),
}

/// What was found in a JSON body; its buffer is used again.
#[derive(Debug, Default)]
pub struct JsonFound {
    places: Vec<Option<(usize, usize)>>,
    broken: bool,
    tree: Option<Value>,
}

/// An answer and what is needed to judge it.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub answer: Answer<'a>,
    pub json: &'a JsonFound,
    pub values: Values<'a>,
    pub response_ns: u64,
}

impl Judging {
    /// Read expectations (which `what` names in messages) and extractions.
    pub fn compile(
        what: &str,
        expect: &[plan::Expect],
        extract: &[plan::Extract],
        names: &Names<'_>,
        problems: &mut Vec<String>,
    ) -> Self {
        let mut made = Self::default();
        for (at, expect) in expect.iter().enumerate() {
            match Expectation::compile(expect, &mut made.json, names) {
                Ok(one) => made.expect.push(one),
                Err(reason) => problems.push(format!("{what}[{at}]: {reason}")),
            }
        }
        for (at, extract) in extract.iter().enumerate() {
            let slot = names.held.iter().position(|name| *name == extract.variable);
            match Extraction::compile(extract, slot.unwrap_or(0), &mut made.json) {
                Ok(one) => made.extract.push(one),
                Err(reason) => problems.push(format!("extract[{at}]: {reason}")),
            }
        }
        made
    }

    pub fn is_empty(&self) -> bool {
        self.expect.is_empty() && self.extract.is_empty()
    }

    pub fn reads_head(&self) -> bool {
        self.expect.iter().any(Expectation::reads_head)
            || self.extract.iter().any(Extraction::reads_head)
    }

    pub fn reads_body(&self) -> bool {
        self.expect.iter().any(Expectation::reads_body)
            || self.extract.iter().any(Extraction::reads_body)
    }

    /// Does the step expect this status by name?
    pub fn expects_status(&self, status: u16) -> bool {
        self.expect.iter().any(|expect| expect.is_of_status(status))
    }

    /// Read from the body what will be asked for.
    pub fn read_json(&self, body: &[u8], found: &mut JsonFound) {
        self.json.read(body, found);
    }
}

impl JsonReading {
    /// Read from the body what will be asked for.
    pub fn read(&self, body: &[u8], found: &mut JsonFound) {
        if self.paths.len() > 0 {
            found.broken = json::find(body, &self.paths, &mut found.places).is_err();
        }
        if self.tree {
            found.tree = serde_json::from_slice(body).ok();
        }
    }

    /// Have this path's value looked for.
    ///
    /// # Errors
    /// It is no JSONPath.
    pub fn add(&mut self, path: &str) -> Result<Spot, String> {
        let simple = Path::of_json_path(path).and_then(|path| self.paths.add(path));
        if let Some(place) = simple {
            return Ok(Spot::Scanned(place));
        }
        self.tree = true;
        JsonPath::parse(path)
            .map(|path| Spot::Queried(Box::new(path)))
            .map_err(|error| format!("{path:?} is not a JSONPath: {error}"))
    }
}

impl JsonFound {
    /// Give `use_it` the JSON that lies there in `body`, as it is written; None where nothing does.
    pub fn at<T>(&self, spot: &Spot, body: &[u8], use_it: impl FnOnce(Option<&[u8]>) -> T) -> T {
        match spot {
            Spot::Scanned(place) => {
                let found = self.places.get(*place).copied().flatten();
                use_it(found.map(|(from, to)| &body[from..to]))
            }
            Spot::Queried(path) => {
                let found = self.tree.as_ref().and_then(|tree| path.query(tree).first());
                use_it(found.map(Value::to_string).as_deref().map(str::as_bytes))
            }
        }
    }
}

impl Case<'_> {
    /// Give `use_it` the JSON that lies there, as it is written; None where nothing does.
    pub fn at<T>(&self, spot: &Spot, use_it: impl FnOnce(Option<&[u8]>) -> T) -> T {
        self.json.at(spot, self.answer.body, use_it)
    }

    /// Everything that lies there, as a JSON array.
    pub fn all_at(&self, spot: &Spot) -> Option<String> {
        let inner: Vec<String> = match spot {
            Spot::Scanned(_) => self
                .at(spot, |raw| {
                    raw.map(|raw| String::from_utf8_lossy(raw).into_owned())
                })
                .into_iter()
                .collect(),
            Spot::Queried(path) => {
                let tree = self.json.tree.as_ref()?;
                path.query(tree).iter().map(ToString::to_string).collect()
            }
        };
        (!inner.is_empty()).then(|| format!("[{}]", inner.join(",")))
    }

    /// Could the body not be read as JSON?
    pub fn is_no_json(&self, spot: &Spot) -> bool {
        match spot {
            Spot::Scanned(_) => self.json.broken,
            Spot::Queried(_) => self.json.tree.is_none(),
        }
    }
}

/// Read a regular expression.
///
/// # Errors
/// What is wrong with it.
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
