//! A request out of what the plan says of it.
use super::{Cookies, Request};
use crate::http1::Wants;
use crate::judging::Judging;
use crate::plan::body::Body;
use crate::plan::compile::Origin;
use crate::plan::socket::{self, Upgrade, WebSocket};
use crate::plan::stream::Stream;
use crate::plan::{self, Compress, Expect, Plan};
use crate::stream::Kept;
use crate::template::{Place, Template};
use crate::value::Names;

impl Request {
    /// Parse the request that opens a WebSocket; it expects a 101 where the plan names no status.
    ///
    /// # Errors
    /// What cannot be understood, as `field: reason`.
    pub fn compile_upgrade(
        spec: &WebSocket,
        upgrade: Upgrade,
        series: usize,
        plan: &Plan,
        origins: &[Origin],
        names: &Names<'_>,
        cookies: bool,
    ) -> Result<Self, Vec<String>> {
        only_http1("a websocket", &spec.request, plan, origins)?;
        let mut asking = spec.request.clone();
        asking.headers.extend(socket::upgrade_headers(spec));
        expect_by_default(&mut asking, vec![101]);
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
        stream: &Stream,
        spec: &plan::Request,
        series: usize,
        plan: &Plan,
        origins: &[Origin],
        names: &Names<'_>,
        cookies: bool,
    ) -> Result<Self, Vec<String>> {
        let mut asking = spec.clone();
        asking.stream = None;
        // A call has a status of its own.
        if spec.grpc.is_none() {
            expect_by_default(&mut asking, (200..400).collect());
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
        spec: &plan::Request,
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
}

pub(in crate::plan) fn describes_body(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("content-")
}

/// Refuse what needs a connection of its own where the origin may speak HTTP/2.
fn only_http1(
    what: &str,
    spec: &plan::Request,
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
    spec: &plan::Request,
    names: &Names<'_>,
    problems: &mut Vec<String>,
) -> Option<Template> {
    let (user, password) = spec.basic.as_ref()?;
    let text = format!("{user}:{password}");
    Some(template("basic", &text, Place::Body, names, problems))
}

/// May be sent twice (RFC 9110, 9.2.2).
pub(in crate::plan) fn is_idempotent(method: &str) -> bool {
    ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].contains(&method)
}

/// Says how long its body is even without one (RFC 9110, 8.6).
pub(in crate::plan) fn is_sized(method: &str) -> bool {
    ["POST", "PUT", "PATCH"].contains(&method)
}

/// The plan's headers, those of the step in their place, and `host` and `connection` from the engine.
fn merged_headers(spec: &plan::Request, plan: &Plan, origin: &Origin) -> Vec<(String, String)> {
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
    if spec.compress == Some(Compress::Gzip) {
        headers.push(("content-encoding".into(), "gzip".into()));
    }
    let says = |(name, _): &(String, String)| name.eq_ignore_ascii_case("connection");
    if !plan.http.keep_alive && !headers.iter().any(says) {
        headers.push(("connection".into(), "close".into()));
    }
    headers
}

/// Expect one of `statuses` where the step names none itself.
fn expect_by_default(asking: &mut plan::Request, statuses: Vec<u16>) {
    let names_status = |expect: &Expect| matches!(expect, Expect::Status(_));
    if !asking.expect.iter().any(names_status) {
        asking.expect.insert(0, Expect::Status(statuses));
    }
}
