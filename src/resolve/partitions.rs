//! Exports that are folders of files, one per value of some columns.
//!
//! The values stand in the names of folders, which are seen by whoever may list them, and end up in logs and
//! listings. So a column by which somebody can be told from others is refused: contact points, ids and keys.

use super::Context;
use super::outputs::{self, Places, carries_contact, lexical};
use crate::diagnostics::{Code, Diagnostic, Sink, Span, Spanned};
use crate::plan::{FieldId, Match, OutColumn, Plan, Target, TargetFormat, Type};
use crate::spec::{self, PipelineKeys};

/// Where an export goes; the columns of a folder are found later ([`divide`]).
pub fn target(cx: &mut Context<'_>, places: &Places<'_>, export: &spec::Export) -> Option<Target> {
    let Some(names) = &export.partition_by else {
        if let Some(format) = &export.format {
            cx.sink.push(
                fault("`format` goes with `partition_by` only")
                    .at(format.span, "this export is one file")
                    .help("the extension of `path` tells the format of a file"),
            );
        }
        return outputs::target(cx, places, &export.path);
    };
    let other = TargetFormat::of_name(&export.path.value);
    if other.is_some_and(|format| format != TargetFormat::Parquet) {
        cx.sink.push(
            fault("only Parquet files are divided into folders")
                .at(export.path.span, "the name of a file of another format")
                .at(names.span, "divided here")
                .help("name a folder, such as `out/newsletter`"),
        );
        return None;
    }
    if let Some(platform) = &export.audience {
        cx.sink.push(
            fault("an audience for a platform is one file")
                .at(names.span, "divided here")
                .at(platform.span, "an audience")
                .help("take `partition_by` out, or export the segment a second time"),
        );
    }
    if let Some(copy) = &export.copy_to {
        let copied = copy.table.as_ref().or(copy.object.as_ref());
        cx.sink.push(
            fault("a table or an object is a copy of one file")
                .at(names.span, "divided here")
                .at(copied.map_or(names.span, |copied| copied.span), "copied here")
                .help("take `partition_by` out, or export the segment a second time"),
        );
    }
    let path = places.path(&export.path.value);
    Some(Target { path, format: TargetFormat::Parquet, partition_by: Vec::new() })
}

fn fault(message: &str) -> Diagnostic {
    Diagnostic::error(Code::PartitionFault, message)
}

/// Finds the columns by which exports are divided, and refuses those whose values may not be names of
/// folders. If an export could not be read, that is reported already, and none is divided.
pub fn divide(written: &PipelineKeys, plan: &mut Plan, sink: &mut Sink) {
    let exports = written.exports.as_deref().unwrap_or_default();
    if exports.len() != plan.exports.len() {
        return;
    }
    for (at, export) in exports.iter().enumerate() {
        let Some(names) = &export.partition_by else { continue };
        plan.exports[at].target.partition_by = columns(written, plan, at, names, sink);
        stands_alone(plan, at, export.path.span, sink);
    }
}

/// The columns of one export, by their places.
fn columns(
    written: &PipelineKeys,
    plan: &Plan,
    at: usize,
    names: &Spanned<spec::OneOrMany<Spanned<String>>>,
    sink: &mut Sink,
) -> Vec<usize> {
    let export = &plan.exports[at];
    let mut found: Vec<usize> = Vec::new();
    for name in &names.value.0 {
        let known: Vec<String> =
            export.columns.iter().map(|column| plan.column_name(*column)).collect();
        let Some(place) = known.iter().position(|known| *known == name.value) else {
            if !sink.has_errors() {
                let message = format!("the export has no column `{}`", name.value);
                let fault = fault(&message)
                    .at(name.span, "not among its columns")
                    .help(format!("columns: {}; add it to `columns`", known.join(", ")));
                sink.push(fault.suggest(&name.value, known.iter().map(String::as_str)));
            }
            continue;
        };
        if found.contains(&place) {
            let message = format!("the export is divided twice by `{}`", name.value);
            let help = "name each column once";
            sink.push(fault(&message).at(name.span, "again here").help(help));
            continue;
        }
        match why_not(written, plan, export.columns[place]) {
            Some((why, help)) => {
                let message = format!("`{}` {why}", name.value);
                sink.push(fault(&message).at(name.span, "cannot name folders").help(help));
            }
            None => found.push(place),
        }
    }
    if names.value.0.is_empty() {
        let help = "name a column, or take `partition_by` out";
        sink.push(fault("no column is named").at(names.span, "nothing divides it").help(help));
    } else if found.len() == export.columns.len() && !sink.has_errors() {
        sink.push(
            fault("no column is left for the files")
                .at(names.span, "all columns stand in names of folders")
                .help("add a column, such as `customer_id`"),
        );
    }
    found
}

/// Why the values of a column may not be names of folders, and what to do.
fn why_not(
    written: &PipelineKeys,
    plan: &Plan,
    column: OutColumn,
) -> Option<(&'static str, &'static str)> {
    let coarse = "divide by a field that many share, such as a country";
    let OutColumn::Field(field) = column else {
        let is_id = !matches!(column, OutColumn::Consent(_));
        let why = if is_id { "holds ids" } else { "is no field" };
        return Some((why, coarse));
    };
    let ids = plan
        .tables
        .iter()
        .any(|table| table.mapping.iter().any(|(id, column)| *id == field && *column == table.id));
    if carries_contact(&plan.fields, &plan.tables, field) {
        Some(("holds contact points, which do not stand in names of files", coarse))
    } else if ids {
        Some(("holds ids, which do not stand in names of files", coarse))
    } else if is_key(written, plan, field) {
        Some((
            "is a key: by its values customers are told apart, and they would stand in names of files",
            "divide by a field that many share, such as a country; if this one names nobody, map its column \
             once more under another name, without a key",
        ))
    } else if !matches!(plan.fields[field.0].ty, Type::Text | Type::Bool | Type::Int | Type::Date) {
        Some((
            "is not of a type that folders are named by",
            "divide by a text, a bool, an int or a date",
        ))
    } else {
        None
    }
}

/// True if a field has a key of its own, or something compares it.
fn is_key(written: &PipelineKeys, plan: &Plan, field: FieldId) -> bool {
    let name = &plan.fields[field.0].name;
    let declared = written.keys.iter().flatten().any(|key| key.field.value == *name);
    let rules = plan.groupings.iter().flat_map(|grouping| &grouping.rules);
    let mut rules = plan.identity.rules.iter().chain(rules);
    let lists = plan.consent.suppress.iter().flat_map(|list| &list.matches);
    let mut matches = plan.consent.tables.iter().flat_map(|table| &table.matches).chain(lists);
    declared
        || plan.identity.unless_different.contains(&field)
        || rules.any(|rule| rule.fields().any(|of| of == field))
        || matches.any(|of| match of {
            Match::Key { field: of, .. } | Match::Digest { field: of, .. } => *of == field,
            Match::Record { .. } => false,
        })
}

/// Nothing else may stand in a folder, which is replaced as a whole.
fn stands_alone(plan: &Plan, at: usize, span: Span, sink: &mut Sink) {
    let folder = lexical(&plan.exports[at].target.path);
    let below = |path: &std::path::Path| {
        let path = lexical(path);
        path != folder && path.starts_with(&folder)
    };
    let why = if folder.as_os_str().is_empty() || lexical(&plan.out).starts_with(&folder) {
        Some("the run record would stand in it")
    } else if plan.targets().any(|(_, target)| below(&target.path)) {
        Some("another output would stand in it")
    } else {
        None
    };
    if let Some(why) = why {
        sink.push(
            Diagnostic::error(Code::OutputPath, "a folder of partitions holds nothing else")
                .at(span, why)
                .help("each run replaces it as a whole: name a folder of its own"),
        );
    }
}
