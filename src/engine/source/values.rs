//! Text to typed values: dates, datetimes, numbers, bools. Strict: what does not read is a fault.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, fmt::strtime};

use crate::plan::Instant;

/// A datetime as read: the instant, and whether it was a date alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The instant; of a date alone its first, in UTC.
    pub at: Instant,
    /// True if no time of day stood there.
    pub date_only: bool,
}

/// Reads dates and datetimes of one column.
#[derive(Debug)]
pub struct TimeReader<'a> {
    /// `strptime` format, if one is declared.
    pub format: Option<&'a str>,
    /// Zone of datetimes that have none.
    pub zone: TimeZone,
}

impl TimeReader<'_> {
    /// Days since 1970-01-01 of `YYYY-MM-DD`, or of the declared format.
    #[must_use]
    pub fn date(&self, text: &str) -> Option<i32> {
        let text = text.trim();
        let date = match self.format {
            Some(format) => Date::strptime(format, text).ok()?,
            None => iso_date(text.as_bytes())?,
        };
        Some(days(date))
    }

    /// A point in time: RFC 3339 with `T` or a blank, seconds and fraction optional, with an offset
    /// or in the reader's zone; or a date alone; or the declared format.
    #[must_use]
    pub fn datetime(&self, text: &str) -> Option<Moment> {
        let text = text.trim();
        if let Some(format) = self.format {
            return self.formatted(format, text);
        }
        let bytes = text.as_bytes();
        let date = iso_date(bytes.get(..10)?)?;
        if bytes.len() == 10 {
            let at = Instant(i64::from(days(date)) * crate::plan::DAY);
            return Some(Moment { at, date_only: true });
        }
        if !matches!(bytes[10], b'T' | b't' | b' ') {
            return None;
        }
        let (time, offset) = clock(&bytes[11..])?;
        let at = match offset {
            Some(seconds) => utc_micros(date.to_datetime(time)) - i64::from(seconds) * 1_000_000,
            None => self.local(date.to_datetime(time))?,
        };
        Some(Moment { at: Instant(at), date_only: false })
    }

    fn formatted(&self, format: &str, text: &str) -> Option<Moment> {
        let parsed = strtime::parse(format, text).ok()?;
        if parsed.offset().is_some() {
            let at = parsed.to_timestamp().ok()?;
            return Some(Moment { at: Instant(at.as_microsecond()), date_only: false });
        }
        let date = parsed.to_date().ok()?;
        if parsed.hour().is_none() {
            let at = Instant(i64::from(days(date)) * crate::plan::DAY);
            return Some(Moment { at, date_only: true });
        }
        let at = self.local(date.to_datetime(parsed.to_time().ok()?))?;
        Some(Moment { at: Instant(at), date_only: false })
    }

    /// The first and the last microsecond of a calendar day in the zone.
    #[must_use]
    pub fn day(&self, days: i64) -> (i64, i64) {
        let utc = (
            days.saturating_mul(crate::plan::DAY),
            days.saturating_add(1).saturating_mul(crate::plan::DAY),
        );
        let midnight = |micros: i64| {
            if self.zone == TimeZone::UTC {
                return micros;
            }
            Timestamp::from_microsecond(micros)
                .ok()
                .and_then(|wall| self.local(TimeZone::UTC.to_datetime(wall)))
                .unwrap_or(micros)
        };
        (midnight(utc.0), midnight(utc.1).saturating_sub(1))
    }

    /// Microseconds of a wall-clock time in the zone. A time that occurs twice is its first
    /// occurrence; one that a clock change skips is moved forward by the gap.
    pub fn local(&self, wall: DateTime) -> Option<i64> {
        if self.zone == TimeZone::UTC {
            return Some(utc_micros(wall));
        }
        self.zone.to_ambiguous_timestamp(wall).compatible().ok().map(Timestamp::as_microsecond)
    }
}

fn utc_micros(wall: DateTime) -> i64 {
    let time = wall.time();
    let seconds =
        i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    i64::from(days(wall.date())) * crate::plan::DAY
        + seconds * 1_000_000
        + i64::from(time.subsec_nanosecond()) / 1000
}

/// Days since 1970-01-01.
fn days(date: Date) -> i32 {
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    let (year, month, day) =
        (i32::from(date.year()), i32::from(date.month()), i32::from(date.day()));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn number(bytes: &[u8]) -> Option<i16> {
    let mut value = 0_i16;
    for byte in bytes {
        value = value
            .checked_mul(10)?
            .checked_add(i16::from(byte.checked_sub(b'0').filter(|d| *d < 10)?))?;
    }
    (!bytes.is_empty()).then_some(value)
}

fn small(bytes: &[u8]) -> Option<i8> {
    number(bytes).and_then(|value| i8::try_from(value).ok())
}

fn iso_date(bytes: &[u8]) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else { return None };
    Date::new(number(&[*y1, *y2, *y3, *y4])?, small(&[*m1, *m2])?, small(&[*d1, *d2])?).ok()
}

/// `HH:MM[:SS[.fraction]]` and an optional offset: `Z`, `+HH:MM`, `+HHMM`, `+HH`.
fn clock(bytes: &[u8]) -> Option<(Time, Option<i32>)> {
    let hour = small(bytes.get(..2)?)?;
    let minute = small(bytes.get(3..5)?).filter(|_| bytes[2] == b':')?;
    let mut rest = &bytes[5..];
    let (mut second, mut nanos) = (0, 0);
    if let [b':', s1, s2, after @ ..] = rest {
        second = small(&[*s1, *s2])?;
        rest = after;
        if let [b'.' | b',', after @ ..] = rest {
            let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 || digits > 9 {
                return None;
            }
            nanos = after[..digits].iter().fold(0, |n, digit| n * 10 + i32::from(digit - b'0'));
            for _ in digits..9 {
                nanos *= 10;
            }
            rest = &after[digits..];
        }
    }
    let time = Time::new(hour, minute, second, nanos).ok()?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let offset = match rest {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, minutes @ ..] => {
            let minutes = minutes.strip_prefix(b":").unwrap_or(minutes);
            let minutes = match minutes {
                [] => 0,
                [_, _] => small(minutes).filter(|m| *m < 60)?,
                _ => return None,
            };
            let hours = small(&[*h1, *h2]).filter(|h| *h < 24)?;
            let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    Some((time, offset))
}

/// A bool: `true` or `false` in any case, or 1 or 0. Consent is not read here; it has a vocabulary
/// of its own.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "1" => Some(true),
        "0" => Some(false),
        word if word.eq_ignore_ascii_case("true") => Some(true),
        word if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A whole number of 64 bits.
#[must_use]
pub fn integer(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

/// A number with a decimal point; not NaN, not infinite.
#[must_use]
pub fn float(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|value: &f64| plain && value.is_finite())
}

/// A decimal, as the integer it is once scaled by `10^scale`; no digit may be lost.
#[must_use]
pub fn decimal(text: &str, scale: u8) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    if (whole.is_empty() && fraction.is_empty())
        || whole.len() + usize::from(scale) > 38
        || fraction.len() > usize::from(scale)
        || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        value = value * 10 + i128::from(byte - b'0');
    }
    for _ in fraction.len()..usize::from(scale) {
        value *= 10;
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc() -> TimeReader<'static> {
        TimeReader { format: None, zone: TimeZone::UTC }
    }

    #[test]
    fn days_agree_with_the_library_over_four_centuries() {
        let mut date = Date::new(1860, 1, 1).expect("a date");
        let epoch = Date::new(1970, 1, 1).expect("a date");
        for _ in 0..2000 {
            let span = epoch.until(date).expect("a span");
            assert_eq!(days(date), span.get_days(), "{date}");
            date = date.checked_add(jiff::Span::new().days(73)).expect("a date");
        }
    }

    #[test]
    fn datetimes_agree_with_the_library() {
        for text in [
            "2026-11-24T10:20:30Z",
            "2026-11-24 10:20:30.5Z",
            "2026-11-24T10:20:30.123456+01:30",
            "2026-11-24T10:20:30-0800",
            "1969-12-31T23:59:59.999999Z",
        ] {
            let expected: Timestamp = text.replace(' ', "T").parse().expect(text);
            let moment = utc().datetime(text).expect(text);
            assert_eq!(moment.at.0, expected.as_microsecond(), "{text}");
            assert!(!moment.date_only);
        }
        assert!(utc().datetime("2026-11-24").expect("a date").date_only);
        let short = utc().datetime("2026-11-24T10:20").expect("minutes");
        assert_eq!(short.at, utc().datetime("2026-11-24 10:20:00+00").expect("hours").at);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "24.11.2026",
            "2026-11-24x",
            "2026-11-24T",
            "2026-11-24T25:00:00Z",
            "2026-11-24T10:00:00+99:00",
            "2026-11-24T10:00:00.Z",
            "\u{ff12}026-11-24",
        ] {
            assert_eq!(utc().datetime(text), None, "{text}");
        }
    }

    #[test]
    fn a_wall_clock_is_in_its_zone() {
        let berlin =
            TimeReader { format: None, zone: TimeZone::get("Europe/Berlin").expect("a zone") };
        let at = |text: &str| berlin.datetime(text).expect(text).at;
        assert_eq!(
            at("2026-07-01T02:00:00"),
            utc().datetime("2026-07-01T00:00:00Z").expect("utc").at
        );
        // 02:30 does not exist on that night, and 02:30 exists twice on the other.
        assert_eq!(
            at("2026-03-29T02:30:00"),
            utc().datetime("2026-03-29T01:30:00Z").expect("utc").at
        );
        assert_eq!(
            at("2026-10-25T02:30:00"),
            utc().datetime("2026-10-25T00:30:00Z").expect("utc").at
        );
        let (first, last) = berlin.day(20_781); // 2026-11-24
        assert_eq!(Instant(first), utc().datetime("2026-11-23T23:00:00Z").expect("utc").at);
        assert_eq!(Instant(last + 1), utc().datetime("2026-11-24T23:00:00Z").expect("utc").at);
        // In a field a date alone is its midnight, UTC.
        assert_eq!(at("2026-07-01"), utc().datetime("2026-07-01").expect("utc").at);
    }

    #[test]
    fn declared_formats_are_followed() {
        let reader = TimeReader { format: Some("%d.%m.%Y"), zone: TimeZone::UTC };
        assert_eq!(reader.date("24.11.2026"), utc().date("2026-11-24"));
        assert!(reader.datetime("24.11.2026").expect("a date").date_only);
        let reader = TimeReader { format: Some("%d.%m.%Y %H:%M"), zone: TimeZone::UTC };
        assert_eq!(
            reader.datetime("24.11.2026 10:20").map(|m| m.at),
            utc().datetime("2026-11-24T10:20").map(|m| m.at)
        );
    }

    #[test]
    fn numbers_are_strict() {
        assert_eq!(integer(" 42 "), Some(42));
        assert_eq!(integer("4.0"), None);
        assert_eq!(float("1e3"), Some(1000.0));
        assert_eq!(float("NaN"), None);
        assert_eq!(float("inf"), None);
        assert_eq!(decimal("12.5", 2), Some(1250));
        assert_eq!(decimal("-0.01", 2), Some(-1));
        assert_eq!(decimal("12.500", 2), Some(1250));
        assert_eq!(decimal("12.505", 2), None);
        assert_eq!(decimal(".", 2), None);
        assert_eq!(boolean("TRUE"), Some(true));
        assert_eq!(boolean("yes"), None);
    }
}
