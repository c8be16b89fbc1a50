//! Points in time at which rules turn: the run's date, the ends of grants, days, equal times.

use super::rng::Rng;
use crate::oracle::calendar::{self, DAY, Point};

/// The date of a run, as written and as meant.
pub struct RunDate {
    pub text: &'static str,
    pub micros: i64,
}

/// A period after which grants end, as written and in months or microseconds.
#[derive(Clone, Copy)]
pub struct Expiry {
    pub text: &'static str,
    months: i64,
    micros: i64,
}

const EXPIRIES: [Expiry; 8] = [
    Expiry { text: "24 months", months: 24, micros: 0 },
    Expiry { text: "12 months", months: 12, micros: 0 },
    Expiry { text: "1 month", months: 1, micros: 0 },
    Expiry { text: "13 months", months: 13, micros: 0 },
    Expiry { text: "2 years", months: 24, micros: 0 },
    Expiry { text: "90 days", months: 0, micros: 90 * DAY },
    Expiry { text: "2 weeks", months: 0, micros: 14 * DAY },
    Expiry { text: "36 hours", months: 0, micros: DAY + DAY / 2 },
];

pub fn run_date(rng: &mut Rng) -> RunDate {
    let (text, utc, rest) = rng.pick(&[
        ("2026-11-24T00:00:00Z", "2026-11-24T00:00:00Z", 0),
        // A date alone is the last microsecond of its day.
        ("2026-11-24", "2026-11-25T00:00:00Z", -1),
        ("2026-02-28T12:00:00Z", "2026-02-28T12:00:00Z", 0),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", 0),
        ("2026-03-31T10:30:00+02:00", "2026-03-31T08:30:00Z", 0),
        ("2025-03-01T00:00:00.000001Z", "2025-03-01T00:00:00Z", 1),
    ]);
    RunDate { text, micros: instant(utc) + rest }
}

fn instant(text: &str) -> i64 {
    match calendar::parse_datetime(text, "UTC") {
        Some(Point::At(micros)) => micros,
        other => panic!("{text} is {other:?}"),
    }
}

pub fn expiry(rng: &mut Rng) -> Option<Expiry> {
    rng.chance(60).then(|| rng.pick(&EXPIRIES))
}

/// The instants of one case. Few, so that equal times happen.
pub struct Times {
    instants: Vec<i64>,
}

pub fn times(rng: &mut Rng, now: i64, expiries: &[Expiry]) -> Times {
    let second = 1_000_000;
    let mut turning = vec![now, now - 1, now + 1, now - second, now + DAY, now - DAY];
    for expiry in expiries {
        let start = calendar::add_months_to_datetime(now, -expiry.months) - expiry.micros;
        turning.extend([start, start - 1, start + 1, start - DAY]);
        // Where months are clamped, several starts end at one moment, and one of them is the last.
        turning.extend((1..=3).map(|days| start + days * DAY));
        // Grants that end 30, 60 and 90 days after the run's date, and a moment later.
        turning.extend([30, 60, 90].map(|days| start + days * DAY));
        turning.extend([30, 60, 90].map(|days| start + days * DAY + 1));
    }
    let mut instants: Vec<i64> = (0..6).map(|_| rng.pick(&turning)).collect();
    for _ in 0..2 {
        let seconds = i64::try_from(rng.below(3 * 366 * 86_400)).expect("a few years");
        let at = (now / second - seconds) * second;
        // The first and the last instant of a day are where a date alone stands.
        let day = at.div_euclid(DAY) * DAY;
        instants.push(at);
        instants.push(rng.pick(&[at, day, day + DAY - 1, day + DAY / 2]));
    }
    Times { instants }
}

impl Times {
    /// Only so many instants, so that more of them are equal.
    pub fn keep(&mut self, most: usize) {
        self.instants.truncate(most);
    }
}

/// A cell of a date column.
pub fn date_cell(rng: &mut Rng, times: &Times) -> Option<String> {
    if rng.chance(12) {
        return None;
    }
    Some(calendar::date_text(rng.pick(&times.instants).div_euclid(DAY)))
}

/// A cell of a datetime column whose source is in `timezone`.
pub fn datetime_cell(rng: &mut Rng, times: &Times, timezone: &str) -> Option<String> {
    let micros = rng.pick(&times.instants);
    let utc = calendar::datetime_text(micros);
    Some(match rng.below(10) {
        0 => return None,
        1..4 => calendar::date_text(micros.div_euclid(DAY)),
        4 => {
            let ahead = calendar::datetime_text(micros + DAY / 24);
            format!("{}+01:00", ahead.trim_end_matches('Z'))
        }
        5 => {
            let behind = calendar::datetime_text(micros - DAY * 11 / 48);
            format!("{}-05:30", behind.trim_end_matches('Z'))
        }
        6..9 => {
            let text = local_text(micros, timezone).unwrap_or(utc);
            if rng.chance(50) { text.replace('T', " ") } else { text }
        }
        _ => utc,
    })
}

/// The clock of a zone at an instant, without the zone; none within a day of a change of the
/// clock, where readings are ambiguous or do not exist.
fn local_text(micros: i64, timezone: &str) -> Option<String> {
    let offset_at = |micros: i64| {
        let offsets = [0, 1, 2].map(|hours| hours * DAY / 24);
        offsets.into_iter().find(|offset| {
            let text = calendar::datetime_text(micros + offset);
            let local = text.trim_end_matches('Z');
            calendar::parse_datetime(local, timezone) == Some(Point::At(micros))
        })
    };
    let offset = offset_at(micros)?;
    let steady = offset_at(micros - DAY) == Some(offset) && offset_at(micros + DAY) == Some(offset);
    let text = calendar::datetime_text(micros + offset);
    steady.then(|| text.trim_end_matches('Z').to_owned())
}

#[test]
fn local_texts_mean_their_instant() {
    let summer = instant("2026-07-01T10:00:00Z");
    assert_eq!(local_text(summer, "Europe/Berlin").as_deref(), Some("2026-07-01T12:00:00"));
    assert_eq!(local_text(summer, "UTC").as_deref(), Some("2026-07-01T10:00:00"));
    let change = instant("2026-10-25T00:30:00Z");
    assert_eq!(local_text(change, "Europe/Berlin"), None);
}
