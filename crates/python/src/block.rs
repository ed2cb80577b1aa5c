//! Blocks for Python: one second's slices as the bytes that cross from one process to another.
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use scaleworthy_measure::{self as measure, Encoded};

use crate::histogram::Histogram;
use crate::table::encode;

#[pyfunction]
#[pyo3(signature = (*, series, values))]
pub fn pack_block<'py>(
    py: Python<'py>,
    series: Vec<u32>,
    values: &Bound<'py, PyList>,
) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &encode(&series, values)?))
}

#[pyfunction]
pub fn unpack_block<'py>(
    py: Python<'py>,
    block: &Bound<'py, PyBytes>,
) -> PyResult<Bound<'py, PyList>> {
    let refused = |error: measure::WireError| PyValueError::new_err(error.to_string());
    let slices = PyList::empty(py);
    for (number, value) in measure::read_block(block.as_bytes()).map_err(refused)? {
        let value = match value {
            Encoded::Number(figure) => figure.into_pyobject(py)?.into_any(),
            Encoded::Histogram(bytes) => {
                let histogram = measure::Histogram::from_bytes(bytes).map_err(refused)?;
                Bound::new(py, Histogram::from(histogram))?.into_any()
            }
        };
        slices.append((number, value))?;
    }
    Ok(slices)
}
