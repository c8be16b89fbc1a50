//! One customer, as a run sees them: for `optin why`.
//!
//! The plan is run as far as the verdicts. Then the customers that are asked for are read once more
//! with all their columns, and what survives, what links them and what rules come to is worked out
//! again on these few records, by the same code. Who they are, their states and their verdicts are
//! those of the run.

mod draw;
mod few;
mod find;
mod links;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::consent::state::States;
use super::digest::DigestSet;
pub use super::identity::Fate;
use super::identity::{Clusters, CustomerId, Guards, Names};
use super::ids::Ids;
use super::keys::{self, Keys};
use super::late::Late;
use super::profile::{ProfileColumns, Shown};
use super::records::Record;
use super::segments::{Court, Verdict, evaluate};
use super::source;
pub use super::survivorship::Won;
use super::survivorship::{NOBODY, survive};
use super::{Aim, Judged, Look, Setting, SourceRecord, State, walk};
use crate::diagnostics::{Faults, Outcome};
use crate::normalize::Region;
use crate::plan::{
    AggregateId, Expr, FieldId, Instant, Plan, PurposeId, Segment, SegmentId, SourceId, TableId,
};
pub use draw::Drawn;
use few::Few;
use find::Met;
use links::Linking;

/// Of so many customers who meet the question it is told which they are; others are counted.
pub const MOST: usize = 20;

/// Who is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Whoever has this value in a field, compared by its key.
    Value(FieldId, String),
    /// The customer of this id.
    Customer(CustomerId),
    /// The record of a customer table with this id.
    Record(TableId, String),
}

/// What was found.
#[derive(Debug, Default)]
pub struct Traces {
    /// The one who meets the question, or the record that belongs to nobody.
    pub one: Option<Trace>,
    /// Where several do, which they are, no more than [`MOST`]; none of them is traced.
    pub several: Vec<Found>,
    /// How many meet the question.
    pub count: usize,
    /// What was read.
    pub sources: Vec<SourceRecord>,
}

/// One of several who were found.
#[derive(Debug)]
pub struct Found {
    /// The `customer_id` of a profile.
    pub customer_id: Option<CustomerId>,
    /// What became of the records.
    pub fate: Fate,
    /// Table and row of the records that meet the question.
    pub records: Vec<(TableId, usize)>,
}

/// One customer.
#[derive(Debug)]
pub struct Trace {
    /// What became of the records.
    pub fate: Fate,
    /// The `customer_id` of a profile.
    pub customer_id: Option<CustomerId>,
    /// What there is to say of an earlier run: the ids that the records had in it, without that of the
    /// customer, and since when the customer has his.
    pub earlier: Option<(Vec<CustomerId>, Option<Instant>)>,
    /// How many records the cluster has; of one that is set aside only those are traced that meet the
    /// question.
    pub size: usize,
    /// The records, the best by survivorship first, those without an id at the end.
    pub records: Vec<TracedRecord>,
    /// By field the place in `records` of the one whose value is shown, and what decided for it.
    pub winners: Vec<Option<(usize, Won)>>,
    /// By grouping the id of the group, and how many customers are in it. None if there is no profile,
    /// as of all that follows.
    pub groups: Vec<(String, usize)>,
    /// By purpose.
    pub states: Vec<TracedState>,
    /// By segment.
    pub segments: Vec<TracedSegment>,
}

/// One record.
#[derive(Debug)]
pub struct TracedRecord {
    /// Its table.
    pub table: TableId,
    /// Its row in the source, from 0.
    pub row: usize,
    /// Its id.
    pub id: Option<String>,
    /// By field its value as it stands.
    pub values: Vec<Option<String>>,
    /// By field whether the value is usable.
    pub usable: Vec<bool>,
    /// By field its key, if it has one.
    pub keys: Vec<Option<String>>,
    /// By field the region in which a number is read.
    pub regions: Vec<Option<Region>>,
    /// What links it.
    pub link: Link,
    /// True if another record of its table has the same id and stays.
    pub duplicate: bool,
}

/// What links a record to its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is the one that others are linked to here.
    First,
    /// By a rule with another record, by its place.
    Rule {
        /// The rule's number.
        rule: usize,
        /// The other record.
        with: usize,
    },
    /// It has the id of another record.
    SameId {
        /// The other record.
        with: usize,
    },
    /// By a pair of `always`.
    Pair {
        /// The other record.
        with: usize,
    },
    /// By records that were left out after they had linked it.
    Through,
    /// Nobody looked: there are too many records.
    Unsaid,
    /// It has no id, or was dropped: it is no part of the customer, but denials of it count.
    Shadow {
        /// The rule by which it agrees with another record, by its place.
        by: Option<(usize, usize)>,
    },
    /// It is in no profile.
    Nothing,
}

impl Link {
    /// True of what is no part of a customer.
    #[must_use]
    pub const fn is_shadow(self) -> bool {
        matches!(self, Self::Shadow { .. })
    }
}

/// How a customer stands to a purpose.
#[derive(Clone, Copy, Debug)]
pub struct TracedState {
    /// The state.
    pub state: State,
    /// True if somebody else is denied by himself who shows the same contact point.
    pub denied_through_others: bool,
}

/// A condition of a rule.
#[derive(Debug)]
pub struct Condition {
    /// As one would write it.
    pub text: String,
    /// What it comes to; none if it is unknown.
    pub value: Option<bool>,
    /// True if it would hold for one who passes the gate and is on no list that binds there.
    pub holds_behind_gate: bool,
    /// The fields that it names.
    pub fields: BTreeSet<FieldId>,
    /// The purposes that it names.
    pub purposes: BTreeSet<PurposeId>,
    /// What it asks of related tables, as one would write it, and what this customer's rows come to;
    /// none of a null.
    pub aggregates: Vec<(String, Option<String>)>,
}

/// How a customer stands to a segment.
#[derive(Debug)]
pub struct TracedSegment {
    /// The verdict.
    pub verdict: Verdict,
    /// True if a suppression list binds here.
    pub suppressed: bool,
    /// True if one that binds here hits somebody else who shows the same contact point.
    pub suppressed_through_others: bool,
    /// The conditions of the rule that must all hold, each with what it comes to.
    pub conditions: Vec<Condition>,
    /// What the whole rule comes to: none without a rule, or if it is unknown.
    pub rule: Option<bool>,
    /// Of the segments that it is made of, those that the customer is in.
    pub member_of: Vec<SegmentId>,
    /// How the customer stands to the control group and the limit.
    pub drawn: Drawn,
    /// By export of this segment, as in the plan, whether the customer leaves; others do in their place
    /// if not.
    pub leaves: Vec<bool>,
}

/// Runs a plan as far as the verdicts and traces who is asked for.
///
/// # Errors
/// As a run; a field of a type that nobody is found by.
pub fn trace(plan: &Plan, setting: &Setting, asked: &Asked) -> Outcome<Traces> {
    let mut tracer = Tracer { plan, asked, met: Vec::new(), traces: Traces::default() };
    walk(plan, setting, Aim::Judged(&mut tracer))?;
    Ok(tracer.traces)
}

/// Finds who is asked for, and traces him.
struct Tracer<'a> {
    plan: &'a Plan,
    asked: &'a Asked,
    met: Vec<Met>,
    traces: Traces,
}

impl Look for Tracer<'_> {
    fn concerns(&mut self, court: &Court<'_>, late: &Late<'_>) -> Outcome<Vec<bool>> {
        (self.traces.count, self.met) = find::find(self.plan, court, late, self.asked)?;
        tracing::debug!(found = self.traces.count, "looked for");
        let one = match self.met.as_slice() {
            [one] => one.cluster,
            _ => None,
        };
        Ok(concerned(court, one.filter(|one| *one < court.clusters.profiles)))
    }

    fn look(&mut self, judged: &Judged<'_>) -> Outcome<()> {
        self.traces.sources.clone_from(&judged.sources);
        match self.met.as_slice() {
            [] => {}
            [one] => self.traces.one = Some(of_cluster(self.plan, judged, one)?),
            several => self.traces.several = find::told_apart(self.plan, judged, several)?,
        }
        tracing::debug!("traced");
        Ok(())
    }
}

/// A profile, and all who may leave in his place: those who share a contact point with him through
/// which some export goes out, and with those in turn.
fn concerned(court: &Court<'_>, one: Option<usize>) -> Vec<bool> {
    let mut concerned = vec![false; court.clusters.profiles];
    let Some(one) = one else { return concerned };
    if court.plan.draws() {
        // Who is cut off depends on all who are not.
        return vec![true; court.clusters.profiles];
    }
    concerned[one] = true;
    let exports = court.plan.exports.iter();
    let mut fields: BTreeSet<FieldId> =
        exports.flat_map(|export| export.contacts.iter().copied()).collect();
    fields.retain(|field| !court.clusters.tell_apart(court.plan, *field));
    let mut latest = vec![one];
    while !latest.is_empty() {
        let mut next = Vec::new();
        for field in &fields {
            let shown = court.shown.field(*field, court.keys);
            let keys: DigestSet =
                latest.iter().map(|of| shown.key(*of)).filter(|key| *key != 0).collect();
            let shares = |other: &usize| !concerned[*other] && keys.contains(&shown.key(*other));
            let found: Vec<usize> = if keys.is_empty() {
                Vec::new()
            } else {
                (0..concerned.len()).into_par_iter().with_min_len(4096).filter(shares).collect()
            };
            for other in found {
                concerned[other] = true;
                next.push(other);
            }
        }
        latest = next;
    }
    concerned
}

/// Traces a cluster, or a record that is in none.
fn of_cluster(plan: &Plan, judged: &Judged<'_>, met: &Met) -> Outcome<Trace> {
    let clusters = judged.court.clusters;
    let first = met.cluster.and_then(|cluster| clusters.members(cluster).first());
    let fate = first.or(met.records.first()).map_or(Fate::NoId, |record| clusters.fate(*record));
    if let (Some(cluster), Fate::Profile(_)) = (met.cluster, fate) {
        return of_profile(plan, judged, cluster);
    }
    let few = Few::read(plan, judged, &met.records)?;
    let record = |record| few.record(plan, judged, record, Link::Nothing, None);
    Ok(Trace {
        fate,
        customer_id: None,
        earlier: None,
        size: met.cluster.map_or(1, |cluster| clusters.members(cluster).len()),
        records: (0..).zip(&few.all).map(|(at, _)| record(at)).collect(),
        winners: vec![None; plan.fields.len()],
        groups: Vec::new(),
        states: Vec::new(),
        segments: Vec::new(),
    })
}

fn of_profile(plan: &Plan, judged: &Judged<'_>, profile: usize) -> Outcome<Trace> {
    let court = judged.court;
    let members = court.clusters.members(profile);
    let shadows: Vec<Record> = court.clusters.shadows_of(profile).collect();
    let mut wanted = members.to_vec();
    wanted.extend(&shadows);
    let mut few = Few::read(plan, judged, &wanted)?;
    let (ids, _) = Ids::new(&mut few.records, false, true)?;
    let (keys, _) = Keys::new(plan, &few.records)?;
    let here = |record: &Record| few.here(*record);
    let anchor = here(&court.clusters.names.anchors[profile]).unwrap_or(0);
    let own: Vec<Record> = members.iter().filter_map(here).collect();
    let mut one = of_one(&few, own, anchor, ids);
    let survivors = survive(plan, &few.records, &keys, &mut one);
    let customer_id = if court.clusters.earlier.is_some() {
        court.clusters.names.id(plan, court.records, profile)
    } else {
        one.names.id(plan, &few.records, 0)
    };
    let shadows: Vec<Record> = shadows.iter().filter_map(here).collect();
    let linking = Linking::new(plan, court.clusters, &few, &keys);
    let links = linking.of_members(one.members(0));
    let of_shadows = shadows.iter().map(|shadow| linking.of_shadow(one.members(0), *shadow));
    let links = links.into_iter().chain(of_shadows);
    let order: Vec<Record> = one.members(0).iter().chain(&shadows).copied().collect();
    let place = |record: Record| order.iter().position(|of| *of == record);
    let traced = order.iter().zip(links);
    let traced =
        traced.map(|(record, link)| few.record(plan, judged, *record, link, Some(&survivors)));
    let winner = |field| {
        let contest = survivors.contest(field);
        let winner = survivors.winner(one.members(0), &contest);
        let won = survivors.won(one.members(0), &contest)?;
        (winner != NOBODY).then_some((place(winner)?, won))
    };
    let winners = (0..plan.fields.len()).map(FieldId).map(winner).collect();
    let states: Vec<State> = court.states.of.iter().map(|of| of[profile]).collect();
    let (shown, of_one) = (Shown::new(plan, &one, &survivors), States::of_one(states.clone()));
    let columns = ProfileColumns::new(plan, &few.records, &one, &survivors, &shown, &of_one, &[]);
    let segments = segments(plan, judged, profile, &columns)?;
    let group = |at: usize| {
        let groups = &judged.groupings[at];
        (groups.id(profile).to_owned(), groups.size(profile))
    };
    let traced_state = |(at, state): (usize, State)| TracedState {
        state,
        denied_through_others: court.denied_through_others(PurposeId(at), profile),
    };
    let earlier = |earlier: &super::identity::Earlier| {
        (earlier.previous[profile].clone(), earlier.since[profile])
    };
    Ok(Trace {
        fate: court.clusters.fate(members[0]),
        customer_id: Some(customer_id),
        earlier: court.clusters.earlier.as_ref().map(earlier),
        size: members.len(),
        records: traced.collect(),
        winners,
        groups: (0..judged.groupings.len()).map(group).collect(),
        states: states.into_iter().enumerate().map(traced_state).collect(),
        segments,
    })
}

/// How a profile stands to each segment. `columns` are those of its own.
fn segments(
    plan: &Plan,
    judged: &Judged<'_>,
    profile: usize,
    columns: &ProfileColumns<'_>,
) -> Outcome<Vec<TracedSegment>> {
    let court = judged.court;
    let rules = plan.segments.iter().flat_map(|segment| &segment.rule);
    let named: BTreeSet<PurposeId> = rules.flat_map(|rule| rule.expr.names().1).collect();
    let good: BTreeMap<PurposeId, bool> =
        named.into_iter().map(|purpose| (purpose, court.passes(purpose)[profile])).collect();
    let passes = |purpose: PurposeId| good.get(&purpose).copied().unwrap_or(false);
    let number = u32::try_from(profile).unwrap_or(u32::MAX);
    let rows_of = |aggregate, _: &[u32]| judged.aggregates.of(aggregate, &[number]);
    let value = |expr, passes: &dyn Fn(PurposeId) -> bool| -> Outcome<Option<bool>> {
        let passes = |purpose: PurposeId| vec![passes(purpose)];
        let value = evaluate(plan, court.as_of, expr, (columns, &rows_of), &[0], passes)?;
        Ok(value.first().copied().flatten())
    };
    let mut segments = Vec::new();
    for (at, segment) in plan.segments.iter().enumerate() {
        let suppressed = court.suppressed_through(&segment.channels)[profile];
        let gate = segment.gate.purposes();
        let behind = |purpose: PurposeId| gate.contains(&purpose) || passes(purpose);
        // Who is on no list any more may pass other gates too.
        let unlisted = |purpose: PurposeId| {
            let model = plan.consent.purposes[purpose.0].model;
            behind(purpose) || (suppressed && court.states.of[purpose.0][profile].passes(model))
        };
        let (mut conditions, mut rule) = (Vec::new(), None);
        if let Some(of) = &segment.rule {
            for condition in of.expr.conditions() {
                let (fields, purposes) = condition.names();
                let holds = |passes| Ok::<_, Faults>(value(condition, passes)? == Some(true));
                conditions.push(Condition {
                    text: condition.text(plan),
                    value: value(condition, &passes)?,
                    holds_behind_gate: holds(&behind)? && holds(&unlisted)?,
                    fields,
                    purposes,
                    aggregates: aggregates(plan, judged, condition, number)?,
                });
            }
            rule = value(&of.expr, &passes)?;
        }
        segments.push(TracedSegment {
            verdict: judged.verdicts.of[at][profile],
            suppressed,
            suppressed_through_others: court.suppressed_through_others(&segment.channels, profile),
            conditions,
            rule,
            member_of: member_of(judged, segment, profile),
            drawn: draw::drawn(judged, (at, segment), profile, columns)?,
            leaves: leaves(plan, judged, SegmentId(at), profile)?,
        });
    }
    Ok(segments)
}

/// What a condition asks of related tables, and what a customer's rows come to.
fn aggregates(
    plan: &Plan,
    judged: &Judged<'_>,
    condition: &Expr,
    profile: u32,
) -> Outcome<Vec<(String, Option<String>)>> {
    let value = |aggregate: AggregateId| {
        let text = plan.aggregates[aggregate.0].text(plan);
        Ok((text, judged.aggregates.text(aggregate, profile)?))
    };
    condition.aggregates().into_iter().map(value).collect()
}

/// The files and rows of a source that no rule asks for.
///
/// # Errors
/// Faults of the source.
pub fn unread(plan: &Plan, source: SourceId) -> Outcome<SourceRecord> {
    let source = &plan.sources[source.0];
    let files = source::visit(source, &[], |_| Ok(()), Ok)?;
    let rows = files.iter().map(|file| file.rows).sum();
    Ok(SourceRecord { name: source.name.clone(), rows, files })
}

/// Clusters of which there is one.
fn of_one(few: &Few, members: Vec<Record>, anchor: Record, ids: Ids) -> Clusters {
    Clusters {
        profiles: 1,
        too_large: 0,
        of: vec![0; few.records.len],
        starts: vec![0, u32::try_from(members.len()).unwrap_or(u32::MAX)],
        members,
        shadows: Vec::new(),
        names: Names::of_one(anchor),
        linked_by: Vec::new(),
        id_digests: ids.digests,
        rules: Vec::new(),
        pairs: Vec::new(),
        blocked: Vec::new(),
        always: Vec::new(),
        guards: Guards::default(),
        shared: Vec::new(),
        earlier: None,
    }
}

/// Of the segments that a segment is made of, those that a profile is in.
fn member_of(judged: &Judged<'_>, segment: &Segment, profile: usize) -> Vec<SegmentId> {
    let named = segment.union.iter().chain(&segment.intersect).chain(&segment.except);
    let is_in = |of: &&SegmentId| judged.verdicts.of[of.0][profile] == Verdict::InSegment;
    named.filter(is_in).copied().collect()
}

/// Whether a profile leaves through each export of a segment.
fn leaves(
    plan: &Plan,
    judged: &Judged<'_>,
    segment: SegmentId,
    profile: usize,
) -> Outcome<Vec<bool>> {
    let (court, verdicts) = (judged.court, judged.verdicts);
    let of = &verdicts.of[segment.0];
    let mut leaves = Vec::new();
    for export in plan.exports.iter().filter(|export| export.segment == segment) {
        let is_in = of[profile] == Verdict::InSegment;
        let is_shared = |field: &FieldId| {
            let shown = court.shown.field(*field, court.keys);
            let key = shown.key(profile);
            let other =
                |at: usize| at != profile && of[at] == Verdict::InSegment && shown.key(at) == key;
            key != 0 && !court.clusters.tell_apart(plan, *field) && (0..of.len()).any(other)
        };
        if !is_in || !export.contacts.iter().any(is_shared) {
            leaves.push(is_in);
            continue;
        }
        // Which of them leaves is a matter of their ids, which may not be read yet.
        if !judged.late.is_read() {
            judged.late.read_for_exports(&verdicts.of)?;
        }
        let number = u32::try_from(profile).unwrap_or(u32::MAX);
        leaves.push(court.audience(export, verdicts).profiles().contains(&number));
    }
    Ok(leaves)
}

/// The fields whose keys the pipeline compares.
#[must_use]
pub fn compared_fields(plan: &Plan) -> BTreeSet<FieldId> {
    keys::needed(plan)
}

/// The fields of contact points by which decisions and suppressions reach people.
#[must_use]
pub fn contact_fields(plan: &Plan) -> BTreeSet<FieldId> {
    let lists = plan.consent.suppress.iter().flat_map(|list| &list.matches);
    keys::contact_fields(plan).into_iter().chain(keys::matched(lists)).collect()
}
