//! Branches of `parallel`: a user for each, under way at the same time; the one who forked goes on when all are done.
use super::Worker;
use super::users::{AFTER_LAST, User};

/// How a user leaves; of several branches the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaving {
    /// Its branch has come to its end.
    Done,
    /// Something it needed is missing: the iteration ends.
    Ended,
    /// A request got no answer: the iteration ends, after a pause.
    Failed,
}

impl Worker {
    /// Send a user into each branch.
    pub(super) fn fork(&mut self, user: u32, branches: usize, at_ns: u64) {
        let parent = &mut self.users[user as usize];
        (parent.branches, parent.leaving) = (branches as u32, Leaving::Done);
        let (number, scenario, fork) = (parent.number, parent.scenario, parent.step);
        parent.step = self.plan.join(scenario, fork);
        for branch in 0..branches {
            let mut child = User::new(number, scenario as usize, at_ns);
            child.parent = user;
            child.step = self.plan.branch(scenario, fork, branch);
            if let Some(memory) = &self.users[user as usize].memory {
                let mut own = self.spare.take();
                own.copy(memory);
                child.memory = Some(own);
            }
            self.branch_users += 1;
            let child = self.users.insert(child) as u32;
            self.soon_at(child, at_ns);
        }
    }

    /// The branch is done: its values are those of the user who forked.
    pub(super) fn end_branch(&mut self, user: u32) {
        let child = &mut self.users[user as usize];
        child.leaving = Leaving::Done;
        let slots = self.plan.branch_slots(child.scenario, child.step);
        let (memory, parent) = (child.memory.take(), child.parent);
        if let (Some(memory), Some(parent)) = (&memory, self.users.get_mut(parent as usize)) {
            let scenario = &self.plan.scenarios[parent.scenario as usize];
            let kept = parent.remember(scenario, &mut self.spare);
            for slot in slots {
                let slot = *slot as usize;
                if memory.held[slot].is_set() {
                    kept.held[slot].copy(&memory.held[slot]);
                }
            }
            kept.jar.merge(&memory.jar);
        }
        if let Some(memory) = memory {
            self.spare.put(memory);
        }
        self.gone(user);
    }

    /// The user is no more. If it was in a branch, who forked is told, and goes on after the last one.
    pub(super) fn gone(&mut self, user: u32) {
        self.let_go(user);
        let gone = self.users.remove(user as usize);
        if let Some(memory) = gone.memory {
            if self.plan.keep_values && gone.parent == User::NONE {
                let names = &self.plan.scenarios[gone.scenario as usize].held;
                let values = names.iter().zip(&memory.held);
                self.second.values.extend(
                    values.filter_map(|(name, held)| Some((name.clone(), held.to_json()?))),
                );
            }
            self.spare.put(memory);
        }
        if gone.parent == User::NONE {
            return;
        }
        self.branch_users -= 1;
        let now = self.now_ns;
        // When the run ends, who forked has left already.
        let Some(parent) = self.users.get_mut(gone.parent as usize) else {
            return;
        };
        parent.branches -= 1;
        parent.leaving = parent.leaving.max(gone.leaving);
        if parent.branches > 0 {
            return;
        }
        match parent.leaving {
            Leaving::Done => {}
            Leaving::Ended => parent.step = AFTER_LAST,
            Leaving::Failed => return self.end_iteration_after_failure(gone.parent),
        }
        self.soon_at(gone.parent, now);
    }
}
