//! Read a condition: `or` binds loosest, then `and`, `not`, comparisons.
use std::fmt;

use super::{Condition, Operand, Operator};

/// A longer condition is refused; so is one nested deeper than `DEPTH_MAX`.
const LENGTH_MAX: usize = 2_000;
const DEPTH_MAX: usize = 50;

/// Where a condition is wrong, and what was wanted there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionError {
    /// The condition.
    pub text: String,
    /// The byte at which it is wrong.
    pub at: usize,
    /// What was wanted, and what is there.
    pub reason: String,
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line: String = self
            .text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let column = self.text[..self.at].chars().count();
        write!(
            f,
            "column {}: {}\n    {line}\n    {}^",
            column + 1,
            self.reason,
            " ".repeat(column)
        )
    }
}

impl std::error::Error for ConditionError {}

/// Read a condition; `resolve` says what a name (or `$built_in`) stands for.
///
/// # Errors
/// Where it is wrong.
pub fn parse(
    text: &str,
    resolve: &mut dyn FnMut(&str) -> Result<Operand, String>,
) -> Result<Condition, ConditionError> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        resolve,
    };
    let read = if text.len() > LENGTH_MAX {
        Err((0, format!("longer than {LENGTH_MAX} characters")))
    } else {
        reader.whole()
    };
    read.map_err(|(at, reason)| ConditionError {
        text: text.chars().take(LENGTH_MAX).collect(),
        at,
        reason,
    })
}

type Read<T> = Result<T, (usize, String)>;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    resolve: &'a mut dyn FnMut(&str) -> Result<Operand, String>,
}

impl Reader<'_> {
    fn whole(&mut self) -> Read<Condition> {
        let condition = self.any_of()?;
        if self.rest().is_empty() {
            Ok(condition)
        } else {
            self.wrong("wanted and, or, an operator or the end")
        }
    }

    fn any_of(&mut self) -> Read<Condition> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.wrong("nested too deep");
        }
        let mut condition = self.all_of()?;
        while self.word("or") {
            condition = Condition::Or(Box::new(condition), Box::new(self.all_of()?));
        }
        self.depth -= 1;
        Ok(condition)
    }

    fn all_of(&mut self) -> Read<Condition> {
        let mut condition = self.negation()?;
        while self.word("and") {
            condition = Condition::And(Box::new(condition), Box::new(self.negation()?));
        }
        Ok(condition)
    }

    fn negation(&mut self) -> Read<Condition> {
        let mut negations = 0;
        while self.word("not") {
            negations += 1;
        }
        let condition = self.comparison()?;
        Ok(if negations % 2 == 1 {
            Condition::Not(Box::new(condition))
        } else {
            condition
        })
    }

    fn comparison(&mut self) -> Read<Condition> {
        if self.symbol("(") {
            let inner = self.any_of()?;
            self.close()?;
            return Ok(inner);
        }
        let before = self.at;
        if self.word("exists") {
            if self.symbol("(") {
                let operand = self.operand()?;
                self.close()?;
                return Ok(Condition::Exists(operand));
            }
            self.at = before;
        }
        let one = self.operand()?;
        let Some(operator) = self.operator() else {
            return Ok(Condition::Truth(one));
        };
        Ok(Condition::Compare(one, operator, self.operand()?))
    }

    fn operator(&mut self) -> Option<Operator> {
        let symbols = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("<", Operator::Below),
            (">", Operator::Above),
        ];
        if self.word("contains") {
            return Some(Operator::Contains);
        }
        symbols
            .into_iter()
            .find(|(text, _)| self.symbol(text))
            .map(|(_, operator)| operator)
    }

    fn operand(&mut self) -> Read<Operand> {
        let rest = self.rest();
        match rest.chars().next() {
            Some(quote @ ('\'' | '"')) => self.quoted(quote),
            Some('{') => self.braced(),
            Some(c) if c.is_ascii_digit() || c == '-' || c == '.' => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' || c == '$' => self.name(),
            _ => self.wrong("wanted a name, a number or a text in quotes"),
        }
    }

    fn quoted(&mut self, quote: char) -> Read<Operand> {
        let inner = &self.text[self.at + 1..];
        let Some(end) = inner.find(quote) else {
            return self.wrong("this quote is not closed");
        };
        self.at += end + 2;
        Ok(Operand::Text(inner[..end].into()))
    }

    fn braced(&mut self) -> Read<Operand> {
        let rest = &self.text[self.at..];
        let Some((inner, close)) = rest
            .strip_prefix("{{")
            .and_then(|inner| inner.find("}}").map(|close| (inner, close)))
        else {
            return self.wrong("a name is written {{ name }}");
        };
        let at = self.at;
        self.at += close + 4;
        (self.resolve)(inner[..close].trim()).map_err(|reason| (at, reason))
    }

    fn number(&mut self) -> Read<Operand> {
        let rest = &self.text[self.at..];
        let stands = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
        let end = rest.find(|c| !stands(c)).unwrap_or(rest.len());
        match rest[..end].parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.at += end;
                Ok(Operand::Number(number))
            }
            _ => self.wrong("this is no number"),
        }
    }

    fn name(&mut self) -> Read<Operand> {
        let at = self.at;
        let rest = &self.text[at..];
        let stands =
            |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '$' | '[' | ']');
        let mut end = rest.find(|c| !stands(c)).unwrap_or(rest.len());
        if rest.starts_with('$') && rest[end..].starts_with('(') {
            end += rest[end..].find(')').map_or(0, |close| close + 1);
        }
        self.at += end;
        match &rest[..end] {
            "true" | "false" | "null" => Ok(Operand::Text(rest[..end].into())),
            "and" | "or" | "not" | "contains" => {
                self.at = at;
                self.wrong("wanted a name, a number or a text in quotes")
            }
            name => (self.resolve)(name).map_err(|reason| (at, reason)),
        }
    }

    fn close(&mut self) -> Read<()> {
        if self.symbol(")") {
            Ok(())
        } else {
            self.wrong("wanted )")
        }
    }

    /// What is still to be read, from the next thing that is no space.
    fn rest(&mut self) -> &str {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        &self.text[self.at..]
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().strip_prefix(word).is_some_and(|after| {
            !after.starts_with(|c: char| {
                c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '$' | '[')
            })
        });
        if found {
            self.at += word.len();
        }
        found
    }

    fn wrong<T>(&self, reason: &str) -> Read<T> {
        let got = self.text[self.at..].chars().next();
        let got = got.map_or("the end".into(), |c| format!("{c:?}"));
        Err((self.at, format!("{reason}, got {got}")))
    }
}
