//! Records, clusters and what a profile shows (sections 2 to 4).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use optin::plan::{FieldId, Keep, LinkRule, TableId};
use sha2::{Digest, Sha256};

use super::loose::Key;
use super::value::{Value, null_last};
use super::{World, count};

/// One row of a customer table.
pub struct Record {
    pub table: TableId,
    /// None where the row has no id.
    pub id: Option<String>,
    /// By field: the cell as it stands in the source.
    cells: Vec<Option<String>>,
    /// By field: the cell's value.
    values: Vec<Option<Value>>,
    /// By field: the key, where the value is usable.
    pub keys: Vec<Option<Key>>,
    /// By field: whether the value is usable.
    usable: Vec<bool>,
    /// By field: whether the key stands in `never`.
    barred: Vec<bool>,
}

/// A cluster and what it shows.
pub struct Profile {
    pub customer_id: String,
    /// Table and id of the anchor.
    anchor: (TableId, String),
    /// All records with an id, duplicates among them.
    pub members: Vec<usize>,
    /// Records without an id that agree with a member under a rule.
    pub shadows: Vec<usize>,
    /// By field: the record whose value survives.
    shown: Vec<Option<usize>>,
}

/// All records and profiles.
pub struct People {
    pub records: Vec<Record>,
    /// In profile order.
    pub profiles: Vec<Profile>,
    /// Records that are set aside as duplicates of another with the same id.
    duplicates: Vec<usize>,
}

pub fn people(world: &World<'_>) -> People {
    let records = read_records(world);
    let mut people = People { records, profiles: Vec::new(), duplicates: Vec::new() };
    for members in clusters(world, &people.records) {
        let profile = profile(world, &mut people, members);
        people.profiles.push(profile);
    }
    people.profiles.sort_by(|a, b| (a.anchor.0, &a.customer_id).cmp(&(b.anchor.0, &b.customer_id)));
    people
}

fn read_records(world: &World<'_>) -> Vec<Record> {
    let mut records = Vec::new();
    for (index, table) in world.plan.tables.iter().enumerate() {
        for row in &world.raw(table.source).rows {
            let count = world.plan.fields.len();
            let mut record = Record {
                table: TableId(index),
                id: world.id(table.source, row, &table.id),
                cells: vec![None; count],
                values: vec![None; count],
                keys: vec![None; count],
                usable: vec![false; count],
                barred: vec![false; count],
            };
            for (field, column) in &table.mapping {
                let ty = world.plan.fields[field.0].ty;
                let cell = world.cell(table.source, row, column);
                let value = world.value(table.source, row, column);
                record.cells[field.0] = cell.map(str::to_owned);
                record.values[field.0] = value.map(|value| value.widened(ty));
            }
            for field in 0..count {
                compare_field(world, &mut record, FieldId(field));
            }
            records.push(record);
        }
    }
    records
}

/// Fills in the key of one field, whether it is usable, and whether it stands in `never`.
fn compare_field(world: &World<'_>, record: &mut Record, field: FieldId) {
    let Some(value) = &record.values[field.0] else { return };
    let Some(text) = value.text() else {
        // Floats and decimals have no key; any such value is usable.
        record.usable[field.0] = matches!(value, Value::Float(_));
        return;
    };
    let key = &world.plan.fields[field.0].key;
    let region = World::region(&key.region, |beside: &FieldId| {
        record.values[beside.0].as_ref().and_then(Value::text)
    });
    record.keys[field.0] = world.key(field, &text, region);
    record.usable[field.0] = record.keys[field.0].is_some();
    record.barred[field.0] = record.keys[field.0].is_some()
        && key.never.iter().any(|never| world.key(field, never, region) == record.keys[field.0]);
}

/// Two records agree under a rule.
fn agree_under(rule: &LinkRule, a: &Record, b: &Record) -> bool {
    rule.exact_fields().all(|field| {
        let (left, right) = (&a.keys[field.0], &b.keys[field.0]);
        let barred = a.barred[field.0] || b.barred[field.0];
        left.is_some() && left == right && !barred
    })
}

/// Two records agree under one of the rules.
fn agree(world: &World<'_>, a: &Record, b: &Record) -> bool {
    world.plan.identity.rules.iter().any(|rule| agree_under(rule, a, b))
}

/// The records with an id, in clusters.
fn clusters(world: &World<'_>, records: &[Record]) -> Vec<Vec<usize>> {
    let linked = |a: &Record, b: &Record| {
        let same_id = a.table == b.table && a.id == b.id;
        same_id || agree(world, a, b)
    };
    let with_id: Vec<usize> =
        (0..records.len()).filter(|record| records[*record].id.is_some()).collect();
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    for &new in &with_id {
        // The new record brings together all clusters that it is linked to.
        let (touched, apart): (Vec<_>, Vec<_>) = clusters
            .into_iter()
            .partition(|cluster| cluster.iter().any(|old| linked(&records[*old], &records[new])));
        clusters = apart;
        let mut merged: Vec<usize> = touched.into_iter().flatten().collect();
        merged.push(new);
        clusters.push(merged);
    }
    clusters
}

fn profile(world: &World<'_>, people: &mut People, members: Vec<usize>) -> Profile {
    let records = &people.records;
    let anchor = members
        .iter()
        .map(|member| (records[*member].table, records[*member].id.clone().expect("an id")))
        .min_by(|a, b| (a.0, a.1.as_bytes()).cmp(&(b.0, b.1.as_bytes())))
        .expect("a cluster has a record");
    let shadows = (0..records.len())
        .filter(|shadow| {
            records[*shadow].id.is_none()
                && members.iter().any(|member| agree(world, &records[*shadow], &records[*member]))
        })
        .collect();

    let mut ranked = members.clone();
    ranked.sort_by(|a, b| record_order(world, &records[*a], &records[*b]));
    // Of the records of one table with one id the best stays.
    let mut seen: Vec<(TableId, &Option<String>)> = Vec::new();
    let mut kept = Vec::new();
    for member in ranked {
        let name = (records[member].table, &records[member].id);
        if seen.contains(&name) {
            people.duplicates.push(member);
        } else {
            seen.push(name);
            kept.push(member);
        }
    }
    let shown = (0..world.plan.fields.len())
        .map(|field| kept.iter().copied().find(|record| records[*record].usable[field]))
        .collect();
    let namespace = &world.plan.tables[anchor.0.0].namespace;
    Profile { customer_id: customer_id(namespace, &anchor.1), anchor, members, shadows, shown }
}

/// The first 128 bits of SHA-256 over namespace, 0x1F and id, in hex.
fn customer_id(namespace: &str, id: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(namespace.as_bytes());
    hash.update([0x1F]);
    hash.update(id.as_bytes());
    let digits: Vec<String> = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..16].concat()
}

/// Record order, best first (section 4).
fn record_order(world: &World<'_>, a: &Record, b: &Record) -> Ordering {
    let by_keep = match world.plan.survivorship.keep {
        Keep::MostFilled => filled(b).cmp(&filled(a)),
        Keep::MostRecent(FieldId(field)) => {
            null_last(usable(a, field), usable(b, field), Ordering::reverse)
        }
        Keep::LeastRecent(FieldId(field)) => {
            null_last(usable(a, field), usable(b, field), |order| order)
        }
    };
    let by_id = || {
        let bytes = |record: &Record| record.id.clone().unwrap_or_default().into_bytes();
        bytes(b).cmp(&bytes(a))
    };
    let by_values = || {
        (0..world.plan.fields.len())
            .map(|field| null_last(usable(a, field), usable(b, field), |order| order))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    by_keep.then(a.table.cmp(&b.table)).then_with(by_id).then_with(by_values)
}

fn filled(record: &Record) -> usize {
    record.usable.iter().filter(|usable| **usable).count()
}

fn usable(record: &Record, field: usize) -> Option<&Value> {
    record.values[field].as_ref().filter(|_| record.usable[field])
}

impl People {
    /// The key of the value that a profile shows in a field.
    pub fn shown_key(&self, profile: &Profile, field: FieldId) -> Option<&Key> {
        let record = profile.shown[field.0]?;
        self.records[record].keys[field.0].as_ref()
    }

    pub fn shown_cells(&self, profile: &Profile) -> Vec<Option<String>> {
        let of = |(field, record): (usize, &Option<usize>)| {
            record.and_then(|record| self.records[record].cells[field].clone())
        };
        profile.shown.iter().enumerate().map(of).collect()
    }

    pub fn shown_values(&self, profile: &Profile) -> Vec<Option<Value>> {
        let of = |(field, record): (usize, &Option<usize>)| {
            record.and_then(|record| self.records[record].values[field].clone())
        };
        profile.shown.iter().enumerate().map(of).collect()
    }

    /// The records whose contact points count for a profile: its members and its shadows.
    pub fn reached<'a>(&'a self, profile: &'a Profile) -> impl Iterator<Item = &'a Record> {
        profile.members.iter().chain(&profile.shadows).map(|record| &self.records[*record])
    }

    /// Source name and id to customer.
    pub fn identity(&self, world: &World<'_>) -> BTreeMap<(String, String), String> {
        let mut identity = BTreeMap::new();
        for profile in &self.profiles {
            for member in &profile.members {
                let record = &self.records[*member];
                let name = (source_name(world, record), record.id.clone().expect("an id"));
                identity.insert(name, profile.customer_id.clone());
            }
        }
        identity
    }

    /// Source name and id to the names of the rules under which it agrees with another record.
    pub fn links(&self, world: &World<'_>) -> BTreeMap<(String, String), BTreeSet<String>> {
        let mut links: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for (at, one) in self.records.iter().enumerate() {
            for (other_at, other) in self.records.iter().enumerate() {
                let (Some(id), Some(_)) = (&one.id, &other.id) else { continue };
                for rule in &world.plan.identity.rules {
                    if at != other_at && agree_under(rule, one, other) {
                        let name = (source_name(world, one), id.clone());
                        links.entry(name).or_default().insert(rule.name.clone());
                    }
                }
            }
        }
        links
    }

    pub fn quarantine(&self, world: &World<'_>) -> BTreeMap<(String, &'static str), u64> {
        let mut quarantine = BTreeMap::new();
        for record in self.records.iter().filter(|record| record.id.is_none()) {
            *quarantine.entry((source_name(world, record), "no id")).or_default() += 1;
        }
        for duplicate in &self.duplicates {
            let name = source_name(world, &self.records[*duplicate]);
            *quarantine.entry((name, "duplicate id")).or_default() += 1;
        }
        quarantine
    }

    /// By customer table: read = kept + merged + no id + duplicate id.
    pub fn accounts(&self, world: &World<'_>) -> Vec<BTreeMap<&'static str, u64>> {
        let mut accounts = Vec::new();
        for table in (0..world.plan.tables.len()).map(TableId) {
            let mut account: BTreeMap<&'static str, u64> =
                ["read", "kept", "merged", "no id", "duplicate id"].map(|name| (name, 0)).into();
            for (index, record) in self.records.iter().enumerate() {
                if record.table != table {
                    continue;
                }
                let is_anchor = |profile: &Profile| {
                    profile.anchor.0 == table && Some(&profile.anchor.1) == record.id.as_ref()
                };
                count(&mut account, "read", 1);
                let place = if record.id.is_none() {
                    "no id"
                } else if self.duplicates.contains(&index) {
                    "duplicate id"
                } else if self.profiles.iter().any(is_anchor) {
                    "kept"
                } else {
                    "merged"
                };
                count(&mut account, place, 1);
            }
            accounts.push(account);
        }
        accounts
    }
}

fn source_name(world: &World<'_>, record: &Record) -> String {
    let source = world.plan.tables[record.table.0].source;
    world.plan.sources[source.0].name.clone()
}
