//! What a scenario does with its answers: redirects, expectations, values carried on, feeders.
use std::collections::BTreeMap;

use crate::support::{Site, answer, carry_out, get, plan, with};
use serde_json::{Value, json};

#[test]
fn a_request_is_written_as_the_plan_says() {
    let site = Site::requests(|_, stream| answer(stream, 200, "", b"ok"));
    let post = with(
        get("/a b?t={{ tenant }}&n={{ $n }}"),
        json!({"method": "POST", "headers": [["Content-Type", "application/json"], ["x-a", "step"]],
               "body": "{\"name\": \"{{ name }}\"}"}),
    );
    let mut made = plan(site.port, 1, 1, vec![post, get("/plain")]);
    made["headers"] = json!([["x-a", "plan"], ["x-b", "both"]]);
    made["variables"] = json!({"tenant": "a/b"});
    made["feeders"] =
        json!([{"columns": ["name"], "rows": [["Ann \"A\""]], "order": "sequential"}]);
    assert_eq!(carry_out(&made).error(), ("", 0));

    let seen = site.seen();
    assert_eq!(
        seen[0].head,
        format!(
            "POST /a%20b?t=a%2Fb&n=0 HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nx-b: both\r\nContent-Type: application/json\r\n\
             x-a: step\r\ncontent-length: 21\r\n\r\n",
            site.port
        )
    );
    assert_eq!(seen[0].body, br#"{"name": "Ann \"A\""}"#);
    assert_eq!(seen[1].header("x-a"), Some("plan"));
    assert_eq!(seen[1].header("content-length"), None);
}

#[test]
fn redirects_within_the_target_are_one_request() {
    let site = Site::requests(|request, stream| match request.line() {
        "POST /form" => answer(stream, 303, "location: /done?a=1\r\n", b""),
        "PUT /moved" => answer(stream, 307, "location: there\r\n", b"elsewhere"),
        _ => answer(stream, 200, "", b"ok"),
    });
    let form = with(
        get("/form"),
        json!({"method": "POST", "body": "x=1", "headers": [["content-type", "text/plain"]]}),
    );
    let moved = with(get("/moved"), json!({"method": "PUT", "body": "data"}));
    let added = carry_out(&plan(site.port, 1, 1, vec![form, moved]));

    assert_eq!((added.error(), added.total("load.answered")), (("", 0), 2));
    assert_eq!(added.statuses, BTreeMap::from([("200".into(), 2)]));
    assert_eq!(
        site.lines(),
        ["POST /form", "GET /done?a=1", "PUT /moved", "PUT /there"]
    );
    assert_eq!(site.seen()[1].header("content-type"), None);
    assert_eq!(site.seen()[3].body, b"data");
}

#[test]
fn a_redirect_that_leaves_or_never_ends_is_refused() {
    for location in ["http://192.0.2.1/x", "https://127.0.0.1/x", "//other.test/"] {
        let site = Site::requests(move |_, stream| {
            answer(stream, 302, &format!("location: {location}\r\n"), b"")
        });
        let added = carry_out(&plan(site.port, 1, 2, vec![get("/")]));
        assert_eq!(
            (added.error(), added.total("load.answered")),
            (("redirect", 2), 0),
            "{location}"
        );
        assert!(added.examples["redirect"].contains(location));
    }
    let site = Site::requests(|_, stream| answer(stream, 302, "location: /again\r\n", b""));
    assert_eq!(
        carry_out(&plan(site.port, 1, 1, vec![get("/")])).error(),
        ("redirect", 1)
    );
    assert_eq!(site.seen().len(), 1 + 5);
}

#[test]
fn a_redirect_that_is_expected_or_not_to_be_followed_is_the_answer() {
    let site = Site::requests(|_, stream| answer(stream, 302, "location: /next\r\n", b""));
    let expected = with(
        get("/"),
        json!({"expect": [{"status": [302]}, {"header": {"name": "Location", "contains": "next"}}]}),
    );
    let added = carry_out(&plan(site.port, 1, 1, vec![expected]));
    assert_eq!(
        (added.error(), added.statuses.clone()),
        (("", 0), BTreeMap::from([("302".into(), 1)]))
    );
    let mut unfollowed = plan(site.port, 1, 1, vec![get("/")]);
    unfollowed["http"]["redirects_max"] = json!(0);
    assert_eq!(carry_out(&unfollowed).error(), ("", 0));
}

#[test]
fn a_broken_expectation_fails_the_answered_request_and_says_how() {
    let body = br#"{"id": 3, "name": "Ann", "none": null}"#;
    let cases: [(Value, &str, &str); 11] = [
        (json!([]), "", ""),
        (json!([{"status": [200, 201]}]), "", ""),
        (
            json!([{"status": [404]}]),
            "expect-status",
            "wanted status 404, got 200",
        ),
        (
            json!([{"body_contains": "Ann"}, {"body_matches": "\"id\": \\d"}]),
            "",
            "",
        ),
        (json!([{"body_contains": "Bob"}]), "expect-body", "Bob"),
        (json!([{"body_matches": "^x"}]), "expect-body", "^x"),
        (
            json!([{"json": {"path": "$.id", "equals": 3.0}}, {"json": {"path": "$.none"}}]),
            "",
            "",
        ),
        (
            json!([{"json": {"path": "$.id", "equals": 4}}]),
            "expect-body",
            "wanted 4 at $",
        ),
        (
            json!([{"json": {"path": "$.missing"}}]),
            "expect-body",
            "nothing there",
        ),
        (
            json!([{"header": {"name": "X-Kind", "contains": "a"}}]),
            "",
            "",
        ),
        (
            json!([{"header": {"name": "etag", "contains": null}}]),
            "expect-header",
            "no such header",
        ),
    ];
    let site = Site::requests(move |_, stream| answer(stream, 200, "x-kind: abc\r\n", body));
    for (expect, kind, text) in cases {
        let added = carry_out(&plan(
            site.port,
            1,
            2,
            vec![with(get("/"), json!({"expect": expect}))],
        ));
        let wanted = if kind.is_empty() { ("", 0) } else { (kind, 2) };
        assert_eq!(
            (added.error(), added.total("load.answered")),
            (wanted, 2),
            "{expect}"
        );
        assert!(
            added
                .examples
                .values()
                .all(|example| example.contains(text)),
            "{:?}",
            added.examples
        );
    }
}

#[test]
fn without_an_expectation_a_status_from_400_on_fails() {
    for (status, wanted) in [
        (200, ("", 0)),
        (399, ("", 0)),
        (400, ("expect-status", 2)),
        (503, ("expect-status", 2)),
    ] {
        let site = Site::requests(move |_, stream| answer(stream, status, "", b""));
        let added = carry_out(&plan(site.port, 1, 2, vec![get("/")]));
        assert_eq!(
            (added.error(), added.total("load.answered")),
            (wanted, 2),
            "{status}"
        );
    }
}

#[test]
fn values_are_carried_from_an_answer_to_the_next_request() {
    let site = Site::requests(|request, stream| match request.line() {
        "POST /login" => {
            let body = format!(
                "{{\"user\": {{\"id\": 7}}, \"token\": \"t={}\"}}",
                request.body.len()
            );
            answer(stream, 200, "x-next: /items?page=2\r\n", body.as_bytes())
        }
        _ => answer(
            stream,
            200,
            "",
            request.header("authorization").unwrap_or("none").as_bytes(),
        ),
    });
    let login = with(
        get("/login"),
        json!({"method": "POST", "body": "1234", "extract": [
            {"variable": "id", "json": "$.user.id"}, {"variable": "token", "regex": "t=(\\d+)"},
            {"variable": "next", "header": "x-next"}]}),
    );
    let fetch = with(
        get("/users/{{ id }}"),
        json!({"headers": [["authorization", "Bearer {{ token }}"]], "expect": [{"body_contains": "Bearer 4"}]}),
    );
    let added = carry_out(&plan(
        site.port,
        2,
        10,
        vec![login, fetch, get("{{ next }}")],
    ));
    assert_eq!(
        (added.error(), added.total("load.answered")),
        (("", 0), 30),
        "{:?}",
        added.examples
    );
    let lines = site.lines();
    for wanted in ["POST /login", "GET /users/7", "GET /items?page=2"] {
        assert_eq!(
            lines.iter().filter(|line| *line == wanted).count(),
            10,
            "{wanted}"
        );
    }
}

#[test]
fn a_value_that_is_not_found_ends_the_iteration() {
    let site = Site::requests(|_, stream| answer(stream, 200, "", b"{}"));
    let login = with(
        get("/login"),
        json!({"extract": [{"variable": "id", "json": "$.id"}]}),
    );
    let added = carry_out(&plan(site.port, 1, 3, vec![login, get("/users/{{ id }}")]));
    assert_eq!(
        (added.error(), added.total("load.answered")),
        (("extract", 3), 3)
    );
    assert_eq!(site.lines(), ["GET /login"; 3]);
}

#[test]
fn a_template_without_a_value_is_not_sent() {
    let site = Site::requests(|_, stream| answer(stream, 200, "", b"{}"));
    let later = with(
        get("/b"),
        json!({"extract": [{"variable": "id", "json": "$.id"}]}),
    );
    let added = carry_out(&plan(site.port, 1, 3, vec![get("/a/{{ id }}"), later]));
    assert_eq!(added.error(), ("template", 3));
    assert_eq!(added.total("load.started"), 3);
    assert_eq!(site.seen().len(), 0);
}

/// Rows are dealt by iteration, in order, over all threads together.
#[test]
fn sequential_rows_are_dealt_evenly_over_threads() {
    let site = Site::requests(|_, stream| answer(stream, 200, "", b"ok"));
    let rows: Vec<_> = (0..5)
        .map(|i| json!([format!("k{i}"), format!("v{i}")]))
        .collect();
    let mut made = plan(
        site.port,
        6,
        60,
        vec![get("/{{ key }}/{{ value }}"), get("/{{ key }}")],
    );
    made["feeders"] = json!([{"columns": ["key", "value"], "rows": rows, "order": "sequential"}]);
    made["threads"] = json!(3);
    assert_eq!(carry_out(&made).error(), ("", 0));
    let lines = site.lines();
    for i in 0..5 {
        for wanted in [format!("GET /k{i}/v{i}"), format!("GET /k{i}")] {
            assert_eq!(
                lines.iter().filter(|line| **line == wanted).count(),
                12,
                "{wanted}"
            );
        }
    }
}
