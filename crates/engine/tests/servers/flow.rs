//! Loops, conditions, branches and cookies, where only the engine can be asked: what is bounded, what runs together, what fails.
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::support::{Site, answer, carry_out, get, plan, with};
use serde_json::{Value, json};

fn site() -> Site {
    Site::requests(|request, stream| match request.line() {
        "GET /set" => answer(
            stream,
            200,
            "set-cookie: sid=1; Path=/\r\n",
            b"{\"ok\":true}",
        ),
        "GET /broken" => false,
        _ => answer(stream, 200, "", b"{\"ok\":true,\"n\":7}"),
    })
}

fn looped(fields: Value, steps: Vec<Value>) -> Value {
    let mut inner = json!({"steps": steps});
    inner
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    json!({"loop": inner})
}

#[test]
fn a_loop_that_never_waits_is_stopped_and_the_run_goes_on() {
    let site = site();
    let never = json!({"if": {"condition": "false", "steps": [get("/never")]}});
    let spins = looped(json!({"count": 1_000_000_000}), vec![never]);
    let made = plan(site.port, 1, 2, vec![get("/first"), spins, get("/last")]);
    let added = carry_out(&made);

    assert_eq!(added.error(), ("steps", 2));
    assert!(added.examples["steps"].contains("without a request or a pause"));
    assert_eq!(site.lines(), ["GET /first", "GET /first"]);
}

#[test]
fn an_iteration_that_does_nothing_is_followed_by_a_pause() {
    let site = site();
    let never = json!({"if": {"condition": "$n < 0", "steps": [get("/never")]}});
    let mut made = plan(site.port, 1, 3, vec![never]);
    made["load"]["stages"][0]["duration_ns"] = json!(20_000_000_000u64);

    assert_eq!(carry_out(&made).total("load.planned"), 0);
    assert_eq!(site.seen().len(), 0);
}

/// Each branch's answer waits until the other branch's request is there: one after the other would never end.
#[test]
fn branches_have_their_requests_in_flight_together() {
    let there = Arc::new((Mutex::new(0), Condvar::new()));
    let site = Site::requests(move |request, stream| {
        if request.line() != "GET /after" {
            let (count, changed) = &*there;
            *count.lock().unwrap() += 1;
            changed.notify_all();
            let held = count.lock().unwrap();
            let patience = Duration::from_secs(10);
            let waited = changed.wait_timeout_while(held, patience, |count| *count < 3);
            assert!(!waited.unwrap().1.timed_out());
        }
        answer(stream, 200, "", b"{\"n\":7}")
    });
    let branch = |name: &str| {
        vec![with(
            get(&format!("/{name}")),
            json!({"extract": [{"variable": name, "json": "$.n"}]}),
        )]
    };
    let fork = json!({"parallel": {"branches": [branch("a"), branch("b"), branch("c")]}});
    let after = with(
        get("/after"),
        json!({"method": "POST", "body": "{{ a }}{{ b }}{{ c }}"}),
    );
    let added = carry_out(&plan(site.port, 1, 1, vec![fork, after]));

    assert_eq!((added.error(), added.total("load.answered")), (("", 0), 4));
    assert_eq!(site.seen()[3].body, b"777");
}

#[test]
fn a_branch_that_gets_no_answer_ends_the_iteration_once_all_are_done() {
    let site = site();
    let fork = json!({"parallel": {"branches": [[get("/broken"), get("/never")], [get("/fine"), get("/too")]]}});
    let added = carry_out(&plan(site.port, 2, 4, vec![fork, get("/after")]));

    assert_eq!(added.error(), ("closed", 4));
    assert!(
        site.lines()
            .iter()
            .all(|line| line != "GET /after" && line != "GET /never")
    );
    assert_eq!(
        site.lines()
            .iter()
            .filter(|line| *line == "GET /too")
            .count(),
        4
    );
}

#[test]
fn a_loop_for_a_time_begins_no_pass_after_it() {
    let site = site();
    let turns = looped(
        json!({"for_ns": 150_000_000}),
        vec![
            get("/a"),
            json!({"think": {"min_ns": 100_000_000, "max_ns": 100_000_000}}),
        ],
    );
    carry_out(&plan(site.port, 1, 1, vec![turns, get("/b")]));

    assert_eq!(site.lines(), ["GET /a", "GET /a", "GET /b"]);
}

#[test]
fn a_step_has_its_own_timeout_and_may_keep_a_redirect() {
    let site = Site::requests(|request, stream| match request.line() {
        "GET /slow" => {
            // Nothing is said; the connection is closed by the other side.
            let mut byte = [0];
            std::io::Read::read(stream, &mut byte).is_ok_and(|length| length > 0)
        }
        _ => answer(stream, 302, "location: /elsewhere\r\n", b""),
    });
    let slow = with(get("/slow"), json!({"timeout_ns": 50_000_000}));
    let stays = with(get("/moved"), json!({"follow_redirects": false}));
    let added = carry_out(&plan(site.port, 1, 1, vec![stays, slow]));

    assert_eq!(added.error(), ("timeout", 1));
    assert!(added.examples["timeout"].contains("within 50 ms"));
    assert_eq!(site.lines(), ["GET /moved", "GET /slow"]);
    assert_eq!(added.statuses.keys().collect::<Vec<_>>(), ["302"]);
}

#[test]
fn a_list_that_is_none_stops_the_iteration_and_says_so() {
    let site = site();
    let over = looped(
        json!({"over": "{{ n }}", "item": "x"}),
        vec![get("/{{ x }}")],
    );
    let first = with(
        get("/first"),
        json!({"extract": [{"variable": "n", "json": "$.n"}]}),
    );
    let added = carry_out(&plan(site.port, 1, 1, vec![first, over]));

    assert_eq!(added.error(), ("template", 1));
    assert!(
        added.examples["template"].contains("JSON list, got \"7\""),
        "{:?}",
        added.examples
    );
}

#[test]
fn what_a_plan_may_not_say_of_its_steps_is_listed() {
    let deep = (0..30).fold(get("/"), |inner, _| {
        looped(json!({"count": 1}), vec![inner])
    });
    let made = plan(
        1,
        1,
        1,
        vec![
            get("/"),
            looped(json!({}), vec![get("/")]),
            looped(
                json!({"for_ns": 1}),
                vec![json!({"set": {"values": [["a", 1]]}})],
            ),
            json!({"if": {"condition": "a ==", "steps": []}}),
            json!({"parallel": {"branches": []}}),
            json!({"log": {"text": "{{ b }}"}}),
            deep,
        ],
    );
    let problems = scaleworthy_engine::Run::new(&made.to_string())
        .err()
        .unwrap()
        .0;
    for wanted in [
        "scenarios[0].steps[1].loop: needs a bound",
        "scenarios[0].steps[2].loop.steps: a loop for a time needs a request or a pause",
        "scenarios[0].steps[3].if.condition: column 5: wanted a name",
        "scenarios[0].steps[4].parallel.branches: must be 1 to 100 branches, got 0",
        "scenarios[0].steps[5].log.text: nothing gives '{{ b }}'",
        "nested deeper than 20 levels",
    ] {
        assert!(
            problems.iter().any(|line| line.contains(wanted)),
            "{wanted}: {problems:?}"
        );
    }
}
