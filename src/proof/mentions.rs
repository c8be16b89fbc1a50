//! Which rows of sources hold contact points and records of one person, whatever the rows say.
//!
//! As a hearing, it reads the sources anew; unlike one it also tells of rows in which nothing is decided, of
//! customer tables, and of pairs.

use std::collections::BTreeMap;

use super::decisions::{before, cells, record};
use super::digested::Digested;
use super::hearing::{Contact, subjects};
use super::keyed::Keyed;
use super::points::Point;
use super::{About, Subjects};
use crate::diagnostics::Outcome;
use crate::engine::source::{self, Loaded};
use crate::engine::{SourceRecord, loose_id};
use crate::plan::{FieldId, Match, Pairs, Plan, RegionFrom, SourceId, Table, TableId};

/// A cell that holds a contact point or names a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// The source.
    pub source: SourceId,
    /// The row, from 0.
    pub row: usize,
    /// The column.
    pub column: String,
    /// False if it is the same only as a denial sees it: looser than by equal keys.
    pub exact: bool,
}

/// Where cells of a source may hold what is looked for.
enum Way<'a> {
    Matched(Match),
    Pair(&'a Pairs),
}

/// Looks through all sources that are tied to people, in the order of sources and rows.
///
/// # Errors
/// Faults of the sources; one that changed since it was read first.
pub fn mentions(
    plan: &Plan,
    sources: &[SourceRecord],
    contacts: &[Contact],
) -> Outcome<Vec<Mention>> {
    let (subjects, _) = subjects(plan, contacts);
    let mut all = Vec::new();
    for (id, ways) in ways(plan, contacts) {
        let source = &plan.sources[id.0];
        let wanted: Vec<String> = ways.iter().flat_map(Way::columns).collect();
        let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let part = |part: Loaded| {
            let mut found = Vec::new();
            for way in &ways {
                way.look(plan, &subjects, contacts, &part, &mut found)?;
            }
            Ok((part.rows, found))
        };
        let mut first = 0;
        source::visit_again(source, &wanted, before(source, sources), part, |(rows, found)| {
            let mention =
                |(row, column, exact)| Mention { source: id, row: first + row, column, exact };
            all.extend(found.into_iter().map(mention));
            first += rows;
            Ok(())
        })?;
    }
    all.sort();
    // Of a cell that is met in two ways the equal one counts, which sorts last.
    all.reverse();
    all.dedup_by(|a, b| (a.source, a.row, &a.column) == (b.source, b.row, &b.column));
    all.reverse();
    Ok(all)
}

/// By source how its rows are tied to people.
fn ways<'a>(plan: &'a Plan, contacts: &[Contact]) -> BTreeMap<SourceId, Vec<Way<'a>>> {
    let mut ways: BTreeMap<SourceId, Vec<Way<'a>>> = BTreeMap::new();
    let mut add = |source: SourceId, way| ways.entry(source).or_default().push(way);
    for (number, table) in plan.tables.iter().enumerate() {
        let column = table.id.clone();
        add(table.source, Way::Matched(Match::Record { table: TableId(number), column }));
        for (field, column) in &table.mapping {
            let is_asked = |of: &Contact| matches!(of, Contact::Value(of, ..) if of == field);
            if contacts.iter().any(is_asked) {
                let (field, column) = (*field, column.clone());
                let region = region(plan, table, field);
                add(table.source, Way::Matched(Match::Key { field, column, region }));
            }
        }
    }
    for table in &plan.consent.tables {
        table.matches.iter().for_each(|of| add(table.source, Way::Matched(of.clone())));
    }
    for related in &plan.related {
        related.matches.iter().for_each(|of| add(related.source, Way::Matched(of.clone())));
    }
    for list in &plan.consent.suppress {
        list.matches.iter().for_each(|of| add(list.source, Way::Matched(of.clone())));
    }
    for pairs in plan.identity.always.iter().chain(&plan.identity.never) {
        add(pairs.source, Way::Pair(pairs));
    }
    ways
}

/// Where a table has the region of a field's numbers.
fn region(plan: &Plan, table: &Table, field: FieldId) -> RegionFrom<String> {
    match plan.fields[field.0].key.region {
        RegionFrom::None => RegionFrom::None,
        RegionFrom::Fixed(region) => RegionFrom::Fixed(region),
        RegionFrom::Of(of) => {
            let column = table.mapping.iter().find(|(field, _)| *field == of);
            column.map_or(RegionFrom::None, |(_, column)| RegionFrom::Of(column.clone()))
        }
    }
}

impl Way<'_> {
    fn columns(&self) -> Vec<String> {
        match self {
            Self::Matched(matched) => matched.columns().collect(),
            Self::Pair(pairs) => {
                pairs.columns.iter().flat_map(|(table, id)| [table.clone(), id.clone()]).collect()
            }
        }
    }

    /// Finds row, column, and whether the keys are equal.
    fn look(
        &self,
        plan: &Plan,
        subjects: &Subjects,
        contacts: &[Contact],
        part: &Loaded,
        found: &mut Vec<(usize, String, bool)>,
    ) -> Outcome<()> {
        let met = |points: Option<Vec<Point>>| points.is_some_and(|points| !points.is_empty());
        match self {
            Self::Matched(matched @ Match::Key { column, .. }) => {
                let Some((about, keyed)) = Keyed::all(plan, matched, part)?.into_iter().next()
                else {
                    return Ok(());
                };
                let Some(of) = subjects.get(about) else { return Ok(()) };
                let rows = (0..part.rows).filter(|row| met(keyed.reached(of, *row, false)));
                found.extend(
                    rows.map(|row| (row, column.clone(), met(keyed.reached(of, row, true)))),
                );
            }
            Self::Matched(matched @ Match::Digest { column, .. }) => {
                let Some(digested) = Digested::new(matched, subjects) else { return Ok(()) };
                let cells = cells(part, column)?;
                let is_met = |row: &usize| {
                    cells.text(*row).is_some_and(|text| digested.reached(&text).is_some())
                };
                found.extend((0..part.rows).filter(is_met).map(|row| (row, column.clone(), true)));
            }
            Self::Matched(Match::Record { table, column }) => {
                let Some(of) = subjects.get(About::Record) else { return Ok(()) };
                let ids = cells(part, column)?;
                for row in 0..part.rows {
                    let Some(id) = ids.text(row).filter(|id| !id.trim().is_empty()) else {
                        continue;
                    };
                    if met(Some(record(of, *table, &id, false))) {
                        let exact = met(Some(record(of, *table, &id, true)));
                        found.push((row, column.clone(), exact));
                    }
                }
            }
            Self::Pair(pairs) => {
                for (table, id) in &pairs.columns {
                    let (names, ids) = (cells(part, table)?, cells(part, id)?);
                    for row in 0..part.rows {
                        let (Some(name), Some(text)) = (names.text(row), ids.text(row)) else {
                            continue;
                        };
                        let is_it = |contact: &Contact| match contact {
                            Contact::Record(table, of) => {
                                let source = plan.tables[table.0].source;
                                plan.sources[source.0].name == name.trim()
                                    && loose_id(of) == loose_id(&text)
                            }
                            Contact::Value(..) => false,
                        };
                        if contacts.iter().any(is_it) {
                            found.push((row, id.clone(), true));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
