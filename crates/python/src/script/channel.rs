//! `ScriptChannel`: a call that lasts. What comes over it is handed out one by one; it asks the engine for more when all of it
//! is taken, so that what waits in between is bounded on the engine's side.
use std::collections::VecDeque;
use std::sync::Mutex;

use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration};
use pyo3::prelude::*;
use pyo3::types::PyBool;
use scaleworthy_engine::{Came, FromScript, ScriptAnswer, Told, Want};

use super::awaited::{Awaited, Outcome};
use super::incoming::StreamEvent;
use super::line::{ScriptLine, lock, settle};
use super::response::Response;

/// No call: what is awaited is the channel's own.
const NO_CALL: u32 = u32::MAX;

#[derive(Default)]
struct State {
    /// The head of its answer.
    head: Option<Box<ScriptAnswer>>,
    came: VecDeque<Came>,
    /// The engine was asked for more.
    asked: bool,
    over: bool,
    begins: Option<Py<Awaited>>,
    waits: Option<Py<Awaited>>,
    /// The next piece of the body may be put.
    room: bool,
    waits_for_room: Option<Py<Awaited>>,
}

#[pyclass(module = "scaleworthy._native", frozen)]
pub struct ScriptChannel {
    line: Py<ScriptLine>,
    call: u32,
    response: Py<Response>,
    state: Mutex<State>,
}

impl ScriptChannel {
    /// The channel of a call that was just made.
    pub fn open(
        py: Python<'_>,
        line: &Py<ScriptLine>,
        response: Py<Response>,
    ) -> PyResult<Py<Self>> {
        let base = response.bind(py).as_super().borrow();
        let (call, over) = (base.call, !base.is_open());
        drop(base);
        let made = Self {
            line: line.clone_ref(py),
            call,
            response,
            state: Mutex::new(State {
                over,
                ..State::default()
            }),
        };
        let made = Py::new(py, made)?;
        if !over {
            lock(&line.get().channels).insert(call, made.clone_ref(py));
        }
        Ok(made)
    }

    fn want(&self, want: Want) {
        let call = self.call;
        self.line.get().put(FromScript::Channel { call, want });
    }

    /// What there is now: an event, the end, or nothing yet.
    fn outcome(&self, py: Python<'_>) -> PyResult<Option<Outcome>> {
        let mut state = lock(&self.state);
        if let Some(came) = state.came.pop_front() {
            drop(state);
            let event = Py::new(py, StreamEvent::new(came))?;
            return Ok(Some(Outcome::Value(event.into_any())));
        }
        if !state.over {
            if !std::mem::replace(&mut state.asked, true) {
                drop(state);
                self.want(Want::More);
            }
            return Ok(None);
        }
        drop(state);
        Ok(Some(self.ending(py)))
    }

    /// How the iteration ends: as the call has ended.
    fn ending(&self, py: Python<'_>) -> Outcome {
        let response = self.response.bind(py).as_super().borrow();
        match &response.outcome {
            Outcome::Error(error) => Outcome::Error(error.clone_ref(py)),
            Outcome::Cancelled => Outcome::Cancelled,
            _ => Outcome::Error(PyStopAsyncIteration::new_err(()).into_value(py).into_any()),
        }
    }

    fn awaited(&self, py: Python<'_>) -> PyResult<Py<Awaited>> {
        Py::new(py, Awaited::new(self.line.clone_ref(py), NO_CALL))
    }

    /// Give out what can be, to who waits for it.
    fn serve(&self, py: Python<'_>) -> PyResult<()> {
        let (begins, waits, room) = {
            let mut state = lock(&self.state);
            let begun = state.head.is_some() || state.over;
            let begins = if begun { state.begins.take() } else { None };
            let served = state.over || !state.came.is_empty();
            let waits = if served { state.waits.take() } else { None };
            let room = if state.room || state.over {
                state.waits_for_room.take()
            } else {
                None
            };
            (begins, waits, room)
        };
        let mut result = Ok(());
        if let Some(begins) = begins {
            result = settle(begins.bind(py), self.beginning(py));
        }
        if let Some(room) = room {
            result = result.and(settle(room.bind(py), self.room_now(py)));
        }
        if let Some(waits) = waits
            && waits.borrow(py).is_open()
            && let Some(outcome) = self.outcome(py)?
        {
            result = result.and(settle(waits.bind(py), outcome));
        }
        result
    }

    fn room_now(&self, py: Python<'_>) -> Outcome {
        let takes_more = !lock(&self.state).over;
        Outcome::Value(PyBool::new(py, takes_more).to_owned().into_any().unbind())
    }

    fn beginning(&self, py: Python<'_>) -> Outcome {
        let state = lock(&self.state);
        match (state.over, state.head.is_some()) {
            (true, false) => {
                drop(state);
                match self.ending(py) {
                    Outcome::Error(error) if !self.answered(py) => Outcome::Error(error),
                    Outcome::Cancelled => Outcome::Cancelled,
                    _ => Outcome::Value(py.None()),
                }
            }
            _ => Outcome::Value(py.None()),
        }
    }

    fn answered(&self, py: Python<'_>) -> bool {
        let response = self.response.bind(py).as_super().borrow();
        matches!(response.outcome, Outcome::Itself)
    }
}

/// The engine tells something of a call that lasts.
pub fn hear(line: &Bound<'_, ScriptLine>, call: u32, told: Told) -> PyResult<()> {
    let py = line.py();
    let channels = &line.get().channels;
    match told {
        Told::Over { left, last } => {
            let channel = lock(channels).remove(&call);
            let heard = ScriptLine::hear(line, *last);
            let Some(channel) = channel else { return heard };
            {
                let mut state = lock(&channel.get().state);
                state.came.extend(left);
                state.over = true;
            }
            heard.and(channel.get().serve(py))
        }
        Told::Room => {
            let channel = lock(channels).get(&call).map(|it| it.clone_ref(py));
            let Some(channel) = channel else {
                return Ok(());
            };
            lock(&channel.get().state).room = true;
            channel.get().serve(py)
        }
        Told::Begun(head) => {
            let channel = lock(channels).get(&call).map(|it| it.clone_ref(py));
            let Some(channel) = channel else {
                return Ok(());
            };
            lock(&channel.get().state).head = Some(head);
            channel.get().serve(py)
        }
        Told::Events(came) => {
            let channel = lock(channels).get(&call).map(|it| it.clone_ref(py));
            let Some(channel) = channel else {
                return Ok(());
            };
            {
                let mut state = lock(&channel.get().state);
                state.asked = false;
                state.came.extend(came);
            }
            channel.get().serve(py)
        }
    }
}

/// Nothing more comes over any of them.
pub fn end_all(line: &ScriptLine, py: Python<'_>) -> PyResult<()> {
    let channels: Vec<_> = lock(&line.channels).drain().collect();
    let mut result = Ok(());
    for (_, channel) in channels {
        lock(&channel.get().state).over = true;
        result = result.and(channel.get().serve(py));
    }
    result
}

#[pymethods]
impl ScriptChannel {
    /// The answer: awaited, it is there when all is over.
    #[getter]
    fn response(&self, py: Python<'_>) -> Py<Response> {
        self.response.clone_ref(py)
    }

    /// The status, once the answer has begun.
    #[getter]
    fn status(&self, py: Python<'_>) -> PyResult<u16> {
        if let Some(head) = &lock(&self.state).head {
            return Ok(head.status);
        }
        self.response.borrow(py).got().map(|answer| answer.status)
    }

    /// Wait until the answer has begun.
    fn begun(&self, py: Python<'_>) -> PyResult<Py<Awaited>> {
        let awaited = self.awaited(py)?;
        lock(&self.state).begins = Some(awaited.clone_ref(py));
        self.serve(py)?;
        Ok(awaited)
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Py<Awaited>> {
        let awaited = self.awaited(py)?;
        {
            let state = lock(&self.state);
            if let Some(waits) = &state.waits
                && waits.borrow(py).is_open()
            {
                return Err(PyRuntimeError::new_err(
                    "another task waits for the next event of this stream",
                ));
            }
        }
        match self.outcome(py)? {
            Some(outcome) => {
                awaited.borrow_mut(py).settle(outcome);
            }
            None => lock(&self.state).waits = Some(awaited.clone_ref(py)),
        }
        Ok(awaited)
    }

    /// Wait until the next piece of the body may be put: False where no more is taken.
    fn room(&self, py: Python<'_>) -> PyResult<Py<Awaited>> {
        let awaited = self.awaited(py)?;
        lock(&self.state).waits_for_room = Some(awaited.clone_ref(py));
        self.serve(py)?;
        Ok(awaited)
    }

    /// Send the next piece of the body, behind `room`.
    fn put(&self, piece: &[u8], last: bool) {
        let mut state = lock(&self.state);
        if std::mem::take(&mut state.room) && !state.over {
            drop(state);
            let bytes = piece.into();
            self.want(Want::Piece { bytes, last });
        }
    }

    /// Give the call up because of an error of the script's own, which is raised where the answer is awaited.
    fn fail(&self, py: Python<'_>, error: Py<PyAny>) -> PyResult<()> {
        let response = self.response.bind(py).as_super();
        if !response.borrow().is_open() {
            return Ok(());
        }
        let (waiter, more) = response.borrow_mut().settle(Outcome::Error(error));
        let line = self.line.get();
        line.cancel(self.call);
        // From the event loop: another task runs just now.
        for waiter in waiter.into_iter().chain(more) {
            line.call_soon(response.as_any(), waiter)?;
        }
        Ok(())
    }

    /// Nothing more of it is wanted: the answer is over.
    fn enough(&self) {
        if !lock(&self.state).over {
            self.want(Want::Enough);
        }
    }
}
