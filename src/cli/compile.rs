//! `optin compile`.

use std::path::Path;

use super::args::Dialect;
use super::{DONE, print, refuse};
use crate::{RunOptions, compile_file, sql};

/// Writes the job of a pipeline file to a file or to standard output.
pub fn compile(
    file: &Path,
    dialect: Dialect,
    options: &RunOptions,
    output: Option<&Path>,
    keys: Option<&Path>,
    json: bool,
) -> u8 {
    let dialect = match dialect {
        Dialect::Duckdb => sql::Dialect::Duckdb,
        Dialect::Spark => sql::Dialect::Spark,
    };
    match compile_file(file, options, dialect, keys, output) {
        Ok(_) if output.is_some() => DONE,
        Ok(job) => print(&job, DONE),
        Err(failure) => refuse(&failure, json),
    }
}
