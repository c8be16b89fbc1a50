//! What the sources look like, as plain data: names and types, no rows.

use std::path::PathBuf;

use serde::Serialize;

use super::{Away, Format, Type};
use crate::diagnostics::Span;

/// What the catalog is asked: where a source's files are and how to read their headers.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name of the source.
    pub name: String,
    /// Path or glob, seen from the working folder.
    pub pattern: PathBuf,
    /// How to read.
    pub format: Format,
    /// Where rows come from that are written down first, and then read from there.
    pub away: Option<Away>,
    /// The sheet of a workbook that is asked for by its name.
    pub sheet: Option<String>,
    /// Where the path stands in the pipeline file.
    pub span: Span,
}

impl Request {
    /// One file that no pipeline names.
    #[must_use]
    pub fn of_file(name: impl Into<String>, file: PathBuf, format: Format) -> Self {
        let (away, sheet) = (None, None);
        Self { name: name.into(), pattern: file, format, away, sheet, span: Span::default() }
    }
}

/// A column of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Name; headers of text files are trimmed.
    pub name: String,
    /// Type, or what stands there instead.
    pub ty: ColumnType,
}

/// The type of a source's column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text of a text file, to be read as this type while the rows come in. `format` is that of a
    /// declared date or datetime, in `strptime` notation.
    Parsed {
        /// The declared type; text where none is declared.
        ty: Type,
        /// The declared `strptime` format.
        format: Option<String>,
    },
    /// A typed column of Parquet or IPC.
    Stored(Type),
    /// A typed column of Parquet or IPC that this program does not use, by the engine's name.
    Unusable(String),
}

impl ColumnType {
    /// The type the column has once read, if it can be used.
    #[must_use]
    pub fn usable(&self) -> Option<Type> {
        match self {
            Self::Parsed { ty, .. } | Self::Stored(ty) => Some(*ty),
            Self::Unusable(_) => None,
        }
    }
}

/// The files of one source and what their headers or footers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The files, sorted by name.
    pub files: Vec<PathBuf>,
    /// Size of all files in bytes, as stored.
    pub bytes: u64,
    /// The columns; of text files all are text.
    pub columns: Vec<Column>,
    /// True where more columns may come later than the part that was looked at (NDJSON).
    pub open: bool,
}
