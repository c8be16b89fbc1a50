//! Identity: which records are one customer.
//!
//! In come the keys of all records; out come clusters (docs/semantics.md, sections 2 and 3). Each
//! link rule gives pairs of records with an equal combined digest; a union-find over record
//! numbers makes the transitive closure. The result does not depend on the order of rows: the
//! anchor, and with it the customer id, is chosen by table and id text.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::digest::{Digest, combine, equal_pairs};
use super::keys::Keys;
use super::records::{Record, RecordKey, Records, id_text};
use crate::plan::{LinkRule, Plan};

/// Number of a cluster, in profile order.
pub type Cluster = u32;

/// No cluster: the record has no id.
pub const NO_CLUSTER: Cluster = Cluster::MAX;

/// What linked a record to its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkedBy {
    /// The rule of this number, the first that links it to another record.
    Rule(u16),
    /// Only its id, which another record of its table has too.
    SameId,
    /// Nothing; it stands alone.
    Nothing,
}

/// What one rule did.
#[derive(Clone, Debug, Serialize)]
pub struct RuleStatistics {
    /// The rule.
    pub rule: String,
    /// Links: records that share their key with an earlier one.
    pub links: u64,
    /// Records that share their key with another one.
    pub records: u64,
}

/// The clusters, numbered in profile order.
#[derive(Debug)]
pub struct Clusters {
    /// The cluster of each record.
    pub of: Vec<Cluster>,
    /// Where each cluster's members start; one more at the end.
    pub starts: Vec<u32>,
    /// Members of all clusters; `survivorship` puts the best of each first.
    pub members: Vec<Record>,
    /// Clusters that a record without id is a shadow of, sorted by cluster.
    pub shadows: Vec<(Cluster, Record)>,
    /// The first record by table and id.
    pub anchors: Vec<Record>,
    /// `customer_id` as 16 bytes.
    pub customer_ids: Vec<[u8; 16]>,
    /// What linked each record.
    pub linked_by: Vec<LinkedBy>,
    /// The digest of each record's table and id; 0 without an id.
    pub id_digests: Vec<Digest>,
    /// The digest under which denials look for each record; 0 without an id.
    pub id_forms: Vec<Digest>,
    /// Each rule's doings.
    pub rules: Vec<RuleStatistics>,
}

impl Clusters {
    /// Number of clusters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// The members of a cluster.
    #[must_use]
    pub fn members(&self, cluster: usize) -> &[Record] {
        &self.members[self.starts[cluster] as usize..self.starts[cluster + 1] as usize]
    }

    /// The records without id that are shadows of a cluster.
    pub fn shadows_of(&self, cluster: usize) -> impl Iterator<Item = Record> + '_ {
        let cluster = u32::try_from(cluster).unwrap_or(NO_CLUSTER);
        let start = self.shadows.partition_point(|(of, _)| *of < cluster);
        self.shadows[start..]
            .iter()
            .take_while(move |(of, _)| *of == cluster)
            .map(|(_, record)| *record)
    }
}

/// Makes the clusters.
#[must_use]
pub fn clusters(plan: &Plan, records: &Records, keys: &Keys) -> Clusters {
    let record_keys = records.map(|table, t, row| {
        id_text(&t.ids, row).map_or(RecordKey::NONE, |id| RecordKey::of(table, &id))
    });
    let id_digests: Vec<Digest> = record_keys.iter().map(|key| key.exact).collect();
    let mut forest = Forest::new(records.len);
    let mut linked_by = vec![LinkedBy::Nothing; records.len];

    for (first, other) in equal_pairs(&numbered(&id_digests)) {
        forest.union(first, other);
        for record in [first, other] {
            linked_by[record as usize] = LinkedBy::SameId;
        }
    }
    let no_id: Vec<Record> =
        (0..).zip(&id_digests).filter(|(_, d)| **d == 0).map(|(r, _)| r).collect();
    let mut shadow_links: Vec<(Record, Record)> = Vec::new();
    let mut rules = Vec::new();
    for (number, rule) in plan.identity.rules.iter().enumerate() {
        let number = LinkedBy::Rule(u16::try_from(number).unwrap_or(u16::MAX));
        let mut digests = rule_digests(rule, keys, records.len);
        shadow_links.extend(take_shadows(&mut digests, &no_id));
        let pairs = equal_pairs(&numbered(&digests));
        let mut touched: Vec<Record> = pairs.iter().map(|(first, _)| *first).collect();
        touched.dedup();
        touched.sort_unstable();
        touched.dedup();
        for &(first, other) in &pairs {
            forest.union(first, other);
            for record in [first, other] {
                let by = &mut linked_by[record as usize];
                *by = (*by).min(number);
            }
        }
        rules.push(RuleStatistics {
            rule: rule.name.clone(),
            links: pairs.len() as u64,
            records: (touched.len() + pairs.len()) as u64,
        });
    }
    let clusters = assemble(plan, records, forest, id_digests, linked_by, rules, &shadow_links);
    Clusters { id_forms: record_keys.into_iter().map(|key| key.loose).collect(), ..clusters }
}

fn numbered(digests: &[Digest]) -> Vec<(Digest, Record)> {
    digests.iter().copied().zip(0..).collect()
}

/// The combined digest of a rule's fields for every record; 0 where a key is missing or `never`.
fn rule_digests(rule: &LinkRule, keys: &Keys, records: usize) -> Vec<Digest> {
    let columns: Vec<_> = rule.exact_fields().map(|field| keys.field(field)).collect();
    (0..records)
        .into_par_iter()
        .with_min_len(4096)
        .map(|record| {
            let parts = columns.iter().map(|(digests, never)| {
                let digest = digests[record];
                if never.contains(&digest) { 0 } else { digest }
            });
            if parts.clone().any(|part| part == 0) { 0 } else { combine(parts) }
        })
        .collect()
}

/// Takes the records without id out of the digests; gives a record each of them agrees with, one
/// for every cluster's worth of records (all that agree share a cluster).
fn take_shadows(digests: &mut [Digest], no_id: &[Record]) -> Vec<(Record, Record)> {
    if no_id.is_empty() {
        return Vec::new();
    }
    let mut waiting: HashMap<Digest, Vec<Record>> = HashMap::new();
    for &record in no_id {
        let digest = std::mem::take(&mut digests[record as usize]);
        if digest != 0 {
            waiting.entry(digest).or_default().push(record);
        }
    }
    if waiting.is_empty() {
        return Vec::new();
    }
    let mut links = Vec::new();
    for (record, digest) in (0..).zip(digests.iter()) {
        if *digest != 0
            && let Some(shadows) = waiting.remove(digest)
        {
            links.extend(shadows.into_iter().map(|shadow| (shadow, record)));
        }
    }
    links
}

fn assemble(
    plan: &Plan,
    records: &Records,
    mut forest: Forest,
    id_digests: Vec<Digest>,
    linked_by: Vec<LinkedBy>,
    rules: Vec<RuleStatistics>,
    shadow_links: &[(Record, Record)],
) -> Clusters {
    // Provisional numbers by the smallest record, then members by counting.
    let mut provisional = vec![NO_CLUSTER; records.len];
    let mut count: u32 = 0;
    let mut sizes: Vec<u32> = Vec::new();
    for record in 0..records.len {
        if id_digests[record] == 0 {
            continue;
        }
        let root = forest.find(u32::try_from(record).unwrap_or(u32::MAX)) as usize;
        if provisional[root] == NO_CLUSTER {
            provisional[root] = count;
            sizes.push(0);
            count += 1;
        }
        provisional[record] = provisional[root];
        sizes[provisional[record] as usize] += 1;
    }
    let starts = starts_of(sizes.iter().copied());
    let members = members_of(&provisional, &starts);
    let slice = |c: usize| &members[starts[c] as usize..starts[c + 1] as usize];

    let named: Vec<(Record, [u8; 16])> = (0..count as usize)
        .into_par_iter()
        .with_min_len(512)
        .map(|cluster| {
            let anchor = anchor_of(records, slice(cluster));
            (anchor, customer_id(plan, records, anchor))
        })
        .collect();
    let mut order: Vec<u32> = (0..count).collect();
    order.par_sort_unstable_by_key(|cluster| {
        let (anchor, id) = &named[*cluster as usize];
        (records.place(*anchor).0, u128::from_be_bytes(*id))
    });
    let mut rank = vec![0_u32; order.len()];
    for (at, cluster) in (0..).zip(&order) {
        rank[*cluster as usize] = at;
    }
    let of: Vec<Cluster> = provisional
        .par_iter()
        .map(|cluster| if *cluster == NO_CLUSTER { NO_CLUSTER } else { rank[*cluster as usize] })
        .collect();
    let starts = starts_of(order.iter().map(|cluster| sizes[*cluster as usize]));
    let members = members_of(&of, &starts);
    let mut shadows: Vec<_> =
        shadow_links.iter().map(|(shadow, record)| (of[*record as usize], *shadow)).collect();
    shadows.sort_unstable();
    shadows.dedup();
    Clusters {
        anchors: order.iter().map(|cluster| named[*cluster as usize].0).collect(),
        customer_ids: order.iter().map(|cluster| named[*cluster as usize].1).collect(),
        of,
        starts,
        members,
        shadows,
        linked_by,
        id_digests,
        id_forms: Vec::new(),
        rules,
    }
}

fn starts_of(sizes: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut starts = vec![0];
    let mut total = 0;
    for size in sizes {
        total += size;
        starts.push(total);
    }
    starts
}

/// Members of each cluster, in the order of records.
fn members_of(of: &[Cluster], starts: &[u32]) -> Vec<Record> {
    let mut next = starts.to_vec();
    let mut members = vec![0; starts.last().map_or(0, |total| *total as usize)];
    for (record, cluster) in (0..).zip(of) {
        if *cluster != NO_CLUSTER {
            let at = &mut next[*cluster as usize];
            members[*at as usize] = record;
            *at += 1;
        }
    }
    members
}

/// The first by table, then by id text. Members come in the order of tables.
fn anchor_of(records: &Records, members: &[Record]) -> Record {
    let Some((&first, rest)) = members.split_first() else { return 0 };
    let (table, _) = records.place(first);
    let mut best = first;
    for &record in rest {
        if records.place(record).0 != table {
            break;
        }
        if records.id(record).as_deref() < records.id(best).as_deref() {
            best = record;
        }
    }
    best
}

/// SHA-256 over namespace, 0x1F and id text, its first 128 bits.
fn customer_id(plan: &Plan, records: &Records, anchor: Record) -> [u8; 16] {
    let (table, _) = records.place(anchor);
    let mut hasher = Sha256::new();
    hasher.update(plan.tables[table.0].namespace.as_bytes());
    hasher.update([0x1F]);
    hasher.update(records.id(anchor).unwrap_or_default().as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize()[..16]);
    id
}

/// Union-find over record numbers; the smallest of a set is its root.
struct Forest {
    parent: Vec<Record>,
}

impl Forest {
    fn new(records: usize) -> Self {
        Self { parent: (0..u32::try_from(records).unwrap_or(u32::MAX)).collect() }
    }

    fn find(&mut self, mut record: Record) -> Record {
        loop {
            let parent = self.parent[record as usize];
            if parent == record {
                return record;
            }
            let above = self.parent[parent as usize];
            self.parent[record as usize] = above;
            record = above;
        }
    }

    fn union(&mut self, a: Record, b: Record) {
        let (a, b) = (self.find(a), self.find(b));
        let (small, large) = (a.min(b), a.max(b));
        self.parent[large as usize] = small;
    }
}

#[cfg(test)]
mod tests {
    use super::Forest;

    #[test]
    fn a_long_chain_is_one_set() {
        let mut forest = Forest::new(100_000);
        for record in (1..100_000).rev() {
            forest.union(record - 1, record);
        }
        assert!((0..100_000).all(|record| forest.find(record) == 0));
    }
}
