use proptest::prelude::*;

use super::connection::{Ask, Connection, Event, Fatal};
use super::frame::{self, Code, HEAD_BYTES, Head, flag, kind, setting};
use super::hpack::{put_indexed, put_literal};
use super::request::translate;
use crate::http1::{Wants, Wrong};

const ALL: Wants = Wants {
    cookies: false,
    to_head_request: false,
    head: true,
    body: true,
    call: false,
    body_bytes_max: 1 << 20,
    upgrade: false,
};

/// A connection that has said hello, was told `settings`, and whose output so far is taken.
fn connected(settings: &[(u16, u32)]) -> Connection {
    let mut connection = Connection::new();
    assert!(connection.out.starts_with(frame::PREFACE));
    assert_eq!(
        told(&mut connection, &said(settings)).unwrap(),
        [Event::Settings]
    );
    connection.out.clear();
    connection
}

fn said(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = vec![];
    for (id, value) in settings {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    one(kind::SETTINGS, 0, 0, &payload)
}

fn one(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    frame::put(&mut out, kind, flags, stream, payload);
    out
}

/// What comes of `bytes`, all of them read.
fn told(connection: &mut Connection, mut bytes: &[u8]) -> Result<Vec<Event>, Fatal> {
    let mut events = vec![];
    while let Some(event) = connection.next(&mut bytes, 7, &mut |_, _| {})? {
        events.push(event);
    }
    Ok(events)
}

/// Begin a stream and have it sent.
fn asked(connection: &mut Connection, wants: Wants, body: &[u8]) -> u32 {
    let id = connection.begin(Ask {
        user: 9,
        series: 0,
        wants,
        block: &[0x82],
        body,
        more: false,
    });
    if let Some(stream) = connection.streams.get(id) {
        stream.clocks.sent_ns = 1;
    }
    id
}

fn block(status: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![];
    put_indexed(&mut out, status);
    for (name, value) in fields {
        put_literal(&mut out, 0, name.as_bytes(), value.as_bytes(), false);
    }
    out
}

const STATUS_200: u8 = 8;
const STATUS_204: u8 = 9;

/// The frames in `out`: kind, flags, stream, payload bytes.
fn sent(connection: &mut Connection) -> Vec<(u8, u8, u32, usize)> {
    let out = std::mem::take(&mut connection.out);
    let mut frames = vec![];
    let mut rest = &out[..];
    while let Some(head) = Head::parse(rest) {
        frames.push((head.kind, head.flags, head.stream, head.length));
        rest = &rest[HEAD_BYTES + head.length..];
    }
    assert!(rest.is_empty());
    frames
}

/// An answer with everything that may stand around it: an announcement, padding, a priority, a header block in three
/// frames, an unknown frame between, and trailers.
fn adorned() -> Vec<u8> {
    let head = block(STATUS_200, &[("content-length", "5"), ("etag", "\"x\"")]);
    let mut announced = vec![];
    put_literal(&mut announced, 8, b"", b"103", false);
    let mut padded = vec![2];
    padded.extend_from_slice(&[0, 0, 0, 0, 16]);
    padded.extend_from_slice(&head[..3]);
    padded.extend_from_slice(&[0, 0]);
    [
        one(kind::HEADERS, flag::END_HEADERS, 1, &announced),
        one(kind::HEADERS, flag::PADDED | flag::PRIORITY, 1, &padded),
        one(kind::CONTINUATION, 0, 1, &head[3..9]),
        one(kind::CONTINUATION, flag::END_HEADERS, 1, &head[9..]),
        one(0xfa, 0xff, 1, b"whatever"),
        one(kind::DATA, flag::PADDED, 1, b"\x03hel\0\0\0"),
        one(kind::DATA, 0, 1, b""),
        one(kind::DATA, 0, 1, b"lo"),
        one(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM,
            1,
            &block(STATUS_204, &[])[1..],
        ),
    ]
    .concat()
}

/// Wherever the network cuts the bytes, the same answer comes out.
#[test]
fn an_answer_survives_every_cut() {
    let bytes = adorned();
    for cut in 0..=bytes.len() {
        let mut connection = connected(&[]);
        let id = asked(&mut connection, ALL, b"");
        let mut events = told(&mut connection, &bytes[..cut]).unwrap();
        for byte in &bytes[cut..] {
            events.extend(told(&mut connection, &[*byte]).unwrap());
        }
        let done = Event::Done {
            stream: id,
            status: 200,
        };
        assert_eq!(events, [done], "cut {cut}");
        let stream = connection.streams.get(id).unwrap();
        let answer = stream.kept.answer(200);
        assert_eq!(answer.body, b"hello", "cut {cut}");
        assert_eq!(answer.header("etag"), Some(b"\"x\"".as_slice()));
        assert_eq!(stream.clocks.first_byte_ns, 7);
    }
}

#[test]
fn what_nobody_looks_at_is_not_kept() {
    let mut connection = connected(&[]);
    let id = asked(&mut connection, Wants::default(), b"");
    told(&mut connection, &adorned()).unwrap();
    let answer = connection.streams.get(id).unwrap().kept.answer(200);
    assert_eq!((answer.head, answer.body), (&b""[..], &b""[..]));
}

#[test]
fn a_body_waits_for_both_windows_and_goes_on_when_they_open() {
    let mut connection = connected(&[(setting::INITIAL_WINDOW_SIZE, 10)]);
    let (one_id, two) = (
        asked(&mut connection, ALL, &[b'a'; 25]),
        asked(&mut connection, ALL, &[b'b'; 4]),
    );
    let headers = flag::END_HEADERS;
    assert_eq!(
        sent(&mut connection),
        [
            (kind::HEADERS, headers, one_id, 1),
            (kind::DATA, 0, one_id, 10),
            (kind::HEADERS, headers, two, 1),
            (kind::DATA, flag::END_STREAM, two, 4),
        ]
    );
    assert_eq!(
        connection.streams.get(one_id).unwrap().held_back(),
        Some((15, 25))
    );
    told(
        &mut connection,
        &one(kind::WINDOW_UPDATE, 0, one_id, &5u32.to_be_bytes()),
    )
    .unwrap();
    assert_eq!(sent(&mut connection), [(kind::DATA, 0, one_id, 5)]);
    // A smaller first window takes away what the stream still had (RFC 9113, 6.9.2): 0 - 9, so 9 more open nothing.
    told(&mut connection, &said(&[(setting::INITIAL_WINDOW_SIZE, 1)])).unwrap();
    told(
        &mut connection,
        &one(kind::WINDOW_UPDATE, 0, one_id, &9u32.to_be_bytes()),
    )
    .unwrap();
    assert_eq!(sent(&mut connection), [(kind::SETTINGS, flag::ACK, 0, 0)]);
    told(
        &mut connection,
        &said(&[(setting::INITIAL_WINDOW_SIZE, 101)]),
    )
    .unwrap();
    assert_eq!(
        sent(&mut connection),
        [
            (kind::SETTINGS, flag::ACK, 0, 0),
            (kind::DATA, flag::END_STREAM, one_id, 10)
        ]
    );
}

#[test]
fn the_connections_window_holds_all_streams_and_large_bodies_go_in_frames() {
    let mut connection = connected(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]);
    let first = asked(&mut connection, ALL, &[b'a'; 65_000]);
    let second = asked(&mut connection, ALL, &[b'b'; 1_000]);
    let data: Vec<usize> = sent(&mut connection)
        .iter()
        .filter(|(kind, ..)| *kind == kind::DATA)
        .map(|(.., length)| *length)
        .collect();
    assert_eq!(data, [16_384, 16_384, 16_384, 15_848, 535]);
    told(
        &mut connection,
        &one(kind::WINDOW_UPDATE, 0, 0, &1_000u32.to_be_bytes()),
    )
    .unwrap();
    assert_eq!(
        sent(&mut connection),
        [(kind::DATA, flag::END_STREAM, second, 465)]
    );
    assert_eq!(connection.streams.get(first).unwrap().held_back(), None);
}

#[test]
fn windows_of_the_server_are_opened_again_at_half() {
    let mut connection = connected(&[]);
    let id = asked(&mut connection, Wants::default(), b"");
    told(
        &mut connection,
        &one(kind::HEADERS, flag::END_HEADERS, id, &[0x88]),
    )
    .unwrap();
    let data = one(kind::DATA, 0, id, &[0; 16_384]);
    connection.out.clear();
    let mut opened = vec![];
    for _ in 0..512 {
        told(&mut connection, &data).unwrap();
        opened.extend(sent(&mut connection));
    }
    // 8 MiB: four times half of the stream's 4 MiB, once half of the connection's 16 MiB.
    let of = |stream| opened.iter().filter(|frame| frame.2 == stream).count();
    assert_eq!((of(id), of(0)), (4, 1));
}

#[test]
fn an_answer_that_does_not_wait_for_the_request_stops_it() {
    let mut connection = connected(&[(setting::INITIAL_WINDOW_SIZE, 3)]);
    let id = asked(&mut connection, ALL, b"large");
    connection.out.clear();
    let answer = one(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        id,
        &[0x88],
    );
    let done = Event::Done {
        stream: id,
        status: 200,
    };
    assert_eq!(told(&mut connection, &answer).unwrap(), [done]);
    assert_eq!(sent(&mut connection), [(kind::RST_STREAM, 0, id, 4)]);
    // What the server still says of the stream is passed over.
    connection.streams.end(id);
    let late = [
        one(kind::WINDOW_UPDATE, 0, id, &9u32.to_be_bytes()),
        one(kind::DATA, 0, id, b"more"),
        one(
            kind::HEADERS,
            flag::END_HEADERS,
            id,
            &block(STATUS_200, &[("a", "b")]),
        ),
        one(kind::RST_STREAM, 0, id, &[0; 4]),
    ];
    assert_eq!(told(&mut connection, &late.concat()).unwrap(), []);
    assert_eq!(sent(&mut connection), []);
}

#[test]
fn an_answer_that_is_none_costs_its_stream_alone() {
    let end = flag::END_HEADERS | flag::END_STREAM;
    let whole = |block: &[u8]| one(kind::HEADERS, end, 1, block);
    let cases: [(Vec<u8>, &str); 10] = [
        (whole(&[]), "without a status"),
        (whole(b"\x88\x00\x05Upper\x01a"), "upper case"),
        (
            whole(&block(STATUS_200, &[("a", "b\r\nc: d")])),
            "control characters",
        ),
        (
            whole(&block(STATUS_200, &[("connection", "close")])),
            "HTTP/1.1's connections",
        ),
        (whole(&block(STATUS_200, &[(":path", "/")])), "pseudo-field"),
        (whole(&[0x88, 0x88]), "second status"),
        (
            whole(&block(STATUS_200, &[("content-length", "x")])),
            "not a number",
        ),
        (
            whole(&block(STATUS_200, &[("content-length", "4")])),
            "not as long as",
        ),
        (one(kind::DATA, 0, 1, b"body"), "before its head"),
        (
            [
                one(kind::HEADERS, flag::END_HEADERS, 1, &[0x88]),
                one(kind::HEADERS, flag::END_HEADERS, 1, &[0x88]),
            ]
            .concat(),
            "second head",
        ),
    ];
    for (bytes, wanted) in cases {
        let mut connection = connected(&[]);
        let id = asked(&mut connection, ALL, b"");
        connection.out.clear();
        let got = told(&mut connection, &bytes).unwrap();
        assert!(
            matches!(&got[..], [Event::Wrong { stream, wrong: Wrong::Protocol(reason) }] if *stream == id && reason.contains(wanted)),
            "wanted {wanted:?}, got {got:?}"
        );
        assert_eq!(sent(&mut connection), [(kind::RST_STREAM, 0, id, 4)]);
    }
}

#[test]
fn a_connection_that_cannot_be_read_is_given_up_with_a_code() {
    let settings = one(kind::SETTINGS, 0, 0, &[]);
    let many = block(STATUS_200, &[("a", "b")]).repeat(8_000);
    let flood: Vec<u8> = std::iter::once(one(kind::HEADERS, 0, 1, &[0x88]))
        .chain(std::iter::repeat_n(
            one(kind::CONTINUATION, 0, 1, &many[..16_384]),
            5,
        ))
        .collect::<Vec<_>>()
        .concat();
    let cases: [(Vec<u8>, Code, &str); 14] = [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            Code::PROTOCOL_ERROR,
            "HTTP/1.1 answer",
        ),
        (
            one(kind::PING, 0, 0, &[0; 8]),
            Code::PROTOCOL_ERROR,
            "not HTTP/2",
        ),
        (
            [&settings[..], &[0, 0x40, 1, 0, 0, 0, 0, 0, 1]].concat(),
            Code::FRAME_SIZE_ERROR,
            "16384",
        ),
        (
            [&settings[..], &one(kind::PING, 0, 0, &[0; 7])].concat(),
            Code::FRAME_SIZE_ERROR,
            "as long as",
        ),
        (
            [&settings[..], &one(kind::DATA, 0, 0, &[])].concat(),
            Code::PROTOCOL_ERROR,
            "wrong stream",
        ),
        (
            [&settings[..], &one(kind::SETTINGS, 0, 1, &[])].concat(),
            Code::PROTOCOL_ERROR,
            "wrong stream",
        ),
        (
            [&settings[..], &one(kind::DATA, 0, 3, &[])].concat(),
            Code::PROTOCOL_ERROR,
            "never opened",
        ),
        (
            [&settings[..], &one(kind::DATA, flag::PADDED, 1, &[9, 0])].concat(),
            Code::PROTOCOL_ERROR,
            "padding",
        ),
        (
            [&settings[..], &one(kind::PUSH_PROMISE, 0, 1, &[0; 4])].concat(),
            Code::PROTOCOL_ERROR,
            "push",
        ),
        (
            [&settings[..], &one(kind::CONTINUATION, 0, 1, &[])].concat(),
            Code::PROTOCOL_ERROR,
            "beginning",
        ),
        (
            [&settings[..], &one(kind::HEADERS, 0, 1, &[]), &settings[..]].concat(),
            Code::PROTOCOL_ERROR,
            "cut off",
        ),
        (
            [
                &settings[..],
                &one(kind::HEADERS, flag::END_HEADERS, 1, &[0xbe]),
            ]
            .concat(),
            Code::COMPRESSION_ERROR,
            "table",
        ),
        (
            [
                &settings[..],
                &one(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]),
            ]
            .concat(),
            Code::FLOW_CONTROL_ERROR,
            "2^31-1",
        ),
        (
            [&settings[..], &flood].concat(),
            Code::ENHANCE_YOUR_CALM,
            "64 KiB",
        ),
    ];
    for (bytes, code, wanted) in cases {
        let mut connection = Connection::new();
        asked(&mut connection, ALL, b"");
        let got = told(&mut connection, &bytes).unwrap_err();
        assert_eq!(got.code, code, "{got:?}");
        assert!(
            got.reason.contains(wanted),
            "wanted {wanted:?}, got {got:?}"
        );
    }
}

#[test]
fn pings_are_answered_until_nobody_reads_the_answers() {
    let mut connection = connected(&[]);
    let ping = one(kind::PING, 0, 0, b"12345678");
    told(&mut connection, &ping).unwrap();
    assert_eq!(connection.out, one(kind::PING, flag::ACK, 0, b"12345678"));
    connection.all_sent();
    let flood = ping.repeat(20_000);
    assert_eq!(
        told(&mut connection, &flood).unwrap_err().code,
        Code::ENHANCE_YOUR_CALM
    );
}

#[test]
fn streams_are_found_however_many_and_however_old() {
    let mut connection = connected(&[]);
    let old = asked(&mut connection, ALL, b"");
    let mut open = vec![];
    for _ in 0..1_000 {
        open.push(asked(&mut connection, ALL, b""));
        if open.len() > 50 {
            connection.streams.end(open.remove(0));
        }
    }
    assert_eq!(connection.streams.open(), 51);
    for id in open.iter().chain([&old]) {
        assert_eq!(connection.streams.get(*id).unwrap().id, *id);
    }
    assert!(connection.streams.get(3).is_none());
    assert!(connection.streams.get(0).is_none());
}

#[test]
fn a_long_header_block_goes_out_in_frames() {
    let mut connection = connected(&[]);
    let long = vec![0x82; 40_000];
    connection.begin(Ask {
        user: 0,
        series: 0,
        wants: ALL,
        block: &long,
        body: b"",
        more: false,
    });
    assert_eq!(
        sent(&mut connection),
        [
            (kind::HEADERS, flag::END_STREAM, 1, 16_384),
            (kind::CONTINUATION, 0, 1, 16_384),
            (kind::CONTINUATION, flag::END_HEADERS, 1, 7_232),
        ]
    );
}

#[test]
fn a_rendered_request_becomes_fields_and_a_body() {
    let rendered = b"PATCH /a?b=c HTTP/1.1\r\nX-Own: 1\r\nHost: app.test:8080\r\nConnection: close\r\nTE: gzip\r\ncontent-length: 2\r\n\r\nhi";
    let mut got = vec![];
    assert_eq!(translate(rendered, true, &mut got), Some(&b"hi"[..]));
    let mut wanted = vec![];
    put_literal(&mut wanted, 2, b"", b"PATCH", false);
    put_indexed(&mut wanted, 7);
    put_literal(&mut wanted, 1, b"", b"app.test:8080", false);
    put_literal(&mut wanted, 4, b"", b"/a?b=c", false);
    put_literal(&mut wanted, 0, b"x-own", b"1", false);
    put_literal(&mut wanted, 28, b"", b"2", false);
    assert_eq!(got, wanted);
    for none in [
        &b""[..],
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a",
        b"nothing",
    ] {
        assert_eq!(translate(none, true, &mut vec![]), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever a server sends, and however it is cut: an event, an error, or nothing; never a panic.
    #[test]
    fn arbitrary_frames_are_survived(
        frames in proptest::collection::vec(
            (0u8..11, any::<u8>(), 0u32..6, proptest::collection::vec(any::<u8>(), 0..60)),
            0..20,
        ),
        cut in any::<usize>(),
    ) {
        let mut connection = connected(&[]);
        asked(&mut connection, ALL, &[7; 90_000]);
        asked(&mut connection, Wants::default(), b"");
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(kind, flags, stream, payload)| one(*kind, *flags, *stream, payload))
            .collect();
        let (before, after) = bytes.split_at(cut % (bytes.len() + 1));
        if told(&mut connection, before).is_ok() {
            let _ = told(&mut connection, after);
        }
    }

    /// An answer with some of its bytes changed.
    #[test]
    fn damaged_answers_are_survived(
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = adorned();
        for (at, value) in damage {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let mut connection = connected(&[]);
        asked(&mut connection, ALL, b"");
        let _ = told(&mut connection, &bytes);
    }

    #[test]
    fn arbitrary_bytes_are_no_request_or_one(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = translate(&bytes, false, &mut vec![]);
    }
}
