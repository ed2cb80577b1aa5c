//! A run: its threads, the seconds they hand over, and what may be asked of them meanwhile.
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::origins::{Book, Found};
use crate::plan::compile::{Compiled, Origin, compile};
use crate::plan::{self, Plan, Problems};
use crate::record::Tick;
use crate::script::Script;
use crate::sys;
use crate::tls::TlsSetup;
use crate::worker::{Command, Inbox, Share, Start, Worker};

mod collector;

use collector::{Collector, Source};

/// Seconds that a thread may be ahead of whoever takes the ticks; further ones are joined into the next.
const SECONDS_AHEAD: usize = 120;
/// From `start` to the first planned request: time for the threads to be there.
const HEAD_START_NS: u64 = 5_000_000;
/// From a request to change the load to the change: time for every thread to wake, so that no start is planned in the past.
const CHANGE_AHEAD_NS: u64 = 500_000;
/// A start or a change may be asked for at a time that is at most so far from now.
const TIME_AWAY_MAX_NS: u64 = 600_000_000_000;

/// Why a run did not do what was asked.
#[derive(Debug)]
pub enum RunError {
    /// Started twice, or asked something before the start.
    Order(&'static str),
    /// The operating system refused a thread, a timer or an epoll set.
    System(io::Error),
    /// A level that is no number of starts or users.
    Level(f64),
    /// A time of the engine's clock that is not near now.
    Time {
        /// What was asked for.
        at_ns: u64,
        /// What the clock said.
        now_ns: u64,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(text) => f.write_str(text),
            Self::System(error) => write!(
                f,
                "the operating system refused the load engine's threads: {error}"
            ),
            Self::Level(level) => write!(f, "a level must be 0 to 1e9, got {level}"),
            Self::Time { at_ns, now_ns } => write!(
                f,
                "a time must be within 600 s of the engine's clock ({now_ns} ns now), got {at_ns} ns"
            ),
        }
    }
}

impl std::error::Error for RunError {}

/// How to reach a running thread.
struct Control {
    inbox: Inbox,
    in_flight: Arc<AtomicU64>,
}

/// What scenarios say beside their series: lines to log, and values where the plan asks for them.
#[derive(Default)]
struct Said {
    lines: Vec<String>,
    all: u64,
    values: BTreeMap<String, String>,
}

/// One load run. Every method may be called from any thread, also while another one waits for a tick.
pub struct Run {
    plan: Arc<Compiled>,
    tls: Option<TlsSetup>,
    /// What TLS is made from, for origins that are met.
    tls_spec: (plan::Tls, plan::Version),
    book: Arc<Book>,
    script: Option<Arc<Script>>,
    controls: OnceLock<Vec<Control>>,
    collector: Mutex<Collector>,
    finished: AtomicBool,
    examples: Mutex<BTreeMap<&'static str, String>>,
    said: Mutex<Said>,
}

impl Run {
    /// Check and compile the plan; nothing starts yet.
    ///
    /// # Errors
    /// Everything that is wrong with the plan.
    pub fn new(plan_json: &str) -> Result<Self, Problems> {
        let (plan, mut problems) = Plan::read(plan_json)?;
        let compiled = compile(&plan, sys::cores()).map_err(|more| problems.extend(more.0));
        let tls = TlsSetup::of(&plan).map_err(|more| problems.extend(more.0));
        let (Ok(compiled), Ok(tls), true) = (compiled, tls, problems.is_empty()) else {
            return Err(Problems(problems));
        };
        let refused = |error| {
            Problems(vec![format!(
                "the operating system refused an eventfd: {error}"
            )])
        };
        let book = Arc::new(Book::of(&plan).map_err(refused)?);
        let tls_spec = (plan.tls.clone(), plan.http.version);
        let plan = Arc::new(compiled);
        let script = match plan.scripted {
            Some(_) => Some(Arc::new(
                Script::new(plan.clone(), book.clone()).map_err(refused)?,
            )),
            None => None,
        };
        Ok(Self {
            book,
            plan,
            script,
            tls,
            tls_spec,
            controls: OnceLock::new(),
            collector: Mutex::default(),
            finished: AtomicBool::new(false),
            examples: Mutex::default(),
            said: Mutex::default(),
        })
    }

    /// The line to the scripts of a plan whose scenarios are scripts.
    pub fn script(&self) -> Option<Arc<Script>> {
        self.script.clone()
    }

    /// How many threads the run has.
    pub fn threads(&self) -> usize {
        self.plan.threads
    }

    /// Start the threads; the schedule begins at once.
    ///
    /// # Errors
    /// Started before, or refused by the operating system (then nothing runs).
    pub fn start(&self) -> Result<(), RunError> {
        let now_ns = sys::now_ns();
        self.start_at(
            now_ns + HEAD_START_NS,
            now_ns as i64 + sys::unix_offset_ns() + HEAD_START_NS as i64,
        )
    }

    /// Start the threads; the schedule begins at `origin_ns` of the monotonic clock, which is `origin_unix_ns` in Unix
    /// time. Processes that are given the same two act as one: their seconds begin and end together.
    ///
    /// # Errors
    /// Started before, refused by the operating system (then nothing runs), or a time that is not near now.
    pub fn start_at(&self, origin_ns: u64, origin_unix_ns: i64) -> Result<(), RunError> {
        near_now(origin_ns)?;
        let mut collector = self
            .collector
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.controls.get().is_some() {
            return Err(RunError::Order(
                "the run was started before; make a new Run",
            ));
        }
        let mut controls = vec![];
        let mut refused = None;
        for thread in 0..self.plan.threads {
            match self.spawn(thread as u64, origin_ns, origin_unix_ns) {
                Ok((control, source)) => {
                    controls.push(control);
                    collector.sources.push(source);
                }
                Err(error) => {
                    refused = Some(RunError::System(error));
                    break;
                }
            }
        }
        let controls = self.controls.get_or_init(|| controls);
        match refused {
            None => Ok(()),
            Some(error) => {
                controls
                    .iter()
                    .for_each(|control| control.inbox.put(Command::Abort));
                self.finished.store(true, Ordering::Release);
                Err(error)
            }
        }
    }

    fn spawn(
        &self,
        thread: u64,
        origin_ns: u64,
        origin_unix_ns: i64,
    ) -> io::Result<(Control, Source)> {
        let (outbox, seconds) = sync_channel(SECONDS_AHEAD);
        let control = Control {
            inbox: Inbox::new()?,
            in_flight: Arc::default(),
        };
        let start = Start {
            plan: self.plan.clone(),
            share: Share {
                thread: self.plan.first_thread + thread,
                threads: self.plan.threads_of_all,
            },
            tls: self.tls.clone(),
            book: self.book.clone(),
            script: self.script.clone(),
            origin_ns,
            origin_unix_ns,
            inbox: control.inbox.clone(),
            in_flight: control.in_flight.clone(),
            outbox,
        };
        let handle = std::thread::Builder::new()
            .name(format!("load-{thread}"))
            .spawn(move || Worker::new(start).and_then(Worker::run))?;
        Ok((control, Source::new(seconds, handle)))
    }

    fn controls(&self) -> Result<&[Control], RunError> {
        let controls = self.controls.get().map(Vec::as_slice);
        controls.ok_or(RunError::Order(
            "the run has not been started; call start() first",
        ))
    }

    /// Was the last tick handed out?
    pub fn finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    /// The next second of the run, merged over its threads; None when it is not there within `timeout`, or when the
    /// run is over.
    ///
    /// # Errors
    /// Not started, or a thread that the operating system stopped.
    pub fn next_tick(&self, timeout: Duration) -> Result<Option<Tick>, RunError> {
        self.controls()?;
        if self.finished() {
            return Ok(None);
        }
        let mut collector = self
            .collector
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let second = collector.next(Instant::now() + timeout).inspect_err(|_| {
            self.finished.store(true, Ordering::Release);
            // Without one of its threads the run is not what was planned: the others end too.
            let _ = self.ask(Command::Abort);
        })?;
        let Some(mut second) = second else {
            return Ok(None);
        };
        if second.last {
            self.finished.store(true, Ordering::Release);
        }
        let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, text) in std::mem::take(&mut second.examples) {
            examples.entry(kind.name()).or_insert(text);
        }
        drop(examples);
        if second.log_lines > 0 || !second.values.is_empty() {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.lines.append(&mut second.logged);
            said.all += second.log_lines;
            said.values.extend(std::mem::take(&mut second.values));
        }
        Ok(Some(Tick::new(second, &self.plan.names)))
    }

    /// From `at_ns` on (else half a millisecond from now, so that no start is planned in the past): starts per second,
    /// or users.
    ///
    /// # Errors
    /// Not started, a level that cannot be, or a time that is not near now.
    pub fn set_level(&self, level: f64, at_ns: Option<u64>) -> Result<(), RunError> {
        if !(0.0..=1e9).contains(&level) {
            return Err(RunError::Level(level));
        }
        let at_ns = change_time(at_ns)?;
        self.ask(Command::Level { level, at_ns })
    }

    /// Plan no further requests from `at_ns` (else half a millisecond from now) until `resume`; those in flight or
    /// waiting go on.
    ///
    /// # Errors
    /// Not started, or a time that is not near now.
    pub fn pause(&self, at_ns: Option<u64>) -> Result<(), RunError> {
        let at_ns = change_time(at_ns)?;
        self.ask(Command::Pause { at_ns })
    }

    /// Go on at `at_ns` (else half a millisecond from now) where `pause` stopped; the schedule moves by the length of
    /// the pause.
    ///
    /// # Errors
    /// Not started, or a time that is not near now.
    pub fn resume(&self, at_ns: Option<u64>) -> Result<(), RunError> {
        let at_ns = change_time(at_ns)?;
        self.ask(Command::Resume { at_ns })
    }

    /// Start nothing more; what is in flight gets the plan's grace time.
    ///
    /// # Errors
    /// Not started.
    pub fn stop(&self) -> Result<(), RunError> {
        self.ask(Command::Stop)
    }

    /// Start nothing more and cut what is in flight.
    ///
    /// # Errors
    /// Not started.
    pub fn abort(&self) -> Result<(), RunError> {
        self.ask(Command::Abort)
    }

    /// The name of an origin was looked up again: from now on new connections go to these addresses, and those to others
    /// end once they carry nothing.
    ///
    /// # Errors
    /// An origin that the plan does not have.
    pub fn set_addresses(
        &self,
        origin: usize,
        addresses: &[IpAddr],
        took_ns: Option<u64>,
    ) -> Result<(), RunError> {
        let known = self.origin(origin)?;
        let mut found = Found::addresses(addresses, known.connect_port);
        if known.tls && self.tls.is_none() {
            let (tls, version) = &self.tls_spec;
            let made = self.book.secure(|| TlsSetup::new(tls, *version));
            found = made.map_or_else(|why| Found::Refused(why.into()), |()| found);
        }
        self.change_page(origin, found, took_ns)
    }

    /// The origins that requests and redirects lead to and the plan does not name. Whoever asks for this answers them, with
    /// `set_addresses` or `refuse_addresses`; as long as nobody does, there are none.
    pub fn met(&self) -> Met {
        Met {
            plan: self.plan.clone(),
            book: self.book.clone(),
        }
    }

    /// The name of an origin leads where no load may go: until another answer comes, requests to it fail as `dns`.
    ///
    /// # Errors
    /// An origin that the plan does not have.
    pub fn refuse_addresses(
        &self,
        origin: usize,
        why: &str,
        took_ns: Option<u64>,
    ) -> Result<(), RunError> {
        self.origin(origin)?;
        self.change_page(origin, Found::Refused(why.into()), took_ns)
    }

    fn origin(&self, origin: usize) -> Result<&Origin, RunError> {
        let known = self.plan.origins.get(origin);
        known.ok_or(RunError::Order("the plan has no origin of this number"))
    }

    fn change_page(
        &self,
        origin: usize,
        found: Found,
        took_ns: Option<u64>,
    ) -> Result<(), RunError> {
        self.book.change(origin, found, took_ns);
        // Threads that are not there yet will read the book when they begin.
        if self.controls.get().is_none() {
            return Ok(());
        }
        self.ask(Command::LookedUp {
            origin: origin as u32,
        })
    }

    fn ask(&self, command: Command) -> Result<(), RunError> {
        self.controls()?
            .iter()
            .for_each(|control| control.inbox.put(command));
        Ok(())
    }

    /// One example of each error kind so far, of the ticks handed out.
    pub fn error_examples(&self) -> BTreeMap<&'static str, String> {
        self.examples
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What scenarios have logged in the ticks handed out: the first lines of each thread, and how many there were.
    pub fn log(&self) -> (Vec<String>, u64) {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        (said.lines.clone(), said.all)
    }

    /// The values that users held who left, as JSON, of the ticks handed out; only with the plan's `keep_values`.
    pub fn values(&self) -> BTreeMap<String, String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.values.clone()
    }

    /// Requests that are sent and not done, now.
    pub fn in_flight(&self) -> u64 {
        self.controls
            .get()
            .into_iter()
            .flatten()
            .map(|control| control.in_flight.load(Ordering::Relaxed))
            .sum()
    }
}

/// Tells of origins that were met; outlives its run, and hears of its end.
#[derive(Debug, Clone)]
pub struct Met {
    plan: Arc<Compiled>,
    book: Arc<Book>,
}

/// An origin that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetOrigin {
    /// Its number.
    pub number: usize,
    /// With TLS.
    pub tls: bool,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Met {
    /// Readable when `take` has something to say.
    pub fn ready(&self) -> BorrowedFd<'_> {
        self.book.answer()
    }

    /// Those that were met since the last time; None once the run is gone.
    pub fn take(&self) -> Option<Vec<MetOrigin>> {
        let numbers = self.book.take_asked()?;
        let origins = numbers.into_iter().map(|number| {
            let origin = &self.plan.origins[number];
            MetOrigin {
                number,
                tls: origin.tls,
                host: origin.host.clone(),
                port: origin.port,
            }
        });
        Some(origins.collect())
    }
}

impl Drop for Run {
    /// Threads do not outlive their run.
    fn drop(&mut self) {
        self.book.close();
        // Not started: nothing to end.
        let _ = self.ask(Command::Abort);
        self.collector
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .end();
    }
}

/// When a change takes place.
fn change_time(at_ns: Option<u64>) -> Result<u64, RunError> {
    match at_ns {
        None => Ok(sys::now_ns() + CHANGE_AHEAD_NS),
        Some(at_ns) => near_now(at_ns),
    }
}

/// Refuse a time of another clock.
fn near_now(at_ns: u64) -> Result<u64, RunError> {
    let now_ns = sys::now_ns();
    if at_ns.abs_diff(now_ns) > TIME_AWAY_MAX_NS {
        return Err(RunError::Time { at_ns, now_ns });
    }
    Ok(at_ns)
}
