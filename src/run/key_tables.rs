//! Key tables: the keys of values that SQL cannot normalize, made by this program's own normalizers.
//!
//! One file a field, of the distinct values (with their regions) that its columns hold now. A job
//! that finds a value which is not in them ends with an error, so old tables cannot mislead it.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::json;

use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::cells::Cells;
use crate::engine::source;
use crate::normalize::{Forms, Loose, Region};
use crate::plan::{FieldId, Match, Plan, RegionFrom, SourceId};
use crate::sql;

/// A column that holds values of a field, and where their region stands.
struct Filled {
    source: SourceId,
    column: String,
    region: RegionFrom<String>,
}

/// Writes the key tables of a plan into a folder; `limit` is how many values a field may have in one.
///
/// # Errors
/// Faults of the sources; a field of more values; a file that cannot be written.
pub fn write(plan: &Plan, folder: &Path, limit: Option<u64>) -> Outcome<()> {
    std::fs::create_dir_all(folder).map_err(|error| Diagnostic::unwritable(folder, &error))?;
    for number in 0..plan.fields.len() {
        let field = FieldId(number);
        if sql::wants_table(&plan.fields[number].key.chain) {
            let values = values(plan, field, limit)?;
            write_field(plan, field, &values, &folder.join(sql::file_name(field)))?;
        }
    }
    Ok(())
}

fn too_many(field: &str, values: usize, limit: u64) -> Diagnostic {
    Diagnostic::error(
        Code::KeyLimit,
        format!(
            "the field `{field}` has {values} or more different values whose keys this program must make \
             itself; {limit} may be"
        ),
    )
    .help("give a higher `--max-keys` if this machine has the memory, or normalize the field less")
}

fn columns(plan: &Plan, field: FieldId) -> Vec<Filled> {
    let mut columns = Vec::new();
    for table in &plan.tables {
        let mapped = |of: FieldId| {
            table.mapping.iter().find(|(known, _)| *known == of).map(|(_, column)| column.clone())
        };
        let Some(column) = mapped(field) else { continue };
        let region = match &plan.fields[field.0].key.region {
            RegionFrom::None => RegionFrom::None,
            RegionFrom::Fixed(region) => RegionFrom::Fixed(*region),
            // A table without the region's field has records without a region.
            RegionFrom::Of(of) => mapped(*of).map_or(RegionFrom::None, RegionFrom::Of),
        };
        columns.push(Filled { source: table.source, column, region });
    }
    let tables = plan.consent.tables.iter().map(|table| (table.source, &table.matches));
    let lists = plan.consent.suppress.iter().map(|list| (list.source, &list.matches));
    for (source, matches) in tables.chain(lists) {
        for item in matches {
            if let Match::Key { field: of, column, region } = item
                && *of == field
            {
                let (column, region) = (column.clone(), region.clone());
                columns.push(Filled { source, column, region });
            }
        }
    }
    columns
}

/// The distinct values of a field that must be looked up, with the texts of their regions.
fn values(
    plan: &Plan,
    field: FieldId,
    limit: Option<u64>,
) -> Outcome<BTreeSet<(String, Option<String>)>> {
    let chain = &plan.fields[field.0].key.chain;
    let mut all = BTreeSet::new();
    for Filled { source, column, region } in columns(plan, field) {
        let mut wanted = vec![column.as_str()];
        if let RegionFrom::Of(beside) = &region {
            wanted.push(beside);
        }
        let part = |part: source::Loaded| {
            let cells = Cells::of(&part.column(&column)?.series)?;
            let beside = match &region {
                RegionFrom::Of(beside) => Some(Cells::of(&part.column(beside)?.series)?),
                _ => None,
            };
            let mut found = BTreeSet::new();
            for row in 0..part.rows {
                let Some(value) = cells.text(row) else { continue };
                if !sql::is_looked_up(chain, &value) {
                    continue;
                }
                let region = match (&region, &beside) {
                    (RegionFrom::Fixed(region), _) => Some(region.as_str().to_owned()),
                    (_, Some(beside)) => beside.text(row).map(std::borrow::Cow::into_owned),
                    _ => None,
                };
                found.insert((value.into_owned(), region));
            }
            Ok(found)
        };
        source::visit(&plan.sources[source.0], &wanted, part, |found| {
            all.extend(found);
            match limit {
                Some(limit) if all.len() as u64 > limit => {
                    Err(too_many(&plan.fields[field.0].name, all.len(), limit).into())
                }
                _ => Ok(()),
            }
        })?;
    }
    Ok(all)
}

fn write_field(
    plan: &Plan,
    field: FieldId,
    values: &BTreeSet<(String, Option<String>)>,
    path: &Path,
) -> Outcome<()> {
    let key = &plan.fields[field.0].key;
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = BufWriter::new(file.map_err(|error| Diagnostic::unwritable(path, &error))?);
    for (value, region_text) in values {
        let region = region_text.as_deref().and_then(Region::parse);
        let never = |of: &str| {
            key.never.values().any(|never| key.chain.apply(never, region).as_deref() == Some(of))
        };
        let line = match key.chain.apply_loose(value, region) {
            None => json!({ "value": value, "region": region_text, "links": false }),
            Some(loose) => json!({
                "value": value,
                "region": region_text,
                "key": loose.key,
                "links": !never(&loose.key),
                "denies": forms(&loose, &loose.denial),
                "found": forms(&loose, &loose.target),
            }),
        };
        writeln!(file, "{line}").map_err(|error| Diagnostic::unwritable(path, &error))?;
    }
    file.flush().map_err(|error| Diagnostic::unwritable(path, &error).into())
}

/// The key, where it is a form itself, and the other forms.
fn forms<'a>(loose: &'a Loose<'_>, others: &'a Forms<'_>) -> Vec<&'a str> {
    let own = loose.own.then_some(loose.key.as_ref());
    own.into_iter().chain(others.iter().flatten().map(AsRef::as_ref)).collect()
}
