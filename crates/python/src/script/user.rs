//! `ScriptUser`: what a user asks the engine for. `scaleworthy.load.User` builds on it.
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use scaleworthy_engine::{self as engine, FromScript, Prepared, ScriptRequest, Upload};

use super::awaited::Awaited;
use super::channel::ScriptChannel;
use super::line::ScriptLine;
use super::response::Response;

/// Methods with a name of their own, in the order of `ScriptLine`'s plain requests.
#[derive(Clone, Copy)]
pub enum Method {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub const COUNT: usize = 7;

    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Get,
            Self::Head,
            Self::Options,
            Self::Post,
            Self::Put,
            Self::Patch,
            Self::Delete,
        ];
        all.into_iter().find(|method| method.name() == name)
    }
}

#[pyclass(module = "scaleworthy._native", subclass)]
pub struct ScriptUser {
    line: Py<ScriptLine>,
    #[pyo3(get)]
    pub id: u32,
    /// The iteration's number, unique in the whole run.
    #[pyo3(get)]
    number: u64,
    /// How much later than planned the iteration began: the first request carries it.
    late_ns: u64,
    /// The line's round in which its iteration began by itself.
    pub round: u64,
    /// Requests are sent also while the run ends.
    #[pyo3(get, set)]
    pub parting: bool,
    /// How many `group` blocks it is inside of, over all its tasks.
    #[pyo3(get, set)]
    grouped: u32,
    headers: Option<Py<PyDict>>,
    #[pyo3(get, set)]
    jar: Option<Py<PyAny>>,
}

impl ScriptUser {
    pub fn iterate(&mut self, number: u64, planned_ns: u64) {
        self.number = number;
        self.late_ns = engine::now_ns().saturating_sub(planned_ns);
    }

    /// The next iteration begins at once.
    pub fn go_on(&mut self, number: u64, round: u64) {
        self.number = number;
        self.late_ns = 0;
        self.round = round;
    }

    /// Does nothing of the user's own go into each request?
    fn is_plain(&self, py: Python<'_>) -> bool {
        self.grouped == 0
            && self.jar.is_none()
            && self
                .headers
                .as_ref()
                .is_none_or(|headers| headers.bind(py).is_empty())
    }

    fn put_out(&mut self, py: Python<'_>, request: Prepared) -> PyResult<Py<Response>> {
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

    /// A request without options was most often made before: send it as it was.
    fn ask(
        slf: &Bound<'_, Self>,
        method: Method,
        path: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        if options.is_none() {
            let mut this = slf.borrow_mut();
            let known = match this.is_plain(py) {
                true => this.line.get().plain(py, method).get_item(path)?,
                false => None,
            };
            if let Some(known) = known {
                let request = known.cast_exact::<PreparedRequest>()?.get().inner.clone();
                return Ok(this.put_out(py, request)?.into_any());
            }
        }
        let asked = slf.call_method("request", (method.name(), path), options)?;
        Ok(asked.unbind())
    }
}

/// A request that is ready to be sent, as often as it is wanted.
#[pyclass(module = "scaleworthy._native", frozen)]
pub struct PreparedRequest {
    inner: Prepared,
    is_socket: bool,
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
            round: 0,
            parting: false,
            grouped: 0,
            headers: None,
            jar: None,
        }
    }

    #[getter]
    fn line(&self, py: Python<'_>) -> Py<ScriptLine> {
        self.line.clone_ref(py)
    }

    #[getter]
    fn headers<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyDict> {
        let made = || PyDict::new(py).unbind();
        self.headers.get_or_insert_with(made).bind(py).clone()
    }

    #[setter]
    fn set_headers(&mut self, headers: Py<PyDict>) {
        self.headers = Some(headers);
    }

    #[getter]
    fn is_bare(&self, py: Python<'_>) -> bool {
        self.is_plain(py)
    }

    /// Send one whose answer is taken as it comes.
    fn open(
        &mut self,
        py: Python<'_>,
        request: &Bound<'_, PreparedRequest>,
    ) -> PyResult<Py<ScriptChannel>> {
        let response = self.put_out(py, request.get().inner.clone())?;
        ScriptChannel::open(py, &self.line, response, request.get().is_socket)
    }

    /// Send a request that was prepared.
    fn send(
        &mut self,
        py: Python<'_>,
        request: &Bound<'_, PreparedRequest>,
    ) -> PyResult<Py<Response>> {
        self.put_out(py, request.get().inner.clone())
    }

    #[pyo3(signature = (path, **options))]
    fn get(
        slf: &Bound<'_, Self>,
        path: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Self::ask(slf, Method::Get, path, options)
    }

    #[pyo3(signature = (path, **options))]
    fn head(
        slf: &Bound<'_, Self>,
        path: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Self::ask(slf, Method::Head, path, options)
    }

    #[pyo3(signature = (path, **options))]
    fn options(
        slf: &Bound<'_, Self>,
        path: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Self::ask(slf, Method::Options, path, options)
    }

    #[pyo3(signature = (path, **options))]
    fn post(
        slf: &Bound<'_, Self>,
        path: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Self::ask(slf, Method::Post, path, options)
    }

    #[pyo3(signature = (path, **options))]
    fn put(
        slf: &Bound<'_, Self>,
        path: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Self::ask(slf, Method::Put, path, options)
    }

    #[pyo3(signature = (path, **options))]
    fn patch(
        slf: &Bound<'_, Self>,
        path: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Self::ask(slf, Method::Patch, path, options)
    }

    #[pyo3(signature = (path, **options))]
    fn delete(
        slf: &Bound<'_, Self>,
        path: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Self::ask(slf, Method::Delete, path, options)
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
    #[pyo3(signature = (line, *, step, method, path, headers, origin = 0, body = None, timeout_ns = None, follows_redirects = true, stream = None, hands_over = false, uploads = false, upload_bytes = None, socket = None))]
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
        stream: Option<&str>,
        hands_over: bool,
        uploads: bool,
        upload_bytes: Option<u64>,
        socket: Option<Vec<String>>,
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
            stream,
            hands_over,
            upload: uploads.then_some(Upload {
                bytes: upload_bytes,
            }),
            socket: socket.as_deref(),
        };
        let inner = line.get().script().request(&spec);
        Ok(Self {
            is_socket: socket.is_some(),
            inner: inner.map_err(PyValueError::new_err)?,
        })
    }
}
