//! How a coroutine is gone on with, and how what it waits for answers, without an exception for each result.
//!
//! An iterator ends by raising StopIteration, which carries the result of an await. The slot `am_send` returns the result as
//! it is; PyO3 has no method for it, so it is put into the types once they are made.
use std::panic::{self, AssertUnwindSafe};
use std::ptr;

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::type_object::PyTypeInfo;
use pyo3::types::PyTuple;

/// What comes of going on.
pub enum Step {
    /// It waits for this.
    Waits(Py<PyAny>),
    /// It is over; this is its result.
    Returned(Py<PyAny>),
}

/// Something that a coroutine's `await` goes on with.
pub trait Resumed: PyTypeInfo + Sized {
    fn resume(slf: &Bound<'_, Self>) -> PyResult<Step>;
}

/// Put the slots into `K`, which is `T` or derived from it; before there are objects or other subtypes of it.
pub fn install<K: PyTypeInfo, T: Resumed>(py: Python<'_>) -> PyResult<()> {
    let kind = K::type_object_raw(py);
    // SAFETY: the type is alive for as long as the interpreter, and a type made by a spec, as PyO3 makes them, has its own
    // table of these slots. The GIL is held and nothing uses the type yet.
    unsafe {
        let slots = (*kind).tp_as_async;
        if slots.is_null() {
            return Err(PyRuntimeError::new_err("a type that cannot be awaited"));
        }
        (*slots).am_send = Some(am_send::<T>);
        (*kind).tp_iternext = Some(iternext::<T>);
        ffi::PyType_Modified(kind);
    }
    Ok(())
}

/// Go on; a panic must not leave Rust.
fn caught<T: Resumed>(slf: &Bound<'_, T>) -> PyResult<Step> {
    panic::catch_unwind(AssertUnwindSafe(|| T::resume(slf))).unwrap_or_else(|_| {
        Err(PanicException::new_err(
            "the engine's line has panicked; what it said stands above",
        ))
    })
}

unsafe extern "C" fn am_send<T: Resumed>(
    slf: *mut ffi::PyObject,
    _value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: Python calls a slot with the GIL held, an object of the type that has it, and room for the result.
    unsafe {
        let py = Python::assume_attached();
        let slf = Bound::from_borrowed_ptr(py, slf).cast_into_unchecked::<T>();
        let (kind, value) = match caught(&slf) {
            Ok(Step::Waits(value)) => (ffi::PySendResult::PYGEN_NEXT, value.into_ptr()),
            Ok(Step::Returned(value)) => (ffi::PySendResult::PYGEN_RETURN, value.into_ptr()),
            Err(error) => {
                error.restore(py);
                (ffi::PySendResult::PYGEN_ERROR, ptr::null_mut())
            }
        };
        *result = value;
        kind
    }
}

unsafe extern "C" fn iternext<T: Resumed>(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        let py = Python::assume_attached();
        let slf = Bound::from_borrowed_ptr(py, slf).cast_into_unchecked::<T>();
        match caught(&slf) {
            Ok(Step::Waits(value)) => return value.into_ptr(),
            // A tuple would be taken for the exception's arguments.
            Ok(Step::Returned(value)) if value.bind(py).is_instance_of::<PyTuple>() => {
                PyStopIteration::new_err((value,)).restore(py);
            }
            Ok(Step::Returned(value)) => {
                ffi::PyErr_SetObject(ffi::PyExc_StopIteration, value.as_ptr());
            }
            Err(error) => error.restore(py),
        }
        ptr::null_mut()
    }
}

/// Let a coroutine, or whatever else can be awaited, go on.
pub fn go_on(awaited: &Bound<'_, PyAny>) -> PyResult<Step> {
    let py = awaited.py();
    let mut result = ptr::null_mut();
    // SAFETY: the GIL is held, both objects are alive, and `result` is room for one. What comes back is ours.
    unsafe {
        match ffi::PyIter_Send(awaited.as_ptr(), ffi::Py_None(), &mut result) {
            ffi::PySendResult::PYGEN_NEXT => {
                Ok(Step::Waits(Bound::from_owned_ptr(py, result).unbind()))
            }
            ffi::PySendResult::PYGEN_RETURN => {
                Ok(Step::Returned(Bound::from_owned_ptr(py, result).unbind()))
            }
            ffi::PySendResult::PYGEN_ERROR => Err(PyErr::fetch(py)),
        }
    }
}

/// What a method returned that goes on with a coroutine, such as `throw`: its StopIteration is a result.
pub fn step_of(py: Python<'_>, got: PyResult<Bound<'_, PyAny>>) -> PyResult<Step> {
    match got {
        Ok(value) => Ok(Step::Waits(value.unbind())),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
            let value = error.value(py).getattr("value")?;
            Ok(Step::Returned(value.unbind()))
        }
        Err(error) => Err(error),
    }
}

/// The same the other way round, for methods that Python code calls.
pub fn as_iterator(step: Step) -> PyResult<Py<PyAny>> {
    match step {
        Step::Waits(value) => Ok(value),
        Step::Returned(value) => Err(PyStopIteration::new_err((value,))),
    }
}
