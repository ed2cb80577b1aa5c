//! What was measured: histograms of integer nanoseconds, and the wire form of one second's slices.
//!
//! - [`Histogram`] keeps a distribution in memory that does not grow with the number of records, merges exactly,
//!   and answers quantiles within 0.1 %.
//! - [`BlockWriter`] and [`read_block`] put one second's slices into bytes and back.
//! - [`Table`] keeps the slices of many series and answers questions about them.
//! - [`WireError`] says why bytes were refused; nothing in this crate panics on bytes it is given.
//!
//! Plain Rust: no Python types, no I/O, no threads, no clock.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod block;
mod bucket;
mod histogram;
mod histogram_wire;
mod order_statistic;
mod table;
mod varint;

pub use block::{BlockWriter, Encoded, read_block};
pub use bucket::{BUCKETS, VALUE_MAX};
pub use histogram::{Bucket, Histogram};
pub use table::{Kind, Table, TableError};
pub use varint::WireError;
