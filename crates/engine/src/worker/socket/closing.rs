//! How a socket ends: we say so, the server does, it breaks the rules, or the connection is gone.
use super::{Held, WaitsFor};
use crate::record::ErrorKind;
use crate::websocket::{self, ABNORMAL, Violation};
use crate::worker::Worker;
use crate::worker::script::NO_CALL;

impl Worker {
    /// Say that we end it, and wait for the server to say so too.
    pub(in crate::worker) fn begin_close(&mut self, id: u32, code: u16, reason: &str) {
        let Held::Open(at) = self.users[id as usize].socket else {
            return;
        };
        self.users[id as usize].busy = true;
        let Some(talking) = self.talking(at) else {
            return;
        };
        let key = talking.key();
        talking.waits_for = WaitsFor::Close;
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        websocket::put_close(code, reason, key, &mut frame);
        let deadline_ns = self.clock().saturating_add(self.plan.connect_timeout_ns);
        self.set_deadline(at, deadline_ns);
        self.put_frames(at, &frame);
        self.frame = frame;
    }

    /// The user is about to leave, or its iteration to end: true when its socket has to be closed before that.
    pub(in crate::worker) fn closes_first(&mut self, id: u32, code: u16) -> bool {
        let user = &mut self.users[id as usize];
        let Held::Open(at) = user.socket else {
            return false;
        };
        if self
            .talking(at)
            .is_some_and(|talking| talking.waits_for != WaitsFor::Close)
        {
            self.begin_close(id, code, "");
        }
        true
    }

    /// The server ends the connection: in answer to us, or by itself.
    pub(super) fn closed_by_server(&mut self, at: u32, code: u16, reason: &str) {
        let Some(talking) = self.talking(at) else {
            return;
        };
        let ours = talking.waits_for == WaitsFor::Close;
        if !ours {
            let key = talking.key();
            let mut frame = vec![];
            websocket::put_close(code, "", key, &mut frame);
            let token = self.token(at);
            self.put_frames(at, &frame);
            if self.slot_of(token).is_none() {
                return;
            }
        }
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        self.drop_socket(at, code, ErrorKind::WsClose, || closed_text(code) + &reason);
    }

    pub(super) fn violated(&mut self, at: u32, violation: Violation) {
        let Some(talking) = self.talking(at) else {
            return;
        };
        let (key, series) = (talking.key(), talking.series);
        let waits = !matches!(talking.waits_for, WaitsFor::Nothing | WaitsFor::Close);
        let id = self.conn(at).map_or(0, |conn| conn.user);
        let waits = match self.users[id as usize].call {
            NO_CALL => waits,
            _ => self.talk_waits(id),
        };
        let mut frame = vec![];
        websocket::put_close(violation.code(), "", key, &mut frame);
        let token = self.token(at);
        self.put_frames(at, &frame);
        if self.slot_of(token).is_none() {
            return;
        }
        let limit = self.plan.body_bytes_max;
        let (kind, text) = match violation {
            Violation::Protocol(reason) => (ErrorKind::Protocol, format!("got {reason}")),
            Violation::NotUtf8 => (
                ErrorKind::Protocol,
                "got a text message that is not UTF-8".into(),
            ),
            Violation::TooLarge(bytes) => (
                ErrorKind::BodyTooLarge,
                format!("a message of {bytes} bytes or more, above {limit}"),
            ),
        };
        if !waits {
            // Nobody's step fails by it, but it went wrong.
            self.tell(series, kind, text.clone());
        }
        self.drop_socket(at, violation.code(), kind, || text);
    }

    /// The connection is gone, or of no more use; the step that waits on it fails.
    pub(in crate::worker) fn drop_socket(
        &mut self,
        at: u32,
        code: u16,
        kind: ErrorKind,
        text: impl FnOnce() -> String,
    ) {
        let Some(conn) = self.conn(at) else { return };
        let id = conn.user;
        let Some(socket) = conn.socket.take() else {
            return;
        };
        self.close(at);
        let talking = socket.talking;
        self.second.steps[talking.series].socket().closed(code, 1);
        self.users[id as usize].socket = Held::Closed(code);
        if self.users[id as usize].call != NO_CALL {
            return self.talk_over(id, code, kind, text());
        }
        match talking.waits_for {
            WaitsFor::Nothing => {}
            WaitsFor::Close => {
                self.users[id as usize].busy = false;
                self.soon(id);
            }
            WaitsFor::Room => {
                self.plan_lone_send(id);
                self.fail_on_socket(id, kind, text);
            }
            WaitsFor::Message | WaitsFor::Pong(_) => self.fail_on_socket(id, kind, text),
        }
    }
}

/// How a socket that was closed with `code` is told of.
pub(super) fn closed_text(code: u16) -> String {
    if code == ABNORMAL {
        return "the connection ended without a close frame".into();
    }
    format!(
        "the server closed the socket with {code}, {}",
        websocket::code_name(code)
    )
}
