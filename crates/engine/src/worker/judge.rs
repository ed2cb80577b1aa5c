//! What an answer was worth: redirects, expectations, extractions, and the three clocks.
use super::Worker;
use super::connections::Place;
use super::script::{NO_CALL, Requests, cookies_of};
use super::stream::conclude;
use super::users::User;
use super::weigh::{Verdict, Weighing, verdict_of_call};
use crate::cookies::Setting;
use crate::grpc::{self, Said};
use crate::http1::{DecodeError, Kept};
use crate::memory::Spare;
use crate::origins::Book;
use crate::plan::origins::split_url;
use crate::plan::redirect::{self, Redirect};
use crate::plan::request::Request;
use crate::record::{ErrorKind, phase};

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
        if kept.sets_cookies {
            keep_cookies(&self.plan, user, &mut self.spare, kept, done_ns);
        }
        if (300..400).contains(&status) {
            match onward(&self.plan, &self.book, user, kept, status) {
                Onward::Stay => {}
                Onward::Follow(mut redirect) => {
                    if user.call != NO_CALL {
                        keep_for_script(
                            &self.plan,
                            user,
                            &mut self.spare,
                            kept,
                            done_ns,
                            &mut redirect,
                        );
                    }
                    return self.follow(place, id, keep, redirect);
                }
                Onward::Refuse(text) => {
                    self.release(place, keep);
                    return self.fail(id, ErrorKind::Redirect, || text);
                }
            }
        }
        let Some(request) = user.request(&self.plan) else {
            return;
        };
        let http_status = status;
        let status = match &request.call {
            None => status,
            Some(_) => match status_of_call(kept, status) {
                Ok(status) => status,
                Err(reason) => {
                    self.release(place, keep);
                    return self.fail(id, ErrorKind::Protocol, || format!("got {reason}"));
                }
            },
        };
        let step = &mut self.second.steps[request.series];
        let streamed = kept
            .stream
            .take()
            .map(|reading| conclude(reading, kept, step, done_ns - user.sent_ns));
        let (mut missed, mut good, mut totals) = (None, false, None);
        if let Some(streamed) = streamed {
            totals = streamed.totals;
            if let Some((kind, text)) = streamed.broken {
                self.leave_over(place, id, totals.as_mut());
                self.release(place, keep);
                return self.fail(id, kind, || text);
            }
            (missed, good) = (streamed.missed, streamed.good);
        }
        let response_ns = done_ns - user.planned_ns.min(done_ns);
        let statuses = (status, http_status);
        let verdict = if request.judging.is_empty() && !kept.is_coded() {
            Ok(default_of(request, kept, statuses, &self.examples_told))
        } else {
            let weighing = Weighing {
                plan: &self.plan,
                scenario: &self.plan.scenarios[user.scenario as usize],
                number: user.number,
                memory: &mut user.memory,
                spare: &mut self.spare,
                json: &mut self.json,
                told: &self.examples_told,
                response_ns,
            };
            judge(weighing, request, kept, statuses)
        };
        let verdict = match verdict {
            Ok(mut verdict) => {
                verdict.failed = verdict.failed.or(missed);
                verdict
            }
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
        if good && verdict.failed.is_none() {
            step.stream().good += 1;
        }
        step.status(status);
        step.response.record(response_ns);
        step.service.record(done_ns - user.sent_ns);
        step.phases[phase::SEND].record(user.hops_ns[0]);
        step.phases[phase::WAIT].record(user.hops_ns[1]);
        step.phases[phase::RECEIVE].record(user.hops_ns[2]);
        step.in_flight -= 1;
        self.in_flight -= 1;
        let sent_ns = user.sent_ns;
        if user.call != NO_CALL && opened {
            user.request_over();
            return self.socket_opened(place, id, sent_ns);
        }
        if user.call != NO_CALL {
            return self.answer_call(place, id, status, keep, sent_ns, totals);
        }
        user.request_over();
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
fn onward(plan: &Requests, book: &Book, user: &User, kept: &Kept, status: u16) -> Onward {
    let Some(request) = user.request(plan) else {
        return Onward::Stay;
    };
    if request.redirects_max == 0
        || !matches!(status, 301..=303 | 307 | 308)
        || request.judging.expects_status(status)
    {
        return Onward::Stay;
    }
    let Some(location) = kept.answer(status).header("location") else {
        return Onward::Stay;
    };
    let location = String::from_utf8_lossy(location);
    if user.hops >= request.redirects_max {
        return Onward::Refuse(format!(
            "more than {} redirects, the next to {location:?}",
            request.redirects_max
        ));
    }
    let base = path_sent(plan, user, request);
    let from = user.origin(plan);
    let known = redirect::resolve(&plan.origins, from, &location, &base);
    let found: Result<_, String> = known.or_else(|whole| match split_url(&whole) {
        Some((place, path)) => {
            let number = book.number_of(&plan.origins, &place)?;
            Ok((number, redirect::as_sent(&path)))
        }
        None => Err("no http or https URL".into()),
    });
    match found {
        Ok((origin, path)) => {
            let becomes_get = status == 303 || (status < 303 && request.method == "POST");
            let before = user
                .redirect
                .as_ref()
                .is_some_and(|redirect| redirect.becomes_get);
            Onward::Follow(Redirect {
                origin,
                forward: plan.origins[origin].forward.clone(),
                authority: (origin != request.origin).then(|| plan.origins[origin].authority()),
                path,
                becomes_get: becomes_get || before,
                set_cookies: vec![],
            })
        }
        Err(why) => Onward::Refuse(format!("redirected to {location:?}: {why}")),
    }
}

/// The path that the answer is to.
fn path_sent(plan: &Requests, user: &User, request: &Request) -> String {
    match &user.redirect {
        Some(redirect) => redirect.path.clone(),
        None => request.path_text(&user.values(plan), &mut user.rng(plan.seed)),
    }
}

fn keep_cookies(plan: &Requests, user: &mut User, spare: &mut Spare, kept: &Kept, now_ns: u64) {
    let Some(request) = user.request(plan) else {
        return;
    };
    let path = path_sent(plan, user, request);
    let origin = user.origin(plan);
    let by = Setting {
        origin,
        path: &path,
        secure: plan.origins[origin].tls,
        now_ns,
    };
    let scenario = &plan.scenarios[user.scenario as usize];
    let jar = &mut user.remember(scenario, spare).jar;
    for header in kept.answer(0).headers("set-cookie") {
        jar.set(header, by);
    }
}

/// How a call came out; one that we have ended came out well.
fn status_of_call(kept: &Kept, http_status: u16) -> Result<u16, &'static str> {
    let ended_by_us = kept.stream.as_ref().is_some_and(|it| it.ended_by_us);
    match &kept.said {
        _ if ended_by_us => Ok(grpc::OK),
        Some(said) => said.status(http_status),
        None => Said::default().status(http_status),
    }
}

/// A script's request is redirected: what the answer sets goes along on the way, and is the script's to know at its end.
fn keep_for_script(
    plan: &Requests,
    user: &mut User,
    spare: &mut Spare,
    kept: &Kept,
    now_ns: u64,
    next: &mut Redirect,
) {
    if let Some(redirect) = user.redirect.as_deref_mut() {
        next.set_cookies = std::mem::take(&mut redirect.set_cookies);
    }
    let before = next.set_cookies.len();
    let origin = user.origin(plan);
    next.set_cookies.extend(cookies_of(&kept.answer(0), origin));
    if next.set_cookies.len() > before {
        keep_cookies(plan, user, spare, kept, now_ns);
    }
}

/// What is expected where the step says nothing of it; of a script's requests, nothing. `statuses`: the request's own, a
/// call's is one of gRPC, and that of HTTP.
fn default_of(request: &Request, kept: &Kept, statuses: (u16, u16), told: &[bool]) -> Verdict {
    let (status, _) = statuses;
    if let Some(call) = &request.call {
        verdict_of_call(call, kept.said.as_deref(), statuses, told)
    } else if request.judging.expect.is_empty() && !request.of_script {
        Verdict::by_default(status, told)
    } else {
        Verdict::HELD
    }
}

/// The error is for an answer that cannot be read.
fn judge(
    weighing: Weighing<'_>,
    request: &Request,
    kept: &mut Kept,
    statuses: (u16, u16),
) -> Result<Verdict, (ErrorKind, String)> {
    let (status, _) = statuses;
    if let Some(call) = &request.call
        && request.wants.body
        && status == grpc::OK
    {
        let json = call
            .method
            .only(kept.answer(status).body, request.wants.body_bytes_max);
        kept.put_body(json.map_err(|reason| (ErrorKind::Protocol, format!("got {reason}")))?);
    } else if request.wants.body {
        let limit = request.wants.body_bytes_max;
        kept.decode(limit).map_err(|error| match error {
            DecodeError::TooLarge => (
                ErrorKind::BodyTooLarge,
                format!("a body above {limit} bytes once decoded"),
            ),
            DecodeError::Wrong(reason) => (
                ErrorKind::Protocol,
                format!("a body that cannot be decoded: {reason}"),
            ),
        })?;
    }
    let by_default = default_of(request, kept, statuses, weighing.told);
    let verdict = weighing.weigh(&request.judging, &kept.answer(status));
    Ok(Verdict {
        failed: by_default.failed.or(verdict.failed),
        ..verdict
    })
}
