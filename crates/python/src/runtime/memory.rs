//! `MemoryTable` for Python: the table of `crates/runtime` with any objects as values.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use scaleworthy_runtime::{Entry, Life, State, Table};

/// Value, state, ns it took to load, ns until it is stale (below 0: since).
type Looked = (Py<PyAny>, &'static str, u64, i64);

#[pyclass(module = "scaleworthy._native", frozen)]
pub struct MemoryTable {
    table: Mutex<Table<Py<PyAny>>>,
    began: Instant,
}

impl MemoryTable {
    fn lock(&self) -> MutexGuard<'_, Table<Py<PyAny>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self, now_ns: Option<u64>) -> u64 {
        now_ns.unwrap_or_else(|| self.began.elapsed().as_nanos() as u64)
    }

    /// Change the table; what leaves it is dropped after the lock, since the end of a value may ask the table again.
    fn change<T>(&self, act: impl FnOnce(&mut Table<Py<PyAny>>) -> T) -> T {
        let mut table = self.lock();
        let result = act(&mut table);
        let gone = table.take_gone();
        drop(table);
        drop(gone);
        result
    }
}

#[pymethods]
impl MemoryTable {
    #[new]
    #[pyo3(signature = (*, entries))]
    fn new(entries: usize) -> Self {
        Self {
            table: Mutex::new(Table::new(entries)),
            began: Instant::now(),
        }
    }

    #[pyo3(signature = (key, default, now_ns = None))]
    fn get(&self, py: Python<'_>, key: &str, default: Py<PyAny>, now_ns: Option<u64>) -> Py<PyAny> {
        let now = self.now(now_ns);
        let mut table = self.lock();
        if let Some((entry, State::Fresh)) = table.get(key, now) {
            return entry.value.clone_ref(py);
        }
        let gone = table.take_gone();
        drop(table);
        drop(gone);
        default
    }

    #[pyo3(signature = (key, now_ns = None))]
    fn look(&self, py: Python<'_>, key: &str, now_ns: Option<u64>) -> Option<Looked> {
        let now = self.now(now_ns);
        let table = self.lock();
        let (entry, state) = table.peek(key, now)?;
        let state = match state {
            State::Fresh => "fresh",
            State::Due => "due",
            State::Stale => "stale",
        };
        let left = entry.life.stale_ns as i64 - now as i64;
        Some((entry.value.clone_ref(py), state, entry.load_ns, left))
    }

    #[expect(clippy::too_many_arguments, reason = "keywords of one Python call")]
    #[pyo3(signature = (key, value, *, due_in_ns, stale_in_ns, gone_in_ns, load_ns = 0, tags = Vec::new(), now_ns = None))]
    fn put(
        &self,
        key: &str,
        value: Py<PyAny>,
        due_in_ns: u64,
        stale_in_ns: u64,
        gone_in_ns: u64,
        load_ns: u64,
        tags: Vec<String>,
        now_ns: Option<u64>,
    ) {
        let now = self.now(now_ns);
        let life = Life {
            due_ns: now.saturating_add(due_in_ns),
            stale_ns: now.saturating_add(stale_in_ns),
            gone_ns: now.saturating_add(gone_in_ns),
        };
        let tags = tags.into_iter().map(String::into_boxed_str).collect();
        let entry = Entry {
            value,
            life,
            load_ns,
            tags,
        };
        self.change(|table| table.put(key, entry));
    }

    #[pyo3(signature = (key, fresh_in_ns, now_ns = None))]
    fn prolong(&self, key: &str, fresh_in_ns: u64, now_ns: Option<u64>) {
        let until = self.now(now_ns).saturating_add(fresh_in_ns);
        self.lock().prolong(key, until);
    }

    fn remove(&self, key: &str) -> bool {
        self.change(|table| table.remove(key))
    }

    fn remove_tag(&self, tag: &str) -> usize {
        self.change(|table| table.remove_tag(tag))
    }

    fn clear(&self) {
        self.change(Table::clear);
    }

    /// Hits, stale, misses, evicted, invalidated.
    fn counts(&self) -> (u64, u64, u64, u64, u64) {
        let counts = self.lock().counts();
        (
            counts.hits,
            counts.stale,
            counts.misses,
            counts.evicted,
            counts.invalidated,
        )
    }

    fn __len__(&self) -> usize {
        self.lock().len()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Where another thread is changing the table it is in use, and so not garbage.
        if let Ok(table) = self.table.try_lock() {
            for value in table.values() {
                visit.call(value)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        self.clear();
    }
}
