//! Sources: from files to columns in memory, only those that are needed.
//!
//! In comes a source of the plan and the names of the columns in use; out come these columns, one
//! chunk each, in the order of files and rows, and a record of every file read: size, digest,
//! rows. Who needs each row once takes a source part by part ([`visit`]), so that it is never in
//! memory whole. A text file is read once: the bytes that were checked are the bytes that are
//! parsed.

pub mod catalog;
mod head;
pub mod ndjson;
pub mod parquet;
mod rows;
pub mod sheet;
mod stamp;
mod stretches;
pub mod text;
pub mod tree;
mod typed;
pub mod values;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::tz::TimeZone;
use polars::prelude::*;
use rayon::prelude::*;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

pub use head::{Head, head};
pub use rows::{load_rows, load_some};
pub use stamp::{FileRecord, Stamp};
use stamp::{expect_still, expect_unchanged};

use super::{engine_fault, progress};
use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, Site, Span};
use crate::plan::catalog::Column as PlanColumn;
use crate::plan::{Beside, Compression, Format, Source};
use crate::planted;

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
    /// Of a part of a Parquet source: how many records stand before it.
    first: usize,
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
    /// Without columns: all rows were looked at already.
    #[must_use]
    pub fn of_files(files: Vec<FileRecord>, rows: usize) -> Self {
        Self { rows, first: 0, columns: Vec::new(), files }
    }

    /// Some of the rows.
    fn only(mut self, is_wanted: impl Fn(usize) -> bool) -> Outcome<Self> {
        let rows = self.first..self.first + self.rows;
        let mask: BooleanChunked = rows.map(|row| Some(is_wanted(row))).collect();
        for (_, column) in &mut self.columns {
            // Which cells were a date alone is asked of consent tables only.
            column.date_only = None;
            column.series = column
                .series
                .filter(&mask)
                .map_err(|e| engine_fault("choosing rows", &e))?
                .rechunk();
        }
        self.rows = mask.sum().map_or(0, |rows| rows as usize);
        Ok(self)
    }

    /// The columns of these names alone.
    #[must_use]
    pub fn keep(mut self, is_kept: impl Fn(&str) -> bool) -> Self {
        self.columns.retain(|(name, _)| is_kept(name));
        self
    }

    /// Texts in buffers of their own, without what decoding left beside them.
    #[must_use]
    pub fn compact(mut self) -> Self {
        for (_, column) in &mut self.columns {
            if let Ok(text) = column.series.str() {
                let chunks = text.downcast_iter().map(|chunk| chunk.clone().gc());
                let name = text.name().clone();
                column.series = StringChunked::from_chunk_iter(name, chunks).into_series();
            }
        }
        self
    }

    /// True if the column was asked for.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(known, _)| known == name)
    }

    /// That files read again are the same still: by size and time, and where both were digested by
    /// their digests.
    ///
    /// # Errors
    /// One that is not.
    pub fn expect_unchanged(&self, source: &Source, again: &Self) -> Outcome<()> {
        expect_unchanged(source, &self.files, &again.files)
    }

    /// Adds columns of the same source that were read later.
    ///
    /// # Errors
    /// A file that is no longer the same.
    pub fn widen(&mut self, source: &Source, more: Self) -> Outcome<()> {
        self.expect_unchanged(source, &more)?;
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
    load_checked(source, wanted, || Ok(()))
}

/// As [`load`]; `check` is asked after every part whether to go on.
///
/// # Errors
/// As [`load`], and those of `check`.
pub fn load_checked(
    source: &Source,
    wanted: &[&str],
    mut check: impl FnMut() -> Outcome<()>,
) -> Outcome<Loaded> {
    // Texts cut from a file stand in buffers of their own already.
    let is_binary = matches!(source.format, Format::Parquet | Format::Ipc);
    let mut parts = Vec::new();
    let files = visit(
        source,
        wanted,
        |part| Ok(if is_binary { part.compact() } else { part }),
        |part| {
            parts.push(part);
            check()
        },
    )?;
    whole(files, parts)
}

/// All parts of a source as one.
///
/// # Errors
/// Faults of the engine.
pub fn whole(files: Vec<FileRecord>, parts: Vec<Loaded>) -> Outcome<Loaded> {
    let rows = parts.iter().map(|part| part.rows).sum();
    let names = parts.first().map(|part| part.columns.iter().map(|(name, _)| name.clone()));
    let names = names.into_iter().flatten().collect::<Vec<_>>().into_iter();
    let mut by_column: Vec<Vec<LoadedColumn>> = Vec::new();
    for part in parts {
        by_column.resize_with(part.columns.len(), Vec::new);
        for (column, (_, part)) in by_column.iter_mut().zip(part.columns) {
            column.push(part);
        }
    }
    let joined: Outcome<Vec<LoadedColumn>> = by_column.into_par_iter().map(join).collect();
    Ok(Loaded { rows, first: 0, columns: names.zip(joined?).collect(), files })
}

/// The columns of a source that are wanted, in its order.
fn in_use<'a>(source: &'a Source, wanted: &[&str]) -> Vec<&'a PlanColumn> {
    source.columns.iter().filter(|column| wanted.contains(&column.name.as_str())).collect()
}

fn names(columns: &[&PlanColumn]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// Puts the parts of a column behind each other.
fn join(parts: Vec<LoadedColumn>) -> Outcome<LoadedColumn> {
    let mut parts = parts.into_iter();
    let Some(mut whole) = parts.next() else {
        return Err(Diagnostic::error(Code::EngineFault, "a column has no part").into());
    };
    for part in parts {
        whole.series.append(&part.series).map_err(|e| engine_fault("joining parts", &e))?;
        if let (Some(flags), Some(more)) = (&mut whole.date_only, part.date_only) {
            flags.extend(more);
        }
    }
    whole.series = whole.series.rechunk();
    Ok(whole)
}

/// How many parts are made before they are taken: threads do not wait for each other often.
#[must_use]
pub fn parts_at_once() -> usize {
    rayon::current_num_threads() * 8
}

/// Reads the named columns of a source part by part, several at once, and gives what `make` makes
/// of each part to `take`, in the order of rows: a source has at least one part, if an empty one.
/// No more than a few parts are in memory.
///
/// # Errors
/// As [`load`], and those of `make` and `take`: that of the first part that has one. A file that
/// cannot be cut into records is told before anything that is wrong with a value in it.
pub fn visit<T: Send>(
    source: &Source,
    wanted: &[&str],
    make: impl Fn(Loaded) -> Outcome<T> + Sync,
    take: impl FnMut(T) -> Outcome<()>,
) -> Outcome<Vec<FileRecord>> {
    visit_all(source, wanted, Asked::ALL, make, take)
}

/// As [`visit`], of a source that was read before and must be the same still: by size and time.
///
/// # Errors
/// As [`visit`]; a file that changed.
pub fn visit_again<T: Send>(
    source: &Source,
    wanted: &[&str],
    before: &[FileRecord],
    make: impl Fn(Loaded) -> Outcome<T> + Sync,
    take: impl FnMut(T) -> Outcome<()>,
) -> Outcome<()> {
    let again = visit_all(source, wanted, Asked { digest: false, ..Asked::ALL }, make, take)?;
    expect_unchanged(source, before, &again)
}

/// What is asked of a source beside its columns.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// The digest of a Parquet file; of others it is made on the way.
    digest: bool,
    /// The only rows that matter, by their numbers in the source: of a Parquet file the row groups
    /// that hold none of them are not read. None: all do.
    rows: Option<&'a BTreeSet<usize>>,
}

impl Asked<'_> {
    const ALL: Self = Self { digest: true, rows: None };
}

fn visit_all<T: Send>(
    source: &Source,
    wanted: &[&str],
    asked: Asked<'_>,
    make: impl Fn(Loaded) -> Outcome<T> + Sync,
    mut take: impl FnMut(T) -> Outcome<()>,
) -> Outcome<Vec<FileRecord>> {
    let columns = in_use(source, wanted);
    let mut files: Vec<FileRecord> = Vec::new();
    for file in &source.files {
        let before = files.iter().map(|file| file.rows).sum::<u64>();
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        let make = |part: Loaded| make(Loaded { first: before + part.first, ..part });
        files.push(visit_file(source, &columns, (file, before, asked), &make, &mut take)?);
    }
    Ok(files)
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

fn visit_file<T: Send>(
    source: &Source,
    columns: &[&PlanColumn],
    (file, before, asked): (&Path, usize, Asked<'_>),
    make: &(impl Fn(Loaded) -> Outcome<T> + Sync),
    take: &mut impl FnMut(T) -> Outcome<()>,
) -> Outcome<FileRecord> {
    let stamp = Stamp::of(file).map_err(|error| catalog::unreadable(file, &error))?;
    planted::place("a source is looked at");
    let read = read_file(source, columns, (file, before, asked), make, take);
    planted::place("a source is read");
    // That it changed is told rather than what this led to.
    expect_still(source, file, &stamp)?;
    let (rows, digest) = read?;
    Ok(FileRecord {
        path: source.shown(file),
        state: source.state(file),
        bytes: stamp.bytes(),
        xxh3: digest.map_or_else(String::new, |digest| format!("{digest:032x}")),
        rows: rows as u64,
        stamp: Some(stamp),
    })
}

/// The number of a file's records, and its digest if it was asked for or is made on the way.
fn read_file<T: Send>(
    source: &Source,
    columns: &[&PlanColumn],
    (file, before, asked): (&Path, usize, Asked<'_>),
    make: &(impl Fn(Loaded) -> Outcome<T> + Sync),
    take: &mut impl FnMut(T) -> Outcome<()>,
) -> Outcome<(usize, Option<u128>)> {
    let zone = TimeZone::get(&source.timezone).unwrap_or(TimeZone::UTC);
    let typing = Typing { columns, zone: &zone, make };
    let mut settling = Settling { columns, file, rows: 0, fault: None, take };
    let digest = match source.format {
        Format::Delimited { compression, delimiter, quoted } => {
            let unreadable = |error: std::io::Error| catalog::unreadable(file, &error);
            let mut stored = Digested::open(file).map_err(unreadable)?;
            stored.shows_progress = true;
            let settle = |visited| settling.settle(visited);
            let cut = catalog::decompressed(&mut stored, compression)
                .and_then(|text| cut(source, &typing, text, (delimiter, quoted), settle))
                .map_err(unreadable)?;
            let (_, digest) = stored.finish().map_err(unreadable)?;
            if !cut {
                return Err(fault_of(source, file, compression, (delimiter, quoted)));
            }
            Some(digest)
        }
        Format::Ndjson { compression } => {
            let stored = fs::read(file).map_err(|error| catalog::unreadable(file, &error))?;
            let text = decompress(&stored, compression, file)?;
            settling.settle(typing.part(0, lines(source, columns, file, &text)?));
            progress::step(stored.len() as u64);
            Some(xxh3_128(&stored))
        }
        Format::Excel => {
            let stored = fs::read(file).map_err(|error| catalog::unreadable(file, &error))?;
            let wanted: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let raw = sheet::open(&stored, source.sheet.as_deref())
                .and_then(|sheet| sheet.columns(&wanted, &source.nulls))
                .map_err(|fault| fault.into_diagnostic(file))?;
            settling.settle(typing.part(0, raw));
            progress::step(stored.len() as u64);
            Some(xxh3_128(&stored))
        }
        Format::Parquet | Format::Ipc => {
            let (digested, visited) = std::thread::scope(|scope| {
                let digest = asked.digest.then(|| scope.spawn(|| Digested::open(file)?.finish()));
                let visited = if source.format == Format::Parquet {
                    // All groups are asked for before the first is read.
                    let all = AtomicU64::new(0);
                    let size = fs::metadata(file).map_or(0, |found| found.len());
                    let part = |first, raw: Raw| {
                        let bytes = size.saturating_mul(raw.1 as u64);
                        let visited = typing.part(first, raw);
                        progress::step(bytes / all.load(Ordering::Relaxed).max(1));
                        visited
                    };
                    let holds = |first: usize, rows: usize| {
                        all.fetch_add(rows as u64, Ordering::Relaxed);
                        let range = before + first..before + first + rows;
                        asked.rows.is_none_or(|rows| rows.range(range).next().is_some())
                    };
                    let settle = |visited| settling.settle(visited);
                    let skipped = parquet::visit(&names(columns), file, holds, part, settle);
                    skipped.map(|skipped| settling.rows += skipped)
                } else {
                    ipc(columns, file).map(|raw| settling.settle(typing.part(0, raw)))
                };
                (digest.map(std::thread::ScopedJoinHandle::join), visited)
            });
            let digested = digested.map(|digest| {
                digest.unwrap_or_else(|_| Err(std::io::Error::other("the digest failed")))
            });
            let digested =
                digested.transpose().map_err(|error| catalog::unreadable(file, &error))?;
            visited?;
            digested.map(|(_, digest)| digest)
        }
    };
    Ok((settling.done()?, digest))
}

/// The columns of some rows as they were read, and the number of these rows.
pub type Raw = (Vec<Series>, usize);

/// What became of a part: its rows, and what was made of it.
type Visited<T> = (usize, Result<T, typed::Stop>);

/// Gives the columns of a part their types, then the part to whom it is for.
struct Typing<'a, M> {
    columns: &'a [&'a PlanColumn],
    zone: &'a TimeZone,
    make: &'a M,
}

impl<T, M: Fn(Loaded) -> Outcome<T>> Typing<'_, M> {
    /// `first` is how many rows of the file stand before the part, where this is known.
    fn part(&self, first: usize, (series, rows): Raw) -> Visited<T> {
        let typed = typed::all(series, self.columns, self.zone);
        let made = typed.and_then(|columns| {
            let names = names(self.columns).into_iter();
            let columns = names.zip(columns).collect();
            let part = Loaded { rows, first, columns, files: Vec::new() };
            (self.make)(part).map_err(typed::Stop::Faults)
        });
        (rows, made)
    }
}

/// Takes the parts of a file in their order, up to the first that has a fault.
struct Settling<'a, F> {
    columns: &'a [&'a PlanColumn],
    file: &'a Path,
    rows: usize,
    fault: Option<Faults>,
    take: &'a mut F,
}

impl<F> Settling<'_, F> {
    fn settle<T>(&mut self, (rows, made): Visited<T>)
    where
        F: FnMut(T) -> Outcome<()>,
    {
        if self.fault.is_none() {
            let faults = |stop: typed::Stop| stop.into_faults(self.columns, self.file, self.rows);
            self.fault = made.map_err(faults).and_then(&mut self.take).err();
        }
        self.rows += rows;
        progress::rows(rows as u64);
    }

    /// All rows.
    fn done(self) -> Outcome<usize> {
        self.fault.map_or(Ok(self.rows), Err)
    }
}

/// Size of a file, and its XXH3-128 in hex, as a [`FileRecord`] has it.
///
/// # Errors
/// A file that cannot be read.
pub fn digest_file(path: &Path) -> std::io::Result<(u64, String)> {
    let (bytes, digest) = Digested::open(path)?.finish()?;
    Ok((bytes, format!("{digest:032x}")))
}

/// A file that is digested as it is read.
struct Digested {
    file: File,
    hasher: Xxh3,
    bytes: u64,
    /// True where what is read is worked on right away.
    shows_progress: bool,
}

impl Digested {
    fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self { file, hasher: Xxh3::new(), bytes: 0, shows_progress: false })
    }

    /// Size and digest of the whole file, what nobody has read among it.
    fn finish(mut self) -> std::io::Result<(u64, u128)> {
        let mut block = vec![0; 1 << 20];
        while self.read(&mut block)? > 0 {}
        Ok((self.bytes, self.hasher.digest128()))
    }
}

impl Read for Digested {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.bytes += read as u64;
        if self.shows_progress {
            progress::step(read as u64);
        }
        Ok(read)
    }
}

fn decompress<'a>(
    stored: &'a [u8],
    compression: Compression,
    file: &Path,
) -> Outcome<Cow<'a, [u8]>> {
    if compression == Compression::None {
        return Ok(Cow::Borrowed(stored));
    }
    let mut text = Vec::new();
    catalog::decompressed(stored, compression)
        .and_then(|mut reader| reader.read_to_end(&mut text))
        .map_err(|error| catalog::unreadable(file, &error))?;
    Ok(Cow::Owned(text))
}

/// Gives what becomes of the parts of a delimited text; false if it has a fault.
fn cut<T: Send, M: Fn(Loaded) -> Outcome<T> + Sync>(
    source: &Source,
    typing: &Typing<'_, M>,
    text: impl Read + Send,
    written: (u8, bool),
    settle: impl FnMut(Visited<T>),
) -> std::io::Result<bool> {
    let columns = typing.columns;
    let wanted = |header: &[String]| {
        let known = source.columns.iter().map(|column| column.name.as_str());
        known.eq(header.iter().map(String::as_str)).then(|| {
            let place = |name: &String| columns.iter().position(|column| column.name == *name);
            text::Wanted { columns: header.iter().map(place).collect(), nulls: &source.nulls }
        })
    };
    let make = |part: text::Part| {
        let series = part.cells.into_iter().zip(columns).map(|(cells, column)| {
            StringChunked::with_chunk(column.name.as_str().into(), cells).into_series()
        });
        typing.part(0, (series.collect(), part.records))
    };
    stretches::visit(text, written, wanted, make, settle)
}

/// Looks at a delimited file that cannot be cut, byte by byte and record by record, to say what is
/// wrong.
fn fault_of(
    source: &Source,
    file: &Path,
    compression: Compression,
    (delimiter, quoted): (u8, bool),
) -> Faults {
    let look = || -> Outcome<u64> {
        let stored = fs::read(file).map_err(|error| catalog::unreadable(file, &error))?;
        let text = decompress(&stored, compression, file)?;
        let mut bytes = &*text;
        while let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
            bytes = rest;
        }
        let fault = |fault: text::Fault| fault.into_diagnostic(file);
        let text = text::utf8(bytes).map_err(fault)?;
        let text = text::Delimited::open(text, delimiter, quoted).map_err(fault)?;
        let known = source.columns.iter().map(|column| column.name.as_str());
        if !known.eq(text.header.iter().map(String::as_str)) {
            return Err(changed(file).into());
        }
        Ok(text.walk().map_err(fault)?)
    };
    match look() {
        Err(faults) => faults,
        Ok(records) => Diagnostic::error(
            Code::AccountFault,
            format!("the file has {records} records, but not all can be read"),
        )
        .in_file(Site { file: file.to_path_buf(), ..Site::default() })
        .help("please report this: the two ways of reading must agree")
        .into(),
    }
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

fn ipc(columns: &[&PlanColumn], file: &Path) -> Outcome<Raw> {
    // Of no column only the number of rows is asked.
    let select: Vec<Expr> = match columns {
        [] => vec![len()],
        _ => columns.iter().map(|column| named(&column.name)).collect(),
    };
    let path = PlRefPath::new(file.to_string_lossy());
    let args = UnifiedScanArgs { glob: false, ..UnifiedScanArgs::default() };
    let scan = LazyFrame::scan_ipc(path, IpcScanOptions::default(), args);
    let frame = scan
        .and_then(|scan| super::collect(scan.select(select)))
        .map_err(|error| damaged(file, error))?;
    if columns.is_empty() {
        let rows = frame.columns().first().and_then(|rows| rows.get(0).ok()?.try_extract().ok());
        return Ok((Vec::new(), rows.unwrap_or(0)));
    }
    Ok((series_of(&frame), frame.height()))
}

/// A binary file that does not read. The engine's own words are left out.
fn damaged(file: &Path, error: PolarsError) -> Diagnostic {
    drop(error);
    Diagnostic::error(Code::UnreadableFile, "the file is damaged, or changed under way")
        .in_file(Site { file: file.to_path_buf(), ..Site::default() })
        .help("write it anew; the engine's own words are withheld, as they could quote data")
}
