//! What is hot in the parts that an application embeds: the memory layer of the cache, the rate limit, the removal of
//! sensitive fields.
//!
//! - [`Table`] keeps a bounded number of entries by S3-FIFO, with times and tags.
//! - [`Tombstones`] remembers what was invalidated, so that a load which began before cannot bring it back.
//! - [`Gcra`] lets so many events a period through for each key.
//! - [`Redactor`] copies JSON without the members that nobody may see.
//!
//! Plain Rust: no Python types, no I/O, no threads, no clock. Times are nanoseconds of whatever clock the caller reads.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod gcra;
mod list;
mod redact;
mod table;
mod tombstones;

pub use gcra::{Decision, Gcra, Quota};
pub use redact::Redactor;
pub use table::{Counts, Entry, Life, State, Table};
pub use tombstones::Tombstones;
