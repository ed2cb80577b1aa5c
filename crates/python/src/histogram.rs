//! `Histogram` for Python: the histogram of `crates/measure`, with arguments checked and arrays handed out whole.
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyType};
use scaleworthy_measure as measure;

/// Lows, highs (both within the bucket) and counts.
type Arrays<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

#[pyclass(module = "scaleworthy._native")]
#[derive(Clone, Default)]
pub struct Histogram {
    pub inner: measure::Histogram,
}

impl From<measure::Histogram> for Histogram {
    fn from(inner: measure::Histogram) -> Self {
        Self { inner }
    }
}

#[pymethods]
impl Histogram {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    #[pyo3(signature = (value_ns, count = 1))]
    fn record(&mut self, value_ns: u64, count: u64) {
        self.inner.record_n(value_ns, count);
    }

    fn merge(slf: &Bound<'_, Self>, other: &Bound<'_, Self>) {
        if slf.is(other) {
            let same = slf.borrow().inner.clone();
            slf.borrow_mut().inner.merge(&same);
        } else {
            slf.borrow_mut().inner.merge(&other.borrow().inner);
        }
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    fn clear(&mut self) {
        self.inner.clear();
    }

    fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    #[getter]
    fn count(&self) -> u64 {
        self.inner.count()
    }

    #[getter]
    fn min_ns(&self) -> Option<u64> {
        self.inner.min()
    }

    #[getter]
    fn max_ns(&self) -> Option<u64> {
        self.inner.max()
    }

    #[getter]
    fn mean_ns(&self) -> Option<f64> {
        self.inner.mean()
    }

    #[getter]
    fn sum_ns(&self) -> u128 {
        self.inner.sum()
    }

    #[getter]
    fn saturated(&self) -> u64 {
        self.inner.saturated()
    }

    fn quantile(&self, q: f64) -> PyResult<Option<f64>> {
        ratio("q", q)?;
        Ok(self.inner.quantile(q))
    }

    #[pyo3(signature = (q, confidence = 0.95))]
    fn quantile_interval(&self, q: f64, confidence: f64) -> PyResult<Option<(f64, f64)>> {
        ratio("q", q)?;
        ratio("confidence", confidence)?;
        Ok(self.inner.quantile_interval(q, confidence))
    }

    fn count_above(&self, value_ns: u64) -> u64 {
        self.inner.count_above(value_ns)
    }

    fn buckets<'py>(&self, py: Python<'py>) -> PyResult<Arrays<'py>> {
        let all: Vec<_> = self.inner.buckets().collect();
        let column = |of: fn(&measure::Bucket) -> u64| {
            array(py, "u8", all.iter().flat_map(|one| of(one).to_ne_bytes()))
        };
        Ok((
            column(|one| one.low)?,
            column(|one| one.high)?,
            column(|one| one.count)?,
        ))
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.to_bytes())
    }

    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, data: &[u8]) -> PyResult<Self> {
        let read = measure::Histogram::from_bytes(data);
        read.map(Self::from)
            .map_err(|error| PyValueError::new_err(format!("not a histogram: {error}")))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let bytes = slf.borrow().to_bytes(slf.py());
        Ok((slf.get_type().getattr("from_bytes")?, (bytes,)))
    }

    fn __repr__(&self) -> String {
        match (self.inner.quantile(0.5), self.inner.quantile(0.99)) {
            (Some(p50), Some(p99)) => format!(
                "Histogram(count={}, p50_ns={p50}, p99_ns={p99})",
                self.inner.count()
            ),
            _ => "Histogram(count=0)".to_owned(),
        }
    }
}

fn ratio(name: &str, value: f64) -> PyResult<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(PyValueError::new_err(format!(
        "{name} is a ratio from 0 to 1, such as 0.95; got {value}"
    )))
}

/// Return a writable numpy array of `bytes` in native order; `kind` is numpy's, such as `u8`, `i8`, `f8`.
pub fn array<'py>(
    py: Python<'py>,
    kind: &str,
    bytes: impl Iterator<Item = u8>,
) -> PyResult<Bound<'py, PyAny>> {
    let buffer = PyByteArray::new(py, &bytes.collect::<Vec<u8>>());
    py.import("numpy")?
        .call_method1("frombuffer", (buffer, kind))
}
