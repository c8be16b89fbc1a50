//! Keys of all records, made part by part: a value a record, and the same by partition where
//! somebody will look for them.

use std::ops::Range;

use rayon::prelude::*;

use super::digest::Digest;
use super::key_reader::{KeyForms, KeyReader};
use super::memory::Memory;
use super::partition::{Held, Parts, Scattered, chunk_rows};
use super::records::{Record, Records};
use super::source::parts_at_once;
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, Plan};

/// Where the digests of all records are looked for, by partition.
#[derive(Debug, Default)]
pub struct Index {
    /// The keys. Marked are those that denials look for as they are.
    pub held: Scattered<Held>,
    /// Other forms under which denials look for records.
    pub others: Scattered<Held>,
}

impl Index {
    /// How many bytes stand in memory.
    fn in_memory(&self) -> u64 {
        self.held.in_memory() + self.others.in_memory()
    }

    /// Puts on disk what has no room in memory.
    ///
    /// # Errors
    /// A disk that cannot take it.
    pub fn fit(&mut self, memory: &Memory) -> Outcome<()> {
        if self.in_memory() >= memory.pending() {
            memory.spill(&mut self.held)?;
            memory.spill(&mut self.others)?;
        }
        Ok(())
    }
}

/// The keys of some rows.
#[derive(Debug)]
pub struct KeyPart {
    keys: Vec<Digest>,
    index: Option<(Parts<Held>, Parts<Held>)>,
}

impl KeyPart {
    /// Of rows by their `key`s; where these are looked for, `indexed`, by their `forms`.
    pub fn new(
        rows: Range<usize>,
        indexed: bool,
        key: impl Fn(usize) -> Digest,
        forms: impl Fn(usize) -> Option<KeyForms>,
    ) -> Self {
        if !indexed {
            return Self { keys: rows.map(key).collect(), index: None };
        }
        let mut keys = Vec::with_capacity(rows.len());
        let mut own = Vec::with_capacity(rows.len());
        let mut others = Vec::new();
        for (record, row) in (0..).zip(rows) {
            let forms = forms(row).unwrap_or(KeyForms::NONE);
            keys.push(forms.key);
            own.push(forms.own);
            let forms = forms.others.into_iter().filter(|form| *form != 0);
            others.extend(forms.map(|form| (form, true, record)));
        }
        let held = || (0..).zip(keys.iter().zip(&own)).map(|(at, (key, own))| (*key, *own, at));
        let index = (Parts::of_keys(held), Parts::of_keys(|| others.iter().copied()));
        Self { keys, index: Some(index) }
    }
}

/// The keys of all records, put together part by part.
#[derive(Debug)]
pub struct Gathered {
    keys: Vec<Digest>,
    index: Index,
    indexed: bool,
}

impl Gathered {
    /// Nothing yet; room for about so many records.
    #[must_use]
    pub fn new(indexed: bool, records: usize) -> Self {
        Self { keys: Vec::with_capacity(records), index: Index::default(), indexed }
    }

    /// Adds the keys of the records that are next.
    pub fn append(&mut self, part: KeyPart) {
        let first = Record::try_from(self.keys.len()).unwrap_or(Record::MAX);
        self.keys.extend_from_slice(&part.keys);
        if let Some((held, others)) = part.index {
            self.index.held.append(Scattered::of(vec![held.behind(first)]));
            self.index.others.append(Scattered::of(vec![others.behind(first)]));
        }
    }

    /// Adds the keys of so many rows of a table, made in parallel. Few parts are made at once: they
    /// are copied, and their memory is used again.
    pub fn extend(&mut self, rows: usize, make: impl Fn(Range<usize>) -> KeyPart + Sync) {
        let chunk = chunk_rows(rows);
        let starts: Vec<usize> = (0..rows).step_by(chunk).collect();
        for starts in starts.chunks(parts_at_once()) {
            let parts: Vec<KeyPart> =
                starts.par_iter().map(|start| make(*start..rows.min(start + chunk))).collect();
            for part in parts {
                self.append(part);
            }
        }
    }

    /// Puts on disk what has no room in memory.
    ///
    /// # Errors
    /// A disk that cannot take it.
    pub fn fit(&mut self, memory: &Memory) -> Outcome<()> {
        self.index.fit(memory)
    }

    /// The key of every record, and where each is looked for.
    #[must_use]
    pub fn done(self) -> (Vec<Digest>, Option<Index>) {
        (self.keys, self.indexed.then_some(self.index))
    }
}

/// Digests one field of all records.
#[must_use]
pub fn gather_keys(plan: &Plan, records: &Records, field: FieldId, indexed: bool) -> Gathered {
    let mut gathered = Gathered::new(indexed, records.len);
    for table in &records.tables {
        let reader = KeyReader::for_field(plan, &table.fields, field);
        gathered.extend(table.rows, |rows| reader.part(rows, indexed));
    }
    gathered
}
