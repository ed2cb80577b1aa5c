//! `SliceTable` for Python: the table of `crates/measure` behind a lock, filled by the block and answering in arrays.
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use scaleworthy_measure::{BlockWriter, Kind, Table};

use crate::histogram::{Histogram, array};

type Window = Option<(i64, i64)>;
type SecondsAndValues<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

#[pyclass(module = "scaleworthy._native", frozen)]
#[derive(Default)]
pub struct SliceTable {
    table: Mutex<Table>,
}

impl SliceTable {
    /// A panic while the lock was held leaves whole rows behind, so the table can still be used.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Run `query` without the GIL, so that no thread waits for the lock while it holds it.
    fn ask<T: Send>(&self, py: Python<'_>, query: impl Send + FnOnce(&mut Table) -> T) -> T {
        py.detach(|| query(&mut self.lock()))
    }
}

#[pymethods]
impl SliceTable {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn add_series(&self, py: Python<'_>, kind: &str) -> PyResult<u32> {
        let kind = match kind {
            "histogram" => Kind::Histogram,
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "a kind is histogram, counter or gauge; got {kind:?}"
                )));
            }
        };
        Ok(self.ask(py, |table| table.add_series(kind)))
    }

    #[pyo3(signature = (*, second, series, values))]
    fn append<'py>(
        &self,
        py: Python<'py>,
        second: i64,
        series: Vec<u32>,
        values: &Bound<'py, PyList>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let block = encode(&series, values)?;
        self.ask(py, |table| table.add_block(second, &block))
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PyBytes::new(py, &block))
    }

    fn load(&self, py: Python<'_>, blocks: Vec<(i64, Bound<'_, PyBytes>)>) -> PyResult<()> {
        let borrowed: Vec<(i64, &[u8])> = blocks
            .iter()
            .map(|(second, block)| (*second, block.as_bytes()))
            .collect();
        self.ask(py, |table| {
            for (second, block) in borrowed {
                table
                    .add_block(second, block)
                    .map_err(|error| (second, error))?;
            }
            Ok(())
        })
        .map_err(|(second, error): (i64, scaleworthy_measure::TableError)| {
            PyValueError::new_err(format!("the block of second {second}: {error}"))
        })
    }

    #[pyo3(signature = (series = None))]
    fn span(&self, py: Python<'_>, series: Option<Vec<u32>>) -> Window {
        self.ask(py, |table| table.span(series.as_deref()))
            .map(|span| (span.start, span.end))
    }

    #[pyo3(signature = (series, *, window = None))]
    fn histogram(&self, py: Python<'_>, series: Vec<u32>, window: Window) -> Histogram {
        self.ask(py, |table| table.histogram(&series, &range(window)))
            .into()
    }

    #[pyo3(signature = (series, *, window = None))]
    fn total(&self, py: Python<'_>, series: Vec<u32>, window: Window) -> f64 {
        self.ask(py, |table| table.total(&series, &range(window)))
    }

    #[pyo3(signature = (series, *, window = None))]
    fn per_second<'py>(
        &self,
        py: Python<'py>,
        series: Vec<u32>,
        window: Window,
    ) -> PyResult<SecondsAndValues<'py>> {
        arrays(
            py,
            &self.ask(py, |table| table.per_second(&series, &range(window))),
        )
    }

    #[pyo3(signature = (series, *, q, window = None))]
    fn quantile_per_second<'py>(
        &self,
        py: Python<'py>,
        series: Vec<u32>,
        q: f64,
        window: Window,
    ) -> PyResult<SecondsAndValues<'py>> {
        arrays(
            py,
            &self.ask(py, |table| {
                table.quantile_per_second(&series, q, &range(window))
            }),
        )
    }

    #[pyo3(signature = (*, width_s))]
    fn roll_up(&self, py: Python<'_>, width_s: i64) -> PyResult<Self> {
        if width_s < 1 {
            return Err(PyValueError::new_err(format!(
                "width_s must be at least 1 second, got {width_s}"
            )));
        }
        Ok(Self {
            table: Mutex::new(self.ask(py, |table| table.roll_up(width_s))),
        })
    }
}

pub fn encode(series: &[u32], values: &Bound<'_, PyList>) -> PyResult<Vec<u8>> {
    if series.len() != values.len() {
        let text = format!(
            "as many values as series are needed: {} and {}",
            values.len(),
            series.len()
        );
        return Err(PyValueError::new_err(text));
    }
    let mut writer = BlockWriter::new();
    for (number, value) in series.iter().zip(values.iter()) {
        if let Ok(histogram) = value.cast::<Histogram>() {
            writer.histogram(*number, &histogram.try_borrow()?.inner);
            continue;
        }
        let figure: f64 = value.extract().map_err(|_| {
            PyTypeError::new_err(format!(
                "a slice's value is a Histogram or a number, got {}",
                type_name(&value)
            ))
        })?;
        writer.number(*number, figure).map_err(|_| {
            PyValueError::new_err(format!("a counter or gauge must be finite, got {figure}"))
        })?;
    }
    Ok(writer.finish())
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value
        .get_type()
        .name()
        .map_or_else(|_| "something else".to_owned(), |name| name.to_string())
}

fn range(window: Window) -> Range<i64> {
    window.map_or(i64::MIN..i64::MAX, |(start, end)| start..end)
}

fn arrays<'py>(py: Python<'py>, rows: &[(i64, f64)]) -> PyResult<SecondsAndValues<'py>> {
    Ok((
        array(
            py,
            "i8",
            rows.iter().flat_map(|(second, _)| second.to_ne_bytes()),
        )?,
        array(
            py,
            "f8",
            rows.iter().flat_map(|(_, value)| value.to_ne_bytes()),
        )?,
    ))
}
