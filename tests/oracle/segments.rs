//! Suppression, verdicts and exports (sections 9 to 11).

use std::collections::BTreeMap;

use optin::plan::{FieldId, Model, SegmentId, Suppression};

use super::decisions::{Contact, cells};
use super::eval::{Subject, truth};
use super::fold::{State, reaches};
use super::identity::{Cluster, People};
use super::loose::Key;
use super::value::Value;
use super::{World, count};

pub const IN_SEGMENT: &str = "in_segment";

/// All verdicts, in the order in which they are tried.
pub const VERDICTS: [&str; 9] = [
    "suppressed",
    "denied",
    "expired",
    "unknown",
    "no_contact_point",
    "rule_false",
    "rule_unknown",
    "set_operation",
    IN_SEGMENT,
];

/// The entries of the suppression lists.
pub struct Entries {
    /// By list: whom it names.
    lists: Vec<Vec<Contact>>,
    pub accounts: Vec<BTreeMap<&'static str, u64>>,
}

pub fn read_suppressions(world: &World<'_>) -> Entries {
    let mut entries = Entries { lists: Vec::new(), accounts: Vec::new() };
    for list in &world.plan.consent.suppress {
        let mut account: BTreeMap<&'static str, u64> =
            ["read", "used", "folded", "unmatchable"].map(|name| (name, 0)).into();
        let mut named: Vec<Contact> = Vec::new();
        for row in &world.raw(list.source).rows {
            let cells = cells(world, list.source, &list.matches, row);
            let names_a_record = !cells.records.is_empty();
            let usable: Vec<Contact> = cells.keys.into_iter().chain(cells.records).collect();
            let unmatchable = match (names_a_record, usable.is_empty() && cells.unusable == 0) {
                // As in a consent table: where a record is named, it has the entry.
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => cells.unusable,
            };
            count(&mut account, "unmatchable", unmatchable);
            count(&mut account, "read", unmatchable);
            for contact in usable {
                count(&mut account, "read", 1);
                let place = if named.contains(&contact) { "folded" } else { "used" };
                count(&mut account, place, 1);
                // A folded entry stays: equal numbers may have been read in two ways, which
                // reach differently far.
                named.push(contact);
            }
        }
        entries.lists.push(named);
        entries.accounts.push(account);
    }
    entries
}

/// A list hits a cluster through a key or the id of any of its records or shadows.
fn hits(world: &World<'_>, people: &People, list: &[Contact], cluster: &Cluster) -> bool {
    people.reached(cluster).any(|record| {
        let keys = record.keys.iter().enumerate();
        let keys = keys.filter_map(|(field, key)| {
            key.as_ref().map(|key| Contact::Key(FieldId(field), key.clone()))
        });
        let id = record.id.as_ref().map(|id| Contact::Record(record.table, id.clone()));
        let contacts: Vec<Contact> = keys.chain(id).collect();
        contacts.iter().any(|contact| list.iter().any(|entry| reaches(world, entry, contact)))
    })
}

/// A list binds what goes out through these fields.
fn binds(list: &Suppression, channels: &[FieldId]) -> bool {
    match &list.channels {
        None => true,
        Some(bound) => channels.iter().any(|channel| bound.contains(channel)),
    }
}

/// Who is suppressed for what goes out through these fields, by profile.
fn suppressed(
    world: &World<'_>,
    people: &People,
    entries: &Entries,
    channels: &[FieldId],
) -> Vec<bool> {
    let clusters = people.judged();
    let hit: Vec<bool> = clusters
        .iter()
        .map(|cluster| {
            let lists = world.plan.consent.suppress.iter().zip(&entries.lists);
            let mut bound = lists.filter(|(list, _)| binds(list, channels));
            bound.any(|(_, named)| hits(world, people, named, cluster))
        })
        .collect();
    let shares_a_contact_point = |cluster: &Cluster, other: &Cluster| {
        channels.iter().any(|channel| {
            let shown = people.shown_key(cluster, *channel);
            shown.is_some_and(|shown| people.shows(other, *channel, shown))
        })
    };
    // Those that are set aside come after the profiles and have no verdict.
    clusters[..people.profiles.len()]
        .iter()
        .enumerate()
        .map(|(index, cluster)| {
            let mut others = clusters.iter().zip(&hit);
            hit[index] || others.any(|(other, hit)| *hit && shares_a_contact_point(cluster, other))
        })
        .collect()
}

/// By profile: whether it would pass each purpose's gate.
pub fn passes(
    world: &World<'_>,
    people: &People,
    states: &[Vec<State>],
    entries: &Entries,
) -> Vec<Vec<bool>> {
    let purposes = &world.plan.consent.purposes;
    let suppressed_via: Vec<Vec<bool>> =
        purposes.iter().map(|purpose| suppressed(world, people, entries, &[purpose.via])).collect();
    let passes = |profile: usize| {
        let declared = purposes.iter().enumerate();
        let passes = declared.map(|(purpose, declared)| {
            states[profile][purpose].passes(declared.model) && !suppressed_via[purpose][profile]
        });
        passes.collect()
    };
    (0..people.profiles.len()).map(passes).collect()
}

/// The verdict on each profile, by segment as declared.
pub fn judge(
    world: &World<'_>,
    people: &People,
    states: &[Vec<State>],
    entries: &Entries,
) -> Vec<Vec<&'static str>> {
    let purposes = &world.plan.consent.purposes;
    let passing = passes(world, people, states, entries);

    let mut verdicts: Vec<Vec<&'static str>> = vec![Vec::new(); world.plan.segments.len()];
    for &SegmentId(index) in &world.plan.segment_order {
        let segment = &world.plan.segments[index];
        let suppressed = suppressed(world, people, entries, &segment.channels);
        let mut rows = Vec::new();
        for (at, profile) in people.profiles.iter().enumerate() {
            let gate = || {
                let gating: Vec<(State, Model)> = segment
                    .gate
                    .purposes()
                    .iter()
                    .map(|purpose| (states[at][purpose.0], purposes[purpose.0].model))
                    .collect();
                stopped_by(&gating)
            };
            let rule = || {
                let rule = segment.rule.as_ref()?;
                let fields: Vec<Option<Value>> = people.shown_values(profile);
                let subject = Subject { fields: &fields, passes: &passing[at], as_of: world.as_of };
                match truth(&rule.expr, &subject) {
                    Some(true) => None,
                    Some(false) => Some("rule_false"),
                    None => Some("rule_unknown"),
                }
            };
            let set_operation = || {
                let inside = |member: &SegmentId| verdicts[member.0][at] == IN_SEGMENT;
                let in_union = segment.union.is_empty() || segment.union.iter().any(inside);
                let in_all = segment.intersect.iter().all(inside);
                let in_none = !segment.except.iter().any(inside);
                (!(in_union && in_all && in_none)).then_some("set_operation")
            };
            let verdict = suppressed[at]
                .then_some("suppressed")
                .or_else(gate)
                .or_else(rule)
                .or_else(set_operation)
                .unwrap_or(IN_SEGMENT);
            rows.push(verdict);
        }
        verdicts[index] = rows;
    }
    verdicts
}

/// The first reason why the states of a gate's purposes stop a profile.
fn stopped_by(gating: &[(State, Model)]) -> Option<&'static str> {
    for state in [State::Denied, State::Expired, State::Unknown, State::NoContactPoint] {
        let stops = |(found, model): &(State, Model)| *found == state && !found.passes(*model);
        if gating.iter().any(stops) {
            return Some(state.name());
        }
    }
    None
}

/// Who leaves with each export: of those that show one contact point the first.
pub fn exports(
    world: &World<'_>,
    people: &People,
    verdicts: &[Vec<&'static str>],
) -> Vec<Vec<String>> {
    let mut exports = Vec::new();
    for export in &world.plan.exports {
        let mut gone: Vec<(FieldId, &Key)> = Vec::new();
        let mut leaves = Vec::new();
        for (at, profile) in people.profiles.iter().enumerate() {
            if verdicts[export.segment.0][at] != IN_SEGMENT || world.replay {
                continue;
            }
            let shown: Vec<(FieldId, &Key)> = export
                .contacts
                .iter()
                .filter_map(|field| {
                    people.shown_key(&profile.cluster, *field).map(|key| (*field, key))
                })
                .collect();
            if shown.iter().any(|contact| gone.contains(contact)) {
                continue;
            }
            gone.extend(shown);
            leaves.push(profile.customer_id.clone());
        }
        exports.push(leaves);
    }
    exports
}

/// How many profiles are in both of two segments, for each pair of them.
pub fn overlaps(judged: &[Vec<&'static str>]) -> Vec<(usize, usize, u64)> {
    let mut pairs = Vec::new();
    for one in 0..judged.len() {
        for two in one + 1..judged.len() {
            let mut both = 0;
            for (one, two) in judged[one].iter().zip(&judged[two]) {
                if *one == IN_SEGMENT && *two == IN_SEGMENT {
                    both += 1;
                }
            }
            pairs.push((one, two, both));
        }
    }
    pairs
}
