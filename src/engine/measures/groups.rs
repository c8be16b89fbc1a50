//! The groups of a measure: who is in which, and which stand in a row together.
//!
//! A group's values are one text of bytes that sorts as the values do, nulls last; so groups are told
//! apart and put in order without asking for types.

use std::collections::HashMap;

use rayon::prelude::*;

use super::super::cells::Cells;
use super::super::profile::{ProfileColumns, Rows};
use crate::diagnostics::Outcome;
use crate::plan::{OutColumn, Plan};

/// The rows of a measure's table.
pub struct GroupRows {
    /// For each customer who counts, in the order in which they were given, the row.
    pub row_of: Vec<u32>,
    /// For each group that has a row of its own, in order, a customer who is in it.
    pub shown: Vec<u32>,
    /// How many customers stand in each row; behind those of groups the row of those that are
    /// folded, if there are any.
    pub customers: Vec<u64>,
    /// Groups that stand in the last row together.
    pub folded: u64,
}

impl GroupRows {
    /// All customers in one row.
    pub fn whole(customers: usize) -> Self {
        let row_of = vec![0; customers];
        Self { row_of, shown: Vec::new(), customers: vec![customers as u64], folded: 0 }
    }

    /// Groups by the values of columns, as they are compared. Those of fewer customers than
    /// `smallest` are folded into one row; as long as that has fewer itself, the next smallest is
    /// folded too.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn new(
        plan: &Plan,
        columns: &ProfileColumns<'_>,
        by: &[OutColumn],
        profiles: &[u32],
        smallest: u64,
    ) -> Outcome<Self> {
        let written = grouped(columns, by, profiles, None)?;
        let compared = grouped(columns, by, &written.first, Some(plan))?;
        let spellings = count(written.keys.len(), &written.of);
        let mut counts = vec![0_u64; compared.keys.len()];
        // The spelling that most customers have is shown; of equal ones the first in order.
        let mut shown_as: Vec<Option<usize>> = vec![None; compared.keys.len()];
        for (spelling, group) in compared.of.iter().map(|group| *group as usize).enumerate() {
            counts[group] += spellings[spelling];
            let rank = |at: usize| (std::cmp::Reverse(spellings[at]), &written.keys[at]);
            let best = &mut shown_as[group];
            if best.is_none_or(|best| rank(spelling) < rank(best)) {
                *best = Some(spelling);
            }
        }
        let shown_as: Vec<usize> = shown_as.into_iter().flatten().collect();
        let mut order: Vec<u32> = (0..u32::try_from(counts.len()).unwrap_or(u32::MAX)).collect();
        let name = |group: u32| &written.keys[shown_as[group as usize]];
        order.par_sort_unstable_by(|a, b| name(*a).cmp(name(*b)));
        let is_folded = folded(&order, &counts, smallest);
        let mut row_of_group = vec![0_u32; counts.len()];
        let (mut shown, mut customers) = (Vec::new(), Vec::new());
        for group in order.iter().map(|group| *group as usize).filter(|at| !is_folded[*at]) {
            row_of_group[group] = u32::try_from(shown.len()).unwrap_or(u32::MAX);
            shown.push(written.first[shown_as[group]]);
            customers.push(counts[group]);
        }
        let last = u32::try_from(shown.len()).unwrap_or(u32::MAX);
        let (mut together, mut folded) = (0, 0);
        for group in (0..counts.len()).filter(|group| is_folded[*group]) {
            row_of_group[group] = last;
            together += counts[group];
            folded += 1;
        }
        if folded > 0 {
            customers.push(together);
        }
        let mut row_of = written.of;
        row_of.par_iter_mut().for_each(|spelling| {
            *spelling = row_of_group[compared.of[*spelling as usize] as usize];
        });
        Ok(Self { row_of, shown, customers, folded })
    }
}

/// How many are in each of so many groups.
fn count(groups: usize, of: &[u32]) -> Vec<u64> {
    let mut counts = vec![0; groups];
    for group in of {
        counts[*group as usize] += 1;
    }
    counts
}

/// Which groups are folded. `order` is that of their values, which decides between groups of one size.
fn folded(order: &[u32], counts: &[u64], smallest: u64) -> Vec<bool> {
    let mut is_folded = vec![false; counts.len()];
    let mut by_size: Vec<usize> = order.iter().map(|group| *group as usize).collect();
    by_size.sort_by_key(|group| counts[*group]);
    let mut together = 0;
    for group in by_size {
        // A row of too few would show them.
        let is_open = together > 0 && together < smallest;
        if counts[group] >= smallest && !is_open {
            break;
        }
        is_folded[group] = true;
        together += counts[group];
    }
    is_folded
}

/// Groups as they were met.
struct Grouped {
    /// Their values, or what these are compared as.
    keys: Vec<Box<[u8]>>,
    /// For each customer the group.
    of: Vec<u32>,
    /// A customer of each group.
    first: Vec<u32>,
}

/// Groups by values as they are written, or with a plan as its keys compare them.
fn grouped(
    columns: &ProfileColumns<'_>,
    by: &[OutColumn],
    profiles: &[u32],
    compared: Option<&Plan>,
) -> Outcome<Grouped> {
    let piece = |profiles: &[u32]| -> Outcome<Grouped> {
        let frame = columns.frame(by, profiles, None)?;
        let cells: Outcome<Vec<Cells>> = frame
            .columns()
            .iter()
            .map(|column| Cells::of(&column.as_materialized_series().rechunk()))
            .collect();
        let cells = cells?;
        let mut met = Met::default();
        let mut of = Vec::with_capacity(profiles.len());
        let mut key = Vec::new();
        for (row, profile) in profiles.iter().enumerate() {
            key.clear();
            for (column, cells) in by.iter().zip(&cells) {
                match compared {
                    Some(plan) => push_compared(&mut key, plan, *column, (cells, row)),
                    None => push(&mut key, cells, row),
                }
            }
            of.push(met.number(&key, *profile));
        }
        Ok(Grouped { keys: met.keys, of, first: met.first })
    };
    let pieces: Outcome<Vec<Grouped>> =
        profiles.par_chunks(Rows::piece_rows()).map(piece).collect();
    let mut met = Met::default();
    let mut of = Vec::with_capacity(profiles.len());
    for piece in pieces? {
        let numbers: Vec<u32> = piece
            .keys
            .iter()
            .zip(&piece.first)
            .map(|(key, profile)| met.number(key, *profile))
            .collect();
        of.extend(piece.of.iter().map(|group| numbers[*group as usize]));
    }
    Ok(Grouped { keys: met.keys, of, first: met.first })
}

/// The groups that were met so far.
#[derive(Default)]
struct Met {
    numbers: HashMap<Box<[u8]>, u32>,
    keys: Vec<Box<[u8]>>,
    first: Vec<u32>,
}

impl Met {
    fn number(&mut self, key: &[u8], profile: u32) -> u32 {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        self.numbers.insert(key.into(), number);
        self.keys.push(key.into());
        self.first.push(profile);
        number
    }
}

/// Appends a cell as bytes that sort as it does: texts by bytes, numbers and dates by size, false
/// before true, null last.
fn push(key: &mut Vec<u8>, cells: &Cells, row: usize) {
    const VALUE: u8 = 0;
    const NULL: u8 = 1;
    if cells.is_null(row) {
        key.push(NULL);
        return;
    }
    key.push(VALUE);
    if let Some(number) = cells.ordinal(row) {
        key.extend_from_slice(&(number.cast_unsigned() ^ 1 << 63).to_be_bytes());
        return;
    }
    push_text(key, &cells.text(row).unwrap_or_default());
}

fn push_text(key: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        key.push(byte);
        if byte == 0 {
            // The end of a text is two of them.
            key.push(u8::MAX);
        }
    }
    key.extend_from_slice(&[0, 0]);
}

/// Appends a cell as its field's key compares it: its normalizers go with texts and whole numbers.
fn push_compared(key: &mut Vec<u8>, plan: &Plan, column: OutColumn, (cells, row): (&Cells, usize)) {
    if let (OutColumn::Field(field), Cells::Text(_) | Cells::Int(_)) = (column, cells)
        && let Some(text) = cells.text(row)
        && let Some(compared) = plan.fields[field.0].key.chain.apply(&text, None)
    {
        key.push(2);
        push_text(key, &compared);
        return;
    }
    push(key, cells, row);
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;

    #[test]
    fn small_groups_are_folded_until_nobody_stands_alone() {
        let fold = |counts: &[u64], smallest| {
            let order: Vec<u32> = (0..u32::try_from(counts.len()).expect("few")).collect();
            let is_folded = folded(&order, counts, smallest);
            (0..counts.len()).filter(|at| is_folded[*at]).collect::<Vec<_>>()
        };
        assert_eq!(fold(&[9, 2, 7, 3], 5), [1, 3]);
        // Two alone are too few: the next smallest goes with them.
        assert_eq!(fold(&[9, 2, 7, 8], 5), [1, 2]);
        assert_eq!(fold(&[7, 2, 7], 5), [0, 1]);
        assert_eq!(fold(&[9, 7], 5), [0; 0]);
        assert_eq!(fold(&[1, 1], 5), [0, 1]);
        assert_eq!(fold(&[1], 5), [0]);
        assert_eq!(fold(&[1, 9], 1), [0; 0]);
        assert_eq!(fold(&[], 5), [0; 0]);
    }

    #[test]
    fn bytes_sort_as_cells_do() {
        let texts = ["", "\0", "\0a", "a", "a\0", "a\0b", "aa", "ä"];
        let series = Series::new("".into(), texts);
        let null = Series::full_null("".into(), 1, &DataType::String);
        let bytes = |series: &Series, row| {
            let mut key = Vec::new();
            push(&mut key, &Cells::of(series).expect("cells"), row);
            key
        };
        let mut keys: Vec<_> = (0..texts.len()).map(|row| bytes(&series, row)).collect();
        keys.push(bytes(&null, 0));
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        let numbers = Series::new("".into(), [i64::MIN, -1, 0, 1, i64::MAX]);
        let keys: Vec<_> = (0..5).map(|row| bytes(&numbers, row)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        let bools = Series::new("".into(), [false, true]);
        assert!(bytes(&bools, 0) < bytes(&bools, 1));
    }
}
