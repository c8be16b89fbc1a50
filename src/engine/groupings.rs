//! Groupings: ids that profiles share without being merged, such as households
//! (docs/semantics.md, section 4).

use rayon::prelude::*;

use super::account::GroupingAccount;
use super::digest::{Digest, combine};
use super::identity::{Clusters, Forest, customer_id};
use super::keys::Keys;
use super::memory::unreadable;
use super::partition::{equal, scatter};
use super::profile::Shown;
use super::records::Records;
use super::similar::{Item, alike};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::plan::{FieldId, Grouping, LinkRule, Plan, hex};

/// The groups of one grouping.
#[derive(Debug)]
pub struct Groups {
    /// For each profile the first profile of its group.
    first: Vec<u32>,
    /// For each first profile the group's id.
    ids: Vec<String>,
    /// The counts.
    pub account: GroupingAccount,
}

impl Groups {
    /// The id of the group that a profile is in.
    pub fn id(&self, profile: usize) -> &str {
        &self.ids[self.first[profile] as usize]
    }

    /// How many profiles are in the same group.
    pub fn size(&self, profile: usize) -> usize {
        self.first.iter().filter(|first| **first == self.first[profile]).count()
    }
}

/// Groups the profiles.
///
/// # Errors
/// A rule with a similarity that would compare too much.
pub fn groupings(
    plan: &Plan,
    records: &Records,
    clusters: &Clusters,
    keys: &Keys,
    shown: &Shown,
) -> Outcome<Vec<Groups>> {
    let make = |grouping| group(plan, grouping, records, clusters, keys, shown);
    plan.groupings.iter().map(make).collect()
}

fn group(
    plan: &Plan,
    grouping: &Grouping,
    records: &Records,
    clusters: &Clusters,
    keys: &Keys,
    shown: &Shown,
) -> Outcome<Groups> {
    const NONE: u32 = u32::MAX;
    let mut forest = Forest::new(clusters.profiles);
    for rule in &grouping.rules {
        for (one, other) in links(plan, rule, records, clusters, keys, shown)? {
            forest.union(one, other);
        }
    }
    // A group is named after the first of it in profile order.
    let mut first_of = vec![NONE; clusters.profiles];
    let mut first = vec![NONE; clusters.profiles];
    let mut sizes = vec![0_u64; clusters.profiles];
    for profile in clusters.names.in_order(plan, records) {
        let known = &mut first_of[forest.find(*profile) as usize];
        if *known == NONE {
            *known = *profile;
        }
        first[*profile as usize] = *known;
        sizes[*known as usize] += 1;
    }
    let ids = sizes
        .par_iter()
        .zip(clusters.names.ids(plan, records))
        .map(|(size, id)| match size {
            0 => String::new(),
            _ => hex(&customer_id(&grouping.name, &hex(id), 1)),
        })
        .collect();
    let account = GroupingAccount {
        grouping: grouping.name.clone(),
        groups: sizes.iter().filter(|size| **size > 0).count() as u64,
        shared: sizes.iter().filter(|size| **size > 1).count() as u64,
        largest: sizes.iter().copied().max().unwrap_or(0),
    };
    Ok(Groups { first, ids, account })
}

/// Pairs of profiles that agree under a rule, enough to hold each group together.
fn links(
    plan: &Plan,
    rule: &LinkRule,
    records: &Records,
    clusters: &Clusters,
    keys: &Keys,
    shown: &Shown,
) -> Outcome<Vec<(u32, u32)>> {
    let usable = |field: FieldId, profile: u32| {
        let digest = shown.field(field, keys).key(profile as usize);
        if keys.field(field).1.contains(&digest) { 0 } else { digest }
    };
    let combined = |fields: &mut dyn Iterator<Item = FieldId>, profile: u32| {
        let mut parts: Vec<Digest> = fields.map(|field| usable(field, profile)).collect();
        if parts.contains(&0) {
            parts.clear();
        }
        combine(parts.into_iter())
    };
    let profiles = u32::try_from(clusters.profiles).unwrap_or(u32::MAX);
    let fulls: Vec<Digest> = (0..profiles)
        .into_par_iter()
        .with_min_len(4096)
        .map(|profile| combined(&mut rule.fields(), profile))
        .collect();
    let mut pairs =
        equal(&scatter(fulls.len(), |at| fulls[at as usize]), |_| true).map_err(unreadable)?.pairs;
    if rule.is_fuzzy() {
        let items: Vec<Item> = fulls
            .par_iter()
            .zip(0..profiles)
            .with_min_len(4096)
            .filter(|(full, _)| **full != 0)
            .map(|(full, profile)| Item {
                block: combined(&mut rule.exact_fields(), profile),
                full: *full,
                number: profile,
                minor: false,
            })
            .collect();
        let (fields, thresholds): (Vec<FieldId>, Vec<f64>) = rule.similar_fields().unzip();
        let text = |field: usize, profile: u32| {
            let record = shown.winners(fields[field])[profile as usize];
            records.key_text(plan, fields[field], record)
        };
        let found = alike(&items, &thresholds, text).map_err(|many| {
            Diagnostic::error(
                Code::IdentityFault,
                format!("the grouping's rule {} would compare {many} pairs of keys", rule.name),
            )
            .help("add another exact field to the rule")
        })?;
        pairs.extend(found.iter().map(|pair| (pair.one, pair.other)));
    }
    Ok(pairs)
}
