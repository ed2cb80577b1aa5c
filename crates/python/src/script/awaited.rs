//! `Awaited`: what a coroutine waits for, as asyncio's tasks understand it, without a Future and without `call_soon`.
//!
//! A task that awaits it registers its wake-up; the line calls that directly when the engine's last word is there, in the
//! task's own context. Nothing here holds a borrow while it calls Python: a wake-up runs user code, which asks again.
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::line::ScriptLine;
use super::resume::{self, Resumed, Step};

/// Who is to be told, and in which context.
pub type Waiter = (Py<PyAny>, Option<Py<PyAny>>);

/// How it came out.
#[derive(Default)]
pub enum Outcome {
    #[default]
    Open,
    /// The value of the await is the object itself.
    Itself,
    /// A plain value.
    Value(Py<PyAny>),
    /// To be raised.
    Error(Py<PyAny>),
    /// The run is over for it, or it was cancelled.
    Cancelled,
}

#[pyclass(module = "scaleworthy._native", subclass, weakref)]
pub struct Awaited {
    line: Py<ScriptLine>,
    pub call: u32,
    pub outcome: Outcome,
    waiter: Option<Waiter>,
    more: Vec<Waiter>,
    blocking: bool,
    /// Somebody has waited for it, or looked at it.
    pub looked_at: bool,
}

impl Awaited {
    pub fn new(line: Py<ScriptLine>, call: u32) -> Self {
        Self {
            line,
            call,
            outcome: Outcome::Open,
            waiter: None,
            more: vec![],
            blocking: false,
            looked_at: false,
        }
    }

    pub fn line(&self) -> &Py<ScriptLine> {
        &self.line
    }

    pub fn is_open(&self) -> bool {
        matches!(self.outcome, Outcome::Open)
    }

    /// Nobody hears anything more; who waited is returned.
    pub fn settle(&mut self, outcome: Outcome) -> (Option<Waiter>, Vec<Waiter>) {
        self.outcome = outcome;
        (self.waiter.take(), std::mem::take(&mut self.more))
    }
}

/// The value, or the error that is raised in its place.
fn value<'py>(slf: &Bound<'py, Awaited>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let mut this = slf.borrow_mut();
    this.looked_at = true;
    match &this.outcome {
        Outcome::Itself => Ok(slf.clone().into_any()),
        Outcome::Value(value) => Ok(value.bind(py).clone()),
        Outcome::Error(error) => Err(PyErr::from_value(error.bind(py).clone())),
        Outcome::Cancelled => Err(this.line.get().cancelled(py)),
        Outcome::Open => Err(PyRuntimeError::new_err("there is no result yet: await it")),
    }
}

impl Resumed for Awaited {
    fn resume(slf: &Bound<'_, Self>) -> PyResult<Step> {
        let mut this = slf.borrow_mut();
        if this.is_open() {
            this.blocking = true;
            return Ok(Step::Waits(slf.clone().into_any().unbind()));
        }
        drop(this);
        Ok(Step::Returned(value(slf)?.unbind()))
    }
}

#[pymethods]
impl Awaited {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        resume::as_iterator(Self::resume(slf)?)
    }

    #[getter(_asyncio_future_blocking)]
    fn blocking(&self) -> bool {
        self.blocking
    }

    #[setter(_asyncio_future_blocking)]
    fn set_blocking(&mut self, blocking: bool) {
        self.blocking = blocking;
    }

    fn get_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.line.get().event_loop(py)
    }

    #[pyo3(signature = (callback, *, context = None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        callback: Py<PyAny>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let mut this = slf.borrow_mut();
        this.looked_at = true;
        if this.is_open() {
            match this.waiter {
                None => this.waiter = Some((callback, context)),
                Some(_) => this.more.push((callback, context)),
            }
            return Ok(());
        }
        let line = this.line.clone_ref(slf.py());
        drop(this);
        line.get().call_soon(slf.as_any(), (callback, context))
    }

    fn remove_done_callback(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = slf.py();
        let (waiter, more) = {
            let mut this = slf.borrow_mut();
            (this.waiter.take(), std::mem::take(&mut this.more))
        };
        let mut kept = vec![];
        let mut removed = 0;
        for waiter in waiter.into_iter().chain(more) {
            if waiter.0.bind(py).eq(callback)? {
                removed += 1;
            } else {
                kept.push(waiter);
            }
        }
        let mut kept = kept.into_iter();
        let mut this = slf.borrow_mut();
        this.waiter = kept.next();
        this.more.extend(kept);
        Ok(removed)
    }

    fn done(&self) -> bool {
        !self.is_open()
    }

    fn cancelled(&self) -> bool {
        matches!(self.outcome, Outcome::Cancelled)
    }

    fn result<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        value(slf)
    }

    fn exception<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        match value(slf) {
            Ok(_) => Ok(None),
            Err(_) if matches!(slf.borrow().outcome, Outcome::Cancelled) => {
                Err(slf.borrow().line.get().cancelled(py))
            }
            Err(error) if matches!(slf.borrow().outcome, Outcome::Open) => Err(error),
            Err(error) => Ok(Some(error.into_value(py).into_bound(py).into_any())),
        }
    }

    /// Give it up: the engine closes the connection, and who waits is woken by a CancelledError.
    #[pyo3(signature = (msg = None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        let _ = msg;
        let mut this = slf.borrow_mut();
        if !this.is_open() {
            return Ok(false);
        }
        let (waiter, more) = this.settle(Outcome::Cancelled);
        let line = this.line.clone_ref(slf.py());
        let call = this.call;
        drop(this);
        line.get().cancel(call);
        for waiter in waiter.into_iter().chain(more) {
            line.get().call_soon(slf.as_any(), waiter)?;
        }
        Ok(true)
    }

    #[classmethod]
    fn __class_getitem__(
        cls: &Bound<'_, pyo3::types::PyType>,
        _item: &Bound<'_, PyAny>,
    ) -> Py<PyAny> {
        cls.clone().into_any().unbind()
    }
}

/// Call a waiter later, from the event loop.
pub fn soon(
    event_loop: &Bound<'_, PyAny>,
    awaited: &Bound<'_, PyAny>,
    (callback, context): Waiter,
) -> PyResult<()> {
    let py = awaited.py();
    let named = PyDict::new(py);
    if let Some(context) = context {
        named.set_item("context", context)?;
    }
    event_loop.call_method("call_soon", (callback, awaited), Some(&named))?;
    Ok(())
}
