//! A plan as SQL that a database runs by itself.
//!
//! In comes a [`Plan`], out goes the text of one job: it reads the sources, unifies, folds, judges
//! and writes the exports, in the order of the plan, each step a temporary table under a comment
//! that names its place in the pipeline file. Nothing is read or written here.
//!
//! A job says what the plan means exactly, or it is refused: what SQL cannot say, or can say for
//! some values alone, is a [`Diagnostic`](crate::diagnostics::Diagnostic) with its place, or a guard that ends the job with an error
//! when such a value comes. It never approximates.
//!
//! Names and texts of the pipeline file are quoted in `text` and nowhere else.

mod consent;
mod job;
mod keys;
mod people;
mod places;
mod prelude;
mod profiles;
mod rule;
mod segments;
mod sources;
mod text;
mod zones;

use std::path::Path;

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
    let mut job = Job::new(plan, places, keys);
    job.script.heading("The date as of which consent is judged");
    let as_of = match plan.as_of {
        Some(as_of) => rule::instant(as_of.at.0),
        None => "CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP)".to_owned(),
    };
    job.script.statement(&format!("SET VARIABLE as_of = {as_of}"));
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
    let Job { script, mut faults, .. } = job;
    if !faults.is_empty() {
        faults.sort_by_key(|fault| fault.labels.first().map_or(0, |label| label.span.start));
        return Err(Faults(faults));
    }
    let body = script.into_text();
    let head = format!(
        "-- {} as SQL for DuckDB 2.0, made by optin {} of {}.\n-- Run it where the pipeline's paths are seen from. The folders of its outputs must be there.\n-- All of it is one transaction: an error ends it, and nothing is written after one.\n\nBEGIN TRANSACTION;\nSET TimeZone = 'UTC';\n\n-- Macros\n-- ------\n{}",
        text::remark(&plan.name),
        env!("CARGO_PKG_VERSION"),
        text::remark(&places.file),
        prelude::macros(&body)
    );
    Ok(format!("{head}{body}\nCOMMIT;\n"))
}
