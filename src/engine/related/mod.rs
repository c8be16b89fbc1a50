//! Related tables: what the rows of each customer come to (docs/semantics.md, section 10).
//!
//! In come the clusters and who is asked for; out goes, for each of these, the value of each aggregate
//! that a rule names. A table is read part by part and never in memory: each row is looked up by the
//! digest of its key, and what is asked of it is added to what its customer's rows came to so far.
//! Rows of all records of a customer count. Every row is counted once, with what became of it. The order of rows,
//! files and threads changes nothing.

mod rows;
mod tally;
mod targets;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, RwLock};

use polars::prelude::*;
use tracing::info;

use super::account::RelatedAccount;
use super::cells::{Cells, decimal_text};
use super::identity::Clusters;
use super::keys::Keys;
use super::source::{self, Loaded};
use super::{Setting, engine_fault, guard, progress};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::plan::{Aggregate, AggregateId, FieldId, Instant, Match, Plan, RelatedId, SourceId};
use rows::Part;
use tally::{Tally, Texts};
use targets::Targets;

/// What the rows of those who were asked for come to.
#[derive(Debug, Default)]
pub struct Aggregates {
    /// By profile: its place in the columns, or [`NOT_ASKED`].
    slots: Vec<u32>,
    /// By aggregate.
    columns: Vec<Series>,
    /// A table each.
    pub accounts: Vec<RelatedAccount>,
    /// The sources that were read here and nowhere else: their files and rows.
    pub read: Vec<(SourceId, Loaded)>,
}

/// Nobody asked for this profile.
const NOT_ASKED: u32 = u32::MAX;

/// How many customers are kept under one lock.
const SHARD: usize = 1 << 14;

impl Aggregates {
    /// What the rows of some profiles come to.
    ///
    /// # Errors
    /// A profile that nobody asked for: this would be a mistake of this program.
    pub fn of(&self, aggregate: AggregateId, profiles: &[u32]) -> Outcome<Series> {
        let fault = |e| engine_fault("looking at related tables", &e);
        let slots: Vec<IdxSize> =
            profiles.iter().map(|profile| IdxSize::from(self.slots[*profile as usize])).collect();
        let column = self
            .columns
            .get(aggregate.0)
            .ok_or_else(|| Diagnostic::error(Code::EngineFault, "an aggregate was not computed"))?;
        let slots = IdxCa::from_vec(PlSmallStr::EMPTY, slots);
        Ok(column.take(&slots).map_err(fault)?)
    }

    /// What a profile's rows come to, as text; none if it is null.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn text(&self, aggregate: AggregateId, profile: u32) -> Outcome<Option<String>> {
        let series = self.of(aggregate, &[profile])?.rechunk();
        let cells = Cells::of(&series)?;
        Ok(match (&cells, series.dtype()) {
            (Cells::Float(cells), _) => cells.get(0).map(|value: f64| value.to_string()),
            (Cells::Decimal(cells), DataType::Decimal(_, scale)) => {
                cells.get(0).map(|value| decimal_text(value, *scale))
            }
            _ => cells.text(0).map(std::borrow::Cow::into_owned),
        })
    }

    /// What there is to see of sources that were read here, at their places.
    #[must_use]
    pub fn source(&self, source: SourceId) -> Option<&Loaded> {
        self.read.iter().find(|(of, _)| *of == source).map(|(_, loaded)| loaded)
    }
}

/// The clusters, and the keys of their records.
type People<'a> = (&'a Clusters, &'a Keys);

/// Reads all related tables of which some rule asks something, and adds up the rows of the profiles for
/// which `asked` is true. `loaded` are the sources that were read before.
///
/// # Errors
/// Faults of the sources, and of what is expected of them; a file that is no longer the same.
pub fn aggregates(
    plan: &Plan,
    setting: &Setting,
    loaded: &[Option<Loaded>],
    people: People<'_>,
    asked: &[bool],
    warnings: &mut Vec<Diagnostic>,
) -> Outcome<Aggregates> {
    let mut all = Aggregates::default();
    if plan.aggregates.is_empty() {
        return Ok(all);
    }
    if asked.len() >= 1 << 31 {
        return Err(Diagnostic::error(
            Code::EngineFault,
            "more than 2,147,483,647 customers and related tables are more than this version takes",
        )
        .into());
    }
    let mut slots = 0;
    for asked in asked {
        all.slots.push(if *asked { slots } else { NOT_ASKED });
        slots += u32::from(*asked);
    }
    let in_use = || plan.related_in_use().map(|(id, related)| (id, related.source));
    progress::expect(in_use().map(|(_, source)| plan.sources[source.0].bytes).sum());
    let mut finder = Finder { plan, people, targets: BTreeMap::new() };
    let mut columns: Vec<Option<Series>> = vec![None; plan.aggregates.len()];
    for (id, of) in in_use() {
        finder.prepare(id)?;
        let reading = Reading::new(plan, setting, id, &finder, &all.slots, slots as usize);
        let (account, read) = reading.read()?;
        for (aggregate, series) in reading.done()? {
            columns[aggregate.0] = Some(series);
        }
        all.accounts.push(account);
        match (&loaded[of.0], all.source(of)) {
            (Some(before), _) | (None, Some(before)) => {
                before.expect_unchanged(&plan.sources[of.0], &read)?;
            }
            (None, None) => all.read.push((of, read)),
        }
        setting.memory.check("adding up related tables")?;
    }
    all.columns = columns.into_iter().map(Option::unwrap_or_default).collect();
    let mut read: Vec<Option<Loaded>> = plan.sources.iter().map(|_| None).collect();
    for (source, loaded) in &all.read {
        read[source.0] = Some(Loaded::of_files(loaded.files.clone(), loaded.rows));
    }
    let undated: Vec<Option<Instant>> = vec![None; plan.consent.tables.len()];
    guard::rows(plan, setting, &read, |_| true, warnings)?;
    guard::ages(plan, setting, &read, &undated)?;
    Ok(all)
}

/// By what a row finds its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Record,
    Field(FieldId),
}

impl Subject {
    const fn of(matched: &Match) -> Self {
        match matched {
            Match::Key { field, .. } | Match::Digest { field, .. } => Self::Field(*field),
            Match::Record { .. } => Self::Record,
        }
    }
}

/// Finds customers by keys; the tables for that are made when somebody asks.
struct Finder<'a> {
    plan: &'a Plan,
    people: People<'a>,
    targets: BTreeMap<Subject, Targets>,
}

impl Finder<'_> {
    fn prepare(&mut self, id: RelatedId) -> Outcome<()> {
        let (clusters, keys) = self.people;
        let records = clusters.of.len();
        for matched in &self.plan.related[id.0].matches {
            let subject = Subject::of(matched);
            if self.targets.contains_key(&subject) {
                continue;
            }
            let digests = match subject {
                Subject::Record => clusters.id_digests.as_keys(),
                Subject::Field(field) => keys.field(field).0,
            };
            if digests.len() != records {
                return Err(Diagnostic::error(
                    Code::EngineFault,
                    "the keys by which rows of a related table find customers were not read",
                )
                .help("please report it, with the pipeline file and without the data")
                .into());
            }
            let never = match subject {
                Subject::Record => None,
                Subject::Field(field) => Some(keys.field(field).1),
            };
            let digest = |record: u32| {
                let digest = digests[record as usize];
                if never.is_some_and(|never| never.contains(&digest)) { 0 } else { digest }
            };
            self.targets.insert(subject, Targets::new(clusters, records, digest)?);
        }
        Ok(())
    }
}

/// One related table while it is read.
struct Reading<'a> {
    plan: &'a Plan,
    setting: &'a Setting,
    id: RelatedId,
    finder: &'a Finder<'a>,
    slots: &'a [u32],
    aggregates: Vec<(AggregateId, &'a Aggregate)>,
    /// Tallies of the aggregates, of so many customers each.
    shards: Vec<Mutex<Vec<Tally>>>,
    texts: RwLock<Texts>,
}

impl<'a> Reading<'a> {
    fn new(
        plan: &'a Plan,
        setting: &'a Setting,
        id: RelatedId,
        finder: &'a Finder<'a>,
        slots: &'a [u32],
        asked: usize,
    ) -> Self {
        let aggregates: Vec<_> = plan.aggregates_of(id).collect();
        let shard = |at: usize| {
            let slots = SHARD.min(asked - at * SHARD);
            let tallies = aggregates.iter().map(|(_, aggregate)| Tally::new(aggregate, slots));
            Mutex::new(tallies.collect())
        };
        let shards = (0..asked.div_ceil(SHARD)).map(shard).collect();
        let texts = RwLock::default();
        Self { plan, setting, id, finder, slots, aggregates, shards, texts }
    }

    fn read(&self) -> Outcome<(RelatedAccount, Loaded)> {
        let related = &self.plan.related[self.id.0];
        let source = &self.plan.sources[related.source.0];
        let wanted = self.plan.related_columns(self.id);
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let mut account = RelatedAccount {
            related: related.name.clone(),
            source: source.name.clone(),
            ..RelatedAccount::default()
        };
        let files = source::visit(
            source,
            &wanted,
            |part: Loaded| Ok(Part::new(self, &part)?.add()),
            |part: RelatedAccount| {
                account.add(&part);
                self.setting.memory.check("reading related tables")
            },
        )?;
        let rows = usize::try_from(account.read).unwrap_or(usize::MAX);
        info!(source = source.name, rows, columns = wanted.len(), "related table read");
        Ok((account, Loaded::of_files(files, rows)))
    }

    /// Each aggregate with its column.
    fn done(self) -> Outcome<Vec<(AggregateId, Series)>> {
        let texts = self.texts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut columns: Vec<Option<Series>> = vec![None; self.aggregates.len()];
        for shard in self.shards {
            let tallies = shard.into_inner().unwrap_or_else(PoisonError::into_inner);
            let each = tallies.into_iter().zip(&self.aggregates);
            for (column, (tally, (_, aggregate))) in columns.iter_mut().zip(each) {
                let part = tally.done(aggregate, &texts);
                match column {
                    None => *column = Some(part),
                    Some(column) => {
                        column
                            .append(&part)
                            .map_err(|e| engine_fault("adding up related tables", &e))?;
                    }
                }
            }
        }
        let named = self.aggregates.iter().zip(columns);
        Ok(named
            .map(|((id, aggregate), column)| {
                let empty = || Tally::new(aggregate, 0).done(aggregate, &texts);
                (*id, column.unwrap_or_else(empty).rechunk())
            })
            .collect())
    }
}
