//! What a rule does to a decision. Its invariant: every effect narrows what may be, or orders what is
//! left; none admits anything.

use std::fmt;
use std::sync::Arc;

use crate::boundary::Boundary;
use crate::candidate::{Candidate, PlacementKind};
use crate::facts::Label;
use crate::units::{Probability, Seconds, Usd};

/// What a rule does.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Effects {
    /// Content travels no further.
    pub(crate) boundary: Option<Boundary>,
    /// Content travels no further when a signal failed.
    pub(crate) on_error: Option<Boundary>,
    /// Other candidates are refused.
    pub(crate) require: Option<Selector>,
    /// These serve only when nothing else can.
    pub(crate) avoid: Option<Selector>,
    /// These come before others.
    pub(crate) prefer: Option<Preference>,
    /// What an answer may take.
    pub(crate) limits: Option<Limits>,
    /// Cascades are allowed and come first, with this confidence at least.
    pub(crate) cascade: Option<Cascade>,
    /// Where an answer may come from when a place fails.
    pub(crate) fallback: Option<Fallback>,
    /// Labels whose spans must be replaced before content leaves the device.
    pub(crate) redact: Vec<LabelPattern>,
    /// The budget that a request is charged to.
    pub(crate) charge: Option<Arc<str>>,
}

impl Effects {
    /// Whether it says anything.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether candidates have to be held against it one by one.
    pub(crate) fn judges_candidates(&self) -> bool {
        self.require.is_some()
            || self.avoid.is_some()
            || self.prefer.is_some()
            || self.limits.is_some()
            || self.cascade.is_some()
            || !self.redact.is_empty()
    }

    /// Whether it can refuse a candidate for what it is.
    pub(crate) const fn may_refuse(&self) -> bool {
        self.require.is_some() || self.limits.is_some()
    }

    /// The placement kinds that it may avoid.
    pub(crate) fn avoids(&self) -> Kinds {
        self.avoid.as_ref().map_or(Kinds::NONE, Selector::kinds)
    }

    /// The placement kinds that it may prefer.
    pub(crate) fn prefers(&self) -> Kinds {
        let prefer = self.prefer.as_ref();
        prefer.map_or(Kinds::NONE, |prefer| prefer.which.kinds())
    }

    /// Each as a policy would write it, such as `boundary: device`.
    pub(crate) fn told(&self) -> Vec<String> {
        let Self {
            boundary,
            on_error,
            require,
            avoid,
            prefer,
            limits,
            cascade,
            fallback,
            redact,
            charge,
        } = self;
        let mut told = Vec::new();
        let mut tell = |effect: Option<String>| told.extend(effect);
        tell(boundary.map(|boundary| format!("boundary: {boundary}")));
        tell(on_error.map(|boundary| format!("boundary: {boundary} when a signal fails")));
        tell(require.as_ref().map(|which| format!("require: {which}")));
        tell(avoid.as_ref().map(|which| format!("avoid: {which}")));
        tell(prefer.as_ref().map(|p| format!("prefer: {}", p.which)));
        tell(limits.map(|limits| format!("limits: {limits}")));
        tell(cascade.map(|c| format!("cascade: confidence {}", c.min_confidence.get())));
        tell(fallback.map(|fallback| format!("fallback: {}", fallback.name())));
        let patterns: Vec<_> = redact.iter().map(|pattern| pattern.0.as_ref()).collect();
        tell((!patterns.is_empty()).then(|| format!("redact: {}", patterns.join(", "))));
        tell(charge.as_ref().map(|budget| format!("charged to {budget}")));
        told
    }
}

/// How a cascade goes about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cascade {
    /// How sure it must be of the device's answer.
    pub min_confidence: Probability,
    /// So many tokens are held back until it is sure, or the whole answer when that is shorter.
    pub hold_tokens: u16,
}

impl Cascade {
    /// What is held back where a policy says nothing.
    pub(crate) const USUAL_HOLD: u16 = 16;

    /// What satisfies both.
    pub(crate) fn and(self, other: Self) -> Self {
        let min_confidence = if other.min_confidence > self.min_confidence {
            other.min_confidence
        } else {
            self.min_confidence
        };
        Self {
            min_confidence,
            hold_tokens: self.hold_tokens.max(other.hold_tokens),
        }
    }
}

/// Where an answer may come from when a place fails, before its answer begins or in the midst of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fallback {
    /// From nowhere else.
    None,
    /// From another place with the same model.
    #[default]
    SameModel,
    /// From another model, too.
    AnyModel,
}

impl Fallback {
    /// As policies write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SameModel => "same-model",
            Self::AnyModel => "any-model",
        }
    }
}

/// A set of placement kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub(crate) const NONE: Self = Self(0);

    const fn of(kind: PlacementKind) -> Self {
        Self(1 << kind as u8)
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, kind: PlacementKind) -> bool {
        self.0 & Self::of(kind).0 != 0
    }
}

/// Which candidates: each dimension that is stated must fit, with any of its names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) kinds: Vec<PlacementKind>,
    pub(crate) sites: Vec<Arc<str>>,
    pub(crate) models: Vec<Arc<str>>,
    pub(crate) variants: Vec<Arc<str>>,
    pub(crate) providers: Vec<Arc<str>>,
}

impl Selector {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The kinds of what it may select.
    fn kinds(&self) -> Kinds {
        let named: &[PlacementKind] = if self.kinds.is_empty() {
            &PlacementKind::ALL
        } else {
            &self.kinds
        };
        named
            .iter()
            .copied()
            .map(Kinds::of)
            .fold(Kinds::NONE, Kinds::with)
    }

    pub(crate) fn selects(&self, candidate: &Candidate) -> bool {
        let among = |names: &[Arc<str>], name: &str| {
            names.is_empty() || names.iter().any(|known| **known == *name)
        };
        (self.kinds.is_empty() || self.kinds.contains(&candidate.kind))
            && among(&self.sites, &candidate.site.name)
            && among(&self.models, &candidate.model)
            && among(&self.variants, &candidate.variant)
            && among(&self.providers, &candidate.provider)
    }

    /// Whether no candidate can be selected by both.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        fn apart<T: PartialEq>(a: &[T], b: &[T]) -> bool {
            !a.is_empty() && !b.is_empty() && !a.iter().any(|one| b.contains(one))
        }
        apart(&self.kinds, &other.kinds)
            || apart(&self.sites, &other.sites)
            || apart(&self.models, &other.models)
            || apart(&self.variants, &other.variants)
            || apart(&self.providers, &other.providers)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let mut parts = Vec::new();
        if !kinds.is_empty() {
            parts.push(kinds.join(" or "));
        }
        let named = [
            ("site", &self.sites),
            ("model", &self.models),
            ("variant", &self.variants),
            ("provider", &self.providers),
        ];
        for (what, names) in named {
            if !names.is_empty() {
                parts.push(format!("{what} {}", names.join(" or ")));
            }
        }
        f.write_str(&parts.join(", "))
    }
}

/// What comes before others. The only effect with a priority, since it decides nothing about what may
/// travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preference {
    pub(crate) which: Selector,
    /// 1 to 100; the highest of all that select a candidate counts.
    pub(crate) priority: u8,
}

/// What an answer may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub(crate) max_latency: Option<Seconds>,
    pub(crate) max_cost: Option<Usd>,
    pub(crate) otherwise: Otherwise,
}

/// What to do when nothing keeps to the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// Nothing serves.
    Refuse,
    /// The best of what does not.
    Relax,
}

impl Limits {
    /// Whether the candidate keeps to them. A cost that is not known does not.
    pub(crate) fn admit(&self, candidate: &Candidate) -> bool {
        let prediction = &candidate.prediction;
        let in_time = self
            .max_latency
            .is_none_or(|most| prediction.latency <= most);
        let affordable = self
            .max_cost
            .is_none_or(|most| prediction.cost.is_some_and(|cost| cost <= most));
        in_time && affordable
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = self.max_latency.map(|most| format!("{} s", most.get()));
        let cost = self.max_cost.map(|most| format!("{} USD", most.get()));
        let parts: Vec<_> = latency.into_iter().chain(cost).collect();
        f.write_str(&parts.join(", "))
    }
}

/// A label, or with a dot at its end all labels that begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelPattern(pub(crate) Arc<str>);

impl LabelPattern {
    pub(crate) fn matches(&self, label: &Label) -> bool {
        if self.0.ends_with('.') {
            label.as_str().starts_with(&*self.0)
        } else {
            label.as_str() == &*self.0
        }
    }
}
