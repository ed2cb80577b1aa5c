use proptest::prelude::*;

use super::parse::ConditionError;
use super::*;
use crate::feeder::Feeders;
use crate::rng::Rng;
use crate::value::{Held, Names, Turns};

const NAMES: [&str; 5] = ["page", "status", "user", "none", "empty"];

fn read(text: &str) -> Result<Condition, ConditionError> {
    let held: Vec<String> = NAMES.iter().map(|name| name.to_string()).collect();
    let (feeders, variables) = (Feeders::new(&[], 1), Default::default());
    let names = Names {
        held: &held,
        feeders: &feeders,
        variables: &variables,
        loops: 1,
    };
    parse(text, &mut |name| match name.strip_prefix('$') {
        Some(built_in) => BuiltIn::parse(built_in, names.loops).map(Operand::BuiltIn),
        None => Source::resolve(name, &names).map(Operand::Source),
    })
}

fn holds(text: &str) -> bool {
    let mut held = vec![Held::default(); 5];
    assert!(held[0].set_json(b"3"));
    held[1].set_text("ok");
    assert!(held[2].set_json(br#"{"name": "Ann", "tags": ["a", "b"], "age": 41.5}"#));
    held[4].set_text("");
    let turns = [Turns {
        index: 2,
        ..Turns::default()
    }];
    let feeders = Feeders::new(&[], 1);
    let values = Values {
        number: 7,
        held: &held,
        turns: &turns,
        feeders: &feeders,
    };
    read(text)
        .unwrap_or_else(|error| panic!("{error}"))
        .holds(&values, &mut Rng::new(1))
}

#[test]
fn what_holds() {
    for text in [
        "{{ page }} < 5",
        "page == 3.0 and page != 4",
        "{{ status }} == 'ok'",
        "status == \"ok\"",
        "not status == 'no'",
        "page > 10 or page >= 3 and page <= 3",
        "user.name == 'Ann'",
        "{{ user.age }} > 41 and user.tags[1] == 'b'",
        "exists(page) and not exists(none)",
        "not none and not empty and page",
        "$loop == 2 and $n == 7",
        "status contains 'k'",
        "'b' > 'a'",
        "not (page == 3 and status == 'no')",
        "true and not false and not null and not 0",
        "not not page == 3",
    ] {
        assert!(holds(text), "{text}");
    }
}

#[test]
fn what_does_not_hold() {
    for text in [
        "page > 3",
        "none == 1",
        "none != 1",
        "none < 1 or none >= 1",
        "status < 'a'",
        "user.age == '41'",
        "page == 3 and page == 4",
        "(page == 3 or page == 4) and page == 4",
        "user.nobody contains 'a'",
    ] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn a_wrong_one_is_pointed_at() {
    for (text, at) in [
        ("", 0),
        ("page <", 6),
        ("page == == 3", 8),
        ("page = 3", 5),
        ("(page == 3", 10),
        ("page == 3 status", 10),
        ("page == 'x", 8),
        ("{{ page == 3", 0),
        ("page and or status", 9),
        ("pgae == 3", 0),
        ("page == 12x", 8),
        ("é", 0),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.at, at, "{text}: {error}");
    }
    assert_eq!(
        read("page <").unwrap_err().to_string(),
        "column 7: wanted a name, a number or a text in quotes, got the end\n    page <\n          ^"
    );
    assert!(
        read(&"(".repeat(100))
            .unwrap_err()
            .reason
            .contains("too deep")
    );
    assert!(
        read(&"not ".repeat(600))
            .unwrap_err()
            .reason
            .contains("longer")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text is read or refused at a place within it, and the refusal can be written.
    #[test]
    fn any_text_is_stood(text in "(page|status|and|or|not|exists|contains|\\(|\\)|==|<|'|\"|\\{\\{|\\}\\}|\\$|é| |[0-9.]){0,20}|\\PC{0,40}") {
        if let Err(error) = read(&text) {
            prop_assert!(error.at <= text.len());
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Numbers are compared as numbers, however they are written.
    #[test]
    fn numbers_compare_as_numbers(a in -1000i32..1000, b in -1000i32..1000) {
        prop_assert_eq!(holds(&format!("{a} < {b}")), a < b);
        prop_assert_eq!(holds(&format!("'{a}' == {b}.0")), a == b);
        prop_assert_eq!(holds(&format!("'{a}.00' >= '{b}'")), a >= b);
    }
}
