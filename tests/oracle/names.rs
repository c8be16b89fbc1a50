//! Ids of customers, their own and those of an earlier run (section 3, *Names*).

use std::collections::{BTreeMap, BTreeSet};

use optin::plan::TableId;
use sha2::{Digest, Sha256};

use super::World;
use super::calendar::datetime_text;
use super::records::Name;

/// What a cluster is called.
pub struct Named {
    pub customer_id: String,
    /// The other ids that its records had, ascending.
    pub previous: Vec<String>,
    /// When the id was first given; none where the earlier table does not say.
    pub since: Option<String>,
}

/// A customer of the earlier run.
struct Earlier {
    id: String,
    since: Option<String>,
    /// All that its rows name in a table that is known; some may be gone.
    records: BTreeSet<Name>,
}

/// The first 128 bits of SHA-256 over namespace, 0x1F and id, in hex.
pub fn customer_id(namespace: &str, id: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(namespace.as_bytes());
    hash.update([0x1F]);
    hash.update(id.as_bytes());
    let digits: Vec<String> = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..16].concat()
}

/// The cluster's first record.
pub fn anchor(cluster: &BTreeSet<Name>) -> &Name {
    cluster.first().expect("a cluster has a record")
}

/// Names the clusters, in their order, and tells what became of the earlier customers where the
/// pipeline speaks of them.
pub fn give(
    world: &World<'_>,
    clusters: &[BTreeSet<Name>],
) -> (Vec<Named>, Option<BTreeMap<&'static str, u64>>) {
    let (earlier, rows) = read(world);
    let heirs: Vec<Option<usize>> =
        earlier.iter().map(|customer| heir(world, customer, clusters)).collect();
    let mut account: BTreeMap<&'static str, u64> =
        ["created", "kept", "merged", "split"].map(|name| (name, 0)).into();
    let mut named = Vec::new();
    for (at, cluster) in clusters.iter().enumerate() {
        let had: BTreeSet<&String> = earlier
            .iter()
            .filter(|customer| !customer.records.is_disjoint(cluster))
            .map(|customer| &customer.id)
            .collect();
        let inherited = earlier.iter().zip(&heirs).filter(|(_, heir)| **heir == Some(at));
        let oldest = inherited.map(|(customer, _)| customer).min_by_key(|customer| {
            // None sorts before any date: what has no date is older than all.
            (&customer.since, first_held(customer, clusters))
        });
        let (customer_id, since) = match oldest {
            Some(customer) => (customer.id.clone(), customer.since.clone()),
            None => (new_id(world, cluster, &earlier), Some(datetime_text(world.as_of))),
        };
        let became = match (had.contains(&customer_id), had.len()) {
            (_, 0) => "created",
            (false, _) => "split",
            (true, 1) => "kept",
            (true, _) => "merged",
        };
        *account.entry(became).or_default() += 1;
        let previous = had.into_iter().filter(|id| **id != customer_id).cloned().collect();
        named.push(Named { customer_id, previous, since });
    }
    let survive = account["kept"] + account["merged"];
    account.insert("records", rows);
    account.insert("ended", earlier.len() as u64 - survive);
    (named, world.plan.identity.previous.as_ref().map(|_| account))
}

/// Who an earlier customer is now.
fn heir(world: &World<'_>, customer: &Earlier, clusters: &[BTreeSet<Name>]) -> Option<usize> {
    let made_from = |name: &&Name| own_id(world, name) == customer.id;
    let origin = customer.records.iter().find(made_from);
    let of_origin =
        origin.and_then(|origin| clusters.iter().position(|cluster| cluster.contains(origin)));
    of_origin.or_else(|| {
        let first = first_held(customer, clusters)?;
        clusters.iter().position(|cluster| cluster.contains(first))
    })
}

/// The first of an earlier customer's records that stands in a cluster.
fn first_held<'e>(customer: &'e Earlier, clusters: &[BTreeSet<Name>]) -> Option<&'e Name> {
    customer.records.iter().find(|name| clusters.iter().any(|cluster| cluster.contains(name)))
}

fn own_id(world: &World<'_>, (table, id): &Name) -> String {
    customer_id(&world.plan.tables[table.0].namespace, id)
}

/// An id that no earlier customer had.
fn new_id(world: &World<'_>, cluster: &BTreeSet<Name>, earlier: &[Earlier]) -> String {
    let (table, id) = anchor(cluster);
    let namespace = &world.plan.tables[table.0].namespace;
    let plain = std::iter::once(id.clone());
    let numbered = (2..).map(|number: u64| format!("{id}\u{1f}{number}"));
    plain
        .chain(numbered)
        .map(|id| customer_id(namespace, &id))
        .find(|id| earlier.iter().all(|customer| customer.id != *id))
        .expect("numbers do not end")
}

/// The earlier customers, and how many rows speak of them.
fn read(world: &World<'_>) -> (Vec<Earlier>, u64) {
    let previous = world.plan.identity.previous.as_ref();
    let Some(source) = previous.and_then(|previous| previous.source.as_ref()) else {
        return (Vec::new(), 0);
    };
    let table = world.tables.get(&source.name);
    let table = table.unwrap_or_else(|| panic!("no cells given for {}", source.name));
    let column = |name: &str| table.columns.iter().position(|column| column == name);
    let needed = |name: &str| column(name).unwrap_or_else(|| panic!("it has no column {name}"));
    let by_namespace = column("namespace").is_some();
    let place = needed(if by_namespace { "namespace" } else { "source" });
    let (id, customer) = (needed("id"), needed("customer_id"));
    let since = column("since");

    let mut earlier: Vec<Earlier> = Vec::new();
    for row in &table.rows {
        let Some(customer) = row[customer].clone() else { continue };
        let since = since.and_then(|since| row[since].clone());
        let known = earlier.iter().position(|known| known.id == customer).unwrap_or_else(|| {
            let records = BTreeSet::new();
            earlier.push(Earlier { id: customer, since: since.clone(), records });
            earlier.len() - 1
        });
        let known = &mut earlier[known];
        known.since = known.since.clone().min(since);
        let table = row[place].as_deref().and_then(|text| table_named(world, text, by_namespace));
        if let (Some(table), Some(id)) = (table, row[id].clone()) {
            known.records.insert((table, id));
        }
    }
    (earlier, table.rows.len() as u64)
}

/// The table with this namespace; without a column of namespaces the customer source of this name,
/// else the namespace.
fn table_named(world: &World<'_>, text: &str, by_namespace: bool) -> Option<TableId> {
    let tables = &world.plan.tables;
    let source = tables.iter().position(|table| world.plan.sources[table.source.0].name == text);
    let namespace = tables.iter().position(|table| table.namespace == text);
    let found = if by_namespace { namespace } else { source.or(namespace) };
    found.map(TableId)
}
