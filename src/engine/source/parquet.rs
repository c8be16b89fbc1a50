//! Parquet, row group by row group: each is decoded by the thread that uses it.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use polars::prelude::*;
use rayon::prelude::*;

use super::{Raw, catalog, damaged, parts_at_once};
use crate::diagnostics::Outcome;

/// How many bytes at the end of a file say how long its footer is, and what it is.
const TAIL: u64 = 8;

/// Where the footer begins in a file of `size` bytes whose last eight are `tail`; none if it is no Parquet file.
#[must_use]
pub fn footer(size: u64, tail: &[u8]) -> Option<u64> {
    let (length, magic) = tail.split_at_checked(4)?;
    let length = u64::from(u32::from_le_bytes(length.try_into().ok()?));
    (magic == b"PAR1").then(|| size.checked_sub(TAIL + length))?
}

/// The bytes of a file in which the columns of these names stand, from its footer alone.
///
/// # Errors
/// A footer that cannot be read.
pub fn ranges(file: &Path, names: &[String]) -> Outcome<Vec<Range<u64>>> {
    let open = File::open(file).map_err(|error| catalog::unreadable(file, &error))?;
    let mut reader = ParquetReader::new(open);
    let metadata = reader.get_metadata().map_err(|error| damaged(file, error))?;
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for group in &metadata.row_groups {
        for chunk in names.iter().filter_map(|name| group.columns_under_root_iter(name)).flatten() {
            ranges.push(chunk.byte_range());
        }
    }
    ranges.sort_unstable_by_key(|range| range.start);
    Ok(ranges)
}

/// Reads the columns of every row group, several groups at once, and gives what `make` makes of
/// the number of rows before it and of its columns to `take`, in their order. A file without rows
/// is one group of none. Groups that are not `asked` for, by their first row and their number of rows,
/// are not read; how many rows they have is returned.
///
/// # Errors
/// A file that cannot be read.
pub fn visit<T: Send>(
    names: &[String],
    file: &Path,
    asked: impl Fn(usize, usize) -> bool,
    make: impl Fn(usize, Raw) -> T + Sync,
    mut take: impl FnMut(T),
) -> Outcome<usize> {
    let open = || File::open(file).map_err(|error| catalog::unreadable(file, &error));
    let fault = |error| damaged(file, error);
    let mut reader = ParquetReader::new(open()?);
    let mut whole = (**reader.get_metadata().map_err(fault)?).clone();
    let mut groups = std::mem::take(&mut whole.row_groups);
    groups.retain(|group| group.num_rows() > 0);
    let read = |first, metadata| -> Outcome<T> {
        let mut reader = ParquetReader::new(open()?);
        reader.set_metadata(Arc::new(metadata));
        let frame = reader
            .with_columns(Some(names.to_vec()))
            .read_parallel(ParallelStrategy::None)
            .finish()
            .map_err(fault)?;
        let series: PolarsResult<Vec<Series>> = names
            .iter()
            .map(|name| frame.column(name).map(|column| column.as_materialized_series().rechunk()))
            .collect();
        Ok(make(first, (series.map_err(fault)?, frame.height())))
    };
    if groups.is_empty() {
        take(read(0, whole)?);
        return Ok(0);
    }
    let firsts: Vec<usize> = groups
        .iter()
        .scan(0, |before, group| {
            let first = *before;
            *before += group.num_rows();
            Some(first)
        })
        .collect();
    let (groups, others): (Vec<_>, Vec<_>) =
        firsts.into_iter().zip(groups).partition(|(first, group)| asked(*first, group.num_rows()));
    for groups in groups.chunks(parts_at_once()) {
        let made = groups
            .par_iter()
            .map(|(first, group)| {
                let mut metadata = whole.clone();
                metadata.num_rows = group.num_rows();
                metadata.row_groups = vec![group.clone()];
                read(*first, metadata)
            })
            .collect::<Outcome<Vec<T>>>()?;
        made.into_iter().for_each(&mut take);
    }
    Ok(others.iter().map(|(_, group)| group.num_rows()).sum())
}
