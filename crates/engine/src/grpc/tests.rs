use proptest::prelude::*;
use serde_json::{Value, json};

use super::{DEADLINE_EXCEEDED, Method, OK, Said, descriptors_of, frame, problems, status_text};
use crate::stream::{Events, Framing};

const PROTO: &str = r#"
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";

enum Kind { KIND_UNKNOWN = 0; BOOK = 1; }
message Item { string name = 1; int64 cents = 2; Kind kind = 3; }
message Order {
  string user_id = 1;
  repeated Item items = 2;
  google.protobuf.Timestamp at = 3;
  map<string, string> labels = 4;
  bytes picture = 5;
}
message Receipt { int64 number = 1; bool paid = 2; string note = 3; }
service Orders {
  rpc Place (Order) returns (Receipt);
  rpc Watch (Order) returns (stream Receipt);
  rpc Load (stream Order) returns (Receipt);
}
"#;

fn descriptors() -> Vec<u8> {
    let folder = std::env::temp_dir().join(format!("scaleworthy-proto-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let file = folder.join(format!("shop{:?}.proto", std::thread::current().id()));
    std::fs::write(&file, PROTO).expect("a file");
    let made = descriptors_of(&file, &[]);
    std::fs::remove_file(&file).expect("the file is there");
    made.expect("the file is sound")
}

fn method(name: &str) -> Method {
    Method::find(&descriptors(), name).expect("the method is there")
}

#[test]
fn a_message_goes_out_and_comes_back_as_json() {
    let place = method("shop.Orders/Place");
    let mut body = vec![];
    let order = json!({"user_id": "u1", "items": [{"name": "a", "cents": 900, "kind": "BOOK"}]});
    place
        .encode(order.to_string().as_bytes(), &mut body)
        .expect("an order");
    // Field 1 "u1"; field 2 of 8 bytes: "a", 900, 1 (protobuf.dev, encoding).
    let wire = b"\x0a\x02u1\x12\x08\x0a\x01a\x10\x84\x07\x18\x01";
    assert_eq!(&body[..5], [0, 0, 0, 0, wire.len() as u8]);
    assert_eq!(&body[5..], wire);

    let mut answer = vec![];
    frame::put(&mut answer, |out| {
        out.extend_from_slice(b"\x08\x07");
        Ok(())
    })
    .expect("a short message");
    let read = place.only(&answer, 1024).expect("a receipt");
    let read: Value = serde_json::from_slice(&read).expect("JSON");
    assert_eq!(read, json!({"number": 7, "paid": false, "note": ""}));
}

#[test]
fn a_unary_answer_is_one_whole_message_of_its_kind() {
    let place = method("shop.Orders/Place");
    let said = |body: &[u8]| place.only(body, 1024).expect_err("no answer");
    assert!(said(b"").contains("without a whole message (0 bytes)"));
    assert!(said(b"\0\0\0\0\x02\x08").contains("without a whole message"));
    assert!(said(b"\0\0\0\0\0\0\0\0\0\0").contains("more than the one message"));
    assert!(said(b"\0\0\0\0\x01\x08").contains("no shop.Receipt"));
    assert!(said(b"\x01\0\0\0\x01\x08").contains("compressed"));
}

#[test]
fn who_takes_many_is_sent_a_list() {
    let load = method("shop.Orders/Load");
    let mut body = vec![];
    load.encode(br#"[{"user_id": "a"}, {}]"#, &mut body)
        .expect("two orders");
    assert_eq!(body, b"\0\0\0\0\x03\x0a\x01a\0\0\0\0\0");
    assert!(load.encode(b"{}", &mut body).is_err());
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let all = problems(
        &descriptors(),
        "shop.Orders/Place",
        &json!({
            "user": "u1",
            "user_id": 7,
            "items": [{"nmae": "a", "kind": "CAR", "cents": "{{ price }}"}, 3],
            "at": "yesterday",
            "labels": {"a": "b"},
            "picture": "{{ picture }}",
        })
        .to_string(),
        true,
    );
    let text = all.join("\n");
    for part in [
        "stream: shop.Orders/Place answers with one message",
        "message.user: shop.Order has no such field; it has user_id, items, at, labels, picture",
        "message.user_id: invalid type: integer `7`",
        "message.items[0].nmae: shop.Item has no such field",
        "message.items[0].kind: ",
        "message.items[1]: must be a mapping (shop.Item), got 3",
        "message.at: ",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert_eq!(all.len(), 7, "{text}");
}

#[test]
fn a_name_that_is_none_tells_those_that_are() {
    let found = |name: &str, streams| problems(&descriptors(), name, "{}", streams).join(";");
    assert!(found("shop.Order/Place", false).contains("the proto has shop.Orders"));
    assert!(found("shop.Orders/Plaice", false).contains("it has Place, Watch, Load"));
    assert!(found("Place", false).contains("must be package.Service/Method"));
    assert!(found("shop.Orders/Watch", false).contains("say stream: true"));
    assert!(found("shop.Orders/Load", false).contains("give a list"));
    assert_eq!(found("shop.Orders/Watch", true), "");
}

#[test]
fn a_file_that_is_wrong_says_where() {
    let missing = descriptors_of(std::path::Path::new("/nonexistent/a.proto"), &[]);
    assert!(missing.expect_err("no file").contains("a.proto"));
}

#[test]
fn an_answer_says_how_the_call_came_out() {
    let mut said = Said::default();
    assert_eq!(said.status(200), Err("an answer without grpc-status"));
    assert_eq!(said.status(404), Ok(12));
    assert_eq!(said.status(503), Ok(14));
    said.field(b"grpc-status", b"4");
    said.field(b"grpc-message", b"too late%3A 3%25 %zz");
    assert_eq!(said.status(200), Ok(DEADLINE_EXCEEDED));
    assert_eq!(
        said.explain(4, 200),
        "got DEADLINE_EXCEEDED: too late: 3% %zz"
    );
    said.field(b"grpc-status", b"99");
    assert_eq!(said.status(200), Ok(2));
    said.reset();
    said.field(b"grpc-status", b"0");
    assert_eq!(said.status(200), Ok(OK));
    assert_eq!(said.explain(0, 200), "got OK");
    assert_eq!(
        (status_text(16), status_text(200)),
        ("UNAUTHENTICATED".into(), "200".into())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn messages_are_the_same_however_they_are_cut(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        cuts in prop::collection::vec(1usize..30, 1..20),
    ) {
        let mut bytes = vec![];
        for message in &messages {
            frame::put(&mut bytes, |out| { out.extend_from_slice(message); Ok(()) }).expect("short");
        }
        let mut events = Events::new(Framing::Messages);
        let (mut got, mut rest, mut at) = (vec![], bytes.as_slice(), 0);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(cuts[at % cuts.len()]));
            events.feed(piece, 1024, |event| got.push(event.data.to_vec())).expect("short");
            (rest, at) = (after, at + 1);
        }
        prop_assert!(!events.is_within());
        prop_assert_eq!(got, messages);
    }
}
