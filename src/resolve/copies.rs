//! What is copied elsewhere: exports into tables of a database or objects in a bucket, or all files of a run.

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

/// Where an object is, in whatever words: s3a is another word for s3, and az, abfs and abfss are one.
struct Place {
    address: String,
    /// The account of a container; empty for that of the environment, which may be any.
    account: String,
}

impl Place {
    fn of(address: &str) -> Self {
        let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (name, host) = bucket.split_once('@').unwrap_or((bucket, ""));
        let scheme = match scheme {
            "s3a" => "s3",
            "abfs" | "abfss" => "az",
            known => known,
        };
        let account = host.split('.').next().unwrap_or_default().to_ascii_lowercase();
        Self { address: format!("{scheme}://{name}/{key}"), account }
    }

    /// False if both name an account, and not the same.
    fn is_near(&self, other: &Self) -> bool {
        self.account == other.account || self.account.is_empty() || other.account.is_empty()
    }

    fn is(&self, other: &Self) -> bool {
        self.is_near(other) && self.address == other.address
    }

    /// True if an address or a pattern names it.
    fn is_among(&self, pattern: &str) -> bool {
        let all = Self::of(pattern);
        let matches = || glob::Pattern::new(&all.address).is_ok_and(|of| of.matches(&self.address));
        self.is(&all) || (self.is_near(&all) && matches())
    }

    fn is_below(&self, folder: &str) -> bool {
        let folder = Self::of(folder.trim_end_matches('/'));
        let start = format!("{}/", folder.address.trim_end_matches('/'));
        self.is_near(&folder) && self.address.starts_with(&start)
    }
}

/// Two objects may not be one, and none may be, or become, what the pipeline reads; a table must have room for the
/// names of its columns.
pub fn check_objects(plan: &Plan, pipeline: &spec::PipelineKeys, sink: &mut Sink) {
    check_names(plan, pipeline, sink);
    let exports = pipeline.exports.iter().flatten();
    let of_exports = exports.filter_map(|export| export.copy_to.as_ref()?.object.as_ref());
    let of_exports: Vec<_> = of_exports.map(|at| (Place::of(&at.value), at.span)).collect();
    let mut refuse = |address: &str, place: &Place, why: String| {
        // What no export names is put where all files of a run go.
        let own = of_exports.iter().rfind(|(object, _)| object.is(place)).map(|(_, span)| *span);
        let span = own.or_else(|| pipeline.copy_to.as_ref().map(|at| at.span));
        sink.push(
            Diagnostic::error(Code::OutputPath, why)
                .at(span.unwrap_or_default(), "put into a bucket")
                .help(format!("see to {address}: write it to another place")),
        );
    };
    let mut seen: Vec<(&str, Place)> = Vec::new();
    for (name, address) in plan.objects() {
        let place = Place::of(&address);
        for source in &plan.sources {
            let is_read = match &source.away {
                Some(Away::Objects(objects)) => place.is_among(&objects.address),
                Some(Away::Delta(delta)) => place.is_below(&delta.address),
                _ => false,
            };
            if is_read {
                let what = format!("`{name}` would be put where source `{}` is read", source.name);
                refuse(&address, &place, what);
            }
        }
        if let Some((first, _)) = seen.iter().find(|(_, known)| known.is(&place)) {
            let what = format!("`{first}` and `{name}` would be one object");
            refuse(&address, &place, what);
        }
        seen.push((name, place));
    }
}

/// A server cuts a longer name off, and the table is another one for the next run. If an export could not be read,
/// that is reported already.
fn check_names(plan: &Plan, pipeline: &spec::PipelineKeys, sink: &mut Sink) {
    let exports = pipeline.exports.as_deref().unwrap_or_default();
    if exports.len() != plan.exports.len() {
        return;
    }
    for (export, written) in plan.exports.iter().zip(exports) {
        let table = written.copy_to.as_ref().and_then(|copy| copy.table.as_ref());
        let (Some(CopyTo::Table { .. }), Some(table)) = (&export.copy_to, table) else { continue };
        for name in export.headers(plan).iter().filter(|name| name.len() > NAME) {
            let listed = match &written.columns {
                Some(spec::ExportColumns::List(names)) => {
                    names.iter().find(|listed| listed.value == *name)
                }
                _ => None,
            };
            sink.push(
                Diagnostic::error(Code::BadValue, "no name of a column of a table")
                    .at(listed.map_or(table.span, |listed| listed.span), "more than 63 bytes")
                    .at(table.span, "copied here")
                    .help(format!(
                        "`{name}` has {} bytes: give it a shorter name, or leave it out",
                        name.len()
                    )),
            );
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

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn an_object_is_one_in_whatever_words() {
        let is = |one: &str, other: &str| Place::of(one).is(&Place::of(other));
        let lake = "abfss://c@lake.dfs.core.windows.net/a/b.csv";
        assert!(is("s3a://b/a.csv", "s3://b/a.csv"));
        assert!(is("az://c/a/b.csv", lake) && is("abfs://c/a/b.csv", "az://c/a/b.csv"));
        assert!(is("abfs://c@LAKE.blob.core.windows.net/a/b.csv", lake));
        assert!(!is("abfss://c@pond.dfs.core.windows.net/a/b.csv", lake));
        assert!(!is("s3://c/a/b.csv", lake) && !is("gs://b/a.csv", "s3://b/a.csv"));
        let object = Place::of("az://c/a/b.csv");
        assert!(object.is_among("abfs://c/a/*.csv") && object.is_among(lake));
        assert!(!object.is_among("az://d/a/*.csv"));
        assert!(object.is_below("abfss://c@lake.dfs.core.windows.net/a/"));
        assert!(object.is_below("abfs://c") && !object.is_below("az://c/a/b"));
        assert!(!object.is_below("c/a"));
    }
}
