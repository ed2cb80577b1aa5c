//! `NullServer` for Python: a server of known behaviour, to prove the engine against.
use std::collections::BTreeMap;
use std::net::IpAddr;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use scaleworthy_engine as engine;

use crate::histogram::Histogram;

#[pyclass(module = "scaleworthy._native")]
pub struct NullServer {
    inner: engine::NullServer,
}

#[pymethods]
impl NullServer {
    #[new]
    #[pyo3(signature = (
        *, body_bytes = 2, status = 200, stall_every_ns = None, stall_for_ns = 0, service_time_ns = 0,
        service = "fixed", servers = None, seed = 1, address = "127.0.0.1", port = 0
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a keyword with a default"
    )]
    fn new(
        body_bytes: usize,
        status: u16,
        stall_every_ns: Option<u64>,
        stall_for_ns: u64,
        service_time_ns: u64,
        service: &str,
        servers: Option<usize>,
        seed: u64,
        address: &str,
        port: u16,
    ) -> PyResult<Self> {
        let address: IpAddr = address.parse().map_err(|_| {
            PyValueError::new_err(format!("address must be an IP address, got {address:?}"))
        })?;
        let service = match service {
            "fixed" => engine::Service::Fixed,
            "exponential" => engine::Service::Exponential,
            other => {
                let text = format!("service must be 'fixed' or 'exponential', got {other:?}");
                return Err(PyValueError::new_err(text));
            }
        };
        if servers == Some(0) || stall_every_ns == Some(0) || !(200..=599).contains(&status) {
            let text = "servers and stall_every_ns must be above 0 (or None), status 200 to 599";
            return Err(PyValueError::new_err(text));
        }
        let options = engine::NullOptions {
            body_bytes,
            status,
            stall_every_ns,
            stall_for_ns,
            service_time_ns,
            service,
            servers,
            seed,
            address,
            port,
        };
        let inner = engine::NullServer::start(options)
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self { inner })
    }

    #[getter]
    fn port(&self) -> u16 {
        self.inner.port()
    }

    #[getter]
    fn requests(&self) -> u64 {
        self.inner.requests()
    }

    #[getter]
    fn messages(&self) -> u64 {
        self.inner.messages()
    }

    #[getter]
    fn requests_by_path(&self) -> BTreeMap<String, u64> {
        self.inner.requests_by_path()
    }

    #[getter]
    fn gaps(&self) -> Histogram {
        Histogram::from(self.inner.gaps())
    }

    fn stop(&mut self, py: Python<'_>) {
        py.detach(|| self.inner.stop());
    }
}
