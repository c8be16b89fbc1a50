//! What is copied elsewhere: exports into tables of a database or objects in a bucket, or all files of a run. It
//! is what the proved files hold, and nothing else.

use std::path::Path;

use super::stage::site;
use crate::database::staging::weight;
use crate::database::table::{self, Copy};
use crate::diagnostics::{Code, Diagnostic, Faults, Outcome};
use crate::engine::cells::Cells;
use crate::engine::source::{self, Loaded};
use crate::plan::catalog::{Column, ColumnType};
use crate::plan::{CopyTo, Export, Format, OutColumn, Plan, Source, Type};
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
            let Some(file) = staged_file(export, staged) else { continue };
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
    /// A database or a store that fails; what was exchanged before it is told.
    pub fn commit(self) -> Outcome<bool> {
        let any = self.tables.is_some() || self.objects.is_some();
        let done = self.tables.map(table::Pending::commit).transpose()?.unwrap_or_default();
        let put = self.objects.map_or(Ok(()), store::Pending::commit);
        put.map_err(|Faults(faults)| {
            let before = table::exchanged(&done);
            let told = |fault: Diagnostic| {
                let message = format!("{}{before}", fault.message);
                Diagnostic { message, ..fault }
            };
            Faults(faults.into_iter().map(told).collect())
        })?;
        Ok(any)
    }
}

/// Makes the tables of all exports that want one, of their staged files; nobody sees them yet.
///
/// # Errors
/// A database that fails or refuses; a table that cannot be exchanged.
pub fn make(plan: &Plan, staged: &[(&Path, &Path)]) -> Outcome<Copies> {
    let mut made = Copies::default();
    let mut copies = Vec::new();
    for export in &plan.exports {
        let Some(CopyTo::Table { variable, table }) = &export.copy_to else { continue };
        let Some(file) = staged_file(export, staged) else { continue };
        let columns = columns(plan, export);
        let (rows, weight) = weigh(file, &columns)?;
        copies.push(Copy { variable, table, columns, file, rows, weight });
    }
    if !copies.is_empty() {
        tracing::info!(tables = copies.len(), "copied into databases");
        made.tables = Some(table::Pending::make(&copies)?);
    }
    Ok(made)
}

/// Where an export's file stands as yet. A replay stages none.
fn staged_file<'a>(export: &Export, staged: &[(&Path, &'a Path)]) -> Option<&'a Path> {
    staged.iter().find(|(target, _)| *target == export.target.path).map(|(_, file)| *file)
}

fn columns(plan: &Plan, export: &Export) -> Vec<(String, Type)> {
    let names = export.headers(plan).into_iter();
    let types = export.columns.iter().map(|column| match column {
        OutColumn::Field(field) if export.audience.is_none() => plan.fields[field.0].ty,
        _ => Type::Text,
    });
    names.zip(types).collect()
}

/// The rows of a staged file of comma-separated text, and what they weigh. No more than a few parts of it are in
/// memory.
fn weigh(file: &Path, columns: &[(String, Type)]) -> Outcome<(u64, u128)> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let text = |name: &&str| Column {
        name: (*name).to_owned(),
        ty: ColumnType::Parsed { ty: Type::Text, format: None },
    };
    let texts = names.iter().map(text).collect();
    let format = Format::written_text(b',');
    let source = Source::written("what is copied", vec![file.to_path_buf()], format, texts);
    let make = |part: Loaded| {
        let cells = names.iter().map(|name| Cells::of(&part.column(name)?.series));
        let cells = cells.collect::<Outcome<Vec<_>>>()?;
        let weights = (0..part.rows).map(|row| weight(cells.iter().map(|cells| cells.text(row))));
        Ok((part.rows as u64, weights.sum::<u128>()))
    };
    let mut sum = (0_u64, 0_u128);
    source::visit(&source, &names, make, |(rows, weight)| {
        sum = (sum.0 + rows, sum.1 + weight);
        Ok(())
    })?;
    Ok(sum)
}
