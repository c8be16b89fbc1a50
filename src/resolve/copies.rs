//! What is copied elsewhere: exports into tables of a database or objects in a bucket, or all files of a run.

use std::collections::BTreeMap;
use std::path::Component;

use super::Context;
use super::outputs::Places;
use super::sources::{variable, well_said};
use crate::diagnostics::{Code, Diagnostic, Sink, Span, Spanned};
use crate::plan::address;
use crate::plan::{Away, CopyAll, CopyTo, Plan, Target, TargetFormat};
use crate::spec;

/// The most bytes of a name in `PostgreSQL`: 63 (NAMEDATALEN - 1).
const NAME: usize = 63;
/// What an address looks like.
const FOLDER: &str = "s3://bucket/folder";

/// All files of a run, below an address. They go there by the paths that the pipeline file gives them, so none
/// may lead out of its folder.
pub fn copy_all(cx: &mut Context<'_>, places: &Places<'_>) -> Option<CopyAll> {
    let written = cx.written.copy_to.as_ref()?;
    let address = written.value.trim_end_matches('/');
    well_said(address::split(address), written.span, FOLDER, &mut cx.sink)?;
    if places.out.is_some() {
        not_copied(cx, &written.value, written.span, "nothing is put there");
        return None;
    }
    let pipeline = cx.written;
    let paths = pipeline.paths().chain(&pipeline.out);
    let leads_out = |path: &&Spanned<String>| {
        let mut parts = std::path::Path::new(&path.value).components();
        !parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    };
    let outside = paths.filter(leads_out).map(|path| path.span);
    let record = pipeline.out.is_none().then_some(pipeline.name.span);
    let outside: Vec<Span> = outside.chain(record).collect();
    for span in &outside {
        cx.sink.push(
            Diagnostic::error(Code::OutputPath, "a file that is put below an address, too, leads out of this folder")
                .at(*span, if record == Some(*span) { "the run record goes to ../out/NAME" } else { "leads out of it" })
                .at(written.span, "all files of a run are put here")
                .help("write `out: out/NAME` and paths without `..`, which are seen from this file's folder"),
        );
    }
    for export in pipeline.exports.iter().flatten() {
        undivided(cx, export, written.span);
    }
    let address = address.to_owned();
    outside.is_empty().then(|| CopyAll { address, base: places.base.to_path_buf() })
}

/// The fault of an export that is a folder of partitions: those that are no longer written would stay in the bucket,
/// with persons in them who have objected since.
fn undivided(cx: &mut Context<'_>, export: &spec::Export, copied: Span) {
    if let Some(by) = &export.partition_by {
        cx.sink.push(
            Diagnostic::error(
                Code::PartitionFault,
                "a folder of partitions is not put into a bucket",
            )
            .at(by.span, "divided here")
            .at(copied, "put there")
            .help("write one Parquet file, or leave out the copy"),
        );
    }
}

/// Two objects may not be one, and none may be, or become, what the pipeline reads.
pub fn check_objects(plan: &Plan, pipeline: &spec::PipelineKeys, sink: &mut Sink) {
    // s3a is another word for s3.
    let plain = |address: &str| address.replacen("s3a://", "s3://", 1);
    let exports = pipeline.exports.iter().flatten();
    let of_exports = exports.filter_map(|export| export.copy_to.as_ref()?.object.as_ref());
    let of_exports: Vec<_> = of_exports.map(|at| (plain(&at.value), at.span)).collect();
    let mut refuse = |address: &str, why: String| {
        // What no export names is put where all files of a run go.
        let own = of_exports.iter().rfind(|(object, _)| object == address).map(|(_, span)| *span);
        let span = own.or_else(|| pipeline.copy_to.as_ref().map(|at| at.span));
        sink.push(
            Diagnostic::error(Code::OutputPath, why)
                .at(span.unwrap_or_default(), "put into a bucket")
                .help(format!("see to {address}: write it to another place")),
        );
    };
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, address) in plan.objects() {
        let address = plain(&address);
        for source in &plan.sources {
            let is_read = match &source.away {
                Some(Away::Objects(objects)) => {
                    let pattern = plain(&objects.address);
                    pattern == address
                        || glob::Pattern::new(&pattern).is_ok_and(|all| all.matches(&address))
                }
                Some(Away::Delta(delta)) => {
                    let folder = plain(&delta.address);
                    address.starts_with(&format!("{}/", folder.trim_end_matches('/')))
                }
                _ => false,
            };
            if is_read {
                let what = format!("`{name}` would be put where source `{}` is read", source.name);
                refuse(&address, what);
            }
        }
        if let Some(first) = seen.insert(address.clone(), name) {
            refuse(&address, format!("`{first}` and `{name}` would be one object"));
        }
    }
}

fn not_copied(cx: &mut Context<'_>, what: &str, span: Span, label: &str) {
    cx.sink.push(
        Diagnostic::warning(
            Code::NotCopied,
            format!("{what} is not written: --out leads outputs elsewhere"),
        )
        .at(span, label)
        .help("run without --out to exchange it"),
    );
}

/// The table or the object of an export. Where `--out` leads its file elsewhere none is written, which is warned
/// of.
pub fn copy_to(
    cx: &mut Context<'_>,
    places: &Places<'_>,
    export: &spec::Export,
    target: Option<&Target>,
) -> Option<CopyTo> {
    let written = export.copy_to.as_ref()?;
    let (database, table) = match (&written.database, &written.table, &written.object) {
        (Some(database), Some(table), None) => (database, table),
        (None, None, Some(object)) => return object_of(cx, places, object),
        _ => {
            cx.sink.push(
                Diagnostic::error(Code::MissingKey, "a copy has `database` and `table`, or `object`")
                    .at(export.segment.span, "the copy of this export has not")
                    .help("such as `copy_to: { database: env:SHOP_DATABASE, table: news }`, or `copy_to: { object: s3://bucket/news.csv }`"),
            );
            return None;
        }
    };
    let variable = variable(database, &mut cx.sink);
    let parts: Vec<&str> = table.value.split('.').collect();
    let is_name = |part: &&str| !part.is_empty() && part.len() <= NAME && !part.contains('\0');
    if parts.len() > 2 || !parts.iter().all(is_name) {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "no name of a table")
                .at(table.span, "not NAME or SCHEMA.NAME")
                .help("each part has 1 to 63 bytes, and is taken as it stands, in upper or lower case"),
        );
        return None;
    }
    let is_file = export.partition_by.is_none();
    if is_file && target.is_some_and(|target| target.format != TargetFormat::Csv) {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "a table is a copy of a CSV file")
                .at(export.path.span, "not .csv")
                .at(table.span, "copied here"),
        );
    }
    if export.guard_formulas.is_none() && export.audience.is_none() {
        cx.sink.push(
            Diagnostic::error(
                Code::MissingKey,
                "an export that is copied into a table says whether formulas are guarded",
            )
            .at(table.span, "the table holds the cells of the file")
            .help(
                "write `guard_formulas: false` to have texts as they are, in the file too, or `true` to have \
                 an apostrophe before what a spreadsheet would run, in the table too",
            ),
        );
    }
    if places.out.is_some() {
        not_copied(cx, &table.value, table.span, "this table stays as it is");
        return None;
    }
    Some(CopyTo::Table { variable: variable?, table: table.value.clone() })
}

fn object_of(
    cx: &mut Context<'_>,
    places: &Places<'_>,
    written: &Spanned<String>,
) -> Option<CopyTo> {
    let object = written.value.as_str();
    let found = address::split(object.trim_end_matches('/'));
    let (_, key) = well_said(found, written.span, FOLDER, &mut cx.sink)?;
    if object.ends_with('/') || key.is_empty() {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "no name of an object")
                .at(written.span, "a folder or a bucket")
                .help("write the whole address, such as s3://bucket/folder/news.csv"),
        );
        return None;
    }
    if places.out.is_some() {
        not_copied(cx, object, written.span, "this object stays as it is");
        return None;
    }
    Some(CopyTo::Object { object: object.to_owned() })
}
