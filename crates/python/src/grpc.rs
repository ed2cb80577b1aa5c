//! What Python must know of gRPC before the run.
use std::path::PathBuf;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use scaleworthy_engine as engine;

#[pyfunction]
#[pyo3(signature = (path, *, import_paths))]
pub fn proto_descriptors(
    py: Python<'_>,
    path: PathBuf,
    import_paths: Vec<PathBuf>,
) -> PyResult<Vec<u8>> {
    py.detach(|| engine::descriptors_of(&path, &import_paths))
        .map_err(PyValueError::new_err)
}

#[pyfunction]
#[pyo3(signature = (descriptors, *, method, message, streams))]
pub fn grpc_problems(
    descriptors: &[u8],
    method: &str,
    message: &str,
    streams: bool,
) -> Vec<String> {
    engine::grpc_problems(descriptors, method, message, streams)
}
