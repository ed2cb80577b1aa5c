//! Bodies that come in pieces: a script puts the next one when the one before it has left, so that memory stays bounded
//! whichever side is slow. Time runs out only while the service does not take what was put.
use std::io::Write;

use super::Worker;
use crate::script::{ToScript, Told};
use crate::sys;

/// How far a body is.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    /// Where it is sent: the connection's token, and the stream on it.
    token: u64,
    stream: u32,
    /// Its length is not known: it goes in chunks, where HTTP/1.1 is spoken.
    chunked: bool,
    /// The script was told that it may put the next piece.
    room: bool,
    /// Its last piece was put.
    pub over: bool,
}

impl Worker {
    /// The head of such a request is put out.
    pub(super) fn begin_upload(&mut self, at: u32, stream: u32) {
        let token = self.token(at);
        let user = match stream {
            0 => self.conn(at).map(|conn| conn.user),
            id => self.slots[at as usize].stream(id).map(|stream| stream.user),
        };
        let Some(id) = user else { return };
        let call = self.users[id as usize].call;
        let upload = self
            .plan
            .of_call(call)
            .and_then(|request| request.upload.as_ref());
        let chunked = upload.is_some_and(|upload| upload.bytes.is_none());
        if let Some(channel) = self.plan.channel(call) {
            channel.sending = Some(Sending {
                token,
                stream,
                chunked: chunked && stream == 0,
                room: false,
                over: false,
            });
        }
        if stream != 0 {
            if let Some(multiplex) = self.conn(at).and_then(|conn| conn.multiplex.as_mut()) {
                multiplex.connection.roomy.push(stream);
            }
        } else {
            self.tell_rooms(at);
        }
    }

    /// All that was put has left: who sends a body here may put the next piece.
    pub(super) fn tell_rooms(&mut self, at: u32) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        if !conn.rest.is_empty() {
            // Told when that has left.
            return;
        }
        let Some(multiplex) = &mut conn.multiplex else {
            let user = conn.user;
            if self.tell_room(user) {
                self.set_deadline(at, u64::MAX);
            }
            return;
        };
        for id in std::mem::take(&mut multiplex.connection.roomy) {
            let Some(user) = self.slots[at as usize].stream(id).map(|it| it.user) else {
                continue;
            };
            if self.tell_room(user)
                && let Some(stream) = self.slots[at as usize].stream(id)
            {
                stream.deadline_ns = u64::MAX;
            }
        }
    }

    fn tell_room(&mut self, user: u32) -> bool {
        let call = self.users[user as usize].call;
        let Some(sending) = self.plan.channel(call).and_then(|it| it.sending.as_mut()) else {
            return false;
        };
        if sending.over || std::mem::replace(&mut sending.room, true) {
            return false;
        }
        let told = Told::Room;
        self.tell_script(ToScript::Channel { call, told });
        true
    }

    pub(super) fn put_piece(&mut self, call: u32, piece: &[u8], last: bool) {
        let Some(sending) = self.plan.channel(call).and_then(|it| it.sending.as_mut()) else {
            return;
        };
        sending.room = false;
        sending.over = last;
        let Sending {
            token,
            stream,
            chunked,
            ..
        } = *sending;
        let Some(at) = self.slot_of(token) else {
            return;
        };
        let now = self.clock();
        let timeout_ns = self
            .plan
            .of_call(call)
            .map_or(u64::MAX, |request| request.timeout_ns);
        let deadline_ns = now.saturating_add(timeout_ns);
        if stream == 0 {
            self.put_on_connection(at, piece, last, chunked);
        } else {
            if let Some(multiplex) = self.conn(at).and_then(|conn| conn.multiplex.as_mut()) {
                multiplex.connection.upload_piece(stream, piece, last);
            }
            if let Some(stream) = self.slots[at as usize].stream(stream) {
                stream.deadline_ns = deadline_ns;
            }
            self.send_soon(at);
        }
        if self.slot_of(token).is_some() {
            self.set_deadline(at, deadline_ns);
            if stream == 0 {
                self.tell_rooms(at);
            }
        }
    }

    fn put_on_connection(&mut self, at: u32, piece: &[u8], last: bool, chunked: bool) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        if chunked && !piece.is_empty() {
            // Writing to a Vec does not fail.
            let _ = write!(frame, "{:x}\r\n", piece.len());
        }
        frame.extend_from_slice(piece);
        if chunked {
            let end: &[u8] = match (piece.is_empty(), last) {
                (true, true) => b"0\r\n\r\n",
                (true, false) => b"",
                (false, true) => b"\r\n0\r\n\r\n",
                (false, false) => b"\r\n",
            };
            frame.extend_from_slice(end);
        }
        if let Some(conn) = &mut self.slots[at as usize].conn {
            if let Some(request) = self.users[conn.user as usize].request(&self.plan) {
                self.second.steps[request.series].bytes_sent += frame.len() as u64;
            }
            let put = conn.put(&frame, &mut self.cipher);
            conn.clocks.sent_end_ns = sys::now_ns();
            self.after_put(at, put);
        }
        self.frame = frame;
        self.trim_frame();
    }

    /// A buffer that a large piece has made large is given back.
    fn trim_frame(&mut self) {
        crate::http1::reuse(&mut self.frame);
    }
}
