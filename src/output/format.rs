//! Writing rows to files, and reading them back to see that they say what was meant.
//!
//! Rows come in pieces. Those of delimited text and of Parquet are made and encoded several at
//! once, and forgotten when they are in the file: what remains of a piece is where it stands and a
//! fingerprint of each of its columns. Reading back compares with these.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use polars::io::parquet::write::BatchedWriter as RowGroups;
use polars::prelude::*;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::audience::Hashing;
use super::disk::Stored;
use super::workbook;
use crate::diagnostics::{Faults, Outcome};
use crate::engine::source::{Raw, parquet as groups, text};
use crate::engine::{Memory, Rows, progress};
use crate::normalize::Kind;
use crate::plan::TargetFormat;

/// How datetimes stand in text files: RFC 3339, UTC, a fraction only where there is one.
pub const DATETIME: &str = "%Y-%m-%dT%H:%M:%S%.fZ";

/// Rows as they are meant to stand in a file.
pub struct Meant<'a> {
    /// The rows.
    pub rows: &'a Rows<'a>,
    /// What makes a platform's columns of them, if they are an audience.
    pub hashing: Option<&'a Hashing<'a>>,
    /// What each column holds, if formulas in texts are to be guarded.
    pub guard: Option<Vec<Kind>>,
    /// The memory that there is.
    pub memory: &'a Memory,
}

impl Meant<'_> {
    /// Some of the pieces, as they are to stand in the file.
    pub fn some(&self, pieces: Range<usize>) -> Result<Vec<DataFrame>, Stop> {
        let first = pieces.start * Rows::piece_rows();
        let mut pieces = self.rows.some(pieces)?;
        if let Some(hashing) = self.hashing {
            let hashed = pieces
                .into_par_iter()
                .enumerate()
                .map(|(at, piece)| hashing.piece(&piece, first + at * Rows::piece_rows()));
            pieces = hashed.collect::<Outcome<_>>()?;
        }
        progress::step(pieces.iter().map(|piece| piece.height() as u64).sum());
        Ok(match &self.guard {
            Some(kinds) => pieces
                .par_iter()
                .map(|piece| guard_formulas(piece, kinds))
                .collect::<PolarsResult<_>>()?,
            None => pieces,
        })
    }

    /// So many pieces are in memory at once: more of them go through memory less often.
    pub fn at_once(&self) -> usize {
        if self.memory.is_tight() { 2 } else { 8 }
    }

    fn whole(&self) -> Result<DataFrame, Stop> {
        let mut pieces = self.some(0..self.rows.pieces())?.into_iter();
        let mut whole = pieces.next().unwrap_or_default();
        for piece in pieces {
            whole.vstack_mut(&piece)?;
        }
        Ok(whole)
    }
}

/// Why a file could not be written.
#[derive(Debug)]
pub enum Stop {
    /// Its rows could not be made.
    Rows(Faults),
    /// They could not be encoded; in words that cannot quote a cell, and what to do.
    File(&'static str, &'static str),
    /// They cannot be divided into folders by their values; in words that quote none, and what to do.
    Values(String, &'static str),
    /// They could not be stored.
    Disk(std::io::Error),
}

impl From<Faults> for Stop {
    fn from(faults: Faults) -> Self {
        Self::Rows(faults)
    }
}

impl From<PolarsError> for Stop {
    fn from(error: PolarsError) -> Self {
        match error {
            PolarsError::IO { error, .. } => Self::Disk(match error.raw_os_error() {
                Some(number) => std::io::Error::from_raw_os_error(number),
                None => error.kind().into(),
            }),
            _ => Self::File(
                "the engine could not encode it",
                "write another format; if that fails too, please report it without the data",
            ),
        }
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

/// What was written, to compare with what is read.
pub enum Proof {
    /// Pieces behind each other.
    Pieces(Vec<Piece>),
    /// All rows; small files and those of which no part can be read alone.
    Whole(DataFrame),
}

/// A piece of a file.
pub struct Piece {
    /// Where it begins in delimited text, and its length there.
    place: (u64, usize),
    /// Rows.
    pub rows: usize,
    /// The types of its columns.
    pub schema: SchemaRef,
    /// A fingerprint of each column.
    prints: Vec<u64>,
}

impl Piece {
    /// Of rows as they are to be written.
    ///
    /// # Errors
    /// A type that no column is written as.
    pub fn of(frame: &DataFrame, is_text: bool) -> PolarsResult<Self> {
        let prints = frame.columns().iter().map(|column| {
            let series = column.as_materialized_series();
            if is_text { Ok(print_as_text(series)) } else { print(series) }
        });
        Ok(Self {
            place: (0, 0),
            rows: frame.height(),
            schema: frame.schema().clone(),
            prints: prints.collect::<PolarsResult<_>>()?,
        })
    }
}

/// Writes rows; the file is complete and on disk when this returns.
pub fn write(file: &File, meant: &Meant<'_>, format: TargetFormat) -> Result<Proof, Stop> {
    let proof = match format {
        TargetFormat::Csv | TargetFormat::Tsv => write_text(file, meant, format)?,
        TargetFormat::Parquet => write_parquet(file, meant)?,
        TargetFormat::Ndjson => {
            let whole = meant.whole()?;
            let mut writer = BufWriter::with_capacity(1 << 20, Stored(file));
            let mut json = as_json(&whole)?;
            JsonWriter::new(&mut writer)
                .with_json_format(JsonFormat::JsonLines)
                .finish(&mut json)?;
            writer.flush()?;
            Proof::Whole(whole)
        }
        TargetFormat::Ipc => {
            let whole = meant.whole()?;
            let mut writer = BufWriter::with_capacity(1 << 20, Stored(file));
            IpcWriter::new(&mut writer).finish(&mut whole.clone())?;
            writer.flush()?;
            Proof::Whole(whole)
        }
        TargetFormat::Xlsx => {
            let whole = meant.whole()?;
            workbook::write(&whole, &mut Stored(file))?;
            Proof::Whole(whole)
        }
    };
    Stored(file).sync()?;
    Ok(proof)
}

/// Makes and encodes some pieces at once, and stores them one after the other.
fn in_pieces<T: Send>(
    meant: &Meant<'_>,
    encode: impl Fn(usize, &DataFrame) -> PolarsResult<T> + Sync,
    is_text: bool,
    mut store: impl FnMut(T, &mut Piece) -> Result<(), Stop>,
) -> Result<Proof, Stop> {
    let at_once = meant.at_once();
    let mut pieces = Vec::new();
    let count = meant.rows.pieces();
    for start in (0..count).step_by(at_once) {
        let frames = meant.some(start..count.min(start + at_once))?;
        let encoded: PolarsResult<Vec<(T, Piece)>> = frames
            .into_par_iter()
            .enumerate()
            .map(|(at, frame)| {
                let piece = Piece::of(&frame, is_text)?;
                Ok((encode(start + at, &frame)?, piece))
            })
            .collect();
        for (encoded, mut piece) in encoded? {
            store(encoded, &mut piece)?;
            pieces.push(piece);
        }
    }
    Ok(Proof::Pieces(pieces))
}

fn write_text(file: &File, meant: &Meant<'_>, format: TargetFormat) -> Result<Proof, Stop> {
    let mut file = Stored(file);
    let encode = |at: usize, frame: &DataFrame| {
        let mut bytes = Vec::new();
        CsvWriter::new(&mut bytes)
            .include_header(at == 0)
            .with_separator(separator(format))
            .with_datetime_format(Some(DATETIME.into()))
            .n_threads(1)
            .finish(&mut frame.clone())?;
        Ok(bytes)
    };
    let mut offset = 0;
    in_pieces(meant, encode, true, |bytes: Vec<u8>, piece| {
        if memchr::memchr(0, &bytes).is_some() {
            // What reads text files refuses such a file, our own reader among them.
            return Err(Stop::File(
                "a text holds a NUL character, which text files cannot hold",
                "write Parquet or Arrow IPC, or correct the source",
            ));
        }
        file.write_all(&bytes)?;
        piece.place = (offset, bytes.len());
        offset += bytes.len() as u64;
        Ok(())
    })
}

fn write_parquet(file: &File, meant: &Meant<'_>) -> Result<Proof, Stop> {
    let writer = BufWriter::with_capacity(1 << 20, Stored(file));
    let writer = parquet(writer, &*meant.rows.schema()?)?;
    let encode =
        |_, frame: &DataFrame| writer.encode_and_compress(frame).collect::<PolarsResult<Vec<_>>>();
    let proof = in_pieces(meant, encode, false, |groups, _| Ok(writer.write_row_groups(groups)?))?;
    writer.finish()?;
    Ok(proof)
}

/// What writes a Parquet file, row group by row group.
pub fn parquet<W: std::io::Write>(to: W, schema: &Schema) -> PolarsResult<RowGroups<W>> {
    ParquetWriter::new(to).with_compression(ParquetCompression::Zstd(None)).batched(schema)
}

/// A fingerprint of a column's values and of which are null, in their order.
///
/// # Errors
/// A type that no column is written as.
pub fn print(series: &Series) -> PolarsResult<u64> {
    let mut all = 0;
    each(series, |value| all = mix_value(all, value))?;
    Ok(all)
}

/// Gives each value of a column as a number that stands for it; none for null.
///
/// # Errors
/// A type that no column is written as.
pub fn each(series: &Series, see: impl FnMut(Option<u64>)) -> PolarsResult<()> {
    let physical = series.to_physical_repr();
    match physical.dtype() {
        DataType::String => {
            physical.str()?.iter().map(|text| text.map(of_text)).for_each(see);
        }
        DataType::Boolean => physical.bool()?.iter().map(|bool| bool.map(u64::from)).for_each(see),
        DataType::Int64 => physical.i64()?.iter().map(|int| int.map(of_int)).for_each(see),
        DataType::Int32 => {
            physical.i32()?.iter().map(|int| int.map(|int| of_int(int.into()))).for_each(see);
        }
        DataType::Float64 => physical.f64()?.iter().map(|of| of.map(f64::to_bits)).for_each(see),
        _ => physical
            .i128()?
            .iter()
            .map(|int| int.map(|int| xxh3_64(&int.to_le_bytes())))
            .for_each(see),
    }
    Ok(())
}

/// What stands for a text.
pub fn of_text(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// What stands for a whole number, or the days of a date.
pub const fn of_int(int: i64) -> u64 {
    int.cast_unsigned()
}

/// Adds whether there is a value, then the value: no bit of it is lost.
pub fn mix_value(all: u64, value: Option<u64>) -> u64 {
    mix(mix(all, u64::from(value.is_some())), value.unwrap_or_default())
}

/// As [`print()`], as far as delimited text keeps it: an empty text is null; of other types only
/// which cells are null.
fn print_as_text(series: &Series) -> u64 {
    match series.str() {
        Ok(texts) => print_texts(texts.iter()),
        Err(_) => print_nulls(series.is_null().iter().map(|null| null.unwrap_or(true))),
    }
}

fn print_texts<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> u64 {
    texts.fold(0, |all, text| mix(all, xxh3_64(text.unwrap_or_default().as_bytes())))
}

fn print_nulls(nulls: impl Iterator<Item = bool>) -> u64 {
    nulls.fold(0, |all, null| mix(all, u64::from(null)))
}

/// Adds a value to a fingerprint; the order counts.
const fn mix(all: u64, value: u64) -> u64 {
    // An odd factor (the golden ratio's fraction) and a shift spread each value over all bits.
    let mixed = (all ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

fn separator(format: TargetFormat) -> u8 {
    if format == TargetFormat::Tsv { b'\t' } else { b',' }
}

/// JSON has no dates: they leave as the text they have in CSV.
fn as_json(frame: &DataFrame) -> PolarsResult<DataFrame> {
    let columns: PolarsResult<Vec<Column>> = frame
        .columns()
        .iter()
        .map(|column| {
            let series = column.as_materialized_series();
            Ok(match series.dtype() {
                DataType::Datetime(..) => {
                    Column::from(series.datetime()?.to_string(DATETIME)?.into_series())
                }
                DataType::Date => Column::from(series.date()?.to_string("%Y-%m-%d")?.into_series()),
                _ => column.clone(),
            })
        })
        .collect();
    DataFrame::new(frame.height(), columns?)
}

/// Size and SHA-256 of a file.
pub fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut reader = super::disk::open(path)?;
    let mut block = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let read = reader.read(&mut block)?;
        if read == 0 {
            let hex = crate::plan::hex(&hasher.finalize());
            return Ok((bytes, hex));
        }
        bytes += read as u64;
        hasher.update(&block[..read]);
    }
}

/// Reads a written file back; `Err` says in what it differs from what was meant, without any cell.
pub fn verify(path: &Path, proof: &Proof, format: TargetFormat) -> Result<(), String> {
    match (proof, format) {
        (Proof::Pieces(pieces), TargetFormat::Parquet) => verify_groups(path, pieces),
        (Proof::Pieces(pieces), _) => verify_text(path, pieces, separator(format)),
        (Proof::Whole(frame), TargetFormat::Ndjson) => verify_lines(path, frame),
        (Proof::Whole(frame), TargetFormat::Xlsx) => workbook::verify(path, frame),
        (Proof::Whole(frame), _) => verify_ipc(path, frame),
    }
}

pub fn unreadable<E>(error: E) -> String {
    drop(error);
    "it cannot be read back".to_owned()
}

/// Says of the first column that differs that it does.
fn compare(piece: &Piece, rows: usize, prints: &[u64]) -> Result<(), String> {
    if rows != piece.rows {
        return Err(format!("a piece has {rows} rows instead of {}", piece.rows));
    }
    let names = piece.schema.iter_names();
    let differs = names.zip(&piece.prints).zip(prints).find(|((_, meant), back)| meant != back);
    match differs {
        Some(((name, _), _)) => Err(format!("column `{name}` has other values")),
        None => Ok(()),
    }
}

/// Compares the row groups of a Parquet file with the pieces they were made of.
fn verify_groups(path: &Path, pieces: &[Piece]) -> Result<(), String> {
    verify_rows(path, pieces, &|_, _| Ok(())).map(drop)
}

/// As [`verify_groups`]; `see` makes something of the columns of each group and its number of rows.
pub fn verify_rows<T: Send>(
    path: &Path,
    pieces: &[Piece],
    see: &(impl Fn(&[Series], usize) -> PolarsResult<T> + Sync),
) -> Result<Vec<T>, String> {
    let Some(first) = pieces.first() else { return Ok(Vec::new()) };
    let names: Vec<String> = first.schema.iter_names().map(ToString::to_string).collect();
    let mut groups = Vec::new();
    let look = |_, (series, rows): Raw| {
        let same = first.schema.iter_values().eq(series.iter().map(|series| series.dtype()));
        let prints = series.iter().map(print).collect::<PolarsResult<Vec<_>>>();
        (same, rows, prints.and_then(|prints| Ok((prints, see(&series, rows)?))))
    };
    groups::visit(&names, path, |_, _| true, look, |group| groups.push(group))
        .map_err(unreadable)?;
    if groups.len() != pieces.len() {
        return Err(format!("it has {} row groups instead of {}", groups.len(), pieces.len()));
    }
    let mut seen = Vec::new();
    for ((same, rows, read), piece) in groups.into_iter().zip(pieces) {
        if !same {
            return Err("it has columns of other types".to_owned());
        }
        let (prints, of) = read.map_err(unreadable)?;
        compare(piece, rows, &prints)?;
        seen.push(of);
    }
    Ok(seen)
}

/// Cuts the pieces of a delimited file anew and compares their cells as texts.
fn verify_text(path: &Path, pieces: &[Piece], delimiter: u8) -> Result<(), String> {
    let file = File::open(path).map_err(unreadable)?;
    let end: u64 = pieces.iter().map(|piece| piece.place.1 as u64).sum();
    if file.metadata().map_err(unreadable)?.len() != end {
        return Err("it has another size".to_owned());
    }
    let mut header = Vec::new();
    BufReader::new(&file).read_until(b'\n', &mut header).map_err(unreadable)?;
    pieces.par_iter().enumerate().try_for_each(|(at, piece)| {
        let mut bytes = if at == 0 { Vec::new() } else { header.clone() };
        let start = bytes.len();
        bytes.resize(start + piece.place.1, 0);
        file.read_exact_at(&mut bytes[start..], piece.place.0).map_err(unreadable)?;
        let text = text::utf8(&bytes).map_err(unreadable)?;
        let text = text::Delimited::open(text, delimiter, true).map_err(unreadable)?;
        if text.header.len() != piece.schema.len() {
            return Err(format!("it has {} columns", text.header.len()));
        }
        let nulls = [String::new()];
        let columns = (0..text.header.len()).map(Some).collect();
        let parts = text
            .cut(&text::Wanted { columns, nulls: &nulls }, |part| part)
            .ok_or_else(|| unreadable(()))?;
        let prints: Vec<u64> = piece
            .schema
            .iter_values()
            .enumerate()
            .map(|(column, dtype)| {
                let cells = || parts.iter().flat_map(|part| part.cells[column].iter());
                if *dtype == DataType::String {
                    print_texts(cells())
                } else {
                    print_nulls(cells().map(|cell| cell.is_none()))
                }
            })
            .collect();
        compare(piece, parts.iter().map(|part| part.records).sum(), &prints)
    })
}

fn verify_ipc(path: &Path, frame: &DataFrame) -> Result<(), String> {
    let back = File::open(path)
        .map_err(unreadable)
        .and_then(|file| IpcReader::new(file).finish().map_err(unreadable))?;
    if back.height() != frame.height() {
        return Err(format!("it has {} rows instead of {}", back.height(), frame.height()));
    }
    if back.schema() != frame.schema() {
        return Err("it has other columns".to_owned());
    }
    for (back, meant) in back.columns().iter().zip(frame.columns()) {
        let (back, meant) = (back.as_materialized_series(), meant.as_materialized_series());
        if !back.equals_missing(meant) {
            return Err(format!("column `{}` has other values", meant.name()));
        }
    }
    Ok(())
}

fn verify_lines(path: &Path, frame: &DataFrame) -> Result<(), String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let texts: Vec<(&str, StringChunked)> = frame
        .columns()
        .iter()
        .filter_map(|column| {
            Some((column.name().as_str(), column.as_materialized_series().str().ok()?.clone()))
        })
        .collect();
    let mut cells: Vec<_> = texts.iter().map(|(name, cells)| (*name, cells.iter())).collect();
    let mut rows = 0;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|e| e.to_string())?;
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&line).map_err(|_| "a line is no JSON object".to_owned())?;
        for (name, cells) in &mut cells {
            let meant = cells.next().flatten();
            if object.get(*name).and_then(serde_json::Value::as_str) != meant {
                return Err(format!("column `{name}` has other values"));
            }
        }
        rows += 1;
    }
    if rows != frame.height() {
        return Err(format!("it has {rows} rows instead of {}", frame.height()));
    }
    Ok(())
}

/// Guards text cells that a spreadsheet would run as a formula, with a leading apostrophe.
///
/// Source: OWASP, "CSV Injection": cells that begin with = + - @, tab or carriage return.
/// In a column of phones a number with a leading +, in one of mails a plain address, is left as it is:
/// neither holds a formula, and a contact point must not become another one.
fn guard_formulas(frame: &DataFrame, kinds: &[Kind]) -> PolarsResult<DataFrame> {
    let columns: PolarsResult<Vec<Column>> = frame
        .columns()
        .iter()
        .zip(kinds)
        .map(|(column, kind)| {
            let series = column.as_materialized_series();
            let Ok(texts) = series.str() else { return Ok(column.clone()) };
            let (phone, mail) = (*kind == Kind::Phone, *kind == Kind::Mail);
            let guarded = texts.apply_values(|text| guarded(text, phone, mail));
            Ok(Column::from(guarded.into_series()))
        })
        .collect();
    DataFrame::new(frame.height(), columns?)
}

/// An address of plain characters: it holds no formula, and guarding it would make it another one.
fn is_plain_mail(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && local.bytes().all(plain)
            && domain.bytes().all(|b| plain(b) && b != b'+')
    })
}

fn guarded(text: &str, phone: bool, mail: bool) -> Cow<'_, str> {
    let risky = matches!(text.as_bytes().first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r'));
    let plain_phone = phone
        && text.strip_prefix('+').is_some_and(|rest| {
            rest.bytes().any(|b| b.is_ascii_digit())
                && rest
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b' ' | b'(' | b')' | b'.' | b'-' | b'/'))
        });
    if risky && !plain_phone && !(mail && is_plain_mail(text)) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::{guarded, print};

    #[test]
    fn fingerprints_tell_every_bit_the_order_and_what_is_null() {
        let floats = |values: &[Option<f64>]| {
            print(&Float64Chunked::from_slice_options("".into(), values).into_series())
                .expect("a type that is written")
        };
        let ints = |values: &[Option<i64>]| {
            print(&Int64Chunked::from_slice_options("".into(), values).into_series())
                .expect("a type that is written")
        };
        assert_ne!(floats(&[Some(1.5)]), floats(&[Some(-1.5)]));
        assert_ne!(ints(&[Some(0)]), ints(&[Some(i64::MIN)]));
        assert_ne!(ints(&[Some(0)]), ints(&[None]));
        assert_ne!(ints(&[Some(1), Some(2)]), ints(&[Some(2), Some(1)]));
        assert_ne!(ints(&[None, Some(0)]), ints(&[Some(0), None]));
        assert_eq!(ints(&[None, Some(7)]), ints(&[None, Some(7)]));
        let other = UInt8Chunked::from_slice("".into(), &[1]).into_series();
        assert!(print(&other).is_err(), "a type without a fingerprint is no proof");
    }

    #[test]
    fn formulas_are_guarded_and_phones_are_not() {
        assert_eq!(guarded("=HYPERLINK(\"x\")", false, false), "'=HYPERLINK(\"x\")");
        assert_eq!(guarded("-1", false, false), "'-1");
        assert_eq!(guarded("\t=1", false, false), "'\t=1");
        assert_eq!(guarded("a=1", false, false), "a=1");
        assert_eq!(guarded("+49 (170) 123-4567", true, false), "+49 (170) 123-4567");
        assert_eq!(guarded("+49 170 1234567", false, false), "'+49 170 1234567");
        assert_eq!(guarded("+1+cmd|' /C calc'!A0", true, false), "'+1+cmd|' /C calc'!A0");
        assert_eq!(guarded("", true, false), "");
        assert_eq!(guarded("+promo@x.org", false, true), "+promo@x.org");
        assert_eq!(guarded("=1+1@x.org", false, true), "'=1+1@x.org");
        assert_eq!(guarded("@x.org", false, true), "'@x.org");
    }
}
