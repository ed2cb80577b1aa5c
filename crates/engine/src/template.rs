//! Text with `{{ name }}` in it: parsed once, rendered per request into a buffer that is used again.
//!
//! A value is escaped for the place it lands in: percent-encoded inside a path (but a path that *begins* with a
//! template takes that value as it is, such as a location that an answer gave), JSON-escaped inside a string of a
//! JSON body, refused in a header when it has control characters.
use std::collections::BTreeMap;

use crate::feeder::Feeders;
use crate::rng::Rng;

/// Where the text lands, which decides how values are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Path,
    Header,
    Body,
    JsonBody,
}

/// What names may stand for, in the order in which they are tried.
#[derive(Debug)]
pub struct Names<'a> {
    pub extracted: &'a [String],
    pub feeders: &'a Feeders,
    pub variables: &'a BTreeMap<String, String>,
}

/// The values of one iteration.
#[derive(Debug)]
pub struct Values<'a> {
    pub number: u64,
    pub extracted: &'a [Option<Box<str>>],
    pub feeders: &'a Feeders,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Percent,
    Json,
    NoControls,
    /// A whole path as it was given: only what may not stand in a request line is encoded.
    Illegal,
}

#[derive(Debug, Clone)]
enum Part {
    Text(Box<[u8]>),
    Value {
        name: Box<str>,
        extracted: Option<usize>,
        fed: Option<(usize, usize)>,
        constant: Option<Box<str>>,
        escape: Escape,
    },
    Uuid,
    Random(u64, u64),
    Number,
}

#[derive(Debug, Clone, Default)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    pub fn parse(text: &str, place: Place, names: &Names<'_>) -> Result<Self, String> {
        let mut template = Self::default();
        let mut rest = text;
        let mut in_string = false;
        while let Some(open) = rest.find("{{") {
            let (before, after) = rest.split_at(open);
            in_string = json_string_state(before, in_string);
            template.push_literal(before, place);
            let close = after
                .find("}}")
                .ok_or_else(|| "'{{' without '}}'".to_string())?;
            let escape = match place {
                Place::Path if open == 0 && template.parts.is_empty() => Escape::Illegal,
                Place::Path => Escape::Percent,
                Place::Header => Escape::NoControls,
                Place::JsonBody if in_string => Escape::Json,
                Place::Body | Place::JsonBody => Escape::None,
            };
            template.push_value(after[2..close].trim(), escape, names)?;
            rest = &after[close + 2..];
        }
        template.push_literal(rest, place);
        Ok(template)
    }

    /// Bytes that stand for themselves.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut template = Self::default();
        template.push_text(bytes);
        template
    }

    /// A path without templates; what may not stand in a request line is percent-encoded.
    pub fn of_path(text: &str) -> Self {
        let mut template = Self::default();
        template.push_literal(text, Place::Path);
        template
    }

    fn push_literal(&mut self, text: &str, place: Place) {
        let mut out = vec![];
        let escape = if place == Place::Path {
            Escape::Illegal
        } else {
            Escape::None
        };
        // Neither of the two refuses anything.
        let _ = escaped(text, escape, &mut out);
        self.push_text(&out);
    }

    fn push_text(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if let Some(Part::Text(last)) = self.parts.last_mut() {
            *last = [last, text].concat().into();
        } else {
            self.parts.push(Part::Text(text.into()));
        }
    }

    fn push_value(&mut self, name: &str, escape: Escape, names: &Names<'_>) -> Result<(), String> {
        if let Some(builtin) = name.strip_prefix('$') {
            self.parts.push(built_in(builtin)?);
            return Ok(());
        }
        let extracted = names.extracted.iter().position(|known| known == name);
        let fed = names.feeders.find(name);
        let constant: Option<Box<str>> =
            names.variables.get(name).map(|value| value.as_str().into());
        match (extracted, fed, &constant) {
            (None, None, None) => Err(format!(
                "nothing gives '{{{{ {name} }}}}': not extracted, not fed, not a variable"
            )),
            (None, None, Some(value)) => {
                let mut text = vec![];
                escaped(value, escape, &mut text)
                    .map_err(|()| format!("variable {name:?} has control characters"))?;
                self.push_text(&text);
                Ok(())
            }
            _ => {
                self.parts.push(Part::Value {
                    name: name.into(),
                    extracted,
                    fed,
                    constant,
                    escape,
                });
                Ok(())
            }
        }
    }

    /// The whole text, when nothing in it changes.
    pub fn fixed(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Append the text with its values.
    ///
    /// # Errors
    /// The name that has no value, or whose value may not stand there.
    pub fn render(
        &self,
        values: &Values<'_>,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) -> Result<(), &str> {
        use std::io::Write;
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Value {
                    name,
                    extracted,
                    fed,
                    constant,
                    escape,
                } => {
                    let value = extracted
                        .and_then(|at| values.extracted.get(at).and_then(Option::as_deref))
                        .or_else(|| {
                            fed.map(|(feeder, column)| {
                                values.feeders.value(feeder, column, values.number)
                            })
                        })
                        .or(constant.as_deref())
                        .ok_or(&**name)?;
                    escaped(value, *escape, out).map_err(|()| &**name)?;
                }
                // Writing to a Vec does not fail.
                Part::Number => _ = write!(out, "{}", values.number),
                Part::Random(low, high) => _ = write!(out, "{}", rng.between(*low, *high)),
                Part::Uuid => uuid(rng, out),
            }
        }
        Ok(())
    }
}

fn built_in(name: &str) -> Result<Part, String> {
    let form = || format!("built in are $n, $uuid and $random(low, high); got '${name}'");
    match name {
        "n" => Ok(Part::Number),
        "uuid" => Ok(Part::Uuid),
        _ => {
            let inner = name
                .strip_prefix("random(")
                .and_then(|rest| rest.strip_suffix(')'))
                .ok_or_else(form)?;
            let (low, high) = inner.split_once(',').ok_or_else(form)?;
            let (low, high) = (
                low.trim().parse().map_err(|_| form())?,
                high.trim().parse().map_err(|_| form())?,
            );
            if low > high {
                Err(form())
            } else {
                Ok(Part::Random(low, high))
            }
        }
    }
}

/// Is the end of `text` inside a JSON string, given whether its beginning is?
fn json_string_state(text: &str, mut inside: bool) -> bool {
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
    }
    inside
}

fn escaped(value: &str, escape: Escape, out: &mut Vec<u8>) -> Result<(), ()> {
    match escape {
        Escape::None => out.extend_from_slice(value.as_bytes()),
        Escape::NoControls if value.bytes().any(|b| b < 0x20 || b == 0x7f) => return Err(()),
        Escape::NoControls => out.extend_from_slice(value.as_bytes()),
        Escape::Percent => percent(value, out, |b| {
            b.is_ascii_alphanumeric() || b"-._~".contains(&b)
        }),
        Escape::Illegal => percent(value, out, |b| b.is_ascii_graphic()),
        Escape::Json => {
            let quoted = serde_json::to_string(value).map_err(|_| ())?;
            out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
        }
    }
    Ok(())
}

fn percent(value: &str, out: &mut Vec<u8>, stays: impl Fn(u8) -> bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if stays(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
}

/// A version 4 UUID (RFC 9562), from the iteration's own stream.
fn uuid(rng: &mut Rng, out: &mut Vec<u8>) {
    use std::io::Write;
    let high = (rng.next_u64() & !0xF000) | 0x4000;
    let low = (rng.next_u64() & (u64::MAX >> 2)) | (1 << 63);
    let _ = write!(
        out,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Feeder, Order};

    struct World {
        feeders: Feeders,
        variables: BTreeMap<String, String>,
        extracted: Vec<String>,
    }

    fn world() -> World {
        let feeder = Feeder {
            columns: vec!["name".into()],
            rows: vec![vec!["Ann Lee".into()], vec!["say \"hi\"\n".into()]],
            order: Order::Sequential,
        };
        World {
            feeders: Feeders::new(vec![feeder], 1),
            variables: BTreeMap::from([
                ("tenant".into(), "demo".into()),
                ("id".into(), "fallback".into()),
            ]),
            extracted: vec!["id".into(), "later".into()],
        }
    }

    fn parse(text: &str, place: Place) -> Result<Template, String> {
        let w = world();
        Template::parse(
            text,
            place,
            &Names {
                extracted: &w.extracted,
                feeders: &w.feeders,
                variables: &w.variables,
            },
        )
    }

    fn render(
        text: &str,
        place: Place,
        number: u64,
        extracted: &[Option<Box<str>>],
    ) -> Result<String, String> {
        let w = world();
        let values = Values {
            number,
            extracted,
            feeders: &w.feeders,
        };
        let mut out = vec![];
        let template = parse(text, place)?;
        template
            .render(&values, &mut Rng::new(3), &mut out)
            .map_err(str::to_string)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn variables_are_settled_before_the_run() {
        assert_eq!(
            parse("/a?t={{ tenant }}&x", Place::Path).unwrap().fixed(),
            Some(b"/a?t=demo&x".as_slice())
        );
    }

    #[test]
    fn extracted_goes_before_fed_before_variables() {
        assert_eq!(
            render("{{id}}", Place::Body, 0, &[Some("7".into()), None]).unwrap(),
            "7"
        );
        assert_eq!(
            render("{{id}}", Place::Body, 0, &[None, None]).unwrap(),
            "fallback"
        );
        assert_eq!(
            render("{{ name }}", Place::Body, 0, &[]).unwrap(),
            "Ann Lee"
        );
    }

    #[test]
    fn a_value_is_escaped_for_its_place() {
        assert_eq!(
            render("/x/{{ name }}", Place::Path, 0, &[]).unwrap(),
            "/x/Ann%20Lee"
        );
        assert_eq!(
            render(
                r#"{"a":"{{ name }}","n":{{ $n }}}"#,
                Place::JsonBody,
                1,
                &[]
            )
            .unwrap(),
            r#"{"a":"say \"hi\"\n","n":1}"#
        );
        assert_eq!(
            render("x: {{ name }}", Place::Header, 1, &[]).unwrap_err(),
            "name"
        );
        let location = [Some("/jobs/1?a=b".into()), None];
        assert_eq!(
            render("{{ id }}", Place::Path, 0, &location).unwrap(),
            "/jobs/1?a=b"
        );
        assert_eq!(
            render("/q?next={{ id }}", Place::Path, 0, &location).unwrap(),
            "/q?next=%2Fjobs%2F1%3Fa%3Db"
        );
    }

    #[test]
    fn a_name_without_a_value_stops_the_request_and_an_unknown_one_the_plan() {
        assert_eq!(
            render("{{ later }}", Place::Body, 0, &[]).unwrap_err(),
            "later"
        );
        assert!(
            parse("{{ nmae }}", Place::Body)
                .unwrap_err()
                .contains("nmae")
        );
        assert!(parse("{{ name", Place::Body).unwrap_err().contains("'}}'"));
        assert!(
            parse("{{ $random(3) }}", Place::Body)
                .unwrap_err()
                .contains("$random(low, high)")
        );
        assert!(parse("{{ $random(3, 2) }}", Place::Body).is_err());
    }

    #[test]
    fn a_uuid_is_of_version_4_and_the_next_one_differs() {
        let text = render("{{ $uuid }} {{ $uuid }}", Place::Body, 0, &[]).unwrap();
        let (one, two) = text.split_once(' ').unwrap();
        assert_ne!(one, two);
        assert_eq!(one.len(), 36);
        assert_eq!(&one[14..15], "4");
        assert!("89ab".contains(&one[19..20]));
    }

    #[test]
    fn random_stays_within_its_bounds() {
        let text = render("{{ $random(5, 6) }}", Place::Body, 0, &[]).unwrap();
        assert!(text == "5" || text == "6");
    }
}
