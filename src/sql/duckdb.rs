//! The steps of a job as text for DuckDB: one transaction of temporary tables.

use super::places::Places;
use super::prelude;
use super::script::{Step, Write, heading_lines};
use super::text::{guard, literal, name, remark};
use crate::plan::TargetFormat;

/// The whole text.
pub fn text(pipeline: &str, places: &Places, as_of: &str, steps: &[Step]) -> String {
    let mut body = heading_lines("The date as of which consent is judged", "--");
    body.push_str(&statement(&format!("SET VARIABLE as_of = {as_of}")));
    for step in steps {
        body.push_str(&said(step));
    }
    format!(
        "-- {} as SQL for DuckDB 2.0, made by optin {} of {}.\n-- Run it where the pipeline's paths are seen from. The folders of its outputs must be there.\n-- All of it is one transaction: an error ends it, and nothing is written after one.\n\nBEGIN TRANSACTION;\nSET TimeZone = 'UTC';\n\n-- Macros\n-- ------\n{}{body}\nCOMMIT;\n",
        remark(pipeline),
        env!("CARGO_PKG_VERSION"),
        remark(&places.file),
        prelude::macros(&body)
    )
}

fn statement(text: &str) -> String {
    format!("{text};\n")
}

fn said(step: &Step) -> String {
    match step {
        Step::Heading(text) => heading_lines(text, "--"),
        Step::Comment(text) => format!("-- {text}\n"),
        Step::Table { table, query } => {
            statement(&format!("CREATE TEMP TABLE {} AS\n{query}", name(table)))
        }
        Step::Expect { any, otherwise } => statement(&format!(
            "SELECT CASE WHEN {} THEN true ELSE error({}) END AS guard",
            any.join(" OR "),
            guard(otherwise)
        )),
        Step::Write(write) => statement(&copy(write)),
        // DuckDB reads files within a query, and repeats a query by itself.
        Step::Read(_) | Step::Rounds(_) => String::new(),
    }
}

fn copy(write: &Write) -> String {
    let options = match write.format {
        TargetFormat::Csv => "FORMAT csv, HEADER true, DELIMITER ','",
        TargetFormat::Tsv => "FORMAT csv, HEADER true, DELIMITER '\t'",
        TargetFormat::Ndjson => "FORMAT json",
        TargetFormat::Parquet | TargetFormat::Ipc | TargetFormat::Xlsx => {
            "FORMAT parquet, COMPRESSION zstd"
        }
    };
    format!(
        "COPY (\n{} ORDER BY j.position\n) TO {} ({options})",
        write.query,
        literal(&write.path.to_string_lossy())
    )
}
