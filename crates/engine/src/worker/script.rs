//! Users whose scenario is a script: their iterations, the requests they ask for, their pauses.
//!
//! A user of the load (a *host*) stays while its coroutine runs. Each call of a script is carried by a user of its own, the
//! *carrier*: waiting for a connection, deadlines, redirects and counts are then those of any request.
use std::ops::Deref;
use std::sync::Arc;

use super::arrivals::Load;
use super::channel::Channel;
use super::connections::Place;
use super::users::{UNRESERVED, User};
use super::{Phase, Share, Worker};
use crate::http1::Answer;
use crate::plan::compile::Compiled;
use crate::plan::request::Request;
use crate::record::{ErrorKind, OwnSecond, StepSecond};
use crate::script::{
    Came, Closed, FromScript, Line, Script, ScriptAnswer, SetCookie, StreamTotals, ToScript, Told,
};
use crate::timers::Due;
use crate::websocket::GOING_AWAY;

/// No call: a user of the load.
pub const NO_CALL: u32 = u32::MAX;
/// A call that was cancelled: its carrier goes when its timer fires.
const ABANDONED: u32 = u32::MAX - 1;

/// The requests there are: those of the plan, and those that scripts are making.
pub struct Requests {
    plan: Arc<Compiled>,
    calls: Vec<Option<Call>>,
}

struct Call {
    host: u32,
    carrier: u32,
    /// None: a pause.
    request: Option<Arc<Request>>,
    /// Of one that lasts.
    channel: Option<Box<Channel>>,
}

impl Requests {
    pub fn new(plan: Arc<Compiled>) -> Self {
        Self {
            plan,
            calls: vec![],
        }
    }

    /// The request of a call; None for a pause.
    pub fn of_call(&self, call: u32) -> Option<&Request> {
        self.calls.get(call as usize)?.as_ref()?.request.as_deref()
    }

    /// The user that carries a call.
    pub fn carrier(&self, call: u32) -> Option<u32> {
        Some(self.calls.get(call as usize)?.as_ref()?.carrier)
    }

    /// What a call that lasts has beside its request.
    pub fn channel(&mut self, call: u32) -> Option<&mut Channel> {
        let call = self.calls.get_mut(call as usize)?.as_mut()?;
        call.channel.as_deref_mut()
    }
}

impl Deref for Requests {
    type Target = Compiled;

    fn deref(&self) -> &Compiled {
        &self.plan
    }
}

/// The script's side of a thread.
pub struct Scripted {
    line: Line,
    taken: Vec<FromScript>,
    /// Users that only carry a call.
    carriers: usize,
}

impl Scripted {
    pub fn new(script: Arc<Script>, share: Share) -> Self {
        let line = Line::new(script);
        line.turns().share(share.thread, share.threads);
        Self {
            line,
            taken: vec![],
            carriers: 0,
        }
    }

    pub fn line(&self) -> &Line {
        &self.line
    }
}

impl Worker {
    /// Users of the load, without the carriers of calls.
    pub(super) fn users_there(&self) -> usize {
        let carriers = self
            .scripted
            .as_ref()
            .map_or(0, |scripted| scripted.carriers);
        self.users.len() - carriers - self.branch_users
    }

    pub(super) fn tell_script(&mut self, word: ToScript) {
        if let Some(scripted) = &mut self.scripted {
            scripted.line.tell(word);
        }
    }

    /// Hand over what the script is to know; false when it has said something meanwhile, so that there is no time to wait.
    pub(super) fn flush_script(&mut self) -> bool {
        match &mut self.scripted {
            None => true,
            Some(scripted) => {
                let may_go_on = matches!(&self.load, Load::Closed { wanted, .. }
                    if (self.users.len() - scripted.carriers) as u64 <= *wanted)
                    && self.phase == Phase::Running
                    && self.paused_ns.is_none()
                    && self.starts_left == u64::MAX;
                scripted.line.turns().set_open(may_go_on);
                scripted.line.flush();
                scripted.line.may_sleep()
            }
        }
    }

    pub(super) fn read_script(&mut self, woken: bool) {
        let Some(scripted) = &mut self.scripted else {
            return;
        };
        let mut taken = std::mem::take(&mut scripted.taken);
        scripted.line.take(&mut taken, woken);
        if !taken.is_empty() {
            self.clock();
        }
        for word in taken.drain(..) {
            self.hear(word);
        }
        if let Some(scripted) = &mut self.scripted {
            scripted.taken = taken;
        }
        if self.now_ns >= self.due_ns {
            self.serve_due(self.now_ns);
        } else if self.users.is_empty() {
            self.end_when_empty();
        }
    }

    fn hear(&mut self, word: FromScript) {
        match word {
            FromScript::Request {
                call,
                user,
                planned_ns,
                request,
                parting,
            } => {
                let request = request.0;
                let grow = (request.series + 1).max(self.second.steps.len());
                self.second.steps.resize_with(grow, StepSecond::default);
                self.begin_call(call, user, planned_ns, Some(request), parting);
            }
            FromScript::Pause {
                call,
                user,
                until_ns,
            } => self.begin_call(call, user, until_ns, None, false),
            FromScript::Cancel { call } => self.cancel_call(call),
            FromScript::Channel { call, want } => self.hear_channel(call, want),
            FromScript::Ended { user, failed, gone } => self.script_ended(user, failed, gone),
            FromScript::Judged { step, kind, text } => {
                let grow = (step as usize + 1).max(self.second.steps.len());
                self.second.steps.resize_with(grow, StepSecond::default);
                self.tell(step as usize, kind, text.into());
            }
            FromScript::Unsent { step, kind, text } => {
                let grow = (step as usize + 1).max(self.second.steps.len());
                self.second.steps.resize_with(grow, StepSecond::default);
                let seen = &mut self.second.steps[step as usize];
                seen.planned += 1;
                seen.started += 1;
                self.tell(step as usize, kind, text.into());
            }
            FromScript::Observed { series, value } => {
                if let Some(name) = self.plan.names.own(series as usize) {
                    OwnSecond::at(&mut self.second.own, series as usize).record(value, name.kind);
                }
            }
        }
    }

    fn begin_call(
        &mut self,
        call: u32,
        host: u32,
        at_ns: u64,
        request: Option<Arc<Request>>,
        parting: bool,
    ) {
        let may = match self.phase {
            Phase::Running => true,
            Phase::Ending { .. } => parting && request.is_some(),
            Phase::Over => false,
        };
        let Some(number) = self.users.get(host as usize).map(|host| host.number) else {
            return self.tell_script(ToScript::Nothing { call });
        };
        if !may {
            return self.tell_script(ToScript::Nothing { call });
        }
        let pause = request.is_none();
        let lasts = request.as_ref().is_some_and(|request| request.lasts);
        let uploads = lasts
            && request
                .as_ref()
                .is_some_and(|request| request.upload.is_some());
        let mut user = User::new(number, 0, at_ns);
        user.call = call;
        // Pieces that were taken do not come again.
        if lasts {
            // Each has random numbers of its own.
            user.step = call;
        }
        user.resent = if uploads { u8::MAX } else { 0 };
        let carrier = self.users.insert(user) as u32;
        self.move_reserved(host, carrier);
        if self.plan.calls.len() <= call as usize {
            self.plan.calls.resize_with(call as usize + 1, || None);
        }
        self.plan.calls[call as usize] = Some(Call {
            host,
            carrier,
            channel: lasts.then(Box::default),
            request,
        });
        if let Some(scripted) = &mut self.scripted {
            scripted.carriers += 1;
        }
        if pause {
            // Also one that ends after the run: the end of starts tells the script.
            self.set_timer(at_ns, Due::User(carrier));
        } else if self.paused_ns.is_some() {
            self.parked.push(carrier);
        } else {
            self.plan_call(carrier);
        }
    }

    fn plan_call(&mut self, carrier: u32) {
        if let Some(request) = self.users[carrier as usize].request(&self.plan) {
            self.second.steps[request.series].planned += 1;
        }
        self.seek_connection(carrier);
    }

    /// A carrier's time has come: its pause is over, or the load goes on.
    pub(super) fn advance_call(&mut self, carrier: u32) {
        let call = self.users[carrier as usize].call;
        if call == ABANDONED {
            self.drop_carrier(carrier);
        } else if self.paused_ns.is_some() {
            self.parked.push(carrier);
        } else if self.plan.of_call(call).is_some() {
            // It was asked for while the load was paused: the schedule has moved by the pause.
            self.users[carrier as usize].planned_ns = self.now_ns;
            self.plan_call(carrier);
        } else {
            self.end_call(carrier, |call| ToScript::Rested { call });
        }
    }

    fn drop_carrier(&mut self, carrier: u32) {
        self.users.remove(carrier as usize);
        if let Some(scripted) = &mut self.scripted {
            scripted.carriers -= 1;
        }
    }

    /// The last word on a call; its carrier goes.
    pub(super) fn end_call(&mut self, carrier: u32, word: impl FnOnce(u32) -> ToScript) {
        let call = self.users[carrier as usize].call;
        if let Some(Some(Call { host, .. })) = self.plan.calls.get(call as usize) {
            self.move_reserved(carrier, *host);
        }
        self.drop_carrier(carrier);
        if let Some(place) = self.plan.calls.get_mut(call as usize) {
            let channel = place.take().and_then(|ended| ended.channel);
            let mut last = word(call);
            if let Some(channel) = channel {
                let (left, told) = (channel.left(), Box::new(last));
                let told = Told::Over { left, last: told };
                last = ToScript::Channel { call, told };
            }
            self.tell_script(last);
        }
    }

    /// The last word on a call that was a socket; its carrier goes.
    pub(super) fn close_call(&mut self, carrier: u32, left: Vec<Came>, closed: Closed) {
        let call = self.users[carrier as usize].call;
        self.drop_carrier(carrier);
        if let Some(place) = self.plan.calls.get_mut(call as usize) {
            *place = None;
            let told = Told::Closed { left, closed };
            self.tell_script(ToScript::Channel { call, told });
        }
    }

    /// Where each user has a connection of its own, it is its calls that use it.
    fn move_reserved(&mut self, from: u32, to: u32) {
        let Some(user) = self.users.get_mut(from as usize) else {
            return;
        };
        let reserved = std::mem::replace(&mut user.reserved, UNRESERVED);
        if reserved == UNRESERVED {
            return;
        }
        match self.users.get_mut(to as usize) {
            Some(other) if other.reserved == UNRESERVED => {
                other.reserved = reserved;
                if let Some(conn) = self.conn(reserved) {
                    conn.user = to;
                }
            }
            _ => self.close(reserved),
        }
    }

    /// Hand an answer over; its connection is free again.
    pub(super) fn answer_call(
        &mut self,
        place: Place,
        carrier: u32,
        status: u16,
        keep: bool,
        sent_ns: u64,
        mut stream: Option<Box<StreamTotals>>,
    ) {
        let done_ns = self.now_ns;
        let user_call = self.users[carrier as usize].call;
        self.leave_over(place, carrier, stream.as_mut());
        let keep = keep
            && self
                .plan
                .channel(user_call)
                .is_none_or(Channel::has_sent_all);
        let user = &mut self.users[carrier as usize];
        let origin = user.origin(&self.plan);
        let mut set_cookies = match user.redirect.as_deref_mut() {
            Some(redirect) => std::mem::take(&mut redirect.set_cookies),
            None => vec![],
        };
        user.request_over();
        if let Some((_, _, kept)) = place.reading(&mut self.slots) {
            let answer = kept.answer(status);
            if sets_cookies(answer.head) {
                set_cookies.extend(cookies_of(&answer, origin));
            }
            let bytes = [answer.head, answer.body].concat();
            let answer = Box::new(ScriptAnswer {
                status,
                sent_ns,
                done_ns,
                head_length: answer.head.len(),
                set_cookies,
                bytes: bytes.into(),
                stream,
            });
            self.release(place, keep);
            self.end_call(carrier, |call| ToScript::Answered { call, answer });
        }
        if !self.waiting.is_empty() {
            self.serve_waiting();
        }
    }

    /// Nobody waits for it any more: close its connection, or take it out of where it waits.
    pub(super) fn cancel_call(&mut self, call: u32) {
        let Some(Some(Call {
            carrier, request, ..
        })) = self.plan.calls.get(call as usize)
        else {
            // Its last word is on its way.
            return;
        };
        let (carrier, pause) = (*carrier, request.is_none());
        if pause {
            if let Some(place) = self.plan.calls.get_mut(call as usize) {
                *place = None;
            }
            self.users[carrier as usize].call = ABANDONED;
            return self.tell_script(ToScript::Nothing { call });
        }
        if self.leave_socket(carrier, GOING_AWAY) {
            return;
        }
        if self.users[carrier as usize].busy {
            return self.give_up(carrier, ErrorKind::Cancelled, "cancelled by the scenario");
        }
        self.parked.retain(|parked| *parked != carrier);
        let before = self.waiting.len();
        self.waiting.retain(|waiting| !waiting.is_for(carrier));
        if self.waiting.len() < before
            && let Some(request) = self.users[carrier as usize].request(&self.plan)
        {
            self.second.steps[request.series].not_started += 1;
        }
        self.end_call(carrier, |call| ToScript::Nothing { call });
    }

    /// A host's iteration is to begin: the script hears of it.
    pub(super) fn begin_script(&mut self, host: u32, fresh: bool) {
        let user = &mut self.users[host as usize];
        // It stays until the script says that it is gone.
        user.busy = true;
        let word = ToScript::Begin {
            user: host,
            number: user.number,
            scenario: user.scenario,
            planned_ns: user.planned_ns,
            fresh,
        };
        self.tell_script(word);
    }

    fn script_ended(&mut self, host: u32, failed: bool, gone: bool) {
        if !self.users.contains(host as usize) {
            return;
        }
        if gone {
            self.gone(host);
        } else if failed && self.phase == Phase::Running {
            self.users[host as usize].busy = false;
            self.end_iteration_after_failure(host);
        } else {
            self.advance_host(host, self.now_ns);
        }
    }

    /// A host's next iteration, if there is to be one.
    pub(super) fn advance_host(&mut self, host: u32, at_ns: u64) {
        if self.paused_ns.is_some() && self.phase == Phase::Running {
            self.users[host as usize].busy = false;
            return self.parked.push(host);
        }
        let number = match self.phase {
            Phase::Running => self.number_after(host),
            _ => None,
        };
        let Some(number) = number else {
            return self.dismiss(host);
        };
        let scenario = self.plan.scenario_of(number);
        self.let_go(host);
        self.users[host as usize] = User::new(number, scenario, at_ns);
        self.begin_script(host, false);
    }

    /// No more iterations for this host; it is gone when the script says so.
    pub(super) fn dismiss(&mut self, host: u32) {
        self.users[host as usize].busy = true;
        self.tell_script(ToScript::Leave { user: host });
    }

    /// Nothing starts any more: users without a request under way hear that nothing comes of what they wait for.
    pub(super) fn end_script_starts(&mut self) {
        if self.scripted.is_none() {
            return;
        }
        let idle: Vec<u32> = self
            .users
            .iter()
            .filter(|(_, user)| !user.busy)
            .map(|(user, _)| user as u32)
            .collect();
        for user in idle {
            let call = self.users[user as usize].call;
            match call {
                NO_CALL => self.dismiss(user),
                ABANDONED => self.drop_carrier(user),
                _ if self.leave_socket(user, GOING_AWAY) => {}
                _ => self.end_call(user, |call| ToScript::Nothing { call }),
            }
        }
    }

    /// The run is cut: whoever is left in a script is left behind.
    pub(super) fn cut_scripts(&mut self) {
        if let Some(scripted) = &mut self.scripted {
            scripted.carriers = 0;
            self.users.clear();
        }
    }
}

/// The cookies that an answer of this origin sets.
pub fn cookies_of(answer: &Answer<'_>, origin: usize) -> impl Iterator<Item = SetCookie> {
    answer.headers("set-cookie").map(move |value| SetCookie {
        origin,
        line: value.iter().map(|byte| char::from(*byte)).collect(),
    })
}

/// Is there a set-cookie line?
fn sets_cookies(head: &[u8]) -> bool {
    const NAME: &[u8] = b"set-cookie:";
    memchr::memchr_iter(b'\n', head)
        .filter_map(|end| head.get(end + 1..end + 1 + NAME.len()))
        .any(|name| name.eq_ignore_ascii_case(NAME))
}
