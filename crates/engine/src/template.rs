//! Text with `{{ name }}` in it: parsed once, rendered per request into a buffer that is used again.
//!
//! A value is escaped for the place it lands in: percent-encoded inside a path (but a path that *begins* with a
//! template takes that value as it is, such as a location that an answer gave), JSON-escaped inside a string of a
//! JSON body, refused in a header when it has control characters.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::rng::Rng;
use crate::value::{Found, Names, Source, Values};

mod built_in;
mod escape;

pub use built_in::BuiltIn;
use escape::Escape;

/// Where the text lands, which decides how values are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Path,
    /// Part of a query that the engine puts behind a path.
    Form,
    Header,
    Cookie,
    Body,
    JsonBody,
    /// A JSON body in which a string that is one template and nothing else keeps the value's own type.
    TypedJson,
}

#[derive(Debug, Clone)]
enum Part {
    Text(Box<[u8]>),
    Value(Box<Source>, Escape),
    BuiltIn(BuiltIn, Escape),
    /// Another template, written in base64.
    Base64(Template),
}

#[derive(Debug, Clone, Default)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    pub fn parse(text: &str, place: Place, names: &Names<'_>) -> Result<Self, String> {
        let mut template = Self::default();
        template.push(text, place, names)?;
        Ok(template)
    }

    /// Put more text behind it.
    pub fn push(&mut self, text: &str, place: Place, names: &Names<'_>) -> Result<(), String> {
        let mut rest = text;
        let mut in_string = false;
        while let Some(open) = rest.find("{{") {
            let (mut before, after) = rest.split_at(open);
            let opens_string = before
                .strip_suffix('"')
                .is_some_and(|earlier| !json_string_state(earlier, in_string));
            in_string = json_string_state(before, in_string);
            let close = after
                .find("}}")
                .ok_or_else(|| "'{{' without '}}'".to_string())?;
            rest = &after[close + 2..];
            let mut escape = match place {
                Place::Path if open == 0 && self.parts.is_empty() => Escape::Illegal,
                Place::Path => Escape::Percent,
                Place::Form => Escape::Form,
                Place::Header => Escape::NoControls,
                Place::Cookie => Escape::Cookie,
                Place::JsonBody | Place::TypedJson if in_string => Escape::Json,
                Place::Body | Place::JsonBody | Place::TypedJson => Escape::None,
            };
            if place == Place::TypedJson
                && opens_string
                && let (Some(shorter), Some(longer)) =
                    (before.strip_suffix('"'), rest.strip_prefix('"'))
            {
                (before, rest, escape) = (shorter, longer, Escape::JsonValue);
                in_string = false;
            }
            self.push_literal(before, place);
            self.push_value(after[2..close].trim(), escape, names)?;
        }
        self.push_literal(rest, place);
        Ok(())
    }

    /// Put a template behind it whose text is to be written in base64.
    pub fn push_base64(&mut self, inner: Self) {
        match inner.fixed() {
            Some(plain) => {
                let text = STANDARD.encode(plain);
                self.push_bytes(text.as_bytes());
            }
            None => self.parts.push(Part::Base64(inner)),
        }
    }

    fn push_literal(&mut self, text: &str, place: Place) {
        if place == Place::Path {
            let mut out = vec![];
            escape::percent(text, &mut out, |b| b.is_ascii_graphic());
            self.push_bytes(&out);
        } else {
            self.push_bytes(text.as_bytes());
        }
    }

    /// Bytes that stand for themselves.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut template = Self::default();
        template.push_bytes(bytes);
        template
    }

    /// A path without templates; what may not stand in a request line is percent-encoded.
    pub fn of_path(text: &str) -> Self {
        let mut template = Self::default();
        template.push_literal(text, Place::Path);
        template
    }

    /// Put bytes behind it that stay as they are.
    pub fn push_bytes(&mut self, text: &[u8]) {
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
        if let Some(built_in) = name
            .strip_prefix('$')
            .filter(|_| !names.variables.contains_key(name))
        {
            let built_in = BuiltIn::parse(built_in, names.loops)?;
            self.parts.push(Part::BuiltIn(built_in, escape));
            return Ok(());
        }
        let source = Source::resolve(name, names)?;
        match source.fixed() {
            None => self.parts.push(Part::Value(Box::new(source), escape)),
            Some(None) => return Err(format!("'{{{{ {name} }}}}' is not in the variable's value")),
            Some(Some(found)) => {
                let mut text = vec![];
                escape
                    .write(&found, &mut text)
                    .map_err(|()| format!("variable {name:?} has control characters"))?;
                self.push_bytes(&text);
            }
        }
        Ok(())
    }

    /// The whole text, when nothing in it changes.
    pub fn fixed(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The value itself, when the text is one name and nothing else.
    pub fn alone(&self) -> Option<&Source> {
        match self.parts.as_slice() {
            [Part::Value(source, _)] => Some(source),
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
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Value(source, escape) => {
                    let found = source.get(values).ok_or(&*source.name)?;
                    escape.write(&found, out).map_err(|()| &*source.name)?;
                }
                Part::BuiltIn(built_in, Escape::JsonValue) if !built_in.is_number() => {
                    out.push(b'"');
                    built_in.write(values, rng, out);
                    out.push(b'"');
                }
                Part::BuiltIn(built_in, escape) => {
                    let from = out.len();
                    built_in.write(values, rng, out);
                    // A date has colons, which a path or a form writes otherwise.
                    if *built_in == BuiltIn::IsoDate
                        && matches!(escape, Escape::Form | Escape::Percent)
                    {
                        let text = String::from_utf8_lossy(&out.split_off(from)).into_owned();
                        let found = Found {
                            text: text.into(),
                            json: false,
                        };
                        escape.write(&found, out).map_err(|()| "$iso_date")?;
                    }
                }
                Part::Base64(inner) => {
                    let mut plain = vec![];
                    inner.render(values, rng, &mut plain)?;
                    out.extend_from_slice(STANDARD.encode(&plain).as_bytes());
                }
            }
        }
        Ok(())
    }
}

/// Write a value as JSON.
pub fn write_json(found: &Found<'_>, out: &mut Vec<u8>) {
    // Nothing is refused there.
    let _ = Escape::JsonValue.write(found, out);
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

#[cfg(test)]
mod tests;
