//! What is read late: values that only rules and exports ask for, of those records alone whom the
//! consent gate lets through.
//!
//! The job is narrow before it is wide: who is who and who may be contacted depends on keys and
//! times. So where all customer tables are Parquet, of which a part of the columns and rows can be
//! read alone, texts of keys are forgotten when they are digested, other values are not read at
//! all, and what is left to ask is asked of those who are left.

use std::collections::BTreeSet;

use polars::prelude::*;

use super::cells::Cells;
use super::engine_fault;
use super::identity::Clusters;
use super::keys;
use super::records::{Records, cells_of};
use super::segments::Verdict;
use super::source::{self, Loaded};
use super::tables::asked_at_the_end;
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
        Self {
            late: asked_at_the_end(plan).difference(&early).copied().collect(),
            forgotten: keys::needed(plan).difference(&early).copied().collect(),
        }
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

/// Some rows of a table, and how many of them stand before each.
#[derive(Debug)]
pub struct Mask {
    words: Vec<u64>,
    /// Rows in the words before.
    before: Vec<u32>,
}

impl Mask {
    fn new(words: Vec<u64>) -> Self {
        let mut total = 0;
        let before = words
            .iter()
            .map(|word| {
                let before = total;
                total += word.count_ones();
                before
            })
            .collect();
        Self { words, before }
    }

    /// True if the row is one of them.
    #[must_use]
    pub fn has(&self, row: usize) -> bool {
        self.words[row / 64] >> (row % 64) & 1 == 1
    }

    /// Where the row stands among them.
    ///
    /// # Panics
    /// If it is none of them: nobody may ask for a value that was not read.
    #[must_use]
    pub fn rank(&self, row: usize) -> usize {
        assert!(self.has(row), "a value is asked for that was not read");
        let lower = self.words[row / 64] & ((1 << (row % 64)) - 1);
        self.before[row / 64] as usize + lower.count_ones() as usize
    }
}

/// What was read late of one table.
#[derive(Debug)]
pub struct Late {
    /// Which rows.
    pub mask: Mask,
    /// Their ids, if these were not kept.
    pub ids: Option<Cells>,
    /// Their cells, one entry a unified field; none where the field was kept, or no table has it.
    pub fields: Vec<Option<Cells>>,
}

/// Reads late fields, and ids if they are not kept, of the members of all profiles that the gate of
/// some segment lets through.
///
/// # Errors
/// Faults of the sources; a file that is no longer the same.
pub fn read(
    plan: &Plan,
    loaded: &[Option<Loaded>],
    records: &Records,
    clusters: &Clusters,
    gated: &[Vec<Verdict>],
    late: &BTreeSet<FieldId>,
) -> Outcome<()> {
    let mut words: Vec<Vec<u64>> =
        records.tables.iter().map(|table| vec![0; table.rows.div_ceil(64)]).collect();
    for profile in 0..clusters.profiles {
        if gated.iter().any(|of| of[profile] == Verdict::InSegment) {
            for record in clusters.members(profile) {
                let (table, row) = records.place(*record);
                words[table.0][row / 64] |= 1 << (row % 64);
            }
        }
    }
    for ((table, of_table), words) in plan.tables.iter().zip(&records.tables).zip(words) {
        let Some(before) = &loaded[table.source.0] else { continue };
        let mask = Mask::new(words);
        let ids = matches!(of_table.ids, Cells::Absent).then_some(table.id.as_str());
        let mapped = table.mapping.iter().filter(|(field, _)| late.contains(field));
        let wanted: Vec<&str> = mapped.map(|(_, column)| column.as_str()).chain(ids).collect();
        let mut all = Late { mask, ids: None, fields: vec![None; plan.fields.len()] };
        if !wanted.is_empty() {
            let source = &plan.sources[table.source.0];
            let some = source::load_some(source, &wanted, |row| all.mask.has(row))?;
            before.expect_unchanged(source, &some)?;
            if let Some(id) = ids {
                all.ids = Some(Cells::of(&some.column(id)?.series)?);
            }
            for (at, field) in all.fields.iter_mut().enumerate() {
                let mapped = table.mapping.iter().find(|(id, _)| id.0 == at && late.contains(id));
                if let Some((_, column)) = mapped {
                    *field = Some(cells_of(plan, FieldId(at), &some, column)?);
                }
            }
        }
        of_table.late.set(all).map_err(|_| {
            engine_fault("reading late", &polars_err!(InvalidOperation: "read twice"))
        })?;
    }
    Ok(())
}
