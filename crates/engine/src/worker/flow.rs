//! Steps that send nothing: variables, conditions, loops, lines to log. They are taken one after the other, until one
//! has to wait for something.
use super::users::User;
use crate::memory::{Memory, Spare};
use crate::plan::compile::Compiled;
use crate::plan::program::{CompiledStep, Given, LoopStart, LoopTest, Scenario};
use crate::rng::Rng;
use crate::value::{Held, Turns, Values};

/// Steps that a user takes before others have their turn: under a millisecond.
const STEPS_A_TURN: u32 = 1_000;
/// Steps that a user takes without a request or a pause, over all its turns; more end the iteration.
const STEPS_UNTIL_SPINNING: u32 = 100_000;

/// What a user has come to.
pub enum Turn {
    Request {
        series: usize,
    },
    Think {
        min_ns: u64,
        max_ns: u64,
    },
    /// The next pass of a loop with a pace is due then, which may have been.
    Until(u64),
    Socket,
    Fork(usize),
    BranchEnd,
    /// A line to log; the step is still to be left.
    Log,
    Over,
    /// There is more to do, after the others.
    Yield,
    /// The iteration cannot go on.
    Stuck(String),
    /// Too many steps without a request or a pause.
    Spinning,
}

impl User {
    /// Take steps until one waits; `at_ns` is when this one became due.
    pub fn take_turn(&mut self, plan: &Compiled, spare: &mut Spare, at_ns: u64) -> Turn {
        let scenario = &plan.scenarios[self.scenario as usize];
        for _ in 0..STEPS_A_TURN {
            let Some(step) = scenario.steps.get(self.step as usize) else {
                return Turn::Over;
            };
            match step {
                CompiledStep::Request(request) => {
                    self.waits();
                    return Turn::Request {
                        series: request.series,
                    };
                }
                CompiledStep::Think { min_ns, max_ns } => {
                    self.waits();
                    return Turn::Think {
                        min_ns: *min_ns,
                        max_ns: *max_ns,
                    };
                }
                CompiledStep::Socket(_) => {
                    self.waits();
                    return Turn::Socket;
                }
                CompiledStep::Fork { branches, .. } => return Turn::Fork(branches.len()),
                CompiledStep::BranchEnd(_) => return Turn::BranchEnd,
                CompiledStep::Jump(to) => {
                    self.step = *to;
                    continue;
                }
                _ => {}
            }
            let mut rng = self.rng(plan.seed);
            let (number, feeders) = (self.number, &plan.feeders);
            let memory = self.remember(scenario, spare);
            memory.unwaited += 1;
            if memory.unwaited > STEPS_UNTIL_SPINNING {
                return Turn::Spinning;
            }
            let mut at = Place {
                number,
                feeders,
                memory,
                rng: &mut rng,
            };
            if let CompiledStep::LoopTest(test) = step
                && let Some(due_ns) = at.due_ns(test)
            {
                at.memory.unwaited = 0;
                return Turn::Until(due_ns);
            }
            let next = match step {
                CompiledStep::Set(set) => {
                    if let Err(reason) = at.give(set.slot, &set.value) {
                        return Turn::Stuck(reason);
                    }
                    self.step + 1
                }
                CompiledStep::Log(_) => return Turn::Log,
                CompiledStep::Unless { condition, to } => {
                    let values = at.memory.values(number, feeders);
                    if condition.holds(&values, at.rng) {
                        self.step + 1
                    } else {
                        *to
                    }
                }
                CompiledStep::LoopBegin(start) => match at.begin_loop(start, at_ns) {
                    Ok(()) => self.step + 1,
                    Err(reason) => return Turn::Stuck(reason),
                },
                CompiledStep::LoopTest(test) => match at.goes_on(test, at_ns) {
                    Ok(true) => self.step + 1,
                    Ok(false) => test.end,
                    Err(reason) => return Turn::Stuck(reason),
                },
                CompiledStep::LoopAgain { register, test } => {
                    at.memory.turns[*register].index += 1;
                    at.memory.passes += 1;
                    *test
                }
                _ => self.step + 1,
            };
            self.step = next;
        }
        Turn::Yield
    }

    /// The user is about to wait for something.
    fn waits(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.unwaited = 0;
        }
    }

    /// The line of the log step that the user is at.
    pub fn log_line(&self, plan: &Compiled) -> String {
        let steps = &plan.scenarios[self.scenario as usize].steps;
        let Some(CompiledStep::Log(text)) = steps.get(self.step as usize) else {
            return String::new();
        };
        let mut out = vec![];
        let mut rng = self.rng(plan.seed);
        match text.render(&self.values(plan), &mut rng, &mut out) {
            Ok(()) => String::from_utf8_lossy(&out).into_owned(),
            Err(name) => format!("(no value for {{{{ {name} }}}})"),
        }
    }

    /// What the user remembers, made if there is nothing yet.
    pub fn remember(&mut self, scenario: &Scenario, spare: &mut Spare) -> &mut Memory {
        remembered(&mut self.memory, scenario, spare)
    }
}

/// What is remembered, made if there is nothing yet.
pub fn remembered<'a>(
    memory: &'a mut Option<Box<Memory>>,
    scenario: &Scenario,
    spare: &mut Spare,
) -> &'a mut Memory {
    memory.get_or_insert_with(|| {
        let mut memory = spare.take();
        memory.begin(scenario.slots, scenario.loops);
        memory
    })
}

/// A user at a step, with what the step may look at and change.
struct Place<'a> {
    number: u64,
    feeders: &'a crate::feeder::Feeders,
    memory: &'a mut Memory,
    rng: &'a mut Rng,
}

impl Place<'_> {
    /// Write a value into `held`, which is none of the iteration's own while it is written.
    fn write(&mut self, given: &Given, held: &mut Held) -> Result<(), String> {
        let values = self.memory.values(self.number, self.feeders);
        let missing = |name: &str| format!("{{{{ {name} }}}} has no value");
        match given {
            Given::Constant(constant) => held.set(&constant.text, constant.json),
            Given::Copy(source) => {
                let found = source.get(&values).ok_or_else(|| missing(&source.name))?;
                held.set(&found.text, found.json);
            }
            Given::Text(template) | Given::Json(template) => {
                let mut out = vec![];
                template
                    .render(&values, self.rng, &mut out)
                    .map_err(missing)?;
                held.set(
                    &String::from_utf8_lossy(&out),
                    matches!(given, Given::Json(_)),
                );
            }
        }
        Ok(())
    }

    fn give(&mut self, slot: usize, given: &Given) -> Result<(), String> {
        // The new value may be made of the old one, so it is written beside it; then the two change places.
        let mut held = std::mem::take(&mut self.memory.beside);
        let written = self.write(given, &mut held);
        if written.is_ok() {
            std::mem::swap(&mut self.memory.held[slot], &mut held);
        }
        self.memory.beside = held;
        written
    }

    fn begin_loop(&mut self, start: &LoopStart, at_ns: u64) -> Result<(), String> {
        let mut list = Held::default();
        if let Some(over) = &start.over {
            self.write(over, &mut list)?;
        }
        let turns = &mut self.memory.turns[start.register];
        *turns = Turns {
            until_ns: start
                .for_ns
                .map_or(0, |for_ns| at_ns.saturating_add(for_ns)),
            began_ns: at_ns,
            ..Turns::default()
        };
        if start.over.is_some() {
            turns.list = list.into_text();
        }
        Ok(())
    }

    /// When the next pass of a loop with a pace is due, if that has not been waited for.
    fn due_ns(&mut self, test: &LoopTest) -> Option<u64> {
        let every_ns = test.every_ns?;
        let turns = &mut self.memory.turns[test.register];
        if turns.waited == turns.index || turns.index >= test.count {
            return None;
        }
        turns.waited = turns.index;
        Some(
            turns
                .began_ns
                .saturating_add(every_ns.saturating_mul(turns.index)),
        )
    }

    /// Is there another pass? Its item is put in its place.
    fn goes_on(&mut self, test: &LoopTest, at_ns: u64) -> Result<bool, String> {
        let turns = &self.memory.turns[test.register];
        if turns.index >= test.count || (test.for_ns.is_some() && at_ns >= turns.until_ns) {
            return Ok(false);
        }
        if test.over && !self.memory.next_item(test.register, test.item)? {
            return Ok(false);
        }
        let values = self.memory.values(self.number, self.feeders);
        let condition = test.condition.as_ref();
        Ok(condition.is_none_or(|condition| condition.holds(&values, self.rng)))
    }
}

impl Memory {
    pub fn values<'a>(&'a self, number: u64, feeders: &'a crate::feeder::Feeders) -> Values<'a> {
        Values {
            number,
            held: &self.held,
            turns: &self.turns,
            feeders,
        }
    }

    /// Put the list's next item into its slot; false after the last one.
    fn next_item(&mut self, register: usize, item: Option<usize>) -> Result<bool, String> {
        let turns = &mut self.turns[register];
        let next = turns.elements.next(turns.list.as_bytes());
        let raw = next.map_err(|_| {
            let list = crate::expect::excerpt(turns.list.as_bytes());
            format!("a loop goes over a JSON list, got {list}")
        })?;
        let Some(raw) = raw else { return Ok(false) };
        if let Some(slot) = item
            && !self.held[slot].set_json(raw)
        {
            return Err("a loop goes over a JSON list, got something broken in it".into());
        }
        Ok(true)
    }
}
