//! What an answer was worth: redirects, expectations, extractions, and the three clocks.
use super::Worker;
use super::connections::Place;
use super::script::{NO_CALL, Requests};
use super::users::User;
use crate::http1::{DecodeError, Kept};
use crate::plan::compile::Compiled;
use crate::plan::redirect::{self, Redirect};
use crate::plan::request::Request;
use crate::record::{ErrorKind, phase};

/// How the judging of a complete answer came out.
struct Verdict {
    failed: Option<(ErrorKind, String)>,
    /// A value that later steps need is missing: the iteration ends.
    missing: bool,
}

const HELD: Verdict = Verdict {
    failed: None,
    missing: false,
};

/// What to do about an answer that may be a redirect.
enum Onward {
    Stay,
    Follow(Redirect),
    Refuse(String),
}

impl Worker {
    /// The answer is complete; `keep` tells whether its connection may carry another request.
    pub(super) fn answered(&mut self, place: Place, status: u16, keep: bool) {
        let done_ns = self.now_ns;
        let Some((id, clocks, kept)) = place.reading(&mut self.slots) else {
            return;
        };
        let user = &mut self.users[id as usize];
        user.hops_ns[0] += clocks.sent_end_ns - clocks.sent_ns;
        user.hops_ns[1] += clocks.first_byte_ns.saturating_sub(clocks.sent_end_ns);
        user.hops_ns[2] += done_ns - clocks.first_byte_ns.min(done_ns);
        if (300..400).contains(&status) {
            match onward(&self.plan, user, kept, status) {
                Onward::Stay => {}
                Onward::Follow(redirect) => return self.follow(place, id, keep, redirect),
                Onward::Refuse(text) => {
                    self.release(place, keep);
                    return self.fail(id, ErrorKind::Redirect, || text);
                }
            }
        }
        let Some(request) = user.request(&self.plan) else {
            return;
        };
        let verdict = judge(
            &self.plan,
            request,
            user.scenario as usize,
            &mut user.extracted,
            kept,
            status,
            self.examples_told[ErrorKind::ExpectStatus as usize],
        );
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err((kind, text)) => {
                // It cannot be read: as good as none.
                self.release(place, keep);
                return self.fail(id, kind, || text);
            }
        };
        let series = request.series;
        let opens = request.upgrade.is_some();
        let opened = opens && status == 101;
        let step = &mut self.second.steps[series];
        step.answered += 1;
        step.status(status);
        step.response.record(done_ns - user.planned_ns.min(done_ns));
        step.service.record(done_ns - user.sent_ns);
        step.phases[phase::SEND].record(user.hops_ns[0]);
        step.phases[phase::WAIT].record(user.hops_ns[1]);
        step.phases[phase::RECEIVE].record(user.hops_ns[2]);
        step.in_flight -= 1;
        self.in_flight -= 1;
        let sent_ns = user.sent_ns;
        user.request_over();
        if user.call != NO_CALL {
            return self.answer_call(place, id, status, keep, sent_ns);
        }
        if opens {
            self.after_opening(id, opened);
        }
        self.users[id as usize].step += 1;
        // Without its socket, what follows has nothing to be done on.
        if verdict.missing || (opens && !opened && verdict.failed.is_some()) {
            self.skip_to_end(id);
        }
        if let Some((kind, text)) = verdict.failed {
            self.tell(series, kind, text);
        }
        if !opened {
            self.release(place, keep);
        }
        if !self.waiting.is_empty() {
            // Who waits longer goes first.
            self.serve_waiting();
        }
        self.advance(id, done_ns);
    }

    /// An answer that came, and is not what it should be.
    pub(super) fn tell(&mut self, series: usize, kind: ErrorKind, text: String) {
        let step = &mut self.second.steps[series];
        step.failed += 1;
        step.errors[kind as usize] += 1;
        let names = &self.plan.names;
        self.second.example(&mut self.examples_told, kind, || {
            format!("{}: {text}", names.step(series))
        });
    }

    fn follow(&mut self, place: Place, id: u32, keep: bool, redirect: Redirect) {
        let user = &mut self.users[id as usize];
        user.hops += 1;
        let elsewhere = redirect.origin != user.origin(&self.plan);
        user.redirect = Some(Box::new(redirect));
        if elsewhere {
            self.release(place, keep);
            self.send_somewhere(id);
        } else {
            self.send_again(place, id, keep);
        }
    }
}

/// Where an answer sends us: followed within the origin, up to the plan's number of hops. A step that expects the
/// redirect's own status keeps it.
fn onward(plan: &Requests, user: &User, kept: &Kept, status: u16) -> Onward {
    let Some(request) = user.request(plan) else {
        return Onward::Stay;
    };
    if plan.redirects_max == 0
        || !request.follows_redirects
        || !matches!(status, 301..=303 | 307 | 308)
        || request.expects_status(status)
    {
        return Onward::Stay;
    }
    let Some(location) = kept.answer(status).header("location") else {
        return Onward::Stay;
    };
    let location = String::from_utf8_lossy(location);
    if user.hops >= plan.redirects_max {
        return Onward::Refuse(format!(
            "more than {} redirects, the next to {location:?}",
            plan.redirects_max
        ));
    }
    let base = match &user.redirect {
        Some(redirect) => redirect.path.clone(),
        None => request.path_text(&user.values(plan), &mut user.rng(plan.seed)),
    };
    let from = user.origin(plan);
    match redirect::resolve(&plan.origins, from, &location, &base) {
        Some((origin, path)) => {
            let becomes_get = status == 303 || (status < 303 && request.method == "POST");
            let before = user
                .redirect
                .as_ref()
                .is_some_and(|redirect| redirect.becomes_get);
            Onward::Follow(Redirect {
                origin,
                authority: (origin != request.origin).then(|| plan.origins[origin].authority()),
                path,
                becomes_get: becomes_get || before,
            })
        }
        None => Onward::Refuse(format!(
            "redirected to {location:?}, which is neither this target nor another origin of the plan"
        )),
    }
}

/// Hold an answer to what its step expects, and take out what it extracts. The first thing that is wrong is the one
/// that counts. The error is for an answer that cannot be read.
fn judge(
    plan: &Compiled,
    request: &Request,
    scenario: usize,
    extracted: &mut Option<Box<[Option<Box<str>>]>>,
    kept: &mut Kept,
    status: u16,
    told: bool,
) -> Result<Verdict, (ErrorKind, String)> {
    // Only the first one's text is kept: a service that fails at full rate costs no allocation for each.
    let text = || {
        if told {
            String::new()
        } else {
            format!("got status {status}")
        }
    };
    let by_default = (request.expect.is_empty() && status >= 400 && !request.of_script)
        .then(|| (ErrorKind::ExpectStatus, text()));
    if request.expect.is_empty() && request.extract.is_empty() && !kept.is_coded() {
        return Ok(Verdict {
            failed: by_default,
            ..HELD
        });
    }
    if request.wants.body {
        kept.decode(request.wants.body_bytes_max)
            .map_err(|error| match error {
                DecodeError::TooLarge => {
                    let limit = request.wants.body_bytes_max;
                    (
                        ErrorKind::BodyTooLarge,
                        format!("a body above {limit} bytes once decoded"),
                    )
                }
                DecodeError::Wrong(reason) => (
                    ErrorKind::Protocol,
                    format!("a body that cannot be decoded: {reason}"),
                ),
            })?;
    }
    let answer = kept.answer(status);
    let json = if request.reads_json {
        serde_json::from_slice(answer.body).ok()
    } else {
        None
    };
    let mut failed = by_default.or_else(|| {
        request
            .expect
            .iter()
            .find_map(|e| e.broken(&answer, json.as_ref()))
    });
    let mut missing = false;
    for extraction in &request.extract {
        let slots =
            extracted.get_or_insert_with(|| vec![None; plan.scenarios[scenario].slots].into());
        let value = extraction.take(&answer, json.as_ref());
        if value.is_none() {
            missing = true;
            let text = || {
                format!(
                    "nothing found for {:?} in an answer of status {status}",
                    extraction.variable
                )
            };
            failed = failed.or_else(|| Some((ErrorKind::Extract, text())));
        }
        slots[extraction.slot] = value;
    }
    Ok(Verdict { failed, missing })
}
