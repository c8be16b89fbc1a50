//! The journal: what is about to be renamed, so that a publication that was killed can be finished.
//!
//! `run.json` is the commit mark: who reads outputs reads it first, and takes what it names. While
//! files are renamed there is none. The journal lies beside it from the moment when all new files
//! are complete and on disk, until the new `run.json` is in place. Whoever comes next
//! ([`recover`]) finishes what was begun, or takes it back if a file that was to be renamed is gone.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::disk;
use super::folder;
use super::format::digest;
use super::record::FILE;
use super::stage::{failed, site};
use crate::diagnostics::{Code, Diagnostic, Outcome, advice};
use crate::engine::source::tree;
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
    /// SHA-256 of its bytes, in hex: an old file may have the same size. Of a folder that of all it holds.
    pub sha256: String,
    /// True for a folder of files. No second name can be given to one: the old folder is moved away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_folder: bool,
    /// The files of the old folder: these go with it, and no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_files: Vec<String>,
}

/// All renames of a publication, the run record's last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Journal {
    /// Version of this file.
    version: u32,
    steps: Vec<Step>,
}

/// The version of a journal with these steps: the first knew no folders.
fn version(steps: &[Step]) -> u32 {
    if steps.iter().any(|step| step.is_folder) { 2 } else { 1 }
}

/// Holds the folder of a run record for one publication, until it is dropped.
pub struct Lock {
    _folder: Option<File>,
}

impl Lock {
    /// Waits until no other publication holds the folder. Some file systems cannot lock a folder: then
    /// two publications at once are not kept apart.
    pub fn take(folder: &Path) -> Self {
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

/// A file, and why something could not be done to it.
type Failed = (PathBuf, io::Error);

/// True if something stands there, a link that leads nowhere too.
fn is_there(path: &Path) -> io::Result<bool> {
    known(fs::symlink_metadata(path).map(|_| true))
}

fn has_size(path: &Path, bytes: u64) -> io::Result<bool> {
    known(fs::metadata(path).map(|file| file.len() == bytes))
}

/// What is not there is not there; what cannot be looked at is not known.
fn known(looked: io::Result<bool>) -> io::Result<bool> {
    match looked {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(false)
        }
        looked => looked,
    }
}

/// Says of which file it is.
fn at<T>(path: &Path, done: io::Result<T>) -> Result<T, Failed> {
    done.map_err(|error| (path.to_path_buf(), error))
}

impl Journal {
    /// Of these renames, the run record's last.
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Self {
        Self { version: version(&steps), steps }
    }

    /// Renames everything, or nothing, in a folder that is locked. From the moment when the journal is on disk, whoever comes next
    /// finishes what is not done.
    ///
    /// # Errors
    /// What cannot be renamed; then everything is as it was. Where that cannot be had either the
    /// journal stays, and no run record.
    pub fn publish(mut self, folder: &Path, _lock: &Lock) -> Outcome<()> {
        let begun = self.begin(folder);
        if begun.is_err() {
            // Nobody would finish: what was staged holds customers' data, and goes.
            for step in &self.steps {
                let _ = step.remove_new(&step.staged);
            }
            return begun;
        }
        let moved = self.steps.iter().try_for_each(|step| {
            let done = disk::rename(&step.staged, &step.from);
            planted::step("new file named");
            at(&step.to, done)
        });
        if let Err((path, error)) = moved.and_then(|()| self.forward(folder)) {
            let fault = match self.back(folder) {
                Ok(()) => failed(&path, &error),
                Err((kept, _)) => stuck(&path, &error, &kept),
            };
            return Err(fault.into());
        }
        self.settle(folder);
        Ok(())
    }

    /// Looks that all is there, and writes the journal.
    fn begin(&mut self, folder: &Path) -> Outcome<()> {
        for step in &self.steps {
            let whole = step.is_new(&step.staged);
            if !whole.map_err(|error| failed(&step.to, &error))? {
                let error = io::Error::other("its new file is gone, or is not what was written");
                return Err(failed(&step.to, &error).into());
            }
        }
        // What an earlier version or a hand left is not the record of the run before.
        let (record, old_record) = (folder.join(FILE), folder.join(OLD_RECORD));
        let put_right = || match (is_there(&old_record)?, is_there(&record)?) {
            (true, true) => disk::remove(&old_record),
            (true, false) if old_record.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            (true, false) => disk::rename(&old_record, &record),
            (false, _) => Ok(()),
        };
        put_right().map_err(|error| failed(&old_record, &error))?;
        for step in self.steps.iter_mut().filter(|step| step.is_folder) {
            step.look_at_old(folder)?;
        }
        let path = folder.join(JOURNAL);
        self.write(folder, &path).map_err(|error| {
            // One that is not on disk for certain must not be followed.
            match disk::remove(&path) {
                Ok(()) => failed(&path, &error),
                Err(_) => stuck(&path, &error, &path),
            }
            .into()
        })
    }

    fn write(&self, folder: &Path, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        let file = disk::new_file(folder, &prefix(), "")?;
        disk::fill(&file, &text)?;
        planted::operation("journal named")?;
        file.persist(path).map_err(|error| error.error)?;
        disk::sync_folder(folder)?;
        planted::step("journal written");
        Ok(())
    }

    /// Does what is not done yet.
    fn forward(&self, folder: &Path) -> Result<(), Failed> {
        let (record, old_record) = (folder.join(FILE), folder.join(OLD_RECORD));
        let must_go =
            || Ok(is_there(&record)? && !is_there(&old_record)? && !self.is_committed()?);
        if at(&record, must_go())? {
            at(&record, disk::rename(&record, &old_record))?;
            planted::step("old record set aside");
        }
        let Some((record, others)) = self.steps.split_last() else { return Ok(()) };
        for step in others {
            at(&step.to, step.forward())?;
            planted::step("file renamed");
        }
        // The record says that all else is in place, on disk too.
        Self::sync(others)?;
        at(&record.to, record.forward())?;
        planted::step("file renamed");
        Ok(())
    }

    /// Waits until the new names of these files are on disk.
    fn sync(steps: &[Step]) -> Result<(), Failed> {
        let folders: BTreeSet<_> = steps.iter().filter_map(|step| step.to.parent()).collect();
        folders.into_iter().try_for_each(|folder| at(folder, disk::sync_folder(folder)))
    }

    /// True if the new run record is in place: the publication is done.
    fn is_committed(&self) -> io::Result<bool> {
        let Some(record) = self.steps.last() else { return Ok(false) };
        Ok(!is_there(&record.staged)? && !is_there(&record.from)? && record.is_done()?)
    }

    /// Takes back what was done. The old record comes back when all else is back; while something is
    /// not, the journal stays, for whoever comes next.
    fn back(&self, folder: &Path) -> Result<(), Failed> {
        let mut first = None;
        for step in self.steps.iter().rev() {
            if let Err(failed) = at(&step.to, step.back()) {
                tracing::error!(path = %step.to.display(), "an output could not be taken back");
                first.get_or_insert(failed);
            }
        }
        if let Some(failed) = first {
            return Err(failed);
        }
        let (record, old_record) = (folder.join(FILE), folder.join(OLD_RECORD));
        if at(&old_record, is_there(&old_record))? {
            at(&record, disk::rename(&old_record, &record))?;
        }
        // All is as it was; a journal that stays says so to whoever comes next.
        self.forget(folder);
        Ok(())
    }

    /// Removes what only a way back would need. What cannot be removed now is kept in the journal.
    fn settle(&self, folder: &Path) {
        let mut settled = Self::sync(&self.steps).is_ok();
        if settled {
            // Without the old record nobody can take old files for a whole set.
            settled &= disk::remove(&folder.join(OLD_RECORD)).is_ok();
            for step in &self.steps {
                settled &= step.remove_old().is_ok();
            }
            settled &= Self::sync(&self.steps).is_ok();
        }
        planted::step("old files removed");
        if settled {
            self.forget(folder);
        } else {
            tracing::warn!("old files beside the new ones are removed by the next run");
        }
        planted::step("journal removed");
    }

    /// Removes the journal.
    fn forget(&self, folder: &Path) {
        let path = folder.join(JOURNAL);
        if disk::remove(&path).and_then(|()| disk::sync_folder(folder)).is_err() {
            let steps = self.steps.len();
            tracing::warn!(steps, "a journal that is done with is removed by the next run");
        }
    }

    /// True if every new file is there still, or stands where it was to go.
    fn is_whole(&self) -> Result<bool, Failed> {
        for step in &self.steps {
            let whole =
                || Ok(step.is_new(&step.staged)? || step.is_new(&step.from)? || step.is_done()?);
            if !at(&step.to, whole())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A folder that it speaks of and that is not where it was: the run record's, or another. What is not there now
    /// can come back, so nothing is followed and nothing is taken back without it.
    fn missing_folder(&self, folder: &Path) -> Option<PathBuf> {
        let mut parents = self.steps.iter().filter_map(|step| step.to.parent());
        let record = self.steps.last().map(|step| step.to.as_path());
        let here = fs::canonicalize(folder).ok();
        let moved = record.filter(|record| here.is_none_or(|here| here.join(FILE) != **record));
        let moved = moved.and_then(Path::parent);
        moved.or_else(|| parents.find(|parent| !parent.is_dir())).map(Path::to_path_buf)
    }

    /// True if it speaks of nothing but files that a publication may touch: new and old ones by names
    /// of ours, beside where they go.
    fn is_ours(&self) -> bool {
        let ours = |path: &Path, to: &Path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            path.parent() == to.parent() && name.is_some_and(|name| name.starts_with(".optin-"))
        };
        let below = |file: &String| {
            Path::new(file).components().all(|part| matches!(part, Component::Normal(_)))
        };
        self.version == version(&self.steps)
            && self.steps.iter().all(|step| {
                ours(&step.staged, &step.to)
                    && ours(&step.from, &step.to)
                    && step.old.as_ref().is_none_or(|old| ours(old, &step.to))
                    && step.old_files.iter().all(below)
            })
    }
}

impl Step {
    /// True if the new file stands there under one of its names, as far as its size tells.
    fn is_new(&self, path: &Path) -> io::Result<bool> {
        if !self.is_folder {
            return has_size(path, self.bytes);
        }
        match tree::files(path) {
            Ok(files) => Ok(files.iter().map(|(_, bytes)| bytes).sum::<u64>() == self.bytes),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(false),
            Err(error) => known(Err(error)),
        }
    }

    /// Removes the new file from under one of its names.
    fn remove_new(&self, path: &Path) -> io::Result<()> {
        if self.is_folder { folder::remove(path) } else { disk::remove(path) }
    }

    /// Removes the old file from under its second name.
    fn remove_old(&self) -> io::Result<()> {
        match &self.old {
            Some(old) if self.is_folder => folder::remove_files(old, &self.old_files),
            Some(old) => disk::remove(old),
            None => Ok(()),
        }
    }

    /// Looks what folder stands there now: it goes only if it is what a run published into it. `out` is the
    /// folder of the run record.
    fn look_at_old(&mut self, out: &Path) -> Outcome<()> {
        match fs::symlink_metadata(&self.to) {
            Ok(there) if there.is_dir() => {
                self.old_files = folder::published(out, &self.to)?;
                let name = self.from.file_name().map(|name| name.to_string_lossy().into_owned());
                let name = name.unwrap_or_default().replacen("new", "old", 1);
                self.old = Some(self.from.with_file_name(name));
            }
            Ok(_) => return Err(failed(&self.to, &io::ErrorKind::NotADirectory.into()).into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.old = None,
            Err(error) => return Err(failed(&self.to, &error).into()),
        }
        Ok(())
    }

    /// True if the new file stands where it was to go.
    fn is_done(&self) -> io::Result<bool> {
        if self.is_folder {
            return match folder::contents(&self.to) {
                Ok(found) => Ok(found.sha256 == self.sha256),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(false),
                Err(error) => known(Err(error)),
            };
        }
        if !has_size(&self.to, self.bytes)? || self.to.is_dir() {
            return Ok(false);
        }
        let (_, sha256) = digest(&self.to)?;
        Ok(sha256 == self.sha256)
    }

    /// Renames, unless that is done.
    fn forward(&self) -> io::Result<()> {
        let new = if is_there(&self.from)? {
            &self.from
        } else if is_there(&self.staged)? {
            &self.staged
        } else {
            return Ok(());
        };
        if self.is_folder {
            if let Some(old) = &self.old
                && is_there(&self.to)?
                && !is_there(old)?
            {
                disk::rename(&self.to, old)?;
                planted::step("old folder moved away");
            }
            return disk::rename(new, &self.to);
        }
        if self.to.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if let Some(old) = &self.old
            && is_there(&self.to)?
            && !is_there(old)?
        {
            // Where a second name cannot be given the old file is moved away.
            disk::second_name(&self.to, old).or_else(|_| disk::rename(&self.to, old))?;
            planted::step("second name given");
        }
        disk::rename(new, &self.to)
    }

    /// Puts back the folder that stood there. The new one leaves its place before it is removed, so that no
    /// part of it is ever seen there.
    fn folder_back(&self) -> io::Result<()> {
        let is_pending = is_there(&self.from)? || is_there(&self.staged)?;
        let moved = match &self.old {
            Some(old) => is_there(old)?,
            None => true,
        };
        // What stands there is the new one only if the old one, if there was one, was moved away.
        if moved && !is_pending && is_there(&self.to)? {
            if !self.is_done()? {
                return Err(io::Error::other("it is not as this program left it"));
            }
            disk::rename(&self.to, &self.from)?;
        }
        if let Some(old) = &self.old
            && is_there(old)?
        {
            disk::rename(old, &self.to)?;
        }
        self.remove_new(&self.from)?;
        self.remove_new(&self.staged)
    }

    /// Puts back what stood there.
    fn back(&self) -> io::Result<()> {
        if self.is_folder {
            return self.folder_back();
        }
        let mut pending = false;
        for new in [&self.from, &self.staged] {
            if is_there(new)? {
                pending = true;
                disk::remove(new)?;
            }
        }
        match &self.old {
            Some(old) if is_there(old)? => {
                disk::rename(old, &self.to)?;
                // Two names of one file: the rename did nothing.
                disk::remove(old)
            }
            // Nothing stood there, and what does now is the new file.
            None if !pending && self.is_done()? => disk::remove(&self.to),
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
/// A journal that cannot be read, or a file that can neither be renamed nor taken back.
pub fn recover(folder: &Path) -> Outcome<Option<Recovered>> {
    if matches!(is_there(&folder.join(JOURNAL)), Ok(false)) {
        return Ok(None);
    }
    let _lock = Lock::take(folder);
    recover_locked(folder)
}

/// As [`recover`], in a folder that is locked.
///
/// # Errors
/// As [`recover`].
pub fn recover_locked(folder: &Path) -> Outcome<Option<Recovered>> {
    let path = folder.join(JOURNAL);
    let strange = |why: &str, help: &str| {
        Diagnostic::error(
            Code::WriteFailed,
            format!("the journal of a publication that was killed cannot be followed: {why}"),
        )
        .in_file(site(&path))
        .help(help)
    };
    let unknown = "look who wrote it; to begin anew remove it, and look at the outputs yourself";
    let unreadable = |error: io::Error| strange(&error.to_string(), advice(&error));
    let file = match fs::symlink_metadata(&path) {
        Ok(file) => file,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error).into()),
    };
    // Whoever may write to the folder could else have files removed in our name.
    let own = fs::metadata("/proc/self").map(|process| process.uid());
    if !file.is_file() || own.is_ok_and(|own| own != file.uid()) {
        return Err(strange("it is not a file of the user who runs", unknown).into());
    }
    let mut text = Vec::new();
    disk::open(&path).and_then(|mut file| file.read_to_end(&mut text)).map_err(unreadable)?;
    let journal = serde_json::from_slice::<Journal>(&text).ok().filter(Journal::is_ours);
    let Some(journal) = journal else {
        return Err(strange("it is not one that this version writes", unknown).into());
    };
    if let Some(missing) = journal.missing_folder(folder) {
        let why = format!("its files stood in {}, which is not there now", missing.display());
        let help = "put the folder where it was, mounted or named as it was, and run again; or to begin anew remove the \
                    journal, and look at the outputs yourself: some are of the one run and some of the other";
        return Err(strange(&why, help).into());
    }
    let not_known = |(path, error): Failed| stuck(&path, &error, &path);
    let committed = at(&folder.join(FILE), journal.is_committed()).map_err(not_known)?;
    // A record can be on disk when the name of another file, on another disk, is not.
    let finished = if committed || journal.is_whole().map_err(not_known)? {
        journal.forward(folder)
    } else {
        journal.back(folder).map_err(not_known)?;
        return Ok(Some(Recovered::TakenBack));
    };
    match finished {
        Ok(()) => {
            journal.settle(folder);
            Ok(Some(Recovered::Finished))
        }
        // What cannot be finished can perhaps be taken back.
        Err((path, error)) if committed => Err(stuck(&path, &error, &path).into()),
        Err((path, error)) => match journal.back(folder) {
            Ok(()) => Ok(Some(Recovered::TakenBack)),
            Err((kept, _)) => Err(stuck(&path, &error, &kept).into()),
        },
    }
}

/// The fault for a publication that can be neither finished nor taken back.
fn stuck(path: &Path, error: &io::Error, kept: &Path) -> Diagnostic {
    Diagnostic::error(
        Code::WriteFailed,
        format!(
            "publishing broke off, and what was done cannot be taken back now: {error}; at {}",
            kept.display()
        ),
    )
    .in_file(site(path))
    .help(format!(
        "{}; while there is no run.json take none of the outputs. The next run finishes this or takes \
         it back before it does anything else",
        advice(error)
    ))
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
    // Processes of others may be hidden: they would look dead.
    let Ok(own) = fs::metadata("/proc/self").map(|process| process.uid()) else { return };
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&start)) else { continue };
        let process = rest.split('-').next().and_then(|process| process.parse::<u32>().ok());
        let Ok(kind) = entry.file_type() else { continue };
        if process.is_none_or(lives) || entry.metadata().map_or(true, |file| file.uid() != own) {
            continue;
        }
        if kind.is_file() {
            tracing::info!("a file of a run that was killed is removed");
            let _ = fs::remove_file(entry.path());
        } else if kind.is_dir() {
            tracing::info!("a folder of a run that was killed is removed");
            let _ = fs::remove_dir_all(entry.path());
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
