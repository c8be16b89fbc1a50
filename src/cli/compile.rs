//! `optin compile`.

use std::io::{self, Write as _};
use std::path::Path;

use super::args::Dialect;
use super::{DONE, FAILED, print, refuse};
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
    let job = match compile_file(file, options, dialect, keys) {
        Ok(job) => job,
        Err(failure) => return refuse(&failure, json),
    };
    let Some(path) = output else { return print(&job, DONE) };
    match std::fs::write(path, job) {
        Ok(()) => DONE,
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "error: {} cannot be written: {}",
                path.display(),
                error.kind()
            );
            FAILED
        }
    }
}
