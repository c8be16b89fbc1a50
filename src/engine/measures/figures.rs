//! The figures of a measure, column by column. All of them are exact; floats are rounded once.

use polars::prelude::*;
use rayon::prelude::*;

use super::super::cells::Cells;
use super::super::consent::State;
use super::super::exact::Exact;
use super::super::profile::{ProfileColumns, Rows};
use super::groups::GroupRows;
use crate::diagnostics::Outcome;
use crate::plan::{FieldId, Fraction, OutColumn, Type};

/// Most digits of a decimal.
const DECIMAL_DIGITS: u32 = 38;

/// The values of a field that the customers of a measure show, row by row.
pub struct Values {
    /// The type of the field.
    ty: Type,
    /// Where the values of each row begin, and where the last ends.
    starts: Vec<usize>,
    numbers: Numbers,
}

/// Values, each row's in their order.
enum Numbers {
    /// Of which nothing but their number is asked.
    Uncounted,
    /// Whole numbers, and decimals as whole numbers of their last digit.
    Whole(Vec<(u32, i128)>),
    /// Finite floats: what is no number is as good as null.
    Float(Vec<(u32, f64)>),
}

/// What of a value is asked for.
#[derive(Clone, Copy)]
enum Number {
    Some,
    Whole(i128),
    Float(f64),
}

fn number(cells: &Cells, row: usize) -> Option<Number> {
    match cells {
        Cells::Int(cells) => cells.get(row).map(|value| Number::Whole(i128::from(value))),
        Cells::Decimal(cells) => cells.get(row).map(Number::Whole),
        Cells::Float(cells) => cells.get(row).filter(|value| value.is_finite()).map(Number::Float),
        _ => (!cells.is_null(row)).then_some(Number::Some),
    }
}

impl Values {
    /// What the profiles show in a field. `numbers` is true if more than their number is asked for.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn new(
        columns: &ProfileColumns<'_>,
        (field, ty): (FieldId, Type),
        profiles: &[u32],
        rows: &GroupRows,
        numbers: bool,
    ) -> Outcome<Self> {
        let size = Rows::piece_rows();
        let piece = |(profiles, row_of): (&[u32], &[u32])| -> Outcome<Vec<(u32, Number)>> {
            let cells = columns.cells(OutColumn::Field(field), profiles)?;
            let found = row_of.iter().enumerate();
            Ok(found.filter_map(|(at, row)| Some((*row, number(&cells, at)?))).collect())
        };
        let pieces: Outcome<Vec<Vec<(u32, Number)>>> =
            profiles.par_chunks(size).zip(rows.row_of.par_chunks(size)).map(piece).collect();
        let found = pieces?.concat();
        let mut counts = vec![0_usize; rows.customers.len()];
        for (row, _) in &found {
            counts[*row as usize] += 1;
        }
        let mut starts = vec![0];
        let mut end = 0;
        starts.extend(counts.iter().map(|count| {
            end += count;
            end
        }));
        let numbers = if numbers { Numbers::sorted(found) } else { Numbers::Uncounted };
        Ok(Self { ty, starts, numbers })
    }

    /// How many customers of a row show a value.
    fn used(&self, row: usize) -> usize {
        self.starts[row + 1] - self.starts[row]
    }

    /// How many customers of each row show a value.
    pub fn counted(&self) -> Series {
        let rows = self.starts.len() - 1;
        counts((0..rows).map(|row| self.used(row) as u64))
    }

    /// A figure for each row in which at least `smallest` customers show a value; null for the
    /// others. Gives the column, and for how many rows with values it holds no figure for that reason.
    pub fn figures(&self, of: Wanted, smallest: u64) -> (Series, u64) {
        let rows: Vec<usize> = (0..self.starts.len() - 1).collect();
        let is_shown = |row: usize| self.used(row) > 0 && self.used(row) as u64 >= smallest;
        let is_hidden = |row: &&usize| self.used(**row) > 0 && !is_shown(**row);
        let hidden = rows.iter().filter(is_hidden).count() as u64;
        let series = match (of, self.ty) {
            (Wanted::Sum, Type::Int | Type::Decimal(_)) => {
                let sum = |row: &usize| is_shown(*row).then(|| self.exact(*row))?.whole();
                let sums: Vec<Option<i128>> = rows.par_iter().map(sum).collect();
                self.whole_sums(&sums)
            }
            _ => {
                let figure = |row: &usize| is_shown(*row).then(|| self.figure(of, *row))?;
                let figures: Vec<Option<f64>> = rows.par_iter().map(figure).collect();
                Float64Chunked::from_iter_options(PlSmallStr::EMPTY, figures.into_iter())
                    .into_series()
            }
        };
        (series, hidden)
    }

    /// Sums of whole numbers in their own type; null where they are beyond it.
    fn whole_sums(&self, sums: &[Option<i128>]) -> Series {
        let name = PlSmallStr::EMPTY;
        if let Type::Decimal(scale) = self.ty {
            let most = 10_u128.pow(DECIMAL_DIGITS);
            let sums = sums.iter().map(|sum| sum.filter(|sum| sum.unsigned_abs() < most));
            return Int128Chunked::from_iter_options(name, sums)
                .into_decimal_unchecked(DECIMAL_DIGITS as usize, usize::from(scale))
                .into_series();
        }
        let sums = sums.iter().map(|sum| sum.and_then(|sum| i64::try_from(sum).ok()));
        Int64Chunked::from_iter_options(name, sums).into_series()
    }

    /// The exact sum of a row.
    fn exact(&self, row: usize) -> Exact {
        let place = self.starts[row]..self.starts[row + 1];
        let mut sum = Exact::new();
        match &self.numbers {
            Numbers::Uncounted => {}
            Numbers::Whole(all) => {
                all[place].iter().for_each(|(_, value)| sum.add_whole(*value, 1));
            }
            Numbers::Float(all) => {
                all[place].iter().for_each(|(_, value)| sum.add_float(*value, 1));
            }
        }
        sum
    }

    /// A float of a row; none beyond the largest one.
    fn figure(&self, of: Wanted, row: usize) -> Option<f64> {
        let scale = match self.ty {
            Type::Decimal(scale) => u32::from(scale),
            _ => 0,
        };
        // 10 to the digits after the point, in two factors of 32 bits.
        let unit = [10_u32.pow(scale / 2), 10_u32.pow(scale - scale / 2)];
        match of {
            Wanted::Sum => self.exact(row).divided(&unit),
            Wanted::Mean => {
                let used = u32::try_from(self.used(row)).ok()?;
                self.exact(row).divided(&[used, unit[0], unit[1]])
            }
            Wanted::Quantile(share) => {
                // Type 7 of Hyndman and Fan: between the values to the left and right of the place
                // (n - 1) * share, in proportion.
                let whole = u64::from(Fraction::WHOLE);
                let place = (self.used(row) as u64 - 1) * u64::from(share.0);
                let right = u32::try_from(place % whole).ok()?;
                let at = self.starts[row] + usize::try_from(place / whole).ok()?;
                let next = at + usize::from(right > 0);
                let mut between = Exact::new();
                match &self.numbers {
                    Numbers::Uncounted => return None,
                    Numbers::Whole(all) => {
                        between.add_whole(all[at].1, Fraction::WHOLE - right);
                        between.add_whole(all[next].1, right);
                    }
                    Numbers::Float(all) => {
                        between.add_float(all[at].1, Fraction::WHOLE - right);
                        between.add_float(all[next].1, right);
                    }
                }
                between.divided(&[Fraction::WHOLE, unit[0], unit[1]])
            }
        }
    }
}

/// What is computed of values.
#[derive(Clone, Copy)]
pub enum Wanted {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// A quantile.
    Quantile(Fraction),
}

impl Numbers {
    /// Values in the order of rows, and within a row in their own.
    fn sorted(found: Vec<(u32, Number)>) -> Self {
        let is_float = found.iter().any(|(_, number)| matches!(number, Number::Float(_)));
        if is_float {
            let floats = found.into_iter().filter_map(|(row, number)| match number {
                Number::Float(value) => Some((row, value)),
                Number::Whole(_) | Number::Some => None,
            });
            let mut floats: Vec<(u32, f64)> = floats.collect();
            floats.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)));
            return Self::Float(floats);
        }
        let numbers = found.into_iter().filter_map(|(row, number)| match number {
            Number::Whole(value) => Some((row, value)),
            Number::Float(_) | Number::Some => None,
        });
        let mut numbers: Vec<(u32, i128)> = numbers.collect();
        numbers.par_sort_unstable();
        Self::Whole(numbers)
    }
}

/// How many customers of each row are in which state, in the order of [`State::ALL`].
pub fn states(states: &[State], profiles: &[u32], rows: &GroupRows) -> Vec<[u64; 5]> {
    let mut counts = vec![[0; State::ALL.len()]; rows.customers.len()];
    for (profile, row) in profiles.iter().zip(&rows.row_of) {
        counts[*row as usize][states[*profile as usize] as usize] += 1;
    }
    counts
}

/// A column of counts.
pub fn counts(counts: impl Iterator<Item = u64>) -> Series {
    let counts: Vec<i64> = counts.map(|count| i64::try_from(count).unwrap_or(i64::MAX)).collect();
    Int64Chunked::from_vec(PlSmallStr::EMPTY, counts).into_series()
}

/// A column of shares; null of nobody.
pub fn rates(rates: impl Iterator<Item = (u64, u64)>) -> Series {
    #[expect(clippy::cast_precision_loss, reason = "customers are fewer than 2^32")]
    let rate = |(part, whole): (u64, u64)| (whole > 0).then(|| part as f64 / whole as f64);
    let rates: Vec<Option<f64>> = rates.map(rate).collect();
    Float64Chunked::from_iter_options(PlSmallStr::EMPTY, rates.into_iter()).into_series()
}
