//! Who meets the question.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use rayon::prelude::*;

use super::few::Few;
use super::{Asked, Found, MOST};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::cells::Cells;
use crate::engine::digest::digest;
use crate::engine::identity::{CustomerId, Names, customer_id};
use crate::engine::ids::{id_text, loose_id};
use crate::engine::key_reader::{KeyReader, regions};
use crate::engine::late::Late;
use crate::engine::records::{Record, field_columns};
use crate::engine::segments::Court;
use crate::engine::source::{self, Loaded};
use crate::engine::{Judged, tables};
use crate::plan::{FieldId, Plan, RegionFrom, TableId, Type};

/// A cluster, with those of its records that meet the question; or a record that belongs to none.
pub struct Met {
    /// The cluster's number.
    pub cluster: Option<usize>,
    /// The records, ascending.
    pub records: Vec<Record>,
}

/// All who meet the question: how many, and the first of them, clusters in their order, behind them
/// records in no cluster, each by itself. No more of them are given than can be told.
///
/// # Errors
/// Faults of sources that are read again; a field of a type that nobody is found by.
pub fn find(
    plan: &Plan,
    court: &Court<'_>,
    late: &Late<'_>,
    asked: &Asked,
) -> Outcome<(usize, Vec<Met>)> {
    let clusters = court.clusters;
    let records = matching(plan, court, late, asked)?;
    let cluster = |record: &Record| {
        let cluster = clusters.of.get(*record as usize).map(|cluster| *cluster as usize);
        cluster.filter(|cluster| *cluster < clusters.len())
    };
    let in_clusters = records.iter().filter_map(|record| Some((cluster(record)?, *record)));
    let mut found: Vec<(usize, Record)> = in_clusters.collect();
    // Shadows are found with those who have them.
    let rest: BTreeSet<Record> =
        records.iter().copied().filter(|record| cluster(record).is_none()).collect();
    let mut alone = rest.clone();
    if !rest.is_empty() {
        for (cluster, shadow) in clusters.shadows.iter().filter(|(_, of)| rest.contains(of)) {
            found.push((*cluster as usize, *shadow));
            alone.remove(shadow);
        }
    }
    found.sort_unstable();
    found.dedup();
    let count = found.chunk_by(|a, b| a.0 == b.0).count() + alone.len();
    let of_cluster = |of: &[(usize, Record)]| Met {
        cluster: Some(of[0].0),
        records: of.iter().map(|(_, record)| *record).collect(),
    };
    let alone = alone.into_iter().map(|record| Met { cluster: None, records: vec![record] });
    let met = found.chunk_by(|a, b| a.0 == b.0).map(of_cluster).chain(alone);
    Ok((count, met.take(MOST).collect()))
}

/// Several who were found, as they can be told apart without a value of theirs.
pub fn told_apart(plan: &Plan, judged: &Judged<'_>, met: &[Met]) -> Outcome<Vec<Found>> {
    let court = judged.court;
    let is_profile = |cluster: usize| cluster < court.clusters.profiles;
    let anchor = |met: &Met| {
        let cluster = met.cluster.filter(|cluster| is_profile(*cluster))?;
        Some((cluster, court.clusters.names.anchors[cluster]))
    };
    let anchors: Vec<Record> = met.iter().filter_map(|met| Some(anchor(met)?.1)).collect();
    let few = Few::read(plan, judged, &anchors)?;
    let id = |(cluster, anchor): (usize, Record)| -> CustomerId {
        match (&court.clusters.earlier, few.here(anchor)) {
            (None, Some(here)) => Names::of_one(here).id(plan, &few.records, 0),
            _ => court.clusters.names.id(plan, court.records, cluster),
        }
    };
    let found = |met: &Met| Found {
        customer_id: anchor(met).map(id),
        fate: met.records.first().map_or(super::Fate::NoId, |record| match met.cluster {
            Some(cluster) if is_profile(cluster) => {
                super::Fate::Profile(u32::try_from(cluster).unwrap_or(u32::MAX))
            }
            _ => court.clusters.fate(*record),
        }),
        records: met.records.iter().map(|record| court.records.place(*record)).collect(),
    };
    Ok(met.iter().map(found).collect())
}

/// The records that meet the question, ascending.
fn matching(
    plan: &Plan,
    court: &Court<'_>,
    late: &Late<'_>,
    asked: &Asked,
) -> Outcome<Vec<Record>> {
    let (records, clusters) = (court.records, court.clusters);
    match asked {
        Asked::Value(field, value) => {
            let key = &plan.fields[field.0].key;
            let Some(digests) = court.keys.digests(*field) else {
                return read_for_value(plan, (court, late), *field, value);
            };
            let wanted: HashSet<_> = regions(key, records)
                .into_iter()
                .filter_map(|region| key.chain.apply(value, region))
                .map(|key| digest(key.as_bytes()))
                .collect();
            let all = digests.par_iter().enumerate().with_min_len(4096);
            let is_it = all.filter(|(_, digest)| wanted.contains(digest));
            Ok(is_it.map(|(record, _)| number(0, record)).collect())
        }
        Asked::Record(table, id) => {
            let exact = |of: &str| of == id;
            let found = with_id(plan, (court, late), *table, exact)?;
            if !found.is_empty() {
                return Ok(found);
            }
            with_id(plan, (court, late), *table, |of| loose_id(of) == loose_id(id))
        }
        Asked::Customer(id) => {
            let named =
                |at: (usize, &CustomerId)| (at.1 == id).then(|| clusters.names.anchors[at.0]);
            if let Some(earlier) = &clusters.earlier {
                let ids = clusters.names.ids(plan, records);
                let found: Vec<Record> = ids.iter().enumerate().filter_map(named).collect();
                if !found.is_empty() {
                    return Ok(found);
                }
                // Who had it in an earlier run.
                let had = earlier.previous.iter().take(clusters.profiles).enumerate();
                let had = had.filter(|(_, ids)| ids.contains(id));
                return Ok(had.map(|(cluster, _)| clusters.names.anchors[cluster]).collect());
            }
            let mut found = Vec::new();
            for (at, table) in plan.tables.iter().enumerate() {
                let own = |of: &str| customer_id(&table.namespace, of, 1) == *id;
                found.extend(with_id(plan, (court, late), TableId(at), own)?);
            }
            // An id is made of the first record's; what others would give is nobody's.
            let anchors: Vec<Record> =
                found.iter().copied().filter(|record| is_anchor(court, *record)).collect();
            Ok(if anchors.is_empty() { found } else { anchors })
        }
    }
}

fn is_anchor(court: &Court<'_>, record: Record) -> bool {
    let clusters = court.clusters;
    let cluster = clusters.of.get(record as usize).map(|cluster| *cluster as usize);
    cluster.is_some_and(|cluster| clusters.names.anchors.get(cluster) == Some(&record))
}

fn number(start: usize, row: usize) -> Record {
    Record::try_from(start + row).unwrap_or(Record::MAX)
}

/// The records of a table whose id is one that is looked for.
fn with_id(
    plan: &Plan,
    (court, late): (&Court<'_>, &Late<'_>),
    table: TableId,
    is_it: impl Fn(&str) -> bool + Sync,
) -> Outcome<Vec<Record>> {
    let of = &court.records.tables[table.0];
    let ids = ids(plan, court, late, table)?;
    let is_it = |row: &usize| id_text(&ids, *row).is_some_and(|id| is_it(&id));
    let rows = (0..of.rows).into_par_iter().with_min_len(4096).filter(is_it);
    Ok(rows.map(|row| number(of.start, row)).collect())
}

/// The ids of a table, read again if they were forgotten.
fn ids<'a>(
    plan: &Plan,
    court: &'a Court<'_>,
    late: &Late<'_>,
    table: TableId,
) -> Outcome<Cow<'a, Cells>> {
    let known = &court.records.tables[table.0].ids;
    if !matches!(known, Cells::Absent) {
        return Ok(Cow::Borrowed(known));
    }
    let of = &plan.tables[table.0];
    let source = &plan.sources[of.source.0];
    let again = source::load(source, &[of.id.as_str()])?;
    if let Some(before) = &late.loaded[of.source.0] {
        before.expect_unchanged(source, &again)?;
    }
    Cells::of(&again.column(&of.id)?.series).map(Cow::Owned)
}

/// The records with a value in a field whose keys nobody else asks for: its columns are read.
fn read_for_value(
    plan: &Plan,
    (court, late): (&Court<'_>, &Late<'_>),
    field: FieldId,
    value: &str,
) -> Outcome<Vec<Record>> {
    let declared = &plan.fields[field.0];
    if matches!(declared.ty, Type::Float | Type::Decimal(_)) {
        return Err(Diagnostic::error(
            Code::UnknownField,
            format!("nobody is found by `{}`: a {} is no key", declared.name, declared.ty.name()),
        )
        .help("ask by a field of another type, by `customer_id`, or by a customer table's id")
        .into());
    }
    let mut fields = BTreeSet::from([field]);
    if let RegionFrom::Of(region) = declared.key.region {
        fields.insert(region);
    }
    let needs = tables::needs(plan, &fields);
    let mut found = Vec::new();
    for (at, table) in plan.tables.iter().enumerate() {
        if !table.mapping.iter().any(|(of, _)| *of == field) {
            continue;
        }
        let source = &plan.sources[table.source.0];
        let wanted: Vec<&str> = needs[table.source.0].iter().map(String::as_str).collect();
        let part = |part: Loaded| {
            let cells = field_columns(plan, table, &part, &fields)?;
            let reader = KeyReader::for_field(plan, &cells, field);
            let is_it = |row: &usize| {
                let key = reader.key_text(*row);
                key.is_some()
                    && [None, reader.region(*row)].iter().any(|region| {
                        declared.key.chain.apply(value, *region).as_deref() == key.as_deref()
                    })
            };
            Ok((part.rows, (0..part.rows).filter(is_it).collect::<Vec<usize>>()))
        };
        let before = &late.loaded[table.source.0];
        let files = before.as_ref().map_or(&[][..], |before| &before.files);
        let mut start = court.records.tables[at].start;
        source::visit_again(source, &wanted, files, part, |(rows, of_part)| {
            found.extend(of_part.into_iter().map(|row| number(start, row)));
            start += rows;
            Ok(())
        })?;
    }
    Ok(found)
}
