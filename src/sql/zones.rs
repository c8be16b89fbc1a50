//! Time zones as tables, made of the same data by which the engine reads clocks.

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

use super::dialect::Dialect;
use super::text::{guard, name};

/// True for the zone in which a clock reads the instant itself.
pub fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

/// The table of a zone.
pub fn name_of(zone: &str) -> String {
    format!("zone {zone}")
}

/// The readings of a zone's clock, as if they were of UTC, from which on an offset in seconds holds. A
/// reading that occurs twice is its first occurrence, and one that is skipped is
/// moved on by the gap: in both cases the offset before the change holds until the later of the two
/// readings at which the change could be seen.
fn changes(zone: &str) -> Option<Vec<(Timestamp, i32)>> {
    let tz = TimeZone::get(zone).ok()?;
    let from = TimeZone::UTC.to_timestamp(date(1970, 1, 1).at(0, 0, 0, 0)).ok()?;
    let to = TimeZone::UTC.to_timestamp(date(2100, 1, 1).at(0, 0, 0, 0)).ok()?;
    let mut before = tz.to_offset(from).seconds();
    let first = TimeZone::UTC.to_timestamp(date(1970, 1, 2).at(0, 0, 0, 0)).ok()?;
    let mut changes = vec![(first, before)];
    for change in tz.following(from).take_while(|change| change.timestamp() < to) {
        let after = change.offset().seconds();
        let reading = change.timestamp().as_second() + i64::from(before.max(after));
        changes.push((Timestamp::from_second(reading).ok()?, after));
        before = after;
    }
    Some(changes)
}

/// The changes of a zone as a table of `starts` and `seconds`.
pub fn table(zone: &str) -> Option<String> {
    let rows = changes(zone)?;
    let row = |(at, seconds): &(Timestamp, i32)| {
        let reading = TimeZone::UTC.to_datetime(*at).to_string().replace('T', " ");
        format!("(TIMESTAMP '{reading}', {seconds})")
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    let rows: Vec<String> = rows.chunks(4).map(|rows| rows.join(", ")).collect();
    Some(format!("SELECT * FROM (VALUES\n  {}) z(starts, seconds)", rows.join(",\n  ")))
}

/// The instant at which a zone's clock shows a reading.
pub fn at(reading: &str, zone: &str, dialect: Dialect) -> String {
    if is_utc(zone) {
        return reading.to_owned();
    }
    let fault = guard(&format!("a time of {zone} lies before 1970 or after 2099"));
    let offset = match dialect {
        Dialect::Duckdb => {
            let table = name(&name_of(zone));
            format!(
                "(SELECT max_by(z.seconds, z.starts) FROM {table} z WHERE z.starts <= {reading})"
            )
        }
        Dialect::Spark => among(&changes(zone).unwrap_or_default(), reading),
    };
    format!(
        "optin_minus_seconds({reading}, CASE WHEN {reading} < TIMESTAMP '1970-01-02' OR {reading} >= TIMESTAMP '2099-12-31' THEN error({fault}) ELSE {offset} END)"
    )
}

/// The offset that holds at a reading: where the reading would stand among those from which on another
/// holds. No engine but DuckDB looks one up by an inequality within an expression, and a tree of cases
/// would say the reading some two hundred times, which takes Spark minutes to plan. Readings are twice their
/// microseconds, and the one that is looked for one more, so that it equals none.
fn among(changes: &[(Timestamp, i32)], reading: &str) -> String {
    let starts = list(changes.iter().map(|(at, _)| at.as_microsecond() * 2));
    let offsets = list(changes.iter().map(|(_, seconds)| *seconds));
    let sought = format!("(2 * unix_micros({reading}) + 1)");
    format!(
        "element_at({offsets}, greatest(1, CAST(array_position(sort_array(array_append({starts}, {sought})), {sought}) AS INT) - 1))"
    )
}

fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

/// The instant of a clock's reading, by its own offset or else by the zone.
pub fn instant(clock: &str, offset: &str, zone: &str, dialect: Dialect) -> String {
    format!(
        "CASE WHEN {offset} IS NOT NULL THEN optin_minus_seconds({clock}, {offset}) ELSE {} END",
        at(clock, zone, dialect)
    )
}
