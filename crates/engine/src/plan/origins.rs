//! The origins of a run by their numbers: the plan's, and those that requests and redirects have led to since.
use std::net::Ipv6Addr;
use std::ops::Index;
use std::sync::OnceLock;

use super::compile::Origin;
use super::{Plan, Proxy};
use crate::tls;

/// So many origins beyond the plan's may be met in a run.
pub const MET_MAX: usize = 64;

/// Where requests go. Read by all threads without a lock: a number, once given out, stands for the same origin until the end.
#[derive(Debug)]
pub struct Origins {
    planned: Vec<Origin>,
    met: Box<[OnceLock<Origin>]>,
    proxy: Option<Proxy>,
}

impl Origins {
    pub fn of(plan: &Plan) -> Self {
        Self {
            planned: Origin::all(plan),
            met: (0..MET_MAX).map(|_| OnceLock::new()).collect(),
            proxy: plan.proxy.clone(),
        }
    }

    /// Those of the plan.
    pub fn planned(&self) -> &[Origin] {
        &self.planned
    }

    /// All that are known by now, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        let met = self.met.iter().map_while(OnceLock::get);
        self.planned.iter().chain(met)
    }

    pub fn get(&self, number: usize) -> Option<&Origin> {
        match self.planned.get(number) {
            Some(origin) => Some(origin),
            None => self.met.get(number - self.planned.len())?.get(),
        }
    }

    /// The number of an origin that is known.
    pub fn number_of(&self, place: &Place<'_>) -> Option<usize> {
        self.iter().position(|origin| {
            origin.tls == place.tls
                && origin.port == place.port
                && origin.host.eq_ignore_ascii_case(place.host)
        })
    }

    /// Give an origin that is not known its number. Only one thread at a time may ask (`origins::Book` sees to it).
    ///
    /// # Errors
    /// There are too many, or no certificate can bear such a name.
    pub fn add(&self, place: &Place<'_>) -> Result<usize, String> {
        if place.tls {
            tls::server_name(place.host)?;
        }
        let origin = Origin::new(place.tls, place.host, place.port, self.proxy.as_ref());
        let authority = origin.authority();
        let free = self.met.iter().position(|one| one.get().is_none());
        match free.map(|at| (at, self.met[at].set(origin))) {
            Some((at, Ok(()))) => Ok(self.planned.len() + at),
            _ => Err(format!(
                "{authority} is one origin too many: beyond those of the plan, requests may go to {MET_MAX} in a run; \
                 name those that are needed in the plan's origins"
            )),
        }
    }
}

impl Index<usize> for Origins {
    type Output = Origin;

    fn index(&self, number: usize) -> &Origin {
        match self.planned.get(number) {
            Some(origin) => origin,
            None => self.met[number - self.planned.len()]
                .get()
                .expect("numbers are given out once the origin is there"),
        }
    }
}

/// What a whole URL says of where it leads.
#[derive(Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub tls: bool,
    pub host: &'a str,
    pub port: u16,
}

/// The place and the path with its query that a whole URL names; None for one that cannot be asked for: another scheme, a user
/// in it, no host.
pub fn split_url(url: &str) -> Option<(Place<'_>, String)> {
    let url = url.split('#').next()?;
    let (scheme, rest) = url.split_once("://")?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, port) = inner.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let usual = if tls { 443 } else { 80 };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => usual,
        Some("") => usual,
        Some(digits) => digits.parse().ok().filter(|port| *port > 0)?,
        None => return None,
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_name) {
        return None;
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some((Place { tls, host, port }, format!("{slash}{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_url_names_a_place_and_a_path() {
        let cases = [
            ("http://a.test", Some((false, "a.test", 80, "/"))),
            (
                "HTTPS://a.test:8443/x?y#z",
                Some((true, "a.test", 8443, "/x?y")),
            ),
            ("https://[::1]:9/x", Some((true, "::1", 9, "/x"))),
            ("http://[::1]", Some((false, "::1", 80, "/"))),
            ("http://a.test?q=1", Some((false, "a.test", 80, "/?q=1"))),
            ("http://user@a.test/", None),
            ("ftp://a.test/", None),
            ("http:///x", None),
            ("http://a.test:0/", None),
            ("http://a.test:x/", None),
            ("http://[::1]x/", None),
            ("http://a\r\nb/", None),
            ("/x", None),
        ];
        for (url, wanted) in cases {
            let found = split_url(url);
            let found = found
                .as_ref()
                .map(|(at, path)| (at.tls, at.host, at.port, path.as_str()));
            assert_eq!(found, wanted, "{url}");
        }
    }
}
