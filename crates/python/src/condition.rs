//! Conditions of a plan, for Python: are they well formed, and which names do they ask for?
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use scaleworthy_engine as engine;

#[pyfunction]
pub fn condition_names(text: &str) -> PyResult<Vec<String>> {
    engine::condition_names(text).map_err(|error| PyValueError::new_err(error.to_string()))
}
