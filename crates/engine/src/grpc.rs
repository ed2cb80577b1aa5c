//! gRPC: what a call adds to a request of HTTP/2. Pure: bytes in, bytes out.
//!
//! [`descriptors_of`] reads `.proto` files before the run, [`Method`] turns JSON into messages and back, [`frame`] puts
//! messages into bodies, [`Said`] takes in what trailers say. Source: gRPC over HTTP/2 (grpc/grpc, doc/PROTOCOL-HTTP2.md).
mod check;
pub mod frame;
mod method;
mod proto;
mod status;

pub use check::problems;
pub use method::Method;
pub use proto::descriptors_of;
pub use status::{DEADLINE_EXCEEDED, OK, Said, status_text};

/// What a step says of its call.
#[derive(Debug)]
pub struct Call {
    pub method: Method,
    /// The statuses that are welcome.
    pub welcome: Box<[u16]>,
}

#[cfg(test)]
mod tests;
