//! What names stand for: values that an iteration holds, a feeder's row, the plan's variables; and paths into them.
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::feeder::Feeders;
use crate::json::{self, Elements, Path};

/// A text, or JSON as it was written: a number, true, false, null, an object, an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    pub text: Box<str>,
    pub json: bool,
}

impl From<&Value> for Constant {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Self {
                text: text.as_str().into(),
                json: false,
            },
            other => Self {
                text: other.to_string().into(),
                json: true,
            },
        }
    }
}

/// A value that an iteration holds; its buffer is used again.
#[derive(Debug, Clone, Default)]
pub struct Held {
    set: bool,
    json: bool,
    text: String,
}

impl Held {
    pub fn clear(&mut self) {
        self.set = false;
    }

    pub fn is_set(&self) -> bool {
        self.set
    }

    pub fn set(&mut self, text: &str, json: bool) {
        self.text.clear();
        self.text.push_str(text);
        (self.json, self.set) = (json, true);
    }

    pub fn set_text(&mut self, text: &str) {
        self.set(text, false);
    }

    /// The text alone.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Hold a JSON value: a string as its text, anything else as it is written. False where it is no JSON value.
    pub fn set_json(&mut self, raw: &[u8]) -> bool {
        let Some(text) = json::text_of(raw) else {
            self.set = false;
            return false;
        };
        self.set(&text, raw.first() != Some(&b'"'));
        true
    }

    pub fn copy(&mut self, from: &Self) {
        self.text.clone_from(&from.text);
        (self.json, self.set) = (from.json, from.set);
    }

    /// The value as JSON; None where there is none.
    pub fn to_json(&self) -> Option<String> {
        let mut out = vec![];
        crate::template::write_json(&self.found()?, &mut out);
        String::from_utf8(out).ok()
    }

    fn found(&self) -> Option<Found<'_>> {
        self.set.then(|| Found {
            text: Cow::Borrowed(&self.text),
            json: self.json,
        })
    }
}

/// Where a loop is.
#[derive(Debug, Clone, Default)]
pub struct Turns {
    /// Passes begun before this one.
    pub index: u64,
    /// When a loop for a time makes its last pass.
    pub until_ns: u64,
    /// When the first pass was due, ...
    pub began_ns: u64,
    /// ... and the last pass that a loop with a pace has waited for.
    pub waited: u64,
    /// What a loop over a list goes through, and where it is.
    pub list: String,
    pub elements: Elements,
}

/// The values of one iteration.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    pub number: u64,
    pub held: &'a [Held],
    pub turns: &'a [Turns],
    pub feeders: &'a Feeders,
}

impl<'a> Values<'a> {
    /// Those of an iteration that holds none of its own.
    pub fn none(number: u64, feeders: &'a Feeders) -> Self {
        Self {
            number,
            held: &[],
            turns: &[],
            feeders,
        }
    }
}

/// What names may stand for, in the order in which they are tried.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// Names that steps give a value to, in the order of their slots.
    pub held: &'a [String],
    pub feeders: &'a Feeders,
    pub variables: &'a BTreeMap<String, Value>,
    /// How many loops are around this place.
    pub loops: usize,
}

/// A value as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    pub text: Cow<'a, str>,
    /// It is JSON other than a string.
    pub json: bool,
}

impl<'a> Found<'a> {
    fn follow(self, path: &Path) -> Option<Found<'a>> {
        if !self.json {
            return None;
        }
        match self.text {
            Cow::Borrowed(text) => of_raw(json::find_one(text.as_bytes(), path)?),
            Cow::Owned(text) => {
                let found = of_raw(json::find_one(text.as_bytes(), path)?)?;
                Some(Found {
                    text: Cow::Owned(found.text.into_owned()),
                    json: found.json,
                })
            }
        }
    }
}

fn of_raw(raw: &[u8]) -> Option<Found<'_>> {
    Some(Found {
        text: json::text_of(raw)?,
        json: raw.first() != Some(&b'"'),
    })
}

/// A name, resolved as far as it can be before the run.
#[derive(Debug, Clone)]
pub struct Source {
    /// As the plan writes it.
    pub name: Box<str>,
    held: Option<usize>,
    fed: Option<(usize, usize)>,
    constant: Option<Constant>,
    path: Option<Box<Path>>,
}

impl Source {
    /// Find what `name` stands for: a name that is known, or one with a path behind it, such as `user.name`.
    ///
    /// # Errors
    /// Nothing of that name, as a sentence.
    pub fn resolve(name: &str, names: &Names<'_>) -> Result<Self, String> {
        if let Some(source) = Self::known(name, name, None, names) {
            return Ok(source);
        }
        // The longest known name goes first: `a.b` may be one, and `a` another.
        let ends: Vec<usize> = name
            .char_indices()
            .filter(|(_, c)| matches!(c, '.' | '['))
            .map(|(at, _)| at)
            .collect();
        for end in ends.into_iter().rev() {
            let (own, rest) = name.split_at(end);
            if let Some(path) = Path::of_template(rest)
                && let Some(source) = Self::known(own, name, Some(path), names)
            {
                return Ok(source);
            }
        }
        Err(format!(
            "nothing gives '{{{{ {name} }}}}': not extracted, not set, not fed, not a variable"
        ))
    }

    fn known(own: &str, name: &str, path: Option<Path>, names: &Names<'_>) -> Option<Self> {
        let held = names.held.iter().position(|known| known == own);
        let fed = names.feeders.find(own);
        let constant = names.variables.get(own).map(Constant::from);
        if held.is_none() && fed.is_none() && constant.is_none() {
            return None;
        }
        Some(Self {
            name: name.into(),
            held,
            fed,
            constant,
            path: path.map(Box::new),
        })
    }

    /// Its value, where it is the same for every request.
    pub fn fixed(&self) -> Option<Option<Found<'_>>> {
        let fixed = self.held.is_none() && self.fed.is_none();
        fixed.then(|| self.followed(self.constant.as_ref().map(of_constant)))
    }

    /// Its value now; None where it has none.
    pub fn get<'a>(&'a self, values: &Values<'a>) -> Option<Found<'a>> {
        let held = self.held.and_then(|at| values.held.get(at)?.found());
        let found = held
            .or_else(|| {
                let (feeder, column) = self.fed?;
                Some(of_constant(values.feeders.value(
                    feeder,
                    column,
                    values.number,
                )))
            })
            .or_else(|| self.constant.as_ref().map(of_constant));
        self.followed(found)
    }

    fn followed<'a>(&self, found: Option<Found<'a>>) -> Option<Found<'a>> {
        match &self.path {
            None => found,
            Some(path) => found?.follow(path),
        }
    }
}

fn of_constant(constant: &Constant) -> Found<'_> {
    Found {
        text: Cow::Borrowed(&constant.text),
        json: constant.json,
    }
}
