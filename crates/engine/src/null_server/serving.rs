//! The null server's thread: one epoll set with the listener, the timer and every client.
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::NullOptions;
use super::client::Client;
use super::counts::Counts;
use super::echo::{agreement, echo};
use super::request::Request;
use super::service::Servers;
use super::stream::{self, Streams, Wanted};
use crate::sys::{self, Epoll, EventFlags, Events, Timer, Wake};

const TOKEN_LISTENER: u64 = u64::MAX;
const TOKEN_TIMER: u64 = u64::MAX - 1;
const TOKEN_WAKE: u64 = u64::MAX - 2;

pub struct Server {
    options: NullOptions,
    listener: OwnedFd,
    counts: Arc<Counts>,
    epoll: Epoll,
    timer: Timer,
    clients: HashMap<u64, Client>,
    next_client: u64,
    answer: Vec<u8>,
    head_bytes: usize,
    servers: Servers,
    stall_ns: u64,
    buffer: Vec<u8>,
    talking: Vec<u8>,
    streams: Streams,
}

impl Server {
    pub fn new(
        options: NullOptions,
        listener: OwnedFd,
        counts: Arc<Counts>,
        wake: Wake,
    ) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        let timer = Timer::new()?;
        epoll.add(&listener, TOKEN_LISTENER, EventFlags::IN)?;
        epoll.add(&timer, TOKEN_TIMER, EventFlags::IN)?;
        epoll.add(&wake, TOKEN_WAKE, EventFlags::IN)?;
        let head = format!(
            "HTTP/1.1 {} -\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
            options.status, options.body_bytes
        );
        let answer = [head.as_bytes(), &vec![b'x'; options.body_bytes]].concat();
        Ok(Self {
            stall_ns: options
                .stall_every_ns
                .map_or(u64::MAX, |every| sys::now_ns() + every),
            servers: Servers::new(&options),
            head_bytes: head.len(),
            answer,
            options,
            listener,
            counts,
            epoll,
            timer,
            clients: HashMap::new(),
            next_client: 0,
            buffer: vec![0; 64 * 1024],
            talking: vec![],
            streams: Streams::default(),
        })
    }

    pub fn serve(mut self, stopping: &AtomicBool) {
        let mut events = Events::new();
        while !stopping.load(Ordering::Acquire) {
            self.stall();
            self.finish_served();
            self.tell_events();
            let due_ns = self
                .servers
                .next_ns()
                .min(self.stall_ns)
                .min(self.streams.next_ns())
                .min(sys::now_ns() + 1_000_000_000);
            // Without its timer or its epoll set the server cannot go on; its clients see their connections close.
            let Ok(()) = self.timer.arm(due_ns) else {
                return;
            };
            let Ok(count) = self.epoll.wait(&mut events) else {
                return;
            };
            for at in 0..count {
                match events.get(at) {
                    (TOKEN_LISTENER, _) => self.accept(),
                    (TOKEN_TIMER | TOKEN_WAKE, _) => {}
                    (client, flags) => self.on_client(client, flags),
                }
            }
        }
    }

    /// Stop the world, when it is time to.
    fn stall(&mut self) {
        let Some(every_ns) = self.options.stall_every_ns else {
            return;
        };
        let now = sys::now_ns();
        if now >= self.stall_ns {
            std::thread::sleep(Duration::from_nanos(self.options.stall_for_ns));
            while self.stall_ns <= now {
                self.stall_ns += every_ns.max(1);
            }
        }
    }

    fn accept(&mut self) {
        while let Ok(fd) = sys::accept(&self.listener) {
            let token = self.next_client;
            self.next_client += 1;
            if self.epoll.add(&fd, token, EventFlags::IN).is_ok() {
                self.clients.insert(token, Client::new(fd));
            }
        }
    }

    fn on_client(&mut self, token: u64, flags: EventFlags) {
        let Some(client) = self.clients.get_mut(&token) else {
            return;
        };
        if flags.contains(EventFlags::OUT) {
            if client.flush().is_err() {
                self.clients.remove(&token);
            }
            // What there is to read stays ready for the next round.
            return self.after_sending(token);
        }
        match sys::recv(&client.fd, &mut self.buffer) {
            Ok(0) => _ = self.clients.remove(&token),
            Ok(length) => {
                client.unread.extend_from_slice(&self.buffer[..length]);
                if client.talks {
                    self.talk(token);
                } else {
                    self.read_requests(token);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => _ = self.clients.remove(&token),
        }
    }

    fn read_requests(&mut self, token: u64) {
        loop {
            let Some(client) = self.clients.get_mut(&token) else {
                return;
            };
            if client.busy {
                return;
            }
            let request = match Request::parse(&client.unread) {
                Ok(Some(request)) => request,
                Ok(None) => return,
                Err(()) => {
                    self.clients.remove(&token);
                    return;
                }
            };
            client.unread.drain(..request.length);
            client.close_after = request.close;
            client.head_only = request.head_only;
            self.counts.add_request(&request.path, sys::now_ns());
            if let Some(key) = request.socket_key {
                client.talks = true;
                if client.send(&agreement(&key)).is_err() {
                    self.clients.remove(&token);
                    return;
                }
                return self.talk(token);
            }
            client.busy = true;
            if let Some(wanted) = Wanted::of(&request.path).filter(|wanted| wanted.count > 0) {
                client.stream = Some(wanted);
                if client.send(stream::HEAD).is_err() {
                    self.clients.remove(&token);
                    return;
                }
                return self.streams.begin(token, sys::now_ns());
            }
            if self.servers.take_no_time() {
                self.reply(token);
            } else {
                self.servers.admit(token, sys::now_ns());
            }
        }
    }

    /// Write the events that are due; one that comes late moves those after it by nothing.
    fn tell_events(&mut self) {
        let unix_offset_ns = sys::unix_offset_ns();
        while let Some((due_ns, token)) = self.streams.pop_due(sys::now_ns()) {
            // A client that left hears nothing more.
            let Some(client) = self.clients.get_mut(&token) else {
                continue;
            };
            let Some(mut wanted) = client.stream.take() else {
                continue;
            };
            wanted.count -= 1;
            self.talking.clear();
            stream::put_event(wanted.count == 0, unix_offset_ns, &mut self.talking);
            if client.send(&self.talking).is_err() {
                self.clients.remove(&token);
                continue;
            }
            if wanted.count > 0 {
                client.stream = Some(wanted);
                self.streams.begin(token, due_ns + wanted.every_ns);
            } else {
                client.busy = false;
            }
            self.after_sending(token);
        }
    }

    /// Say what was said again.
    fn talk(&mut self, token: u64) {
        let Some(client) = self.clients.get_mut(&token) else {
            return;
        };
        let mut out = std::mem::take(&mut self.talking);
        out.clear();
        match echo(&mut client.unread, &mut out) {
            Ok(echoed) => {
                // Before they are said: who has read the last one finds it counted.
                self.counts.add_messages(echoed.messages);
                client.close_after = echoed.over;
                if client.send(&out).is_ok() {
                    self.after_sending(token);
                } else {
                    self.clients.remove(&token);
                }
            }
            Err(()) => _ = self.clients.remove(&token),
        }
        self.talking = out;
    }

    /// Answer what is done.
    fn finish_served(&mut self) {
        while let Some(token) = self.servers.pop_done(sys::now_ns()) {
            self.reply(token);
            self.read_requests(token);
        }
    }

    fn reply(&mut self, token: u64) {
        // A client that left while it was served gets nothing.
        let Some(client) = self.clients.get_mut(&token) else {
            return;
        };
        client.busy = false;
        let bytes = if client.head_only {
            &self.answer[..self.head_bytes]
        } else {
            self.answer.as_slice()
        };
        if client.send(bytes).is_err() {
            self.clients.remove(&token);
            return;
        }
        self.after_sending(token);
    }

    fn after_sending(&mut self, token: u64) {
        let Some(client) = self.clients.get_mut(&token) else {
            return;
        };
        if client.unsent.is_empty() && client.close_after && !client.busy {
            self.clients.remove(&token);
            return;
        }
        let wanted = !client.unsent.is_empty();
        if wanted != client.watched {
            client.watched = wanted;
            let flags = if wanted {
                EventFlags::IN | EventFlags::OUT
            } else {
                EventFlags::IN
            };
            // Fails only for a descriptor that is not in the set, and this one is.
            let _ = self.epoll.modify(&client.fd, token, flags);
        }
    }
}
