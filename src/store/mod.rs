//! Objects in buckets of S3, Azure and Google Cloud as sources, and copies of what a run published there; Delta
//! Lake tables as sources.
//!
//! Where a bucket is stands in the pipeline file, and who may look into it in variables of the environment, under
//! the names that the stores' own tools use (`AWS_ACCESS_KEY_ID`, `AZURE_STORAGE_ACCOUNT_NAME`,
//! `GOOGLE_SERVICE_ACCOUNT` and others). Objects are fetched in ranges into files of this machine: of text all, of
//! Parquet the footer and the columns that are named. Each range is asked for of the state that was listed, so that a run
//! never reads half of an old object and half of a new one. Copies are uploaded in parts that nobody sees before
//! all of them are there.
//!
//! Built with the features `objects` and `delta`; without them whoever asks is told so.

#[cfg(not(feature = "objects"))]
mod absent;
#[cfg(feature = "objects")]
mod client;
#[cfg(feature = "delta")]
mod delta;
#[cfg(feature = "objects")]
mod fetch;
#[cfg(not(feature = "delta"))]
mod no_delta;
#[cfg(feature = "objects")]
mod put;

use std::time::SystemTime;

#[cfg(not(feature = "objects"))]
pub use absent::{Pending, Stores};
#[cfg(feature = "objects")]
pub use client::Stores;
#[cfg(feature = "delta")]
pub use delta::Table;
#[cfg(not(feature = "delta"))]
pub use no_delta::Table;
#[cfg(feature = "objects")]
pub use put::Pending;

/// An object that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its address.
    pub address: String,
    /// What the store calls this state of it.
    pub etag: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub modified: SystemTime,
}

/// A file of this machine that is to be put at an address.
#[derive(Clone, Debug)]
pub struct Upload<'a> {
    /// The file.
    pub file: &'a std::path::Path,
    /// Where it goes.
    pub address: String,
}

/// What this build lacks.
#[cfg(not(all(feature = "objects", feature = "delta")))]
fn not_built_in(what: &str, feature: &str) -> crate::diagnostics::Diagnostic {
    use crate::diagnostics::{Code, Diagnostic};
    Diagnostic::error(Code::NotBuiltIn, format!("this program was built without {what}")).help(
        format!("build it with `cargo build --release --features {feature}`, or name files of this machine"),
    )
}
