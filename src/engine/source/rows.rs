//! Some of the rows of a source.

use std::collections::BTreeSet;

use super::{Asked, Loaded, load, visit, visit_all, whole};
use crate::diagnostics::Outcome;
use crate::plan::{Format, Source};

/// As [`load`], those rows alone that `is_wanted` by their number in the source. Of files but
/// Parquet all rows are in memory at first. A Parquet file is digested if `digest` says so.
///
/// # Errors
/// As [`load`].
pub fn load_some(
    source: &Source,
    wanted: &[&str],
    is_wanted: impl Fn(usize) -> bool + Sync,
    digest: bool,
) -> Outcome<Loaded> {
    if source.format != Format::Parquet {
        return load(source, wanted)?.only(is_wanted);
    }
    let mut parts = Vec::new();
    let files = visit_all(
        source,
        wanted,
        Asked { digest, rows: None },
        |part| Ok(part.only(&is_wanted)?.compact()),
        |part| {
            parts.push(part);
            Ok(())
        },
    )?;
    whole(files, parts)
}

/// As [`load`], few rows by their numbers in the source, one at least. No more than a few parts are
/// in memory, and of Parquet files the row groups alone that hold some of them are read.
///
/// # Errors
/// As [`load`].
pub fn load_rows(source: &Source, wanted: &[&str], rows: &BTreeSet<usize>) -> Outcome<Loaded> {
    let mut parts = Vec::new();
    let is_wanted = |row: usize| rows.contains(&row);
    let files = if source.format == Format::Parquet {
        let asked = Asked { digest: false, rows: Some(rows) };
        let make = |part: Loaded| Ok(part.only(is_wanted)?.compact());
        visit_all(source, wanted, asked, make, |part| {
            parts.push(part);
            Ok(())
        })?
    } else {
        // Only who takes the parts knows how many rows stand before each.
        let mut first = 0;
        visit(source, wanted, Ok, |part| {
            let next = first + part.rows;
            let holds = parts.is_empty() || rows.range(first..next).next().is_some();
            if holds {
                parts.push(Loaded { first, ..part }.only(is_wanted)?.compact());
            }
            first = next;
            Ok(())
        })?
    };
    whole(files, parts)
}
