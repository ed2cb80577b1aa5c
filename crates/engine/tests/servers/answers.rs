//! What real servers send, whole and broken, and what becomes of it.
use std::io::{Read, Write};
use std::time::Duration;

use crate::support::{Site, answer, carry_out, get, plan, with};
use serde_json::json;

/// A gigabyte that nobody looks at streams through; where somebody looks, it is refused at the limit.
#[test]
fn a_body_of_one_gigabyte_is_counted_and_never_kept() {
    const BYTES: u64 = 1 << 30;
    let site = Site::requests(|_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BYTES}\r\n\r\n");
        let piece = vec![b'x'; 1 << 20];
        stream.write_all(head.as_bytes()).is_ok()
            && (0..BYTES >> 20).all(|_| stream.write_all(&piece).is_ok())
    });
    let mut large = plan(site.port, 1, 1, vec![get("/")]);
    large["http"]["timeout_ns"] = json!(60_000_000_000u64);
    large["load"]["stages"][0]["duration_ns"] = json!(60_000_000_000u64);
    let added = carry_out(&large);
    assert_eq!((added.error(), added.total("load.answered")), (("", 0), 1));
    assert!(added.total("load.bytes_received") > BYTES);

    let looked_at = with(get("/"), json!({"expect": [{"body_contains": "y"}]}));
    let added = carry_out(&plan(site.port, 1, 1, vec![looked_at]));
    assert_eq!(
        (added.error(), added.total("load.answered")),
        (("body-too-large", 1), 0)
    );
    assert!(added.total("load.bytes_received") < 3_000_000);
}

#[test]
fn a_connection_that_ends_early_is_closed_and_one_that_is_torn_down_is_reset() {
    let silent = Site::requests(|_, _| false);
    assert_eq!(
        carry_out(&plan(silent.port, 2, 5, vec![get("/")])).error(),
        ("closed", 5)
    );

    let midway = Site::requests(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
        false
    });
    assert_eq!(
        carry_out(&plan(midway.port, 1, 2, vec![get("/")])).error(),
        ("closed", 2)
    );

    // Closing with unread bytes sends a reset.
    let rude = Site::connections(|stream| {
        let _ = stream.peek(&mut [0; 1]);
    });
    assert_eq!(
        carry_out(&plan(rude.port, 1, 2, vec![get("/")])).error(),
        ("reset", 2)
    );
}

#[test]
fn a_server_that_never_answers_or_stops_midway_times_out() {
    for beginning in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        "HTTP/1.1 2",
    ] {
        let site = Site::requests(move |_, stream| stream.write_all(beginning.as_bytes()).is_ok());
        let mut patient = plan(site.port, 2, 4, vec![get("/")]);
        patient["http"]["timeout_ns"] = json!(60_000_000);
        let added = carry_out(&patient);
        assert_eq!(
            (added.error(), added.total("load.answered")),
            (("timeout", 4), 0)
        );
        assert!(
            added.examples["timeout"].contains("60 ms"),
            "{:?}",
            added.examples
        );
    }
}

#[test]
fn garbage_is_a_protocol_error_with_a_reason() {
    for garbage in [
        "220 mail ESMTP\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 101 -\r\n\r\n",
    ] {
        let site = Site::requests(move |_, stream| stream.write_all(garbage.as_bytes()).is_ok());
        let added = carry_out(&plan(site.port, 1, 3, vec![get("/")]));
        assert_eq!(added.error(), ("protocol", 3), "{garbage:?}");
        assert!(
            added.examples["protocol"].starts_with("/: got "),
            "{:?}",
            added.examples
        );
    }
}

#[test]
fn nobody_listening_is_a_connect_error_and_users_do_not_hammer() {
    let port = Site::requests(|_, _| false).port;
    let mut refused = plan(port, 3, 1000, vec![get("/")]);
    refused["load"]["stages"][0]["duration_ns"] = json!(350_000_000);
    let added = carry_out(&refused);
    let (kind, count) = added.error();
    assert_eq!(kind, "connect");
    // 3 users, a pause of 100 ms after each failure, 350 ms.
    assert!((9..=12).contains(&count), "{count}");
    assert!(
        added.examples["connect"].contains("refused"),
        "{:?}",
        added.examples
    );
}

/// The server closes after each answer without having said so: a GET is sent again and nobody sees a failure.
#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced_where_that_is_safe() {
    let site = Site::requests(|_, stream| {
        answer(stream, 200, "", b"ok");
        false
    });
    let added = carry_out(&plan(site.port, 4, 200, vec![get("/")]));
    assert_eq!(
        (added.error(), added.total("load.answered")),
        (("", 0), 200)
    );
    assert_eq!(site.seen().len(), 200);

    // A POST may have had its effect: it is not sent twice.
    let post = with(get("/"), json!({"method": "POST"}));
    let added = carry_out(&plan(site.port, 4, 200, vec![post]));
    assert_eq!(site.seen().len() as u64, 200 + added.total("load.answered"));
    assert_eq!(added.total("load.started"), 200);
}

#[test]
fn a_connection_that_says_close_is_not_used_again() {
    let site = Site::requests(|_, stream| answer(stream, 200, "connection: close\r\n", b"ok"));
    let post = with(get("/"), json!({"method": "POST"}));
    let added = carry_out(&plan(site.port, 2, 50, vec![post]));
    assert_eq!((added.error(), added.total("load.answered")), (("", 0), 50));
}

#[test]
fn without_keep_alive_every_request_has_its_own_connection_and_says_so() {
    let site = Site::requests(|_, stream| answer(stream, 200, "", b"ok"));
    let mut single = plan(site.port, 2, 20, vec![get("/")]);
    single["http"]["keep_alive"] = json!(false);
    assert_eq!(carry_out(&single).error(), ("", 0));
    assert!(
        site.seen()
            .iter()
            .all(|request| request.header("connection") == Some("close"))
    );
}

#[test]
fn every_framing_and_coding_is_read_also_byte_by_byte() {
    let zstd = zstd::encode_all(b"{\"a\": [1, {\"b\": \"hello\"}]}".as_slice(), 1).unwrap();
    let mut cases: Vec<Vec<u8>> = vec![
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n17;x=y\r\n\": [1, {\"b\": \"hello\"}]}\r\n0\r\nt: 1\r\n\r\n".to_vec(),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\n{\"a\": [1, {\"b\": \"hello\"}]}".to_vec(),
        b"HTTP/1.0 200 OK\r\n\r\n{\"a\": [1, {\"b\": \"hello\"}]}".to_vec(),
    ];
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: zstd\r\ncontent-length: {}\r\n\r\n",
        zstd.len()
    );
    cases.push([head.as_bytes(), &zstd].concat());
    for bytes in cases {
        let until_close = bytes.starts_with(b"HTTP/1.0");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for slowly in [false, true] {
            let bytes = bytes.clone();
            let site = Site::requests(move |_, stream| {
                let piece = if slowly { 1 } else { bytes.len() };
                stream.set_nodelay(true).unwrap();
                bytes
                    .chunks(piece)
                    .all(|piece| stream.write_all(piece).is_ok())
                    && !until_close
            });
            let step = with(
                get("/"),
                json!({"expect": [{"json": {"path": "$.a[1].b", "equals": "hello"}}]}),
            );
            let added = carry_out(&plan(site.port, 1, 3, vec![step]));
            assert_eq!(
                (added.error(), added.total("load.answered")),
                (("", 0), 3),
                "{text} {:?}",
                added.examples
            );
        }
    }
}

#[test]
fn answers_without_a_body_leave_the_connection_usable() {
    let site = Site::requests(|request, stream| {
        let head: &[u8] = match request.line() {
            "HEAD /head" => b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",
            "GET /204" => b"HTTP/1.1 204 No Content\r\n\r\n",
            _ => b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        };
        stream.write_all(head).is_ok()
    });
    let head = with(get("/head"), json!({"method": "HEAD"}));
    let added = carry_out(&plan(site.port, 1, 5, vec![head, get("/204"), get("/304")]));
    assert_eq!((added.error(), added.total("load.answered")), (("", 0), 15));
    assert_eq!(
        added.statuses.into_iter().collect::<Vec<_>>(),
        [("200".into(), 5), ("204".into(), 5), ("304".into(), 5)]
    );
}

/// More than the socket takes at once, to a server that reads slowly.
#[test]
fn a_large_request_goes_out_in_parts() {
    let body = "0123456789".repeat(800_000);
    let wanted = body.len();
    let site = Site::connections(move |stream| {
        std::thread::sleep(Duration::from_millis(30));
        let (mut got, mut buffer, mut head) = (0, vec![0; 40_000], vec![]);
        while got == 0 || got < wanted + head.len() {
            let length = stream.read(&mut buffer).unwrap_or(0);
            if length == 0 {
                return;
            }
            if got == 0 {
                let end = buffer
                    .windows(4)
                    .position(|window| window == b"\r\n\r\n")
                    .unwrap();
                head = buffer[..end + 4].to_vec();
            }
            got += length;
        }
        answer(
            stream,
            200,
            "",
            if got == wanted + head.len() {
                b"all"
            } else {
                b"no"
            },
        );
    });
    let upload = json!({"method": "PUT", "body": body, "expect": [{"status": [200]}, {"body_contains": "all"}]});
    let added = carry_out(&plan(site.port, 1, 1, vec![with(get("/"), upload)]));
    assert_eq!(
        (added.error(), added.total("load.answered")),
        (("", 0), 1),
        "{:?}",
        added.examples
    );
    assert!(added.total("load.bytes_sent") > wanted as u64);
}
