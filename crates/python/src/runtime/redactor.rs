//! `Redactor` for Python: JSON without sensitive members.
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use scaleworthy_runtime as runtime;

#[pyclass(module = "scaleworthy._native", frozen)]
pub struct Redactor {
    inner: runtime::Redactor,
}

#[pymethods]
impl Redactor {
    #[new]
    fn new(names: Vec<String>) -> Self {
        Self {
            inner: runtime::Redactor::new(names.iter().map(String::as_str)),
        }
    }

    fn redact<'py>(&self, json: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyBytes>> {
        match self.inner.redact(json.as_bytes()) {
            Ok(None) => Ok(json.clone()),
            Ok(Some(left)) => Ok(PyBytes::new(json.py(), &left)),
            Err(wrong) => Err(PyValueError::new_err(format!(
                "this is not JSON, or nested too deeply, at byte {}",
                wrong.at
            ))),
        }
    }
}
