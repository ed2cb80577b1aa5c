//! A server of known behaviour on loopback: fixed answers at once, after a service time, or with stalls; a request
//! for a WebSocket gets one that says every message again, one for `/events?count=100&every_us=20000` that many events,
//! each with the time at which it was written.
//!
//! It calibrates the generator and proves it: what the engine reports must agree with what this server counted, an
//! injected stall must show, and with `servers` slots and exponential service it is an M/M/c queue in real time.
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use scaleworthy_measure::Histogram;

use crate::sys::{self, Wake};

mod client;
mod counts;
mod echo;
mod request;
mod service;
mod serving;
mod stream;

use counts::Counts;
use serving::Server;

pub use service::Service;

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct NullOptions {
    /// Bytes of each answer's body.
    pub body_bytes: usize,
    /// Its status.
    pub status: u16,
    /// Stop altogether this long after the start, and again each time; None never stops.
    pub stall_every_ns: Option<u64>,
    /// How long a stop is.
    pub stall_for_ns: u64,
    /// Mean time a request is served; 0 answers at once.
    pub service_time_ns: u64,
    /// How it is distributed.
    pub service: Service,
    /// Requests served at the same time; the others queue in the order of their arrival. None is without limit.
    pub servers: Option<usize>,
    /// Of the random service times.
    pub seed: u64,
    /// Where to listen: an address of this machine's loopback.
    pub address: IpAddr,
    /// On which port; 0 takes a free one.
    pub port: u16,
}

impl Default for NullOptions {
    fn default() -> Self {
        Self {
            body_bytes: 2,
            status: 200,
            stall_every_ns: None,
            stall_for_ns: 0,
            service_time_ns: 0,
            service: Service::Fixed,
            servers: None,
            seed: 1,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
        }
    }
}

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct NullServer {
    port: u16,
    counts: Arc<Counts>,
    stopping: Arc<AtomicBool>,
    wake: Wake,
    thread: Option<JoinHandle<()>>,
}

impl NullServer {
    /// Listen and serve from a thread of its own.
    ///
    /// # Errors
    /// An address beyond loopback; no port, no thread or no epoll set to be had.
    pub fn start(options: NullOptions) -> io::Result<Self> {
        if !options.address.is_loopback() {
            return Err(io::Error::other("a null server listens on loopback alone"));
        }
        let (listener, port) = sys::listen_on(options.address, options.port)?;
        let counts = Arc::new(Counts::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let wake = Wake::new()?;
        let server = Server::new(options, listener, counts.clone(), wake.clone())?;
        let flag = stopping.clone();
        let thread = std::thread::Builder::new()
            .name("null-server".into())
            .spawn(move || server.serve(&flag))?;
        Ok(Self {
            port,
            counts,
            stopping,
            wake,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Requests received completely.
    pub fn requests(&self) -> u64 {
        self.counts.requests()
    }

    /// WebSocket messages received, each to be said again.
    pub fn messages(&self) -> u64 {
        self.counts.messages()
    }

    /// The same by path, query included.
    pub fn requests_by_path(&self) -> BTreeMap<String, u64> {
        self.counts.by_path()
    }

    /// Times between a request read and the one read before it, over all connections.
    pub fn gaps(&self) -> Histogram {
        self.counts.gaps()
    }

    /// Close every connection and end the thread. A second call does nothing.
    pub fn stop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        self.wake.wake();
        if let Some(thread) = self.thread.take() {
            // It has no result; a panic in it was printed.
            let _ = thread.join();
        }
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        self.stop();
    }
}
