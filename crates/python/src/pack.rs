//! Zstandard for Python: `compress` and `decompress` for what a recording keeps of minutes that are over, `Packer` for answers.
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Twice the price of the fastest level for 3 % less: some 20 ms for a minute of 20 steps.
const LEVEL: i32 = 9;

#[pyfunction]
pub fn compress<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let packed = py
        .detach(|| zstd::bulk::compress(data, LEVEL))
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &packed))
}

#[pyfunction]
#[pyo3(signature = (data, *, bytes_max))]
pub fn decompress<'py>(
    py: Python<'py>,
    data: &[u8],
    bytes_max: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let plain = py
        .detach(|| zstd::bulk::decompress(data, bytes_max))
        .map_err(|error| PyValueError::new_err(format!("not Zstandard, or too long: {error}")))?;
    Ok(PyBytes::new(py, &plain))
}

/// What is done before another thread has woken: the GIL is kept for it.
const SMALL_BYTES: usize = 16 * 1024;

/// Compresses many things at one level. What the work needs is set up once: for a small body that takes longer than the work.
#[pyclass(module = "scaleworthy._native", frozen)]
pub struct Packer {
    compressor: Mutex<zstd::bulk::Compressor<'static>>,
}

#[pymethods]
impl Packer {
    #[new]
    fn new(level: i32) -> PyResult<Self> {
        let compressor = zstd::bulk::Compressor::new(level)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self {
            compressor: Mutex::new(compressor),
        })
    }

    fn compress<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let work = || {
            let mut compressor = self
                .compressor
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            compressor.compress(data)
        };
        // No thread waits for the GIL while it holds the lock, which is given back within the work.
        let packed = if data.len() <= SMALL_BYTES {
            work()
        } else {
            py.detach(work)
        };
        let packed = packed.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PyBytes::new(py, &packed))
    }
}
