//! Ids that profiles share without being merged (section 4, *Groupings*).

use std::collections::BTreeMap;

use optin::plan::{FieldId, Grouping};

use super::World;
use super::identity::{People, Profile};
use super::links::{alike, combination};
use super::names::customer_id;

/// The account of a grouping.
#[derive(Clone, Debug)]
pub struct GroupingAccount {
    pub grouping: String,
    pub counts: BTreeMap<&'static str, u64>,
}

/// By profile: its id in each grouping; and the accounts of the groupings.
pub fn assign(world: &World<'_>, people: &People) -> (Vec<Vec<String>>, Vec<GroupingAccount>) {
    let mut ids: Vec<Vec<String>> = vec![Vec::new(); people.profiles.len()];
    let mut accounts = Vec::new();
    for grouping in &world.plan.groupings {
        let groups = groups(people, grouping);
        for group in &groups {
            let first = &people.profiles[group[0]].customer_id;
            for profile in group {
                ids[*profile].push(customer_id(&grouping.name, first));
            }
        }
        let counts = [
            ("groups", groups.len()),
            ("shared", groups.iter().filter(|group| group.len() > 1).count()),
            ("largest", groups.iter().map(Vec::len).max().unwrap_or(0)),
        ];
        accounts.push(GroupingAccount {
            grouping: grouping.name.clone(),
            counts: counts.map(|(name, count)| (name, count as u64)).into(),
        });
    }
    (ids, accounts)
}

/// Profiles that agree on what they show, over any number of steps; each group in profile order.
fn groups(people: &People, grouping: &Grouping) -> Vec<Vec<usize>> {
    let agree = |a: usize, b: usize| {
        let (a, b) = (&people.profiles[a], &people.profiles[b]);
        grouping.rules.iter().any(|rule| {
            let keys = |of| combination(rule, |field| compared(people, of, field));
            let (a, b) = (keys(a), keys(b));
            a.zip(b).is_some_and(|(a, b)| alike(rule, &a, &b).is_some())
        })
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for new in 0..people.profiles.len() {
        let (touched, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|old| agree(*old, new)));
        groups = apart;
        let mut group: Vec<usize> = touched.into_iter().flatten().chain([new]).collect();
        group.sort_unstable();
        groups.push(group);
    }
    groups
}

/// The key of what a profile shows, unless it stands in `never`.
fn compared<'p>(people: &'p People, profile: &Profile, field: FieldId) -> Option<&'p str> {
    let record = profile.cluster.shown[field.0]?;
    people.records[record].compared(field)
}
