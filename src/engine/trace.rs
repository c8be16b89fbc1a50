//! One customer, as a run sees them: for `optin why`.
//!
//! The plan is run as far as the verdicts. Then the customers that are asked for are read once more
//! with all their columns, and what survives, what links them and what rules come to is worked out
//! again on these few records, by the same code. Who they are, their states and their verdicts are
//! those of the run.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::cells::Cells;
use super::consent::state::States;
use super::digest::digest;
pub use super::identity::Fate;
use super::identity::{Clusters, CustomerId, Guards, Names, RuleView};
use super::ids::{Ids, id_text, loose_id};
use super::key_reader::{KeyReader, regions};
use super::keys::{self, Keys};
use super::late::Layers;
use super::profile::{ProfileColumns, Shown};
use super::records::{Record, RecordTable, Records, field_columns};
use super::segments::{Verdict, evaluate};
use super::source::{self, Loaded};
use super::survivorship::{NOBODY, survive};
use super::{Judged, Setting, SourceRecord, State, tables, walk};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::normalize::Region;
use crate::plan::{FieldId, Plan, PurposeId, RegionFrom, Segment, SegmentId, TableId};

/// So many customers are traced; others that meet the question are counted.
pub const MOST: usize = 3;

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
    /// Customers, and records that belong to none; no more than [`MOST`].
    pub customers: Vec<Trace>,
    /// How many more there are.
    pub more: usize,
    /// What was read.
    pub sources: Vec<SourceRecord>,
}

/// One customer.
#[derive(Debug)]
pub struct Trace {
    /// What became of the records.
    pub fate: Fate,
    /// The `customer_id` of a profile.
    pub customer_id: Option<CustomerId>,
    /// How many records the cluster has; of one that is set aside only those are traced that meet the
    /// question.
    pub size: usize,
    /// The records, the best by survivorship first, those without an id at the end.
    pub records: Vec<TracedRecord>,
    /// By field the place in `records` of the one whose value is shown.
    pub winners: Vec<Option<usize>>,
    /// By purpose. None if there is no profile, as of all that follows.
    pub states: Vec<State>,
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
    Pair,
    /// Nobody looked: there are too many records.
    Unsaid,
    /// It has no id, or was dropped: it is no part of the customer, but denials of it count.
    Shadow,
}

/// A condition of a rule.
#[derive(Debug)]
pub struct Condition {
    /// As one would write it.
    pub text: String,
    /// What it comes to; none if it is unknown.
    pub value: Option<bool>,
    /// The fields that it names.
    pub fields: BTreeSet<FieldId>,
    /// The purposes that it names.
    pub purposes: BTreeSet<PurposeId>,
}

/// How a customer stands to a segment.
#[derive(Debug)]
pub struct TracedSegment {
    /// The verdict.
    pub verdict: Verdict,
    /// True if a suppression list binds here.
    pub suppressed: bool,
    /// The conditions of the rule that must all hold, each with what it comes to.
    pub conditions: Vec<Condition>,
    /// What the whole rule comes to: none without a rule, or if it is unknown.
    pub rule: Option<bool>,
    /// Of the segments that it is made of, those that the customer is in.
    pub member_of: Vec<SegmentId>,
    /// By export of this segment, as in the plan, whether the customer leaves; others do in their place
    /// if not.
    pub leaves: Vec<bool>,
}

/// Runs a plan as far as the verdicts and traces who is asked for.
///
/// # Errors
/// As a run; a field whose keys the pipeline does not use.
pub fn trace(plan: &Plan, setting: &Setting, asked: &Asked) -> Outcome<Traces> {
    let mut traces = Traces::default();
    let mut look = |judged: &Judged<'_>| {
        let found = find(plan, judged, asked)?;
        traces.more = found.len().saturating_sub(MOST);
        for (cluster, records) in found.into_iter().take(MOST) {
            traces.customers.push(of_cluster(plan, judged, cluster, &records)?);
        }
        traces.sources.clone_from(&judged.sources);
        Ok(())
    };
    walk(plan, setting, Some(&mut look), |_| Ok(()))?;
    Ok(traces)
}

/// The clusters of the records that meet the question, with these; records in no cluster each by itself,
/// behind them.
fn find(
    plan: &Plan,
    judged: &Judged<'_>,
    asked: &Asked,
) -> Outcome<Vec<(Option<usize>, Vec<Record>)>> {
    let clusters = judged.court.clusters;
    let mut found: BTreeMap<usize, Vec<Record>> = BTreeMap::new();
    let mut alone = Vec::new();
    for record in matching(plan, judged, asked)? {
        match clusters.of.get(record as usize).map(|cluster| *cluster as usize) {
            Some(cluster) if cluster < clusters.len() => {
                found.entry(cluster).or_default().push(record);
            }
            _ => {
                let of = clusters.shadows.iter().filter(|(_, shadow)| *shadow == record);
                let of: Vec<usize> = of.map(|(cluster, _)| *cluster as usize).collect();
                if of.is_empty() {
                    alone.push((None, vec![record]));
                }
                for cluster in of {
                    found.entry(cluster).or_default().push(record);
                }
            }
        }
    }
    Ok(found.into_iter().map(|(at, of)| (Some(at), of)).chain(alone).collect())
}

/// The records that meet the question, ascending.
fn matching(plan: &Plan, judged: &Judged<'_>, asked: &Asked) -> Outcome<Vec<Record>> {
    let (records, clusters) = (judged.court.records, judged.court.clusters);
    let number = |start: usize, row: usize| Record::try_from(start + row).unwrap_or(Record::MAX);
    match asked {
        Asked::Value(field, value) => {
            let key = &plan.fields[field.0].key;
            let Some(digests) = judged.court.keys.digests(*field) else {
                return Err(unusable(plan, *field));
            };
            let wanted: HashSet<_> = regions(key, records)
                .into_iter()
                .filter_map(|region| key.chain.apply(value, region))
                .map(|key| digest(key.as_bytes()))
                .collect();
            let all = digests.iter().enumerate();
            Ok(all
                .filter(|(_, digest)| wanted.contains(digest))
                .map(|(record, _)| number(0, record))
                .collect())
        }
        Asked::Record(table, id) => {
            let of = &records.tables[table.0];
            let ids = ids(plan, judged, *table)?;
            let is_it = |row: &usize| {
                id_text(&ids, *row).is_some_and(|of| of == *id || loose_id(&of) == loose_id(id))
            };
            Ok((0..of.rows).filter(is_it).map(|row| number(of.start, row)).collect())
        }
        Asked::Customer(id) => {
            if clusters.earlier.is_some() {
                let all = clusters.names.ids(plan, records).iter().enumerate();
                let is_it = all.filter(|(_, of)| *of == id);
                return Ok(is_it.map(|(cluster, _)| clusters.names.anchors[cluster]).collect());
            }
            let mut found = Vec::new();
            for (at, table) in plan.tables.iter().enumerate() {
                let of = &records.tables[at];
                let ids = ids(plan, judged, TableId(at))?;
                let is_it = |row: &usize| {
                    let own =
                        |of: &str| super::identity::customer_id(&table.namespace, of, 1) == *id;
                    id_text(&ids, *row).is_some_and(|of| own(&of))
                };
                found.extend((0..of.rows).filter(is_it).map(|row| number(of.start, row)));
            }
            Ok(found)
        }
    }
}

/// Nobody is found by a field whose keys nobody uses.
fn unusable(plan: &Plan, field: FieldId) -> crate::diagnostics::Faults {
    let known: Vec<String> =
        keys::needed(plan).iter().map(|of| plan.fields[of.0].name.clone()).collect();
    Diagnostic::error(
        Code::UnknownField,
        format!(
            "nobody is found by `{}`: nothing in the pipeline compares it",
            plan.fields[field.0].name
        ),
    )
    .help(format!(
        "ask by customer_id, by a customer table's id, or by one of: {}",
        known.join(", ")
    ))
    .into()
}

/// The ids of a table, read again if they were forgotten.
fn ids(plan: &Plan, judged: &Judged<'_>, table: TableId) -> Outcome<Cells> {
    let known = &judged.court.records.tables[table.0].ids;
    if !matches!(known, Cells::Absent) {
        return Ok(known.clone());
    }
    let of = &plan.tables[table.0];
    let again = source::load(&plan.sources[of.source.0], &[of.id.as_str()])?;
    Cells::of(&again.column(&of.id)?.series)
}

/// Some records with all their columns, as if there were no others.
struct Few {
    loaded: Vec<Option<Loaded>>,
    records: Records,
    /// For each of them its number among all.
    all: Vec<Record>,
}

impl Few {
    fn read(plan: &Plan, judged: &Judged<'_>, wanted: &[Record]) -> Outcome<Self> {
        let mut rows: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); plan.tables.len()];
        for record in wanted {
            let (table, row) = judged.court.records.place(*record);
            rows[table.0].insert(row);
        }
        let fields: BTreeSet<FieldId> = (0..plan.fields.len()).map(FieldId).collect();
        let (mut loaded, mut of_tables, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (table, rows)) in plan.tables.iter().zip(rows).enumerate() {
            let start = all.len();
            let (mut ids, mut cells) = (Cells::Absent, vec![Cells::Absent; plan.fields.len()]);
            let mut of_table = None;
            if !rows.is_empty() {
                let columns = table.mapping.iter().map(|(_, column)| column.as_str());
                let columns: Vec<&str> = columns.chain([table.id.as_str()]).collect();
                let source = &plan.sources[table.source.0];
                let some = source::load_rows(source, &columns, &rows)?;
                if let Some(before) = &judged.late.loaded[table.source.0] {
                    before.expect_unchanged(source, &some)?;
                }
                ids = Cells::of(&some.column(&table.id)?.series)?;
                cells = field_columns(plan, table, &some, &fields)?;
                of_table = Some(some);
            }
            let first = judged.court.records.tables[at].start;
            all.extend(rows.iter().map(|row| Record::try_from(first + row).unwrap_or(Record::MAX)));
            of_tables.push(RecordTable {
                start,
                rows: rows.len(),
                ids,
                ascends: false,
                fields: cells,
                late: Layers::default(),
            });
            loaded.push(of_table);
        }
        let records = Records { tables: of_tables, len: all.len() };
        Ok(Self { loaded, records, all })
    }

    /// The number here of one of all records.
    fn here(&self, record: Record) -> Option<Record> {
        let at = self.all.binary_search(&record).ok()?;
        Record::try_from(at).ok()
    }

    /// The value of a field as it stands.
    fn value(&self, plan: &Plan, record: Record, field: FieldId) -> Option<String> {
        let (table, row) = self.records.place(record);
        let mapping = &plan.tables[table.0].mapping;
        let (_, column) = mapping.iter().find(|(of, _)| *of == field)?;
        let series = &self.loaded[table.0].as_ref()?.column(column).ok()?.series;
        let (cells, _) = self.records.cell(record, field);
        if cells.is_null(row) {
            return None;
        }
        match cells.text(row) {
            Some(text) => Some(text.into_owned()),
            None => series.get(row).ok().map(|value| value.to_string()),
        }
    }

    fn region(&self, plan: &Plan, record: Record, field: FieldId) -> Option<Region> {
        match plan.fields[field.0].key.region {
            RegionFrom::None => None,
            RegionFrom::Fixed(region) => Some(region),
            RegionFrom::Of(of) => {
                let (cells, row) = self.records.cell(record, of);
                cells.text(row).and_then(|text| Region::parse(&text))
            }
        }
    }

    /// One of the records, without what others say of it.
    fn record(&self, plan: &Plan, judged: &Judged<'_>, record: Record) -> TracedRecord {
        let all = self.all[record as usize];
        let (table, row) = judged.court.records.place(all);
        let (TableId(at), here) = self.records.place(record);
        let fields = || (0..plan.fields.len()).map(FieldId);
        let key = |field| {
            let cells = &self.records.tables[at].fields;
            KeyReader::for_field(plan, cells, field).key_text(here)
        };
        TracedRecord {
            table,
            row,
            id: self.records.id(record).map(std::borrow::Cow::into_owned),
            values: fields().map(|field| self.value(plan, record, field)).collect(),
            keys: fields().map(key).collect(),
            regions: fields().map(|field| self.region(plan, record, field)).collect(),
            link: Link::Shadow,
            duplicate: judged.survivors.is_duplicate(all),
        }
    }
}

/// Traces a cluster, or records that are in none.
fn of_cluster(
    plan: &Plan,
    judged: &Judged<'_>,
    cluster: Option<usize>,
    asked: &[Record],
) -> Outcome<Trace> {
    let clusters = judged.court.clusters;
    let fate = match cluster {
        Some(cluster) => clusters.members(cluster).first().map(|record| clusters.fate(*record)),
        None => asked.first().map(|record| clusters.fate(*record)),
    };
    let fate = fate.unwrap_or(Fate::NoId);
    let (Some(cluster), Fate::Profile(_)) = (cluster, fate) else {
        let few = Few::read(plan, judged, asked)?;
        let all = (0..).zip(&few.all).map(|(record, _)| few.record(plan, judged, record));
        return Ok(Trace {
            fate,
            customer_id: None,
            size: cluster.map_or(1, |cluster| clusters.members(cluster).len()),
            records: all.collect(),
            winners: vec![None; plan.fields.len()],
            states: Vec::new(),
            segments: Vec::new(),
        });
    };
    of_profile(plan, judged, cluster)
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
    let order: Vec<Record> =
        one.members(0).iter().copied().chain(shadows.iter().filter_map(here)).collect();
    let place = |record: Record| order.iter().position(|of| *of == record);
    let mut traced: Vec<TracedRecord> =
        order.iter().map(|record| few.record(plan, judged, *record)).collect();
    let links = links(plan, court.clusters, &few, &keys, &one);
    for (record, link) in traced.iter_mut().zip(links) {
        record.link = link;
    }
    let winner = |field| {
        let winner = survivors.winner(one.members(0), &survivors.contest(field));
        (winner != NOBODY).then(|| place(winner)).flatten()
    };
    let winners = (0..plan.fields.len()).map(FieldId).map(winner).collect();
    let states: Vec<State> = court.states.of.iter().map(|of| of[profile]).collect();
    let (shown, of_one) = (Shown::new(plan, &one, &survivors), States::of_one(states.clone()));
    let columns = ProfileColumns::new(plan, &few.records, &one, &survivors, &shown, &of_one, &[]);
    let passes = |purpose: PurposeId| vec![court.passes(purpose)[profile]];
    let mut segments = Vec::new();
    for (at, segment) in plan.segments.iter().enumerate() {
        let value = |expr| -> Outcome<Option<bool>> {
            let value = evaluate(plan, court.as_of, expr, &columns, &[0], passes)?;
            Ok(value.first().copied().flatten())
        };
        let (mut conditions, mut rule) = (Vec::new(), None);
        if let Some(of) = &segment.rule {
            for condition in of.expr.conditions() {
                let (fields, purposes) = condition.names();
                let (text, value) = (condition.text(plan), value(condition)?);
                conditions.push(Condition { text, value, fields, purposes });
            }
            rule = value(&of.expr)?;
        }
        segments.push(TracedSegment {
            verdict: judged.verdicts.of[at][profile],
            suppressed: court.suppressed_through(&segment.channels)[profile],
            conditions,
            rule,
            member_of: member_of(judged, segment, profile),
            leaves: leaves(plan, judged, SegmentId(at), profile)?,
        });
    }
    let (fate, size) = (court.clusters.fate(members[0]), members.len());
    let customer_id = Some(customer_id);
    Ok(Trace { fate, customer_id, size, records: traced, winners, states, segments })
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

/// What links each member: the strongest rule by which it is linked to one that is linked already. Who
/// no rule reaches is linked by an id, or by a pair.
fn links(plan: &Plan, clusters: &Clusters, few: &Few, keys: &Keys, one: &Clusters) -> Vec<Link> {
    let members = one.members(0);
    let rules: Vec<RuleView<'_>> = plan
        .identity
        .rules
        .iter()
        .zip(&clusters.blocked)
        .map(|(rule, blocked)| {
            let mut view = RuleView::new(plan, &few.records, keys, rule);
            view.blocked.clone_from(blocked);
            view
        })
        .collect();
    let mut links: Vec<Option<Link>> = vec![None; members.len()];
    if let Some(first) = links.first_mut() {
        *first = Some(Link::First);
    }
    if members.len() > MOST_LINKED {
        return links.into_iter().map(|link| link.unwrap_or(Link::Unsaid)).collect();
    }
    let id = |at: usize| one.id_digests.of(members[at]);
    loop {
        let mut next = None;
        for at in (0..members.len()).filter(|at| links[*at].is_none()) {
            for with in (0..members.len()).filter(|with| links[*with].is_some()) {
                let rule = rules.iter().position(|rule| rule.agrees(members[at], members[with]));
                let strength = match rule {
                    _ if id(at) == id(with) && id(at) != 0 => (0, Link::SameId { with }),
                    Some(rule) => (rule + 1, Link::Rule { rule, with }),
                    None => continue,
                };
                if next.is_none_or(|(_, (known, _))| strength.0 < known) {
                    next = Some((at, strength));
                }
            }
        }
        match next {
            Some((at, (_, link))) => links[at] = Some(link),
            None => break,
        }
    }
    links.into_iter().map(|link| link.unwrap_or(Link::Pair)).collect()
}

/// Of a larger cluster links are not looked for, as this compares pair by pair.
const MOST_LINKED: usize = 100;

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

/// The fields of contact points by which decisions and suppressions reach people.
#[must_use]
pub fn contact_fields(plan: &Plan) -> BTreeSet<FieldId> {
    let lists = plan.consent.suppress.iter().flat_map(|list| &list.matches);
    keys::contact_fields(plan).into_iter().chain(keys::matched(lists)).collect()
}

/// The fields by which somebody can be asked for.
#[must_use]
pub fn fields(plan: &Plan) -> BTreeSet<FieldId> {
    keys::needed(plan).intersection(&tables::needed_fields(plan)).copied().collect()
}
