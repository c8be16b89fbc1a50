//! What the rows of customers come to so far. Whatever the order of rows, the result is the same.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use polars::prelude::*;

use crate::engine::cells::in_order;
use crate::engine::exact;
use crate::plan::{Aggregate, AggregateFunction, Type};

/// The texts that aggregates keep, each once: a value that is text is its number here.
#[derive(Debug, Default)]
pub struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Texts {
    /// The number of a text.
    pub fn number(&mut self, text: &str) -> i128 {
        let number = match self.numbers.get(text) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
                let text: Arc<str> = text.into();
                self.texts.push(Arc::clone(&text));
                self.numbers.insert(text, number);
                number
            }
        };
        i128::from(number)
    }

    fn get(&self, number: i128) -> Option<&str> {
        self.texts.get(usize::try_from(number).ok()?).map(AsRef::as_ref)
    }
}

/// Numbers that sort as values of a type do; of texts those of [`Texts`], which do not.
#[derive(Debug)]
enum Values {
    Narrow(Vec<i64>),
    /// Decimals.
    Wide(Vec<i128>),
}

impl Values {
    fn new(ty: Type, slots: usize) -> Self {
        match ty {
            Type::Decimal(_) => Self::Wide(vec![0; slots]),
            _ => Self::Narrow(vec![0; slots]),
        }
    }

    fn get(&self, at: usize) -> i128 {
        match self {
            Self::Narrow(values) => i128::from(values[at]),
            Self::Wide(values) => values[at],
        }
    }

    fn set(&mut self, at: usize, value: i128) {
        match self {
            // What is set here came from 64 bits.
            Self::Narrow(values) => values[at] = i64::try_from(value).unwrap_or_default(),
            Self::Wide(values) => values[at] = value,
        }
    }
}

/// One aggregate of some customers.
#[derive(Debug)]
pub enum Tally {
    /// Rows.
    Count(Vec<u64>),
    /// Of ints and decimals.
    Sum {
        /// What 128 bits hold of each sum.
        sums: Vec<i128>,
        values: Vec<u64>,
        /// How often a sum went out of these bits above, or below.
        beyond: Vec<(u32, i32)>,
    },
    /// Of floats: sums in steps, and the values that are no whole number of them.
    FloatSum { steps: Vec<i128>, values: Vec<u64>, others: Vec<(u32, f64)> },
    /// The smallest or the greatest value.
    Extreme { wanted: Ordering, values: Best },
    /// The value of the last row.
    Last { at: Vec<i64>, has_row: Vec<bool>, values: Best },
}

/// A value of each customer that has one.
#[derive(Debug)]
pub struct Best {
    values: Values,
    is_there: Vec<bool>,
    is_text: bool,
}

impl Best {
    fn new(ty: Type, slots: usize) -> Self {
        let is_there = vec![false; slots];
        Self { values: Values::new(ty, slots), is_there, is_text: ty == Type::Text }
    }

    fn set(&mut self, slot: usize, value: Option<i128>) {
        self.is_there[slot] = value.is_some();
        self.values.set(slot, value.unwrap_or_default());
    }

    fn compare(&self, slot: usize, value: i128, texts: &Texts) -> Ordering {
        let known = self.values.get(slot);
        if self.is_text { texts.get(value).cmp(&texts.get(known)) } else { value.cmp(&known) }
    }
}

/// What an aggregate looks at in the row that is next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Its value as a number; that of a float too.
    pub value: Option<i128>,
    /// Its place in the order of `last`.
    pub by: Option<i64>,
}

impl Tally {
    /// Of so many customers, without a row.
    pub fn new(aggregate: &Aggregate, slots: usize) -> Self {
        let of = aggregate.value.as_ref().map_or(Type::Int, |value| value.ty);
        match aggregate.function {
            AggregateFunction::Count => Self::Count(vec![0; slots]),
            AggregateFunction::Sum | AggregateFunction::Avg => {
                let (sums, values) = (vec![0; slots], vec![0; slots]);
                match of {
                    Type::Float => Self::FloatSum { steps: sums, values, others: Vec::new() },
                    _ => Self::Sum { sums, values, beyond: Vec::new() },
                }
            }
            AggregateFunction::Min => {
                Self::Extreme { wanted: Ordering::Less, values: Best::new(of, slots) }
            }
            AggregateFunction::Max => {
                Self::Extreme { wanted: Ordering::Greater, values: Best::new(of, slots) }
            }
            AggregateFunction::Last => Self::Last {
                at: vec![i64::MIN; slots],
                has_row: vec![false; slots],
                values: Best::new(of, slots),
            },
        }
    }

    /// Adds a row of a customer.
    pub fn add(&mut self, slot: usize, seen: Seen, texts: &Texts) {
        match self {
            Self::Count(rows) => rows[slot] += 1,
            Self::Sum { sums, values, beyond } => {
                let Some(value) = seen.value else { return };
                values[slot] += 1;
                let (sum, is_beyond) = sums[slot].overflowing_add(value);
                sums[slot] = sum;
                if is_beyond {
                    // Others may bring it back.
                    let times = if value < 0 { -1 } else { 1 };
                    beyond.push((u32::try_from(slot).unwrap_or(u32::MAX), times));
                }
            }
            Self::FloatSum { steps, values, others } => {
                let Some(value) = seen.value.and_then(|value| i64::try_from(value).ok()) else {
                    return;
                };
                let value = f64::from_bits(in_order(value).cast_unsigned());
                values[slot] += 1;
                match exact::steps(value).and_then(|more| steps[slot].checked_add(more)) {
                    Some(sum) => steps[slot] = sum,
                    None => others.push((u32::try_from(slot).unwrap_or(u32::MAX), value)),
                }
            }
            Self::Extreme { wanted, values } => {
                let Some(value) = seen.value else { return };
                if !values.is_there[slot] || values.compare(slot, value, texts) == *wanted {
                    values.set(slot, Some(value));
                }
            }
            Self::Last { at, has_row, values } => {
                let Some(by) = seen.by else { return };
                let later = match (has_row[slot], by.cmp(&at[slot])) {
                    (false, _) | (true, Ordering::Greater) => true,
                    (true, Ordering::Less) => false,
                    // Of rows of one time the greatest value, a null only if there is no other.
                    (true, Ordering::Equal) => seen.value.is_some_and(|value| {
                        !values.is_there[slot] || values.compare(slot, value, texts).is_gt()
                    }),
                };
                if later {
                    (at[slot], has_row[slot]) = (by, true);
                    values.set(slot, seen.value);
                }
            }
        }
    }

    /// What each customer's rows came to, in the order of slots.
    pub fn done(self, aggregate: &Aggregate, texts: &Texts) -> Series {
        let of = aggregate.value.as_ref().map_or(Type::Int, |value| value.ty);
        match self {
            Self::Count(rows) => {
                let rows = rows.into_iter().map(|rows| i64::try_from(rows).ok());
                Int64Chunked::from_iter_options(PlSmallStr::EMPTY, rows).into_series()
            }
            Self::Sum { sums, values, beyond } => {
                let mut out: HashMap<u32, i32> = HashMap::new();
                for (slot, times) in beyond {
                    *out.entry(slot).or_default() += times;
                }
                let sum = |((slot, sum), values): ((u32, i128), u64)| {
                    let is_held = out.get(&slot).is_none_or(|times| *times == 0);
                    (values > 0 && is_held).then_some((sum, values))
                };
                let sums: Vec<Option<(i128, u64)>> = (0..).zip(sums).zip(values).map(sum).collect();
                if aggregate.function == AggregateFunction::Avg {
                    let scale = match of {
                        Type::Decimal(scale) => 10_f64.powi(i32::from(scale)),
                        _ => 1.0,
                    };
                    #[expect(clippy::cast_precision_loss, reason = "an average is a float")]
                    let average = |(sum, values): (i128, u64)| sum as f64 / scale / values as f64;
                    let averages = sums.into_iter().map(|sum| sum.map(average));
                    return Float64Chunked::from_iter_options(PlSmallStr::EMPTY, averages)
                        .into_series();
                }
                let most = 10_i128.pow(38);
                let held = |sum: i128| match of {
                    Type::Decimal(_) => sum > -most && sum < most,
                    _ => i64::try_from(sum).is_ok(),
                };
                let sums = sums.into_iter().map(|sum| sum.map(|sum| sum.0).filter(|of| held(*of)));
                series(sums.collect(), of, texts)
            }
            Self::FloatSum { steps, values, others } => {
                let mut by_slot: HashMap<u32, Vec<f64>> = HashMap::new();
                for (slot, value) in others {
                    by_slot.entry(slot).or_default().push(value);
                }
                let is_average = aggregate.function == AggregateFunction::Avg;
                let sum = |((slot, steps), values): ((u32, i128), u64)| {
                    if values == 0 {
                        return None;
                    }
                    let others = by_slot.get(&slot).map_or(&[][..], Vec::as_slice);
                    let sum = exact::rounded(steps, others)?;
                    #[expect(clippy::cast_precision_loss, reason = "an average is a float")]
                    let values = values as f64;
                    Some(if is_average { sum / values } else { sum })
                };
                let sums: Vec<Option<f64>> = (0..).zip(steps).zip(values).map(sum).collect();
                Float64Chunked::from_iter_options(PlSmallStr::EMPTY, sums.into_iter()).into_series()
            }
            Self::Extreme { values, .. } | Self::Last { values, .. } => {
                let each = (0..values.is_there.len())
                    .map(|slot| values.is_there[slot].then(|| values.values.get(slot)));
                series(each.collect(), of, texts)
            }
        }
    }
}

/// Values of a type.
fn series(values: Vec<Option<i128>>, ty: Type, texts: &Texts) -> Series {
    let name = PlSmallStr::EMPTY;
    let narrow = |value: i128| i64::try_from(value).ok();
    let values = values.into_iter();
    match ty {
        Type::Text => {
            let texts: Vec<Option<&str>> =
                values.map(|value| value.and_then(|number| texts.get(number))).collect();
            StringChunked::from_iter_options(name, texts.into_iter()).into_series()
        }
        Type::Bool => {
            let bools = values.map(|value| value.map(|value| value != 0));
            BooleanChunked::from_iter_options(name, bools).into_series()
        }
        Type::Int => {
            let ints = values.map(|value| value.and_then(narrow));
            Int64Chunked::from_iter_options(name, ints).into_series()
        }
        Type::Float => {
            let float = |bits: i64| f64::from_bits(in_order(bits).cast_unsigned());
            let floats = values.map(|value| value.and_then(narrow).map(float));
            Float64Chunked::from_iter_options(name, floats).into_series()
        }
        Type::Decimal(scale) => Int128Chunked::from_iter_options(name, values)
            .into_decimal_unchecked(38, usize::from(scale))
            .into_series(),
        Type::Date => {
            let days = values.map(|value| value.and_then(|value| i32::try_from(value).ok()));
            Int32Chunked::from_iter_options(name, days).into_date().into_series()
        }
        Type::Datetime => {
            let micros = values.map(|value| value.and_then(narrow));
            Int64Chunked::from_iter_options(name, micros)
                .into_datetime(TimeUnit::Microseconds, None)
                .into_series()
        }
    }
}
