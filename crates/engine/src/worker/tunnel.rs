//! A tunnel through a proxy: asked for by CONNECT once the proxy is reached; TLS with the origin follows inside it.
//! Source: RFC 9110, 9.3.6.
use super::Worker;
use super::connections::State;
use crate::http1::{State as Reading, Wants, Wrong};
use crate::record::ErrorKind;

impl Worker {
    /// Ask the proxy that was reached for a tunnel to the connection's origin; false where none is needed.
    pub(super) fn asks_for_tunnel(&mut self, at: u32) -> bool {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return false;
        };
        let Some(asked) = &self.plan.origins[conn.way.site as usize].tunnel else {
            return false;
        };
        conn.state = State::Tunnelling;
        conn.exchange.reset();
        let put = conn.put(asked, &mut vec![]);
        self.watch_writable(at, false);
        self.after_put(at, put);
        true
    }

    /// The proxy has said something: the tunnel is there, or it is refused. A success has no body.
    pub(super) fn arrived_tunnel(&mut self, at: u32, bytes: &[u8]) {
        let Some(conn) = self.conn(at) else { return };
        let wants = Wants {
            to_head_request: true,
            ..Wants::default()
        };
        match conn.exchange.feed(bytes, wants) {
            Ok(Reading::More) => {}
            Ok(Reading::Done {
                status: 200..=299, ..
            }) => self.reached(at),
            Ok(Reading::Done { status, .. }) => self.break_off(at, ErrorKind::Connect, || {
                let cure = match status {
                    407 => ": it wants a user and a password, http://user:password@host:port",
                    _ => "",
                };
                format!("the proxy answered {status} to CONNECT{cure}")
            }),
            Err(Wrong::Protocol(reason)) => self.break_off(at, ErrorKind::Connect, || {
                format!("the proxy answered to CONNECT with {reason}")
            }),
            _ => self.break_off(at, ErrorKind::Connect, || {
                "the proxy answered to CONNECT with something else".into()
            }),
        }
    }
}
