//! What is known of one text. Its invariant: it says that no text is left only when none is.

use std::sync::Arc;

use super::number::Whole;
use crate::program::{Comparison, Matching};

/// Something that a text is or is not.
#[derive(Debug, Clone)]
pub(super) enum Trait {
    Compared(Comparison, Arc<str>),
    Matching(Matching, Arc<str>),
    Expression(regex::Regex),
}

impl Trait {
    fn is_of(&self, text: &str) -> bool {
        match self {
            Self::Compared(how, other) => how.holds(Some(text.cmp(&**other))),
            Self::Matching(how, part) => how.holds(text, part),
            Self::Expression(expression) => expression.is_match(text),
        }
    }
}

/// What is known of one text.
#[derive(Debug, Clone)]
pub(super) struct Known {
    is: Option<Arc<str>>,
    begin: Arc<str>,
    end: Arc<str>,
    contains: Vec<Arc<str>>,
    traits: Vec<(Trait, bool)>,
    pub(super) size: Whole,
}

/// No text is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nothing;

impl Default for Known {
    fn default() -> Self {
        Self {
            is: None,
            begin: "".into(),
            end: "".into(),
            contains: Vec::new(),
            traits: Vec::new(),
            size: Whole::within(0, i64::MAX),
        }
    }
}

impl Known {
    /// A text that is written out.
    pub(super) fn exactly(text: Arc<str>) -> Self {
        Self {
            is: Some(text),
            ..Self::default()
        }
    }

    /// Adds that the text is so, or is not.
    pub(super) fn add(&mut self, what: Trait, holds: bool) -> Result<(), Nothing> {
        if holds {
            match &what {
                Trait::Compared(Comparison::Equal, text) => match &self.is {
                    Some(known) if known != text => return Err(Nothing),
                    _ => self.is = Some(text.clone()),
                },
                Trait::Matching(Matching::StartsWith, part) => {
                    self.begin = longer(&self.begin, part, |a, b| a.starts_with(b))?;
                }
                Trait::Matching(Matching::EndsWith, part) => {
                    self.end = longer(&self.end, part, |a, b| a.ends_with(b))?;
                }
                Trait::Matching(Matching::Contains, part) => self.contains.push(part.clone()),
                Trait::Compared(..) | Trait::Expression(_) => {}
            }
        }
        if let Trait::Compared(Comparison::NotEqual, text) = &what
            && !holds
        {
            return self.add(Trait::Compared(Comparison::Equal, text.clone()), true);
        }
        self.traits.push((what, holds));
        self.check()
    }

    /// Whether what is known contradicts itself, as far as that can be told.
    pub(super) fn check(&self) -> Result<(), Nothing> {
        if let Some(is) = &self.is {
            return if self.admits(is) {
                Ok(())
            } else {
                Err(Nothing)
            };
        }
        let certain = || [&self.begin, &self.end].into_iter().chain(&self.contains);
        for (what, holds) in &self.traits {
            let Trait::Matching(how, part) = what else {
                continue;
            };
            let implied = match how {
                Matching::StartsWith => self.begin.starts_with(&**part),
                Matching::EndsWith => self.end.ends_with(&**part),
                Matching::Contains => certain().any(|known| known.contains(&**part)),
            };
            if implied && !holds {
                return Err(Nothing);
            }
        }
        let longest = certain()
            .map(|part| part.chars().count())
            .max()
            .unwrap_or(0);
        let least = i64::try_from(longest).unwrap_or(i64::MAX);
        let mut size = self.size.clone();
        size.compare(Comparison::GreaterOrEqual, least);
        size.any().map_or(Err(Nothing), |_| Ok(()))
    }

    /// A text that is all of it, if one is found.
    pub(super) fn any(&self) -> Option<Arc<str>> {
        if let Some(is) = &self.is {
            return self.admits(is).then(|| is.clone());
        }
        let mut tries: Vec<String> = Vec::new();
        for filler in ["", "x", "-q", "zz9", "~", "0"] {
            let middle = self.contains.join(filler);
            let whole = format!("{}{filler}{middle}{filler}{}", self.begin, self.end);
            tries.push(format!("{}{filler}", self.begin));
            tries.push(format!("{filler}{}", self.end));
            tries.push(self.padded(&whole));
            tries.push(whole);
        }
        tries.extend(self.contains.iter().map(ToString::to_string));
        for (what, _) in &self.traits {
            if let Trait::Compared(_, text) = what {
                tries.extend([text.to_string(), format!("{text}x")]);
            }
        }
        tries
            .into_iter()
            .find(|text| self.admits(text))
            .map(Into::into)
    }

    /// The text made as long as it must be, between its begin and its end.
    fn padded(&self, text: &str) -> String {
        /// Longest text that is made up.
        const LONGEST: usize = 4096;
        let wanted = self.size.any().and_then(|size| usize::try_from(size).ok());
        let lacking = wanted
            .unwrap_or(0)
            .min(LONGEST)
            .saturating_sub(text.chars().count());
        let (begin, rest) = text.split_at(self.begin.len().min(text.len()));
        format!("{begin}{}{rest}", "y".repeat(lacking))
    }

    fn admits(&self, text: &str) -> bool {
        let count = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let mut size = self.size.clone();
        size.compare(Comparison::Equal, count);
        size.any().is_some()
            && self
                .traits
                .iter()
                .all(|(what, holds)| what.is_of(text) == *holds)
    }
}

/// The longer of two parts that stand at the same side.
fn longer(a: &Arc<str>, b: &Arc<str>, fits: fn(&str, &str) -> bool) -> Result<Arc<str>, Nothing> {
    match (fits(a, b), fits(b, a)) {
        (true, _) => Ok(a.clone()),
        (false, true) => Ok(b.clone()),
        (false, false) => Err(Nothing),
    }
}
