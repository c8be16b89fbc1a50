//! The calendar, by hand: days, months that clamp to the month's end, texts of dates and datetimes.
//!
//! `plan::Period` does the same with a date library. Here it is written once more from the rules of
//! the Gregorian calendar, so that a fault there does not hide itself. Only the zone of a datetime
//! that names none is asked of the library, because the rules of zones are data and not arithmetic.

use jiff::{Timestamp, tz::TimeZone};
use optin::plan::{Period, PeriodUnit};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
/// Microseconds in a day; UTC has no other days.
pub const DAY: i64 = 86_400 * SECOND;

/// A year, a month from 1 to 12 and a day of the month from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// Days of a month.
pub fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of January of `year`.
fn days_to_year(year: i64) -> i64 {
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    // 477 leap days lie before 1970.
    (year - 1970) * 365 + leap_days - 477
}

/// Days since 1970-01-01.
pub fn to_days(date: Civil) -> i64 {
    let months: i64 = (1..date.month).map(|month| month_length(date.year, month)).sum();
    days_to_year(date.year) + months + date.day - 1
}

/// The date that lies so many days after 1970-01-01.
pub fn from_days(days: i64) -> Civil {
    // No year has fewer than 365 days, so this guess is at most a few years off.
    let mut year = 1970 + days.div_euclid(365);
    while days_to_year(year) > days {
        year -= 1;
    }
    while days_to_year(year + 1) <= days {
        year += 1;
    }
    let mut rest = days - days_to_year(year);
    let mut month = 1;
    while rest >= month_length(year, month) {
        rest -= month_length(year, month);
        month += 1;
    }
    Civil { year, month, day: rest + 1 }
}

/// `days` plus calendar months (or minus, where negative), clamped to the month's end.
pub fn add_months(days: i64, months: i64) -> i64 {
    let from = from_days(days);
    let count = from.year * 12 + (from.month - 1) + months;
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
    to_days(Civil { year, month, day: from.day.min(month_length(year, month)) })
}

/// The same for a datetime: the time of day stays.
pub fn add_months_to_datetime(micros: i64, months: i64) -> i64 {
    add_months(micros.div_euclid(DAY), months) * DAY + micros.rem_euclid(DAY)
}

/// The instant at which a period that starts at `micros` has ended.
pub fn period_end(period: Period, micros: i64) -> i64 {
    let count = i64::from(period.count);
    match period.unit {
        PeriodUnit::Hours => micros + count * 3_600 * SECOND,
        PeriodUnit::Days => micros + count * DAY,
        PeriodUnit::Weeks => micros + count * 7 * DAY,
        PeriodUnit::Months => add_months_to_datetime(micros, count),
        PeriodUnit::Years => add_months_to_datetime(micros, count * 12),
    }
}

/// Reads `YYYY-MM-DD` as days since 1970-01-01.
pub fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let date = Civil { year: digits(year)?, month: digits(month)?, day: digits(day)? };
    let real = (1..=12).contains(&date.month)
        && (1..=month_length(date.year, date.month)).contains(&date.day);
    real.then(|| to_days(date))
}

fn digits(text: &str) -> Option<i64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

/// A cell of a datetime column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A date alone: days since 1970-01-01.
    Day(i64),
    /// A point in time: microseconds since 1970-01-01T00:00:00Z.
    At(i64),
    /// A day of some zone: its first and its last microsecond.
    Span(i64, i64),
}

/// Reads RFC 3339, `YYYY-MM-DD HH:MM:SS` or the same with `T`, with or without a fraction and a
/// zone, or a date alone. A datetime without a zone is in `timezone`.
pub fn parse_datetime(text: &str, timezone: &str) -> Option<Point> {
    let days = parse_date(text.get(..10)?)?;
    let Some(separator) = text[10..].chars().next() else {
        return Some(Point::Day(days));
    };
    if !matches!(separator, 'T' | 't' | ' ') {
        return None;
    }
    let rest = &text[11..];
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone_at);
    let local = days * DAY + parse_time(time)?;
    match zone {
        "" => in_zone(local, timezone).map(Point::At),
        "Z" | "z" => Some(Point::At(local)),
        _ => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = match zone[1..].split_once(':') {
                Some(parts) => parts,
                None if zone.len() == 5 => zone[1..].split_at(2),
                None => (&zone[1..], "00"),
            };
            let offset = (digits(hours)? * 3_600 + digits(minutes)? * 60) * SECOND;
            Some(Point::At(local - sign * offset))
        }
    }
}

/// Microseconds since midnight of `HH:MM:SS` or `HH:MM:SS.fraction`.
fn parse_time(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (hour, minute, second) = (digits(hour)?, digits(minute)?, digits(second)?);
    if hour > 23 || minute > 59 || second > 59 || digits(fraction).is_none() {
        return None;
    }
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(((hour * 60 + minute) * 60 + second) * SECOND + digits(&micros)?)
}

/// The instant of a clock reading in a zone: the reading less the offset that holds at that instant.
/// Of two such instants (an hour that the clock repeats) the earlier; none in an hour it skips.
fn in_zone(local: i64, timezone: &str) -> Option<i64> {
    let zone = TimeZone::get(timezone).ok()?;
    let quarters = (-18 * 4..=18 * 4).rev().map(|quarter| quarter * 900 * SECOND);
    quarters.map(|offset| (local - offset, offset)).find_map(|(instant, offset)| {
        let at = Timestamp::from_microsecond(instant).ok()?;
        let holds = i64::from(zone.to_offset(at).seconds()) * SECOND == offset;
        holds.then_some(instant)
    })
}

/// A day in a zone.
pub fn day_in_zone(days: i64, timezone: &str) -> Option<Point> {
    let first = in_zone(days * DAY, timezone)?;
    let next = in_zone((days + 1) * DAY, timezone)?;
    Some(Point::Span(first, next - 1))
}

/// `2026-11-24`.
pub fn date_text(days: i64) -> String {
    let date = from_days(days);
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

/// `2026-11-24T10:00:00Z`, with a fraction only if there is one.
pub fn datetime_text(micros: i64) -> String {
    let time = micros.rem_euclid(DAY);
    let (seconds, rest) = (time / SECOND, time % SECOND);
    let fraction = match rest {
        0 => String::new(),
        _ => format!(".{rest:06}").trim_end_matches('0').to_owned(),
    };
    format!(
        "{}T{:02}:{:02}:{:02}{fraction}Z",
        date_text(micros.div_euclid(DAY)),
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        match parse_datetime(text, "UTC") {
            Some(Point::At(micros)) => micros,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn days_count_from_1970_and_go_both_ways() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("1969-12-31"), Some(-1));
        assert_eq!(parse_date("2000-03-01"), Some(11_017));
        assert_eq!(parse_date("2026-11-24"), Some(20_781));
        for days in (-200_000..200_000).step_by(77) {
            assert_eq!(to_days(from_days(days)), days);
        }
        for text in ["2026-02-29", "2026-13-01", "2026-1-01", "26-01-01", "2026-01-01-01", ""] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn months_clamp_to_the_months_end() {
        let end = |text: &str, period: &str| {
            datetime_text(period_end(Period::parse(period).expect("a period"), at(text)))
        };
        assert_eq!(end("2025-01-31T10:00:00Z", "1 month"), "2025-02-28T10:00:00Z");
        assert_eq!(end("2024-01-31T10:00:00.5Z", "1 month"), "2024-02-29T10:00:00.5Z");
        assert_eq!(end("2024-02-29T00:00:00Z", "24 months"), "2026-02-28T00:00:00Z");
        assert_eq!(end("2024-02-29T00:00:00Z", "1 year"), "2025-02-28T00:00:00Z");
        assert_eq!(end("2026-12-31T23:00:00Z", "2 weeks"), "2027-01-14T23:00:00Z");
        assert_eq!(end("2026-12-31T23:00:00Z", "90 days"), "2027-03-31T23:00:00Z");
        assert_eq!(end("2026-12-31T23:00:00Z", "12 hours"), "2027-01-01T11:00:00Z");
    }

    #[test]
    fn datetimes_have_zones_fractions_or_neither() {
        assert_eq!(at("2026-11-24T10:00:00Z"), 20_781 * DAY + 10 * 3_600 * SECOND);
        assert_eq!(at("2026-11-24 10:00:00+01:00"), at("2026-11-24T09:00:00Z"));
        assert_eq!(at("2026-11-24T10:00:00-0530"), at("2026-11-24T15:30:00Z"));
        assert_eq!(at("2026-11-24T10:00:00.000001Z"), at("2026-11-24T10:00:00Z") + 1);
        assert_eq!(parse_datetime("2026-11-24", "UTC"), Some(Point::Day(20_781)));
        let berlin = |text| parse_datetime(text, "Europe/Berlin");
        assert_eq!(berlin("2026-11-24 01:00:00"), Some(Point::At(at("2026-11-24T00:00:00Z"))));
        assert_eq!(berlin("2026-07-24T02:00:00"), Some(Point::At(at("2026-07-24T00:00:00Z"))));
        assert_eq!(berlin("2026-07-24T02:00:00Z"), Some(Point::At(at("2026-07-24T02:00:00Z"))));
        assert_eq!(berlin("2026-11-24"), Some(Point::Day(20_781)), "a date alone is a UTC day");
        for text in ["2026-11-24T", "2026-11-24T25:00:00Z", "2026-11-24x10:00:00", "today"] {
            assert_eq!(parse_datetime(text, "UTC"), None, "{text}");
        }
    }
}
