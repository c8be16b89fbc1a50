//! Points in time and calendar periods, in UTC.

use std::fmt;

use jiff::civil::DateTime;
use jiff::{Span as JiffSpan, Timestamp, ToSpan, ZonedDateTime, tz::TimeZone};
use serde::Serialize;

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

/// Microseconds in a day.
pub const DAY: i64 = 86_400_000_000;

impl Instant {
    /// Now, by the machine's clock.
    #[must_use]
    pub fn now() -> Self {
        Self(Timestamp::now().as_microsecond())
    }
}

/// Microseconds since 1970 as a date and a time, up to the end of 9999: instants end a day before, for the sake
/// of zones, and people write 9999-12-31 for ever.
#[must_use]
pub fn civil(micros: i64) -> Option<DateTime> {
    let since = JiffSpan::new().try_microseconds(micros).ok()?;
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since).ok()
}

/// A point in time as cells and people write it, up to the end of 9999: `2026-06-30T10:00:00Z`.
#[must_use]
pub fn utc_text(micros: i64) -> Option<String> {
    match Timestamp::from_microsecond(micros) {
        Ok(at) => Some(at.to_string()),
        Err(_) => civil(micros).map(|at| format!("{at}Z")),
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match utc_text(self.0) {
            Some(at) => f.write_str(&at),
            None => write!(f, "{} us", self.0),
        }
    }
}

/// A calendar period such as `24 months`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Period {
    /// How many.
    pub count: u32,
    /// Of what.
    pub unit: PeriodUnit,
}

/// The unit of a [`Period`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodUnit {
    /// 60 minutes.
    Hours,
    /// 24 hours: UTC has no other days.
    Days,
    /// 7 days.
    Weeks,
    /// Calendar months, clamped to the month's end.
    Months,
    /// 12 calendar months.
    Years,
}

impl Period {
    /// Reads `24 months`, `7 days`, `1 year`, `12 hours`, `2 weeks`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.trim().split_once(char::is_whitespace)?;
        let count: u32 = count.parse().ok().filter(|n| *n > 0)?;
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "hour" | "hours" => PeriodUnit::Hours,
            "day" | "days" => PeriodUnit::Days,
            "week" | "weeks" => PeriodUnit::Weeks,
            "month" | "months" => PeriodUnit::Months,
            "year" | "years" => PeriodUnit::Years,
            _ => return None,
        };
        Some(Self { count, unit })
    }

    /// `start` plus this period, in the UTC calendar; saturates at the end of time.
    #[must_use]
    pub fn after(self, start: Instant) -> Instant {
        let n = i64::from(self.count);
        let span: JiffSpan = match self.unit {
            PeriodUnit::Hours => return Instant(start.0.saturating_add(n * DAY / 24)),
            PeriodUnit::Days => return Instant(start.0.saturating_add(n.saturating_mul(DAY))),
            PeriodUnit::Weeks => return Instant(start.0.saturating_add(n.saturating_mul(7 * DAY))),
            PeriodUnit::Months => match n {
                0..=200_000 => n.months(),
                _ => return Instant(i64::MAX),
            },
            PeriodUnit::Years => match n {
                0..=15_000 => n.years(),
                _ => return Instant(i64::MAX),
            },
        };
        // Before the calendar begins all periods have ended.
        if start.0 < Timestamp::MIN.as_microsecond() {
            return Instant(i64::MIN);
        }
        Timestamp::from_microsecond(start.0)
            .ok()
            .map(|at| ZonedDateTime::new(at, TimeZone::UTC))
            .and_then(|at| at.checked_add(span).ok())
            .map_or(Instant(i64::MAX), |end| Instant(end.timestamp().as_microsecond()))
    }

    /// True if this period, begun at `start`, has ended at `end`: `after(start) <= end`.
    ///
    /// There is no one latest start to compare with: months clamp, so January 29, 23:00 may end
    /// later than January 31, 10:00.
    #[must_use]
    pub fn has_ended(self, start: Instant, end: Instant) -> bool {
        self.after(start) <= end
    }

    /// Two starts: this period has [ended](Self::has_ended) at `end` if it began at the first or
    /// before, and has not if it began at the second or later. Between them the calendar decides.
    #[must_use]
    pub fn surely_ended(self, end: Instant) -> (i64, i64) {
        // `after` is off from a shift of the whole calendar by less than a month's clamp of three
        // days, so five days before a start that ends at `end` every start has ended.
        const LEEWAY: i64 = 5 * DAY;
        let (mut ended, mut open) = (i64::MIN, i64::MAX);
        while open.abs_diff(ended) > DAY.unsigned_abs() {
            let middle = ended.midpoint(open);
            if self.has_ended(Instant(middle), end) { ended = middle } else { open = middle }
        }
        (ended.saturating_sub(LEEWAY), open.saturating_add(LEEWAY))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            PeriodUnit::Hours => "hour",
            PeriodUnit::Days => "day",
            PeriodUnit::Weeks => "week",
            PeriodUnit::Months => "month",
            PeriodUnit::Years => "year",
        };
        write!(f, "{} {unit}{}", self.count, if self.count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant(text.parse::<Timestamp>().expect("a timestamp").as_microsecond())
    }

    #[test]
    fn months_clamp_to_the_months_end() {
        let month = Period::parse("1 month").expect("a period");
        assert_eq!(month.after(at("2025-01-31T10:00:00Z")), at("2025-02-28T10:00:00Z"));
        assert_eq!(month.after(at("2024-01-31T10:00:00Z")), at("2024-02-29T10:00:00Z"));
        let two_years = Period::parse("24 months").expect("a period");
        assert_eq!(two_years.after(at("2024-02-29T00:00:00Z")), at("2026-02-28T00:00:00Z"));
    }

    #[test]
    fn a_later_start_may_end_earlier() {
        let period = Period::parse("13 months").expect("a period");
        let end = at("2026-02-28T12:00:00Z");
        assert!(period.has_ended(at("2025-01-31T10:00:00Z"), end));
        assert!(!period.has_ended(at("2025-01-29T23:00:00Z"), end));
        assert!(period.has_ended(at("2025-01-28T12:00:00Z"), end));
        assert!(!period.has_ended(at("2025-01-28T12:00:00.000001Z"), end));
    }

    #[test]
    fn what_has_surely_ended_has() {
        for text in ["1 hour", "30 days", "6 weeks", "1 month", "13 months", "24 months", "4 years"]
        {
            let period = Period::parse(text).expect("a period");
            for end in ["2026-02-28T12:00:00Z", "2024-02-29T00:00:00Z", "2026-11-24T00:00:00Z"] {
                let end = at(end);
                let (ended, open) = period.surely_ended(end);
                assert!(open.abs_diff(ended) < 12 * DAY.unsigned_abs(), "{text}");
                for hours in 0..2000 {
                    let step = hours * DAY / 24;
                    assert!(period.has_ended(Instant(ended - step), end), "{text} {hours}");
                    assert!(!period.has_ended(Instant(open + step), end), "{text} {hours}");
                }
            }
        }
    }

    #[test]
    fn periods_need_a_count_and_a_unit() {
        for text in ["", "months", "0 days", "-1 days", "3 fortnights", "1.5 years"] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }
}
