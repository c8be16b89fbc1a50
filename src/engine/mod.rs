//! The engine: from a plan to results. Polars lives here, and nowhere above.
//!
//! ```text
//! source::load -> records -> keys -> identity -> survivorship -> consent -> segments -> profiles
//! ```
//!
//! In comes a [`Plan`]; out come [`Results`]: the account, the internal tables and the gated
//! audiences. Nothing is written here, and nothing that leaves depends on the order of rows,
//! files, threads or chunks. No message made here quotes a cell.

pub mod account;
mod accounts;
pub(crate) mod cells;
mod conflicts;
pub(crate) mod consent;
mod digest;
mod draw;
mod exact;
pub mod expr;
mod gathered;
mod groupings;
mod guard;
mod identity;
mod ids;
mod key_reader;
mod keys;
mod late;
mod mask;
pub mod measures;
pub mod memberships;
mod memory;
mod overlaps;
mod partition;
mod profile;
pub mod progress;
mod records;
mod related;
mod segments;
mod silence;
mod similar;
pub mod simulate;
pub mod source;
mod survivorship;
mod tables;
mod take_in;
pub mod trace;
mod tuning;

pub use consent::State;
pub(crate) use ids::loose_id;
pub(crate) use keys::names_records;
pub use memory::Memory;
pub use segments::{Audience, Verdict};

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant as Clock};

use polars::prelude::*;
use serde::Serialize;
use tracing::info;

use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::plan::{AsOf, Export, FieldId, Instant, OutColumn, Plan, SourceId, TableId};
use crate::planted;
use account::Account;
use cells::Cells;
use consent::intake;
use consent::{state, suppress};
use groupings::Groups;
use identity::Clusters;
use late::Late;
use measures::MeasureTable;
pub use profile::Rows;
use profile::{ProfileColumns, Shown};
use related::Aggregates;
use segments::{Court, Verdicts};
use source::{FileRecord, Loaded};
use survivorship::Survivors;
use take_in::{Taken, take_in};

/// What the engine is told beside the plan.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The run's date.
    pub as_of: AsOf,
    /// The clock, for the age of sources.
    pub now: Instant,
    /// Records of each source in the run before, for `max_drop`.
    pub previous_rows: BTreeMap<String, u64>,
    /// How much memory the run may take.
    pub memory: Memory,
}

/// A source that was read.
#[derive(Clone, Debug, Serialize)]
pub struct SourceRecord {
    /// Its name.
    pub name: String,
    /// Its records.
    pub rows: u64,
    /// Its files.
    pub files: Vec<FileRecord>,
}

/// How long a stage took.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// Its name.
    pub stage: &'static str,
    /// Milliseconds.
    pub milliseconds: u64,
    /// The same, as measured.
    #[serde(skip)]
    pub elapsed: Duration,
}

impl Stage {
    /// A stage that took so long.
    #[must_use]
    pub fn new(stage: &'static str, elapsed: Duration) -> Self {
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        Self { stage, milliseconds, elapsed }
    }
}

/// An internal table to write.
pub struct InternalTable<'a> {
    /// Which output.
    pub name: &'static str,
    /// The rows.
    pub rows: Rows<'a>,
    /// Of the membership history what became of it.
    pub history: Option<memberships::History>,
}

/// A gated export to write. Its rows can come only from an [`Audience`].
pub struct ExportTable<'a> {
    /// Index into the plan's exports.
    pub export: usize,
    audience: Audience,
    wanted: &'a [OutColumn],
    columns: &'a ProfileColumns<'a>,
}

impl ExportTable<'_> {
    /// The rows.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows::Profiles {
            columns: self.columns,
            wanted: self.wanted.into(),
            profiles: self.audience.profiles(),
            ids: Some(self.audience.ids()),
        }
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.audience.profiles().len()
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What some of the rows' customers show in a field.
    ///
    /// # Errors
    /// Faults of the engine.
    pub(crate) fn cells(&self, field: FieldId, rows: Range<usize>) -> Outcome<Cells> {
        let profiles = &self.audience.profiles()[rows];
        let frame = self.columns.frame(&[OutColumn::Field(field)], profiles, None)?;
        let column = frame.columns().first().map(Column::as_materialized_series);
        column.map_or(Ok(Cells::Absent), |series| Cells::of(&series.rechunk()))
    }

    /// What stands as the region beside the contact point that a row's customer shows in a field.
    #[must_use]
    pub fn region(&self, field: FieldId, row: usize) -> Option<String> {
        self.columns.region(field, self.audience.profiles()[row])
    }

    /// What the records of a row's customer hold in a field, whether it survives or not.
    #[must_use]
    pub fn texts_of_records(&self, field: FieldId, row: usize) -> Vec<String> {
        self.columns.texts_of_records(field, self.audience.profiles()[row])
    }

    /// Table and id of each record of a row's customer.
    #[must_use]
    pub fn record_ids(&self, row: usize) -> Vec<(TableId, String)> {
        self.columns.record_ids(self.audience.profiles()[row])
    }

    /// The audience whose rows these are.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }
}

/// What a run comes to, before anything is written.
pub struct Results<'a> {
    /// The account; its sums are checked.
    pub account: Account,
    /// Internal tables that the plan asks for.
    pub tables: Vec<InternalTable<'a>>,
    /// The measures, in the order of the plan.
    pub measures: Vec<MeasureTable>,
    /// The exports; none under `--replay`.
    pub exports: Vec<ExportTable<'a>>,
    /// What was read.
    pub sources: Vec<SourceRecord>,
    /// Where the time went.
    pub stages: Vec<Stage>,
    /// What the user should look at.
    pub warnings: Vec<Diagnostic>,
}

/// Measures stages.
struct Stages {
    since: Clock,
    done: Vec<Stage>,
}

impl Stages {
    fn new() -> Self {
        progress::begin("read");
        Self { since: Clock::now(), done: Vec::new() }
    }

    fn end(&mut self, stage: &'static str) {
        planted::place(stage);
        progress::after(stage);
        let stage = Stage::new(stage, self.since.elapsed());
        info!(stage = stage.stage, milliseconds = stage.milliseconds, "stage done");
        self.done.push(stage);
        self.since = Clock::now();
    }
}

/// Runs a plan up to, not including, writing: that is for `publish`, to which it gives the results
/// while all is still in memory that rows are made from.
///
/// # Errors
/// Faults of the sources, of consent that cannot be honoured, of the engine, an account that does
/// not close, and those of `publish`.
pub fn execute<T>(
    plan: &Plan,
    setting: &Setting,
    publish: impl FnOnce(Results<'_>) -> Outcome<T>,
) -> Outcome<T> {
    let mut publish = Some(publish);
    let mut published = None;
    let outcome = walk(
        plan,
        setting,
        Aim::Published(&mut |results| {
            published = publish.take().map(|publish| publish(results)).transpose()?;
            Ok(())
        }),
    );
    progress::begin("");
    outcome?;
    published.ok_or_else(|| {
        Diagnostic::error(Code::EngineFault, "a run ended before it published").into()
    })
}

/// What stands when every profile is judged.
struct Judged<'a> {
    court: &'a Court<'a>,
    late: &'a Late<'a>,
    survivors: &'a Survivors<'a>,
    groupings: &'a [Groups],
    aggregates: &'a Aggregates,
    verdicts: &'a Verdicts,
    sources: Vec<SourceRecord>,
}

/// Who looks at what stands when every profile is judged.
trait Look {
    /// Before rules are asked: the profiles that it is about. Others are not judged any further.
    fn concerns(&mut self, court: &Court<'_>, late: &Late<'_>) -> Outcome<Vec<bool>>;

    /// When all these are judged.
    fn look(&mut self, judged: &Judged<'_>) -> Outcome<()>;
}

/// How far the way is walked, and to whom what stands there is given.
enum Aim<'l> {
    /// Until all is read and nobody is judged.
    Unjudged(&'l mut dyn FnMut(simulate::Unjudged<'_>) -> Outcome<()>),
    /// Until every profile is judged.
    Judged(&'l mut dyn Look),
    /// Until there are results to publish.
    Published(&'l mut dyn FnMut(Results<'_>) -> Outcome<()>),
}

/// The way from a plan to the aim.
fn walk(plan: &Plan, setting: &Setting, mut aim: Aim<'_>) -> Outcome<()> {
    let mut stages = Stages::new();
    let mut warnings = Vec::new();
    let later = tables::read_later(plan);
    let Taken { mut loaded, earlier, records, ids, keys, indexes, late } =
        take_in(plan, setting, &later, &mut stages, &mut warnings)?;
    let mut clusters = identity::clusters(
        plan,
        &loaded,
        earlier.as_ref(),
        &records,
        ids,
        (&keys, &indexes),
        setting.as_of.at,
    )?;
    guard::linking(plan, &clusters, &mut warnings);
    setting.memory.check("unifying customers")?;
    stages.end("identity");
    let survivors = survivorship::survive(plan, &records, &keys, &mut clusters);
    let shown = Shown::new(plan, &clusters, &survivors);
    let groupings = groupings::groupings(plan, &records, &clusters, &keys, &shown)?;
    stages.end("survivorship");
    let mut decisions = intake::decisions(plan, &mut loaded, setting)?;
    guard::rows(plan, setting, &loaded, |source| later.contains(&source), &mut warnings)?;
    guard::ages(plan, setting, &loaded, &decisions.newest)?;
    if let Aim::Unjudged(look) = aim {
        let suppressed = suppress::suppressed(plan, &loaded, (&records, &clusters), &indexes)?;
        return look(simulate::Unjudged {
            loaded: &loaded,
            records: &records,
            clusters: &clusters,
            survivors: &survivors,
            shown: &shown,
            groupings: &groupings,
            decisions: &mut decisions,
            keys: &keys,
            indexes: &indexes,
            suppressed: &suppressed,
            late: &late,
        });
    }
    let states = state::states(plan, &mut decisions, &clusters, (&keys, &indexes), &shown)?;
    let suppressed = suppress::suppressed(plan, &loaded, (&records, &clusters), &indexes)?;
    drop(indexes);
    stages.end("consent");
    let columns =
        ProfileColumns::new(plan, &records, &clusters, &survivors, &shown, &states, &groupings);
    let court = Court {
        plan,
        states: &states,
        suppressed: &suppressed,
        shown: &shown,
        records: &records,
        clusters: &clusters,
        keys: &keys,
        as_of: setting.as_of.at,
    };
    let mut gated = court.gate();
    planted::place("the gate is asked");
    let late = Late {
        plan,
        loaded: &loaded,
        records: &records,
        clusters: &clusters,
        fields: &late,
        digests: !matches!(aim, Aim::Judged(_)),
    };
    let aggregates = read_for_rules(&court, &late, setting, (&mut aim, &mut gated), &mut warnings)?;
    let verdicts = court.judge(gated, &columns, &aggregates)?;
    planted::place("profiles are judged");
    setting.memory.check("judging segments")?;
    let publish = match aim {
        Aim::Published(publish) => publish,
        Aim::Unjudged(_) => return Ok(()),
        Aim::Judged(look) => {
            let sources = source_records(plan, &loaded, earlier.as_ref(), &aggregates);
            let (court, late, survivors, verdicts) = (&court, &late, &survivors, &verdicts);
            let (groupings, aggregates) = (&groupings, &aggregates);
            let judged =
                Judged { court, late, survivors, groupings, aggregates, verdicts, sources };
            return look.look(&judged);
        }
    };
    let exports = if setting.as_of.replay {
        Vec::new()
    } else {
        late.read_for_exports(&verdicts.of)?;
        export_tables(plan, &court, &verdicts, &columns)
    };
    stages.end("segments");
    let tables = internal_tables(&court, &clusters, &columns, &survivors, &verdicts, setting)?;
    let measured = measures::measures(&court, (&columns, &aggregates), &verdicts)?;
    let (judged, made) = ((&verdicts, &aggregates), (&*exports, &*tables, measured.accounts));
    let account = accounts::account(&court, &survivors, &groupings, &decisions, judged, made)?;
    silence::warn(&account, &mut warnings);
    planted::place("the account is closed");
    // Rows are made without these; writing and proving has their room.
    drop((verdicts, suppressed, decisions, keys));
    stages.end("profiles");
    let sources = source_records(plan, &loaded, earlier.as_ref(), &aggregates);
    let (stages, measures) = (stages.done, measured.tables);
    publish(Results { account, tables, measures, exports, sources, stages, warnings })
}

/// Reads what rules ask for: values that were not read yet, and rows of related tables. Where somebody
/// looks at some profiles alone, the others are not judged any further.
fn read_for_rules(
    court: &Court<'_>,
    late: &Late<'_>,
    setting: &Setting,
    (aim, gated): (&mut Aim<'_>, &mut [Vec<Verdict>]),
    warnings: &mut Vec<Diagnostic>,
) -> Outcome<Aggregates> {
    let asked = match aim {
        Aim::Judged(look) => {
            let concerned = look.concerns(court, late)?;
            leave_out(gated, &concerned);
            concerned
        }
        Aim::Unjudged(_) | Aim::Published(_) => court.asks_for_rows(gated),
    };
    late.read_for_rules(gated, !setting.as_of.replay)?;
    let people = (court.clusters, court.keys);
    related::aggregates(court.plan, setting, late.loaded, people, &asked, warnings)
}

/// Keeps rules from being asked for profiles that nobody looks at.
fn leave_out(gated: &mut [Vec<Verdict>], concerned: &[bool]) {
    for of in gated {
        for (verdict, _) in of.iter_mut().zip(concerned).filter(|(_, concerned)| !**concerned) {
            *verdict = Verdict::Suppressed;
        }
    }
}

/// The exports, each behind the gate of its segment.
fn export_tables<'a>(
    plan: &'a Plan,
    court: &Court<'_>,
    verdicts: &Verdicts,
    columns: &'a ProfileColumns<'a>,
) -> Vec<ExportTable<'a>> {
    let table = |(at, export): (usize, &'a Export)| {
        let audience = court.audience(export, verdicts);
        ExportTable { export: at, audience, wanted: &export.columns, columns }
    };
    plan.exports.iter().enumerate().map(table).collect()
}

/// The internal tables that the plan asks for.
fn internal_tables<'a>(
    court: &Court<'_>,
    clusters: &'a Clusters,
    columns: &'a ProfileColumns<'a>,
    survivors: &Survivors<'_>,
    verdicts: &Verdicts,
    setting: &Setting,
) -> Outcome<Vec<InternalTable<'a>>> {
    let Court { plan, records, keys, states, .. } = *court;
    let in_order = || clusters.names.in_order(plan, records);
    let mut tables = Vec::new();
    for (name, target) in plan.outputs.named() {
        if target.is_none() {
            continue;
        }
        let frame = match name {
            "profiles" => {
                let wanted = profile_columns(plan).into();
                let rows = Rows::Profiles { columns, wanted, profiles: in_order(), ids: None };
                tables.push(InternalTable { name, rows, history: None });
                continue;
            }
            // A replay looks back: what became known later is hidden, so it adds nothing to the history.
            "memberships" if setting.as_of.replay => continue,
            "memberships" => {
                let Some(target) = target else { continue };
                let (frame, history) = memberships::memberships(court, target, verdicts)?;
                let rows = Rows::Frame(frame);
                tables.push(InternalTable { name, rows, history: Some(history) });
                continue;
            }
            "identity" => tables::identity(plan, records, clusters, survivors)?,
            "quarantine" => tables::quarantine(plan, records, clusters, survivors)?,
            "segments" => tables::segments(plan, columns, verdicts, in_order())?,
            "provenance" => tables::provenance(plan, records, clusters, survivors)?,
            "shared_keys" => tables::shared_keys(plan, records, clusters)?,
            _ => conflicts::conflicts(plan, records, clusters, keys, states)?,
        };
        tables.push(InternalTable { name, rows: Rows::Frame(frame), history: None });
    }
    Ok(tables)
}

/// The columns of the profiles table.
fn profile_columns(plan: &Plan) -> Vec<OutColumn> {
    let fields = (0..plan.fields.len()).map(|at| OutColumn::Field(FieldId(at)));
    let groupings =
        (0..plan.groupings.len()).map(|at| OutColumn::Grouping(crate::plan::GroupingId(at)));
    let purposes =
        (0..plan.consent.purposes.len()).map(|at| OutColumn::Consent(crate::plan::PurposeId(at)));
    let previous = plan.identity.previous.as_ref().map(|_| OutColumn::PreviousIds);
    std::iter::once(OutColumn::CustomerId)
        .chain(previous)
        .chain(fields)
        .chain(groupings)
        .chain(purposes)
        .collect()
}

/// Only reads what a run reads, part by part, and forgets it: the floor under every run.
///
/// # Errors
/// Faults of the sources.
pub fn read_columns_in_use(plan: &Plan) -> Outcome<()> {
    let needs = tables::needs(plan, &tables::needed_fields(plan));
    for (source, wanted) in plan.sources.iter().zip(needs).filter(|(_, wanted)| !wanted.is_empty())
    {
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        source::visit(source, &wanted, |_| Ok(()), Ok)?;
    }
    Ok(())
}

/// By the name of a source the columns that a run may read of it: all that are mapped, since of two records of one
/// id all values decide which stays, and those of consent, suppression, pairs and related tables. Nothing else of it
/// is ever looked at.
#[must_use]
pub fn columns_in_use(plan: &Plan) -> BTreeMap<String, Vec<String>> {
    let all = (0..plan.fields.len()).map(FieldId).collect();
    let mut needs = tables::needs(plan, &all);
    for (id, related) in plan.related_in_use() {
        needs[related.source.0].extend(plan.related_columns(id));
    }
    let wanted = needs.into_iter().map(|wanted| wanted.into_iter().collect());
    plan.sources.iter().map(|source| source.name.clone()).zip(wanted).collect()
}

/// What was read, the identity table of an earlier run and lists of aliases among it.
fn source_records(
    plan: &Plan,
    loaded: &[Option<Loaded>],
    earlier: Option<&Loaded>,
    aggregates: &Aggregates,
) -> Vec<SourceRecord> {
    let before = plan.identity.previous.as_ref().and_then(|previous| previous.source.as_ref());
    plan.sources
        .iter()
        .zip((0..).zip(loaded))
        .map(|(source, (at, loaded))| {
            (source, loaded.as_ref().or_else(|| aggregates.source(SourceId(at))))
        })
        .chain(before.map(|source| (source, earlier)))
        .filter_map(|(source, loaded)| {
            let loaded = loaded?;
            Some(SourceRecord {
                name: source.name.clone(),
                rows: loaded.rows as u64,
                files: loaded.files.clone(),
            })
        })
        .chain(plan.beside.iter().map(|file| SourceRecord {
            name: "alias".to_owned(),
            rows: file.rows,
            files: vec![FileRecord {
                path: file.path.clone(),
                state: None,
                bytes: file.bytes,
                xxh3: file.xxh3.clone(),
                rows: file.rows,
                stamp: None,
            }],
        }))
        .collect()
}

/// A panic of the engine is an error like others: nothing is published.
///
/// # Errors
/// Those of `run`, and a panic.
pub fn unbroken<T>(run: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(Diagnostic::error(Code::EngineFault, "the engine broke off; nothing was published")
            .help("please report it, with the pipeline file and without the data")
            .into())
    })
}

/// Runs a lazy frame on the streaming engine.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the type has no public name")]
fn collect(frame: LazyFrame) -> PolarsResult<DataFrame> {
    frame.collect_with_engine(Engine::Streaming).map(|result| result.unwrap_single())
}

/// A fault of the engine. Its own words may quote cells, so only the kind of error is shown.
fn engine_fault(doing: &str, error: &PolarsError) -> Diagnostic {
    let kind = match error {
        PolarsError::ColumnNotFound(_) => "a column was not found",
        PolarsError::ComputeError(_) => "a computation failed",
        PolarsError::IO { .. } => "input or output failed",
        PolarsError::InvalidOperation(_) => "an operation was not valid",
        PolarsError::NoData(_) => "there was no data",
        PolarsError::OutOfBounds(_) => "something was out of bounds",
        PolarsError::SchemaMismatch(_) | PolarsError::SchemaFieldNotFound(_) => {
            "schemas do not match"
        }
        PolarsError::ShapeMismatch(_) => "shapes do not match",
        _ => "it failed",
    };
    tracing::debug!(doing, kind, "engine fault");
    Diagnostic::error(Code::EngineFault, format!("the engine failed while {doing}: {kind}"))
        .help("its own words are withheld, as they could quote data; nothing was published")
}
