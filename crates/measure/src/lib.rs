//! What was measured: histograms of integer nanoseconds, and the wire form of one second's slices.
//!
//! - [`Histogram`] keeps a distribution in memory that does not grow with the number of records, merges exactly,
//!   and answers quantiles within 0.1 %.
//! - [`WireError`] says why bytes were refused; nothing in this crate panics on bytes it is given.
//!
//! Plain Rust: no Python types, no I/O, no threads, no clock.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bucket;
mod histogram;
mod histogram_wire;
mod order_statistic;
mod varint;

pub use bucket::{BUCKETS, VALUE_MAX};
pub use histogram::{Bucket, Histogram};
pub use varint::WireError;
