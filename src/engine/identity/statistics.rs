//! What the link rules did, and what looks like over-linking.

use rayon::prelude::*;
use serde::Serialize;

use super::rules::{RuleLinks, RuleView};
use super::{Forest, Link, LinkedBy};
use crate::engine::ids::IdDigests;
use crate::engine::records::{Record, Records};
use crate::plan::{LinkRule, Plan};

/// What one rule did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RuleStatistics {
    /// The rule.
    pub rule: String,
    /// Links: records that agree in all keys with an earlier one, and sets of such records that
    /// are alike.
    pub links: u64,
    /// Records that agree with another one under the rule.
    pub records: u64,
    /// Links that nothing else made: so many more customers there would be without the rule.
    pub alone: u64,
    /// The most records that one value (or combination of values) links.
    pub largest: u64,
    /// Values that more than `max_shared` records share, and which therefore link nobody.
    pub blocked_values: u64,
}

/// What the guards against over-linking found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Guards {
    /// Clusters above `max_cluster`, which are quarantined.
    pub large_clusters: u64,
    /// A `max_shared` that would cut off only values that stand far out, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggested_max_shared: Option<u64>,
}

/// A value that links many records.
#[derive(Clone, Copy, Debug)]
pub struct SharedKey {
    /// The rule.
    pub rule: usize,
    /// A record that has it.
    pub record: Record,
    /// How many have it.
    pub records: u32,
}

/// So many rows the table of shared values has at most.
const MOST_SHARED: usize = 1000;

/// Statistics of all rules, the guards' findings, and the values that link most records.
pub fn statistics(
    plan: &Plan,
    views: &[RuleView<'_>],
    of_rules: &[RuleLinks],
    id_digests: &IdDigests,
    alone: &[u64],
) -> (Vec<RuleStatistics>, Guards, Vec<SharedKey>) {
    let has_id = |record: Record| id_digests.has(record);
    let mut all = Vec::new();
    for (at, (view, links)) in views.iter().zip(of_rules).enumerate() {
        let alike = links.alike.iter().filter(|a| has_id(a.one) && has_id(a.other));
        let in_groups: u64 = links.groups.iter().map(|(_, size)| u64::from(*size)).sum();
        // Alike records that are equal to no other stand for themselves.
        let mut single: Vec<Record> = alike.clone().flat_map(|a| [a.one, a.other]).collect();
        single.sort_unstable();
        single.dedup();
        let mut grouped: Vec<Record> = Vec::new();
        if !single.is_empty() {
            grouped = links.groups.iter().map(|(first, _)| *first).collect();
            grouped.sort_unstable();
        }
        single.retain(|record| grouped.binary_search(record).is_err());
        all.push(RuleStatistics {
            rule: view.rule.name.clone(),
            links: links.pairs.len() as u64 + alike.count() as u64,
            records: in_groups + single.len() as u64,
            alone: alone[at],
            largest: links.groups.iter().map(|(_, size)| u64::from(*size)).max().unwrap_or(0),
            blocked_values: view.blocked.len() as u64,
        });
    }
    let guards = Guards {
        suggested_max_shared: suggestion(&plan.identity.rules, of_rules),
        ..Guards::default()
    };
    (all, guards, shared(of_rules))
}

/// The smallest of 10, 20, 50, 100, ... that fewer than one in a thousand linking values exceed,
/// if any does. Rules with a similarity are no part of it.
fn suggestion(rules: &[LinkRule], of_rules: &[RuleLinks]) -> Option<u64> {
    let sizes = || {
        rules
            .iter()
            .zip(of_rules)
            .filter(|(rule, _)| !rule.is_fuzzy())
            .flat_map(|(_, links)| links.groups.iter().map(|(_, size)| u64::from(*size)))
    };
    let all = sizes().count() as u64;
    let mut limit = 10;
    for factor in [2, 5, 10].iter().cycle() {
        let above = sizes().filter(|size| *size > limit).count() as u64;
        if above == 0 {
            return None;
        }
        // A few values can stand out of however few.
        if above * 1000 < all || above <= 3 {
            return Some(limit);
        }
        let decade = 10_u64.pow(limit.ilog10());
        limit = match factor {
            2 => decade * 2,
            5 => decade * 5,
            _ => decade * 10,
        };
    }
    None
}

/// The values that link most records: sizes are taken from the largest down as long as all values
/// of a size fit.
fn shared(of_rules: &[RuleLinks]) -> Vec<SharedKey> {
    let mut all: Vec<SharedKey> = of_rules
        .iter()
        .enumerate()
        .flat_map(|(rule, links)| {
            links.groups.iter().map(move |(first, size)| SharedKey {
                rule,
                record: *first,
                records: *size,
            })
        })
        .filter(|shared| shared.records > 2)
        .collect();
    all.par_sort_unstable_by_key(|shared| (u32::MAX - shared.records, shared.rule, shared.record));
    if let Some(next) = all.get(MOST_SHARED) {
        let records = next.records;
        all.retain(|shared| shared.records > records);
    }
    all
}

/// For each rule into how many more pieces the clusters would fall without it.
pub fn alone(links: &[Link], roots: &[Record], rules: usize) -> Vec<u64> {
    let (starts, order) = by_root(links, roots);
    let count = |cluster: usize| {
        let links = &order[starts[cluster] as usize..starts[cluster + 1] as usize];
        let mut lost: Vec<(u16, u64)> = Vec::new();
        if links.is_empty() {
            return lost;
        }
        let mut members: Vec<Record> =
            links.iter().flat_map(|link| [link.one, link.other]).collect();
        members.sort_unstable();
        members.dedup();
        let place = |record: Record| {
            Record::try_from(members.binary_search(&record).unwrap_or(0)).unwrap_or(0)
        };
        let mut kinds: Vec<u16> = links
            .iter()
            .filter_map(|link| match link.by {
                LinkedBy::Rule(rule) => Some(rule),
                _ => None,
            })
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        for rule in kinds {
            let mut forest = Forest::new(members.len());
            let mut pieces = members.len();
            for link in links.iter().filter(|link| link.by != LinkedBy::Rule(rule)) {
                let (one, other) = (forest.find(place(link.one)), forest.find(place(link.other)));
                if one != other {
                    forest.union(one, other);
                    pieces -= 1;
                }
            }
            lost.push((rule, pieces as u64 - 1));
        }
        lost
    };
    (0..starts.len() - 1)
        .into_par_iter()
        .with_min_len(2048)
        .fold(
            || vec![0; rules],
            |mut all: Vec<u64>, cluster| {
                for (rule, lost) in count(cluster) {
                    all[usize::from(rule)] += lost;
                }
                all
            },
        )
        .reduce(
            || vec![0; rules],
            |mut all, part| {
                all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
                all
            },
        )
}

/// The links in the order of their closures: where each closure's start, and the links.
fn by_root(links: &[Link], roots: &[Record]) -> (Vec<u32>, Vec<Link>) {
    let mut counts: Vec<u32> = vec![0; roots.len() + 1];
    for link in links {
        counts[roots[link.one as usize] as usize + 1] += 1;
    }
    // Closures without links take no place.
    let mut starts = vec![0];
    let mut next: Vec<u32> = vec![0; roots.len()];
    let mut total = 0;
    for (root, count) in counts[1..].iter().enumerate() {
        next[root] = total;
        if *count > 0 {
            total += count;
            starts.push(total);
        }
    }
    let placeholder = Link { one: 0, other: 0, by: LinkedBy::Nothing };
    let mut order = vec![placeholder; links.len()];
    for link in links {
        let at = &mut next[roots[link.one as usize] as usize];
        order[*at as usize] = *link;
        *at += 1;
    }
    (starts, order)
}

/// The texts of a shared value, as compared.
pub fn shared_texts(plan: &Plan, records: &Records, shared: SharedKey) -> Vec<String> {
    plan.identity.rules[shared.rule]
        .fields()
        .map(|field| records.key_text(plan, field, shared.record).unwrap_or_default())
        .collect()
}
