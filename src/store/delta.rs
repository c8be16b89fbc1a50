//! Delta Lake tables: the rows of one version, written down as Parquet. What a row is (deleted rows, partition
//! values, renamed columns) is the kernel's to know.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use delta_kernel::arrow::datatypes::Schema;
use delta_kernel::engine::arrow_conversion::TryIntoArrow as _;
use delta_kernel::engine::arrow_data::EngineDataArrowExt as _;
use delta_kernel::object_store::local::LocalFileSystem;
use delta_kernel::parquet::arrow::ArrowWriter;
use delta_kernel::{Engine, KernelError, Snapshot, SnapshotRef};
use delta_kernel_default_engine::DefaultEngine;
use object_store::ObjectStore;

use super::client::{Stores, told};
use crate::diagnostics::{Code, Diagnostic};
use crate::plan::Delta;
use crate::plan::address::is_address;

/// One version of a table.
pub struct Table {
    address: String,
    snapshot: SnapshotRef,
    engine: Arc<dyn Engine>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl Table {
    /// That there are such tables for this program.
    ///
    /// # Errors
    /// None.
    pub fn built_in() -> Result<(), Diagnostic> {
        Ok(())
    }

    /// Reads the log of a table, and nothing of its rows.
    ///
    /// # Errors
    /// What is no Delta table, or one that needs what the kernel does not know; a version that is not there; a store
    /// that fails.
    pub fn open(stores: &Stores, delta: &Delta) -> Result<Self, Diagnostic> {
        let fault = |error: &KernelError| failed(&delta.address, error);
        let (store, address): (Arc<dyn ObjectStore>, String) = if is_address(&delta.address) {
            (stores.at(&delta.address)?.0, delta.address.clone())
        } else {
            let path = Path::new(&delta.address);
            let found = path.canonicalize().map_err(|error| {
                Diagnostic::error(
                    Code::MissingFile,
                    format!("there is no folder {}", path.display()),
                )
                .help(crate::diagnostics::advice(&error))
            })?;
            if !found.is_dir() {
                let message = format!("{} is no folder", path.display());
                return Err(Diagnostic::error(Code::MissingFile, message)
                    .help("name the folder of the table, in which `_delta_log` stands"));
            }
            (Arc::new(LocalFileSystem::new()), found.to_string_lossy().into_owned())
        };
        let engine: Arc<dyn Engine> = Arc::new(DefaultEngine::builder(store).build());
        let folder = format!("{}/", address.trim_end_matches('/'));
        let mut builder = Snapshot::builder_for(folder);
        if let Some(version) = delta.version {
            builder = builder.at_version(version);
        }
        let snapshot = builder.build(engine.as_ref()).map_err(|error| fault(&error))?;
        Ok(Self { address: delta.address.clone(), snapshot, engine })
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.snapshot.version()
    }

    /// When that version was written.
    ///
    /// # Errors
    /// A log that does not say it.
    pub fn written(&self) -> Result<SystemTime, Diagnostic> {
        let at = self.snapshot.get_timestamp(self.engine.as_ref());
        let at = at.map_err(|error| failed(&self.address, &error))?;
        Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0)))
    }

    /// A Parquet file of its columns, without a row.
    ///
    /// # Errors
    /// Columns of types that Parquet does not have; a file that cannot be written.
    pub fn write_head(&self, file: File) -> Result<(), Diagnostic> {
        let schema = self.snapshot.schema();
        let schema: Schema = schema
            .as_ref()
            .try_into_arrow()
            .map_err(|_| self.unwritten("its columns have types that are not known here"))?;
        let writer = ArrowWriter::try_new(file, Arc::new(schema), None);
        let closed = writer.and_then(ArrowWriter::close);
        closed.map(drop).map_err(|_| self.unwritten("its columns cannot be written down"))
    }

    /// Its rows as a Parquet file, of these columns, or of all.
    ///
    /// # Errors
    /// A store that fails, files that are gone or damaged; a file that cannot be written.
    pub fn write(&self, columns: Option<&[String]>, file: File) -> Result<(), Diagnostic> {
        let fault = |error: KernelError| failed(&self.address, &error);
        let all = self.snapshot.schema();
        let wanted =
            columns.map(|columns| columns.iter().map(String::as_str).collect::<BTreeSet<_>>());
        let mut names: Vec<&str> = all.fields().map(|field| field.name().as_str()).collect();
        if let Some(wanted) = &wanted {
            // Of no column the number of rows is asked, which takes one.
            let first = names.first().copied().filter(|_| wanted.is_empty());
            names.retain(|name| wanted.contains(name) || Some(*name) == first);
        }
        let schema = all.project_as_struct(&names).map_err(fault)?;
        let arrow: Schema = (&schema)
            .try_into_arrow()
            .map_err(|_| self.unwritten("its columns have types that are not known here"))?;
        let unwritable =
            || self.unwritten("its rows cannot be written down: is there room on the disk?");
        let mut writer =
            ArrowWriter::try_new(file, Arc::new(arrow), None).map_err(|_| unwritable())?;
        let scan = Arc::clone(&self.snapshot).scan_builder().with_schema(Arc::new(schema));
        let scan = scan.build().map_err(fault)?;
        for rows in scan.execute(Arc::clone(&self.engine)).map_err(fault)? {
            let rows = rows.and_then(|rows| Ok(rows).try_into_record_batch()).map_err(fault)?;
            writer.write(&rows).map_err(|_| unwritable())?;
        }
        writer.close().map(drop).map_err(|_| unwritable())
    }

    fn unwritten(&self, why: &str) -> Diagnostic {
        Diagnostic::error(Code::UnreadableFile, format!("the Delta table {}: {why}", self.address))
            .help("write the table's rows down as Parquet with what wrote it, and name those files")
    }
}

/// What to do about a version that is gone.
const GONE: &str =
    "old versions are cleaned away in time; leave out `table_version` to read the newest";

/// What is wrong with a table, without words that could quote its rows.
fn failed(address: &str, error: &KernelError) -> Diagnostic {
    let fault = |code: Code, what: String, help: &str| {
        Diagnostic::error(code, format!("the Delta table {address} {what}")).help(help.to_owned())
    };
    match error.without_backtrace() {
        KernelError::EmptyLog
        | KernelError::MissingMetadata
        | KernelError::MissingProtocol
        | KernelError::MissingMetadataAndProtocol => fault(
            Code::MissingFile,
            "has no log: it is none, or the path is not its folder".to_owned(),
            "name the folder in which `_delta_log` stands",
        ),
        KernelError::MissingVersion(version) => {
            fault(Code::MissingFile, format!("has no version {version}, or no longer"), GONE)
        }
        KernelError::LogHistory(_) => {
            fault(Code::MissingFile, "does not have this version, or no longer".to_owned(), GONE)
        }
        // Names of features, of which the log speaks, and no rows.
        KernelError::Unsupported(what) => fault(
            Code::UnreadableFile,
            format!("cannot be read here: {what}"),
            "write its rows down as Parquet with what wrote it, and name those files",
        ),
        KernelError::FileNotFound(_) => fault(
            Code::MissingFile,
            "lacks a file that its log names".to_owned(),
            "was it cleaned (VACUUM) while it was read, or copied without all of its files?",
        ),
        KernelError::ObjectStore(error) => told(address, error),
        _ => fault(
            Code::UnreadableFile,
            "cannot be read: its log or its files are damaged, or of a kind that is not known here"
                .to_owned(),
            "its own words are withheld, as they could quote rows; see that what wrote it can read it",
        ),
    }
}
