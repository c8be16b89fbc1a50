//! Similarity: pairs of keys that are alike, found inside blocks that agree exactly.
//!
//! Similarity is (longer length - Levenshtein distance) / longer length, in characters
//! (docs/semantics.md, section 3). Only distinct combinations of keys are compared, shortest
//! first, so that a difference in length ends the search; a bound on the letters that two keys do
//! not share comes before the distance itself.

use rapidfuzz::distance::levenshtein;
use rayon::prelude::*;

use super::digest::{Digest, scatter};

/// More comparisons than this would take hours: the rule's exact fields are too coarse.
pub const MOST_COMPARISONS: u64 = 50_000_000_000;

/// Something to compare: a record or a profile.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Digest of what must be equal; 0 is left out.
    pub block: Digest,
    /// Digest of all that is compared.
    pub full: Digest,
    /// Its number.
    pub number: u32,
    /// Items of less weight speak for their combination only if no other does.
    pub minor: bool,
}

/// Two combinations of keys that are alike, each by the smallest number that has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alike {
    /// The one.
    pub one: u32,
    /// The other.
    pub other: u32,
    /// The similarity of the least similar field.
    pub similarity: f64,
}

/// A key, ready to be compared.
struct Word {
    text: String,
    /// Characters.
    length: usize,
    ascii: bool,
    /// Which letters occur, each character in one of 64 bits.
    letters: u64,
}

impl Word {
    fn new(text: String) -> Self {
        let letters = text.chars().fold(0, |bits, c| bits | 1 << (u32::from(c) & 63));
        let length = text.chars().count();
        Self { length, ascii: length == text.len(), letters, text }
    }

    /// The similarity with a word, if it is at or above the threshold.
    fn similarity(&self, other: &Self, threshold: f64) -> Option<f64> {
        let longer = self.length.max(other.length);
        let most = most_edits(longer, threshold);
        let apart = self.length.abs_diff(other.length);
        // Each letter that the other does not have costs an edit of its own.
        let lacking = |a: u64, b: u64| (a & !b).count_ones() as usize;
        let bound = apart
            .max(lacking(self.letters, other.letters))
            .max(lacking(other.letters, self.letters));
        if bound > most {
            return None;
        }
        let arguments = levenshtein::Args::default().score_cutoff(most);
        let edits = if self.ascii && other.ascii {
            levenshtein::distance_with_args(self.text.bytes(), other.text.bytes(), &arguments)
        } else {
            levenshtein::distance_with_args(self.text.chars(), other.text.chars(), &arguments)
        }?;
        Some(similarity(longer, edits))
    }
}

/// True if two keys are alike.
#[must_use]
pub fn is_alike(one: &str, other: &str, threshold: f64) -> bool {
    Word::new(one.to_owned()).similarity(&Word::new(other.to_owned()), threshold).is_some()
}

/// (longer length - distance) / longer length.
#[expect(clippy::cast_precision_loss, reason = "lengths of texts are far below 2^52")]
fn similarity(longer: usize, edits: usize) -> f64 {
    if longer == 0 { 1.0 } else { (longer - edits) as f64 / longer as f64 }
}

/// The greatest distance with which a text of this length still meets the threshold.
fn most_edits(longer: usize, threshold: f64) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "lengths of texts are far below 2^52, and the product is not negative"
    )]
    let guess = ((1.0 - threshold) * longer as f64).max(0.0) as usize;
    // The product is rounded, the similarity is what counts.
    let mut most = (guess + 1).min(longer);
    while most > 0 && similarity(longer, most) < threshold {
        most -= 1;
    }
    most
}

/// The distinct combinations of one block: the item that speaks for each, and its words.
struct Combination {
    number: u32,
    words: Vec<Word>,
}

/// Finds the combinations that are alike, in no particular order.
///
/// `thresholds` holds one entry a compared field, `text` gives an item's key of such a field.
///
/// # Errors
/// The number of comparisons that would be needed, if it is above [`MOST_COMPARISONS`].
pub fn alike(
    items: &[Item],
    thresholds: &[f64],
    text: impl Fn(usize, u32) -> Option<String> + Sync,
) -> Result<Vec<Alike>, u64> {
    let entries: Vec<(Digest, Item)> = items.par_iter().map(|item| (item.block, *item)).collect();
    let blocks: Vec<Vec<u32>> = scatter(&entries)
        .into_par_iter()
        .flat_map_iter(|mut part| {
            part.sort_unstable_by_key(|(block, item)| (*block, item.full, item.minor, item.number));
            part.chunk_by(|a, b| a.0 == b.0)
                .filter_map(|block| {
                    let mut firsts: Vec<(Digest, u32)> =
                        block.iter().map(|(_, item)| (item.full, item.number)).collect();
                    firsts.dedup_by_key(|(full, _)| *full);
                    (firsts.len() > 1).then(|| firsts.into_iter().map(|(_, first)| first).collect())
                })
                .collect::<Vec<Vec<u32>>>()
        })
        .collect();
    let pairs = |n: usize| n as u64 * (n as u64 - 1) / 2;
    let comparisons: u64 = blocks.iter().map(|block| pairs(block.len())).sum();
    if comparisons > MOST_COMPARISONS {
        return Err(comparisons);
    }
    Ok(blocks.par_iter().flat_map_iter(|block| in_block(block, thresholds, &text)).collect())
}

fn in_block(
    block: &[u32],
    thresholds: &[f64],
    text: &(impl Fn(usize, u32) -> Option<String> + Sync),
) -> Vec<Alike> {
    // Below this many it is not worth to ask another thread.
    const MANY: usize = 256;
    let read = |number: &u32| {
        let words = (0..thresholds.len())
            .map(|field| text(field, *number).map(Word::new))
            .collect::<Option<Vec<Word>>>()?;
        Some(Combination { number: *number, words })
    };
    let mut combinations: Vec<Combination> = if block.len() > MANY {
        block.par_iter().filter_map(read).collect()
    } else {
        block.iter().filter_map(read).collect()
    };
    combinations.sort_unstable_by_key(|c| (c.words[0].length, c.number));
    let of = |at: usize| {
        let one = &combinations[at];
        let mut found = Vec::new();
        for other in &combinations[at + 1..] {
            let longer = other.words[0].length;
            if longer - one.words[0].length > most_edits(longer, thresholds[0]) {
                // The longer the other, the more so.
                break;
            }
            let least = one
                .words
                .iter()
                .zip(&other.words)
                .zip(thresholds)
                .try_fold(1.0_f64, |least, ((a, b), threshold)| {
                    Some(least.min(a.similarity(b, *threshold)?))
                });
            if let Some(similarity) = least {
                found.push(Alike { one: one.number, other: other.number, similarity });
            }
        }
        found
    };
    if combinations.len() > MANY {
        (0..combinations.len()).into_par_iter().flat_map_iter(of).collect()
    } else {
        (0..combinations.len()).flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::digest::digest;

    fn words(words: &[&str], threshold: f64) -> Vec<(String, String, f64)> {
        let items: Vec<Item> = (0..)
            .zip(words)
            .map(|(number, word)| Item {
                block: 1,
                full: digest(word.as_bytes()),
                number,
                minor: false,
            })
            .collect();
        let name = |number: u32| words[number as usize].to_owned();
        let found = alike(&items, &[threshold], |_, number| Some(name(number))).expect("few");
        let mut named: Vec<_> = found
            .into_iter()
            .map(|pair| {
                let (a, b) = (name(pair.one), name(pair.other));
                (a.clone().min(b.clone()), a.max(b), pair.similarity)
            })
            .collect();
        named.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        named
    }

    #[test]
    fn a_match_at_the_threshold_counts() {
        // Published: 1 letter of 5, so 0.8.
        let found = words(&["smith", "smyth", "schmidt"], 0.8);
        assert_eq!(found, [("smith".to_owned(), "smyth".to_owned(), 0.8)]);
        assert!(words(&["smith", "smyth"], 0.81).is_empty());
    }

    #[test]
    fn lengths_are_in_characters_not_bytes() {
        let found = words(&["müller", "muller"], 0.83);
        assert_eq!(found.len(), 1, "5 of 6 letters are the same");
        assert!(words(&["müller", "muller"], 0.84).is_empty());
    }

    #[test]
    fn edits_are_never_cut_short_of_the_threshold() {
        for longer in 1..200 {
            for percent in 1..=100 {
                let threshold = f64::from(percent) / 100.0;
                let most = most_edits(longer, threshold);
                assert!(most == 0 || similarity(longer, most) >= threshold);
                assert!(most == longer || similarity(longer, most + 1) < threshold);
            }
        }
    }
}
