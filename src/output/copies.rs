//! Exports that are copied into a table of a database: what the proved file holds, and nothing else.

use std::path::Path;

use super::stage::Staging;
use crate::database::table::{Copy, Pending, weight};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::ExportTable;
use crate::engine::source::text;
use crate::plan::{Export, OutColumn, Plan, Type};

/// Makes the tables of all exports that want one, of their staged files; nobody sees them yet.
///
/// # Errors
/// A database that fails or refuses; a table that cannot be exchanged.
pub fn make(
    plan: &Plan,
    exports: &[ExportTable<'_>],
    staging: &Staging,
) -> Outcome<Option<Pending>> {
    let mut copies = Vec::new();
    for export in exports.iter().map(|table| &plan.exports[table.export]) {
        let Some(copy) = &export.copy_to else { continue };
        let Some(file) = staging.staged(&export.target.path) else {
            return Err(Diagnostic::error(Code::AccountFault, "an export was not staged").into());
        };
        let (rows, weight) = weigh(file)?;
        copies.push(Copy {
            variable: &copy.variable,
            table: &copy.table,
            columns: columns(plan, export),
            file,
            rows,
            weight,
        });
    }
    if copies.is_empty() {
        return Ok(None);
    }
    tracing::info!(tables = copies.len(), "copied into databases");
    Pending::make(&copies).map(Some)
}

fn columns(plan: &Plan, export: &Export) -> Vec<(String, Type)> {
    let names = export.headers(plan).into_iter();
    let types = export.columns.iter().map(|column| match column {
        OutColumn::Field(field) if export.audience.is_none() => plan.fields[field.0].ty,
        _ => Type::Text,
    });
    names.zip(types).collect()
}

/// The rows of a staged file of comma-separated text, and what they weigh.
fn weigh(file: &Path) -> Outcome<(u64, u128)> {
    let fault = |fault: text::Fault| fault.into_diagnostic(file);
    let bytes = std::fs::read(file).map_err(|error| Diagnostic::unwritable(file, &error))?;
    let text = text::utf8(&bytes).map_err(fault)?;
    let text = text::Delimited::open(text, b',', true).map_err(fault)?;
    let nulls = [String::new()];
    let columns: Vec<Option<usize>> = (0..text.header.len()).map(Some).collect();
    let width = columns.len();
    let parts = text.cut(&text::Wanted { columns, nulls: &nulls }, |part| {
        let rows = 0..part.records;
        let weight: u128 =
            rows.map(|row| weight((0..width).map(|column| part.cells[column].get(row)))).sum();
        (part.records as u64, weight)
    });
    let parts = parts.ok_or_else(|| {
        Diagnostic::error(Code::VerifyFailed, "a staged file cannot be read back")
    })?;
    Ok(parts.into_iter().fold((0, 0), |all, part| (all.0 + part.0, all.1 + part.1)))
}
