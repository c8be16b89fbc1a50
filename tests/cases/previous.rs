//! The identity table of an earlier run: some of today's records, put together in another way.

use std::collections::BTreeSet;

use super::draft::{Ground, Source};
use super::rng::Rng;
use crate::oracle::customer_id;

/// The name by which the plan knows it, and so the cells of the case too.
pub const NAME: &str = "identity.previous";
/// Few, so that several customers are of the same age.
const SINCE: [&str; 4] = [
    "2025-01-02T03:04:05Z",
    "2025-01-02T03:04:05Z",
    "2024-02-29T00:00:00Z",
    "2019-12-31T23:59:59Z",
];

/// A customer of the earlier run.
struct Customer {
    id: String,
    since: Option<&'static str>,
    /// Index of the table, if it is known, and id.
    records: Vec<(Option<usize>, String)>,
}

/// The key `previous` in some cases; adds the file.
pub fn yaml(rng: &mut Rng, ground: &mut Ground) -> String {
    if !rng.chance(38) {
        return String::new();
    }
    ground.columns.push("previous_customer_ids".to_owned());
    if rng.chance(10) {
        return "  previous: { path: ../data/of the first run.csv, allow_missing: true }\n"
            .to_owned();
    }
    let customers = customers(rng, ground);
    write(rng, ground, &customers);
    format!("  previous: ../data/{NAME}.csv\n")
}

fn namespace(ground: &Ground, table: usize) -> String {
    let table = &ground.tables[table];
    table.namespace.clone().unwrap_or_else(|| ground.sources[table.source].name.clone())
}

fn customers(rng: &mut Rng, ground: &Ground) -> Vec<Customer> {
    // Each record once, with what most often makes it one customer with others.
    let mut records: Vec<(usize, String, Option<String>)> = Vec::new();
    for (at, table) in ground.tables.iter().enumerate() {
        let source = &ground.sources[table.source];
        let ids = source.cells(&table.id);
        let column = table.mapping.iter().find(|(field, _)| *field == "email");
        let mails = column.map_or_else(|| vec![None; ids.len()], |(_, name)| source.cells(name));
        let mut seen = BTreeSet::new();
        for (id, mail) in ids.into_iter().zip(mails) {
            if let Some(id) = id.filter(|id| !id.trim().is_empty() && seen.insert(id.clone())) {
                records.push((at, id, mail));
            }
        }
    }
    rng.shuffle(&mut records);
    let (new, together) = (rng.pick(&[0, 10, 30]), rng.pick(&[5, 25, 60]));
    let mut groups: Vec<Vec<(usize, String, Option<String>)>> = Vec::new();
    for record in records {
        if rng.chance(new) {
            continue;
        }
        let by_mail = groups
            .iter()
            .position(|group| group.iter().any(|(_, _, mail)| mail.is_some() && *mail == record.2));
        let group = match by_mail {
            Some(group) if rng.chance(70) => group,
            _ if !groups.is_empty() && rng.chance(together) => rng.below(groups.len()),
            _ => {
                groups.push(Vec::new());
                groups.len() - 1
            }
        };
        groups[group].push(record);
    }

    let mut customers: Vec<Customer> = Vec::new();
    let everybody: Vec<(usize, String)> =
        groups.iter().flatten().map(|(table, id, _)| (*table, id.clone())).collect();
    for group in groups {
        let of = |(table, id): (usize, String)| customer_id(&namespace(ground, table), &id);
        let first = group.iter().map(|(table, id, _)| (*table, id.clone())).min();
        let first = first.expect("a group has a record");
        let id = match rng.below(20) {
            // Made from a record that now, or even then, was another customer's.
            0..3 => of(rng.one_of(&everybody).clone()),
            3 => of((first.0, format!("{}\u{1f}2", first.1))),
            4 => of((first.0, "gone".to_owned())),
            5..8 => random_id(rng),
            _ => of(first),
        };
        let since = if rng.chance(15) { None } else { Some(rng.pick(&SINCE)) };
        let records = group.into_iter().map(|(table, id, _)| (Some(table), id)).collect();
        // Two groups of one id are one customer.
        match customers.iter_mut().find(|customer| customer.id == id) {
            Some(customer) => customer.records.extend::<Vec<_>>(records),
            None => customers.push(Customer { id, since, records }),
        }
    }
    // Some whose records are gone, all of them or a part.
    for at in 0..rng.below(4) {
        let table = if rng.chance(70) { Some(rng.below(ground.tables.len())) } else { None };
        let record = (table, format!("gone {at}"));
        if customers.is_empty() || rng.chance(50) {
            // The id may be one that a customer of today would have by itself.
            let of_today = ground.tables[0].source;
            let ids = ground.sources[of_today].cells(&ground.tables[0].id);
            let ids: Vec<String> = ids.into_iter().flatten().collect();
            let id = if ids.is_empty() || rng.chance(40) {
                random_id(rng)
            } else {
                customer_id(&namespace(ground, 0), &ids[rng.below(ids.len())])
            };
            if customers.iter().all(|customer| customer.id != id) {
                customers.push(Customer { id, since: Some(SINCE[0]), records: vec![record] });
            }
        } else {
            let customer = rng.below(customers.len());
            customers[customer].records.push(record);
        }
    }
    customers
}

/// 32 hex digits.
fn random_id(rng: &mut Rng) -> String {
    format!("{:016x}{:016x}", rng.next(), rng.next())
}

/// Adds the file, in one of the shapes it may have.
fn write(rng: &mut Rng, ground: &mut Ground, customers: &[Customer]) {
    let mut rows: Vec<(&Customer, &(Option<usize>, String))> = customers
        .iter()
        .flat_map(|customer| customer.records.iter().map(move |record| (customer, record)))
        .collect();
    rng.shuffle(&mut rows);
    let mut source = Source::new(rng, NAME.to_owned(), rows.len());
    source.is_declared = false;
    source.timezone = None;
    // There is no place where the pipeline could say otherwise.
    source.look.delimiter = ',';
    source.look.nulls = vec![String::new()];
    let namespace_of = |record: &(Option<usize>, String)| {
        record.0.map_or_else(|| "old shop".to_owned(), |table| namespace(ground, table))
    };
    let source_of = |record: &(Option<usize>, String)| {
        let name = |table: usize| ground.sources[ground.tables[table].source].name.clone();
        record.0.map_or_else(|| "old shop".to_owned(), name)
    };
    let shape = rng.below(5);
    // With namespaces the names of sources do not count, and may have been others.
    let (has_source, has_namespace) = (shape != 0, shape < 3);
    // Where a namespace is the name of another source it would speak of that source's records.
    let names = ground.names_of_tables();
    let is_clear =
        |record: &(Option<usize>, String)| names.iter().all(|name| *name != namespace_of(record));
    if has_source {
        source.add("source", None, |row| {
            let record = rows[row].1;
            Some(match (has_namespace, rng.chance(25) && is_clear(record)) {
                (true, _) => format!("{} then", source_of(record)),
                (false, true) => namespace_of(record),
                (false, false) => source_of(record),
            })
        });
    }
    if has_namespace {
        source.add("namespace", None, |row| Some(namespace_of(rows[row].1)));
    }
    source.add("id", None, |row| Some(rows[row].1.1.clone()));
    source.add("customer_id", None, |row| Some(rows[row].0.id.clone()));
    if rng.chance(70) {
        source.add("rule", None, |_| Some("email".to_owned()));
    }
    if rng.chance(65) {
        source.add("since", None, |row| rows[row].0.since.map(str::to_owned));
    }
    ground.sources.push(source);
}
