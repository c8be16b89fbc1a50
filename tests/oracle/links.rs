//! What links records: rules, similarity, sets of records that agree, and what each rule brings
//! (section 3, *Links* and *Rule statistics*).

use std::collections::{BTreeMap, BTreeSet};

use optin::plan::{Condition, FieldId, LinkRule};

use super::World;
use super::records::{Name, Record, names};

/// What one rule links.
pub struct Links<'a> {
    pub rule: &'a LinkRule,
    sets: Vec<Set>,
    /// By record: its set, where it has all keys of the rule and they link.
    set_of: Vec<Option<usize>>,
}

/// Records that agree in all keys of a rule.
struct Set {
    /// In the order of the rule's conditions.
    keys: Vec<String>,
    /// Those without an id among them.
    records: Vec<usize>,
}

/// (longer length - Levenshtein distance) / longer length, in characters, divided once.
#[expect(clippy::cast_precision_loss, reason = "keys are short")]
pub fn similarity(a: &str, b: &str) -> f64 {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let longer = a.len().max(b.len());
    (longer - distance(&a, &b)) as f64 / longer as f64
}

/// The fewest characters that must be put in, taken out or replaced, by the table of all beginnings
/// of the one and the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.iter().enumerate() {
        let mut next = vec![at + 1];
        for (before, right) in b.iter().enumerate() {
            let replaced = row[before] + usize::from(left != right);
            next.push(replaced.min(row[before + 1] + 1).min(next[before] + 1));
        }
        row = next;
    }
    row[b.len()]
}

/// The keys that a rule looks at, in the order of its conditions; none if one is missing.
pub fn combination<'k>(
    rule: &LinkRule,
    key: impl Fn(FieldId) -> Option<&'k str>,
) -> Option<Vec<String>> {
    rule.conditions.iter().map(|condition| key(condition.field()).map(str::to_owned)).collect()
}

/// How alike two combinations of keys are: the least of their similarities, 1 where all keys are
/// equal. None where they do not agree under the rule.
pub fn alike(rule: &LinkRule, a: &[String], b: &[String]) -> Option<f64> {
    let mut least = 1.0_f64;
    for ((condition, a), b) in rule.conditions.iter().zip(a).zip(b) {
        match condition {
            Condition::Exact(_) => {
                if a != b {
                    return None;
                }
            }
            Condition::Similar { threshold, .. } => {
                let found = similarity(a, b);
                if found < *threshold {
                    return None;
                }
                least = least.min(found);
            }
        }
    }
    Some(least)
}

pub fn read<'a>(world: &World<'a>, records: &[Record]) -> Vec<Links<'a>> {
    let identity = &world.plan.identity;
    identity.rules.iter().map(|rule| links_of(rule, identity.max_shared, records)).collect()
}

fn links_of<'a>(rule: &'a LinkRule, max_shared: Option<u64>, records: &[Record]) -> Links<'a> {
    let mut sharing: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        let keys = combination(rule, |field| record.compared(field));
        if let Some(keys) = keys.filter(|_| rule.covers(record.table)) {
            sharing.entry(keys).or_default().push(at);
        }
    }
    if let Some(most) = max_shared.filter(|_| !rule.is_fuzzy()) {
        sharing.retain(|_, of| names(records, of.iter().copied()).len() as u64 <= most);
    }
    let mut links = Links { rule, sets: Vec::new(), set_of: vec![None; records.len()] };
    for (keys, of) in sharing {
        for record in &of {
            links.set_of[*record] = Some(links.sets.len());
        }
        links.sets.push(Set { keys, records: of });
    }
    links
}

impl Links<'_> {
    /// Two records agree under the rule.
    pub fn agree(&self, a: usize, b: usize) -> bool {
        match (self.set_of[a], self.set_of[b]) {
            (Some(a), Some(b)) => {
                alike(self.rule, &self.sets[a].keys, &self.sets[b].keys).is_some()
            }
            _ => false,
        }
    }

    /// The sets of names that the rule links, each with its strength: those of equal keys, and two
    /// of these together where they are alike.
    fn strengths(&self, records: &[Record]) -> Vec<(f64, BTreeSet<Name>)> {
        let of: Vec<BTreeSet<Name>> =
            self.sets.iter().map(|set| names(records, set.records.iter().copied())).collect();
        let mut found: Vec<(f64, BTreeSet<Name>)> =
            of.iter().map(|names| (1.0, names.clone())).collect();
        for (a, b) in self.alike_sets() {
            let strength = alike(self.rule, &self.sets[a].keys, &self.sets[b].keys);
            found.push((strength.expect("they are alike"), &of[a] | &of[b]));
        }
        found
    }

    /// Every two sets of different keys that agree all the same.
    fn alike_sets(&self) -> Vec<(usize, usize)> {
        let pairs = (0..self.sets.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        let agree = |(a, b): &(usize, usize)| {
            alike(self.rule, &self.sets[*a].keys, &self.sets[*b].keys).is_some()
        };
        pairs.filter(agree).collect()
    }
}

/// The sets of names that rules link, strongest first: by rule, the more similar first, then by
/// their names.
pub fn strongest_first(links: &[Links<'_>], records: &[Record]) -> Vec<BTreeSet<Name>> {
    let mut sets: Vec<BTreeSet<Name>> = Vec::new();
    for rule in links {
        let mut of_rule = rule.strengths(records);
        of_rule.sort_by(|(a, a_names), (b, b_names)| b.total_cmp(a).then(a_names.cmp(b_names)));
        sets.extend(of_rule.into_iter().map(|(_, names)| names));
    }
    sets
}

/// Puts names together that stand in one of the sets, over any number of steps.
pub fn closure<'s>(
    names: &BTreeSet<Name>,
    sets: impl IntoIterator<Item = &'s BTreeSet<Name>>,
) -> Vec<BTreeSet<Name>> {
    let mut closed: Vec<BTreeSet<Name>> = names.iter().map(|name| [name.clone()].into()).collect();
    for set in sets {
        let (touched, apart): (Vec<_>, Vec<_>) =
            closed.into_iter().partition(|together| !together.is_disjoint(set));
        closed = apart;
        if !touched.is_empty() {
            closed.push(touched.into_iter().flatten().collect());
        }
    }
    closed
}

/// By rule: its links, the records that agree with another under it, and into how many more the
/// clusters would fall without it. `pairs` are those that join.
pub fn statistics(
    links: &[Links<'_>],
    records: &[Record],
    clusters: &[BTreeSet<Name>],
    pairs: &[BTreeSet<Name>],
) -> Vec<(String, BTreeMap<&'static str, u64>)> {
    let with_id: Vec<usize> = (0..records.len()).filter(|at| records[*at].id.is_some()).collect();
    let sets: Vec<Vec<BTreeSet<Name>>> =
        links.iter().map(|links| strongest_first(std::slice::from_ref(links), records)).collect();
    let mut all = Vec::new();
    for (at, of_rule) in links.iter().enumerate() {
        let has_id = |record: &&usize| records[**record].id.is_some();
        let sizes: Vec<usize> =
            of_rule.sets.iter().map(|set| set.records.iter().filter(has_id).count()).collect();
        let within: usize = sizes.iter().map(|size| size.saturating_sub(1)).sum();
        let between = of_rule.alike_sets();
        let between = between.iter().filter(|(a, b)| sizes[*a] > 0 && sizes[*b] > 0).count();
        let agreeing = with_id.iter().filter(|one| {
            with_id.iter().any(|other| *one != other && of_rule.agree(**one, *other))
        });
        let others = sets.iter().enumerate().filter(|(other, _)| *other != at);
        let others: Vec<&BTreeSet<Name>> = others.flat_map(|(_, sets)| sets).chain(pairs).collect();
        // A set binds only those of its records that are one customer: the other links of it were
        // left out by an exception.
        let more = |cluster: &BTreeSet<Name>| {
            let inside: Vec<BTreeSet<Name>> = others.iter().map(|set| *set & cluster).collect();
            closure(cluster, &inside).len() - 1
        };
        let account = [
            ("links", within + between),
            ("records", agreeing.count()),
            ("alone", clusters.iter().map(more).sum()),
        ];
        let account = account.map(|(name, count)| (name, count as u64)).into();
        all.push((of_rule.rule.name.clone(), account));
    }
    all
}
