//! A plan, made ready for the hot path: request bytes rendered where nothing in them changes, templates, patterns
//! and paths parsed, names turned into numbers.
use std::net::IpAddr;
use std::sync::Arc;

use super::origins::Origins;
use super::program::{Builder, CompiledStep, Scenario};
use super::request::ScriptBase;
use super::{ArrivalsKind, Iterations, Kind, Plan, Problems, Version};
use crate::feeder::Feeders;
use crate::record::{Names as StepNames, StepName};
use crate::rng::Rng;
use crate::schedule::{LoadKind, Spacing, Stage};

/// Tells the draws of how often a user comes back apart from all others.
const VISITS: u64 = 0x7669_7369_7473;

/// Nothing changes any more once it is compiled, but that origins and names are added; the threads only read it.
#[derive(Debug)]
pub struct Compiled {
    pub names: Arc<StepNames>,
    pub scenarios: Vec<Scenario>,
    /// What scripts' requests have in common, where scenarios are scripts.
    pub scripted: Option<ScriptBase>,
    /// Running sums of the weights, scaled to end at 1.
    chances: Vec<f64>,
    pub feeders: Feeders,
    /// Where requests go, by the origin's number; the target is number 0.
    pub origins: Origins,
    /// Where connections come from, by turns; empty for the system's choice.
    pub sources: Vec<IpAddr>,
    pub connections_max: usize,
    pub timeout_ns: u64,
    pub connect_timeout_ns: u64,
    pub redirects_max: u32,
    pub body_bytes_max: usize,
    pub keep_alive: bool,
    pub connection_per_user: bool,
    pub version: Version,
    pub streams_max: usize,
    pub stages: Vec<Stage>,
    pub kind: LoadKind,
    /// How often an arriving user of an open load goes through a scenario.
    pub iterations: Iterations,
    /// Recorded arrivals that say which scenario each one runs; empty where the weights decide.
    recorded_scenarios: Vec<u32>,
    pub count: Option<u64>,
    pub users_max: Option<u64>,
    pub finish: bool,
    pub live: bool,
    pub keep_values: bool,
    pub grace_ns: u64,
    pub seed: u64,
    pub threads: usize,
    /// The number of this process's first thread, and how many threads the whole run has.
    pub first_thread: u64,
    pub threads_of_all: u64,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// What its certificate must bear, where that is not its host.
    pub server_name: Option<String>,
    /// The port that connections go to: its own, or the proxy's.
    pub connect_port: u16,
    /// How requests are put for a proxy that they are handed to.
    pub forward: Option<Forward>,
    /// What a proxy is asked, to get a tunnel to the origin.
    pub tunnel: Option<Box<[u8]>>,
    /// Calls of gRPC go there: it speaks HTTP/2.
    pub takes_calls: bool,
}

impl Origin {
    /// Whether HTTP/2 may be spoken there in a plan of this version: over TLS or without; None where it may not.
    pub fn multiplexed(&self, version: Version) -> Option<bool> {
        (self.takes_calls || version.may_multiplex(self.tls)).then_some(self.tls)
    }

    /// The name that its certificate must bear.
    pub fn tls_host(&self) -> &str {
        self.server_name.as_deref().unwrap_or(&self.host)
    }
}

/// What a proxy needs to see in a request that it hands on (RFC 9112, 3.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Stands before the path.
    pub prefix: String,
    /// Header lines for the proxy itself.
    pub fields: String,
}

impl Compiled {
    /// The scenario of iteration `number`: by weight, and the same in every run of this seed.
    pub fn scenario_of(&self, number: u64) -> usize {
        if self.scenarios.len() == 1 {
            return 0;
        }
        if let Some(recorded) = self.recorded_scenarios.get(number as usize) {
            return *recorded as usize;
        }
        let drawn = Rng::of(self.seed, number).unit();
        self.chances
            .iter()
            .position(|chance| drawn < *chance)
            .unwrap_or(self.scenarios.len() - 1)
    }

    /// The series of the first request to an origin: what concerns the origin as a whole is told there.
    pub fn first_series_of(&self, origin: usize) -> Option<usize> {
        let mut steps = self.scenarios.iter().flat_map(|scenario| &scenario.steps);
        steps.find_map(|step| match step {
            CompiledStep::Request(request) if request.origin == origin => Some(request.series),
            _ => None,
        })
    }

    /// The number of the first iteration that start `start` makes. Numbers are told apart by arrival and visit, so that
    /// rows and choices do not depend on which of several users comes back first.
    pub fn first_iteration(&self, start: u64) -> u64 {
        start * u64::from(self.iterations.max)
    }

    /// The iteration that an arrived user makes after `number`; None when it leaves.
    pub fn iteration_after(&self, number: u64) -> Option<u64> {
        let Iterations { min, max } = self.iterations;
        if max == 1 {
            return None;
        }
        let (start, done) = (number / u64::from(max), number % u64::from(max) + 1);
        let wanted = Rng::of(self.seed ^ VISITS, start).between(u64::from(min), u64::from(max));
        (done < wanted).then_some(number + 1)
    }

    /// The first step of a branch of the fork at `step`.
    pub fn branch(&self, scenario: u32, step: u32, branch: usize) -> u32 {
        match &self.scenarios[scenario as usize].steps[step as usize] {
            CompiledStep::Fork { branches, .. } => branches[branch],
            _ => step,
        }
    }

    /// Where who forked at `step` goes on.
    pub fn join(&self, scenario: u32, step: u32) -> u32 {
        match &self.scenarios[scenario as usize].steps[step as usize] {
            CompiledStep::Fork { join, .. } => *join,
            _ => step,
        }
    }

    /// The values that the branch which ends at `step` hands over.
    pub fn branch_slots(&self, scenario: u32, step: u32) -> &[u32] {
        match &self.scenarios[scenario as usize].steps[step as usize] {
            CompiledStep::BranchEnd(slots) => slots,
            _ => &[],
        }
    }

    /// When the stages end, in ns from the start.
    pub fn stages_end_ns(&self) -> u64 {
        self.stages
            .iter()
            .fold(0, |sum: u64, stage| sum.saturating_add(stage.duration_ns))
    }

    /// The highest level of the stages.
    fn top_level(&self) -> f64 {
        self.stages
            .iter()
            .flat_map(|stage| [stage.from, stage.to])
            .fold(0.0, f64::max)
    }
}

/// Make a checked plan ready.
///
/// # Errors
/// Every template, pattern and path that cannot be understood, at once.
pub fn compile(plan: &Plan, cores: usize) -> Result<Compiled, Problems> {
    let mut problems = vec![];
    let feeders = Feeders::new(&plan.feeders, plan.seed);
    let origins = Origins::of(plan);
    let mut names: Vec<StepName> = vec![];
    let mut scenarios = vec![];
    for (at, scenario) in plan.scenarios.iter().enumerate() {
        let builder = Builder {
            plan,
            origins: origins.planned(),
            feeders: &feeders,
            names: &mut names,
            problems: &mut problems,
        };
        scenarios.push(builder.scenario(&format!("scenarios[{at}]"), scenario));
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let total: f64 = plan.scenarios.iter().map(|scenario| scenario.weight).sum();
    let chances = plan.scenarios.iter().scan(0.0, |sum, scenario| {
        *sum += scenario.weight / total;
        Some(*sum)
    });
    let stage = |spec: &super::StageSpec| Stage {
        duration_ns: spec.duration_ns,
        from: spec.from,
        to: spec.to,
    };
    let mut compiled = Compiled {
        names: Arc::new(StepNames::new(names)),
        scenarios,
        scripted: plan
            .scenarios
            .iter()
            .any(|scenario| scenario.python)
            .then(|| ScriptBase::of(plan)),
        chances: chances.collect(),
        feeders,
        sources: plan.http.source_addresses.clone(),
        origins,
        connections_max: plan.http.connections_max.unwrap_or(usize::MAX),
        timeout_ns: plan.http.timeout_ns.unwrap_or(u64::MAX),
        redirects_max: plan.http.redirects_max,
        connect_timeout_ns: plan.http.connect_timeout_ns.unwrap_or(u64::MAX),
        body_bytes_max: plan.http.body_bytes_max,
        keep_alive: plan.http.keep_alive,
        connection_per_user: plan.http.connection_per_user,
        version: plan.http.version,
        streams_max: if plan.http.keep_alive {
            plan.http.streams_max
        } else {
            1
        },
        stages: plan.load.stages.iter().map(stage).collect(),
        kind: load_kind(&plan.load),
        iterations: plan.load.iterations,
        recorded_scenarios: plan.load.scenarios.clone(),
        count: plan.load.count,
        users_max: plan.load.users_max,
        finish: plan.load.finish,
        live: plan.live,
        keep_values: plan.keep_values,
        grace_ns: plan.grace_ns,
        seed: plan.seed,
        threads: 1,
        first_thread: plan.share.first,
        threads_of_all: 1,
    };
    compiled.threads = plan
        .threads
        .unwrap_or_else(|| default_threads(&compiled, cores));
    if compiled.scripted.is_some() {
        // One script thread feeds one engine thread.
        compiled.threads = 1;
    }
    // A thread without a connection, or without a user, could start nothing.
    let users_max = compiled.users_max.map_or(usize::MAX, |most| most as usize);
    compiled.threads = compiled
        .threads
        .min(compiled.connections_max)
        .min(users_max);
    compiled.threads_of_all = plan.share.of.unwrap_or(compiled.threads as u64);
    Ok(compiled)
}

fn load_kind(load: &super::Load) -> LoadKind {
    match load.kind {
        Kind::Closed => LoadKind::Closed,
        Kind::Open => LoadKind::Open(match load.arrivals.unwrap_or(ArrivalsKind::Poisson) {
            ArrivalsKind::Constant => Spacing::Even,
            ArrivalsKind::Poisson => Spacing::POISSON,
            ArrivalsKind::Gamma => Spacing::Random {
                shape: load.gamma_shape,
            },
            ArrivalsKind::Recorded => Spacing::Recorded(load.times_ns.clone().into()),
        }),
    }
}

/// One thread, unless the load is high and cores are plenty.
///
/// One thread sends far more than most services answer (some 100,000 requests a second per core). On a machine that is
/// shared with the service under test, a second one takes its core from the service and makes both wait for the
/// scheduler, which shows as lag. So: one thread below 5,000 starts per second or 500 users, and on 3 cores or fewer;
/// otherwise half of the cores, at most 4.
fn default_threads(compiled: &Compiled, cores: usize) -> usize {
    let low = match compiled.kind {
        LoadKind::Closed => compiled.top_level() <= 500.0,
        LoadKind::Open(_) => compiled.top_level() <= 5_000.0,
    };
    if low && !compiled.live {
        1
    } else {
        (cores / 2).clamp(1, 4)
    }
}
