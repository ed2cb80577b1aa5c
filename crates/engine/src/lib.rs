//! The load engine: sends requests on a schedule and measures them, once a second handing over what it saw.
//!
//! - [`Run`] checks and compiles a plan, then carries it out: one thread per core, each with its own connections, users, timers and histograms.
//! - [`NullServer`] is a server of known behaviour on loopback, to calibrate and to prove the engine against.
//!
//! Three clocks per request: planned, sent, done. Plain Rust: no Python types, and no unsafe code.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod condition;
mod cookies;
mod digits;
mod expect;
mod extract;
mod feeder;
mod grpc;
mod http1;
mod http2;
mod json;
mod judging;
mod memory;
mod null_server;
mod origins;
mod plan;
mod record;
mod rng;
mod runner;
mod schedule;
mod script;
mod stream;
mod sys;
mod template;
mod timers;
mod tls;
mod value;
mod websocket;
mod worker;

pub use condition::{ConditionError, condition_names};
pub use extract::json_first;
pub use grpc::{descriptors_of, problems as grpc_problems};
pub use null_server::{NullOptions, NullServer, Service};
pub use plan::Problems;
pub use record::{ErrorKind, OwnKind, Sample, Series, Tick, Unit};
pub use runner::{Met, MetOrigin, Run, RunError};
pub use schedule::{Arrivals, LoadKind, Spacing, Stage, UserLevels, preview};
pub use script::{
    Came, Closed, Fits, FromScript, Prepared, Script, ScriptAnswer, ScriptRequest, SetCookie,
    StreamTotals, Talk, Talked, ToScript, Told, Upload, Want,
};
pub use stream::Tokens;
/// Nanoseconds of the engine's clock: the system's monotonic one, the same in every process of a machine.
pub use sys::now_ns;
/// May a client close a WebSocket with this code?
pub use websocket::may_be_sent;
