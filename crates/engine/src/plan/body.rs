//! What a request sends behind its head: nothing, a template, parts; as it is or in gzip.
use std::fmt;
use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{BodyKind, BodyPart, Compress};
use crate::grpc::Method;
use crate::rng::Rng;
use crate::template::{Place, Template};
use crate::value::{Names, Values};

#[derive(Debug, Default)]
pub struct Body {
    template: Template,
    gzip: bool,
    /// Already in gzip, because nothing in it changes.
    packed: Option<Box<[u8]>>,
    /// The text is the JSON of what this method takes.
    method: Option<Box<Method>>,
}

/// What a request lacks to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing<'a> {
    /// The value of this name.
    Value(&'a str),
    /// A message that its method takes: why this one is none.
    Message(String),
}

impl<'a> From<&'a str> for Missing<'a> {
    fn from(name: &'a str) -> Self {
        Self::Value(name)
    }
}

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(name) => write!(f, "{{{{ {name} }}}} has no value that may stand there"),
            Self::Message(reason) => write!(f, "the message with its values is none: {reason}"),
        }
    }
}

impl Body {
    /// Read a request's body; None where it has none.
    ///
    /// # Errors
    /// What cannot be understood.
    pub fn compile(
        spec: &super::Request,
        is_json: bool,
        names: &Names<'_>,
    ) -> Result<Option<Self>, String> {
        let mut template = Template::default();
        match &spec.body {
            None if spec.body_parts.is_empty() => return Ok(None),
            None => {
                for part in &spec.body_parts {
                    match part {
                        BodyPart::Text(text) => template.push(text, Place::Body, names)?,
                        BodyPart::Base64(text) => {
                            let bytes = STANDARD.decode(text);
                            let bytes = bytes.map_err(|error| format!("not base64: {error}"))?;
                            template.push_bytes(&bytes);
                        }
                    }
                }
            }
            Some(text) => {
                let place = match spec.body_kind {
                    Some(BodyKind::Text) => Place::Body,
                    Some(BodyKind::Form) => Place::Form,
                    Some(BodyKind::Json) => Place::TypedJson,
                    None if is_json => Place::JsonBody,
                    None => Place::Body,
                };
                template.push(text, place, names)?;
            }
        }
        let gzip = spec.compress == Some(Compress::Gzip);
        let packed = template.fixed().filter(|_| gzip).map(|plain| {
            let mut out = vec![];
            pack(plain, &mut out);
            out.into()
        });
        Ok(Some(Self {
            template,
            gzip,
            packed,
            method: None,
        }))
    }

    /// A body that stays as it is.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            template: Template::of_bytes(bytes),
            ..Self::default()
        }
    }

    /// The same as the messages of a call.
    ///
    /// # Errors
    /// Why what never changes is no such message.
    pub fn of_call(mut self, method: Method) -> Result<Self, String> {
        if let Some(json) = self.template.fixed() {
            let mut out = vec![];
            method.encode(json, &mut out)?;
            self.packed = Some(out.into());
        }
        self.method = Some(Box::new(method));
        Ok(self)
    }

    /// Is it the same for every request?
    pub fn is_fixed(&self) -> bool {
        self.template.fixed().is_some()
    }

    /// Append the body; `plain` is a buffer for what is packed.
    ///
    /// # Errors
    /// What it lacks.
    pub fn render(
        &self,
        values: &Values<'_>,
        rng: &mut Rng,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Missing<'_>> {
        if let Some(packed) = &self.packed {
            out.extend_from_slice(packed);
        } else if let Some(method) = &self.method {
            plain.clear();
            self.template.render(values, rng, plain)?;
            method.encode(plain, out).map_err(Missing::Message)?;
        } else if self.gzip {
            plain.clear();
            self.template.render(values, rng, plain)?;
            pack(plain, out);
        } else {
            self.template.render(values, rng, out)?;
        }
        Ok(())
    }
}

fn pack(plain: &[u8], out: &mut Vec<u8>) {
    let mut encoder = GzEncoder::new(out, Compression::fast());
    // Writing to a Vec does not fail.
    let _ = encoder.write_all(plain).and_then(|()| encoder.try_finish());
}
