//! Where an answer sends us on to: another path, or another origin. Source: RFC 3986, 5.3 and RFC 9110, 15.4.
use super::compile::{Forward, Origin};
use super::origins::Origins;
use super::{Plan, Proxy, Scheme, Step, Target, check_steps};
use crate::script::SetCookie;

/// The request that follows a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Which origin it goes to.
    pub origin: usize,
    /// The `host` header, where that origin is not the request's own.
    pub authority: Option<String>,
    /// How it is put for a proxy, where it is handed to one.
    pub forward: Option<Forward>,
    pub path: String,
    /// 303 asks for a GET; 301 and 302 get one after a POST, as every browser does.
    pub becomes_get: bool,
    /// What the answers on the way have set, where a script is to know.
    pub set_cookies: Vec<SetCookie>,
}

impl Origin {
    /// The origins of a plan, by their numbers.
    pub fn all(plan: &Plan) -> Vec<Self> {
        let mut all: Vec<Self> = plan
            .all_origins()
            .map(|target| Self::of(target, plan.proxy.as_ref()))
            .collect();
        all[0].server_name = plan.tls.server_name.clone();
        for (at, origin) in all.iter_mut().enumerate() {
            origin.takes_calls = plan.scenarios.iter().any(|scenario| {
                check_steps::any(&scenario.steps, &|step| {
                    matches!(step, Step::Request(it) if it.grpc.is_some() && it.origin == at)
                })
            });
        }
        all
    }

    fn of(target: &Target, proxy: Option<&Proxy>) -> Self {
        let tls = target.scheme == Scheme::Https;
        Self::new(tls, &target.host, target.port, proxy)
    }

    /// The origin at this place, reached through `proxy` where there is one.
    pub fn new(tls: bool, host: &str, port: u16, proxy: Option<&Proxy>) -> Self {
        let mut origin = Self {
            tls,
            host: host.to_string(),
            port,
            server_name: None,
            connect_port: proxy.map_or(port, |proxy| proxy.port),
            forward: None,
            tunnel: None,
            takes_calls: false,
        };
        let Some(proxy) = proxy else {
            return origin;
        };
        let authorization = proxy.authorization.as_ref();
        let fields = authorization.map_or(String::new(), |value| {
            format!("proxy-authorization: {value}\r\n")
        });
        if origin.tls {
            let place = origin.authority_with_port();
            let asked = format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n{fields}\r\n");
            origin.tunnel = Some(asked.into_bytes().into());
        } else {
            origin.forward = Some(Forward {
                prefix: format!("http://{}", origin.authority()),
                fields,
            });
        }
        origin
    }

    fn authority_with_port(&self) -> String {
        let authority = self.authority();
        if self.port == self.default_port() {
            format!("{authority}:{}", self.port)
        } else {
            authority
        }
    }

    /// The `host` header: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.default_port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    fn default_port(&self) -> u16 {
        if self.tls { 443 } else { 80 }
    }

    /// The path that `location` names, seen from `base`; None when it leaves this origin.
    pub fn resolve(&self, location: &str, base: &str) -> Option<String> {
        let location = location.split('#').next().unwrap_or("");
        let base_path = base.split(['?', '#']).next().unwrap_or("/");
        let target = if let Some((scheme, rest)) = location
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))
        {
            let own = if self.tls { "https" } else { "http" };
            if !scheme.eq_ignore_ascii_case(own) {
                return None;
            }
            self.path_of(rest)?
        } else if let Some(rest) = location.strip_prefix("//") {
            self.path_of(rest)?
        } else if location.starts_with('/') {
            location.to_string()
        } else if location.is_empty() {
            base.to_string()
        } else if location.starts_with('?') {
            format!("{base_path}{location}")
        } else {
            let folder = &base_path[..=base_path.rfind('/').unwrap_or(0)];
            format!("{folder}{location}")
        };
        Some(encode_illegal(&without_dots(&target)))
    }

    /// The path of `host[:port]/path`, if the host is ours.
    fn path_of(&self, rest: &str) -> Option<String> {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let own = [
            self.authority(),
            format!("{}:{}", self.authority(), self.port),
        ];
        if !own.iter().any(|own| authority.eq_ignore_ascii_case(own)) {
            return None;
        }
        Some(if path.starts_with('/') {
            path.to_string()
        } else {
            format!("/{path}")
        })
    }
}

/// The origin and path that `location` names, seen from `base` at origin `from`.
///
/// # Errors
/// No origin that is known is meant: the whole URL.
pub fn resolve(
    origins: &Origins,
    from: usize,
    location: &str,
    base: &str,
) -> Result<(usize, String), String> {
    if let Some(path) = origins[from].resolve(location, base) {
        return Ok((from, path));
    }
    // `//host/path` keeps the scheme it was seen from.
    let own = if origins[from].tls { "https:" } else { "http:" };
    let whole = match location.strip_prefix("//") {
        Some(_) => format!("{own}{location}"),
        None => location.to_string(),
    };
    let mut others = origins.iter().enumerate().filter(|(at, _)| *at != from);
    let found = others.find_map(|(at, origin)| Some((at, origin.resolve(&whole, base)?)));
    found.ok_or(whole)
}

/// The path in the form in which it is sent.
pub fn as_sent(path: &str) -> String {
    encode_illegal(&without_dots(path))
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Take out `.` and `..` (RFC 3986, 5.2.4), in the path alone.
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = vec![];
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

/// Bytes that may not stand in a request line, percent-encoded.
fn encode_illegal(path: &str) -> String {
    path.bytes()
        .map(|b| {
            if (0x21..0x7f).contains(&b) {
                (b as char).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        serde_json::from_str(r#"{"scheme": "http", "host": "h", "port": 1, "addresses": []}"#)
            .unwrap()
    }

    #[test]
    fn locations_of_the_same_origin_give_a_path_and_others_none() {
        let origin = Origin {
            tls: false,
            host: "app.test".into(),
            port: 8080,
            ..Origin::of(&target(), None)
        };
        let cases = [
            ("/b?x=1#frag", Some("/b?x=1")),
            ("c", Some("/a/c")),
            ("../c", Some("/c")),
            ("./", Some("/a/")),
            ("?page=2", Some("/a/b?page=2")),
            ("http://app.test:8080/z", Some("/z")),
            ("HTTP://APP.TEST:8080", Some("/")),
            ("//app.test:8080/y", Some("/y")),
            ("/with space", Some("/with%20space")),
            ("http://app.test/z", None),
            ("https://app.test:8080/z", None),
            ("http://other.test:8080/z", None),
            ("//other.test/z", None),
        ];
        for (location, wanted) in cases {
            assert_eq!(
                origin.resolve(location, "/a/b?q=1").as_deref(),
                wanted,
                "{location}"
            );
        }
    }

    #[test]
    fn the_default_port_may_be_said_or_left_out() {
        let origin = Origin {
            tls: true,
            host: "::1".into(),
            port: 443,
            ..Origin::of(&target(), None)
        };
        assert_eq!(origin.authority(), "[::1]");
        assert_eq!(
            origin.resolve("https://[::1]:443/x", "/").as_deref(),
            Some("/x")
        );
        assert_eq!(
            origin.resolve("https://[::1]/x", "/").as_deref(),
            Some("/x")
        );
    }
}
