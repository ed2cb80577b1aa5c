//! One request of a scenario: its bytes, or the templates they come from, and what its answer is held to.
use std::sync::Arc;

use super::body::Body;
use super::compile::Forward;
pub use super::script::ScriptBase;
use super::socket::Upgrade;
use crate::feeder::Feeders;
use crate::grpc::Call;
use crate::http1::Wants;
use crate::http2::Prepared;
use crate::judging::Judging;
use crate::rng::Rng;
use crate::script::Upload;
use crate::stream::Spec;
use crate::template::Template;
use crate::value::Values;

mod compile;
mod render;

pub(super) use compile::{describes_body, is_idempotent, is_sized};
pub use render::{Rendering, Scratch};

#[derive(Debug)]
pub struct Request {
    /// Which step's series it is counted in.
    pub series: usize,
    /// Which origin it goes to.
    pub origin: usize,
    pub method: String,
    /// May be sent again when a kept-alive connection turns out to be closed (RFC 9110, 9.2.2).
    pub idempotent: bool,
    pub timeout_ns: u64,
    pub redirects_max: u32,
    /// How it is put for a proxy, where it is handed to one.
    pub(super) forward: Option<Forward>,
    pub(super) path: Template,
    /// The header lines but content-length and cookie, each with its line end.
    pub(super) fields: Template,
    /// The same without what describes a body, for a redirect that turns into a GET.
    pub(super) fields_of_get: Template,
    pub(super) cookies: Cookies,
    pub(super) body: Option<Body>,
    /// A content-length even without a body, as POST, PUT and PATCH need.
    pub(super) sized: bool,
    /// All of it, where nothing changes from one request to the next.
    pub fixed: Option<Box<[u8]>>,
    /// The same for HTTP/2, where the plan may speak it.
    pub prepared: Option<Prepared>,
    pub judging: Judging,
    pub wants: Wants,
    /// It is a call of gRPC.
    pub call: Option<Box<Call>>,
    /// Its answer is read as events.
    pub stream: Option<Arc<Spec>>,
    /// Asks for a WebSocket.
    pub upgrade: Option<Box<Upgrade>>,
    /// A script made it, and judges the answer.
    pub of_script: bool,
    /// More is said about it than its answer.
    pub lasts: bool,
    /// Its body comes in pieces.
    pub upload: Option<Upload>,
}

/// What goes into the `cookie` header.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    /// The step's own names, and `a=b; c=d`.
    pub(super) names: Vec<String>,
    pub(super) own: Template,
    /// Whether the jar's go along: not where the step writes the header itself.
    pub(super) jar: bool,
}

impl Request {
    /// Keep the bytes of a request in which nothing changes.
    /// `multiplexed`: HTTP/2 may be spoken as well, with TLS or without.
    pub(super) fn fix(&mut self, feeders: &Feeders, multiplexed: Option<bool>) {
        let mut bytes = vec![];
        let rendering = Rendering {
            values: Values::none(0, feeders),
            redirect: None,
            jar: None,
            secure: false,
            now_ns: 0,
        };
        let scratch = &mut Scratch::default();
        if self
            .render(rendering, &mut Rng::new(0), scratch, &mut bytes)
            .is_ok()
        {
            self.prepared = multiplexed.and_then(|secure| Prepared::of(&bytes, secure));
            self.fixed = Some(bytes.into());
        }
    }

    pub(super) fn is_fixed(&self) -> bool {
        self.path.fixed().is_some()
            && self.fields.fixed().is_some()
            && self.cookies.own.fixed().is_some()
            && self.body.as_ref().is_none_or(Body::is_fixed)
    }
}
