//! A step on the socket from its beginning to its end: what it counts, and how it fails.
use super::closing::closed_text;
use super::{Held, WaitsFor};
use crate::plan::socket::{SocketStep, SocketWork};
use crate::record::ErrorKind;
use crate::websocket::ABNORMAL;
use crate::worker::Worker;
use crate::worker::script::NO_CALL;

impl Worker {
    /// The user's next step is one on its socket. Returns whether it is done already, and the user goes on at once.
    pub(in crate::worker) fn begin_socket_step(&mut self, id: u32, at_ns: u64) -> bool {
        let plan = self.plan_here.clone();
        let user = &mut self.users[id as usize];
        let Some(step) = user.socket_step(&plan) else {
            return false;
        };
        let at = match (user.socket, &step.what) {
            (Held::Open(at), _) => at,
            (_, SocketWork::Close { .. }) => {
                user.step += 1;
                return true;
            }
            _ if step.reconnect => {
                user.resume = user.step;
                user.step = step.opened_by;
                return true;
            }
            (held, _) => {
                self.plan_socket_step(id, step.series, at_ns);
                let code = if let Held::Closed(code) = held {
                    code
                } else {
                    ABNORMAL
                };
                self.fail(id, ErrorKind::WsClose, || closed_text(code));
                return false;
            }
        };
        match &step.what {
            SocketWork::Close { code, reason } => {
                user.step += 1;
                self.begin_close(id, *code, reason);
                false
            }
            SocketWork::Ping => {
                self.plan_socket_step(id, step.series, at_ns);
                self.ping(at, id, step);
                false
            }
            SocketWork::Message(talk) => {
                if talk.receives {
                    self.plan_socket_step(id, step.series, at_ns);
                }
                self.begin_message(at, id, step, talk)
            }
        }
    }

    pub(super) fn plan_socket_step(&mut self, id: u32, series: usize, at_ns: u64) {
        let user = &mut self.users[id as usize];
        user.planned_ns = at_ns;
        user.busy = true;
        let step = &mut self.second.steps[series];
        step.planned += 1;
        step.started += 1;
    }

    /// A message that is only sent is counted as a request once it has failed.
    pub(super) fn plan_lone_send(&mut self, id: u32) {
        let plan = self.plan_here.clone();
        if let Some(step) = self.users[id as usize].socket_step(&plan) {
            let now = self.now_ns;
            self.plan_socket_step(id, step.series, now);
        }
    }

    /// The step's message leaves now, or its waiting begins.
    pub(super) fn socket_step_sent(&mut self, at: u32, id: u32, step: &SocketStep) {
        let now = self.clock();
        let user = &mut self.users[id as usize];
        user.sent_ns = now;
        let seen = &mut self.second.steps[step.series];
        seen.lag.record(now - user.planned_ns.min(now));
        seen.in_flight += 1;
        self.in_flight += 1;
        self.set_deadline(at, now.saturating_add(step.timeout_ns));
    }

    pub(super) fn socket_step_done(
        &mut self,
        id: u32,
        step: &SocketStep,
        failed: Option<(ErrorKind, String)>,
    ) {
        let done_ns = self.now_ns;
        let user = &mut self.users[id as usize];
        let seen = &mut self.second.steps[step.series];
        seen.answered += 1;
        seen.response.record(done_ns - user.planned_ns.min(done_ns));
        seen.service.record(done_ns - user.sent_ns.min(done_ns));
        seen.in_flight -= 1;
        self.in_flight -= 1;
        user.request_over();
        user.step += 1;
        if let Held::Open(at) = user.socket {
            self.rest_deadline(at);
        }
        if let Some((kind, text)) = failed {
            self.tell(step.series, kind, text);
        }
    }

    /// The step took too long, or the server never answered our close frame.
    pub(in crate::worker) fn socket_timeout(&mut self, at: u32) {
        let Some(conn) = self.conn(at) else { return };
        let id = conn.user;
        let Some(talking) = self.talking(at) else {
            return;
        };
        let (waits_for, passed_over) = (talking.waits_for, talking.passed_over);
        if self.users[id as usize].call != NO_CALL && self.talk_timeout(at, id) {
            return;
        }
        if waits_for == WaitsFor::Close {
            return self.drop_socket(at, ABNORMAL, ErrorKind::WsClose, String::new);
        }
        let Some(talking) = self.talking(at) else {
            return;
        };
        talking.waits_for = WaitsFor::Nothing;
        self.rest_deadline(at);
        let plan = self.plan_here.clone();
        let limit_ms = self.users[id as usize]
            .socket_step(&plan)
            .map_or(0.0, |step| step.timeout_ns as f64 / 1e6);
        let text = match waits_for {
            WaitsFor::Nothing | WaitsFor::Close => return,
            WaitsFor::Pong(_) => format!("no pong within {limit_ms} ms"),
            WaitsFor::Room => {
                self.plan_lone_send(id);
                format!(
                    "the server took no more for {limit_ms} ms: what it was sent waits to be read"
                )
            }
            WaitsFor::Message if passed_over == 0 => format!("no message within {limit_ms} ms"),
            WaitsFor::Message => {
                format!("no message that fits within {limit_ms} ms, of {passed_over} that came")
            }
        };
        self.fail(id, ErrorKind::Timeout, || text);
    }

    /// With `reconnect`, the steps after the failed one are still taken.
    pub(super) fn fail_on_socket(
        &mut self,
        id: u32,
        kind: ErrorKind,
        text: impl FnOnce() -> String,
    ) {
        let plan = self.plan_here.clone();
        let user = &self.users[id as usize];
        let goes_on = user.socket_step(&plan).filter(|step| step.reconnect);
        let next = user.step + 1;
        if goes_on.is_none() {
            return self.fail(id, kind, text);
        }
        self.count_failure(id, kind, text);
        self.users[id as usize].step = next;
        self.soon(id);
    }
}
