//! What each kind of frame does. Source: RFC 9113, 5.1 and 6.
use super::{Connection, Event, Farewell, Fatal, OWED_BYTES_MAX, frame_size, protocol};
use crate::http1::{Coding, Wrong};
use crate::http2::frame::{self, Code, Head, flag, kind, setting};
use crate::http2::head::{HeadSink, Nobody, Trailers};
use crate::http2::hpack::LIST_BYTES_MAX;
use crate::http2::stream::Stream;

impl Connection {
    pub(super) fn frame(
        &mut self,
        head: Head,
        payload: &[u8],
        now_ns: u64,
        received: &mut impl FnMut(u32, u64),
    ) -> Result<Option<Event>, Fatal> {
        if let Some(begun) = self.block_of
            && (head.kind != kind::CONTINUATION || head.stream != begun.stream)
        {
            return Err(protocol("a header block that is cut off by another frame"));
        }
        if let Some(stream) = self.streams.get(head.stream) {
            if stream.clocks.sent_ns == 0 {
                return Err(protocol("an answer before its request"));
            }
            received(stream.series, (payload.len() + frame::HEAD_BYTES) as u64);
        }
        check_size(head)?;
        match head.kind {
            kind::DATA => self.data(head, payload, now_ns),
            kind::HEADERS => self.headers(head, payload, now_ns),
            kind::CONTINUATION => self.continuation(payload, head, now_ns),
            kind::RST_STREAM => {
                let code = Code(frame::number(payload).unwrap_or(0));
                if self.streams.get(head.stream).is_none() {
                    return self.check_closed(head.stream).map(|()| None);
                }
                let stream = head.stream;
                Ok(Some(Event::Reset { stream, code }))
            }
            kind::SETTINGS => self.set(head, payload),
            kind::PUSH_PROMISE => Err(protocol("a push, which was forbidden")),
            kind::PING if !head.has(flag::ACK) => {
                self.owe(kind::PING, payload)?;
                Ok(None)
            }
            kind::GOAWAY => Ok(Some(self.goaway(payload))),
            kind::WINDOW_UPDATE => self.window_update(head, payload).map(|()| None),
            // Priorities are advice for servers, and unknown kinds are skipped (RFC 9113, 5.5).
            _ => Ok(None),
        }
    }

    /// A frame for a stream that is not open: left over from one that was, or of one that never was.
    pub(super) fn check_closed(&self, id: u32) -> Result<(), Fatal> {
        if id % 2 == 0 || id >= self.next_id {
            return Err(protocol("a frame for a stream that was never opened"));
        }
        Ok(())
    }

    fn data(&mut self, head: Head, payload: &[u8], now_ns: u64) -> Result<Option<Event>, Fatal> {
        self.take_of_connection(payload.len())?;
        let (id, unix_offset_ns) = (head.stream, self.unix_offset_ns);
        let Some(stream) = self.streams.get(id) else {
            return self.check_closed(id).map(|()| None);
        };
        let piece = frame::unpadded(head, payload).map_err(protocol)?;
        if stream.facts.status < 200 {
            return Ok(Some(self.wrong(id, "a body before its head".into())));
        }
        stream.body_bytes += piece.len() as u64;
        stream.kept.came_at(now_ns, unix_offset_ns);
        if let Err(wrong) = stream.kept.keep_body(piece, stream.wants) {
            return Ok(Some(self.wrong(id, wrong)));
        }
        if stream.kept.stream.is_some() {
            self.streamed.push(id);
        }
        let end = head.has(flag::END_STREAM);
        self.take_of_stream(id, payload.len(), !end)?;
        Ok(if end { self.done(id) } else { None })
    }

    fn headers(&mut self, head: Head, payload: &[u8], now_ns: u64) -> Result<Option<Event>, Fatal> {
        let mut block = frame::unpadded(head, payload).map_err(protocol)?;
        if head.has(flag::PRIORITY) {
            block = block.get(5..).ok_or(frame_size("a priority that is cut"))?;
        }
        if head.has(flag::END_HEADERS) {
            return self.block(head, block, now_ns);
        }
        self.block.clear();
        self.block.extend_from_slice(block);
        self.block_of = Some(head);
        Ok(None)
    }

    fn continuation(
        &mut self,
        payload: &[u8],
        head: Head,
        now_ns: u64,
    ) -> Result<Option<Event>, Fatal> {
        let Some(begun) = self.block_of else {
            return Err(protocol("a header block without a beginning"));
        };
        self.block.extend_from_slice(payload);
        if self.block.len() > LIST_BYTES_MAX {
            return Err(Fatal {
                code: Code::ENHANCE_YOUR_CALM,
                reason: "a header block above 64 KiB",
            });
        }
        if !head.has(flag::END_HEADERS) {
            return Ok(None);
        }
        self.block_of = None;
        let block = std::mem::take(&mut self.block);
        let event = self.block(begun, &block, now_ns);
        self.block = block;
        event
    }

    /// A whole header block: an answer's head, one that announces it, or trailers.
    fn block(&mut self, head: Head, block: &[u8], now_ns: u64) -> Result<Option<Event>, Fatal> {
        let unreadable = |reason| Fatal {
            code: Code::COMPRESSION_ERROR,
            reason,
        };
        let (id, end) = (head.stream, head.has(flag::END_STREAM));
        let stream = match self.streams.get(id) {
            Some(stream) if stream.facts.status < 200 => stream,
            Some(Stream { wants, kept, .. }) if wants.call && end => {
                let wants = *wants;
                let said = self.decoder.decode(block, &mut Trailers { wants, kept });
                return Ok(match said.map_err(unreadable)? {
                    Ok(()) => self.done(id),
                    Err(reason) => Some(self.wrong(id, reason.into())),
                });
            }
            found => {
                let open = found.is_some();
                // The table changes all the same.
                _ = self
                    .decoder
                    .decode(block, &mut Nobody)
                    .map_err(unreadable)?;
                if !open {
                    return self.check_closed(id).map(|()| None);
                }
                return Ok(if end {
                    self.done(id)
                } else {
                    let reason = "a second head, or trailers that are not the end";
                    Some(self.wrong(id, reason.into()))
                });
            }
        };
        if stream.clocks.first_byte_ns == 0 {
            stream.clocks.first_byte_ns = now_ns;
        }
        let mut sink = HeadSink::new(stream.wants, &mut stream.kept);
        let said = self.decoder.decode(block, &mut sink).map_err(unreadable)?;
        match said.and_then(|()| sink.end()) {
            Err(reason) => Ok(Some(self.wrong(id, reason.into()))),
            // It announces the answer, and is not it (RFC 9110, 15.2).
            Ok(facts) if facts.status < 200 => {
                stream.kept.coding = Coding::Identity;
                Ok(end.then(|| self.wrong(id, "an end where only an announcement came".into())))
            }
            Ok(facts) => {
                stream.kept.body_begins(facts.status);
                if stream.kept.stream.is_some() {
                    self.streamed.push(id);
                }
                stream.facts = facts;
                Ok(if end { self.done(id) } else { None })
            }
        }
    }

    /// The server has said all on this stream.
    fn done(&mut self, stream: u32) -> Option<Event> {
        let found = self.streams.get(stream)?;
        let status = found.facts.status;
        let bodyless = found.wants.to_head_request || status == 304;
        if found
            .facts
            .length
            .is_some_and(|length| length != found.body_bytes)
            && !bodyless
        {
            let reason = "a body that is not as long as its content-length";
            return Some(self.wrong(stream, reason.into()));
        }
        if found.held_back().is_some() || found.uploading {
            found.uploading = false;
            // It has answered without wanting the rest of the request.
            found.uploaded = found.upload.len();
            let code = Code::CANCEL.0.to_be_bytes();
            frame::put(&mut self.out, kind::RST_STREAM, 0, stream, &code);
        }
        Some(Event::Done { stream, status })
    }

    fn wrong(&mut self, stream: u32, wrong: Wrong) -> Event {
        let code = match wrong {
            Wrong::Protocol(_) => Code::PROTOCOL_ERROR,
            Wrong::TooLarge => Code::CANCEL,
        };
        let code = code.0.to_be_bytes();
        frame::put(&mut self.out, kind::RST_STREAM, 0, stream, &code);
        Event::Wrong { stream, wrong }
    }

    fn set(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event>, Fatal> {
        if head.has(flag::ACK) {
            return Ok(None);
        }
        self.settings_seen = true;
        for pair in payload.chunks_exact(6) {
            let id = u16::from_be_bytes([pair[0], pair[1]]);
            let value = frame::number(&pair[2..]).unwrap_or(0);
            match id {
                setting::ENABLE_PUSH if value != 0 => {
                    return Err(protocol("a server that offers to be pushed to"));
                }
                setting::MAX_CONCURRENT_STREAMS => self.settings.streams_max = Some(value),
                setting::INITIAL_WINDOW_SIZE => self.set_stream_window(value)?,
                setting::MAX_FRAME_SIZE => {
                    if !(16_384..=0xff_ffff).contains(&value) {
                        return Err(protocol("a frame size outside what is allowed"));
                    }
                    self.settings.frame_bytes_max = value as usize;
                }
                _ => {}
            }
        }
        self.owe(kind::SETTINGS, &[])?;
        self.upload_more();
        Ok(Some(Event::Settings))
    }

    fn goaway(&mut self, payload: &[u8]) -> Event {
        let last = frame::number(payload).unwrap_or(0) & 0x7fff_ffff;
        let code = Code(payload.get(4..).and_then(frame::number).unwrap_or(0));
        let text = payload.get(8..).unwrap_or(&[]);
        let text = String::from_utf8_lossy(&text[..text.len().min(120)]);
        self.farewell = Some(Farewell {
            code,
            text: text.into(),
        });
        Event::GoAway { last }
    }

    /// Answer a frame that only asks to be answered.
    fn owe(&mut self, kind: u8, payload: &[u8]) -> Result<(), Fatal> {
        frame::put(&mut self.out, kind, flag::ACK, 0, payload);
        self.owed += payload.len() + frame::HEAD_BYTES;
        if self.owed > OWED_BYTES_MAX {
            return Err(Fatal {
                code: Code::ENHANCE_YOUR_CALM,
                reason: "pings or settings without end, whose answers are not read",
            });
        }
        Ok(())
    }
}

/// Frames of a fixed size, and those that belong to the connection or to a stream (RFC 9113, 6).
fn check_size(head: Head) -> Result<(), Fatal> {
    let right = match head.kind {
        kind::PING => head.length == 8,
        kind::RST_STREAM | kind::WINDOW_UPDATE => head.length == 4,
        kind::SETTINGS if head.has(flag::ACK) => head.length == 0,
        kind::SETTINGS => head.length % 6 == 0,
        kind::GOAWAY => head.length >= 8,
        _ => true,
    };
    if !right {
        return Err(frame_size(
            "a frame that is not as long as its kind asks for",
        ));
    }
    let of_connection = matches!(head.kind, kind::PING | kind::SETTINGS | kind::GOAWAY);
    let of_stream = matches!(
        head.kind,
        kind::DATA | kind::HEADERS | kind::CONTINUATION | kind::RST_STREAM
    );
    if of_connection && head.stream != 0 || of_stream && head.stream == 0 {
        return Err(protocol("a frame on the wrong stream"));
    }
    Ok(())
}
