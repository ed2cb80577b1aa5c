//! `ScriptUser`: what a user asks the engine for. `scaleworthy.load.User` builds on it.
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use scaleworthy_engine::{self as engine, FromScript, Prepared, ScriptRequest};

use super::awaited::Awaited;
use super::line::ScriptLine;
use super::response::Response;

#[pyclass(module = "scaleworthy._native", subclass, dict)]
pub struct ScriptUser {
    line: Py<ScriptLine>,
    #[pyo3(get)]
    pub id: u32,
    /// The iteration's number, unique in the whole run.
    #[pyo3(get)]
    number: u64,
    /// How much later than planned the iteration began: the first request carries it.
    late_ns: u64,
    /// Requests are sent also while the run ends.
    #[pyo3(get, set)]
    parting: bool,
}

impl ScriptUser {
    pub fn iterate(&mut self, number: u64, planned_ns: u64) {
        self.number = number;
        self.late_ns = engine::now_ns().saturating_sub(planned_ns);
    }
}

/// A request that is ready to be sent, as often as it is wanted.
#[pyclass(module = "scaleworthy._native", frozen)]
pub struct PreparedRequest {
    inner: Prepared,
}

#[pymethods]
impl ScriptUser {
    #[new]
    #[pyo3(signature = (*, line, user, number, late_ns))]
    fn new(line: Py<ScriptLine>, user: u32, number: u64, late_ns: u64) -> Self {
        Self {
            line,
            id: user,
            number,
            late_ns,
            parting: false,
        }
    }

    #[getter]
    fn line(&self, py: Python<'_>) -> Py<ScriptLine> {
        self.line.clone_ref(py)
    }

    /// Send a request that was prepared.
    fn send(
        &mut self,
        py: Python<'_>,
        request: &Bound<'_, PreparedRequest>,
    ) -> PyResult<Py<Response>> {
        let request = request.get().inner.clone();
        let planned_ns = engine::now_ns() - std::mem::take(&mut self.late_ns);
        let (user, step, parting) = (self.id, request.step(), self.parting);
        let line = self.line.get();
        line.call(
            py,
            |call| Response::new(&self.line, py, call, user, step),
            |call| FromScript::Request {
                call,
                user,
                planned_ns,
                request,
                parting,
            },
        )
    }

    /// Wait until the engine's clock has moved by this much.
    fn rest(&mut self, py: Python<'_>, for_ns: u64) -> PyResult<Py<Awaited>> {
        let until_ns = engine::now_ns().saturating_add(for_ns);
        let user = self.id;
        self.line.get().call(
            py,
            |call| Awaited::new(self.line.clone_ref(py), call),
            |call| FromScript::Pause {
                call,
                user,
                until_ns,
            },
        )
    }
}

#[pymethods]
impl PreparedRequest {
    #[new]
    #[pyo3(signature = (line, *, step, method, path, headers, origin = 0, body = None, timeout_ns = None, follows_redirects = true))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword")]
    fn new(
        line: &Bound<'_, ScriptLine>,
        step: u32,
        method: &str,
        path: &str,
        headers: Vec<(String, String)>,
        origin: usize,
        body: Option<&Bound<'_, PyBytes>>,
        timeout_ns: Option<u64>,
        follows_redirects: bool,
    ) -> PyResult<Self> {
        let headers: Vec<_> = headers.iter().map(|(k, v)| (&**k, &**v)).collect();
        let spec = ScriptRequest {
            step,
            origin,
            method,
            path,
            headers: &headers,
            body: body.map(|body| body.as_bytes()),
            timeout_ns,
            follows_redirects,
        };
        let inner = line.get().script().request(&spec);
        Ok(Self {
            inner: inner.map_err(PyValueError::new_err)?,
        })
    }
}
