//! Columns as they were read become columns of the type they are used as.

use std::path::Path;

use jiff::tz::TimeZone;
use polars::prelude::*;

use super::values::{self, TimeReader};
use super::{LoadedColumn, engine_fault};
use crate::diagnostics::{Code, Diagnostic, Faults, Site};
use crate::plan::Type;
use crate::plan::catalog::{Column as PlanColumn, ColumnType};

/// Why a part of a source cannot be used.
pub enum Stop {
    /// A cell does not read as its column's type.
    Value {
        /// Its row in the part.
        row: usize,
        /// Its column among those in use.
        column: usize,
    },
    /// Something else.
    Faults(Faults),
}

impl Stop {
    /// Says it of a file, in which the part begins at row `start`, counted from 0.
    pub fn into_faults(self, columns: &[&PlanColumn], file: &Path, start: usize) -> Faults {
        let (row, column) = match self {
            Self::Value { row, column } => (start + row, columns[column]),
            Self::Faults(faults) => return faults,
        };
        let (ty, format) = match &column.ty {
            ColumnType::Parsed { ty, format } => (*ty, format.as_ref()),
            ColumnType::Stored(ty) => (*ty, None),
            ColumnType::Unusable(_) => (Type::Text, None),
        };
        let help = match (ty, format) {
            (Type::Date, None) => {
                "dates are 2026-11-24; for 24.11.2026 declare { date: \"%d.%m.%Y\" } under `types`"
            }
            (Type::Datetime, None) => {
                "datetimes are 2026-11-24T10:00:00, with a zone or none; for others declare \
                 { datetime: \"%d.%m.%Y %H:%M\" } under `types`"
            }
            (Type::Decimal(_), _) => "digits and a point; `decimal: 4` allows four digits after it",
            (Type::Bool, _) => "true or false, 1 or 0",
            _ => "correct the file, list the text under `nulls`, or declare another type",
        };
        Diagnostic::error(Code::ValueType, format!("a value does not read as {}", ty.name()))
            .in_file(Site {
                file: file.to_path_buf(),
                row: Some(row as u64 + 1),
                line: None,
                column: Some(column.name.clone()),
            })
            .help(help)
            .into()
    }
}

/// Brings the columns of a part to their types. Where cells do not read, the first of them by row
/// is told.
pub fn all(
    series: Vec<Series>,
    columns: &[&PlanColumn],
    zone: &TimeZone,
) -> Result<Vec<LoadedColumn>, Stop> {
    let mut typed = Vec::new();
    let mut first: Option<(usize, usize)> = None;
    for (at, (series, column)) in series.into_iter().zip(columns).enumerate() {
        match one(series, column, zone) {
            Ok(column) => typed.push(column),
            Err(Fault::Row(row)) => {
                first = Some(first.map_or((row, at), |first| first.min((row, at))));
            }
            Err(Fault::Other(faults)) => return Err(Stop::Faults(faults)),
        }
    }
    match first {
        Some((row, column)) => Err(Stop::Value { row, column }),
        None => Ok(typed),
    }
}

/// Why a column of a part cannot be used.
enum Fault {
    /// This is the first row that does not read.
    Row(usize),
    Other(Faults),
}

fn one(series: Series, column: &PlanColumn, zone: &TimeZone) -> Result<LoadedColumn, Fault> {
    let plain = |series: Series| LoadedColumn { series, date_only: None };
    match &column.ty {
        ColumnType::Parsed { ty: Type::Text, .. } => Ok(plain(series)),
        ColumnType::Parsed { ty, format } => {
            let reader = TimeReader { format: format.as_deref(), zone: zone.clone() };
            parsed(&series, *ty, &reader).map_err(Fault::Row)
        }
        ColumnType::Stored(ty) => {
            stored(&series, *ty, zone).map(plain).map_err(|error| match too_large(&series, *ty) {
                Some(row) => Fault::Row(row),
                None => Fault::Other(engine_fault("casting a column", &error).into()),
            })
        }
        ColumnType::Unusable(_) => {
            let fault = format!("column `{}` cannot be used", column.name);
            Err(Fault::Other(Diagnostic::error(Code::EngineFault, fault).into()))
        }
    }
}

/// The first row of a stored column whose value the type here cannot hold.
fn too_large(series: &Series, ty: Type) -> Option<usize> {
    let as_type = match ty {
        Type::Int => DataType::Int64,
        Type::Float => DataType::Float64,
        _ => return None,
    };
    let cast = series.cast(&as_type).ok()?;
    let lost = &cast.is_null() & &series.is_not_null();
    lost.iter().position(|lost| lost == Some(true))
}

/// Reads every cell; the error is the first row that does not read.
fn each<T>(
    rows: usize,
    read: impl Fn(usize) -> Result<Option<T>, usize>,
) -> Result<Vec<Option<T>>, usize> {
    (0..rows).map(read).collect()
}

/// Parses text cells; the error is the first row that does not read.
fn parsed(series: &Series, ty: Type, reader: &TimeReader<'_>) -> Result<LoadedColumn, usize> {
    let name = series.name().clone();
    let text = series.str().map_err(|_| 0_usize)?;
    let array = text.downcast_iter().next();
    let cell = |row: usize| array.and_then(|array| array.get(row)).filter(|c| !c.trim().is_empty());
    let rows = series.len();
    let mut date_only = None;
    let series = match ty {
        Type::Text => series.clone(),
        Type::Bool => {
            let values = each(rows, |r| cell(r).map(|c| values::boolean(c).ok_or(r)).transpose())?;
            BooleanChunked::from_iter_options(name, values.into_iter()).into_series()
        }
        Type::Int => {
            let values = each(rows, |r| cell(r).map(|c| values::integer(c).ok_or(r)).transpose())?;
            Int64Chunked::from_iter_options(name, values.into_iter()).into_series()
        }
        Type::Float => {
            let values = each(rows, |r| cell(r).map(|c| values::float(c).ok_or(r)).transpose())?;
            Float64Chunked::from_iter_options(name, values.into_iter()).into_series()
        }
        Type::Decimal(scale) => {
            let read = |r| cell(r).map(|c| values::decimal(c, scale).ok_or(r)).transpose();
            let values = each(rows, read)?;
            Int128Chunked::from_iter_options(name, values.into_iter())
                .into_decimal_unchecked(38, usize::from(scale))
                .into_series()
        }
        Type::Date => {
            let values = each(rows, |r| cell(r).map(|c| reader.date(c).ok_or(r)).transpose())?;
            Int32Chunked::from_iter_options(name, values.into_iter()).into_date().into_series()
        }
        Type::Datetime => {
            let values = each(rows, |r| cell(r).map(|c| reader.datetime(c).ok_or(r)).transpose())?;
            if values.iter().flatten().any(|moment| moment.date_only) {
                let flags = values.iter().map(|m| m.is_some_and(|moment| moment.date_only));
                date_only = Some(flags.collect());
            } else {
                date_only = Some(vec![false; rows]);
            }
            let micros = values.into_iter().map(|m| m.map(|moment| moment.at.0));
            Int64Chunked::from_iter_options(name, micros)
                .into_datetime(TimeUnit::Microseconds, None)
                .into_series()
        }
    };
    Ok(LoadedColumn { series, date_only })
}

/// Casts a stored column to the one width its type has here.
fn stored(series: &Series, ty: Type, zone: &TimeZone) -> PolarsResult<Series> {
    match ty {
        Type::Text => series.strict_cast(&DataType::String),
        Type::Int => series.strict_cast(&DataType::Int64),
        Type::Float => series.strict_cast(&DataType::Float64),
        Type::Datetime => {
            let DataType::Datetime(unit, stored_zone) = series.dtype() else {
                return series.strict_cast(&DataType::Datetime(TimeUnit::Microseconds, None));
            };
            let scale = |value: i64| match unit {
                TimeUnit::Nanoseconds => value.div_euclid(1000),
                TimeUnit::Microseconds => value,
                TimeUnit::Milliseconds => value.saturating_mul(1000),
            };
            // A stored zone is for display; the physical value is UTC already.
            let utc = stored_zone.is_some() || *zone == TimeZone::UTC;
            let physical = series.to_physical_repr().into_owned();
            let reader = TimeReader { format: None, zone: zone.clone() };
            let micros = physical.i64()?.iter().map(|value| {
                let value = scale(value?);
                if utc {
                    return Some(value);
                }
                let wall = jiff::Timestamp::from_microsecond(value).ok()?;
                reader.local(TimeZone::UTC.to_datetime(wall))
            });
            Ok(Int64Chunked::from_iter_options(series.name().clone(), micros)
                .into_datetime(TimeUnit::Microseconds, None)
                .into_series())
        }
        Type::Bool | Type::Date | Type::Decimal(_) => Ok(series.clone()),
    }
}
