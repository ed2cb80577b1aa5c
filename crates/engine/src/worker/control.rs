//! What others may ask of a running thread: another level, a pause, an end.
use std::sync::{Arc, Mutex, PoisonError};

use super::arrivals::Load;
use super::branches::Leaving;
use super::socket::Held;
use super::users::{User, Waiting};
use super::{Phase, Worker};
use crate::sys::Wake;
use crate::timers::Due;
use crate::websocket;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// From `at_ns` on: starts per second, or users.
    Level { level: f64, at_ns: u64 },
    /// From `at_ns` on nothing is planned.
    Pause { at_ns: u64 },
    /// From `at_ns` on the schedule goes on.
    Resume { at_ns: u64 },
    /// The book has another page for an origin.
    LookedUp { origin: u32 },
    /// No more starts; what is in flight gets the grace time.
    Stop,
    /// No more starts; what is in flight is cut.
    Abort,
}

impl Command {
    /// When it is to be carried out; 0 for at once.
    fn at_ns(&self) -> u64 {
        match self {
            Self::Level { at_ns, .. } | Self::Pause { at_ns } | Self::Resume { at_ns } => *at_ns,
            Self::LookedUp { .. } | Self::Stop | Self::Abort => 0,
        }
    }
}

/// The commands that wait for a thread. Locked only when there is one.
#[derive(Debug, Clone)]
pub struct Inbox {
    commands: Arc<Mutex<Vec<Command>>>,
    wake: Wake,
}

impl Inbox {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            commands: Arc::default(),
            wake: Wake::new()?,
        })
    }

    pub fn put(&self, command: Command) {
        self.commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(command);
        self.wake.wake();
    }

    pub fn wake(&self) -> &Wake {
        &self.wake
    }

    fn take(&self) -> Vec<Command> {
        self.wake.clear();
        std::mem::take(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Worker {
    pub(super) fn read_inbox(&mut self) {
        for command in self.inbox.take() {
            let now = self.clock();
            match (command, self.phase) {
                (Command::LookedUp { origin }, _) => self.looked_up(origin),
                (Command::Abort, Phase::Running | Phase::Ending { .. }) => {
                    self.end_starts(now);
                    self.cut();
                }
                (Command::Stop, Phase::Running) => self.end_starts(now),
                (timed, Phase::Running) => self.later.push_back(timed),
                _ => {}
            }
            // Whatever it was, look at everything that may be due.
            self.due_ns = 0;
        }
    }

    /// When the next command for a time to come is due; `u64::MAX` for never.
    pub(super) fn next_command_ns(&self) -> u64 {
        self.later.front().map_or(u64::MAX, Command::at_ns)
    }

    /// Carry out the commands whose time has come. They count from that time, not from now: however late a thread looks,
    /// all threads of all processes do the same.
    pub(super) fn obey_due(&mut self, now: u64) {
        while self.next_command_ns() <= now
            && let Some(command) = self.later.pop_front()
        {
            let at_ns = command.at_ns().max(self.origin_ns);
            if self.phase != Phase::Running {
                continue;
            }
            self.catch_up(at_ns.min(self.end_ns));
            match command {
                Command::Level { level, .. } => self.change_level(level, at_ns),
                Command::Pause { .. } => self.paused_ns = self.paused_ns.or(Some(at_ns)),
                Command::Resume { .. } => self.resume(at_ns),
                Command::LookedUp { .. } | Command::Stop | Command::Abort => {}
            }
        }
    }

    fn change_level(&mut self, level: f64, at_ns: u64) {
        self.levels_set += 1;
        self.count_pause(at_ns);
        let end_ns = if self.plan.live {
            u64::MAX
        } else {
            self.end_ns
        };
        self.load = Load::level(
            &self.plan,
            self.share,
            level,
            at_ns,
            end_ns,
            self.levels_set,
        );
    }

    /// Go on as if the pause had not been.
    fn resume(&mut self, now: u64) {
        self.count_pause(now);
        if self.paused_ns.take().is_some() {
            self.ready
                .extend(self.parked.drain(..).map(|user| (user, now)));
        }
    }

    /// A pause until `now` moves the schedule and its end by its length; a pause that goes on is counted from here.
    fn count_pause(&mut self, now: u64) {
        let Some(since_ns) = self.paused_ns else {
            return;
        };
        let length_ns = now.saturating_sub(since_ns);
        self.load.shift(length_ns);
        self.end_ns = self.end_ns.saturating_add(length_ns);
        self.paused_ns = Some(now.max(since_ns));
    }

    /// Nothing starts any more: what waits for a connection is not started, pauses end, nobody moves on.
    pub(super) fn end_starts(&mut self, now: u64) {
        if self.phase != Phase::Running {
            return;
        }
        self.catch_up(now.min(self.end_ns));
        self.phase = Phase::Ending {
            cut_ns: now.saturating_add(self.plan.grace_ns),
        };
        self.paused_ns = None;
        self.timers.drop_users();
        for waiting in std::mem::take(&mut self.waiting) {
            if matches!(waiting, Waiting::Started(_)) {
                self.waiting.push_back(waiting);
                continue;
            }
            let series = self.series_of(&waiting);
            self.second.steps[series].not_started += 1;
        }
        self.ready.clear();
        self.parked.clear();
        self.end_script_starts();
        // Users without a request: those in a pause, parked or waiting.
        let holding: Vec<u32> = self
            .users
            .iter()
            .filter(|(_, user)| !user.busy && matches!(user.socket, Held::Open(_)))
            .map(|(id, _)| id as u32)
            .collect();
        for user in holding {
            self.leave(user, websocket::GOING_AWAY);
        }
        self.users.retain(|_, user| user.busy);
        self.branch_users = self
            .users
            .iter()
            .filter(|(_, user)| user.parent != User::NONE)
            .count();
        self.due_ns = 0;
    }

    /// The run is over when nobody is left who could do anything.
    pub(super) fn end_when_empty(&mut self) {
        let starts_over = match self.phase {
            Phase::Running => {
                (self.starts_left == 0 || self.arrivals_are_over()) && self.waiting.is_empty()
            }
            Phase::Ending { .. } => true,
            Phase::Over => return,
        };
        if starts_over && self.users.is_empty() {
            self.phase = Phase::Over;
            self.due_ns = 0;
        }
    }

    pub(super) fn pause_user(&mut self, user: u32, until_ns: u64) {
        let holds_socket = matches!(self.users[user as usize].socket, Held::Open(_));
        let may_finish = self.plan.finish || self.plan.count.is_some();
        if until_ns < self.end_ns || holds_socket || may_finish {
            self.set_timer(until_ns, Due::User(user));
        } else if self.scripted.is_some() {
            self.dismiss(user);
        } else {
            // Nothing will be started after the pause.
            self.users[user as usize].leaving = Leaving::Ended;
            self.gone(user);
        }
    }
}
