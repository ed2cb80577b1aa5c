use proptest::prelude::*;
use serde_json::Value;

use super::scan::Broken;
use super::*;

fn follow<'a>(value: &'a Value, path: &Path) -> Option<&'a Value> {
    path.0
        .iter()
        .try_fold(value, |value, segment| match segment {
            Segment::Name(name) => value.as_object()?.get(&**name),
            Segment::Index(index) => value.as_array()?.get(*index),
        })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "[\\\\\"\n\u{1}a\\]\\}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\é]{0,2}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_path() -> impl Strategy<Value = Path> {
    let segment = prop_oneof![
        "[a-c\"\\\\é]{0,2}".prop_map(|name| Segment::Name(name.into())),
        (0usize..4).prop_map(Segment::Index),
    ];
    prop::collection::vec(segment, 0..4).prop_map(|segments| Path(segments.into()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the document and the paths: the same values as a whole parse finds, in either way of writing.
    #[test]
    fn the_scanner_finds_what_a_whole_parse_finds(document in any_json(), wanted in prop::collection::vec(any_path(), 1..6), pretty: bool) {
        let text = if pretty { serde_json::to_vec_pretty(&document) } else { serde_json::to_vec(&document) }.unwrap();
        // Floats are read back inexactly, and the same way each time.
        let document: Value = serde_json::from_slice(&text).unwrap();
        let mut paths = Paths::default();
        let places: Vec<usize> = wanted.iter().map(|path| paths.add(path.clone()).unwrap()).collect();
        let mut found = vec![];
        prop_assert_eq!(find(&text, &paths, &mut found), Ok(()));
        for (path, place) in wanted.iter().zip(places) {
            let got = found[place].map(|(from, to)| serde_json::from_slice::<Value>(&text[from..to]).unwrap());
            prop_assert_eq!(got.as_ref(), follow(&document, path));
            prop_assert_eq!(find_one(&text, path), found[place].map(|(from, to)| &text[from..to]));
        }
    }

    /// No bytes at all make it panic, and nothing it takes for text or a number is anything else to serde_json.
    #[test]
    fn any_bytes_are_stood(bytes in prop::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b':'), Just(b','), Just(b'\\'), Just(b'a'), Just(b'1'), Just(b'-'), Just(b'.'), any::<u8>()], 0..60), path in any_path()) {
        if let Some(raw) = find_one(&bytes, &path) {
            let parsed = serde_json::from_slice::<Value>(raw).ok();
            let as_text = parsed.as_ref().map(|value| value.as_str().map_or_else(|| String::from_utf8(raw.to_vec()).unwrap(), str::to_string));
            prop_assert_eq!(text_of(raw).map(|text| text.into_owned()), as_text);
            let (mine, theirs) = (number_of(raw), parsed.and_then(|value| value.as_f64()));
            prop_assert_eq!(mine.is_some(), theirs.is_some());
            prop_assert!(mine.zip(theirs).is_none_or(|(a, b)| (a - b).abs() <= 1e-9 * a.abs()));
        }
        let mut elements = Elements::default();
        while let Ok(Some(_)) = elements.next(&bytes) {}
    }

    #[test]
    fn an_escaped_text_is_read_back(text in "\\PC{0,30}|[\\x00-\\x7f]{0,30}") {
        let mut out = vec![b'"'];
        escape_into(&text, &mut out);
        out.push(b'"');
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn elements_are_those_of_the_array(items in prop::collection::vec(any_json(), 0..6)) {
        let text = serde_json::to_vec_pretty(&items).unwrap();
        let items: Vec<Value> = serde_json::from_slice(&text).unwrap();
        let mut elements = Elements::default();
        let mut got: Vec<Value> = vec![];
        while let Some(raw) = elements.next(&text).unwrap() {
            got.push(serde_json::from_slice(raw).unwrap());
        }
        prop_assert_eq!(got, items);
    }
}

#[test]
fn only_paths_of_names_and_indexes_are_simple() {
    let simple = |text| Path::of_json_path(text).map(|path| path.0.len());
    assert_eq!(simple("$"), Some(0));
    assert_eq!(simple("$.a.b[0]['x y'].é"), Some(5));
    for complex in [
        "a",
        "$.*",
        "$..a",
        "$[?@.a]",
        "$[-1]",
        "$[0:2]",
        "$['a','b']",
        "$.a-b",
        "$.",
        "$[01]",
        "$['it\\'s']",
        "$.a ",
        "$[",
    ] {
        assert_eq!(simple(complex), None, "{complex}");
    }
    assert_eq!(Path::of_template(".user-name[0].$x").unwrap().0.len(), 3);
}

#[test]
fn a_text_that_is_cut_or_no_json_is_said_to_be() {
    let mut paths = Paths::default();
    paths.add(Path::of_json_path("$.a.b").unwrap());
    let mut found = vec![];
    for broken in [
        "",
        "<html>",
        "{\"a\":",
        "{\"a\" 1}",
        "{\"x\":[1,2}",
        "{\"x\":\"y",
        "{\"a\":{\"b\":",
    ] {
        assert_eq!(
            find(broken.as_bytes(), &paths, &mut found),
            Err(Broken),
            "{broken}"
        );
    }
    // The value was there before the text broke off.
    assert_eq!(find(b"{\"a\":{\"b\":7,", &paths, &mut found), Ok(()));
    assert_eq!(found, [Some((10, 11))]);
}
