//! Online estimators: a state and an outcome give the next state. Each prediction says how sure it is.

use crate::units::{Seconds, Tokens};

/// A predicted latency and one standard deviation of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// The latency.
    pub latency: Seconds,
    /// One standard deviation.
    pub sd: Seconds,
}

/// Latency as `fixed + per_token × tokens`, in seconds.
///
/// Recursive least squares with exponential forgetting (Ljung, *System Identification*, 2nd edition,
/// section 11.2) over the two coefficients. Outcomes far from what was expected are pulled nearer
/// before they count, so that one pause of the machine does not spoil the estimate, while a lasting
/// change is followed within some thirty outcomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyEstimator {
    fixed: f64,
    per_token: f64,
    /// The coefficients' covariance, scaled by the noise: [fixed², fixed × token, token²].
    covariance: [f64; 3],
    /// Mean squared error of one-step predictions, in seconds².
    noise: f64,
}

/// Weight of the past against each new outcome: about the last fifteen count.
const FORGETTING: f64 = 0.93;
/// Tokens are counted in hundreds, so that both coefficients are of one size.
const TOKEN_SCALE: f64 = 100.0;
/// Outcomes further away than this many standard deviations are pulled to that distance.
const PULL: f64 = 4.0;
/// The covariance never grows beyond this: without variety in the lengths it would.
const MAX_COVARIANCE: f64 = 10.0;
/// Nothing is known more exactly than this share of itself, or than a microsecond.
const LEAST_SD: (f64, f64) = (0.02, 1e-6);
/// Longest latency that is believed, in seconds.
const LONGEST: f64 = 86_400.0;

impl LatencyEstimator {
    /// Starts from measured or told coefficients, in seconds and seconds per token, believed to
    /// within a third.
    #[must_use]
    pub fn new(fixed_seconds: f64, per_token_seconds: f64) -> Self {
        let fixed = sane(fixed_seconds);
        let per_token = sane(per_token_seconds) * TOKEN_SCALE;
        let typical = (fixed + per_token) / 3.0;
        Self {
            fixed,
            per_token,
            covariance: [0.5, 0.0, 0.5],
            noise: (typical * typical).max(1e-10),
        }
    }

    /// What to expect of a request of that many tokens.
    #[must_use]
    pub fn predict(&self, tokens: Tokens) -> Expected {
        let x = f64::from(tokens.get()) / TOKEN_SCALE;
        let latency = (self.fixed + self.per_token * x).clamp(0.0, LONGEST);
        let spread = 1.0 + self.leverage(x);
        let (share, least) = LEAST_SD;
        let sd = (self.noise * spread).sqrt().max(latency * share).max(least);
        Expected {
            latency: Seconds::clamped(latency),
            sd: Seconds::clamped(sd),
        }
    }

    /// The state after a request of that many tokens took that long. An outcome that is no number
    /// changes nothing.
    #[must_use]
    pub fn observe(&self, tokens: Tokens, took: Seconds) -> Self {
        let x = f64::from(tokens.get()) / TOKEN_SCALE;
        let expected = self.predict(tokens);
        let reach = PULL * expected.sd.get();
        let surprise =
            (took.get().min(LONGEST) - (self.fixed + self.per_token * x)).clamp(-reach, reach);

        let [a, b, c] = self.covariance;
        let denominator = FORGETTING + self.leverage(x);
        let gain = [(a + b * x) / denominator, (b + c * x) / denominator];
        let shrink = |p: f64, update: f64| (p - update) / FORGETTING;
        let covariance = [
            shrink(a, gain[0] * (a + b * x)).clamp(1e-6, MAX_COVARIANCE),
            shrink(b, gain[0] * (b + c * x)).clamp(-MAX_COVARIANCE, MAX_COVARIANCE),
            shrink(c, gain[1] * (b + c * x)).clamp(1e-6, MAX_COVARIANCE),
        ];
        Self {
            fixed: (self.fixed + gain[0] * surprise).clamp(0.0, LONGEST),
            per_token: (self.per_token + gain[1] * surprise).clamp(0.0, LONGEST),
            covariance,
            // Slower than the coefficients: it says how far off predictions have been of late.
            noise: (self.noise * 0.95 + surprise * surprise * 0.05).clamp(1e-14, LONGEST * LONGEST),
        }
    }

    /// How uncertain the coefficients make a prediction at `x`, in units of the noise.
    fn leverage(&self, x: f64) -> f64 {
        let [a, b, c] = self.covariance;
        (a + 2.0 * b * x + c * x * x).max(0.0)
    }
}

/// A coefficient as far as it is one.
fn sane(value: f64) -> f64 {
    if value.is_finite() {
        value.clamp(0.0, LONGEST)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
