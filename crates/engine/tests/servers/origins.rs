//! Several origins, several addresses of one, and names that lead elsewhere while a run goes on.
use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use crate::support::{Site, answer, carry_out, get, plan, with};
use scaleworthy_engine::{Run, Sample, Tick};
use serde_json::{Value, json};

fn origin(port: u16) -> Value {
    json!({"scheme": "http", "host": "127.0.0.1", "port": port, "addresses": ["127.0.0.1"]})
}

fn elsewhere(path: &str) -> Value {
    with(get(path), json!({"origin": 1}))
}

fn ok() -> Site {
    Site::requests(|_, stream| answer(stream, 200, "", b"ok"))
}

#[test]
fn steps_go_to_the_origin_that_they_name_also_over_one_connection_in_all() {
    for connections_max in [1, 2, 100] {
        let (first, second) = (ok(), ok());
        let mut two = plan(first.port, 4, 40, vec![get("/a"), elsewhere("/b")]);
        two["origins"] = json!([origin(second.port)]);
        two["http"]["connections_max"] = json!(connections_max);
        let added = carry_out(&two);

        assert_eq!((added.error(), added.total("load.answered")), (("", 0), 80));
        assert_eq!(first.lines(), ["GET /a"; 40]);
        assert_eq!(second.lines(), ["GET /b"; 40]);
        let authority = format!("127.0.0.1:{}", second.port);
        assert_eq!(second.seen()[0].header("host"), Some(authority.as_str()));
    }
}

#[test]
fn a_redirect_to_another_origin_of_the_plan_is_followed_without_secrets() {
    let second = ok();
    let location = format!("location: http://127.0.0.1:{}/there?x=1\r\n", second.port);
    let first = Site::requests(move |_, stream| answer(stream, 302, &location, b""));
    let secret =
        json!({"headers": [["Authorization", "Bearer t"], ["cookie", "a=b"], ["x-kept", "yes"]]});
    let mut two = plan(first.port, 1, 2, vec![with(get("/"), secret)]);
    two["origins"] = json!([origin(second.port)]);
    let added = carry_out(&two);

    assert_eq!((added.error(), added.total("load.answered")), (("", 0), 2));
    assert_eq!(second.lines(), ["GET /there?x=1"; 2]);
    let seen = &second.seen()[0];
    let authority = format!("127.0.0.1:{}", second.port);
    assert_eq!(seen.header("host"), Some(authority.as_str()));
    assert_eq!(seen.header("x-kept"), Some("yes"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("cookie"), None);
    assert_eq!(first.seen()[1].header("authorization"), Some("Bearer t"));
}

#[test]
fn an_origin_that_is_not_there_is_refused_with_its_place() {
    let wrong = plan(80, 1, 1, vec![elsewhere("/")]);
    let problems = Run::new(&wrong.to_string()).err().expect("refused");
    assert_eq!(
        problems.0,
        ["scenarios[0].steps[0].request.origin: there is no origin 1"]
    );
}

/// Nothing listens on 127.0.0.2: no request fails for it, and it is not asked for each connection.
#[test]
fn an_address_that_refuses_is_passed_over() {
    let site = ok();
    let mut both = plan(site.port, 3, 30, vec![get("/")]);
    both["target"]["addresses"] = json!(["127.0.0.2", "127.0.0.1"]);
    both["http"]["keep_alive"] = json!(false);
    let added = carry_out(&both);

    assert_eq!((added.error(), added.total("load.answered")), (("", 0), 30));
}

#[test]
fn a_request_fails_once_every_address_has_refused() {
    let port = ok().port;
    let mut neither = plan(port, 1, 1, vec![get("/")]);
    neither["target"]["addresses"] = json!(["127.0.0.2", "127.0.0.3"]);
    let added = carry_out(&neither);

    assert_eq!(added.error(), ("connect", 1));
    assert!(added.examples["connect"].contains(&format!("to 127.0.0.3:{port}: ")));
}

/// What the run counted under `name` within a tick.
fn total(tick: &Tick, name: &str, label: &str) -> u64 {
    let fits = tick.series.iter().filter(|series| {
        series.name == name && (label.is_empty() || series.labels.iter().any(|l| *l.1 == *label))
    });
    fits.map(|series| match &series.value {
        Sample::Counter(count) => *count as u64,
        Sample::Histogram(all) => all.count(),
        Sample::Gauge(_) => 0,
    })
    .sum()
}

#[test]
fn a_name_that_leads_where_it_may_not_ends_all_use_until_it_leads_back() {
    let site = ok();
    let mut long = plan(site.port, 2, 1, vec![get("/")]);
    long["load"]["count"] = json!(null);
    long["threads"] = json!(2);
    let run = Run::new(&long.to_string()).unwrap();
    run.start().unwrap();
    let next = || run.next_tick(Duration::from_secs(10)).unwrap().unwrap();
    next();
    let why = "app.test now leads to 192.0.2.1, which is not this machine";
    run.refuse_addresses(0, why, Some(5_000_000)).unwrap();
    let mut lookups = total(&next(), "load.phase", "dns");
    let refused = next();
    assert_eq!(total(&refused, "load.answered", ""), 0);
    assert!(total(&refused, "load.errors", "dns") > 0);
    assert!(run.error_examples()["dns"].ends_with(why));

    let home: IpAddr = "127.0.0.1".parse().unwrap();
    run.set_addresses(0, &[home], Some(7_000_000)).unwrap();
    lookups += total(&refused, "load.phase", "dns") + total(&next(), "load.phase", "dns");
    let back = next();
    assert_eq!(total(&back, "load.errors", ""), 0);
    assert!(total(&back, "load.answered", "") > 0);
    assert_eq!(lookups + total(&back, "load.phase", "dns"), 2);

    assert!(run.set_addresses(7, &[home], None).is_err());
    run.abort().unwrap();
}

#[test]
fn a_proxy_sees_the_whole_url_of_each_origin_and_is_told_who_we_are() {
    let proxy = Site::requests(|request, stream| match request.line() {
        line if line.ends_with("/a") => {
            answer(stream, 302, "location: http://127.0.0.1:2/c\r\n", b"")
        }
        _ => answer(stream, 200, "", b"ok"),
    });
    let mut through = plan(1, 1, 1, vec![get("/a"), elsewhere("/b")]);
    through["origins"] = json!([origin(2)]);
    through["proxy"] =
        json!({"port": proxy.port, "addresses": ["127.0.0.1"], "authorization": "Basic eA=="});
    let added = carry_out(&through);

    assert_eq!((added.error(), added.total("load.answered")), (("", 0), 2));
    let asked = [
        "GET http://127.0.0.1:1/a",
        "GET http://127.0.0.1:2/c",
        "GET http://127.0.0.1:2/b",
    ];
    assert_eq!(proxy.lines(), asked);
    for seen in proxy.seen() {
        assert_eq!(seen.header("proxy-authorization"), Some("Basic eA=="));
    }
    assert_eq!(proxy.seen()[1].header("host"), Some("127.0.0.1:2"));
}

#[test]
fn a_proxy_that_opens_no_tunnel_is_a_connect_error() {
    for (said, wanted) in [
        (
            "HTTP/1.1 502 -\r\ncontent-length: 0\r\n\r\n",
            "the proxy answered 502 to CONNECT",
        ),
        ("SSH-2.0\r\n", "the proxy answered to CONNECT with"),
        ("", "the proxy closed before it opened a tunnel"),
    ] {
        let proxy = Site::requests(move |_, stream| {
            let _ = stream.write_all(said.as_bytes());
            false
        });
        let mut secure = plan(443, 1, 1, vec![get("/")]);
        secure["target"]["scheme"] = json!("https");
        secure["proxy"] = json!({"port": proxy.port, "addresses": ["127.0.0.1"]});
        let added = carry_out(&secure);
        assert_eq!(added.error(), ("connect", 1), "{said:?}");
        assert!(
            added.examples["connect"].contains(wanted),
            "{:?}",
            added.examples
        );
        assert_eq!(proxy.lines(), ["CONNECT 127.0.0.1:443"]);
    }
}
