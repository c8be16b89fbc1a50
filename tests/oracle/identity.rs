//! From records to profiles: what is set aside, and the tables that tell who is who (sections 2 to
//! 4 and 12).

use std::collections::{BTreeMap, BTreeSet};

use optin::plan::{FieldId, TableId};

use super::links::{self, Links};
use super::loose::Key;
use super::names::{self, Named, anchor};
use super::pairs::{self, PairAccount};
use super::records::{self, Name, Record};
use super::split::{self, Clusters};
use super::survivorship::{best_of_each_id, shown};
use super::value::Value;
use super::{World, count};

/// What becomes of a record of a customer table; `read` is their sum.
const ENDS: [&str; 7] =
    ["read", "kept", "merged", "no id", "duplicate id", "cluster too large", "dropped"];
/// The reasons that the quarantine table knows.
const QUARANTINED: [&str; 3] = ["no id", "duplicate id", "cluster too large"];
/// A link by a pair, and a link by the id alone: they stand in the place of a rule's name.
const ALWAYS: &str = "always";
const SAME_ID: &str = "same id";

/// A cluster, as consent and lists judge it.
pub struct Cluster {
    /// All records with an id, duplicates among them.
    pub members: Vec<usize>,
    /// Records without an id that agree with a member under a rule, and those that left it.
    pub shadows: Vec<usize>,
    /// By field: the record whose value survives.
    pub shown: Vec<Option<usize>>,
    /// Members that give no value, because another one has their id.
    duplicates: Vec<usize>,
    /// It makes no profile: it only denies.
    pub is_aside: bool,
}

/// A customer.
pub struct Profile {
    pub cluster: Cluster,
    pub customer_id: String,
    /// The ids that its records had before, without its own.
    pub previous: Vec<String>,
    pub since: Option<String>,
    /// Table and id of the anchor.
    anchor: Name,
}

/// All records and profiles.
pub struct People {
    pub records: Vec<Record>,
    /// In profile order.
    pub profiles: Vec<Profile>,
    /// Clusters that are quarantined or dropped whole.
    aside: Vec<Cluster>,
    /// By record: what became of it.
    ends: Vec<&'static str>,
    /// By record of a profile: the strongest link to another record of it.
    linked_by: BTreeMap<usize, String>,
    pub rule_accounts: Vec<(String, BTreeMap<&'static str, u64>)>,
    pub pair_accounts: Vec<PairAccount>,
    /// What became of the earlier customers.
    pub earlier: Option<BTreeMap<&'static str, u64>>,
    /// How many closures an exception split.
    pub split: u64,
}

pub fn people(world: &World<'_>) -> People {
    let records = records::read(world);
    let links = links::read(world, &records);
    let pairs = pairs::read(world, &records);
    let Clusters { clusters, split } = split::clusters(world, &records, &links, &pairs);
    let rule_accounts = links::statistics(&links, &records, &clusters, &pairs.joined);

    let mut ends = vec!["no id"; records.len()];
    let (left, aside) = set_aside(world, &records, &links, &clusters, &mut ends);
    let names_of = |cluster: &Cluster| records::names(&records, cluster.members.iter().copied());
    let left_names: Vec<BTreeSet<Name>> = left.iter().map(names_of).collect();
    let (named, earlier) = names::give(world, &left_names);

    let mut profiles: Vec<Profile> = Vec::new();
    for ((cluster, names), named) in left.into_iter().zip(&left_names).zip(named) {
        let Named { customer_id, previous, since } = named;
        let anchor = anchor(names).clone();
        for member in &cluster.members {
            ends[*member] = if cluster.duplicates.contains(member) {
                "duplicate id"
            } else if records[*member].name().as_ref() == Some(&anchor) {
                "kept"
            } else {
                "merged"
            };
        }
        profiles.push(Profile { cluster, customer_id, previous, since, anchor });
    }
    profiles.sort_by(|a, b| (a.anchor.0, &a.customer_id).cmp(&(b.anchor.0, &b.customer_id)));

    let mut linked_by = BTreeMap::new();
    for profile in &profiles {
        for member in &profile.cluster.members {
            // What was dropped of the cluster still links.
            let dropped = profile.cluster.shadows.iter().filter(|r| records[**r].id.is_some());
            let others = profile.cluster.members.iter().filter(|other| *other != member);
            let others: Vec<usize> = others.chain(dropped).copied().collect();
            let strongest = strongest_link(&records, &links, &pairs.joined, *member, &others);
            linked_by.extend(strongest.map(|rule| (*member, rule)));
        }
    }
    let pair_accounts = pairs.accounts;
    People {
        records,
        profiles,
        aside,
        ends,
        linked_by,
        rule_accounts,
        pair_accounts,
        earlier,
        split,
    }
}

/// Sets clusters and records aside: gives the clusters that make profiles, and those that only
/// deny.
fn set_aside(
    world: &World<'_>,
    records: &[Record],
    links: &[Links<'_>],
    clusters: &[BTreeSet<Name>],
    ends: &mut [&'static str],
) -> (Vec<Cluster>, Vec<Cluster>) {
    let (mut left, mut aside) = (Vec::new(), Vec::new());
    for names in clusters {
        let is_member = |at: &usize| records[*at].name().is_some_and(|name| names.contains(&name));
        let members: Vec<usize> = (0..records.len()).filter(is_member).collect();
        let mut shadows = shadows_of(records, links, &members);
        if world.plan.identity.max_cluster.is_some_and(|most| names.len() as u64 > most) {
            for member in &members {
                ends[*member] = "cluster too large";
            }
            aside.push(cluster(world, records, members, shadows, true));
            continue;
        }
        let (stay, dropped) = drop_unmatched(world, records, members);
        for record in &dropped {
            ends[*record] = "dropped";
        }
        if stay.is_empty() {
            aside.push(cluster(world, records, dropped, shadows, true));
        } else {
            shadows.extend(dropped);
            left.push(cluster(world, records, stay, shadows, false));
        }
    }
    (left, aside)
}

/// The records without an id that agree with one of these.
fn shadows_of(records: &[Record], links: &[Links<'_>], members: &[usize]) -> Vec<usize> {
    let agree = |shadow: usize| {
        let mut agreeing = members
            .iter()
            .filter(|member| links.iter().any(|of_rule| of_rule.agree(shadow, **member)));
        agreeing.next().is_some()
    };
    (0..records.len()).filter(|at| records[*at].id.is_none() && agree(*at)).collect()
}

/// Splits a cluster's records into those that stay and those that are dropped.
fn drop_unmatched(
    world: &World<'_>,
    records: &[Record],
    members: Vec<usize>,
) -> (Vec<usize>, Vec<usize>) {
    let (mut stay, mut dropped) = (members, Vec::new());
    for (at, table) in world.plan.tables.iter().enumerate() {
        let has_earlier = stay.iter().any(|record| records[*record].table.0 < at);
        if table.drop_unmatched && !has_earlier {
            let (leave, rest) = stay.into_iter().partition(|r| records[*r].table.0 == at);
            dropped.extend::<Vec<usize>>(leave);
            stay = rest;
        }
    }
    (stay, dropped)
}

fn cluster(
    world: &World<'_>,
    records: &[Record],
    members: Vec<usize>,
    shadows: Vec<usize>,
    is_aside: bool,
) -> Cluster {
    let (kept, duplicates) = best_of_each_id(world, records, &members);
    let shown = shown(world, records, &kept);
    Cluster { members, shadows, shown, duplicates, is_aside }
}

/// The strongest link of a record to one of some others: a pair, then the rules in order, then the
/// same id.
fn strongest_link(
    records: &[Record],
    links: &[Links<'_>],
    joined: &[BTreeSet<Name>],
    one: usize,
    others: &[usize],
) -> Option<String> {
    let name = |record: usize| records[record].name().expect("a member has an id");
    let paired = others.iter().any(|other| {
        let two: BTreeSet<Name> = [name(one), name(*other)].into();
        joined.contains(&two)
    });
    if paired {
        return Some(ALWAYS.to_owned());
    }
    let agrees = |of_rule: &&Links<'_>| others.iter().any(|other| of_rule.agree(one, *other));
    let rule = links.iter().find(agrees).map(|of_rule| of_rule.rule.name.clone());
    let same_id = || others.iter().any(|other| name(*other) == name(one));
    rule.or_else(|| same_id().then(|| SAME_ID.to_owned()))
}

impl People {
    /// All clusters that are judged: those of the profiles in their order, then those aside.
    pub fn judged(&self) -> Vec<&Cluster> {
        self.profiles.iter().map(|profile| &profile.cluster).chain(&self.aside).collect()
    }

    /// The key of the value that survives in a field.
    pub fn shown_key(&self, cluster: &Cluster, field: FieldId) -> Option<&Key> {
        let record = cluster.shown[field.0]?;
        self.records[record].keys[field.0].as_ref()
    }

    /// A contact point counts as shown by a cluster: of what is set aside every one does.
    pub fn shows(&self, cluster: &Cluster, field: FieldId, key: &Key) -> bool {
        if cluster.is_aside {
            return self.reached(cluster).any(|record| record.keys[field.0].as_ref() == Some(key));
        }
        self.shown_key(cluster, field) == Some(key)
    }

    pub fn shown_cells(&self, profile: &Profile) -> Vec<Option<String>> {
        let of = |(field, record): (usize, &Option<usize>)| {
            record.and_then(|record| self.records[record].cells[field].clone())
        };
        profile.cluster.shown.iter().enumerate().map(of).collect()
    }

    pub fn shown_values(&self, profile: &Profile) -> Vec<Option<Value>> {
        let of = |(field, record): (usize, &Option<usize>)| {
            record.and_then(|record| self.records[record].values[field].clone())
        };
        profile.cluster.shown.iter().enumerate().map(of).collect()
    }

    /// The records whose contact points count for a cluster: its members and its shadows.
    pub fn reached<'a>(&'a self, cluster: &'a Cluster) -> impl Iterator<Item = &'a Record> {
        cluster.members.iter().chain(&cluster.shadows).map(|record| &self.records[*record])
    }

    /// Source name and id to customer.
    pub fn identity(&self, world: &World<'_>) -> BTreeMap<(String, String), String> {
        let mut identity = BTreeMap::new();
        for profile in &self.profiles {
            for member in &profile.cluster.members {
                let name = self.source_and_id(world, *member);
                identity.insert(name, profile.customer_id.clone());
            }
        }
        identity
    }

    /// Source name and id to the strongest link of the record to another one of its customer.
    /// Duplicates, which are set aside, have none of their own.
    pub fn rules(&self, world: &World<'_>) -> BTreeMap<(String, String), Option<String>> {
        let mut rules = BTreeMap::new();
        for cluster in self.profiles.iter().map(|profile| &profile.cluster) {
            for member in cluster.members.iter().filter(|at| !cluster.duplicates.contains(at)) {
                let rule = self.linked_by.get(member).cloned();
                rules.insert(self.source_and_id(world, *member), rule);
            }
        }
        rules
    }

    /// Customer, field, source and id of each value that is shown.
    pub fn provenance(&self, world: &World<'_>) -> Vec<[String; 4]> {
        let mut provenance = Vec::new();
        for profile in &self.profiles {
            for (field, record) in world.plan.fields.iter().zip(&profile.cluster.shown) {
                let Some(record) = record else { continue };
                let (source, id) = self.source_and_id(world, *record);
                provenance.push([profile.customer_id.clone(), field.name.clone(), source, id]);
            }
        }
        provenance
    }

    pub fn quarantine(&self, world: &World<'_>) -> BTreeMap<(String, &'static str), u64> {
        let mut quarantine = BTreeMap::new();
        for (record, end) in self.records.iter().zip(&self.ends) {
            if QUARANTINED.contains(end) {
                *quarantine.entry((source_name(world, record.table), *end)).or_default() += 1;
            }
        }
        quarantine
    }

    /// By customer table: what became of its records.
    pub fn accounts(&self, world: &World<'_>) -> Vec<BTreeMap<&'static str, u64>> {
        let mut accounts = vec![BTreeMap::from(ENDS.map(|end| (end, 0))); world.plan.tables.len()];
        for (record, end) in self.records.iter().zip(&self.ends) {
            count(&mut accounts[record.table.0], "read", 1);
            count(&mut accounts[record.table.0], end, 1);
        }
        accounts
    }

    fn source_and_id(&self, world: &World<'_>, record: usize) -> (String, String) {
        let (table, id) = self.records[record].name().expect("a member has an id");
        (source_name(world, table), id)
    }
}

fn source_name(world: &World<'_>, table: TableId) -> String {
    let source = world.plan.tables[table.0].source;
    world.plan.sources[source.0].name.clone()
}
