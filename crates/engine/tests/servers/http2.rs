//! HTTP/2 servers on real sockets that behave badly, frame by frame.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{self, Added, carry_out, get, with};

mod serving;

use serving::*;

fn plan(server: &Server, users: u32, count: u32, steps: Vec<Value>) -> Value {
    let mut plan = support::plan(server.site.port, users, count, steps);
    plan["http"]["version"] = json!("2-prior-knowledge");
    plan
}

fn post(body: &str) -> Value {
    json!({"request": {"name": "post", "method": "POST", "path": "/", "body": body}})
}

fn answered(added: &Added) -> (u64, (&str, u64)) {
    (added.total("load.answered"), added.error())
}

fn example<'a>(added: &'a Added, kind: &str) -> &'a str {
    added.examples.get(kind).map_or("", String::as_str)
}

/// Requests that the server has not looked at go out again, on a connection that it has not taken leave of: nothing fails.
#[test]
fn what_a_goaway_leaves_unread_is_sent_again() {
    let server = Server::new(settings(&[]), |number, frame, asked| {
        if !frame.asks() {
            return Some(vec![]);
        }
        // The first connection reads four requests and answers the first alone, after it has taken leave.
        Some(match (number, asked.len()) {
            (0, 4) => [goaway(1, 0, ""), ok(1)].concat(),
            (0, _) => vec![],
            _ => ok(frame.stream),
        })
    });
    let mut four = plan(&server, 4, 40, vec![post("once")]);
    four["http"]["connections_max"] = json!(1);
    assert_eq!(answered(&carry_out(&four)), (40, ("", 0)));
    assert_eq!(server.connections(), 2);
    let requests = server.frames(HEADERS).len();
    assert_eq!(requests, 40 + 3);
}

/// Connections that were opened together are worn out together: what one leaves unread may meet the next one's farewell.
#[test]
fn what_several_goaways_leave_unread_in_turn_is_still_sent() {
    let server = Server::new(settings(&[]), |number, frame, _| {
        Some(match frame.asks() {
            true if number < 4 => goaway(0, 0, ""),
            true => ok(frame.stream),
            false => vec![],
        })
    });
    let added = carry_out(&plan(&server, 1, 3, vec![post("once")]));
    assert_eq!(answered(&added), (3, ("", 0)));
    assert_eq!(server.connections(), 5);
}

#[test]
fn a_request_that_is_always_left_unread_fails_after_five_resends() {
    let server = Server::new(settings(&[]), |_, frame, _| {
        Some(match frame.asks() {
            true => goaway(0, 11, "too many"),
            false => vec![],
        })
    });
    let added = carry_out(&plan(&server, 1, 3, vec![get("/")]));
    assert_eq!(answered(&added), (0, ("goaway", 3)));
    assert_eq!(
        example(&added, "goaway"),
        "/: GOAWAY ENHANCE_YOUR_CALM \"too many\""
    );
    assert_eq!(server.connections(), 3 * 6);
}

/// What the server has begun to look at is not sent again: it may have had its effect.
#[test]
fn a_request_that_dies_after_a_goaway_fails_with_what_was_said() {
    let server = Server::new(settings(&[]), |_, frame, _| {
        if frame.kind == WINDOW_UPDATE {
            return Some(vec![]);
        }
        Some(if frame.asks() {
            goaway(1, 2, "")
        } else {
            vec![]
        })
    });
    let mut one = plan(&server, 1, 1, vec![post("once")]);
    one["http"]["timeout_ns"] = json!(50_000_000);
    let added = carry_out(&one);
    assert_eq!(answered(&added), (0, ("timeout", 1)));

    let closing = Server::new(settings(&[]), |_, frame, asked| {
        match (frame.asks(), asked.len()) {
            (true, 1) => Some(goaway(3, 2, "")),
            (true, _) => None,
            _ => Some(vec![]),
        }
    });
    let added = carry_out(&plan(&closing, 2, 2, vec![post("once")]));
    assert_eq!(answered(&added), (0, ("goaway", 2)));
    assert!(example(&added, "goaway").contains("GOAWAY INTERNAL_ERROR; then "));
}

#[test]
fn a_reset_costs_its_stream_and_a_refusal_nothing() {
    let server = Server::new(settings(&[]), |_, frame, _| {
        Some(match (frame.asks(), frame.stream % 8) {
            (false, _) => vec![],
            (true, 1) => reset(frame.stream, 2),
            (true, 3) => reset(frame.stream, 7),
            _ => ok(frame.stream),
        })
    });
    let mut one = plan(&server, 1, 6, vec![post("x")]);
    one["load"]["stages"][0]["duration_ns"] = json!(60_000_000_000u64);
    // Streams 1, 3 and its repetition 5, 7, 9, 11 and 13, 15: two resets among six requests.
    let added = carry_out(&one);
    assert_eq!(answered(&added), (4, ("reset", 2)));
    assert_eq!(
        example(&added, "reset"),
        "post: the server reset the stream: INTERNAL_ERROR"
    );
    assert_eq!(server.connections(), 1);
    assert_eq!(server.frames(HEADERS).len(), 8);
}

#[test]
fn no_more_streams_are_open_than_the_server_takes() {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let held: Mutex<Vec<u32>> = Mutex::default();
    let server = Server::new(
        settings(&[(MAX_CONCURRENT_STREAMS, 3)]),
        move |_, frame, asked| {
            if !frame.asks() {
                return Some(vec![]);
            }
            let mut held = held.lock().unwrap();
            held.push(frame.stream);
            if asked.len() <= 6 {
                // Sent before our settings arrived: refused beyond three, as a server does.
                let refused = held.len() > 3;
                return Some(if refused {
                    held.pop();
                    reset(frame.stream, 7)
                } else {
                    vec![]
                });
            }
            seen.fetch_max(held.len(), Ordering::SeqCst);
            Some(held.drain(..).flat_map(ok).collect())
        },
    );
    let mut six = plan(&server, 6, 60, vec![get("/")]);
    six["http"]["connections_max"] = json!(1);
    six["http"]["timeout_ns"] = json!(300_000_000);
    let added = carry_out(&six);
    // The three that the server held without an answer time out, and make room for those that it refused.
    assert_eq!(answered(&added), (57, ("timeout", 3)));
    assert!(most.load(Ordering::SeqCst) <= 3 + 3);
    assert_eq!(server.connections(), 1);
}

/// A window that never opens: the request times out, says why, and the connection serves others.
#[test]
fn a_window_that_never_opens_is_a_timeout_that_says_so() {
    let server = Server::new(settings(&[(INITIAL_WINDOW_SIZE, 0)]), |_, frame, _| {
        Some(if frame.asks() {
            ok(frame.stream)
        } else {
            vec![]
        })
    });
    let steps = vec![get("/"), post("0123456789")];
    let mut one = plan(&server, 1, 2, steps);
    one["http"]["timeout_ns"] = json!(50_000_000);
    let added = carry_out(&one);
    assert_eq!(answered(&added), (2, ("timeout", 2)));
    assert_eq!(
        example(&added, "timeout"),
        "post: no complete answer within 50 ms: 10 of the body's 10 bytes wait for the server to open its window"
    );
    let resets = server.frames(RST_STREAM);
    assert_eq!(resets.len(), 2);
    assert_eq!(resets[0].payload, [0, 0, 0, 8]);
    assert_eq!(server.connections(), 1);
}

/// An upload goes as far as the window, and on when it opens: every byte arrives once and in order.
#[test]
fn an_upload_beyond_the_window_waits_for_it() {
    let server = Server::new(settings(&[(INITIAL_WINDOW_SIZE, 1_000)]), |_, frame, _| {
        let opened = |stream| frame_of_update(stream, frame.payload.len() as u32);
        Some(match frame.kind {
            DATA if frame.flags & END_STREAM != 0 => ok(frame.stream),
            DATA => [opened(frame.stream), opened(0)].concat(),
            _ => vec![],
        })
    });
    let body: String = (0..20_000).map(|at| format!("{at:05}")).collect();
    let added = carry_out(&plan(&server, 3, 6, vec![post(&body)]));
    assert_eq!(answered(&added), (6, ("", 0)));
    let mut bodies: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for frame in server.frames(DATA) {
        // Only what was sent before our settings arrived may be more: the window is 65,535 bytes until then.
        assert!(frame.payload.len() <= 1_000 || frame.stream <= 5);
        bodies
            .entry(frame.stream)
            .or_default()
            .extend(frame.payload);
    }
    assert_eq!(bodies.len(), 6);
    assert!(bodies.values().all(|got| got == body.as_bytes()));
    assert_eq!(server.connections(), 1);
}

/// One stream that is never answered does not hold up the others on its connection.
#[test]
fn a_timeout_is_one_streams_own() {
    let server = Server::new(settings(&[]), |_, frame, asked| {
        Some(if frame.asks() && asked.len() != 2 {
            ok(frame.stream)
        } else {
            vec![]
        })
    });
    let mut two = plan(&server, 2, 50, vec![get("/")]);
    two["http"]["timeout_ns"] = json!(100_000_000);
    assert_eq!(answered(&carry_out(&two)), (49, ("timeout", 1)));
    assert_eq!(server.connections(), 1);
    assert_eq!(server.frames(RST_STREAM).len(), 1);
}

#[test]
fn what_is_not_http2_is_named() {
    let cases: [(&str, Vec<u8>, &str, &str); 5] = [
        (
            "old",
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            "protocol",
            "does not speak HTTP/2 here",
        ),
        (
            "noise",
            b"\0\0\x04\0\0\0\0\0\0what".to_vec(),
            "protocol",
            "not HTTP/2",
        ),
        (
            "large",
            [settings(&[]), vec![0xff; 9]].concat(),
            "protocol",
            "above the 16384",
        ),
        (
            "push",
            [settings(&[]), frame(5, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])].concat(),
            "protocol",
            "push",
        ),
        (
            "window",
            [settings(&[]), frame_of_update(0, 0x7fff_ffff)].concat(),
            "protocol",
            "2^31-1",
        ),
    ];
    for (what, greeting, kind, text) in cases {
        let server = Server::new(greeting, |_, _, _| Some(vec![]));
        let added = carry_out(&plan(&server, 2, 2, vec![get("/")]));
        assert_eq!(answered(&added), (0, (kind, 2)), "{what}");
        assert!(
            example(&added, kind).contains(text),
            "{what}: {}",
            example(&added, kind)
        );
    }
}

/// The server is told why, before the connection closes.
#[test]
fn a_server_that_breaks_the_rules_hears_it() {
    let bad = [settings(&[]), frame(SETTINGS, 0, 7, &[])].concat();
    let server = Server::new(bad, |_, _, _| Some(vec![]));
    carry_out(&plan(&server, 1, 1, vec![get("/")]));
    let goodbye = server.frames(GOAWAY);
    assert_eq!(goodbye.len(), 1);
    assert_eq!(goodbye[0].payload, [0, 0, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn a_connection_that_ends_takes_its_streams_with_it_and_an_idle_one_nothing() {
    let mid = Server::new(settings(&[]), |_, frame, asked| {
        match (frame.asks(), asked.len()) {
            (true, 3) => None,
            _ => Some(vec![]),
        }
    });
    let added = carry_out(&plan(&mid, 3, 3, vec![get("/")]));
    // A reset where the server had not read everything.
    let (none, (kind, count)) = answered(&added);
    assert!(none == 0 && ["closed", "reset"].contains(&kind) && count == 3);

    // Every second request finds the connection closed; a GET is sent once more.
    let server = Server::new(settings(&[]), |_, frame, asked| {
        match (frame.asks(), asked.len()) {
            (true, 1) => Some(ok(frame.stream)),
            (true, _) => None,
            _ => Some(vec![]),
        }
    });
    let added = carry_out(&plan(&server, 1, 10, vec![get("/")]));
    assert_eq!(answered(&added), (10, ("", 0)));
    assert_eq!(server.connections(), 10);
}

/// Redirects, headers, expectations and extraction read what HTTP/2 brought as they read HTTP/1.1.
#[test]
fn answers_are_judged_as_with_http1() {
    let server = Server::new(settings(&[]), |_, frame, asked| {
        if !frame.asks() {
            return Some(vec![]);
        }
        let field = |name: &str, value: &str| {
            let lengths = [name.len() as u8, value.len() as u8];
            [
                &[0, lengths[0]],
                name.as_bytes(),
                &lengths[1..],
                value.as_bytes(),
            ]
            .concat()
        };
        Some(match asked.len() {
            1 => {
                let moved = [&[0x08, 3][..], b"302", &field("location", "/next")].concat();
                frame_end(HEADERS, frame.stream, &moved)
            }
            2 => {
                let head = [
                    &[0x88][..],
                    &field("x-token", "t17"),
                    &field("content-type", "application/json"),
                ]
                .concat();
                [
                    self::frame(HEADERS, END_HEADERS, frame.stream, &head),
                    frame_end(DATA, frame.stream, br#"{"id": 5}"#),
                ]
                .concat()
            }
            _ => ok(frame.stream),
        })
    });
    let first = with(
        get("/start"),
        json!({
            "expect": [{"json": {"path": "$.id", "equals": 5}}, {"header": {"name": "x-token", "contains": "t1"}}],
            "extract": [{"variable": "token", "header": "x-token"}, {"variable": "id", "json": "$.id"}],
        }),
    );
    let second = with(
        get("/{{ id }}"),
        json!({"headers": [["x-token", "{{ token }}"]]}),
    );
    let added = carry_out(&plan(&server, 1, 1, vec![first, second]));
    assert_eq!(
        (answered(&added), added.total("load.started")),
        ((2, ("", 0)), 2)
    );
    let asked = server.frames(HEADERS);
    let has = |at: usize, text: &[u8]| {
        asked[at]
            .payload
            .windows(text.len())
            .any(|part| part == text)
    };
    assert!(has(0, b"/start") && has(1, b"/next") && has(2, b"/5") && has(2, b"t17"));
}

/// A cookie comes back with the next request; a step that is not answered in its own time fails, alone.
#[test]
fn cookies_and_a_steps_own_timeout_hold() {
    let server = Server::new(settings(&[]), |_, frame, asked| {
        if !frame.asks() || asked.len().is_multiple_of(2) {
            return Some(vec![]);
        }
        let cookie = [&[0x88, 0, 10][..], b"set-cookie", &[12], b"id=7; Path=/"].concat();
        Some(frame_end(HEADERS, frame.stream, &cookie))
    });
    let slow = with(get("/slow"), json!({"timeout_ns": 50_000_000}));
    let mut two = plan(&server, 1, 2, vec![get("/in"), slow]);
    two["scenarios"][0]["cookies"] = json!(true);
    assert_eq!(answered(&carry_out(&two)), (2, ("timeout", 2)));
    let asked = server.frames(HEADERS);
    let sent: Vec<bool> = asked
        .iter()
        .map(|frame| frame.payload.windows(4).any(|part| part == b"id=7"))
        .collect();
    assert_eq!(sent, [false, true, false, true]);
    assert_eq!(
        (server.connections(), server.frames(RST_STREAM).len()),
        (1, 2)
    );
}

#[test]
fn our_settings_are_acknowledged_and_theirs_by_us() {
    let server = Server::new(settings(&[]), |_, frame, _| {
        Some(match (frame.kind, frame.flags & ACK) {
            (SETTINGS, 0) => self::frame(SETTINGS, ACK, 0, &[]),
            _ if frame.asks() => ok(frame.stream),
            _ => vec![],
        })
    });
    assert_eq!(
        answered(&carry_out(&plan(&server, 1, 5, vec![get("/")]))),
        (5, ("", 0))
    );
    let told: Vec<u8> = server
        .frames(SETTINGS)
        .iter()
        .map(|frame| frame.flags)
        .collect();
    assert_eq!(told, [0, ACK]);
}

#[test]
fn versions_that_cannot_be_are_refused_before_the_start() {
    let mut wrong = support::plan(80, 1, 1, vec![get("/")]);
    wrong["http"]["version"] = json!("2");
    wrong["http"]["streams_max"] = json!(0);
    let problems = scaleworthy_engine::Run::new(&wrong.to_string())
        .err()
        .unwrap();
    assert!(problems.0[0].starts_with("http.streams_max: must be at least 1"));
    assert!(problems.0[1].contains("say \"2-prior-knowledge\""));

    // However deep it stands: these need a connection of their own.
    let socket =
        json!({"websocket": {"request": {"name": "w", "method": "GET", "path": "/"}, "steps": []}});
    let repeated = json!({"loop": {"count": 2, "steps": [socket]}});
    let mut shared = support::plan(80, 1, 1, vec![repeated]);
    shared["http"]["version"] = json!("2-prior-knowledge");
    let problems = scaleworthy_engine::Run::new(&shared.to_string())
        .err()
        .unwrap();
    assert!(
        problems.0[0].contains("a websocket is read over HTTP/1.1"),
        "{problems}"
    );
}
