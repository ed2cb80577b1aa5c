//! The engine against real servers on loopback, each of which does one thing well or badly.
mod answers;
mod flow;
mod http2;
mod origins;
mod scenarios;
mod sockets;
mod streams;
mod support;
