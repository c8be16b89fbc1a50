//! What is read late: values that only rules and exports ask for, of those records alone whom the
//! consent gate lets through.
//!
//! The job is narrow before it is wide: who is who and who may be contacted depends on keys and
//! times. So where all customer tables are Parquet, of which a part of the columns and rows can be
//! read alone, texts of keys are forgotten when they are digested, other values are not read at
//! all, and what is left to ask is asked of those who are left.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use polars::prelude::*;

use super::cells::Cells;
use super::engine_fault;
use super::identity::Clusters;
use super::keys;
use super::mask::Mask;
use super::records::{Records, cells_of};
use super::segments::Verdict;
use super::source::{self, Loaded};
use super::tables::{asked_at_the_end, asked_by_limits};
use super::tuning::reads_late;
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, Format, Keep, LinkRule, Plan, RegionFrom};

/// Which fields are read when.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Read at the end, for some records.
    pub late: BTreeSet<FieldId>,
    /// Read first and not needed after their keys are known; all of them are read late as well, if
    /// somebody asks then.
    pub forgotten: BTreeSet<FieldId>,
}

impl Schedule {
    /// The schedule for the fields that are `needed`. Nothing is late where a table or a link asks
    /// for values of all records.
    #[must_use]
    pub fn new(plan: &Plan, needed: &BTreeSet<FieldId>) -> Self {
        if !narrow(plan) {
            return Self::default();
        }
        let survivorship = &plan.survivorship;
        let mut early: BTreeSet<FieldId> =
            survivorship.groups.iter().flat_map(|group| group.fields.iter().copied()).collect();
        early.extend(survivorship.keeps().filter_map(Keep::field));
        early.extend(needed.iter().filter_map(|field| match plan.fields[field.0].key.region {
            RegionFrom::Of(region) => Some(region),
            _ => None,
        }));
        // Measures count all customers.
        early.extend(plan.measured_fields());
        let late: BTreeSet<FieldId> = asked_at_the_end(plan).difference(&early).copied().collect();
        if late.is_empty() {
            // Nothing to read late: then nothing is forgotten either.
            return Self::default();
        }
        Self { late, forgotten: keys::needed(plan).difference(&early).copied().collect() }
    }

    /// Of the needed fields those that are read first.
    #[must_use]
    pub fn first(&self, needed: &BTreeSet<FieldId>) -> BTreeSet<FieldId> {
        let only_late =
            |field: &FieldId| self.late.contains(field) && !self.forgotten.contains(field);
        needed.iter().copied().filter(|field| !only_late(field)).collect()
    }

    /// Of the needed fields those that stay in memory when keys are known.
    #[must_use]
    pub fn stays(&self, needed: &BTreeSet<FieldId>) -> BTreeSet<FieldId> {
        self.first(needed).difference(&self.forgotten).copied().collect()
    }
}

/// True if only rules and exports ask for values, and all customer tables are Parquet files that
/// nothing else reads.
fn narrow(plan: &Plan) -> bool {
    let identity = &plan.identity;
    let others: BTreeSet<_> = plan
        .consent
        .tables
        .iter()
        .map(|table| table.source)
        .chain(plan.consent.suppress.iter().map(|list| list.source))
        .collect();
    let sources: BTreeSet<_> = plan.tables.iter().map(|table| table.source).collect();
    plan.outputs.named().iter().all(|(_, target)| target.is_none())
        && plan.groupings.is_empty()
        && !identity.rules.iter().any(LinkRule::is_fuzzy)
        && identity.always.is_empty()
        && identity.never.is_empty()
        && identity.previous.is_none()
        && !identity.has_exceptions()
        && plan.survivorship.keeps().all(|keep| keep != Keep::MostFilled)
        && sources.len() == plan.tables.len()
        && sources.is_disjoint(&others)
        && (reads_late()
            || sources.iter().all(|source| plan.sources[source.0].format == Format::Parquet))
}

/// Some rows of a table, of which some columns were read late.
#[derive(Debug)]
pub struct Layer {
    mask: Mask,
    /// Their ids, if these were read.
    ids: Option<Cells>,
    /// Their cells, one entry a unified field; none where the field was not read.
    fields: Vec<Option<Cells>>,
}

/// What was read late of one table: first what rules ask for, then what exports do, each set once.
pub type Layers = [OnceLock<Layer>; 2];

/// The cells of a field in a row, and where the row stands in them, if the field was read late.
#[must_use]
pub fn cell(layers: &Layers, field: FieldId, row: usize) -> Option<(&Cells, usize)> {
    layers.iter().filter_map(OnceLock::get).find_map(|layer| {
        let cells = layer.fields[field.0].as_ref()?;
        Some((cells, layer.mask.rank(row)))
    })
}

/// The ids of a table and where a row stands in them, if they were read late.
#[must_use]
pub fn id(layers: &Layers, row: usize) -> Option<(&Cells, usize)> {
    layers.iter().filter_map(OnceLock::get).find_map(|layer| {
        let ids = layer.ids.as_ref()?;
        Some((ids, layer.mask.rank(row)))
    })
}

/// Reads late.
pub struct Late<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The sources as they were read first.
    pub loaded: &'a [Option<Loaded>],
    /// The records.
    pub records: &'a Records,
    /// Their clusters.
    pub clusters: &'a Clusters,
    /// The fields that are read late; none where nothing is.
    pub fields: &'a BTreeSet<FieldId>,
    /// Whether the files must be digested when they are read for the last time. If not, few rows are
    /// read without the row groups that hold none of them.
    pub digests: bool,
}

impl Late<'_> {
    /// True if what exports ask for was read already, or there is nothing to read late.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.fields.is_empty()
            || self.records.tables.iter().any(|table| table.late[1].get().is_some())
    }

    /// Reads what rules ask for, of the members of all profiles that the gate of some segment lets
    /// through. `exported` says whether [`read_for_exports`](Self::read_for_exports) will come.
    ///
    /// # Errors
    /// Faults of the sources; a file that is no longer the same.
    pub fn read_for_rules(&self, gated: &[Vec<Verdict>], exported: bool) -> Outcome<()> {
        self.read(0, |profile| gated.iter().any(|of| of[profile] == Verdict::InSegment), exported)
    }

    /// Reads what exports ask for and was not read yet, of the members of all profiles in a segment
    /// that is exported.
    ///
    /// # Errors
    /// As [`read_for_rules`](Self::read_for_rules).
    pub fn read_for_exports(&self, verdicts: &[Vec<Verdict>]) -> Outcome<()> {
        let exports = &self.plan.exports;
        let leaves = |profile: usize| {
            exports.iter().any(|export| verdicts[export.segment.0][profile] == Verdict::InSegment)
        };
        self.read(1, leaves, false)
    }

    /// The columns of a table, by its number, that a layer reads, and whether it reads ids.
    fn wanted(&self, table: usize, layer: usize) -> (Vec<(FieldId, &str)>, bool) {
        let rules = self.plan.segments.iter().flat_map(|segment| &segment.rule);
        let in_rules = rules.flat_map(|rule| rule.expr.names().0);
        let in_rules: BTreeSet<FieldId> = in_rules.chain(asked_by_limits(self.plan)).collect();
        let is_here = |field: &FieldId| {
            self.fields.contains(field) && in_rules.contains(field) == (layer == 0)
        };
        let mapping = &self.plan.tables[table].mapping;
        let mapped = mapping.iter().filter(|(field, _)| is_here(field));
        let no_ids = matches!(self.records.tables[table].ids, Cells::Absent);
        // Who draws asks for ids as a rule asks for values.
        let asks_for_ids = usize::from(!self.plan.draws());
        let ids = layer == asks_for_ids && !self.fields.is_empty() && no_ids;
        (mapped.map(|(field, column)| (*field, column.as_str())).collect(), ids)
    }

    fn read(&self, layer: usize, profiles: impl Fn(usize) -> bool, again: bool) -> Outcome<()> {
        let Self { plan, loaded, records, clusters, .. } = *self;
        let reads: Vec<_> = (0..plan.tables.len()).map(|at| self.wanted(at, layer)).collect();
        if reads.iter().all(|(fields, ids)| fields.is_empty() && !ids) {
            return Ok(());
        }
        let mut words: Vec<Vec<u64>> =
            records.tables.iter().map(|table| vec![0; table.rows.div_ceil(64)]).collect();
        for profile in (0..clusters.profiles).filter(|profile| profiles(*profile)) {
            for record in clusters.members(profile) {
                let (table, row) = records.place(*record);
                words[table.0][row / 64] |= 1 << (row % 64);
            }
        }
        for (at, (words, (fields, ids))) in words.into_iter().zip(reads).enumerate() {
            let (table, of_table) = (&plan.tables[at], &records.tables[at]);
            let Some(before) = &loaded[table.source.0] else { continue };
            if fields.is_empty() && !ids {
                continue;
            }
            let mut read =
                Layer { mask: Mask::new(words), ids: None, fields: vec![None; plan.fields.len()] };
            let id = ids.then_some(table.id.as_str());
            let wanted: Vec<&str> = fields.iter().map(|(_, column)| *column).chain(id).collect();
            let source = &plan.sources[table.source.0];
            // Who is read again is digested then.
            let (more, more_ids) = self.wanted(at, 1);
            let digest = self.digests && (!again || (more.is_empty() && !more_ids));
            let few = (!self.digests).then(|| read.mask.few(of_table.rows)).flatten();
            let some = match few {
                Some(rows) => source::load_rows(source, &wanted, &rows)?,
                None => source::load_some(source, &wanted, |row| read.mask.has(row), digest)?,
            };
            before.expect_unchanged(source, &some)?;
            if let Some(id) = id {
                read.ids = Some(Cells::of(&some.column(id)?.series)?);
            }
            for (field, column) in fields {
                read.fields[field.0] = Some(cells_of(plan, field, &some, column)?);
            }
            of_table.late[layer].set(read).map_err(|_| {
                engine_fault("reading late", &polars_err!(InvalidOperation: "read twice"))
            })?;
        }
        Ok(())
    }
}
