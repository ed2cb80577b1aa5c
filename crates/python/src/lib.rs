//! The one door between Python and Rust: one file per Python class, no logic here.
use pyo3::prelude::*;

mod block;
mod condition;
mod grpc;
mod histogram;
mod null_server;
mod pack;
mod run;
mod runtime;
mod schedule;
mod script;
mod table;

#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::block::{pack_block, unpack_block};
    #[pymodule_export]
    use super::condition::condition_names;
    #[pymodule_export]
    use super::grpc::{grpc_problems, proto_descriptors};
    #[pymodule_export]
    use super::histogram::Histogram;
    #[pymodule_export]
    use super::null_server::NullServer;
    #[pymodule_export]
    use super::pack::{Packer, compress, decompress};
    #[pymodule_export]
    use super::run::{Met, Run, Tick, now_ns};
    #[pymodule_export]
    use super::runtime::{MemoryTable, RateTable, Redactor, Tombstones};
    #[pymodule_export]
    use super::schedule::{schedule_preview, users_at};
    #[pymodule_export]
    use super::script::{
        Awaited, Incoming, Life, Message, MessageFits, PreparedRequest, Response, ScriptChannel,
        ScriptLine, ScriptUser, StreamEvent, StreamTotals, json_first,
    };
    #[pymodule_export]
    use super::table::SliceTable;

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        script::install(m.py())?;
        m.add("__version__", env!("CARGO_PKG_VERSION"))?;
        m.add(
            "build_profile",
            if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
        )
    }
}
