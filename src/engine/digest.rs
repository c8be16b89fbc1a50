//! Digests of keys, and maps from digests to small values: the kernels that make unification fast.
//!
//! A key becomes 16 bytes: XXH3-128 under a seed chosen anew in every run. Zero means no key.
//! Whoever groups or joins does so on digests, split by their top bits into partitions that are
//! worked on in parallel; no string is ever joined.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// A digest of a key; 0 is none.
pub type Digest = u128;

/// Nobody may prepare colliding keys: the seed is unknown until the run.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("optin"));

/// The digest of a key's text; never 0.
#[must_use]
pub fn digest(text: &[u8]) -> Digest {
    xxh3_128_with_seed(text, *SEED).max(1)
}

/// The digest of a text in one of several spaces; equal texts of different spaces differ.
#[must_use]
pub fn digest_in(space: u64, text: &[u8]) -> Digest {
    // Spaces are few and small; an odd factor keeps their seeds apart.
    let seed = SEED.wrapping_add((space + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    xxh3_128_with_seed(text, seed).max(1)
}

/// The digest of several digests, none of them 0; never 0. One alone is its own.
#[must_use]
pub fn combine(parts: impl Iterator<Item = Digest>) -> Digest {
    parts
        .reduce(|all, part| {
            let mut bytes = [0; 32];
            bytes[..16].copy_from_slice(&all.to_le_bytes());
            bytes[16..].copy_from_slice(&part.to_le_bytes());
            digest(&bytes)
        })
        .unwrap_or(0)
}

/// A digest is spread already; its low half serves as the hash.
#[derive(Default)]
pub struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, value: u128) {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the hash")]
        let low = value as u64;
        self.0 = low;
    }
}

type Build = BuildHasherDefault<DigestHasher>;

/// A set of digests.
pub type DigestSet = HashSet<Digest, Build>;

/// Partitions: more than threads, so that they balance; few enough to scatter into at once.
const BITS: u32 = 7;
const PARTITIONS: usize = 1 << BITS;

fn partition_of(digest: Digest) -> usize {
    usize::try_from(digest >> (128 - BITS)).unwrap_or(0)
}

/// Splits entries by the top bits of their digests; zero digests are dropped.
pub fn scatter<T: Send + Sync + Copy>(entries: &[(Digest, T)]) -> Vec<Vec<(Digest, T)>> {
    const BLOCK: usize = 1 << 16;
    scatter_blocks(&entries.chunks(BLOCK).collect::<Vec<_>>())
}

/// For each partition what all blocks have of it, in their order.
fn join<T: Send + Sync + Copy>(blocks: &[Vec<Vec<T>>]) -> Vec<Vec<T>> {
    (0..PARTITIONS)
        .into_par_iter()
        .map(|partition| {
            let length = blocks.iter().map(|block| block[partition].len()).sum();
            let mut part = Vec::with_capacity(length);
            for block in blocks {
                part.extend_from_slice(&block[partition]);
            }
            part
        })
        .collect()
}

/// As [`scatter`], of several blocks.
fn scatter_blocks<T: Send + Sync + Copy>(blocks: &[&[(Digest, T)]]) -> Vec<Vec<(Digest, T)>> {
    let blocks: Vec<Vec<Vec<(Digest, T)>>> = blocks
        .par_iter()
        .map(|block| {
            let mut parts: Vec<Vec<(Digest, T)>> =
                (0..PARTITIONS).map(|_| Vec::with_capacity(block.len() / PARTITIONS + 8)).collect();
            for entry in *block {
                if entry.0 != 0 {
                    parts[partition_of(entry.0)].push(*entry);
                }
            }
            parts
        })
        .collect();
    join(&blocks)
}

/// From digests to small values, built in parallel.
#[derive(Debug)]
pub struct DigestMap<V> {
    partitions: Vec<HashMap<Digest, V, Build>>,
}

impl<V: Copy + Send + Sync> DigestMap<V> {
    /// Builds the map; values of equal digests are merged in any order, so `merge` must not care.
    #[must_use]
    pub fn build(entries: &[(Digest, V)], merge: impl Fn(&mut V, V) + Sync) -> Self {
        Self::of_partitions(scatter(entries), merge)
    }

    /// As [`build`](Self::build), of several blocks.
    #[must_use]
    pub fn build_of(blocks: &[Vec<(Digest, V)>], merge: impl Fn(&mut V, V) + Sync) -> Self {
        let blocks: Vec<&[(Digest, V)]> = blocks.iter().map(Vec::as_slice).collect();
        Self::of_partitions(scatter_blocks(&blocks), merge)
    }

    fn of_partitions(partitions: Vec<Vec<(Digest, V)>>, merge: impl Fn(&mut V, V) + Sync) -> Self {
        let partitions = partitions
            .into_par_iter()
            .map(|part| {
                let mut map: HashMap<Digest, V, Build> =
                    HashMap::with_capacity_and_hasher(part.len(), Build::default());
                for (digest, value) in part {
                    map.entry(digest).and_modify(|known| merge(known, value)).or_insert(value);
                }
                map
            })
            .collect();
        Self { partitions }
    }

    /// The value of a digest.
    #[must_use]
    pub fn get(&self, digest: Digest) -> Option<V> {
        self.partitions[partition_of(digest)].get(&digest).copied()
    }

    /// Looks many digests up and tells the value of each that is found, with its place.
    pub fn each(&self, digests: &[Digest], mut found: impl FnMut(usize, V)) {
        for (at, digest) in digests.iter().enumerate() {
            if *digest != 0
                && let Some(value) = self.get(*digest)
            {
                found(at, value);
            }
        }
    }

    /// How many digests there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.partitions.iter().map(HashMap::len).sum()
    }
}

/// Records with equal digests.
#[derive(Debug, Default)]
pub struct Equal {
    /// The first record of each digest with every other one.
    pub pairs: Vec<(u32, u32)>,
    /// The first record of each digest that several have, and how many have it.
    pub groups: Vec<(u32, u32)>,
}

/// Finds the records with equal digests: `digests` holds that of each record, 0 for none. For each
/// digest the smallest record is the first.
#[must_use]
pub fn equal(digests: &[Digest]) -> Equal {
    let parts: Vec<Equal> =
        scatter_halves(digests).into_par_iter().map(|part| equal_in(&part, digests)).collect();
    let mut all = Equal::default();
    for part in parts {
        all.pairs.extend(part.pairs);
        all.groups.extend(part.groups);
    }
    all
}

/// Half of a digest with its record: half the memory to go through. Two digests with the same half
/// are told apart by the whole.
type Half = (u64, u32);

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn low(digest: Digest) -> u64 {
    digest as u64
}

/// As [`scatter`], with half of each digest and the number of its record.
fn scatter_halves(digests: &[Digest]) -> Vec<Vec<Half>> {
    const BLOCK: usize = 1 << 16;
    let blocks: Vec<Vec<Vec<Half>>> = digests
        .par_chunks(BLOCK)
        .enumerate()
        .map(|(block, digests)| {
            let room = digests.len() / PARTITIONS + 8;
            let mut parts: Vec<Vec<Half>> =
                (0..PARTITIONS).map(|_| Vec::with_capacity(room)).collect();
            for (at, digest) in digests.iter().enumerate() {
                if *digest != 0 {
                    let record = u32::try_from(block * BLOCK + at).unwrap_or(u32::MAX);
                    parts[partition_of(*digest)].push((low(*digest), record));
                }
            }
            parts
        })
        .collect();
    join(&blocks)
}

fn equal_in(part: &[Half], digests: &[Digest]) -> Equal {
    use std::collections::hash_map::Entry;
    let mut first: HashMap<u64, u32, BuildHasherDefault<HalfHasher>> =
        HashMap::with_capacity_and_hasher(part.len(), BuildHasherDefault::default());
    // Digests whose half is taken by another one; hardly ever any.
    let mut others: HashMap<Digest, u32, Build> = HashMap::default();
    let mut equal = Equal::default();
    // How many have the digest of each first record that is not alone.
    let mut sizes: HashMap<u32, u32, BuildHasherDefault<RecordHasher>> = HashMap::default();
    // Parts keep the order of records, so the first seen is the smallest.
    for (half, record) in part {
        let digest = digests[*record as usize];
        let known = match first.entry(*half) {
            Entry::Vacant(entry) => {
                entry.insert(*record);
                continue;
            }
            Entry::Occupied(entry) if digests[*entry.get() as usize] == digest => *entry.get(),
            Entry::Occupied(_) => match others.entry(digest) {
                Entry::Vacant(entry) => {
                    entry.insert(*record);
                    continue;
                }
                Entry::Occupied(entry) => *entry.get(),
            },
        };
        equal.pairs.push((known, *record));
        *sizes.entry(known).or_insert(1) += 1;
    }
    equal.groups = sizes.into_iter().collect();
    equal.groups.sort_unstable();
    equal
}

/// Half of a digest is spread already.
#[derive(Default)]
struct HalfHasher(u64);

impl Hasher for HalfHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Record numbers are spread by one multiplication.
#[derive(Default)]
struct RecordHasher(u64);

impl Hasher for RecordHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u32(&mut self, value: u32) {
        // The golden ratio's fraction, as in Knuth, The Art of Computer Programming, 6.4.
        self.0 = u64::from(value).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_digests_pair_with_their_first_record() {
        let d = |text: &str| digest(text.as_bytes());
        let mut equal = equal(&[d("a"), d("b"), 0, d("a"), d("a"), 0]);
        equal.pairs.sort_unstable();
        assert_eq!(equal.pairs, [(0, 3), (0, 4)]);
        assert_eq!(equal.groups, [(0, 3)]);
    }

    #[test]
    fn digests_with_one_half_in_common_are_not_equal() {
        // One partition, one low half, three digests.
        let (a, b, c) = (7, 7 | 1 << 64, 7 | 1 << 65);
        let mut equal = equal(&[a, b, c, b, a, c, b]);
        equal.pairs.sort_unstable();
        equal.groups.sort_unstable();
        assert_eq!(equal.pairs, [(0, 4), (1, 3), (1, 6), (2, 5)]);
        assert_eq!(equal.groups, [(0, 2), (1, 3), (2, 2)]);
    }

    #[test]
    fn maps_merge_whatever_the_order() {
        let entries: Vec<_> =
            (0..200_000_u32).map(|n| (digest(&(n % 1000).to_le_bytes()), n)).collect();
        let map = DigestMap::build(&entries, |known, value| *known = (*known).max(value));
        assert_eq!(map.len(), 1000);
        assert_eq!(map.get(digest(&7_u32.to_le_bytes())), Some(199_007));
        assert_eq!(map.get(digest(b"none")), None);
    }

    #[test]
    fn combining_depends_on_order_and_number() {
        let d = |n: u128| combine((1..=n).chain(std::iter::once(1)));
        assert_ne!(combine([1, 2].into_iter()), combine([2, 1].into_iter()));
        let many: Vec<_> = (1..20).map(d).collect();
        let mut unique = many.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), many.len());
    }
}
