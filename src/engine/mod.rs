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
mod cells;
mod consent;
mod digest;
pub mod expr;
mod guard;
mod identity;
mod keys;
mod profile;
mod records;
mod segments;
pub mod source;
mod survivorship;
mod tables;

pub use consent::State;
pub use segments::{Audience, Verdict};

use std::collections::BTreeMap;
use std::time::Instant as Clock;

use polars::prelude::*;
use serde::Serialize;
use tracing::info;

use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::plan::{AsOf, Export, Instant, OutColumn, Plan};
use account::{Account, ClusterSize, CustomerAccount, KeyAccount};
use consent::{intake, state, suppress};
use identity::Clusters;
use keys::Keys;
use profile::{ProfileColumns, Shown};
use records::Records;
use segments::Court;
use source::{FileRecord, Loaded};
use survivorship::Survivors;

/// What the engine is told beside the plan.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The run's date.
    pub as_of: AsOf,
    /// The clock, for the age of sources.
    pub now: Instant,
    /// Records of each source in the run before, for `max_drop`.
    pub previous_rows: BTreeMap<String, u64>,
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
}

/// An internal table to write.
#[derive(Debug)]
pub struct InternalTable {
    /// Which output.
    pub name: &'static str,
    /// The rows.
    pub frame: DataFrame,
}

/// A gated export to write. Its rows can come only from an [`Audience`].
#[derive(Debug)]
pub struct ExportTable {
    /// Index into the plan's exports.
    pub export: usize,
    audience: Audience,
    frame: DataFrame,
}

impl ExportTable {
    fn new(
        export: usize,
        declared: &Export,
        audience: Audience,
        columns: &mut ProfileColumns<'_>,
    ) -> Outcome<Self> {
        let frame = columns.frame(&declared.columns)?;
        let rows = IdxCa::from_slice("".into(), audience.profiles());
        let frame = frame.take(&rows).map_err(|e| engine_fault("taking an audience", &e))?;
        Ok(Self { export, audience, frame })
    }

    /// The rows.
    #[must_use]
    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// The audience whose rows these are.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }
}

/// What a run comes to, before anything is written.
#[derive(Debug)]
pub struct Results {
    /// The account; its sums are checked.
    pub account: Account,
    /// Internal tables that the plan asks for.
    pub tables: Vec<InternalTable>,
    /// The exports; none under `--replay`.
    pub exports: Vec<ExportTable>,
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
        Self { since: Clock::now(), done: Vec::new() }
    }

    fn end(&mut self, stage: &'static str) {
        let milliseconds = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        info!(stage, milliseconds, "stage done");
        self.done.push(Stage { stage, milliseconds });
        self.since = Clock::now();
    }
}

/// Runs a plan up to, not including, writing.
///
/// # Errors
/// Faults of the sources, of consent that cannot be honoured, of the engine, and an account that
/// does not close.
pub fn execute(plan: &Plan, setting: &Setting) -> Outcome<Results> {
    let mut stages = Stages::new();
    let mut warnings = Vec::new();
    let loaded = load(plan)?;
    guard::before(plan, setting, &loaded, &mut warnings)?;
    stages.end("read");
    let records = Records::new(plan, &loaded)?;
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
    let keys = Keys::new(plan, &records);
    stages.end("keys");
    let mut clusters = identity::clusters(plan, &records, &keys);
    stages.end("identity");
    let survivors = survivorship::survive(plan, &records, &keys, &mut clusters);
    let shown = Shown::new(plan, &clusters, &survivors, &keys);
    stages.end("survivorship");
    let decisions = intake::decisions(plan, &loaded, setting.as_of, setting.now)?;
    guard::after(plan, setting, &loaded, &decisions.newest)?;
    let states = state::states(plan, &decisions, &clusters, &keys, &shown);
    let suppressed = suppress::suppressed(plan, &loaded, &clusters, &keys)?;
    stages.end("consent");
    let mut columns = ProfileColumns::new(plan, &records, &clusters, &survivors, &states);
    let court = Court {
        plan,
        states: &states,
        suppressed: &suppressed,
        shown: &shown,
        as_of: setting.as_of.at,
    };
    let verdicts = court.judge(&mut columns)?;
    stages.end("segments");

    let mut exports = Vec::new();
    if !setting.as_of.replay {
        for (at, export) in plan.exports.iter().enumerate() {
            let audience = court.audience(export, &verdicts);
            exports.push(ExportTable::new(at, export, audience, &mut columns)?);
        }
    }
    let mut tables = Vec::new();
    if plan.outputs.profiles.is_some() {
        let frame = columns.frame(&profile_columns(plan))?;
        tables.push(InternalTable { name: "profiles", frame });
    }
    if plan.outputs.identity.is_some() {
        let frame = tables::identity(plan, &records, &clusters, &survivors)?;
        tables.push(InternalTable { name: "identity", frame });
    }
    if plan.outputs.quarantine.is_some() {
        let frame = tables::quarantine(plan, &records, &clusters, &survivors)?;
        tables.push(InternalTable { name: "quarantine", frame });
    }
    if plan.outputs.segments.is_some() {
        let frame = tables::segments(plan, &mut columns, &verdicts)?;
        tables.push(InternalTable { name: "segments", frame });
    }
    stages.end("profiles");

    let account = Account {
        profiles: clusters.len() as u64,
        customers: customer_accounts(plan, &records, &clusters, &survivors),
        keys: key_accounts(plan, &records, &keys),
        clusters: cluster_sizes(&clusters),
        rules: clusters.rules.clone(),
        purposes: states.accounts.clone(),
        consent: decisions.accounts.clone(),
        suppression: suppressed.accounts.clone(),
        segments: verdicts.accounts.clone(),
        exports: exports.iter().map(|export| export.audience.account().clone()).collect(),
    };
    account.close()?;
    let sources = plan
        .sources
        .iter()
        .zip(&loaded)
        .filter_map(|(source, loaded)| {
            let loaded = loaded.as_ref()?;
            Some(SourceRecord {
                name: source.name.clone(),
                rows: loaded.rows as u64,
                files: loaded.files.clone(),
            })
        })
        .collect();
    Ok(Results { account, tables, exports, sources, stages: stages.done, warnings })
}

/// The columns of the profiles table.
fn profile_columns(plan: &Plan) -> Vec<OutColumn> {
    let fields = (0..plan.fields.len()).map(|at| OutColumn::Field(crate::plan::FieldId(at)));
    let purposes =
        (0..plan.consent.purposes.len()).map(|at| OutColumn::Consent(crate::plan::PurposeId(at)));
    std::iter::once(OutColumn::CustomerId).chain(fields).chain(purposes).collect()
}

/// Reads of every source the columns that some part of the plan needs.
fn load(plan: &Plan) -> Outcome<Vec<Option<Loaded>>> {
    let needs = tables::needs(plan);
    let mut loaded = Vec::new();
    for (source, wanted) in plan.sources.iter().zip(needs) {
        if wanted.is_empty() {
            loaded.push(None);
            continue;
        }
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let one = source::load(source, &wanted)?;
        info!(source = source.name, rows = one.rows, columns = wanted.len(), "source read");
        loaded.push(Some(one));
    }
    Ok(loaded)
}

fn customer_accounts(
    plan: &Plan,
    records: &Records,
    clusters: &Clusters,
    survivors: &Survivors,
) -> Vec<CustomerAccount> {
    let mut accounts: Vec<CustomerAccount> = plan
        .tables
        .iter()
        .zip(&records.tables)
        .map(|(table, loaded)| CustomerAccount {
            source: plan.sources[table.source.0].name.clone(),
            read: loaded.rows as u64,
            ..CustomerAccount::default()
        })
        .collect();
    for (at, table) in records.tables.iter().enumerate() {
        let account = &mut accounts[at];
        for record in table.start..table.start + table.rows {
            let cluster = clusters.of[record];
            if cluster == identity::NO_CLUSTER {
                account.quarantined_no_id += 1;
            } else if survivors.duplicate[record] {
                account.quarantined_duplicate_id += 1;
            } else {
                // The anchor itself may be the duplicate that was set aside; its id is not.
                let anchor = clusters.anchors[cluster as usize] as usize;
                if clusters.id_digests[record] == clusters.id_digests[anchor] {
                    account.kept += 1;
                } else {
                    account.merged += 1;
                }
            }
        }
    }
    accounts
}

fn key_accounts(plan: &Plan, records: &Records, keys: &Keys) -> Vec<KeyAccount> {
    use rayon::prelude::*;
    keys.fields()
        .map(|field| {
            let (digests, never) = keys.field(field);
            let values: u64 = records
                .tables
                .iter()
                .map(|table| {
                    let cells = &table.fields[field.0];
                    (0..table.rows).into_par_iter().filter(|row| !cells.is_null(*row)).count()
                        as u64
                })
                .sum();
            let usable = digests.par_iter().filter(|digest| **digest != 0).count() as u64;
            let never = if never.is_empty() {
                0
            } else {
                digests.par_iter().filter(|digest| never.contains(digest)).count() as u64
            };
            KeyAccount {
                field: plan.fields[field.0].name.clone(),
                values,
                unusable: values - usable,
                never,
            }
        })
        .collect()
}

fn cluster_sizes(clusters: &Clusters) -> Vec<ClusterSize> {
    let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
    for cluster in 0..clusters.len() {
        *sizes.entry(clusters.members(cluster).len() as u64).or_default() += 1;
    }
    sizes.into_iter().map(|(records, clusters)| ClusterSize { records, clusters }).collect()
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
