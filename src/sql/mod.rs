//! A plan as SQL that a database runs by itself.
//!
//! In comes a [`Plan`], out goes the text of one job: it reads the sources, unifies, folds, judges
//! and writes the exports, in the order of the plan, each step a table under a comment that names
//! its place in the pipeline file. Nothing is read or written here.
//!
//! The steps (`script`) are made once, in the words of DuckDB; `duckdb` writes them down, and [`mod@spark`]
//! translates them. What an engine does in another way than the other is in `dialect`.
//!
//! A job says what the plan means exactly, or it is refused: what SQL cannot say, or can say for
//! some values alone, is a [`Diagnostic`](crate::diagnostics::Diagnostic) with its place, or a guard that ends the job with an error
//! when such a value comes. It never approximates.
//!
//! Names and texts of the pipeline file are quoted in `text` and nowhere else.

mod consent;
mod dialect;
mod draw;
mod duckdb;
mod job;
mod keys;
mod people;
mod places;
mod prelude;
mod profiles;
mod proof;
mod reading;
mod rule;
mod script;
mod segments;
mod sources;
pub mod spark;
mod text;
mod zones;

use std::path::Path;

pub use dialect::Dialect;
pub use keys::{file_name, is_looked_up, wants_table};
pub use places::Places;

use crate::diagnostics::{Faults, Outcome};
use crate::plan::Plan;
use job::Job;

/// The text of a job for DuckDB, version 2.0.
///
/// `keys` is a folder of key tables, which this program makes of the values in the sources: one
/// file a field, named by [`file_name`]. With it no normalizer is refused.
///
/// # Errors
/// Everything in the plan that cannot be said exactly, with its place.
pub fn duckdb(plan: &Plan, places: &Places, keys: Option<&Path>) -> Outcome<String> {
    let job = written(plan, places, Dialect::Duckdb, keys)?;
    let as_of = match plan.as_of {
        Some(as_of) => rule::instant(as_of.at.0),
        None => "CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP)".to_owned(),
    };
    Ok(duckdb::text(&plan.name, places, &as_of, &job.script.into_steps()))
}

/// The steps of a job for Spark 4.
///
/// # Errors
/// As [`duckdb()`].
pub fn spark(plan: &Plan, places: &Places, keys: Option<&Path>) -> Outcome<spark::Job> {
    written(plan, places, Dialect::Spark, keys).map(spark::Job::new)
}

/// A job with all its steps, in the order of the plan.
fn written<'a>(
    plan: &'a Plan,
    places: &'a Places,
    dialect: Dialect,
    keys: Option<&'a Path>,
) -> Outcome<Job<'a>> {
    let mut job = Job::new(plan, places, dialect, keys);
    sources::write(&mut job);
    people::write_values(&mut job);
    keys::write_tables(&mut job);
    people::write_records(&mut job);
    people::write_clusters(&mut job);
    profiles::write(&mut job);
    consent::write_points(&mut job);
    consent::write_decisions(&mut job);
    consent::write_folds(&mut job);
    consent::write_states(&mut job);
    consent::write_suppression(&mut job);
    segments::write(&mut job);
    if job.faults.is_empty() {
        return Ok(job);
    }
    let mut faults = job.faults;
    faults.sort_by_key(|fault| fault.labels.first().map_or(0, |label| label.span.start));
    Err(Faults(faults))
}
