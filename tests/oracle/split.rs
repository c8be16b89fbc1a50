//! Clusters: the closure of all links, and how exceptions split it (section 3).

use std::collections::BTreeSet;

use super::World;
use super::links::{Links, closure, strongest_first};
use super::pairs::{Pairs, are_barred};
use super::records::{Name, Record, names};

/// The clusters, before any is set aside.
pub struct Clusters {
    pub clusters: Vec<BTreeSet<Name>>,
    /// How many closures were split.
    pub split: u64,
}

/// Names that are one customer whatever the exceptions say.
struct Unit {
    names: BTreeSet<Name>,
    /// By field of `unless_different`: all keys that its records have.
    keys: Vec<BTreeSet<String>>,
}

pub fn clusters(
    world: &World<'_>,
    records: &[Record],
    links: &[Links<'_>],
    pairs: &Pairs,
) -> Clusters {
    let all = names(records, 0..records.len());
    let sets = strongest_first(links, records);
    let mut found = Clusters { clusters: Vec::new(), split: 0 };
    for closed in closure(&all, pairs.units.iter().chain(&sets)) {
        let units: Vec<Unit> = pairs
            .units
            .iter()
            .filter(|unit| !unit.is_disjoint(&closed))
            .map(|unit| Unit { names: unit.clone(), keys: keys(world, records, unit) })
            .collect();
        let mut two = units
            .iter()
            .enumerate()
            .flat_map(|(at, one)| units[..at].iter().map(move |other| (one, other)));
        if two.any(|(one, other)| conflict(pairs, one, other)) {
            found.clusters.extend(split(&units, &sets, pairs));
            found.split += 1;
        } else {
            found.clusters.push(closed);
        }
    }
    found
}

fn keys(world: &World<'_>, records: &[Record], unit: &BTreeSet<Name>) -> Vec<BTreeSet<String>> {
    let of_unit =
        || records.iter().filter(|record| record.name().is_some_and(|n| unit.contains(&n)));
    let fields = world.plan.identity.unless_different.iter();
    fields
        .map(|field| of_unit().filter_map(|record| record.compared(*field)))
        .map(|keys| keys.map(str::to_owned).collect())
        .collect()
}

/// Two units that no cluster may hold both.
fn conflict(pairs: &Pairs, a: &Unit, b: &Unit) -> bool {
    let differ = a
        .keys
        .iter()
        .zip(&b.keys)
        .any(|(a, b)| !a.is_empty() && !b.is_empty() && a.union(b).count() > 1);
    differ || are_barred(&pairs.never, &a.names, &b.names)
}

/// Splits one closure: takes its links one after the other, strongest first.
fn split(units: &[Unit], sets: &[BTreeSet<Name>], pairs: &Pairs) -> Vec<BTreeSet<Name>> {
    // Each cluster so far is a list of its units.
    let mut clusters: Vec<Vec<&Unit>> = units.iter().map(|unit| vec![unit]).collect();
    for set in sets {
        let touched =
            |cluster: &Vec<&Unit>| cluster.iter().any(|unit| !unit.names.is_disjoint(set));
        let (mut touched, apart): (Vec<_>, Vec<_>) = clusters.into_iter().partition(touched);
        touched.sort_by(|a, b| first(a).cmp(first(b)));
        let mut standing: Vec<Vec<&Unit>> = Vec::new();
        for cluster in touched {
            let agrees = |before: &&mut Vec<&Unit>| {
                let mut two =
                    before.iter().flat_map(|one| cluster.iter().map(move |two| (one, two)));
                !two.any(|(one, other)| conflict(pairs, one, other))
            };
            match standing.iter_mut().find(agrees) {
                Some(before) => before.extend(cluster),
                None => standing.push(cluster),
            }
        }
        clusters = apart;
        clusters.extend(standing);
    }
    let names =
        |cluster: Vec<&Unit>| cluster.into_iter().flat_map(|unit| unit.names.clone()).collect();
    clusters.into_iter().map(names).collect()
}

/// A cluster's first name.
fn first<'u>(cluster: &[&'u Unit]) -> &'u Name {
    let all = cluster.iter().flat_map(|unit| &unit.names);
    all.min().expect("a cluster has a record")
}
