//! Names of the steps and of a script's own series. A script names them as it goes, so the table grows; it is shared with
//! whoever puts the names to the numbers.
use std::sync::{Arc, PoisonError, RwLock};

/// Names that a script may make up; all further ones are `other`.
const NAMES_MAX: usize = 1_000;
/// What everything beyond the limit is called.
const OTHER: &str = "other";

/// Labels beside the step's own name.
pub type Tags = Box<[(Arc<str>, Arc<str>)]>;

/// What a step is called.
#[derive(Debug, Clone)]
pub struct StepName {
    pub name: Arc<str>,
    pub tags: Tags,
}

/// What values of a series mean together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnKind {
    /// Nanoseconds, each of them counted.
    Histogram,
    /// Amounts that add up.
    Counter,
    /// A level: the last one of a second stays.
    Gauge,
}

/// A series that a script records.
#[derive(Debug, Clone)]
pub struct OwnName {
    pub name: Arc<str>,
    pub labels: Tags,
    pub unit: Arc<str>,
    pub kind: OwnKind,
}

/// All names, by number. Numbers never change.
#[derive(Debug, Default)]
pub struct Names {
    steps: RwLock<Vec<StepName>>,
    own: RwLock<Vec<OwnName>>,
}

impl Names {
    pub fn new(steps: Vec<StepName>) -> Self {
        Self {
            steps: RwLock::new(steps),
            own: RwLock::default(),
        }
    }

    /// How many steps there are now.
    pub fn len(&self) -> usize {
        self.steps
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// The name of a step.
    pub fn step(&self, number: usize) -> Arc<str> {
        let steps = self.steps.read().unwrap_or_else(PoisonError::into_inner);
        steps
            .get(number)
            .map_or_else(|| OTHER.into(), |step| step.name.clone())
    }

    pub fn steps(&self) -> Vec<StepName> {
        let steps = self.steps.read().unwrap_or_else(PoisonError::into_inner);
        steps.clone()
    }

    pub fn own(&self, number: usize) -> Option<OwnName> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        own.get(number).cloned()
    }

    /// The step of this name and these tags, made if there is none.
    pub fn number(&self, name: &str, tags: &[(&str, &str)]) -> u32 {
        let mut steps = self.steps.write().unwrap_or_else(PoisonError::into_inner);
        let full = steps.len() >= NAMES_MAX;
        let mut find = |name: &str, tags: &[(&str, &str)], make: bool| {
            let known = steps
                .iter()
                .position(|step| *step.name == *name && same(&step.tags, tags));
            if known.is_none() && make {
                steps.push(StepName {
                    name: name.into(),
                    tags: owned(tags),
                });
                return Some(steps.len() - 1);
            }
            known
        };
        let number = find(name, tags, !full).or_else(|| find(OTHER, &[], true));
        number.unwrap_or(0) as u32
    }

    /// The series of this name and these labels, made if there is none.
    pub fn own_number(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        unit: &str,
        kind: OwnKind,
    ) -> u32 {
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        let find = |own: &[OwnName], name: &str, labels: &[(&str, &str)]| {
            own.iter().position(|series| {
                *series.name == *name && series.kind == kind && same(&series.labels, labels)
            })
        };
        let known = find(&own, name, labels);
        let (name, labels) = if known.is_some() || own.len() < NAMES_MAX {
            (name, labels)
        } else {
            (OTHER, &[][..])
        };
        let known = known.or_else(|| find(&own, name, labels));
        let number = known.unwrap_or_else(|| {
            own.push(OwnName {
                name: name.into(),
                labels: owned(labels),
                unit: unit.into(),
                kind,
            });
            own.len() - 1
        });
        number as u32
    }
}

fn same(tags: &Tags, wanted: &[(&str, &str)]) -> bool {
    tags.len() == wanted.len()
        && tags
            .iter()
            .zip(wanted)
            .all(|((key, value), (other_key, other))| **key == **other_key && **value == **other)
}

fn owned(tags: &[(&str, &str)]) -> Tags {
    tags.iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_tags_tell_steps_apart() {
        let names = Names::new(vec![StepName {
            name: "login".into(),
            tags: Box::default(),
        }]);
        assert_eq!(names.number("login", &[]), 0);
        let tagged = names.number("login", &[("team", "crm")]);
        assert_eq!((tagged, names.number("login", &[("team", "crm")])), (1, 1));
        assert_eq!(names.number("logout", &[]), 2);
        assert_eq!(&*names.step(2), "logout");
    }

    #[test]
    fn beyond_the_limit_all_further_names_are_one() {
        let names = Names::default();
        for n in 0..2 * NAMES_MAX {
            names.number(&format!("GET /{n}"), &[]);
            names.own_number(
                &format!("own{n}"),
                &[("n", &n.to_string())],
                "",
                OwnKind::Counter,
            );
        }
        assert_eq!(names.len(), NAMES_MAX + 1);
        assert_eq!(&*names.step(names.number("GET /new", &[]) as usize), OTHER);
        assert_eq!(names.number("GET /7", &[]), 7);
    }
}
