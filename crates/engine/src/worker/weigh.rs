//! Hold an answer or a message to what its step expects, and take out what it extracts.
use super::flow::remembered;
use crate::grpc::{self, Call, Said, status_text};
use crate::http1::Answer;
use crate::judging::{Case, JsonFound, Judging};
use crate::memory::{Memory, Spare};
use crate::plan::compile::Compiled;
use crate::plan::program::Scenario;
use crate::record::ErrorKind;
use crate::value::Values;

/// How the judging came out.
pub struct Verdict {
    pub failed: Option<(ErrorKind, String)>,
    /// A value that later steps need is missing: the iteration ends.
    pub missing: bool,
}

impl Verdict {
    pub const HELD: Self = Self {
        failed: None,
        missing: false,
    };

    /// A request that expects nothing expects a status below 400.
    pub fn by_default(status: u16, told: &[bool]) -> Self {
        let kind = ErrorKind::ExpectStatus;
        Self {
            failed: (status >= 400)
                .then(|| (kind, once(told, kind, || format!("got status {status}")))),
            missing: false,
        }
    }
}

/// What a call's status is worth: what the server said of it with it, and the HTTP status that came along.
pub fn verdict_of_call(
    call: &Call,
    said: Option<&Said>,
    (status, http): (u16, u16),
    told: &[bool],
) -> Verdict {
    if call.welcome.contains(&status) {
        return Verdict::HELD;
    }
    let kind = match status {
        grpc::OK => ErrorKind::ExpectStatus,
        // Whoever finds first that the time is over, it is one thing.
        grpc::DEADLINE_EXCEEDED => ErrorKind::Timeout,
        _ => ErrorKind::Grpc,
    };
    let text = || {
        let got = said.unwrap_or(&Said::default()).explain(status, http);
        let welcome: Vec<_> = call.welcome.iter().map(|it| status_text(*it)).collect();
        match call.welcome.as_ref() {
            [grpc::OK] => got,
            _ => format!("wanted {}, {got}", welcome.join(" or ")),
        }
    };
    Verdict {
        failed: Some((kind, once(told, kind, text))),
        missing: false,
    }
}

/// Only the first text of a kind is kept: a service that fails at full rate costs no allocation for each.
fn once(told: &[bool], kind: ErrorKind, text: impl FnOnce() -> String) -> String {
    if told[kind as usize] {
        String::new()
    } else {
        text()
    }
}

/// What is weighed, and what that may change.
pub struct Weighing<'a> {
    pub plan: &'a Compiled,
    pub scenario: &'a Scenario,
    pub number: u64,
    pub memory: &'a mut Option<Box<Memory>>,
    pub spare: &'a mut Spare,
    pub json: &'a mut JsonFound,
    pub told: &'a [bool],
    pub response_ns: u64,
}

impl Weighing<'_> {
    /// Does everything hold that is expected?
    pub fn fits(&mut self, judging: &Judging, answer: &Answer<'_>) -> bool {
        judging.read_json(answer.body, self.json);
        let case = self.case(answer);
        judging.expect.iter().all(|expect| expect.holds(&case))
    }

    /// The first thing that is wrong is the one that counts; values are taken all the same.
    pub fn weigh(mut self, judging: &Judging, answer: &Answer<'_>) -> Verdict {
        judging.read_json(answer.body, self.json);
        let mut verdict = Verdict::HELD;
        let case = self.case(answer);
        if let Some(broken) = judging.expect.iter().find(|expect| !expect.holds(&case)) {
            let kind = broken.kind();
            verdict.failed = Some((kind, once(self.told, kind, || broken.explain(&case))));
        }
        if !judging.extract.is_empty() {
            self.take(judging, answer, &mut verdict);
        }
        verdict
    }

    fn case<'c>(&'c self, answer: &Answer<'c>) -> Case<'c> {
        let feeders = &self.plan.feeders;
        Case {
            answer: *answer,
            json: self.json,
            values: match self.memory.as_deref() {
                Some(memory) => memory.values(self.number, feeders),
                None => Values::none(self.number, feeders),
            },
            response_ns: self.response_ns,
        }
    }

    fn take(&mut self, judging: &Judging, answer: &Answer<'_>, verdict: &mut Verdict) {
        let memory = remembered(self.memory, self.scenario, self.spare);
        let case = Case {
            answer: *answer,
            json: self.json,
            values: Values::none(self.number, &self.plan.feeders),
            response_ns: self.response_ns,
        };
        for extraction in &judging.extract {
            let held = &mut memory.held[extraction.slot];
            if extraction.take(&case, held) {
                continue;
            }
            held.clear();
            if !extraction.strict {
                continue;
            }
            verdict.missing = true;
            if verdict.failed.is_none() {
                let kind = ErrorKind::Extract;
                let text = || {
                    let (variable, status) = (&extraction.variable, answer.status);
                    if status == 101 {
                        format!("nothing found for {variable:?} in a message")
                    } else {
                        let status = status_text(status);
                        format!("nothing found for {variable:?} in an answer of status {status}")
                    }
                };
                verdict.failed = Some((kind, once(self.told, kind, text)));
            }
        }
    }
}
