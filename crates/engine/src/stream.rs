//! Answers that come event by event: server-sent events, JSON lines, and what language models say. Pure: bytes in,
//! events out, the time given by the caller.
mod events;
mod llm;
mod reading;
mod told;

pub use events::{Event, Events, Framing};
pub use reading::{Age, Fresh, Goodput, Kept, Reading, Spec, Tokens, Wish};

#[cfg(test)]
mod tests;
