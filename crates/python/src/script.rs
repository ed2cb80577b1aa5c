//! Python scenarios: the line to the engine's thread, what is awaited, answers, and what users ask.
mod awaited;
mod channel;
mod incoming;
mod line;
mod response;
mod user;

pub use awaited::Awaited;
pub use channel::ScriptChannel;
pub use incoming::{StreamEvent, StreamTotals};
pub use line::ScriptLine;
pub use response::{Response, json_first};
pub use user::{PreparedRequest, ScriptUser};
