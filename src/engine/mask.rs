//! A mask: which rows are meant, a bit a row, and where each stands among them.

use std::collections::BTreeSet;

/// Some of many rows, and how many of them stand before each.
#[derive(Debug)]
pub struct Mask {
    words: Vec<u64>,
    /// Rows in the words before.
    before: Vec<u32>,
}

impl Mask {
    /// Of 64 rows a word, the first in its lowest bit.
    #[must_use]
    pub fn new(words: Vec<u64>) -> Self {
        let mut total = 0;
        let before = words
            .iter()
            .map(|word| {
                let before = total;
                total += word.count_ones();
                before
            })
            .collect();
        Self { words, before }
    }

    /// True if the row is one of them.
    #[must_use]
    pub fn has(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// The rows, if they are few of so many; where there is none of them the first of all, which then
    /// nobody asks for.
    #[must_use]
    pub fn few(&self, rows: usize) -> Option<BTreeSet<usize>> {
        const MOST: u32 = 1000;
        if rows == 0 || self.words.iter().map(|word| word.count_ones()).sum::<u32>() > MOST {
            return None;
        }
        let words = self.words.iter().enumerate().filter(|(_, word)| **word != 0);
        let set = words.flat_map(|(at, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        });
        let set: BTreeSet<usize> = set.collect();
        Some(if set.is_empty() { BTreeSet::from([0]) } else { set })
    }

    /// Where the row stands among them.
    ///
    /// # Panics
    /// If it is none of them.
    #[must_use]
    pub fn rank(&self, row: usize) -> usize {
        assert!(self.has(row), "a row is asked for that is not among those there are");
        self.before(row)
    }

    /// How many of them stand before a row, itself among them or not.
    #[must_use]
    pub fn before(&self, row: usize) -> usize {
        let (Some(word), Some(before)) = (self.words.get(row / 64), self.before.get(row / 64))
        else {
            return self.total();
        };
        *before as usize + (word & ((1 << (row % 64)) - 1)).count_ones() as usize
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> usize {
        match (self.words.last(), self.before.last()) {
            (Some(word), Some(before)) => *before as usize + word.count_ones() as usize,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mask;

    #[test]
    fn rows_are_counted_across_words() {
        let mask = Mask::new(vec![0b101, 0, u64::MAX]);
        assert!(mask.has(0) && !mask.has(1) && mask.has(2) && mask.has(128) && !mask.has(192));
        assert_eq!((mask.rank(2), mask.rank(128), mask.rank(191)), (1, 2, 65));
        assert_eq!((mask.before(1), mask.before(100), mask.before(192)), (1, 2, 66));
        assert_eq!((mask.total(), Mask::new(Vec::new()).total()), (66, 0));
    }
}
