//! `Life`: one user's life as the coroutine of its task: it comes, its iterations follow one another, it goes.
//!
//! What `async def` would say in some lines is said here, so that an iteration costs the user's own code and nothing beside.
//! No borrow is held while user code runs: it may ask for anything, even for its own task.
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::{PyTraverseError, PyVisit};

use super::line::{Next, ScriptLine};
use super::resume::{self, Resumed, Step};
use super::user::ScriptUser;

/// Which part of the life the coroutine belongs to that is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Nothing has begun.
    Born,
    /// `on_start`.
    Coming,
    Iterating,
    /// Between two iterations, for the engine's word.
    Waiting,
    /// `on_stop`.
    Going,
    Gone,
}

#[pyclass(module = "scaleworthy._native", weakref)]
pub struct Life {
    line: Py<ScriptLine>,
    user: Py<ScriptUser>,
    /// The scenarios' functions, by number.
    functions: Py<PyList>,
    on_start: Option<Py<PyAny>>,
    on_stop: Option<Py<PyAny>>,
    /// Takes in what ended a part: (error, scenario); says whether the user should wait a little.
    ended_by: Py<PyAny>,
    scenario: u32,
    part: Part,
    /// What is under way; none while it runs.
    current: Option<Py<PyAny>>,
    running: bool,
}

impl Life {
    /// Take what is under way, to let it go on; nothing is, before the first part.
    fn take(&mut self) -> PyResult<Option<Py<PyAny>>> {
        if self.running {
            return Err(PyRuntimeError::new_err("the user's life goes on already"));
        }
        if self.part == Part::Gone {
            return Err(PyRuntimeError::new_err("the user's life is over"));
        }
        self.running = true;
        Ok(self.current.take())
    }

    /// The user is gone, once; what was under way is returned, to be dropped where no borrow is held.
    fn leave(&mut self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.running = false;
        if std::mem::replace(&mut self.part, Part::Gone) != Part::Gone {
            let user = self.user.borrow(py).id;
            self.line.get().remove_user(user);
        }
        self.current.take()
    }
}

/// What a user's function returned, as what goes on when it is awaited.
fn awaitable(made: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    // SAFETY: the GIL is held, and the object is alive.
    if unsafe { ffi::PyCoro_CheckExact(made.as_ptr()) } != 0 {
        return Ok(made.unbind());
    }
    Ok(made.call_method0("__await__")?.unbind())
}

/// Part follows part until something is waited for, or the life is over. `got` is what came of `current`.
fn carry_on(
    slf: &Bound<'_, Life>,
    mut current: Py<PyAny>,
    mut got: PyResult<Step>,
) -> PyResult<Step> {
    loop {
        let next = match got {
            Ok(Step::Waits(value)) => {
                let mut this = slf.borrow_mut();
                this.current = Some(current);
                this.running = false;
                return Ok(Step::Waits(value));
            }
            Ok(Step::Returned(value)) => after(slf, Ok(value)),
            Err(error) => after(slf, Err(error)),
        };
        match next {
            Ok(Some(next)) => {
                got = resume::go_on(next.bind(slf.py()));
                current = next;
            }
            Ok(None) => return Ok(over(slf)),
            Err(error) => {
                over(slf);
                return Err(error);
            }
        }
    }
}

/// The user is gone.
fn over(slf: &Bound<'_, Life>) -> Step {
    let py = slf.py();
    let current = slf.borrow_mut().leave(py);
    drop(current);
    Step::Returned(py.None())
}

/// The first part.
fn begin(slf: &Bound<'_, Life>) -> PyResult<Option<Py<PyAny>>> {
    let py = slf.py();
    let on_start = {
        let mut this = slf.borrow_mut();
        this.part = Part::Coming;
        this.on_start
            .as_ref()
            .map(|on_start| on_start.clone_ref(py))
    };
    match on_start {
        Some(on_start) => start(slf, &on_start),
        None => iterate(slf),
    }
}

/// Call a function with the user; what it raises at once ends the part as well.
fn start(slf: &Bound<'_, Life>, function: &Py<PyAny>) -> PyResult<Option<Py<PyAny>>> {
    let py = slf.py();
    let user = slf.borrow().user.clone_ref(py);
    match function.bind(py).call1((user,)).and_then(awaitable) {
        Ok(made) => Ok(Some(made)),
        Err(error) => after(slf, Err(error)),
    }
}

fn iterate(slf: &Bound<'_, Life>) -> PyResult<Option<Py<PyAny>>> {
    let function = {
        let mut this = slf.borrow_mut();
        this.part = Part::Iterating;
        let functions = this.functions.bind(slf.py());
        functions.get_item(this.scenario as usize)?.unbind()
    };
    start(slf, &function)
}

/// A part is over: what follows, if anything does.
fn after(slf: &Bound<'_, Life>, ended: PyResult<Py<PyAny>>) -> PyResult<Option<Py<PyAny>>> {
    let py = slf.py();
    let part = slf.borrow().part;
    if part == Part::Waiting {
        let scenario = ended?.extract::<Option<u32>>(py)?;
        let Some(scenario) = scenario else {
            return part_with(slf);
        };
        slf.borrow_mut().scenario = scenario;
        return iterate(slf);
    }
    let failed = match ended {
        Ok(_) => {
            if part == Part::Iterating {
                slf.borrow().line.get().note_through();
            }
            false
        }
        Err(error) => {
            let (ended_by, scenario) = {
                let this = slf.borrow();
                (this.ended_by.clone_ref(py), this.scenario)
            };
            let taken_in = ended_by.call1(py, (error.into_value(py), scenario))?;
            taken_in.is_truthy(py)?
        }
    };
    match part {
        Part::Born => begin(slf),
        Part::Coming => iterate(slf),
        Part::Iterating => {
            let (line, user) = {
                let this = slf.borrow();
                (this.line.clone_ref(py), this.user.clone_ref(py))
            };
            match ScriptLine::next_of(line.bind(py), user.bind(py), failed)? {
                Next::Scenario(scenario) => {
                    slf.borrow_mut().scenario = scenario;
                    iterate(slf)
                }
                Next::Wait(turn) => {
                    slf.borrow_mut().part = Part::Waiting;
                    Ok(Some(turn.into_any()))
                }
            }
        }
        Part::Waiting | Part::Going | Part::Gone => Ok(None),
    }
}

/// The user is to leave.
fn part_with(slf: &Bound<'_, Life>) -> PyResult<Option<Py<PyAny>>> {
    let py = slf.py();
    let on_stop = {
        let mut this = slf.borrow_mut();
        this.part = Part::Going;
        this.on_stop.as_ref().map(|on_stop| on_stop.clone_ref(py))
    };
    let Some(on_stop) = on_stop else {
        return Ok(None);
    };
    slf.borrow().user.borrow_mut(py).parting = true;
    start(slf, &on_stop)
}

impl Resumed for Life {
    fn resume(slf: &Bound<'_, Self>) -> PyResult<Step> {
        let py = slf.py();
        let current = slf.borrow_mut().take()?;
        match current {
            Some(current) => {
                let got = resume::go_on(current.bind(py));
                carry_on(slf, current, got)
            }
            None => carry_on(slf, py.None(), Ok(Step::Returned(py.None()))),
        }
    }
}

#[pymethods]
impl Life {
    #[new]
    #[pyo3(signature = (*, line, user, scenario, functions, on_start, on_stop, ended_by))]
    fn new(
        line: Py<ScriptLine>,
        user: Py<ScriptUser>,
        scenario: u32,
        functions: Py<PyList>,
        on_start: Option<Py<PyAny>>,
        on_stop: Option<Py<PyAny>>,
        ended_by: Py<PyAny>,
    ) -> Self {
        Self {
            line,
            user,
            functions,
            on_start,
            on_stop,
            ended_by,
            scenario,
            part: Part::Born,
            current: None,
            running: false,
        }
    }

    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        resume::as_iterator(Self::resume(slf)?)
    }

    fn send(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let _ = value;
        resume::as_iterator(Self::resume(slf)?)
    }

    /// Raise an error where the user waits.
    #[pyo3(signature = (kind, value = None, trace = None))]
    fn throw(
        slf: &Bound<'_, Self>,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let _ = trace;
        let py = slf.py();
        let error = value.unwrap_or(kind);
        let current = slf.borrow_mut().take()?;
        let Some(current) = current else {
            over(slf);
            return Err(PyErr::from_value(error.clone()));
        };
        let got = match current.bind(py).getattr_opt("throw")? {
            Some(throw) => resume::step_of(py, throw.call1((error,))),
            None => Err(PyErr::from_value(error.clone())),
        };
        resume::as_iterator(carry_on(slf, current, got)?)
    }

    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let current = slf.borrow_mut().take()?;
        let closed = match current {
            Some(current) => match current.bind(py).getattr_opt("close")? {
                Some(close) => close.call0().map(drop),
                None => Ok(()),
            },
            None => Ok(()),
        };
        over(slf);
        closed
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.user)?;
        visit.call(&self.functions)?;
        visit.call(&self.on_start)?;
        visit.call(&self.on_stop)?;
        visit.call(&self.ended_by)?;
        visit.call(&self.current)
    }

    fn __clear__(&mut self) {
        self.current = None;
    }
}
