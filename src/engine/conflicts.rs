//! The alarm that one person's yes may cover another's no: customers of whom one record holds a
//! grant and another a denial, and the link that brought the two together.

use std::collections::{BTreeMap, HashMap};

use polars::prelude::*;

use super::consent::state::States;
use super::engine_fault;
use super::identity::{Clusters, LinkedBy, RuleView, Sets};
use super::keys::Keys;
use super::records::{Record, Records};
use crate::diagnostics::Outcome;
use crate::plan::{Plan, PurposeId, hex};

/// One customer and purpose.
struct Conflict {
    profile: usize,
    purpose: usize,
    granted: Record,
    denied: Record,
    /// Links between the two; 0 if one record holds both.
    steps: Option<i64>,
    /// The weakest of these links.
    bridge: Option<Bridge>,
}

/// A link between two records.
#[derive(Clone, Debug)]
struct Bridge {
    by: LinkedBy,
    value: String,
}

/// `customer_id, purpose, granted_source, granted_id, denied_source, denied_id, steps, rule,
/// value`: of every customer in conflict the nearest pair of records of which one holds a grant
/// and the other a denial, the number of links between them, and the weakest of these: its rule
/// and the value, as compared, in which the two records agree.
///
/// # Errors
/// A rule with a similarity that would compare too much; faults of the engine.
pub fn conflicts(
    plan: &Plan,
    records: &Records,
    clusters: &Clusters,
    keys: &Keys,
    states: &States,
) -> Outcome<DataFrame> {
    let mut views: Vec<RuleView<'_>> = Vec::new();
    for (rule, blocked) in plan.identity.rules.iter().zip(&clusters.blocked) {
        let mut view = RuleView::new(plan, records, keys, rule);
        view.blocked.clone_from(blocked);
        views.push(view);
    }
    let mut in_conflict: Vec<u32> = states.conflicts.concat();
    in_conflict.sort_unstable();
    in_conflict.dedup();
    let in_conflict = clusters.names.sorted(plan, records, &in_conflict);
    let mut found: Vec<Conflict> = Vec::new();
    for (profile, _) in in_conflict {
        for (purpose, profiles) in states.conflicts.iter().enumerate() {
            if profiles.binary_search(&profile).is_err() {
                continue;
            }
            let profile = profile as usize;
            let (granted, denied) = states.sides(PurposeId(purpose), clusters, profile);
            let graph = Graph::new(plan, records, clusters, &views, profile)?;
            let conflict = match graph.path(&granted, &denied) {
                Some((granted, denied, path)) => Conflict {
                    profile,
                    purpose,
                    granted,
                    denied,
                    steps: i64::try_from(path.len()).ok(),
                    bridge: path.iter().max_by_key(|link| link.by).cloned(),
                },
                // Every conflict that is counted has a row, even one that nothing explains.
                None => Conflict {
                    profile,
                    purpose,
                    granted: granted.first().copied().unwrap_or(clusters.names.anchors[profile]),
                    denied: denied.first().copied().unwrap_or(clusters.names.anchors[profile]),
                    steps: None,
                    bridge: None,
                },
            };
            found.push(conflict);
        }
    }
    table(plan, records, clusters, &found)
}

fn table(
    plan: &Plan,
    records: &Records,
    clusters: &Clusters,
    rows: &[Conflict],
) -> Outcome<DataFrame> {
    let text = |name: &str, make: &dyn Fn(&Conflict) -> Option<String>| {
        StringChunked::from_iter_options(name.into(), rows.iter().map(make)).into_series().into()
    };
    let source = |record: Record| Some(records.source_name(plan, record).to_owned());
    let id = |record: Record| records.id(record).map(std::borrow::Cow::into_owned);
    let steps = rows.iter().map(|row| row.steps);
    let columns: Vec<Column> = vec![
        text("customer_id", &|row| Some(hex(&clusters.names.id(plan, records, row.profile)))),
        text("purpose", &|row| Some(plan.consent.purposes[row.purpose].name.clone())),
        text("granted_source", &|row| source(row.granted)),
        text("granted_id", &|row| id(row.granted)),
        text("denied_source", &|row| source(row.denied)),
        text("denied_id", &|row| id(row.denied)),
        Int64Chunked::from_iter_options("steps".into(), steps).into_series().into(),
        text("rule", &|row| {
            row.bridge.as_ref().map(|bridge| match bridge.by {
                LinkedBy::Rule(rule) => plan.identity.rules[usize::from(rule)].name.clone(),
                _ => "always".to_owned(),
            })
        }),
        text("value", &|row| {
            let value = row.bridge.as_ref().map(|bridge| bridge.value.clone());
            value.filter(|value| !value.is_empty())
        }),
    ];
    DataFrame::new(rows.len(), columns).map_err(|e| engine_fault("making a table", &e).into())
}

/// The records of one customer and what links them.
struct Graph {
    /// Members and shadows, in the order of (table, id); those without an id last.
    members: Vec<Record>,
    /// For each member the number of its id.
    ranks: HashMap<Record, u32>,
    /// Links between ids: each a set of ranks that agree, the strongest first.
    sets: Vec<(Vec<u32>, Bridge)>,
}

impl Graph {
    fn new(
        plan: &Plan,
        records: &Records,
        clusters: &Clusters,
        views: &[RuleView<'_>],
        profile: usize,
    ) -> Outcome<Self> {
        let mut members: Vec<Record> = clusters.members(profile).to_vec();
        members.extend(clusters.shadows_of(profile));
        let no_id = |record: Record| !clusters.id_digests.has(record);
        members.sort_by(|a, b| {
            let table = |record: Record| records.place(record).0;
            no_id(*a)
                .cmp(&no_id(*b))
                .then_with(|| table(*a).cmp(&table(*b)))
                .then_with(|| records.id(*a).cmp(&records.id(*b)))
                .then_with(|| records.compare_cells(*a, *b, plan.fields.len()))
        });
        let mut ranks = HashMap::new();
        let mut rank = 0;
        for (at, record) in members.iter().enumerate() {
            if at > 0 {
                let before = clusters.id_digests.of(members[at - 1]);
                let own = clusters.id_digests.of(*record);
                rank += u32::from(own == 0 || own != before);
            }
            ranks.insert(*record, rank);
        }
        let mut sets: Vec<(Vec<u32>, Bridge)> = Vec::new();
        for (one, other) in &clusters.always {
            if let (Some(one), Some(other)) = (ranks.get(one), ranks.get(other)) {
                let bridge = Bridge { by: LinkedBy::Always, value: String::new() };
                sets.push((vec![*one, *other], bridge));
            }
        }
        for (number, view) in views.iter().enumerate() {
            let by = LinkedBy::rule(number);
            for set in Sets::new(view, &members, &ranks, &clusters.id_digests)?.ordered {
                let texts = view
                    .rule
                    .fields()
                    .map(|field| records.key_text(plan, field, set.example).unwrap_or_default());
                let value = texts.collect::<Vec<_>>().join(" + ");
                sets.push((set.ranks, Bridge { by, value }));
            }
        }
        Ok(Self { members, ranks, sets })
    }

    /// The nearest records of the two sides, and the links between them: of the shortest paths
    /// the one whose weakest link is strongest, then that of the first records.
    fn path(&self, from: &[Record], to: &[Record]) -> Option<(Record, Record, Vec<Bridge>)> {
        let ids = self.ranks.values().max().map_or(0, |last| *last as usize + 1);
        let mut sets_of: Vec<Vec<usize>> = vec![Vec::new(); ids];
        for (at, (ranks, _)) in self.sets.iter().enumerate() {
            for rank in ranks {
                sets_of[*rank as usize].push(at);
            }
        }
        let ranked = |side: &[Record]| {
            let mut ranks: Vec<u32> = side.iter().map(|record| self.ranks[record]).collect();
            ranks.sort_unstable();
            ranks.dedup();
            ranks
        };
        let goals = ranked(to);
        let mut frontier = ranked(from);
        let mut reached: Vec<Option<Reached>> = vec![None; ids];
        let mut used = vec![false; self.sets.len()];
        for rank in &frontier {
            reached[*rank as usize] = Some(Reached { weakest: None, start: *rank, by: None });
        }
        let goal = loop {
            let at_goal = frontier.iter().filter(|rank| goals.binary_search(rank).is_ok());
            let best = at_goal.min_by_key(|rank| {
                let reached = reached[**rank as usize].as_ref();
                (reached.map(|r| (r.weakest, r.start)), **rank)
            });
            if let Some(goal) = best {
                break *goal;
            }
            // Sets that touch the frontier, each with the best way to it.
            let mut touched: BTreeMap<usize, (Option<LinkedBy>, u32, u32)> = BTreeMap::new();
            for rank in &frontier {
                let Some(way) = &reached[*rank as usize] else { continue };
                for set in sets_of[*rank as usize].iter().filter(|set| !used[**set]) {
                    let weakest = way.weakest.max(Some(self.sets[*set].1.by));
                    let way = (weakest, way.start, *rank);
                    touched
                        .entry(*set)
                        .and_modify(|known| *known = (*known).min(way))
                        .or_insert(way);
                }
            }
            let mut next: BTreeMap<u32, Reached> = BTreeMap::new();
            for (set, (weakest, start, rank)) in touched {
                used[set] = true;
                for other in &self.sets[set].0 {
                    if reached[*other as usize].is_some() {
                        continue;
                    }
                    let new = Reached { weakest, start, by: Some((rank, set)) };
                    let known = next.entry(*other).or_insert_with(|| new.clone());
                    if (new.weakest, new.start) < (known.weakest, known.start) {
                        *known = new;
                    }
                }
            }
            if next.is_empty() {
                return None;
            }
            frontier = next.keys().copied().collect();
            for (rank, way) in next {
                reached[rank as usize] = Some(way);
            }
        };
        let mut path = Vec::new();
        let mut start = goal;
        while let Some((before, set)) = reached[start as usize].as_ref().and_then(|way| way.by) {
            path.push(self.sets[set].1.clone());
            start = before;
        }
        let record = |rank: u32, side: &[Record]| {
            self.members
                .iter()
                .copied()
                .find(|record| self.ranks[record] == rank && side.contains(record))
        };
        Some((record(start, from)?, record(goal, to)?, path))
    }
}

/// How an id was reached.
#[derive(Clone, Debug)]
struct Reached {
    /// The weakest link on the way.
    weakest: Option<LinkedBy>,
    /// Where the way began.
    start: u32,
    /// From which id, and by which set.
    by: Option<(u32, usize)>,
}
