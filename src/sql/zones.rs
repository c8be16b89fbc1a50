//! Time zones as tables, made of the same data by which the engine reads clocks.

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

use super::text::{guard, name};

/// True for the zone in which a clock reads the instant itself.
pub fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

/// The table of a zone.
pub fn name_of(zone: &str) -> String {
    format!("zone {zone}")
}

/// Rows of `starts`, a reading of the zone's clock from which on an offset holds, and `seconds`,
/// the offset. A reading that occurs twice is its first occurrence, and one that is skipped is
/// moved on by the gap: in both cases the offset before the change holds until the later of the two
/// readings at which the change could be seen.
pub fn table(zone: &str) -> Option<String> {
    let tz = TimeZone::get(zone).ok()?;
    let from = TimeZone::UTC.to_timestamp(date(1970, 1, 1).at(0, 0, 0, 0)).ok()?;
    let to = TimeZone::UTC.to_timestamp(date(2100, 1, 1).at(0, 0, 0, 0)).ok()?;
    let mut before = tz.to_offset(from).seconds();
    let mut rows = vec![format!("(TIMESTAMP '1970-01-02', {before})")];
    for change in tz.following(from).take_while(|change| change.timestamp() < to) {
        let after = change.offset().seconds();
        let reading = change.timestamp().as_second() + i64::from(before.max(after));
        let reading = Timestamp::from_second(reading).ok()?;
        let reading = TimeZone::UTC.to_datetime(reading);
        rows.push(format!("(TIMESTAMP '{}', {after})", reading.to_string().replace('T', " ")));
        before = after;
    }
    let rows: Vec<String> = rows.chunks(4).map(|rows| rows.join(", ")).collect();
    Some(format!("SELECT * FROM (VALUES\n  {}) z(starts, seconds)", rows.join(",\n  ")))
}

/// The instant at which a zone's clock shows a reading.
pub fn at(reading: &str, zone: &str) -> String {
    if is_utc(zone) {
        return reading.to_owned();
    }
    let table = name(&name_of(zone));
    let fault = guard(&format!("a time of {zone} lies before 1970 or after 2099"));
    format!(
        "({reading} - to_seconds(CASE WHEN {reading} < TIMESTAMP '1970-01-02' OR {reading} >= TIMESTAMP '2099-12-31' THEN error({fault}) ELSE (SELECT max_by(z.seconds, z.starts) FROM {table} z WHERE z.starts <= {reading}) END))"
    )
}

/// The instant of a clock's reading, by its own offset or else by the zone.
pub fn instant(clock: &str, offset: &str, zone: &str) -> String {
    format!("CASE WHEN {offset} IS NOT NULL THEN {clock} - {offset} ELSE {} END", at(clock, zone))
}
