//! Output: all or nothing.
//!
//! In come the engine's results; every file is written beside its target under a temporary name,
//! flushed to disk and read back; only when all of them hold what was meant are they renamed into
//! place, the run record last. What cannot be finished leaves the old files as they were.

pub mod audience;
mod copies;
mod disk;
mod folder;
mod format;
pub mod journal;
pub mod measures;
mod partitions;
pub(crate) mod private_file;
pub mod record;
mod removals;
mod stage;
mod workbook;

pub use folder::contents;
pub use format::digest;
pub use record::{RunRecord, Written, WrittenExport, WrittenPage, mark};

use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::{ExportTable, InternalTable, Results, Setting, progress};
use crate::normalize::Kind;
use crate::plan::{Export, Instant, OutColumn, Plan, Target, TargetFormat};
use crate::planted;
use crate::proof::{Claim, prove};
use audience::Hashing;
use format::Meant;
use record::Warning;
use stage::Staging;

/// What of a run is known before its results.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The pipeline file.
    pub pipeline: std::path::PathBuf,
    /// SHA-256 of the pipeline file, in hex.
    pub pipeline_sha256: String,
    /// When the run began.
    pub started: Instant,
    /// The [`mark`] of the folder of outputs before anything was read.
    pub before: Option<String>,
    /// Warnings of `check`.
    pub warnings: Vec<Diagnostic>,
}

/// Makes the page about a run of its record, in which everything stands but the page itself.
pub type MakePage<'a> = &'a dyn Fn(&RunRecord) -> String;

/// Writes and publishes everything; with a `page` also the page about the run.
///
/// # Errors
/// A target that cannot be written or is a source, a file that does not read back; then nothing
/// is published.
pub fn publish(
    plan: &Plan,
    setting: &Setting,
    origin: &Origin,
    page: Option<MakePage<'_>>,
    results: Results<'_>,
) -> Outcome<RunRecord> {
    let since = std::time::Instant::now();
    planted::place("publishing begins");
    let mut staging = Staging::new(plan, &origin.pipeline);
    progress::expect(rows(&results));
    let mut outputs = Vec::new();
    for table in &results.tables {
        let Some(target) = target_of(plan, table) else { continue };
        let rows = Meant { rows: &table.rows, hashing: None, guard: None, memory: &setting.memory };
        let mut file = staging.add(table.name, target, &rows, table.name == "identity")?;
        file.earlier = table.history.as_ref().and_then(|history| history.earlier.clone());
        outputs.push(file);
    }
    let measures =
        measures::stage(plan, &setting.memory, &mut staging, &results.measures, &mut outputs)?;
    let mut exports = Vec::new();
    for table in &results.exports {
        exports.push(stage_export(plan, setting, &mut staging, table)?);
    }
    let mut stages = results.stages;
    stages.push(crate::engine::Stage::new("write", since.elapsed()));
    progress::begin("proof");
    let since = std::time::Instant::now();
    let mut claims = Vec::new();
    for table in &results.exports {
        let staged = staging.staged(&plan.exports[table.export].target.path);
        claims.extend(staged.map(|staged| Claim { table, staged }));
    }
    if claims.len() != results.exports.len() {
        return Err(Diagnostic::error(Code::AccountFault, "an export was not staged").into());
    }
    planted::place("all exports are staged");
    let proof = prove(plan, setting, &results.sources, &claims)?;
    planted::place("all exports are proved");
    drop(claims);
    stages.push(crate::engine::Stage::new("proof", since.elapsed()));
    let warnings = origin.warnings.iter().chain(&results.warnings).map(Warning::from).collect();
    let mut record = RunRecord {
        optin: env!("CARGO_PKG_VERSION"),
        pipeline: plan.name.clone(),
        pipeline_file: origin.pipeline.clone(),
        pipeline_sha256: origin.pipeline_sha256.clone(),
        directory: std::env::current_dir().unwrap_or_default(),
        started: origin.started.to_string(),
        finished: Instant::now().to_string(),
        as_of: setting.as_of.at.to_string(),
        replay: setting.as_of.replay,
        threads: rayon::current_num_threads(),
        sources: results.sources,
        account: results.account,
        outputs,
        measures,
        exports,
        copied_to: plan.copy_to.as_ref().map(|all| all.address.clone()),
        report: None,
        proof,
        stages,
        peak_bytes: record::peak_bytes(),
        warnings,
        folder: plan.out.clone(),
    };
    if let Some(page) = page {
        let path = plan.out.join(record::PAGE);
        let (bytes, sha256) = staging.add_text(&path, &page(&record))?;
        record.report = Some(WrittenPage { path, bytes, sha256 });
    }
    staging.publish(&plan.out, &record, origin.before.as_deref(), |staged| {
        let mut copies = copies::make(plan, staged)?;
        copies.put(plan, staged)?;
        copies.commit()
    })?;
    Ok(record)
}

/// How many rows are to be written.
fn rows(results: &Results<'_>) -> u64 {
    let internal = results.tables.iter().map(|table| table.rows.height());
    let measures = results.measures.iter().map(|table| table.rows.height());
    let exports = results.exports.iter().map(ExportTable::len);
    internal.chain(measures).chain(exports).sum::<usize>() as u64
}

/// Writes an export, and what its platform wants beside it.
fn stage_export(
    plan: &Plan,
    setting: &Setting,
    staging: &mut Staging,
    table: &ExportTable<'_>,
) -> Outcome<WrittenExport> {
    let export = &plan.exports[table.export];
    let name = &plan.segments[export.segment.0].name;
    let (rows, guard) = (&table.rows(), guard(plan, export));
    let hashing = export.audience.as_ref().map(|file| Hashing::new(plan, export, file, table));
    let rows = Meant { rows, hashing: hashing.as_ref(), guard, memory: &setting.memory };
    let file = staging.add(name, &export.target, &rows, false)?;
    if file.rows != table.audience().account().written {
        return Err(Diagnostic::error(
            Code::AccountFault,
            format!("the export of `{name}` has another number of rows than its audience"),
        )
        .into());
    }
    let mut audience = hashing.map(Hashing::finish).transpose()?;
    if let (Some(audience), Some(platform)) = (&mut audience, &export.audience) {
        audience.removals =
            removals::write(staging, &setting.memory, (name, &export.target.path), platform)?;
    }
    Ok(WrittenExport {
        file,
        columns: export.headers(plan),
        audience,
        allowed_columns: export
            .allowed
            .iter()
            .flat_map(|a| &a.fields)
            .map(|f| plan.fields[f.0].name.clone())
            .collect(),
        because: export.allowed.as_ref().map(|allowed| allowed.because.clone()),
        copied: export.copy_to.clone(),
    })
}

fn target_of<'a>(plan: &'a Plan, table: &InternalTable<'_>) -> Option<&'a Target> {
    plan.outputs.named().into_iter().find(|(name, _)| *name == table.name)?.1
}

/// What the columns of an export hold, if formulas in them are to be guarded.
fn guard(plan: &Plan, export: &Export) -> Option<Vec<Kind>> {
    let text = matches!(export.target.format, TargetFormat::Csv | TargetFormat::Tsv);
    (text && export.guard_formulas).then(|| {
        let kind = |column: &OutColumn| match column {
            // What is not hashed there is text, and a digest begins no formula.
            _ if export.audience.is_some() => Kind::Text,
            OutColumn::Field(field) => plan.fields[field.0].key.kind(),
            _ => Kind::Text,
        };
        export.columns.iter().map(kind).collect()
    })
}
