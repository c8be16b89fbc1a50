//! Survivorship: which of a cluster's records each value of the profile comes from.
//!
//! Total and deterministic (docs/semantics.md, section 4): records of a cluster are put in record
//! order once; a field then shows the first usable value in that order.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::digest::{Digest, DigestSet};
use super::identity::Clusters;
use super::keys::Keys;
use super::records::{KeyReader, Record, RecordTable, Records};
use crate::plan::{FieldId, Keep, Plan};

/// No record has a usable value.
pub const NOBODY: Record = Record::MAX;

/// The result: clusters in record order, and what was set aside.
pub struct Survivors<'a> {
    plan: &'a Plan,
    records: &'a Records,
    usable: Usable,
    /// How the policies of fields and groups rank each record, where they are not the profile's.
    preferences: Vec<(Keep, Vec<u64>)>,
    /// Records set aside as `duplicate id`, true for each.
    pub duplicate: Vec<bool>,
}

/// Puts the members of every cluster in record order and sets duplicates aside.
#[must_use]
pub fn survive<'a>(
    plan: &'a Plan,
    records: &'a Records,
    keys: &Keys,
    clusters: &mut Clusters,
) -> Survivors<'a> {
    let usable = Usable::new(plan, records, keys);
    let own = preference(plan.survivorship.keep, records, &usable);
    let mut duplicate = vec![false; records.len];
    let ranking = Ranking { records, preference: &own, usable: &usable, fields: plan.fields.len() };
    let sorted: Vec<(usize, Vec<Record>, Vec<Record>)> = (0..clusters.len())
        .into_par_iter()
        .with_min_len(1024)
        .filter(|cluster| clusters.members(*cluster).len() > 1)
        .map(|cluster| {
            let mut members = clusters.members(cluster).to_vec();
            members.sort_unstable_by(|a, b| ranking.compare(*a, *b));
            let again = repeated(&members, &clusters.id_digests);
            (cluster, members, again)
        })
        .collect();
    for (cluster, members, again) in sorted {
        let start = clusters.starts[cluster] as usize;
        clusters.members[start..start + members.len()].copy_from_slice(&members);
        for record in again {
            duplicate[record as usize] = true;
        }
    }
    let mut preferences: Vec<(Keep, Vec<u64>)> = Vec::new();
    let policies = plan.survivorship.fields.iter().map(|(_, keep)| *keep);
    for keep in policies.chain(plan.survivorship.groups.iter().map(|group| group.keep)) {
        if keep != plan.survivorship.keep && preferences.iter().all(|(known, _)| *known != keep) {
            preferences.push((keep, preference(keep, records, &usable)));
        }
    }
    Survivors { plan, records, usable, preferences, duplicate }
}

/// The records whose id an earlier one has: in record order the first of equal ids is the one that
/// stays.
fn repeated(members: &[Record], id_digests: &[Digest]) -> Vec<Record> {
    /// So few are compared with each other faster than they are put into a set.
    const FEW: usize = 16;
    let id = |record: &Record| id_digests[*record as usize];
    if members.len() <= FEW {
        let is_again = |at: usize| members[..at].iter().any(|first| id(first) == id(&members[at]));
        return (1..members.len()).filter(|at| is_again(*at)).map(|at| members[at]).collect();
    }
    let mut seen = DigestSet::default();
    members.iter().filter(|record| !seen.insert(id(record))).copied().collect()
}

impl Survivors<'_> {
    /// For each cluster the record whose value of the field the profile shows, or [`NOBODY`].
    #[must_use]
    pub fn winners(&self, clusters: &Clusters, field: FieldId) -> Vec<Record> {
        let (keep, unit) = self.plan.survivorship.of(field);
        let ranking =
            self.preferences.iter().find(|(known, _)| *known == keep).map(|(_, preference)| {
                Ranking {
                    records: self.records,
                    preference,
                    usable: &self.usable,
                    fields: self.plan.fields.len(),
                }
            });
        (0..clusters.len())
            .into_par_iter()
            .with_min_len(4096)
            .map(|cluster| {
                let mut filled = clusters.members(cluster).iter().copied().filter(|record| {
                    !self.duplicate[*record as usize]
                        && unit.iter().any(|field| self.usable.is(*record, field.0))
                });
                // Members stand in the record order of the profile's own policy.
                let winner = match &ranking {
                    None => filled.next(),
                    Some(ranking) => filled.min_by(|a, b| ranking.compare(*a, *b)),
                };
                winner.filter(|record| self.usable.is(*record, field.0)).unwrap_or(NOBODY)
            })
            .collect()
    }
}

/// One bit a record and field: is the value usable?
struct Usable {
    bits: Vec<u64>,
    words: usize,
}

impl Usable {
    fn is(&self, record: Record, field: usize) -> bool {
        self.bits[record as usize * self.words + field / 64] >> (field % 64) & 1 == 1
    }

    fn new(plan: &Plan, records: &Records, keys: &Keys) -> Self {
        let words = plan.fields.len().div_ceil(64).max(1);
        let readers: Vec<Vec<KeyReader<'_>>> = records
            .tables
            .iter()
            .map(|table: &RecordTable| {
                (0..plan.fields.len())
                    .map(|field| KeyReader::for_field(plan, table, FieldId(field)))
                    .collect()
            })
            .collect();
        let digests: Vec<_> =
            (0..plan.fields.len()).map(|field| keys.digests(FieldId(field))).collect();
        let mut bits = vec![0_u64; records.len * words];
        bits.par_chunks_mut(words).with_min_len(2048).enumerate().for_each(|(record, bits)| {
            let (table, row) = records.place(u32::try_from(record).unwrap_or(u32::MAX));
            for (field, reader) in readers[table.0].iter().enumerate() {
                let usable = match digests[field] {
                    Some(digests) => digests[record] != 0,
                    None => reader.usable(row),
                };
                bits[field / 64] |= u64::from(usable) << (field % 64);
            }
        });
        Self { bits, words }
    }
}

/// For each record how a policy ranks it, smaller is better.
fn preference(keep: Keep, records: &Records, usable: &Usable) -> Vec<u64> {
    // Shifts the sign so that unsigned numbers sort as the signed ones do.
    let ordered = |value: i64| value.cast_unsigned() ^ (1 << 63);
    match keep {
        Keep::Importance => vec![0; records.len],
        Keep::MostFilled => usable
            .bits
            .par_chunks(usable.words)
            .map(|bits| {
                u64::MAX - bits.iter().map(|word| u64::from(word.count_ones())).sum::<u64>()
            })
            .collect(),
        Keep::MostRecent(field) => records.map(|_, table, row| {
            table.fields[field.0]
                .ordinal(row)
                .map_or(u64::MAX, |value| (!ordered(value)).min(u64::MAX - 1))
        }),
        Keep::LeastRecent(field) => records.map(|_, table, row| {
            table.fields[field.0]
                .ordinal(row)
                .map_or(u64::MAX, |value| ordered(value).min(u64::MAX - 1))
        }),
    }
}

struct Ranking<'a> {
    records: &'a Records,
    preference: &'a [u64],
    usable: &'a Usable,
    fields: usize,
}

impl Ranking<'_> {
    /// Record order: `keep`, table, greatest id, values.
    fn compare(&self, a: Record, b: Record) -> Ordering {
        let kept = self.preference[a as usize].cmp(&self.preference[b as usize]);
        kept.then_with(|| self.records.place(a).0.cmp(&self.records.place(b).0))
            .then_with(|| self.records.id(b).cmp(&self.records.id(a)))
            .then_with(|| self.compare_values(a, b))
            .then_with(|| self.records.compare_cells(a, b, self.fields))
    }

    fn compare_values(&self, a: Record, b: Record) -> Ordering {
        (0..self.fields)
            .map(|field| match (self.usable.is(a, field), self.usable.is(b, field)) {
                (true, true) => {
                    let (cells_a, row_a) = self.records.cell(a, FieldId(field));
                    let (cells_b, row_b) = self.records.cell(b, FieldId(field));
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
