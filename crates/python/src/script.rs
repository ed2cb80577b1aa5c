//! Python scenarios: the line to the engine's thread, what is awaited, answers, and what users ask.
mod awaited;
mod channel;
mod incoming;
mod life;
mod line;
mod response;
mod resume;
mod user;

use pyo3::prelude::*;

pub use awaited::Awaited;
pub use channel::ScriptChannel;
pub use incoming::{Incoming, Message, MessageFits, StreamEvent, StreamTotals};
pub use life::Life;
pub use line::ScriptLine;
pub use response::{Response, json_first};
pub use user::{PreparedRequest, ScriptUser};

/// Have awaits go on without an exception for each result; before anything is awaited.
pub fn install(py: Python<'_>) -> PyResult<()> {
    resume::install::<Awaited, Awaited>(py)?;
    resume::install::<Response, Awaited>(py)?;
    resume::install::<Life, Life>(py)
}
