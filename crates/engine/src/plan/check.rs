//! What a plan may not say although its types allow it. Reports every problem; changes nothing.
use super::{
    ArrivalsKind, Expect, Extract, Feeder, Iterations, Kind, Plan, Request, Scenario, Scheme, Step,
    Target, Version, check_steps, stream::StreamKind,
};

pub fn check(plan: &Plan, problems: &mut Vec<String>) {
    let mut wrong = |path: &str, text: String| problems.push(format!("{path}: {text}"));
    check_target("target", &plan.target, &mut wrong);
    for (at, target) in plan.origins.iter().enumerate() {
        check_target(&format!("origins[{at}]"), target, &mut wrong);
    }
    if plan.http.connections_max == Some(0) {
        wrong(
            "http.connections_max",
            "must be at least 1 (null is unlimited), got 0".into(),
        );
    }
    check_version(plan, &mut wrong);
    for (name, value) in [
        ("timeout_ns", plan.http.timeout_ns),
        ("connect_timeout_ns", plan.http.connect_timeout_ns),
    ] {
        if value == Some(0) {
            wrong(
                &format!("http.{name}"),
                "must be above 0 (null is unlimited), got 0".into(),
            );
        }
    }
    if plan
        .threads
        .is_some_and(|threads| threads == 0 || threads > 256)
    {
        wrong(
            "threads",
            format!("must be 1 to 256, got {}", plan.threads.unwrap_or(0)),
        );
    }
    check_share(plan, &mut wrong);
    headers("headers", &plan.headers, &mut wrong);
    for (at, feeder) in plan.feeders.iter().enumerate() {
        check_feeder(&format!("feeders[{at}]"), feeder, &mut wrong);
    }
    if plan.scenarios.is_empty() {
        wrong("scenarios", "needs at least one scenario".into());
    }
    for (at, scenario) in plan.scenarios.iter().enumerate() {
        check_scenario(&format!("scenarios[{at}]"), scenario, &mut wrong);
    }
    if plan.scenarios.iter().any(|s| s.python) {
        if !plan.scenarios.iter().all(|s| s.python) {
            wrong("scenarios", "must be all in Python, or none of them".into());
        }
        if plan.threads.is_some_and(|threads| threads > 1) {
            wrong(
                "threads",
                "must be 1 where scenarios are in Python; use more processes".into(),
            );
        }
    }
    let weights: f64 = plan.scenarios.iter().map(|s| s.weight).sum();
    let usable = weights > 0.0 && weights.is_finite();
    if !plan.scenarios.is_empty() && !usable {
        wrong(
            "scenarios",
            format!("the weights must sum to more than 0, got {weights}"),
        );
    }
    check_load(plan, &mut wrong);
}

/// Processes share a run out by the numbers of their threads, so every one of them must know how many there are in all.
fn check_share(plan: &Plan, wrong: &mut impl FnMut(&str, String)) {
    let first = plan.share.first;
    match (plan.share.of, plan.threads) {
        (None, _) if first > 0 => wrong(
            "share.first",
            format!("must be 0 where share.of is null, got {first}"),
        ),
        (None, _) => {}
        (Some(_), None) => wrong("threads", "must be given where share.of is".into()),
        (Some(of), Some(threads)) if first.saturating_add(threads as u64) > of => wrong(
            "share.of",
            format!("must be at least share.first + threads = {first} + {threads}, got {of}"),
        ),
        (Some(of), Some(_)) => {
            if let Some(limit) = plan.http.connections_max
                && of > limit as u64
            {
                wrong(
                    "share.of",
                    format!(
                        "must be at most http.connections_max = {limit} (a thread without a connection could start nothing), got {of}"
                    ),
                );
            }
        }
    }
}

fn check_target(path: &str, target: &Target, wrong: &mut impl FnMut(&str, String)) {
    if target.addresses.is_empty() {
        wrong(
            &format!("{path}.addresses"),
            "needs at least one address".into(),
        );
    }
    if target.port == 0 {
        wrong(&format!("{path}.port"), "must be 1 to 65535, got 0".into());
    }
    let has_gap = |c: char| c.is_whitespace() || c.is_control();
    if target.host.is_empty() || target.host.contains(has_gap) {
        wrong(
            &format!("{path}.host"),
            format!("must be a host name or address, got {:?}", target.host),
        );
    }
}

fn check_version(plan: &Plan, wrong: &mut impl FnMut(&str, String)) {
    if plan.http.streams_max == 0 {
        wrong("http.streams_max", "must be at least 1, got 0".into());
    }
    if plan.http.version != Version::Http1 && plan.http.connection_per_user {
        wrong(
            "http.connection_per_user",
            "is for HTTP/1.1; with HTTP/2, streams_max says how many share a connection".into(),
        );
    }
    match (plan.http.version, plan.target.scheme) {
        (Version::Http2, Scheme::Http) => wrong(
            "http.version",
            "\"2\" is agreed on over TLS; for an http target say \"2-prior-knowledge\"".into(),
        ),
        (Version::PriorKnowledge, Scheme::Https) => wrong(
            "http.version",
            "\"2-prior-knowledge\" is for http targets; for https say \"2\"".into(),
        ),
        _ => {}
    }
}

fn check_feeder(path: &str, feeder: &Feeder, wrong: &mut impl FnMut(&str, String)) {
    if feeder.columns.is_empty() {
        wrong(
            &format!("{path}.columns"),
            "needs at least one column".into(),
        );
    }
    if feeder.rows.is_empty() {
        wrong(&format!("{path}.rows"), "needs at least one row".into());
    }
    let wanted = feeder.columns.len();
    if let Some((at, row)) = feeder
        .rows
        .iter()
        .enumerate()
        .find(|(_, row)| row.len() != wanted)
    {
        wrong(
            &format!("{path}.rows[{at}]"),
            format!("must have {wanted} values, got {}", row.len()),
        );
    }
}

fn check_scenario(path: &str, scenario: &Scenario, wrong: &mut impl FnMut(&str, String)) {
    if scenario.name.is_empty() {
        wrong(&format!("{path}.name"), "must not be empty".into());
    }
    if !(scenario.weight >= 0.0 && scenario.weight.is_finite()) {
        wrong(
            &format!("{path}.weight"),
            format!("must be 0 or more, got {}", scenario.weight),
        );
    }
    if scenario.python {
        if !scenario.steps.is_empty() {
            wrong(
                &format!("{path}.steps"),
                "a Python scenario has none".into(),
            );
        }
        return;
    }
    if !check_steps::any(&scenario.steps, &|step| {
        matches!(step, Step::Request(_) | Step::Websocket(_))
    }) {
        wrong(
            &format!("{path}.steps"),
            "needs at least one request".into(),
        );
    }
    check_steps::check(&format!("{path}.steps"), &scenario.steps, wrong);
}

pub fn check_request(path: &str, request: &Request, wrong: &mut impl FnMut(&str, String)) {
    if request.name.is_empty() {
        wrong(&format!("{path}.name"), "must not be empty".into());
    }
    if !is_token(&request.method) || request.method == "CONNECT" {
        wrong(
            &format!("{path}.method"),
            format!("must be an HTTP method, got {:?}", request.method),
        );
    }
    if !request.path.starts_with('/') && !request.path.starts_with("{{") {
        wrong(
            &format!("{path}.path"),
            format!("must begin with '/' or a template, got {:?}", request.path),
        );
    }
    headers(&format!("{path}.headers"), &request.headers, wrong);
    for (at, (name, _)) in request.cookies.iter().enumerate() {
        if !is_token(name) {
            wrong(
                &format!("{path}.cookies[{at}]"),
                format!("must be a cookie's name, got {name:?}"),
            );
        }
    }
    if request.body.is_some() && !request.body_parts.is_empty() {
        wrong(path, "has both body and body_parts; one is enough".into());
    }
    if (request.grpc.is_some() && request.stream.is_some())
        != request
            .stream
            .as_ref()
            .is_some_and(|it| it.kind == StreamKind::Grpc)
    {
        wrong(
            &format!("{path}.stream"),
            "kind grpc is for calls, and calls have no other".into(),
        );
    }
    if request.timeout_ns == Some(0) {
        wrong(
            &format!("{path}.timeout_ns"),
            "must be above 0 (null is the plan's), got 0".into(),
        );
    }
    for (at, expect) in request.expect.iter().enumerate() {
        if let Expect::Status(statuses) = expect
            && statuses.is_empty()
        {
            wrong(
                &format!("{path}.expect[{at}].status"),
                "needs at least one status".into(),
            );
        }
    }
    for (
        at,
        Extract {
            json,
            regex,
            header,
            ..
        },
    ) in request.extract.iter().enumerate()
    {
        let places = [json, regex, header]
            .iter()
            .filter(|place| place.is_some())
            .count();
        if places != 1 {
            wrong(
                &format!("{path}.extract[{at}]"),
                format!("needs one of json, regex, header; got {places}"),
            );
        }
    }
}

fn headers(path: &str, headers: &[(String, String)], wrong: &mut impl FnMut(&str, String)) {
    for (at, (name, value)) in headers.iter().enumerate() {
        let path = format!("{path}[{at}]");
        if !is_token(name) {
            wrong(&path, format!("must be a header name, got {name:?}"));
        }
        if ENGINE_HEADERS
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
        {
            wrong(
                &path,
                format!("{name:?} is set by the engine; leave it out"),
            );
        }
        if value.contains(|c: char| c.is_control() && c != '\t') {
            wrong(
                &path,
                format!("a header value has no control characters, got {value:?}"),
            );
        }
    }
}

/// Headers that follow from the body and the plan.
pub const ENGINE_HEADERS: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn check_load(plan: &Plan, wrong: &mut impl FnMut(&str, String)) {
    let load = &plan.load;
    if load.stages.is_empty() {
        wrong("load.stages", "needs at least one stage".into());
    }
    for (at, stage) in load.stages.iter().enumerate() {
        for (name, level) in [("from", stage.from), ("to", stage.to)] {
            if !(0.0..=1e9).contains(&level) {
                wrong(
                    &format!("load.stages[{at}].{name}"),
                    format!("must be 0 to 1e9, got {level}"),
                );
            }
        }
        if stage.duration_ns == 0 {
            wrong(
                &format!("load.stages[{at}].duration_ns"),
                "must be above 0, got 0".into(),
            );
        }
    }
    if load.kind == Kind::Closed && load.arrivals.is_some() {
        wrong(
            "load.arrivals",
            "only an open load has arrivals; leave it null".into(),
        );
    }
    if !(load.gamma_shape > 0.0 && load.gamma_shape <= 1e6) {
        wrong(
            "load.gamma_shape",
            format!("must be above 0 and at most 1e6, got {}", load.gamma_shape),
        );
    }
    if (load.arrivals == Some(ArrivalsKind::Recorded)) == load.times_ns.is_empty() {
        wrong(
            "load.times_ns",
            "recorded arrivals have times, others have none".into(),
        );
    }
    if !load.times_ns.is_sorted() {
        wrong("load.times_ns", "must be in order".into());
    }
    let known = |scenario: &u32| (*scenario as usize) < plan.scenarios.len();
    if !load.scenarios.is_empty()
        && (load.scenarios.len() != load.times_ns.len() || !load.scenarios.iter().all(known))
    {
        wrong(
            "load.scenarios",
            "must name a scenario's number for each time".into(),
        );
    }
    let repeats = load.iterations != Iterations::default();
    if load.iterations.min == 0 || load.iterations.min > load.iterations.max {
        wrong("load.iterations", "must be at least 1, min to max".into());
    } else if repeats && load.kind == Kind::Closed {
        wrong(
            "load.iterations",
            "users of a closed load repeat anyway; leave it out".into(),
        );
    }
    if load.kind == Kind::Closed && (load.users_max.is_some() || load.finish) {
        wrong(
            "load",
            "only an open load has users_max and finish; leave them out".into(),
        );
    }
    if load.users_max == Some(0) {
        wrong(
            "load.users_max",
            "must be at least 1 (null is unlimited), got 0".into(),
        );
    }
    if load.count == Some(0) {
        wrong(
            "load.count",
            "must be at least 1 (null is unlimited), got 0".into(),
        );
    }
}
