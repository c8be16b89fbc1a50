//! Numbering: from the root of each record's closure to clusters and their members.
//!
//! Roots and their records lie far apart in memory. So what goes from the one to the other is
//! scattered by blocks of records first, and each block is worked on by itself, in the cache.

use rayon::prelude::*;

use super::{Cluster, NO_CLUSTER};
use crate::engine::ids::IdDigests;
use crate::engine::mask::Mask;
use crate::engine::partition::Scattered;
use crate::engine::records::Record;
use crate::engine::tuning::part;

/// Records of a block: as many as fit the cache with what is said of each; a multiple of 64.
fn block() -> usize {
    part(1 << 16, 64)
}

/// How many are scattered among blocks at once: each block gets some of them, however many blocks
/// there are.
fn chunk(many: usize) -> usize {
    (block() * 2).max(many / 256)
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The smallest record of each record's set, from pairs of it with every other.
#[must_use]
pub fn roots_of_stars(records: usize, pairs: &[(Record, Record)]) -> Vec<Record> {
    let mut roots: Vec<Record> = vec![0; records];
    let chunks: Vec<&[(Record, Record)]> = pairs.chunks(chunk(pairs.len())).collect();
    let blocks = records.div_ceil(block());
    let scattered = Scattered::of_pairs(chunks.len(), blocks, |chunk| {
        chunks[chunk].iter().map(|(one, other)| (*other as usize / block(), (*one, *other)))
    });
    roots.par_chunks_mut(block()).enumerate().for_each(|(at, roots)| {
        let first = at * block();
        for (record, root) in (first..).zip(&mut *roots) {
            *root = number(record);
        }
        for (one, other) in scattered.pairs(at) {
            roots[*other as usize - first] = *one;
        }
    });
    roots
}

/// The closures of records with an id, numbered by their smallest records.
pub struct Numbered {
    /// The cluster of each record.
    pub of: Vec<Cluster>,
    /// Where each cluster's members start; one more at the end.
    pub starts: Vec<u32>,
    /// Members of all clusters, in the order of records.
    pub members: Vec<Record>,
}

impl Numbered {
    /// From the root of each record.
    #[must_use]
    pub fn new(id_digests: &IdDigests, roots: &[Record]) -> Self {
        let is_root =
            |record: usize, root: Record| root as usize == record && id_digests.has(number(record));
        let mut words = vec![0_u64; roots.len().div_ceil(64)];
        words.par_iter_mut().zip(roots.par_chunks(64)).enumerate().for_each(
            |(at, (word, roots))| {
                for (bit, root) in roots.iter().enumerate() {
                    *word |= u64::from(is_root(at * 64 + bit, *root)) << bit;
                }
            },
        );
        let clusters = Mask::new(words);
        let mut of: Vec<Cluster> = vec![0; roots.len()];
        of.par_iter_mut().enumerate().with_min_len(4096).for_each(|(record, of)| {
            let has_id = id_digests.has(number(record));
            let rank = |root: Record| number(clusters.rank(root as usize));
            *of = if has_id { rank(roots[record]) } else { NO_CLUSTER };
        });
        let (starts, members) = members(&of, &clusters, roots);
        Self { of, starts, members }
    }
}

/// Where the members of each cluster start, and all members.
fn members(of: &[Cluster], clusters: &Mask, roots: &[Record]) -> (Vec<u32>, Vec<Record>) {
    let records = roots.len();
    let blocks = records.div_ceil(block());
    let chunk = chunk(records);
    // Those that are no root, by the block of their root.
    let others = Scattered::of_pairs(records.div_ceil(chunk), blocks, |at| {
        let range = at * chunk..records.min((at + 1) * chunk);
        let other = |record: &usize| of[*record] != NO_CLUSTER && !clusters.has(*record);
        range.filter(other).map(|record| {
            let root = roots[record];
            (root as usize / block(), (root, number(record)))
        })
    });
    // What each block writes is its own part of both.
    let total = clusters.total();
    let mut starts = vec![0_u32; total + 1];
    let in_others: usize = (0..blocks).map(|at| others.pairs_len(at)).sum();
    let mut all: Vec<Record> = vec![0; total + in_others];
    let mut tasks = Vec::with_capacity(blocks);
    let (mut starts_left, mut all_left) = (&mut starts[..total], &mut all[..]);
    let mut before = 0;
    for at in 0..blocks {
        let range = at * block()..records.min((at + 1) * block());
        let roots_here = clusters.before(range.end) - clusters.before(range.start);
        let members_here = roots_here + others.pairs_len(at);
        let (starts, rest) = starts_left.split_at_mut(roots_here);
        starts_left = rest;
        let (members, rest) = all_left.split_at_mut(members_here);
        all_left = rest;
        tasks.push((at, before, starts, members));
        before += members_here;
    }
    tasks.into_par_iter().for_each_init(Vec::new, |next, (at, before, starts, members)| {
        let first = at * block();
        let end = records.min(first + block());
        let here = clusters.before(first);
        let local = |root: Record| of[root as usize] as usize - here;
        next.clear();
        next.resize(starts.len(), 1_u32);
        for (root, _) in others.pairs(at) {
            next[local(*root)] += 1;
        }
        let mut total = 0;
        for (next, start) in next.iter_mut().zip(&mut *starts) {
            *start = number(before) + total;
            total += std::mem::replace(next, total);
        }
        // The root is the smallest, and the others come in the order of records.
        for record in (first..end).filter(|record| clusters.has(*record)) {
            let next = &mut next[local(number(record))];
            members[*next as usize] = number(record);
            *next += 1;
        }
        for (root, record) in others.pairs(at) {
            let next = &mut next[local(*root)];
            members[*next as usize] = *record;
            *next += 1;
        }
    });
    starts[total] = number(before);
    (starts, all)
}
