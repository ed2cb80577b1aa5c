use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const NAMES: [&str; 4] = ["password", "apiKey", "secret", "token"];

fn redacted(text: &str) -> String {
    let bytes = Redactor::new(NAMES).redact(text.as_bytes()).expect("JSON");
    bytes.map_or_else(
        || text.to_owned(),
        |bytes| String::from_utf8(bytes).expect("UTF-8"),
    )
}

#[test]
fn a_member_goes_with_its_comma_wherever_it_stands() {
    for (given, left) in [
        (r#"{"token": 1}"#, "{}"),
        (r#"{"token": 1, "a": 2}"#, r#"{"a": 2}"#),
        (r#"{"a": 2, "token": 1}"#, r#"{"a": 2}"#),
        (r#"{"a": 1, "token": 1, "b": 2}"#, r#"{"a": 1, "b": 2}"#),
        (
            r#"{"token": 1, "secret": 2, "b": 2, "password": "x", "apiKey": []}"#,
            r#"{"b": 2}"#,
        ),
        (
            r#"[{"a": {"token": {"secret": 1, "x": 2}, "b": [{"password": 3}]}}]"#,
            r#"[{"a": {"b": [{}]}}]"#,
        ),
        (
            r#"{"API_KEY":1,"api-key":2,"ApiKey":3,"api\u004bey":4,"keys":5}"#,
            r#"{"keys":5}"#,
        ),
    ] {
        assert_eq!(redacted(given), left);
    }
}

#[test]
fn what_has_none_of_them_is_not_copied() {
    assert_eq!(
        Redactor::new(NAMES).redact(br#" {"a": ["token", 1.5e3, null]} "#),
        Ok(None)
    );
    assert_eq!(Redactor::new([]).redact(br#"{"token": 1}"#), Ok(None));
}

#[test]
fn what_is_not_json_is_refused_where_it_shows() {
    for (given, at) in [
        (&b"{\"a\": 1"[..], 7),
        (b"{\"a\" 1}", 5),
        (b"[1, 2,]", 6),
        (b"nul", 0),
        (b"\"open", 5),
        (b"1 2", 2),
        (b"", 0),
        (b"{\"a\": \"\\", 9),
    ] {
        let wrong = Redactor::new(NAMES).redact(given);
        assert_eq!(
            wrong.map_err(|error| error.at),
            Err(at),
            "{:?}",
            String::from_utf8_lossy(given)
        );
    }
    let deep = "[".repeat(100_000);
    assert!(Redactor::new(NAMES).redact(deep.as_bytes()).is_err());
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\{},:é]{0,6}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        3 => "[a-z\"\\\\]{1,4}",
        2 => prop::sample::select(&["password", "API_KEY", "token", "Secret"][..]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn without(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(without).collect(),
        Value::Object(members) => members
            .into_iter()
            .filter(|(name, _)| {
                !["password", "API_KEY", "token", "Secret"].contains(&name.as_str())
            })
            .map(|(name, value)| (name, without(value)))
            .collect(),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn it_leaves_what_a_walk_over_the_value_leaves(value in values(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.expect("text");
        let left: Value = serde_json::from_str(&redacted(&text)).expect("JSON");
        prop_assert_eq!(left, without(value));
    }

    #[test]
    fn any_bytes_are_answered_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Redactor::new(NAMES).redact(&bytes);
    }

    #[test]
    fn eight_bytes_at_a_time_stop_where_one_at_a_time_does(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(&b"\"\\#]![ \x1f\x20\xa2\xdc\x80"[..])],
            0..40,
        ),
    ) {
        let stops = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let one_by_one = bytes.iter().position(stops).unwrap_or(bytes.len());
        prop_assert_eq!(plain(&bytes), one_by_one.min(bytes.len() / 8 * 8));
    }

    #[test]
    fn half_of_any_json_is_refused(value in values(), share in 0.0..1.0f64) {
        let text = json!([value]).to_string();
        let cut = ((text.len() - 1) as f64 * share) as usize;
        prop_assert!(Redactor::new(NAMES).redact(&text.as_bytes()[..cut]).is_err());
    }
}
