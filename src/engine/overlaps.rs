//! How many profiles each two segments have in common.

use rayon::prelude::*;

use super::account::OverlapAccount;
use super::segments::Verdict;
use crate::plan::Plan;

/// Of more segments there would be more pairs than anybody looks at, and time goes by their number.
pub const MOST: usize = 100;

/// Profiles that are looked at together: a bit each for every segment, which stays in the cache.
const BLOCK: usize = 64 * 64;

/// Every pair of segments, in the order in which they are declared; none of more than [`MOST`] segments.
/// `verdicts` are by segment, then profile.
#[must_use]
pub fn overlaps(plan: &Plan, verdicts: &[Vec<Verdict>]) -> Vec<OverlapAccount> {
    if !(2..=MOST).contains(&verdicts.len()) {
        return Vec::new();
    }
    let pairs: Vec<(usize, usize)> = (0..verdicts.len())
        .flat_map(|one| (one + 1..verdicts.len()).map(move |two| (one, two)))
        .collect();
    let profiles = verdicts.iter().map(Vec::len).max().unwrap_or(0);
    let none = || vec![0_u64; pairs.len()];
    let counts = (0..profiles.div_ceil(BLOCK))
        .into_par_iter()
        .fold(none, |mut counts, block| {
            let members: Vec<Vec<u64>> =
                verdicts.iter().map(|verdicts| members(verdicts, block * BLOCK)).collect();
            for (count, (one, two)) in counts.iter_mut().zip(&pairs) {
                let both = members[*one].iter().zip(&members[*two]);
                *count += both.map(|(one, two)| u64::from((one & two).count_ones())).sum::<u64>();
            }
            counts
        })
        .reduce(none, |one, two| one.iter().zip(&two).map(|(one, two)| one + two).collect());
    pairs
        .iter()
        .zip(counts)
        .map(|((one, two), profiles)| {
            let segments = [*one, *two].map(|at| plan.segments[at].name.clone());
            OverlapAccount { segments, profiles }
        })
        .collect()
}

/// Who of a block is in the segment, a bit each.
fn members(verdicts: &[Verdict], start: usize) -> Vec<u64> {
    let block = &verdicts[start..verdicts.len().min(start + BLOCK)];
    let word = |verdicts: &[Verdict]| {
        let bits = verdicts.iter().enumerate();
        bits.fold(0, |word, (at, verdict)| word | (u64::from(*verdict == Verdict::InSegment) << at))
    };
    block.chunks(64).map(word).collect()
}
