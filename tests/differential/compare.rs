//! The tables that a run wrote against what the oracle says, cell by cell.

use std::collections::BTreeMap;

use optin::plan::{FieldId, GroupingId, OutColumn, Plan, PurposeId, Type};

use super::account;
use crate::harness::{Differences, EngineResult};
use crate::oracle::value::Value;
use crate::oracle::{Answer, OracleProfile, RawTable};

/// All differences between a run and what the oracle says.
pub fn compare(plan: &Plan, engine: &EngineResult, oracle: &Answer) -> Differences {
    let mut found = Differences::default();
    compare_profiles(&mut found, plan, &engine.profiles, oracle);
    compare_identity(&mut found, plan, &engine.identity, oracle);
    compare_quarantine(&mut found, &engine.quarantine, oracle);
    compare_segments(&mut found, plan, &engine.segments, oracle);
    compare_provenance(&mut found, &engine.provenance, oracle);
    for (at, table) in engine.exports.iter().enumerate() {
        compare_export(&mut found, plan, at, table, oracle);
    }
    compare_measures(&mut found, plan, &engine.measures, oracle);
    account::compare(&mut found, plan, &engine.account, oracle);
    found
}

fn compare_measures(found: &mut Differences, plan: &Plan, tables: &[RawTable], oracle: &Answer) {
    found.equal("measures", &tables.len(), &oracle.measures.len());
    for ((measure, table), wanted) in plan.measures.iter().zip(tables).zip(&oracle.measures) {
        let name = &measure.name;
        let names: Vec<String> = wanted.columns.iter().map(|(name, _)| name.clone()).collect();
        found.equal(format!("columns of {name}"), &table.columns, &names);
        found.equal(format!("rows of {name}"), &table.rows.len(), &wanted.rows.len());
        for (at, (row, wanted_row)) in table.rows.iter().zip(&wanted.rows).enumerate() {
            for ((cell, wanted_cell), (column, ty)) in
                row.iter().zip(wanted_row).zip(&wanted.columns)
            {
                let is = typed(cell.as_deref(), *ty, wanted_cell.as_ref());
                found.equal(format!("{name}, row {at}, {column}"), &is, wanted_cell);
            }
        }
    }
}

fn compare_profiles(found: &mut Differences, plan: &Plan, table: &RawTable, oracle: &Answer) {
    let mut columns = vec![OutColumn::CustomerId];
    columns.extend(plan.identity.previous.as_ref().map(|_| OutColumn::PreviousIds));
    columns.extend((0..plan.fields.len()).map(|at| OutColumn::Field(FieldId(at))));
    columns.extend((0..plan.groupings.len()).map(|at| OutColumn::Grouping(GroupingId(at))));
    let purposes = 0..plan.consent.purposes.len();
    columns.extend(purposes.map(|at| OutColumn::Consent(PurposeId(at))));
    let profiles: Vec<&OracleProfile> = oracle.profiles.iter().collect();
    compare_rows(found, "profiles", plan, &columns, table, &profiles);
}

fn compare_export(
    found: &mut Differences,
    plan: &Plan,
    at: usize,
    table: &RawTable,
    oracle: &Answer,
) {
    let of = |id: &String| {
        let known = oracle.profiles.iter().find(|profile| profile.customer_id == *id);
        known.expect("the oracle exports profiles")
    };
    let rows: Vec<&OracleProfile> = oracle.exports[at].iter().map(of).collect();
    compare_rows(found, &format!("export {at}"), plan, &plan.exports[at].columns, table, &rows);
}

/// Compares a table of profiles with those that should be in it, cell by cell.
fn compare_rows(
    found: &mut Differences,
    name: &str,
    plan: &Plan,
    columns: &[OutColumn],
    table: &RawTable,
    profiles: &[&OracleProfile],
) {
    let names: Vec<String> = columns.iter().map(|column| plan.column_name(*column)).collect();
    found.equal(format!("columns of {name}"), &table.columns, &names);
    found.equal(format!("rows of {name}"), &table.rows.len(), &profiles.len());
    if table.columns != names {
        return;
    }
    for (at, (row, profile)) in table.rows.iter().zip(profiles).enumerate() {
        for (column, cell) in columns.iter().zip(row) {
            let what = || {
                let column = plan.column_name(*column);
                format!("{name}, row {at} ({}), {column}", profile.customer_id)
            };
            match column {
                OutColumn::CustomerId => {
                    found.equal(what(), cell, &Some(profile.customer_id.clone()));
                }
                OutColumn::PreviousIds => found.equal(what(), cell, &profile.previous_ids),
                OutColumn::Grouping(grouping) => {
                    found.equal(what(), cell, &Some(profile.groups[grouping.0].clone()));
                }
                OutColumn::Consent(purpose) => {
                    let state = profile.consent[purpose.0].to_owned();
                    found.equal(what(), cell, &Some(state));
                }
                OutColumn::Field(field) => {
                    let wanted = &profile.values[field.0];
                    let is = typed(cell.as_deref(), plan.fields[field.0].ty, wanted.as_ref());
                    found.equal(what(), &is, wanted);
                }
            }
        }
    }
}

/// A cell as a value of the field. A text that a spreadsheet would run may have a guard before it.
fn typed(cell: Option<&str>, ty: Type, wanted: Option<&Value>) -> Option<Value> {
    let cell = cell?;
    if let (Some(unguarded), Some(Value::Text(text))) = (cell.strip_prefix('\''), wanted)
        && unguarded == text
        && text.starts_with(['=', '+', '-', '@', '\t', '\r'])
    {
        return Some(Value::Text(text.clone()));
    }
    let value = Value::parse(cell, ty, None, "UTC");
    Some(value.unwrap_or_else(|| Value::Text(format!("{cell} (no {})", ty.name()))))
}

fn compare_identity(found: &mut Differences, plan: &Plan, table: &RawTable, oracle: &Answer) {
    let mut names: Vec<String> =
        ["source", "namespace", "id", "customer_id", "rule"].map(str::to_owned).to_vec();
    names.extend(plan.identity.previous.as_ref().map(|_| "since".to_owned()));
    found.equal("columns of identity", &table.columns, &names);
    found.equal("rows of identity", &table.rows.len(), &oracle.identity.len());
    if table.columns != names {
        return;
    }
    let mut identity = BTreeMap::new();
    for row in &table.rows {
        let [source, namespace, id, customer, rule, since @ ..] = row.as_slice() else {
            panic!("identity has a row of {} cells", row.len());
        };
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let of = (text(source), text(id));
        let before = identity.insert(of.clone(), text(customer));
        if before.is_some_and(|before| before != text(customer)) {
            found.0.push(format!("identity gives {} {} to two customers", of.0, of.1));
        }
        found.equal(format!("namespace of {of:?}"), &text(namespace), &namespace_of(plan, &of.0));
        let linked_by = oracle.rules.get(&of).cloned().flatten();
        found.equal(format!("what links {of:?}"), rule, &linked_by);
        if let [since] = since {
            let has_its_id = |profile: &&OracleProfile| profile.customer_id == text(customer);
            let wanted = oracle.profiles.iter().find(has_its_id).and_then(|p| p.since.clone());
            found.equal(format!("since when {of:?} has its id"), since, &wanted);
        }
    }
    found.equal("identity", &identity, &oracle.identity);
}

fn namespace_of(plan: &Plan, source: &str) -> String {
    let table = plan.tables.iter().find(|table| plan.sources[table.source.0].name == source);
    table.map(|table| table.namespace.clone()).unwrap_or_default()
}

fn compare_provenance(found: &mut Differences, table: &RawTable, oracle: &Answer) {
    let names = ["customer_id", "field", "source", "id"].map(str::to_owned).to_vec();
    found.equal("columns of provenance", &table.columns, &names);
    let wanted: Vec<Vec<Option<String>>> =
        oracle.provenance.iter().map(|row| row.clone().map(Some).to_vec()).collect();
    found.equal("rows of provenance", &table.rows.len(), &wanted.len());
    for (at, (row, wanted)) in table.rows.iter().zip(&wanted).enumerate() {
        found.equal(format!("provenance, row {at}"), row, wanted);
    }
}

fn compare_quarantine(found: &mut Differences, table: &RawTable, oracle: &Answer) {
    let place = |name: &str| table.columns.iter().position(|column| column == name);
    let (Some(source), Some(reason)) = (place("source"), place("reason")) else {
        found.0.push(format!("quarantine has the columns {:?}", table.columns));
        return;
    };
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in &table.rows {
        let text = |at: usize| row[at].clone().unwrap_or_default();
        *counts.entry((text(source), text(reason))).or_default() += 1;
    }
    let wanted: BTreeMap<(String, String), u64> = oracle
        .quarantine
        .iter()
        .map(|((source, reason), count)| ((source.clone(), (*reason).to_owned()), *count))
        .collect();
    found.equal("quarantine", &counts, &wanted);
}

fn compare_segments(found: &mut Differences, plan: &Plan, table: &RawTable, oracle: &Answer) {
    let mut names = vec!["customer_id".to_owned()];
    names.extend(plan.segments.iter().map(|segment| segment.name.clone()));
    found.equal("columns of segments", &table.columns, &names);
    found.equal("rows of segments", &table.rows.len(), &oracle.profiles.len());
    if table.columns != names {
        return;
    }
    for (at, (row, profile)) in table.rows.iter().zip(&oracle.profiles).enumerate() {
        let id = &profile.customer_id;
        found.equal(format!("segments, row {at}"), &row[0], &Some(id.clone()));
        for (cell, (name, verdicts)) in row[1..].iter().zip(&oracle.verdict_rows) {
            let wanted = Some(verdicts[at].to_owned());
            found.equal(format!("verdict of {name} on row {at} ({id})"), cell, &wanted);
        }
    }
}
