//! What the engine tells of a call that lasts, and who is given it.
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration};
use pyo3::prelude::*;
use pyo3::types::PyBool;
use scaleworthy_engine::{Came, ErrorKind, FromScript, Talk, Talked, Told, Want, now_ns};

use super::super::awaited::{Awaited, Outcome};
use super::super::incoming::{Message, MessageFits, StreamEvent};
use super::super::line::{ScriptLine, lock, settle};
use super::{ScriptChannel, State};

impl ScriptChannel {
    /// What there is now: an event, the end, or nothing yet.
    pub(super) fn outcome(&self, py: Python<'_>) -> PyResult<Option<Outcome>> {
        let mut state = lock(&self.state);
        if let Some(came) = state.came.pop_front() {
            drop(state);
            let event = match self.is_socket {
                true => Message::of(py, came)?,
                false => StreamEvent::of(py, came)?,
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

    /// Give out what can be, to who waits for it.
    pub(super) fn serve(&self, py: Python<'_>) -> PyResult<()> {
        let (begins, waits, room) = {
            let mut state = lock(&self.state);
            let begun = state.head.is_some() || state.over;
            let begins = if begun { state.begins.take() } else { None };
            let served = state.over || !state.came.is_empty();
            let waits = if served { state.waits.take() } else { None };
            let room = if state.room || state.over {
                std::mem::take(&mut state.wait_for_room)
            } else {
                vec![]
            };
            (begins, waits, room)
        };
        let mut result = Ok(());
        if let Some(begins) = begins {
            result = settle(begins.bind(py), self.beginning(py));
        }
        for waits in room {
            result = result.and(settle(waits.bind(py), self.room_now(py)));
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
                (Some(waits), Outcome::Value(Message::of(py, came)?))
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
    pub(super) fn refused(&self, py: Python<'_>, step: u32) -> Option<Outcome> {
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

    pub(super) fn hear_awaited(
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
