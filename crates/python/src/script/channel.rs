//! `ScriptChannel`: a call that lasts. What comes over it is handed out one by one; it asks the engine for more when all of it
//! is taken, so that what waits in between is bounded on the engine's side.
use std::collections::VecDeque;
use std::sync::Mutex;

use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBool;
use scaleworthy_engine::{
    Came, Closed, ErrorKind, FromScript, ScriptAnswer, Talk, Talked, Told, Want, may_be_sent,
    now_ns,
};

use super::awaited::{Awaited, Outcome};
use super::incoming::{Message, MessageFits, StreamEvent};
use super::line::{ScriptLine, lock, settle};
use super::response::Response;

/// What may be on its way on a socket before a sender waits.
const UNACKNOWLEDGED_MAX: usize = 64 * 1024;
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
    /// Said, and not known to have left.
    unacknowledged: usize,
    hears: Option<(u32, Py<Awaited>)>,
    hearings: u32,
    pings: Option<Py<Awaited>>,
    closed: Option<Closed>,
}

#[pyclass(module = "scaleworthy._native", frozen)]
pub struct ScriptChannel {
    line: Py<ScriptLine>,
    call: u32,
    response: Py<Response>,
    is_socket: bool,
    state: Mutex<State>,
}

impl ScriptChannel {
    /// The channel of a call that was just made.
    pub fn open(
        py: Python<'_>,
        line: &Py<ScriptLine>,
        response: Py<Response>,
        is_socket: bool,
    ) -> PyResult<Py<Self>> {
        let base = response.bind(py).as_super().borrow();
        let (call, over) = (base.call, !base.is_open());
        drop(base);
        let made = Self {
            line: line.clone_ref(py),
            call,
            response,
            is_socket,
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

    pub fn line(&self) -> &ScriptLine {
        self.line.get()
    }

    pub(super) fn want(&self, want: Want) {
        let call = self.call;
        self.line.get().put(FromScript::Channel { call, want });
    }

    /// What there is now: an event, the end, or nothing yet.
    fn outcome(&self, py: Python<'_>) -> PyResult<Option<Outcome>> {
        let mut state = lock(&self.state);
        if let Some(came) = state.came.pop_front() {
            drop(state);
            let event = match self.is_socket {
                true => Py::new(py, Message::of(came))?.into_any(),
                false => Py::new(py, StreamEvent::new(came))?.into_any(),
            };
            return Ok(Some(Outcome::Value(event)));
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
        let end = lock(&self.state).closed.as_ref().map(|closed| {
            (
                closed.asked || matches!(closed.code, 1000 | 1001),
                closed.kind,
            )
        });
        match end {
            Some((_, ErrorKind::Cancelled)) => return Outcome::Cancelled,
            Some((false, kind)) => {
                self.count(self.response.borrow(py).step, kind);
                return self.closed_error(py);
            }
            _ => {}
        }
        let response = self.response.bind(py).as_super().borrow();
        match &response.outcome {
            Outcome::Error(error) => Outcome::Error(error.clone_ref(py)),
            Outcome::Cancelled => Outcome::Cancelled,
            _ => Outcome::Error(PyStopAsyncIteration::new_err(()).into_value(py).into_any()),
        }
    }

    /// Count what no exchange has shown: that the socket was closed where something was to come.
    fn count(&self, step: u32, kind: ErrorKind) {
        let text = match &lock(&self.state).closed {
            Some(closed) => closed.text.clone(),
            None => return,
        };
        self.line().put(FromScript::Judged { step, kind, text });
    }

    /// The error for what is asked of a socket that is closed.
    fn closed_error(&self, py: Python<'_>) -> Outcome {
        let (kind, text) = match &lock(&self.state).closed {
            Some(closed) if closed.kind == ErrorKind::Cancelled => return Outcome::Cancelled,
            Some(closed) => (closed.kind, closed.text.clone()),
            None => return Outcome::Cancelled,
        };
        match self.line().failure(py, kind, &text) {
            Ok(error) => Outcome::Error(error),
            Err(error) => Outcome::Error(error.into_value(py).into_any()),
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
        let (hears, pings) = {
            let mut state = lock(&self.state);
            match state.over {
                true => (state.hears.take(), state.pings.take()),
                false => (None, None),
            }
        };
        for waits in hears.map(|(_, waits)| waits).into_iter().chain(pings) {
            result = result.and(settle(waits.bind(py), self.closed_error(py)));
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
        Told::Closed { left, closed } => {
            let channel = lock(channels).remove(&call);
            let call = line.get().take_call(call);
            let Some(channel) = channel else {
                return Ok(());
            };
            let head = {
                let mut state = lock(&channel.get().state);
                state.came.extend(left);
                state.over = true;
                state.closed = Some(closed);
                state.head.take()
            };
            if let Some(head) = head {
                channel.get().response.borrow_mut(py).answer(head);
            }
            let mut result = Ok(());
            if let Some(call) = call {
                result = settle(call.bind(py), Outcome::Itself);
            }
            result.and(channel.get().serve(py))
        }
        Told::Talked(talked) => {
            let channel = lock(channels).get(&call).map(|it| it.clone_ref(py));
            match channel {
                Some(channel) => channel.get().talked(py, talked),
                None => Ok(()),
            }
        }
        Told::Room => {
            let channel = lock(channels).get(&call).map(|it| it.clone_ref(py));
            let Some(channel) = channel else {
                return Ok(());
            };
            {
                let mut state = lock(&channel.get().state);
                state.room = true;
                state.unacknowledged = 0;
            }
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

impl ScriptChannel {
    /// What came of something on the socket.
    fn talked(&self, py: Python<'_>, talked: Talked) -> PyResult<()> {
        let (waits, outcome) = match talked {
            Talked::Heard {
                number,
                binary,
                elapsed_ns,
                bytes,
            } => {
                let came = Came {
                    binary,
                    elapsed_ns,
                    name: Box::default(),
                    data: bytes,
                };
                let waits = self.hears(number);
                let Some(waits) = waits.filter(|waits| waits.borrow(py).is_open()) else {
                    // Nobody waits for it any more: it is the next that is taken.
                    lock(&self.state).came.push_back(came);
                    return self.serve(py);
                };
                let message = Py::new(py, Message::of(came))?;
                (Some(waits), Outcome::Value(message.into_any()))
            }
            Talked::Missed { number, kind, text } => {
                let waits = match number {
                    Some(number) => self.hears(number),
                    None => lock(&self.state).pings.take(),
                };
                let error = self.line().failure(py, kind, &text)?;
                (waits, Outcome::Error(error))
            }
            Talked::Pong { took_ns } => {
                let took = took_ns.into_pyobject(py)?.into_any().unbind();
                (lock(&self.state).pings.take(), Outcome::Value(took))
            }
        };
        match waits {
            Some(waits) => settle(waits.bind(py), outcome),
            None => Ok(()),
        }
    }

    /// Who waits for this hearing.
    fn hears(&self, number: u32) -> Option<Py<Awaited>> {
        let hears = &mut lock(&self.state).hears;
        hears
            .take_if(|(own, _)| *own == number)
            .map(|(_, waits)| waits)
    }

    /// The error of what cannot be done because the socket is closed; it counts at the step.
    fn refused(&self, py: Python<'_>, step: u32) -> Option<Outcome> {
        let (kind, text) = match &*lock(&self.state) {
            State { over: false, .. } => return None,
            State {
                closed: Some(closed),
                ..
            } => (closed.kind, closed.text.clone()),
            _ => return Some(Outcome::Cancelled),
        };
        if kind != ErrorKind::Cancelled {
            self.line().put(FromScript::Unsent { step, kind, text });
        }
        Some(self.closed_error(py))
    }

    fn hear_awaited(
        &self,
        py: Python<'_>,
        awaited: &Py<Awaited>,
        step: u32,
        timeout_ns: Option<u64>,
        fits: Option<&MessageFits>,
    ) -> PyResult<Talk> {
        let mut state = lock(&self.state);
        if let Some((_, waits)) = &state.hears
            && waits.borrow(py).is_open()
        {
            return Err(PyRuntimeError::new_err(
                "another task waits for a message on this socket",
            ));
        }
        state.hearings += 1;
        let number = state.hearings;
        state.hears = Some((number, awaited.clone_ref(py)));
        Ok(Talk::Hear {
            number,
            step,
            planned_ns: now_ns(),
            timeout_ns,
            fits: fits.map(|fits| fits.inner.clone()),
        })
    }
}

#[pymethods]
impl ScriptChannel {
    /// Say something: the result is there when it may be followed by more.
    fn say(
        &self,
        py: Python<'_>,
        message: &[u8],
        binary: bool,
        step: u32,
    ) -> PyResult<Py<Awaited>> {
        let awaited = self.awaited(py)?;
        if let Some(outcome) = self.refused(py, step) {
            awaited.borrow_mut(py).settle(outcome);
            return Ok(awaited);
        }
        let told = {
            let mut state = lock(&self.state);
            state.unacknowledged += message.len() + 64;
            let told = state.unacknowledged > UNACKNOWLEDGED_MAX;
            if told {
                state.room = false;
                state.waits_for_room = Some(awaited.clone_ref(py));
            }
            told
        };
        if !told {
            awaited.borrow_mut(py).settle(Outcome::Value(py.None()));
        }
        self.want(Want::Talk(Talk::Say {
            step,
            planned_ns: now_ns(),
            binary,
            bytes: message.into(),
            told,
        }));
        Ok(awaited)
    }

    /// Wait for a message; behind something said, for its answer.
    fn hear(
        &self,
        py: Python<'_>,
        step: u32,
        timeout_ns: Option<u64>,
        fits: Option<&Bound<'_, MessageFits>>,
    ) -> PyResult<Py<Awaited>> {
        let awaited = self.awaited(py)?;
        let taken = match fits {
            None => lock(&self.state).came.pop_front(),
            Some(_) => None,
        };
        if let Some(came) = taken {
            // It came while whatever comes was taken: it was counted then.
            let message = Py::new(py, Message::of(came))?;
            awaited
                .borrow_mut(py)
                .settle(Outcome::Value(message.into_any()));
        } else if let Some(outcome) = self.refused(py, step) {
            awaited.borrow_mut(py).settle(outcome);
        } else {
            let fits = fits.map(Bound::get);
            let talk = self.hear_awaited(py, &awaited, step, timeout_ns, fits)?;
            self.want(Want::Talk(talk));
        }
        Ok(awaited)
    }

    /// Send a ping; the result is the time to its pong.
    fn ping(&self, py: Python<'_>, step: u32, timeout_ns: Option<u64>) -> PyResult<Py<Awaited>> {
        let awaited = self.awaited(py)?;
        if let Some(outcome) = self.refused(py, step) {
            awaited.borrow_mut(py).settle(outcome);
            return Ok(awaited);
        }
        if lock(&self.state).pings.is_some() {
            return Err(PyRuntimeError::new_err("a ping is on its way already"));
        }
        lock(&self.state).pings = Some(awaited.clone_ref(py));
        self.want(Want::Talk(Talk::Ping {
            step,
            planned_ns: now_ns(),
            timeout_ns,
        }));
        Ok(awaited)
    }

    /// End the socket; awaiting the response waits for the server to agree.
    fn close(&self, code: u16, reason: &str) -> PyResult<()> {
        if !may_be_sent(code) || reason.len() > 123 {
            return Err(PyValueError::new_err(format!(
                "a socket is closed with 1000 to 4999 but what stands for no code, and at most 123 bytes; got {code}, {} bytes",
                reason.len()
            )));
        }
        if !lock(&self.state).over {
            let reason = reason.into();
            self.want(Want::Talk(Talk::Close { code, reason }));
        }
        Ok(())
    }

    /// The code that the socket was closed with; None while it is open.
    #[getter]
    fn close_code(&self) -> Option<u16> {
        lock(&self.state).closed.as_ref().map(|closed| closed.code)
    }

    /// Messages that nobody took and that went for newer ones; known behind the end.
    #[getter]
    fn dropped(&self) -> u64 {
        lock(&self.state)
            .closed
            .as_ref()
            .map_or(0, |closed| closed.dropped)
    }

    /// The values of a header of the opening's answer.
    fn header(&self, name: &str, py: Python<'_>) -> Option<String> {
        if let Some(head) = &lock(&self.state).head {
            return head.header(name);
        }
        let response = self.response.borrow(py);
        response.got().ok()?.header(name)
    }

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
