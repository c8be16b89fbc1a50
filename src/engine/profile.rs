//! Profiles: one row a customer, with the values that survive.

use std::borrow::Cow;
use std::collections::BTreeSet;

use polars::prelude::*;
use rayon::prelude::*;

use super::consent::state::States;
use super::digest::Digest;
use super::engine_fault;
use super::groupings::Groups;
use super::identity::Clusters;
use super::keys::Keys;
use super::records::{Record, Records};
use super::survivorship::{NOBODY, Survivors};
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, OutColumn, Plan, Type, hex};

/// The contact points that profiles show.
#[derive(Debug)]
pub struct Shown {
    fields: Vec<(FieldId, Vec<Record>, Vec<Digest>)>,
}

impl Shown {
    /// Finds what every profile shows in each field that consent, channels or exports speak of.
    #[must_use]
    pub fn new(plan: &Plan, clusters: &Clusters, survivors: &Survivors<'_>, keys: &Keys) -> Self {
        let mut wanted: BTreeSet<FieldId> = plan.consent.purposes.iter().map(|p| p.via).collect();
        wanted.extend(plan.segments.iter().flat_map(|segment| segment.channels.iter().copied()));
        wanted.extend(plan.exports.iter().flat_map(|export| export.contacts.iter().copied()));
        let groupings = plan.groupings.iter().flat_map(|grouping| &grouping.rules);
        wanted.extend(groupings.flat_map(crate::plan::LinkRule::fields));
        let fields = wanted
            .into_iter()
            .map(|field| {
                let winners = survivors.winners(clusters, field);
                let (digests, _) = keys.field(field);
                let shown = winners
                    .par_iter()
                    .map(|record| if *record == NOBODY { 0 } else { digests[*record as usize] })
                    .collect();
                (field, winners, shown)
            })
            .collect();
        Self { fields }
    }

    /// For each profile the record whose value it shows.
    #[must_use]
    pub fn winners(&self, field: FieldId) -> &[Record] {
        self.fields.iter().find(|(id, _, _)| *id == field).map_or(&[], |(_, winners, _)| winners)
    }

    /// For each profile the key of the value it shows; 0 for none.
    #[must_use]
    pub fn keys(&self, field: FieldId) -> &[Digest] {
        self.fields.iter().find(|(id, _, _)| *id == field).map_or(&[], |(_, _, keys)| keys)
    }
}

/// Makes columns of profiles when somebody asks.
pub struct ProfileColumns<'a> {
    plan: &'a Plan,
    records: &'a Records,
    clusters: &'a Clusters,
    survivors: &'a Survivors<'a>,
    shown: &'a Shown,
    states: &'a States,
    groupings: &'a [Groups],
}

impl<'a> ProfileColumns<'a> {
    /// What columns are made from.
    #[must_use]
    pub fn new(
        plan: &'a Plan,
        records: &'a Records,
        clusters: &'a Clusters,
        survivors: &'a Survivors<'a>,
        shown: &'a Shown,
        states: &'a States,
        groupings: &'a [Groups],
    ) -> Self {
        Self { plan, records, clusters, survivors, shown, states, groupings }
    }

    /// A frame of several columns, a row for each of the given profiles.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn frame_of(&self, wanted: &[OutColumn], profiles: &[u32]) -> Outcome<DataFrame> {
        let columns: Outcome<Vec<Column>> = wanted
            .iter()
            .map(|wanted| self.column_of(*wanted, profiles).map(Column::from))
            .collect();
        DataFrame::new(profiles.len(), columns?)
            .map_err(|e| engine_fault("making profiles", &e).into())
    }

    /// One column, a row for each of the given profiles.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn column_of(&self, wanted: OutColumn, profiles: &[u32]) -> Outcome<Series> {
        let clusters = self.clusters;
        let profiles = profiles.iter().map(|profile| *profile as usize);
        let series = match wanted {
            OutColumn::CustomerId => {
                let id = |p: usize| clusters.names.id(self.plan, self.records, p);
                texts(profiles.map(|p| Some(hex(&id(p)))))
            }
            OutColumn::PreviousIds => texts(profiles.map(|p| previous_ids(clusters, p))),
            OutColumn::Grouping(grouping) => {
                let groups = &self.groupings[grouping.0];
                texts(profiles.map(|p| Some(groups.id(p))))
            }
            OutColumn::Consent(purpose) => {
                let states = &self.states.of[purpose.0];
                texts(profiles.map(|p| Some(states[p].name())))
            }
            OutColumn::Field(field) => {
                let winners = self.winners(field);
                let winner = |p: usize| (winners[p] != NOBODY).then_some(winners[p]);
                gather(self.plan, self.records, field, profiles.map(winner))?
            }
        };
        Ok(series.with_name(self.plan.column_name(wanted).into()))
    }

    /// For each profile the record whose value of a field it shows.
    fn winners(&self, field: FieldId) -> Cow<'_, [Record]> {
        match self.shown.winners(field) {
            [] => Cow::Owned(self.survivors.winners(self.clusters, field)),
            known => Cow::Borrowed(known),
        }
    }
}

fn texts<T: AsRef<str>>(texts: impl Iterator<Item = Option<T>>) -> Series {
    StringChunked::from_iter_options("".into(), texts).into_series()
}

/// The ids that the records of a profile had in an earlier run, beside its own.
fn previous_ids(clusters: &Clusters, profile: usize) -> Option<String> {
    let previous = &clusters.earlier.as_ref()?.previous[profile];
    let ids: Vec<String> = previous.iter().map(|id| hex(id)).collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

/// A field's values of the given records; none where there is none.
///
/// # Errors
/// Faults of the engine.
pub fn gather(
    plan: &Plan,
    records: &Records,
    field: FieldId,
    wanted: impl ExactSizeIterator<Item = Option<Record>>,
) -> Outcome<Series> {
    let dtype = dtype(plan.fields[field.0].ty);
    let mut whole = Series::new_empty("".into(), &dtype);
    let fault = |e: PolarsError| engine_fault("gathering a field", &e);
    for table in &records.tables {
        let part = match &table.series[field.0] {
            Some(series) => series.cast(&dtype).map_err(fault)?,
            None => Series::full_null("".into(), table.rows, &dtype),
        };
        whole.append(&part).map_err(fault)?;
    }
    let index = IdxCa::from_iter_options("".into(), wanted);
    // A few values are fetched from where they are; for many it pays to bring all together first.
    let whole = if index.len() < whole.len() / 4 { whole } else { whole.rechunk() };
    Ok(whole.take(&index).map_err(fault)?)
}

/// The engine's type of a field.
#[must_use]
pub fn dtype(ty: Type) -> DataType {
    match ty {
        Type::Text => DataType::String,
        Type::Bool => DataType::Boolean,
        Type::Int => DataType::Int64,
        Type::Float => DataType::Float64,
        Type::Decimal(scale) => DataType::Decimal(38, usize::from(scale)),
        Type::Date => DataType::Date,
        Type::Datetime => DataType::Datetime(TimeUnit::Microseconds, None),
    }
}
