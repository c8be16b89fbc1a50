//! Internal tables: identity, quarantine, segments; and which columns the plan needs.

use std::collections::BTreeSet;

use polars::prelude::*;
use rayon::prelude::*;

use super::consent::intake;
use super::engine_fault;
use super::identity::{Clusters, Fate, LinkedBy, shared_texts};
use super::keys;
use super::profile::{ProfileColumns, gather};
use super::records::{Record, Records};
use super::segments::Verdicts;
use super::survivorship::{NOBODY, Survivors};
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, Keep, Match, OutColumn, Plan, RegionFrom, SourceId, hex};

/// The fields whose values decide something or leave: all, or those that keys, survivorship,
/// rules and exports speak of.
///
/// A profile that counts filled fields, or a table of all fields, needs all. So do two records of
/// one id: all their values may decide which of them stays.
#[must_use]
pub fn needed_fields(plan: &Plan) -> BTreeSet<FieldId> {
    let survivorship = &plan.survivorship;
    let outputs = &plan.outputs;
    let whole = outputs.profiles.is_some()
        || outputs.quarantine.is_some()
        || outputs.provenance.is_some()
        || survivorship.keeps().any(|keep| keep == Keep::MostFilled);
    if whole {
        return (0..plan.fields.len()).map(FieldId).collect();
    }
    let mut fields = keys::needed(plan);
    fields.extend(survivorship.keeps().filter_map(Keep::field));
    fields.extend(asked_at_the_end(plan));
    fields.extend(plan.measured_fields());
    // The whole of a group decides from which record it comes.
    for group in &survivorship.groups {
        if group.fields.iter().any(|field| fields.contains(field)) {
            fields.extend(group.fields.iter().copied());
        }
    }
    let regions: Vec<FieldId> = fields
        .iter()
        .filter_map(|field| match plan.fields[field.0].key.region {
            RegionFrom::Of(region) => Some(region),
            _ => None,
        })
        .collect();
    fields.extend(regions);
    fields
}

/// The fields that rules and exports speak of.
#[must_use]
pub fn asked_at_the_end(plan: &Plan) -> BTreeSet<FieldId> {
    let rules = plan.segments.iter().flat_map(|segment| &segment.rule);
    let columns = plan.exports.iter().flat_map(|export| &export.columns);
    let in_exports = columns.filter_map(|column| match column {
        OutColumn::Field(field) => Some(*field),
        _ => None,
    });
    // What an export goes out through is proved on the text itself, whether it is shown or not.
    let through = plan.exports.iter().flat_map(|export| export.contacts.iter().copied());
    let through = through.chain(asked_by_limits(plan));
    rules.flat_map(|rule| rule.expr.names().0).chain(in_exports).chain(through).collect()
}

/// The fields by which limits say who comes first.
pub fn asked_by_limits(plan: &Plan) -> impl Iterator<Item = FieldId> {
    let limits = plan.segments.iter().filter_map(|segment| segment.limit.as_ref());
    limits.filter_map(|limit| Some(limit.top_by?.field))
}

/// For each source the columns that some part of the plan needs, of customers those of the given
/// fields.
#[must_use]
pub fn needs(plan: &Plan, fields: &BTreeSet<FieldId>) -> Vec<BTreeSet<String>> {
    let mut needs = vec![BTreeSet::new(); plan.sources.len()];
    for table in &plan.tables {
        let need = &mut needs[table.source.0];
        need.insert(table.id.clone());
        let mapped = table.mapping.iter().filter(|(field, _)| fields.contains(field));
        need.extend(mapped.map(|(_, column)| column.clone()));
    }
    for table in &plan.consent.tables {
        needs[table.source.0].extend(intake::needed(table));
    }
    for pairs in plan.identity.always.iter().chain(&plan.identity.never) {
        let need = &mut needs[pairs.source.0];
        need.extend(pairs.columns.iter().flat_map(|(table, key)| [table.clone(), key.clone()]));
    }
    for list in &plan.consent.suppress {
        needs[list.source.0].extend(list.matches.iter().flat_map(Match::columns));
    }
    let alone = read_for_rules(plan);
    for (id, related) in plan.related_in_use() {
        if alone.contains(&related.source) {
            needs[related.source.0].extend(plan.related_columns(id));
        }
    }
    needs
}

/// The sources whose rows are asked for once and in one place: those of one consent table each and
/// of nothing else, which are read when the decisions are taken in, and those of related tables alone,
/// which are read when rules ask for them; part by part.
#[must_use]
pub fn read_later(plan: &Plan) -> BTreeSet<SourceId> {
    let tables = || plan.consent.tables.iter().map(|table| table.source);
    let others = of_customers_and_lists(plan);
    tables()
        .filter(|source| tables().filter(|other| other == source).count() == 1)
        .filter(|source| !others.contains(source))
        .chain(read_for_rules(plan))
        .collect()
}

/// The sources of customers, suppression lists and pairs.
fn of_customers_and_lists(plan: &Plan) -> BTreeSet<SourceId> {
    let pairs = plan.identity.always.iter().chain(&plan.identity.never).map(|pairs| pairs.source);
    let tables = plan.tables.iter().map(|table| table.source);
    tables.chain(plan.consent.suppress.iter().map(|list| list.source)).chain(pairs).collect()
}

/// The sources of related tables that nothing else reads. They are read when rules ask for them.
fn read_for_rules(plan: &Plan) -> BTreeSet<SourceId> {
    let mut others = of_customers_and_lists(plan);
    others.extend(plan.consent.tables.iter().map(|table| table.source));
    let related = plan.related_in_use().map(|(_, related)| related.source);
    related.filter(|source| !others.contains(source)).collect()
}

/// `source, namespace, id, customer_id, rule`: a row for each record of a profile, in profile
/// order, then by table and id. `rule` is the strongest that links the record to another one of
/// its cluster, before anything was set aside. With an earlier run also `since`, when the id was
/// first given.
///
/// # Errors
/// Faults of the engine.
pub fn identity(
    plan: &Plan,
    records: &Records,
    clusters: &Clusters,
    survivors: &Survivors<'_>,
) -> Outcome<DataFrame> {
    let table = |record: Record| records.place(record).0;
    let mut members = Vec::with_capacity(clusters.starts[clusters.profiles] as usize);
    for cluster in clusters.names.in_order(plan, records) {
        let start = members.len();
        let of_cluster = clusters.members(*cluster as usize).iter().copied();
        members.extend(of_cluster.filter(|record| !survivors.is_duplicate(*record)));
        members[start..].sort_unstable_by(|a, b| {
            table(*a).cmp(&table(*b)).then_with(|| records.id(*a).cmp(&records.id(*b)))
        });
    }
    let ids = clusters.names.ids(plan, records);
    let each = |make: &(dyn Fn(Record) -> Option<String> + Sync)| {
        let values: Vec<Option<String>> =
            members.par_iter().with_min_len(4096).map(|record| make(*record)).collect();
        StringChunked::from_iter_options("".into(), values.into_iter()).into_series()
    };
    let source = each(&|record| Some(records.source_name(plan, record).to_owned()));
    let namespace = each(&|record| Some(plan.tables[records.place(record).0.0].namespace.clone()));
    let id = each(&|record| records.id(record).map(std::borrow::Cow::into_owned));
    let customer = each(&|record| Some(hex(&ids[clusters.of[record as usize] as usize])));
    let rule = each(&|record| match clusters.linked_by[record as usize] {
        LinkedBy::Rule(rule) => Some(plan.identity.rules[usize::from(rule)].name.clone()),
        LinkedBy::Always => Some("always".to_owned()),
        LinkedBy::SameId => Some("same id".to_owned()),
        LinkedBy::Nothing => None,
    });
    let mut columns = vec![
        ("source", source),
        ("namespace", namespace),
        ("id", id),
        ("customer_id", customer),
        ("rule", rule),
    ];
    if let Some(earlier) = &clusters.earlier {
        let since = each(&|record| {
            let cluster = clusters.of[record as usize] as usize;
            earlier.since[cluster].map(|since| since.to_string())
        });
        columns.push(("since", since));
    }
    frame(columns.into_iter().map(|(name, series)| series.with_name(name.into())).collect())
}

/// `source, reason, id` and the unified fields of every record set aside, in a total order.
///
/// # Errors
/// Faults of the engine.
pub fn quarantine(
    plan: &Plan,
    records: &Records,
    clusters: &Clusters,
    survivors: &Survivors<'_>,
) -> Outcome<DataFrame> {
    // A duplicate in a cluster that is set aside goes with its cluster.
    let reason = |record: Record| match clusters.fate(record) {
        Fate::NoId => Some("no id"),
        Fate::TooLarge => Some("cluster too large"),
        Fate::Profile(_) => survivors.is_duplicate(record).then_some("duplicate id"),
        Fate::Dropped => None,
    };
    let mut aside: Vec<Record> = (0..u32::try_from(records.len).unwrap_or(u32::MAX))
        .into_par_iter()
        .with_min_len(4096)
        .filter(|record| reason(*record).is_some())
        .collect();
    aside.par_sort_unstable_by(|a, b| {
        let table = |record: Record| records.place(record).0;
        table(*a)
            .cmp(&table(*b))
            .then_with(|| reason(*b).cmp(&reason(*a)))
            .then_with(|| records.id(*a).cmp(&records.id(*b)))
            .then_with(|| records.compare_cells(*a, *b, plan.fields.len()))
    });
    let text = |make: &dyn Fn(Record) -> Option<String>| {
        StringChunked::from_iter_options("".into(), aside.iter().map(|record| make(*record)))
            .into_series()
    };
    let mut columns = vec![
        text(&|record| Some(records.source_name(plan, record).to_owned()))
            .with_name("source".into()),
        text(&|record| reason(record).map(str::to_owned)).with_name("reason".into()),
        text(&|record| records.id(record).map(std::borrow::Cow::into_owned)).with_name("id".into()),
    ];
    for (at, field) in plan.fields.iter().enumerate() {
        let series = gather(plan, records, FieldId(at), &aside);
        // The table's own columns come first; a field of the same name is told apart.
        let mut name = field.name.clone();
        while columns.iter().any(|column: &Series| column.name().as_str() == name)
            || (name != field.name && plan.fields.iter().any(|field| field.name == name))
        {
            name = format!("field_{name}");
        }
        columns.push(series.with_name(name.into()));
    }
    frame(columns)
}

/// Profile, field, and the record whose value is shown.
type ShownCell = (usize, usize, Record);

/// `customer_id, field, source, id`: where each value that a profile shows came from, in profile
/// order, then in the order of fields.
///
/// # Errors
/// Faults of the engine.
pub fn provenance(
    plan: &Plan,
    records: &Records,
    clusters: &Clusters,
    survivors: &Survivors<'_>,
) -> Outcome<DataFrame> {
    let winners: Vec<Vec<Record>> =
        (0..plan.fields.len()).map(|at| survivors.winners(clusters, FieldId(at))).collect();
    let cells: Vec<ShownCell> = clusters
        .names
        .in_order(plan, records)
        .iter()
        .flat_map(|profile| {
            let profile = *profile as usize;
            let of_field = winners.iter().enumerate();
            of_field.map(move |(field, winners)| (profile, field, winners[profile]))
        })
        .filter(|(_, _, record)| *record != NOBODY)
        .collect();
    let ids: Vec<String> = clusters.names.ids(plan, records).iter().map(|id| hex(id)).collect();
    let text = |name: &str, make: &dyn Fn(&ShownCell) -> Option<String>| {
        StringChunked::from_iter_options(name.into(), cells.iter().map(make)).into_series()
    };
    frame(vec![
        text("customer_id", &|(profile, _, _)| Some(ids[*profile].clone())),
        text("field", &|(_, field, _)| Some(plan.fields[*field].name.clone())),
        text("source", &|(_, _, record)| Some(records.source_name(plan, *record).to_owned())),
        text("id", &|(_, _, record)| records.id(*record).map(std::borrow::Cow::into_owned)),
    ])
}

/// `rule, value, records`: the values that link most records, as compared; those of several fields
/// are joined by ` + `. Most records first, then by rule and value.
///
/// # Errors
/// Faults of the engine.
pub fn shared_keys(plan: &Plan, records: &Records, clusters: &Clusters) -> Outcome<DataFrame> {
    let mut rows: Vec<(u32, usize, String)> = clusters
        .shared
        .iter()
        .map(|shared| {
            let texts = shared_texts(plan, records, *shared);
            (shared.records, shared.rule, texts.join(" + "))
        })
        .collect();
    rows.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, &a.2).cmp(&(b.1, &b.2))));
    let rules = rows.iter().map(|(_, rule, _)| plan.identity.rules[*rule].name.as_str());
    let counts: Vec<i64> = rows.iter().map(|(records, _, _)| i64::from(*records)).collect();
    frame(vec![
        StringChunked::from_iter_values("rule".into(), rules).into_series(),
        StringChunked::from_iter_values("value".into(), rows.iter().map(|(_, _, v)| v.as_str()))
            .into_series(),
        Int64Chunked::from_slice("records".into(), &counts).into_series(),
    ])
}

/// `customer_id` and the verdict in each segment, in profile order.
///
/// # Errors
/// Faults of the engine.
pub fn segments(
    plan: &Plan,
    columns: &ProfileColumns<'_>,
    verdicts: &Verdicts,
    in_order: &[u32],
) -> Outcome<DataFrame> {
    let ids = columns.frame(&[OutColumn::CustomerId], in_order, None)?;
    let mut all: Vec<Series> =
        ids.columns().iter().map(|ids| ids.as_materialized_series().clone()).collect();
    let verdicts: Vec<Series> = plan
        .segments
        .par_iter()
        .zip(&verdicts.of)
        .map(|(segment, verdicts)| {
            let names = in_order.iter().map(|profile| verdicts[*profile as usize].name());
            StringChunked::from_iter_values(segment.name.as_str().into(), names).into_series()
        })
        .collect();
    all.extend(verdicts);
    frame(all)
}

fn frame(columns: Vec<Series>) -> Outcome<DataFrame> {
    let height = columns.first().map_or(0, |series| series.len());
    DataFrame::new(height, columns.into_iter().map(Column::from).collect())
        .map_err(|e| engine_fault("making a table", &e).into())
}
