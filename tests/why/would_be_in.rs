//! On random pipelines: what `why` says would have to be otherwise is made so, and nothing else. Then
//! the customer must be in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use optin::inspect::why::{ContactName, NearMiss, Place};
use optin::normalize::Kind;
use optin::plan::catalog::ColumnType;
use optin::plan::{Conflict, ConsentTable, Match, Plan, RegionFrom, Shape, Type};

use super::statements::ask;
use crate::cases::rng::Rng;
use crate::cases::{Case, generate};
use crate::harness::{in_folder, load_plan, try_seeds};

/// Seeds that are tried unless `OPTIN_CASES` says otherwise.
const CASES: u64 = 200;
/// So many records of each are asked for.
const RECORDS: usize = 6;

/// Cells of a source's rows.
type Rows = Vec<Vec<Option<String>>>;

#[test]
fn who_would_be_in_is_in() {
    // How often each kind of change was tried.
    let tried: BTreeMap<&str, AtomicU64> =
        KINDS.iter().map(|kind| (*kind, AtomicU64::new(0))).collect();
    let seeds = AtomicU64::new(0);
    try_seeds(CASES, |seed| {
        seeds.fetch_add(1, Ordering::Relaxed);
        let case = generate(seed);
        let (found, folder) = in_folder(&case, |_, file| {
            let plan = load_plan(file);
            let mut rng = Rng::new(seed);
            let mut found = Vec::new();
            for _ in 0..RECORDS {
                let table = &plan.tables[rng.below(plan.tables.len())];
                let source = &plan.sources[table.source.0].name;
                let raw = &case.tables[source];
                if raw.rows.is_empty() {
                    continue;
                }
                let at = raw.columns.iter().position(|column| *column == table.id);
                let row = rng.below(raw.rows.len());
                let Some(id) = &raw.rows[row][at.expect("the column of the id")] else { continue };
                let question = format!("{source}.id={id}");
                if id.trim().is_empty() {
                    continue;
                }
                let Some(person) = ask(file, &question).customer else { continue };
                for segment in &person.segments {
                    let misses = &segment.would_be_in_if;
                    let mut change = Change { case: &case, plan: &plan, rows: BTreeMap::new() };
                    if misses.is_empty() || misses.iter().any(|miss| change.make(miss).is_none()) {
                        continue;
                    }
                    let changed = case.with_rows(&change.rows);
                    let (verdict, _folder) = in_folder(&changed, |_, file| {
                        let person = ask(file, &question).customer.expect("he is still there");
                        let segments = person.segments.into_iter();
                        segments.map(|of| (of.segment, of.verdict)).collect::<BTreeMap<_, _>>()
                    });
                    let verdict = verdict[&segment.segment];
                    if verdict != "in_segment" {
                        let said: Vec<&str> =
                            misses.iter().map(|miss| miss.text.as_str()).collect();
                        found.push(format!(
                            "{question} in {}: was {}, is {verdict} now, though\n    {}",
                            segment.segment,
                            segment.verdict,
                            said.join("\n    ")
                        ));
                    }
                    for miss in misses {
                        tried[miss.needs].fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            found
        });
        if found.is_empty() { Ok(()) } else { Err((found, vec![folder])) }
    });
    if seeds.into_inner() >= CASES {
        let rare: Vec<_> =
            tried.iter().filter(|(_, tried)| tried.load(Ordering::Relaxed) < 5).collect();
        assert!(rare.is_empty(), "hardly tried: {rare:?}");
    }
}

/// The kinds of change that are made.
const KINDS: [&str; 4] = ["not_suppressed", "not_denied", "later_grant", "grant"];

/// A change of a case's data.
struct Change<'a> {
    case: &'a Case,
    plan: &'a Plan,
    rows: BTreeMap<String, Rows>,
}

impl<'a> Change<'a> {
    /// Makes a change, if it can be made without any other.
    fn make(&mut self, miss: &NearMiss) -> Option<()> {
        let plan = self.plan;
        let purpose = |table: &ConsentTable| purpose(plan, table, &miss.text);
        match (miss.needs, &miss.place) {
            ("not_suppressed", Some(place)) => self.remove(place),
            ("not_denied", Some(place)) => {
                let table = self.only_table(&place.source)?;
                let purpose = purpose(table)?;
                self.say_nothing(table, place, purpose)
            }
            ("later_grant", Some(place)) => {
                let table = self.only_table(&place.source)?;
                let purpose = purpose(table)?;
                miss.contacts.iter().try_for_each(|contact| self.grant(table, purpose, contact))
            }
            ("grant", None) => {
                let [contact] = miss.contacts.as_slice() else { return None };
                plan.consent.tables.iter().find_map(|table| {
                    let only = self.only_table(&plan.sources[table.source.0].name)?;
                    self.grant(only, purpose(only)?, contact)
                })
            }
            _ => None,
        }
    }

    /// The only consent table on a source of which nothing else is made.
    fn only_table(&self, source: &str) -> Option<&'a ConsentTable> {
        let plan = self.plan;
        let is_on = |of: &optin::plan::SourceId| plan.sources[of.0].name == source;
        let tables: Vec<&ConsentTable> =
            plan.consent.tables.iter().filter(|table| is_on(&table.source)).collect();
        let [table] = tables.as_slice() else { return None };
        let lists = plan.consent.suppress.iter().any(|list| is_on(&list.source));
        (table.customers.is_none() && !lists).then_some(table)
    }

    fn column(&self, source: &str, name: &str) -> usize {
        let columns = &self.case.tables[source].columns;
        columns.iter().position(|column| column == name).expect("a column of the source")
    }

    fn rows(&mut self, source: &str) -> &mut Rows {
        let case = self.case;
        self.rows.entry(source.to_owned()).or_insert_with(|| case.tables[source].rows.clone())
    }

    /// Takes an entry from a list: its cells become null, so that others keep their rows.
    fn remove(&mut self, place: &Place) -> Option<()> {
        let is_it = |id: optin::plan::SourceId| self.plan.sources[id.0].name == place.source;
        let lists: Vec<_> =
            self.plan.consent.suppress.iter().filter(|list| is_it(list.source)).collect();
        let consent = self.plan.consent.tables.iter().any(|table| is_it(table.source));
        let customers = self.plan.tables.iter().any(|table| is_it(table.source));
        // A row that fills no cell stops the run, or is counted.
        let [list] = lists.as_slice() else { return None };
        if consent || customers || list.unmatchable == optin::plan::Unmatchable::Stop {
            return None;
        }
        let columns: Vec<usize> = list
            .matches
            .iter()
            .flat_map(Match::columns)
            .map(|name| self.column(&place.source, &name))
            .collect();
        let row = usize::try_from(place.row).ok()? - 1;
        for column in columns {
            self.rows(&place.source)[row][column] = None;
        }
        Some(())
    }

    /// A row of a consent table says nothing of a purpose any more.
    fn say_nothing(&mut self, table: &ConsentTable, place: &Place, purpose: usize) -> Option<()> {
        let column = match &table.shape {
            Shape::Wide(values) => &values.iter().find(|(of, _)| of.0 == purpose)?.1,
            Shape::Long { value, .. } => value,
        };
        let column = self.column(&place.source, column);
        let row = usize::try_from(place.row).ok()? - 1;
        self.rows(&place.source)[row][column] = None;
        Some(())
    }

    /// A row that grants as of the date of the run.
    fn grant(&mut self, table: &ConsentTable, purpose: usize, contact: &ContactName) -> Option<()> {
        let source = &self.plan.sources[table.source.0];
        let declared = &self.plan.consent.purposes[purpose];
        let in_own_words = table.words.denied.iter().any(|word| word == "granted");
        let undated = table.at.is_none();
        // A grant without a date may have ended, or count for nothing beside dated ones.
        if in_own_words
            || (undated
                && (declared.expires_after.is_some()
                    || self.plan.consent.conflict == Conflict::Latest))
        {
            return None;
        }
        let word = |name: &str| {
            let column = source.columns.iter().find(|column| column.name == name);
            let is_bool = column.is_some_and(|column| {
                matches!(column.ty, ColumnType::Parsed { ty: Type::Bool, .. })
            });
            if is_bool { "true" } else { "granted" }.to_owned()
        };
        let mut cells: Vec<(&str, String)> = Vec::new();
        match &table.shape {
            Shape::Wide(values) => {
                let (_, column) = values.iter().find(|(of, _)| of.0 == purpose)?;
                cells.push((column, word(column)));
            }
            Shape::Long { purpose, value } => {
                cells.push((purpose, declared.name.clone()));
                cells.push((value, word(value)));
            }
        }
        if let Some(at) = &table.at {
            let column = source.columns.iter().find(|column| column.name == *at)?;
            let is_instant =
                matches!(column.ty, ColumnType::Parsed { ty: Type::Datetime, format: None });
            if !is_instant {
                return None;
            }
            cells.push((at, self.case.as_of.to_string()));
        }
        let matched = table.matches.iter().find_map(|matched| match matched {
            Match::Key { field, column, region: RegionFrom::None } => {
                let field = &self.plan.fields[field.0];
                let plain = field.key.chain.kind() != Kind::Phone;
                (plain && contact.kind == "field" && field.name == contact.of).then_some(column)
            }
            Match::Record { table, column } => {
                let of = &self.plan.sources[self.plan.tables[table.0].source.0].name;
                (contact.kind == "record" && *of == contact.of).then_some(column)
            }
            Match::Key { .. } | Match::Digest { .. } => None,
        })?;
        cells.push((matched, contact.value.clone()));
        if cells.iter().any(|(_, cell)| source.nulls.contains(cell)) {
            return None;
        }
        let mut row = vec![None; self.case.tables[&source.name].columns.len()];
        for (name, cell) in cells {
            row[self.column(&source.name, name)] = Some(cell);
        }
        self.rows(&source.name).push(row);
        Some(())
    }
}

/// The purpose that a statement names, if a table speaks of it.
fn purpose(plan: &Plan, table: &ConsentTable, text: &str) -> Option<usize> {
    let named = |name: &str| text.split(' ').any(|word| word == name);
    let at = plan.consent.purposes.iter().position(|purpose| named(&purpose.name))?;
    match &table.shape {
        Shape::Wide(values) => values.iter().any(|(of, _)| of.0 == at).then_some(at),
        Shape::Long { .. } => Some(at),
    }
}
