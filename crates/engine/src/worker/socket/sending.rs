//! What the user says: messages and pings.
use super::WaitsFor;
use crate::plan::socket::{SocketStep, Talk, Words};
use crate::record::ErrorKind;
use crate::websocket::{self, Opcode};
use crate::worker::Worker;
use crate::worker::script::NO_CALL;

/// Frames that gather before they are sent.
const GATHERED_MAX: usize = 16 * 1024;
/// A buffer that grew beyond this is given back once it is empty.
const KEPT_BYTES: usize = 4 * 1024;

impl Worker {
    /// Returns whether the user goes on at once.
    pub(super) fn begin_message(
        &mut self,
        at: u32,
        id: u32,
        step: &SocketStep,
        talk: &Talk,
    ) -> bool {
        let Some(words) = &talk.send else {
            return self.wait_for_message(at, id, step);
        };
        if let Err(name) = self.render_message(id, words) {
            if !talk.receives {
                // Not sent, so not planned either, up to here.
                let now = self.now_ns;
                self.plan_socket_step(id, step.series, now);
            }
            self.fail(id, ErrorKind::Template, || {
                format!("{{{{ {name} }}}} has no value that may stand there")
            });
            return false;
        }
        let opcode = if words.binary {
            Opcode::Binary
        } else {
            Opcode::Text
        };
        let Some(talking) = self.talking(at) else {
            return false;
        };
        let key = talking.key();
        if talk.receives {
            // What came before is no answer to what is said now.
            talking.unread.clear();
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
        if talk.receives {
            self.put_frames(at, &frame);
        } else {
            self.gather(at, &frame);
        }
        self.frame = frame;
        !talk.receives && self.said(at, id, step)
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
    fn said(&mut self, at: u32, id: u32, step: &SocketStep) -> bool {
        let user = &mut self.users[id as usize];
        let full = self.slots[at as usize]
            .conn
            .as_ref()
            .is_some_and(|conn| !conn.rest.is_empty());
        if !full {
            user.step += 1;
            return true;
        }
        user.busy = true;
        if let Some(talking) = self.talking(at) {
            talking.waits_for = WaitsFor::Room;
        }
        let deadline_ns = self.now_ns.saturating_add(step.timeout_ns);
        self.set_deadline(at, deadline_ns);
        false
    }

    /// All that was to be sent has left.
    pub(in crate::worker) fn socket_has_room(&mut self, at: u32) {
        let now = self.now_ns;
        let Some(conn) = self.conn(at) else { return };
        let id = conn.user;
        let Some(talking) = self.talking(at) else {
            return;
        };
        if talking.waits_for != WaitsFor::Room {
            let call = self.users[id as usize].call;
            if call != NO_CALL {
                self.room_on_socket(call);
            }
        } else {
            talking.waits_for = WaitsFor::Nothing;
            self.rest_deadline(at);
            let user = &mut self.users[id as usize];
            user.busy = false;
            user.step += 1;
            self.advance(id, now);
        }
    }

    /// Something that came early may be it already: then the user goes on at once.
    fn wait_for_message(&mut self, at: u32, id: u32, step: &SocketStep) -> bool {
        self.socket_step_sent(at, id, step);
        let Some(talking) = self.talking(at) else {
            return false;
        };
        talking.passed_over = 0;
        talking.waits_for = WaitsFor::Message;
        let mut message = std::mem::take(&mut self.frame);
        let mut found = false;
        while !found
            && self
                .talking(at)
                .is_some_and(|talking| talking.unread.take(&mut message))
        {
            found = self.heard(id, step, &message);
            if let Some(talking) = self.talking(at) {
                if found {
                    talking.waits_for = WaitsFor::Nothing;
                } else {
                    talking.passed_over += 1;
                }
            }
        }
        self.frame = message;
        found
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

    /// Send the frames, behind those that have gathered.
    pub(in crate::worker) fn put_frames(&mut self, at: u32, frames: &[u8]) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let Some(socket) = &mut conn.socket else {
            return;
        };
        let gathered = &mut socket.talking.gathered;
        let put = if gathered.is_empty() {
            conn.put(frames, &mut self.cipher)
        } else {
            gathered.extend_from_slice(frames);
            let mut all = std::mem::take(gathered);
            let put = conn.put(&all, &mut self.cipher);
            if all.capacity() <= KEPT_BYTES
                && let Some(socket) = &mut conn.socket
            {
                all.clear();
                socket.talking.gathered = all;
            }
            put
        };
        self.after_put(at, put);
    }

    /// Have the frames sent with what comes after them in this round.
    fn gather(&mut self, at: u32, frames: &[u8]) {
        let Some(conn) = self.conn(at) else { return };
        let waits = !conn.rest.is_empty();
        let Some(socket) = &mut conn.socket else {
            return;
        };
        if waits || socket.talking.gathered.len() + frames.len() > GATHERED_MAX {
            return self.put_frames(at, frames);
        }
        socket.talking.gathered.extend_from_slice(frames);
        self.send_soon_on_socket(at);
    }

    /// Have what has gathered sent at the end of this round.
    pub(super) fn send_soon_on_socket(&mut self, at: u32) {
        if let Some(talking) = self.talking(at)
            && !std::mem::replace(&mut talking.listed, true)
        {
            self.to_send.push(at);
        }
    }

    /// The round is over: what has gathered leaves. False where it is another connection's turn to send.
    pub(in crate::worker) fn send_gathered_on_socket(&mut self, at: u32) -> bool {
        let Some(talking) = self.talking(at) else {
            return false;
        };
        // Where it was not listed, another socket has taken the place of the one that had something to send.
        if std::mem::take(&mut talking.listed) && !talking.gathered.is_empty() {
            self.put_frames(at, &[]);
        }
        true
    }
}
