//! That a file stays the same while it is read, and from one reading to the next.
//!
//! A run reads a source at a moment. Where it changes under way, what was read would be part old and
//! part new: a grant of before beside a denial of after that was not seen. So every file is looked at
//! before and after each reading, and every later reading is compared with the first.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, Site};
use crate::plan::{Instant, Source};

/// A file that was read.
#[derive(Clone, Debug, Serialize)]
pub struct FileRecord {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes, as stored.
    pub bytes: u64,
    /// XXH3-128 of its bytes as stored, in hex: tells whether a later run read the same. Empty where
    /// nobody asked for it.
    pub xxh3: String,
    /// What is said of its state where it came from: the `ETag` of an object, the version of a Delta table. Of
    /// Parquet objects and Delta tables only the columns that the pipeline names are fetched: `xxh3` is that of the
    /// file on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Its records.
    pub rows: u64,
    /// How it looked when it was read; none of files that stand in no source.
    #[serde(skip)]
    pub stamp: Option<Stamp>,
}

impl FileRecord {
    /// When the file was last written to.
    #[must_use]
    pub fn modified(&self) -> Option<Instant> {
        let (seconds, nanoseconds) = self.stamp.as_ref()?.modified;
        let at = jiff::Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()?;
        Some(Instant(at.as_microsecond()))
    }
}

/// What the system says of a file without reading it. Whoever writes to it, replaces it, or only
/// touches it changes one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Of its bytes: seconds and nanoseconds.
    modified: (i64, i64),
    /// Of its bytes or of what the system says of it; nobody can set it back.
    changed: (i64, i64),
}

impl Stamp {
    /// How a file looks now; of a link what it leads to.
    ///
    /// # Errors
    /// One that is not there, or in a folder that may not be looked into; what is no regular file.
    pub fn of(file: &Path) -> io::Result<Self> {
        let found = fs::metadata(file)?;
        if !found.is_file() {
            // A pipe would be waited for, and could be read only once.
            return Err(io::Error::new(io::ErrorKind::Unsupported, "it is no regular file"));
        }
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// That a file looks as it did before it was read.
///
/// # Errors
/// One that changed, or is gone.
pub fn expect_still(source: &Source, file: &Path, before: &Stamp) -> Outcome<()> {
    if Stamp::of(file).is_ok_and(|now| now == *before) {
        return Ok(());
    }
    Err(changed(source, file))
}

/// That files that were read again are those of the first reading: by how they look, and where both
/// were digested by their digests.
///
/// # Errors
/// One that is not.
pub fn expect_unchanged(
    source: &Source,
    before: &[FileRecord],
    again: &[FileRecord],
) -> Outcome<()> {
    let differs = |(a, b): &(&FileRecord, &FileRecord)| {
        a.bytes != b.bytes
            || (a.stamp != b.stamp && a.stamp.is_some() && b.stamp.is_some())
            || (a.xxh3 != b.xxh3 && !a.xxh3.is_empty() && !b.xxh3.is_empty())
    };
    match before.iter().zip(again).find(differs) {
        Some((file, _)) => Err(changed(source, &file.path)),
        None => Ok(()),
    }
}

fn changed(source: &Source, file: &Path) -> Faults {
    Diagnostic::error(
        Code::UnreadableFile,
        format!("source `{}` changed while it was read", source.name),
    )
    .in_file(Site { file: file.to_path_buf(), ..Site::default() })
    .help("run again when nothing writes to it; nothing was published")
    .into()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn whatever_is_done_to_a_file_changes_its_stamp() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.csv");
        fs::write(&path, "id\n1\n").expect("a file");
        let first = Stamp::of(&path).expect("a stamp");
        assert_eq!(Stamp::of(&path).expect("a stamp"), first);
        let day = std::time::UNIX_EPOCH + std::time::Duration::from_hours(24);
        let open = || fs::OpenOptions::new().append(true).open(&path).expect("a file");
        open().write_all(b"2\n").expect("written");
        let second = Stamp::of(&path).expect("a stamp");
        assert_ne!(second, first, "longer");
        open().set_modified(day).expect("a time");
        let third = Stamp::of(&path).expect("a stamp");
        assert_ne!(third, second, "touched");
        fs::copy(&path, folder.path().join("b.csv")).expect("a copy");
        fs::rename(folder.path().join("b.csv"), &path).expect("renamed");
        open().set_modified(day).expect("a time");
        assert_ne!(
            Stamp::of(&path).expect("a stamp"),
            third,
            "another file of the same size and time"
        );
    }
}
