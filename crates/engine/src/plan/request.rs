//! One request of a scenario: its bytes, or the templates they come from, and what its answer is held to.
use std::sync::Arc;

use super::body::{Body, Missing};
use super::compile::{Forward, Origin};
pub use super::script::ScriptBase;
use super::{Plan, redirect::Redirect, socket::Upgrade};
use crate::cookies::{Jar, Setting};
use crate::digits::push_number;
use crate::feeder::Feeders;
use crate::grpc::Call;
use crate::http1::Wants;
use crate::http2::Prepared;
use crate::judging::Judging;
use crate::rng::Rng;
use crate::script::Upload;
use crate::stream::{Kept, Spec};
use crate::template::{Place, Template};
use crate::value::{Names, Values};
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
    pub timeout_ns: u64,
    pub redirects_max: u32,
    /// How it is put for a proxy, where it is handed to one.
    pub(super) forward: Option<Forward>,
    pub(super) path: Template,
    /// The header lines but content-length and cookie, each with its line end.
    pub(super) fields: Template,
    /// The same without what describes a body, for a redirect that turns into a GET.
    pub(super) fields_of_get: Template,
    pub(super) cookies: Cookies,
    pub(super) body: Option<Body>,
    /// A content-length even without a body, as POST, PUT and PATCH need.
    pub(super) sized: bool,
    /// All of it, where nothing changes from one request to the next.
    pub fixed: Option<Box<[u8]>>,
    /// The same for HTTP/2, where the plan may speak it.
    pub prepared: Option<Prepared>,
    pub judging: Judging,
    pub wants: Wants,
    /// It is a call of gRPC.
    pub call: Option<Box<Call>>,
    /// Its answer is read as events.
    pub stream: Option<Arc<Spec>>,
    /// Asks for a WebSocket.
    pub upgrade: Option<Box<Upgrade>>,
    /// A script made it, and judges the answer.
    pub of_script: bool,
    /// More is said about it than its answer.
    pub lasts: bool,
    /// Its body comes in pieces.
    pub upload: Option<Upload>,
}

/// What goes into the `cookie` header.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    /// The step's own names, and `a=b; c=d`.
    pub(super) names: Vec<String>,
    pub(super) own: Template,
    /// Whether the jar's go along: not where the step writes the header itself.
    pub(super) jar: bool,
}

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
        cookies: bool,
    ) -> Result<Self, Vec<String>> {
        only_http1("a websocket", &spec.request, plan, origins)?;
        let mut asking = spec.request.clone();
        asking.headers.extend(super::socket::upgrade_headers(spec));
        let names_status = |expect: &super::Expect| matches!(expect, super::Expect::Status(_));
        if !asking.expect.iter().any(names_status) {
            asking.expect.insert(0, super::Expect::Status(vec![101]));
        }
        let mut request = Self::compile(&asking, series, plan, origins, names, cookies)?;
        request.upgrade = Some(Box::new(upgrade));
        request.wants.upgrade = true;
        request.wants.head = true;
        // The key differs each time.
        request.fixed = None;
        Ok(request)
    }

    /// The same for an answer in events: its last one is judged as a body is.
    fn compile_stream(
        stream: &super::stream::Stream,
        spec: &super::Request,
        series: usize,
        plan: &Plan,
        origins: &[Origin],
        names: &Names<'_>,
        cookies: bool,
    ) -> Result<Self, Vec<String>> {
        let mut asking = spec.clone();
        asking.stream = None;
        let names_status = |expect: &super::Expect| matches!(expect, super::Expect::Status(_));
        // A call has a status of its own.
        if spec.grpc.is_none() && !asking.expect.iter().any(names_status) {
            asking
                .expect
                .insert(0, super::Expect::Status((200..400).collect()));
        }
        asking.expect.extend(stream.last.iter().cloned());
        let mut request = Self::compile(&asking, series, plan, origins, names, cookies)?;
        let method = request.call.as_ref().map(|call| call.method.clone());
        let (bytes_max, reads_last) = (plan.http.body_bytes_max, request.wants.body);
        request.stream = Some(stream.compile(bytes_max, reads_last, Kept::Nothing, method)?);
        request.wants.body = false;
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
        cookies: bool,
    ) -> Result<Self, Vec<String>> {
        if let Some(stream) = &spec.stream {
            return Self::compile_stream(stream, spec, series, plan, origins, names, cookies);
        }
        if let Some(grpc) = &spec.grpc {
            return Self::compile_call(grpc, spec, series, plan, origins, names);
        }
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
        let has = |wanted: &str| {
            headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        let is_json = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-type") && value.to_ascii_lowercase().contains("json")
        });
        let body = Body::compile(spec, is_json, names).unwrap_or_else(|reason| {
            problems.push(format!("body: {reason}"));
            None
        });
        let own = cookie_template(&spec.cookies, names, &mut problems);
        let judging = Judging::compile("expect", &spec.expect, &spec.extract, names, &mut problems);
        let basic = basic_template(spec, names, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let lines = |keep: &dyn Fn(&str) -> bool| {
            let lines: Vec<String> = headers
                .iter()
                .filter(|(name, _)| keep(name))
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            let mut lines = Template::parse(&lines.concat(), Place::Header, names)
                .map_err(|reason| vec![reason])?;
            if let Some(basic) = basic.clone().filter(|_| keep("authorization")) {
                lines.push_bytes(b"authorization: Basic ");
                lines.push_base64(basic);
                lines.push_bytes(b"\r\n");
            }
            Ok::<_, Vec<String>>(lines)
        };
        let mut request = Self {
            series,
            origin: spec.origin,
            method: spec.method.clone(),
            idempotent: is_idempotent(&spec.method),
            timeout_ns: spec.timeout_ns.or(plan.http.timeout_ns).unwrap_or(u64::MAX),
            redirects_max: match spec.follow_redirects {
                Some(false) => 0,
                _ => plan.http.redirects_max,
            },
            forward: origin.forward.clone(),
            path,
            fields: lines(&|_| true)?,
            fields_of_get: lines(&|name| !describes_body(name))?,
            cookies: Cookies {
                names: spec.cookies.iter().map(|(name, _)| name.clone()).collect(),
                own,
                jar: cookies && !has("cookie"),
            },
            body,
            sized: is_sized(&spec.method),
            fixed: None,
            prepared: None,
            wants: Wants {
                to_head_request: spec.method == "HEAD",
                upgrade: false,
                head: judging.reads_head(),
                cookies,
                body: judging.reads_body(),
                call: false,
                body_bytes_max: plan.http.body_bytes_max,
            },
            judging,
            upgrade: None,
            of_script: false,
            lasts: false,
            upload: None,
            call: None,
            stream: None,
        };
        if request.is_fixed() {
            request.fix(names.feeders, origin.multiplexed(plan.http.version));
        }
        Ok(request)
    }

    /// Keep the bytes of a request in which nothing changes.
    /// `multiplexed`: HTTP/2 may be spoken as well, with TLS or without.
    pub(super) fn fix(&mut self, feeders: &Feeders, multiplexed: Option<bool>) {
        let mut bytes = vec![];
        let rendering = Rendering {
            values: Values::none(0, feeders),
            redirect: None,
            jar: None,
            secure: false,
            now_ns: 0,
        };
        let scratch = &mut Scratch::default();
        if self
            .render(rendering, &mut Rng::new(0), scratch, &mut bytes)
            .is_ok()
        {
            self.prepared = multiplexed.and_then(|secure| Prepared::of(&bytes, secure));
            self.fixed = Some(bytes.into());
        }
    }

    pub(super) fn is_fixed(&self) -> bool {
        self.path.fixed().is_some()
            && self.fields.fixed().is_some()
            && self.cookies.own.fixed().is_some()
            && self.body.as_ref().is_none_or(Body::is_fixed)
    }

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

pub(super) fn describes_body(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("content-")
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

/// Refuse what needs a connection of its own where the origin may speak HTTP/2.
fn only_http1(
    what: &str,
    spec: &super::Request,
    plan: &Plan,
    origins: &[Origin],
) -> Result<(), Vec<String>> {
    let origin = origins.get(spec.origin);
    if origin.is_some_and(|origin| origin.multiplexed(plan.http.version).is_some()) {
        return Err(vec![format!(
            "http.version: {what} is read over HTTP/1.1; leave the version out"
        )]);
    }
    Ok(())
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

/// `a=b; c=d` of the step's own cookies.
fn cookie_template(
    cookies: &[(String, String)],
    names: &Names<'_>,
    problems: &mut Vec<String>,
) -> Template {
    let mut made = Template::default();
    for (at, (name, value)) in cookies.iter().enumerate() {
        made.push_bytes(if at == 0 { b"" } else { b"; " });
        made.push_bytes(name.as_bytes());
        made.push_bytes(b"=");
        if let Err(reason) = made.push(value, Place::Cookie, names) {
            problems.push(format!("cookies {name:?}: {reason}"));
        }
    }
    made
}

/// `user:password` of the step.
fn basic_template(
    spec: &super::Request,
    names: &Names<'_>,
    problems: &mut Vec<String>,
) -> Option<Template> {
    let (user, password) = spec.basic.as_ref()?;
    let text = format!("{user}:{password}");
    Some(template("basic", &text, Place::Body, names, problems))
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
    if spec.compress == Some(super::Compress::Gzip) {
        headers.push(("content-encoding".into(), "gzip".into()));
    }
    let says = |(name, _): &(String, String)| name.eq_ignore_ascii_case("connection");
    if !plan.http.keep_alive && !headers.iter().any(says) {
        headers.push(("connection".into(), "close".into()));
    }
    headers
}
