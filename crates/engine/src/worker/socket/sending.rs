//! What the user says: messages and pings.
use super::{Talking, WaitsFor};
use crate::plan::socket::{SocketStep, Talk, Words};
use crate::record::ErrorKind;
use crate::sys;
use crate::websocket::{self, Opcode};
use crate::worker::Worker;

impl Worker {
    pub(super) fn begin_message(&mut self, at: u32, id: u32, step: &SocketStep, talk: &Talk) {
        let Some(words) = &talk.send else {
            return self.wait_for_message(at, id, step);
        };
        if let Err(name) = self.render_message(id, words) {
            if !talk.receives {
                // Not sent, so not planned either, up to here.
                let now = self.now_ns;
                self.plan_socket_step(id, step.series, now);
            }
            return self.fail(id, ErrorKind::Template, || {
                format!("{{{{ {name} }}}} has no value that may stand there")
            });
        }
        let opcode = if words.binary {
            Opcode::Binary
        } else {
            Opcode::Text
        };
        let Some(talking) = self.talking(at) else {
            return;
        };
        let key = talking.key();
        if talk.receives {
            // What came before is no answer to what is said now.
            talking.unread.clear();
            talking.unread_bytes = 0;
            talking.passed_over = 0;
            talking.waits_for = WaitsFor::Message;
        }
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        match words.template.fixed() {
            Some(fixed) => websocket::put_frame(opcode, fixed, key, &mut frame),
            None => websocket::put_frame(opcode, &self.sending, key, &mut frame),
        }
        if talk.receives {
            self.socket_step_sent(at, id, step);
        }
        let seen = &mut self.second.steps[step.series];
        seen.socket().messages_sent += 1;
        seen.bytes_sent += frame.len() as u64;
        let token = self.token(at);
        self.put_frames(at, &frame);
        self.frame = frame;
        if !talk.receives && self.slot_of(token).is_some() {
            self.said(at, id, step);
        }
    }

    fn render_message(&mut self, id: u32, words: &Words) -> Result<(), String> {
        if words.template.fixed().is_some() {
            return Ok(());
        }
        self.sending.clear();
        let user = &self.users[id as usize];
        let mut rng = user.rng(self.plan.seed);
        words
            .template
            .render(&user.values(&self.plan), &mut rng, &mut self.sending)
            .map_err(str::to_string)
    }

    /// A message that nothing is waited for after: go on, unless the socket takes no more at the moment.
    fn said(&mut self, at: u32, id: u32, step: &SocketStep) {
        let user = &mut self.users[id as usize];
        let full = self.slots[at as usize]
            .conn
            .as_ref()
            .is_some_and(|conn| !conn.rest.is_empty());
        if !full {
            user.step += 1;
            return self.soon(id);
        }
        user.busy = true;
        if let Some(talking) = self.talking(at) {
            talking.waits_for = WaitsFor::Room;
        }
        let deadline_ns = self.now_ns.saturating_add(step.timeout_ns);
        self.set_deadline(at, deadline_ns);
    }

    /// All that was to be sent has left.
    pub(in crate::worker) fn socket_has_room(&mut self, at: u32) {
        let now = self.now_ns;
        let Some(conn) = self.conn(at) else { return };
        let id = conn.user;
        let Some(talking) = self.talking(at) else {
            return;
        };
        if talking.waits_for == WaitsFor::Room {
            talking.waits_for = WaitsFor::Nothing;
            self.rest_deadline(at);
            let user = &mut self.users[id as usize];
            user.busy = false;
            user.step += 1;
            self.advance(id, now);
        }
    }

    /// Something that came early may be it already.
    fn wait_for_message(&mut self, at: u32, id: u32, step: &SocketStep) {
        self.socket_step_sent(at, id, step);
        let Some(talking) = self.talking(at) else {
            return;
        };
        talking.passed_over = 0;
        talking.waits_for = WaitsFor::Message;
        while let Some(message) = self.talking(at).and_then(Talking::take_unread) {
            if self.heard(id, step, &message) {
                if let Some(talking) = self.talking(at) {
                    talking.waits_for = WaitsFor::Nothing;
                }
                self.rest_deadline(at);
                return self.soon(id);
            }
            if let Some(talking) = self.talking(at) {
                talking.passed_over += 1;
            }
        }
    }

    pub(super) fn ping(&mut self, at: u32, id: u32, step: &SocketStep) {
        let Some(talking) = self.talking(at) else {
            return;
        };
        let (key, nonce) = (talking.key(), talking.rng.next_u64());
        talking.waits_for = WaitsFor::Pong(nonce);
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        websocket::put_frame(Opcode::Ping, &nonce.to_ne_bytes(), key, &mut frame);
        self.socket_step_sent(at, id, step);
        self.second.steps[step.series].bytes_sent += frame.len() as u64;
        self.put_frames(at, &frame);
        self.frame = frame;
    }

    pub(super) fn put_frames(&mut self, at: u32, frames: &[u8]) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let put = conn.put(frames, &mut self.cipher);
        conn.clocks.sent_end_ns = sys::now_ns();
        self.after_put(at, put);
    }
}
