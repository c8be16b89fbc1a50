//! The memory that a run may take, and what goes to disk where it is not enough.
//!
//! What grows with the rows of consent tables and with the keys of records is filed by partition
//! and read partition by partition, so it can lie on disk: in files without a name, which the
//! system forgets with the process however that ends. Keys are digests under a seed that nobody
//! knows; no text is ever spilled.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::partition::{PARTITIONS, Scattered, Stored};
use super::tuning;
use crate::diagnostics::{Code, Diagnostic, Outcome};

/// A file, and how far it is written.
type Spilled = (Arc<File>, u64);

/// How much memory a run may take.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Bytes; none where there is no limit, or the system does not tell what is taken.
    pub limit: Option<u64>,
    /// The folder in which a file without a name is made.
    pub scratch: PathBuf,
    /// That file, once there is one, and how far it is written.
    spilled: Arc<Mutex<Option<Spilled>>>,
}

impl Memory {
    /// A limit, and the folder for what goes to disk. Without a limit a run may take four fifths of
    /// what the machine has, or of what its control group may take.
    #[must_use]
    pub fn new(limit: Option<u64>, scratch: PathBuf) -> Self {
        let machine = || available().map(|bytes| bytes / 5 * 4);
        let limit = limit.or_else(machine).filter(|_| resident().is_some());
        Self { limit, scratch, spilled: Arc::default() }
    }

    /// True if what can go to disk should go: half of the limit is taken.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        tuning::spills() || self.taken().is_some_and(|(taken, limit)| taken > limit / 2)
    }

    /// Of what is made in passing, how many bytes may stay before they go to disk.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let least = tuning::part(1 << 25, 100) as u64;
        if self.is_tight() { least } else { u64::MAX }
    }

    fn taken(&self) -> Option<(u64, u64)> {
        Some((resident()?, self.limit?))
    }

    /// That the limit is kept; `doing` is what the run was doing.
    ///
    /// # Errors
    /// More is taken than is allowed.
    pub fn check(&self, doing: &str) -> Outcome<()> {
        let Some((taken, limit)) = self.taken().filter(|(taken, limit)| taken > limit) else {
            return Ok(());
        };
        Err(Diagnostic::error(
            Code::MemoryLimit,
            format!(
                "{doing} takes more memory than the limit: {} of {} MB",
                taken / 1_000_000,
                limit / 1_000_000
            ),
        )
        .help(
            "allow more with --limit-memory (without it: four fifths of what the machine has), \
             write customer tables as Parquet, or leave out `outputs` that show all profiles",
        )
        .into())
    }

    /// Puts what is in memory of `all` on disk.
    ///
    /// # Errors
    /// A disk that cannot be written to.
    pub fn spill<E: Stored>(&self, all: &mut Scattered<E>) -> Outcome<()> {
        if all.in_memory() == 0 {
            return Ok(());
        }
        let run = self.write(all).map_err(|_| {
            Diagnostic::error(Code::WriteFailed, "the disk cannot take what memory has no room for")
                .help("make room in the folder of the outputs, or allow more with --limit-memory")
        })?;
        all.put_on_disk(run);
        Ok(())
    }

    fn write<E: Stored>(&self, all: &Scattered<E>) -> io::Result<Run> {
        let mut spilled = self.spilled.lock().map_err(|_| io::Error::other("a spill broke off"))?;
        let (file, mut at) = match spilled.take() {
            Some(known) => known,
            None => (Arc::new(self.scratch_file()?), 0),
        };
        let mut writer = BufWriter::with_capacity(1 << 20, At { file: &file, at });
        let mut starts = Vec::with_capacity(PARTITIONS + 1);
        let mut bytes = vec![0; E::BYTES];
        for partition in 0..PARTITIONS {
            starts.push(at);
            for entry in all.part(partition) {
                entry.store(&mut bytes);
                writer.write_all(&bytes)?;
                at += E::BYTES as u64;
            }
        }
        starts.push(at);
        writer.flush()?;
        drop(writer);
        tracing::debug!(bytes = at, "on disk");
        *spilled = Some((Arc::clone(&file), at));
        Ok(Run { file, starts })
    }

    fn scratch_file(&self) -> io::Result<File> {
        // The folder of outputs is made when they are; a run that fails leaves none behind.
        let mut parents = self.scratch.ancestors();
        let folder = parents.find(|folder| folder.is_dir()).map(PathBuf::from);
        tempfile::tempfile_in(folder.unwrap_or_else(std::env::temp_dir))
    }
}

/// Writes from a place in a file on.
struct At<'f> {
    file: &'f File,
    at: u64,
}

impl io::Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Entries on disk, by partition.
#[derive(Debug)]
pub struct Run {
    file: Arc<File>,
    /// Where the bytes of each partition begin; one more at the end.
    starts: Vec<u64>,
}

impl Run {
    /// Gives the entries of a partition in their order.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read<E: Stored>(&self, partition: usize, mut each: impl FnMut(E)) -> io::Result<()> {
        let Some([start, end]) = self.starts.get(partition..partition + 2) else { return Ok(()) };
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, *start)?;
        bytes.chunks_exact(E::BYTES).for_each(|bytes| each(E::restore(bytes)));
        Ok(())
    }

    /// How many bytes a partition has.
    #[must_use]
    pub fn part_bytes(&self, partition: usize) -> u64 {
        match self.starts.get(partition..partition + 2) {
            Some([start, end]) => end - start,
            _ => 0,
        }
    }
}

/// What was put on disk cannot be read back.
#[must_use]
pub fn unreadable(error: io::Error) -> Diagnostic {
    let kind = error.kind();
    drop(error);
    tracing::debug!(?kind, "spilled entries");
    Diagnostic::error(Code::EngineFault, "what was put on disk cannot be read back")
        .help("look whether the disk of the outputs is sound; nothing was published")
}

/// The memory that the process takes now, in bytes; none where the system does not tell.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kilobytes(&status, "VmRSS:")
}

/// What the machine has, or what the control group of the process may take.
fn available() -> Option<u64> {
    let machine = kilobytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let group = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    Some(groups.iter().filter_map(|path| group(path)).fold(machine, u64::min))
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::digest::digest;
    use crate::engine::partition::{Entry, Parts};

    fn entries(from: u32, to: u32) -> Parts<Entry> {
        let entry = |n: u32| Entry::new(digest(&n.to_le_bytes()), n % 8, i64::from(n) - 50);
        Parts::of_entries(&(from..to).map(entry).collect::<Vec<_>>())
    }

    fn all(scattered: &Scattered<Entry>) -> Vec<(u32, i64)> {
        let mut all = Vec::new();
        let mut subs = Vec::new();
        for partition in 0..PARTITIONS {
            scattered.gather(partition, 1, &mut subs).expect("readable");
            all.extend(subs[0].iter().map(|entry| (entry.kind(), entry.at)));
        }
        all
    }

    #[test]
    fn what_goes_to_disk_comes_back_in_its_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory::new(None, folder.path().join("not/there/yet"));
        let meant = Scattered::of(vec![entries(0, 4000), entries(4000, 5000), entries(0, 10)]);
        let mut spilled = Scattered::of(vec![entries(0, 4000)]);
        memory.spill(&mut spilled).expect("a disk");
        spilled.append(Scattered::of(vec![entries(4000, 5000)]));
        memory.spill(&mut spilled).expect("a disk");
        spilled.append(Scattered::of(vec![entries(0, 10)]));
        assert_eq!(all(&spilled), all(&meant));
        assert!((0..PARTITIONS).all(|part| spilled.part_len(part) == meant.part_len(part)));
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 0, "no file has a name");
    }

    #[test]
    fn a_limit_that_is_passed_is_an_error_that_says_so() {
        let memory = Memory::new(Some(1), PathBuf::new());
        let faults = memory.check("reading").expect_err("a byte is too little");
        assert!(faults.0[0].message.contains("reading takes more memory"), "{faults:?}");
        assert!(Memory::new(Some(u64::MAX), PathBuf::new()).check("reading").is_ok());
        assert!(Memory::new(None, PathBuf::new()).limit.is_some_and(|limit| limit > 1 << 20));
    }
}
