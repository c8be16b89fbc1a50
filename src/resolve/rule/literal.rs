//! Constants: numbers, dates, intervals.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use super::{Typer, constant, fault};
use crate::diagnostics::{Span, Spanned};
use crate::plan::expr::{Interval, Literal};
use crate::plan::{Expr, Type};
use crate::rule::{IntervalPart, IntervalUnit};

impl Typer<'_> {
    /// A number as written, with or without a sign: an int unless it has a point or an exponent.
    pub(super) fn number(&mut self, text: &str, span: Span) -> Option<Expr> {
        if text.contains(['.', 'e', 'E']) {
            if let Some(number) = text.parse().ok().filter(|number: &f64| number.is_finite()) {
                return Some(constant(Literal::Float(number), Type::Float));
            }
        } else if let Ok(number) = text.parse() {
            return Some(constant(Literal::Int(number), Type::Int));
        }
        self.sink.push(
            fault("this number is too large")
                .at(span, "beyond what an int or a float holds")
                .help("ids made of digits are texts: put them in single quotes"),
        );
        None
    }

    /// `DATE '...'` or `TIMESTAMP '...'`.
    pub(super) fn date_constant(&mut self, text: &Spanned<String>, ty: Type) -> Option<Expr> {
        let read = read_date(&text.value, ty);
        if read.is_none() {
            self.sink.push(
                fault(format!("`{}` is not a {}", text.value, ty.name()))
                    .at(text.span, "cannot be read")
                    .help(usage(ty)),
            );
        }
        read
    }

    pub(super) fn interval(&mut self, parts: &[IntervalPart], span: Span) -> Option<Interval> {
        let sum = sum(parts);
        if sum.is_none() {
            self.sink.push(fault("this interval is too long").at(span, "beyond all dates"));
        }
        sum
    }
}

/// How a date or datetime is written.
pub(super) fn usage(ty: Type) -> &'static str {
    match ty {
        Type::Date => "a date is written 'YYYY-MM-DD', such as '2026-01-31'",
        _ => {
            "a datetime is written 'YYYY-MM-DD hh:mm:ss', UTC unless an offset such as +02:00 follows"
        }
    }
}

/// A date or datetime constant from its text.
pub(super) fn read_date(text: &str, ty: Type) -> Option<Expr> {
    match ty {
        Type::Date => read_day(text).map(|days| constant(Literal::Date(days), ty)),
        _ => read_instant(text).map(|micros| constant(Literal::Datetime(micros), ty)),
    }
}

const DAY: i64 = 86_400_000_000;

/// Midnight UTC of a day.
pub(super) fn midnight(days: i32) -> i64 {
    i64::from(days) * DAY
}

fn has_day_form(text: &str) -> bool {
    let form = |(at, byte): (usize, u8)| {
        if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() }
    };
    text.len() >= 10 && text.bytes().take(10).enumerate().all(form)
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
fn read_day(text: &str) -> Option<i32> {
    if text.len() != 10 || !has_day_form(text) {
        return None;
    }
    let day: Date = text.parse().ok()?;
    let midnight = Offset::UTC.to_timestamp(day.to_datetime(Time::midnight())).ok()?.as_second();
    i32::try_from(midnight.div_euclid(86_400)).ok()
}

/// Microseconds since 1970-01-01T00:00:00Z of `YYYY-MM-DD`, or of a date and a time with a blank or
/// a `T` between, with or without an offset.
fn read_instant(text: &str) -> Option<i64> {
    if let Some(days) = read_day(text) {
        return Some(midnight(days));
    }
    if !has_day_form(text)
        || text.contains('[')
        || !matches!(text.as_bytes().get(10), Some(b' ' | b'T'))
    {
        return None;
    }
    let instant = text.parse::<Timestamp>().or_else(|_| {
        let local: DateTime = text.parse()?;
        Offset::UTC.to_timestamp(local)
    });
    instant.ok().map(Timestamp::as_microsecond)
}

fn sum(parts: &[IntervalPart]) -> Option<Interval> {
    const SECOND: i64 = 1_000_000;
    let mut sum = Interval::default();
    for part in parts {
        let (months, days, micros) = match part.unit {
            IntervalUnit::Year => (12, 0, 0),
            IntervalUnit::Month => (1, 0, 0),
            IntervalUnit::Week => (0, 7, 0),
            IntervalUnit::Day => (0, 1, 0),
            IntervalUnit::Hour => (0, 0, 3600 * SECOND),
            IntervalUnit::Minute => (0, 0, 60 * SECOND),
            IntervalUnit::Second => (0, 0, SECOND),
        };
        let add =
            |to: i32, unit: i64| i32::try_from(part.count.checked_mul(unit)?).ok()?.checked_add(to);
        sum = Interval {
            months: add(sum.months, months)?,
            days: add(sum.days, days)?,
            micros: part.count.checked_mul(micros)?.checked_add(sum.micros)?,
        };
    }
    // So that an engine can turn the sign around.
    (sum.months != i32::MIN && sum.days != i32::MIN && sum.micros != i64::MIN).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        assert_eq!(read_day("1970-01-01"), Some(0));
        assert_eq!(read_day("2026-01-31"), Some(20_484));
        assert_eq!(read_day("1969-12-31"), Some(-1));
        assert_eq!(read_day("0001-01-01"), Some(-719_162));
        assert_eq!(read_day("2024-02-29"), Some(19_782));
        for text in
            ["", "2026-02-29", "2026-1-1", "2026-01-01 ", "20260101", "2026/01/01", "31.01.2026"]
        {
            assert_eq!(read_day(text), None, "{text}");
        }
    }

    #[test]
    fn instants() {
        let second = 1_000_000;
        assert_eq!(read_instant("1970-01-01"), Some(0));
        assert_eq!(read_instant("1970-01-01 00:01"), Some(60 * second));
        assert_eq!(read_instant("1970-01-01T00:00:01"), Some(second));
        assert_eq!(read_instant("1970-01-01 00:00:01.5"), Some(second * 3 / 2));
        assert_eq!(read_instant("1970-01-01T00:00:01Z"), Some(second));
        assert_eq!(read_instant("1970-01-01 02:00:01+02:00"), Some(second));
        assert_eq!(read_instant("1969-12-31 23:59:59"), Some(-second));
        for text in [
            "",
            "1970-01-01 ",
            "1970-01-01x",
            "1970-01-01 25:00",
            "1970-01-01 10:00[Europe/Berlin]",
            "1970-01-01 10:00+01:00[Europe/Berlin]",
            "1970-01-01_10:00",
            "10:00",
        ] {
            assert_eq!(read_instant(text), None, "{text}");
        }
    }

    #[test]
    fn intervals() {
        let part = |count, unit| IntervalPart { count, unit };
        let parts = [
            part(1, IntervalUnit::Year),
            part(-2, IntervalUnit::Month),
            part(3, IntervalUnit::Week),
        ];
        assert_eq!(sum(&parts), Some(Interval { months: 10, days: 21, micros: 0 }));
        let parts = [
            part(1, IntervalUnit::Hour),
            part(1, IntervalUnit::Minute),
            part(1, IntervalUnit::Second),
        ];
        assert_eq!(sum(&parts), Some(Interval { months: 0, days: 0, micros: 3_661_000_000 }));
        for unit in [IntervalUnit::Year, IntervalUnit::Week, IntervalUnit::Second] {
            assert_eq!(sum(&[part(i64::MAX, unit)]), None);
        }
        assert_eq!(sum(&[part(i64::from(i32::MIN), IntervalUnit::Day)]), None);
    }
}
