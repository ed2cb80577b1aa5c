//! `RateTable` for Python: GCRA for many keys.
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use scaleworthy_runtime::{Gcra, Quota};

/// Allowed, how many more would pass now, ns until this one would (None: never), ns until the burst is whole again.
type Decided = (bool, u64, Option<u64>, u64);

#[pyclass(module = "scaleworthy._native", frozen)]
pub struct RateTable {
    gcra: Mutex<Gcra>,
    quota: Quota,
    began: Instant,
}

impl RateTable {
    fn decide(&self, key: &str, cost: u64, now_ns: Option<u64>) -> scaleworthy_runtime::Decision {
        let now = now_ns.unwrap_or_else(|| self.began.elapsed().as_nanos() as u64);
        let mut gcra = self.gcra.lock().unwrap_or_else(PoisonError::into_inner);
        gcra.check(key, self.quota, cost, now)
    }
}

#[pymethods]
impl RateTable {
    #[new]
    #[pyo3(signature = (*, interval_ns, burst, keys = 100_000))]
    fn new(interval_ns: u64, burst: u64, keys: usize) -> PyResult<Self> {
        if interval_ns < 1 || burst < 1 {
            return Err(PyValueError::new_err(format!(
                "interval_ns and burst must be at least 1, got {interval_ns} and {burst}"
            )));
        }
        Ok(Self {
            gcra: Mutex::new(Gcra::new(keys)),
            quota: Quota { interval_ns, burst },
            began: Instant::now(),
        })
    }

    #[pyo3(signature = (key, cost = 1, now_ns = None))]
    fn allows(&self, key: &str, cost: u64, now_ns: Option<u64>) -> bool {
        self.decide(key, cost, now_ns).allowed
    }

    #[pyo3(signature = (key, cost = 1, now_ns = None))]
    fn check(&self, key: &str, cost: u64, now_ns: Option<u64>) -> Decided {
        let decision = self.decide(key, cost, now_ns);
        (
            decision.allowed,
            decision.remaining,
            decision.retry_after_ns,
            decision.reset_after_ns,
        )
    }

    /// What `check` says, in seconds, and `quota` as it was given: one tuple, ready to be shown.
    #[pyo3(signature = (key, cost, quota, now_ns = None))]
    fn judge<'py>(
        &self,
        key: &str,
        cost: u64,
        quota: Bound<'py, PyAny>,
        now_ns: Option<u64>,
    ) -> (bool, u64, Option<f64>, f64, Bound<'py, PyAny>) {
        let decision = self.decide(key, cost, now_ns);
        (
            decision.allowed,
            decision.remaining,
            decision.retry_after_ns.map(|ns| ns as f64 / 1e9),
            decision.reset_after_ns as f64 / 1e9,
            quota,
        )
    }

    /// Events let through, events refused.
    fn counts(&self) -> (u64, u64) {
        let gcra = self.gcra.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = gcra.counts();
        (counts.allowed, counts.refused)
    }

    fn __len__(&self) -> usize {
        self.gcra
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}
