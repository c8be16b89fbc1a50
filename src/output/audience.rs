//! Audiences for advertising platforms: rows of profiles become rows of the platform's columns, each
//! value in its normal form and, where the platform wants that, as its SHA-256.
//!
//! What cannot be made is an empty cell and counted. A value that is a digest already stops the run: its
//! digest would match nobody, and nobody would see it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use polars::prelude::*;
use rayon::prelude::*;
use serde::Serialize;

use super::record::Written;
use super::stage::site;
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::ExportTable;
use crate::engine::cells::Cells;
use crate::normalize::platform::{LeftEmpty, Trait, is_digest};
use crate::normalize::{Region, sha};
use crate::plan::{Export, OutColumn, Plan, PlatformFile, hex};
use crate::planted;

/// What an audience can be matched by.
#[derive(Clone, Debug, Serialize)]
pub struct WrittenAudience {
    /// The platform.
    pub platform: &'static str,
    /// How many rows carry which column.
    pub carried: Vec<Carried>,
    /// Rows with at least one identifier: a mail address, a number, or first and last name with country
    /// and postal code.
    pub matchable: u64,
    /// Values of which no cell could be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_empty: Vec<EmptyCells>,
    /// The file of those who are no longer in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removals: Option<WrittenRemovals>,
}

/// How many rows carry a column.
#[derive(Clone, Debug, Serialize)]
pub struct Carried {
    /// The platform's name of it.
    pub column: &'static str,
    /// Rows in which it is not empty.
    pub rows: u64,
}

/// Cells that are empty although there is a value.
#[derive(Clone, Debug, Serialize)]
pub struct EmptyCells {
    /// The platform's name of the column.
    pub column: &'static str,
    /// Why.
    pub reason: LeftEmpty,
    /// How many.
    pub rows: u64,
}

/// The identifiers that the file before held and this one does not.
#[derive(Clone, Debug, Serialize)]
pub struct WrittenRemovals {
    /// The file.
    #[serde(flatten)]
    pub file: Written,
    /// The audience file that stood there before; none if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Earlier>,
}

/// The audience file before, and what became of its rows; `rows` is the sum of the others and of the
/// rows of the removal file.
#[derive(Clone, Debug, Serialize)]
pub struct Earlier {
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Its rows.
    pub rows: u64,
    /// Rows of which every identifier still stands in the new file.
    pub still_in: u64,
    /// Rows of which the same identifiers were removed with another row.
    pub again: u64,
    /// Rows without an identifier.
    pub without_identifier: u64,
}

/// True if a row can be matched that carries these columns.
pub fn is_matchable(carries: impl Fn(Trait) -> bool) -> bool {
    carries(Trait::Mail) || carries(Trait::Phone) || by_name(carries)
}

/// True if a row names a person by name and place.
pub fn by_name(carries: impl Fn(Trait) -> bool) -> bool {
    [Trait::FirstName, Trait::LastName, Trait::Country, Trait::Zip].into_iter().all(carries)
}

/// Counts of an audience that is being written.
#[derive(Debug, Default)]
struct Counts {
    carried: Vec<u64>,
    matchable: u64,
    left_empty: BTreeMap<(usize, LeftEmpty), u64>,
    /// By column: values that are digests already.
    digests: BTreeMap<usize, u64>,
}

/// A cell, and what is to be counted of it.
enum Made {
    Missing,
    Cell(String),
    Empty(LeftEmpty),
    DigestAlready,
}

/// Makes the rows of one audience.
pub struct Hashing<'a> {
    plan: &'a Plan,
    export: &'a Export,
    file: &'a PlatformFile,
    table: &'a ExportTable<'a>,
    counts: Mutex<Counts>,
}

impl<'a> Hashing<'a> {
    /// Of an export.
    #[must_use]
    pub fn new(
        plan: &'a Plan,
        export: &'a Export,
        file: &'a PlatformFile,
        table: &'a ExportTable<'a>,
    ) -> Self {
        let counts = Counts { carried: vec![0; file.columns.len()], ..Counts::default() };
        Self { plan, export, file, table, counts: Mutex::new(counts) }
    }

    /// The rows of a piece that begins at row `first`.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn piece(&self, piece: &DataFrame, first: usize) -> Outcome<DataFrame> {
        let columns: Outcome<Vec<Vec<Made>>> = piece
            .columns()
            .par_iter()
            .enumerate()
            .map(|(at, column)| {
                let cells = Cells::of(column.as_materialized_series())?;
                Ok((0..piece.height()).map(|row| self.make(at, &cells, row, first)).collect())
            })
            .collect();
        let columns = columns?;
        self.count(&columns, piece.height());
        let texts = columns.iter().enumerate().map(|(at, cells)| {
            let texts = cells.iter().map(|made| match made {
                Made::Cell(text) => Some(text.as_str()),
                _ => None,
            });
            let name = self.export.header(self.plan, at).into();
            StringChunked::from_iter_options(name, texts).into_series().into()
        });
        DataFrame::new(piece.height(), texts.collect()).map_err(|_| {
            Diagnostic::error(Code::EngineFault, "the rows of an audience could not be made").into()
        })
    }

    fn make(&self, at: usize, cells: &Cells, row: usize, first: usize) -> Made {
        let (platform, of) = (self.file.platform, self.file.columns[at]);
        let Some(text) = cells.text(row).filter(|text| !text.trim().is_empty()) else {
            return if self.hides_digest(at, first + row) {
                Made::DigestAlready
            } else {
                Made::Missing
            };
        };
        if platform.hashes(of) && is_digest(&text) {
            return Made::DigestAlready;
        }
        match platform.normal(of, &text, self.region(at, first + row)) {
            // As somebody does who hashes what he compares by.
            Ok(normal) if planted::fault("key-hashed") && of == Trait::Mail => {
                Made::Cell(hex(&sha(&normal.replace('.', ""))))
            }
            Ok(normal) if platform.hashes(of) => Made::Cell(hex(&sha(&normal))),
            Ok(normal) => Made::Cell(normal),
            Err(why) => Made::Empty(why),
        }
    }

    /// The region in which a row's number is read.
    fn region(&self, at: usize, row: usize) -> Option<Region> {
        let OutColumn::Field(field) = self.export.columns[at] else { return None };
        if self.file.columns[at] != Trait::Phone {
            return None;
        }
        let beside = self.table.region(field, row);
        let beside = beside.as_deref().and_then(Region::parse);
        beside.or(self.plan.fields[field.0].key.fixed_region())
    }

    /// True if a customer shows no contact point, but a record of his holds a digest in its place: such
    /// a value has no key, so no profile shows it.
    fn hides_digest(&self, at: usize, row: usize) -> bool {
        let OutColumn::Field(field) = self.export.columns[at] else { return false };
        self.plan.is_contact(field)
            && self.table.texts_of_records(field, row).iter().any(|text| is_digest(text))
    }

    fn count(&self, columns: &[Vec<Made>], rows: usize) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, cells) in columns.iter().enumerate() {
            for made in cells {
                match made {
                    Made::Missing => {}
                    Made::Cell(_) => counts.carried[at] += 1,
                    Made::Empty(why) => *counts.left_empty.entry((at, *why)).or_default() += 1,
                    Made::DigestAlready => *counts.digests.entry(at).or_default() += 1,
                }
            }
        }
        let carries = |row: usize, of: Trait| {
            let at = self.file.columns.iter().position(|held| *held == of);
            at.is_some_and(|at| matches!(columns[at][row], Made::Cell(_)))
        };
        let matchable = (0..rows).filter(|row| is_matchable(|of| carries(*row, of))).count();
        counts.matchable += matchable as u64;
    }

    /// What was counted.
    ///
    /// # Errors
    /// Values that are digests already.
    pub fn finish(self) -> Outcome<WrittenAudience> {
        let counts = self.counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let column = |at: usize| self.file.platform.column(self.file.columns[at]);
        if !counts.digests.is_empty() {
            let each = counts.digests.iter().map(|(at, values)| {
                let field = self.plan.column_name(self.export.columns[*at]);
                format!("{values} of `{field}` for `{}`", column(*at))
            });
            return Err(Diagnostic::error(
                Code::HashedAlready,
                format!(
                    "values to be hashed are 64 hexadecimal digits, so hashes already: {}",
                    each.collect::<Vec<_>>().join(", ")
                ),
            )
            .in_file(site(&self.export.target.path))
            .help(
                "nothing was published; a hash of a hash matches nobody. Map a column that holds the \
                 values themselves",
            )
            .into());
        }
        let carried = counts.carried.iter().enumerate();
        let left_empty = counts.left_empty.iter();
        Ok(WrittenAudience {
            platform: self.file.platform.name(),
            carried: carried
                .map(|(at, rows)| Carried { column: column(at), rows: *rows })
                .collect(),
            matchable: counts.matchable,
            left_empty: left_empty
                .map(|((at, reason), rows)| EmptyCells {
                    column: column(*at),
                    reason: *reason,
                    rows: *rows,
                })
                .collect(),
            removals: None,
        })
    }
}
