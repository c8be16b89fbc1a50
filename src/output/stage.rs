//! Staging: temporary files beside their targets, renamed together.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempDir};

use super::disk;
use super::folder;
use super::format::{self, Meant, Stop};
use super::journal::{self, Journal, Lock, Step};
use super::partitions;
use super::record::{FILE, RunRecord, Written, mark};
use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, Site, advice};
use crate::plan::{Plan, Target, hex};
use crate::planted;

/// Files written but not yet in place.
pub struct Staging {
    /// Device and inode of every file that is read and must stay as it is.
    sources: Vec<(u64, u64)>,
    /// Those of the earlier identity table, which the new one may replace.
    earlier: Vec<(u64, u64)>,
    staged: Vec<Staged>,
    /// The folder of the run record.
    out: PathBuf,
    /// Real paths of the folders of Delta tables that are read: none of their files may be written over.
    tables: Vec<PathBuf>,
    /// Real paths of the targets so far: two spellings of one file are one file.
    taken: Vec<PathBuf>,
}

/// What is written and not yet in place.
struct Staged {
    new: New,
    target: PathBuf,
    /// Its size.
    bytes: u64,
    /// Of its bytes, or of what a folder holds.
    sha256: String,
}

/// A file or a folder that goes if nobody keeps it.
enum New {
    File(NamedTempFile),
    Folder(TempDir),
}

impl New {
    fn path(&self) -> &Path {
        match self {
            Self::File(file) => file.path(),
            Self::Folder(folder) => folder.path(),
        }
    }

    /// Leaves it there.
    fn keep(self) -> io::Result<()> {
        match self {
            Self::File(file) => file.into_temp_path().keep().map(drop).map_err(|error| error.error),
            Self::Folder(folder) => {
                let _ = folder.keep();
                Ok(())
            }
        }
    }
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
            tables: plan
                .delta_folders()
                .filter_map(|folder| fs::canonicalize(folder).ok())
                .collect(),
            staged: Vec::new(),
            out: plan.out.clone(),
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
        let stopped = |stop| match stop {
            Stop::Rows(faults) => faults,
            Stop::File(why, help) => refused(path, why, help).into(),
            Stop::Values(why, help) => {
                let why = format!("the export cannot be divided: {why}");
                let fault = Diagnostic::error(Code::PartitionLimit, why).in_file(site(path));
                fault.help(format!("{help}; nothing was published")).into()
            }
            Stop::Disk(error) => failed(path, &error).into(),
        };
        let (new, verified, digest, files) = if target.is_folder() {
            let temporary = self.temporary_folder(path)?;
            let folder = temporary.path();
            let proof = partitions::write(folder, meant, &target.partition_by).map_err(stopped)?;
            let (verified, contents) =
                rayon::join(|| partitions::verify(folder, &proof), || folder::contents(folder));
            let files = contents.as_ref().ok().map(|of| of.files.len() as u64);
            (New::Folder(temporary), verified, contents.map(|of| (of.bytes, of.sha256)), files)
        } else {
            let temporary = self.temporary(path, renews)?;
            let proof =
                format::write(temporary.as_file(), meant, target.format).map_err(stopped)?;
            let file = temporary.path();
            let (verified, digest) = rayon::join(
                || format::verify(file, &proof, target.format),
                || format::digest(file),
            );
            (New::File(temporary), verified, digest, None)
        };
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
        let target = path.clone();
        self.staged.push(Staged { new, target, bytes, sha256: sha256.clone() });
        Ok(Written {
            name: name.to_owned(),
            path: path.clone(),
            files,
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
        let (new, bytes) = (New::File(temporary), text.len() as u64);
        self.staged.push(Staged { new, target: path.to_path_buf(), bytes, sha256: sha256.clone() });
        Ok((bytes, sha256))
    }

    /// Where a target's rows stand until they are published.
    pub fn staged(&self, target: &Path) -> Option<&Path> {
        let found = self.staged.iter().find(|staged| staged.target == target);
        found.map(|staged| staged.new.path())
    }

    /// A new file, readable by its owner only, in the target's folder. `renews` is true for what
    /// may replace the earlier identity table.
    fn temporary(&mut self, path: &Path, renews: bool) -> Outcome<NamedTempFile> {
        let folder = self.claim(path)?;
        if let Ok(metadata) = fs::metadata(path) {
            if let Some(kind) = other_kind(metadata.file_type()) {
                let help = "name a file, or move away what stands there";
                return Err(refused(path, kind, help).into());
            }
            let inode = (metadata.dev(), metadata.ino());
            if self.sources.contains(&inode) || (!renews && self.earlier.contains(&inode)) {
                return Err(overwrites(path).into());
            }
        }
        disk::new_file(folder, &journal::prefix(), ".tmp")
            .map_err(|error| failed(path, &error).into())
    }

    /// A new folder, for its owner only, beside the target. What stands there must be what a run published, so
    /// that nothing else is lost when it is replaced.
    fn temporary_folder(&mut self, path: &Path) -> Outcome<TempDir> {
        let folder = self.claim(path)?;
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(path, &error).into()),
            Ok(there) if there.is_dir() => {
                for file in folder::published(&self.out, path)? {
                    let file = fs::metadata(path.join(file)).map_err(|e| failed(path, &e))?;
                    let inode = (file.dev(), file.ino());
                    if self.sources.contains(&inode) || self.earlier.contains(&inode) {
                        return Err(overwrites(path).into());
                    }
                }
            }
            Ok(_) => {
                let help = "name another folder, or move away what stands there";
                return Err(refused(path, "it is to be a folder, and is none", help).into());
            }
        }
        disk::new_folder(folder, &journal::prefix(), ".tmp")
            .map_err(|error| failed(path, &error).into())
    }

    /// Takes a path for an output, of which there must be one there only, and gives the folder above.
    fn claim<'p>(&mut self, path: &'p Path) -> Outcome<&'p Path> {
        let folder = folder_of(path);
        disk::create_folder(folder).map_err(|error| failed(path, &error))?;
        let real = real_path(path).map_err(|error| failed(path, &error))?;
        if self.tables.iter().any(|table| real.starts_with(table)) {
            return Err(overwrites(path).into());
        }
        if self.taken.contains(&real) {
            return Err(Diagnostic::error(Code::OutputPath, "two outputs would be one file")
                .in_file(site(path))
                .help("nothing was published; write each to a file of its own")
                .into());
        }
        let is_in = |taken: &PathBuf| taken.starts_with(&real) || real.starts_with(taken);
        if self.taken.iter().any(is_in) {
            return Err(Diagnostic::error(Code::OutputPath, "an output would stand in another")
                .in_file(site(path))
                .help("nothing was published; a folder of partitions holds nothing else")
                .into());
        }
        if !self.taken.iter().any(|taken| taken.parent() == real.parent()) {
            real.parent().into_iter().for_each(journal::sweep);
        }
        self.taken.push(real);
        Ok(folder)
    }

    /// Renames everything into place, the run record last, after `commit` is done, which is given each target and
    /// where its file stands as yet, and says whether it changed anything. `before` is the [`mark`] of the folder when
    /// the run began. If a rename fails, those done before are taken back; if the process is killed, the next run
    /// finishes ([`journal`]).
    pub fn publish(
        mut self,
        folder: &Path,
        record: &RunRecord,
        before: Option<&str>,
        commit: impl FnOnce(&[(&Path, &Path)]) -> Outcome<bool>,
    ) -> Outcome<()> {
        let path = folder.join(FILE);
        let text = serde_json::to_string_pretty(record).map_err(|_| {
            let help = "please report it, with the pipeline file and without the data";
            refused(&path, "the run record is no JSON", help)
        })?;
        self.add_text(&path, &(text + "\n"))?;
        planted::step("all staged");
        // What stands there is looked at when nobody else publishes.
        let lock = Lock::take(folder);
        // Another run may have been killed while this one worked.
        journal::recover_locked(folder)?;
        if mark(folder).as_deref() != before {
            return Err(overtaken(folder).into());
        }
        let steps: Outcome<Vec<Step>> = self
            .staged
            .iter()
            .map(|staged| step(staged).map_err(|e| failed(&staged.target, &e).into()))
            .collect();
        let mut steps = steps?;
        if let Some(record) = steps.last_mut() {
            // The old record is set aside before anything else.
            record.old = None;
        }
        // What waits for others, and is more likely to fail than a rename. If it does, the staged files go.
        let staged = self.staged.iter().map(|staged| (staged.target.as_path(), staged.new.path()));
        let copied = commit(&staged.collect::<Vec<_>>())?;
        // From here on they are the journal's: kept if the process is killed, renamed or removed if not.
        let journal = Journal::new(steps);
        planted::place("renames are due");
        let kept = self.staged.into_iter().try_for_each(|staged| staged.new.keep());
        let kept = kept.map_err(|error| Faults::from(failed(folder, &error)));
        kept.and_then(|()| journal.publish(folder, &lock))
            .map_err(|faults| if copied { beside(faults) } else { faults })
    }
}

/// The fault of a run that began before another one published: it would bring back what is older, and leave out
/// of histories and removals what the other wrote.
fn overtaken(folder: &Path) -> Diagnostic {
    Diagnostic::error(
        Code::PublishedMeanwhile,
        "another run published into this folder since this one began",
    )
    .in_file(site(&folder.join(FILE)))
    .help("nothing was published; run again, and see to it that such runs do not overlap")
}

/// The faults of files that could not take their places when tables and objects had.
fn beside(Faults(faults): Faults) -> Faults {
    let help =
        "tables and objects were exchanged before, and are newer than the files here: run again";
    Faults(faults.into_iter().map(|fault| fault.help(help)).collect())
}

/// The folder that a file stands in, or will.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file's path without links in its folder; the file itself may be one, or not be there yet.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    Ok(fs::canonicalize(folder_of(path))?.join(path.file_name().unwrap_or_default()))
}

/// The rename of a staged file or folder.
fn step(staged: &Staged) -> io::Result<Step> {
    let Staged { new, target, bytes, sha256 } = staged;
    let staged = real_path(new.path())?;
    let name = staged.file_name().map(|name| name.to_string_lossy().into_owned());
    let random = name.as_deref().and_then(|name| name.rsplit('-').next()).unwrap_or_default();
    // Names that `sweep` does not know.
    let beside = |kind: &str| staged.with_file_name(format!(".optin-{kind}-{random}"));
    Ok(Step {
        from: beside("new"),
        old: match fs::symlink_metadata(target) {
            Ok(_) => Some(beside("old")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        },
        to: real_path(target)?,
        bytes: *bytes,
        sha256: sha256.clone(),
        is_folder: matches!(new, New::Folder(_)),
        old_files: Vec::new(),
        staged,
    })
}

/// The fault for an output that would take the place of an input.
fn overwrites(path: &Path) -> Diagnostic {
    Diagnostic::error(Code::OutputPath, "an output would overwrite a file that the run reads")
        .in_file(site(path))
        .help("write to another file")
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
