//! A user's cookies (RFC 6265), each for the origin that gave it: a cookie's domain is not looked at.
mod date;

use std::fmt::Write;

use crate::sys;

/// A jar holds no more than this; a further cookie takes the oldest one's place (RFC 6265, 6.1 asks for 50 a domain).
const COOKIES_MAX: usize = 100;
/// A longer cookie is not kept (RFC 6265, 6.1 asks for 4096 bytes of name, value and attributes).
const COOKIE_BYTES_MAX: usize = 8192;

#[derive(Debug, Clone, Default)]
struct Cookie {
    origin: usize,
    name: String,
    value: String,
    path: String,
    /// Monotonic; `u64::MAX` for never.
    expires_ns: u64,
    secure: bool,
}

#[derive(Debug, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
}

/// The request whose answer sets a cookie.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The number of the origin it goes to.
    pub origin: usize,
    /// Its path, with or without a query.
    pub path: &'a str,
    pub secure: bool,
    pub now_ns: u64,
}

impl Jar {
    pub fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }

    pub fn clear(&mut self) {
        self.cookies.clear();
    }

    pub fn copy(&mut self, from: &Self) {
        self.cookies.clone_from(&from.cookies);
    }

    /// Take over what a branch was given.
    pub fn merge(&mut self, from: &Self) {
        for cookie in &from.cookies {
            self.put(cookie.clone());
        }
    }

    /// Keep what a `set-cookie` header says.
    pub fn set(&mut self, header: &[u8], by: Setting<'_>) {
        if header.len() > COOKIE_BYTES_MAX {
            return;
        }
        let text = String::from_utf8_lossy(header);
        if let Some(cookie) = parse(&text, by) {
            if cookie.expires_ns <= by.now_ns {
                self.cookies.retain(|known| !known.is_same(&cookie));
            } else if !cookie.secure || by.secure {
                self.put(cookie);
            }
        }
    }

    fn put(&mut self, cookie: Cookie) {
        match self.cookies.iter_mut().find(|known| known.is_same(&cookie)) {
            Some(known) => *known = cookie,
            None => {
                if self.cookies.len() == COOKIES_MAX {
                    self.cookies.remove(0);
                }
                self.cookies.push(cookie);
            }
        }
    }

    /// Take the cookies out of `a=b; c=d` that this jar has a newer value of.
    pub fn replace_in(&self, origin: usize, given: &mut Vec<u8>) {
        let is_newer = |pair: &str| {
            let name = pair.split('=').next().unwrap_or(pair).trim();
            let mut all = self.cookies.iter();
            all.any(|own| own.origin == origin && own.name == name)
        };
        if let (false, Ok(text)) = (self.is_empty(), std::str::from_utf8(given)) {
            let kept: Vec<&str> = text.split("; ").filter(|pair| !is_newer(pair)).collect();
            *given = kept.join("; ").into_bytes();
        }
    }

    /// Append `a=b; c=d`, behind other cookies if there are some, for a request of this path; nothing where no cookie is for it. `given` are names that the
    /// request brings along by itself.
    pub fn write(&mut self, by: Setting<'_>, given: &[String], out: &mut Vec<u8>) {
        self.cookies.retain(|cookie| cookie.expires_ns > by.now_ns);
        let path = without_query(by.path);
        let mut between: &[u8] = if out.is_empty() { b"" } else { b"; " };
        // Longer paths go first, of equal ones the older (RFC 6265, 5.4); most jars have one path alone.
        let mut lengths: Vec<usize> = vec![];
        if self
            .cookies
            .iter()
            .any(|c| c.path.len() != self.cookies[0].path.len())
        {
            lengths.extend(self.cookies.iter().map(|cookie| cookie.path.len()));
            lengths.sort_unstable();
            lengths.dedup();
            lengths.reverse();
        } else if let Some(first) = self.cookies.first() {
            lengths.push(first.path.len());
        }
        for length in lengths {
            for cookie in self.cookies.iter().filter(|c| c.path.len() == length) {
                let own = given.contains(&cookie.name) || (cookie.secure && !by.secure);
                if own || cookie.origin != by.origin || !path_matches(path, &cookie.path) {
                    continue;
                }
                for piece in [
                    between,
                    cookie.name.as_bytes(),
                    b"=",
                    cookie.value.as_bytes(),
                ] {
                    out.extend_from_slice(piece);
                }
                between = b"; ";
            }
        }
    }
}

impl Cookie {
    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.path == other.path && self.origin == other.origin
    }
}

/// RFC 6265, 5.2 and 5.3.
fn parse(text: &str, by: Setting<'_>) -> Option<Cookie> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || text.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
        return None;
    }
    let mut cookie = Cookie {
        origin: by.origin,
        name: name.into(),
        value: value.into(),
        path: String::new(),
        expires_ns: u64::MAX,
        secure: false,
    };
    let mut max_age = None;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (key.trim(), value.trim());
        if key.eq_ignore_ascii_case("max-age") {
            max_age = value.parse::<i64>().ok().or(max_age);
        } else if key.eq_ignore_ascii_case("expires") {
            if let Some(unix_s) = date::parse(value) {
                cookie.expires_ns = monotonic_ns(unix_s);
            }
        } else if key.eq_ignore_ascii_case("path") {
            cookie.path.clear();
            if value.starts_with('/') {
                cookie.path.push_str(value);
            }
        } else if key.eq_ignore_ascii_case("secure") {
            cookie.secure = true;
        }
    }
    if let Some(seconds) = max_age {
        let left_ns = u64::try_from(seconds)
            .unwrap_or(0)
            .saturating_mul(1_000_000_000);
        cookie.expires_ns = if left_ns == 0 {
            0
        } else {
            by.now_ns.saturating_add(left_ns)
        };
    }
    if cookie.path.is_empty() {
        // Writing to a String does not fail.
        let _ = write!(cookie.path, "{}", default_path(without_query(by.path)));
    }
    Some(cookie)
}

fn monotonic_ns(unix_s: i64) -> u64 {
    let ns = unix_s
        .saturating_mul(1_000_000_000)
        .saturating_sub(sys::unix_offset_ns());
    u64::try_from(ns).unwrap_or(0)
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// RFC 6265, 5.1.4: up to, but not including, the last slash.
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

/// RFC 6265, 5.1.4.
fn path_matches(path: &str, of_cookie: &str) -> bool {
    path.strip_prefix(of_cookie)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || of_cookie.ends_with('/'))
}

#[cfg(test)]
mod tests;
