//! A request's bytes: what it is sent as, here or where it was redirected to.
use super::Request;
use crate::cookies::{Jar, Setting};
use crate::digits::push_number;
use crate::plan::body::Missing;
use crate::plan::redirect::Redirect;
use crate::rng::Rng;
use crate::value::Values;
use crate::websocket::Key;

/// What a request is rendered with, beside its values.
pub struct Rendering<'a> {
    pub values: Values<'a>,
    pub redirect: Option<&'a Redirect>,
    pub jar: Option<&'a mut Jar>,
    /// Does it go over TLS?
    pub secure: bool,
    pub now_ns: u64,
}

/// Buffers that are used again for each request.
#[derive(Debug, Default)]
pub struct Scratch {
    body: Vec<u8>,
    plain: Vec<u8>,
}

impl Request {
    /// Append the request's bytes, or those of the redirect it was sent to.
    ///
    /// # Errors
    /// What it lacks.
    pub fn render(
        &self,
        rendering: Rendering<'_>,
        rng: &mut Rng,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), Missing<'_>> {
        let Rendering {
            values,
            redirect,
            jar,
            secure,
            now_ns,
        } = rendering;
        let key = self.upgrade.as_ref().map(|_| Key::draw(&mut rng.clone()));
        let becomes_get = redirect.is_some_and(|redirect| redirect.becomes_get);
        let method = if becomes_get && self.method != "HEAD" {
            "GET"
        } else {
            &self.method
        };
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        let forward = match redirect {
            Some(redirect) => &redirect.forward,
            None => &self.forward,
        };
        if let Some(forward) = forward {
            out.extend_from_slice(forward.prefix.as_bytes());
        }
        let path_at = out.len();
        match redirect {
            Some(redirect) => out.extend_from_slice(redirect.path.as_bytes()),
            None => self.path.render(&values, rng, out)?,
        }
        let path_end = out.len();
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if let Some(forward) = forward {
            out.extend_from_slice(forward.fields.as_bytes());
        }
        let authority = redirect.and_then(|redirect| redirect.authority.as_deref());
        if let Some(authority) = authority {
            out.extend_from_slice(b"host: ");
            out.extend_from_slice(authority.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        let fields = if becomes_get {
            &self.fields_of_get
        } else {
            &self.fields
        };
        let fields_at = out.len();
        fields.render(&values, rng, out)?;
        if authority.is_some() {
            drop_lines(out, fields_at, is_for_one_origin);
        }
        if let Some(key) = key {
            out.extend_from_slice(format!("sec-websocket-key: {}\r\n", key.text()).as_bytes());
        }
        scratch.plain.clear();
        let own = authority.is_none();
        if own {
            self.cookies.own.render(&values, rng, &mut scratch.plain)?;
            if let Some(jar) = jar.as_ref().filter(|_| self.of_script) {
                jar.replace_in(self.origin, &mut scratch.plain);
            }
        }
        if let Some(jar) = jar.filter(|jar| self.cookies.jar && !jar.is_empty()) {
            let path = String::from_utf8_lossy(&out[path_at..path_end]);
            let by = Setting {
                origin: redirect.map_or(self.origin, |redirect| redirect.origin),
                path: &path,
                secure,
                now_ns,
            };
            let given: &[String] = if own { &self.cookies.names } else { &[] };
            jar.write(by, given, &mut scratch.plain);
        }
        if !scratch.plain.is_empty() {
            out.extend_from_slice(b"cookie: ");
            out.extend_from_slice(&scratch.plain);
            out.extend_from_slice(b"\r\n");
        }
        if let Some(upload) = &self.upload {
            match upload.bytes {
                None => out.extend_from_slice(b"transfer-encoding: chunked"),
                Some(bytes) => {
                    out.extend_from_slice(b"content-length: ");
                    push_number(bytes, out);
                }
            }
            out.extend_from_slice(b"\r\n\r\n");
            return Ok(());
        }
        match &self.body {
            Some(body) if !becomes_get => {
                scratch.body.clear();
                body.render(&values, rng, &mut scratch.plain, &mut scratch.body)?;
                out.extend_from_slice(b"content-length: ");
                push_number(scratch.body.len() as u64, out);
                out.extend_from_slice(b"\r\n\r\n");
                out.extend_from_slice(&scratch.body);
            }
            None if self.sized && !becomes_get => {
                out.extend_from_slice(b"content-length: 0\r\n\r\n");
            }
            _ => out.extend_from_slice(b"\r\n"),
        }
        Ok(())
    }

    /// The path as it is sent; empty where a value is missing.
    pub fn path_text(&self, values: &Values<'_>, rng: &mut Rng) -> String {
        let mut out = vec![];
        // A request with a missing value was not sent, so nothing asks for its path.
        let _ = self.path.render(values, rng, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// What another origin must not be told, or would take for its own name.
fn is_for_one_origin(name: &str) -> bool {
    ["host", "authorization", "cookie"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
}

/// Take the header lines out whose names `are_dropped`, of those from `at` on.
fn drop_lines(out: &mut Vec<u8>, at: usize, are_dropped: fn(&str) -> bool) {
    let lines = out.split_off(at);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or(line);
        if !std::str::from_utf8(name).is_ok_and(are_dropped) {
            out.extend_from_slice(line);
        }
    }
}
