//! Profiles: one row a customer, with the values that survive.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use polars::prelude::*;
use polars_arrow::array::MutableBinaryViewArray;
use rayon::prelude::*;

use super::cells::Cells;
use super::consent::state::States;
use super::digest::Digest;
use super::engine_fault;
use super::groupings::Groups;
use super::identity::{Clusters, CustomerId};
use super::keys::Keys;
use super::records::{Record, Records};
use super::survivorship::{NOBODY, Survivors};
use super::tuning::part;
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, OutColumn, Plan, RegionFrom, TableId, Type, hex};

/// The contact points that profiles show.
#[derive(Debug)]
pub struct Shown {
    fields: Vec<(FieldId, Vec<Record>)>,
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

impl Shown {
    /// Finds what every profile shows in each field that consent, channels or exports speak of.
    #[must_use]
    pub fn new(plan: &Plan, clusters: &Clusters, survivors: &Survivors<'_>) -> Self {
        let mut wanted: BTreeSet<FieldId> = plan.consent.purposes.iter().map(|p| p.via).collect();
        wanted.extend(plan.segments.iter().flat_map(|segment| segment.channels.iter().copied()));
        wanted.extend(plan.exports.iter().flat_map(|export| export.contacts.iter().copied()));
        let groupings = plan.groupings.iter().flat_map(|grouping| &grouping.rules);
        wanted.extend(groupings.flat_map(crate::plan::LinkRule::fields));
        let fields =
            wanted.into_iter().map(|field| (field, survivors.winners(clusters, field))).collect();
        Self { fields }
    }

    /// For each cluster the record whose value of a field it shows, or [`NOBODY`]; nothing if nobody
    /// was to ask.
    #[must_use]
    pub fn winners(&self, field: FieldId) -> &[Record] {
        let known = self.fields.iter().find(|(id, _)| *id == field);
        known.map_or(&[], |(_, winners)| winners)
    }

    /// What is shown in a field, with its keys.
    #[must_use]
    pub fn field<'a>(&'a self, field: FieldId, keys: &'a Keys) -> ShownField<'a> {
        ShownField { winners: self.winners(field), digests: keys.field(field).0 }
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

    /// The cells of one column of some profiles.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn cells(&self, wanted: OutColumn, profiles: &[u32]) -> Outcome<Cells> {
        let frame = self.frame(&[wanted], profiles, None)?;
        let column = frame.columns().first().map(Column::as_materialized_series);
        column.map_or(Ok(Cells::Absent), |series| Cells::of(&series.rechunk()))
    }

    /// Columns of some profiles, a row for each. `ids` are theirs, where they are known.
    ///
    /// Values are fetched in the order of profiles, which is that of records: in any other order each
    /// of them is another wait for memory. Then they are put into the order that is asked for.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn frame(
        &self,
        wanted: &[OutColumn],
        profiles: &[u32],
        ids: Option<&[CustomerId]>,
    ) -> Outcome<DataFrame> {
        let fault = |e: PolarsError| engine_fault("making profiles", &e);
        let ascending = profiles.is_sorted();
        let mut fetched = Cow::Borrowed(profiles);
        let mut places = None;
        if !ascending {
            let mut order: Vec<(u32, IdxSize)> = profiles.iter().copied().zip(0..).collect();
            order.par_sort_unstable();
            let mut place: Vec<IdxSize> = vec![0; order.len()];
            for (at, (_, from)) in (0..).zip(&order) {
                place[*from as usize] = at;
            }
            fetched = order.into_iter().map(|(profile, _)| profile).collect();
            places = Some(IdxCa::from_vec(PlSmallStr::EMPTY, place));
        }
        // What all columns ask for is fetched once.
        let mut members = Members::default();
        if wanted.iter().any(|wanted| matches!(wanted, OutColumn::Field(_))) {
            for profile in &*fetched {
                members.members.extend_from_slice(self.clusters.members(*profile as usize));
                members.ends.push(members.members.len());
            }
        }
        let columns: Outcome<Vec<Column>> = wanted
            .par_iter()
            .map(|wanted| {
                let name = self.plan.column_name(*wanted).into();
                if let (OutColumn::CustomerId, Some(ids)) = (wanted, ids) {
                    return Ok(texts(ids.iter().map(|id| Some(hex(id)))).with_name(name).into());
                }
                let series = self.column(*wanted, &fetched, &members);
                let series = match &places {
                    Some(places) => series.take(places).map_err(fault)?,
                    None => series,
                };
                Ok(series.with_name(name).into())
            })
            .collect();
        Ok(DataFrame::new(profiles.len(), columns?).map_err(fault)?)
    }

    /// What stands as the region beside the contact point that a profile shows in a field.
    #[must_use]
    pub fn region(&self, field: FieldId, profile: u32) -> Option<String> {
        let RegionFrom::Of(of) = self.plan.fields[field.0].key.region else { return None };
        let winner = *self.shown.winners(field).get(profile as usize)?;
        if winner == NOBODY {
            return None;
        }
        let (cells, row) = self.records.cell(winner, of);
        cells.text(row).map(Cow::into_owned)
    }

    /// What the records of a profile hold in a field, whether it survives or not.
    #[must_use]
    pub fn texts_of_records(&self, field: FieldId, profile: u32) -> Vec<String> {
        let members = self.clusters.members(profile as usize).iter();
        let text = |record: &Record| {
            let (cells, row) = self.records.cell(*record, field);
            cells.text(row).map(Cow::into_owned)
        };
        members.filter_map(text).collect()
    }

    /// Table and id of each record of a profile.
    #[must_use]
    pub fn record_ids(&self, profile: u32) -> Vec<(TableId, String)> {
        let members = self.clusters.members(profile as usize).iter();
        let id = |record: &Record| {
            let (table, _) = self.records.place(*record);
            Some((table, self.records.id(*record)?.into_owned()))
        };
        members.filter_map(id).collect()
    }

    fn column(&self, wanted: OutColumn, profiles: &[u32], members: &Members) -> Series {
        let clusters = self.clusters;
        let each = || profiles.iter().map(|profile| *profile as usize);
        match wanted {
            OutColumn::CustomerId => {
                let id = |p: usize| clusters.names.id(self.plan, self.records, p);
                texts(each().map(|p| Some(hex(&id(p)))))
            }
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
                let contest = self.survivors.contest(field);
                let winners: Vec<Record> = match self.shown.winners(field) {
                    [] => members.each().map(|of| self.survivors.winner(of, &contest)).collect(),
                    known => each().map(|p| known[p]).collect(),
                };
                gather(self.plan, self.records, field, &winners)
            }
        }
    }
}

/// The members of some profiles, behind each other.
#[derive(Default)]
struct Members {
    members: Vec<Record>,
    ends: Vec<usize>,
}

impl Members {
    fn each(&self) -> impl Iterator<Item = &[Record]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.members[start..*end])
    }
}

/// Rows that may be written: a table in memory, or profiles of which the rows are made piece by
/// piece, so that never all of them are in memory.
pub enum Rows<'a> {
    /// A table in memory.
    Frame(DataFrame),
    /// Some profiles.
    Profiles {
        /// What columns are made from.
        columns: &'a ProfileColumns<'a>,
        /// Which columns.
        wanted: Cow<'a, [OutColumn]>,
        /// Of which profiles, in their order.
        profiles: &'a [u32],
        /// The ids of these, where they are known.
        ids: Option<&'a [CustomerId]>,
    },
}

impl Rows<'_> {
    /// Rows of a piece; the last may have fewer.
    #[must_use]
    pub fn piece_rows() -> usize {
        part(1 << 17, 2)
    }

    /// Number of rows.
    #[must_use]
    pub fn height(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.height(),
            Self::Profiles { profiles, .. } => profiles.len(),
        }
    }

    /// Names and types of the columns.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn schema(&self) -> Outcome<SchemaRef> {
        Ok(match self {
            Self::Frame(frame) => frame.schema().clone(),
            Self::Profiles { columns, wanted, .. } => {
                columns.frame(wanted, &[], None)?.schema().clone()
            }
        })
    }

    /// Number of pieces, at least one.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.height().div_ceil(Self::piece_rows()).max(1)
    }

    /// Some of the pieces, each column in one chunk. Several are made faster at once than one by
    /// one.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn some(&self, pieces: Range<usize>) -> Outcome<Vec<DataFrame>> {
        let start = pieces.start * Self::piece_rows();
        let end = self.height().min(pieces.end * Self::piece_rows());
        let (frame, offset) = match self {
            Self::Frame(frame) => (Cow::Borrowed(frame), start),
            Self::Profiles { columns, wanted, profiles, ids } => {
                let ids = ids.map(|ids| &ids[start..end]);
                (Cow::Owned(columns.frame(wanted, &profiles[start..end], ids)?), 0)
            }
        };
        let piece = |at: usize| {
            let from = offset + at * Self::piece_rows();
            let mut piece = frame.slice(
                i64::try_from(from).unwrap_or(i64::MAX),
                Self::piece_rows().min(end - start),
            );
            piece.rechunk_mut();
            piece
        };
        Ok((0..pieces.len()).map(piece).collect())
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

/// A field's values of the given records; none for [`NOBODY`].
pub fn gather(plan: &Plan, records: &Records, field: FieldId, wanted: &[Record]) -> Series {
    /// The cells of wanted records, by a function that knows their type.
    fn cells<'a, T>(
        records: &'a Records,
        field: FieldId,
        wanted: &'a [Record],
        get: impl Fn(&'a Cells, usize) -> Option<T> + 'a,
    ) -> impl ExactSizeIterator<Item = Option<T>> + 'a {
        wanted.iter().map(move |record| {
            if *record == NOBODY {
                return None;
            }
            let (cells, row) = records.cell(*record, field);
            get(cells, row)
        })
    }
    let name = PlSmallStr::EMPTY;
    match plan.fields[field.0].ty {
        Type::Text => {
            let mut texts = MutableBinaryViewArray::<str>::with_capacity(wanted.len());
            for text in cells(records, field, wanted, Cells::text) {
                texts.push(text);
            }
            StringChunked::with_chunk(name, texts.into()).into_series()
        }
        Type::Bool => {
            let bools = cells(records, field, wanted, |cells, row| match cells {
                Cells::Bool(cells) => cells.get(row),
                _ => None,
            });
            BooleanChunked::from_iter_options(name, bools).into_series()
        }
        Type::Int => {
            let ints = cells(records, field, wanted, Cells::ordinal);
            Int64Chunked::from_iter_options(name, ints).into_series()
        }
        Type::Float => {
            let floats = cells(records, field, wanted, |cells, row| match cells {
                Cells::Float(cells) => cells.get(row),
                _ => None,
            });
            Float64Chunked::from_iter_options(name, floats).into_series()
        }
        Type::Decimal(scale) => {
            let decimals = cells(records, field, wanted, |cells, row| match cells {
                Cells::Decimal(cells) => cells.get(row),
                _ => None,
            });
            Int128Chunked::from_iter_options(name, decimals)
                .into_decimal_unchecked(38, usize::from(scale))
                .into_series()
        }
        Type::Date => {
            let days = cells(records, field, wanted, |cells, row| match cells {
                Cells::Date(cells) => cells.get(row),
                _ => None,
            });
            Int32Chunked::from_iter_options(name, days).into_date().into_series()
        }
        Type::Datetime => {
            let micros = cells(records, field, wanted, Cells::ordinal);
            Int64Chunked::from_iter_options(name, micros)
                .into_datetime(TimeUnit::Microseconds, None)
                .into_series()
        }
    }
}
