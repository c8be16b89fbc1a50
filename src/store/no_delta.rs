//! What stands for Delta Lake tables where they are not built in.

use std::fs::File;
use std::time::SystemTime;

use super::{Stores, not_built_in};
use crate::diagnostics::Diagnostic;
use crate::plan::Delta;

/// Never there.
#[derive(Debug)]
pub enum Table {}

impl Table {
    /// # Errors
    /// Always: this program was built without Delta Lake tables.
    pub fn built_in() -> Result<(), Diagnostic> {
        Err(not_built_in("Delta Lake tables", "delta"))
    }

    /// Reads the log of a table.
    ///
    /// # Errors
    /// Always, as [`Self::built_in`].
    pub fn open(_: &Stores, _: &Delta) -> Result<Self, Diagnostic> {
        Err(not_built_in("Delta Lake tables", "delta"))
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> u64 {
        match *self {}
    }

    /// When that version was written.
    ///
    /// # Errors
    /// None: it is never there.
    pub fn written(&self) -> Result<SystemTime, Diagnostic> {
        match *self {}
    }

    /// A Parquet file of its columns, without a row.
    ///
    /// # Errors
    /// None: it is never there.
    pub fn write_head(&self, _: File) -> Result<(), Diagnostic> {
        match *self {}
    }

    /// Its rows as a Parquet file.
    ///
    /// # Errors
    /// None: it is never there.
    pub fn write(&self, _columns: Option<&[String]>, _: File) -> Result<(), Diagnostic> {
        match *self {}
    }
}
