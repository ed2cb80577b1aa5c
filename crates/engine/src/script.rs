//! Users whose scenario is a script in another thread: what that thread and the engine's tell each other.
//!
//! The engine's thread keeps arrivals, users, connections and every clock; the script's thread only says what it wants.
//! Two queues, taken whole, with a wake-up only for the first entry of an empty queue. Each call (a request, a pause)
//! gets exactly one last word from the engine, whatever happens to it: until then its number is in use.
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::origins::Book;
use crate::plan::compile::Compiled;
use crate::plan::origins::split_url;
use crate::plan::request::Request;
use crate::record::{ErrorKind, OwnKind};
use crate::sys::Wake;

mod channel;
mod talk;

pub use channel::{Came, StreamTotals, Told, Want};
pub use talk::{Closed, Fits, Talk, Talked};

/// What the engine tells the script.
#[derive(Debug)]
pub enum ToScript {
    /// A user's iteration begins.
    Begin {
        /// The user's number, its own until it is gone.
        user: u32,
        /// The iteration's number, unique in the whole run.
        number: u64,
        /// Which of the plan's scenarios.
        scenario: u32,
        /// When it was to begin.
        planned_ns: u64,
        /// The user's first.
        fresh: bool,
    },
    /// No more iterations for this user; the engine waits for `Ended` with `gone`.
    Leave {
        /// The user.
        user: u32,
    },
    /// A request was answered.
    Answered {
        /// The call.
        call: u32,
        /// What came.
        answer: Box<ScriptAnswer>,
    },
    /// A request failed without an answer; it is counted.
    Failed {
        /// The call.
        call: u32,
        /// Why.
        kind: ErrorKind,
        /// Why, in words.
        text: Box<str>,
    },
    /// A pause is over.
    Rested {
        /// The call.
        call: u32,
    },
    /// Nothing came of the call: the run ends, or the script has cancelled it.
    Nothing {
        /// The call.
        call: u32,
    },
    /// Of a call that lasts: a stream.
    Channel {
        /// The call.
        call: u32,
        /// What.
        told: Told,
    },
    /// The engine takes and tells nothing more.
    Over,
}

/// The value of a set-cookie header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie {
    /// The number of the origin that sent it.
    pub origin: usize,
    /// The header's value.
    pub line: String,
}

/// An answer, as it came.
#[derive(Debug)]
pub struct ScriptAnswer {
    /// Its status.
    pub status: u16,
    /// When the request was sent.
    pub sent_ns: u64,
    /// When the answer was complete.
    pub done_ns: u64,
    /// Bytes of the head in `bytes`; the rest is the body, content codings undone.
    pub head_length: usize,
    /// What it sets, and what the redirects on the way to it have set.
    pub set_cookies: Vec<SetCookie>,
    /// The head in the form of HTTP/1.1, then the body: of an answer in events, the last one's data.
    pub bytes: Box<[u8]>,
    /// What the events were as a whole, of an answer in events.
    pub stream: Option<Box<StreamTotals>>,
}

impl ScriptAnswer {
    /// Status line and headers.
    pub fn head(&self) -> &[u8] {
        &self.bytes[..self.head_length]
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.head_length..]
    }

    /// The headers in order, names in lower case; bytes beyond ASCII are taken as Latin-1 (RFC 9110, 5.5).
    pub fn headers(&self) -> impl Iterator<Item = (String, String)> {
        let lines = self.head().split(|byte| *byte == b'\n').skip(1);
        lines.filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let text = |bytes: &[u8]| {
                bytes
                    .iter()
                    .map(|byte| char::from(*byte))
                    .collect::<String>()
            };
            let name = text(line[..colon].trim_ascii()).to_ascii_lowercase();
            Some((name, text(line[colon + 1..].trim_ascii())))
        })
    }

    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers()
            .find_map(|(own, value)| (own == name).then_some(value))
    }
}

/// What the script tells the engine.
#[derive(Debug)]
pub enum FromScript {
    /// Send this.
    Request {
        /// The call.
        call: u32,
        /// Whose it is.
        user: u32,
        /// When it was to be sent: lag counts from here.
        planned_ns: u64,
        /// What to send.
        request: Prepared,
        /// Also while the run is ending: a user that takes its leave.
        parting: bool,
    },
    /// Say when the time is over.
    Pause {
        /// The call.
        call: u32,
        /// Whose it is.
        user: u32,
        /// Until when.
        until_ns: u64,
    },
    /// Go on with a call that lasts.
    Channel {
        /// The call.
        call: u32,
        /// How.
        want: Want,
    },
    /// Nobody waits for the call any more.
    Cancel {
        /// The call.
        call: u32,
    },
    /// The user's iteration is over.
    Ended {
        /// The user.
        user: u32,
        /// It ended by an error: a user of a closed load waits a little before the next.
        failed: bool,
        /// The user is gone as well.
        gone: bool,
    },
    /// Something was wrong that only the script could see; it counts as a failure of the step.
    Judged {
        /// The step.
        step: u32,
        /// What was wrong.
        kind: ErrorKind,
        /// In words.
        text: Box<str>,
    },
    /// Something could not even be begun; it counts as planned, started and failed.
    Unsent {
        /// The step.
        step: u32,
        /// Why.
        kind: ErrorKind,
        /// In words.
        text: Box<str>,
    },
    /// A value of one of the script's own series.
    Observed {
        /// The series.
        series: u32,
        /// The value: nanoseconds for a histogram.
        value: f64,
    },
}

#[derive(Debug)]
struct Queue<T> {
    items: Mutex<Vec<T>>,
    wake: Wake,
}

impl<T> Queue<T> {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            items: Mutex::default(),
            wake: Wake::new()?,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Swap the waiting items for the empty `taken`.
    fn take(&self, taken: &mut Vec<T>) {
        taken.clear();
        std::mem::swap(taken, &mut *self.lock());
    }
}

/// The line between a script's thread and the engine's.
#[derive(Debug)]
pub struct Script {
    plan: Arc<Compiled>,
    book: Arc<Book>,
    to_script: Queue<ToScript>,
    to_engine: Queue<FromScript>,
    /// The engine's thread waits for events, or is about to: it must be woken.
    asleep: AtomicBool,
    turns: Turns,
}

/// Iterations that the script may begin by itself: in a closed load a user whose iteration is over begins the next at once,
/// and as long as nothing else is to be, neither thread need wait for the other.
#[derive(Debug, Default)]
pub struct Turns {
    open: AtomicBool,
    made: AtomicU64,
    thread: AtomicU64,
    threads: AtomicU64,
}

impl Turns {
    /// Say which thread's numbers these are.
    pub fn share(&self, thread: u64, threads: u64) {
        self.thread.store(thread, Ordering::Relaxed);
        self.threads.store(threads, Ordering::Relaxed);
    }

    /// May users go on by themselves?
    pub fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    /// The next iteration's number.
    pub fn next(&self) -> u64 {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        made * self.threads.load(Ordering::Relaxed) + self.thread.load(Ordering::Relaxed)
    }
}

impl Script {
    pub(crate) fn new(plan: Arc<Compiled>, book: Arc<Book>) -> std::io::Result<Self> {
        Ok(Self {
            plan,
            book,
            to_script: Queue::new()?,
            to_engine: Queue::new()?,
            asleep: AtomicBool::new(true),
            turns: Turns::default(),
        })
    }

    /// Readable while something waits to be taken.
    pub fn ready(&self) -> BorrowedFd<'_> {
        self.to_script.wake.as_fd()
    }

    /// Take all that the engine has told since the last time; `taken` is emptied first.
    pub fn take(&self, taken: &mut Vec<ToScript>) {
        self.to_script.wake.clear();
        self.to_script.take(taken);
    }

    /// Tell the engine something, without waking it.
    pub fn put(&self, word: FromScript) {
        self.to_engine.lock().push(word);
    }

    /// Have the engine look at what it was told, if it is asleep.
    pub fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.to_engine.wake.wake();
        }
    }

    /// Begin a user's next iteration without asking, where that is allowed: its number and its scenario.
    pub fn turn(&self) -> Option<(u64, u32)> {
        if !self.turns.open.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.turns.next();
        Some((number, self.plan.scenario_of(number) as u32))
    }

    /// The number of a step by its name and tags; the same for the same. Beyond the limit all are one step, `other`.
    pub fn step(&self, name: &str, tags: &[(&str, &str)]) -> u32 {
        self.plan.names.number(name, tags)
    }

    /// The number of the origin of a whole URL. One that is new is looked up now, beside the run, and requests wait for it.
    ///
    /// # Errors
    /// No URL of http or https, or an origin too many.
    pub fn origin(&self, url: &str) -> Result<usize, String> {
        let Some((place, _)) = split_url(url) else {
            return Err(format!(
                "{url:?} is not an http or https URL with a host, and without a user or password"
            ));
        };
        self.book.number_of(&self.plan.origins, &place)
    }

    /// The number of one of the script's own series; the same for the same name and labels.
    pub fn series(&self, name: &str, labels: &[(&str, &str)], unit: &str, kind: OwnKind) -> u32 {
        self.plan.names.own_number(name, labels, unit, kind)
    }

    /// Make a request ready: the plan's headers are added to its own.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn request(&self, spec: &ScriptRequest<'_>) -> Result<Prepared, String> {
        Request::of_script(spec, &self.plan).map(|request| Prepared(Arc::new(request)))
    }
}

/// A request that is ready to be sent, as often as it is wanted.
#[derive(Debug, Clone)]
pub struct Prepared(pub(crate) Arc<Request>);

impl Prepared {
    /// The number of the step it counts as.
    pub fn step(&self) -> u32 {
        self.0.series as u32
    }
}

/// A request as a script asks for it.
#[derive(Debug)]
pub struct ScriptRequest<'a> {
    /// The step it counts as.
    pub step: u32,
    /// The origin it goes to, by its number; the target is 0.
    pub origin: usize,
    /// Such as `GET`.
    pub method: &'a str,
    /// Path and query; what may not stand in a request line is percent-encoded.
    pub path: &'a str,
    /// Its own headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body, if it has one.
    pub body: Option<&'a [u8]>,
    /// In place of the plan's.
    pub timeout_ns: Option<u64>,
    /// Whether redirects within the target are followed.
    pub follows_redirects: bool,
    /// Its answer is read as events: the plan's form of `stream`, as JSON.
    pub stream: Option<&'a str>,
    /// The events are handed over one by one.
    pub hands_over: bool,
    /// Its body comes in pieces.
    pub upload: Option<Upload>,
    /// It opens a WebSocket; these subprotocols are offered.
    pub socket: Option<&'a [String]>,
}

/// A body that comes in pieces while it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// Its bytes, where that is known; else it is sent in chunks.
    pub bytes: Option<u64>,
}

/// The engine's end of the line.
#[derive(Debug)]
pub struct Line {
    script: Arc<Script>,
    telling: Vec<ToScript>,
}

impl Line {
    pub fn new(script: Arc<Script>) -> Self {
        Self {
            script,
            telling: vec![],
        }
    }

    pub fn turns(&self) -> &Turns {
        &self.script.turns
    }

    pub fn wake(&self) -> &Wake {
        &self.script.to_engine.wake
    }

    pub fn tell(&mut self, word: ToScript) {
        self.telling.push(word);
    }

    /// Hand over what was told since the last time.
    pub fn flush(&mut self) {
        if self.telling.is_empty() {
            return;
        }
        let mut items = self.script.to_script.lock();
        let first = items.is_empty();
        items.append(&mut self.telling);
        drop(items);
        if first {
            self.script.to_script.wake.wake();
        }
    }

    /// About to wait for events: from now on the script wakes us. False when it has told something meanwhile.
    pub fn may_sleep(&self) -> bool {
        self.script.asleep.store(true, Ordering::SeqCst);
        self.script.to_engine.lock().is_empty()
    }

    /// Take what the script has told; `woken` when the wake-up was seen.
    pub fn take(&self, taken: &mut Vec<FromScript>, woken: bool) {
        self.script.asleep.store(false, Ordering::SeqCst);
        if woken {
            self.wake().clear();
        }
        self.script.to_engine.take(taken);
    }
}

impl Drop for Line {
    /// Whatever ended the engine's thread, the script hears of it.
    fn drop(&mut self) {
        self.tell(ToScript::Over);
        self.flush();
    }
}
