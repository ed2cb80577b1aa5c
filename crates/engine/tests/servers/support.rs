//! A real server whose every connection is served by a closure, plans in one line, and a run added up.
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use scaleworthy_engine::{Run, Sample};
use serde_json::{Value, json};

/// A request as the server read it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn line(&self) -> &str {
        self.head
            .lines()
            .next()
            .unwrap_or("")
            .trim_end_matches(" HTTP/1.1")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// How many connections are being served.
#[derive(Default)]
struct Open {
    count: Mutex<usize>,
    changed: Condvar,
}

/// One of them, however its thread ends.
struct Serving(Arc<Open>);

impl Serving {
    fn begin(open: &Arc<Open>) -> Self {
        *open.count.lock().unwrap() += 1;
        Self(open.clone())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap() -= 1;
        self.0.changed.notify_all();
    }
}

pub struct Site {
    pub port: u16,
    open: Arc<Open>,
    seen: Arc<Mutex<Vec<Seen>>>,
    ending: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Site {
    /// Give each connection to `serve`, in a thread of its own.
    pub fn connections(serve: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ending = Arc::new(AtomicBool::new(false));
        let flag = ending.clone();
        let serve = Arc::new(serve);
        let open: Arc<Open> = Arc::default();
        let served = open.clone();
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let (serve, mut stream) = (serve.clone(), stream.unwrap());
                let serving = Serving::begin(&served);
                std::thread::spawn(move || {
                    let _serving = serving;
                    serve(&mut stream);
                });
            }
        });
        Self {
            port,
            open,
            seen: Arc::default(),
            ending,
            acceptor: Some(acceptor),
        }
    }

    /// Answer each request with what `answer` writes; false closes the connection.
    pub fn requests(
        answer: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = seen.clone();
        let mut site = Self::connections(move |stream| {
            let mut unread = vec![];
            while let Some(request) = read_request(stream, &mut unread) {
                log.lock().unwrap().push(request.clone());
                if !answer(&request, stream) {
                    return;
                }
            }
        });
        site.seen = seen;
        site
    }

    /// Wait until every connection has been read to its end: the run may be over before the server has seen all of it.
    pub fn read_to_the_end(&self) {
        let patience = Duration::from_secs(20);
        let count = self.open.count.lock().unwrap();
        let waited = self
            .open
            .changed
            .wait_timeout_while(count, patience, |count| *count > 0);
        assert_eq!(*waited.unwrap().0, 0, "connections that are still open");
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.read_to_the_end();
        self.seen.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen()
            .iter()
            .map(|request| request.line().to_string())
            .collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees that it shall end.
        let _ = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.port)));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Seen> {
    let mut buffer = vec![0; 65536];
    let end = loop {
        if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut buffer) {
            Ok(length @ 1..) => unread.extend_from_slice(&buffer[..length]),
            _ => return None,
        }
    };
    let head = String::from_utf8(unread.drain(..end).collect()).unwrap();
    let mut request = Seen { head, body: vec![] };
    let length: usize = request
        .header("content-length")
        .map_or(0, |text| text.parse().unwrap());
    while unread.len() < length {
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => unread.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
    request.body = unread.drain(..length).collect();
    Some(request)
}

/// Write an answer with a length.
pub fn answer(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> bool {
    let head = format!(
        "HTTP/1.1 {status} -\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).is_ok()
}

pub fn get(path: &str) -> Value {
    json!({"request": {"name": path, "method": "GET", "path": path}})
}

/// The same request with more fields.
pub fn with(mut step: Value, fields: Value) -> Value {
    step["request"]
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    step
}

/// So many iterations by so many users, and then the run is over.
pub fn plan(port: u16, users: u32, count: u32, steps: Vec<Value>) -> Value {
    json!({
        "target": {"scheme": "http", "host": "127.0.0.1", "port": port, "addresses": ["127.0.0.1"]},
        "tls": {"insecure": false, "ca_pem": null},
        "http": {"connections_max": 100, "timeout_ns": 5_000_000_000u64, "connect_timeout_ns": 5_000_000_000u64,
                 "redirects_max": 5, "body_bytes_max": 1_000_000, "keep_alive": true},
        "headers": [], "variables": {}, "feeders": [],
        "scenarios": [{"name": "main", "weight": 1.0, "steps": steps}],
        "load": {"kind": "closed", "stages": [{"duration_ns": 20_000_000_000u64, "from": users, "to": users}],
                 "count": count},
        "grace_ns": 100_000_000, "threads": 1, "seed": 1, "live": false
    })
}

#[derive(Debug, Default)]
pub struct Added {
    pub counters: BTreeMap<String, u64>,
    pub errors: BTreeMap<String, u64>,
    pub statuses: BTreeMap<String, u64>,
    pub closes: BTreeMap<String, u64>,
    pub tokens: BTreeMap<String, u64>,
    pub examples: BTreeMap<&'static str, String>,
}

impl Added {
    pub fn total(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// The only kind of error there was, and how often; ("", 0) for none.
    pub fn error(&self) -> (&str, u64) {
        assert!(
            self.errors.len() < 2,
            "{:?} {:?}",
            self.errors,
            self.examples
        );
        self.errors
            .iter()
            .next()
            .map_or(("", 0), |(kind, count)| (kind.as_str(), *count))
    }
}

pub fn carry_out(plan: &Value) -> Added {
    let run = Run::new(&plan.to_string()).unwrap_or_else(|problems| panic!("{problems}"));
    run.start().unwrap();
    let mut added = Added::default();
    while !run.finished() {
        let Some(tick) = run.next_tick(Duration::from_secs(30)).unwrap() else {
            panic!("no tick within 30 s")
        };
        for series in tick.series {
            let Sample::Counter(count) = series.value else {
                continue;
            };
            let count = count as u64;
            let label = series
                .labels
                .iter()
                .find(|(name, _)| *name != "step")
                .map(|(_, value)| value.to_string());
            match (&*series.name, label) {
                ("load.errors", Some(kind)) => *added.errors.entry(kind).or_default() += count,
                ("load.statuses", Some(status)) => {
                    *added.statuses.entry(status).or_default() += count
                }
                ("load.stream.tokens", Some(direction)) => {
                    *added.tokens.entry(direction).or_default() += count
                }
                ("load.ws.closes", Some(code)) => *added.closes.entry(code).or_default() += count,
                _ => *added.counters.entry(series.name.into()).or_default() += count,
            }
        }
    }
    added.examples = run.error_examples();
    assert_eq!(
        added.total("load.planned"),
        added.total("load.started") + added.total("load.not_started")
    );
    assert_eq!(
        added.total("load.failed"),
        added.errors.values().sum::<u64>()
    );
    added
}
