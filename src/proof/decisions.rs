//! Decisions on the points of exports, read anew from the consent sources, row by row.

use jiff::tz::TimeZone;
use rayon::prelude::*;

use super::digested::Digested;
use super::keyed::{Keyed, Look};
use super::points::{Point, Points};
use super::{About, Subjects};
use crate::diagnostics::Outcome;
use crate::engine::cells::Cells;
use crate::engine::consent::intake::needed;
use crate::engine::consent::vocabulary::{Reading, read, trimmed};
use crate::engine::source::values::TimeReader;
use crate::engine::source::{self, FileRecord, Loaded};
use crate::engine::{Setting, SourceRecord, loose_id};
use crate::normalize::platform::Platform;
use crate::plan::{
    AsOf, Conflict, ConsentTable, DAY, FieldId, Instant, Match, Period, Plan, PurposeId, Shape,
    Source, Suppression, TableId,
};

/// One decision on one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The consent table.
    pub table: usize,
    /// True for a grant.
    pub granted: bool,
    /// By when it sorts, in microseconds; none if it has no time.
    pub at: Option<i64>,
}

/// All decisions that reach points.
pub struct Decisions {
    /// In the order of what they are about and of points.
    all: Vec<Found>,
    /// By what they are about, where the decisions of each point start in `all`, up to the last that has
    /// one; and one more, where they end.
    starts: Vec<(u32, Vec<usize>)>,
}

impl Decisions {
    fn new(mut all: Vec<Found>) -> Self {
        all.par_sort_unstable_by_key(|found| (found.about, found.point));
        let mut starts: Vec<(u32, Vec<usize>)> = Vec::new();
        for (at, found) in all.iter().enumerate() {
            if starts.last().is_none_or(|(about, _)| *about != found.about) {
                if let Some((_, before)) = starts.last_mut() {
                    before.push(at);
                }
                starts.push((found.about, Vec::new()));
            }
            if let Some((_, points)) = starts.last_mut() {
                // Points in between have none.
                points.resize(points.len().max(found.point as usize + 1), at);
            }
        }
        if let Some((_, last)) = starts.last_mut() {
            last.push(all.len());
        }
        Self { all, starts }
    }

    /// How many there are; what reaches a digest reached its text already.
    pub fn count(&self) -> u64 {
        let is_own = |found: &&Found| !matches!(about_of(found.about), About::Hashed(..));
        self.all.iter().filter(is_own).count() as u64
    }

    /// What is decided on a point for a purpose.
    pub fn of(&self, about: About, point: Point, purpose: PurposeId) -> Vec<Decision> {
        let wanted = number_of(about);
        let starts = self.starts.iter().find(|(about, _)| *about == wanted);
        let at = point as usize;
        let range = starts.and_then(|(_, starts)| Some(*starts.get(at)?..*starts.get(at + 1)?));
        self.all[range.unwrap_or_default()]
            .iter()
            .filter(|found| usize::from(found.purpose) == purpose.0)
            .map(|found| found.decision())
            .collect()
    }
}

/// Whether what a row says is a decision that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// It is.
    Yes,
    /// It was made after the date as of which consent is judged.
    Later,
    /// Its word is none of the vocabulary.
    Unrecognized,
}

/// A decision that reaches a point, as small as it can be: there are as many as customers leave.
#[derive(Clone, Copy)]
struct Found {
    at: i64,
    point: Point,
    about: u32,
    purpose: u16,
    table: u16,
    granted: bool,
    dated: bool,
}

impl Found {
    fn decision(self) -> Decision {
        let at = self.dated.then_some(self.at);
        Decision { table: usize::from(self.table), granted: self.granted, at }
    }

    fn heard(self, row: usize, counts: Counts) -> Heard {
        let about = about_of(self.about);
        let purpose = PurposeId(usize::from(self.purpose));
        let decision = self.decision();
        Heard { row, about, point: self.point, purpose, decision, day: None, counts }
    }
}

/// Above the numbers of fields: the platform for which a field's contact points are hashed.
const HASHED: [(u32, Platform); 2] =
    [(1 << 30, Platform::GoogleCustomerMatch), (2 << 30, Platform::MetaCustomAudience)];

/// Fields by their numbers, digests by theirs, records behind them all.
fn number_of(about: About) -> u32 {
    let number = |field: FieldId| u32::try_from(field.0).unwrap_or(HASHED[0].0 - 1);
    match about {
        About::Field(field) => number(field),
        About::Hashed(field, platform) => {
            let above =
                HASHED.iter().find(|(_, of)| *of == platform).map_or(0, |(above, _)| *above);
            above | number(field)
        }
        About::Record => u32::MAX,
    }
}

/// What a number stands for.
fn about_of(number: u32) -> About {
    let field = FieldId((number & (HASHED[0].0 - 1)) as usize);
    if number == u32::MAX {
        return About::Record;
    }
    let hashed = HASHED.iter().find(|(above, _)| number & !(HASHED[0].0 - 1) == *above);
    hashed.map_or(About::Field(field), |(_, platform)| About::Hashed(field, *platform))
}

/// What a row of a consent table says of a point.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// The row, from 0.
    pub row: usize,
    /// What it is about.
    pub about: About,
    /// The point that it reaches.
    pub point: Point,
    /// The purpose.
    pub purpose: PurposeId,
    /// The decision; a denial where it is none.
    pub decision: Decision,
    /// The day, since 1970-01-01, where the row gives a day alone.
    pub day: Option<i64>,
    /// Whether it counts.
    pub counts: Counts,
}

/// All that consent tables say of few points, row by row.
///
/// # Errors
/// As [`decisions`].
pub fn heard(
    plan: &Plan,
    setting: &Setting,
    points: &Subjects,
    sources: &[SourceRecord],
) -> Outcome<Vec<Heard>> {
    let mut all = Vec::new();
    for (number, table) in plan.consent.tables.iter().enumerate() {
        let source = &plan.sources[table.source.0];
        let columns = columns(plan, table);
        let wanted: Vec<&str> = columns.iter().map(String::as_str).collect();
        let part = |part: Loaded| {
            let reader = Reader::new(plan, (number, table), source, &part)?;
            let looks = reader.looks(points, part.rows);
            let mut found = Vec::new();
            for row in (0..part.rows).filter(|row| reader.may_speak(points, &looks, *row)) {
                reader.row(plan, row, &looks, setting.as_of, points, &mut |said: Found, counts| {
                    let day = reader.day(row);
                    found.push(Heard { day, ..said.heard(row, counts) });
                });
            }
            Ok((part.rows, found))
        };
        let mut first = 0;
        source::visit_again(source, &wanted, before(source, sources), part, |(rows, found)| {
            all.extend(found.into_iter().map(|heard| Heard { row: first + heard.row, ..heard }));
            first += rows;
            Ok(())
        })?;
    }
    Ok(all)
}

/// The columns of a consent table that are read.
fn columns(plan: &Plan, table: &ConsentTable) -> Vec<String> {
    let id = table.customers.map(|table| plan.tables[table.0].id.clone());
    needed(table).into_iter().chain(id).collect()
}

/// Reads all consent tables.
///
/// # Errors
/// Faults of the sources; one that changed since it was read first.
pub fn decisions(
    plan: &Plan,
    setting: &Setting,
    points: &Subjects,
    sources: &[SourceRecord],
) -> Outcome<Decisions> {
    let as_of = setting.as_of;
    let mut all = Vec::new();
    for (number, table) in plan.consent.tables.iter().enumerate() {
        let source = &plan.sources[table.source.0];
        let columns = columns(plan, table);
        let wanted: Vec<&str> = columns.iter().map(String::as_str).collect();
        let part = |part: Loaded| {
            let reader = Reader::new(plan, (number, table), source, &part)?;
            let mut found = Vec::new();
            let looks = reader.looks(points, part.rows);
            for row in (0..part.rows).filter(|row| reader.may_speak(points, &looks, *row)) {
                reader.row(plan, row, &looks, as_of, points, &mut |said: Found, counts| {
                    if counts == Counts::Yes {
                        found.push(said);
                    }
                });
            }
            Ok(found)
        };
        source::visit_again(source, &wanted, before(source, sources), part, |found| {
            all.extend(found);
            setting.memory.check("proving exports")
        })?;
    }
    Ok(Decisions::new(all))
}

/// The files of a source as they were read first.
pub fn before<'s>(source: &Source, sources: &'s [SourceRecord]) -> &'s [FileRecord] {
    let known = sources.iter().find(|known| known.name == source.name);
    known.map_or(&[], |known| known.files.as_slice())
}

/// One part of a consent table.
struct Reader<'a> {
    /// The table's number.
    number: usize,
    table: &'a ConsentTable,
    keys: Vec<(About, Keyed<'a>)>,
    records: Vec<(TableId, Cells)>,
    values: Vec<(Option<PurposeId>, Cells)>,
    purpose: Option<Cells>,
    at: Option<(Cells, Days)>,
    zone: TimeReader<'static>,
}

/// Which times are days alone.
enum Days {
    All,
    None,
    Some(Vec<bool>),
}

/// The cells of a column.
pub fn cells(part: &Loaded, column: &str) -> Outcome<Cells> {
    Cells::of(&part.column(column)?.series)
}

impl<'a> Reader<'a> {
    fn new(
        plan: &'a Plan,
        (number, table): (usize, &'a ConsentTable),
        source: &Source,
        part: &Loaded,
    ) -> Outcome<Self> {
        let mut keys = Vec::new();
        let mut records = Vec::new();
        for matched in &table.matches {
            keys.extend(Keyed::all(plan, matched, part)?);
            if let Match::Record { table, column } = matched {
                records.push((*table, cells(part, column)?));
            }
        }
        if let Some(own) = table.customers {
            records.push((own, cells(part, &plan.tables[own.0].id)?));
        }
        let (values, purpose) = match &table.shape {
            Shape::Wide(columns) => {
                let value = |(purpose, column): &(PurposeId, String)| {
                    Ok((Some(*purpose), cells(part, column)?))
                };
                (columns.iter().map(value).collect::<Outcome<Vec<_>>>()?, None)
            }
            Shape::Long { purpose, value } => {
                (vec![(None, cells(part, value)?)], Some(cells(part, purpose)?))
            }
        };
        let at = match &table.at {
            None => None,
            Some(column) => {
                let loaded = part.column(column)?;
                let cells = Cells::of(&loaded.series)?;
                let days = match (&cells, &loaded.date_only) {
                    (Cells::Date(_), _) => Days::All,
                    (_, Some(flags)) => Days::Some(flags.clone()),
                    (_, None) => Days::None,
                };
                Some((cells, days))
            }
        };
        let zone = TimeZone::get(&source.timezone).unwrap_or(TimeZone::UTC);
        let zone = TimeReader { format: None, zone };
        Ok(Self { number, table, keys, records, values, purpose, at, zone })
    }

    /// For each matched column a first look at all rows.
    fn looks(&self, points: &Subjects, rows: usize) -> Vec<Vec<Look>> {
        let look = |(about, keyed): &(About, Keyed<'_>)| {
            points.get(*about).map_or_else(Vec::new, |of| keyed.looks(of, rows))
        };
        self.keys.iter().map(look).collect()
    }

    /// False of most rows that speak of nobody who is asked for.
    fn may_speak(&self, points: &Subjects, looks: &[Vec<Look>], row: usize) -> bool {
        let speaks = |of: &Vec<Look>| of.get(row).is_some_and(|of| !matches!(of, Look::Nobody));
        let of_records = || points.get(About::Record).is_some() && !self.records.is_empty();
        looks.iter().any(speaks) || of_records()
    }

    fn row(
        &self,
        plan: &Plan,
        row: usize,
        looks: &[Vec<Look>],
        as_of: AsOf,
        points: &Subjects,
        found: &mut impl FnMut(Found, Counts),
    ) {
        let of_records = points.get(About::Record).filter(|_| !self.records.is_empty());
        for (purpose, cells) in &self.values {
            let named = || {
                let name = self.purpose.as_ref()?.text(row)?;
                let name = trimmed(&name).to_lowercase();
                let mut purposes = plan.consent.purposes.iter();
                purposes.position(|p| p.name.trim().to_lowercase() == name).map(PurposeId)
            };
            let Some(purpose) = purpose.or_else(named) else { continue };
            let (granted, mut counts) =
                match cells.text(row).map(|text| read(&text, &self.table.words)) {
                    Some(Reading::Granted) => (true, Counts::Yes),
                    Some(Reading::Denied) => (false, Counts::Yes),
                    Some(Reading::Unrecognized) => (false, Counts::Unrecognized),
                    Some(Reading::NoDecision) | None => continue,
                };
            let (exists, sorts) = self.time(row, granted);
            let is_later = exists.is_some_and(|at| at > as_of.at.0);
            if is_later && (granted || as_of.replay) && counts == Counts::Yes {
                counts = Counts::Later;
            }
            let small = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
            let said = |about: About, point: Point| Found {
                at: sorts.unwrap_or_default(),
                point,
                about: number_of(about),
                purpose: small(purpose.0),
                table: small(self.number),
                granted,
                dated: sorts.is_some(),
            };
            for ((about, keyed), looks) in self.keys.iter().zip(looks) {
                let reached = points
                    .get(*about)
                    .and_then(|of| keyed.seen(of, row, *looks.get(row)?, granted));
                for point in reached.into_iter().flatten() {
                    found(said(*about, point), counts);
                }
            }
            let Some(of) = of_records else { continue };
            for (table, ids) in &self.records {
                let Some(id) = ids.text(row).filter(|id| !id.trim().is_empty()) else { continue };
                for point in record(of, *table, &id, granted) {
                    found(said(About::Record, point), counts);
                }
            }
        }
    }

    /// From when a decision exists, and by when it sorts: a day alone begins when it begins, and a
    /// denial sorts by its end.
    fn time(&self, row: usize, granted: bool) -> (Option<i64>, Option<i64>) {
        let Some((cells, _)) = &self.at else { return (None, None) };
        let Some(value) = cells.ordinal(row) else { return (None, None) };
        let Some(day) = self.day(row) else { return (Some(value), Some(value)) };
        let (start, end) = self.zone.day(day);
        (Some(start), Some(if granted { start } else { end }))
    }

    /// The day, since 1970-01-01, of a row that gives a day alone.
    fn day(&self, row: usize) -> Option<i64> {
        let (cells, days) = self.at.as_ref()?;
        let value = cells.ordinal(row)?;
        match days {
            Days::All => Some(value),
            Days::Some(flags) if flags[row] => Some(value.div_euclid(DAY)),
            Days::Some(_) | Days::None => None,
        }
    }
}

/// The texts by which records are found: table and id, and the looser reading of the id.
fn record_texts(table: TableId, id: &str) -> (String, String) {
    let text = |id: &str| format!("{}\u{1}{id}", table.0);
    (text(id), text(loose_id(id)))
}

/// The point that a record is.
pub fn add_record(points: &mut Points, table: TableId, id: &str) -> Point {
    let (key, loose) = record_texts(table, id);
    points.add(&key, key == loose, std::iter::once(loose.as_str()))
}

/// The records that a decision on an id reaches.
pub fn record(points: &Points, table: TableId, id: &str, granted: bool) -> Vec<Point> {
    let (key, loose) = record_texts(table, id);
    if granted {
        points.granted(&key)
    } else {
        points.denied(&key, key == loose, std::iter::once(loose.as_str()))
    }
}

/// Which points a suppression list holds, each with the row, from 0.
///
/// # Errors
/// Faults of its source.
pub fn suppressed(
    plan: &Plan,
    list: &Suppression,
    points: &Subjects,
    sources: &[SourceRecord],
) -> Outcome<Vec<(usize, About, Point)>> {
    let source = &plan.sources[list.source.0];
    let wanted: Vec<String> = list.matches.iter().flat_map(Match::columns).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let mut all = Vec::new();
    let digested: Vec<_> = list.matches.iter().map(|of| Digested::new(of, points)).collect();
    let part = |part: Loaded| {
        let mut found = Vec::new();
        for digested in digested.iter().flatten() {
            let cells = cells(&part, digested.column)?;
            for row in 0..part.rows {
                let reached = cells.text(row).and_then(|text| digested.reached(&text));
                let reached = reached.into_iter().flatten();
                found.extend(reached.map(|point| (row, digested.about, *point)));
            }
        }
        for matched in &list.matches {
            for (about, keyed) in Keyed::all(plan, matched, &part)? {
                let Some(of) = points.get(about) else { continue };
                for row in 0..part.rows {
                    let reached = keyed.reached(of, row, false).into_iter().flatten();
                    found.extend(reached.map(|point| (row, about, point)));
                }
            }
            if let Match::Record { table, column } = matched
                && let Some(of) = points.get(About::Record)
            {
                let ids = cells(&part, column)?;
                for row in 0..part.rows {
                    if let Some(id) = ids.text(row).filter(|id| !id.trim().is_empty()) {
                        let reached = record(of, *table, &id, false);
                        let reached = reached.into_iter();
                        found.extend(reached.map(|point| (row, About::Record, point)));
                    }
                }
            }
        }
        Ok((part.rows, found))
    };
    let mut first = 0;
    source::visit_again(source, &wanted, before(source, sources), part, |(rows, found)| {
        all.extend(found.into_iter().map(|(row, about, point)| (first + row, about, point)));
        first += rows;
        Ok(())
    })?;
    Ok(all)
}

/// What the decisions on one point come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stand {
    /// Nobody decided.
    Unknown,
    /// A grant that has ended.
    Expired,
    /// A grant that holds.
    Granted,
    /// A denial.
    Denied,
}

/// Folds the decisions on one point for one purpose (docs/semantics.md, section 7).
pub fn fold(
    decisions: &[Decision],
    conflict: Conflict,
    expires: Option<Period>,
    as_of: Instant,
) -> Stand {
    if conflict == Conflict::Latest {
        return fold_set(&decisions.iter(), expires, as_of);
    }
    let mut tables: Vec<usize> = decisions.iter().map(|decision| decision.table).collect();
    tables.sort_unstable();
    tables.dedup();
    tables
        .into_iter()
        .map(|table| {
            let set = decisions.iter().filter(|decision| decision.table == table);
            fold_set(&set, expires, as_of)
        })
        .max()
        .unwrap_or(Stand::Unknown)
}

fn fold_set<'d>(
    set: &(impl Iterator<Item = &'d Decision> + Clone),
    expires: Option<Period>,
    as_of: Instant,
) -> Stand {
    if set.clone().any(|decision| !decision.granted && decision.at.is_none()) {
        return Stand::Denied;
    }
    let Some(newest) = set.clone().filter_map(|decision| decision.at).max() else {
        return match (set.clone().next(), expires) {
            (None, _) => Stand::Unknown,
            (Some(_), Some(_)) => Stand::Expired,
            (Some(_), None) => Stand::Granted,
        };
    };
    if set.clone().any(|decision| !decision.granted && decision.at == Some(newest)) {
        return Stand::Denied;
    }
    match expires {
        Some(period) if period.after(Instant(newest)).0 <= as_of.0 => Stand::Expired,
        _ => Stand::Granted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAYS: i64 = DAY;

    fn at(table: usize, granted: bool, at: Option<i64>) -> Decision {
        Decision { table, granted, at: at.map(|day| day * DAYS) }
    }

    #[test]
    fn folds_as_the_semantics_say() {
        let now = Instant(100 * DAYS);
        let month = Period::parse("30 days");
        let strictest = |set: &[Decision]| fold(set, Conflict::Strictest, month, now);
        assert_eq!(strictest(&[]), Stand::Unknown);
        assert_eq!(strictest(&[at(0, true, Some(90))]), Stand::Granted);
        assert_eq!(strictest(&[at(0, true, Some(70))]), Stand::Expired);
        assert_eq!(strictest(&[at(0, true, None)]), Stand::Expired);
        assert_eq!(fold(&[at(0, true, None)], Conflict::Latest, None, now), Stand::Granted);
        // The newest counts, at equal times the denial; an undated denial always does.
        assert_eq!(strictest(&[at(0, false, Some(80)), at(0, true, Some(90))]), Stand::Granted);
        assert_eq!(strictest(&[at(0, false, Some(90)), at(0, true, Some(90))]), Stand::Denied);
        assert_eq!(strictest(&[at(0, true, Some(90)), at(0, false, None)]), Stand::Denied);
        // Of several tables any denial denies, or the newest of all counts.
        let two = [at(0, false, Some(80)), at(1, true, Some(90))];
        assert_eq!(strictest(&two), Stand::Denied);
        assert_eq!(fold(&two, Conflict::Latest, month, now), Stand::Granted);
        // An undated grant counts only if nothing in its set is dated.
        assert_eq!(strictest(&[at(0, true, None), at(0, true, Some(90))]), Stand::Granted);
    }
}
