//! One thread of the engine: its connections, users, timers and histograms, around one epoll set.
//!
//! Nothing is shared with other threads. Per request: one receive, one send, three clock readings, some histogram
//! records; no allocation, lock or log line. What the files hold: `arrivals` (when something starts), `users` (what a
//! user does next), `connections` (opening, pooling, closing), `exchange` (sending and receiving), `judge` (what an
//! answer was worth), `socket` (WebSockets), `control` (level, pause, stop).
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use slab::Slab;

use crate::judging::JsonFound;
use crate::memory::Spare;
use crate::origins::Book;
use crate::plan::compile::Compiled;
use crate::plan::request::Scratch;
use crate::record::{ErrorKind, Second};
use crate::script::Script;
use crate::sys::{self, Epoll, EventFlags, Events, Timer};
use crate::timers::{Due, Timers};
use crate::tls::TlsSetup;

mod arrivals;
mod branches;
mod channel;
mod connections;
mod control;
mod exchange;
mod flow;
mod http2;
mod judge;
mod script;
mod sites;
mod socket;
mod stream;
mod talk;
mod tunnel;
mod upload;
mod users;
mod weigh;

use arrivals::Load;
use connections::Slot;
pub use control::{Command, Inbox};
use script::{Requests, Scripted};
use sites::Site;
use users::{User, Waiting};

/// Starts that may wait for a connection, over all threads. One more is counted as not started at once.
const WAITING_MAX: usize = 1_000_000;
/// Planned starts served in a row before the sockets are looked at again.
const STARTS_IN_A_ROW: usize = 32;
/// One receive; only the pages that are filled are ever touched.
const RECEIVE_BYTES: usize = 64 * 1024;
/// Lines that a thread hands over to be logged; further ones are counted.
const LOG_LINES_MAX: u64 = 20;
const TOKEN_TIMER: u64 = u64::MAX;
const TOKEN_INBOX: u64 = u64::MAX - 1;
const TOKEN_SCRIPT: u64 = u64::MAX - 2;

/// Which of how many threads, over all processes of the run.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub thread: u64,
    pub threads: u64,
}

impl Share {
    /// This thread's part of `all`, so that the parts add up to `all`.
    pub fn of(self, all: u64) -> u64 {
        all / self.threads + u64::from(self.thread < all % self.threads)
    }
}

/// The plan under a count that only one thread changes.
struct PlanHere(Arc<Compiled>);

impl std::ops::Deref for PlanHere {
    type Target = Compiled;

    fn deref(&self) -> &Compiled {
        &self.0
    }
}

/// Where the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Nothing starts any more; what is in flight may end until then.
    Ending {
        cut_ns: u64,
    },
    Over,
}

pub struct Worker {
    plan: Requests,
    /// The same under a count of this thread's own, for those who hold it while they change the rest.
    plan_here: Rc<PlanHere>,
    share: Share,
    tls: Option<TlsSetup>,
    // What comes in, and when something is due.
    epoll: Epoll,
    timer: Timer,
    timers: Timers,
    inbox: Inbox,
    /// Commands for a time to come, in the order in which they were given.
    later: VecDeque<Command>,
    due_ns: u64,
    /// The last reading of the clock.
    now_ns: u64,
    // The run.
    phase: Phase,
    paused_ns: Option<u64>,
    load: Load,
    origin_ns: u64,
    /// Makes monotonic times Unix times.
    unix_offset_ns: i64,
    end_ns: u64,
    starts_left: u64,
    starts_made: u64,
    levels_set: u64,
    // Who is there.
    users: Slab<User>,
    /// Who may go on, and since when.
    ready: VecDeque<(u32, u64)>,
    parked: Vec<u32>,
    /// Users that are branches of another one: they are no users of the load.
    branch_users: usize,
    /// What users remembered who are gone.
    spare: Spare,
    waiting: VecDeque<Waiting>,
    waiting_max: usize,
    /// Most users at once in an open load; `u64::MAX` for any number.
    users_max: u64,
    scripted: Option<Box<Scripted>>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// One for each origin, by its number.
    sites: Vec<Site>,
    /// Connections that can take a request, over all sites.
    idle: usize,
    open: usize,
    /// Those among the open ones that only end what they have begun.
    leaving: usize,
    /// Connections that have gathered something to send.
    to_send: Vec<u32>,
    connections_max: usize,
    book: Arc<Book>,
    next_source: usize,
    // What was seen.
    second: Second,
    boundary_ns: u64,
    cpu_ns: u64,
    in_flight: u64,
    in_flight_seen: Arc<AtomicU64>,
    examples_told: [bool; ErrorKind::ALL.len()],
    outbox: SyncSender<Second>,
    // Buffers, used again for each request.
    received: Vec<u8>,
    plain: Vec<u8>,
    sending: Vec<u8>,
    frame: Vec<u8>,
    cipher: Vec<u8>,
    block: Vec<u8>,
    scratch: Scratch,
    json: JsonFound,
    /// Lines logged so far.
    logged: u64,
}

/// What a thread is given to begin with.
pub struct Start {
    pub plan: Arc<Compiled>,
    pub share: Share,
    pub tls: Option<TlsSetup>,
    pub book: Arc<Book>,
    pub script: Option<Arc<Script>>,
    pub origin_ns: u64,
    /// The same moment in Unix time.
    pub origin_unix_ns: i64,
    pub inbox: Inbox,
    pub in_flight: Arc<AtomicU64>,
    pub outbox: SyncSender<Second>,
}

impl Worker {
    pub fn new(start: Start) -> io::Result<Self> {
        let Start {
            plan,
            share,
            tls,
            book,
            script,
            origin_ns,
            origin_unix_ns,
            inbox,
            in_flight,
            outbox,
        } = start;
        let epoll = Epoll::new()?;
        let timer = Timer::new()?;
        epoll.add(&timer, TOKEN_TIMER, EventFlags::IN)?;
        epoll.add(inbox.wake(), TOKEN_INBOX, EventFlags::IN)?;
        let scripted = script.map(|script| Box::new(Scripted::new(script, share)));
        if let Some(scripted) = &scripted {
            epoll.add(scripted.line().wake(), TOKEN_SCRIPT, EventFlags::IN)?;
        }
        let second = origin_unix_ns.div_euclid(1_000_000_000);
        let end_ns = if plan.live {
            u64::MAX
        } else {
            origin_ns.saturating_add(plan.stages_end_ns())
        };
        Ok(Self {
            load: Load::new(&plan, share, origin_ns),
            epoll,
            timer,
            timers: Timers::default(),
            inbox,
            later: VecDeque::new(),
            due_ns: 0,
            now_ns: 0,
            phase: Phase::Running,
            paused_ns: None,
            origin_ns,
            unix_offset_ns: sys::unix_offset_ns(),
            end_ns,
            starts_left: plan.count.map_or(u64::MAX, |count| share.of(count)),
            starts_made: 0,
            levels_set: 0,
            users: Slab::new(),
            ready: VecDeque::new(),
            parked: vec![],
            branch_users: 0,
            spare: Spare::default(),
            waiting: VecDeque::new(),
            scripted,
            waiting_max: WAITING_MAX / share.threads as usize,
            users_max: plan.users_max.map_or(u64::MAX, |most| share.of(most)),
            slots: vec![],
            free: vec![],
            sites: Site::all(&plan, &book, share),
            idle: 0,
            open: 0,
            leaving: 0,
            to_send: vec![],
            connections_max: match plan.connections_max {
                usize::MAX => usize::MAX,
                limit => share.of(limit as u64) as usize,
            },
            book,
            next_source: share.thread as usize,
            second: Second::new(second, plan.names.len()),
            boundary_ns: origin_ns
                + (1_000_000_000 - origin_unix_ns.rem_euclid(1_000_000_000)) as u64,
            cpu_ns: sys::thread_cpu_ns(),
            in_flight: 0,
            in_flight_seen: in_flight,
            examples_told: [false; ErrorKind::ALL.len()],
            outbox,
            received: vec![0; RECEIVE_BYTES],
            plain: vec![],
            sending: vec![],
            frame: vec![],
            cipher: vec![],
            block: vec![],
            scratch: Scratch::default(),
            json: JsonFound::default(),
            logged: 0,
            tls: tls.as_ref().map(TlsSetup::for_thread),
            plan_here: Rc::new(PlanHere(plan.clone())),
            plan: Requests::new(plan),
            share,
        })
    }

    /// Carry the plan out; returns when the run is over and its last second was handed over.
    ///
    /// # Errors
    /// What the operating system refuses to the loop itself; the last second is handed over all the same.
    pub fn run(mut self) -> io::Result<()> {
        self.tell_first_lookups();
        let result = self.until_over();
        self.hand_over_last();
        result
    }

    fn until_over(&mut self) -> io::Result<()> {
        let mut events = Events::new();
        loop {
            let now = self.clock();
            if now >= self.due_ns {
                self.serve_due(now);
            }
            self.end_round();
            if self.phase == Phase::Over {
                return Ok(());
            }
            self.in_flight_seen.store(self.in_flight, Ordering::Relaxed);
            if !self.flush_script() {
                self.read_script(false);
                continue;
            }
            let ready = if self.due_ns == 0 {
                // Somebody goes on at once: no timer is set for that.
                self.epoll.look(&mut events)?
            } else {
                self.timer.arm(self.due_ns)?;
                self.epoll.wait(&mut events)?
            };
            for at in 0..ready {
                match events.get(at) {
                    (TOKEN_SCRIPT, _) => {
                        self.read_script(true);
                        self.end_round();
                    }
                    (TOKEN_TIMER, _) => {}
                    (TOKEN_INBOX, _) => self.read_inbox(),
                    (token, flags) => self.on_socket(token, flags),
                }
            }
        }
    }

    /// What gathered is sent; the run may be over.
    fn end_round(&mut self) {
        if !self.to_send.is_empty() {
            self.send_gathered();
        }
        if self.users.is_empty() {
            self.end_when_empty();
        }
    }

    /// Read the clock; a second that has ended is handed over before anything of the next is recorded.
    fn clock(&mut self) -> u64 {
        let now = sys::now_ns();
        self.now_ns = now;
        while now >= self.boundary_ns {
            self.hand_over();
        }
        now
    }

    /// Do all that is due, and find out what is due next.
    fn serve_due(&mut self, now: u64) {
        self.obey_due(now);
        if now >= self.end_of_starts_ns() && self.phase == Phase::Running {
            self.end_starts(now);
        }
        if let Phase::Ending { cut_ns } = self.phase
            && now >= cut_ns
        {
            self.cut();
        }
        while let Some((at, due)) = self.timers.pop_due(now) {
            match due {
                Due::User(user) => self.ready.push_back((user, at)),
                Due::Slot(slot) => self.look_at_deadline(slot, at, now),
            }
        }
        self.start_arrivals(now);
        self.run_ready();
        self.end_when_empty();
        let end_ns = match self.phase {
            Phase::Running => self.end_of_starts_ns(),
            Phase::Ending { cut_ns } => cut_ns,
            Phase::Over => 0,
        };
        let ready_ns = if self.ready.is_empty() { u64::MAX } else { 0 };
        self.due_ns = self
            .boundary_ns
            .min(ready_ns)
            .min(end_ns)
            .min(self.timers.next_ns())
            .min(self.next_command_ns())
            .min(self.next_arrival_ns());
    }

    /// When nothing is started any more, as far as is known: a pause has no known end, nor have users who finish
    /// what they began, those of a count that was reached among them.
    fn end_of_starts_ns(&self) -> u64 {
        if self.paused_ns.is_some() || self.plan.finish || self.starts_left == 0 {
            u64::MAX
        } else {
            self.end_ns
        }
    }

    /// Let the user go on as soon as what is being done is done.
    fn soon(&mut self, user: u32) {
        let now = self.now_ns;
        self.soon_at(user, now);
    }

    /// The same, of a user who could go on since `at_ns`.
    fn soon_at(&mut self, user: u32, at_ns: u64) {
        self.ready.push_back((user, at_ns));
        self.due_ns = 0;
    }

    /// Have something served at `at_ns`.
    fn set_timer(&mut self, at_ns: u64, due: Due) {
        self.timers.push(at_ns, due);
        self.due_ns = self.due_ns.min(at_ns);
    }

    fn take_gauges(&mut self) {
        let cpu_ns = sys::thread_cpu_ns();
        self.second.cpu_ns = cpu_ns - self.cpu_ns;
        self.cpu_ns = cpu_ns;
        self.second.waiting = self.waiting.len() as u64;
        self.second.users = self.users_there() as u64;
        self.second.connections = self.open as u64;
        if self.share.thread == 0 && self.phase == Phase::Running {
            self.second.target = self.load.level_at(self.boundary_ns);
        } else {
            self.second.target = 0.0;
        }
    }

    /// Give the ended second away. When nobody takes seconds any more (120 are waiting), this one goes on growing
    /// and is counted in the next: late, but nothing is lost and memory stays bounded.
    fn hand_over(&mut self) {
        self.take_gauges();
        // The one clock is slewed against the other.
        self.unix_offset_ns = sys::unix_offset_ns();
        let next = self.second.second + 1;
        let mut fresh = Second::new(next, self.second.steps.len());
        for (fresh, old) in fresh.steps.iter_mut().zip(&self.second.steps) {
            fresh.in_flight = old.in_flight;
        }
        let cpu_ns = self.second.cpu_ns;
        if let Err(std::sync::mpsc::TrySendError::Full(kept)) = self
            .outbox
            .try_send(std::mem::replace(&mut self.second, fresh))
        {
            self.second = Second {
                second: next,
                ..kept
            };
            self.cpu_ns -= cpu_ns;
        }
        self.boundary_ns += 1_000_000_000;
    }

    fn hand_over_last(&mut self) {
        self.take_gauges();
        self.second.last = true;
        let steps = self.second.steps.len();
        let last = std::mem::replace(&mut self.second, Second::new(0, steps));
        // Before the last second, so that who has taken it sees nothing in flight any more.
        self.in_flight_seen.store(0, Ordering::Relaxed);
        // Fails only when the run itself was dropped: then nobody wants it.
        let _ = self.outbox.send(last);
    }
}
