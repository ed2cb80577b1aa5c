//! Flow control, both ways: what we may send, and what we let the server send. Source: RFC 9113, 5.2 and 6.9.
use super::{CONNECTION_WINDOW, Connection, Fatal, STREAM_WINDOW, WINDOW_MAX, protocol};
use crate::http2::frame::{self, Code, Head, flag, kind};

const TOO_MUCH: Fatal = Fatal {
    code: Code::FLOW_CONTROL_ERROR,
    reason: "more data than the window was open for",
};
const TOO_WIDE: Fatal = Fatal {
    code: Code::FLOW_CONTROL_ERROR,
    reason: "a window above 2^31-1",
};

/// So many streams may wait for a window before any is looked for that has ended.
const HELD_AT_LEAST: usize = 64;

impl Connection {
    /// Send the body of a stream that begins, or as much of it as the windows let through; the rest waits.
    pub(super) fn upload(&mut self, id: u32, body: &[u8]) {
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        let open = stream.window.min(self.window).max(0) as usize;
        let now = body.len().min(open);
        stream.window -= now as i64;
        self.window -= now as i64;
        if now < body.len() {
            stream.upload.extend_from_slice(body);
            stream.uploaded = now;
        }
        let limit = self.settings.frame_bytes_max;
        let end = now == body.len() && !stream.uploading;
        let put = put_data(&mut self.out, id, &body[..now], end, limit);
        stream.queued += put;
        if now < body.len() {
            self.hold(id);
        }
    }

    /// The stream waits for a window; those that ended while they waited are forgotten now and then.
    fn hold(&mut self, id: u32) {
        if self.held.len() >= HELD_AT_LEAST + 2 * self.streams.open() {
            let streams = &mut self.streams;
            self.held.retain(|id| streams.get(*id).is_some());
        }
        self.held.push_back(id);
    }

    /// The next piece of a body that comes in pieces, where the one before it has left.
    pub fn upload_piece(&mut self, id: u32, piece: &[u8], last: bool) {
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        stream.uploading = !last;
        stream.upload.clear();
        stream.uploaded = 0;
        self.unstamped.push(id);
        if piece.is_empty() {
            let flags = if last { flag::END_STREAM } else { 0 };
            let before = self.out.len();
            frame::put(&mut self.out, kind::DATA, flags, id, &[]);
            stream.queued += (self.out.len() - before) as u64;
        } else {
            self.upload(id, piece);
        }
        if let Some(stream) = self.streams.get(id)
            && stream.uploading
            && stream.held_back().is_none()
        {
            self.roomy.push(id);
        }
    }

    /// Windows have opened: send what waits, each stream in its turn.
    pub(super) fn upload_more(&mut self) {
        for _ in 0..self.held.len() {
            let Some(id) = self.held.pop_front() else {
                return;
            };
            let Some(stream) = self.streams.get(id) else {
                continue;
            };
            let open = stream.window.min(self.window).max(0) as usize;
            let left = stream.upload.len() - stream.uploaded;
            let now = left.min(open);
            if now < left {
                self.held.push_back(id);
            }
            if now == 0 {
                continue;
            }
            let piece = &stream.upload[stream.uploaded..stream.uploaded + now];
            let limit = self.settings.frame_bytes_max;
            let end = now == left && !stream.uploading;
            stream.queued += put_data(&mut self.out, id, piece, end, limit);
            if now == left && stream.uploading {
                self.roomy.push(id);
            }
            stream.window -= now as i64;
            self.window -= now as i64;
            stream.uploaded += now;
            self.unstamped.push(id);
        }
    }

    /// The server opens one of our windows.
    pub(super) fn window_update(&mut self, head: Head, payload: &[u8]) -> Result<(), Fatal> {
        let more = i64::from(frame::number(payload).unwrap_or(0) & 0x7fff_ffff);
        if more == 0 {
            return Err(protocol("a window that opens by nothing"));
        }
        let window = match (head.stream, self.streams.get(head.stream)) {
            (0, _) => &mut self.window,
            (_, Some(stream)) => &mut stream.window,
            (id, None) => return self.check_closed(id),
        };
        *window += more;
        if *window > WINDOW_MAX {
            return Err(TOO_WIDE);
        }
        self.upload_more();
        Ok(())
    }

    /// The server's first window for each stream has changed, and with it those of open ones (RFC 9113, 6.9.2).
    pub(super) fn set_stream_window(&mut self, value: u32) -> Result<(), Fatal> {
        if i64::from(value) > WINDOW_MAX {
            return Err(TOO_WIDE);
        }
        let change = i64::from(value) - i64::from(self.settings.stream_window);
        self.settings.stream_window = value;
        for stream in self.streams.iter_mut() {
            stream.window += change;
            if stream.window > WINDOW_MAX {
                return Err(TOO_WIDE);
            }
        }
        Ok(())
    }

    /// Count what a DATA frame took of the connection's window, and open it again at half.
    pub(super) fn take_of_connection(&mut self, length: usize) -> Result<(), Fatal> {
        self.taken += length as u32;
        if self.taken > CONNECTION_WINDOW {
            return Err(TOO_MUCH);
        }
        if self.taken >= CONNECTION_WINDOW / 2 {
            put_update(&mut self.out, 0, std::mem::take(&mut self.taken));
        }
        Ok(())
    }

    /// Open no further window for this answer, or go on.
    pub fn halt(&mut self, id: u32, halted: bool) {
        if let Some(stream) = self.streams.get(id) {
            stream.halted = halted;
            if !halted && stream.taken >= STREAM_WINDOW / 2 {
                put_update(&mut self.out, id, std::mem::take(&mut stream.taken));
            }
        }
    }

    /// The same for a stream that goes on.
    pub(super) fn take_of_stream(
        &mut self,
        id: u32,
        length: usize,
        goes_on: bool,
    ) -> Result<(), Fatal> {
        let Some(stream) = self.streams.get(id) else {
            return Ok(());
        };
        stream.taken += length as u32;
        if stream.taken > STREAM_WINDOW {
            return Err(TOO_MUCH);
        }
        if goes_on && !stream.halted && stream.taken >= STREAM_WINDOW / 2 {
            put_update(&mut self.out, id, std::mem::take(&mut stream.taken));
        }
        Ok(())
    }
}

fn put_update(out: &mut Vec<u8>, id: u32, by: u32) {
    frame::put(out, kind::WINDOW_UPDATE, 0, id, &by.to_be_bytes());
}

/// Append a body in frames; returns the bytes that this took.
fn put_data(out: &mut Vec<u8>, id: u32, body: &[u8], end: bool, limit: usize) -> u64 {
    let before = out.len();
    let mut pieces = body.chunks(limit).peekable();
    while let Some(piece) = pieces.next() {
        let last = end && pieces.peek().is_none();
        let flags = if last { flag::END_STREAM } else { 0 };
        frame::put(out, kind::DATA, flags, id, piece);
    }
    (out.len() - before) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Wants;
    use crate::http2::Ask;

    /// Requests that a server never lets be sent time out, one after the other, for as long as the run is.
    #[test]
    fn streams_that_end_while_they_wait_for_a_window_are_forgotten() {
        let mut connection = Connection::new();
        connection.set_stream_window(0).unwrap();
        for _ in 0..1_000 {
            let id = connection.begin(Ask {
                user: 0,
                series: 0,
                wants: Wants::default(),
                block: &[],
                body: b"x",
                more: false,
            });
            connection.cancel(id, Code::CANCEL);
        }
        assert!(connection.held.len() <= HELD_AT_LEAST + 1);
    }
}
