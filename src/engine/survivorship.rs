//! Survivorship: which of a cluster's records each value of the profile comes from.
//!
//! Total and deterministic (docs/semantics.md, section 4): records of a cluster are put in record
//! order once; a field then shows the first usable value in that order.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::digest::{Digest, DigestSet};
use super::identity::Clusters;
use super::ids::IdDigests;
use super::key_reader::KeyReader;
use super::keys::Keys;
use super::records::{Record, Records};
use crate::plan::{FieldId, Keep, Plan};

/// No record has a usable value.
pub const NOBODY: Record = Record::MAX;

/// The result: clusters in record order, and what was set aside.
pub struct Survivors<'a> {
    plan: &'a Plan,
    values: Values<'a>,
    /// Records set aside as `duplicate id`, true for each; empty if there is none.
    duplicate: Vec<bool>,
}

/// Puts the members of every cluster in record order and sets duplicates aside.
#[must_use]
pub fn survive<'a>(
    plan: &'a Plan,
    records: &'a Records,
    keys: &Keys,
    clusters: &mut Clusters,
) -> Survivors<'a> {
    let values = Values::new(plan, records, keys);
    let keep = plan.survivorship.keep;
    let id_digests = &clusters.id_digests;
    let again: Vec<Record> = blocks(&clusters.starts, &mut clusters.members)
        .into_par_iter()
        .flat_map_iter(|(sizes, mut members)| {
            let mut again = Vec::new();
            let mut ranked: Vec<(Rank, Record)> = Vec::new();
            for size in sizes {
                let (cluster, rest) = std::mem::take(&mut members).split_at_mut(size as usize);
                members = rest;
                if size > 1 {
                    ranked.clear();
                    ranked
                        .extend(cluster.iter().map(|record| (values.rank(keep, *record), *record)));
                    ranked.sort_unstable_by(|a, b| values.compare(*a, *b));
                    for (place, (_, record)) in cluster.iter_mut().zip(&ranked) {
                        *place = *record;
                    }
                    repeated(cluster, id_digests, &mut again);
                }
            }
            again
        })
        .collect();
    let mut duplicate = vec![false; if again.is_empty() { 0 } else { records.len }];
    for record in again {
        duplicate[record as usize] = true;
    }
    Survivors { plan, values, duplicate }
}

/// Sizes of some clusters, and their members behind each other.
type Block<'a> = (Vec<u32>, &'a mut [Record]);

/// The clusters in blocks that threads can take.
fn blocks<'a>(starts: &[u32], mut members: &'a mut [Record]) -> Vec<Block<'a>> {
    const CLUSTERS: usize = 1 << 14;
    let sizes: Vec<u32> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    sizes
        .chunks(CLUSTERS)
        .map(|sizes| {
            let records = sizes.iter().map(|size| *size as usize).sum();
            let (block, rest) = std::mem::take(&mut members).split_at_mut(records);
            members = rest;
            (sizes.to_vec(), block)
        })
        .collect()
}

/// The records whose id an earlier one has: in record order the first of equal ids is the one that
/// stays.
fn repeated(members: &[Record], id_digests: &IdDigests, again: &mut Vec<Record>) {
    /// So few are compared with each other faster than they are put into a set.
    const FEW: usize = 16;
    let id = |record: &Record| id_digests.of(*record);
    if members.len() <= FEW {
        let is_again = |at: usize| members[..at].iter().any(|first| id(first) == id(&members[at]));
        again.extend((1..members.len()).filter(|at| is_again(*at)).map(|at| members[at]));
        return;
    }
    let mut seen = DigestSet::default();
    again.extend(members.iter().filter(|record| !seen.insert(id(record))));
}

/// By which policy a field is won.
pub struct Contest {
    field: FieldId,
    keep: Keep,
    /// The fields that are won together with it, itself among them.
    unit: Vec<FieldId>,
}

/// What decided between the two best records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Won {
    /// No other has a usable value.
    Alone,
    /// The policy.
    Rank,
    /// By the policy they are equal: the more important table.
    Table,
    /// They are of one table: the greater id.
    Id,
    /// They have one id: the smaller values.
    Values,
}

impl Survivors<'_> {
    /// How a field is won.
    #[must_use]
    pub fn contest(&self, field: FieldId) -> Contest {
        let (keep, unit) = self.plan.survivorship.of(field);
        Contest { field, keep, unit }
    }

    /// True if the record was set aside as `duplicate id`.
    #[must_use]
    pub fn is_duplicate(&self, record: Record) -> bool {
        !self.duplicate.is_empty() && self.duplicate[record as usize]
    }

    /// True if the value of a record is usable.
    #[must_use]
    pub fn is_usable(&self, record: Record, field: FieldId) -> bool {
        self.values.usable(record, field)
    }

    /// Of a cluster's members those that could win a field, or its group.
    fn filled<'m>(
        &'m self,
        members: &'m [Record],
        contest: &'m Contest,
    ) -> impl Iterator<Item = Record> + 'm {
        members.iter().copied().filter(|record| {
            contest.unit.iter().any(|field| self.values.usable(*record, *field))
                && !self.is_duplicate(*record)
        })
    }

    /// What decided for the [winner](Self::winner) of a field against the next best; none if no member
    /// could win.
    #[must_use]
    pub fn won(&self, members: &[Record], contest: &Contest) -> Option<Won> {
        let filled = self.filled(members, contest);
        let mut ranked: Vec<(Rank, Record)> =
            filled.map(|record| (self.values.rank(contest.keep, record), record)).collect();
        ranked.sort_unstable_by(|a, b| self.values.compare(*a, *b));
        let records = self.values.records;
        Some(match ranked.as_slice() {
            [] => return None,
            [_] => Won::Alone,
            [(first, _), (next, _), ..] if first != next => Won::Rank,
            [(_, one), (_, other), ..] if records.place(*one).0 != records.place(*other).0 => {
                Won::Table
            }
            [(_, one), (_, other), ..] if records.id(*one) != records.id(*other) => Won::Id,
            _ => Won::Values,
        })
    }

    /// Of a cluster's members the record whose value its profile shows, or [`NOBODY`].
    #[must_use]
    pub fn winner(&self, members: &[Record], contest: &Contest) -> Record {
        let mut filled = self.filled(members, contest);
        // Members stand in the record order of the profile's own policy.
        let winner = if contest.keep == self.plan.survivorship.keep {
            filled.next()
        } else {
            filled
                .map(|record| (self.values.rank(contest.keep, record), record))
                .min_by(|a, b| self.values.compare(*a, *b))
                .map(|(_, record)| record)
        };
        let alone = contest.unit.len() == 1;
        winner
            .filter(|record| alone || self.values.usable(*record, contest.field))
            .unwrap_or(NOBODY)
    }

    /// For each cluster the record whose value of the field its profile shows, or [`NOBODY`].
    #[must_use]
    pub fn winners(&self, clusters: &Clusters, field: FieldId) -> Vec<Record> {
        let contest = self.contest(field);
        (0..clusters.len())
            .into_par_iter()
            .with_min_len(4096)
            .map(|cluster| self.winner(clusters.members(cluster), &contest))
            .collect()
    }
}

/// Which digests are not 0, of 64 a word, the first in its lowest bit.
fn bits(digests: &[Digest]) -> Vec<u64> {
    let word = |digests: &[Digest]| {
        digests.iter().rev().fold(0, |word, digest| word << 1 | u64::from(*digest != 0))
    };
    digests.par_chunks(64).with_min_len(256).map(word).collect()
}

/// How a policy ranks a record; smaller is better.
type Rank = u64;

/// What survivorship looks at: is a value usable, and which of two records is better.
struct Values<'a> {
    records: &'a Records,
    /// By table, then field.
    readers: Vec<Vec<KeyReader<'a>>>,
    /// Of the fields that have keys, which records have one: others are not usable. A bit a record,
    /// so that nobody holds on to the keys themselves.
    keyed: Vec<Option<Vec<u64>>>,
}

impl<'a> Values<'a> {
    fn new(plan: &'a Plan, records: &'a Records, keys: &Keys) -> Self {
        let fields = || (0..plan.fields.len()).map(FieldId);
        let readers = records
            .tables
            .iter()
            .map(|table| {
                fields().map(|field| KeyReader::for_field(plan, &table.fields, field)).collect()
            })
            .collect();
        let keyed = fields().map(|field| keys.digests(field).map(bits)).collect();
        Self { records, readers, keyed }
    }

    fn usable(&self, record: Record, field: FieldId) -> bool {
        match &self.keyed[field.0] {
            Some(words) => words[record as usize / 64] >> (record % 64) & 1 == 1,
            None => {
                let (table, row) = self.records.place(record);
                let (cells, at) = self.records.cell(record, field);
                self.readers[table.0][field.0].usable(cells, at, row)
            }
        }
    }

    fn rank(&self, keep: Keep, record: Record) -> Rank {
        // Shifts the sign so that unsigned numbers sort as the signed ones do.
        let ordered = |value: i64| value.cast_unsigned() ^ (1 << 63);
        let value = |field| {
            let (cells, row) = self.records.cell(record, field);
            cells.ordinal(row)
        };
        match keep {
            Keep::Importance => 0,
            Keep::MostFilled => {
                let fields = (0..self.keyed.len()).map(FieldId);
                Rank::MAX - fields.filter(|field| self.usable(record, *field)).count() as u64
            }
            Keep::MostRecent(field) => {
                value(field).map_or(Rank::MAX, |value| (!ordered(value)).min(Rank::MAX - 1))
            }
            Keep::LeastRecent(field) => {
                value(field).map_or(Rank::MAX, |value| ordered(value).min(Rank::MAX - 1))
            }
        }
    }

    /// Record order: rank, table, greatest id, values.
    fn compare(&self, (rank_a, a): (Rank, Record), (rank_b, b): (Rank, Record)) -> Ordering {
        let records = self.records;
        rank_a
            .cmp(&rank_b)
            .then_with(|| records.place(a).0.cmp(&records.place(b).0))
            .then_with(|| records.compare_ids(b, a))
            .then_with(|| self.compare_values(a, b))
            .then_with(|| records.compare_cells(a, b, self.keyed.len()))
    }

    fn compare_values(&self, a: Record, b: Record) -> Ordering {
        (0..self.keyed.len())
            .map(FieldId)
            .map(|field| match (self.usable(a, field), self.usable(b, field)) {
                (true, true) => {
                    let (cells_a, row_a) = self.records.cell(a, field);
                    let (cells_b, row_b) = self.records.cell(b, field);
                    cells_a.compare(row_a, cells_b, row_b)
                }
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => Ordering::Equal,
            })
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    }
}
