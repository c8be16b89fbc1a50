//! Exports that are also copied into a table of a database.

use super::Context;
use super::outputs::Places;
use super::sources::variable;
use crate::diagnostics::{Code, Diagnostic};
use crate::plan::{CopyTo, Target, TargetFormat};
use crate::spec;

/// The most bytes of a name in `PostgreSQL`: 63 (NAMEDATALEN - 1).
const NAME: usize = 63;

/// The table of an export. Where `--out` leads its file elsewhere none is written, which is warned of.
pub fn copy_to(
    cx: &mut Context<'_>,
    places: &Places<'_>,
    export: &spec::Export,
    target: Option<&Target>,
) -> Option<CopyTo> {
    let written = export.copy_to.as_ref()?;
    let variable = variable(&written.database, &mut cx.sink);
    let parts: Vec<&str> = written.table.value.split('.').collect();
    let is_name = |part: &&str| !part.is_empty() && part.len() <= NAME && !part.contains('\0');
    if parts.len() > 2 || !parts.iter().all(is_name) {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "no name of a table")
                .at(written.table.span, "not NAME or SCHEMA.NAME")
                .help("each part has 1 to 63 bytes, and is taken as it stands, in upper or lower case"),
        );
        return None;
    }
    let is_file = export.partition_by.is_none();
    if is_file && target.is_some_and(|target| target.format != TargetFormat::Csv) {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "a table is a copy of a CSV file")
                .at(export.path.span, "not .csv")
                .at(written.table.span, "copied here"),
        );
    }
    if export.guard_formulas.is_none() && export.audience.is_none() {
        cx.sink.push(
            Diagnostic::error(
                Code::MissingKey,
                "an export that is copied into a table says whether formulas are guarded",
            )
            .at(written.table.span, "the table holds the cells of the file")
            .help(
                "write `guard_formulas: false` to have texts as they are, in the file too, or `true` to have \
                 an apostrophe before what a spreadsheet would run, in the table too",
            ),
        );
    }
    if places.out.is_some() {
        cx.sink.push(
            Diagnostic::warning(
                Code::NotCopied,
                format!("{} is not written: --out leads outputs elsewhere", written.table.value),
            )
            .at(written.table.span, "this table stays as it is")
            .help("run without --out to exchange it"),
        );
        return None;
    }
    Some(CopyTo { variable: variable?, table: written.table.value.clone() })
}
