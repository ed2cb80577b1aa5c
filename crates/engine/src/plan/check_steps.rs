//! What a scenario's steps may not be: too deep, without a bound, out of their place.
use super::check::{check_request, is_token};
use super::{Loop, Step, socket::WebSocket};

/// Loops, branches and conditions within one another.
const NESTED_MAX: usize = 20;
/// Branches of one `parallel`.
const BRANCHES_MAX: usize = 100;
/// Passes of one loop.
const TURNS_MAX: u64 = 1_000_000_000;

pub fn check(path: &str, steps: &[Step], wrong: &mut impl FnMut(&str, String)) {
    check_steps(path, steps, Inside::default(), wrong);
}

/// Is there such a step, at any depth?
pub fn any(steps: &[Step], wanted: &dyn Fn(&Step) -> bool) -> bool {
    steps
        .iter()
        .any(|step| wanted(step) || step.within().iter().any(|steps| any(steps, wanted)))
}

/// Where steps stand.
#[derive(Clone, Copy, Default)]
struct Inside {
    depth: usize,
    socket: bool,
}

impl Inside {
    fn deeper(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }
}

fn check_steps(path: &str, steps: &[Step], inside: Inside, wrong: &mut impl FnMut(&str, String)) {
    if inside.depth > NESTED_MAX {
        return wrong(path, format!("nested deeper than {NESTED_MAX} levels"));
    }
    for (at, step) in steps.iter().enumerate() {
        check_step(&format!("{path}[{at}]"), step, inside, wrong);
    }
}

fn check_step(path: &str, step: &Step, inside: Inside, wrong: &mut impl FnMut(&str, String)) {
    match step {
        Step::Request(request) => check_request(&format!("{path}.request"), request, wrong),
        Step::Think(think) if think.min_ns > think.max_ns => wrong(
            &format!("{path}.think"),
            format!(
                "min_ns must not be above max_ns, got {} and {}",
                think.min_ns, think.max_ns
            ),
        ),
        Step::Think(_) | Step::Set(_) | Step::Log(_) => {}
        Step::If(branch) => {
            let path = format!("{path}.if");
            check_steps(
                &format!("{path}.steps"),
                &branch.steps,
                inside.deeper(),
                wrong,
            );
            check_steps(
                &format!("{path}.else"),
                &branch.otherwise,
                inside.deeper(),
                wrong,
            );
        }
        Step::Loop(turns) => {
            let path = format!("{path}.loop");
            check_loop(&path, turns, wrong);
            check_steps(
                &format!("{path}.steps"),
                &turns.steps,
                inside.deeper(),
                wrong,
            );
        }
        Step::Parallel(parallel) => {
            let path = format!("{path}.parallel.branches");
            if !(1..=BRANCHES_MAX).contains(&parallel.branches.len()) {
                let got = parallel.branches.len();
                wrong(
                    &path,
                    format!("must be 1 to {BRANCHES_MAX} branches, got {got}"),
                );
            }
            // A branch has a user of its own, who has not opened the socket.
            let inside = Inside {
                socket: false,
                ..inside.deeper()
            };
            for (at, branch) in parallel.branches.iter().enumerate() {
                check_steps(&format!("{path}[{at}]"), branch, inside, wrong);
            }
        }
        Step::Websocket(_) if inside.socket => {
            wrong(path, "a websocket has no websocket inside".into());
        }
        Step::Websocket(socket) => {
            check_socket(&format!("{path}.websocket"), socket, inside, wrong);
        }
        Step::Message(_) | Step::Ping(_) if !inside.socket => {
            wrong(path, "messages and pings stand inside a websocket".into());
        }
        Step::Message(message) if message.send.is_none() && message.receive.is_none() => {
            wrong(&format!("{path}.message"), "needs send or receive".into());
        }
        Step::Message(_) | Step::Ping(_) => {}
    }
}

/// Every loop has a bound, and one that goes on for a time does not spin.
fn check_loop(path: &str, turns: &Loop, wrong: &mut impl FnMut(&str, String)) {
    let counted = turns.count.is_some() || turns.over.is_some();
    if !counted && turns.for_ns.is_none() {
        wrong(path, "needs a bound: count, for_ns or over".into());
    }
    if let Some(count) = turns.count.filter(|count| *count > TURNS_MAX) {
        wrong(
            &format!("{path}.count"),
            format!("must be at most {TURNS_MAX}, got {count}"),
        );
    }
    if turns.every_ns == Some(0) {
        wrong(&format!("{path}.every_ns"), "must be above 0, got 0".into());
    }
    let waits = |step: &Step| {
        !matches!(
            step,
            Step::Set(_) | Step::Log(_) | Step::If(_) | Step::Loop(_) | Step::Parallel(_)
        )
    };
    if !counted && !any(&turns.steps, &waits) {
        wrong(
            &format!("{path}.steps"),
            "a loop for a time needs a request or a pause".into(),
        );
    }
}

fn check_socket(
    path: &str,
    socket: &WebSocket,
    inside: Inside,
    wrong: &mut impl FnMut(&str, String),
) {
    check_request(&format!("{path}.request"), &socket.request, wrong);
    if socket.request.method != "GET" || socket.request.body.is_some() {
        wrong(
            &format!("{path}.request"),
            "a websocket is opened by a GET without a body".into(),
        );
    }
    for name in &socket.subprotocols {
        if !is_token(name) {
            wrong(
                &format!("{path}.subprotocols"),
                format!("must be tokens, got {name:?}"),
            );
        }
    }
    let close = &socket.close;
    if !crate::websocket::may_be_sent(close.code) || close.reason.len() > 123 {
        wrong(
            &format!("{path}.close"),
            format!(
                "needs a code that may be sent and a reason of at most 123 bytes, got {}",
                close.code
            ),
        );
    }
    let inside = Inside {
        socket: true,
        ..inside.deeper()
    };
    check_steps(&format!("{path}.steps"), &socket.steps, inside, wrong);
}
