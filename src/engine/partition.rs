//! Partitions: many small tables in place of a large one.
//!
//! A look-up in a table of millions waits for memory. So what is to be grouped or joined is
//! scattered by the top bits of its digests first, and then handled partition by partition: a
//! partition's table fits the cache. Entries of one partition stay apart by the chunk of rows that
//! they came from, in the order of rows; nothing is copied to bring them together.

use rayon::prelude::*;

use super::digest::Digest;
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
    #[expect(clippy::cast_possible_truncation, reason = "these bits are what is wanted")]
    const fn of(digest: Digest) -> Self {
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

    /// What it is told apart by.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        Tag { low: self.low, middle: self.middle >> 1 }
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
    /// What kind of entry it is.
    pub kind: u32,
    /// Its time.
    pub at: i64,
}

impl Entry {
    /// What it is told apart by.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        Tag { low: self.low, middle: self.middle }
    }
}

/// The entries of one chunk of rows, by partition.
#[derive(Debug)]
pub struct Parts<E> {
    parts: Vec<Vec<E>>,
}

impl<E> Parts<E> {
    /// Room for about so many entries.
    #[must_use]
    pub fn with_room(entries: usize) -> Self {
        // Digests spread evenly: hardly a partition gets an eighth more than its share.
        let share = entries / PARTITIONS;
        let room = if share < 8 { 0 } else { share + share / 8 + 8 };
        Self { parts: (0..PARTITIONS).map(|_| Vec::with_capacity(room)).collect() }
    }
}

impl Parts<Held> {
    /// Adds the key of a record; 0 is none.
    pub fn hold(&mut self, digest: Digest, mark: bool, record: Record) {
        if digest != 0 {
            self.parts[partition_of(digest)].push(Held::new(digest, mark, record));
        }
    }
}

impl Parts<Entry> {
    /// Adds what is said of a key.
    pub fn say(&mut self, digest: Digest, kind: u32, at: i64) {
        let Tag { low, middle } = Tag::of(digest);
        self.parts[partition_of(digest)].push(Entry { low, middle, kind, at });
    }
}

/// Entries by partition.
#[derive(Debug)]
pub struct Scattered<E> {
    chunks: Vec<Parts<E>>,
}

impl<E> Default for Scattered<E> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<E> Scattered<E> {
    /// Puts chunks behind each other; they come in the order of rows.
    #[must_use]
    pub fn of(chunks: Vec<Parts<E>>) -> Self {
        Self { chunks }
    }

    /// The entries of a partition, in the order of rows.
    pub fn part(&self, partition: usize) -> impl Iterator<Item = &E> {
        self.chunks.iter().flat_map(move |chunk| &chunk.parts[partition])
    }

    /// How many entries a partition has.
    #[must_use]
    pub fn part_len(&self, partition: usize) -> usize {
        self.chunks.iter().map(|chunk| chunk.parts[partition].len()).sum()
    }

    /// True without entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.iter().all(|chunk| chunk.parts.iter().all(Vec::is_empty))
    }
}

/// How many rows a thread takes at once where it scatters: all threads have work to the end, and
/// a chunk fills its partitions.
#[must_use]
pub fn chunk_rows(rows: usize) -> usize {
    let least = part(1 << 14, 3);
    (rows / (rayon::current_num_threads() * 4)).max(least)
}

/// Scatters the keys of records; 0 is none.
#[must_use]
pub fn scatter(records: usize, digest: impl Fn(Record) -> Digest + Sync) -> Scattered<Held> {
    let rows = chunk_rows(records);
    let chunks = (0..records.div_ceil(rows))
        .into_par_iter()
        .map(|chunk| {
            let range = chunk * rows..records.min((chunk + 1) * rows);
            let mut parts = Parts::with_room(range.len());
            for record in range {
                let record = Record::try_from(record).unwrap_or(Record::MAX);
                parts.hold(digest(record), true, record);
            }
            parts
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
#[must_use]
pub fn equal(scattered: &Scattered<Held>, counts: impl Fn(Record) -> bool + Sync) -> Equal {
    let parts: Vec<Equal> = (0..PARTITIONS)
        .into_par_iter()
        .map_init(Vec::new, |slots, partition| equal_in(scattered, partition, &counts, slots))
        .collect();
    let mut all = Equal::default();
    all.pairs.reserve_exact(parts.iter().map(|part| part.pairs.len()).sum());
    for part in parts {
        all.pairs.extend(part.pairs);
        all.groups.extend(part.groups);
    }
    all
}

/// A free place of a table. No record has this number.
const FREE: Held = Held { low: 0, middle: 0, record: Record::MAX };

fn equal_in(
    scattered: &Scattered<Held>,
    partition: usize,
    counts: impl Fn(Record) -> bool,
    slots: &mut Vec<Held>,
) -> Equal {
    let mask = clear(slots, scattered.part_len(partition), FREE);
    let mut equal = Equal::default();
    // Entries come in the order of records, so the first seen is the smallest.
    for held in scattered.part(partition).filter(|held| counts(held.record)) {
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
        let mut equal = equal(&scattered, |_| true);
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
