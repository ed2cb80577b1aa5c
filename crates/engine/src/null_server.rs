//! A server of known behaviour on loopback: fixed answers at once, after a service time, or with stalls; a request
//! for a WebSocket gets one that says every message again, one for `/events?count=100&every_us=20000` that many events,
//! each with the time at which it was written.
//!
//! It calibrates the generator and proves it: what the engine reports must agree with what this server counted, an
//! injected stall must show, and with `servers` slots and exponential service it is an M/M/c queue in real time.
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

mod echo;
mod stream;

use echo::{agreement, echo};
use stream::{Streams, Wanted};

use scaleworthy_measure::Histogram;

use crate::rng::Rng;
use crate::sys::{self, Epoll, EventFlags, Events, Timer, Wake};

/// More distinct paths than this are counted together, as `(other)`.
const PATHS_MAX: usize = 10_000;
const TOKEN_LISTENER: u64 = u64::MAX;
const TOKEN_TIMER: u64 = u64::MAX - 1;
const TOKEN_WAKE: u64 = u64::MAX - 2;
const REQUEST_HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long a request occupies one of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Always the same.
    Fixed,
    /// Exponentially distributed about the service time.
    Exponential,
}

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct NullOptions {
    /// Bytes of each answer's body.
    pub body_bytes: usize,
    /// Its status.
    pub status: u16,
    /// Stop altogether this long after the start, and again each time; None never stops.
    pub stall_every_ns: Option<u64>,
    /// How long a stop is.
    pub stall_for_ns: u64,
    /// Mean time a request is served; 0 answers at once.
    pub service_time_ns: u64,
    /// How it is distributed.
    pub service: Service,
    /// Requests served at the same time; the others queue in the order of their arrival. None is without limit.
    pub servers: Option<usize>,
    /// Of the random service times.
    pub seed: u64,
    /// Where to listen: an address of this machine's loopback.
    pub address: IpAddr,
    /// On which port; 0 takes a free one.
    pub port: u16,
}

impl Default for NullOptions {
    fn default() -> Self {
        Self {
            body_bytes: 2,
            status: 200,
            stall_every_ns: None,
            stall_for_ns: 0,
            service_time_ns: 0,
            service: Service::Fixed,
            servers: None,
            seed: 1,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    messages: AtomicU64,
    by_path: Mutex<HashMap<Box<str>, u64>>,
    gaps: Mutex<Gaps>,
}

/// How far apart requests are read.
#[derive(Debug, Default)]
struct Gaps {
    last_ns: Option<u64>,
    histogram: Histogram,
}

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct NullServer {
    port: u16,
    counts: Arc<Counts>,
    stopping: Arc<AtomicBool>,
    wake: Wake,
    thread: Option<JoinHandle<()>>,
}

impl NullServer {
    /// Listen and serve from a thread of its own.
    ///
    /// # Errors
    /// An address beyond loopback; no port, no thread or no epoll set to be had.
    pub fn start(options: NullOptions) -> io::Result<Self> {
        if !options.address.is_loopback() {
            return Err(io::Error::other("a null server listens on loopback alone"));
        }
        let (listener, port) = sys::listen_on(options.address, options.port)?;
        let counts = Arc::new(Counts::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let wake = Wake::new()?;
        let server = Server::new(options, listener, counts.clone(), wake.clone())?;
        let flag = stopping.clone();
        let thread = std::thread::Builder::new()
            .name("null-server".into())
            .spawn(move || server.serve(&flag))?;
        Ok(Self {
            port,
            counts,
            stopping,
            wake,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Requests received completely.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::Acquire)
    }

    /// WebSocket messages received, each to be said again.
    pub fn messages(&self) -> u64 {
        self.counts.messages.load(Ordering::Acquire)
    }

    /// The same by path, query included.
    pub fn requests_by_path(&self) -> BTreeMap<String, u64> {
        let paths = self
            .counts
            .by_path
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        paths
            .iter()
            .map(|(path, count)| (path.to_string(), *count))
            .collect()
    }

    /// Times between a request read and the one read before it, over all connections.
    pub fn gaps(&self) -> Histogram {
        let gaps = self.counts.gaps.lock();
        gaps.unwrap_or_else(PoisonError::into_inner)
            .histogram
            .clone()
    }

    /// Close every connection and end the thread. A second call does nothing.
    pub fn stop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        self.wake.wake();
        if let Some(thread) = self.thread.take() {
            // It has no result; a panic in it was printed.
            let _ = thread.join();
        }
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Client {
    fd: OwnedFd,
    unread: Vec<u8>,
    unsent: Vec<u8>,
    close_after: bool,
    head_only: bool,
    /// A request is being served: the next one on this connection waits.
    busy: bool,
    /// Events that it is still to be told.
    stream: Option<Wanted>,
    /// Has switched to a WebSocket.
    talks: bool,
    /// Watched for readiness to write.
    watched: bool,
}

struct Server {
    options: NullOptions,
    listener: OwnedFd,
    counts: Arc<Counts>,
    epoll: Epoll,
    timer: Timer,
    clients: HashMap<u64, Client>,
    next_client: u64,
    answer: Vec<u8>,
    head_bytes: usize,
    /// When each request in service is done, and whose it is.
    serving: BinaryHeap<Reverse<(u64, u64)>>,
    queue: VecDeque<u64>,
    rng: Rng,
    stall_ns: u64,
    buffer: Vec<u8>,
    talking: Vec<u8>,
    streams: Streams,
}

impl Server {
    fn new(
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
            rng: Rng::new(options.seed),
            head_bytes: head.len(),
            answer,
            options,
            listener,
            counts,
            epoll,
            timer,
            clients: HashMap::new(),
            next_client: 0,
            serving: BinaryHeap::new(),
            queue: VecDeque::new(),
            buffer: vec![0; 64 * 1024],
            talking: vec![],
            streams: Streams::default(),
        })
    }

    fn serve(mut self, stopping: &AtomicBool) {
        let mut events = Events::new();
        while !stopping.load(Ordering::Acquire) {
            self.stall();
            self.finish_served();
            self.tell_events();
            let served_ns = self.serving.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let due_ns = served_ns
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
            self.counts.add(&request.path);
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
            self.admit(token);
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
                self.counts
                    .messages
                    .fetch_add(echoed.messages, Ordering::Release);
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

    /// Serve the request at once, put it into service, or let it queue.
    fn admit(&mut self, token: u64) {
        if self.options.service_time_ns == 0 {
            return self.reply(token);
        }
        if self
            .options
            .servers
            .is_none_or(|servers| self.serving.len() < servers)
        {
            let now = sys::now_ns();
            self.put_into_service(token, now);
        } else {
            self.queue.push_back(token);
        }
    }

    fn put_into_service(&mut self, token: u64, from_ns: u64) {
        let mean = self.options.service_time_ns;
        let takes_ns = match self.options.service {
            Service::Fixed => mean,
            Service::Exponential => (self.rng.exponential() * mean as f64) as u64,
        };
        self.serving.push(Reverse((from_ns + takes_ns, token)));
    }

    /// Answer what is done. The next in the queue begins when its predecessor ended, not when we noticed.
    fn finish_served(&mut self) {
        while let Some(Reverse((done_ns, token))) = self.serving.peek().copied() {
            if done_ns > sys::now_ns() {
                return;
            }
            self.serving.pop();
            if let Some(next) = self.queue.pop_front() {
                self.put_into_service(next, done_ns);
            }
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

impl Client {
    fn new(fd: OwnedFd) -> Self {
        let (unread, unsent) = (vec![], vec![]);
        Self {
            fd,
            unread,
            unsent,
            close_after: false,
            head_only: false,
            busy: false,
            stream: None,
            talks: false,
            watched: false,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = match sys::send(&self.fd, bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.unsent);
        self.send(&bytes)
    }
}

impl Counts {
    fn add(&self, path: &str) {
        self.requests.fetch_add(1, Ordering::Release);
        self.add_gap(sys::now_ns());
        let mut paths = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = paths.get_mut(path) {
            *count += 1;
        } else {
            let known = if paths.len() < PATHS_MAX {
                path
            } else {
                "(other)"
            };
            *paths.entry(known.into()).or_default() += 1;
        }
    }

    fn add_gap(&self, now_ns: u64) {
        let mut gaps = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last_ns) = gaps.last_ns.replace(now_ns) {
            gaps.histogram.record(now_ns.saturating_sub(last_ns));
        }
    }
}

struct Request {
    path: String,
    length: usize,
    close: bool,
    head_only: bool,
    /// Asks for a WebSocket with this key.
    socket_key: Option<String>,
}

impl Request {
    /// The first complete request in `bytes`, if it is all there; the error is for what is no request.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, ()> {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut headers);
        let head = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() <= REQUEST_HEAD_BYTES_MAX => {
                return Ok(None);
            }
            _ => return Err(()),
        };
        let value = |name: &str| {
            let found = request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| {
                String::from_utf8_lossy(header.value)
                    .trim()
                    .to_ascii_lowercase()
            })
        };
        let body: usize =
            value("content-length").map_or(Ok(0), |text| text.parse().map_err(|_| ()))?;
        let length = head.checked_add(body).ok_or(())?;
        if bytes.len() < length {
            return Ok(None);
        }
        Ok(Some(Self {
            path: request.path.unwrap_or("").to_string(),
            length,
            close: value("connection").is_some_and(|value| value == "close"),
            head_only: request.method == Some("HEAD"),
            socket_key: request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"))
                .map(|header| String::from_utf8_lossy(header.value).into_owned()),
        }))
    }
}
