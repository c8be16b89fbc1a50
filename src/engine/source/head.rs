//! The head of a file: its first rows as texts, for who wants to see what a file is like.

use std::io::Read as _;
use std::path::Path;

use jiff::tz::TimeZone;
use polars::prelude::*;

use super::{catalog, damaged, named, ndjson, series_of, sheet, text, typed};
use crate::diagnostics::Outcome;
use crate::engine::cells::Cells;
use crate::plan::Format;
use crate::plan::catalog::{Column, ColumnType, Request};

/// How much of a text is looked at: 16 MiB.
const BYTES: u64 = 1 << 24;

/// The first rows of a file.
#[derive(Debug)]
pub struct Head {
    /// All columns.
    pub columns: Vec<Column>,
    /// By column the cells; none of a column that cannot be used. Nulls are those of the file; a text is
    /// as it stands.
    pub cells: Vec<Vec<Option<String>>>,
    /// How many rows were read.
    pub rows: usize,
    /// True if the file has no more.
    pub whole: bool,
}

/// Reads no more than the first `rows` rows of one file, and of a text no more than 16 MiB. The rows of a
/// text that is longer are read up to the last that is surely whole.
///
/// # Errors
/// What a run would find in these rows.
pub fn head(request: &Request, rows: usize) -> Outcome<Head> {
    let listing = catalog::list(request)?;
    let file = listing.files.first().map_or(request.pattern.as_path(), |file| file.as_path());
    let mut head = match request.format {
        Format::Delimited { delimiter, quoted, compression } => {
            let (bytes, whole) = first_bytes(file, compression)?;
            delimited(file, &bytes, (delimiter, quoted), whole)?
        }
        Format::Ndjson { compression } => {
            let (bytes, whole) = first_bytes(file, compression)?;
            lines(file, &bytes, rows, whole)?
        }
        Format::Excel => workbook(file, request.sheet.as_deref())?,
        Format::Parquet | Format::Ipc => binary(request.format, file, &listing.columns, rows)?,
    };
    if head.rows > rows {
        head.cells.iter_mut().for_each(|cells| cells.truncate(rows));
        (head.rows, head.whole) = (rows, false);
    }
    Ok(head)
}

/// The first bytes of a text, up to its last line end if there are more; and whether these are all.
fn first_bytes(file: &Path, compression: crate::plan::Compression) -> Outcome<(Vec<u8>, bool)> {
    let unreadable = |error: std::io::Error| catalog::unreadable(file, &error);
    let mut bytes = Vec::new();
    let stored = std::fs::File::open(file).map_err(unreadable)?;
    let reader = catalog::decompressed(stored, compression).map_err(unreadable)?;
    reader.take(BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    let whole = (bytes.len() as u64) < BYTES;
    if !whole && let Some(end) = memchr::memrchr(b'\n', &bytes) {
        bytes.truncate(end + 1);
    }
    Ok((bytes, whole))
}

/// A workbook is read whole: no row of it can be read alone.
fn workbook(file: &Path, name: Option<&str>) -> Outcome<Head> {
    let bytes = std::fs::read(file).map_err(|error| catalog::unreadable(file, &error))?;
    let fault = |fault: sheet::Fault| fault.into_diagnostic(file);
    let sheet = sheet::open(&bytes, name).map_err(fault)?;
    let names: Vec<&str> = sheet.header.iter().map(String::as_str).collect();
    let (series, rows) = sheet.columns(&names, &[]).map_err(fault)?;
    let texts = series.iter().map(|series| {
        let texts = series.str().into_iter().flat_map(ChunkedArray::iter);
        texts.map(|text| text.map(str::to_owned)).collect()
    });
    Ok(Head { cells: texts.collect(), columns: as_text(sheet.header), rows, whole: true })
}

fn as_text(names: Vec<String>) -> Vec<Column> {
    let text = || ColumnType::Parsed { ty: crate::plan::Type::Text, format: None };
    names.into_iter().map(|name| Column { name, ty: text() }).collect()
}

fn delimited(
    file: &Path,
    bytes: &[u8],
    (delimiter, quoted): (u8, bool),
    whole: bool,
) -> Outcome<Head> {
    let fault = |fault: text::Fault| fault.into_diagnostic(file);
    let readable = text::utf8(bytes).map_err(fault)?;
    let text = text::Delimited::open(readable, delimiter, quoted).map_err(fault)?;
    let nulls = [String::new()];
    let wanted =
        text::Wanted { columns: (0..text.header.len()).map(Some).collect(), nulls: &nulls };
    let Some(parts) = text.cut_at(&text.bounds(whole), &wanted, |part| part) else {
        let records = text.walk().map_err(fault)?;
        let fault = crate::diagnostics::Diagnostic::error(
            crate::diagnostics::Code::AccountFault,
            format!("the file has {records} records, but not all can be read"),
        );
        return Err(fault.into());
    };
    let mut cells: Vec<Vec<Option<String>>> = vec![Vec::new(); text.header.len()];
    let mut rows = 0;
    for part in parts {
        rows += part.records;
        for (column, part) in cells.iter_mut().zip(part.cells) {
            column.extend(part.iter().map(|cell| cell.map(str::to_owned)));
        }
    }
    Ok(Head { columns: as_text(text.header), cells, rows, whole })
}

fn lines(file: &Path, bytes: &[u8], rows: usize, whole: bool) -> Outcome<Head> {
    let fault = |fault: text::Fault| fault.into_diagnostic(file);
    let text = text::utf8(bytes).map_err(fault)?;
    let filled = text.lines().filter(|line| !line.trim().is_empty());
    let (read, all): (Vec<&str>, usize) =
        (filled.clone().take(rows).collect(), filled.clone().count());
    let first = read.join("\n");
    let names = ndjson::member_names(&first);
    let mut columns = as_text(names);
    let wanted: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let cells = match ndjson::read(&first, &wanted, &[]) {
        Ok(cells) => cells,
        // One member that cannot be used does not make the others so.
        Err(error) => {
            let mut cells = Vec::new();
            for column in &mut columns {
                if let Ok(mut read) = ndjson::read(&first, &[column.name.as_str()], &[]) {
                    cells.push(read.pop().unwrap_or_default());
                } else {
                    column.ty = ColumnType::Unusable("list or object".to_owned());
                    cells.push(Vec::new());
                }
            }
            if columns.iter().all(|column| column.ty.usable().is_none()) {
                return Err(fault(error).into());
            }
            cells
        }
    };
    Ok(Head { columns, cells, rows: read.len(), whole: whole && all == read.len() })
}

fn binary(format: Format, file: &Path, columns: &[Column], rows: usize) -> Outcome<Head> {
    let usable: Vec<&str> = columns
        .iter()
        .filter(|column| column.ty.usable().is_some())
        .map(|column| column.name.as_str())
        .collect();
    let fault = |error| damaged(file, error);
    let (frame, all) = if format == Format::Parquet {
        let open = || std::fs::File::open(file).map_err(|error| catalog::unreadable(file, &error));
        let all = ParquetReader::new(open()?).get_metadata().map_err(fault)?.num_rows;
        let names = usable.iter().map(|name| (*name).to_owned()).collect();
        let frame = ParquetReader::new(open()?)
            .with_columns(Some(names))
            .with_slice(Some((0, rows)))
            .finish()
            .map_err(fault)?;
        (frame, all)
    } else {
        let select: Vec<Expr> = usable.iter().map(|name| named(name)).collect();
        let path = PlRefPath::new(file.to_string_lossy());
        let args = UnifiedScanArgs { glob: false, ..UnifiedScanArgs::default() };
        let scan = LazyFrame::scan_ipc(path, IpcScanOptions::default(), args).map_err(fault)?;
        let limit = u32::try_from(rows).unwrap_or(u32::MAX).saturating_add(1);
        let frame = super::super::collect(scan.select(select).limit(limit)).map_err(fault)?;
        let all = frame.height();
        (frame, all)
    };
    let read = frame.height().min(rows);
    let of: Vec<&Column> =
        columns.iter().filter(|column| usable.contains(&column.name.as_str())).collect();
    let loaded = typed::all(series_of(&frame), &of, &TimeZone::UTC)
        .map_err(|stop| stop.into_faults(&of, file, 0))?;
    let mut texts = Vec::new();
    for column in loaded {
        let cells = Cells::of(&column.series)?;
        let text = |row: usize| {
            if cells.is_null(row) {
                return None;
            }
            match cells.text(row) {
                Some(text) => Some(text.into_owned()),
                None => column.series.get(row).ok().map(|value| value.to_string()),
            }
        };
        texts.push((0..read).map(text).collect::<Vec<_>>());
    }
    let mut texts = texts.into_iter();
    let cells = columns
        .iter()
        .map(|column| match column.ty.usable() {
            Some(_) => texts.next().unwrap_or_default(),
            None => Vec::new(),
        })
        .collect();
    Ok(Head { columns: columns.to_vec(), cells, rows: read, whole: all <= rows })
}
