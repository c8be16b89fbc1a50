//! The journal: what is about to be renamed, so that a publication that was killed can be finished.
//!
//! `run.json` is the commit mark: who reads outputs reads it first, and takes what it names. While
//! files are renamed there is none. The journal lies beside it from the moment when all new files
//! are complete and on disk, until the new `run.json` is in place. Whoever comes next
//! ([`recover`]) finishes what was begun, or takes it back if a file that was to be renamed is gone.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::record::FILE;
use crate::diagnostics::{Code, Diagnostic, Outcome, Site};

/// Name of the journal's file.
const JOURNAL: &str = ".optin-journal.json";
/// Name of the old run record while files are renamed.
const OLD_RECORD: &str = ".optin-run.old";

/// A rename that is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// The complete new file.
    pub from: PathBuf,
    /// Where it goes.
    pub to: PathBuf,
    /// A second name for what stands there; absent if nothing does.
    pub old: Option<PathBuf>,
    /// Size of the new file.
    pub bytes: u64,
}

/// All renames of a publication, the run record's last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Journal {
    /// Version of this file.
    version: u32,
    steps: Vec<Step>,
}

/// Holds the folder of a run record for one publication, until it is dropped.
struct Lock {
    _folder: File,
}

impl Lock {
    /// Waits until no other publication holds the folder.
    fn take(folder: &Path) -> io::Result<Self> {
        let file = File::open(folder)?;
        file.lock()?;
        Ok(Self { _folder: file })
    }
}

impl Journal {
    /// Of these renames, the run record's last.
    #[must_use]
    pub const fn new(steps: Vec<Step>) -> Self {
        Self { version: 1, steps }
    }

    /// Renames everything, or nothing. From the moment when the journal is on disk, whoever comes next
    /// finishes what is not done.
    ///
    /// # Errors
    /// What cannot be renamed; then everything is as it was.
    pub fn publish(&self, folder: &Path) -> Outcome<()> {
        let _lock = Lock::take(folder).map_err(|error| failed(folder, &error))?;
        // Another run may have been killed while this one worked.
        recover_locked(folder)?;
        self.write(folder).map_err(|error| failed(&folder.join(JOURNAL), &error))?;
        if let Err((path, error)) = self.forward(folder) {
            self.back(folder);
            return Err(failed(&path, &error).into());
        }
        self.settle(folder);
        Ok(())
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        let mut file = tempfile::Builder::new().prefix(&prefix()).tempfile_in(folder)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(folder.join(JOURNAL)).map_err(|error| error.error)?;
        sync(folder);
        crate::planted::step("journal written");
        Ok(())
    }

    /// Does what is not done yet.
    fn forward(&self, folder: &Path) -> Result<(), (PathBuf, io::Error)> {
        let record = folder.join(FILE);
        let old_record = folder.join(OLD_RECORD);
        if record.exists() && !old_record.exists() && self.is_to_do() {
            fs::rename(&record, &old_record).map_err(|error| (record.clone(), error))?;
            crate::planted::step("old record set aside");
        }
        for step in &self.steps {
            step.forward().map_err(|error| (step.to.clone(), error))?;
            crate::planted::step("file renamed");
        }
        Ok(())
    }

    /// True as long as the new run record is not in place.
    fn is_to_do(&self) -> bool {
        self.steps.last().is_some_and(|step| step.from.exists())
    }

    /// Takes back what was done.
    fn back(&self, folder: &Path) {
        for step in self.steps.iter().rev() {
            if step.back().is_err() {
                tracing::error!(path = %step.to.display(), "an output could not be taken back");
            }
        }
        let old_record = folder.join(OLD_RECORD);
        if old_record.exists() {
            let _ = fs::rename(&old_record, folder.join(FILE));
        }
        let _ = fs::remove_file(folder.join(JOURNAL));
        sync(folder);
    }

    /// Removes what only a way back would need.
    fn settle(&self, folder: &Path) {
        for step in &self.steps {
            if let Some(old) = &step.old {
                let _ = fs::remove_file(old);
            }
            step.to.parent().into_iter().for_each(sync);
        }
        crate::planted::step("old files removed");
        let _ = fs::remove_file(folder.join(OLD_RECORD));
        let _ = fs::remove_file(folder.join(JOURNAL));
        sync(folder);
        crate::planted::step("journal removed");
    }

    /// True if every new file is there still, or stands where it was to go.
    fn is_whole(&self) -> bool {
        let has = |path: &Path, bytes| fs::metadata(path).is_ok_and(|file| file.len() == bytes);
        self.steps.iter().all(|step| has(&step.from, step.bytes) || has(&step.to, step.bytes))
    }
}

impl Step {
    /// Renames, unless that is done.
    fn forward(&self) -> io::Result<()> {
        if !self.from.exists() {
            return Ok(());
        }
        if let Some(old) = &self.old
            && !old.exists()
        {
            fs::hard_link(&self.to, old)?;
            crate::planted::step("second name given");
        }
        fs::rename(&self.from, &self.to)
    }

    /// Puts back what stood there.
    fn back(&self) -> io::Result<()> {
        if self.from.exists() {
            // It was not renamed; what stands there is the old file.
            if let Some(old) = self.old.as_ref().filter(|old| old.exists()) {
                fs::remove_file(old)?;
            }
            return fs::remove_file(&self.from);
        }
        match &self.old {
            Some(old) => fs::rename(old, &self.to),
            None => fs::remove_file(&self.to),
        }
    }
}

/// What became of a publication that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// It was finished: the new files stand there.
    Finished,
    /// It was taken back: the old files stand there.
    TakenBack,
}

/// Finishes, or takes back, a publication into this folder that was killed.
///
/// # Errors
/// A journal that cannot be read, or a file that cannot be renamed.
pub fn recover(folder: &Path) -> Outcome<Option<Recovered>> {
    if !folder.join(JOURNAL).exists() {
        return Ok(None);
    }
    let _lock = Lock::take(folder).map_err(|error| failed(folder, &error))?;
    recover_locked(folder)
}

fn recover_locked(folder: &Path) -> Outcome<Option<Recovered>> {
    let path = folder.join(JOURNAL);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&path, &error).into()),
    };
    let journal = serde_json::from_slice::<Journal>(&text).ok().filter(|known| known.version == 1);
    let Some(journal) = journal else {
        return Err(Diagnostic::error(
            Code::WriteFailed,
            "the journal of a publication that was killed cannot be read",
        )
        .in_file(site(&path))
        .help("was it written by a newer version? Finish with that one, or remove the journal")
        .into());
    };
    if journal.is_whole() {
        journal.forward(folder).map_err(|(path, error)| failed(&path, &error))?;
        journal.settle(folder);
        return Ok(Some(Recovered::Finished));
    }
    journal.back(folder);
    Ok(Some(Recovered::TakenBack))
}

/// What comes before the random part in the name of a new file: which machine and process wrote it, so
/// that what a killed process left behind can be told from what a living one is writing.
#[must_use]
pub fn prefix() -> String {
    format!(".optin-{}-{}-", machine(), std::process::id())
}

/// The machine's name, as far as it can stand in a file's name.
fn machine() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    if name.is_empty() { "machine".to_owned() } else { name }
}

/// Removes from a folder what processes of this machine that are no more left behind.
pub fn sweep(folder: &Path) {
    let start = format!(".optin-{}-", machine());
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&start)) else { continue };
        let process = rest.split('-').next().and_then(|process| process.parse::<u32>().ok());
        let lives = |process: u32| Path::new("/proc").join(process.to_string()).exists();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if Path::new("/proc/self").exists() && is_file && process.is_some_and(|p| !lives(p)) {
            tracing::info!("a file of a run that was killed is removed");
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn sync(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

fn failed(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error(Code::WriteFailed, format!("the file cannot be written: {error}"))
        .in_file(site(path))
        .help("nothing was published; the old files are as they were")
}

fn site(path: &Path) -> Site {
    Site { file: path.to_path_buf(), ..Site::default() }
}
