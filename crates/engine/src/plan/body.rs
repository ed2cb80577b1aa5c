//! What a request sends behind its head: nothing, a template, parts; as it is or in gzip.
use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{BodyKind, BodyPart, Compress};
use crate::rng::Rng;
use crate::template::{Place, Template};
use crate::value::{Names, Values};

#[derive(Debug, Default)]
pub struct Body {
    template: Template,
    gzip: bool,
    /// Already in gzip, because nothing in it changes.
    packed: Option<Box<[u8]>>,
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
        }))
    }

    /// A body that stays as it is.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            template: Template::of_bytes(bytes),
            ..Self::default()
        }
    }

    /// Is it the same for every request?
    pub fn is_fixed(&self) -> bool {
        self.template.fixed().is_some()
    }

    /// Append the body; `plain` is a buffer for what is packed.
    ///
    /// # Errors
    /// The name in a template that has no value.
    pub fn render(
        &self,
        values: &Values<'_>,
        rng: &mut Rng,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), &str> {
        if let Some(packed) = &self.packed {
            out.extend_from_slice(packed);
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
