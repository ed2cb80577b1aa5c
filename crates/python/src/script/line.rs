//! `ScriptLine`: one event loop's line to the engine's thread. It asks, and wakes whoever waits when the answers are there.
use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pyo3::PyClass;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyAny, PyDict, PyType};
use scaleworthy_engine::{self as engine, ErrorKind, FromScript, OwnKind, ToScript};
use slab::Slab;

use super::awaited::{Awaited, Outcome, Waiter, soon};
use super::channel::{self, ScriptChannel};
use super::response::Response;
use super::user::{Method, PreparedRequest, ScriptUser};

/// So many words within one batch, and the engine is woken though the batch goes on: what is asked early is sent early.
const WORDS_UNHEARD_MAX: u32 = 16;

/// What is given out in one turn of the event loop.
const AT_ONCE_MAX: usize = 1_000;
/// Requests that are kept ready for each method.
const PLAIN_MAX: usize = 4_096;

/// What the driver is called for.
struct Hooks {
    event_loop: Py<PyAny>,
    /// A user arrives: (user, number, scenario).
    begin: Py<PyAny>,
    /// The engine has ended.
    over: Py<PyAny>,
    /// An answer sets cookies: (user, response).
    cookies: Py<PyAny>,
    /// Makes the error of a request that failed: (kind, text).
    failure: Py<PyAny>,
    /// Looks at an answer more closely: (response, expectations).
    expect: Py<PyAny>,
}

/// What follows a user's iteration.
pub enum Next {
    /// One of this scenario, at once.
    Scenario(u32),
    /// What the engine says: a scenario, or None when the user is to leave.
    Wait(Py<Awaited>),
}

/// A user, and its wait for its next iteration.
#[derive(Default)]
struct Place {
    user: Option<Py<ScriptUser>>,
    turn: Option<Py<Awaited>>,
}

#[pyclass(module = "scaleworthy._native", frozen)]
pub struct ScriptLine {
    script: Arc<engine::Script>,
    hooks: OnceLock<Hooks>,
    calls: Mutex<Slab<Py<Awaited>>>,
    /// Of the calls that last.
    pub(super) channels: Mutex<HashMap<u32, Py<ScriptChannel>>>,
    /// Requests without options that were made before, by path, for each method.
    plain: [PyOnceLock<Py<PyDict>>; Method::COUNT],
    places: Mutex<Vec<Place>>,
    /// Answers are being given out: the engine is woken at the end.
    in_batch: AtomicBool,
    /// How often answers were given out.
    round: AtomicU64,
    unheard: AtomicU32,
    over: AtomicBool,
    /// Some iteration came to its end without an error.
    through: AtomicBool,
    /// Taken, and not given out yet.
    later: Mutex<Vec<ToScript>>,
    /// Requests that nobody waited for: how many, and the step of the first.
    forgotten: Mutex<(u64, Option<u32>)>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ScriptLine {
    pub fn new(script: Arc<engine::Script>) -> Self {
        Self {
            script,
            hooks: OnceLock::new(),
            calls: Mutex::default(),
            channels: Mutex::default(),
            plain: [const { PyOnceLock::new() }; Method::COUNT],
            places: Mutex::default(),
            in_batch: AtomicBool::new(false),
            round: AtomicU64::new(1),
            through: AtomicBool::new(false),
            unheard: AtomicU32::new(0),
            over: AtomicBool::new(false),
            later: Mutex::default(),
            forgotten: Mutex::default(),
        }
    }

    pub fn plain<'py>(&self, py: Python<'py>, method: Method) -> Bound<'py, PyDict> {
        self.plain[method as usize]
            .get_or_init(py, || PyDict::new(py).unbind())
            .bind(py)
            .clone()
    }

    pub fn script(&self) -> &engine::Script {
        &self.script
    }

    fn hooks(&self) -> PyResult<&Hooks> {
        self.hooks.get().ok_or_else(|| {
            PyRuntimeError::new_err("the line has no event loop yet; call attach() first")
        })
    }

    pub fn event_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.hooks
            .get()
            .map_or_else(|| py.None(), |hooks| hooks.event_loop.clone_ref(py))
    }

    /// The error of a request that failed.
    pub fn failure(&self, py: Python<'_>, kind: ErrorKind, text: &str) -> PyResult<Py<PyAny>> {
        self.hooks()?.failure.call1(py, (kind.name(), text))
    }

    pub fn expect_hook(&self) -> PyResult<&Py<PyAny>> {
        Ok(&self.hooks()?.expect)
    }

    pub fn call_soon(&self, awaited: &Bound<'_, PyAny>, waiter: Waiter) -> PyResult<()> {
        let event_loop = self.hooks()?.event_loop.bind(awaited.py()).clone();
        soon(&event_loop, awaited, waiter)
    }

    /// The error for what the end of the run, or a cancellation, leaves without a result.
    pub fn cancelled(&self, py: Python<'_>) -> PyErr {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        match CLASS.import(py, "asyncio", "CancelledError") {
            Ok(class) => PyErr::from_type(class.clone(), ()),
            Err(error) => error,
        }
    }

    /// Tell the engine; it is woken now, or when the batch ends.
    pub fn put(&self, word: FromScript) {
        self.script.put(word);
        if !self.in_batch.load(Ordering::Relaxed) {
            self.script.wake();
        } else if self.unheard.fetch_add(1, Ordering::Relaxed) >= WORDS_UNHEARD_MAX {
            self.unheard.store(0, Ordering::Relaxed);
            self.script.wake();
        }
    }

    /// Tell the engine something that can wait for the next occasion.
    pub fn mention(&self, word: FromScript) {
        self.script.put(word);
    }

    /// Give a call its number, and put what `ask` makes of it; after the end of the engine nothing comes of it.
    pub fn call<T: Into<PyClassInitializer<C>>, C: PyClass>(
        &self,
        py: Python<'_>,
        make: impl FnOnce(u32) -> T,
        ask: impl FnOnce(u32) -> FromScript,
    ) -> PyResult<Py<C>>
    where
        Py<C>: Awaitable,
    {
        let call = lock(&self.calls).vacant_key() as u32;
        let made = Py::new(py, make(call))?;
        let awaited = made.awaited(py);
        if self.over.load(Ordering::Relaxed) {
            awaited.borrow_mut(py).settle(Outcome::Cancelled);
            return Ok(made);
        }
        // Nothing was inserted since: the GIL is held.
        lock(&self.calls).insert(awaited);
        self.put(ask(call));
        Ok(made)
    }

    /// The user's iteration is over: its next one, or the wait for the engine's word.
    pub fn next_of(
        slf: &Bound<'_, Self>,
        user: &Bound<'_, ScriptUser>,
        failed: bool,
    ) -> PyResult<Next> {
        let (py, this) = (slf.py(), slf.get());
        let round = this.round.load(Ordering::Relaxed);
        // A user that has waited for nothing goes the long way: the event loop must get its turn.
        if !failed
            && user.borrow().round != round
            && let Some((number, scenario)) = this.script.turn()
        {
            user.borrow_mut().go_on(number, round);
            return Ok(Next::Scenario(scenario));
        }
        let user = user.borrow().id;
        let turn = Py::new(py, Awaited::new(slf.clone().unbind(), u32::MAX))?;
        if this.over.load(Ordering::Relaxed) {
            turn.borrow_mut(py).settle(Outcome::Value(py.None()));
            return Ok(Next::Wait(turn));
        }
        if let Some(place) = lock(&this.places).get_mut(user as usize) {
            place.turn = Some(turn.clone_ref(py));
        }
        this.put(FromScript::Ended {
            user,
            failed,
            gone: false,
        });
        Ok(Next::Wait(turn))
    }

    /// The user is gone.
    pub fn remove_user(&self, user: u32) {
        let place = lock(&self.places)
            .get_mut(user as usize)
            .map(std::mem::take);
        drop(place);
        self.put(FromScript::Ended {
            user,
            failed: false,
            gone: true,
        });
    }

    /// An iteration came to its end.
    pub fn note_through(&self) {
        self.through.store(true, Ordering::Relaxed);
    }

    pub fn cancel(&self, call: u32) {
        self.put(FromScript::Cancel { call });
    }

    pub fn forgot(&self, step: u32) {
        let mut forgotten = lock(&self.forgotten);
        forgotten.0 += 1;
        forgotten.1.get_or_insert(step);
    }

    pub(super) fn take_call(&self, call: u32) -> Option<Py<Awaited>> {
        lock(&self.calls).try_remove(call as usize)
    }

    /// Do what one word asks; the error is what user code raised out of a wake-up.
    pub(super) fn hear(slf: &Bound<'_, Self>, word: ToScript) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        match word {
            ToScript::Answered { call, answer } => {
                let Some(awaited) = this.take_call(call) else {
                    return Ok(());
                };
                let awaited = awaited.bind(py);
                let sets_cookies = !answer.set_cookies.is_empty();
                let response = awaited.cast::<Response>()?;
                // SAFETY: the GIL is held and the object is alive. Only we hold it: nobody can await it any more.
                if unsafe { ffi::Py_REFCNT(awaited.as_ptr()) } == 1 {
                    this.forgot(response.borrow().step);
                }
                response.borrow_mut().answer(answer);
                if sets_cookies {
                    let user = response.borrow().user;
                    if let Some(user) = this.user(py, user) {
                        this.hooks()?.cookies.call1(py, (user, response))?;
                    }
                }
                settle(awaited, Outcome::Itself)
            }
            ToScript::Failed { call, kind, text } => {
                let Some(awaited) = this.take_call(call) else {
                    return Ok(());
                };
                let error = this.hooks()?.failure.call1(py, (kind.name(), &*text))?;
                settle(awaited.bind(py), Outcome::Error(error))
            }
            ToScript::Rested { call } => this.finish(py, call, Outcome::Value(py.None())),
            ToScript::Nothing { call } => this.finish(py, call, Outcome::Cancelled),
            ToScript::Begin {
                user,
                number,
                scenario,
                planned_ns,
                fresh,
            } => this.begin(py, user, number, scenario, planned_ns, fresh),
            ToScript::Leave { user } => match this.take_turn(user) {
                Some(turn) => settle(turn.bind(py), Outcome::Value(py.None())),
                None => Ok(()),
            },
            ToScript::Channel { call, told } => channel::hear(slf, call, told),
            ToScript::Over => this.end(py),
        }
    }

    fn finish(&self, py: Python<'_>, call: u32, outcome: Outcome) -> PyResult<()> {
        match self.take_call(call) {
            Some(awaited) => settle(awaited.bind(py), outcome),
            None => Ok(()),
        }
    }

    fn user(&self, py: Python<'_>, user: u32) -> Option<Py<ScriptUser>> {
        let places = lock(&self.places);
        let user = places.get(user as usize)?.user.as_ref()?;
        Some(user.clone_ref(py))
    }

    fn take_turn(&self, user: u32) -> Option<Py<Awaited>> {
        lock(&self.places).get_mut(user as usize)?.turn.take()
    }

    fn begin(
        &self,
        py: Python<'_>,
        user: u32,
        number: u64,
        scenario: u32,
        planned_ns: u64,
        fresh: bool,
    ) -> PyResult<()> {
        if fresh {
            let late_ns = engine::now_ns().saturating_sub(planned_ns);
            let begin = &self.hooks()?.begin;
            begin.call1(py, (user, number, scenario, late_ns))?;
            return Ok(());
        }
        if let Some(known) = self.user(py, user) {
            known.borrow_mut(py).iterate(number, planned_ns);
        }
        match self.take_turn(user) {
            Some(turn) => settle(
                turn.bind(py),
                Outcome::Value(scenario.into_pyobject(py)?.into_any().unbind()),
            ),
            None => Ok(()),
        }
    }

    /// The engine has ended: nothing more comes.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        self.over.store(true, Ordering::Relaxed);
        let calls: Vec<_> = lock(&self.calls).drain().collect();
        let turns: Vec<_> = lock(&self.places)
            .iter_mut()
            .filter_map(|place| place.turn.take())
            .collect();
        let mut first = Ok(());
        for call in calls {
            first = first.and(settle(call.bind(py), Outcome::Cancelled));
        }
        first = first.and(channel::end_all(self, py));
        for turn in turns {
            first = first.and(settle(turn.bind(py), Outcome::Value(py.None())));
        }
        first.and(self.hooks()?.over.call0(py).map(drop))
    }
}

/// Tell who waited, directly, each in its own context.
pub(super) fn settle(awaited: &Bound<'_, Awaited>, outcome: Outcome) -> PyResult<()> {
    let mut this = awaited.borrow_mut();
    if !this.is_open() {
        // It was cancelled meanwhile.
        return Ok(());
    }
    let (waiter, more) = this.settle(outcome);
    drop(this);
    let mut result = Ok(());
    if let Some(waiter) = waiter {
        result = wake(awaited, waiter);
    }
    for waiter in more {
        result = result.and(wake(awaited, waiter));
    }
    result
}

fn wake(awaited: &Bound<'_, Awaited>, (callback, context): Waiter) -> PyResult<()> {
    let py = awaited.py();
    let Some(context) = context else {
        return callback.call1(py, (awaited,)).map(drop);
    };
    // SAFETY: the GIL is held, and `context` is what asyncio gave as the context of a call-back: a Context, or entering
    // it fails with an exception.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    let result = callback.bind(py).call1((awaited,)).map(drop);
    // SAFETY: as above; it was entered just before.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    result
}

/// What has an `Awaited` inside.
pub trait Awaitable {
    /// It, as what is awaited.
    fn awaited(&self, py: Python<'_>) -> Py<Awaited>;
}

impl Awaitable for Py<Awaited> {
    fn awaited(&self, py: Python<'_>) -> Py<Awaited> {
        self.clone_ref(py)
    }
}

impl Awaitable for Py<Response> {
    fn awaited(&self, py: Python<'_>) -> Py<Awaited> {
        self.bind(py).as_super().clone().unbind()
    }
}

#[pymethods]
impl ScriptLine {
    #[getter]
    fn fd(&self) -> RawFd {
        self.script.ready().as_raw_fd()
    }

    #[pyo3(signature = (*, event_loop, begin, over, cookies, failure, expect))]
    fn attach(
        &self,
        event_loop: Py<PyAny>,
        begin: Py<PyAny>,
        over: Py<PyAny>,
        cookies: Py<PyAny>,
        failure: Py<PyAny>,
        expect: Py<PyAny>,
    ) -> PyResult<()> {
        let hooks = Hooks {
            event_loop,
            begin,
            over,
            cookies,
            failure,
            expect,
        };
        self.hooks
            .set(hooks)
            .map_err(|_| PyRuntimeError::new_err("the line is attached to an event loop already"))
    }

    /// The event loop says that something is there to be read: give it out.
    fn on_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        let mut words = std::mem::take(&mut *lock(&this.later));
        if words.is_empty() {
            this.script.take(&mut words);
        }
        if words.len() > AT_ONCE_MAX {
            // Thousands that begin together: other call-backs of the loop get their turn in between.
            *lock(&this.later) = words.split_off(AT_ONCE_MAX);
            let again = slf.getattr("on_ready")?;
            let event_loop = this.hooks()?.event_loop.bind(slf.py());
            event_loop.call_method1("call_soon", (again,))?;
        }
        this.in_batch.store(true, Ordering::Relaxed);
        this.round.fetch_add(1, Ordering::Relaxed);
        let mut result = Ok(());
        for word in words {
            // Whatever one waiter raises, the others are told.
            let told = Self::hear(slf, word);
            result = result.and(told);
        }
        this.in_batch.store(false, Ordering::Relaxed);
        this.unheard.store(0, Ordering::Relaxed);
        this.script.wake();
        result
    }

    /// Send this wherever a user asks for this method and path without options; the oldest are forgotten together.
    fn remember(
        &self,
        py: Python<'_>,
        method: &str,
        path: &Bound<'_, PyAny>,
        request: &Bound<'_, PreparedRequest>,
    ) -> PyResult<()> {
        let Some(method) = Method::named(method) else {
            return Ok(());
        };
        let plain = self.plain(py, method);
        if plain.len() >= PLAIN_MAX {
            plain.clear();
        }
        plain.set_item(path, request)
    }

    /// A user is there: its iterations are announced to it.
    fn add_user(&self, user: &Bound<'_, ScriptUser>) {
        let at = user.borrow().id as usize;
        let mut places = lock(&self.places);
        if places.len() <= at {
            places.resize_with(at + 1, Place::default);
        }
        places[at].user = Some(user.clone().unbind());
    }

    #[pyo3(signature = (name, tags = vec![]))]
    fn step(&self, name: &str, tags: Vec<(String, String)>) -> u32 {
        let tags: Vec<_> = tags.iter().map(|(k, v)| (&**k, &**v)).collect();
        self.script.step(name, &tags)
    }

    fn origin(&self, url: &str) -> PyResult<usize> {
        self.script.origin(url).map_err(PyValueError::new_err)
    }

    #[pyo3(signature = (name, labels, unit, kind))]
    fn series(
        &self,
        name: &str,
        labels: Vec<(String, String)>,
        unit: &str,
        kind: &str,
    ) -> PyResult<u32> {
        let kind = match kind {
            "histogram" => OwnKind::Histogram,
            "counter" => OwnKind::Counter,
            "gauge" => OwnKind::Gauge,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "a kind is histogram, counter or gauge; got {kind:?}"
                )));
            }
        };
        let labels: Vec<_> = labels.iter().map(|(k, v)| (&**k, &**v)).collect();
        Ok(self.script.series(name, &labels, unit, kind))
    }

    fn record(&self, series: u32, value: f64) {
        self.put(FromScript::Observed { series, value });
    }

    /// Count a failure of a step that no request of it shows.
    fn fail(&self, step: u32, kind: &str, text: &str) -> PyResult<()> {
        let known = ErrorKind::ALL
            .into_iter()
            .find(|known| known.name() == kind);
        let kind = known
            .ok_or_else(|| PyValueError::new_err(format!("no error kind is called {kind:?}")))?;
        let text = text.into();
        self.put(FromScript::Judged { step, kind, text });
        Ok(())
    }

    /// Has an iteration come to its end?
    #[getter]
    fn got_through(&self) -> bool {
        self.through.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_got_through(&self, through: bool) {
        self.through.store(through, Ordering::Relaxed);
    }

    /// How many requests nobody waited for, and the step of the first of them.
    #[getter]
    fn forgotten(&self) -> (u64, Option<u32>) {
        *lock(&self.forgotten)
    }
}
