//! A scenario's steps, laid out one behind the other: loops, conditions and branches become jumps, so that a user is
//! at one number, however deep the plan is nested.
use serde_json::Value;

use super::compile::Origin;
use super::request::Request;
use super::socket::{self, SocketStep, SocketWork, Talk, Upgrade};
use super::{Plan, Step, Think};
use crate::condition::{self, Condition, Operand};
use crate::feeder::Feeders;
use crate::record::{StepName, Tags};
use crate::template::{BuiltIn, Place, Template};
use crate::value::{Constant, Names, Source};

#[derive(Debug)]
pub enum CompiledStep {
    Request(Box<Request>),
    Think {
        min_ns: u64,
        max_ns: u64,
    },
    /// On the socket that an earlier step opened.
    Socket(Box<SocketStep>),
    Set(Box<Assignment>),
    Log(Box<Template>),
    /// Go on at `to` unless the condition holds.
    Unless {
        condition: Box<Condition>,
        to: u32,
    },
    Jump(u32),
    /// Before the first pass.
    LoopBegin(Box<LoopStart>),
    /// Before each pass: go on at `end` when there is none left.
    LoopTest(Box<LoopTest>),
    /// After each pass: back to the test.
    LoopAgain {
        register: usize,
        test: u32,
    },
    /// Send a user of its own into each branch, and go on at `join` when all are done.
    Fork {
        branches: Box<[u32]>,
        join: u32,
    },
    /// A branch is done; these values are its user's from now on.
    BranchEnd(Box<[u32]>),
}

/// What a variable is given.
#[derive(Debug)]
pub struct Assignment {
    pub slot: usize,
    pub value: Given,
}

#[derive(Debug)]
pub enum Given {
    Constant(Constant),
    /// Another value with its type.
    Copy(Source),
    Text(Template),
    /// JSON with templates in it.
    Json(Template),
}

#[derive(Debug)]
pub struct LoopStart {
    pub register: usize,
    pub for_ns: Option<u64>,
    pub over: Option<Given>,
}

#[derive(Debug)]
pub struct LoopTest {
    pub register: usize,
    pub count: u64,
    pub over: bool,
    pub for_ns: Option<u64>,
    pub every_ns: Option<u64>,
    pub condition: Option<Condition>,
    /// The slot that takes the list's item.
    pub item: Option<usize>,
    pub end: u32,
}

#[derive(Debug)]
pub struct Scenario {
    pub steps: Vec<CompiledStep>,
    /// How many values an iteration holds.
    pub slots: usize,
    /// What they are called.
    pub held: Vec<String>,
    /// How many loops are within one another at most.
    pub loops: usize,
    /// The series of its first request: what goes wrong between requests is counted there.
    pub first_series: Option<usize>,
    pub name: Box<str>,
}

/// What a scenario is laid out with.
pub struct Builder<'a> {
    pub plan: &'a Plan,
    pub origins: &'a [Origin],
    pub feeders: &'a Feeders,
    /// Names of the series so far.
    pub names: &'a mut Vec<StepName>,
    pub problems: &'a mut Vec<String>,
}

impl Builder<'_> {
    pub fn scenario(mut self, path: &str, scenario: &super::Scenario) -> Scenario {
        let mut held = vec![];
        collect_names(&scenario.steps, &mut held);
        let mut layout = Layout {
            builder: &mut self,
            held: &held,
            cookies: scenario.cookies,
            steps: vec![],
            loops: 0,
            deepest: 0,
            first_series: None,
            inside: None,
        };
        layout.all(&format!("{path}.steps"), &scenario.steps);
        Scenario {
            loops: layout.deepest,
            first_series: layout.first_series,
            steps: layout.steps,
            slots: held.len(),
            held: held.clone(),
            name: scenario.name.as_str().into(),
        }
    }
}

/// Every name that some step gives a value to, each once.
fn collect_names(steps: &[Step], held: &mut Vec<String>) {
    for step in steps {
        let given: Vec<&String> = match step {
            Step::Request(request) => request.extract.iter().map(|e| &e.variable).collect(),
            Step::Message(message) => message.extract.iter().map(|e| &e.variable).collect(),
            Step::Websocket(socket) => {
                let extract = &socket.request.extract;
                extract.iter().map(|e| &e.variable).collect()
            }
            Step::Set(set) => set.values.iter().map(|(name, _)| name).collect(),
            Step::Loop(turns) => turns.item.iter().collect(),
            _ => vec![],
        };
        for name in given {
            if !held.contains(name) {
                held.push(name.clone());
            }
        }
        for inner in step.within() {
            collect_names(inner, held);
        }
    }
}

struct Layout<'a, 'b> {
    builder: &'a mut Builder<'b>,
    held: &'a [String],
    cookies: bool,
    steps: Vec<CompiledStep>,
    /// Loops around the step that is laid out.
    loops: usize,
    deepest: usize,
    first_series: Option<usize>,
    inside: Option<Inside>,
}

/// The socket that steps are inside of.
#[derive(Clone, Copy)]
struct Inside {
    opened_by: u32,
    reconnect: bool,
}

impl Layout<'_, '_> {
    fn names(&self) -> Names<'_> {
        Names {
            held: self.held,
            feeders: self.builder.feeders,
            variables: &self.builder.plan.variables,
            loops: self.loops,
        }
    }

    fn here(&self) -> u32 {
        self.steps.len() as u32
    }

    fn all(&mut self, path: &str, steps: &[Step]) {
        for (at, step) in steps.iter().enumerate() {
            self.one(&format!("{path}[{at}]"), step);
        }
    }

    fn wrong(&mut self, path: &str, text: impl std::fmt::Display) {
        self.builder.problems.push(format!("{path}: {text}"));
    }

    fn one(&mut self, path: &str, step: &Step) {
        match step {
            Step::Request(request) => self.request(path, request),
            Step::Think(Think { min_ns, max_ns }) => self.steps.push(CompiledStep::Think {
                min_ns: *min_ns,
                max_ns: *max_ns,
            }),
            Step::Set(set) => {
                for (name, value) in &set.values {
                    let slot = self.slot(name);
                    match self.given(value) {
                        Ok(value) => self
                            .steps
                            .push(CompiledStep::Set(Box::new(Assignment { slot, value }))),
                        Err(reason) => self.wrong(&format!("{path}.set {name:?}"), reason),
                    }
                }
            }
            Step::Log(log) => match Template::parse(&log.text, Place::Body, &self.names()) {
                Ok(text) => self.steps.push(CompiledStep::Log(Box::new(text))),
                Err(reason) => self.wrong(&format!("{path}.log.text"), reason),
            },
            Step::If(branch) => self.branch(path, branch),
            Step::Loop(turns) => self.turns(path, turns),
            Step::Parallel(parallel) => self.fork(path, parallel),
            Step::Websocket(socket) => self.socket(path, socket),
            Step::Message(message) => {
                let own = message.receive.as_ref().and_then(|wait| wait.timeout_ns);
                match Talk::compile(message, &self.names()) {
                    Ok(talk) => self.work(&message.name, own, SocketWork::Message(talk)),
                    Err(wrong) => self.all_wrong(&format!("{path}.message"), wrong),
                }
            }
            Step::Ping(ping) => self.work(&ping.name, ping.timeout_ns, SocketWork::Ping),
        }
    }

    /// Steps of one name and the same tags are counted together.
    fn series(&mut self, name: &str, tags: &[(String, String)]) -> usize {
        let names = &mut *self.builder.names;
        let tags: Tags = tags
            .iter()
            .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
            .collect();
        let is_it = |known: &StepName| *known.name == *name && known.tags == tags;
        let known = names.iter().position(is_it);
        let series = known.unwrap_or_else(|| {
            let name = name.into();
            names.push(StepName { name, tags });
            names.len() - 1
        });
        self.first_series = self.first_series.or(Some(series));
        series
    }

    /// A step on the socket that we are inside of (the check has refused others).
    fn work(&mut self, name: &str, own_ns: Option<u64>, what: SocketWork) {
        let Some(inside) = self.inside else { return };
        let step = SocketStep {
            series: self.series(name, &[]),
            opened_by: inside.opened_by,
            reconnect: inside.reconnect,
            timeout_ns: socket::timeout_ns(own_ns, self.builder.plan),
            what,
        };
        self.steps.push(CompiledStep::Socket(Box::new(step)));
    }

    fn socket(&mut self, path: &str, spec: &socket::WebSocket) {
        let series = self.series(&spec.request.name, &[]);
        let upgrade = Upgrade {
            subprotocols: spec.subprotocols.clone(),
            keeps_unread: socket::keeps_unread(&spec.steps),
            past: 0,
        };
        let (plan, origins) = (self.builder.plan, self.builder.origins);
        let names = self.names();
        let made =
            Request::compile_upgrade(spec, upgrade, series, plan, origins, &names, self.cookies);
        let mut request = match made {
            Ok(request) => request,
            Err(wrong) => return self.all_wrong(&format!("{path}.websocket.request"), wrong),
        };
        let at = self.steps.len();
        // Its place is taken now; where it ends is known later.
        self.steps.push(CompiledStep::Jump(0));
        let around = self.inside.replace(Inside {
            opened_by: at as u32,
            reconnect: spec.reconnect,
        });
        self.all(&format!("{path}.websocket.steps"), &spec.steps);
        let close = SocketWork::Close {
            code: spec.close.code,
            reason: spec.close.reason.clone(),
        };
        self.work(&spec.request.name, plan.http.connect_timeout_ns, close);
        self.inside = around;
        if let Some(upgrade) = &mut request.upgrade {
            upgrade.past = self.here();
        }
        self.steps[at] = CompiledStep::Request(Box::new(request));
    }

    fn request(&mut self, path: &str, spec: &super::Request) {
        let series = self.series(&spec.name, &spec.tags);
        let (plan, origins) = (self.builder.plan, self.builder.origins);
        match Request::compile(spec, series, plan, origins, &self.names(), self.cookies) {
            Ok(request) => self.steps.push(CompiledStep::Request(Box::new(request))),
            Err(wrong) => self.all_wrong(&format!("{path}.request"), wrong),
        }
    }

    fn all_wrong(&mut self, path: &str, texts: Vec<String>) {
        for text in texts {
            self.builder.problems.push(format!("{path}.{text}"));
        }
    }

    fn slot(&self, name: &str) -> usize {
        self.held
            .iter()
            .position(|known| known == name)
            .unwrap_or(0)
    }

    fn condition(&mut self, path: &str, text: &str) -> Option<Condition> {
        let names = self.names();
        let condition = condition::parse(text, &mut |name| match name.strip_prefix('$') {
            Some(built_in) if !names.variables.contains_key(name) => {
                BuiltIn::parse(built_in, names.loops).map(Operand::BuiltIn)
            }
            _ => Source::resolve(name, &names).map(Operand::Source),
        });
        condition.map_err(|error| self.wrong(path, error)).ok()
    }

    /// A value of the plan: a text with templates, JSON with templates in its texts, or a constant.
    fn given(&self, value: &Value) -> Result<Given, String> {
        let names = self.names();
        match value {
            Value::String(text) => {
                let template = Template::parse(text, Place::Body, &names)?;
                Ok(match (template.fixed(), template.alone()) {
                    (_, Some(source)) => Given::Copy(source.clone()),
                    (Some(_), _) if alone_in(text) => Given::Copy(Source::resolve(
                        text.trim_matches(['{', '}']).trim(),
                        &names,
                    )?),
                    (Some(_), _) => Given::Constant(Constant::from(value)),
                    _ if number_in(text) => Given::Json(template),
                    _ => Given::Text(template),
                })
            }
            other => {
                let text = other.to_string();
                let template = Template::parse(&text, Place::TypedJson, &names)?;
                Ok(match template.fixed() {
                    Some(bytes) => Given::Constant(Constant {
                        text: String::from_utf8_lossy(bytes).into(),
                        json: true,
                    }),
                    None => Given::Json(template),
                })
            }
        }
    }

    fn branch(&mut self, path: &str, branch: &super::If) {
        let condition = self.condition(&format!("{path}.if.condition"), &branch.condition);
        let test = self.steps.len();
        self.steps.push(CompiledStep::Jump(0));
        self.all(&format!("{path}.if.steps"), &branch.steps);
        if !branch.otherwise.is_empty() {
            let skip = self.steps.len();
            self.steps.push(CompiledStep::Jump(0));
            self.set_test(test, condition);
            self.all(&format!("{path}.if.else"), &branch.otherwise);
            self.steps[skip] = CompiledStep::Jump(self.here());
        } else {
            self.set_test(test, condition);
        }
    }

    fn set_test(&mut self, test: usize, condition: Option<Condition>) {
        if let Some(condition) = condition {
            let (condition, to) = (Box::new(condition), self.here());
            self.steps[test] = CompiledStep::Unless { condition, to };
        }
    }

    fn turns(&mut self, path: &str, turns: &super::Loop) {
        let path = format!("{path}.loop");
        let over = turns.over.as_ref().map(|over| self.given(over));
        let over = over.transpose().unwrap_or_else(|reason| {
            self.wrong(&format!("{path}.over"), reason);
            None
        });
        let (register, for_ns) = (self.loops, turns.for_ns);
        self.loops += 1;
        self.deepest = self.deepest.max(self.loops);
        let condition = turns.condition.as_ref();
        let condition = condition.and_then(|text| self.condition(&format!("{path}.while"), text));
        let is_over = over.is_some();
        let item = turns.item.as_ref().map(|item| self.slot(item));
        self.steps.push(CompiledStep::LoopBegin(Box::new(LoopStart {
            register,
            for_ns,
            over,
        })));
        let test = self.here();
        self.steps.push(CompiledStep::Jump(0));
        self.all(&format!("{path}.steps"), &turns.steps);
        self.steps.push(CompiledStep::LoopAgain { register, test });
        self.steps[test as usize] = CompiledStep::LoopTest(Box::new(LoopTest {
            register,
            count: turns.count.unwrap_or(u64::MAX),
            for_ns,
            every_ns: turns.every_ns,
            condition,
            over: is_over,
            item,
            end: self.here(),
        }));
        self.loops -= 1;
    }

    fn fork(&mut self, path: &str, parallel: &super::Parallel) {
        let fork = self.steps.len();
        self.steps.push(CompiledStep::Jump(0));
        let mut branches = vec![];
        let around = self.inside.take();
        for (at, branch) in parallel.branches.iter().enumerate() {
            branches.push(self.here());
            self.all(&format!("{path}.parallel.branches[{at}]"), branch);
            let mut given = vec![];
            collect_names(branch, &mut given);
            let slots = given.iter().map(|name| self.slot(name) as u32).collect();
            self.steps.push(CompiledStep::BranchEnd(slots));
        }
        self.inside = around;
        let join = self.here();
        self.steps[fork] = CompiledStep::Fork {
            branches: branches.into(),
            join,
        };
    }
}

/// Is the text one built-in number and nothing else?
fn number_in(text: &str) -> bool {
    let inner = text.trim().trim_start_matches("{{").trim_end_matches("}}");
    let built_in = inner.trim().strip_prefix('$');
    alone_in(text)
        && built_in.is_some_and(|name| BuiltIn::parse(name, 1).is_ok_and(BuiltIn::is_number))
}

/// Is the text one template and nothing else?
fn alone_in(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("{{") && text.ends_with("}}") && text.matches("{{").count() == 1
}
