//! Measures: figures of customers by group.
//!
//! In come the judged profiles; out goes for each measure a table, a row a group, and the account of
//! whom it counts. Measures are for whoever runs the pipeline: no gate is asked, no contact point
//! makes a group, and small groups stand together. Nothing depends on the order of rows.

mod figures;
mod groups;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use polars::prelude::*;
use serde::Serialize;

use super::consent::State;
use super::engine_fault;
use super::profile::{ProfileColumns, Rows};
use super::related::Aggregates;
use super::segments::{Court, Verdict, Verdicts};
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, Measure, Measured, PurposeId};
use figures::{Values, Wanted, counts, rates, states};
use groups::GroupRows;

/// The column of a measure with groups that says how many of them stand in a row together: 0 for a
/// group's own row.
const FOLDED: &str = "folded_groups";

/// Whom a measure counted. Profiles are the sum of `outside`, `rule_false`, `rule_unknown` and
/// `customers`; the customers of all rows are `customers`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MeasureAccount {
    /// Its name.
    pub measure: String,
    /// `profiles`, or the segment whose members are counted.
    pub of: String,
    /// All profiles.
    pub profiles: u64,
    /// Not in the segment.
    pub outside: u64,
    /// The measure's rule is false.
    pub rule_false: u64,
    /// The measure's rule is null.
    pub rule_unknown: u64,
    /// Those who are counted.
    pub customers: u64,
    /// The customers of all rows of the table.
    pub in_rows: u64,
    /// Groups.
    pub groups: u64,
    /// Groups that stand in one row together, because they are small.
    pub folded_groups: u64,
    /// Their customers.
    pub folded_customers: u64,
    /// Figures that are not shown, because too few customers have a value.
    pub hidden: u64,
}

/// A measure's table.
pub struct MeasureTable {
    /// Index into the plan's measures.
    pub measure: usize,
    /// The rows, one a group.
    pub rows: Rows<'static>,
}

/// What measures come to.
#[derive(Default)]
pub struct Taken {
    /// A table a measure.
    pub tables: Vec<MeasureTable>,
    /// Whom each counted.
    pub accounts: Vec<MeasureAccount>,
}

/// Takes all measures of the plan.
///
/// # Errors
/// Faults of the engine.
pub fn measures(
    court: &Court<'_>,
    (columns, aggregates): (&ProfileColumns<'_>, &Aggregates),
    verdicts: &Verdicts,
) -> Outcome<Taken> {
    let mut taken = Taken::default();
    for (at, measure) in court.plan.measures.iter().enumerate() {
        let (frame, account) = self::measure(court, (columns, aggregates), verdicts, measure)?;
        taken.tables.push(MeasureTable { measure: at, rows: Rows::Frame(frame) });
        taken.accounts.push(account);
    }
    Ok(taken)
}

fn measure(
    court: &Court<'_>,
    (columns, aggregates): (&ProfileColumns<'_>, &Aggregates),
    verdicts: &Verdicts,
    measure: &Measure,
) -> Outcome<(DataFrame, MeasureAccount)> {
    let mut account = MeasureAccount {
        measure: measure.name.clone(),
        of: court.plan.measured_of(measure).to_owned(),
        profiles: court.clusters.profiles as u64,
        ..MeasureAccount::default()
    };
    let profiles = counted(court, (columns, aggregates), verdicts, measure, &mut account)?;
    let rows = if measure.by.is_empty() {
        GroupRows::whole(profiles.len())
    } else {
        GroupRows::new(court.plan, columns, &measure.by, &profiles, measure.smallest_group)?
    };
    account.customers = profiles.len() as u64;
    account.in_rows = rows.customers.iter().sum();
    account.groups = rows.shown.len() as u64 + rows.folded;
    account.folded_groups = rows.folded;
    if measure.by.is_empty() {
        account.groups = u64::from(!profiles.is_empty());
    } else if rows.folded > 0 {
        account.folded_customers = rows.customers.last().copied().unwrap_or(0);
    }
    let mut all = group_columns(columns, measure, &rows)?;
    let (figures, hidden) = figure_columns(court, columns, measure, &profiles, &rows)?;
    all.extend(figures);
    account.hidden = hidden;
    let frame = DataFrame::new(rows.customers.len(), all)
        .map_err(|e| engine_fault("taking a measure", &e))?;
    Ok((frame, account))
}

/// Who is counted, in the order of profiles.
fn counted(
    court: &Court<'_>,
    values: (&ProfileColumns<'_>, &Aggregates),
    verdicts: &Verdicts,
    measure: &Measure,
    account: &mut MeasureAccount,
) -> Outcome<Vec<u32>> {
    let all = 0..u32::try_from(court.clusters.profiles).unwrap_or(u32::MAX);
    let mut profiles: Vec<u32> = match measure.of {
        None => all.collect(),
        Some(segment) => {
            let of = &verdicts.of[segment.0];
            all.filter(|profile| of[*profile as usize] == Verdict::InSegment).collect()
        }
    };
    account.outside = account.profiles - profiles.len() as u64;
    if let Some(rule) = &measure.rule {
        let holds = court.evaluate(&rule.expr, values, &profiles)?;
        account.rule_false = holds.iter().filter(|holds| **holds == Some(false)).count() as u64;
        account.rule_unknown = holds.iter().filter(|holds| holds.is_none()).count() as u64;
        let mut holds = holds.into_iter();
        profiles.retain(|_| holds.next() == Some(Some(true)));
    }
    Ok(profiles)
}

/// The columns that name the groups: null in the row of those that are folded.
fn group_columns(
    columns: &ProfileColumns<'_>,
    measure: &Measure,
    rows: &GroupRows,
) -> Outcome<Vec<Column>> {
    if measure.by.is_empty() {
        return Ok(Vec::new());
    }
    let fault = |e: PolarsError| engine_fault("naming groups", &e);
    let named = columns.frame(&measure.by, &rows.shown, None)?;
    let folded_row = usize::from(rows.folded > 0);
    let mut all = Vec::new();
    for column in named.columns() {
        let series = column.as_materialized_series();
        let series = series.extend_constant(AnyValue::Null, folded_row).map_err(fault)?;
        all.push(series.rechunk().into());
    }
    let folded = rows.shown.iter().map(|_| 0).chain((rows.folded > 0).then_some(rows.folded));
    all.push(counts(folded).with_name(FOLDED.into()).into());
    Ok(all)
}

/// The columns of figures, and how many figures are not shown.
fn figure_columns(
    court: &Court<'_>,
    columns: &ProfileColumns<'_>,
    measure: &Measure,
    profiles: &[u32],
    rows: &GroupRows,
) -> Outcome<(Vec<Column>, u64)> {
    let measured = || measure.compute.iter().map(|figure| figure.measured);
    // What several figures ask for is fetched once.
    let mut of_field: BTreeMap<FieldId, Values> = BTreeMap::new();
    let mut of_purpose: BTreeMap<PurposeId, Vec<[u64; 5]>> = BTreeMap::new();
    for field in measured().filter_map(Measured::field) {
        if let Entry::Vacant(of_field) = of_field.entry(field) {
            let ty = court.plan.fields[field.0].ty;
            let counts_alone =
                |of: Measured| of == Measured::Values(field) || of.field() != Some(field);
            let numbers = !measured().all(counts_alone);
            let values = Values::new(columns, (field, ty), profiles, rows, numbers)?;
            of_field.insert(values);
        }
    }
    for purpose in measured().filter_map(Measured::purpose) {
        let of = &court.states.of[purpose.0];
        of_purpose.entry(purpose).or_insert_with(|| states(of, profiles, rows));
    }
    let smallest = measure.smallest_group;
    let mut hidden = 0;
    let mut all = Vec::new();
    for figure in &measure.compute {
        let values = |field: FieldId, wanted: Wanted| of_field[&field].figures(wanted, smallest);
        let (series, not_shown) = match figure.measured {
            Measured::Customers => (counts(rows.customers.iter().copied()), 0),
            Measured::Values(field) => (of_field[&field].counted(), 0),
            Measured::Sum(field) => values(field, Wanted::Sum),
            Measured::Mean(field) => values(field, Wanted::Mean),
            Measured::Quantile(field, share) => values(field, Wanted::Quantile(share)),
            Measured::States(purpose, state) => {
                (counts(of_purpose[&purpose].iter().map(|of| of[state as usize])), 0)
            }
            Measured::Rate(purpose, state) => {
                let of = of_purpose[&purpose].iter().zip(&rows.customers);
                (rates(of.map(|(of, customers)| (of[state as usize], *customers))), 0)
            }
            Measured::RateOfContactable(purpose, state) => {
                let without = State::NoContactPoint as usize;
                let of = of_purpose[&purpose].iter().zip(&rows.customers);
                (rates(of.map(|(of, all)| (of[state as usize], all - of[without]))), 0)
            }
        };
        hidden += not_shown;
        all.push(series.with_name(figure.name.as_str().into()).into());
    }
    Ok((all, hidden))
}
