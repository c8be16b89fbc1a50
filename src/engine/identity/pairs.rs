//! Pairs of records from a source: one customer whatever the rules say, or never one customer.

use std::collections::HashSet;

use serde::Serialize;

use crate::diagnostics::Outcome;
use crate::engine::cells::Cells;
use crate::engine::digest::{Digest, DigestMap};
use crate::engine::ids::{id_text, record_digest};
use crate::engine::records::Record;
use crate::engine::source::Loaded;
use crate::plan::{Pairs, Plan, TableId};

/// What became of the rows of one source of pairs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PairAccount {
    /// Name of the source.
    pub source: String,
    /// `always` or `never`.
    pub kind: &'static str,
    /// Rows read.
    pub read: u64,
    /// Pairs in force.
    pub used: u64,
    /// The same two records again.
    pub folded: u64,
    /// A null or blank cell.
    pub incomplete: u64,
    /// A table that is no customer source.
    pub unknown_table: u64,
    /// An id that no record of the table has.
    pub unknown_id: u64,
    /// The same record twice.
    pub same_record: u64,
    /// Of the used, `always` pairs that a `never` pair forbids.
    pub refused: u64,
}

/// Pairs of records, each by the first record of its id.
#[derive(Debug, Default)]
pub struct PairList {
    /// The pairs, and the account each is counted in.
    pub pairs: Vec<(Record, Record, usize)>,
    /// One a source.
    pub accounts: Vec<PairAccount>,
}

/// The first record of every id.
pub struct FirstOf<'a> {
    by_id: DigestMap<Record>,
    plan: &'a Plan,
}

impl<'a> FirstOf<'a> {
    /// Looks at all ids.
    pub fn new(plan: &'a Plan, id_digests: &[Digest]) -> Self {
        let ids: Vec<(Digest, Record)> = id_digests.iter().copied().zip(0..).collect();
        let by_id = DigestMap::build(&ids, |first, record| *first = (*first).min(record));
        Self { by_id, plan }
    }

    /// The customer table of this name: that of its source or, if no source has it, its namespace.
    pub fn table(&self, name: &str) -> Option<TableId> {
        let tables = &self.plan.tables;
        let source = |table: &crate::plan::Table| self.plan.sources[table.source.0].name == name;
        tables
            .iter()
            .position(source)
            .or_else(|| tables.iter().position(|table| table.namespace == name))
            .map(TableId)
    }

    /// The customer table of this namespace.
    pub fn namespace(&self, name: &str) -> Option<TableId> {
        self.plan.tables.iter().position(|table| table.namespace == name).map(TableId)
    }

    /// The namespace of a table.
    pub fn namespace_of(&self, table: TableId) -> &str {
        &self.plan.tables[table.0].namespace
    }

    /// The first record of an id.
    pub fn record(&self, table: TableId, id: &str) -> Option<Record> {
        self.by_id.get(record_digest(table, id))
    }
}

/// Reads sources of pairs.
///
/// # Errors
/// Faults of the engine.
pub fn read(
    kind: &'static str,
    all: &[Pairs],
    loaded: &[Option<Loaded>],
    first_of: &FirstOf<'_>,
) -> Outcome<PairList> {
    let mut list = PairList::default();
    for pairs in all {
        let mut seen: HashSet<(Record, Record)> = HashSet::new();
        let mut account = PairAccount {
            source: first_of.plan.sources[pairs.source.0].name.clone(),
            kind,
            ..PairAccount::default()
        };
        let Some(source) = &loaded[pairs.source.0] else { continue };
        let mut sides = Vec::new();
        for (table, key) in &pairs.columns {
            let cells =
                |name: &str| source.column(name).and_then(|column| Cells::of(&column.series));
            sides.push((cells(table)?, cells(key)?));
        }
        for row in 0..source.rows {
            account.read += 1;
            match pair(&sides, row, first_of) {
                Err(reason) => *reason(&mut account) += 1,
                Ok((one, other)) if one == other => account.same_record += 1,
                Ok((one, other)) => {
                    if seen.insert((one.min(other), one.max(other))) {
                        account.used += 1;
                        list.pairs.push((one, other, list.accounts.len()));
                    } else {
                        account.folded += 1;
                    }
                }
            }
        }
        list.accounts.push(account);
    }
    Ok(list)
}

type Reason = fn(&mut PairAccount) -> &mut u64;

fn pair(
    sides: &[(Cells, Cells)],
    row: usize,
    first_of: &FirstOf<'_>,
) -> Result<(Record, Record), Reason> {
    let mut records = Vec::new();
    for (tables, ids) in sides {
        let table = tables.text(row).map(|name| name.trim().to_owned());
        let (Some(table), Some(id)) = (table.filter(|name| !name.is_empty()), id_text(ids, row))
        else {
            return Err(|account| &mut account.incomplete);
        };
        records.push((table, id));
    }
    let mut found = Vec::new();
    for (table, id) in records {
        let Some(table) = first_of.table(&table) else {
            return Err(|account| &mut account.unknown_table);
        };
        found.push((table, id));
    }
    let mut firsts = found.into_iter().map(|(table, id)| first_of.record(table, &id));
    match (firsts.next().flatten(), firsts.next().flatten()) {
        (Some(one), Some(other)) => Ok((one, other)),
        _ => Err(|account| &mut account.unknown_id),
    }
}
