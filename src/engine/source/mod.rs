//! Sources: from files to columns in memory, only those that are needed.
//!
//! In comes a source of the plan and the names of the columns in use; out come these columns, one
//! chunk each, in the order of files and rows, and a record of every file read: size, digest,
//! rows. A text file is read once: the bytes that were checked are the bytes that are parsed.

pub mod catalog;
pub mod ndjson;
pub mod text;
pub mod values;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use polars::prelude::*;
use rayon::prelude::*;
use serde::Serialize;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::engine_fault;
use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, Site, Span};
use crate::plan::catalog::{Column as PlanColumn, ColumnType};
use crate::plan::{Beside, Compression, Format, Instant, Source, Type};
use values::TimeReader;

/// A file that was read.
#[derive(Clone, Debug, Serialize)]
pub struct FileRecord {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes, as stored.
    pub bytes: u64,
    /// XXH3-128 of its bytes as stored, in hex: tells whether a later run read the same.
    pub xxh3: String,
    /// Its records.
    pub rows: u64,
    /// When it was last changed.
    #[serde(skip)]
    pub modified: Option<Instant>,
}

/// A column in memory.
#[derive(Clone, Debug)]
pub struct LoadedColumn {
    /// The values, one chunk. Text, bool, Int64, Float64, Decimal, Date or Datetime in
    /// microseconds, UTC.
    pub series: Series,
    /// For datetimes read from text: which cells were a date alone. Of a date column: none, for
    /// all are.
    pub date_only: Option<Vec<bool>>,
}

/// The columns of a source that were asked for.
#[derive(Debug)]
pub struct Loaded {
    /// Records.
    pub rows: usize,
    columns: Vec<(String, LoadedColumn)>,
    /// The files.
    pub files: Vec<FileRecord>,
}

impl Loaded {
    /// A column that was asked for.
    ///
    /// # Errors
    /// An engine fault if it was not; this would be a mistake of this program.
    pub fn column(&self, name: &str) -> Outcome<&LoadedColumn> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, column)| column).ok_or_else(
            || {
                Diagnostic::error(Code::EngineFault, format!("column `{name}` was not loaded"))
                    .into()
            },
        )
    }
}

impl Loaded {
    /// True if the column was asked for.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(known, _)| known == name)
    }

    /// Adds columns of the same source that were read later.
    ///
    /// # Errors
    /// A file that is no longer the same.
    pub fn widen(&mut self, source: &Source, more: Self) -> Outcome<()> {
        let changed = self.files.iter().zip(&more.files).find(|(a, b)| a.xxh3 != b.xxh3);
        if let Some((file, _)) = changed {
            return Err(Diagnostic::error(
                Code::UnreadableFile,
                format!("source `{}` changed while it was read", source.name),
            )
            .in_file(Site { file: file.path.clone(), ..Site::default() })
            .help("run again when nothing writes to it; nothing was published")
            .into());
        }
        self.columns.extend(more.columns);
        Ok(())
    }
}

/// Reads the named columns of a source.
///
/// # Errors
/// What the files' own checks find, values that do not read as their declared type, faults of the
/// engine.
pub fn load(source: &Source, wanted: &[&str]) -> Outcome<Loaded> {
    let columns: Vec<&PlanColumn> =
        source.columns.iter().filter(|column| wanted.contains(&column.name.as_str())).collect();
    let mut files = Vec::new();
    let mut parts: Vec<Vec<LoadedColumn>> = Vec::new();
    for file in &source.files {
        let (record, part) = load_file(source, &columns, file)?;
        files.push(record);
        parts.push(part);
    }
    let mut parts = parts.into_iter();
    let mut whole = parts.next().unwrap_or_default();
    for part in parts {
        for (column, more) in whole.iter_mut().zip(part) {
            column.series.append(&more.series).map_err(|e| engine_fault("joining files", &e))?;
            if let (Some(flags), Some(more)) = (&mut column.date_only, more.date_only) {
                flags.extend(more);
            }
        }
    }
    for column in &mut whole {
        column.series = column.series.rechunk();
    }
    let rows = usize::try_from(files.iter().map(|f| f.rows).sum::<u64>()).unwrap_or(usize::MAX);
    let columns = columns.into_iter().map(|column| column.name.clone()).zip(whole).collect();
    Ok(Loaded { rows, columns, files })
}

/// Pairs of texts.
pub type TextPairs = Vec<(String, String)>;

/// The first two columns of a small file, as pairs of texts; rows in which one is null are left
/// out; and the files that were read. `span` is where the file is named.
///
/// # Errors
/// As [`load`], and a file of fewer than two columns.
pub fn read_pairs(source: &Source, span: Span) -> Outcome<(TextPairs, Vec<Beside>)> {
    let [first, second, ..] = source.columns.as_slice() else {
        return Err(Diagnostic::error(
            Code::Header,
            "a file of pairs needs two columns with a header",
        )
        .at(span, "this file")
        .help("is the delimiter a comma? For a tab write .tsv")
        .into());
    };
    let loaded = load(source, &[&first.name, &second.name]).map_err(|Faults(faults)| {
        Faults(faults.into_iter().map(|f| f.at(span, "this file")).collect())
    })?;
    let cells = [&first.name, &second.name]
        .map(|name| loaded.column(name).and_then(|column| super::cells::Cells::of(&column.series)));
    let [left, right] = cells;
    let (left, right) = (left?, right?);
    let pairs = (0..loaded.rows)
        .filter_map(|row| Some((left.text(row)?.into_owned(), right.text(row)?.into_owned())))
        .collect();
    let files = loaded.files.into_iter().map(|file| Beside {
        path: file.path,
        bytes: file.bytes,
        xxh3: file.xxh3,
        rows: file.rows,
    });
    Ok((pairs, files.collect()))
}

fn load_file(
    source: &Source,
    columns: &[&PlanColumn],
    file: &Path,
) -> Outcome<(FileRecord, Vec<LoadedColumn>)> {
    let metadata = fs::metadata(file).map_err(|error| catalog::unreadable(file, &error))?;
    let modified = metadata
        .modified()
        .ok()
        .and_then(|at| jiff::Timestamp::try_from(at).ok())
        .map(|at| Instant(at.as_microsecond()));
    let (raw, bytes, digest) = match source.format {
        Format::Delimited { compression, .. } | Format::Ndjson { compression } => {
            let stored = fs::read(file).map_err(|error| catalog::unreadable(file, &error))?;
            let bytes = stored.len() as u64;
            let digest = xxh3_128(&stored);
            let text = decompress(stored, compression, file)?;
            let raw = match source.format {
                Format::Delimited { delimiter, quoted, .. } => {
                    delimited(source, columns, file, text, delimiter, quoted)?
                }
                _ => lines(source, columns, file, &text)?,
            };
            (raw, bytes, digest)
        }
        Format::Parquet | Format::Ipc => {
            let (digest, raw) = std::thread::scope(|scope| {
                let digest = scope.spawn(|| digest_file(file));
                let raw = binary(source.format, columns, file);
                (digest.join(), raw)
            });
            let digest = digest
                .unwrap_or_else(|_| Err(std::io::Error::other("the digest failed")))
                .map_err(|error| catalog::unreadable(file, &error))?;
            (raw?, metadata.len(), digest)
        }
    };
    let rows = raw.1 as u64;
    let zone = TimeZone::get(&source.timezone).unwrap_or(TimeZone::UTC);
    let typed: Result<Vec<_>, Faults> = raw
        .0
        .into_iter()
        .zip(columns)
        .map(|(series, column)| typed(series, column, &zone, file))
        .collect();
    let record = FileRecord {
        path: file.to_path_buf(),
        bytes,
        xxh3: format!("{digest:032x}"),
        rows,
        modified,
    };
    Ok((record, typed?))
}

type Raw = (Vec<Series>, usize);

fn decompress(stored: Vec<u8>, compression: Compression, file: &Path) -> Outcome<Vec<u8>> {
    if compression == Compression::None {
        return Ok(stored);
    }
    let mut text = Vec::new();
    catalog::decompressed(stored.as_slice(), compression)
        .and_then(|mut reader| reader.read_to_end(&mut text))
        .map_err(|error| catalog::unreadable(file, &error))?;
    Ok(text)
}

fn digest_file(file: &Path) -> std::io::Result<u128> {
    let mut hasher = Xxh3::new();
    let mut reader = File::open(file)?;
    let mut block = vec![0; 1 << 20];
    loop {
        let read = reader.read(&mut block)?;
        if read == 0 {
            return Ok(hasher.digest128());
        }
        hasher.update(&block[..read]);
    }
}

/// Walks a delimited file and takes the cells of the columns in use on the way.
fn delimited(
    source: &Source,
    columns: &[&PlanColumn],
    file: &Path,
    mut bytes: Vec<u8>,
    delimiter: u8,
    quoted: bool,
) -> Outcome<Raw> {
    while bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    let fault = |fault: text::Fault| fault.into_diagnostic(file);
    let text = text::utf8(&bytes).map_err(fault)?;
    let text = text::Delimited::open(text, delimiter, quoted).map_err(fault)?;
    let known = source.columns.iter().map(|column| column.name.as_str());
    if !known.eq(text.header.iter().map(String::as_str)) {
        return Err(changed(file).into());
    }
    let place = |name: &String| columns.iter().position(|column| column.name == *name);
    let columns_of_fields = text.header.iter().map(place).collect();
    let wanted = text::Wanted { columns: columns_of_fields, nulls: &source.nulls };
    let Some(cut) = text.cut(&wanted) else {
        // Record by record, to say which is wrong.
        let records = text.walk().map_err(fault)?;
        return Err(Diagnostic::error(
            Code::AccountFault,
            format!("the file has {records} records, but not all can be read"),
        )
        .in_file(Site { file: file.to_path_buf(), ..Site::default() })
        .help("please report this: the two ways of reading must agree")
        .into());
    };
    let series = cut
        .columns
        .into_iter()
        .zip(columns)
        .map(|(parts, column)| {
            let name = column.name.as_str().into();
            StringChunked::from_chunk_iter(name, parts).into_series().rechunk()
        })
        .collect();
    Ok((series, usize::try_from(cut.records).unwrap_or(usize::MAX)))
}

fn changed(file: &Path) -> Diagnostic {
    Diagnostic::error(Code::SchemaMismatch, "the file's columns changed while the run began")
        .in_file(Site { file: file.to_path_buf(), ..Site::default() })
        .help("run again when nobody writes to it")
}

/// A column by its name as it is; `col` would read `*` and `^...$` as patterns.
fn named(name: &str) -> Expr {
    Expr::Column(name.into())
}

fn series_of(frame: &DataFrame) -> Vec<Series> {
    frame.columns().iter().map(|column| column.as_materialized_series().rechunk()).collect()
}

fn lines(source: &Source, columns: &[&PlanColumn], file: &Path, bytes: &[u8]) -> Outcome<Raw> {
    let wanted: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let text = text::utf8(bytes).map_err(|fault| fault.into_diagnostic(file))?;
    let cells =
        ndjson::read(text, &wanted, &source.nulls).map_err(|fault| fault.into_diagnostic(file))?;
    let rows = match cells.first() {
        Some(first) => first.len(),
        None => text.lines().filter(|line| !line.trim().is_empty()).count(),
    };
    let series = cells
        .into_iter()
        .zip(&wanted)
        .map(|(cells, name)| {
            StringChunked::from_iter_options((*name).into(), cells.into_iter()).into_series()
        })
        .collect();
    Ok((series, rows))
}

fn binary(format: Format, columns: &[&PlanColumn], file: &Path) -> Outcome<Raw> {
    let select: Vec<Expr> = columns.iter().map(|column| named(&column.name)).collect();
    let path = PlRefPath::new(file.to_string_lossy());
    let scan = if format == Format::Parquet {
        let args = ScanArgsParquet { glob: false, ..ScanArgsParquet::default() };
        LazyFrame::scan_parquet(path, args)
    } else {
        let args = UnifiedScanArgs { glob: false, ..UnifiedScanArgs::default() };
        LazyFrame::scan_ipc(path, IpcScanOptions::default(), args)
    };
    let frame = scan.and_then(|scan| super::collect(scan.select(select))).map_err(|error| {
        drop(error);
        Diagnostic::error(Code::UnreadableFile, "the file is damaged, or changed under way")
            .in_file(Site { file: file.to_path_buf(), ..Site::default() })
            .help("write it anew; the engine's own words are withheld, as they could quote data")
    })?;
    Ok((series_of(&frame), frame.height()))
}

/// Brings a column to the type it is used as.
fn typed(
    series: Series,
    column: &PlanColumn,
    zone: &TimeZone,
    file: &Path,
) -> Outcome<LoadedColumn> {
    let plain = |series: Series| LoadedColumn { series, date_only: None };
    match &column.ty {
        ColumnType::Parsed { ty: Type::Text, .. } => Ok(plain(series)),
        ColumnType::Parsed { ty, format } => {
            let reader = TimeReader { format: format.as_deref(), zone: zone.clone() };
            parsed(&series, *ty, &reader).map_err(|row| {
                let help = match (ty, format) {
                    (Type::Date, None) => "dates are YYYY-MM-DD; else declare `date: FORMAT` as %d.%m.%Y",
                    (Type::Datetime, None) => {
                        "datetimes are RFC 3339, zone and seconds optional; else declare `datetime: FORMAT`"
                    }
                    (Type::Decimal(_), _) => "digits and a point; `decimal: 4` allows four digits after it",
                    (Type::Bool, _) => "true or false, 1 or 0",
                    _ => "correct the file, list the text under `nulls`, or declare another type",
                };
                Diagnostic::error(
                    Code::ValueType,
                    format!("a value does not read as {}", ty.name()),
                )
                .in_file(Site {
                    file: file.to_path_buf(),
                    row: Some(row as u64 + 1),
                    line: None,
                    column: Some(column.name.clone()),
                })
                .help(help)
                .into()
            })
        }
        ColumnType::Stored(ty) => {
            Ok(plain(stored(&series, *ty, zone).map_err(|e| engine_fault("casting a column", &e))?))
        }
        ColumnType::Unusable(_) => Err(Diagnostic::error(
            Code::EngineFault,
            format!("column `{}` cannot be used", column.name),
        )
        .into()),
    }
}

/// Reads every cell in parallel; the error is the first row that does not read.
fn each<T: Send>(
    rows: usize,
    read: impl Fn(usize) -> Result<Option<T>, usize> + Sync + Send,
) -> Result<Vec<Option<T>>, usize> {
    (0..rows).into_par_iter().with_min_len(4096).map(read).collect()
}

/// Parses text cells; the error is the first row that does not read.
fn parsed(series: &Series, ty: Type, reader: &TimeReader<'_>) -> Result<LoadedColumn, usize> {
    let name = series.name().clone();
    let text = series.str().map_err(|_| 0_usize)?;
    let array = text.downcast_iter().next();
    let cell = |row: usize| array.and_then(|array| array.get(row)).filter(|c| !c.trim().is_empty());
    let rows = series.len();
    let mut date_only = None;
    let series = match ty {
        Type::Text => series.clone(),
        Type::Bool => {
            let values = each(rows, |r| cell(r).map(|c| values::boolean(c).ok_or(r)).transpose())?;
            BooleanChunked::from_iter_options(name, values.into_iter()).into_series()
        }
        Type::Int => {
            let values = each(rows, |r| cell(r).map(|c| values::integer(c).ok_or(r)).transpose())?;
            Int64Chunked::from_iter_options(name, values.into_iter()).into_series()
        }
        Type::Float => {
            let values = each(rows, |r| cell(r).map(|c| values::float(c).ok_or(r)).transpose())?;
            Float64Chunked::from_iter_options(name, values.into_iter()).into_series()
        }
        Type::Decimal(scale) => {
            let read = |r| cell(r).map(|c| values::decimal(c, scale).ok_or(r)).transpose();
            let values = each(rows, read)?;
            Int128Chunked::from_iter_options(name, values.into_iter())
                .into_decimal_unchecked(38, usize::from(scale))
                .into_series()
        }
        Type::Date => {
            let values = each(rows, |r| cell(r).map(|c| reader.date(c).ok_or(r)).transpose())?;
            Int32Chunked::from_iter_options(name, values.into_iter()).into_date().into_series()
        }
        Type::Datetime => {
            let values = each(rows, |r| cell(r).map(|c| reader.datetime(c).ok_or(r)).transpose())?;
            if values.iter().flatten().any(|moment| moment.date_only) {
                let flags = values.iter().map(|m| m.is_some_and(|moment| moment.date_only));
                date_only = Some(flags.collect());
            } else {
                date_only = Some(vec![false; rows]);
            }
            let micros = values.into_iter().map(|m| m.map(|moment| moment.at.0));
            Int64Chunked::from_iter_options(name, micros)
                .into_datetime(TimeUnit::Microseconds, None)
                .into_series()
        }
    };
    Ok(LoadedColumn { series, date_only })
}

/// Casts a stored column to the one width its type has here.
fn stored(series: &Series, ty: Type, zone: &TimeZone) -> PolarsResult<Series> {
    match ty {
        Type::Text => series.strict_cast(&DataType::String),
        Type::Int => series.strict_cast(&DataType::Int64),
        Type::Float => series.strict_cast(&DataType::Float64),
        Type::Datetime => {
            let DataType::Datetime(unit, stored_zone) = series.dtype() else {
                return series.strict_cast(&DataType::Datetime(TimeUnit::Microseconds, None));
            };
            let scale = |value: i64| match unit {
                TimeUnit::Nanoseconds => value.div_euclid(1000),
                TimeUnit::Microseconds => value,
                TimeUnit::Milliseconds => value.saturating_mul(1000),
            };
            // A stored zone is for display; the physical value is UTC already.
            let utc = stored_zone.is_some() || *zone == TimeZone::UTC;
            let physical = series.to_physical_repr().into_owned();
            let reader = TimeReader { format: None, zone: zone.clone() };
            let micros = physical.i64()?.iter().map(|value| {
                let value = scale(value?);
                if utc {
                    return Some(value);
                }
                let wall = jiff::Timestamp::from_microsecond(value).ok()?;
                reader.local(TimeZone::UTC.to_datetime(wall))
            });
            Ok(Int64Chunked::from_iter_options(series.name().clone(), micros)
                .into_datetime(TimeUnit::Microseconds, None)
                .into_series())
        }
        Type::Bool | Type::Date | Type::Decimal(_) => Ok(series.clone()),
    }
}
