//! A run that was: its record, and the internal tables that it wrote, if they are still what they were.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::engine::cells::Cells;
use crate::engine::source::{catalog, visit};
use crate::output::digest;
use crate::plan::catalog::Request;
use crate::plan::{Source, TargetFormat};

/// A run's record.
#[derive(Debug)]
pub struct PastRun {
    /// The record's file.
    pub file: PathBuf,
    record: Json,
    /// Paths are seen from here.
    start: PathBuf,
}

/// A file as a place.
fn site(path: &Path) -> Site {
    Site { file: path.to_path_buf(), ..Site::default() }
}

/// The fault of a file that is no run record.
pub fn no_record(file: &Path, why: &str) -> Diagnostic {
    Diagnostic::error(Code::RunRecord, format!("this is no run record: {why}"))
        .in_file(site(file))
        .help("give the `run.json` of a run")
}

/// The JSON of a file that should be a run record.
///
/// # Errors
/// A file that cannot be read, or is no JSON.
pub fn read_record(file: &Path) -> Outcome<Json> {
    let metadata = fs::metadata(file).map_err(|error| no_record(file, &error.to_string()))?;
    if !metadata.is_file() {
        // A pipe would be waited for.
        return Err(no_record(file, "it is no regular file").into());
    }
    let text = fs::read(file).map_err(|error| no_record(file, &error.to_string()))?;
    Ok(serde_json::from_slice(&text).map_err(|_| no_record(file, "it is not JSON"))?)
}

impl PastRun {
    /// Reads a run record.
    ///
    /// # Errors
    /// A file that cannot be read, or is none.
    pub fn read(file: &Path) -> Outcome<Self> {
        let record = read_record(file)?;
        let has = |name: &str| record[name].as_str().is_some();
        if !has("pipeline") || !has("finished") || !has("as_of") {
            return Err(no_record(file, "it names no pipeline, or no date").into());
        }
        let start = record["directory"].as_str().map(PathBuf::from).unwrap_or_default();
        Ok(Self { file: file.to_path_buf(), record, start })
    }

    /// A word of the record.
    #[must_use]
    pub fn word(&self, name: &str) -> &str {
        self.record[name].as_str().unwrap_or_default()
    }

    /// True if the record says so.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.record[name].as_bool().unwrap_or(false)
    }

    /// How many customers it had.
    #[must_use]
    pub fn profiles(&self) -> u64 {
        self.record["account"]["profiles"].as_u64().unwrap_or(0)
    }

    /// All files that the run read and wrote, and the record itself.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let list = |of: &Json| of.as_array().cloned().unwrap_or_default();
        let sources = list(&self.record["sources"]);
        let read = sources.iter().flat_map(|source| list(&source["files"]));
        let written =
            list(&self.record["outputs"]).into_iter().chain(list(&self.record["exports"]));
        let written = written.chain(removals(&self.record));
        let files = read.chain(written).chain([self.record["report"].clone()]);
        let paths = files.filter_map(|file| file["path"].as_str().map(PathBuf::from));
        paths
            .chain([PathBuf::from(self.word("pipeline_file"))])
            .map(|path| self.start.join(path))
            .chain([self.file.clone()])
            .collect()
    }

    /// The tables and exports that the run wrote: names and files.
    #[must_use]
    pub fn written(&self) -> Vec<(String, PathBuf)> {
        let list = |name: &str| self.record[name].as_array().cloned().unwrap_or_default();
        let named = |file: &Json, name: &str| {
            let name = file[name].as_str().unwrap_or_default().to_owned();
            Some((name, self.start.join(file["path"].as_str()?)))
        };
        let (outputs, exports) = (list("outputs"), list("exports"));
        let outputs = outputs.iter().filter_map(|file| named(file, "name"));
        outputs.chain(exports.iter().filter_map(|file| named(file, "segment"))).collect()
    }

    /// An internal table, ready to be read; none if the run wrote none of this name.
    ///
    /// # Errors
    /// A file that is not there any more, or is another one than the run wrote.
    pub fn table(&self, name: &str) -> Outcome<Option<Source>> {
        let outputs = self.record["outputs"].as_array();
        let Some(file) = outputs.into_iter().flatten().find(|file| file["name"] == name) else {
            return Ok(None);
        };
        let (Some(path), Some(sha256)) = (file["path"].as_str(), file["sha256"].as_str()) else {
            return Err(no_record(&self.file, "a written file has no path or no digest").into());
        };
        let path = self.start.join(path);
        let changed = |why: &str| {
            Diagnostic::error(
                Code::ChangedOutput,
                format!("the {name} table of the run as of {} {why}", self.word("as_of")),
            )
            .in_file(site(&path))
            .help("a later run may have written over it: run that date again with an `--out` of its own")
        };
        match digest(&path) {
            Ok((_, now)) if now == sha256 => {}
            Ok(_) => return Err(changed("is no longer the one that it wrote").into()),
            Err(error) => return Err(changed(&format!("cannot be read: {error}")).into()),
        }
        written_table(name, path).map(Some)
    }
}

/// The removal files of audiences that a run record names.
pub fn removals(record: &Json) -> Vec<Json> {
    let exports = record["exports"].as_array().into_iter().flatten();
    let removals = exports.map(|export| &export["audience"]["removals"]);
    removals.filter(|removals| removals.is_object()).cloned().collect()
}

/// A table that a run wrote, as a source.
///
/// # Errors
/// A file that cannot be read.
pub fn written_table(name: &str, path: PathBuf) -> Outcome<Source> {
    let format = TargetFormat::of_name(&path.to_string_lossy()).unwrap_or(TargetFormat::Ipc);
    let format = format.read_back();
    let listing = catalog::list(&Request::of_file(name, path, format))?;
    Ok(Source {
        bytes: listing.bytes,
        ..Source::written(name, listing.files, format, listing.columns)
    })
}

/// Gives some columns of a table, part by part: of each part its number of rows, and the cells of the
/// columns in the order in which they are wanted. A column that is not there has no values.
///
/// # Errors
/// Faults of the file.
pub fn visit_columns(
    table: &Source,
    wanted: &[&str],
    mut take: impl FnMut(usize, &[Cells]) -> Outcome<()>,
) -> Outcome<()> {
    let has = |name: &str| table.columns.iter().any(|column| column.name == name);
    let there: Vec<&str> = wanted.iter().copied().filter(|name| has(name)).collect();
    let make = |part: crate::engine::source::Loaded| {
        let cells = wanted.iter().map(|name| {
            if has(name) { Cells::of(&part.column(name)?.series) } else { Ok(Cells::Absent) }
        });
        Ok((part.rows, cells.collect::<Outcome<Vec<Cells>>>()?))
    };
    visit(table, &there, make, |(rows, cells)| take(rows, &cells)).map(drop)
}
