//! Calendar months in UTC, from milliseconds since 1970.

use serde::{Deserialize, Serialize};

/// A calendar month: years since 0 times 12, and months.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Month(pub u32);

/// A time, and the month that it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// The month.
    pub month: Month,
    /// When the next one begins, in milliseconds since 1970.
    pub month_ends_ms: u64,
}

const DAY_MS: u64 = 86_400_000;

impl Moment {
    /// The moment so many milliseconds after 1970 began.
    #[must_use]
    pub fn at(unix_ms: u64) -> Self {
        let month = month_of(unix_ms / DAY_MS);
        Self {
            unix_ms,
            month: Month(u32::try_from(month).unwrap_or(u32::MAX)),
            month_ends_ms: first_day(month + 1).saturating_mul(DAY_MS),
        }
    }
}

/// The month that a day since 1970 lies in. After Howard Hinnant, "chrono-compatible low-level date
/// algorithms": eras of 400 years that begin in March.
fn month_of(day: u64) -> u64 {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    (era * 400 + year) * 12 + from_march + 2
}

/// The first day of a month, in days since 1970.
fn first_day(month: u64) -> u64 {
    let shifted = month.saturating_sub(2);
    let (years, from_march) = (shifted / 12, shifted % 12);
    let (era, year) = (years / 400, years % 400);
    let of_era = year * 365 + year / 4 - year / 100 + (153 * from_march + 2) / 5;
    (era * 146_097 + of_era).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    //! Months begin and end where calendars say.

    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let check = |unix_s: u64, year: u32, month: u32, ends_s: u64| {
            let moment = Moment::at(unix_s * 1000);
            assert_eq!(moment.month, Month(year * 12 + month - 1), "{unix_s}");
            assert_eq!(moment.month_ends_ms, ends_s * 1000, "{unix_s}");
        };
        check(0, 1970, 1, 2_678_400);
        check(1_709_164_800, 2024, 2, 1_709_251_200);
        check(1_709_251_199, 2024, 2, 1_709_251_200);
        check(1_709_251_200, 2024, 3, 1_711_929_600);
        check(1_798_675_200, 2026, 12, 1_798_761_600);
    }
}
