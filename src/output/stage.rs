//! Staging: temporary files beside their targets, renamed together.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::disk;
use super::format::{self, Meant, Stop};
use super::journal::{self, Journal, Step};
use super::record::{FILE, RunRecord, Written};
use crate::diagnostics::{Code, Diagnostic, Outcome, Site, advice};
use crate::plan::{Plan, Target, hex};
use crate::planted;

/// Files written but not yet in place.
pub struct Staging {
    /// Device and inode of every file that is read and must stay as it is.
    sources: Vec<(u64, u64)>,
    /// Those of the earlier identity table, which the new one may replace.
    earlier: Vec<(u64, u64)>,
    /// Each with its target and the SHA-256 of its bytes.
    staged: Vec<(NamedTempFile, PathBuf, String)>,
    /// Real paths of the targets so far: two spellings of one file are one file.
    taken: Vec<PathBuf>,
}

impl Staging {
    /// Remembers what is read, so that none of it is written over.
    pub fn new(plan: &Plan, pipeline: &Path) -> Self {
        let inodes = |files: &mut dyn Iterator<Item = &Path>| {
            files
                .filter_map(|file| fs::metadata(file).ok())
                .map(|metadata| (metadata.dev(), metadata.ino()))
                .collect()
        };
        let sources = plan.sources.iter().flat_map(|source| &source.files);
        let read = sources.chain(plan.beside.iter().map(|file| &file.path));
        let previous = plan.identity.previous.as_ref().and_then(|p| p.source.as_ref());
        let earlier = previous.map_or(&[][..], |source| &source.files);
        Self {
            sources: inodes(&mut read.map(PathBuf::as_path).chain([pipeline])),
            earlier: inodes(&mut earlier.iter().map(PathBuf::as_path)),
            staged: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Writes one table beside its target and reads it back. `renews` is true for the identity
    /// table, which may replace that of an earlier run.
    pub fn add(
        &mut self,
        name: &str,
        target: &Target,
        meant: &Meant<'_>,
        renews: bool,
    ) -> Outcome<Written> {
        let path = &target.path;
        let temporary = self.temporary(path, renews)?;
        let proof =
            format::write(temporary.as_file(), meant, target.format).map_err(
                |stop| match stop {
                    Stop::Rows(faults) => faults,
                    Stop::File(why, help) => refused(path, why, help).into(),
                    Stop::Disk(error) => failed(path, &error).into(),
                },
            )?;
        let file = temporary.path();
        let (verified, digest) =
            rayon::join(|| format::verify(file, &proof, target.format), || format::digest(file));
        verified.map_err(|difference| {
            Diagnostic::error(
                Code::VerifyFailed,
                format!("what was written does not read back: {difference}"),
            )
            .in_file(site(path))
            .help("nothing was published; is the disk sound?")
        })?;
        let (bytes, sha256) = digest.map_err(|error| failed(path, &error))?;
        planted::step("file staged");
        planted::place("a file is staged");
        self.staged.push((temporary, path.clone(), sha256.clone()));
        Ok(Written {
            name: name.to_owned(),
            path: path.clone(),
            rows: meant.rows.height() as u64,
            bytes,
            sha256,
            earlier: None,
        })
    }

    /// Writes a text beside its target and reads it back: its size, and the SHA-256 of its bytes.
    pub fn add_text(&mut self, path: &Path, text: &str) -> Outcome<(u64, String)> {
        let temporary = self.temporary(path, false)?;
        disk::fill(&temporary, text.as_bytes()).map_err(|error| failed(path, &error))?;
        let sha256 = hex(&Sha256::digest(text.as_bytes()));
        planted::step("file staged");
        self.staged.push((temporary, path.to_path_buf(), sha256.clone()));
        Ok((text.len() as u64, sha256))
    }

    /// Where a target's rows stand until they are published.
    pub fn staged(&self, target: &Path) -> Option<&Path> {
        let found = self.staged.iter().find(|(_, path, _)| path == target);
        found.map(|(staged, _, _)| staged.path())
    }

    /// A new file, readable by its owner only, in the target's folder. `renews` is true for what
    /// may replace the earlier identity table.
    fn temporary(&mut self, path: &Path, renews: bool) -> Outcome<NamedTempFile> {
        let folder = folder_of(path);
        disk::create_folder(folder).map_err(|error| failed(path, &error))?;
        let real = real_path(path).map_err(|error| failed(path, &error))?;
        if self.taken.contains(&real) {
            return Err(Diagnostic::error(Code::OutputPath, "two outputs would be one file")
                .in_file(site(path))
                .help("nothing was published; write each to a file of its own")
                .into());
        }
        if !self.taken.iter().any(|taken| taken.parent() == real.parent()) {
            real.parent().into_iter().for_each(journal::sweep);
        }
        self.taken.push(real);
        if let Ok(metadata) = fs::metadata(path) {
            if let Some(kind) = other_kind(metadata.file_type()) {
                let help = "name a file, or move away what stands there";
                return Err(refused(path, kind, help).into());
            }
            let inode = (metadata.dev(), metadata.ino());
            if self.sources.contains(&inode) || (!renews && self.earlier.contains(&inode)) {
                return Err(Diagnostic::error(
                    Code::OutputPath,
                    "an output would overwrite a file that the run reads",
                )
                .in_file(site(path))
                .help("write to another file")
                .into());
            }
        }
        disk::new_file(folder, &journal::prefix(), ".tmp")
            .map_err(|error| failed(path, &error).into())
    }

    /// Renames everything into place, the run record last, after `commit` is done, which is given each target and
    /// where its file stands as yet. If a rename fails, those done before are taken back; if the process is killed, the
    /// next run finishes ([`journal`]).
    pub fn publish(
        mut self,
        folder: &Path,
        record: &RunRecord,
        commit: impl FnOnce(&[(&Path, &Path)]) -> Outcome<()>,
    ) -> Outcome<()> {
        let path = folder.join(FILE);
        let text = serde_json::to_string_pretty(record).map_err(|_| {
            let help = "please report it, with the pipeline file and without the data";
            refused(&path, "the run record is no JSON", help)
        })?;
        self.add_text(&path, &(text + "\n"))?;
        planted::step("all staged");
        let steps: Outcome<Vec<Step>> = self
            .staged
            .iter()
            .map(|(temporary, path, sha256)| {
                step(temporary, path, sha256).map_err(|e| failed(path, &e).into())
            })
            .collect();
        let mut steps = steps?;
        if let Some(record) = steps.last_mut() {
            // The old record is set aside before anything else.
            record.old = None;
        }
        // What waits for others, and is more likely to fail than a rename. If it does, the staged files go.
        let staged = self.staged.iter().map(|(staged, path, _)| (path.as_path(), staged.path()));
        commit(&staged.collect::<Vec<_>>())?;
        // From here on they are the journal's: kept if the process is killed, renamed or removed if not.
        let journal = Journal::new(steps);
        planted::place("renames are due");
        let kept: Result<Vec<_>, _> = self
            .staged
            .into_iter()
            .map(|(temporary, _, _)| temporary.into_temp_path().keep())
            .collect();
        kept.map_err(|error| failed(folder, &error.error))?;
        journal.publish(folder)
    }
}

/// The folder that a file stands in, or will.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file's path without links in its folder; the file itself may be one, or not be there yet.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    Ok(fs::canonicalize(folder_of(path))?.join(path.file_name().unwrap_or_default()))
}

/// The rename of a staged file.
fn step(temporary: &NamedTempFile, path: &Path, sha256: &str) -> io::Result<Step> {
    let staged = real_path(temporary.path())?;
    let name = staged.file_name().map(|name| name.to_string_lossy().into_owned());
    let random = name.as_deref().and_then(|name| name.rsplit('-').next()).unwrap_or_default();
    // Names that `sweep` does not know.
    let beside = |kind: &str| staged.with_file_name(format!(".optin-{kind}-{random}"));
    Ok(Step {
        from: beside("new"),
        old: match fs::symlink_metadata(path) {
            Ok(_) => Some(beside("old")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        },
        to: real_path(path)?,
        bytes: temporary.as_file().metadata()?.len(),
        sha256: sha256.to_owned(),
        staged,
    })
}

/// What stands there, if it is no file: what is written to goes elsewhere then, or nowhere.
fn other_kind(kind: fs::FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("it is a folder"),
        kind if kind.is_fifo() => Some("it is a pipe"),
        kind if kind.is_socket() => Some("it is a socket"),
        _ => Some("it is a device"),
    }
}

/// The fault for a file that cannot be written, with what the system says.
pub fn failed(path: &Path, error: &io::Error) -> Diagnostic {
    refused(path, &error.to_string(), advice(error))
}

/// The fault for a file that cannot be written, and what to do.
fn refused(path: &Path, why: &str, help: &str) -> Diagnostic {
    Diagnostic::error(Code::WriteFailed, format!("the file cannot be written: {why}"))
        .in_file(site(path))
        .help(format!("{help}; nothing was published, the old files are as they were"))
}

/// A file as a place.
pub fn site(path: &Path) -> Site {
    Site { file: path.to_path_buf(), ..Site::default() }
}
