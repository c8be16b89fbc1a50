//! Cells of a loaded column, seen as text or in order, without asking the type at every cell.

use std::borrow::Cow;
use std::cmp::Ordering;

use polars::prelude::*;
use polars_arrow::array::{
    Array as _, BooleanArray, Int32Array, Int64Array, PrimitiveArray, Utf8ViewArray,
};

use super::engine_fault;
use crate::diagnostics::Outcome;
use crate::plan::{DAY, civil, utc_text};

/// The single chunk of a loaded column.
#[derive(Clone, Debug)]
pub enum Cells {
    /// Text.
    Text(Utf8ViewArray),
    /// Bool.
    Bool(BooleanArray),
    /// Int.
    Int(Int64Array),
    /// Float.
    Float(PrimitiveArray<f64>),
    /// Decimal: scaled integer and digits after the point.
    Decimal(PrimitiveArray<i128>),
    /// Date: days since 1970-01-01.
    Date(Int32Array),
    /// Datetime: microseconds since 1970-01-01T00:00:00Z.
    Datetime(Int64Array),
    /// A column that is not there: all null.
    Absent,
}

impl Cells {
    /// The cells of a series of one chunk.
    ///
    /// # Errors
    /// An engine fault for a type that no column is loaded as.
    pub fn of(series: &Series) -> Outcome<Self> {
        fn only<T: Clone>(mut chunks: impl Iterator<Item = T>) -> Option<T> {
            chunks.next()
        }
        let physical = series.to_physical_repr();
        let cells = match series.dtype() {
            DataType::String => {
                only(series.str().map_err(fault)?.downcast_iter().cloned()).map(Self::Text)
            }
            DataType::Boolean => {
                only(series.bool().map_err(fault)?.downcast_iter().cloned()).map(Self::Bool)
            }
            DataType::Int64 => {
                only(series.i64().map_err(fault)?.downcast_iter().cloned()).map(Self::Int)
            }
            DataType::Float64 => {
                only(series.f64().map_err(fault)?.downcast_iter().cloned()).map(Self::Float)
            }
            DataType::Date => {
                only(physical.i32().map_err(fault)?.downcast_iter().cloned()).map(Self::Date)
            }
            DataType::Datetime(..) => {
                only(physical.i64().map_err(fault)?.downcast_iter().cloned()).map(Self::Datetime)
            }
            DataType::Decimal(..) => {
                only(physical.i128().map_err(fault)?.downcast_iter().cloned()).map(Self::Decimal)
            }
            other => {
                return Err(fault(polars_err!(InvalidOperation: "cells of type {other}")));
            }
        };
        Ok(cells.unwrap_or(Self::Absent))
    }

    /// True if the cell is null.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(cells) => cells.get(row).is_none(),
            Self::Bool(cells) => cells.get(row).is_none(),
            Self::Int(cells) | Self::Datetime(cells) => cells.get(row).is_none(),
            Self::Float(cells) => cells.get(row).is_none(),
            Self::Decimal(cells) => cells.get(row).is_none(),
            Self::Date(cells) => cells.get(row).is_none(),
            Self::Absent => true,
        }
    }

    /// How many of the `rows` cells are null.
    #[must_use]
    pub fn nulls(&self, rows: usize) -> usize {
        match self {
            Self::Text(cells) => cells.null_count(),
            Self::Bool(cells) => cells.null_count(),
            Self::Int(cells) | Self::Datetime(cells) => cells.null_count(),
            Self::Float(cells) => cells.null_count(),
            Self::Decimal(cells) => cells.null_count(),
            Self::Date(cells) => cells.null_count(),
            Self::Absent => rows,
        }
    }

    /// The cell as the text that keys and ids compare (docs/semantics.md, section 1).
    #[must_use]
    pub fn text(&self, row: usize) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(cells) => cells.get(row).map(Cow::Borrowed),
            Self::Bool(cells) => {
                cells.get(row).map(|value| Cow::Borrowed(if value { "true" } else { "false" }))
            }
            Self::Int(cells) => cells.get(row).map(|value| Cow::Owned(value.to_string())),
            Self::Date(cells) => cells.get(row).map(|days| {
                let at = civil(i64::from(days) * DAY);
                Cow::Owned(at.map_or_else(|| days.to_string(), |at| at.date().to_string()))
            }),
            Self::Datetime(cells) => cells
                .get(row)
                .map(|micros| Cow::Owned(utc_text(micros).unwrap_or_else(|| micros.to_string()))),
            Self::Float(_) | Self::Decimal(_) | Self::Absent => None,
        }
    }

    /// The cell as a number that sorts as its values do, for dates, datetimes and ints.
    #[must_use]
    pub fn ordinal(&self, row: usize) -> Option<i64> {
        match self {
            Self::Int(cells) | Self::Datetime(cells) => cells.get(row),
            Self::Date(cells) => cells.get(row).map(i64::from),
            _ => None,
        }
    }

    /// The cell as a number that sorts as its values do; none for null, for a float that is no number, and for
    /// texts.
    #[must_use]
    pub fn number(&self, row: usize) -> Option<i128> {
        match self {
            Self::Bool(cells) => cells.get(row).map(i128::from),
            Self::Float(cells) => {
                let value: f64 = cells.get(row).filter(|value: &f64| !value.is_nan())?;
                Some(i128::from(in_order(value.to_bits().cast_signed())))
            }
            Self::Decimal(cells) => cells.get(row),
            cells => cells.ordinal(row).map(i128::from),
        }
    }

    /// Compares two cells of columns of one type: smaller first, null last, texts by bytes.
    #[must_use]
    pub fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        fn nulls_last<T>(a: Option<T>, b: Option<T>, order: impl Fn(T, T) -> Ordering) -> Ordering {
            match (a, b) {
                (Some(a), Some(b)) => order(a, b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            }
        }
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => {
                nulls_last(a.get(row), b.get(other_row), |a, b| a.as_bytes().cmp(b.as_bytes()))
            }
            (Self::Bool(a), Self::Bool(b)) => {
                nulls_last(a.get(row), b.get(other_row), |a, b| a.cmp(&b))
            }
            (Self::Float(a), Self::Float(b)) => {
                nulls_last(a.get(row), b.get(other_row), |a: f64, b: f64| a.total_cmp(&b))
            }
            (Self::Decimal(a), Self::Decimal(b)) => {
                nulls_last(a.get(row), b.get(other_row), |a, b| a.cmp(&b))
            }
            _ => nulls_last(self.ordinal(row), other.ordinal(other_row), |a, b| a.cmp(&b)),
        }
    }
}

/// The bits of a float as a number that sorts as floats do, and back: it is its own inverse.
#[must_use]
pub fn in_order(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// A decimal as it is written: with all digits behind its point.
#[must_use]
pub fn decimal_text(value: i128, scale: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>1$}", value.unsigned_abs(), scale + 1);
    match digits.split_at(digits.len() - scale) {
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn fault(error: PolarsError) -> crate::diagnostics::Faults {
    engine_fault("looking at a column", &error).into()
}
