//! Workbooks of Excel and `OpenDocument`, read by `calamine`: one sheet, whose first row is the header.
//!
//! A cell becomes the text that stands for its value: a number as digits and a point, a bool as `true` or
//! `false`, a date as `2026-11-24`, a time as `2026-11-24T10:00:00`. What a program shows instead of a value
//! (an error, a formula that nobody has computed) is a fault. How a number is shown is not looked at.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use calamine::{Data, Range, Reader as _, SheetType, SheetVisible, open_workbook_auto_from_rs};
use polars::prelude::*;

use super::Raw;
use crate::diagnostics::{Code, Diagnostic, Site};

/// From 16 digits on spreadsheets do not keep the last ones of a number, and two ids could become one.
const EXACT: f64 = 1e15;
/// Days that are dates, counted as sheets count them: up to the end of the year 9999. What lies outside is no
/// date, and the reader would take it for the nearest one.
const DAYS: std::ops::Range<f64> = 1.0..2_958_466.0;

/// A sheet of a workbook.
#[derive(Debug)]
pub struct Sheet {
    /// The names of its columns, without the blanks at their ends.
    pub header: Vec<String>,
    cells: Range<Data>,
}

/// What is wrong with a workbook, and where: the row of the sheet, and the column.
#[derive(Debug)]
pub struct Fault {
    code: Code,
    message: String,
    help: &'static str,
    record: Option<u64>,
    row: Option<u64>,
    column: Option<String>,
}

impl Fault {
    fn new(code: Code, message: impl Into<String>, help: &'static str) -> Self {
        Self { code, message: message.into(), help, record: None, row: None, column: None }
    }

    /// As a diagnostic of a file.
    #[must_use]
    pub fn into_diagnostic(self, file: &Path) -> Diagnostic {
        Diagnostic::error(self.code, self.message)
            .in_file(Site {
                file: file.to_path_buf(),
                row: self.record,
                line: self.row,
                column: self.column,
            })
            .help(self.help)
    }
}

/// The sheet of this name, or the only one that is a visible table.
///
/// # Errors
/// What is no workbook, a sheet that is not there or not named among several, a header that cannot be
/// used, a formula without a value.
pub fn open(bytes: &[u8], name: Option<&str>) -> Result<Sheet, Fault> {
    unbroken(|| {
        let (sheet, formulas) = read(bytes, name, Book::worksheet_formula)?;
        expect_values(&sheet, &formulas)?;
        Ok(sheet)
    })
}

/// The names of the columns of the sheet that [`open`] gives.
///
/// # Errors
/// As [`open`], but that formulas are not looked at.
pub fn columns(bytes: &[u8], name: Option<&str>) -> Result<Vec<String>, Fault> {
    unbroken(|| Ok(read(bytes, name, |_, _| Ok(()))?.0.header))
}

/// The reader panics on some damaged files.
fn unbroken<T>(read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged()))
}

fn damaged() -> Fault {
    Fault::new(
        Code::UnreadableFile,
        "the file is no workbook, is encrypted, or is damaged",
        "save it anew as .xlsx without a password, or say with `format` what it is",
    )
}

type Book<'b> = calamine::Sheets<Cursor<&'b [u8]>>;

/// A sheet, and what else is wanted of it by its name.
fn read<'b, T>(
    bytes: &'b [u8],
    name: Option<&str>,
    more: impl FnOnce(&mut Book<'b>, &str) -> Result<T, calamine::Error>,
) -> Result<(Sheet, T), Fault> {
    let mut book = open_workbook_auto_from_rs(Cursor::new(bytes)).map_err(|_| damaged())?;
    let tables: Vec<String> = book
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .filter(|sheet| name.is_some() || sheet.visible == SheetVisible::Visible)
        .map(|sheet| sheet.name.clone())
        .collect();
    let known = tables.join(", ");
    let chosen = match (name, tables.as_slice()) {
        (Some(name), _) => tables.iter().find(|table| *table == name).ok_or_else(|| {
            Fault::new(
                Code::BadValue,
                format!("the workbook has no sheet `{name}`; its sheets: {known}"),
                "write the name of one under `sheet`",
            )
        })?,
        (None, [only]) => only,
        (None, _) => {
            return Err(Fault::new(
                Code::BadValue,
                format!("the workbook has {} visible sheets: {known}", tables.len()),
                "say which with `sheet: NAME`",
            ));
        }
    };
    let cells = book.worksheet_range(chosen).map_err(|_| damaged())?;
    let more = more(&mut book, chosen).map_err(|_| damaged())?;
    Ok((Sheet { header: header(&cells)?, cells }, more))
}

/// Each formula has a value.
fn expect_values(sheet: &Sheet, formulas: &Range<String>) -> Result<(), Fault> {
    // The sheet knows where its own cells begin.
    let (first, left) = sheet.cells.start().unwrap_or_default();
    let (top, side) = formulas.start().unwrap_or_default();
    for (row, column, formula) in formulas.used_cells() {
        if formula.is_empty() {
            continue;
        }
        let (row, column) = (top as usize + row, side as usize + column);
        let place = row.checked_sub(first as usize).zip(column.checked_sub(left as usize));
        let Some((row, column)) = place else { continue };
        if matches!(sheet.cells.get((row, column)), None | Some(Data::Empty)) {
            let fault = Fault::new(
                Code::ValueType,
                "a formula has no value in the file",
                "open the workbook in a program that computes it, and save it",
            );
            return Err(sheet.at(fault, row, column));
        }
    }
    Ok(())
}

/// The names of the columns.
fn header(cells: &Range<Data>) -> Result<Vec<String>, Fault> {
    let names: Vec<String> = cells
        .rows()
        .next()
        .into_iter()
        .flatten()
        .map(|cell| text(cell).map(|name| name.unwrap_or_default().trim().to_owned()))
        .collect::<Option<_>>()
        .unwrap_or_default();
    let header = |message: String| {
        Fault::new(
            Code::Header,
            message,
            "the first row of the sheet that holds anything names every column, each in another way",
        )
    };
    if names.is_empty() {
        return Err(header("the sheet has no row of names".to_owned()));
    }
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(header(format!("column {} has no name", at + 1)));
        }
        if names[..at].contains(name) {
            return Err(header(format!("two columns are called `{name}`")));
        }
    }
    Ok(names)
}

impl Sheet {
    fn at(&self, mut fault: Fault, row: usize, column: usize) -> Fault {
        let first = self.cells.start().unwrap_or_default().0 as usize;
        fault.row = Some((first + row + 1) as u64);
        let before = self.cells.rows().take(row).skip(1).filter(|row| !is_blank(row)).count();
        fault.record = (row > 0).then_some(before as u64 + 1);
        fault.column = self.header.get(column).cloned();
        fault
    }

    /// The records: rows behind the header of which a cell holds anything.
    pub fn records(&self) -> impl Iterator<Item = &[Data]> {
        self.cells.rows().skip(1).filter(|row| !is_blank(row))
    }

    /// The wanted columns as texts.
    ///
    /// # Errors
    /// A cell that has no value but an error, and a number that is not exact.
    pub fn columns(&self, wanted: &[&str], nulls: &[String]) -> Result<Raw, Fault> {
        let mut columns = Vec::new();
        let mut first: Option<(usize, usize)> = None;
        for name in wanted {
            let Some(column) = self.header.iter().position(|known| known == name) else {
                return Err(Fault::new(
                    Code::SchemaMismatch,
                    "the file's columns changed while the run began",
                    "run again when nobody writes to it",
                ));
            };
            let mut cells = Vec::new();
            for (row, record) in self.cells.rows().enumerate().skip(1) {
                if is_blank(record) {
                    continue;
                }
                let Some(text) = text(&record[column]) else {
                    let place = (row, column);
                    first = Some(first.map_or(place, |first| first.min(place)));
                    break;
                };
                let is_null = |text: &String| nulls.iter().any(|null| null == text);
                cells.push(text.filter(|text| !is_null(text)));
            }
            columns.push(
                StringChunked::from_iter_options((*name).into(), cells.into_iter()).into_series(),
            );
        }
        match first {
            None => Ok((columns, self.records().count())),
            Some((row, column)) => {
                let fault = match self.cells.get((row, column)) {
                    Some(Data::Error(_)) => Fault::new(
                        Code::ValueType,
                        "a cell holds an error of the spreadsheet",
                        "correct the formula, or put a value in its place",
                    ),
                    Some(Data::DateTime(_)) => Fault::new(
                        Code::ValueType,
                        "a cell is formatted as a date, and holds none",
                        "put a date in it, or format the column as numbers or text",
                    ),
                    _ => Fault::new(
                        Code::ValueType,
                        "a number is so large that a spreadsheet does not keep its last digits",
                        "format the column as text before the values come in",
                    ),
                };
                Err(self.at(fault, row, column))
            }
        }
    }
}

fn is_blank(row: &[Data]) -> bool {
    row.iter().all(|cell| matches!(cell, Data::Empty))
}

/// A cell's value as text; outer none where it has no value that can be said.
#[expect(clippy::option_option, reason = "no value, and none that can be said, are two things")]
fn text(cell: &Data) -> Option<Option<String>> {
    Some(Some(match cell {
        Data::Empty => return Some(None),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Bool(value) => value.to_string(),
        Data::Int(value) => value.to_string(),
        Data::Float(value) if value.abs() < EXACT => value.to_string(),
        Data::DateTime(at) if at.is_datetime() && !DAYS.contains(&at.as_f64()) => return None,
        Data::DateTime(at) if at.is_datetime() => {
            let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
            let date = format!("{year:04}-{month:02}-{day:02}");
            match (hour, minute, second, milli) {
                (0, 0, 0, 0) => date,
                (_, _, _, 0) => format!("{date}T{hour:02}:{minute:02}:{second:02}"),
                _ => format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}"),
            }
        }
        // A duration, in days, as the sheet keeps it.
        Data::DateTime(length) => length.as_f64().to_string(),
        Data::Float(_) | Data::Error(_) => return None,
    }))
}
