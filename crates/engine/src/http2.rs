//! HTTP/2: many requests at once on one connection. Pure: bytes in, bytes and events out, no sockets, no clock.
//!
//! [`Connection`] keeps a connection's state; [`request`] and [`head`] translate from and to the form of HTTP/1.1, in
//! which requests are rendered and answers are judged. Source: RFC 9113 and RFC 7541.
mod connection;
mod frame;
mod head;
mod hpack;
mod request;
mod stream;

pub use connection::{Ask, Connection, Event, Fatal};
pub use frame::Code;
pub use request::{Prepared, translate};
pub use stream::Stream;

#[cfg(test)]
mod tests;
