use std::collections::BTreeMap;

use super::*;
use crate::feeder::Feeders;
use crate::plan::{Feeder, Order};
use crate::value::{Held, Turns};

struct World {
    feeders: Feeders,
    variables: BTreeMap<String, serde_json::Value>,
    held: Vec<String>,
}

fn world() -> World {
    let feeder = Feeder {
        columns: vec!["name".into()],
        rows: vec![vec!["Ann Lee".into()], vec!["say \"hi\"\n".into()]],
        order: Order::Sequential,
    };
    World {
        feeders: Feeders::new(&[feeder], 1),
        variables: BTreeMap::from([
            ("tenant".into(), "demo".into()),
            ("id".into(), "fallback".into()),
            ("count".into(), 3.into()),
            (
                "place".into(),
                serde_json::json!({"city": "Rome", "at": [1.5, null]}),
            ),
        ]),
        held: vec!["id".into(), "later".into()],
    }
}

fn parse(text: &str, place: Place) -> Result<Template, String> {
    let w = world();
    Template::parse(
        text,
        place,
        &Names {
            held: &w.held,
            feeders: &w.feeders,
            variables: &w.variables,
            loops: 1,
        },
    )
}

fn render(text: &str, place: Place, number: u64, json: &[&str]) -> Result<String, String> {
    let w = world();
    let mut held = vec![Held::default(); json.len()];
    for (held, raw) in held.iter_mut().zip(json) {
        held.set_json(raw.as_bytes());
    }
    let turns = [Turns {
        index: 4,
        ..Turns::default()
    }];
    let values = Values {
        number,
        held: &held,
        turns: &turns,
        feeders: &w.feeders,
    };
    let mut out = vec![];
    let template = parse(text, place)?;
    template
        .render(&values, &mut Rng::new(3), &mut out)
        .map_err(str::to_string)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn variables_are_settled_before_the_run() {
    assert_eq!(
        parse("/a?t={{ tenant }}&x", Place::Path).unwrap().fixed(),
        Some(b"/a?t=demo&x".as_slice())
    );
}

#[test]
fn extracted_goes_before_fed_before_variables() {
    assert_eq!(render("{{id}}", Place::Body, 0, &["7"]).unwrap(), "7");
    assert_eq!(render("{{id}}", Place::Body, 0, &[""]).unwrap(), "fallback");
    assert_eq!(
        render("{{ name }}", Place::Body, 0, &[]).unwrap(),
        "Ann Lee"
    );
}

#[test]
fn a_value_is_escaped_for_its_place() {
    assert_eq!(
        render("/x/{{ name }}", Place::Path, 0, &[]).unwrap(),
        "/x/Ann%20Lee"
    );
    assert_eq!(
        render(
            r#"{"a":"{{ name }}","n":{{ $n }}}"#,
            Place::JsonBody,
            1,
            &[]
        )
        .unwrap(),
        r#"{"a":"say \"hi\"\n","n":1}"#
    );
    assert_eq!(
        render("x: {{ name }}", Place::Header, 1, &[]).unwrap_err(),
        "name"
    );
    let location = ["\"/jobs/1?a=b\""];
    assert_eq!(
        render("{{ id }}", Place::Path, 0, &location).unwrap(),
        "/jobs/1?a=b"
    );
    assert_eq!(
        render("/q?next={{ id }}", Place::Path, 0, &location).unwrap(),
        "/q?next=%2Fjobs%2F1%3Fa%3Db"
    );
}

#[test]
fn a_name_without_a_value_stops_the_request_and_an_unknown_one_the_plan() {
    assert_eq!(
        render("{{ later }}", Place::Body, 0, &[]).unwrap_err(),
        "later"
    );
    assert!(
        parse("{{ nmae }}", Place::Body)
            .unwrap_err()
            .contains("nmae")
    );
    assert!(parse("{{ name", Place::Body).unwrap_err().contains("'}}'"));
    assert!(
        parse("{{ $random(3) }}", Place::Body)
            .unwrap_err()
            .contains("$random(low, high)")
    );
    assert!(parse("{{ $random(3, 2) }}", Place::Body).is_err());
}

#[test]
fn a_uuid_is_of_version_4_and_the_next_one_differs() {
    let text = render("{{ $uuid }} {{ $uuid }}", Place::Body, 0, &[]).unwrap();
    let (one, two) = text.split_once(' ').unwrap();
    assert_ne!(one, two);
    assert_eq!(one.len(), 36);
    assert_eq!(&one[14..15], "4");
    assert!("89ab".contains(&one[19..20]));
}

#[test]
fn random_stays_within_its_bounds() {
    let text = render("{{ $random(5, 6) }}", Place::Body, 0, &[]).unwrap();
    assert!(text == "5" || text == "6");
}

#[test]
fn a_value_alone_in_json_keeps_its_type() {
    let typed = |text, held: &[&str]| render(text, Place::TypedJson, 7, held).unwrap();
    let text =
        r#"{"a":"{{ id }}","b":"x {{ id }}","c":"\"{{ id }}","d":["{{ id }}","{{ count }}"]}"#;
    assert_eq!(
        typed(text, &["42"]),
        r#"{"a":42,"b":"x 42","c":"\"42","d":[42,3]}"#
    );
    assert_eq!(
        typed(text, &[r#""q\"t""#]),
        r#"{"a":"q\"t","b":"x q\"t","c":"\"q\"t","d":["q\"t",3]}"#
    );
    assert_eq!(
        typed(r#"["{{ id }}"]"#, &[r#"{"x": [true]}"#]),
        r#"[{"x": [true]}]"#
    );
    assert_eq!(
        typed(
            r#"["{{ $n }}","{{ $loop }}","{{ $loopCount }}","{{ name }}"]"#,
            &[]
        ),
        r#"[7,4,5,"say \"hi\"\n"]"#
    );
    let uuid = typed(r#""{{ $uuid }}""#, &[]);
    assert_eq!((uuid.len(), &uuid[..1]), (38, "\""));
}

#[test]
fn a_path_leads_into_a_value() {
    let held = [r#"{"user": {"name": "Ann", "ids": [10, 20]}}"#];
    let got = |text| render(text, Place::Body, 0, &held);
    assert_eq!(
        got("{{ id.user.name }} {{ id.user.ids[1] }}").unwrap(),
        "Ann 20"
    );
    assert_eq!(
        got("{{ place.city }} {{ place.at[0] }}").unwrap(),
        "Rome 1.5"
    );
    assert_eq!(got("{{ id.user.phone }}").unwrap_err(), "id.user.phone");
    assert_eq!(
        got("{{ id.user.name.first }}").unwrap_err(),
        "id.user.name.first"
    );
    assert!(
        got("{{ place.country }}")
            .unwrap_err()
            .contains("place.country")
    );
    assert!(got("{{ nothing.at }}").unwrap_err().contains("nothing.at"));
}

#[test]
fn what_a_form_and_a_cookie_take() {
    let held = [r#""a b&c=d;é""#];
    assert_eq!(
        render("x={{ id }}&y=+", Place::Form, 0, &held).unwrap(),
        "x=a+b%26c%3Dd%3B%C3%A9&y=+"
    );
    assert_eq!(
        render("{{ id }}", Place::Cookie, 0, &held).unwrap_err(),
        "id"
    );
    assert!(
        render("{{ $iso_date }}", Place::Form, 0, &[])
            .unwrap()
            .contains("%3A")
    );
}

fn unpercent(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = vec![];
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Whatever a text holds, it arrives as it was: in JSON beside other text and alone, in a path, in a form.
    #[test]
    fn a_text_survives_every_place(text in "\\PC{0,20}|[\\x00-\\x7f]{0,20}") {
        let raw = serde_json::to_string(&text).unwrap();
        let held = [raw.as_str()];
        let body = render(r#"{"a":"{{ id }}","b":"x {{ id }} y","c":["{{ id }}"]}"#, Place::TypedJson, 0, &held).unwrap();
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
        proptest::prop_assert_eq!(&parsed["a"], &serde_json::json!(text));
        proptest::prop_assert_eq!(&parsed["b"], &serde_json::json!(format!("x {text} y")));
        proptest::prop_assert_eq!(&parsed["c"][0], &serde_json::json!(text));
        let path = render("/{{ id }}", Place::Path, 0, &held).unwrap();
        proptest::prop_assert!(path.bytes().all(|b| b.is_ascii_graphic()));
        proptest::prop_assert_eq!(unpercent(&path[1..]), text.as_bytes());
        let form = render("v={{ id }}", Place::Form, 0, &held).unwrap();
        proptest::prop_assert!(!form[2..].contains(['&', '=', ';']));
        proptest::prop_assert_eq!(unpercent(&form[2..].replace('+', " ")), text.as_bytes());
    }

    /// Any text is a template or is refused; none makes it panic, and what is no template stays as it is.
    #[test]
    fn any_text_is_stood(text in "([{}\"\\\\$ a-z.\\[\\]0-9(),]|\\{\\{|\\}\\}|id|\\$random){0,25}|\\PC{0,30}") {
        for place in [Place::Path, Place::Form, Place::Header, Place::Body, Place::JsonBody, Place::TypedJson] {
            let _ = render(&text, place, 1, &["7"]);
        }
        if !text.contains("{{") {
            proptest::prop_assert_eq!(render(&text, Place::Body, 0, &[]), Ok(text));
        }
    }
}
