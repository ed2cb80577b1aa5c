//! `Response`: a request that was asked for and, once awaited, its answer. One object for both.
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};
use scaleworthy_engine::{ErrorKind, FromScript, ScriptAnswer};

use super::awaited::Awaited;
use super::incoming::{StreamTotals, json_of};
use super::line::ScriptLine;

#[pyclass(module = "scaleworthy._native", extends = Awaited)]
pub struct Response {
    line: Py<ScriptLine>,
    answer: Option<Box<ScriptAnswer>>,
    pub user: u32,
    pub step: u32,
    /// The script has said what it expects, or the status needs no word.
    judged: bool,
    /// A failure was counted.
    failed: bool,
}

impl Response {
    pub fn new(
        line: &Py<ScriptLine>,
        py: Python<'_>,
        call: u32,
        user: u32,
        step: u32,
    ) -> PyClassInitializer<Self> {
        let base = Awaited::new(line.clone_ref(py), call);
        PyClassInitializer::from(base).add_subclass(Self {
            line: line.clone_ref(py),
            answer: None,
            user,
            step,
            judged: true,
            failed: false,
        })
    }

    pub fn answer(&mut self, answer: Box<ScriptAnswer>) {
        self.judged = answer.status < 400;
        self.answer = Some(answer);
    }

    pub(super) fn got(&self) -> PyResult<&ScriptAnswer> {
        self.answer
            .as_deref()
            .ok_or_else(|| PyRuntimeError::new_err("there is no answer yet: await the request"))
    }
}

/// The first value that a JSONPath finds in a body, as JSON; None where there is none, or the body is no JSON.
#[pyfunction]
#[pyo3(signature = (body, path, /))]
pub fn json_first(body: &[u8], path: &str) -> PyResult<Option<String>> {
    scaleworthy_engine::json_first(body, path).map_err(PyValueError::new_err)
}

/// The charset of a content type.
fn charset_of(content_type: String) -> Option<String> {
    let at = content_type.to_ascii_lowercase().find("charset=")? + "charset=".len();
    let charset = content_type[at..].split(';').next()?;
    Some(charset.trim().trim_matches('"').to_owned())
}

impl Drop for Response {
    /// A status from 400 on that nothing was said about is a failure, as in a plan's step without an expectation.
    fn drop(&mut self) {
        if !self.judged
            && let Some(answer) = &self.answer
        {
            self.line.get().mention(FromScript::Judged {
                step: self.step,
                kind: ErrorKind::ExpectStatus,
                text: format!("got status {}", answer.status).into(),
            });
        }
    }
}

#[pymethods]
impl Response {
    #[getter]
    fn status(&self) -> PyResult<u16> {
        Ok(self.got()?.status)
    }

    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.got()?;
        Ok(PyBytes::new(py, answer.body()))
    }

    /// The body as text, in the charset that the content type names, else UTF-8; what cannot be decoded is replaced.
    #[getter]
    fn text<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let answer = self.got()?;
        let charset = answer.header("content-type").and_then(charset_of);
        let content = PyBytes::new(py, answer.body());
        let decode = |charset: &str| content.call_method1("decode", (charset, "replace"));
        match charset {
            None => decode("utf-8"),
            Some(charset) => decode(&charset).or_else(|_| decode("utf-8")),
        }
    }

    /// The body, read as JSON.
    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_of(py, self.got()?.body())
    }

    /// The headers by their names in lower case; several of one name are joined by a comma.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let headers = PyDict::new(py);
        for (name, value) in self.got()?.headers() {
            let value = match headers.get_item(&name)? {
                Some(before) => format!("{}, {value}", before.extract::<String>()?),
                None => value,
            };
            headers.set_item(name, value)?;
        }
        Ok(headers)
    }

    /// The values of all headers of one name, in order.
    fn header_values(&self, name: &str) -> PyResult<Vec<String>> {
        let headers = self.got()?.headers();
        let named = headers.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        Ok(named.map(|(_, value)| value).collect())
    }

    /// Origin's number and value of each set-cookie header: those of the redirects on the way, then its own.
    #[getter]
    fn set_cookies(&self) -> PyResult<Vec<(usize, String)>> {
        let all = self.got()?.set_cookies.iter();
        Ok(all.map(|one| (one.origin, one.line.clone())).collect())
    }

    /// The head as it came, in the form of HTTP/1.1.
    #[getter]
    fn head<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.got()?;
        Ok(PyBytes::new(py, answer.head()))
    }

    #[getter]
    fn elapsed_ns(&self) -> PyResult<u64> {
        let answer = self.got()?;
        Ok(answer.done_ns.saturating_sub(answer.sent_ns))
    }

    /// What its events were as a whole, where it was asked for as a stream and is one.
    #[getter]
    fn stream(&self) -> PyResult<Option<StreamTotals>> {
        Ok(self.got()?.stream.as_deref().map(StreamTotals::of))
    }

    #[getter]
    fn step(&self) -> u32 {
        self.step
    }

    /// Hold the answer to what is given.
    #[pyo3(signature = (status = None, *, contains = None, matches = None, json = None, header = None))]
    fn expect<'py>(
        slf: Bound<'py, Self>,
        status: Option<Bound<'py, PyAny>>,
        contains: Option<Bound<'py, PyAny>>,
        matches: Option<Bound<'py, PyAny>>,
        json: Option<Bound<'py, PyAny>>,
        header: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let only_status =
            contains.is_none() && matches.is_none() && json.is_none() && header.is_none();
        let mut this = slf.borrow_mut();
        let got = this.got()?.status;
        if only_status
            && let Some(status) = &status
            && let Ok(wanted) = status.cast_exact::<PyInt>()
            && wanted.extract::<u16>().is_ok_and(|wanted| wanted == got)
        {
            this.judged = true;
            drop(this);
            return Ok(slf);
        }
        let line = this.line.clone_ref(slf.py());
        drop(this);
        let hook = line.get().expect_hook()?;
        hook.call1(slf.py(), (&slf, status, contains, matches, json, header))?;
        slf.borrow_mut().judged = true;
        Ok(slf)
    }

    /// Count a failure of this answer, once.
    fn count_failure(&mut self, kind: &Bound<'_, PyString>, text: &str) -> PyResult<()> {
        self.judged = true;
        if std::mem::replace(&mut self.failed, true) {
            return Ok(());
        }
        let kind = kind.to_str()?;
        let known = ErrorKind::ALL
            .into_iter()
            .find(|known| known.name() == kind);
        let Some(kind) = known else {
            return Err(PyRuntimeError::new_err(format!(
                "no error kind is called {kind:?}"
            )));
        };
        self.line.get().put(FromScript::Judged {
            step: self.step,
            kind,
            text: text.into(),
        });
        Ok(())
    }
}
