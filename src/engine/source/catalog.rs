//! The catalog: which files a source has and what their headers or footers say. Reads no rows.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::{ndjson, sheet, text};
use crate::diagnostics::{Code, Diagnostic, Site, advice};
use crate::plan::catalog::{Column, ColumnType, Listing, Request};
use crate::plan::{Compression, Format, Type};

/// How much of a text file is looked at for its header (NDJSON: for the names of its members).
const HEAD: u64 = 1 << 20;

/// Lists a source's files and reads its columns.
///
/// # Errors
/// No file, an unreadable one, a header that cannot be used, files that do not agree.
pub fn list(request: &Request) -> Result<Listing, Diagnostic> {
    list_unless(request, |_| None)
}

/// As [`list()`], unless the files are refused before they are opened.
///
/// # Errors
/// As [`list()`], and what `refuse` says of the files.
pub fn list_unless(
    request: &Request,
    refuse: impl FnOnce(&[PathBuf]) -> Option<Diagnostic>,
) -> Result<Listing, Diagnostic> {
    let files = files(request)?;
    match refuse(&files) {
        Some(fault) => Err(fault),
        None => of_files(request, files),
    }
}

/// The columns of files that are known already.
///
/// # Errors
/// An unreadable one, a header that cannot be used, files that do not agree.
pub fn of_files(request: &Request, files: Vec<PathBuf>) -> Result<Listing, Diagnostic> {
    let mut first: Option<(PathBuf, Vec<Column>)> = None;
    for file in &files {
        let columns =
            columns(file, request).map_err(|fault| fault.at(request.span, "this source"))?;
        match &mut first {
            None => first = Some((file.clone(), columns)),
            // Members of NDJSON may be missing from any file.
            Some((_, known)) if matches!(request.format, Format::Ndjson { .. }) => {
                for column in columns {
                    if !known.iter().any(|k| k.name == column.name) {
                        known.push(column);
                    }
                }
            }
            Some((name, known)) if *known != columns => {
                return Err(Diagnostic::error(
                    Code::SchemaMismatch,
                    format!("files of source `{}` have different columns", request.name),
                )
                .at(request.span, "this source")
                .in_file(Site { file: file.clone(), ..Site::default() })
                .help(format!(
                    "it differs from {}; the same columns in the same order are needed",
                    name.display()
                )));
            }
            Some(_) => {}
        }
    }
    let bytes = files.iter().filter_map(|file| fs::metadata(file).ok()).map(|m| m.len()).sum();
    let open = matches!(request.format, Format::Ndjson { .. });
    Ok(Listing {
        bytes,
        files,
        columns: first.map(|(_, columns)| columns).unwrap_or_default(),
        open,
    })
}

fn files(request: &Request) -> Result<Vec<PathBuf>, Diagnostic> {
    let missing = |what: String| {
        Diagnostic::error(Code::MissingFile, what).at(request.span, "this path").help(
            if request.name == "identity.previous" {
                "before the first run write `previous: { path: .., allow_missing: true }`"
            } else {
                "paths are relative to the pipeline file"
            },
        )
    };
    // A pipe would be waited for, and could be read only once.
    let irregular = |path: &Path| {
        missing(format!("{} is no regular file", path.display()))
            .help("write what it gives to a file first")
    };
    let pattern = request.pattern.to_string_lossy();
    if request.pattern.is_file() || !pattern.contains(['*', '?', '[']) {
        return match fs::metadata(&request.pattern) {
            Ok(found) if found.is_file() => Ok(vec![request.pattern.clone()]),
            Ok(found) if found.is_dir() => Err(missing(format!("{pattern} is a folder"))
                .help("name the files in it with a glob such as `folder/*.csv`")),
            Ok(_) => Err(irregular(&request.pattern)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::symlink_metadata(&request.pattern).is_ok() {
                    return Err(missing(format!("{pattern} is a link that leads nowhere"))
                        .help("put back what it leads to, or name the file itself"));
                }
                Err(missing(format!("there is no file {pattern}")))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotADirectory
                        | io::ErrorKind::InvalidFilename
                        | io::ErrorKind::InvalidInput
                ) =>
            {
                Err(missing(format!("there is no file {pattern}")).help(advice(&error)))
            }
            Err(error) => Err(unreadable(&request.pattern, &error).at(request.span, "this path")),
        };
    }
    let paths = glob::glob(&pattern).map_err(|error| {
        Diagnostic::error(Code::BadValue, format!("not a glob: {}", error.msg))
            .at(request.span, "this pattern")
    })?;
    // What the pattern names but nobody can read must not vanish: it may hold denials.
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            unreadable(error.path(), error.error()).at(request.span, "this pattern")
        })?;
        let metadata = fs::metadata(&path)
            .map_err(|error| unreadable(&path, &error).at(request.span, "this pattern"))?;
        if metadata.is_file() {
            files.push(path);
        } else if !metadata.is_dir() {
            return Err(irregular(&path));
        }
    }
    files.sort_unstable();
    if files.is_empty() {
        return Err(missing(format!("no file matches {pattern}")));
    }
    Ok(files)
}

/// The fault for a file that cannot be read.
#[must_use]
pub fn unreadable(file: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error(Code::UnreadableFile, format!("the file cannot be read: {error}"))
        .in_file(Site { file: file.to_path_buf(), ..Site::default() })
        .help(advice(error))
}

fn columns(file: &Path, request: &Request) -> Result<Vec<Column>, Diagnostic> {
    let as_text = |names: Vec<String>| -> Vec<Column> {
        let text = || ColumnType::Parsed { ty: Type::Text, format: None };
        names.into_iter().map(|name| Column { name, ty: text() }).collect()
    };
    match request.format {
        Format::Delimited { delimiter, quoted, compression } => {
            let head = head(file, compression)?;
            let text = head_text(&head, file)?;
            let text = text::Delimited::open(text, delimiter, quoted)
                .map_err(|fault| fault.into_diagnostic(file))?;
            Ok(as_text(text.header))
        }
        Format::Ndjson { compression } => {
            let head = head(file, compression)?;
            let text = head_text(&head, file)?;
            let names = ndjson::member_names(text);
            let first = text.find('\n').map_or(text.len(), |end| end + 1);
            if names.is_empty() && (head.len() as u64) < HEAD {
                // Else every member would be unknown, and the pipeline file would be blamed.
                ndjson::read(&text[..first], &[], &[])
                    .map_err(|fault| fault.into_diagnostic(file))?;
            }
            Ok(as_text(names))
        }
        Format::Parquet => {
            let reader = open(file)?;
            let read = move || ParquetReader::new(reader).schema().ok();
            let schema = unbroken(read).ok_or_else(|| damaged(file, "Parquet"))?;
            Ok(stored(&schema))
        }
        Format::Ipc => {
            let reader = open(file)?;
            let read = move || IpcReader::new(reader).schema().ok();
            let schema = unbroken(read).ok_or_else(|| damaged(file, "Arrow IPC"))?;
            Ok(stored(&schema))
        }
        Format::Excel => {
            let bytes = fs::read(file).map_err(|error| unreadable(file, &error))?;
            let names = sheet::columns(&bytes, request.sheet.as_deref());
            Ok(as_text(names.map_err(|fault| fault.into_diagnostic(file))?))
        }
    }
}

/// Where the footer begins in an IPC file of `size` bytes whose last ten are `tail`; none if it is no IPC file.
#[must_use]
pub fn ipc_footer(size: u64, tail: &[u8]) -> Option<u64> {
    let (length, magic) = tail.split_at_checked(4)?;
    let length = u64::try_from(i32::from_le_bytes(length.try_into().ok()?)).ok()?;
    (magic == b"ARROW1").then(|| size.checked_sub(10 + length))?
}

/// The readers panic on some damaged files; a panic is as good as no schema.
fn unbroken<T>(read: impl FnOnce() -> Option<T>) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).ok().flatten()
}

fn open(file: &Path) -> Result<File, Diagnostic> {
    File::open(file).map_err(|error| unreadable(file, &error))
}

fn damaged(file: &Path, format: &str) -> Diagnostic {
    Diagnostic::error(Code::UnreadableFile, format!("the file is no {format} file, or damaged"))
        .in_file(Site { file: file.to_path_buf(), ..Site::default() })
        .help("have it written anew, or say with `format` what it is")
}

/// The first bytes of a text file.
fn head(file: &Path, compression: Compression) -> Result<Vec<u8>, Diagnostic> {
    let mut head = Vec::new();
    decompressed(open(file)?, compression)
        .and_then(|reader| reader.take(HEAD).read_to_end(&mut head))
        .map_err(|error| unreadable(file, &error))?;
    Ok(head)
}

/// A reader of a file's text bytes.
pub fn decompressed<'a>(
    stored: impl io::Read + Send + 'a,
    compression: Compression,
) -> io::Result<Box<dyn io::Read + Send + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(stored),
        Compression::Gzip => {
            Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(stored)))
        }
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(stored)?),
    })
}

/// The head as text; what is cut off in the middle of a character or line does not count.
fn head_text<'a>(head: &'a [u8], file: &Path) -> Result<&'a str, Diagnostic> {
    let mut part = head;
    if u64::try_from(head.len()).is_ok_and(|length| length >= HEAD)
        && let Some(end) = memchr::memrchr(b'\n', head)
    {
        part = &head[..=end];
    }
    text::utf8(part).map_err(|fault| fault.into_diagnostic(file))
}

fn stored(schema: &ArrowSchema) -> Vec<Column> {
    schema
        .iter_values()
        .map(|field| {
            let dtype = DataType::from_arrow_field(field);
            let ty = match type_of(&dtype) {
                Some(ty) => ColumnType::Stored(ty),
                None => ColumnType::Unusable(dtype.to_string()),
            };
            Column { name: field.name.to_string(), ty }
        })
        .collect()
}

/// The type that a column of the engine's type is used as.
fn type_of(dtype: &DataType) -> Option<Type> {
    match dtype {
        DataType::String | DataType::Categorical(..) | DataType::Enum(..) => Some(Type::Text),
        DataType::Boolean => Some(Type::Bool),
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Some(Type::Int),
        DataType::Float32 | DataType::Float64 => Some(Type::Float),
        DataType::Decimal(_, scale) => Some(Type::Decimal(u8::try_from(*scale).ok()?)),
        DataType::Date => Some(Type::Date),
        DataType::Datetime(..) => Some(Type::Datetime),
        _ => None,
    }
}
