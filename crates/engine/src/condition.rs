//! Conditions of `if` and `while`: `{{ page }} < 5 and not ({{ status }} == 'done')`. Parsed once, evaluated without
//! an allocation.
//!
//! Two values that read as numbers are compared as numbers, others as text. A comparison with a name that has no
//! value is false, whichever way it is asked. A value alone is true unless it is missing, empty, 0, false or null.
mod parse;

use std::borrow::Cow;
use std::cmp::Ordering;

pub use parse::{ConditionError, parse};

use crate::rng::Rng;
use crate::template::BuiltIn;
use crate::value::{Source, Values};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Below,
    AtMost,
    Above,
    AtLeast,
    Contains,
}

/// What stands beside an operator.
#[derive(Debug)]
pub enum Operand {
    Number(f64),
    Text(Box<str>),
    Source(Source),
    BuiltIn(BuiltIn),
}

#[derive(Debug)]
pub enum Condition {
    Or(Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Compare(Operand, Operator, Operand),
    Truth(Operand),
    Exists(Operand),
}

/// An operand's value now.
enum Now<'a> {
    Missing,
    Number(f64),
    Text(Cow<'a, str>),
}

impl Operand {
    fn now<'a>(&'a self, values: &Values<'a>, rng: &mut Rng) -> Now<'a> {
        match self {
            Self::Number(number) => Now::Number(*number),
            Self::Text(text) => Now::Text(Cow::Borrowed(text)),
            Self::Source(source) => source
                .get(values)
                .map_or(Now::Missing, |found| Now::Text(found.text)),
            Self::BuiltIn(built_in) => match built_in.number(values, rng) {
                Some(number) => Now::Number(number),
                None => {
                    let mut out = vec![];
                    built_in.write(values, rng, &mut out);
                    Now::Text(String::from_utf8_lossy(&out).into_owned().into())
                }
            },
        }
    }
}

impl Now<'_> {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Number(number) => Some(*number),
            Self::Text(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite()),
        }
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Missing => None,
            Self::Number(number) => Some(number.to_string().into()),
            Self::Text(text) => Some(Cow::Borrowed(text)),
        }
    }

    fn is_true(&self) -> bool {
        match self {
            Self::Missing => false,
            Self::Number(number) => *number != 0.0,
            Self::Text(text) => !matches!(&**text, "" | "0" | "false" | "null"),
        }
    }

    /// None where one of the two is missing.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        if let (Some(mine), Some(theirs)) = (self.number(), other.number()) {
            return mine.partial_cmp(&theirs);
        }
        Some(self.text()?.cmp(&other.text()?))
    }
}

/// The names that a condition asks for, without built-in ones.
///
/// # Errors
/// Where the condition is wrong, with a caret below it.
pub fn condition_names(text: &str) -> Result<Vec<String>, ConditionError> {
    let mut names = vec![];
    parse(text, &mut |name| {
        if let Some(built_in) = name
            .strip_prefix('$')
            .filter(|name| !name.starts_with("env."))
        {
            // Which loops are around it is looked at with the whole plan.
            return BuiltIn::parse(built_in, 1).map(Operand::BuiltIn);
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_string());
        }
        Ok(Operand::Number(0.0))
    })?;
    Ok(names)
}

impl Condition {
    pub fn holds(&self, values: &Values<'_>, rng: &mut Rng) -> bool {
        match self {
            Self::Or(one, other) => one.holds(values, rng) || other.holds(values, rng),
            Self::And(one, other) => one.holds(values, rng) && other.holds(values, rng),
            Self::Not(inner) => !inner.holds(values, rng),
            Self::Truth(operand) => operand.now(values, rng).is_true(),
            Self::Exists(operand) => !matches!(operand.now(values, rng), Now::Missing),
            Self::Compare(one, operator, other) => {
                let (one, other) = (one.now(values, rng), other.now(values, rng));
                if *operator == Operator::Contains {
                    return match (one.text(), other.text()) {
                        (Some(text), Some(part)) => text.contains(&*part),
                        _ => false,
                    };
                }
                let Some(order) = one.compare(&other) else {
                    return false;
                };
                match operator {
                    Operator::Equal => order.is_eq(),
                    Operator::NotEqual => order.is_ne(),
                    Operator::Below => order.is_lt(),
                    Operator::AtMost => order.is_le(),
                    Operator::Above => order.is_gt(),
                    Operator::AtLeast => order.is_ge(),
                    Operator::Contains => false,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
