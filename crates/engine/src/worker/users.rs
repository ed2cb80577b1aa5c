//! What a user does next: a request, a pause, another iteration, or nothing more.
use super::arrivals::Load;
use super::branches::Leaving;
use super::flow::Turn;
use super::script::{NO_CALL, Requests};
use super::socket::Held;
use super::{LOG_LINES_MAX, Phase, Worker};
use crate::memory::Memory;
use crate::plan::compile::Compiled;
use crate::plan::program::CompiledStep;
use crate::plan::redirect::Redirect;
use crate::plan::request::Request;
use crate::record::{ErrorKind, StepSecond};
use crate::rng::{Rng, mix};
use crate::script::ToScript;
use crate::value::Values;
use crate::websocket;

/// A closed user whose request failed without an answer pauses, so that a target that is down is not hammered. So does
/// one whose iteration neither sent anything nor paused, so that it does not spin.
const PAUSE_AFTER_FAILURE_NS: u64 = 100_000_000;
/// Steps on a socket that wait for nothing, taken before others have their turn: about a tenth of a millisecond.
const SOCKET_STEPS_IN_A_ROW: u32 = 256;
/// No connection is kept for the user.
pub const UNRESERVED: u32 = u32::MAX;
/// A step beyond every scenario: the iteration is over.
pub const AFTER_LAST: u32 = u32::MAX;

/// Someone inside a scenario. Small: there may be a great many.
#[derive(Debug)]
pub struct User {
    /// The iteration's number in the whole run: feeder rows, choices and random values follow from it.
    pub number: u64,
    pub scenario: u32,
    pub step: u32,
    /// The connection that is kept for this user, where each has its own; otherwise `UNRESERVED`.
    pub reserved: u32,
    /// The call of a script that it carries.
    pub call: u32,
    /// Planned start of the current request.
    pub planned_ns: u64,
    /// When it was first sent; 0 before.
    pub sent_ns: u64,
    /// Parts of the service time over earlier hops of a redirect: send, wait, receive.
    pub hops_ns: [u64; 3],
    pub hops: u32,
    /// How many times the request was sent again: its connection turned out to be closed, or the server did not look at it.
    pub resent: u8,
    /// Has a request that was started and is not done.
    pub busy: bool,
    /// Has neither sent anything nor paused in this iteration.
    pub idle: bool,
    pub redirect: Option<Box<Redirect>>,
    pub socket: Held,
    /// The step to go on with once a lost socket is open again; 0 for none.
    pub resume: u32,
    /// Nothing as long as no step needs it.
    pub memory: Option<Box<Memory>>,
    /// Whose branch this is; `NONE` for a user of its own.
    pub parent: u32,
    /// Branches of this user that are under way.
    pub branches: u32,
    /// What became of the branches, and so of the user.
    pub leaving: Leaving,
}

/// A request that is due and has no connection. An arriving user is not made before it is served.
#[derive(Debug)]
pub enum Waiting {
    Arrival {
        number: u64,
        scenario: u32,
        planned_ns: u64,
    },
    User(u32),
    /// It was started before, and what it was sent on is gone.
    Started(u32),
}

impl Waiting {
    pub fn is_for(&self, user: u32) -> bool {
        matches!(self, Self::User(waiting) | Self::Started(waiting) if *waiting == user)
    }
}

impl User {
    pub const NONE: u32 = u32::MAX;

    pub fn new(number: u64, scenario: usize, planned_ns: u64) -> Self {
        Self {
            number,
            scenario: scenario as u32,
            step: 0,
            reserved: UNRESERVED,
            call: NO_CALL,
            planned_ns,
            sent_ns: 0,
            hops_ns: [0; 3],
            hops: 0,
            resent: 0,
            busy: false,
            idle: true,
            redirect: None,
            socket: Held::Never,
            resume: 0,
            memory: None,
            parent: Self::NONE,
            branches: 0,
            leaving: Leaving::Done,
        }
    }

    /// The request is done: nothing of it stays.
    pub fn request_over(&mut self) {
        self.sent_ns = 0;
        self.hops_ns = [0; 3];
        self.hops = 0;
        self.resent = 0;
        self.busy = false;
        self.redirect = None;
    }

    /// The request that the user is at.
    pub fn request<'a>(&self, plan: &'a Requests) -> Option<&'a Request> {
        if self.call != NO_CALL {
            return plan.of_call(self.call);
        }
        match plan.scenarios[self.scenario as usize]
            .steps
            .get(self.step as usize)?
        {
            CompiledStep::Request(request) => Some(request),
            _ => None,
        }
    }

    /// Where the step that the user is at is counted.
    pub fn series(&self, plan: &Requests) -> Option<usize> {
        if self.call != NO_CALL {
            return plan.of_call(self.call).map(|request| request.series);
        }
        match plan.scenarios[self.scenario as usize]
            .steps
            .get(self.step as usize)?
        {
            CompiledStep::Request(request) => Some(request.series),
            CompiledStep::Socket(step) => Some(step.series),
            _ => None,
        }
    }

    /// Where the request goes, or what it was redirected to.
    pub fn origin(&self, plan: &Requests) -> usize {
        match &self.redirect {
            Some(redirect) => redirect.origin,
            None => self.request(plan).map_or(0, |request| request.origin),
        }
    }

    /// How long its answer may take.
    pub fn timeout_ns(&self, plan: &Requests) -> u64 {
        self.request(plan)
            .map_or(u64::MAX, |request| request.timeout_ns)
    }

    /// Are the request's bytes those of the plan? Not behind a redirect, nor with cookies.
    pub fn sends_as_planned(&self) -> bool {
        self.redirect.is_none()
            && self
                .memory
                .as_ref()
                .is_none_or(|memory| memory.jar.is_empty())
    }

    /// Random numbers of this step: the same when it is sent again, others in the next pass of a loop.
    pub fn rng(&self, seed: u64) -> Rng {
        let passes = self.memory.as_ref().map_or(0, |memory| memory.passes);
        let step = (u64::from(self.step) + 1) ^ passes << 32;
        Rng::of(seed ^ mix(step), self.number)
    }

    pub fn values<'a>(&'a self, plan: &'a Compiled) -> Values<'a> {
        let memory = self.memory.as_deref();
        Values {
            number: self.number,
            held: memory.map_or(&[], |memory| &memory.held),
            turns: memory.map_or(&[], |memory| &memory.turns),
            feeders: &plan.feeders,
        }
    }
}

/// The series of the request that a scenario begins with, if it begins with one.
fn first_series(plan: &Compiled, scenario: usize) -> Option<usize> {
    match plan.scenarios[scenario].steps.first()? {
        CompiledStep::Request(request) => Some(request.series),
        _ => None,
    }
}

impl Worker {
    fn next_number(&mut self) -> u64 {
        let number = match &self.scripted {
            Some(scripted) => scripted.line().turns().next(),
            None => self.starts_made * self.share.threads + self.share.thread,
        };
        self.starts_made += 1;
        if self.starts_left != u64::MAX {
            self.starts_left -= 1;
        }
        self.plan.first_iteration(number)
    }

    /// A user arrives, as planned.
    pub(super) fn start_open(&mut self, planned_ns: u64) {
        let number = self.next_number();
        let scenario = self.plan.scenario_of(number);
        if self.users_there() as u64 >= self.users_max {
            let series = self.any_series(scenario);
            self.second.steps[series].planned += 1;
            self.second.steps[series].not_started += 1;
            return;
        }
        let Some(series) = first_series(&self.plan, scenario) else {
            let user = self.users.insert(User::new(number, scenario, planned_ns)) as u32;
            if self.scripted.is_some() {
                return self.begin_script(user, true);
            }
            return self.ready.push_back((user, planned_ns));
        };
        self.second.steps[series].planned += 1;
        if self.has_room() || self.users_max != u64::MAX {
            // Where users are counted, one who waits for a connection is one of them.
            let user = self.users.insert(User::new(number, scenario, planned_ns)) as u32;
            self.seek_connection(user);
        } else if self.waiting.len() < self.waiting_max {
            self.waiting.push_back(Waiting::Arrival {
                number,
                scenario: scenario as u32,
                planned_ns,
            });
        } else {
            self.second.steps[series].not_started += 1;
        }
    }

    /// One more user of a closed load.
    pub(super) fn start_closed(&mut self, now: u64) {
        let number = self.next_number();
        let scenario = self.plan.scenario_of(number);
        let user = self.users.insert(User::new(number, scenario, now)) as u32;
        if self.scripted.is_some() {
            return self.begin_script(user, true);
        }
        self.advance(user, now);
    }

    pub(super) fn run_ready(&mut self) {
        // Those who become ready meanwhile are for the next round: nobody keeps answers waiting.
        for _ in 0..self.ready.len() {
            if let Some((user, at_ns)) = self.ready.pop_front() {
                self.advance(user, at_ns);
            }
        }
    }

    /// Let the user do what comes next, which became due at `at_ns`.
    pub(super) fn advance(&mut self, user: u32, at_ns: u64) {
        if self.scripted.is_some() {
            return match self.users[user as usize].call {
                NO_CALL => self.advance_host(user, at_ns),
                _ => self.advance_call(user),
            };
        }
        if self.phase != Phase::Running {
            let at = &mut self.users[user as usize];
            at.leaving = at.leaving.max(Leaving::Ended);
            return self.leave(user, websocket::GOING_AWAY);
        }
        if self.paused_ns.is_some() {
            return self.parked.push(user);
        }
        let mut at_ns = at_ns;
        for _ in 0..SOCKET_STEPS_IN_A_ROW {
            if !self.goes_on(user, at_ns) {
                return;
            }
            at_ns = self.now_ns;
        }
        self.soon(user);
    }

    /// Take the user's next turn; true when it was a step on a socket that is done already.
    fn goes_on(&mut self, user: u32, at_ns: u64) -> bool {
        let at = &mut self.users[user as usize];
        match at.take_turn(&self.plan, &mut self.spare, at_ns) {
            Turn::Request { series } => {
                at.planned_ns = at_ns;
                at.idle = false;
                self.second.steps[series].planned += 1;
                self.seek_connection(user);
            }
            Turn::Think { min_ns, max_ns } => {
                let pause_ns = at.rng(self.plan.seed).between(min_ns, max_ns);
                at.step += 1;
                at.idle = false;
                self.pause_user(user, at_ns.saturating_add(pause_ns));
            }
            // A pass that is late begins at once, and is counted from when it was due.
            Turn::Until(due_ns) if due_ns <= self.now_ns => self.soon_at(user, due_ns),
            Turn::Until(due_ns) => {
                at.idle = false;
                self.pause_user(user, due_ns);
            }
            Turn::Socket => {
                at.idle = false;
                return self.begin_socket_step(user, at_ns);
            }
            Turn::Over => self.next_iteration(user, at_ns),
            Turn::Fork(branches) => {
                at.idle = false;
                self.fork(user, branches, at_ns);
            }
            Turn::BranchEnd => self.end_branch(user),
            Turn::Log => {
                self.log(user);
                self.soon_at(user, at_ns);
            }
            Turn::Yield => self.soon_at(user, at_ns),
            Turn::Stuck(text) => self.stop_iteration(user, ErrorKind::Template, &text),
            Turn::Spinning => {
                let text = "too many steps in a row without a request or a pause";
                self.stop_iteration(user, ErrorKind::Steps, text);
            }
        }
        false
    }

    /// The first lines are handed over, further ones are counted alone.
    fn log(&mut self, user: u32) {
        let at = &mut self.users[user as usize];
        if self.logged < LOG_LINES_MAX {
            self.second.logged.push(at.log_line(&self.plan));
        }
        at.step += 1;
        self.second.log_lines += 1;
        self.logged += 1;
    }

    /// A step that sends nothing cannot be done: counted like a request that could not be sent.
    fn stop_iteration(&mut self, user: u32, kind: ErrorKind, text: &str) {
        let scenario = self.users[user as usize].scenario as usize;
        let series = self.any_series(scenario);
        let step = &mut self.second.steps[series];
        step.planned += 1;
        step.started += 1;
        step.failed += 1;
        step.errors[kind as usize] += 1;
        let names = &self.plan.names;
        self.second.example(&mut self.examples_told, kind, || {
            format!("{}: not sent: {text}", names.step(series))
        });
        self.end_iteration_after_failure(user);
    }

    pub(super) fn seek_connection(&mut self, user: u32) {
        if self.has_room() || self.users[user as usize].reserved != UNRESERVED {
            self.occupy(user);
        } else if self.waiting.len() < self.waiting_max {
            self.waiting.push_back(Waiting::User(user));
        } else {
            let series = self.series_of(&Waiting::User(user));
            self.second.steps[series].not_started += 1;
            self.end_iteration_after_failure(user);
        }
    }

    /// The user is done, once its socket is closed.
    pub(super) fn leave(&mut self, user: u32, code: u16) {
        if !self.closes_first(user, code) {
            self.gone(user);
        }
    }

    /// The number of the user's next iteration, if it begins another.
    pub(super) fn number_after(&mut self, user: u32) -> Option<u64> {
        match self.load {
            Load::Open { .. } => self.plan.iteration_after(self.users[user as usize].number),
            Load::Closed { .. } => {
                (self.starts_left > 0 && !self.too_many_users()).then(|| self.next_number())
            }
        }
    }

    fn next_iteration(&mut self, user: u32, at_ns: u64) {
        if self.closes_first(user, websocket::NORMAL) {
            return;
        }
        let at = &mut self.users[user as usize];
        if at.parent != User::NONE {
            // Only a branch that was cut short comes here.
            at.leaving = at.leaving.max(Leaving::Ended);
            return self.gone(user);
        }
        let Some(number) = self.number_after(user) else {
            return self.gone(user);
        };
        let scenario = self.plan.scenario_of(number);
        self.let_go(user);
        let at = &mut self.users[user as usize];
        let idle = at.idle;
        let mut memory = at.memory.take();
        if let Some(memory) = &mut memory {
            let scenario = &self.plan.scenarios[scenario];
            memory.begin(scenario.slots, scenario.loops);
        }
        *at = User {
            memory,
            ..User::new(number, scenario, at_ns)
        };
        if idle {
            let now = self.clock();
            return self.pause_user(user, now.saturating_add(PAUSE_AFTER_FAILURE_NS));
        }
        // Not a loop through `advance`: an iteration that did nothing has just been sent to pause.
        self.advance(user, at_ns);
    }

    /// The request failed without an answer: what follows in the scenario builds on it, so the iteration ends.
    pub(super) fn end_iteration_after_failure(&mut self, user: u32) {
        if self.users[user as usize].call != NO_CALL {
            // It found no connection, nor room to wait for one.
            return self.end_call(user, |call| ToScript::Nothing { call });
        }
        if self.scripted.is_some() && matches!(self.load, Load::Open { .. }) {
            return self.dismiss(user);
        }
        let at = &mut self.users[user as usize];
        let is_branch = at.parent != User::NONE;
        (at.step, at.idle, at.leaving) = (AFTER_LAST, false, Leaving::Failed);
        if is_branch || self.phase != Phase::Running || matches!(self.load, Load::Open { .. }) {
            return self.leave(user, websocket::NORMAL);
        }
        let now = self.clock();
        self.pause_user(user, now.saturating_add(PAUSE_AFTER_FAILURE_NS));
    }

    /// The iteration is over although steps are left: an extraction found nothing.
    pub(super) fn skip_to_end(&mut self, user: u32) {
        self.users[user as usize].step = AFTER_LAST;
    }

    /// Where a scenario is counted that sends nothing yet: its first step, or, of a script, a step of its own name.
    fn any_series(&mut self, scenario: usize) -> usize {
        if let Some(series) = self.plan.scenarios[scenario].first_series {
            return series;
        }
        let name = &self.plan.scenarios[scenario].name;
        let series = self.plan.names.number(name, &[]) as usize;
        let grow = (series + 1).max(self.second.steps.len());
        self.second.steps.resize_with(grow, StepSecond::default);
        series
    }

    /// Serve who waits, in the order in which they became due, as long as there are connections.
    pub(super) fn serve_waiting(&mut self) {
        while self.has_room()
            && let Some(waiting) = self.waiting.pop_front()
        {
            let user = match waiting {
                Waiting::Started(user) => {
                    self.send_somewhere(user);
                    continue;
                }
                Waiting::User(user) => user,
                Waiting::Arrival {
                    number,
                    scenario,
                    planned_ns,
                } => self
                    .users
                    .insert(User::new(number, scenario as usize, planned_ns))
                    as u32,
            };
            self.occupy(user);
        }
    }

    pub(super) fn series_of(&self, waiting: &Waiting) -> usize {
        let request = match waiting {
            Waiting::Arrival { scenario, .. } => {
                return first_series(&self.plan, *scenario as usize).unwrap_or(0);
            }
            Waiting::User(user) | Waiting::Started(user) => {
                self.users[*user as usize].request(&self.plan)
            }
        };
        request.map_or(0, |request| request.series)
    }
}
