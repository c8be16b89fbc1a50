//! Sources: where rows come from, and how they are read.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::address::is_address;
use super::catalog::Column;
use super::{Period, Plan};

/// Where rows come from: files of one format with the same columns.
#[derive(Clone, Debug, Serialize)]
pub struct Source {
    /// Name in the pipeline.
    pub name: String,
    /// The files, sorted by name.
    pub files: Vec<PathBuf>,
    /// Size of all files in bytes when they were listed, as stored.
    pub bytes: u64,
    /// How they are read.
    pub format: Format,
    /// Where its rows come from if that is not this machine; its files are then what they were written down in.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub away: Option<Away>,
    /// The sheet of a workbook; none for its only visible one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Texts that mean null (text formats only).
    pub nulls: Vec<String>,
    /// Zone of datetimes that have none, an IANA name.
    pub timezone: String,
    /// All columns with their types as they stand in the file or are declared.
    pub columns: Vec<Column>,
    /// May hold no rows although consent depends on it.
    pub allow_empty: bool,
    /// Oldest age allowed.
    pub stale_after: Option<Period>,
    /// Fewest rows allowed.
    pub min_rows: Option<u64>,
    /// Largest loss of rows against the run before, as a share from 0 to 1.
    pub max_drop: Option<f64>,
}

impl Source {
    /// A table that this program wrote, to be read back: `files` as `columns` say, an empty cell of a text being
    /// null.
    #[must_use]
    pub fn written(
        name: impl Into<String>,
        files: Vec<PathBuf>,
        format: Format,
        columns: Vec<Column>,
    ) -> Self {
        Self {
            name: name.into(),
            files,
            bytes: 0,
            format,
            away: None,
            sheet: None,
            nulls: vec![String::new()],
            timezone: "UTC".to_owned(),
            columns,
            allow_empty: true,
            stale_after: None,
            min_rows: None,
            max_drop: None,
        }
    }

    /// What is said of where rows come from: a file, an object, a Delta table, or the variable that says where a
    /// database is.
    #[must_use]
    pub fn shown(&self, file: &Path) -> PathBuf {
        let name = self.away.as_ref().and_then(|away| match away {
            Away::Database(database) => Some(format!("env:{}", database.variable)),
            Away::Objects(_) => self.object(file).map(|object| object.address.clone()),
            Away::Delta(delta) => Some(delta.address.clone()),
        });
        name.map_or_else(|| file.to_path_buf(), PathBuf::from)
    }

    /// What is said of the state of what a file holds: the `ETag` of an object, the version of a Delta table.
    #[must_use]
    pub fn state(&self, file: &Path) -> Option<String> {
        match &self.away {
            Some(Away::Delta(delta)) => delta.version.map(|version| format!("version {version}")),
            _ => self.object(file).map(|object| object.etag.clone()),
        }
    }

    fn object(&self, file: &Path) -> Option<&Object> {
        let Some(Away::Objects(objects)) = &self.away else { return None };
        // As texts: paths are compared part by part, and there may be thousands.
        let at = self.files.iter().position(|known| known.as_os_str() == file.as_os_str())?;
        objects.found.get(at)
    }
}

/// Where rows come from that are written down on this machine before they are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Away {
    /// A query of a database.
    Database(Database),
    /// Objects in a bucket of S3, Azure or Google Cloud.
    Objects(Objects),
    /// A Delta Lake table, here or in a bucket.
    Delta(Delta),
}

/// Objects of one address or pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Objects {
    /// As the pipeline file has it, such as `s3://bucket/folder/*.parquet`.
    pub address: String,
    /// What was found, in the order of the source's files.
    pub found: Vec<Object>,
}

/// An object in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Object {
    /// Its address.
    pub address: String,
    /// What the store calls this state of it; another state has another tag.
    pub etag: String,
}

/// A Delta Lake table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delta {
    /// Its folder: a path seen from the working folder, or an address such as `s3://bucket/folder`.
    pub address: String,
    /// The version that is asked for; none for the newest.
    pub version: Option<u64>,
}

impl Delta {
    /// Its folder, if that is on this machine.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        (!is_address(&self.address)).then(|| Path::new(&self.address))
    }
}

impl Plan {
    /// The folders of Delta tables on this machine that are read.
    pub fn delta_folders(&self) -> impl Iterator<Item = &Path> {
        let previous = self.identity.previous.iter().filter_map(|of| of.source.as_ref());
        self.sources.iter().chain(previous).filter_map(|source| match &source.away {
            Some(Away::Delta(delta)) => delta.folder(),
            _ => None,
        })
    }
}

/// A query of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Database {
    /// The variable of the environment that says where it is.
    pub variable: String,
    /// What is asked: one SELECT, without the semicolon at its end.
    pub query: String,
}

/// How the files of a source are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Delimited text with a header.
    Delimited {
        /// Delimiter, one ASCII byte.
        delimiter: u8,
        /// True where `"` quotes fields; false where it is a character like any other.
        quoted: bool,
        /// Compression of the file.
        compression: Compression,
    },
    /// One JSON object a line.
    Ndjson {
        /// Compression of the file.
        compression: Compression,
    },
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow IPC file.
    Ipc,
    /// A workbook of Excel or `OpenDocument`.
    Excel,
}

impl Format {
    /// Comma-separated text, or with tabs, as this program writes it.
    #[must_use]
    pub const fn written_text(delimiter: u8) -> Self {
        Self::Delimited { delimiter, quoted: true, compression: Compression::None }
    }
}

/// Compression of a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// None.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}
