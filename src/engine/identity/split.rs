//! Exceptions: closures that hold records which may not be one customer are split, by themselves
//! alone, weakest link first (docs/semantics.md, section 3).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::rules::RuleView;
use super::{Forest, Link, LinkedBy};
use crate::diagnostics::Diagnostic;
use crate::engine::digest::{Digest, digest};
use crate::engine::ids::IdDigests;
use crate::engine::keys::Keys;
use crate::engine::records::{Record, Records};
use crate::plan::FieldId;

/// What splitting needs to know of all records.
pub struct Exceptions<'a> {
    /// All records.
    pub records: &'a Records,
    /// Their keys.
    pub keys: &'a Keys,
    /// Digest of each record's table and id.
    pub id_digests: &'a IdDigests,
    /// The link rules, strongest first.
    pub rules: &'a [RuleView<'a>],
    /// The fields in which records of one customer may not differ.
    pub unless_different: &'a [FieldId],
}

/// A closure that was split.
#[derive(Debug, Default)]
pub struct Split {
    /// Its records by final cluster.
    pub clusters: Vec<Vec<Record>>,
    /// The links inside the final clusters.
    pub links: Vec<Link>,
    /// Indexes of `always` pairs that were left out.
    pub refused: Vec<usize>,
}

/// Place of an id in the order of (table, id) within the closure.
type Rank = u32;

impl Exceptions<'_> {
    /// The key of an exception field that counts; 0 for none.
    pub fn key(&self, field: FieldId, record: Record) -> Digest {
        let (digests, never) = self.keys.field(field);
        let digest = digests[record as usize];
        if never.contains(&digest) { 0 } else { digest }
    }

    /// Splits a closure. `always` and `never` are its pairs; the former with their indexes.
    ///
    /// # Errors
    /// A rule with a similarity that would compare too much.
    pub fn split(
        &self,
        members: &[Record],
        always: &[(Record, Record, usize)],
        never: &[(Record, Record)],
    ) -> Result<Split, Diagnostic> {
        if let ([one, other], []) = (members, always)
            && self.id_digests.of(*one) != self.id_digests.of(*other)
        {
            // Two records that may not be one customer: most closures that are split.
            let clusters = vec![vec![*one], vec![*other]];
            return Ok(Split { clusters, ..Split::default() });
        }
        let (members, ranks) = self.ranked(members);
        let rank_of: HashMap<Record, Rank> =
            members.iter().copied().zip(ranks.iter().copied()).collect();
        let ids = ranks.last().map_or(0, |last| *last as usize + 1);
        let mut state = State::new(ids);
        for (one, other) in never {
            state.forbid(rank_of[one], rank_of[other]);
        }
        let mut refused = Vec::new();
        let mut pairs: Vec<(Rank, Rank, usize)> = always
            .iter()
            .map(|(one, other, index)| {
                let (one, other) = (rank_of[one], rank_of[other]);
                (one.min(other), one.max(other), *index)
            })
            .collect();
        pairs.sort_unstable();
        for (one, other, index) in &pairs {
            if !state.join_unless_forbidden(*one, *other) {
                refused.push(*index);
            }
        }
        state.describe(self, &members, &ranks);
        let mut found: Vec<(usize, Sets)> = Vec::new();
        for (number, view) in self.rules.iter().enumerate() {
            let sets = Sets::new(view, &members, &rank_of, self.id_digests)?;
            for set in &sets.ordered {
                state.take(&set.ranks);
            }
            found.push((number, sets));
        }

        let mut clusters: BTreeMap<Rank, Vec<Record>> = BTreeMap::new();
        for (record, rank) in members.iter().zip(&ranks) {
            clusters.entry(state.find(*rank)).or_default().push(*record);
        }
        let mut links = Vec::new();
        for (number, sets) in &found {
            let by = LinkedBy::rule(*number);
            sets.links(
                |record| state.root(rank_of[&record]),
                |one, other| {
                    links.push(Link { one, other, by });
                },
            );
        }
        for (one, other, _) in always {
            if state.root(rank_of[one]) == state.root(rank_of[other]) {
                links.push(Link { one: *one, other: *other, by: LinkedBy::Always });
            }
        }
        for pair in members.windows(2).zip(ranks.windows(2)) {
            if let ([one, other], [a, b]) = pair
                && a == b
            {
                links.push(Link { one: *one, other: *other, by: LinkedBy::SameId });
            }
        }
        Ok(Split { clusters: clusters.into_values().collect(), links, refused })
    }

    /// Members in the order of (table, id), and the rank of each.
    fn ranked(&self, members: &[Record]) -> (Vec<Record>, Vec<Rank>) {
        let mut members = members.to_vec();
        members.sort_by(|a, b| {
            let table = |record: Record| self.records.place(record).0;
            table(*a)
                .cmp(&table(*b))
                .then_with(|| self.records.id(*a).cmp(&self.records.id(*b)))
                .then_with(|| a.cmp(b))
        });
        let mut ranks = Vec::with_capacity(members.len());
        let mut rank = 0;
        for (at, record) in members.iter().enumerate() {
            if at > 0 {
                let before = members[at - 1];
                rank += u32::from(self.id_digests.of(*record) != self.id_digests.of(before));
            }
            ranks.push(rank);
        }
        (members, ranks)
    }
}

/// The sets of one rule inside a closure.
pub struct Sets {
    /// Records that agree in all keys of the rule, by digest.
    equal: HashMap<Digest, Vec<Record>>,
    /// The sets that are alike.
    alike: Vec<(Digest, Digest)>,
    /// All sets as ranks, strongest first.
    pub ordered: Vec<Set>,
}

/// Ids that agree, in order, without repeats.
#[derive(Debug, PartialEq)]
pub struct Set {
    similarity: f64,
    /// The ids' ranks.
    pub ranks: Vec<Rank>,
    /// A record of it.
    pub example: Record,
}

impl Sets {
    /// Finds the sets.
    pub fn new(
        view: &RuleView<'_>,
        members: &[Record],
        rank_of: &HashMap<Record, Rank>,
        id_digests: &IdDigests,
    ) -> Result<Self, Diagnostic> {
        let mut equal: HashMap<Digest, Vec<Record>> = HashMap::new();
        let mut order: Vec<Digest> = Vec::new();
        for record in members {
            let full = view.full(*record);
            if full != 0 {
                let set = equal.entry(full).or_default();
                if set.is_empty() {
                    order.push(full);
                }
                set.push(*record);
            }
        }
        let ranks = |sets: &[&Vec<Record>]| {
            let mut ranks: Vec<Rank> =
                sets.iter().flat_map(|set| set.iter().map(|record| rank_of[record])).collect();
            ranks.sort_unstable();
            ranks.dedup();
            ranks
        };
        let mut ordered: Vec<Set> = order
            .iter()
            .map(|full| Set {
                similarity: 1.0,
                ranks: ranks(&[&equal[full]]),
                example: equal[full][0],
            })
            .collect();
        let mut alike = Vec::new();
        if view.rule.is_fuzzy() {
            for pair in view.alike(members, id_digests)? {
                let (one, other) = (view.full(pair.one), view.full(pair.other));
                let ranks = ranks(&[&equal[&one], &equal[&other]]);
                let example = equal[&one][0];
                ordered.push(Set { similarity: pair.similarity, ranks, example });
                alike.push((one, other));
            }
        }
        ordered.retain(|set| set.ranks.len() > 1);
        ordered.sort_by(|a, b| {
            b.similarity.total_cmp(&a.similarity).then_with(|| a.ranks.cmp(&b.ranks))
        });
        Ok(Self { equal, alike, ordered })
    }

    /// Links enough of each set to hold together what is in one cluster, cluster by cluster.
    fn links(&self, cluster: impl Fn(Record) -> Rank, mut link: impl FnMut(Record, Record)) {
        let firsts = |set: &[Record], link: &mut dyn FnMut(Record, Record)| {
            let mut first: BTreeMap<Rank, Record> = BTreeMap::new();
            for record in set {
                match first.entry(cluster(*record)) {
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(*record);
                    }
                    std::collections::btree_map::Entry::Occupied(entry) => {
                        link(*entry.get(), *record);
                    }
                }
            }
            first
        };
        let mut fulls: Vec<&Digest> = self.equal.keys().collect();
        fulls.sort_unstable();
        let mut first: HashMap<Digest, BTreeMap<Rank, Record>> = HashMap::new();
        for full in fulls {
            first.insert(*full, firsts(&self.equal[full], &mut link));
        }
        for (one, other) in &self.alike {
            for (cluster, record) in &first[one] {
                if let Some(theirs) = first[other].get(cluster) {
                    link(*record, *theirs);
                }
            }
        }
    }
}

/// The clusters of a closure while they are being made.
struct State {
    forest: Forest,
    /// For each root the ranks that may not join it.
    forbidden: Vec<Vec<Rank>>,
    /// For each root its keys of the exception fields; 0 for none.
    keys: Vec<Vec<Digest>>,
}

impl State {
    fn new(ids: usize) -> Self {
        Self { forest: Forest::new(ids), forbidden: vec![Vec::new(); ids], keys: Vec::new() }
    }

    fn find(&mut self, rank: Rank) -> Rank {
        self.forest.find(rank)
    }

    /// As [`find`](Self::find), for readers.
    fn root(&self, rank: Rank) -> Rank {
        self.forest.root(rank)
    }

    fn forbid(&mut self, one: Rank, other: Rank) {
        self.forbidden[one as usize].push(other);
        self.forbidden[other as usize].push(one);
    }

    fn is_forbidden(&self, one: Rank, other: Rank) -> bool {
        let (one, other) =
            if self.forbidden[one as usize].len() <= self.forbidden[other as usize].len() {
                (one, other)
            } else {
                (other, one)
            };
        self.forbidden[one as usize].iter().any(|rank| self.forest.root(*rank) == other)
    }

    /// Joins two roots: the smaller stays, which is the cluster's first id.
    fn join(&mut self, one: Rank, other: Rank) {
        let (first, second) = (one.min(other), one.max(other));
        self.forest.union(first, second);
        let mut theirs = std::mem::take(&mut self.forbidden[second as usize]);
        let ours = &mut self.forbidden[first as usize];
        if ours.len() < theirs.len() {
            std::mem::swap(ours, &mut theirs);
        }
        ours.append(&mut theirs);
        if !self.keys.is_empty() {
            let theirs = std::mem::take(&mut self.keys[second as usize]);
            for (key, their) in self.keys[first as usize].iter_mut().zip(theirs) {
                *key = (*key).max(their);
            }
        }
    }

    fn join_unless_forbidden(&mut self, one: Rank, other: Rank) -> bool {
        let (one, other) = (self.find(one), self.find(other));
        if one == other {
            return true;
        }
        if self.is_forbidden(one, other) {
            return false;
        }
        self.join(one, other);
        true
    }

    /// Gives each unit its keys. A unit that itself differs gets a key that equals no other.
    fn describe(&mut self, exceptions: &Exceptions<'_>, members: &[Record], ranks: &[Rank]) {
        let fields = exceptions.unless_different;
        self.keys = vec![vec![0; fields.len()]; self.forbidden.len()];
        for (record, rank) in members.iter().zip(ranks) {
            let root = self.forest.find(*rank);
            for (at, field) in fields.iter().enumerate() {
                let key = exceptions.key(*field, *record);
                let known = &mut self.keys[root as usize][at];
                if *known == 0 {
                    *known = key;
                } else if key != 0 && *known != key {
                    *known = digest(&[b"several", &root.to_le_bytes()[..]].concat());
                }
            }
        }
    }

    /// Takes one set: each cluster it touches joins the first of those before it that it may.
    fn take(&mut self, ranks: &[Rank]) {
        let mut touched: Vec<Rank> = ranks.iter().map(|rank| self.forest.find(*rank)).collect();
        touched.sort_unstable();
        touched.dedup();
        if touched.len() < 2 {
            return;
        }
        let mut heads = Heads::default();
        for cluster in touched {
            let keys = self.keys[cluster as usize].clone();
            match heads.first(&keys, |head| !self.is_forbidden(head, cluster)) {
                None => heads.add(cluster, &keys),
                Some(head) => {
                    let before = self.keys[head as usize].clone();
                    self.join(head, cluster);
                    if self.keys[head as usize] != before {
                        heads.remove(head, &before);
                        let now = self.keys[head as usize].clone();
                        heads.add(head, &now);
                    }
                }
            }
        }
    }
}

/// Clusters that were kept apart, found by their keys: by which fields they fill, which of these
/// are asked for, and the keys there. So a set of many clusters is not compared pair by pair.
#[derive(Default)]
struct Heads {
    /// How many heads fill which fields.
    filled: BTreeMap<u32, usize>,
    by_keys: HashMap<(u32, u32, Vec<Digest>), BTreeSet<Rank>>,
}

impl Heads {
    fn mask(keys: &[Digest]) -> u32 {
        (0..).zip(keys).filter(|(_, key)| **key != 0).map(|(bit, _)| 1 << bit).sum()
    }

    fn under(keys: &[Digest], mask: u32) -> Vec<Digest> {
        (0..).zip(keys).map(|(bit, key)| if mask >> bit & 1 == 1 { *key } else { 0 }).collect()
    }

    /// All subsets of a mask.
    fn subsets(mask: u32) -> impl Iterator<Item = u32> {
        (0..=mask).filter(move |subset| subset & !mask == 0)
    }

    fn add(&mut self, head: Rank, keys: &[Digest]) {
        let mask = Self::mask(keys);
        *self.filled.entry(mask).or_default() += 1;
        for asked in Self::subsets(mask) {
            let place = (mask, asked, Self::under(keys, asked));
            self.by_keys.entry(place).or_default().insert(head);
        }
    }

    fn remove(&mut self, head: Rank, keys: &[Digest]) {
        let mask = Self::mask(keys);
        if let Some(count) = self.filled.get_mut(&mask) {
            *count -= 1;
        }
        for asked in Self::subsets(mask) {
            let place = (mask, asked, Self::under(keys, asked));
            if let Some(heads) = self.by_keys.get_mut(&place) {
                heads.remove(&head);
            }
        }
    }

    /// The first head that differs in no field which both fill, and that `may` be joined.
    fn first(&self, keys: &[Digest], may: impl Fn(Rank) -> bool) -> Option<Rank> {
        let own = Self::mask(keys);
        self.filled
            .iter()
            .filter(|(_, count)| **count > 0)
            .filter_map(|(mask, _)| {
                let both = mask & own;
                let place = (*mask, both, Self::under(keys, both));
                self.by_keys.get(&place)?.iter().copied().find(|head| may(*head))
            })
            .min()
    }
}
