//! Workbooks of Excel: one sheet with a header. Written by `rust_xlsxwriter`, read back by `calamine`.
//!
//! A sheet keeps 15 digits of a number, and dates from March 1900 on: what it does not keep is written as
//! the text that it has in CSV. Texts are texts there, also those that look like formulas.

use std::path::Path;

use calamine::{Data, Reader as _, Xlsx};
use polars::prelude::*;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, XlsxError};

use super::format::{DATETIME, Stop};

/// Rows of a sheet, the header among them.
const ROWS: usize = 1_048_576;
/// The largest number of digits that a sheet keeps is 15.
const DIGITS: i128 = 1_000_000_000_000_000;
/// 1 March 1900, counted as sheets count days; before it they differ in how.
const FIRST_DAY: i32 = 61;
/// The day 0 of sheets, 30 December 1899, as days since 1970.
const DAY_ZERO: i32 = -25_569;
const MILLIS_A_DAY: i64 = 86_400_000;

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Empty,
    Text(String),
    Bool(bool),
    Number(f64),
    /// Days since the day 0 of sheets.
    Date(i32),
    /// Milliseconds since the day 0 of sheets.
    Moment(i64),
}

/// Writes all rows as a workbook.
pub fn write(frame: &DataFrame, to: &mut impl std::io::Write) -> Result<(), Stop> {
    if frame.height() >= ROWS {
        return Err(Stop::File(
            "a sheet of Excel holds 1,048,575 rows and a header, and there are more",
            "write .csv or .parquet",
        ));
    }
    let mut book = Workbook::new();
    // The same rows are the same bytes.
    let created = ExcelDateTime::from_ymd(2000, 1, 1).map_err(refused)?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&created));
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let moment = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    let sheet = book.add_worksheet();
    sheet.set_freeze_panes(1, 0).map_err(refused)?;
    for (at, column) in frame.columns().iter().enumerate() {
        let at = u16::try_from(at).map_err(|_| {
            Stop::File("a sheet of Excel holds 16,384 columns", "write fewer, or another format")
        })?;
        sheet.write_string(0, at, column.name().as_str()).map_err(refused)?;
        for (row, cell) in cells(column.as_materialized_series())?.enumerate() {
            let row = u32::try_from(row + 1).unwrap_or(u32::MAX);
            match cell {
                Cell::Empty => Ok(&mut *sheet),
                Cell::Text(text) => sheet.write_string(row, at, text),
                Cell::Bool(value) => sheet.write_boolean(row, at, value),
                Cell::Number(number) => sheet.write_number(row, at, number),
                Cell::Date(days) => sheet.write_number_with_format(row, at, f64::from(days), &date),
                Cell::Moment(millis) => {
                    sheet.write_number_with_format(row, at, as_days(millis), &moment)
                }
            }
            .map_err(refused)?;
        }
    }
    to.write_all(&book.save_to_buffer().map_err(refused)?)?;
    Ok(())
}

/// Milliseconds as days and a fraction; a double keeps them exact to far less than a millisecond.
#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 milliseconds until the year 9999")]
fn as_days(millis: i64) -> f64 {
    millis as f64 / MILLIS_A_DAY as f64
}

#[expect(clippy::needless_pass_by_value, reason = "it is an error handler")]
fn refused(error: XlsxError) -> Stop {
    match error {
        XlsxError::MaxStringLengthExceeded => Stop::File(
            "a text is longer than the 32,767 characters that a cell of Excel holds",
            "write .csv or .parquet",
        ),
        XlsxError::RowColumnLimitError => {
            Stop::File("a sheet of Excel has no room for all columns", "write .csv or .parquet")
        }
        _ => Stop::File(
            "the workbook could not be made",
            "write another format; if that fails too, please report it without the data",
        ),
    }
}

/// The cells of a column as they are meant to stand in a sheet.
fn cells(series: &Series) -> PolarsResult<Box<dyn Iterator<Item = Cell> + '_>> {
    let text = |text: &str| match text {
        "" => Cell::Empty,
        text => Cell::Text(text.to_owned()),
    };
    let or_empty = |cell: Option<Cell>| cell.unwrap_or(Cell::Empty);
    Ok(match series.dtype() {
        DataType::String => {
            Box::new(series.str()?.iter().map(move |cell| or_empty(cell.map(text))))
        }
        DataType::Boolean => {
            Box::new(series.bool()?.iter().map(move |cell| or_empty(cell.map(Cell::Bool))))
        }
        DataType::Int64 => Box::new(
            series.i64()?.iter().map(move |cell| or_empty(cell.map(|int| number(int, int.into())))),
        ),
        DataType::Float64 => Box::new(series.f64()?.iter().map(move |cell| {
            or_empty(cell.map(|float| {
                if float.abs() < 1e15 { Cell::Number(float) } else { Cell::Text(float.to_string()) }
            }))
        })),
        DataType::Date => {
            let texts = series.date()?.to_string("%Y-%m-%d")?;
            let days = series.to_physical_repr().i32()?.clone();
            Box::new((0..series.len()).map(move |row| {
                let Some(day) = days.get(row) else { return Cell::Empty };
                match day - DAY_ZERO {
                    day if day >= FIRST_DAY => Cell::Date(day),
                    _ => texts.get(row).map_or(Cell::Empty, text),
                }
            }))
        }
        DataType::Datetime(TimeUnit::Microseconds, _) => {
            let texts = series.datetime()?.to_string(DATETIME)?;
            let micros = series.to_physical_repr().i64()?.clone();
            Box::new((0..series.len()).map(move |row| {
                let Some(at) = micros.get(row) else { return Cell::Empty };
                let millis = at.div_euclid(1000) - i64::from(DAY_ZERO) * MILLIS_A_DAY;
                if at % 1000 == 0 && millis >= i64::from(FIRST_DAY) * MILLIS_A_DAY {
                    Cell::Moment(millis)
                } else {
                    texts.get(row).map_or(Cell::Empty, text)
                }
            }))
        }
        DataType::Decimal(_, scale) => {
            let digits = series.to_physical_repr().i128()?.clone();
            let texts = series.cast(&DataType::String)?;
            let scale = *scale;
            Box::new((0..digits.len()).map(move |row| {
                let (Some(all), Ok(texts)) = (digits.get(row), texts.str()) else {
                    return Cell::Empty;
                };
                let Some(said) = texts.get(row) else { return Cell::Empty };
                match said.parse() {
                    Ok(number) if all.abs() < DIGITS && scale <= 15 => Cell::Number(number),
                    _ => text(said),
                }
            }))
        }
        other => polars_bail!(ComputeError: "no cell of Excel holds {}", other),
    })
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53")]
fn number(int: i64, wide: i128) -> Cell {
    if wide.abs() < DIGITS { Cell::Number(int as f64) } else { Cell::Text(int.to_string()) }
}

/// Compares a workbook with what was meant; `Err` says in what it differs, without any cell.
pub fn verify(path: &Path, frame: &DataFrame) -> Result<(), String> {
    let unreadable = || "it cannot be read back".to_owned();
    let mut book: Xlsx<_> =
        calamine::open_workbook(path).map_err(|_: calamine::XlsxError| unreadable())?;
    let sheet = book.worksheet_range_at(0).ok_or_else(unreadable)?.map_err(|_| unreadable())?;
    let at = |row: usize, column: usize| {
        let (row, column) = (u32::try_from(row).ok()?, u32::try_from(column).ok()?);
        sheet.get_value((row, column))
    };
    for (column, meant) in frame.columns().iter().enumerate() {
        if at(0, column) != Some(&Data::String(meant.name().to_string())) {
            return Err("it has other columns".to_owned());
        }
        let cells = cells(meant.as_materialized_series()).map_err(|_| unreadable())?;
        for (row, cell) in cells.enumerate() {
            if !is(at(row + 1, column), &cell) {
                return Err(format!("column `{}` has other values", meant.name()));
            }
        }
    }
    let (rows, columns) =
        sheet.end().map_or((0, 0), |(row, column)| (row as usize, column as usize));
    if rows > frame.height() || columns >= frame.width().max(1) {
        return Err("it has more cells than were meant".to_owned());
    }
    Ok(())
}

#[expect(clippy::float_cmp, reason = "the same number is meant, bit by bit")]
fn is(found: Option<&Data>, meant: &Cell) -> bool {
    match (found, meant) {
        (None | Some(Data::Empty), Cell::Empty) => true,
        (Some(Data::String(found)), Cell::Text(meant)) => found == meant,
        (Some(Data::Bool(found)), Cell::Bool(meant)) => found == meant,
        (Some(Data::Float(found)), Cell::Number(meant)) => found == meant,
        #[expect(clippy::cast_precision_loss, reason = "compared with a double of 15 digits")]
        (Some(Data::Int(found)), Cell::Number(meant)) => *found as f64 == *meant,
        (Some(Data::DateTime(found)), Cell::Date(meant)) => found.as_f64() == f64::from(*meant),
        (Some(Data::DateTime(found)), Cell::Moment(meant)) => found.as_f64() == as_days(*meant),
        _ => false,
    }
}
