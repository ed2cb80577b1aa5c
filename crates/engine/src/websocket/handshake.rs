//! The opening handshake: the key that is sent, and what the answer must prove. Source: RFC 6455, 4.1 and 4.2.2.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::http1::Answer;
use crate::rng::Rng;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The nonce of one handshake, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    pub fn draw(rng: &mut Rng) -> Self {
        let nonce = [rng.next_u64().to_ne_bytes(), rng.next_u64().to_ne_bytes()].concat();
        Self(STANDARD.encode(nonce))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// What only someone who speaks WebSocket answers to this key.
    pub fn accept(&self) -> String {
        accept_of(&self.0)
    }
}

/// What a server answers to a key.
pub fn accept_of(key: &str) -> String {
    let joined = format!("{key}{GUID}");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes()))
}

/// Is the 101 an answer to this key, and does it agree to something that was offered?
///
/// # Errors
/// What is wrong with it, as a fragment of a sentence.
pub fn check_answer(answer: &Answer<'_>, key: &Key, offered: &[String]) -> Result<(), String> {
    let header = |name| {
        answer
            .header(name)
            .map(|value| String::from_utf8_lossy(value).trim().to_string())
    };
    let upgrade = header("upgrade").unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return Err(format!(
            "a switch to {upgrade:?} where 'websocket' was asked for"
        ));
    }
    match header("sec-websocket-accept") {
        Some(accept) if accept == key.accept() => {}
        got => {
            return Err(format!(
                "a 101 whose sec-websocket-accept does not answer our key: {}",
                got.map_or("there is none".into(), |got| format!("{got:?}"))
            ));
        }
    }
    if let Some(extensions) = header("sec-websocket-extensions").filter(|text| !text.is_empty()) {
        return Err(format!(
            "the extension {extensions:?}, which was not offered"
        ));
    }
    match header("sec-websocket-protocol") {
        Some(chosen) if !offered.contains(&chosen) => {
            Err(format!("the subprotocol {chosen:?}, which was not offered"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455, 1.3.
    #[test]
    fn the_published_key_gives_the_published_answer() {
        let key = Key("dGhlIHNhbXBsZSBub25jZQ==".into());
        assert_eq!(key.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn an_answer_must_prove_that_it_is_a_websocket() {
        let key = Key::draw(&mut Rng::new(1));
        let check = |fields: &str| {
            let head = format!("HTTP/1.1 101 x\r\n{fields}\r\n");
            let answer = Answer {
                status: 101,
                head: head.as_bytes(),
                body: b"",
            };
            check_answer(&answer, &key, &["chat".into()])
        };
        let accept = key.accept();
        let good = format!("Upgrade: WebSocket\r\nSec-WebSocket-Accept: {accept}\r\n");
        assert_eq!(check(&good), Ok(()));
        assert_eq!(
            check(&format!("{good}sec-websocket-protocol: chat\r\n")),
            Ok(())
        );
        for (fields, told) in [
            ("Upgrade: h2c\r\n".to_string(), "h2c"),
            ("upgrade: websocket\r\n".to_string(), "there is none"),
            (
                "upgrade: websocket\r\nsec-websocket-accept: x\r\n".to_string(),
                "\"x\"",
            ),
            (format!("{good}sec-websocket-protocol: other\r\n"), "other"),
            (format!("{good}sec-websocket-extensions: x-y\r\n"), "x-y"),
        ] {
            assert!(check(&fields).unwrap_err().contains(told), "{fields}");
        }
    }
}
