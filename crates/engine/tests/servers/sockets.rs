//! WebSockets against a real server (tungstenite), and against scripted ones that break the rules.
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Site, carry_out, plan};
use base64::Engine as _;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};
use tungstenite::Message;
use tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

/// A real server that answers each message with what `answer` says.
fn talkative(answer: impl Fn(Message) -> Vec<Message> + Send + Sync + 'static) -> Site {
    Site::connections(move |stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else {
            return;
        };
        while let Ok(message) = socket.read() {
            if !(message.is_text() || message.is_binary()) {
                continue;
            }
            for said in answer(message) {
                if socket.send(said).is_err() {
                    return;
                }
            }
        }
    })
}

fn echo() -> Site {
    talkative(|message| vec![message])
}

/// Agree to the switch, then do as `script` says with the bare connection.
fn scripted(script: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Site {
    Site::requests(move |request, stream| {
        let key = request.header("sec-websocket-key").unwrap();
        let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = base64::engine::general_purpose::STANDARD
            .encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes()));
        let head = format!(
            "HTTP/1.1 101 -\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        script(stream);
        false
    })
}

fn socket(steps: Value) -> Value {
    json!({"websocket": {"request": {"name": "open", "method": "GET", "path": "/ws"}, "steps": steps}})
}

fn talk(send: &str) -> Value {
    json!({"message": {"name": format!("talk {send}"), "send": {"text": send}, "receive": {"timeout_ns": 200_000_000}}})
}

#[test]
fn messages_of_every_size_and_kind_come_back_as_they_were_sent() {
    let site = echo();
    let mut steps = vec![];
    for length in [0usize, 1, 7, 125, 126, 127, 65_535, 65_536, 200_000] {
        let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
        steps.push(json!({"message": {"name": "text", "send": {"text": text}, "receive": {},
                                      "expect": [{"body_matches": format!("^é{{{}}}x?$", (length / 2).min(900))}]}}));
        if length / 2 > 900 {
            steps.pop();
            steps.push(
                json!({"message": {"name": "text", "send": {"text": text.clone()}, "receive": {},
                                          "expect": [{"body_contains": text}]}}),
            );
        }
    }
    steps.push(json!({"message": {"name": "binary", "send": {"binary": "AAH/"}, "receive": {}}}));
    let wanted = steps.len() as u64;
    let added = carry_out(&plan(site.port, 2, 4, vec![socket(json!(steps))]));
    assert_eq!(added.error(), ("", 0), "{:?}", added.examples);
    assert_eq!(added.total("load.ws.messages_sent"), 4 * wanted);
    assert_eq!(added.total("load.ws.messages_received"), 4 * wanted);
    assert_eq!(added.total("load.answered"), 4 * (wanted + 1));
    assert_eq!(
        added.closes.iter().collect::<Vec<_>>(),
        [(&"1000".to_string(), &4)]
    );
    assert_eq!(added.statuses["101"], 4);
}

#[test]
fn values_read_from_a_message_stand_in_the_next() {
    let site = talkative(|message| {
        let text = message.to_text().unwrap().to_string();
        vec![Message::text(r#"{"type":"noise"}"#), Message::text(text)]
    });
    let steps = json!([
        {"message": {"name": "first", "send": {"json": "{\"type\":\"hello\",\"id\":{{ $n }}}"},
                     "receive": {"fits": [{"json": {"path": "$.type", "equals": "hello"}}]},
                     "extract": [{"variable": "id", "json": "$.id"}, {"variable": "all", "regex": ".*"}]}},
        {"message": {"name": "second", "send": {"json": "{\"type\":\"again\",\"all\":\"{{ all }}\"}"},
                     "receive": {"fits": [{"json": {"path": "$.type", "equals": "again"}}]},
                     "expect": [{"json": {"path": "$.all", "equals": "{\"type\":\"hello\",\"id\":0}"}}]}},
    ]);
    let added = carry_out(&plan(site.port, 1, 1, vec![socket(steps)]));
    assert_eq!(added.error(), ("", 0), "{:?}", added.examples);
    // Two that were waited for, two that were passed over.
    assert_eq!(added.total("load.ws.messages_received"), 4);
}

#[test]
fn what_the_server_says_first_is_kept_for_the_step_that_asks_for_it() {
    let site = Site::connections(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        socket.send(Message::text("welcome")).unwrap();
        while let Ok(message) = socket.read() {
            if message.is_text() {
                socket.send(message).unwrap();
            }
        }
    });
    let steps = json!([
        {"think": {"min_ns": 20_000_000, "max_ns": 20_000_000}},
        {"message": {"name": "greeting", "receive": {}, "expect": [{"body_contains": "welcome"}]}},
        {"message": {"name": "lone", "send": {"text": "a"}}},
        {"think": {"min_ns": 20_000_000, "max_ns": 20_000_000}},
        // The answer to 'a' came before 'b' was said, so it is no answer to it.
        {"message": {"name": "b", "send": {"text": "b"}, "receive": {}, "expect": [{"body_matches": "^b$"}]}},
    ]);
    let added = carry_out(&plan(site.port, 1, 3, vec![socket(steps)]));
    assert_eq!(added.error(), ("", 0), "{:?}", added.examples);
    assert_eq!(added.total("load.answered"), 9);
    assert_eq!(added.total("load.ws.messages_sent"), 6);
}

#[test]
fn pings_are_timed_and_those_of_the_server_answered() {
    let site = scripted(|stream| {
        // A ping of ours, and what comes back must be its masked pong.
        stream.write_all(b"\x89\x02hi").unwrap();
        let mut pong = [0; 8];
        stream.read_exact(&mut pong).unwrap();
        assert_eq!(pong[..2], [0x8A, 0x82]);
        assert_eq!([pong[6] ^ pong[2], pong[7] ^ pong[3]], *b"hi");
        stream.write_all(b"\x81\x02ok").unwrap();
    });
    let wait =
        json!([{"message": {"name": "wait", "receive": {}, "expect": [{"body_contains": "ok"}]}}]);
    assert_eq!(
        carry_out(&plan(site.port, 1, 1, vec![socket(wait)])).error(),
        ("", 0)
    );

    let site = echo();
    let pings = json!([{"ping": {"name": "ping"}}, {"ping": {"name": "ping"}}]);
    let added = carry_out(&plan(site.port, 1, 5, vec![socket(pings)]));
    assert_eq!((added.error(), added.total("load.answered")), (("", 0), 15));
}

#[test]
fn a_refused_opening_fails_by_its_status_and_ends_the_iteration() {
    let site = Site::requests(|_, stream| crate::support::answer(stream, 403, "", b"no"));
    let added = carry_out(&plan(site.port, 1, 3, vec![socket(json!([talk("a")]))]));
    assert_eq!(added.error(), ("expect-status", 3));
    assert_eq!(added.total("load.planned"), 3);

    // Where the plan expects it, the scenario goes on behind the socket.
    let mut refused = socket(json!([talk("a")]));
    refused["websocket"]["request"]["expect"] = json!([{"status": [403]}]);
    let after = crate::support::get("/after");
    let after = crate::support::with(after, json!({"expect": [{"status": [403]}]}));
    let added = carry_out(&plan(site.port, 1, 3, vec![refused, after]));
    assert_eq!((added.error(), added.total("load.answered")), (("", 0), 6));
    assert_eq!(site.lines().last().unwrap(), "GET /after");
}

#[test]
fn an_answer_that_proves_nothing_is_a_protocol_error() {
    let site = Site::requests(|_, stream| {
        let _ = stream
            .write_all(b"HTTP/1.1 101 -\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n");
        false
    });
    let added = carry_out(&plan(site.port, 1, 2, vec![socket(json!([talk("a")]))]));
    assert_eq!(added.error(), ("protocol", 2));
    assert!(
        added.examples["protocol"].contains("sec-websocket-accept"),
        "{:?}",
        added.examples
    );
}

#[test]
fn a_server_that_never_answers_times_out_with_a_reason() {
    let silent = talkative(|_| vec![]);
    let added = carry_out(&plan(silent.port, 2, 4, vec![socket(json!([talk("a")]))]));
    assert_eq!(added.error(), ("timeout", 4));
    assert!(
        added.examples["timeout"].contains("no message within 200 ms"),
        "{:?}",
        added.examples
    );
    assert_eq!(added.closes["1000"], 4);

    let chatty = talkative(|_| vec![Message::text("other"), Message::text("other")]);
    let mut picky = talk("a");
    picky["message"]["receive"]["fits"] = json!([{"body_contains": "mine"}]);
    let added = carry_out(&plan(chatty.port, 1, 1, vec![socket(json!([picky]))]));
    assert!(
        added.examples["timeout"].contains("of 2 that came"),
        "{:?}",
        added.examples
    );
}

#[test]
fn frames_against_the_rules_end_the_socket_with_the_right_code() {
    let cases: [(&[u8], &str, &str, &str); 14] = [
        (b"\x81\x02\xff\xfe", "protocol", "UTF-8", "1007"),
        (b"\x81\x82\0\0\0\0hi", "protocol", "masked", "1002"),
        (b"\xC1\x02hi", "protocol", "reserved", "1002"),
        (b"\x83\x02hi", "protocol", "unknown", "1002"),
        (b"\x80\x02hi", "protocol", "continuation", "1002"),
        (b"\x09\x02hi", "protocol", "control", "1002"),
        // Not UTF-8 only once its parts are joined.
        (b"\x01\x01\xc3\x80\x01\x28", "protocol", "UTF-8", "1007"),
        (b"\x01\x02hi\x81\x02hi", "protocol", "last part", "1002"),
        (b"\x88\x01\x03", "protocol", "half a code", "1002"),
        (b"\x88\x02\x03\xe7", "protocol", "may not be sent", "1002"), // 999
        (b"\x88\x02\x03\xee", "protocol", "may not be sent", "1002"), // 1006
        (b"\x88\x02\xff\xff", "protocol", "may not be sent", "1002"), // 65535
        (b"\x88\x04\x03\xe8\xff\xfe", "protocol", "reason", "1002"),
        // 100 MB are told of, and none of them read.
        (
            b"\x82\x7f\0\0\0\0\x05\xf5\xe1\0",
            "body-too-large",
            "100000000",
            "1009",
        ),
    ];
    for (bytes, kind, told, code) in cases {
        let site = scripted(move |stream| {
            let _ = stream.write_all(bytes);
            let _ = stream.read_to_end(&mut vec![]);
        });
        let added = carry_out(&plan(site.port, 1, 1, vec![socket(json!([talk("a")]))]));
        assert_eq!(added.error(), (kind, 1), "{bytes:?} {:?}", added.examples);
        assert!(added.examples[kind].contains(told), "{:?}", added.examples);
        assert_eq!(added.closes[code], 1);
    }
}

#[test]
fn a_message_in_parts_is_one_also_with_a_ping_between_and_byte_by_byte() {
    const BYTES: &[u8] = b"\x01\x02\xc3\xa9\x89\x00\x00\x01\xc3\x80\x03\xa9ok";
    for slowly in [false, true] {
        let site = scripted(move |stream| {
            stream.set_nodelay(true).unwrap();
            for piece in BYTES.chunks(if slowly { 1 } else { BYTES.len() }) {
                stream.write_all(piece).unwrap();
            }
            let _ = stream.read(&mut [0; 100]);
        });
        let wait = json!([{"message": {"name": "wait", "receive": {}, "expect": [{"body_matches": "^ééok$"}]}}]);
        let added = carry_out(&plan(site.port, 1, 1, vec![socket(wait)]));
        assert_eq!(added.error(), ("", 0), "{:?}", added.examples);
    }
}

#[test]
fn a_socket_that_the_server_closes_fails_the_step_that_waits_and_the_next_iteration_opens_another()
{
    let site = Site::connections(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        let _ = socket.read();
        let why = CloseFrame {
            code: CloseCode::from(4001),
            reason: "enough".into(),
        };
        let _ = socket.close(Some(why));
        while socket.read().is_ok() {}
    });
    let added = carry_out(&plan(site.port, 1, 3, vec![socket(json!([talk("a")]))]));
    assert_eq!(added.error(), ("ws-close", 3));
    assert!(
        added.examples["ws-close"].contains("4001"),
        "{:?}",
        added.examples
    );
    assert!(
        added.examples["ws-close"].contains("enough"),
        "{:?}",
        added.examples
    );
    assert_eq!(added.closes["4001"], 3);

    // Gone without a word: 1006.
    let rude = scripted(|stream| _ = stream.read(&mut [0; 100]));
    let added = carry_out(&plan(rude.port, 1, 2, vec![socket(json!([talk("a")]))]));
    assert_eq!(added.error(), ("closed", 2));
    assert_eq!(added.closes["1006"], 2);
}

#[test]
fn with_reconnect_the_step_after_the_loss_opens_the_socket_again() {
    // Two answers per connection, then it ends.
    let site = Site::connections(|stream| {
        // Otherwise the close frame waits for the acknowledgement of what went before it.
        stream.set_nodelay(true).unwrap();
        let mut socket = tungstenite::accept(stream).unwrap();
        for _ in 0..2 {
            let Ok(message) = socket.read() else { return };
            let _ = socket.send(message);
        }
        let _ = socket.close(None);
        while socket.read().is_ok() {}
    });
    let pause = json!({"think": {"min_ns": 30_000_000, "max_ns": 30_000_000}});
    let mut steady = socket(json!([
        talk("a"),
        talk("b"),
        pause,
        talk("c"),
        talk("d"),
        pause,
        talk("e")
    ]));
    steady["websocket"]["reconnect"] = json!(true);
    let added = carry_out(&plan(site.port, 1, 1, vec![steady]));
    assert_eq!(added.error(), ("", 0), "{:?}", added.examples);
    assert_eq!(added.statuses["101"], 3);
    assert_eq!(added.total("load.ws.messages_received"), 5);
}

#[test]
fn sockets_that_are_held_to_the_end_are_closed_as_going_away() {
    let site = echo();
    let hold =
        json!([talk("a"), {"think": {"min_ns": 60_000_000_000u64, "max_ns": 60_000_000_000u64}}]);
    let mut held = plan(site.port, 20, 1000, vec![socket(hold)]);
    held["load"]["stages"][0]["duration_ns"] = json!(300_000_000);
    held["grace_ns"] = json!(2_000_000_000);
    let added = carry_out(&held);
    assert_eq!((added.error(), added.closes["1001"]), (("", 0), 20));
}

#[test]
fn a_flood_that_the_server_does_not_read_waits_and_then_times_out() {
    let site = scripted(|_| std::thread::sleep(std::time::Duration::from_millis(700)));
    let big = "x".repeat(1_000_000);
    let flood: Vec<Value> = (0..50)
        .map(|_| json!({"message": {"name": "flood", "send": {"text": big}}}))
        .collect();
    let mut stuck = plan(site.port, 1, 1, vec![socket(json!(flood))]);
    stuck["http"]["timeout_ns"] = json!(200_000_000);
    let added = carry_out(&stuck);
    assert_eq!(added.error(), ("timeout", 1), "{:?}", added.examples);
    assert!(
        added.examples["timeout"].contains("took no more"),
        "{:?}",
        added.examples
    );
    assert!(added.total("load.ws.messages_sent") < 50);
}

#[test]
fn subprotocols_headers_and_the_handshake_are_as_the_plan_says() {
    let site = Site::requests(|_, stream| crate::support::answer(stream, 400, "", b""));
    let mut asking = socket(json!([talk("a")]));
    asking["websocket"]["subprotocols"] = json!(["chat", "v2"]);
    asking["websocket"]["request"]["headers"] = json!([["authorization", "Bearer {{ t }}"]]);
    let mut made = plan(site.port, 1, 2, vec![asking]);
    made["variables"] = json!({"t": "abc"});
    carry_out(&made);
    let seen = site.seen();
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, v2"),
        ("authorization", "Bearer abc"),
    ] {
        assert_eq!(seen[0].header(name), Some(value));
    }
    let keys: Vec<_> = seen
        .iter()
        .map(|one| one.header("sec-websocket-key").unwrap())
        .collect();
    assert_ne!(keys[0], keys[1]);
    assert_eq!(seen[0].header("sec-websocket-extensions"), None);
}

#[test]
fn half_a_frame_is_a_lost_connection_or_a_time_out() {
    for (halves, hangs) in [
        (&b"\x81"[..], false),
        (b"\x81\x05he", false),
        (b"\x81\x05he", true),
    ] {
        let site = scripted(move |stream| {
            let _ = stream.write_all(halves);
            // Otherwise what is unread makes the end a reset.
            let _ = stream.read(&mut [0; 100]);
            while hangs && stream.read(&mut [0; 100]).is_ok_and(|length| length > 0) {}
        });
        let wait = json!([talk("a")]);
        let mut made = plan(site.port, 1, 1, vec![socket(wait)]);
        made["http"]["connect_timeout_ns"] = json!(200_000_000);
        let added = carry_out(&made);
        let kind = if hangs { "timeout" } else { "closed" };
        assert_eq!(added.error(), (kind, 1), "{:?}", added.examples);
        assert_eq!(added.closes["1006"], 1);
    }
}

#[test]
fn an_opening_that_is_never_answered_times_out_and_a_close_without_a_code_is_1005() {
    let silent = Site::requests(|_, stream| {
        let _ = stream.read(&mut [0; 100]);
        false
    });
    let mut made = plan(silent.port, 1, 1, vec![socket(json!([talk("a")]))]);
    made["http"]["timeout_ns"] = json!(200_000_000);
    let added = carry_out(&made);
    assert_eq!(added.error(), ("timeout", 1), "{:?}", added.examples);
    assert_eq!(added.closes.len(), 0);

    let terse = scripted(|stream| {
        let _ = stream.write_all(b"\x88\x00");
        let _ = stream.read_to_end(&mut vec![]);
    });
    let added = carry_out(&plan(terse.port, 1, 1, vec![socket(json!([talk("a")]))]));
    assert_eq!(added.error(), ("ws-close", 1), "{:?}", added.examples);
    assert!(added.examples["ws-close"].contains("no code given"));
    assert_eq!(added.closes["1005"], 1);
}

#[test]
fn a_message_without_end_is_cut_off_at_the_limit_whatever_its_parts() {
    let endless = scripted(|stream| {
        let mut part = vec![0x00, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        part.resize(10 + 65_536, b'x');
        // A first part, and then hundreds of megabytes of further ones.
        let mut sent = stream.write_all(b"\x02\x01x");
        for _ in 0..5_000 {
            sent = sent.and_then(|()| stream.write_all(&part));
        }
        assert!(sent.is_err(), "all of it was taken");
    });
    let mut made = plan(endless.port, 1, 1, vec![socket(json!([talk("a")]))]);
    made["http"]["body_bytes_max"] = json!(1_000_000);
    let added = carry_out(&made);
    assert_eq!(added.error(), ("body-too-large", 1), "{:?}", added.examples);
    assert_eq!(added.closes["1009"], 1);
    assert!(added.total("load.bytes_received") < 20_000_000);
}

#[test]
fn pings_that_are_not_waited_for_do_not_pile_up() {
    const PINGS: usize = 200_000;
    let (tell, told) = std::sync::mpsc::channel();
    let site = scripted(move |stream| {
        let ping = [&[0x89, 100][..], &[b'x'; 100]].concat();
        for _ in 0..PINGS / 100 {
            stream.write_all(&ping.repeat(100)).unwrap();
        }
        stream.write_all(b"\x81\x02ok").unwrap();
        let mut pongs = vec![];
        let _ = stream.read_to_end(&mut pongs);
        let _ = tell.send(pongs.len());
    });
    let wait =
        json!([{"message": {"name": "wait", "receive": {}, "expect": [{"body_contains": "ok"}]}}]);
    let mut made = plan(site.port, 1, 1, vec![socket(wait)]);
    made["http"]["connect_timeout_ns"] = json!(300_000_000);
    let added = carry_out(&made);
    assert_eq!(added.error(), ("", 0), "{:?}", added.examples);
    // What the kernel's buffers hold, and little more.
    assert!(told.recv().unwrap() < PINGS * 106 / 2);
}

#[test]
fn messages_that_nobody_answers_leave_together_and_before_what_comes_after_them() {
    let (tell, told) = std::sync::mpsc::channel();
    let site = scripted(move |stream| {
        let mut first = [0; 4_000];
        let length = stream.read(&mut first).unwrap();
        let _ = tell.send(first[..length].to_vec());
        stream.write_all(b"\x81\x02ok").unwrap();
        let _ = stream.read_to_end(&mut vec![]);
    });
    let said: Vec<Value> = (0..9)
        .map(|number| json!({"message": {"name": "lone", "send": {"text": format!("message {number}")}}}))
        .chain([talk("last")])
        .collect();
    let mut made = plan(site.port, 1, 1, vec![socket(json!(said))]);
    made["http"]["connect_timeout_ns"] = json!(200_000_000);
    let added = carry_out(&made);
    assert_eq!(added.error(), ("", 0), "{:?}", added.examples);
    assert_eq!(added.total("load.ws.messages_sent"), 10);
    // The server never answers our close frame.
    assert_eq!(added.closes["1006"], 1);

    let bytes = told.recv().unwrap();
    let (mut rest, mut texts) = (&bytes[..], vec![]);
    while let [0x81, length, a, b, c, d, more @ ..] = rest {
        let (payload, after) = more.split_at(usize::from(length & 0x7F));
        let unmasked = payload.iter().zip([a, b, c, d].into_iter().cycle());
        texts.push(
            unmasked
                .map(|(byte, key)| (byte ^ key) as char)
                .collect::<String>(),
        );
        rest = after;
    }
    assert_eq!(texts.len(), 10, "{texts:?}");
    assert_eq!((&*texts[0], &*texts[9]), ("message 0", "last"));
}

#[test]
fn a_user_who_only_sends_learns_that_the_connection_is_gone() {
    let rude = scripted(|_| {});
    let mut steps: Vec<Value> = vec![];
    for _ in 0..20 {
        steps.push(json!({"message": {"name": "lone", "send": {"text": "a"}}}));
        steps.push(json!({"think": {"min_ns": 5_000_000, "max_ns": 5_000_000}}));
    }
    let added = carry_out(&plan(rude.port, 1, 2, vec![socket(json!(steps))]));
    assert_eq!(added.error(), ("ws-close", 2), "{:?}", added.examples);
    assert_eq!(added.closes["1006"], 2);
}
