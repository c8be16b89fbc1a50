//! Files that runs wrote: in which rows one person stands now.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::forget::NotRead;
use super::past_run::{PastRun, visit_columns, written_table};
use crate::diagnostics::Outcome;
use crate::engine::cells::Cells;
use crate::engine::source::tree;
use crate::normalize::Region;
use crate::plan::{FieldId, Plan};
use crate::proof::Contact;

/// A file that was written and holds the person.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// The table, or the segment of an export.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The rows: 1 is the first after the header.
    pub rows: Vec<u64>,
}

/// What a person is found by in files that were written.
pub struct Needles<'a> {
    plan: &'a Plan,
    /// `customer_id`, of earlier runs too.
    ids: Vec<String>,
    /// Source and id of records.
    records: Vec<(String, String)>,
    values: Vec<Value>,
}

/// A contact point.
struct Value {
    field: FieldId,
    text: String,
    key: String,
    region: Option<Region>,
}

/// Columns that name a record: source and id.
const RECORDS: [(&str, &str); 3] =
    [("source", "id"), ("granted_source", "granted_id"), ("denied_source", "denied_id")];

impl<'a> Needles<'a> {
    /// Of ids, contact points and records.
    pub fn new(plan: &'a Plan, ids: Vec<String>, contacts: &[Contact]) -> Self {
        let mut needles = Self { plan, ids, records: Vec::new(), values: Vec::new() };
        for contact in contacts {
            match contact {
                Contact::Record(table, id) => {
                    let source = plan.tables[table.0].source;
                    needles.records.push((plan.sources[source.0].name.clone(), id.clone()));
                }
                Contact::Value(field, text, region) => {
                    let key = plan.fields[field.0].key.chain.apply(text, *region);
                    needles.values.extend(key.map(|key| Value {
                        field: *field,
                        text: text.clone(),
                        key: key.into_owned(),
                        region: *region,
                    }));
                }
            }
        }
        needles
    }

    /// True if a row holds the person, by its columns' names and cells.
    fn is_in(&self, names: &[&str], cells: &[Cells], row: usize) -> bool {
        let cell = |name: &str| {
            let at = names.iter().position(|of| *of == name)?;
            cells[at].text(row)
        };
        let names_record = RECORDS.iter().any(|(source, id)| {
            let (Some(source), Some(id)) = (cell(source), cell(id)) else { return false };
            self.records.iter().any(|(table, of)| *table == *source && *of == *id)
        });
        names_record
            || names.iter().zip(cells).any(|(name, cells)| {
                let text = cells.text(row);
                text.is_some_and(|text| self.is_cell(name, &text))
            })
    }

    fn is_cell(&self, name: &str, text: &str) -> bool {
        // As text files are guarded against spreadsheets.
        let bare = text.strip_prefix('\'').unwrap_or(text);
        // Ids are so long that they stand in no other text by chance.
        self.ids.iter().any(|id| text.contains(id.as_str()))
            || self.values.iter().any(|value| {
                let field = &self.plan.fields[value.field.0];
                let has_key = || {
                    let key = field.key.chain.apply(bare, value.region);
                    key.is_some_and(|key| *key == *value.key)
                };
                [text, bare].iter().any(|text| *text == value.text || *text == value.key)
                    || (field.name == name && has_key())
            })
    }
}

/// All files of the plan and of the last run that hold the person, and those that cannot be read.
pub fn written(plan: &Plan, needles: &Needles<'_>) -> (Vec<Written>, Vec<NotRead>) {
    let targets = plan.targets().map(|(name, target)| (name.to_owned(), target.path.clone()));
    let earlier = plan.identity.previous.iter().filter_map(|of| of.source.as_ref());
    let earlier = earlier.flat_map(|of| of.files.iter().cloned());
    let earlier = earlier.map(|path| ("identity".to_owned(), path));
    let last = PastRun::read(&plan.record());
    let last = last.map(|run| run.written()).unwrap_or_default();
    let real = |path: &PathBuf| path.canonicalize().ok();
    let mut seen = Vec::new();
    let (mut found, mut not_read) = (Vec::new(), Vec::new());
    for (name, path) in targets.chain(earlier).chain(last) {
        // What is not there holds nobody.
        let Some(at) = real(&path).filter(|at| !seen.contains(at)) else { continue };
        seen.push(at);
        let Ok(files) = files_of(&path) else {
            not_read.push(NotRead { name, path });
            continue;
        };
        for path in files {
            match rows(needles, &name, &path) {
                Ok(rows) if rows.is_empty() => {}
                Ok(rows) => found.push(Written { name: name.clone(), path, rows }),
                Err(_) => not_read.push(NotRead { name: name.clone(), path }),
            }
        }
    }
    (found, not_read)
}

/// The file itself, or those of a folder of partitions.
fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    Ok(tree::files(path)?.into_iter().map(|(file, _)| path.join(file)).collect())
}

fn rows(needles: &Needles<'_>, name: &str, path: &Path) -> Outcome<Vec<u64>> {
    let table = written_table(name, path.to_path_buf())?;
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let mut found = Vec::new();
    let mut first = 0;
    visit_columns(&table, &names, |rows, cells| {
        let is_in = (0..rows).filter(|row| needles.is_in(&names, cells, *row));
        found.extend(is_in.map(|row| first + row as u64 + 1));
        first += rows as u64;
        Ok(())
    })?;
    Ok(found)
}
