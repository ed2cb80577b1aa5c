//! Events out of pieces of every size, and what the common services' events say.
use std::sync::Arc;

use proptest::prelude::*;

use super::reading::{Goodput, Kept};
use super::{Event, Events, Framing, Reading, Spec, llm};

type Heard = Vec<(String, String)>;

fn heard(framing: Framing, pieces: &[&[u8]]) -> Heard {
    let (mut events, mut all) = (Events::new(framing), vec![]);
    let mut note = |event: Event<'_>| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        all.push((text(event.name), text(event.data)));
    };
    for piece in pieces {
        events.feed(piece, 1 << 20, &mut note).unwrap();
    }
    events.end(&mut note);
    all
}

fn pairs(wanted: &[(&str, &str)]) -> Heard {
    wanted
        .iter()
        .map(|(name, data)| (name.to_string(), data.to_string()))
        .collect()
}

/// The examples of WHATWG HTML, 9.2.6, and what its parsing rules say besides.
#[test]
fn server_sent_events_are_read_as_the_standard_says() {
    for (text, wanted) in [
        (
            "data: YHOO\ndata: +2\ndata: 10\n\n",
            pairs(&[("", "YHOO\n+2\n10")]),
        ),
        (
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
            pairs(&[("", "first event"), ("", "second event")]),
        ),
        (
            "data\n\ndata\ndata\n\ndata:",
            pairs(&[("", ""), ("", "\n")]),
        ),
        (
            "data:test\n\ndata: test\n\n",
            pairs(&[("", "test"), ("", "test")]),
        ),
        (
            "\u{feff}event: a\r\ndata: x\r\n\r\nretry: 10\rdata: y\r\r",
            pairs(&[("a", "x"), ("", "y")]),
        ),
        ("event: alone\n\ndata: x\n\n", pairs(&[("", "x")])),
    ] {
        assert_eq!(heard(Framing::Sse, &[text.as_bytes()]), wanted, "{text:?}");
    }
}

#[test]
fn a_line_is_an_event_also_the_last_without_its_end() {
    let text = b"{\"a\":1}\n\n{\"a\":2}\r\n{\"a\":3}";
    assert_eq!(
        heard(Framing::Lines, &[text]),
        pairs(&[("", "{\"a\":1}"), ("", "{\"a\":2}"), ("", "{\"a\":3}")])
    );
    assert_eq!(heard(Framing::Either, &[text]).len(), 3);
    assert_eq!(
        heard(Framing::Either, &[b"event: x\ndata: {}\n\n"]),
        pairs(&[("x", "{}")])
    );
}

#[test]
fn an_event_without_an_end_is_refused_at_the_limit() {
    let mut events = Events::new(Framing::Sse);
    let piece = [b"data: ".as_slice(), &[b'x'; 600]].concat();
    assert!(events.feed(&piece, 1000, |_| {}).is_ok());
    assert!(events.feed(&piece, 1000, |_| {}).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_same_events_come_out_however_they_are_cut(
        text in "(data: ?[a-c:]{0,4}|event: x|: c|)(\n|\r\n|\r|\n\n){1,2}(data: [a-c]{0,9}(\n\n|\r\r|\r\n\r\n)){0,4}.{0,5}",
        cut in 1usize..7,
    ) {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
        for framing in [Framing::Sse, Framing::Lines, Framing::Either] {
            prop_assert_eq!(heard(framing, &pieces), heard(framing, &[text.as_bytes()]));
        }
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 1usize..9) {
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
        prop_assert_eq!(heard(Framing::Either, &pieces), heard(Framing::Either, &[&bytes]));
        llm::read(Event { name: b"", data: &bytes });
    }
}

fn said(data: &str) -> llm::Said {
    llm::read(Event {
        name: b"",
        data: data.as_bytes(),
    })
}

#[test]
fn a_role_is_no_token_and_a_word_is_one() {
    for (content, data) in [
        // OpenAI chat: role, text, reasoning, a tool's arguments, the end, usage.
        (
            false,
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
        ),
        (true, r#"{"choices":[{"delta":{"content":"Hi"}}]}"#),
        (
            true,
            r#"{"choices":[{"delta":{"reasoning_content":"so"}}]}"#,
        ),
        (
            true,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a"}}]}}]}"#,
        ),
        (
            false,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
        ),
        (
            false,
            r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":12}}"#,
        ),
        // OpenAI completions and responses.
        (true, r#"{"choices":[{"text":" a"}]}"#),
        (
            true,
            r#"{"type":"response.output_text.delta","delta":"Hi"}"#,
        ),
        (
            false,
            r#"{"type":"response.created","response":{"id":"x"}}"#,
        ),
        // Anthropic.
        (
            false,
            r#"{"type":"message_start","message":{"content":[],"usage":{"input_tokens":25,"output_tokens":1}}}"#,
        ),
        (
            false,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ),
        (
            true,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hello"}}"#,
        ),
        (
            true,
            r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        ),
        (false, r#"{"type":"ping"}"#),
        // Ollama.
        (
            true,
            r#"{"message":{"role":"assistant","content":"The"},"done":false}"#,
        ),
        (true, r#"{"response":"The","done":false}"#),
        (
            false,
            r#"{"response":"","done":true,"prompt_eval_count":26,"eval_count":290}"#,
        ),
    ] {
        assert_eq!(said(data).content, content, "{data}");
    }
}

#[test]
fn usage_ends_and_errors_are_found_where_each_service_puts_them() {
    let tokens = |data| {
        let said = said(data);
        (said.input_tokens, said.output_tokens)
    };
    assert_eq!(
        tokens(r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":12}}"#),
        (Some(9), Some(12))
    );
    assert_eq!(
        tokens(r#"{"message":{"usage":{"input_tokens":25,"output_tokens":1}}}"#),
        (Some(25), Some(1))
    );
    assert_eq!(
        tokens(r#"{"type":"message_delta","usage":{"output_tokens":15}}"#),
        (None, Some(15))
    );
    assert_eq!(
        tokens(r#"{"done":true,"prompt_eval_count":26,"eval_count":290}"#),
        (Some(26), Some(290))
    );
    assert_eq!(
        tokens(
            r#"{"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":4}}}"#
        ),
        (Some(3), Some(4))
    );
    for over in [
        "[DONE]",
        r#"{"type":"message_stop"}"#,
        r#"{"done":true}"#,
        r#"{"choices":[{"finish_reason":"length"}]}"#,
    ] {
        assert!(said(over).over, "{over}");
    }
    assert!(!said(r#"{"choices":[{"finish_reason":null}]}"#).over);
    for (data, text) in [
        (
            r#"{"error":{"message":"overloaded","type":"server_error"}}"#,
            "overloaded",
        ),
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            "Overloaded",
        ),
        (r#"{"error":"model not found"}"#, "model not found"),
    ] {
        assert_eq!(said(data).error.as_deref(), Some(text));
    }
    assert!(said("nonsense").error.is_some());
}

const MS: u64 = 1_000_000;

fn reading(goodput: Option<Goodput>) -> Reading {
    let spec = Spec {
        method: None,
        framing: Framing::Either,
        llm: true,
        bytes_max: 10_000,
        events_max: None,
        for_ns: None,
        events_min: 0,
        any: vec![],
        keeps_last: false,
        age: None,
        goodput,
        kept: Kept::Nothing,
    };
    Reading::new(Arc::new(spec), 100 * MS)
}

fn say(reading: &mut Reading, at_ms: u64, data: &str) {
    reading.now_ns = at_ms * MS;
    reading
        .feed(format!("data: {data}\n\n").as_bytes())
        .unwrap();
}

/// Sent at 100 ms; role at 110, words at 150, 170 and 250, usage of 5 tokens and the end at 260.
#[test]
fn an_answers_times_are_those_of_its_words() {
    let goodput = Goodput {
        ttft_ns: Some(50 * MS),
        tpot_ns: Some(25 * MS),
        e2e_ns: None,
    };
    let mut answer = reading(Some(goodput));
    say(
        &mut answer,
        110,
        r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
    );
    for at_ms in [150, 170, 250] {
        say(
            &mut answer,
            at_ms,
            r#"{"choices":[{"delta":{"content":"w"}}]}"#,
        );
    }
    // Counted: three words, so (150 - 50) / 2.
    assert_eq!(answer.tpot_ns(), Some(50 * MS));
    assert_eq!(
        answer.broken().as_deref(),
        Some("ended after 4 events without its last one")
    );
    say(
        &mut answer,
        260,
        r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}"#,
    );
    say(&mut answer, 260, "[DONE]");

    assert_eq!(answer.fresh.ttft_ns, Some(50 * MS));
    assert_eq!(answer.fresh.first_ns, Some(10 * MS));
    assert_eq!(answer.fresh.itl_ns, [20 * MS, 80 * MS]);
    assert_eq!(answer.fresh.gaps_ns, [40 * MS, 20 * MS, 80 * MS, 10 * MS]);
    assert_eq!(answer.fresh.events, 5);
    // Told: five tokens, so (150 - 50) / 4.
    assert_eq!(answer.tpot_ns(), Some(25 * MS));
    assert_eq!(
        (answer.tokens().input, answer.tokens().output),
        (Some(7), Some(5))
    );
    assert_eq!(answer.broken(), None);
    assert_eq!(answer.is_good(), Some(true));
}

#[test]
fn one_token_has_no_time_per_token_and_a_late_one_is_not_good() {
    let goodput = Goodput {
        ttft_ns: Some(49 * MS),
        tpot_ns: Some(1),
        e2e_ns: None,
    };
    let mut answer = reading(Some(goodput));
    say(&mut answer, 150, r#"{"choices":[{"text":"a"}]}"#);
    assert_eq!(answer.tpot_ns(), None);
    assert_eq!(answer.is_good(), Some(false));

    let mut answer = reading(Some(Goodput {
        ttft_ns: Some(50 * MS),
        ..goodput
    }));
    say(&mut answer, 150, r#"{"choices":[{"text":"a"}]}"#);
    assert_eq!(answer.is_good(), Some(true));
    assert_eq!(reading(Some(goodput)).is_good(), Some(false));
}
