use super::*;

const S: u64 = 1_000_000_000;

fn at(path: &str, now_ns: u64) -> Setting<'_> {
    Setting {
        origin: 0,
        path,
        secure: false,
        now_ns,
    }
}

fn sent(jar: &mut Jar, by: Setting<'_>) -> String {
    let mut out = vec![];
    jar.write(by, &[], &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_cookie_comes_back_and_a_later_one_of_its_name_takes_its_place() {
    let mut jar = Jar::default();
    jar.set(
        b"sid=1; Path=/; HttpOnly; SameSite=Lax; Domain=elsewhere.test",
        at("/login", 0),
    );
    jar.set(b" theme = dark ", at("/", 0));
    jar.set(b"sid=2; path=/", at("/other", 0));
    assert_eq!(sent(&mut jar, at("/x?y=1", 0)), "sid=2; theme=dark");
}

#[test]
fn a_path_says_where_it_goes_and_longer_ones_go_first() {
    let mut jar = Jar::default();
    jar.set(b"root=1; Path=/", at("/", 0));
    jar.set(b"deep=2; Path=/api", at("/", 0));
    jar.set(b"own=3", at("/shop/cart?x=/y", 0));
    assert_eq!(sent(&mut jar, at("/api/leads", 0)), "deep=2; root=1");
    assert_eq!(sent(&mut jar, at("/apis", 0)), "root=1");
    assert_eq!(sent(&mut jar, at("/shop/buy", 0)), "own=3; root=1");
}

#[test]
fn what_has_expired_is_neither_kept_nor_sent() {
    let mut jar = Jar::default();
    jar.set(
        b"short=1; Max-Age=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        at("/", 10 * S),
    );
    assert_eq!(sent(&mut jar, at("/", 11 * S)), "short=1");
    assert_eq!(sent(&mut jar, at("/", 12 * S)), "");
    jar.set(b"gone=1", at("/", 0));
    jar.set(b"gone=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", at("/", S));
    assert!(jar.is_empty());
    jar.set(
        b"later=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
        at("/", sys::now_ns()),
    );
    assert_eq!(sent(&mut jar, at("/", sys::now_ns())), "later=1");
}

#[test]
fn a_secure_one_needs_tls() {
    let mut jar = Jar::default();
    let tls = Setting {
        origin: 0,
        path: "/",
        secure: true,
        now_ns: 0,
    };
    jar.set(b"plain=1; Secure", at("/", 0));
    assert!(jar.is_empty());
    jar.set(b"safe=1; Secure", tls);
    assert_eq!(sent(&mut jar, at("/", 0)), "");
    assert_eq!(sent(&mut jar, tls), "safe=1");
}

#[test]
fn a_cookie_goes_to_its_own_origin_alone() {
    let mut jar = Jar::default();
    jar.set(b"sid=1; Path=/", at("/", 0));
    let elsewhere = Setting {
        origin: 1,
        ..at("/", 0)
    };
    assert_eq!(sent(&mut jar, elsewhere), "");
    jar.set(b"sid=2; Path=/", elsewhere);
    assert_eq!(sent(&mut jar, at("/", 0)), "sid=1");
    assert_eq!(sent(&mut jar, elsewhere), "sid=2");
}

#[test]
fn what_is_no_cookie_is_left_and_a_jar_is_bounded() {
    let mut jar = Jar::default();
    for wrong in [&b"novalue"[..], b"=x", b"", b"a=b\x01", &[b'a'; 9000]] {
        jar.set(wrong, at("/", 0));
    }
    assert!(jar.is_empty());
    for number in 0..150 {
        jar.set(format!("c{number}=1").as_bytes(), at("/", 0));
    }
    assert_eq!(jar.cookies.len(), COOKIES_MAX);
    assert_eq!(jar.cookies[0].name, "c50");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Whatever servers set: nothing panics, and what is sent back holds no line break.
    #[test]
    fn any_header_is_stood(
        headers in proptest::collection::vec("([a-c]=[^;]{0,4})?(; ?(Path|Max-Age|Expires|Secure|max-age)(=[/0-9a-z,: -]{0,30})?){0,3}|\\PC{0,40}", 0..6),
        path in "/[a-c/]{0,4}",
    ) {
        let mut jar = Jar::default();
        for header in &headers {
            jar.set(header.as_bytes(), at(&path, 5 * S));
        }
        let line = sent(&mut jar, at(&path, 5 * S));
        proptest::prop_assert!(!line.contains(['\r', '\n', '\0']));
    }
}
