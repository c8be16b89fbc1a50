//! What a run begins with: sources, the records of customer tables, their ids and keys.
//!
//! There are two ways in. Where values are read late ([`late`](super::late)), each part of a customer
//! table is digested by the thread that decoded it, and its texts are forgotten at once. Else the
//! columns in use are brought into memory, and then digested.

use std::collections::BTreeSet;

use tracing::info;

use super::cells::Cells;
use super::guard;
use super::ids::{Ascending, Ids};
use super::keys::{self, Gathering, Indexes, Keys};
use super::late::Schedule;
use super::records::{Records, field_columns};
use super::source::{self, Loaded};
use super::{Memory, Setting, Stages, progress, tables};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::plan::{FieldId, Plan, Previous, SourceId};

/// What a run begins with.
pub struct Taken {
    /// The sources, as far as they are in memory.
    pub loaded: Vec<Option<Loaded>>,
    /// The identity table of an earlier run.
    pub earlier: Option<Loaded>,
    /// The records.
    pub records: Records,
    /// Their ids.
    pub ids: Ids,
    /// Their keys.
    pub keys: Keys,
    /// Where ids and keys are looked for.
    pub indexes: Indexes,
    /// Fields that are read late.
    pub late: BTreeSet<FieldId>,
}

/// Reads what is read first and makes keys of it.
///
/// # Errors
/// Faults of the sources, of the engine, and of what a source is expected to hold.
pub fn take_in(
    plan: &Plan,
    setting: &Setting,
    later: &BTreeSet<SourceId>,
    stages: &mut Stages,
    warnings: &mut Vec<Diagnostic>,
) -> Outcome<Taken> {
    let fields = tables::needed_fields(plan);
    let mut schedule = Schedule::new(plan, &fields);
    let first = schedule.first(&fields);
    let mut gathering = None;
    let now = plan.sources.iter().enumerate().filter(|(at, _)| !later.contains(&SourceId(*at)));
    progress::expect(now.map(|(_, source)| source.bytes).sum());
    let mut loaded: Vec<Option<Loaded>> = plan.sources.iter().map(|_| None).collect();
    if !schedule.late.is_empty() {
        gathering = Some(load_narrow(plan, &schedule, &first, &setting.memory, &mut loaded)?);
    }
    load(plan, &first, later, &setting.memory, &mut loaded)?;
    let earlier = load_earlier(plan)?;
    let now = |source| !later.contains(&source);
    if let Err(faults) = guard::rows(plan, setting, &loaded, now, warnings) {
        // The run has failed; what is wrong with the other sources is told with it.
        load(plan, &fields, &BTreeSet::new(), &setting.memory, &mut loaded)?;
        guard::rows(plan, setting, &loaded, |_| true, warnings)?;
        return Err(faults);
    }
    stages.end("read");
    let mut records = Records::new(plan, &loaded, &schedule.stays(&fields))?;
    if records.len >= u32::MAX as usize {
        return Err(Diagnostic::error(
            Code::EngineFault,
            format!(
                "{} customer records are more than this version takes (4,294,967,294)",
                records.len
            ),
        )
        .into());
    }
    let (ids, id_index) = Ids::new(&mut records, keys::names_records(plan), names_ids(plan))?;
    if !ids.equal.is_empty() {
        schedule = Schedule::default();
        // All values may decide which of two records of one id stays.
        let all = (0..plan.fields.len()).map(FieldId).collect();
        load_more(plan, &all, &mut loaded)?;
        records = Records::new(plan, &loaded, &all)?;
    }
    let (keys, mut indexes) = match gathering {
        Some(gathering) => gathering.done(&records),
        None => Keys::new(plan, &records)?,
    };
    if !schedule.late.is_empty() {
        if records.all_ascend() {
            records.forget_ids();
        }
        forget(plan, &mut loaded);
    }
    indexes.ids = id_index;
    indexes.fit(&setting.memory)?;
    stages.end("keys");
    Ok(Taken { loaded, earlier, records, ids, keys, indexes, late: schedule.late })
}

/// True if pairs, an earlier run or rows of related tables name records by their ids.
fn names_ids(plan: &Plan) -> bool {
    let identity = &plan.identity;
    !identity.always.is_empty()
        || !identity.never.is_empty()
        || identity.previous.is_some()
        || keys::relates_by_id(plan)
}

/// Digests the customer tables part by part. Of their columns those stay that are needed when keys
/// are known; ids only if somebody names records by them, or those of some table do not ascend.
fn load_narrow<'p>(
    plan: &'p Plan,
    schedule: &Schedule,
    first: &BTreeSet<FieldId>,
    memory: &Memory,
    loaded: &mut [Option<Loaded>],
) -> Outcome<Gathering<'p>> {
    let needs = tables::needs(plan, first);
    let keeps_ids = keys::names_records(plan) || keys::relates_by_id(plan);
    let stays = schedule.stays(first);
    let mut gathering = Gathering::new(plan);
    let mut all_ascend = true;
    for table in &plan.tables {
        let source = &plan.sources[table.source.0];
        let wanted: Vec<&str> = needs[table.source.0].iter().map(String::as_str).collect();
        let is_kept = |name: &str| {
            let mut mapping = table.mapping.iter();
            (keeps_ids && name == table.id)
                || mapping.any(|(field, column)| column == name && stays.contains(field))
        };
        let make = |part: Loaded| {
            let cells = field_columns(plan, table, &part, first)?;
            let ids = Cells::of(&part.column(&table.id)?.series)?;
            let ascending = Ascending::of(&ids, part.rows);
            let keys = Gathering::part(plan, table, &cells, part.rows)?;
            Ok((ascending, keys, part.keep(is_kept).compact()))
        };
        let mut ascending = Some(Ascending::default());
        let mut parts = Vec::new();
        let files = source::visit(source, &wanted, make, |(next, keys, part)| {
            ascending = ascending.take().zip(next).and_then(|(before, next)| before.and(next));
            gathering.append(keys);
            gathering.fit(memory)?;
            parts.push(part);
            memory.check("reading customers")
        })?;
        let whole = source::whole(files, parts)?;
        all_ascend &= ascending.is_some();
        info!(source = source.name, rows = whole.rows, columns = wanted.len(), "source read");
        loaded[table.source.0] = Some(whole);
    }
    if !all_ascend && !keeps_ids {
        // Which records have one id is asked of all tables, or of none.
        load_more(plan, &stays, loaded)?;
    }
    Ok(gathering)
}

/// Reads of every source that was not read the columns that some part of the plan needs, but of
/// those that are read `later`.
fn load(
    plan: &Plan,
    fields: &BTreeSet<FieldId>,
    later: &BTreeSet<SourceId>,
    memory: &Memory,
    loaded: &mut [Option<Loaded>],
) -> Outcome<()> {
    let needs = tables::needs(plan, fields);
    for (at, (source, wanted)) in plan.sources.iter().zip(needs).enumerate() {
        if wanted.is_empty() || later.contains(&SourceId(at)) || loaded[at].is_some() {
            continue;
        }
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let one = source::load_checked(source, &wanted, || memory.check("reading sources"))?;
        info!(source = source.name, rows = one.rows, columns = wanted.len(), "source read");
        loaded[at] = Some(one);
    }
    Ok(())
}

/// Forgets the columns of customer tables: what is still needed of them stands in the records.
fn forget(plan: &Plan, loaded: &mut [Option<Loaded>]) {
    for table in &plan.tables {
        if let Some(loaded) = &mut loaded[table.source.0] {
            *loaded = Loaded::of_files(std::mem::take(&mut loaded.files), loaded.rows);
        }
    }
}

/// Reads ids and the columns of the given fields that are not in memory, of sources that were read.
fn load_more(
    plan: &Plan,
    fields: &BTreeSet<FieldId>,
    loaded: &mut [Option<Loaded>],
) -> Outcome<()> {
    let needs = tables::needs(plan, fields);
    for ((source, wanted), loaded) in plan.sources.iter().zip(needs).zip(loaded) {
        let Some(loaded) = loaded else { continue };
        let missing: Vec<&str> =
            wanted.iter().map(String::as_str).filter(|name| !loaded.has(name)).collect();
        if !missing.is_empty() {
            info!(source = source.name, columns = missing.len(), "source read again");
            loaded.widen(source, source::load(source, &missing)?)?;
        }
    }
    Ok(())
}

/// Reads the identity table of an earlier run, if there is one.
fn load_earlier(plan: &Plan) -> Outcome<Option<Loaded>> {
    let source = plan.identity.previous.as_ref().and_then(|previous| previous.source.as_ref());
    let Some(source) = source else { return Ok(None) };
    let columns = Previous::columns(source).unwrap_or_default();
    source::load(source, &columns).map(Some)
}
