//! Requests that a script asks for while the run goes on: the same thing as a plan's, made at run time.
use std::sync::Arc;

use super::Plan;
use super::body::Body;
use super::check::{ENGINE_HEADERS, is_token};
use super::compile::Compiled;
use super::request::{Cookies, Request, describes_body, is_idempotent, is_sized};
use super::socket::Upgrade;
use super::stream::Stream;
use crate::http1::Wants;
use crate::judging::Judging;
use crate::script::ScriptRequest;
use crate::stream::{Kept, Spec};
use crate::template::Template;

/// What all requests of scripts have in common.
#[derive(Debug)]
pub struct ScriptBase {
    /// The plan's headers.
    headers: Vec<(String, String)>,
    keep_alive: bool,
}

impl ScriptBase {
    pub fn of(plan: &Plan) -> Self {
        Self {
            headers: plan.headers.clone(),
            keep_alive: plan.http.keep_alive,
        }
    }
}

/// The plan's headers, its own in their place, and those of the engine.
fn merged<'a>(
    base: &'a ScriptBase,
    own: &[(&'a str, &'a str)],
    authority: &'a str,
) -> Result<Vec<(&'a str, &'a str)>, String> {
    let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
    let mut headers = vec![("host", authority)];
    for (name, value) in &base.headers {
        if !own.iter().any(|(mine, _)| is(mine, name)) {
            headers.push((name, value));
        }
    }
    for (name, value) in own {
        check_header(name, value)?;
        headers.push((name, value));
    }
    // Whoever names the host means it.
    if headers[1..].iter().any(|(name, _)| is(name, "host")) {
        headers.remove(0);
    }
    if !base.keep_alive && !headers.iter().any(|(name, _)| is(name, "connection")) {
        headers.push(("connection", "close"));
    }
    Ok(headers)
}

impl Request {
    /// The request that a script asks for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_script(spec: &ScriptRequest<'_>, plan: &Compiled) -> Result<Self, String> {
        let base = plan
            .scripted
            .as_ref()
            .ok_or("the plan has no Python scenario")?;
        if !is_token(spec.method) || spec.method == "CONNECT" {
            return Err(format!(
                "a method is a word such as GET, got {:?}",
                spec.method
            ));
        }
        if !spec.path.starts_with('/') {
            return Err(format!("a path begins with '/', got {:?}", spec.path));
        }
        let Some(origin) = plan.origins.get(spec.origin) else {
            return Err(format!("the plan has no origin {}", spec.origin));
        };
        let authority = origin.authority();
        let mut headers = merged(base, spec.headers, &authority)?;
        let offered = spec.socket.map(|offered| offered.join(", "));
        if spec.socket.is_some() {
            if origin.multiplexed(plan.version).is_some() {
                return Err("a websocket is read over HTTP/1.1; leave http.version out".into());
            }
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
            headers.extend([
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
            ]);
            let offered = offered.as_deref().filter(|offered| !offered.is_empty());
            headers.extend(offered.map(|offered| ("sec-websocket-protocol", offered)));
        }
        let is_cookie = |name: &str| name.eq_ignore_ascii_case("cookie");
        let cookies = headers.iter().filter(|(name, _)| is_cookie(name));
        let cookies: Vec<&str> = cookies.map(|(_, value)| *value).collect();
        let cookies = cookies.join("; ");
        let lines = |keep: &dyn Fn(&str) -> bool| {
            let kept = headers.iter().filter(|(name, _)| keep(name));
            let text = kept.fold(String::with_capacity(160), |text, (name, value)| {
                text + name + ": " + value + "\r\n"
            });
            Template::of_bytes(text.as_bytes())
        };
        let mut request = Self {
            series: spec.step as usize,
            origin: spec.origin,
            method: spec.method.to_string(),
            // Pieces that were taken do not come again.
            idempotent: is_idempotent(spec.method) && spec.upload.is_none(),
            timeout_ns: spec.timeout_ns.unwrap_or(plan.timeout_ns),
            redirects_max: if spec.follows_redirects && spec.upload.is_none() {
                plan.redirects_max
            } else {
                0
            },
            forward: origin.forward.clone(),
            path: Template::of_path(spec.path),
            fields: lines(&|name| !is_cookie(name)),
            fields_of_get: lines(&|name| !is_cookie(name) && !describes_body(name)),
            cookies: Cookies {
                names: vec![],
                own: Template::of_bytes(cookies.as_bytes()),
                jar: true,
            },
            body: spec.body.map(Body::of_bytes),
            sized: is_sized(spec.method),
            fixed: None,
            prepared: None,
            judging: Judging::default(),
            wants: Wants {
                to_head_request: spec.method == "HEAD",
                upgrade: spec.socket.is_some(),
                head: true,
                cookies: false,
                body: true,
                call: false,
                body_bytes_max: plan.body_bytes_max,
            },
            stream: spec
                .stream
                .map(|text| stream_of(text, spec, plan))
                .transpose()?,
            call: None,
            upgrade: spec.socket.map(|offered| {
                Box::new(Upgrade {
                    subprotocols: offered.to_vec(),
                    keeps_unread: true,
                    past: 0,
                })
            }),
            of_script: true,
            lasts: spec.hands_over || spec.upload.is_some() || spec.socket.is_some(),
            upload: spec.upload,
        };
        let multiplexed = origin.multiplexed(plan.version);
        // A socket's key differs each time.
        if request.upgrade.is_none() {
            request.fix(&plan.feeders, multiplexed);
        }
        Ok(request)
    }
}

/// How the answer's events are read.
fn stream_of(text: &str, spec: &ScriptRequest<'_>, plan: &Compiled) -> Result<Arc<Spec>, String> {
    let stream: Stream = serde_json::from_str(text).map_err(|error| format!("stream: {error}"))?;
    let kept = if spec.hands_over {
        Kept::Events
    } else {
        Kept::Totals
    };
    stream
        .compile(plan.body_bytes_max, !spec.hands_over, kept, None)
        .map_err(|problems| problems.join("; "))
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    if !is_token(name) {
        return Err(format!("{name:?} is not a header name"));
    }
    if ENGINE_HEADERS
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
    {
        return Err(format!(
            "{name:?} is set by the engine from the body and http.keep_alive; leave it out"
        ));
    }
    if value.bytes().any(|b| b < 0x20 && b != b'\t' || b == 0x7f) {
        return Err(format!(
            "the value of {name:?} has a line break or control character"
        ));
    }
    Ok(())
}
