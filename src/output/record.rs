//! The run record: what was read, what was decided, what was written. Its file, `run.json`, is
//! the commit mark of a run: it is renamed into place after everything else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::audience::WrittenAudience;
use super::measures::RecordedMeasure;
use super::stage::site;
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::account::Account;
use crate::engine::memberships::Earlier;
use crate::engine::{SourceRecord, Stage};
use crate::plan::{CopyTo, hex};
use crate::proof::Proof;

pub use crate::plan::{PAGE, RECORD as FILE};

/// A file that was written.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// Which output, or the segment's name.
    pub name: String,
    /// Where.
    pub path: PathBuf,
    /// Of a folder of partitions: how many files it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hex; of a folder that of the sorted lines `SHA-256  path` of its files.
    pub sha256: String,
    /// What stood there before, where the table is made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Earlier>,
}

/// An export that was written.
#[derive(Clone, Debug, Serialize)]
pub struct WrittenExport {
    /// The file.
    #[serde(flatten)]
    pub file: Written,
    /// Its columns.
    pub columns: Vec<String>,
    /// Contact columns that left without a gate of their own, by `allow_columns`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_columns: Vec<String>,
    /// The reason for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Of an audience for a platform: what it can be matched by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<WrittenAudience>,
    /// The table or the object that holds the same rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied: Option<CopyTo>,
}

/// The page about the run, for people. It is made of this record as it is without this part, so the
/// record can name the digest of the page, and the page names none of the record.
#[derive(Clone, Debug, Serialize)]
pub struct WrittenPage {
    /// Where.
    pub path: PathBuf,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// A warning.
#[derive(Clone, Debug, Serialize)]
pub struct Warning {
    /// Its code.
    pub code: &'static str,
    /// What it says.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl From<&Diagnostic> for Warning {
    fn from(fault: &Diagnostic) -> Self {
        Self { code: fault.code.name(), message: fault.message.clone(), help: fault.help.clone() }
    }
}

/// What a run did.
#[derive(Clone, Debug, Serialize)]
pub struct RunRecord {
    /// Version of this program.
    pub optin: &'static str,
    /// Name of the pipeline.
    pub pipeline: String,
    /// The pipeline file.
    pub pipeline_file: PathBuf,
    /// SHA-256 of the pipeline file.
    pub pipeline_sha256: String,
    /// Where the run was started: relative paths are seen from here.
    pub directory: PathBuf,
    /// When the run began, by the clock.
    pub started: String,
    /// When it published, by the clock.
    pub finished: String,
    /// The date as of which consent was judged.
    pub as_of: String,
    /// True for `--replay`: no exports.
    pub replay: bool,
    /// Threads.
    pub threads: usize,
    /// The sources, their files and digests.
    pub sources: Vec<SourceRecord>,
    /// The account; its sums close.
    pub account: Account,
    /// Internal tables written.
    pub outputs: Vec<Written>,
    /// Measures taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<RecordedMeasure>,
    /// Exports written.
    pub exports: Vec<WrittenExport>,
    /// The address below which all files of the run were put as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied_to: Option<String>,
    /// The page about the run, unless nobody wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<WrittenPage>,
    /// What was proved of the exports before they were published.
    pub proof: Proof,
    /// Where the time went.
    pub stages: Vec<Stage>,
    /// The most memory that the process had at once, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
    /// What to look at.
    pub warnings: Vec<Warning>,
    /// The folder of this record.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// The most memory that this process had at once, as Linux tells it.
#[must_use]
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The bytes of a folder's run record; none where none can be read. A pipe would be waited for.
pub(super) fn stored(folder: &Path) -> Option<Vec<u8>> {
    let path = folder.join(FILE);
    std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
    std::fs::read(path).ok()
}

/// The SHA-256 of a folder's run record; none where there is none. It tells whether somebody published there since.
#[must_use]
pub fn mark(folder: &Path) -> Option<String> {
    stored(folder).map(|text| hex(&Sha256::digest(text)))
}

/// Records of each source in the run before, from its run record; empty where there is none. `needed` is
/// true if something is decided by them.
///
/// # Errors
/// They are needed, and the record is there and cannot be read.
pub fn previous_rows(folder: &Path, needed: bool) -> Outcome<BTreeMap<String, u64>> {
    let path = folder.join(FILE);
    let read = || -> Option<BTreeMap<String, u64>> {
        let record: serde_json::Value = serde_json::from_slice(&stored(folder)?).ok()?;
        let sources = record.get("sources")?.as_array()?;
        Some(
            sources
                .iter()
                .filter_map(|s| {
                    Some((s.get("name")?.as_str()?.to_owned(), s.get("rows")?.as_u64()?))
                })
                .collect(),
        )
    };
    match read() {
        Some(rows) => Ok(rows),
        None if needed && std::fs::symlink_metadata(&path).is_ok() => {
            let why = "the run record of the run before cannot be read, and `max_drop` goes by it";
            Err(Diagnostic::error(Code::UnreadableFile, why)
                .in_file(site(&path))
                .help("see what became of it; if this may be a first run again, remove it")
                .into())
        }
        None => Ok(BTreeMap::new()),
    }
}
