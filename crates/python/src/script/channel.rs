//! `ScriptChannel`: a call that lasts. What comes over it is handed out one by one; it asks the engine for more when all of it
//! is taken, so that what waits in between is bounded on the engine's side.
use std::collections::VecDeque;
use std::sync::Mutex;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use scaleworthy_engine::{Came, Closed, FromScript, ScriptAnswer, Talk, Want, may_be_sent, now_ns};

use super::awaited::{Awaited, Outcome};
use super::incoming::{Message, MessageFits};
use super::line::{ScriptLine, lock};
use super::response::Response;

mod told;

pub use told::{end_all, hear};

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
    /// Several tasks may send at once.
    wait_for_room: Vec<Py<Awaited>>,
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

    fn awaited(&self, py: Python<'_>) -> PyResult<Py<Awaited>> {
        Py::new(py, Awaited::new(self.line.clone_ref(py), NO_CALL))
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
                state.wait_for_room.push(awaited.clone_ref(py));
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
            let message = Message::of(py, came)?;
            awaited.borrow_mut(py).settle(Outcome::Value(message));
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
        lock(&self.state).wait_for_room.push(awaited.clone_ref(py));
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
