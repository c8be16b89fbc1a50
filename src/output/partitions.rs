//! Exports that are folders: rows are divided by the values of some columns, each partition is a Parquet file,
//! and the whole folder is read back.
//!
//! Rows come in pieces, as for any file. Of each piece the rows of a partition are taken in their order, and
//! wait until there are enough of them, or many in all, to be written as a row group. So the files do not depend
//! on the number of threads, and no more than some pieces are in memory. A file is open only while something is
//! added to it: there may be more of them than a process may have open.
//!
//! What is read back must be what was meant in two ways: each file holds the row groups that were written to it;
//! and all rows together, each with the values in its path, are those that there were before they were divided.
//! The second is a sum over rows, so no order counts and no row can be in another partition.

use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use polars::io::parquet::write::BatchedWriter as RowGroups;
use polars::prelude::*;
use rayon::prelude::*;

use super::disk::{self, Stored};
use super::format::{self, Meant, Piece, Stop, each, mix_value, of_int, of_text};
use crate::engine::Rows;
use crate::engine::cells::Cells;
use crate::engine::source::tree;
use crate::plan::partition::{self, FILE, MOST};
use crate::planted;

/// The values of a partition, as texts; none for null and for the empty text.
type Values = Vec<Option<String>>;

/// So many pieces of rows may wait to be written.
const WAITING: usize = 4;

/// What was written, to compare with what is read.
pub struct Divided {
    /// The columns that name folders: place in the rows, name, and type.
    columns: Vec<(usize, String, DataType)>,
    /// Number of all columns.
    width: usize,
    /// The files by their paths, each with its row groups.
    files: BTreeMap<String, Vec<Piece>>,
    /// The sum of all rows.
    sum: u128,
}

/// Bytes on their way to a file that is not open.
#[derive(Clone, Default)]
struct Passing(Arc<Mutex<Vec<u8>>>);

impl Passing {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Passing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A partition that is written.
struct Partition {
    path: String,
    writer: RowGroups<Passing>,
    passing: Passing,
    pieces: Vec<Piece>,
    waiting: Vec<DataFrame>,
    rows: usize,
}

/// A piece, divided.
struct Part {
    rows: Vec<(Values, DataFrame)>,
    sum: u128,
}

/// Writes rows into a folder that is there and empty; all files are complete and on disk when this returns.
pub fn write(folder: &Path, meant: &Meant<'_>, by: &[usize]) -> Result<Divided, Stop> {
    let schema = meant.rows.schema()?;
    let mut columns = Vec::new();
    for at in by {
        let (name, ty) = schema.get_at_index(*at).ok_or_else(out_of_place)?;
        columns.push((*at, name.to_string(), ty.clone()));
    }
    let mut kept = (*schema).clone();
    for (_, name, _) in &columns {
        kept.shift_remove(name);
    }
    let mut divided = Divided { columns, width: schema.len(), files: BTreeMap::new(), sum: 0 };
    let mut partitions: BTreeMap<Values, Partition> = BTreeMap::new();
    let mut waiting = 0;
    let count = meant.rows.pieces();
    for start in (0..count).step_by(meant.at_once()) {
        let pieces = meant.some(start..count.min(start + meant.at_once()))?;
        let parts = pieces.into_par_iter().map(|piece| divide(&piece, &divided.columns));
        for part in parts.collect::<Result<Vec<_>, Stop>>()? {
            divided.sum = divided.sum.wrapping_add(part.sum);
            for (values, rows) in part.rows {
                if !partitions.contains_key(&values) {
                    if partitions.len() == MOST {
                        return Err(too_many());
                    }
                    let partition = Partition::new(folder, &divided.columns, &values, &kept)?;
                    partitions.insert(values.clone(), partition);
                }
                if let Some(partition) = partitions.get_mut(&values) {
                    waiting += rows.height();
                    partition.rows += rows.height();
                    partition.waiting.push(rows);
                }
            }
            // By pieces, and not by how many are made at once, so that no byte depends on that.
            let all = waiting > WAITING * Rows::piece_rows();
            let due = |of: &&mut Partition| all || of.rows >= Rows::piece_rows();
            waiting -= store(folder, partitions.values_mut().filter(due).collect())?;
        }
    }
    store(folder, partitions.values_mut().collect())?;
    let finish = |of: &mut Partition| -> Result<(), Stop> {
        of.writer.finish()?;
        append(folder, &of.path, &of.passing.take(), true)
    };
    partitions.values_mut().try_for_each(finish)?;
    divided.files = partitions.into_values().map(|of| (of.path, of.pieces)).collect();
    sync_folders(folder, divided.files.keys())?;
    Ok(divided)
}

fn out_of_place() -> Stop {
    Stop::File("a column is not among its columns", "please report it without the data")
}

fn too_many() -> Stop {
    let help = "divide it by a coarser column, or by fewer columns";
    Stop::Values(format!("it would have more than {MOST} partitions"), help)
}

/// Puts the rows of a piece into partitions, each in their order.
fn divide(piece: &DataFrame, by: &[(usize, String, DataType)]) -> Result<Part, Stop> {
    let columns: Vec<&Column> = piece.columns().iter().collect();
    let mut sums = vec![0; piece.height()];
    for (at, column) in columns.iter().enumerate() {
        let names = by.iter().any(|(of, ..)| *of == at);
        let series = column.as_materialized_series();
        let empty = (names && *series.dtype() == DataType::String).then(|| of_text(""));
        add(series, &mut sums, |value| value.filter(|value| Some(*value) != empty))?;
    }
    let mut named = Vec::new();
    for (at, ..) in by {
        let series = columns.get(*at).ok_or_else(out_of_place)?.as_materialized_series();
        named.push(Named::new(Cells::of(&series.rechunk())?));
    }
    let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut rows: Vec<(Vec<u32>, Vec<IdxSize>)> = Vec::new();
    let mut key = vec![0; by.len()];
    let mixed = planted::fault("partitions-mixed");
    for row in 0..piece.height() {
        for (named, number) in named.iter_mut().zip(&mut key) {
            *number = named.number(row);
        }
        let at = match known.get(&key) {
            Some(at) => *at,
            None if rows.len() == MOST => return Err(too_many()),
            None => {
                known.insert(key.clone(), rows.len());
                rows.push((key.clone(), Vec::new()));
                rows.len() - 1
            }
        };
        let at = if mixed && row % 2 == 1 { 0 } else { at };
        rows[at].1.push(IdxSize::try_from(row).unwrap_or(IdxSize::MAX));
    }
    let kept = columns.iter().enumerate().filter(|(at, _)| by.iter().all(|(of, ..)| of != at));
    let kept = DataFrame::new(piece.height(), kept.map(|(_, column)| (*column).clone()).collect())?;
    let taken = rows.into_par_iter().map(|(key, rows)| {
        let values = named.iter().zip(key).map(|(of, number)| of.values[number as usize].clone());
        Ok((values.collect(), kept.take(&IdxCa::from_vec(PlSmallStr::EMPTY, rows))?))
    });
    Ok(Part {
        rows: taken.collect::<PolarsResult<_>>()?,
        sum: sums.into_iter().fold(0, |all: u128, row| all.wrapping_add(spread(row))),
    })
}

/// A column of a piece that names folders: each different value has a number, null and the empty text 0.
struct Named {
    cells: Cells,
    numbers: HashMap<String, u32>,
    values: Values,
}

impl Named {
    fn new(cells: Cells) -> Self {
        Self { cells, numbers: HashMap::new(), values: vec![None] }
    }

    /// The number of a row's value.
    fn number(&mut self, row: usize) -> u32 {
        let Some(text) = self.cells.text(row).filter(|text| !text.is_empty()) else { return 0 };
        if let Some(number) = self.numbers.get(&*text) {
            return *number;
        }
        let next = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text.clone().into_owned(), next);
        self.values.push(Some(text.into_owned()));
        next
    }
}

/// Adds a column to what its rows come to.
fn add(
    series: &Series,
    rows: &mut [u64],
    as_meant: impl Fn(Option<u64>) -> Option<u64>,
) -> PolarsResult<()> {
    let mut rows = rows.iter_mut();
    each(series, |value| {
        if let Some(row) = rows.next() {
            *row = mix_value(*row, as_meant(value));
        }
    })
}

/// A row as a number of twice as many bits, so that sums of other rows are others.
fn spread(row: u64) -> u128 {
    let wide = |half: u64| xxhash_rust::xxh3::xxh3_64_with_seed(&row.to_le_bytes(), half);
    u128::from(wide(1)) << 64 | u128::from(wide(2))
}

impl Partition {
    fn new(
        folder: &Path,
        columns: &[(usize, String, DataType)],
        values: &Values,
        schema: &Schema,
    ) -> Result<Self, Stop> {
        let mut path = String::new();
        for ((_, column, _), value) in columns.iter().zip(values) {
            path += &partition::folder(column, value.as_deref()).ok_or_else(|| {
                let help = "divide it by a column of shorter values";
                Stop::Values(format!("a value of `{column}` cannot name a folder"), help)
            })?;
            path.push('/');
        }
        planted::operation("new folder")?;
        // As files are: for their owner only.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join(&path))?;
        path += FILE;
        planted::operation("new file")?;
        // A file system that does not tell two of them apart must not mix them.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(&path))?;
        let passing = Passing::default();
        let writer = format::parquet(passing.clone(), schema)?;
        Ok(Self { path, writer, passing, pieces: Vec::new(), waiting: Vec::new(), rows: 0 })
    }

    /// The rows that wait, as one row group or several.
    fn groups(&mut self) -> PolarsResult<Vec<DataFrame>> {
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        let Some(mut all) = waiting.next() else { return Ok(Vec::new()) };
        for rows in waiting {
            all.vstack_mut_owned(rows)?;
        }
        self.rows = 0;
        let starts = (0..all.height()).step_by(Rows::piece_rows());
        let group = |start: usize| {
            let offset = i64::try_from(start).unwrap_or(i64::MAX);
            let mut group = all.slice(offset, Rows::piece_rows());
            group.rechunk_mut();
            group
        };
        Ok(starts.map(group).collect())
    }
}

/// Writes the rows that wait in some partitions, and says how many they were.
fn store(folder: &Path, partitions: Vec<&mut Partition>) -> Result<usize, Stop> {
    let rows = partitions.iter().map(|of| of.rows).sum();
    let encode = |of: &mut Partition| -> PolarsResult<()> {
        for group in of.groups()? {
            let encoded: PolarsResult<Vec<_>> = of.writer.encode_and_compress(&group).collect();
            of.writer.write_row_groups(encoded?)?;
            of.pieces.push(Piece::of(&group, false)?);
        }
        Ok(())
    };
    let written = partitions.into_par_iter().map(|of| encode(of).map(|()| &*of));
    for of in written.collect::<PolarsResult<Vec<_>>>()? {
        append(folder, &of.path, &of.passing.take(), false)?;
    }
    Ok(rows)
}

fn append(folder: &Path, path: &str, bytes: &[u8], is_last: bool) -> Result<(), Stop> {
    planted::operation("open")?;
    let file = OpenOptions::new().append(true).open(folder.join(path))?;
    Stored(&file).write_all(bytes)?;
    if is_last {
        Stored(&file).sync()?;
    }
    Ok(())
}

/// Waits until the names of all files and folders are on disk.
fn sync_folders<'p>(folder: &Path, files: impl Iterator<Item = &'p String>) -> io::Result<()> {
    let above = files.flat_map(|file| Path::new(file).ancestors().skip(1));
    let above: std::collections::BTreeSet<&Path> = above.chain([Path::new("")]).collect();
    above.into_iter().try_for_each(|path| disk::sync_folder(&folder.join(path)))
}

/// Reads a written folder back; `Err` says in what it differs from what was meant, without any cell.
pub fn verify(folder: &Path, meant: &Divided) -> Result<(), String> {
    let found = tree::files(folder).map_err(format::unreadable)?;
    if !found.iter().map(|(path, _)| path).eq(meant.files.keys()) {
        return Err("it holds other files".to_owned());
    }
    let names: Vec<String> = meant.columns.iter().map(|(_, name, _)| name.clone()).collect();
    let sum = |(path, _): &(String, u64)| -> Result<u128, String> {
        let values = partition::values(path, &names);
        let values = values.ok_or("a folder in it has a name that stands for no value")?;
        let mut places: Vec<Place> = (0..meant.width).map(|_| Place::InFile).collect();
        for ((at, name, ty), value) in meant.columns.iter().zip(values) {
            let place = match value {
                None => Some(Place::Null),
                Some(text) => of_name(&text, ty).map(Place::Value),
            };
            places[*at] =
                place.ok_or_else(|| format!("a folder's name is no value of column `{name}`"))?;
        }
        let see = |columns: &[Series], rows: usize| sum_of(columns, rows, &places);
        let groups = format::verify_rows(&folder.join(path), &meant.files[path], &see)?;
        Ok(groups.into_iter().fold(0, u128::wrapping_add))
    };
    let sums = found.par_iter().map(sum).collect::<Result<Vec<_>, String>>()?;
    if sums.into_iter().fold(0, u128::wrapping_add) == meant.sum {
        Ok(())
    } else {
        Err("a row stands in the folder of another value".to_owned())
    }
}

/// What stands for a value that names a folder; none if it is none of the type.
fn of_name(text: &str, ty: &DataType) -> Option<u64> {
    match ty {
        DataType::String => Some(of_text(text)),
        DataType::Boolean => match text {
            "true" => Some(1),
            "false" => Some(0),
            _ => None,
        },
        DataType::Int64 => text.parse().ok().map(of_int),
        DataType::Date => {
            let epoch = jiff::civil::date(1970, 1, 1);
            let days = text.parse::<jiff::civil::Date>().ok()?.since(epoch).ok()?;
            Some(of_int(days.get_days().into()))
        }
        _ => None,
    }
}

/// Where the values of a column stand.
enum Place {
    InFile,
    /// In the path: null.
    Null,
    /// In the path: what stands for the value.
    Value(u64),
}

/// The sum of the rows of a group: of the columns that stand in the file, and those of its path.
fn sum_of(columns: &[Series], rows: usize, places: &[Place]) -> PolarsResult<u128> {
    let mut sums = vec![0; rows];
    let mut columns = columns.iter();
    for place in places {
        let value = match place {
            Place::Null => None,
            Place::Value(value) => Some(*value),
            Place::InFile => {
                if let Some(series) = columns.next() {
                    add(series, &mut sums, |value| value)?;
                }
                continue;
            }
        };
        for row in &mut sums {
            *row = mix_value(*row, value);
        }
    }
    Ok(sums.into_iter().fold(0, |all: u128, row| all.wrapping_add(spread(row))))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use polars::prelude::*;

    use super::{Divided, Meant, of_name, verify, write};
    use crate::engine::{Memory, Rows};

    fn divided(folder: &Path, by: &[usize]) -> Divided {
        let towns = [Some("A"), None, Some("B"), Some("A"), Some(""), Some("C")];
        let columns: [Column; 3] = [
            Series::new("town".into(), [true, true, false, false, true, true]).into(),
            StringChunked::from_iter_options("c".into(), towns.into_iter()).into_series().into(),
            Series::new("n".into(), [1_i64, 2, 3, 4, 5, 6]).into(),
        ];
        let rows = Rows::Frame(DataFrame::new(6, columns.into()).expect("columns"));
        let memory = Memory::new(None, folder.to_path_buf());
        let meant = Meant { rows: &rows, hashing: None, guard: None, memory: &memory };
        write(folder, &meant, by).unwrap_or_else(|stop| panic!("{stop:?}"))
    }

    #[test]
    fn what_was_written_reads_back_and_nothing_else_does() {
        for by in [&[1][..], &[1, 0], &[0, 1]] {
            let folder = tempfile::tempdir().expect("a folder");
            let meant = divided(folder.path(), by);
            assert_eq!(verify(folder.path(), &meant), Ok(()), "{by:?}");
            let other = folder.path().join("c=D");
            fs::create_dir(&other).expect("made");
            fs::write(other.join("part-0.parquet"), "x").expect("written");
            assert!(verify(folder.path(), &meant).is_err());
        }
    }

    /// A mistake in dividing rows: each file is what was written to it, and the sum is another one.
    #[test]
    fn a_row_in_the_folder_of_another_value_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut meant = divided(folder.path(), &[1]);
        let at = |name: &str| folder.path().join(name);
        for (from, to) in [("c=B", "x"), ("c=C", "c=B"), ("x", "c=C")] {
            fs::rename(at(from), at(to)).expect("renamed");
        }
        assert!(verify(folder.path(), &meant).is_err(), "the files are other ones");
        let names = ["c=B/part-0.parquet", "c=C/part-0.parquet"];
        let [b, c] = names.map(|name| meant.files.remove(name).expect("a file"));
        meant.files.extend([(names[0].to_owned(), c), (names[1].to_owned(), b)]);
        assert_eq!(
            verify(folder.path(), &meant),
            Err("a row stands in the folder of another value".to_owned())
        );
    }

    #[test]
    fn names_stand_for_values_of_their_type_alone() {
        assert_eq!(of_name("1970-01-02", &DataType::Date), Some(1));
        assert_eq!(of_name("1969-12-31", &DataType::Date), Some(u64::MAX));
        assert_eq!(of_name("-3", &DataType::Int64), Some((-3_i64).cast_unsigned()));
        assert_eq!(of_name("true", &DataType::Boolean), Some(1));
        for (text, ty) in [
            ("yes", DataType::Boolean),
            ("1.5", DataType::Int64),
            ("1970-02-30", DataType::Date),
            ("1", DataType::Float64),
        ] {
            assert_eq!(of_name(text, &ty), None, "{text}");
        }
    }
}
