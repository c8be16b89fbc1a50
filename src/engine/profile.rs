//! Profiles: one row a customer, with the values that survive.

use std::collections::BTreeSet;

use polars::prelude::*;
use rayon::prelude::*;

use super::consent::state::States;
use super::digest::Digest;
use super::engine_fault;
use super::groupings::Groups;
use super::identity::{Clusters, CustomerId};
use super::keys::Keys;
use super::records::{Record, Records};
use super::survivorship::{NOBODY, Survivors};
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, OutColumn, Plan, Type, hex};

/// The contact points that profiles show.
#[derive(Debug)]
pub struct Shown<'a> {
    fields: Vec<(FieldId, Vec<Record>, &'a [Digest])>,
}

/// What all clusters show in one field.
#[derive(Clone, Copy)]
pub struct ShownField<'a> {
    /// For each cluster the record whose value it shows, or [`NOBODY`].
    pub winners: &'a [Record],
    digests: &'a [Digest],
}

impl ShownField<'_> {
    /// The key of the value that a cluster shows; 0 for none.
    #[must_use]
    pub fn key(&self, cluster: usize) -> Digest {
        match self.winners.get(cluster) {
            None | Some(&NOBODY) => 0,
            Some(record) => self.digests[*record as usize],
        }
    }
}

impl<'a> Shown<'a> {
    /// Finds what every profile shows in each field that consent, channels or exports speak of.
    #[must_use]
    pub fn new(
        plan: &Plan,
        clusters: &Clusters,
        survivors: &Survivors<'_>,
        keys: &'a Keys,
    ) -> Self {
        let mut wanted: BTreeSet<FieldId> = plan.consent.purposes.iter().map(|p| p.via).collect();
        wanted.extend(plan.segments.iter().flat_map(|segment| segment.channels.iter().copied()));
        wanted.extend(plan.exports.iter().flat_map(|export| export.contacts.iter().copied()));
        let groupings = plan.groupings.iter().flat_map(|grouping| &grouping.rules);
        wanted.extend(groupings.flat_map(crate::plan::LinkRule::fields));
        let fields = wanted
            .into_iter()
            .map(|field| (field, survivors.winners(clusters, field), keys.field(field).0))
            .collect();
        Self { fields }
    }

    /// What is shown in a field; nothing if nobody was to ask.
    #[must_use]
    pub fn field(&self, field: FieldId) -> ShownField<'_> {
        let known = self.fields.iter().find(|(id, _, _)| *id == field);
        known.map_or(ShownField { winners: &[], digests: &[] }, |(_, winners, digests)| {
            ShownField { winners, digests }
        })
    }
}

/// Makes columns of profiles when somebody asks.
pub struct ProfileColumns<'a> {
    plan: &'a Plan,
    records: &'a Records,
    clusters: &'a Clusters,
    survivors: &'a Survivors<'a>,
    shown: &'a Shown<'a>,
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
        shown: &'a Shown<'a>,
        states: &'a States,
        groupings: &'a [Groups],
    ) -> Self {
        Self { plan, records, clusters, survivors, shown, states, groupings }
    }

    /// A frame of several columns, a row for each of the given profiles. `ids` are theirs, where
    /// they are known.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn frame_of(
        &self,
        wanted: &[OutColumn],
        profiles: &[u32],
        ids: Option<&[CustomerId]>,
    ) -> Outcome<DataFrame> {
        let mut pieces = self.pieces(wanted, profiles, ids, |_, frame| Ok(frame))?.into_iter();
        let mut frame = pieces.next().unwrap_or_default();
        for piece in pieces {
            frame.vstack_mut(&piece).map_err(|e| engine_fault("making profiles", &e))?;
        }
        Ok(frame)
    }

    /// As [`frame_of`](Self::frame_of) piece by piece, several at once: what `make` makes of each
    /// piece's profiles and rows, in their order. There is at least one piece.
    ///
    /// # Errors
    /// Faults of the engine, and those of `make`.
    pub fn pieces<T: Send>(
        &self,
        wanted: &[OutColumn],
        profiles: &[u32],
        ids: Option<&[CustomerId]>,
        make: impl Fn(&[u32], DataFrame) -> Outcome<T> + Sync,
    ) -> Outcome<Vec<T>> {
        const ROWS: usize = 1 << 16;
        let fields = wanted.iter().map(|wanted| match wanted {
            OutColumn::Field(field) => whole(self.plan, self.records, *field).map(Some),
            _ => Ok(None),
        });
        let fields: Vec<Option<Series>> = fields.collect::<Outcome<_>>()?;
        (0..profiles.len().div_ceil(ROWS).max(1))
            .into_par_iter()
            .map(|at| {
                let range = at * ROWS..profiles.len().min((at + 1) * ROWS);
                let (profiles, ids) = (&profiles[range.clone()], ids.map(|ids| &ids[range]));
                let columns: Outcome<Vec<Column>> = wanted
                    .iter()
                    .zip(&fields)
                    .map(|(wanted, field)| {
                        let series = self.column_of(*wanted, field.as_ref(), profiles, ids)?;
                        Ok(series.with_name(self.plan.column_name(*wanted).into()).into())
                    })
                    .collect();
                let frame = DataFrame::new(profiles.len(), columns?)
                    .map_err(|e| engine_fault("making profiles", &e))?;
                make(profiles, frame)
            })
            .collect()
    }

    /// One column, a row for each of the given profiles. `whole` is all values of a field.
    fn column_of(
        &self,
        wanted: OutColumn,
        whole: Option<&Series>,
        profiles: &[u32],
        ids: Option<&[CustomerId]>,
    ) -> Outcome<Series> {
        let clusters = self.clusters;
        let each = || profiles.iter().map(|profile| *profile as usize);
        Ok(match wanted {
            OutColumn::CustomerId => match ids {
                Some(ids) => texts(ids.iter().map(|id| Some(hex(id)))),
                None => {
                    let id = |p: usize| clusters.names.id(self.plan, self.records, p);
                    texts(each().map(|p| Some(hex(&id(p)))))
                }
            },
            OutColumn::PreviousIds => texts(each().map(|p| previous_ids(clusters, p))),
            OutColumn::Grouping(grouping) => {
                let groups = &self.groupings[grouping.0];
                texts(each().map(|p| Some(groups.id(p))))
            }
            OutColumn::Consent(purpose) => {
                let states = &self.states.of[purpose.0];
                texts(each().map(|p| Some(states[p].name())))
            }
            OutColumn::Field(field) => {
                let known = self.shown.field(field).winners;
                let winner = |p: usize| match known {
                    [] => self.survivors.winner(clusters, p, field),
                    known => known[p],
                };
                let some = |record| (record != NOBODY).then_some(record);
                let whole = whole.cloned().unwrap_or_default();
                take(&whole, each().map(|p| some(winner(p))))?
            }
        })
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

/// A field's values of all records, in as many chunks as there are tables.
///
/// # Errors
/// Faults of the engine.
pub fn whole(plan: &Plan, records: &Records, field: FieldId) -> Outcome<Series> {
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
    Ok(whole)
}

/// The values of the given records; none where there is none.
///
/// # Errors
/// Faults of the engine.
pub fn take(
    whole: &Series,
    wanted: impl ExactSizeIterator<Item = Option<Record>>,
) -> Outcome<Series> {
    let index = IdxCa::from_iter_options("".into(), wanted);
    Ok(whole.take(&index).map_err(|e| engine_fault("gathering a field", &e))?)
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
