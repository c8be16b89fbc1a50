//! Writing frames to files, and reading them back to see that they say what was meant.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use polars::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::normalize::Kind;
use crate::plan::TargetFormat;

/// How datetimes stand in text files: RFC 3339, UTC, a fraction only where there is one.
const DATETIME: &str = "%Y-%m-%dT%H:%M:%S%.fZ";

/// Writes a frame; the file is complete and on disk when this returns.
pub fn write(file: &File, frame: &DataFrame, format: TargetFormat) -> PolarsResult<()> {
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    // Writers want one chunk a column; the frame itself stays as it is.
    let mut frame = frame.clone();
    match format {
        TargetFormat::Csv | TargetFormat::Tsv => {
            CsvWriter::new(&mut writer)
                .with_separator(separator(format))
                .with_datetime_format(Some(DATETIME.into()))
                .finish(&mut frame)?;
        }
        TargetFormat::Ndjson => {
            let mut frame = as_json(&frame)?;
            JsonWriter::new(&mut writer)
                .with_json_format(JsonFormat::JsonLines)
                .finish(&mut frame)?;
        }
        TargetFormat::Parquet => {
            ParquetWriter::new(&mut writer)
                .with_compression(ParquetCompression::Zstd(None))
                .finish(&mut frame)?;
        }
        TargetFormat::Ipc => {
            IpcWriter::new(&mut writer).finish(&mut frame)?;
        }
    }
    writer.flush()?;
    drop(writer);
    file.sync_all()?;
    Ok(())
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
    let mut reader = File::open(path)?;
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

/// Reads a written file back; `Err` says in what it differs from the frame, without any cell.
pub fn verify(path: &Path, frame: &DataFrame, format: TargetFormat) -> Result<(), String> {
    let failed = |error: PolarsError| {
        drop(error);
        "it cannot be read back".to_owned()
    };
    let back = match format {
        TargetFormat::Csv | TargetFormat::Tsv => return verify_text(path, frame, format),
        TargetFormat::Ndjson => return verify_lines(path, frame),
        TargetFormat::Parquet => {
            let file = File::open(path).map_err(|e| e.to_string())?;
            ParquetReader::new(file).finish().map_err(failed)?
        }
        TargetFormat::Ipc => {
            let file = File::open(path).map_err(|e| e.to_string())?;
            IpcReader::new(file).finish().map_err(failed)?
        }
    };
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

/// Compares a delimited file cell by cell as text: texts must be equal, nulls empty; other types
/// must be null exactly where they were.
fn verify_text(path: &Path, frame: &DataFrame, format: TargetFormat) -> Result<(), String> {
    let failed = |error: PolarsError| {
        drop(error);
        "it cannot be read back".to_owned()
    };
    let schema: Schema =
        frame.columns().iter().map(|c| Field::new(c.name().clone(), DataType::String)).collect();
    let header = {
        let mut line = String::new();
        let file = File::open(path).map_err(|e| e.to_string())?;
        BufReader::new(file).read_line(&mut line).map_err(|e| e.to_string())?;
        line
    };
    if header.is_empty() {
        return Err("it has no header".to_owned());
    }
    if frame.height() == 0 {
        return Ok(());
    }
    let back = LazyCsvReader::new(PlRefPath::new(path.to_string_lossy()))
        .with_glob(false)
        .with_schema(Some(Arc::new(schema)))
        .with_has_header(true)
        .with_separator(separator(format))
        .with_missing_is_null(true)
        .finish()
        .and_then(|scan| scan.collect_with_engine(Engine::Streaming))
        .map_err(failed)?
        .unwrap_single();
    if back.height() != frame.height() {
        return Err(format!("it has {} rows instead of {}", back.height(), frame.height()));
    }
    for (back, meant) in back.columns().iter().zip(frame.columns()) {
        let other = || format!("column `{}` has other values", meant.name());
        let back = back.as_materialized_series().str().map_err(failed)?.clone();
        let meant = meant.as_materialized_series();
        let equal = match meant.str() {
            Ok(texts) => back
                .iter()
                .zip(texts.iter())
                .all(|(back, meant)| back.unwrap_or_default() == meant.unwrap_or_default()),
            Err(_) => back.is_null().iter().eq(meant.is_null().iter()),
        };
        if !equal {
            return Err(other());
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
pub fn guard_formulas(frame: &DataFrame, kind: &dyn Fn(usize) -> Kind) -> PolarsResult<DataFrame> {
    let columns: PolarsResult<Vec<Column>> = frame
        .columns()
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let series = column.as_materialized_series();
            let Ok(texts) = series.str() else { return Ok(column.clone()) };
            let (phone, mail) = (kind(at) == Kind::Phone, kind(at) == Kind::Mail);
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
    use super::guarded;

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
