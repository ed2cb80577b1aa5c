//! `Tombstones` for Python.
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use scaleworthy_runtime as runtime;

#[pyclass(module = "scaleworthy._native", frozen)]
pub struct Tombstones {
    inner: Mutex<runtime::Tombstones>,
}

impl Tombstones {
    fn lock(&self) -> MutexGuard<'_, runtime::Tombstones> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Tombstones {
    #[new]
    #[pyo3(signature = (*, most = 100_000))]
    fn new(most: usize) -> Self {
        Self {
            inner: Mutex::new(runtime::Tombstones::new(most)),
        }
    }

    #[getter]
    fn horizon(&self) -> u64 {
        self.lock().horizon()
    }

    fn reach(&self, version: u64) {
        self.lock().reach(version);
    }

    fn bury(&self, name: &str, version: u64) {
        self.lock().bury(name, version);
    }

    fn bury_all(&self, version: u64) {
        self.lock().bury_all(version);
    }

    fn admits(&self, names: Vec<String>, version: u64) -> bool {
        self.lock()
            .admits(names.iter().map(String::as_str), version)
    }
}
