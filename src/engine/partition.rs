//! Partitions: many small tables in place of a large one.
//!
//! A look-up in a table of millions waits for memory. So what is to be grouped or joined is
//! scattered by the top bits of its digests first, and then handled partition by partition: a
//! partition's table fits the cache. Entries of one partition stay apart by the chunk of rows that
//! they came from, in the order of rows; nothing is copied to bring them together.

use std::io;

use rayon::prelude::*;

use super::digest::Digest;
use super::memory::Run;
use super::records::Record;
use super::tuning::part;

const BITS: u32 = 10;

/// Number of partitions.
pub const PARTITIONS: usize = 1 << BITS;

/// The partition of a digest.
#[must_use]
pub fn partition_of(digest: Digest) -> usize {
    usize::try_from(digest >> (128 - BITS)).unwrap_or(0)
}

/// The first bit of a word of 32 bits that says a partition.
const SHIFT: u32 = 32 - BITS;

/// What is filed by partition: it tells which of the partition's keys it belongs to, and can lie on
/// disk.
pub trait Stored: Copy + Send + Sync {
    /// How many bytes one takes on disk.
    const BYTES: usize;

    /// What it is told apart by.
    fn tag(&self) -> Tag;

    /// Behind so many records.
    #[must_use]
    fn behind(self, first: Record) -> Self;

    /// Writes its bytes.
    fn store(&self, bytes: &mut [u8]);

    /// Reads them.
    fn restore(bytes: &[u8]) -> Self;
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]))
}

/// What tells digests of one partition apart: 95 of their bits. With those of the partition it is
/// 105: among a billion digests two are taken for equal once in 10^13 runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The low half; it is spread, so it serves as the hash.
    pub low: u64,
    /// Some of the rest.
    pub middle: u32,
}

impl Tag {
    /// The tag of a digest.
    #[expect(clippy::cast_possible_truncation, reason = "these bits are what is wanted")]
    #[must_use]
    pub const fn of(digest: Digest) -> Self {
        Self { low: digest as u64, middle: (digest >> 64) as u32 & (u32::MAX >> 1) }
    }
}

/// A record's key: 16 bytes with a mark of one bit.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    low: u64,
    middle: u32,
    /// The record.
    pub record: Record,
}

impl Held {
    fn new(digest: Digest, mark: bool, record: Record) -> Self {
        let Tag { low, middle } = Tag::of(digest);
        Self { low, middle: middle << 1 | u32::from(mark), record }
    }

    /// The mark.
    #[must_use]
    pub const fn marked(&self) -> bool {
        self.middle & 1 == 1
    }
}

/// A key with what is said of it: 24 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    low: u64,
    middle: u32,
    /// Its partition, and behind it what kind of entry it is.
    word: u32,
    /// Its time.
    pub at: i64,
}

impl Entry {
    /// What is said of a key. Of `kind` the upper ten bits are lost.
    #[must_use]
    pub fn new(digest: Digest, kind: u32, at: i64) -> Self {
        let Tag { low, middle } = Tag::of(digest);
        let partition = u32::try_from(partition_of(digest)).unwrap_or(0);
        Self { low, middle, word: partition << SHIFT | (kind & KIND), at }
    }

    /// What kind of entry it is.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        self.word & KIND
    }

    const fn partition(&self) -> usize {
        (self.word >> SHIFT) as usize
    }
}

impl Stored for Held {
    const BYTES: usize = 16;

    fn tag(&self) -> Tag {
        Tag { low: self.low, middle: self.middle >> 1 }
    }

    fn behind(self, first: Record) -> Self {
        Self { record: first + self.record, ..self }
    }

    fn store(&self, bytes: &mut [u8]) {
        bytes[..8].copy_from_slice(&self.low.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.middle.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.record.to_le_bytes());
    }

    fn restore(bytes: &[u8]) -> Self {
        Self { low: long(bytes, 0), middle: word(bytes, 8), record: word(bytes, 12) }
    }
}

impl Stored for Entry {
    const BYTES: usize = 24;

    fn tag(&self) -> Tag {
        Tag { low: self.low, middle: self.middle }
    }

    fn behind(self, _: Record) -> Self {
        self
    }

    fn store(&self, bytes: &mut [u8]) {
        bytes[..8].copy_from_slice(&self.low.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.middle.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.word.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.at.to_le_bytes());
    }

    fn restore(bytes: &[u8]) -> Self {
        let at = long(bytes, 16).cast_signed();
        Self { low: long(bytes, 0), middle: word(bytes, 8), word: word(bytes, 12), at }
    }
}

/// The bits of an entry's word that say its kind.
const KIND: u32 = (1 << SHIFT) - 1;

/// The entries of one chunk of rows, those of a partition behind each other in the order of rows.
#[derive(Debug)]
pub struct Parts<E> {
    entries: Vec<E>,
    /// Where the entries of each partition begin; one more at the end.
    starts: Vec<u32>,
    /// Number of the chunk's first record: its entries count from there.
    first: Record,
}

impl<E> Parts<E> {
    /// The entries of a partition, in the order of rows.
    #[must_use]
    pub fn part(&self, partition: usize) -> &[E] {
        match self.starts.get(partition..partition + 2) {
            Some([start, end]) => &self.entries[*start as usize..*end as usize],
            _ => &[],
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts entries, each of which `each` tells with one of so many parts, in the order of parts.
    /// `each` is asked twice.
    fn sorted<I: Iterator<Item = (usize, E)>>(parts: usize, each: impl Fn() -> I, blank: E) -> Self
    where
        E: Clone,
    {
        let mut starts = vec![0_u32; parts + 1];
        for (partition, _) in each() {
            starts[partition + 1] += 1;
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        if total == 0 {
            return Self { entries: Vec::new(), starts: Vec::new(), first: 0 };
        }
        let mut next = starts.clone();
        let mut entries = vec![blank; total as usize];
        for (partition, entry) in each() {
            let at = &mut next[partition];
            entries[*at as usize] = entry;
            *at += 1;
        }
        Self { entries, starts, first: 0 }
    }
}

impl Parts<Held> {
    /// The keys of a chunk's records, each with its mark; 0 is none. Records are numbered from the
    /// chunk's first.
    pub fn of_keys<I: Iterator<Item = (Digest, bool, Record)>>(keys: impl Fn() -> I) -> Self {
        let held = || {
            keys().filter(|(digest, _, _)| *digest != 0).map(|(digest, mark, record)| {
                (partition_of(digest), Held::new(digest, mark, record))
            })
        };
        Self::sorted(PARTITIONS, held, FREE)
    }

    /// The same, behind so many records.
    #[must_use]
    pub fn behind(self, first: Record) -> Self {
        Self { first, ..self }
    }
}

impl Parts<Entry> {
    /// Entries in the order of rows.
    #[must_use]
    pub fn of_entries(entries: &[Entry]) -> Self {
        let blank = Entry { low: 0, middle: 0, word: 0, at: 0 };
        let each = || entries.iter().map(|entry| (entry.partition(), *entry));
        Self::sorted(PARTITIONS, each, blank)
    }
}

/// Entries by partition.
#[derive(Debug)]
pub struct Scattered<E> {
    /// What is on disk, in the order of rows, before what is in memory.
    runs: Vec<Run>,
    chunks: Vec<Parts<E>>,
}

impl<E> Default for Scattered<E> {
    fn default() -> Self {
        Self { runs: Vec::new(), chunks: Vec::new() }
    }
}

impl<E: Stored> Scattered<E> {
    /// The entries of a partition in memory, in the order of rows.
    pub fn part(&self, partition: usize) -> impl Iterator<Item = E> {
        self.chunks.iter().flat_map(move |chunk| {
            chunk.part(partition).iter().map(|entry| entry.behind(chunk.first))
        })
    }

    /// Gathers the entries of a partition in the order of rows, divided by their keys into so many
    /// parts, a power of two.
    ///
    /// # Errors
    /// Entries on disk that cannot be read.
    pub fn gather(&self, partition: usize, subs: usize, into: &mut Vec<Vec<E>>) -> io::Result<()> {
        into.resize_with(subs, Vec::new);
        into.iter_mut().for_each(Vec::clear);
        let mask = subs - 1;
        let mut put = |entry: E| into[entry.tag().middle as usize & mask].push(entry);
        for run in &self.runs {
            run.read(partition, &mut put)?;
        }
        self.part(partition).for_each(put);
        Ok(())
    }

    /// How many entries a partition has.
    #[must_use]
    pub fn part_len(&self, partition: usize) -> usize {
        let on_disk: u64 = self.runs.iter().map(|run| run.part_bytes(partition)).sum();
        let in_memory: usize = self.chunks.iter().map(|chunk| chunk.part(partition).len()).sum();
        usize::try_from(on_disk).unwrap_or(0) / E::BYTES + in_memory
    }

    /// How many bytes stand in memory.
    #[must_use]
    pub fn in_memory(&self) -> u64 {
        self.chunks.iter().map(|chunk| (chunk.entries.len() * size_of::<E>()) as u64).sum()
    }

    /// What was in memory is in this run now.
    pub fn put_on_disk(&mut self, run: Run) {
        self.chunks.clear();
        self.runs.push(run);
    }

    /// Adds what stands behind.
    pub fn append(&mut self, more: Self) {
        self.chunks.extend(more.chunks);
        self.runs.extend(more.runs);
    }
}

impl Scattered<(Record, Record)> {
    /// Scatters pairs among so many parts. `each` tells the pairs of each of so many chunks, with
    /// their parts; it is asked twice.
    pub fn of_pairs<I: Iterator<Item = (usize, (Record, Record))>>(
        chunks: usize,
        parts: usize,
        each: impl Fn(usize) -> I + Sync,
    ) -> Self {
        let chunk = |chunk| Parts::sorted(parts, || each(chunk), (0, 0));
        Self::of((0..chunks).into_par_iter().map(chunk).collect())
    }

    /// The pairs of a part, in the order of chunks.
    pub fn pairs(&self, part: usize) -> impl Iterator<Item = &(Record, Record)> {
        self.chunks.iter().flat_map(move |chunk| chunk.part(part))
    }

    /// How many pairs a part has.
    #[must_use]
    pub fn pairs_len(&self, part: usize) -> usize {
        self.chunks.iter().map(|chunk| chunk.part(part).len()).sum()
    }
}

impl<E> Scattered<E> {
    /// Puts chunks behind each other; they come in the order of rows.
    #[must_use]
    pub fn of(mut chunks: Vec<Parts<E>>) -> Self {
        chunks.retain(|chunk| !chunk.entries.is_empty());
        Self { runs: Vec::new(), chunks }
    }

    /// True without entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.runs.is_empty()
    }
}

/// How many rows a thread takes at once where it scatters: enough to fill the partitions, few
/// enough to sort in the cache.
#[must_use]
pub fn chunk_rows(rows: usize) -> usize {
    let (least, most) = (part(1 << 14, 3), part(1 << 17, 3));
    (rows / (rayon::current_num_threads() * 4)).clamp(least, most)
}

/// Scatters the keys of records; 0 is none.
#[must_use]
pub fn scatter(records: usize, digest: impl Fn(Record) -> Digest + Sync) -> Scattered<Held> {
    let rows = chunk_rows(records);
    let chunks = (0..records.div_ceil(rows))
        .into_par_iter()
        .map(|chunk| {
            let range = chunk * rows..records.min((chunk + 1) * rows);
            let first = Record::try_from(range.start).unwrap_or(Record::MAX);
            let digests: Vec<Digest> = (first..).take(range.len()).map(&digest).collect();
            let keys = || (0..).zip(&digests).map(|(record, digest)| (*digest, true, record));
            Parts::of_keys(keys).behind(first)
        })
        .collect();
    Scattered::of(chunks)
}

/// Records with equal keys.
#[derive(Debug, Default)]
pub struct Equal {
    /// The first record of each key with every other one.
    pub pairs: Vec<(Record, Record)>,
    /// The first record of each key that several have, and how many have it.
    pub groups: Vec<(Record, u32)>,
}

/// Finds the records with equal keys among those that `counts` lets in. For each key the smallest
/// record is the first.
///
/// # Errors
/// Keys on disk that cannot be read.
pub fn equal(
    scattered: &Scattered<Held>,
    counts: impl Fn(Record) -> bool + Sync,
) -> io::Result<Equal> {
    let parts: io::Result<Vec<Equal>> = (0..PARTITIONS)
        .into_par_iter()
        .map_init(
            || (Vec::new(), Vec::new()),
            |(subs, slots), partition| {
                let many = subs_of(scattered.part_len(partition));
                scattered.gather(partition, many, subs)?;
                Ok(equal_in(subs, &counts, slots))
            },
        )
        .collect();
    let parts = parts?;
    let mut all = Equal::default();
    all.pairs.reserve_exact(parts.iter().map(|part| part.pairs.len()).sum());
    for part in parts {
        all.pairs.extend(part.pairs);
        all.groups.extend(part.groups);
    }
    Ok(all)
}

/// In how many parts a partition of so many entries is worked on: the table of each fits the cache.
#[must_use]
pub fn subs_of(entries: usize) -> usize {
    (entries / part(1 << 14, 2)).max(1).next_power_of_two()
}

/// A free place of a table. No record has this number.
const FREE: Held = Held { low: 0, middle: 0, record: Record::MAX };

fn equal_in(subs: &[Vec<Held>], counts: impl Fn(Record) -> bool, slots: &mut Vec<Held>) -> Equal {
    let mut equal = Equal::default();
    for sub in subs {
        let mask = clear(slots, sub.len(), FREE);
        // Entries come in the order of records, so the first seen is the smallest.
        for held in sub.iter().filter(|held| counts(held.record)) {
            let tag = held.tag();
            let mut at = place(tag, mask);
            loop {
                let slot = slots[at];
                if slot.record == FREE.record {
                    slots[at] = *held;
                    break;
                }
                if slot.tag() == tag {
                    equal.pairs.push((slot.record, held.record));
                    break;
                }
                at = (at + 1) & mask;
            }
        }
    }
    equal.pairs.sort_unstable();
    equal.groups = equal
        .pairs
        .chunk_by(|a, b| a.0 == b.0)
        .map(|pairs| (pairs[0].0, u32::try_from(pairs.len() + 1).unwrap_or(u32::MAX)))
        .collect();
    equal
}

/// Empties a table and makes it large enough for so many entries; the mask of its places.
pub fn clear<T: Clone>(slots: &mut Vec<T>, entries: usize, free: T) -> usize {
    let places = (entries * 2).next_power_of_two().max(16);
    slots.clear();
    slots.resize(places, free);
    places - 1
}

/// Where a tag is looked for first.
#[expect(clippy::cast_possible_truncation, reason = "the mask takes fewer bits")]
#[must_use]
pub const fn place(tag: Tag, mask: usize) -> usize {
    tag.low as usize & mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::digest::digest;

    fn equal_of(digests: &[Digest]) -> Equal {
        let scattered = scatter(digests.len(), |record| digests[record as usize]);
        let mut equal = equal(&scattered, |_| true).expect("all in memory");
        equal.pairs.sort_unstable();
        equal.groups.sort_unstable();
        equal
    }

    #[test]
    fn equal_keys_pair_with_their_first_record() {
        let d = |text: &str| digest(text.as_bytes());
        let equal = equal_of(&[d("a"), d("b"), 0, d("a"), d("a"), 0]);
        assert_eq!(equal.pairs, [(0, 3), (0, 4)]);
        assert_eq!(equal.groups, [(0, 3)]);
    }

    #[test]
    fn keys_with_one_half_in_common_are_not_equal() {
        // One partition, one low half, three digests.
        let (a, b, c) = (7, 7 | 1 << 64, 7 | 1 << 65);
        let equal = equal_of(&[a, b, c, b, a, c, b]);
        assert_eq!(equal.pairs, [(0, 4), (1, 3), (1, 6), (2, 5)]);
        assert_eq!(equal.groups, [(0, 2), (1, 3), (2, 2)]);
    }

    #[test]
    fn chunks_and_threads_change_nothing() {
        let digests: Vec<Digest> =
            (0..200_000_u32).map(|n| digest(&(n % 50_000).to_le_bytes())).collect();
        let equal = equal_of(&digests);
        assert_eq!(equal.pairs.len(), 150_000);
        assert!(equal.pairs.iter().all(|(one, other)| *one == other % 50_000));
        assert!(equal.groups.iter().all(|(_, size)| *size == 4));
    }

    #[test]
    fn entries_are_as_small_as_they_say() {
        assert_eq!(size_of::<Held>(), 16);
        assert_eq!(size_of::<Entry>(), 24);
    }
}
