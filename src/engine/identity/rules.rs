//! Link rules as the engine sees them: what a record says under a rule, as digests.

use std::collections::HashSet;

use rayon::prelude::*;

use crate::diagnostics::{Code, Diagnostic};
use crate::engine::digest::{Digest, combine};
use crate::engine::gathered::Index;
use crate::engine::ids::IdDigests;
use crate::engine::key_reader::KeyReader;
use crate::engine::keys::{Indexes, Keys};
use crate::engine::memory::unreadable;
use crate::engine::partition::{equal, scatter};
use crate::engine::records::{Record, RecordTable, Records};
use crate::engine::similar::{Alike, Item, alike, is_alike};
use crate::plan::{FieldId, LinkRule, Plan, TableId};

/// One compared field: its digests, and those that link nobody.
type Column<'a> = (&'a [Digest], &'a HashSet<Digest>);

/// A link rule over all records.
pub struct RuleView<'a> {
    /// The rule.
    pub rule: &'a LinkRule,
    records: &'a Records,
    exact: Vec<Column<'a>>,
    similar: Vec<Column<'a>>,
    thresholds: Vec<f64>,
    /// For each similar field the readers of its keys, one a table.
    readers: Vec<Vec<KeyReader<'a>>>,
    /// Combinations that too many records share.
    pub blocked: HashSet<Digest>,
}

/// The links of one rule.
#[derive(Debug, Default)]
pub struct RuleLinks {
    /// The first record of each set of equal ones with every other.
    pub pairs: Vec<(Record, Record)>,
    /// The first record of each set of equal ones, and the set's size.
    pub groups: Vec<(Record, u32)>,
    /// Sets that are alike, each by its first record.
    pub alike: Vec<Alike>,
}

impl<'a> RuleView<'a> {
    /// Looks at a rule.
    pub fn new(plan: &'a Plan, records: &'a Records, keys: &'a Keys, rule: &'a LinkRule) -> Self {
        let (similar, thresholds): (Vec<FieldId>, Vec<f64>) = rule.similar_fields().unzip();
        let readers = similar
            .iter()
            .map(|field| {
                let of = |table: &RecordTable| KeyReader::for_field(plan, &table.fields, *field);
                records.tables.iter().map(of).collect()
            })
            .collect();
        Self {
            rule,
            records,
            exact: rule.exact_fields().map(|field| keys.field(field)).collect(),
            similar: similar.into_iter().map(|field| keys.field(field)).collect(),
            thresholds,
            readers,
            blocked: HashSet::new(),
        }
    }

    /// The digest of all keys that the rule compares; 0 if one is missing or links nobody, or the
    /// rule does not speak of the record.
    pub fn full(&self, record: Record) -> Digest {
        let full = self.both(record).1;
        if self.blocked.contains(&full) { 0 } else { full }
    }

    /// True if the rule links these two records directly.
    pub fn agrees(&self, one: Record, other: Record) -> bool {
        if self.similar.is_empty() {
            return self.full(one) != 0 && self.full(one) == self.full(other);
        }
        let (block, other_block) = (self.both(one).0, self.both(other).0);
        let alike = |(field, threshold): (usize, &f64)| {
            let texts = self.text(field, one).zip(self.text(field, other));
            texts.is_some_and(|(one, other)| is_alike(&one, &other, *threshold))
        };
        block != 0 && block == other_block && self.thresholds.iter().enumerate().all(alike)
    }

    /// The digest of what must be equal, and that of all; 0 and 0 if either is missing.
    fn both(&self, record: Record) -> (Digest, Digest) {
        let usable = |(digests, never): &Column<'_>| {
            let digest = digests[record as usize];
            if never.contains(&digest) { 0 } else { digest }
        };
        let exact = self.exact.iter().map(usable);
        let similar = self.similar.iter().map(usable);
        if exact.clone().chain(similar.clone()).any(|part| part == 0) || !self.covers(record) {
            return (0, 0);
        }
        let block = combine(exact);
        let full = if self.similar.is_empty() {
            block
        } else {
            combine(std::iter::once(block).chain(similar))
        };
        (block, full)
    }

    /// Where the keys of the rule's only field are scattered already, if they are.
    fn index<'i>(&self, indexes: &'i Indexes) -> Option<&'i Index> {
        let mut fields = self.rule.fields();
        let only = fields.next().filter(|_| fields.next().is_none() && !self.rule.is_fuzzy())?;
        indexes.of(only)
    }

    /// True if the rule counts every key of every record.
    fn speaks_of_all(&self) -> bool {
        self.rule.only.is_none() && self.exact.iter().all(|(_, never)| never.is_empty())
    }

    fn covers(&self, record: Record) -> bool {
        self.rule.only.is_none() || self.rule.covers(self.records.place(record).0)
    }

    /// A record's key of one of the similar fields.
    fn text(&self, field: usize, record: Record) -> Option<String> {
        let (TableId(table), row) = self.records.place(record);
        self.readers[field][table].key_text(row)
    }

    /// Finds the links among all records with an id. Combinations that too many ids share are
    /// blocked. `complete` tells that all have an id.
    ///
    /// # Errors
    /// A rule with a similarity that would compare too much.
    pub fn links(
        &mut self,
        indexes: &Indexes,
        id_digests: &IdDigests,
        complete: bool,
        max_shared: Option<u64>,
    ) -> Result<RuleLinks, Diagnostic> {
        let has_id = |record: Record| id_digests.has(record);
        let mut equal = match self.index(indexes) {
            Some(index) if complete && self.speaks_of_all() => equal(&index.held, |_| true),
            Some(index) => equal(&index.held, |record| has_id(record) && self.full(record) != 0),
            None => {
                let full = |record| if has_id(record) { self.full(record) } else { 0 };
                equal(&scatter(self.records.len, full), |_| true)
            }
        }
        .map_err(unreadable)?;
        if let Some(most) = max_shared
            && !self.rule.is_fuzzy()
        {
            self.block(&equal.groups, most, id_digests);
            if !self.blocked.is_empty() {
                let open = |first: Record| self.full(first) != 0;
                equal.groups.retain(|(first, _)| open(*first));
                equal.pairs.retain(|(first, _)| open(*first));
            }
        }
        let alike = if self.rule.is_fuzzy() {
            let all: Vec<Record> = (0..self.record_count()).collect();
            self.alike(&all, id_digests)?
        } else {
            Vec::new()
        };
        Ok(RuleLinks { pairs: equal.pairs, groups: equal.groups, alike })
    }

    fn record_count(&self) -> Record {
        Record::try_from(self.records.len).unwrap_or(Record::MAX)
    }

    /// The sets of equal records among these that are alike. Records without an id speak for a
    /// set only where it has no other.
    pub fn alike(
        &self,
        among: &[Record],
        id_digests: &IdDigests,
    ) -> Result<Vec<Alike>, Diagnostic> {
        let items: Vec<Item> = among
            .par_iter()
            .with_min_len(4096)
            .filter_map(|record| {
                let (block, full) = self.both(*record);
                let minor = !id_digests.has(*record);
                (block != 0).then_some(Item { block, full, number: *record, minor })
            })
            .collect();
        alike(&items, &self.thresholds, |field, record| self.text(field, record)).map_err(|many| {
            Diagnostic::error(
                Code::IdentityFault,
                format!(
                    "the rule {} would compare {many} pairs of keys: too many records agree in what must be equal",
                    self.rule.name
                ),
            )
            .help("add another exact field to the rule, or write its commonest values under `never` of their key")
        })
    }

    /// Blocks the combinations that more than `most` different ids share.
    fn block(&mut self, groups: &[(Record, u32)], most: u64, id_digests: &IdDigests) {
        let large: HashSet<Digest> = groups
            .iter()
            .filter(|(_, size)| u64::from(*size) > most)
            .map(|(first, _)| self.full(*first))
            .collect();
        if large.is_empty() {
            return;
        }
        let mut ids: Vec<(Digest, Digest)> = (0..self.record_count())
            .into_par_iter()
            .with_min_len(4096)
            .filter(|record| id_digests.has(*record))
            .map(|record| (self.full(record), id_digests.of(record)))
            .filter(|(full, _)| large.contains(full))
            .collect();
        ids.par_sort_unstable();
        ids.dedup();
        self.blocked = ids
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|ids| ids.len() as u64 > most)
            .map(|ids| ids[0].0)
            .collect();
    }
}
