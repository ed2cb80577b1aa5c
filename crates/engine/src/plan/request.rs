//! One request of a scenario: its bytes, or the templates they come from, and what its answer is held to.
use super::compile::Origin;
pub use super::script::ScriptBase;
use super::{Plan, redirect::Redirect, socket::Upgrade};
use crate::expect::Expectation;
use crate::extract::{Extraction, From};
use crate::feeder::Feeders;
use crate::http1::Wants;
use crate::http2::Prepared;
use crate::rng::Rng;
use crate::template::{Names, Place, Template, Values};
use crate::websocket::Key;

#[derive(Debug)]
pub struct Request {
    /// Which step's series it is counted in.
    pub series: usize,
    /// Which origin it goes to.
    pub origin: usize,
    pub method: String,
    /// May be sent again when a kept-alive connection turns out to be closed (RFC 9110, 9.2.2).
    pub idempotent: bool,
    pub(super) path: Template,
    /// The header lines but content-length, each with its line end.
    pub(super) fields: Template,
    /// The same without what describes a body, for a redirect that turns into a GET.
    pub(super) fields_of_get: Template,
    /// Both again without what is meant for the request's own origin alone, for a redirect to another one.
    pub(super) fields_elsewhere: Option<Box<[Template; 2]>>,
    pub(super) body: Option<Template>,
    /// A content-length even without a body, as POST, PUT and PATCH need.
    pub(super) sized: bool,
    /// All of it, where nothing changes from one request to the next.
    pub fixed: Option<Box<[u8]>>,
    /// The same for HTTP/2, where the plan may speak it.
    pub prepared: Option<Prepared>,
    pub expect: Vec<Expectation>,
    pub extract: Vec<Extraction>,
    pub wants: Wants,
    pub reads_json: bool,
    /// Asks for a WebSocket.
    pub upgrade: Option<Box<Upgrade>>,
    /// A script made it, and judges the answer.
    pub of_script: bool,
    /// In place of the plan's.
    pub timeout_ns: Option<u64>,
    pub follows_redirects: bool,
}

impl Request {
    /// Parse the request that opens a WebSocket; it expects a 101 where the plan names no status.
    ///
    /// # Errors
    /// What cannot be understood, as `field: reason`.
    pub fn compile_upgrade(
        spec: &super::socket::WebSocket,
        upgrade: Upgrade,
        series: usize,
        plan: &Plan,
        origins: &[Origin],
        names: &Names<'_>,
    ) -> Result<Self, Vec<String>> {
        let mut asking = spec.request.clone();
        asking.headers.extend(super::socket::upgrade_headers(spec));
        let names_status = |expect: &super::Expect| matches!(expect, super::Expect::Status(_));
        if !asking.expect.iter().any(names_status) {
            asking.expect.insert(0, super::Expect::Status(vec![101]));
        }
        let mut request = Self::compile(&asking, series, plan, origins, names)?;
        request.upgrade = Some(Box::new(upgrade));
        request.wants.upgrade = true;
        request.wants.head = true;
        // The key differs each time.
        request.fixed = None;
        Ok(request)
    }

    /// Parse everything in the request.
    ///
    /// # Errors
    /// What cannot be understood, as `field: reason`.
    pub fn compile(
        spec: &super::Request,
        series: usize,
        plan: &Plan,
        origins: &[Origin],
        names: &Names<'_>,
    ) -> Result<Self, Vec<String>> {
        let mut problems = vec![];
        let path = template("path", &spec.path, Place::Path, names, &mut problems);
        let Some(origin) = origins.get(spec.origin) else {
            problems.push(format!("origin: there is no origin {}", spec.origin));
            return Err(problems);
        };
        let headers = merged_headers(spec, plan, origin);
        for (name, value) in &headers {
            // Each alone for the message; together below.
            template(
                &format!("headers {name:?}"),
                value,
                Place::Header,
                names,
                &mut problems,
            );
        }
        let is_json = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-type") && value.to_ascii_lowercase().contains("json")
        });
        let place = if is_json {
            Place::JsonBody
        } else {
            Place::Body
        };
        let body = spec
            .body
            .as_deref()
            .map(|body| template("body", body, place, names, &mut problems));
        let expect = collect("expect", &spec.expect, Expectation::compile, &mut problems);
        let slot = |extract: &super::Extract| {
            names
                .extracted
                .iter()
                .position(|n| *n == extract.variable)
                .unwrap_or(0)
        };
        let extract = collect(
            "extract",
            &spec.extract,
            |e| Extraction::compile(e, slot(e)),
            &mut problems,
        );
        if !problems.is_empty() {
            return Err(problems);
        }
        let lines = |keep: &dyn Fn(&str) -> bool| {
            let lines: Vec<String> = headers
                .iter()
                .filter(|(name, _)| keep(name))
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            Template::parse(&lines.concat(), Place::Header, names).map_err(|reason| vec![reason])
        };
        let mut request = Self {
            series,
            origin: spec.origin,
            method: spec.method.clone(),
            idempotent: is_idempotent(&spec.method),
            path,
            fields: lines(&|_| true)?,
            fields_of_get: lines(&|name| !describes_body(name))?,
            fields_elsewhere: if origins.len() > 1 {
                Some(Box::new([
                    lines(&|name| !is_for_one_origin(name))?,
                    lines(&|name| !is_for_one_origin(name) && !describes_body(name))?,
                ]))
            } else {
                None
            },
            body,
            sized: is_sized(&spec.method),
            fixed: None,
            prepared: None,
            wants: Wants {
                to_head_request: spec.method == "HEAD",
                upgrade: false,
                head: needs_head(&expect, &extract),
                body: needs_body(&expect, &extract),
                body_bytes_max: plan.http.body_bytes_max,
            },
            reads_json: expect.iter().any(Expectation::reads_json)
                || extract.iter().any(Extraction::reads_json),
            expect,
            extract,
            upgrade: None,
            of_script: false,
            timeout_ns: None,
            follows_redirects: true,
        };
        if request.is_fixed() {
            request.fix(
                names.feeders,
                plan.http
                    .version
                    .may_multiplex(origin.tls)
                    .then_some(origin.tls),
            );
        }
        Ok(request)
    }

    /// Keep the bytes of a request in which nothing changes.
    /// `multiplexed`: HTTP/2 may be spoken as well, with TLS or without.
    pub(super) fn fix(&mut self, feeders: &Feeders, multiplexed: Option<bool>) {
        let mut bytes = vec![];
        let values = Values {
            number: 0,
            extracted: &[],
            feeders,
        };
        if self
            .render(&values, &mut Rng::new(0), None, &mut bytes)
            .is_ok()
        {
            self.prepared = multiplexed.and_then(|secure| Prepared::of(&bytes, secure));
            self.fixed = Some(bytes.into());
        }
    }

    pub(super) fn is_fixed(&self) -> bool {
        let body_fixed = self.body.as_ref().is_none_or(|body| body.fixed().is_some());
        self.path.fixed().is_some() && self.fields.fixed().is_some() && body_fixed
    }

    /// Append the request's bytes, or those of the redirect it was sent to.
    ///
    /// # Errors
    /// The name in a template that has no value.
    pub fn render(
        &self,
        values: &Values<'_>,
        rng: &mut Rng,
        redirect: Option<&Redirect>,
        out: &mut Vec<u8>,
    ) -> Result<(), &str> {
        use std::io::Write;
        let key = self.upgrade.as_ref().map(|_| Key::draw(&mut rng.clone()));
        let becomes_get = redirect.is_some_and(|redirect| redirect.becomes_get);
        let method = if becomes_get && self.method != "HEAD" {
            "GET"
        } else {
            &self.method
        };
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        match redirect {
            Some(redirect) => out.extend_from_slice(redirect.path.as_bytes()),
            None => self.path.render(values, rng, out)?,
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let authority = redirect.and_then(|redirect| redirect.authority.as_deref());
        let fields = match (&self.fields_elsewhere, authority) {
            (Some(elsewhere), Some(authority)) => {
                out.extend_from_slice(b"host: ");
                out.extend_from_slice(authority.as_bytes());
                out.extend_from_slice(b"\r\n");
                &elsewhere[usize::from(becomes_get)]
            }
            _ if becomes_get => &self.fields_of_get,
            _ => &self.fields,
        };
        fields.render(values, rng, out)?;
        if let Some(key) = key {
            // Writing to a Vec does not fail.
            let _ = write!(out, "sec-websocket-key: {}\r\n", key.text());
        }
        match &self.body {
            Some(body) if !becomes_get => {
                // The length stands before the body and is known after it.
                out.extend_from_slice(b"content-length: \r\n\r\n");
                let start = out.len();
                body.render(values, rng, out)?;
                let length = (out.len() - start).to_string();
                out.splice(start - 4..start - 4, length.bytes());
            }
            // Writing to a Vec does not fail.
            None if self.sized && !becomes_get => _ = out.write_all(b"content-length: 0\r\n\r\n"),
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

    /// Does the step expect this status by name?
    pub fn expects_status(&self, status: u16) -> bool {
        self.expect
            .iter()
            .any(|expect| matches!(expect, Expectation::Status(wanted) if wanted.contains(&status)))
    }
}

pub(super) fn describes_body(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("content-")
}

/// What another origin must not be told, or would take for its own name.
pub(super) fn is_for_one_origin(name: &str) -> bool {
    ["host", "authorization", "cookie"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
}

fn template(
    what: &str,
    text: &str,
    place: Place,
    names: &Names<'_>,
    problems: &mut Vec<String>,
) -> Template {
    Template::parse(text, place, names).unwrap_or_else(|reason| {
        problems.push(format!("{what}: {reason}"));
        Template::default()
    })
}

fn collect<S, T>(
    what: &str,
    specs: &[S],
    compile: impl Fn(&S) -> Result<T, String>,
    problems: &mut Vec<String>,
) -> Vec<T> {
    let mut compiled = vec![];
    for (at, spec) in specs.iter().enumerate() {
        match compile(spec) {
            Ok(one) => compiled.push(one),
            Err(reason) => problems.push(format!("{what}[{at}]: {reason}")),
        }
    }
    compiled
}

/// May be sent twice (RFC 9110, 9.2.2).
pub(super) fn is_idempotent(method: &str) -> bool {
    ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].contains(&method)
}

/// Says how long its body is even without one (RFC 9110, 8.6).
pub(super) fn is_sized(method: &str) -> bool {
    ["POST", "PUT", "PATCH"].contains(&method)
}

/// The plan's headers, those of the step in their place, and `host` and `connection` from the engine.
fn merged_headers(spec: &super::Request, plan: &Plan, origin: &Origin) -> Vec<(String, String)> {
    let of_step = |name: &str| {
        spec.headers
            .iter()
            .any(|(own, _)| own.eq_ignore_ascii_case(name))
    };
    let mut headers: Vec<(String, String)> = plan
        .headers
        .iter()
        .filter(|(name, _)| !of_step(name))
        .chain(&spec.headers)
        .cloned()
        .collect();
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        headers.insert(0, ("host".into(), origin.authority()));
    }
    let says = |(name, _): &(String, String)| name.eq_ignore_ascii_case("connection");
    if !plan.http.keep_alive && !headers.iter().any(says) {
        headers.push(("connection".into(), "close".into()));
    }
    headers
}

fn needs_head(expect: &[Expectation], extract: &[Extraction]) -> bool {
    expect
        .iter()
        .any(|expect| matches!(expect, Expectation::Header { .. }))
        || extract
            .iter()
            .any(|extract| matches!(extract.from, From::Header(_)))
}

fn needs_body(expect: &[Expectation], extract: &[Extraction]) -> bool {
    expect.iter().any(Expectation::reads_body)
        || extract
            .iter()
            .any(|extract| !matches!(extract.from, From::Header(_)))
}
