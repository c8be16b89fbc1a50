//! What a job does, step by step, before it is written for an engine.
//!
//! Queries stand here as DuckDB reads them, with calls of the macros of `prelude`. What engines do in
//! different ways is a step of its own: reading files, rounds to a fixed point, writing files.

use std::path::PathBuf;

use super::text::remark;
use crate::plan::TargetFormat;

/// One step. In a job for Spark its queries are translated, and what is expected or done is a query of one
/// row and one column.
#[derive(Clone, Debug)]
pub enum Step {
    /// A heading of what follows.
    Heading(String),
    /// A line of comment on what follows.
    Comment(String),
    /// Files become a table of texts, or of the types that they have.
    Read(Read),
    /// A table made of a query.
    Table {
        /// Its name, without quotes.
        table: String,
        /// What it holds.
        query: String,
    },
    /// The job ends unless one of these queries, asked in turn, gives true.
    Expect {
        /// Expressions that give a bool.
        any: Vec<String>,
        /// Why it ended.
        otherwise: String,
    },
    /// A table that is made anew of itself until nothing changes.
    Rounds(Rounds),
    /// A file made of a query.
    Write(Write),
}

/// Files that become a table.
#[derive(Clone, Debug)]
pub struct Read {
    /// The table, without quotes.
    pub table: String,
    /// Its files.
    pub files: Vec<String>,
    /// How they are read.
    pub format: ReadFormat,
}

/// How files are read.
#[derive(Clone, Debug)]
pub enum ReadFormat {
    /// Cells as texts, in columns of these names; the first line is a head.
    Delimited {
        /// Between cells.
        delimiter: char,
        /// By position.
        columns: Vec<String>,
        /// True for gzip.
        gzip: bool,
    },
    /// A line each, as text, in the column `line`.
    Lines,
    /// Parquet, with its own columns and types.
    Parquet,
    /// Key tables that this program made: NDJSON.
    KeyTable,
}

/// A table that is made anew of itself.
#[derive(Clone, Debug)]
pub struct Rounds {
    /// The table, without quotes.
    pub table: String,
    /// What it holds at first.
    pub start: String,
    /// What it holds after a round; the query reads the table as it was before.
    pub again: String,
    /// True of the table when it is done.
    pub done: String,
}

/// A file made of a query.
#[derive(Clone, Debug)]
pub struct Write {
    /// What it is called in the pipeline: the segment, or the internal table.
    pub called: String,
    /// The rows. Where a file has an order it is that of the column `position` of the table `j`.
    pub query: String,
    /// Where.
    pub path: PathBuf,
    /// As what.
    pub format: TargetFormat,
}

/// The steps of a job while they grow.
#[derive(Debug, Default)]
pub struct Script(Vec<Step>);

impl Script {
    /// A line of comment.
    pub fn comment(&mut self, text: &str) {
        self.0.push(Step::Comment(remark(text)));
    }

    /// A heading.
    pub fn heading(&mut self, text: &str) {
        self.0.push(Step::Heading(remark(text)));
    }

    /// A table made of a query.
    pub fn table(&mut self, table: &str, query: &str) {
        self.0.push(Step::Table { table: table.to_owned(), query: query.to_owned() });
    }

    /// Another step.
    pub fn step(&mut self, step: Step) {
        self.0.push(step);
    }

    /// All steps.
    pub fn into_steps(self) -> Vec<Step> {
        self.0
    }
}

/// A heading as two lines of comment.
pub fn heading_lines(text: &str, sign: &str) -> String {
    format!("\n{sign} {text}\n{sign} {}\n", "-".repeat(text.chars().count()))
}
