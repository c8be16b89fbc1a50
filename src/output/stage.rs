//! Staging: temporary files beside their targets, renamed together.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::format::{self, Meant, Stop};
use super::record::{FILE, RunRecord, Written};
use crate::diagnostics::{Code, Diagnostic, Outcome, Site};
use crate::plan::{Plan, Target};

/// Files written but not yet in place.
pub struct Staging {
    /// Device and inode of every file that is read and must stay as it is.
    sources: Vec<(u64, u64)>,
    /// Those of the earlier identity table, which the new one may replace.
    earlier: Vec<(u64, u64)>,
    staged: Vec<(NamedTempFile, PathBuf)>,
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
                    Stop::File(why) => failed(path, &why).into(),
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
        let (bytes, sha256) = digest.map_err(|error| failed(path, &error.to_string()))?;
        self.staged.push((temporary, path.clone()));
        Ok(Written {
            name: name.to_owned(),
            path: path.clone(),
            rows: meant.rows.height() as u64,
            bytes,
            sha256,
        })
    }

    /// A new file, readable by its owner only, in the target's folder. `renews` is true for what
    /// may replace the earlier identity table.
    fn temporary(&mut self, path: &Path, renews: bool) -> Outcome<NamedTempFile> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| failed(path, &error.to_string()))?;
        let real = fs::canonicalize(folder)
            .map_err(|error| failed(path, &error.to_string()))?
            .join(path.file_name().unwrap_or_default());
        if self.taken.contains(&real) {
            return Err(Diagnostic::error(Code::OutputPath, "two outputs would be one file")
                .in_file(site(path))
                .help("nothing was published; write each to a file of its own")
                .into());
        }
        self.taken.push(real);
        if let Ok(metadata) = fs::metadata(path) {
            if metadata.is_dir() {
                return Err(failed(path, "it is a folder").into());
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
        tempfile::Builder::new()
            .prefix(".optin-")
            .suffix(".tmp")
            .tempfile_in(folder)
            .map_err(|error| failed(path, &error.to_string()).into())
    }

    /// Renames everything into place, the run record last. If a rename fails, those done before
    /// are taken back.
    pub fn publish(mut self, folder: &Path, record: &RunRecord) -> Outcome<()> {
        let path = folder.join(FILE);
        let mut temporary = self.temporary(&path, false)?;
        let text = serde_json::to_string_pretty(record).map_err(|_| {
            Diagnostic::error(Code::WriteFailed, "the run record cannot be written as JSON")
        })?;
        temporary
            .write_all(text.as_bytes())
            .and_then(|()| temporary.write_all(b"\n"))
            .and_then(|()| temporary.as_file().sync_all())
            .map_err(|error| failed(&path, &error.to_string()))?;
        self.staged.push((temporary, path));

        let mut done: Vec<Done> = Vec::new();
        for (temporary, path) in self.staged {
            match put(temporary, &path) {
                Ok(step) => done.push(step),
                Err(error) => {
                    for step in done.into_iter().rev() {
                        step.undo();
                    }
                    return Err(failed(&path, &error.to_string()).into());
                }
            }
        }
        for step in &done {
            step.settle();
        }
        Ok(())
    }
}

/// A rename that was done, and the file that stood there before.
struct Done {
    path: PathBuf,
    old: Option<PathBuf>,
}

fn put(temporary: NamedTempFile, path: &Path) -> io::Result<Done> {
    let old = if path.exists() {
        let old = temporary.path().with_extension("old");
        fs::hard_link(path, &old)?;
        Some(old)
    } else {
        None
    };
    match temporary.persist(path) {
        Ok(_) => Ok(Done { path: path.to_path_buf(), old }),
        Err(error) => {
            if let Some(old) = old {
                let _ = fs::remove_file(old);
            }
            Err(error.error)
        }
    }
}

impl Done {
    fn undo(self) {
        let restored = match &self.old {
            Some(old) => fs::rename(old, &self.path),
            None => fs::remove_file(&self.path),
        };
        if restored.is_err() {
            tracing::error!(path = %self.path.display(), "an output could not be taken back");
        }
    }

    /// Removes the old file's second name and writes the folder's entry to disk.
    fn settle(&self) {
        if let Some(old) = &self.old {
            let _ = fs::remove_file(old);
        }
        if let Some(folder) = self.path.parent()
            && let Ok(folder) = File::open(folder)
        {
            let _ = folder.sync_all();
        }
    }
}

fn failed(path: &Path, why: &str) -> Diagnostic {
    Diagnostic::error(Code::WriteFailed, format!("the file cannot be written: {why}"))
        .in_file(site(path))
        .help("nothing was published; the old files are as they were")
}

fn site(path: &Path) -> Site {
    Site { file: path.to_path_buf(), ..Site::default() }
}
