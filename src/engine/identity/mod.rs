//! Identity: which records are one customer.
//!
//! In come the keys of all records; out come clusters (docs/semantics.md, section 3). Each link
//! rule gives pairs of records that agree ([`rules`]); a union-find over record numbers makes the
//! transitive closure; closures that hold records which may not be one customer are split
//! ([`split`]); what is too large or unmatched is set aside ([`aside`]); the rest is named
//! ([`names`]). The result does not depend on the order of rows.

mod aside;
mod names;
mod numbering;
mod pairs;
mod rules;
mod split;
mod statistics;

pub use names::{CustomerId, Earlier, Names, PreviousAccount, customer_id, unhex};
pub use pairs::PairAccount;
pub use rules::RuleView;
pub use split::Sets;
pub use statistics::{Guards, RuleStatistics, SharedKey, shared_texts};

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::digest::Digest;
use super::ids::{IdDigests, Ids};
use super::keys::{Indexes, Keys};
use super::records::{Record, Records};
use super::similar::Alike;
use super::source::Loaded;
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, Instant, Plan};
use aside::{Draft, Kind};
use pairs::{FirstOf, PairList};
use rules::RuleLinks;
use split::Exceptions;

/// Number of a cluster: profiles come first, then what is set aside whole, both in the order of
/// their smallest records, so that what is done cluster by cluster goes through memory in one
/// direction. The order in which profiles leave is another one ([`Names::sorted`]).
pub type Cluster = u32;

/// No cluster: the record has no id, or it was dropped and the rest of its cluster stays.
pub const NO_CLUSTER: Cluster = Cluster::MAX;

/// What linked a record to its cluster, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkedBy {
    /// A pair that is always one customer.
    Always,
    /// The rule of this number, the first that links it to another record.
    Rule(u16),
    /// Only its id, which another record of its table has too.
    SameId,
    /// Nothing; it stands alone.
    Nothing,
}

impl LinkedBy {
    /// The rule of this number.
    #[must_use]
    pub fn rule(number: usize) -> Self {
        Self::Rule(u16::try_from(number).unwrap_or(u16::MAX))
    }
}

/// Two records that belong together, and why.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The one.
    pub one: Record,
    /// The other.
    pub other: Record,
    /// Why.
    pub by: LinkedBy,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It belongs to a profile.
    Profile(Cluster),
    /// It has no id.
    NoId,
    /// Its cluster is too large.
    TooLarge,
    /// It links to no earlier table.
    Dropped,
}

/// The clusters: profiles, then those that are set aside whole.
#[derive(Debug)]
pub struct Clusters {
    /// How many are profiles.
    pub profiles: usize,
    /// How many of those behind the profiles are too large; the rest is dropped.
    pub too_large: usize,
    /// The cluster of each record.
    pub of: Vec<Cluster>,
    /// Where each cluster's members start; one more at the end.
    pub starts: Vec<u32>,
    /// Members of all clusters; `survivorship` puts the best of each first.
    pub members: Vec<Record>,
    /// Records without an id, and dropped ones, that a cluster has as shadows; by cluster.
    pub shadows: Vec<(Cluster, Record)>,
    /// The anchor and the `customer_id` of each.
    pub names: Names,
    /// What linked each record; empty if the plan does not ask for the table that says so.
    pub linked_by: Vec<LinkedBy>,
    /// What tells records' ids apart.
    pub id_digests: IdDigests,
    /// Each rule's doings.
    pub rules: Vec<RuleStatistics>,
    /// The sources of pairs.
    pub pairs: Vec<PairAccount>,
    /// For each rule the combinations that too many records share.
    pub blocked: Vec<HashSet<Digest>>,
    /// Pairs of records that are one customer whatever the rules say.
    pub always: Vec<(Record, Record)>,
    /// What the guards against over-linking found.
    pub guards: Guards,
    /// The values that link most records.
    pub shared: Vec<SharedKey>,
    /// What became of the customers of an earlier run.
    pub earlier: Option<Earlier>,
}

impl Clusters {
    /// Number of clusters, those that are set aside among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The members of a cluster.
    #[must_use]
    pub fn members(&self, cluster: usize) -> &[Record] {
        &self.members[self.starts[cluster] as usize..self.starts[cluster + 1] as usize]
    }

    /// The shadows of a cluster.
    pub fn shadows_of(&self, cluster: usize) -> impl Iterator<Item = Record> + '_ {
        let cluster = u32::try_from(cluster).unwrap_or(NO_CLUSTER);
        let start = self.shadows.partition_point(|(of, _)| *of < cluster);
        self.shadows[start..]
            .iter()
            .take_while(move |(of, _)| *of == cluster)
            .map(|(_, record)| *record)
    }

    /// True if no two clusters can show the same key of a field: a rule links whoever has it, and
    /// nothing was split, blocked or set aside.
    #[must_use]
    pub fn tell_apart(&self, plan: &Plan, field: FieldId) -> bool {
        let identity = &plan.identity;
        let bare = identity.rules.iter().zip(&self.blocked).any(|(rule, blocked)| {
            !rule.is_fuzzy()
                && rule.only.is_none()
                && blocked.is_empty()
                && rule.fields().eq([field])
        });
        bare && plan.fields[field.0].key.never.is_empty()
            && !identity.has_exceptions()
            && self.profiles == self.len()
            && self.shadows.is_empty()
    }

    /// What became of a record.
    #[must_use]
    pub fn fate(&self, record: Record) -> Fate {
        match self.of[record as usize] {
            NO_CLUSTER if !self.id_digests.has(record) => Fate::NoId,
            NO_CLUSTER => Fate::Dropped,
            cluster if (cluster as usize) < self.profiles => Fate::Profile(cluster),
            cluster if (cluster as usize) < self.profiles + self.too_large => Fate::TooLarge,
            _ => Fate::Dropped,
        }
    }
}

/// Makes the clusters.
///
/// # Errors
/// A rule with a similarity that would compare too much, an earlier identity table that cannot be
/// used, faults of the engine.
pub fn clusters(
    plan: &Plan,
    loaded: &[Option<Loaded>],
    earlier: Option<&Loaded>,
    records: &Records,
    ids: Ids,
    (keys, indexes): (&Keys, &Indexes),
    as_of: Instant,
) -> Outcome<Clusters> {
    let (id_digests, same_ids) = (ids.digests, ids.equal);
    let identity = &plan.identity;
    let named = !identity.always.is_empty() || !identity.never.is_empty() || earlier.is_some();
    let first_of = named.then(|| FirstOf::new(plan, id_digests.as_keys()));
    let (always, never) = match &first_of {
        Some(first_of) => (
            pairs::read("always", &identity.always, loaded, first_of)?,
            pairs::read("never", &identity.never, loaded, first_of)?,
        ),
        None => (PairList::default(), PairList::default()),
    };

    let mut views: Vec<RuleView<'_>> =
        identity.rules.iter().map(|rule| RuleView::new(plan, records, keys, rule)).collect();
    let complete = id_digests.are_complete();
    let mut of_rules: Vec<RuleLinks> = Vec::new();
    for view in &mut views {
        of_rules.push(view.links(indexes, &id_digests, complete, identity.max_shared)?);
    }
    let joined = |alike: &Alike| id_digests.has(alike.one) && id_digests.has(alike.other);
    let of_pairs = always.pairs.iter().map(|(one, other, _)| (LinkedBy::Always, *one, *other));
    let of_rule = |(number, links): (usize, &RuleLinks)| {
        let alike = links.alike.iter().filter(|alike| joined(alike));
        let all = links.pairs.iter().copied().chain(alike.map(|alike| (alike.one, alike.other)));
        all.map(|(one, other)| (LinkedBy::rule(number), one, other)).collect::<Vec<_>>()
    };
    let sole = sole_rule(&same_ids, &always, &of_rules).filter(|_| !identity.has_exceptions());
    let wanted = plan.outputs.identity.is_some();
    let mut closure = match sole {
        Some(rule) => Closure::of_stars(records.len, LinkedBy::rule(rule), &of_rules[rule], wanted),
        None => Closure::of(
            records.len,
            same_ids
                .iter()
                .map(|(one, other)| (LinkedBy::SameId, *one, *other))
                .chain(of_pairs)
                .chain(of_rules.iter().enumerate().flat_map(of_rule)),
        ),
    };
    let mut pair_accounts = always.accounts.clone();
    if identity.has_exceptions() {
        let exceptions = Exceptions {
            records,
            keys,
            id_digests: &id_digests,
            rules: &views,
            unless_different: &identity.unless_different,
        };
        let refused = split_closures(&exceptions, &mut closure, &always.pairs, &never)?;
        for account in refused {
            pair_accounts[account].refused += 1;
        }
    }
    pair_accounts.extend(never.accounts);

    let Closure { roots, links } = closure;
    let linked_by = if wanted { linked_by(&links, &id_digests) } else { Vec::new() };
    let alone = match sole {
        Some(rule) => {
            let mut alone = vec![0; identity.rules.len()];
            alone[rule] = of_rules[rule].pairs.len() as u64;
            alone
        }
        None => statistics::alone(&links, &roots, identity.rules.len()),
    };
    drop(links);
    let shadow_links = shadow_links(&views, &of_rules, &id_digests, &roots);
    let (rules, guards, shared) =
        statistics::statistics(plan, &views, &of_rules, &id_digests, &alone);
    drop(of_rules);
    let draft = Draft::new(plan, records, &id_digests, &roots, &shadow_links);
    let (names, earlier) =
        names::names(plan, records, &draft, earlier.zip(first_of.as_ref()), as_of)?;
    let count = |wanted: Kind| draft.kinds.iter().filter(|kind| **kind == wanted).count();
    let too_large = count(Kind::TooLarge);
    Ok(Clusters {
        profiles: count(Kind::Profile),
        too_large,
        names,
        earlier,
        of: draft.of,
        starts: draft.starts,
        members: draft.members,
        shadows: draft.shadows,
        linked_by,
        id_digests,
        rules,
        pairs: pair_accounts,
        guards: Guards { large_clusters: too_large as u64, ..guards },
        shared,
        blocked: views.into_iter().map(|view| view.blocked).collect(),
        always: always.pairs.iter().map(|(one, other, _)| (*one, *other)).collect(),
    })
}

/// The transitive closure of links.
struct Closure {
    /// The smallest record of each record's closure.
    roots: Vec<Record>,
    links: Vec<Link>,
}

impl Closure {
    /// Of any links.
    fn of(records: usize, links: impl Iterator<Item = (LinkedBy, Record, Record)>) -> Self {
        let mut forest = Forest::new(records);
        let links = links.map(|(by, one, other)| {
            forest.union(one, other);
            Link { one, other, by }
        });
        let links = links.collect();
        let records = Record::try_from(records).unwrap_or(Record::MAX);
        Self { roots: (0..records).map(|record| forest.find(record)).collect(), links }
    }

    /// Of one rule's links alone, each of which goes from the first of its set: there is nothing
    /// to find. The links themselves are kept if they are `wanted`.
    fn of_stars(records: usize, by: LinkedBy, of_rule: &RuleLinks, wanted: bool) -> Self {
        let roots = numbering::roots_of_stars(records, &of_rule.pairs);
        let link = |(one, other): &(Record, Record)| Link { one: *one, other: *other, by };
        let links = if wanted { of_rule.pairs.iter().map(link).collect() } else { Vec::new() };
        Self { roots, links }
    }
}

/// The rule that made all links there are, if it is a single one without a similarity.
fn sole_rule(
    same_ids: &[(Record, Record)],
    always: &PairList,
    of_rules: &[RuleLinks],
) -> Option<usize> {
    let none_else = same_ids.is_empty() && always.pairs.is_empty();
    let mut linking = of_rules.iter().enumerate().filter(|(_, links)| !links.pairs.is_empty());
    let (rule, _) = linking.next().filter(|_| linking.next().is_none())?;
    (none_else && of_rules.iter().all(|links| links.alike.is_empty())).then_some(rule)
}

/// Splits the closures that hold records which may not be one customer.
/// Gives the accounts of `always` pairs that were left out, one entry a pair.
fn split_closures(
    exceptions: &Exceptions<'_>,
    closure: &mut Closure,
    always: &[(Record, Record, usize)],
    never: &PairList,
) -> Outcome<Vec<usize>> {
    let Closure { roots, links } = closure;
    let broken = broken_closures(exceptions, roots, never);
    let is_broken = |root: Record| broken[root as usize];
    let mut of_broken: Vec<(Record, Record)> = (0..)
        .zip(roots.iter())
        .filter(|(record, root)| is_broken(**root) && exceptions.id_digests.has(*record))
        .map(|(record, root)| (*root, record))
        .collect();
    if of_broken.is_empty() {
        return Ok(Vec::new());
    }
    of_broken.par_sort_unstable();
    let members: Vec<(Record, Vec<Record>)> = of_broken
        .chunk_by(|a, b| a.0 == b.0)
        .map(|closure| (closure[0].0, closure.iter().map(|(_, record)| *record).collect()))
        .collect();
    let mut always_of: HashMap<Record, Vec<(Record, Record, usize)>> = HashMap::new();
    for (index, (one, other, _)) in always.iter().enumerate() {
        always_of.entry(roots[*one as usize]).or_default().push((*one, *other, index));
    }
    let mut never_of: HashMap<Record, Vec<(Record, Record)>> = HashMap::new();
    for (one, other, _) in &never.pairs {
        if roots[*one as usize] == roots[*other as usize] {
            never_of.entry(roots[*one as usize]).or_default().push((*one, *other));
        }
    }
    let splits: Vec<split::Split> = members
        .into_par_iter()
        .map(|(root, members)| {
            let always = always_of.get(&root).map_or(&[][..], Vec::as_slice);
            let never = never_of.get(&root).map_or(&[][..], Vec::as_slice);
            exceptions.split(&members, always, never)
        })
        .collect::<Result<_, _>>()?;
    links.retain(|link| !is_broken(roots[link.one as usize]));
    let mut refused = Vec::new();
    for split in splits {
        for cluster in &split.clusters {
            let root = cluster.iter().copied().min().unwrap_or_default();
            for record in cluster {
                roots[*record as usize] = root;
            }
        }
        links.extend(split.links);
        refused.extend(split.refused.into_iter().map(|index| always[index].2));
    }
    Ok(refused)
}

/// For each root whether its closure holds records that differ and may not, or that a pair
/// forbids.
fn broken_closures(exceptions: &Exceptions<'_>, roots: &[Record], never: &PairList) -> Vec<bool> {
    let mut broken = vec![false; roots.len()];
    for (one, other, _) in &never.pairs {
        let root = roots[*one as usize];
        broken[root as usize] |= root == roots[*other as usize];
    }
    for field in exceptions.unless_different {
        let mut first: Vec<Digest> = vec![0; roots.len()];
        for (record, root) in (0..).zip(roots) {
            let key = exceptions.key(*field, record);
            let known = &mut first[*root as usize];
            if *known == 0 {
                *known = key;
            } else if key != 0 && *known != key {
                broken[*root as usize] = true;
            }
        }
    }
    broken
}

/// The strongest link of each record. A pair names an id, and so all records of it.
fn linked_by(links: &[Link], id_digests: &IdDigests) -> Vec<LinkedBy> {
    let mut linked_by = vec![LinkedBy::Nothing; id_digests.records().len()];
    let paired: HashSet<Digest> = links
        .iter()
        .filter(|link| link.by == LinkedBy::Always)
        .flat_map(|link| [link.one, link.other])
        .map(|record| id_digests.of(record))
        .collect();
    if !paired.is_empty() {
        for (by, record) in linked_by.iter_mut().zip(id_digests.records()) {
            if paired.contains(&id_digests.of(record)) {
                *by = LinkedBy::Always;
            }
        }
    }
    for link in links {
        for record in [link.one, link.other] {
            let by = &mut linked_by[record as usize];
            *by = (*by).min(link.by);
        }
    }
    linked_by
}

/// The records without an id, each with the roots of the closures that it agrees with.
fn shadow_links(
    views: &[RuleView<'_>],
    of_rules: &[RuleLinks],
    id_digests: &IdDigests,
    roots: &[Record],
) -> Vec<(Record, Record)> {
    let no_id = id_digests.missing();
    if no_id.is_empty() {
        return Vec::new();
    }
    let mut links = Vec::new();
    for (view, of_rule) in views.iter().zip(of_rules) {
        let mut sets: HashMap<Digest, Vec<Record>> = HashMap::new();
        for record in &no_id {
            let full = view.full(*record);
            if full != 0 {
                sets.entry(full).or_default().push(*record);
            }
        }
        if sets.is_empty() {
            continue;
        }
        // Under which keys each of them finds clusters: its own, and those that are alike.
        let mut wanted: HashMap<Digest, Vec<Record>> = sets.clone();
        for alike in &of_rule.alike {
            let (one, other) = (view.full(alike.one), view.full(alike.other));
            for (from, to) in [(one, other), (other, one)] {
                if let Some(shadows) = sets.get(&from) {
                    wanted.entry(to).or_default().extend(shadows);
                }
            }
        }
        for (record, root) in (0..).zip(roots) {
            if id_digests.has(record)
                && let Some(shadows) = wanted.get(&view.full(record))
            {
                links.extend(shadows.iter().map(|shadow| (*shadow, *root)));
            }
        }
        links.sort_unstable();
        links.dedup();
    }
    links
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

/// Union-find over record numbers; the smallest of a set is its root.
pub struct Forest {
    parent: Vec<Record>,
}

impl Forest {
    /// So many sets of one.
    #[must_use]
    pub fn new(records: usize) -> Self {
        Self { parent: (0..u32::try_from(records).unwrap_or(u32::MAX)).collect() }
    }

    /// The smallest of the set.
    pub fn find(&mut self, mut record: Record) -> Record {
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

    /// As [`find`](Self::find), for readers.
    fn root(&self, mut record: Record) -> Record {
        while self.parent[record as usize] != record {
            record = self.parent[record as usize];
        }
        record
    }

    /// Joins two sets.
    pub fn union(&mut self, a: Record, b: Record) {
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
