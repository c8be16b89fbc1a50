//! What is copied elsewhere: exports into tables of a database or objects in a bucket, or all files of a run. It
//! is what the proved files hold, and nothing else.

use std::path::Path;

use super::stage::{Staging, site};
use crate::database::table::{self, Copy, weight};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::ExportTable;
use crate::engine::source::text;
use crate::plan::{CopyTo, Export, OutColumn, Plan, Type};
use crate::store::{self, Stores, Upload};

/// Copies that nobody sees yet.
#[derive(Default)]
pub struct Copies {
    tables: Option<table::Pending>,
    objects: Option<store::Pending>,
}

impl Copies {
    /// Puts files into buckets: all that are staged, if the plan says so, and exports that are to be objects. The run
    /// record is the last of them.
    ///
    /// # Errors
    /// A store that fails or refuses.
    pub fn put(&mut self, plan: &Plan, staged: &[(&Path, &Path)]) -> Outcome<()> {
        let mut files: Vec<Upload<'_>> = Vec::new();
        for export in &plan.exports {
            let Some(CopyTo::Object { object }) = &export.copy_to else { continue };
            // A replay stages no export.
            let of = |(target, _): &&(&Path, &Path)| *target == export.target.path;
            let Some((_, file)) = staged.iter().find(of) else { continue };
            files.push(Upload { file, address: object.clone() });
        }
        if let Some(all) = &plan.copy_to {
            for (target, file) in staged {
                let address = all.address_of(target).ok_or_else(|| {
                    let message = "a file that is put below an address has no path there";
                    Diagnostic::error(Code::OutputPath, message)
                        .in_file(site(target))
                        .help("write paths of letters below the pipeline file's folder")
                })?;
                files.push(Upload { file, address });
            }
        }
        let mark = plan.copy_to.as_ref().and_then(|all| all.address_of(&plan.record()));
        if !files.is_empty() {
            self.objects = Some(Stores::open()?.put(&files, mark.as_deref())?);
        }
        Ok(())
    }

    /// Lets all copies be seen: tables, then objects. False if there are none.
    ///
    /// # Errors
    /// A database or a store that fails.
    pub fn commit(self) -> Outcome<bool> {
        let any = self.tables.is_some() || self.objects.is_some();
        self.tables.map_or(Ok(()), table::Pending::commit)?;
        self.objects.map_or(Ok(()), store::Pending::commit)?;
        Ok(any)
    }
}

/// Makes the tables of all exports that want one, of their staged files; nobody sees them yet.
///
/// # Errors
/// A database that fails or refuses; a table that cannot be exchanged.
pub fn make(plan: &Plan, exports: &[ExportTable<'_>], staging: &Staging) -> Outcome<Copies> {
    let mut made = Copies::default();
    let mut copies = Vec::new();
    for export in exports.iter().map(|table| &plan.exports[table.export]) {
        let Some(copy) = &export.copy_to else { continue };
        let Some(file) = staging.staged(&export.target.path) else {
            return Err(Diagnostic::error(Code::AccountFault, "an export was not staged").into());
        };
        let (variable, table) = match copy {
            CopyTo::Table { variable, table } => (variable, table),
            CopyTo::Object { .. } => continue,
        };
        let (rows, weight) = weigh(file)?;
        copies.push(Copy { variable, table, columns: columns(plan, export), file, rows, weight });
    }
    if !copies.is_empty() {
        tracing::info!(tables = copies.len(), "copied into databases");
        made.tables = Some(table::Pending::make(&copies)?);
    }
    Ok(made)
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
