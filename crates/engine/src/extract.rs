//! Take a value out of an answer: by JSONPath, by regular expression, from a header.
use crate::json;
use crate::judging::{Case, JsonFound, JsonReading, Spot, pattern_of};
use crate::plan;
use crate::value::Held;

#[derive(Debug)]
enum From {
    Json(Spot),
    /// With the group that counts.
    Regex(regex::Regex, usize),
    Header(String),
}

/// One extraction, and the slot of the iteration that it fills.
#[derive(Debug)]
pub struct Extraction {
    pub slot: usize,
    pub variable: String,
    /// Without a value the request fails and the iteration ends.
    pub strict: bool,
    from: From,
    all: bool,
}

impl Extraction {
    pub fn compile(
        spec: &plan::Extract,
        slot: usize,
        json: &mut JsonReading,
    ) -> Result<Self, String> {
        let from = match (&spec.json, &spec.regex, &spec.header) {
            (Some(path), _, _) => From::Json(json.add(path)?),
            (_, Some(pattern), _) => {
                let pattern = pattern_of(pattern)?;
                let groups = pattern.captures_len();
                let group = spec.group.unwrap_or(usize::from(groups > 1));
                if group >= groups {
                    let last = groups - 1;
                    return Err(format!(
                        "group {group} is not there: the last one is {last}"
                    ));
                }
                From::Regex(pattern, group)
            }
            (_, _, header) => From::Header(header.clone().unwrap_or_default()),
        };
        Ok(Self {
            slot,
            variable: spec.variable.clone(),
            strict: spec.strict,
            from,
            all: spec.all,
        })
    }

    pub fn reads_head(&self) -> bool {
        matches!(self.from, From::Header(_))
    }

    pub fn reads_body(&self) -> bool {
        !self.reads_head()
    }

    /// Hold the value; false where the answer has none. JSON that is not a string is held as it is written.
    pub fn take(&self, case: &Case<'_>, held: &mut Held) -> bool {
        match &self.from {
            From::Json(spot) if self.all => case
                .all_at(spot)
                .is_some_and(|all| held.set_json(all.as_bytes())),
            From::Json(spot) => case.at(spot, |raw| raw.is_some_and(|raw| held.set_json(raw))),
            From::Regex(pattern, group) => {
                let text = String::from_utf8_lossy(case.answer.body);
                let mut found = pattern
                    .captures_iter(&text)
                    .filter_map(|captures| captures.get(*group).map(|part| part.as_str()));
                if self.all {
                    let all: Vec<&str> = found.collect();
                    let text = serde_json::to_string(&all).unwrap_or_default();
                    return !all.is_empty() && held.set_json(text.as_bytes());
                }
                let first = found.next();
                first.inspect(|text| held.set_text(text)).is_some()
            }
            From::Header(name) => {
                let value = case.answer.header(name);
                value
                    .inspect(|value| held.set_text(&String::from_utf8_lossy(value)))
                    .is_some()
            }
        }
    }
}

/// The first value that a JSONPath finds in a body, as JSON; None where there is none, or the body is no JSON.
///
/// # Errors
/// Not a JSONPath.
pub fn json_first(body: &[u8], path: &str) -> Result<Option<String>, String> {
    let mut reading = JsonReading::default();
    let spot = reading.add(path)?;
    let mut found = JsonFound::default();
    reading.read(body, &mut found);
    Ok(found.at(&spot, body, |raw| {
        raw.filter(|raw| json::is_valid(raw))
            .map(|raw| String::from_utf8_lossy(raw).into_owned())
    }))
}
