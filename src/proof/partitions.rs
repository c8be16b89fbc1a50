//! Which row of an export stands in which file of a folder.
//!
//! The files of a folder are read one after the other, so their rows come in another order than the engine's.
//! Here the rows are divided once more, by what the engine says that their customers show: the files must be those
//! of these values, and each must hold as many rows. That the cells of a row stand in the file of its own value
//! is proved when the folder is read back for the first time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Claim;
use super::rows::same_rows;
use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, Site};
use crate::engine::Rows;
use crate::engine::source::{FileRecord, tree};
use crate::plan::partition::values;
use crate::plan::{Export, OutColumn, Plan};

/// The files of a folder, and which rows of the export stand in them.
pub struct Order {
    /// The files, in the order in which they are read.
    pub files: Vec<PathBuf>,
    /// The row of the export, by the row as it is read.
    rows: Vec<u32>,
    /// Where the rows of each file end.
    ends: Vec<usize>,
}

impl Order {
    /// Of an export that is a folder; none for one that is a file.
    ///
    /// # Errors
    /// A folder with other files than the export has values; faults of the engine.
    pub fn of(plan: &Plan, export: &Export, claim: &Claim<'_>) -> Outcome<Option<Self>> {
        if !export.target.is_folder() {
            return Ok(None);
        }
        let fault = |why: &str| fault(export, why);
        let by = &export.target.partition_by;
        let names: Vec<String> =
            by.iter().map(|at| plan.column_name(export.columns[*at])).collect();
        let mut due = divided(export, claim)?;
        let found = tree::files(claim.staged).map_err(|_| fault("its folder cannot be read"))?;
        let mut order = Self { files: Vec::new(), rows: Vec::new(), ends: Vec::new() };
        for (path, _) in found {
            let rows = values(&path, &names).and_then(|values| due.remove(&values));
            order.rows.extend(rows.ok_or_else(|| fault("a file of no value stands in it"))?);
            order.ends.push(order.rows.len());
            order.files.push(claim.staged.join(path));
        }
        if due.is_empty() {
            Ok(Some(order))
        } else {
            Err(fault("the file of a value is not there").into())
        }
    }

    /// The row of the export that is read as the row `at`.
    ///
    /// # Errors
    /// There are more rows than there should be.
    pub fn row(&self, at: usize) -> Outcome<usize> {
        match self.rows.get(at) {
            Some(row) => Ok(*row as usize),
            None => same_rows(at + 1, self.rows.len()).map(|()| at),
        }
    }

    /// Each file must hold the rows of its value.
    ///
    /// # Errors
    /// One that holds more or fewer.
    pub fn holds(&self, read: &[FileRecord]) -> Outcome<()> {
        let mut before = 0;
        for (file, end) in read.iter().zip(&self.ends) {
            same_rows(usize::try_from(file.rows).unwrap_or(usize::MAX), end - before)?;
            before = *end;
        }
        same_rows(read.len(), self.ends.len())
    }

    /// What was read of rows, in the order of the export.
    pub fn restore<T: Copy + Default>(&self, read: &[T]) -> Vec<T> {
        let mut restored = vec![T::default(); read.len()];
        for (of, row) in read.iter().zip(&self.rows) {
            restored[*row as usize] = *of;
        }
        restored
    }
}

/// The size of a file, or of those in a folder; 0 where that cannot be told.
pub fn size(path: &Path) -> u64 {
    match tree::files(path) {
        Ok(files) => files.iter().map(|(_, bytes)| bytes).sum(),
        Err(_) => std::fs::metadata(path).map_or(0, |file| file.len()),
    }
}

fn fault(export: &Export, why: &str) -> Diagnostic {
    Diagnostic::error(Code::VerifyFailed, format!("an export does not read back: {why}"))
        .in_file(Site { file: export.target.path.clone(), ..Site::default() })
        .help("nothing was published; is the disk sound?")
}

/// Faults of a reader name the file, whose folder in turn names a value: they are to name the whole.
pub fn veiled(export: &Export, claim: &Claim<'_>, Faults(mut faults): Faults) -> Faults {
    for site in faults.iter_mut().filter_map(|fault| fault.site.as_mut()) {
        if export.target.is_folder() && site.file.starts_with(claim.staged) {
            site.file.clone_from(&export.target.path);
        }
    }
    Faults(faults)
}

/// The rows of an export by the values that their customers show.
fn divided(export: &Export, claim: &Claim<'_>) -> Outcome<BTreeMap<Vec<Option<String>>, Vec<u32>>> {
    let by = &export.target.partition_by;
    let fields = by.iter().filter_map(|at| match export.columns[*at] {
        OutColumn::Field(field) => Some(field),
        _ => None,
    });
    let fields: Vec<_> = fields.collect();
    let mut divided: BTreeMap<Vec<Option<String>>, Vec<u32>> = BTreeMap::new();
    let len = claim.table.len();
    for start in (0..len).step_by(Rows::piece_rows()) {
        let end = len.min(start + Rows::piece_rows());
        let cells = fields.iter().map(|field| claim.table.cells(*field, start..end));
        let cells = cells.collect::<Outcome<Vec<_>>>()?;
        let mut values: Vec<Option<String>> = Vec::new();
        for row in start..end {
            values.clear();
            let texts = cells.iter().map(|cells| cells.text(row - start));
            // An empty text stands in the folder of null.
            values.extend(texts.map(|text| text.filter(|t| !t.is_empty()).map(Into::into)));
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            match divided.get_mut(&values) {
                Some(rows) => rows.push(row),
                None => drop(divided.insert(values.clone(), vec![row])),
            }
        }
    }
    Ok(divided)
}
