//! What comes in over a call that lasts, as Python sees it.
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString};
use scaleworthy_engine::{self as engine, Came};

fn text_of<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, &String::from_utf8_lossy(bytes))
}

/// Bytes, read as JSON.
pub fn json_of<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let loads = LOADS.import(py, "json", "loads")?;
    loads.call1((PyBytes::new(py, bytes),))
}

/// What came: an event or a message.
#[pyclass(module = "scaleworthy._native", subclass, frozen)]
pub struct Incoming {
    came: Came,
}

#[pymethods]
impl Incoming {
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.came.data)
    }

    #[getter]
    fn text<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text_of(py, &self.came.data)
    }

    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_of(py, &self.came.data)
    }

    #[getter]
    fn elapsed_ns(&self) -> u64 {
        self.came.elapsed_ns
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let data = &slf.get().came.data;
        let start = String::from_utf8_lossy(&data[..data.len().min(60)]);
        Ok(format!("{}({start:?})", slf.get_type().name()?))
    }
}

/// One event of an answer.
#[pyclass(module = "scaleworthy._native", extends = Incoming, frozen)]
pub struct StreamEvent;

impl StreamEvent {
    pub fn of(py: Python<'_>, came: Came) -> PyResult<Py<PyAny>> {
        let made = PyClassInitializer::from(Incoming { came }).add_subclass(Self);
        Ok(Py::new(py, made)?.into_any())
    }
}

#[pymethods]
impl StreamEvent {
    /// Its name; empty where it has none.
    #[getter]
    fn name<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyString> {
        text_of(slf.py(), &slf.as_super().get().came.name)
    }
}

/// One message on a socket.
#[pyclass(module = "scaleworthy._native", extends = Incoming, frozen)]
pub struct Message;

impl Message {
    pub fn of(py: Python<'_>, came: Came) -> PyResult<Py<PyAny>> {
        let made = PyClassInitializer::from(Incoming { came }).add_subclass(Self);
        Ok(Py::new(py, made)?.into_any())
    }
}

#[pymethods]
impl Message {
    /// Bytes, not text.
    #[getter]
    fn is_binary(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().came.binary
    }
}

/// What a message must be to be the one that is waited for.
#[pyclass(module = "scaleworthy._native", frozen)]
pub struct MessageFits {
    pub inner: engine::Fits,
}

#[pymethods]
impl MessageFits {
    #[new]
    fn new(text: &str) -> PyResult<Self> {
        let inner = engine::Fits::of(text).map_err(PyValueError::new_err)?;
        Ok(Self { inner })
    }
}

/// An answer in events, as a whole.
#[pyclass(module = "scaleworthy._native", frozen, get_all)]
pub struct StreamTotals {
    first_ns: Option<u64>,
    gaps_ns: Vec<u64>,
    total_ns: u64,
    events: u64,
    ttft_ns: Option<u64>,
    tpot_ns: Option<u64>,
    tokens_input: Option<u64>,
    tokens_output: Option<u64>,
    good: Option<bool>,
}

impl StreamTotals {
    pub fn of(totals: &engine::StreamTotals) -> Self {
        Self {
            first_ns: totals.first_ns,
            gaps_ns: totals.gaps_ns.clone(),
            total_ns: totals.total_ns,
            events: totals.events,
            ttft_ns: totals.ttft_ns,
            tpot_ns: totals.tpot_ns,
            tokens_input: totals.tokens.and_then(|tokens| tokens.input),
            tokens_output: totals.tokens.map(engine::Tokens::written),
            good: totals.good,
        }
    }
}

#[pymethods]
impl StreamTotals {
    /// Read and written, as the service told; written ones counted where it did not.
    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(output) = self.tokens_output else {
            return Ok(None);
        };
        let tokens = PyDict::new(py);
        if let Some(input) = self.tokens_input {
            tokens.set_item("input", input)?;
        }
        tokens.set_item("output", output)?;
        Ok(Some(tokens))
    }
}
