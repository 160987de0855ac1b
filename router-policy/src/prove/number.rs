//! What is known of one number. Its invariant: it says that no number is left only when none is.

use crate::program::Comparison;

/// Bounds of a whole number, both included, and what it is not.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    least: i64,
    most: i64,
    not: Vec<i64>,
}

impl Whole {
    pub(super) const fn within(least: i64, most: i64) -> Self {
        Self {
            least,
            most,
            not: Vec::new(),
        }
    }

    /// Adds a comparison with a whole number.
    pub(super) fn compare(&mut self, how: Comparison, limit: i64) {
        match how {
            Comparison::Equal => {
                self.least = self.least.max(limit);
                self.most = self.most.min(limit);
            }
            Comparison::NotEqual => self.not.push(limit),
            Comparison::Less => match limit.checked_sub(1) {
                Some(limit) => self.most = self.most.min(limit),
                None => self.none(),
            },
            Comparison::LessOrEqual => self.most = self.most.min(limit),
            Comparison::Greater => match limit.checked_add(1) {
                Some(limit) => self.least = self.least.max(limit),
                None => self.none(),
            },
            Comparison::GreaterOrEqual => self.least = self.least.max(limit),
        }
    }

    /// Adds a comparison with any number, exactly: the whole numbers that keep to it are kept.
    pub(super) fn compare_double(&mut self, how: Comparison, limit: f64) {
        /// Doubles up to here count whole numbers without gaps.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if limit.abs() > EXACT {
            let above = limit > 0.0;
            let holds = match how {
                Comparison::Equal => false,
                Comparison::NotEqual => true,
                Comparison::Less | Comparison::LessOrEqual => above,
                Comparison::Greater | Comparison::GreaterOrEqual => !above,
            };
            // Facts that large are none that a device has; what is lost is an answer, not soundness.
            if !holds && self.most < i64::MAX && self.least > i64::MIN {
                self.none();
            }
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "within the range of i64")]
        let floor = limit.floor() as i64;
        let is_whole = limit.fract() == 0.0;
        match how {
            Comparison::Equal if is_whole => self.compare(how, floor),
            Comparison::Equal => self.none(),
            Comparison::NotEqual if is_whole => self.compare(how, floor),
            Comparison::NotEqual => {}
            Comparison::Less if is_whole => self.compare(how, floor),
            Comparison::Less | Comparison::LessOrEqual => {
                self.compare(Comparison::LessOrEqual, floor);
            }
            Comparison::GreaterOrEqual if is_whole => self.compare(how, floor),
            Comparison::Greater | Comparison::GreaterOrEqual => {
                self.compare(Comparison::Greater, floor);
            }
        }
    }

    const fn none(&mut self) {
        self.least = 1;
        self.most = 0;
    }

    /// A number that keeps to it all, the least one; `None` when there is none.
    pub(super) fn any(&self) -> Option<i64> {
        let mut candidate = self.least;
        while candidate <= self.most {
            if !self.not.contains(&candidate) {
                return Some(candidate);
            }
            candidate = candidate.checked_add(1)?;
        }
        None
    }

    /// The least that it may be, what it is not left aside.
    pub(super) const fn least(&self) -> i64 {
        self.least
    }

    /// The most that it may be.
    pub(super) const fn most(&self) -> i64 {
        self.most
    }
}

/// Bounds of a number that is finite, each included or not, and what it is not.
#[derive(Debug, Clone)]
pub(super) struct Real {
    least: (f64, bool),
    most: (f64, bool),
    not: Vec<f64>,
}

impl Default for Real {
    fn default() -> Self {
        Self {
            least: (f64::MIN, true),
            most: (f64::MAX, true),
            not: Vec::new(),
        }
    }
}

impl Real {
    pub(super) fn compare(&mut self, how: Comparison, limit: f64) {
        match how {
            Comparison::Equal => {
                self.raise(limit, true);
                self.lower(limit, true);
            }
            Comparison::NotEqual => self.not.push(limit),
            Comparison::Less => self.lower(limit, false),
            Comparison::LessOrEqual => self.lower(limit, true),
            Comparison::Greater => self.raise(limit, false),
            Comparison::GreaterOrEqual => self.raise(limit, true),
        }
    }

    fn raise(&mut self, limit: f64, included: bool) {
        let (least, was) = self.least;
        if limit > least || (limit >= least && was && !included) {
            self.least = (limit, included);
        }
    }

    fn lower(&mut self, limit: f64, included: bool) {
        let (most, was) = self.most;
        if limit < most || (limit <= most && was && !included) {
            self.most = (limit, included);
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_none(&self) -> bool {
        let (least, least_in) = self.least;
        let (most, most_in) = self.most;
        if least > most {
            return true;
        }
        let is_one = least >= most;
        is_one && (!least_in || !most_in || self.is_not(least))
    }

    /// A number that keeps to it all, if one is found.
    pub(super) fn any(&self) -> Option<f64> {
        let (least, _) = self.least;
        let (most, _) = self.most;
        let mut tries = vec![least, most, 0.0, 1.0, least / 2.0 + most / 2.0];
        for step in 1..=self.not.len() + 1 {
            #[expect(clippy::cast_precision_loss, reason = "a few steps")]
            let part = step as f64 / (self.not.len() + 3) as f64;
            tries.extend([least + part, most - part, least + (most - least) * part]);
        }
        tries.into_iter().find(|value| self.admits(*value))
    }

    fn admits(&self, value: f64) -> bool {
        let (least, least_in) = self.least;
        let (most, most_in) = self.most;
        let above = value > least || (least_in && value >= least);
        let below = value < most || (most_in && value <= most);
        value.is_finite() && above && below && !self.is_not(value)
    }

    fn is_not(&self, value: f64) -> bool {
        self.not
            .iter()
            .any(|not| not.total_cmp(&value).is_eq() || (value - not).abs() <= 0.0)
    }
}
