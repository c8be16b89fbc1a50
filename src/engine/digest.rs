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
    let blocks: Vec<Vec<Vec<(Digest, T)>>> = entries
        .par_chunks(BLOCK)
        .map(|block| {
            let mut parts: Vec<Vec<(Digest, T)>> =
                (0..PARTITIONS).map(|_| Vec::with_capacity(block.len() / PARTITIONS + 8)).collect();
            for entry in block {
                if entry.0 != 0 {
                    parts[partition_of(entry.0)].push(*entry);
                }
            }
            parts
        })
        .collect();
    (0..PARTITIONS)
        .into_par_iter()
        .map(|partition| blocks.iter().flat_map(|block| &block[partition]).copied().collect())
        .collect()
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
        let partitions = scatter(entries)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_merge_whatever_the_order() {
        let entries: Vec<_> =
            (0..200_000_u32).map(|n| (digest(&(n % 1000).to_le_bytes()), n)).collect();
        let map = DigestMap::build(&entries, |known, value| *known = (*known).max(value));
        assert_eq!(map.get(digest(&7_u32.to_le_bytes())), Some(199_007));
        assert!((0..1000_u32).all(|n| map.get(digest(&n.to_le_bytes())).is_some()));
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
