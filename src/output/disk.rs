//! What publishing asks of the disk, one function an operation, so that tests can have each of them fail
//! ([`planted::operation`]).

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

use crate::planted;

/// A file that is written to.
pub struct Stored<'f>(pub &'f File);

impl Stored<'_> {
    /// Waits until all of it is on disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&self) -> io::Result<()> {
        planted::operation("sync")?;
        self.0.sync_all()
    }
}

impl Write for Stored<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        planted::operation("write")?;
        if planted::fault("disk-lies") && !bytes.is_empty() {
            // As a disk that gives back something else than was written.
            let mut others = bytes.to_vec();
            others[bytes.len() / 2] ^= 1;
            return self.0.write(&others);
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A new file in a folder, readable by its owner only.
///
/// # Errors
/// What the disk says.
pub fn new_file(folder: &Path, prefix: &str, suffix: &str) -> io::Result<NamedTempFile> {
    planted::operation("new file")?;
    // Mode 0600 is what the crate gives.
    tempfile::Builder::new().prefix(prefix).suffix(suffix).tempfile_in(folder)
}

/// A new folder in a folder, for its owner only.
///
/// # Errors
/// What the disk says.
pub fn new_folder(folder: &Path, prefix: &str, suffix: &str) -> io::Result<TempDir> {
    planted::operation("new folder")?;
    let private = fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix(prefix).suffix(suffix).permissions(private).tempdir_in(folder)
}

/// Fills a new file, waits until it is on disk, and reads it back.
///
/// # Errors
/// What the disk says; one that gives back something else.
pub fn fill(file: &NamedTempFile, bytes: &[u8]) -> io::Result<()> {
    let mut stored = Stored(file.as_file());
    stored.write_all(bytes)?;
    stored.sync()?;
    let mut back = Vec::with_capacity(bytes.len());
    open(file.path())?.read_to_end(&mut back)?;
    if back == bytes {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it does not read back as it was written"))
    }
}

/// As [`fs::create_dir_all`].
///
/// # Errors
/// What the disk says.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    planted::operation("new folder")?;
    fs::create_dir_all(folder)
}

/// As [`fs::File::open`], to read.
///
/// # Errors
/// What the disk says.
pub fn open(path: &Path) -> io::Result<File> {
    planted::operation("open")?;
    File::open(path)
}

/// As [`fs::rename`].
///
/// # Errors
/// What the disk says.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    planted::operation("rename")?;
    fs::rename(from, to)
}

/// As [`fs::hard_link`].
///
/// # Errors
/// What the disk says.
pub fn second_name(of: &Path, name: &Path) -> io::Result<()> {
    planted::operation("second name")?;
    fs::hard_link(of, name)
}

/// Removes a file; one that is not there is as good as removed.
///
/// # Errors
/// What the disk says.
pub fn remove(path: &Path) -> io::Result<()> {
    planted::operation("remove")?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Waits until the names in a folder are on disk. Some file systems cannot do that for a folder; they
/// are asked for no more than they can.
///
/// # Errors
/// A disk that fails.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    planted::operation("sync folder")?;
    match File::open(folder)?.sync_all() {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        done => done,
    }
}
