//! Internal tables: identity, quarantine, segments; and which columns the plan needs.

use std::collections::BTreeSet;

use polars::prelude::*;
use rayon::prelude::*;

use super::engine_fault;
use super::identity::{Clusters, LinkedBy, NO_CLUSTER};
use super::profile::{ProfileColumns, gather};
use super::records::{Record, Records};
use super::segments::Verdicts;
use super::survivorship::Survivors;
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, Match, OutColumn, Plan, RegionFrom, Shape, hex};

/// For each source the columns that some part of the plan needs.
#[must_use]
pub fn needs(plan: &Plan) -> Vec<BTreeSet<String>> {
    let mut needs = vec![BTreeSet::new(); plan.sources.len()];
    for table in &plan.tables {
        let need = &mut needs[table.source.0];
        need.insert(table.id.clone());
        need.extend(table.mapping.iter().map(|(_, column)| column.clone()));
    }
    let matched = |need: &mut BTreeSet<String>, matches: &[Match]| {
        for matched in matches {
            match matched {
                Match::Key { column, region, .. } => {
                    need.insert(column.clone());
                    if let RegionFrom::Of(column) = region {
                        need.insert(column.clone());
                    }
                }
                Match::Record { column, .. } => {
                    need.insert(column.clone());
                }
            }
        }
    };
    for table in &plan.consent.tables {
        let need = &mut needs[table.source.0];
        matched(need, &table.matches);
        match &table.shape {
            Shape::Wide(columns) => need.extend(columns.iter().map(|(_, column)| column.clone())),
            Shape::Long { purpose, value } => need.extend([purpose.clone(), value.clone()]),
        }
        need.extend(table.at.clone());
    }
    for list in &plan.consent.suppress {
        matched(&mut needs[list.source.0], &list.matches);
    }
    needs
}

/// `source, id, customer_id, rule`: a row for each record that has an id, in profile order, then
/// by table and id. `rule` is what links the record to another one of its customer.
///
/// # Errors
/// Faults of the engine.
pub fn identity(
    plan: &Plan,
    records: &Records,
    clusters: &Clusters,
    survivors: &Survivors,
) -> Outcome<DataFrame> {
    let mut members = clusters.members.clone();
    for cluster in 0..clusters.len() {
        let range = clusters.starts[cluster] as usize..clusters.starts[cluster + 1] as usize;
        if range.len() > 1 {
            members[range].sort_unstable_by(|a, b| {
                let table = |record: Record| records.place(record).0;
                table(*a).cmp(&table(*b)).then_with(|| records.id(*a).cmp(&records.id(*b)))
            });
        }
    }
    members.retain(|record| !survivors.duplicate[*record as usize]);
    let each = |make: &(dyn Fn(Record) -> Option<String> + Sync)| {
        let values: Vec<Option<String>> =
            members.par_iter().with_min_len(4096).map(|record| make(*record)).collect();
        StringChunked::from_iter_options("".into(), values.into_iter()).into_series()
    };
    let source = each(&|record| {
        Some(plan.sources[plan.tables[records.place(record).0.0].source.0].name.clone())
    });
    let id = each(&|record| records.id(record).map(std::borrow::Cow::into_owned));
    let customer =
        each(&|record| Some(hex(&clusters.customer_ids[clusters.of[record as usize] as usize])));
    let rule = each(&|record| match clusters.linked_by[record as usize] {
        LinkedBy::Rule(rule) => Some(plan.identity.rules[usize::from(rule)].name.clone()),
        LinkedBy::SameId => Some("same id".to_owned()),
        LinkedBy::Nothing => None,
    });
    let columns = [("source", source), ("id", id), ("customer_id", customer), ("rule", rule)];
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
    survivors: &Survivors,
) -> Outcome<DataFrame> {
    let no_id = |record: Record| clusters.of[record as usize] == NO_CLUSTER;
    let mut aside: Vec<Record> = (0..u32::try_from(records.len).unwrap_or(u32::MAX))
        .filter(|record| no_id(*record) || survivors.duplicate[*record as usize])
        .collect();
    aside.par_sort_unstable_by(|a, b| {
        let table = |record: Record| records.place(record).0;
        table(*a)
            .cmp(&table(*b))
            .then_with(|| no_id(*b).cmp(&no_id(*a)))
            .then_with(|| records.id(*a).cmp(&records.id(*b)))
            .then_with(|| records.compare_cells(*a, *b, plan.fields.len()))
    });
    let text = |make: &dyn Fn(Record) -> Option<String>| {
        StringChunked::from_iter_options("".into(), aside.iter().map(|record| make(*record)))
            .into_series()
    };
    let mut columns = vec![
        text(&|record| {
            Some(plan.sources[plan.tables[records.place(record).0.0].source.0].name.clone())
        })
        .with_name("source".into()),
        text(&|record| Some(if no_id(record) { "no id" } else { "duplicate id" }.to_owned()))
            .with_name("reason".into()),
        text(&|record| records.id(record).map(std::borrow::Cow::into_owned)).with_name("id".into()),
    ];
    for (at, field) in plan.fields.iter().enumerate() {
        let series = gather(plan, records, FieldId(at), aside.iter().map(|record| Some(*record)))?;
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

/// `customer_id` and the verdict in each segment, in profile order.
///
/// # Errors
/// Faults of the engine.
pub fn segments(
    plan: &Plan,
    columns: &mut ProfileColumns<'_>,
    verdicts: &Verdicts,
) -> Outcome<DataFrame> {
    let ids = columns.column(OutColumn::CustomerId)?;
    let mut all = vec![ids.as_materialized_series().clone()];
    for (segment, verdicts) in plan.segments.iter().zip(&verdicts.of) {
        let names = verdicts.iter().map(|verdict| verdict.name());
        all.push(
            StringChunked::from_iter_values(segment.name.as_str().into(), names).into_series(),
        );
    }
    frame(all)
}

fn frame(columns: Vec<Series>) -> Outcome<DataFrame> {
    let height = columns.first().map_or(0, |series| series.len());
    DataFrame::new(height, columns.into_iter().map(Column::from).collect())
        .map_err(|e| engine_fault("making a table", &e).into())
}
