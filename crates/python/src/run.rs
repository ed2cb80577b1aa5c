//! `Run` and `Tick` for Python: a load run, and what it saw within a second.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use scaleworthy_engine as engine;

use crate::histogram::Histogram;
use crate::script::ScriptLine;

/// How long a wait goes on before Ctrl-C is looked for.
const LOOK_FOR_SIGNALS: Duration = Duration::from_millis(50);
/// Longer waits are cut to this: beyond it a clock could overflow.
const TIMEOUT_S_MAX: f64 = 1e6;

fn to_py(error: engine::RunError) -> PyErr {
    match error {
        engine::RunError::Level(_) | engine::RunError::Time { .. } => {
            PyValueError::new_err(error.to_string())
        }
        engine::RunError::Order(_) | engine::RunError::System(_) => {
            PyRuntimeError::new_err(error.to_string())
        }
    }
}

#[pyclass(module = "scaleworthy._native", frozen, weakref)]
pub struct Run {
    inner: engine::Run,
}

#[pymethods]
impl Run {
    #[new]
    #[pyo3(signature = (*, plan_json))]
    fn new(plan_json: &str) -> PyResult<Self> {
        let inner = engine::Run::new(plan_json)
            .map_err(|problems| PyValueError::new_err(problems.to_string()))?;
        Ok(Self { inner })
    }

    fn script(&self) -> Option<ScriptLine> {
        self.inner.script().map(ScriptLine::new)
    }

    #[pyo3(signature = (*, origin_ns = None, origin_unix_ns = None))]
    fn start(
        &self,
        py: Python<'_>,
        origin_ns: Option<u64>,
        origin_unix_ns: Option<i64>,
    ) -> PyResult<()> {
        let started = py.detach(|| match (origin_ns, origin_unix_ns) {
            (None, None) => Some(self.inner.start()),
            (Some(origin_ns), Some(unix_ns)) => Some(self.inner.start_at(origin_ns, unix_ns)),
            _ => None,
        });
        let refused =
            "origin_ns and origin_unix_ns are the same moment on two clocks: give both or none";
        started
            .ok_or_else(|| PyValueError::new_err(refused))?
            .map_err(to_py)
    }

    #[pyo3(signature = (*, timeout_s))]
    fn next_tick(&self, py: Python<'_>, timeout_s: f64) -> PyResult<Option<Tick>> {
        if timeout_s.is_nan() || timeout_s < 0.0 {
            return Err(PyValueError::new_err(format!(
                "timeout_s must be 0 or more, got {timeout_s}"
            )));
        }
        let deadline = Instant::now() + Duration::from_secs_f64(timeout_s.min(TIMEOUT_S_MAX));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let tick = py
                .detach(|| self.inner.next_tick(left.min(LOOK_FOR_SIGNALS)))
                .map_err(to_py)?;
            py.check_signals()?;
            if let Some(tick) = tick {
                return Tick::new(py, tick).map(Some);
            }
            if left.is_zero() || self.inner.finished() {
                return Ok(None);
            }
        }
    }

    #[getter]
    fn finished(&self) -> bool {
        self.inner.finished()
    }

    #[getter]
    fn threads(&self) -> usize {
        self.inner.threads()
    }

    #[pyo3(signature = (*, per_s_or_users, at_ns = None))]
    fn set_level(&self, per_s_or_users: f64, at_ns: Option<u64>) -> PyResult<()> {
        self.inner.set_level(per_s_or_users, at_ns).map_err(to_py)
    }

    #[pyo3(signature = (*, at_ns = None))]
    fn pause(&self, at_ns: Option<u64>) -> PyResult<()> {
        self.inner.pause(at_ns).map_err(to_py)
    }

    #[pyo3(signature = (*, at_ns = None))]
    fn resume(&self, at_ns: Option<u64>) -> PyResult<()> {
        self.inner.resume(at_ns).map_err(to_py)
    }

    fn stop(&self) -> PyResult<()> {
        self.inner.stop().map_err(to_py)
    }

    fn abort(&self) -> PyResult<()> {
        self.inner.abort().map_err(to_py)
    }

    #[pyo3(signature = (*, origin, addresses, took_ns))]
    fn set_addresses(
        &self,
        origin: usize,
        addresses: Vec<IpAddr>,
        took_ns: Option<u64>,
    ) -> PyResult<()> {
        self.inner
            .set_addresses(origin, &addresses, took_ns)
            .map_err(to_py)
    }

    #[pyo3(signature = (*, origin, why, took_ns))]
    fn refuse_addresses(&self, origin: usize, why: &str, took_ns: Option<u64>) -> PyResult<()> {
        self.inner
            .refuse_addresses(origin, why, took_ns)
            .map_err(to_py)
    }

    fn met(&self) -> Met {
        Met {
            inner: self.inner.met(),
        }
    }

    fn error_examples(&self) -> BTreeMap<&'static str, String> {
        self.inner.error_examples()
    }

    fn log(&self) -> (Vec<String>, u64) {
        self.inner.log()
    }

    fn values(&self) -> BTreeMap<String, String> {
        self.inner.values()
    }

    fn in_flight(&self) -> u64 {
        self.inner.in_flight()
    }
}

#[pyclass(module = "scaleworthy._native", frozen)]
pub struct Met {
    inner: engine::Met,
}

#[pymethods]
impl Met {
    fn fileno(&self) -> RawFd {
        self.inner.ready().as_raw_fd()
    }

    fn take(&self) -> Option<Vec<(usize, &'static str, String, u16)>> {
        let scheme = |tls| if tls { "https" } else { "http" };
        let met = self.inner.take()?.into_iter();
        Some(
            met.map(|one| (one.number, scheme(one.tls), one.host, one.port))
                .collect(),
        )
    }
}

#[pyclass(module = "scaleworthy._native", frozen)]
pub struct Tick {
    #[pyo3(get)]
    second: i64,
    #[pyo3(get)]
    last: bool,
    #[pyo3(get)]
    slices: Py<PyList>,
}

impl Tick {
    fn new(py: Python<'_>, tick: engine::Tick) -> PyResult<Self> {
        let slices = PyList::empty(py);
        for series in tick.series {
            slices.append(slice(py, series)?)?;
        }
        Ok(Self {
            second: tick.second,
            last: tick.last,
            slices: slices.unbind(),
        })
    }
}

fn slice(py: Python<'_>, series: engine::Series) -> PyResult<Bound<'_, PyTuple>> {
    let labels: Vec<Bound<'_, PyAny>> = series
        .labels
        .iter()
        .map(|(name, value)| {
            (PyString::intern(py, name), &**value)
                .into_pyobject(py)
                .map(Bound::into_any)
        })
        .collect::<PyResult<_>>()?;
    let (kind, value) = match series.value {
        engine::Sample::Histogram(histogram) => (
            "histogram",
            Bound::new(py, Histogram::from(*histogram))?.into_any(),
        ),
        engine::Sample::Counter(count) => ("counter", count.into_pyobject(py)?.into_any()),
        engine::Sample::Gauge(level) => ("gauge", level.into_pyobject(py)?.into_any()),
    };
    let text = |text: &str| PyString::intern(py, text);
    (
        text(&series.name),
        PyTuple::new(py, labels)?,
        text(&series.unit),
        text(kind),
        value,
    )
        .into_pyobject(py)
}

#[pyfunction]
pub fn now_ns() -> u64 {
    engine::now_ns()
}
