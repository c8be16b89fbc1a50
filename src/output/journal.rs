//! The journal: what is about to be renamed, so that a publication that was killed can be finished.
//!
//! `run.json` is the commit mark: who reads outputs reads it first, and takes what it names. While
//! files are renamed there is none. The journal lies beside it from the moment when all new files
//! are complete and on disk, until the new `run.json` is in place. Whoever comes next
//! ([`recover`]) finishes what was begun, or takes it back if a file that was to be renamed is gone.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::format::digest;
use super::record::FILE;
use super::stage::{failed, site};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::planted;

/// Name of the journal's file.
const JOURNAL: &str = ".optin-journal.json";
/// Name of the old run record while files are renamed.
const OLD_RECORD: &str = ".optin-run.old";

/// A rename that is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// The new file under the name that it was written by; whoever finds it and no process that writes
    /// it may remove it.
    pub staged: PathBuf,
    /// The new file under a name that only the journal may touch.
    pub from: PathBuf,
    /// Where it goes.
    pub to: PathBuf,
    /// A second name for what stands there; absent if nothing does.
    pub old: Option<PathBuf>,
    /// Size of the new file.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hex: an old file may have the same size.
    pub sha256: String,
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
    _folder: Option<File>,
}

impl Lock {
    /// Waits until no other publication holds the folder. Some file systems cannot lock a folder: then
    /// two publications at once are not kept apart.
    fn take(folder: &Path) -> Self {
        let lock = || loop {
            let file = File::open(folder)?;
            match file.lock() {
                Ok(()) => return Ok(file),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        let locked: io::Result<File> = lock();
        if let Err(error) = &locked {
            tracing::warn!(kind = ?error.kind(), "the folder of the run record cannot be locked");
        }
        Self { _folder: locked.ok() }
    }
}

/// True if something stands there, a link that leads nowhere too.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn has_size(path: &Path, bytes: u64) -> bool {
    fs::metadata(path).is_ok_and(|file| file.len() == bytes)
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
        let _lock = Lock::take(folder);
        let begun = self.begin(folder);
        if begun.is_err() {
            // Nobody would finish: what was staged holds customers' data, and goes.
            for step in &self.steps {
                let _ = fs::remove_file(&step.staged);
            }
            return begun;
        }
        let moved = self.steps.iter().try_for_each(|step| {
            let done = fs::rename(&step.staged, &step.from);
            planted::step("new file named");
            done.map_err(|error| (step.to.clone(), error))
        });
        if let Err((path, error)) = moved.and_then(|()| self.forward(folder)) {
            self.back(folder);
            return Err(failed(&path, &error).into());
        }
        self.settle(folder);
        Ok(())
    }

    /// Looks that all is there, and writes the journal.
    fn begin(&self, folder: &Path) -> Outcome<()> {
        // Another run may have been killed while this one worked.
        recover_locked(folder)?;
        if let Some(lost) = self.steps.iter().find(|step| !has_size(&step.staged, step.bytes)) {
            let error = io::Error::other("its new file is gone, or is not what was written");
            return Err(failed(&lost.to, &error).into());
        }
        // What an earlier version or a hand left is not the record of the run before.
        let (record, old_record) = (folder.join(FILE), folder.join(OLD_RECORD));
        let put_right = match (is_there(&old_record), is_there(&record)) {
            (true, true) => fs::remove_file(&old_record),
            (true, false) => fs::rename(&old_record, &record),
            (false, _) => Ok(()),
        };
        put_right
            .and_then(|()| self.write(folder))
            .map_err(|error| failed(&folder.join(JOURNAL), &error).into())
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        let mut file = tempfile::Builder::new().prefix(&prefix()).tempfile_in(folder)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(folder.join(JOURNAL)).map_err(|error| error.error)?;
        sync(folder);
        planted::step("journal written");
        Ok(())
    }

    /// Does what is not done yet.
    fn forward(&self, folder: &Path) -> Result<(), (PathBuf, io::Error)> {
        let (record, old_record) = (folder.join(FILE), folder.join(OLD_RECORD));
        if is_there(&record) && !is_there(&old_record) && !self.is_committed() {
            fs::rename(&record, &old_record).map_err(|error| (record.clone(), error))?;
            planted::step("old record set aside");
        }
        for step in &self.steps {
            step.forward().map_err(|error| (step.to.clone(), error))?;
            planted::step("file renamed");
        }
        Ok(())
    }

    /// True if the new run record is in place: the publication is done.
    fn is_committed(&self) -> bool {
        self.steps
            .last()
            .is_some_and(|step| !is_there(&step.staged) && !is_there(&step.from) && step.is_done())
    }

    /// Takes back what was done.
    fn back(&self, folder: &Path) {
        for step in self.steps.iter().rev() {
            if step.back().is_err() {
                tracing::error!(path = %step.to.display(), "an output could not be taken back");
            }
        }
        let old_record = folder.join(OLD_RECORD);
        if is_there(&old_record) {
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
        planted::step("old files removed");
        let _ = fs::remove_file(folder.join(OLD_RECORD));
        let _ = fs::remove_file(folder.join(JOURNAL));
        sync(folder);
        planted::step("journal removed");
    }

    /// True if every new file is there still, or stands where it was to go.
    fn is_whole(&self) -> bool {
        self.steps.iter().all(|step| {
            [&step.staged, &step.from].into_iter().any(|path| has_size(path, step.bytes))
                || step.is_done()
        })
    }

    /// True if it speaks of nothing but files that a publication may touch: new and old ones by names
    /// of ours, beside where they go.
    fn is_ours(&self) -> bool {
        let ours = |path: &Path, to: &Path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            path.parent() == to.parent() && name.is_some_and(|name| name.starts_with(".optin-"))
        };
        self.version == 1
            && self.steps.iter().all(|step| {
                ours(&step.staged, &step.to)
                    && ours(&step.from, &step.to)
                    && step.old.as_ref().is_none_or(|old| ours(old, &step.to))
            })
    }
}

impl Step {
    /// True if the new file stands where it was to go.
    fn is_done(&self) -> bool {
        has_size(&self.to, self.bytes)
            && digest(&self.to).is_ok_and(|(_, sha256)| sha256 == self.sha256)
    }

    /// Renames, unless that is done.
    fn forward(&self) -> io::Result<()> {
        let new = [&self.from, &self.staged].into_iter().find(|path| is_there(path));
        let Some(new) = new else { return Ok(()) };
        if self.to.is_dir() {
            return Err(io::Error::other("a folder stands there"));
        }
        if let Some(old) = &self.old
            && is_there(&self.to)
            && !is_there(old)
        {
            // Where a second name cannot be given the old file is moved away.
            fs::hard_link(&self.to, old).or_else(|_| fs::rename(&self.to, old))?;
            planted::step("second name given");
        }
        fs::rename(new, &self.to)
    }

    /// Puts back what stood there.
    fn back(&self) -> io::Result<()> {
        let mut pending = false;
        for new in [&self.from, &self.staged].into_iter().filter(|path| is_there(path)) {
            pending = true;
            fs::remove_file(new)?;
        }
        match &self.old {
            Some(old) if is_there(old) => {
                fs::rename(old, &self.to)?;
                // Two names of one file: the rename did nothing.
                if is_there(old) { fs::remove_file(old) } else { Ok(()) }
            }
            // Nothing stood there, and what does now is the new file.
            None if !pending && self.is_done() => fs::remove_file(&self.to),
            _ => Ok(()),
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
    if !is_there(&folder.join(JOURNAL)) {
        return Ok(None);
    }
    let _lock = Lock::take(folder);
    recover_locked(folder)
}

fn recover_locked(folder: &Path) -> Outcome<Option<Recovered>> {
    let path = folder.join(JOURNAL);
    let strange = |why: &str| {
        Diagnostic::error(
            Code::WriteFailed,
            format!("the journal of a publication that was killed cannot be followed: {why}"),
        )
        .in_file(site(&path))
        .help("look who wrote it; to begin anew remove it, and look at the outputs yourself")
    };
    let file = match fs::symlink_metadata(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(strange(&error.to_string()).into()),
    };
    // Whoever may write to the folder could else have files removed in our name.
    let own = fs::metadata("/proc/self").map(|process| process.uid());
    if !file.is_file() || own.is_ok_and(|own| own != file.uid()) {
        return Err(strange("it is not a file of the user who runs").into());
    }
    let text = fs::read(&path).map_err(|error| strange(&error.to_string()))?;
    let journal = serde_json::from_slice::<Journal>(&text).ok().filter(Journal::is_ours);
    let Some(journal) = journal else {
        return Err(strange("it is not one that this version writes").into());
    };
    if journal.is_committed() {
        journal.settle(folder);
        return Ok(Some(Recovered::Finished));
    }
    if journal.is_whole() {
        journal
            .forward(folder)
            .map_err(|(path, error)| strange(&format!("{}: {error}", path.display())))?;
        journal.settle(folder);
        return Ok(Some(Recovered::Finished));
    }
    journal.back(folder);
    Ok(Some(Recovered::TakenBack))
}

/// What comes before the random part in the name of a new file: where it is written and by which
/// process, so that what a killed process left behind can be told from what a living one is writing.
#[must_use]
pub fn prefix() -> String {
    format!(".optin-{}-{}-", place(), std::process::id())
}

/// Names the machine since it was started, and the part of it whose processes can be seen.
fn place() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processes = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let words = [
        read("/proc/sys/kernel/hostname"),
        read("/proc/sys/kernel/random/boot_id"),
        processes.to_string_lossy().into_owned(),
    ];
    format!("{:016x}", xxh3_64(words.join("\n").as_bytes()))
}

/// Removes from a folder what processes that could be seen from here and are no more left behind.
pub fn sweep(folder: &Path) {
    if !Path::new("/proc/self/stat").exists() {
        return;
    }
    let start = format!(".optin-{}-", place());
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&start)) else { continue };
        let process = rest.split('-').next().and_then(|process| process.parse::<u32>().ok());
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && process.is_some_and(|process| !lives(process)) {
            tracing::info!("a file of a run that was killed is removed");
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// True if the process is there and not only waits to be forgotten.
fn lives(process: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    // The state follows the name, which stands in parentheses and may hold anything.
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    !matches!(state, Some('Z' | 'X'))
}

fn sync(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
