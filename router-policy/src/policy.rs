//! A policy: compiled from its documents, settled on the slow facts, asked about each request.
//!
//! Its invariant: rules only narrow. Whatever the order of rules, and whichever are added, the
//! boundary of a decision is the smallest of all that apply, and nothing refused is admitted again.

use std::fmt;
use std::sync::Arc;

use crate::boundary::Boundary;
use crate::decide::Question;
use crate::decision::Decision;
use crate::diagnostics::{Diagnostics, Span};
use crate::document::Objective;
use crate::effect::Effects;
use crate::facts::{Field, RequestFacts, SlowFacts, View};
use crate::hash::PolicyHash;
use crate::link::Loaded;
use crate::program::{Bool, reads};
use crate::settle::Settled;
use crate::units::Usd;

/// A policy that decides. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Policy(pub(crate) Arc<Parts>);

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) name: Arc<str>,
    pub(crate) hash: PolicyHash,
    pub(crate) objective: Objective,
    pub(crate) rules: Vec<Rule>,
    /// The rules once more, with what every decision needs of each.
    pub(crate) briefs: Vec<Brief>,
    /// Whether any rule asks for cascades.
    pub(crate) has_cascades: bool,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) default_boundary: Boundary,
    pub(crate) on_error: Boundary,
}

/// A rule of the whole: of the policy itself, of a policy laid over it, or of a budget.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) when: Bool,
    pub(crate) effects: Effects,
    pub(crate) place: Place,
}

/// What every decision needs of a rule, small enough to lie close to the next one's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Brief {
    pub(crate) boundary: Option<Boundary>,
    pub(crate) on_error: Option<Boundary>,
    pub(crate) judges_candidates: bool,
}

/// Where something was written: in which source, and where there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) source: usize,
    pub(crate) span: Span,
}

/// Which rule of a policy; a decision by that policy knows its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(pub(crate) u16);

/// What may be spent in a calendar month, by all devices together.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Its name.
    pub name: Arc<str>,
    /// How much.
    pub per_month: Usd,
}

/// One text with policy documents.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// Stands in front of what is wrong with it.
    pub name: &'s str,
    /// YAML, with any number of documents.
    pub text: &'s str,
}

impl Policy {
    /// Compiles the policy in one source.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn compile(source_name: &str, source: &str) -> Result<Self, Diagnostics> {
        let source = Source {
            name: source_name,
            text: source,
        };
        Self::load(&[source], None)
    }

    /// Compiles the policy or set named `entry` from these sources, with all that it includes.
    /// Without a name: the only set that no other includes, or else the only policy.
    ///
    /// # Errors
    /// Everything that is wrong with any of the sources, each with its place.
    pub fn load(sources: &[Source<'_>], entry: Option<&str>) -> Result<Self, Diagnostics> {
        let mut loaded = Loaded::read(sources);
        let parts = loaded
            .entry(entry)
            .and_then(|entry| loaded.link(&entry))
            .filter(|_| loaded.is_clean());
        match parts {
            Some(parts) => Ok(Self(Arc::new(parts))),
            None => Err(loaded.finish()),
        }
    }

    /// What decides while there is no policy: everything stays on the device.
    #[must_use]
    pub fn closed() -> Self {
        Self::without_rules("closed", Boundary::Device)
    }

    /// What a plug-in narrows where it decides alone: any site, the narrowest when it does not answer.
    #[must_use]
    pub fn open() -> Self {
        Self::without_rules("plug-in", Boundary::Cloud)
    }

    fn without_rules(name: &str, default_boundary: Boundary) -> Self {
        Self(Arc::new(Parts {
            name: name.into(),
            hash: PolicyHash::NONE,
            objective: Objective::default(),
            rules: Vec::new(),
            briefs: Vec::new(),
            has_cascades: false,
            budgets: Vec::new(),
            default_boundary,
            on_error: Boundary::Device,
        }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its exact version.
    #[must_use]
    pub fn hash(&self) -> PolicyHash {
        self.0.hash
    }

    /// Whether any of its rules asks for cascades: without one, none can serve.
    #[must_use]
    pub fn has_cascades(&self) -> bool {
        self.0.has_cascades
    }

    /// How many rules it has.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.0.rules.len()
    }

    /// Its budgets.
    #[must_use]
    pub fn budgets(&self) -> &[Budget] {
        &self.0.budgets
    }

    /// How far content may travel when signals failed or a plug-in did not answer, at most.
    #[must_use]
    pub fn on_error(&self) -> Boundary {
        self.0.on_error
    }

    /// The policy while `slow` holds.
    #[must_use]
    pub fn settle(&self, slow: &SlowFacts) -> Settled {
        Settled::new(self.clone(), Arc::new(slow.clone()))
    }

    /// Decides one request.
    #[must_use]
    pub fn decide(&self, slow: &SlowFacts, question: Question) -> Decision {
        self.settle(slow).decide(question)
    }
}

impl Parts {
    pub(crate) fn brief(&self, id: RuleId) -> Option<&Brief> {
        self.briefs.get(usize::from(id.0))
    }

    pub(crate) fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(usize::from(id.0))
    }

    /// What slow facts leave of every condition.
    pub(crate) fn settled<'p>(
        &'p self,
        slow: &SlowFacts,
    ) -> impl Iterator<Item = (RuleId, Bool)> + use<'p> {
        let slow = slow.clone();
        let ids = (0..=u16::MAX).map(RuleId);
        ids.zip(&self.rules).map(move |(id, rule)| {
            let view = View {
                request: &RequestFacts::default(),
                slow: &slow,
            };
            (id, rule.when.settled(view))
        })
    }
}

impl Rule {
    /// Whether it keeps content within `boundary` where it holds.
    pub(crate) fn keeps(&self, boundary: Boundary) -> bool {
        self.effects.boundary.is_some_and(|mine| mine <= boundary)
    }

    /// Whether it may hold wherever `other` does: a first look that costs little, and errs only by
    /// saying no.
    pub(crate) fn fits_around(&self, other: &Self) -> bool {
        let reads = other.reads();
        let mut mine = self.reads().into_iter();
        mine.all(|field| reads.iter().any(|known| known.path == field.path))
    }

    pub(crate) fn brief(&self) -> Brief {
        Brief {
            boundary: self.effects.boundary,
            on_error: self.effects.on_error,
            judges_candidates: self.effects.judges_candidates(),
        }
    }

    /// The fields that its condition looks at, each once.
    pub(crate) fn reads(&self) -> Vec<&'static Field> {
        let mut fields: Vec<&'static Field> = Vec::new();
        reads(&self.when, &mut |field| {
            if !fields.iter().any(|known| known.path == field.path) {
                fields.push(field);
            }
        });
        fields
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.name, self.0.hash)
    }
}

#[cfg(test)]
mod tests;
