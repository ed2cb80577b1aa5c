//! Answers that come in events, from servers that send them well, slowly, broken or without an end.
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Site, answer, carry_out, get, plan, with};
use serde_json::{Value, json};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";

/// Send events as chunks, cut at odd places.
fn chunked(stream: &mut TcpStream, body: &str, whole: bool) -> bool {
    let mut out = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
    for piece in body.as_bytes().chunks(7) {
        out += &format!(
            "{:x}\r\n{}\r\n",
            piece.len(),
            String::from_utf8_lossy(piece)
        );
    }
    if whole {
        out += "0\r\n\r\n";
    }
    stream.write_all(out.as_bytes()).is_ok() && whole
}

fn listen(stream: Value) -> Value {
    with(get("/events"), json!({"stream": stream}))
}

#[test]
fn events_are_counted_and_the_last_one_is_what_is_judged() {
    let site = Site::requests(|_, stream| {
        chunked(
            stream,
            "data: {\"n\":1}\n\ndata: {\"n\":2}\n\n: bye\n\ndata: {\"n\":3,\"id\":\"x7\"}\n\n",
            true,
        )
    });
    let first = with(
        listen(
            json!({"kind": "sse", "events_min": 3, "any": [{"json": [["$.n", 2]]}, {"contains": ["x7"]}],
                      "last": [{"json": {"path": "$.n", "equals": 3}}]}),
        ),
        json!({"extract": [{"variable": "id", "json": "$.id"}]}),
    );
    let then = get("/{{ id }}");
    let added = carry_out(&plan(site.port, 1, 4, vec![first, then]));
    assert_eq!(added.error(), ("", 0), "{:?}", added.examples);
    assert_eq!(added.total("load.stream.events"), 12);
    assert_eq!(site.lines()[1], "GET /x7");
}

#[test]
fn what_the_events_lack_fails_the_request() {
    let site = Site::requests(|_, stream| chunked(stream, "data: a\n\ndata: b\n\n", true));
    for (spec, told) in [
        (
            json!({"kind": "sse", "events_min": 3}),
            "at least 3 events, got 2",
        ),
        (
            json!({"kind": "sse", "any": [{"contains": ["a"], "matches": "x$"}]}),
            "an event with \"a\" and that matches",
        ),
        (
            json!({"kind": "sse", "last": [{"body_contains": "a"}]}),
            "a body with \"a\"",
        ),
    ] {
        let added = carry_out(&plan(site.port, 1, 2, vec![listen(spec)]));
        assert_eq!(
            (added.error(), added.total("load.answered")),
            (("expect-body", 2), 2)
        );
        assert!(
            added.examples["expect-body"].contains(told),
            "{:?}",
            added.examples
        );
    }
}

#[test]
fn a_stream_that_is_cut_is_an_error_of_its_own() {
    let site = Site::requests(|_, stream| chunked(stream, "data: a\n\ndata: b\n\n", false));
    let added = carry_out(&plan(site.port, 1, 2, vec![listen(json!({"kind": "sse"}))]));
    assert_eq!(
        (added.error(), added.total("load.answered")),
        (("stream", 2), 0)
    );
    assert_eq!(added.total("load.stream.events"), 4);

    // A model's answer has a last event, also where its body has an end.
    let site = Site::requests(|_, stream| {
        chunked(stream, "data: {\"choices\":[{\"text\":\"a\"}]}\n\n", true)
    });
    let added = carry_out(&plan(site.port, 1, 2, vec![listen(json!({"kind": "llm"}))]));
    assert_eq!(added.error(), ("stream", 2));
    assert!(
        added.examples["stream"].contains("without its last"),
        "{:?}",
        added.examples
    );
}

#[test]
fn a_models_answer_is_taken_apart_and_judged_good_or_not() {
    let site = Site::requests(|_, stream| {
        stream.set_nodelay(true).unwrap();
        let words = "data: {\"choices\":[{\"delta\":{\"content\":\"w\"}}]}\n\n".repeat(4);
        let body = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"role\":\"assistant\"}}}}]}}\n\n{words}\
             data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":11,\"completion_tokens\":8}}}}\n\ndata: [DONE]\n\n"
        );
        chunked(stream, &body, true)
    });
    let good = listen(
        json!({"kind": "llm", "goodput": {"ttft_ns": 5_000_000_000u64, "tpot_ns": 5_000_000_000u64}}),
    );
    let added = carry_out(&plan(site.port, 1, 3, vec![good]));
    assert_eq!(added.error(), ("", 0), "{:?}", added.examples);
    assert_eq!(
        added
            .tokens
            .iter()
            .map(|(k, v)| (k.as_str(), *v))
            .collect::<Vec<_>>(),
        [("input", 33), ("output", 24)]
    );
    assert_eq!(
        (
            added.total("load.stream.good"),
            added.total("load.stream.events")
        ),
        (3, 18)
    );

    let never = listen(json!({"kind": "llm", "goodput": {"ttft_ns": 1}}));
    assert_eq!(
        carry_out(&plan(site.port, 1, 3, vec![never])).total("load.stream.good"),
        0
    );
}

#[test]
fn a_stream_without_an_end_is_left_after_enough() {
    let site = Site::requests(|_, stream| {
        let head = format!("{HEAD}\r\n");
        let mut open = stream.write_all(head.as_bytes()).is_ok();
        while open {
            open = stream.write_all(b"data: tick\n\n").is_ok();
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    });
    let counted = listen(json!({"kind": "sse", "events_max": 5}));
    let added = carry_out(&plan(site.port, 2, 4, vec![counted]));
    assert_eq!(
        (added.error(), added.total("load.answered")),
        (("", 0), 4),
        "{:?}",
        added.examples
    );
    assert_eq!(added.total("load.stream.events"), 20);

    let timed = listen(json!({"kind": "sse", "for_ns": 60_000_000}));
    let added = carry_out(&plan(site.port, 2, 4, vec![timed]));
    assert_eq!(
        (added.error(), added.total("load.answered")),
        (("", 0), 4),
        "{:?}",
        added.examples
    );
    assert!(added.total("load.stream.events") >= 8);
}

#[test]
fn silence_times_out_and_a_slow_stream_does_not() {
    let site = Site::requests(|_, stream| {
        let head = format!("{HEAD}content-length: 48\r\n\r\n");
        let mut open = stream.write_all(head.as_bytes()).is_ok();
        for _ in 0..4 {
            open = open && stream.write_all(b"data: tick\n\n").is_ok();
            std::thread::sleep(Duration::from_millis(60));
        }
        open
    });
    let mut patient = plan(site.port, 1, 1, vec![listen(json!({"kind": "sse"}))]);
    patient["http"]["timeout_ns"] = json!(150_000_000);
    assert_eq!(carry_out(&patient).error(), ("", 0));
    patient["http"]["timeout_ns"] = json!(30_000_000);
    assert_eq!(carry_out(&patient).error(), ("timeout", 1));
}

#[test]
fn an_answer_that_is_no_success_fails_by_its_status_and_has_no_events() {
    let site = Site::requests(|_, stream| answer(stream, 503, "", b"data: busy\n\n"));
    let added = carry_out(&plan(
        site.port,
        1,
        2,
        vec![listen(json!({"kind": "sse", "events_min": 1}))],
    ));
    assert_eq!(
        (added.error(), added.total("load.stream.events")),
        (("expect-status", 2), 0)
    );
}
