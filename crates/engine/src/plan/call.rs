//! A call of gRPC: a POST whose body is a message, and whose status stands in trailers.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::compile::Origin;
use super::request::Request;
use super::{BodyKind, Plan, Version};
use crate::grpc::{self, Call, Method};
use crate::value::Names;

#[derive(Debug, Clone, Deserialize)]
pub struct Grpc {
    /// An encoded `FileDescriptorSet`, in base64.
    pub descriptors: String,
    /// `package.Service/Method`.
    pub method: String,
    /// The statuses that are welcome, by number.
    #[serde(default = "only_ok")]
    pub welcome: Vec<u16>,
}

fn only_ok() -> Vec<u16> {
    vec![grpc::OK]
}

impl Grpc {
    fn method(&self) -> Result<Method, String> {
        let descriptors = STANDARD.decode(&self.descriptors);
        let descriptors = descriptors.map_err(|error| format!("not base64: {error}"))?;
        Method::find(&descriptors, &self.method)
    }
}

impl Request {
    /// Parse a call: as a request whose body is in JSON, which is then turned into messages.
    ///
    /// # Errors
    /// What cannot be understood, as `field: reason`.
    pub(super) fn compile_call(
        spec: &Grpc,
        request: &super::Request,
        series: usize,
        plan: &Plan,
        origins: &[Origin],
        names: &Names<'_>,
    ) -> Result<Self, Vec<String>> {
        let method = spec
            .method()
            .map_err(|reason| vec![format!("grpc: {reason}")])?;
        let tls = origins.get(request.origin).is_some_and(|origin| origin.tls);
        let problems = only_http2(plan, tls);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut asking = request.clone();
        asking.grpc = None;
        asking.method = "POST".into();
        asking.follow_redirects = Some(false);
        asking.body_kind = Some(BodyKind::Json);
        asking.body.get_or_insert_with(|| "{}".into());
        let own = [
            ("content-type", "application/grpc".to_string()),
            ("te", "trailers".into()),
            ("grpc-accept-encoding", "identity".into()),
        ];
        // Of a stream the time limits the silence, and the server knows no such limit.
        let limit_ns = request.timeout_ns.or(plan.http.timeout_ns);
        let deadline = limit_ns.filter(|_| !method.gives_many);
        let deadline = deadline.map(|limit_ns| ("grpc-timeout", timeout(limit_ns)));
        for (name, value) in own.into_iter().chain(deadline) {
            asking.headers.push((name.into(), value));
        }
        let mut made = Self::compile(&asking, series, plan, origins, names, false)?;
        made.wants.call = true;
        if let Some(body) = made.body.take() {
            let body = body.of_call(method.clone());
            made.body = Some(body.map_err(|reason| vec![format!("message: {reason}")])?);
        }
        made.call = Some(Box::new(Call {
            method,
            welcome: spec.welcome.clone().into(),
        }));
        (made.fixed, made.prepared) = (None, None);
        if made.is_fixed() {
            let origin = &origins[request.origin];
            made.fix(names.feeders, origin.multiplexed(plan.http.version));
        }
        Ok(made)
    }
}

/// Why a plan with calls cannot be carried out: they need connections of HTTP/2.
fn only_http2(plan: &Plan, tls: bool) -> Vec<String> {
    let mut problems = vec![];
    if tls && !matches!(plan.http.version, Version::Http2 | Version::Auto) {
        problems.push("http.version: gRPC over TLS needs \"2\" or \"auto\"".into());
    }
    if !tls && plan.proxy.is_some() {
        problems.push("http.proxy: gRPC without TLS does not go through a proxy".into());
    }
    if plan.http.connection_per_user {
        let text = "http.connection_per_user: is for HTTP/1.1; gRPC has streams_max";
        problems.push(text.into());
    }
    problems
}

/// A time as `grpc-timeout` writes it: at most eight digits, the smallest unit in which it fits, never shorter than it is.
fn timeout(timeout_ns: u64) -> String {
    let units = [
        ("n", 1),
        ("u", 1_000),
        ("m", 1_000_000),
        ("S", 1_000_000_000),
        ("M", 60_000_000_000),
    ];
    let fitting = units.iter().find_map(|(unit, unit_ns)| {
        let count = timeout_ns.div_ceil(*unit_ns);
        (count < 100_000_000).then(|| format!("{count}{unit}"))
    });
    fitting.unwrap_or_else(|| "99999999M".into())
}

#[cfg(test)]
mod tests {
    use super::timeout;

    #[test]
    fn a_timeout_has_eight_digits_at_most() {
        for (timeout_ns, text) in [
            (1, "1n"),
            (99_999_999, "99999999n"),
            (100_000_000, "100000u"),
            (100_000_001, "100001u"),
            (30_000_000_000, "30000000u"),
            (604_800_000_000_000, "604800S"),
        ] {
            assert_eq!(timeout(timeout_ns), text);
        }
    }
}
