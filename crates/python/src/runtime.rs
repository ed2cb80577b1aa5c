//! The hot parts of `scaleworthy.runtime` for Python, each behind a lock.
mod gcra;
mod memory;
mod redactor;
mod tombstones;

pub use gcra::RateTable;
pub use memory::MemoryTable;
pub use redactor::Redactor;
pub use tombstones::Tombstones;
