//! Outputs and exports: where they go, what they show, and the proof that no contact point leaves
//! that no gate covers.

use std::path::{Component, Path, PathBuf};

use super::Context;
use super::audience;
use super::copies::copy_to;
use super::partitions;
use super::segments::segment_id;
use crate::diagnostics::{Code, Diagnostic, Span, Spanned};
use crate::normalize::Kind;
use crate::plan::address::is_address;
use crate::plan::{
    Allowed, Consent, CopyTo, Export, Field, FieldId, Gate, Grouping, GroupingId, OutColumn,
    Outputs, PlatformFile, PurposeId, Segment, SegmentId, Table, Target, TargetFormat,
};
use crate::spec;

/// Where outputs go.
pub struct Places<'a> {
    /// The pipeline file's folder.
    pub base: &'a Path,
    /// `--out`.
    pub out: Option<&'a Path>,
}

impl Places<'_> {
    /// The path of an output: below `--out` (leading `..` and roots dropped), else seen from the
    /// pipeline file.
    pub fn path(&self, written: &str) -> PathBuf {
        match self.out {
            Some(out) => {
                let mut path = out.to_path_buf();
                for part in Path::new(written).components() {
                    match part {
                        Component::Normal(part) => path.push(part),
                        Component::ParentDir if path != out => {
                            path.pop();
                        }
                        _ => {}
                    }
                }
                path
            }
            None => self.base.join(written),
        }
    }

    /// The folder of the run record.
    pub fn out_folder(&self, name: &str, written: Option<&Spanned<String>>) -> PathBuf {
        match (self.out, written) {
            (Some(out), _) => out.to_path_buf(),
            (None, Some(written)) => self.base.join(&written.value),
            (None, None) => self.base.join("../out").join(name.replace(['/', '\\'], "_")),
        }
    }
}

/// True where a field is a contact point.
pub fn is_contact(fields: &[Field], field: FieldId) -> bool {
    fields[field.0].key.kind() != Kind::Text
}

/// True where a field is a contact point, or takes its values from the same column as one.
pub fn carries_contact(fields: &[Field], tables: &[Table], field: FieldId) -> bool {
    is_contact(fields, field)
        || tables.iter().any(|table| {
            table.mapping.iter().any(|(id, column)| {
                *id == field
                    && table
                        .mapping
                        .iter()
                        .any(|(other, theirs)| theirs == column && is_contact(fields, *other))
            })
        })
}

/// An export before its segment's gate is known.
pub struct DraftExport {
    /// Its segment, if there is one.
    pub segment: Option<SegmentId>,
    target: Option<Target>,
    columns: Option<Vec<(OutColumn, Span)>>,
    allowed: Option<Allowed>,
    guard_formulas: bool,
    audience: Option<PlatformFile>,
    copy_to: Option<CopyTo>,
    span: Span,
}

impl DraftExport {
    /// True if the field is among the columns that leave.
    pub fn shows(&self, field: FieldId) -> bool {
        self.columns.iter().flatten().any(|(column, _)| *column == OutColumn::Field(field))
    }
}

/// Reads the exports as far as that goes without the gates.
pub fn exports(
    cx: &mut Context<'_>,
    fields: &[Field],
    groupings: &[Grouping],
    consent: &Consent,
    places: &Places<'_>,
) -> Vec<DraftExport> {
    let segments = cx.written.segments.as_deref().unwrap_or_default();
    let written = cx.written.exports.as_deref().unwrap_or_default();
    let mut drafts = Vec::new();
    for export in written {
        let segment = segment_id(cx, segments, &export.segment);
        let target = partitions::target(cx, places, export);
        let (columns, audience) = match &export.audience {
            Some(platform) => audience::columns(cx, fields, export, platform, places).map_or_else(
                || (Some(Vec::new()), None),
                |(columns, file)| (Some(columns), Some(file)),
            ),
            None => (
                audience::listed(cx, export).map(|names| {
                    cx.unique("column", names.iter());
                    let found = names.iter().filter_map(|name| {
                        Some((column(cx, fields, groupings, consent, name)?, name.span))
                    });
                    found.collect()
                }),
                None,
            ),
        };
        let copy_to = copy_to(cx, places, export, target.as_ref());
        drafts.push(DraftExport {
            segment,
            copy_to,
            target,
            columns,
            allowed: allowed(cx, fields, export),
            guard_formulas: export.guard_formulas.unwrap_or(true),
            audience,
            span: export.segment.span,
        });
    }
    drafts
}

fn column(
    cx: &mut Context<'_>,
    fields: &[Field],
    groupings: &[Grouping],
    consent: &Consent,
    name: &Spanned<String>,
) -> Option<OutColumn> {
    if name.value == "customer_id" {
        return Some(OutColumn::CustomerId);
    }
    if name.value == "previous_customer_ids" {
        if cx.written.identity.as_ref().is_none_or(|identity| identity.previous.is_none()) {
            cx.sink.push(
                Diagnostic::error(
                    Code::IdentityFault,
                    "`previous_customer_ids` needs the identity table of an earlier run",
                )
                .at(name.span, "no earlier run is known")
                .help("write `previous: PATH` under `identity`"),
            );
        }
        return Some(OutColumn::PreviousIds);
    }
    if let Some(at) = groupings.iter().position(|grouping| grouping.name == name.value) {
        return Some(OutColumn::Grouping(GroupingId(at)));
    }
    if let Some(purpose) = name.value.strip_prefix("consent_") {
        let at = consent.purposes.iter().position(|p| p.name == purpose);
        if at.is_none() && !cx.sink.is_poisoned(purpose) {
            let known: Vec<_> = consent.purposes.iter().map(|p| p.name.as_str()).collect();
            let mut fault =
                Diagnostic::error(Code::UnknownPurpose, format!("no purpose `{purpose}`"))
                    .at(name.span, "no such column");
            if !known.is_empty() {
                fault = fault.help(format!("purposes: {}", known.join(", ")));
            }
            cx.sink.push(fault.suggest(purpose, known));
        }
        return at.map(|at| OutColumn::Consent(PurposeId(at)));
    }
    if let Some(at) = fields.iter().position(|field| field.name == name.value) {
        return Some(OutColumn::Field(FieldId(at)));
    }
    if cx.fields_complete {
        let groupings = groupings.iter().map(|grouping| grouping.name.clone());
        let purposes = consent.purposes.iter().map(|p| format!("consent_{}", p.name));
        let fields = fields.iter().map(|field| field.name.clone());
        let known: Vec<String> =
            fields.chain(groupings).chain(purposes).chain(["customer_id".to_owned()]).collect();
        let fault = Diagnostic::error(
            Code::UnknownField,
            format!("a profile has no column `{}`", name.value),
        )
        .at(name.span, "unknown column")
        .help(format!("columns: {}", known.join(", ")));
        cx.sink.push(fault.suggest(&name.value, known.iter().map(String::as_str)));
    }
    None
}

fn allowed(cx: &mut Context<'_>, fields: &[Field], export: &spec::Export) -> Option<Allowed> {
    let names = export.allow_columns.as_ref()?;
    let because = export.because.as_ref().map(|b| b.value.trim().to_owned()).unwrap_or_default();
    if because.is_empty()
        && let Some(first) = names.first()
    {
        cx.sink.push(
            Diagnostic::error(Code::MissingBecause, "`allow_columns` needs a reason")
                .at(first.span, "why may this leave?")
                .help("add `because: \"...\"` to the export; it stands in the run record"),
        );
    }
    Some(Allowed {
        fields: names.iter().filter_map(|name| cx.field(fields, name)).collect(),
        because,
    })
}

/// Proves each export against its segment's gate.
pub fn finish_exports(
    cx: &mut Context<'_>,
    fields: &[Field],
    tables: &[Table],
    consent: &Consent,
    segments: &[Segment],
    drafts: Vec<DraftExport>,
) -> Vec<Export> {
    let mut exports = Vec::new();
    for draft in drafts {
        let Some(segment) = draft.segment.and_then(|id| segments.get(id.0)) else { continue };
        let vias: Vec<FieldId> = {
            let purposes = segment.gate.purposes().iter();
            let mut vias: Vec<_> = purposes.map(|p| consent.purposes[p.0].via).collect();
            vias.sort_unstable();
            vias.dedup();
            vias
        };
        let columns = draft.columns.unwrap_or_else(|| {
            let contacts = vias.iter().map(|via| OutColumn::Field(*via));
            std::iter::once(OutColumn::CustomerId)
                .chain(contacts)
                .map(|c| (c, draft.span))
                .collect()
        });
        if columns.is_empty() && !cx.sink.has_errors() {
            cx.sink.push(
                Diagnostic::error(Code::MissingKey, "an export needs a column")
                    .at(draft.span, "this export's `columns` is empty"),
            );
        }
        let open = matches!(segment.gate, Gate::None { .. });
        let allowed = draft.allowed.as_ref().map_or(&[][..], |allowed| &allowed.fields);
        for (column, span) in &columns {
            let OutColumn::Field(field) = column else { continue };
            if open
                || !carries_contact(fields, tables, *field)
                || vias.contains(field)
                || allowed.contains(field)
            {
                continue;
            }
            if segment.gate.purposes().is_empty() {
                continue; // The gate itself is at fault and reported.
            }
            let name = &fields[field.0].name;
            cx.sink.push(
                Diagnostic::error(
                    Code::UngatedContact,
                    format!("`{name}` would leave, but no purpose of segment `{}` goes via it", segment.name),
                )
                .at(*span, "a contact point without consent")
                .help(format!(
                    "take it out, gate the segment by a purpose via `{name}`, or write `allow_columns: [{name}]` with `because`"
                )),
            );
        }
        let columns: Vec<_> = columns.into_iter().map(|(column, _)| column).collect();
        let contacts = if open {
            columns
                .iter()
                .filter_map(|column| match column {
                    OutColumn::Field(field) if is_contact(fields, *field) => Some(*field),
                    _ => None,
                })
                .collect()
        } else {
            vias
        };
        let (Some(id), Some(target)) = (draft.segment, draft.target) else { continue };
        exports.push(Export {
            segment: id,
            target,
            columns,
            contacts,
            guard_formulas: draft.guard_formulas,
            allowed: draft.allowed,
            audience: draft.audience,
            copy_to: draft.copy_to,
        });
    }
    exports
}

/// The internal tables.
pub fn outputs(cx: &mut Context<'_>, places: &Places<'_>) -> Outputs {
    let Some(written) = cx.written.outputs.as_ref() else { return Outputs::default() };
    let mut place =
        |path: &Option<Spanned<String>>| path.as_ref().and_then(|path| target(cx, places, path));
    Outputs {
        profiles: place(&written.profiles),
        identity: place(&written.identity),
        quarantine: place(&written.quarantine),
        segments: place(&written.segments),
        provenance: place(&written.provenance),
        shared_keys: place(&written.shared_keys),
        conflicts: place(&written.conflicts),
        memberships: place(&written.memberships),
    }
}

/// A membership history needs customers who keep their ids: without link rules a record is a customer for
/// ever, with them ids must be handed on.
pub fn check_memberships(cx: &mut Context<'_>) {
    let written = cx.written;
    let outputs = written.outputs.as_ref();
    let Some(path) = outputs.and_then(|outputs| outputs.memberships.as_ref()) else { return };
    let Some(identity) = &written.identity else { return };
    let links = |of: Option<usize>| of.is_some_and(|count| count > 0);
    let merges = links(identity.link_on.as_ref().map(Vec::len))
        || links(identity.always.as_ref().map(Vec::len));
    if merges && identity.previous.is_none() {
        cx.sink.push(
            Diagnostic::error(
                Code::IdentityFault,
                "a membership history needs customers who keep their ids",
            )
            .at(path.span, "records link anew in every run, and ids with them")
            .help(
                "write `previous: { path: PATH, allow_missing: true }` under `identity`, with the PATH of \
                 `outputs.identity`",
            ),
        );
    }
}

pub fn target(cx: &mut Context<'_>, places: &Places<'_>, path: &Spanned<String>) -> Option<Target> {
    let Some(format) = TargetFormat::of_name(&path.value) else {
        cx.sink.push(
            Diagnostic::error(Code::OutputPath, "the format cannot be told from the output's name")
                .at(path.span, "no known extension")
                .help("write .csv, .tsv, .ndjson, .parquet, .ipc or .xlsx"),
        );
        return None;
    };
    Some(Target { path: places.path(&path.value), format, partition_by: Vec::new() })
}

/// What a path holds that a shell or another program would put something in the place of: what is wrong with
/// it, and what to do. No shell stands behind a path, so a file or a folder would be called so.
fn not_literal(path: &str) -> Option<(&'static str, &'static str)> {
    let in_braces = |(_, behind): (&str, &str)| behind.contains('}');
    if path == "~" || path.starts_with("~/") {
        Some(("`~` is not expanded", "write the folder in full"))
    } else if path.starts_with('$') {
        Some(("no variable is put in its place", "write the folder in full"))
    } else if path.contains(['*', '?']) {
        Some(("a pattern, and one file is written", "write the name in full"))
    } else if path.chars().any(char::is_control) {
        Some(("holds a control character", "write a name that can be seen whole"))
    } else if path.split_once('{').is_some_and(in_braces) {
        Some((
            "nothing is put in the place of braces",
            "write the name in full; `--out` leads each run to a folder of its own",
        ))
    } else {
        None
    }
}

/// Two outputs may not share a file, and none is an address or a pattern.
pub fn check_collisions(cx: &mut Context<'_>, places: &Places<'_>) {
    let pipeline = cx.written;
    let mut seen: Vec<(PathBuf, Span)> = Vec::new();
    for written in pipeline.paths().chain(&pipeline.out).filter(|path| !is_address(&path.value)) {
        let Some((why, help)) = not_literal(&written.value) else { continue };
        cx.sink.push(
            Diagnostic::error(Code::OutputPath, "an output's path is taken as it stands")
                .at(written.span, why)
                .help(help),
        );
    }
    for written in pipeline.paths().chain(&pipeline.out).filter(|path| is_address(&path.value)) {
        cx.sink.push(
            Diagnostic::error(Code::OutputPath, "an output is a file of this machine")
                .at(written.span, "an address")
                .help(
                    "write a path here; `copy_to` puts the file into a bucket, when it is proved",
                ),
        );
    }
    for written in pipeline.paths() {
        let path = lexical(&places.path(&written.value));
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == path) {
            cx.sink.push(
                Diagnostic::error(Code::OutputPath, "two outputs would be one file")
                    .at(written.span, "again here")
                    .at(*first, "first here")
                    .help("write each to a file of its own"),
            );
        } else {
            seen.push((path, written.span));
        }
    }
}

/// The path without `.` and inner `..`, as written; links are the file system's business.
pub fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
